//! Functions and aggregates of an application: what they may do, and what becomes of what they may not.
use std::sync::atomic::{AtomicI64, Ordering};

use motet_algebra::registry::RegistryError;
use motet_algebra::{Aggregate, ColumnType, Function, Law, Registry};
use motet_fact::{Kind, Value};

const INT: ColumnType = ColumnType::Kind(Kind::Int);
const TEXT: ColumnType = ColumnType::Kind(Kind::Text);

fn int(value: &Value) -> i64 {
    value.as_int().unwrap()
}

fn function(
    result: ColumnType,
    definition: impl Fn(&[Value]) -> Option<Value> + Send + Sync + 'static,
) -> Function {
    let mut registry = Registry::default();
    registry.add_function("f", &[INT], result, definition).unwrap();
    registry.function("f").unwrap()
}

fn aggregate(law: Law, definition: impl Fn(&[Value]) -> Option<Value> + Send + Sync + 'static) -> Aggregate {
    let mut registry = Registry::default();
    registry.add_aggregate("a", INT, INT, law, definition).unwrap();
    registry.aggregate("a").unwrap()
}

fn fold(aggregate: &Aggregate, values: &[i64]) -> Option<Value> {
    aggregate.fold(&mut values.iter().map(|value| Value::Int(*value)))
}

#[test]
fn a_function_is_defined_for_its_types_and_where_it_has_a_value() {
    let half = function(INT, |values| {
        let even = int(&values[0]) % 2 == 0;
        even.then(|| Value::Int(int(&values[0]) / 2))
    });
    assert_eq!(half.apply(&[Value::Int(4)]), Some(Value::Int(2)));
    assert_eq!(half.apply(&[Value::Int(3)]), None);
    assert_eq!(half.apply(&["4".into()]), None, "the definition never sees a text");
    assert_eq!(half.arity(), 1);
    let lying = function(TEXT, |values| Some(values[0].clone()));
    assert_eq!(lying.apply(&[Value::Int(4)]), None, "the result is of another type than declared");
}

#[test]
fn a_function_that_panics_has_no_value() {
    let panics = function(INT, |values| Some(Value::Int(1 / int(&values[0]))));
    assert_eq!(panics.apply(&[Value::Int(0)]), None);
    assert_eq!(panics.apply(&[Value::Int(1)]), Some(Value::Int(1)));
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "`f` is registered as a pure function and gave Some(0) and then Some(1)")]
fn a_function_that_is_not_pure_is_named() {
    let calls = AtomicI64::new(0);
    function(INT, move |_| Some(Value::Int(calls.fetch_add(1, Ordering::Relaxed)))).apply(&[Value::Int(0)]);
}

#[test]
fn an_aggregate_is_given_each_value_in_value_order() {
    let digits = aggregate(Law::None, |values| {
        Some(Value::Int(values.iter().fold(0, |number, digit| number * 10 + int(digit))))
    });
    assert_eq!(fold(&digits, &[3, 1, 2, 1]), Some(Value::Int(1123)));
    assert_eq!(digits.fold(&mut [Value::Int(1), "2".into()].into_iter()), None, "a text is no int");
}

fn product(values: &[Value]) -> Option<Value> {
    values.iter().try_fold(1_i64, |product, value| product.checked_mul(int(value))).map(Value::Int)
}

fn exclusive_or(values: &[Value]) -> Option<Value> {
    Some(Value::Int(values.iter().fold(0, |all, one| all ^ int(one))))
}

#[test]
fn laws_that_hold_are_not_noticed() {
    let values = [5, 9, 9, 12, -3, 0];
    let inverse = |value: &Value| Some(value.clone());
    assert_eq!(fold(&aggregate(Law::AbelianGroup { inverse }, exclusive_or), &values), Some(Value::Int(-12)));
    let greatest = aggregate(Law::Semilattice, |values| values.iter().max().cloned());
    assert_eq!(fold(&greatest, &values), Some(Value::Int(12)));
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "the aggregate `a` keeps no law of a semilattice: 36 is not 6")]
fn a_law_that_does_not_hold_is_named() {
    fold(&aggregate(Law::Semilattice, product), &[1, 2, 3]);
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "keeps no law of an abelian group")]
fn an_inverse_takes_away_what_was_added() {
    let inverse = |value: &Value| Some(Value::Int(-int(value)));
    fold(&aggregate(Law::AbelianGroup { inverse }, product), &[2, 3]);
}

#[test]
fn names_are_told_apart() {
    let mut registry = Registry::default();
    let none = |_: &[Value]| None;
    for name in ["lower", "sum", "rank", "true"] {
        let refused = registry.add_function(name, &[], INT, none).unwrap_err();
        assert_eq!(refused, RegistryError::Taken(name.into()));
    }
    for name in ["", "Upper", "a-b", "1", "_"] {
        let refused = registry.add_aggregate(name, INT, INT, Law::None, none).unwrap_err();
        assert_eq!(refused, RegistryError::Name(name.into()));
    }
    registry.add_function("f", &[INT, TEXT], INT, none).unwrap();
    assert!(registry.add_aggregate("f", INT, INT, Law::None, none).is_err(), "it is a function");
    let law = registry.add_aggregate("g", INT, TEXT, Law::Semilattice, none).unwrap_err();
    assert!(matches!(law, RegistryError::Law { .. }), "{law}");
    assert!(registry.function("g").is_none() && registry.aggregate("g").is_none());
}
