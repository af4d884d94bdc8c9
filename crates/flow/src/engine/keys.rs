//! Keys, numbered.
//!
//! What is kept for each key lies in an array, by the number of the key. A key of one column is found in a *window*, an
//! array from the least key to the greatest, as long as keys are dense; other keys by hashing. A key keeps its number
//! until it is removed, and then the next new key has it.

use super::row::{Id, NONE};
use super::rows::Rows;
use super::set::Set;

/// A window may be so many times longer than there are keys.
const SPARSE: usize = 8;
/// A window so short is never too long.
const SHORT: usize = 256;

/// A sieve may have so many words of bits for each key.
const SIEVE_WORDS: usize = 2;
/// A sieve so short is never too long.
const SHORT_SIEVE: usize = 256;

/// A bit for each id from the least key to the greatest: bit `b` of word `w` stands for the id `(first + w) * 64 + b`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sieve {
    first: u32,
    words: Vec<u64>,
}

impl Sieve {
    #[inline]
    fn has(&self, id: Id) -> bool {
        let word = self.words.get((id >> 6).wrapping_sub(self.first) as usize);
        word.is_some_and(|word| word >> (id & 63) & 1 == 1)
    }

    /// Adds one of so many keys; gives whether there is room.
    fn add(&mut self, id: Id, keys: usize) -> bool {
        let word = id >> 6;
        if self.words.is_empty() {
            self.first = word;
        }
        let first = self.first.min(word);
        let end = (self.first as usize + self.words.len()).max(word as usize + 1);
        if end - first as usize > SHORT_SIEVE.max(keys * SIEVE_WORDS) {
            return false;
        }
        self.words.splice(0..0, std::iter::repeat_n(0, (self.first - first) as usize));
        self.first = first;
        self.words.resize(end - first as usize, 0);
        self.words[(word - first) as usize] |= 1 << (id & 63);
        true
    }

    fn remove(&mut self, id: Id) {
        self.words[((id >> 6) - self.first) as usize] &= !(1 << (id & 63));
    }
}

/// Keys of so many columns, with numbers.
#[derive(Clone, Debug)]
pub(crate) enum Keys {
    /// The one key without columns.
    One,
    /// Keys of one column: the number of the key `first + n` at n, [`NONE`] where there is none.
    Window { first: Id, numbers: Vec<u32>, free: Vec<u32>, len: usize },
    /// By hashing. A key of one column stands in the sieve too, if there is one: most questions for keys that are not
    /// there end in it.
    Hashed { rows: Rows, sieve: Option<Sieve> },
}

impl Keys {
    pub(crate) fn new(columns: usize) -> Self {
        match columns {
            0 => Keys::One,
            1 => Keys::Window { first: 0, numbers: Vec::new(), free: Vec::new(), len: 0 },
            _ => Keys::Hashed { rows: Rows::new(columns), sieve: None },
        }
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Keys::One => 1,
            Keys::Window { len, .. } => *len,
            Keys::Hashed { rows, .. } => rows.len(),
        }
    }

    /// The number of a key, if it is there.
    #[inline]
    pub(crate) fn find(&self, key: &[Id]) -> Option<u32> {
        match self {
            Keys::One => Some(0),
            Keys::Window { first, numbers, .. } => {
                let number = numbers.get(key[0].wrapping_sub(*first) as usize).copied();
                number.filter(|number| *number != NONE)
            }
            Keys::Hashed { sieve: Some(sieve), .. } if !sieve.has(key[0]) => None,
            Keys::Hashed { rows, .. } => rows.find(key),
        }
    }

    /// The number of a key, which is added if it is not there.
    #[inline]
    pub(crate) fn number(&mut self, key: &[Id]) -> u32 {
        match self {
            Keys::One => 0,
            Keys::Window { first, numbers, .. } => {
                match numbers.get(key[0].wrapping_sub(*first) as usize).copied() {
                    Some(number) if number != NONE => number,
                    _ => self.add(key[0]),
                }
            }
            Keys::Hashed { rows, sieve } => {
                let (number, new) = rows.insert(key);
                if new && !sieve.as_mut().is_some_and(|sieve| sieve.add(key[0], rows.len())) {
                    *sieve = None;
                }
                number
            }
        }
    }

    /// Adds a key to a window, which may have to become longer, or be given up.
    #[cold]
    fn add(&mut self, key: Id) -> u32 {
        let Keys::Window { first, numbers, free, len } = self else {
            unreachable!("only windows have to grow");
        };
        if numbers.is_empty() {
            *first = key;
        }
        let least = key.min(*first);
        let end = (*first as usize + numbers.len()).max(key as usize + 1);
        let length = end - least as usize;
        if length > SHORT.max((*len + 1) * SPARSE) {
            let there = numbers.iter().enumerate().filter(|(_, number)| **number != NONE);
            let there = there.map(|(place, number)| (*number, *first + place as u32));
            let mut rows = Rows::numbered(there, *len + free.len());
            let number = rows.insert(&[key]).0;
            let mut sieve = Sieve::default();
            let whole = rows.iter().all(|(_, row)| sieve.add(row[0], rows.len()));
            *self = Keys::Hashed { rows, sieve: whole.then_some(sieve) };
            return number;
        }
        if least < *first {
            numbers.splice(0..0, std::iter::repeat_n(NONE, (*first - least) as usize));
            *first = least;
        }
        if length > numbers.len() {
            numbers.resize(length, NONE);
        }
        let number = free.pop().unwrap_or(*len as u32);
        numbers[(key - *first) as usize] = number;
        *len += 1;
        number
    }

    /// Takes a key away.
    pub(crate) fn remove(&mut self, key: &[Id]) {
        match self {
            Keys::One => {}
            Keys::Window { first, numbers, free, len } => {
                let number = std::mem::replace(&mut numbers[(key[0] - *first) as usize], NONE);
                free.push(number);
                *len -= 1;
            }
            Keys::Hashed { rows, sieve } => {
                rows.remove(key);
                if let Some(sieve) = sieve {
                    sieve.remove(key[0]);
                }
            }
        }
    }

    /// Shows each key with its number, from a place on, until one is enough; gives the place to go on from, and at the
    /// end nothing.
    pub(crate) fn walk(&self, from: u32, mut show: impl FnMut(&[Id], u32) -> bool) -> Option<u32> {
        let end = match self {
            Keys::One => 1,
            Keys::Window { numbers, .. } => numbers.len() as u32,
            Keys::Hashed { rows, .. } => rows.numbers(),
        };
        for place in from..end {
            let enough = match self {
                Keys::One => show(&[], 0),
                Keys::Window { first, numbers, .. } => {
                    let number = numbers[place as usize];
                    number != NONE && show(&[first + place], number)
                }
                Keys::Hashed { rows, .. } => rows.has(place) && show(rows.row(place), place),
            };
            if enough {
                return Some(place + 1);
            }
        }
        None
    }

    /// Shows each id of a set that is a key of one column, and maybe others where keys are found by hashing alone,
    /// until one is enough; gives whether one was.
    #[inline]
    pub(crate) fn walk_common(&self, set: &Set, mut show: impl FnMut(Id) -> bool) -> bool {
        match self {
            Keys::Hashed { sieve: Some(sieve), .. } => set.walk_within(sieve.first, &sieve.words, show),
            Keys::One | Keys::Hashed { .. } => set.walk(show),
            Keys::Window { .. } => set.walk(|id| self.find(&[id]).is_some() && show(id)),
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Keys::One => 0,
            Keys::Window { numbers, free, .. } => (numbers.capacity() + free.capacity()) * size_of::<u32>(),
            Keys::Hashed { rows, sieve } => {
                rows.heap_bytes()
                    + sieve.as_ref().map_or(0, |sieve| sieve.words.capacity() * size_of::<u64>())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(crate::testing::config())]

        #[test]
        fn of_a_set_those_are_common_that_are_keys(
            spread in prop_oneof![Just(1u32), Just(50), Just(1_000), Just(1_000_000)],
            steps in prop::collection::vec((0u32..2_000, any::<bool>()), 0..300),
            ids in prop::collection::btree_set(0u32..2_000, 0..300),
        ) {
            let (mut keys, mut twin) = (Keys::new(1), BTreeSet::new());
            for (id, insert) in steps {
                let id = id * spread;
                if insert {
                    keys.number(&[id]);
                    twin.insert(id);
                } else if twin.remove(&id) {
                    keys.remove(&[id]);
                }
                prop_assert_eq!((keys.find(&[id]).is_some(), keys.len()), (twin.contains(&id), twin.len()));
            }
            let mut set = Set::default();
            ids.iter().for_each(|id| assert!(set.insert(id * spread)));
            let mut seen = BTreeSet::new();
            keys.walk_common(&set, |id| { seen.insert(id); false });
            let spread_out = ids.iter().map(|id| id * spread);
            let common: BTreeSet<Id> = spread_out.filter(|id| twin.contains(id)).collect();
            match keys {
                // Without a sieve all may be shown: who asks looks them up anyway.
                Keys::Hashed { sieve: None, .. } => prop_assert!(seen.is_superset(&common)),
                _ => prop_assert_eq!(seen, common),
            }
        }
    }
}
