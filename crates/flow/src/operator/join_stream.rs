//! Join stream: pairs of one tick that agree on their key.
//!
//! **Law.** Bilinear: the weight of a pair is the product of the two weights (PF-19), so joining distributes over plus
//! on either side. Not its own incremental form: a change also meets what was there before ([`super::join_trace`]).
//!
//! Reference: PomoFlow §2.9.12; DBSP, section 4.2.

use crate::zset::{IndexedZSet, ZSet, multiply};

/// What a pure function makes of each key and two values under it, one from each input.
pub fn join_stream<K: Ord, V: Ord, W: Ord, O: Ord>(
    function: impl Fn(&K, &V, &W) -> O,
    one: &IndexedZSet<K, V>,
    two: &IndexedZSet<K, W>,
) -> ZSet<O> {
    let mut pairs = Vec::new();
    let mut right = two.groups().peekable();
    for (key, left) in one.groups() {
        while right.next_if(|(other, _)| *other < key).is_some() {}
        let Some((_, matching)) = right.next_if(|(other, _)| *other == key) else { continue };
        for (((_, value), weight), ((_, other), times)) in
            left.iter().flat_map(|one| matching.iter().map(move |two| (one, two)))
        {
            pairs.push((function(key, value, other), multiply(*weight, *times)));
        }
    }
    pairs.into_iter().collect()
}
