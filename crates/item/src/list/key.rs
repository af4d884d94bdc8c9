//! Order keys: bytes that sort as a list stands.
//!
//! A key spells the way from the beginning down to a slot: how many steps to the right, then how many to the left, and
//! so on. So what is appended or put in front again and again has short keys, and a key is a function of what hangs
//! above the slot alone: an insertion elsewhere changes none. Only where writers meet, and several slots have one
//! origin, the key also names the slot; the first time that happens at an origin, the keys below it are made anew.
//!
//! | bytes | |
//! |---|---|
//! | `80` | the end: the slot itself |
//! | `81` to `bf` | 1 to 63 steps to the right |
//! | `c0` to `c3`, then 1 to 4 bytes, big-endian | more steps to the right |
//! | the same, each bit turned | steps to the left |
//! | height (8 bytes, big-endian), hash of the CID (32), turned on the right | the last step is one of several |
//!
//! It sorts right: of two ways that part, the one with fewer steps to the right comes first, and with more steps to the
//! left; where one ends, what goes on to the left comes before it, and to the right behind it.

use std::sync::Arc;

use motet_fact::Cid;

use crate::sequence::Side;

const END: u8 = 0x80;
const FEW: u32 = 63;

/// The way to a slot: what all steps but the last ones come to, and the last ones, which go the same way.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    before: Arc<[u8]>,
    side: Side,
    steps: u32,
}

impl Way {
    /// The way to the beginning.
    pub(crate) fn start() -> Self {
        Way { before: Arc::from([]), side: Side::Right, steps: 0 }
    }

    /// One step further, where nothing else hangs.
    pub(crate) fn step(&self, side: Side) -> Self {
        if self.steps > 0 && side == self.side {
            return Way { steps: self.steps + 1, ..self.clone() };
        }
        Way { before: self.bytes().into(), side, steps: 1 }
    }

    /// One step further, to one of several slots.
    pub(crate) fn step_to(&self, side: Side, height: u64, slot: &Cid) -> Self {
        let mut before = self.step(side).bytes();
        let turn = if side == Side::Right { 0xff } else { 0 };
        before.extend(height.to_be_bytes().iter().chain(&slot.hash()).map(|byte| byte ^ turn));
        Way { before: before.into(), side, steps: 0 }
    }

    /// The key.
    pub(crate) fn key(&self) -> Vec<u8> {
        let mut key = self.bytes();
        key.push(END);
        key
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.before.to_vec();
        let start = bytes.len();
        match self.steps {
            0 => {}
            steps @ 1..=FEW => bytes.push(END + steps as u8),
            steps => {
                let number = steps.to_be_bytes();
                let zeros = number.iter().take_while(|byte| **byte == 0).count();
                bytes.push(END + FEW as u8 + 4 - zeros as u8);
                bytes.extend(&number[zeros..]);
            }
        }
        if self.side == Side::Left {
            bytes[start..].iter_mut().for_each(|byte| *byte = !*byte);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_sort_as_the_tree_is_read() {
        let mut right = vec![Way::start()];
        let mut left = vec![Way::start().step(Side::Right)];
        for at in 0..70_000 {
            right.push(right[at].step(Side::Right));
            left.push(left[at].step(Side::Left));
        }
        let key = Way::key;
        for steps in [1, 2, 62, 63, 64, 255, 256, 257, 65_535, 65_536, 69_999] {
            assert!(key(&right[steps]) < key(&right[steps + 1]));
            assert!(key(&left[steps]) > key(&left[steps + 1]));
            let inner = right[steps].step(Side::Left);
            assert!(key(&right[steps - 1]) < key(&inner) && key(&inner) < key(&right[steps]));
            let between = left[steps].step(Side::Right);
            assert!(key(&left[steps]) < key(&between) && key(&between) < key(&left[steps - 1]));
        }
        assert_eq!(key(&right[3]), [0x83, END]);
        assert_eq!(key(&left[2]), [0x81, 0x7d, END]);
    }
}
