//! Aggregate: one value per key.
//!
//! **Law.** For each key with values of positive weight, the pair of the key and what a pure function makes of those
//! values, with weight 1 (PF-17). Whether the function sees weights as counts is its own affair. Not linear in general:
//! the incremental form recomputes the groups that changed, and gives the difference.
//!
//! Reference: PomoFlow §2.9.1; DBSP, section 7.

use crate::time::Timestamp;
use crate::trace::Trace;
use crate::zset::{IndexedZSet, Weight};

/// One pair for each key. The function gets the values of a key that have positive weight, in ascending order; if it
/// gives nothing, the key has no aggregate.
pub fn aggregate<K: Ord + Clone, V: Ord + Clone, A: Ord>(
    function: impl Fn(&K, &[(V, Weight)]) -> Option<A>,
    input: &IndexedZSet<K, V>,
) -> IndexedZSet<K, A> {
    let pairs = input.groups().filter_map(|(key, group)| {
        let values = group.iter().map(|((_, value), weight)| (value.clone(), *weight));
        let values: Vec<_> = values.filter(|(_, weight)| *weight > 0).collect();
        let value = if values.is_empty() { None } else { function(key, &values) };
        value.map(|value| ((key.clone(), value), 1))
    });
    pairs.collect()
}

/// The change of [`aggregate`] when changes meet the trace of all earlier ones.
pub fn aggregate_incremental<K: Ord + Clone, V: Ord + Clone, A: Ord + Clone, S: Timestamp>(
    function: impl Fn(&K, &[(V, Weight)]) -> Option<A>,
    changes: &IndexedZSet<K, V>,
    trace: &Trace<K, V, S>,
) -> IndexedZSet<K, A> {
    let mut old = Vec::new();
    for (key, _) in changes.groups() {
        let values = trace.of_key(key);
        old.extend(values.map(|found| ((key.clone(), found.value.clone()), found.weight)));
    }
    let old: IndexedZSet<K, V> = old.into_iter().collect();
    let new = super::plus(&old, changes);
    super::minus(&aggregate(&function, &new), &aggregate(&function, &old))
}
