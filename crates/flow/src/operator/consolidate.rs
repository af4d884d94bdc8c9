//! Consolidate: what a trace comes to.
//!
//! **Law.** Linear: the sum of all changes, whatever their times. It exports what a recursive subcircuit came to: the
//! sum over the iterations of an epoch is the change of the fixed point.
//!
//! Reference: PomoFlow §2.9.2 (requirement PF-22; the typing slips in its example are PF-27).

use crate::time::Timestamp;
use crate::trace::Trace;
use crate::zset::IndexedZSet;

/// The elements of a trace with their weights over all times; zeros are dropped.
pub fn consolidate<K: Ord + Clone, V: Ord + Clone, T: Timestamp>(
    trace: &Trace<K, V, T>,
) -> IndexedZSet<K, V> {
    trace.contents()
}
