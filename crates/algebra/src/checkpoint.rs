//! Checkpoints of runtimes: what another process needs to go on where this one is, as blocks of bytes (Q18).
//!
//! A runtime that saves itself ([`Runtime::save`](crate::Runtime::save)) puts blocks, of at most 64 KiB each, and who
//! keeps them gives them back in their order. A [`Writer`] cuts numbers, bytes and values into blocks; a [`Reader`]
//! puts them together again. Layers that make one runtime each write a section of their own, one after the other.
//!
//! **A checkpoint is believed or it is none.** Each block of a section ends with its *stamp*, a hash of the block and
//! of the stamp before it. So a block that was damaged, cut, left out, or taken from elsewhere is found before anything
//! in it is looked at, and then all of it is as if it were not there: what it says can be made from the inputs. The
//! first stamp stands on the version of this crate and on [`VERSION`], so that nobody goes on with what another version
//! derived. No more is allocated than the bytes that are really there.

use motet_fact::{Cid, Digest, Value};

/// Where the blocks of a checkpoint come from, the first first; nothing at their end.
pub type Blocks<'a> = dyn FnMut() -> Option<Vec<u8>> + 'a;

/// To be raised when the bytes of a checkpoint change, or when a program that was saved comes to mean something else: a
/// function gives another value, say, or [`Program::seen`](crate::Program::seen) finds other rows to be seen.
pub const VERSION: u32 = 1;

/// The most bytes of a block, with its stamp.
const MOST: usize = 64 << 10;
/// The bytes of a stamp.
const STAMP: usize = 32;
/// The most bytes of a number.
const NUMBER: usize = 10;

/// The stamp of a block: the same if and only if it is the same block, after the same ones.
pub fn stamp(block: &[u8]) -> &[u8] {
    &block[block.len().saturating_sub(STAMP)..]
}

fn first_stamp(context: &'static str) -> Digest {
    Digest::derive(context, &[env!("CARGO_PKG_VERSION").as_bytes(), &VERSION.to_le_bytes()])
}

/// Writes a section of a checkpoint.
pub struct Writer<'a> {
    context: &'static str,
    put: &'a mut dyn FnMut(Vec<u8>),
    stamp: Digest,
    block: Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Begins a section. The context is a constant of who writes it, such as `"motet clocked checkpoint"`.
    pub fn new(context: &'static str, put: &'a mut dyn FnMut(Vec<u8>)) -> Self {
        Writer { context, put, stamp: first_stamp(context), block: Vec::new() }
    }

    /// Writes a number: seven bits to a byte, the lowest first.
    #[inline]
    pub fn number(&mut self, mut number: u64) {
        if self.block.len() > MOST - STAMP - NUMBER {
            self.cut();
        }
        while number > 0x7f {
            self.block.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.block.push(number as u8);
    }

    /// Writes a length.
    pub fn length(&mut self, length: usize) {
        self.number(length as u64);
    }

    /// Writes some bytes, whose length the reader knows.
    pub fn raw(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.block.len() >= MOST - STAMP {
                self.cut();
            }
            let (now, later) = bytes.split_at(bytes.len().min(MOST - STAMP - self.block.len()));
            self.block.extend_from_slice(now);
            bytes = later;
        }
    }

    /// Writes bytes with their length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.raw(bytes);
    }

    /// Writes a value.
    pub fn value(&mut self, value: &Value) {
        match value {
            Value::Bool(bool) => self.number(u64::from(*bool)),
            Value::Int(int) => {
                self.number(2);
                self.number(zigzag(*int));
            }
            Value::Float(float) => {
                self.number(3);
                self.raw(&float.get().to_bits().to_le_bytes());
            }
            Value::Text(text) => {
                self.number(4);
                self.bytes(text.as_bytes());
            }
            Value::Bytes(bytes) => {
                self.number(5);
                self.bytes(bytes);
            }
            Value::Link(cid) => {
                self.number(6);
                self.raw(cid.as_bytes());
            }
        }
    }

    /// Ends the section, whose last block is put.
    pub fn finish(mut self) {
        self.cut();
    }

    fn cut(&mut self) {
        self.stamp = Digest::derive(self.context, &[&self.stamp.0, &self.block]);
        self.block.extend_from_slice(&self.stamp.0);
        (self.put)(std::mem::take(&mut self.block));
    }
}

/// Reads a section of a checkpoint. Everything gives nothing once the blocks are not what was written.
pub struct Reader<'a> {
    context: &'static str,
    blocks: &'a mut Blocks<'a>,
    stamp: Digest,
    /// A block that was found whole, without its stamp.
    block: Vec<u8>,
    /// How much of it was read.
    at: usize,
}

impl<'a> Reader<'a> {
    /// Begins a section, with the context of who wrote it.
    pub fn new(context: &'static str, blocks: &'a mut Blocks<'a>) -> Self {
        Reader { context, blocks, stamp: first_stamp(context), block: Vec::new(), at: 0 }
    }

    /// Reads a number.
    #[inline]
    pub fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return (bits << shift >> shift == bits).then_some(number);
            }
        }
        None
    }

    /// Reads a length. There may be less than that.
    pub fn length(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    /// Reads so many bytes.
    pub fn raw(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        while bytes.len() < length {
            if self.at == self.block.len() {
                self.pull()?;
            }
            let now = (length - bytes.len()).min(self.block.len() - self.at);
            bytes.extend_from_slice(&self.block[self.at..self.at + now]);
            self.at += now;
        }
        Some(bytes)
    }

    /// Reads bytes with their length.
    pub fn bytes(&mut self) -> Option<Vec<u8>> {
        let length = self.length()?;
        self.raw(length)
    }

    /// Reads bytes that must be these.
    pub fn expect(&mut self, bytes: &[u8]) -> Option<()> {
        (self.raw(bytes.len())? == bytes).then_some(())
    }

    /// Reads text.
    pub fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?).ok()
    }

    /// Reads a value.
    pub fn value(&mut self) -> Option<Value> {
        Some(match self.number()? {
            bool @ (0 | 1) => Value::Bool(bool == 1),
            2 => Value::Int(unzigzag(self.number()?)),
            3 => Value::float(f64::from_bits(u64::from_le_bytes(self.raw(8)?.try_into().ok()?))).ok()?,
            4 => Value::text(self.text()?),
            5 => Value::bytes(self.bytes()?),
            6 => Value::Link(Cid::from_bytes(&self.raw(Cid::LENGTH)?).ok()?),
            _ => return None,
        })
    }

    /// Ends the section: all of its last block must have been read.
    pub fn finish(self) -> Option<()> {
        (self.at == self.block.len()).then_some(())
    }

    #[inline]
    fn byte(&mut self) -> Option<u8> {
        if self.at == self.block.len() {
            self.pull()?;
        }
        self.at += 1;
        Some(self.block[self.at - 1])
    }

    /// Takes the next block, if it is the one that was written next.
    fn pull(&mut self) -> Option<()> {
        let mut block = (self.blocks)()?;
        let length = block.len().checked_sub(STAMP).filter(|length| (1..=MOST - STAMP).contains(length))?;
        let stamp = Digest::derive(self.context, &[&self.stamp.0, &block[..length]]);
        if block[length..] != stamp.0 {
            return None;
        }
        block.truncate(length);
        (self.stamp, self.block, self.at) = (stamp, block, 0);
        Some(())
    }
}

/// An int so that those near zero are small.
fn zigzag(int: i64) -> u64 {
    (int << 1 ^ int >> 63).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONTEXT: &str = "motet test checkpoint";

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            prop::sample::select(vec![0, -1, 64, i64::MIN, i64::MAX]).prop_map(Value::Int),
            prop::num::f64::NORMAL.prop_map(|number| Value::float(number).unwrap()),
            any::<String>().prop_map(Value::text),
            (0usize..3 * MOST).prop_map(|length| Value::bytes(vec![7; length])),
            any::<u8>().prop_map(|byte| Value::Link(Cid::of(motet_fact::Codec::Raw, &[byte]))),
        ]
    }

    fn written(values: &[Value]) -> Vec<Vec<u8>> {
        let mut blocks = Vec::new();
        let mut put = |block| blocks.push(block);
        let mut writer = Writer::new(CONTEXT, &mut put);
        writer.length(values.len());
        values.iter().for_each(|value| writer.value(value));
        writer.finish();
        blocks
    }

    fn read(blocks: &[Vec<u8>]) -> Option<Vec<Value>> {
        let mut blocks = blocks.iter().cloned();
        let mut next = || blocks.next();
        let mut reader = Reader::new(CONTEXT, &mut next);
        let length = reader.length()?;
        let values = (0..length).map(|_| reader.value()).collect();
        reader.finish().and(values)
    }

    #[test]
    fn blocks_of_two_checkpoints_do_not_go_together() {
        let [one, two] = [1, 2].map(|byte| written(&[Value::bytes(vec![byte; 2 * MOST])]));
        assert!(read(&one).is_some() && read(&two).is_some() && one.len() == 3);
        assert_eq!(read(&[&one[..1], &two[1..2], &one[2..]].concat()), None);
        assert_eq!(read(&[&one[..2], &two[2..]].concat()), None);
    }

    #[test]
    fn what_is_left_over_is_no_end() {
        let blocks = written(&[Value::Int(1), Value::Int(2)]);
        let mut next = blocks.into_iter();
        let mut next = || next.next();
        let mut reader = Reader::new(CONTEXT, &mut next);
        assert_eq!((reader.length(), reader.value()), (Some(2), Some(Value::Int(1))));
        assert_eq!(reader.finish(), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn what_was_written_is_read(values in prop::collection::vec(value(), 0..12)) {
            let blocks = written(&values);
            prop_assert!(blocks.iter().all(|block| block.len() <= MOST));
            prop_assert_eq!(read(&blocks), Some(values));
        }

        #[test]
        fn what_was_not_written_is_nothing(
            values in prop::collection::vec(value(), 1..12),
            at in any::<prop::sample::Index>(),
            within in any::<prop::sample::Index>(),
            damage in 0u8..5,
            mask in 1u8..,
        ) {
            let good = written(&values);
            let mut blocks = good.clone();
            let place = at.index(blocks.len());
            match damage {
                0 => { let byte = within.index(blocks[place].len()); blocks[place][byte] ^= mask; }
                1 => { let end = within.index(blocks[place].len()); blocks[place].truncate(end); }
                2 => { blocks.remove(place); }
                3 => blocks.truncate(place),
                _ => { let other = within.index(blocks.len()); blocks.swap(place, other); }
            }
            prop_assume!(blocks != good);
            prop_assert_eq!(read(&blocks), None);
        }

        #[test]
        fn a_stamped_block_of_anything_does_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut blocks = Vec::new();
            let mut put = |block| blocks.push(block);
            let mut writer = Writer::new(CONTEXT, &mut put);
            writer.raw(&bytes);
            writer.finish();
            if let Some(values) = read(&blocks) {
                prop_assert!(values.len() <= bytes.len());
            }
        }
    }
}
