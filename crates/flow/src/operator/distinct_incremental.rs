//! Distinct incremental: the changes of a set, outside of subcircuits.
//!
//! **Law.** For a change δ of a Z-set that was s: distinct(s + δ) − distinct(s). Only elements of δ can change. One
//! that was not there and now is gives +1; one that was there and now is not gives −1 (the crossing rule, PF-26: the
//! specification's "opposite sign" is wrong where its examples are right).
//!
//! Reference: PomoFlow §2.9.18; DBSP, proposition 4.7.

use crate::time::Timestamp;
use crate::trace::Trace;
use crate::zset::{Weight, ZSet, add};

/// The change of the set when a change meets the trace of all earlier ones.
pub fn distinct_incremental<T: Ord + Clone, S: Timestamp>(
    changes: &ZSet<T>,
    trace: &Trace<T, (), S>,
) -> ZSet<T> {
    let crossed = changes.iter().filter_map(|(element, weight)| {
        let old = trace.weight(element, &());
        let crossing = presence(add(old, weight)) - presence(old);
        (crossing != 0).then(|| (element.clone(), crossing))
    });
    ZSet::consolidated(crossed.collect())
}

/// 1 if an element of this weight is in the set, else 0.
pub(crate) fn presence(weight: Weight) -> Weight {
    Weight::from(weight > 0)
}
