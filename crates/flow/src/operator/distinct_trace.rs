//! Distinct trace: the changes of a set inside a subcircuit, where times are pairs.
//!
//! **Law.** Let I(s) be the sum of an element's weights at times ≤ s in the product order, and D = 1 where I > 0, else
//! 0. At (e, i) the output is D(e, i) − D(e−1, i) − D(e, i−1) + D(e−1, i−1): the change, over epochs, of the change
//! over iterations (PF-25; the specification's prose has slips where its routine and examples are right).
//!
//! An element can change at an iteration without being in the input there: it changed in this epoch at an earlier
//! iteration, and in an earlier epoch at this one. [`distinct_trace`] finds such elements by looking through the whole
//! trace, and is the definition; [`DistinctTrace`] remembers which are due when, and looks at no others.
//!
//! Reference: PomoFlow §2.9.11; DBSP, section 5.

use std::collections::{BTreeMap, BTreeSet};

use super::distinct_incremental::presence;
use crate::time::Time;
use crate::trace::Trace;
use crate::zset::{Weight, ZSet, add};

/// The change of the set at a time, from the input at that time and the trace of all inputs before it.
pub fn distinct_trace<T: Ord + Clone>(changes: &ZSet<T>, trace: &Trace<T>, time: Time) -> ZSet<T> {
    let earlier = trace.changes().into_iter().map(|change| change.key);
    let elements: BTreeSet<T> = changes.iter().map(|(element, _)| element.clone()).chain(earlier).collect();
    let outputs = elements.into_iter().map(|element| {
        let weight = corner(&element, changes.weight(&element), trace, time);
        (element, weight)
    });
    outputs.collect()
}

/// D(e, i) − D(e−1, i) − D(e, i−1) + D(e−1, i−1) of one element whose weight in the input at (e, i) is given.
fn corner<T: Ord + Clone>(element: &T, now: Weight, trace: &Trace<T>, time: Time) -> Weight {
    let (mut before, mut this_iteration, mut this_epoch) = (0, 0, 0);
    for change in trace.of(element, &()) {
        let sum = match (change.time.epoch < time.epoch, change.time.iteration < time.iteration) {
            (true, true) => &mut before,
            (true, false) if change.time.iteration == time.iteration => &mut this_iteration,
            (false, true) if change.time.epoch == time.epoch => &mut this_epoch,
            _ => continue,
        };
        *sum = add(*sum, change.weight);
    }
    let last_epoch = add(before, this_iteration);
    let last_iteration = add(before, this_epoch);
    let all = add(add(last_epoch, this_epoch), now);
    presence(all) - presence(last_epoch) - presence(last_iteration) + presence(before)
}

/// [`distinct_trace`] with a note of the elements that are due at later iterations of this epoch.
#[derive(Clone, Debug)]
pub struct DistinctTrace<T> {
    due: BTreeMap<u64, BTreeSet<T>>,
}

impl<T> Default for DistinctTrace<T> {
    fn default() -> Self {
        DistinctTrace { due: BTreeMap::new() }
    }
}

impl<T: Ord + Clone> DistinctTrace<T> {
    /// The change of the set at a time, from the input at that time and the trace of all inputs before it. Times of an
    /// epoch come in order.
    pub fn tick(&mut self, changes: &ZSet<T>, trace: &Trace<T>, time: Time) -> ZSet<T> {
        let mut elements = self.due.remove(&time.iteration).unwrap_or_default();
        elements.extend(changes.iter().map(|(element, _)| element.clone()));
        for element in &elements {
            self.schedule(element, trace, time);
        }
        let outputs = elements.into_iter().map(|element| {
            let weight = corner(&element, changes.weight(&element), trace, time);
            (element, weight)
        });
        outputs.collect()
    }

    /// Notes the next iteration at which an element that changed in this epoch may change again.
    fn schedule(&mut self, element: &T, trace: &Trace<T>, time: Time) {
        let past = trace.of(element, &()).filter(|change| change.time.epoch < time.epoch);
        let next = past.map(|change| change.time.iteration).filter(|later| *later > time.iteration).min();
        if let Some(next) = next {
            self.due.entry(next).or_default().insert(element.clone());
        }
    }

    /// Whether no element is due at a later iteration.
    pub fn is_settled(&self) -> bool {
        self.due.is_empty()
    }
}
