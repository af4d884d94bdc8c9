//! Trace append: a tick's changes go into the trace.
//!
//! **Law.** The trace of a stream is its integral I, with the times kept. Untimed, it is the integral alone.
//!
//! Reference: PomoFlow §2.9.16, §2.9.17; DBSP, definition 2.16 (requirements PF-4, PF-22).

use crate::time::Time;
use crate::trace::Trace;
use crate::zset::IndexedZSet;

/// The trace with the changes of a time.
pub fn trace_append<K: Ord + Clone, V: Ord + Clone>(
    changes: &IndexedZSet<K, V>,
    trace: &mut Trace<K, V>,
    time: Time,
) {
    trace.append(changes.iter().map(|(pair, weight)| (pair.clone(), weight)), time);
}

/// The trace with the changes, whose time is not kept.
pub fn untimed_trace_append<K: Ord + Clone, V: Ord + Clone>(
    changes: &IndexedZSet<K, V>,
    trace: &mut Trace<K, V, ()>,
) {
    trace.append(changes.iter().map(|(pair, weight)| (pair.clone(), weight)), ());
}
