//! Distinct: from weights back to a set.
//!
//! **Law.** distinct(a)\[x\] is 1 where a\[x\] > 0, and 0 elsewhere. Not linear; idempotent; distinct after a linear
//! operator may stand for distinct before it (DBSP, propositions 4.5 and 4.6).
//!
//! Reference: PomoFlow §2.9.3 (requirement PF-22).

use crate::zset::ZSet;

/// The elements with positive weight, each with weight 1.
pub fn distinct<T: Ord + Clone>(input: &ZSet<T>) -> ZSet<T> {
    let there = input.iter().filter(|(_, weight)| *weight > 0);
    ZSet::consolidated(there.map(|(element, _)| (element.clone(), 1)).collect())
}
