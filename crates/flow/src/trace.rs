//! Traces: all changes of a stream so far, by key, then value, then time.
//!
//! A trace is a stack of immutable sorted batches, merged so that each is at least twice as long as the next: appending
//! costs a logarithm per change, and a key is found by a binary search in each of few batches. Batches are shared, so
//! a copy of a trace is cheap: the trace as it was one tick ago, or before a failed epoch, is such a copy.
//!
//! Of epochs that are over only the iteration is kept apart: [`Trace::close`] lets merges add up the weights of an
//! element that differ in their past epoch alone. A Z-set goes into a trace as keys without values (PF-4).

use std::rc::Rc;

use crate::time::{Time, Timestamp};
use crate::zset::{IndexedZSet, Weight, ZSet, add};

/// One change of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Change<K, V, T> {
    /// The key.
    pub key: K,
    /// The value.
    pub value: V,
    /// When it came.
    pub time: T,
    /// By how much.
    pub weight: Weight,
}

impl<K: Ord + Clone, V: Ord + Clone, T: Timestamp> Change<K, V, T> {
    fn place(&self) -> (&K, &V, T::Sequence) {
        (&self.key, &self.value, self.time.sequence())
    }
}

type Batch<K, V, T> = Rc<Vec<Change<K, V, T>>>;

/// All changes so far.
#[derive(Clone, Debug)]
pub struct Trace<K, V = (), T = Time> {
    /// The oldest and longest first.
    batches: Vec<Batch<K, V, T>>,
    /// Times of earlier epochs are seen from here.
    epoch: u64,
}

impl<K, V, T> Default for Trace<K, V, T> {
    fn default() -> Self {
        Trace { batches: Vec::new(), epoch: 0 }
    }
}

impl<K: Ord + Clone, V: Ord + Clone, T: Timestamp> Trace<K, V, T> {
    /// Adds the changes of one tick.
    pub fn append(&mut self, changes: impl IntoIterator<Item = ((K, V), Weight)>, time: T) {
        let changes = changes.into_iter().map(|((key, value), weight)| Change { key, value, time, weight });
        self.push(changes.collect());
    }

    fn push(&mut self, changes: Vec<Change<K, V, T>>) {
        if changes.is_empty() {
            return;
        }
        self.batches.push(Rc::new(sorted(changes)));
        while let [.., older, newer] = &self.batches[..]
            && older.len() < 2 * newer.len()
        {
            let merged = self.merge(older, newer);
            self.batches.truncate(self.batches.len() - 2);
            self.batches.extend((!merged.is_empty()).then(|| Rc::new(merged)));
        }
    }

    fn merge(&self, older: &[Change<K, V, T>], newer: &[Change<K, V, T>]) -> Vec<Change<K, V, T>> {
        let all = older.iter().chain(newer).cloned();
        sorted(all.map(|change| Change { time: change.time.seen_from(self.epoch), ..change }).collect())
    }

    /// Says that no change of an epoch before this one will come. Their epochs may then be forgotten.
    pub fn close(&mut self, epoch: u64) {
        self.epoch = self.epoch.max(epoch);
    }

    /// The changes of a key, in no particular order.
    pub fn of_key<'a>(&'a self, key: &'a K) -> impl Iterator<Item = &'a Change<K, V, T>> {
        self.batches.iter().flat_map(move |batch| {
            let start = batch.partition_point(|change| change.key < *key);
            batch[start..].iter().take_while(move |change| change.key == *key)
        })
    }

    /// The changes of an element, in no particular order.
    pub fn of<'a>(&'a self, key: &'a K, value: &'a V) -> impl Iterator<Item = &'a Change<K, V, T>> {
        self.batches.iter().flat_map(move |batch| {
            let start = batch.partition_point(|change| (&change.key, &change.value) < (key, value));
            batch[start..].iter().take_while(move |change| (&change.key, &change.value) == (key, value))
        })
    }

    /// The weight of an element: the sum of all its changes.
    pub fn weight(&self, key: &K, value: &V) -> Weight {
        self.of(key, value).map(|change| change.weight).fold(0, add)
    }

    /// The values of a key with their weights, over all times.
    pub fn values(&self, key: &K) -> ZSet<V> {
        self.of_key(key).map(|change| (change.value.clone(), change.weight)).collect()
    }

    /// All changes, by key, then value, then time (PF-5); those of one element and time are one.
    pub fn changes(&self) -> Vec<Change<K, V, T>> {
        sorted(self.batches.iter().flat_map(|batch| batch.iter().cloned()).collect())
    }

    /// The elements with their weights, over all times.
    pub fn contents(&self) -> IndexedZSet<K, V> {
        let all = self.batches.iter().flat_map(|batch| batch.iter());
        all.map(|change| ((change.key.clone(), change.value.clone()), change.weight)).collect()
    }

    /// How many changes are held.
    pub fn len(&self) -> usize {
        self.batches.iter().map(|batch| batch.len()).sum()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// In order, with the weights of equal elements and times added up and zeros dropped.
fn sorted<K: Ord + Clone, V: Ord + Clone, T: Timestamp>(
    mut changes: Vec<Change<K, V, T>>,
) -> Vec<Change<K, V, T>> {
    changes.sort_by(|one, two| one.place().cmp(&two.place()));
    changes.dedup_by(|next, kept| {
        let same = next.place() == kept.place();
        if same {
            kept.weight = add(kept.weight, next.weight);
        }
        same
    });
    changes.retain(|change| change.weight != 0);
    changes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(crate::testing::config())]

        #[test]
        fn a_trace_is_the_list_of_its_changes(
            ticks in prop::collection::vec(prop::collection::vec((0u8..4, 0u8..4, -2i64..3), 0..6), 0..20),
        ) {
            let mut trace: Trace<u8, u8> = Trace::default();
            let mut list = Vec::new();
            for (tick, changes) in ticks.into_iter().enumerate() {
                let time = Time::new(tick as u64 / 3, tick as u64 % 3);
                trace.append(changes.iter().map(|(key, value, weight)| ((*key, *value), *weight)), time);
                let change = |(key, value, weight)| Change { key, value, time, weight };
                list.extend(changes.into_iter().map(change));
            }
            let expected = sorted(list);
            prop_assert_eq!(trace.changes(), expected.clone());
            for (key, value) in (0..4).flat_map(|key| (0..4).map(move |value| (key, value))) {
                let of = expected.iter().filter(|change| (change.key, change.value) == (key, value));
                prop_assert_eq!(trace.weight(&key, &value), of.map(|change| change.weight).sum::<i64>());
            }
        }

        #[test]
        fn closed_epochs_keep_iterations_and_weights(
            ticks in prop::collection::vec((0u8..3, 0u64..3, -1i64..2), 1..40),
        ) {
            let (mut whole, mut closed): (Trace<u8>, Trace<u8>) = Default::default();
            for (epoch, (key, iteration, weight)) in ticks.iter().enumerate() {
                closed.close(epoch as u64);
                for trace in [&mut whole, &mut closed] {
                    trace.append([((*key, ()), *weight)], Time::new(epoch as u64, *iteration));
                }
            }
            let by_iteration = |trace: &Trace<u8>| -> ZSet<(u8, u64)> {
                trace.changes().into_iter().map(|one| ((one.key, one.time.iteration), one.weight)).collect()
            };
            prop_assert_eq!(by_iteration(&whole), by_iteration(&closed));
        }
    }
}
