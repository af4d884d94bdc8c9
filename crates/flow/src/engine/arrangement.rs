//! Arrangements: from a key to a set of ids.
//!
//! An arrangement of a narrow relation holds, for what one column holds, what the other does; one of a wide relation
//! holds, for what some columns hold, the numbers of the rows.

use super::keys::Keys;
use super::row::Id;
use super::set::Set;

/// From keys to sets of ids.
#[derive(Clone, Debug)]
pub(crate) struct Arrangement {
    keys: Keys,
    groups: Vec<Set>,
}

impl Arrangement {
    /// An empty arrangement by keys of so many columns.
    pub(crate) fn new(columns: usize) -> Self {
        Arrangement { keys: Keys::new(columns), groups: vec![Set::default(); usize::from(columns == 0)] }
    }

    /// The keys.
    #[inline]
    pub(crate) fn all_keys(&self) -> &Keys {
        &self.keys
    }

    /// How many keys there are.
    pub(crate) fn keys(&self) -> usize {
        self.keys.len()
    }

    /// The ids of a key. A key without ids may have an empty set or none.
    #[inline]
    pub(crate) fn get(&self, key: &[Id]) -> Option<&Set> {
        self.keys.find(key).map(|number| &self.groups[number as usize])
    }

    /// Adds an id to a key; gives whether it is new.
    #[inline]
    pub(crate) fn insert(&mut self, key: &[Id], id: Id) -> bool {
        self.group(key).insert(id)
    }

    /// The ids of a key, to be added to.
    #[inline]
    pub(crate) fn group(&mut self, key: &[Id]) -> &mut Set {
        let number = self.keys.number(key) as usize;
        if number >= self.groups.len() {
            self.groups.resize_with(number + 1, Set::default);
        }
        &mut self.groups[number]
    }

    /// Takes an id from a key; gives whether it was there.
    pub(crate) fn remove(&mut self, key: &[Id], id: Id) -> bool {
        let Some(number) = self.keys.find(key) else { return false };
        let group = &mut self.groups[number as usize];
        let removed = group.remove(id);
        if group.is_empty() {
            self.keys.remove(key);
        }
        removed
    }

    /// Shows each key of one column, and each id of it, until one is enough; gives whether one was.
    pub(crate) fn walk_pairs(&self, mut show: impl FnMut(Id, Id) -> bool) -> bool {
        let mut whole = |key: &[Id], number: u32| self.groups[number as usize].walk(|id| show(key[0], id));
        self.keys.walk(0, &mut whole).is_some()
    }

    /// Shows each key from a place on until one is enough; gives the place to go on from, and at the end nothing.
    pub(crate) fn walk_keys(&self, from: u32, mut show: impl FnMut(&[Id], &Set) -> bool) -> Option<u32> {
        self.keys.walk(from, |key, number| show(key, &self.groups[number as usize]))
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let groups = self.groups.capacity() * size_of::<Set>();
        self.keys.heap_bytes() + groups + self.groups.iter().map(Set::heap_bytes).sum::<usize>()
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
        #![proptest_config(crate::testing::config())]

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
