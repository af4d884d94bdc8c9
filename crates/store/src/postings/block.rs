//! Pairs packed into the blocks of a run.
//!
//! A block is a row: its key ends with the last pair of the block, and its value is the pairs in ascending order,
//! each as what it adds to the one before. So the first row behind `(key, number)` is the block that holds the next
//! greater pair, and a scan forward, the only one that stores have, finds it at once.
//!
//! ```text
//!  row key:   prefix │ run (8) │ key (8) │ number (4)        of the last pair, big-endian
//!  row value: (key, number) │ (key − key before, number) or (0, number − number before − 1) │ …      as varints
//! ```

use std::ops::ControlFlow;

use crate::{Batch, Table};

/// A key, and a number that stands under it.
pub(super) type Pair = (u64, u32);

/// The most bytes of a block: with its key it still fits a page of the engine, which has 4096.
const BLOCK_BYTES: usize = 4000;
/// The most bytes that a pair takes.
const PAIR_BYTES: usize = 10 + 5;
const LAST_BYTES: usize = 8 + 4;

/// One run: its name and how much is in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) id: u64,
    pub(super) pairs: u64,
    /// Of the values of its rows.
    pub(super) bytes: u64,
}

/// What the keys of a run's blocks begin with.
pub(super) fn head(prefix: &[u8], run: u64) -> Vec<u8> {
    [prefix, &run.to_be_bytes()].concat()
}

/// Behind which row key the block is that holds the next pair, or the first pair of a key if no number is given.
pub(super) fn before(head: &[u8], key: u64, number: Option<u32>) -> Vec<u8> {
    let number = number.map(u32::to_be_bytes);
    [head, &key.to_be_bytes(), number.as_ref().map_or(&[], |number| number)].concat()
}

/// The last pair of a block, from its row key.
pub(super) fn last_of(row_key: &[u8]) -> Option<Pair> {
    let (rest, number) = row_key.split_last_chunk()?;
    let (_, key) = rest.split_last_chunk()?;
    Some((u64::from_be_bytes(*key), u32::from_be_bytes(*number)))
}

/// Makes blocks of ascending pairs and puts them into a batch.
pub(super) struct Packer {
    table: Table,
    head: Vec<u8>,
    run: Run,
    block: Vec<u8>,
    /// Of the block; none while that is empty.
    last: Option<Pair>,
}

impl Packer {
    /// Goes on with a run behind its last whole block.
    pub(super) fn new(table: Table, prefix: &[u8], run: Run) -> Self {
        Packer { table, head: head(prefix, run.id), run, block: Vec::new(), last: None }
    }

    /// Adds a pair, which is greater than all before. Says whether it ended a block.
    pub(super) fn push(&mut self, pair: Pair, batch: &mut Batch) -> bool {
        debug_assert!(self.last.is_none_or(|last| last < pair), "the pairs of a run ascend");
        pack(self.last, pair, &mut self.block);
        self.last = Some(pair);
        self.run.pairs += 1;
        let full = self.block.len() + PAIR_BYTES > BLOCK_BYTES;
        if full {
            self.cut(batch);
        }
        full
    }

    /// Ends the block, if one is begun, and gives the run as it is now.
    pub(super) fn cut(&mut self, batch: &mut Batch) -> Run {
        if let Some((key, number)) = self.last.take() {
            self.run.bytes += self.block.len() as u64;
            batch.put(self.table, before(&self.head, key, Some(number)), std::mem::take(&mut self.block));
        }
        self.run
    }
}

fn pack(before: Option<Pair>, (key, number): Pair, block: &mut Vec<u8>) {
    match before {
        Some((same, earlier)) if same == key => {
            put_varint(0, block);
            put_varint(u64::from(number - earlier - 1), block);
        }
        _ => {
            put_varint(key - before.map_or(0, |(key, _)| key), block);
            put_varint(u64::from(number), block);
        }
    }
}

/// Visits the pairs of a block in ascending order until `visit` breaks off. None if it isn't one that was written under
/// this row key, as far as it was looked at; some pairs may have been visited then.
pub(super) fn unpack(
    head: &[u8],
    row_key: &[u8],
    mut block: &[u8],
    mut visit: impl FnMut(Pair) -> ControlFlow<()>,
) -> Option<()> {
    let mut before = None;
    while !block.is_empty() {
        let pair = next_pair(before, &mut block)?;
        if visit(pair).is_break() {
            return Some(());
        }
        before = Some(pair);
    }
    let fits = row_key.len() == head.len() + LAST_BYTES;
    (fits && before.is_some() && before == last_of(row_key)).then_some(())
}

fn next_pair(before: Option<Pair>, block: &mut &[u8]) -> Option<Pair> {
    let (step, number) = (take_varint(block)?, u32::try_from(take_varint(block)?).ok()?);
    match before {
        Some((key, earlier)) if step == 0 => Some((key, earlier.checked_add(number)?.checked_add(1)?)),
        Some((key, _)) => Some((key.checked_add(step)?, number)),
        None => Some((step, number)),
    }
}

/// Seven bits to a byte, the low ones first; the high bit says that more follow.
pub(super) fn put_varint(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// The number in front, if there is a whole one, and it is one of 64 bits.
pub(super) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            // Of the tenth byte only one bit is left.
            return (shift < 63 || *byte == 1).then_some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::testing::Chance;

    const T: Table = Table("t");
    const EDGES: [u64; 6] = [0, 1, 127, 128, u32::MAX as u64, u64::MAX];

    /// The blocks of a run, by row key.
    fn blocks(pairs: &BTreeSet<Pair>) -> Vec<(Vec<u8>, Vec<u8>)> {
        let (mut batch, mut packer) = (Batch::new(), Packer::new(T, b"p", Run::default()));
        for pair in pairs {
            packer.push(*pair, &mut batch);
        }
        let run = packer.cut(&mut batch);
        assert_eq!(run.pairs, pairs.len() as u64);
        let rows = batch.into_tables().remove(&T).unwrap_or_default();
        rows.into_iter().map(|(key, value)| (key, value.unwrap())).collect()
    }

    fn unpacked(row_key: &[u8], block: &[u8]) -> Option<Vec<Pair>> {
        let mut pairs = Vec::new();
        let visit = |pair| {
            pairs.push(pair);
            ControlFlow::Continue(())
        };
        unpack(&head(b"p", 0), row_key, block, visit).map(|()| pairs)
    }

    fn some_pairs(chance: &mut Chance) -> BTreeSet<Pair> {
        let (count, keys) = (chance.below(3000), [1, 7, u64::MAX][chance.below(3) as usize]);
        (0..count)
            .map(|_| match chance.below(8) {
                0 => (EDGES[chance.below(6) as usize], EDGES[chance.below(5) as usize] as u32),
                _ => (chance.below(keys), chance.draw() as u32 >> chance.below(32)),
            })
            .collect()
    }

    #[test]
    fn what_was_packed_is_unpacked() {
        let mut chance = Chance(1);
        for _ in 0..100 {
            let pairs = some_pairs(&mut chance);
            let mut found = Vec::new();
            for (key, block) in blocks(&pairs) {
                assert!(block.len() <= BLOCK_BYTES);
                found.extend(unpacked(&key, &block).unwrap());
                assert_eq!(found.last().copied(), last_of(&key));
            }
            assert!(pairs.iter().eq(&found), "the pairs changed");
        }
    }

    #[test]
    fn numbers_of_each_width_survive() {
        for number in (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, u64::MAX - (1 << bit)]) {
            let mut bytes = Vec::new();
            put_varint(number, &mut bytes);
            assert_eq!((take_varint(&mut bytes.as_slice()), bytes.len() <= 10), (Some(number), true));
            bytes.pop();
            assert_eq!(take_varint(&mut bytes.as_slice()), None);
        }
        assert_eq!(take_varint(&mut [0xff; 11].as_slice()), None);
        assert_eq!(take_varint(&mut [[0xff; 9].as_slice(), &[2]].concat().as_slice()), None);
    }

    #[test]
    fn damaged_blocks_are_refused_or_ascend() {
        let mut chance = Chance(2);
        let (mut refused, mut taken) = (0, 0);
        for _ in 0..400 {
            let Some((key, mut block)) = blocks(&some_pairs(&mut chance)).pop() else { continue };
            match chance.below(3) {
                0 => block.truncate(chance.below(block.len() as u64) as usize),
                1 => block.iter_mut().for_each(|byte| *byte = chance.draw() as u8),
                _ => {
                    let at = chance.below(block.len() as u64) as usize;
                    block[at] ^= 1 << chance.below(8);
                }
            }
            match unpacked(&key, &block) {
                None => refused += 1,
                Some(pairs) => {
                    taken += 1;
                    assert!(
                        pairs.is_sorted_by(|one, next| one < next) && pairs.last().copied() == last_of(&key)
                    );
                }
            }
        }
        assert!(refused > 200, "{refused} refused, {taken} taken");
        let (key, block) = blocks(&BTreeSet::from([(5, 6)])).pop().unwrap();
        assert_eq!(unpacked(&key, &block), Some(vec![(5, 6)]));
        assert_eq!(unpacked(&key[1..], &block), None);
        assert_eq!(unpacked(&key, &[]), None);
        assert_eq!(unpacked(b"", &block), None);
    }
}
