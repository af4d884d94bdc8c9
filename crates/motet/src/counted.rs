//! Which linked entries are folded as counted, and the hash of that set.
//!
//! The authority says at once what counts (H9). What has been *done* about it is here: an entry is in the set from the
//! moment when its facts were told to the loaded items and to the views, until they were taken back. Between the two
//! lies a withdrawal (H13); when there is none, the set is what the authority says.

use motet_fact::{Cid, Digest, SetHash};

/// A set of linked entries, by their numbers in the graph.
#[derive(Debug, Default)]
pub(crate) struct CountedSet {
    words: Vec<u64>,
    hash: SetHash,
}

impl CountedSet {
    pub(crate) fn contains(&self, number: usize) -> bool {
        self.words.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Puts an entry in or takes it out; gives whether that is a change.
    pub(crate) fn set(&mut self, number: usize, id: &Cid, counts: bool) -> bool {
        if self.contains(number) == counts {
            return false;
        }
        if self.words.len() <= number / 64 {
            self.words.resize(number / 64 + 1, 0);
        }
        self.words[number / 64] ^= 1 << (number % 64);
        match counts {
            true => self.hash.insert(id.as_bytes()),
            false => self.hash.remove(id.as_bytes()),
        }
        true
    }

    /// The hash of the set.
    pub(crate) fn digest(&self) -> Digest {
        self.hash.digest()
    }
}
