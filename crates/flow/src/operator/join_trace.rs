//! Join trace: changes against all that was there.
//!
//! **Law.** With a, b the changes of two inputs and A, B their traces before: the change of A ⋈ B is
//! a ⋈ b + a ⋈ B + A ⋈ b (PF-20), which is a ⋈ (B + b) + A ⋈ b. Weights multiply; the result carries no time.
//!
//! Inside a subcircuit the pair of a change at (e, i) and one of the trace at t belongs to the *join* of the two times.
//! If t is of an earlier epoch and a later iteration, that lies ahead: [`JoinTrace`] keeps the pair until then.
//! Outside of subcircuits nothing lies ahead, and both forms are the same.
//!
//! Reference: PomoFlow §2.9.13; DBSP, sections 4.2 and 5 (requirement PF-20; the flattened rows of the example are
//! PF-27).

use std::collections::BTreeMap;

use crate::time::{Time, Timestamp};
use crate::trace::Trace;
use crate::zset::{IndexedZSet, Weight, ZSet, multiply};

/// What a pure function makes of each key with a value of the changes and one of the trace.
pub fn join_trace<K: Ord + Clone, V: Ord, W: Ord + Clone, O: Ord, S: Timestamp>(
    function: impl Fn(&K, &V, &W) -> O,
    changes: &IndexedZSet<K, V>,
    trace: &Trace<K, W, S>,
) -> ZSet<O> {
    let mut pairs = Vec::new();
    for (key, group) in changes.groups() {
        for found in trace.of_key(key) {
            pairs.extend(group.iter().map(|((_, value), weight)| {
                (function(key, value, &found.value), multiply(*weight, found.weight))
            }));
        }
    }
    pairs.into_iter().collect()
}

/// [`join_trace`] inside a subcircuit: pairs whose time lies ahead are kept until it comes.
#[derive(Clone, Debug)]
pub struct JoinTrace<O> {
    ahead: BTreeMap<u64, Vec<(O, Weight)>>,
}

impl<O> Default for JoinTrace<O> {
    fn default() -> Self {
        JoinTrace { ahead: BTreeMap::new() }
    }
}

impl<O: Ord> JoinTrace<O> {
    /// The change of the join at a time. Times of an epoch come in order.
    pub fn tick<K: Ord + Clone, V: Ord, W: Ord + Clone>(
        &mut self,
        function: impl Fn(&K, &V, &W) -> O,
        changes: &IndexedZSet<K, V>,
        trace: &Trace<K, W>,
        time: Time,
    ) -> ZSet<O> {
        let mut now = self.ahead.remove(&time.iteration).unwrap_or_default();
        for (key, group) in changes.groups() {
            for found in trace.of_key(key) {
                let iteration = found.time.join(time).iteration;
                let pairs = group.iter().map(|((_, value), weight)| {
                    (function(key, value, &found.value), multiply(*weight, found.weight))
                });
                if iteration == time.iteration {
                    now.extend(pairs);
                } else {
                    self.ahead.entry(iteration).or_default().extend(pairs);
                }
            }
        }
        now.into_iter().collect()
    }

    /// Whether nothing lies ahead in this epoch.
    pub fn is_settled(&self) -> bool {
        self.ahead.is_empty()
    }
}
