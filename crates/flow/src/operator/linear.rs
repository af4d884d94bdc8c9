//! Map, filter, negate, inspect, plus and minus.
//!
//! **Law.** Each is linear: applied to a sum it gives the sum of what it gives for the parts. So each is its own
//! incremental form: fed with changes it gives changes (DBSP, theorem 3.3). The functions passed in must be pure
//! (PF-18).
//!
//! Reference: PomoFlow §2.9.4, §2.9.6 – §2.9.8, §2.9.14, §2.9.15 (requirements PF-18, PF-21, PF-23).

use crate::zset::{ZSet, multiply};

/// Each element as a function makes it; what falls together adds up.
pub fn map<T, U: Ord>(function: impl Fn(&T) -> U, input: &ZSet<T>) -> ZSet<U> {
    input.iter().map(|(element, weight)| (function(element), weight)).collect()
}

/// The elements that a predicate holds for, with their weights.
pub fn filter<T: Ord + Clone>(predicate: impl Fn(&T) -> bool, input: &ZSet<T>) -> ZSet<T> {
    let kept = input.iter().filter(|(element, _)| predicate(element));
    ZSet::consolidated(kept.map(|(element, weight)| (element.clone(), weight)).collect())
}

/// Every weight with the other sign.
pub fn negate<T: Ord + Clone>(input: &ZSet<T>) -> ZSet<T> {
    let turned = input.iter().map(|(element, weight)| (element.clone(), multiply(weight, -1)));
    ZSet::consolidated(turned.collect())
}

/// The input, after a callback has seen it.
pub fn inspect<T: Clone>(callback: impl FnOnce(&ZSet<T>), input: &ZSet<T>) -> ZSet<T> {
    callback(input);
    input.clone()
}

/// The weights of equal elements added up.
pub fn plus<T: Ord + Clone>(one: &ZSet<T>, two: &ZSet<T>) -> ZSet<T> {
    let all = one.iter().chain(two.iter());
    all.map(|(element, weight)| (element.clone(), weight)).collect()
}

/// The weights of the second taken from those of the first; zeros are dropped (PF-21).
pub fn minus<T: Ord + Clone>(one: &ZSet<T>, two: &ZSet<T>) -> ZSet<T> {
    plus(one, &negate(two))
}
