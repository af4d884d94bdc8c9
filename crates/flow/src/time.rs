//! When something was computed: the epoch, and inside a recursive subcircuit the iteration.
//!
//! Times are *partially* ordered (PDB-4): one time is before another if neither its epoch nor its iteration is later.
//! Of (0, 2) and (1, 1) neither is before the other (PF-28), which is what makes retraction inside recursion hard.
//! There is no `Ord`; where times must be sorted, [`Timestamp::sequence`] is a total order under a name of its own.
//! Subcircuits are not nested in one another (the strata of a program never need it), so a pair is enough (PF-29).
//!
//! A time is a local logical clock. It means nothing to another replica, and is never stored in a fact (PDB-6).

use std::cmp::Ordering;
use std::fmt::Debug;

/// What a trace may note about its changes: a [`Time`], or nothing.
pub trait Timestamp: Copy + PartialOrd + Debug + Default + 'static {
    /// A total order that extends the partial one, for sorting.
    type Sequence: Ord + Copy;

    /// The place in the total order.
    fn sequence(self) -> Self::Sequence;

    /// The least time that is after both.
    #[must_use]
    fn join(self, other: Self) -> Self;

    /// The same time as seen from an epoch: of earlier epochs only the iteration still matters.
    #[must_use]
    fn seen_from(self, epoch: u64) -> Self;
}

/// An epoch, counted from 0, and an iteration in it. Outside of subcircuits the iteration is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Time {
    /// Which batch of changes (PDB-2).
    pub epoch: u64,
    /// Which round towards the fixed point (PF-8).
    pub iteration: u64,
}

impl Time {
    /// The time of an epoch and an iteration.
    pub fn new(epoch: u64, iteration: u64) -> Self {
        Time { epoch, iteration }
    }
}

impl PartialOrd for Time {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self.epoch.cmp(&other.epoch), self.iteration.cmp(&other.iteration)) {
            (one, two) if one == two => Some(one),
            (Ordering::Equal, order) | (order, Ordering::Equal) => Some(order),
            _ => None,
        }
    }
}

impl Timestamp for Time {
    type Sequence = (u64, u64);

    fn sequence(self) -> (u64, u64) {
        (self.epoch, self.iteration)
    }

    fn join(self, other: Self) -> Self {
        Time::new(self.epoch.max(other.epoch), self.iteration.max(other.iteration))
    }

    fn seen_from(self, epoch: u64) -> Self {
        if self.epoch < epoch { Time::new(0, self.iteration) } else { self }
    }
}

impl Timestamp for () {
    type Sequence = ();

    fn sequence(self) {}

    fn join(self, (): Self) {}

    fn seen_from(self, _: u64) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_the_product_order() {
        let [a, b, c] = [Time::new(0, 0), Time::new(0, 1), Time::new(1, 1)];
        assert!(a < b && b < c && a < c);
        assert_eq!(c.partial_cmp(&a), Some(Ordering::Greater));
        assert_eq!(Time::new(0, 2).partial_cmp(&c), None);
        assert_eq!(c.partial_cmp(&Time::new(2, 0)), None);
    }

    #[test]
    fn the_sequence_extends_the_order() {
        let times: Vec<Time> = (0..9).map(|n| Time::new(n / 3, n % 3)).collect();
        for (one, two) in times.iter().flat_map(|one| times.iter().map(move |two| (*one, *two))) {
            assert!(one.partial_cmp(&two).is_none_or(|order| order == one.sequence().cmp(&two.sequence())));
            let join = one.join(two);
            assert!(one <= join && two <= join);
            assert!(times.iter().all(|up| !(one <= *up && two <= *up) || join <= *up));
        }
    }
}
