//! The hash of a set that a bigger thing holds, kept incrementally once that pays.
//!
//! A [`SetHash`] takes two kilobytes, and most items are small: up to [`SMALL`] elements, the hash is taken from the
//! elements when it is asked for.

use motet_fact::{Digest, SetHash};

/// The greatest number of elements for which no hash is kept.
const SMALL: usize = 16;

/// The hash of a set.
#[derive(Clone, Debug, Default)]
pub struct Tally(Option<SetHash>);

impl Tally {
    /// Adds an element.
    pub fn insert(&mut self, element: &[u8]) {
        self.0.iter_mut().for_each(|hash| hash.insert(element));
    }

    /// Removes an element.
    pub fn remove(&mut self, element: &[u8]) {
        self.0.iter_mut().for_each(|hash| hash.remove(element));
    }

    /// Whether the set, of this size now, has grown enough for its hash to be kept from now on.
    pub fn wants_keeping(&self, size: usize) -> bool {
        self.0.is_none() && size > SMALL
    }

    /// Keeps the hash of the set from now on; these are all its elements.
    pub fn keep<E: AsRef<[u8]>>(&mut self, elements: impl Iterator<Item = E>) {
        self.0 = Some(hash(elements));
    }

    /// The hash of the set; these are all its elements.
    pub fn digest<E: AsRef<[u8]>>(&self, elements: impl Iterator<Item = E>) -> Digest {
        self.0.as_ref().map_or_else(|| hash(elements).digest(), SetHash::digest)
    }
}

fn hash<E: AsRef<[u8]>>(elements: impl Iterator<Item = E>) -> SetHash {
    let mut hash = SetHash::default();
    elements.for_each(|element| hash.insert(element.as_ref()));
    hash
}
