//! Random formulas over whatever terms a test has.

use motet_algebra::{Comparison, Formula, Term};
use proptest::prelude::*;
use proptest::sample::select;

/// Formulas of every shape.
pub(crate) fn over<T: Strategy<Value = Term> + 'static>(
    term: impl Fn() -> T,
) -> impl Strategy<Value = Formula> {
    let compare = (select(&Comparison::ALL[..]), term(), term())
        .prop_map(|(comparison, left, right)| Formula::Compare(comparison, left, right));
    prop_oneof![1 => Just(Formula::True), 5 => compare].prop_recursive(5, 20, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Formula::And),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Formula::Or),
            inner.prop_map(|inner| Formula::Not(Box::new(inner))),
        ]
    })
}
