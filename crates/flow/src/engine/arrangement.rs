//! Arrangements: from a key to a set of ids.
//!
//! An arrangement of a narrow relation holds, for what one column holds, what the other does; one of a wide relation
//! holds, for what some columns hold, the numbers of the rows. Keys are numbered in their turn, so that the sets lie in
//! one array. A key of one column is found in a *window*, an array from the least key to the greatest, as long as keys
//! are dense; other keys by hashing.

use super::row::{Id, NONE};
use super::rows::Rows;
use super::set::Set;

/// A window may be so many times longer than there are keys.
const SPARSE: usize = 8;
/// A window so short is never too long.
const SHORT: usize = 256;

/// From keys to sets of ids.
#[derive(Clone, Debug)]
pub(crate) struct Arrangement {
    keys: Keys,
    groups: Vec<Set>,
}

#[derive(Clone, Debug)]
enum Keys {
    /// Of the key without columns.
    One,
    /// The number of the key `first + n` at n, [`NONE`] where there is none.
    Window { first: Id, numbers: Vec<u32>, free: Vec<u32>, len: usize },
    /// By hashing.
    Hashed(Rows),
}

impl Arrangement {
    /// An empty arrangement by keys of so many columns.
    pub(crate) fn new(columns: usize) -> Self {
        let keys = match columns {
            0 => Keys::One,
            1 => Keys::Window { first: 0, numbers: Vec::new(), free: Vec::new(), len: 0 },
            _ => Keys::Hashed(Rows::new(columns)),
        };
        let groups = if columns == 0 { vec![Set::default()] } else { Vec::new() };
        Arrangement { keys, groups }
    }

    /// How many keys there are.
    pub(crate) fn keys(&self) -> usize {
        match &self.keys {
            Keys::One => 1,
            Keys::Window { len, .. } => *len,
            Keys::Hashed(rows) => rows.len(),
        }
    }

    /// The ids of a key. A key without ids may have an empty set or none.
    #[inline]
    pub(crate) fn get(&self, key: &[Id]) -> Option<&Set> {
        let number = match &self.keys {
            Keys::One => 0,
            Keys::Window { first, numbers, .. } => {
                *numbers.get(key[0].wrapping_sub(*first) as usize).filter(|number| **number != NONE)?
            }
            Keys::Hashed(rows) => rows.find(key)?,
        };
        Some(&self.groups[number as usize])
    }

    /// Adds an id to a key; gives whether it is new.
    #[inline]
    pub(crate) fn insert(&mut self, key: &[Id], id: Id) -> bool {
        let number = self.number(key) as usize;
        if number >= self.groups.len() {
            self.groups.resize_with(number + 1, Set::default);
        }
        self.groups[number].insert(id)
    }

    /// The number of a key, new if the key is.
    #[inline]
    fn number(&mut self, key: &[Id]) -> u32 {
        match &mut self.keys {
            Keys::One => return 0,
            Keys::Window { first, numbers, .. } => {
                if let Some(number) = numbers.get(key[0].wrapping_sub(*first) as usize)
                    && *number != NONE
                {
                    return *number;
                }
            }
            Keys::Hashed(rows) => return rows.insert(key).0,
        }
        self.new_number(key[0])
    }

    /// The number of a new key of a window, which may have to become longer, or be given up.
    #[cold]
    fn new_number(&mut self, key: Id) -> u32 {
        let Keys::Window { first, numbers, free, len } = &mut self.keys else {
            unreachable!("only windows have to grow");
        };
        if numbers.is_empty() {
            *first = key;
        }
        let least = key.min(*first);
        let end = (*first as usize + numbers.len()).max(key as usize + 1);
        let length = end - least as usize;
        if length > SHORT.max((*len + 1) * SPARSE) {
            return self.give_window_up(key);
        }
        if least < *first {
            let more = (*first - least) as usize;
            numbers.splice(0..0, std::iter::repeat_n(NONE, more));
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

    #[cold]
    fn give_window_up(&mut self, key: Id) -> u32 {
        let mut rows = Rows::new(1);
        let mut groups = Vec::with_capacity(self.keys() + 1);
        if let Keys::Window { first, numbers, .. } = &self.keys {
            for (place, number) in numbers.iter().enumerate().filter(|(_, number)| **number != NONE) {
                rows.insert(&[first + place as u32]);
                groups.push(std::mem::take(&mut self.groups[*number as usize]));
            }
        }
        let number = rows.insert(&[key]).0;
        self.keys = Keys::Hashed(rows);
        self.groups = groups;
        number
    }

    /// Takes an id from a key; gives whether it was there.
    pub(crate) fn remove(&mut self, key: &[Id], id: Id) -> bool {
        let number = match &self.keys {
            Keys::One => 0,
            Keys::Window { first, numbers, .. } => {
                match numbers.get(key[0].wrapping_sub(*first) as usize) {
                    Some(number) if *number != NONE => *number,
                    _ => return false,
                }
            }
            Keys::Hashed(rows) => match rows.find(key) {
                Some(number) => number,
                None => return false,
            },
        };
        let group = &mut self.groups[number as usize];
        let removed = group.remove(id);
        if group.is_empty() {
            match &mut self.keys {
                Keys::One => {}
                Keys::Window { first, numbers, free, len } => {
                    numbers[(key[0] - *first) as usize] = NONE;
                    free.push(number);
                    *len -= 1;
                }
                Keys::Hashed(rows) => {
                    rows.remove(key);
                }
            }
        }
        removed
    }

    /// Shows each key of one column, and each id of it, until one is enough; gives whether one was.
    pub(crate) fn walk_pairs(&self, mut show: impl FnMut(Id, Id) -> bool) -> bool {
        match &self.keys {
            Keys::One => unreachable!("pairs have a key of one column"),
            Keys::Window { first, numbers, .. } => {
                numbers.iter().enumerate().filter(|(_, number)| **number != NONE).any(|(place, number)| {
                    self.groups[*number as usize].walk(|id| show(first + place as u32, id))
                })
            }
            Keys::Hashed(rows) => {
                rows.iter().any(|(number, key)| self.groups[number as usize].walk(|id| show(key[0], id)))
            }
        }
    }

    /// Shows each key from a place on until one is enough; gives the place to go on from, and at the end nothing.
    pub(crate) fn walk_keys(&self, from: u32, mut show: impl FnMut(&[Id], &Set) -> bool) -> Option<u32> {
        let end = match &self.keys {
            Keys::One => 1,
            Keys::Window { numbers, .. } => numbers.len() as u32,
            Keys::Hashed(rows) => rows.numbers(),
        };
        for place in from..end {
            let enough = match &self.keys {
                Keys::One => show(&[], &self.groups[0]),
                Keys::Window { first, numbers, .. } => {
                    let number = numbers[place as usize];
                    number != NONE && show(&[first + place], &self.groups[number as usize])
                }
                Keys::Hashed(rows) => {
                    let key = rows.row(place);
                    !rows.is_empty() && key[0] != NONE && show(key, &self.groups[place as usize])
                }
            };
            if enough {
                return Some(place + 1);
            }
        }
        None
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let keys = match &self.keys {
            Keys::One => 0,
            Keys::Window { numbers, free, .. } => (numbers.capacity() + free.capacity()) * size_of::<u32>(),
            Keys::Hashed(rows) => rows.heap_bytes(),
        };
        let groups = self.groups.capacity() * size_of::<Set>();
        keys + groups + self.groups.iter().map(Set::heap_bytes).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = Id> {
        prop_oneof![0u32..20, 0u32..3_000, 4_000_000_000u32..4_000_000_010]
    }

    proptest! {
        #[test]
        fn an_arrangement_is_a_map_to_sets(
            columns in 0usize..3,
            steps in prop::collection::vec((key(), 0u32..3, 0u32..30, any::<bool>()), 0..400),
        ) {
            let mut arrangement = Arrangement::new(columns);
            let mut twin: BTreeMap<Vec<Id>, BTreeSet<Id>> = BTreeMap::new();
            for (one, two, id, insert) in steps {
                let key = &[one, two][..columns];
                if insert {
                    let new = twin.entry(key.to_vec()).or_default().insert(id);
                    prop_assert_eq!(arrangement.insert(key, id), new);
                } else {
                    let there = twin.get_mut(key).is_some_and(|ids| ids.remove(&id));
                    twin.retain(|_, ids| !ids.is_empty());
                    prop_assert_eq!(arrangement.remove(key, id), there);
                }
                let len = arrangement.get(key).map_or(0, Set::len);
                prop_assert_eq!(len, twin.get(key).map_or(0, BTreeSet::len));
            }
            let mut listed: BTreeMap<Vec<Id>, BTreeSet<Id>> = BTreeMap::new();
            let mut from = Some(0);
            while let Some(place) = from {
                from = arrangement.walk_keys(place, |key, set| {
                    set.walk(|id| { listed.entry(key.to_vec()).or_default().insert(id); false });
                    true
                });
            }
            prop_assert_eq!(&listed, &twin);
            if columns > 0 {
                prop_assert_eq!(arrangement.keys(), twin.len());
            }
            if columns == 1 {
                let mut pairs = 0;
                arrangement.walk_pairs(|one, id| { pairs += 1; !twin[&vec![one]].contains(&id) });
                prop_assert_eq!(pairs, twin.values().map(BTreeSet::len).sum::<usize>());
            }
        }
    }
}
