//! Index with: a Z-set by key.
//!
//! **Law.** Linear, so its own incremental form: it only says under which key an element stands.
//!
//! Reference: PomoFlow §2.9.5 (requirement PF-22).

use crate::zset::{IndexedZSet, ZSet};

/// Each element as the value of the key that a function gives it. The function must be pure.
pub fn index_with<K: Ord, T: Ord + Clone>(key: impl Fn(&T) -> K, input: &ZSet<T>) -> IndexedZSet<K, T> {
    input.iter().map(|(element, weight)| ((key(element), element.clone()), weight)).collect()
}
