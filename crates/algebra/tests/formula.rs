//! Formulas in other words have the same truth for every row, also where terms are undefined.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use crate::formulas;

use motet_algebra::{Column, Comparison, Formula, Function, Term};
use motet_fact::Value;
use proptest::prelude::*;
use proptest::sample::select;

/// Terms over two columns, some of them undefined for some rows and one for all.
fn term() -> impl Strategy<Value = Term> {
    let column = select(vec!["x", "y"]).prop_map(|name| Term::Column(name.into()));
    let quotient = |by: Term| Term::Apply(Function::Divide, vec![Term::Constant(Value::Int(6)), by]);
    prop_oneof![
        3 => column.clone(),
        1 => (-1i64..3).prop_map(|int| Term::Constant(Value::Int(int))),
        2 => column.prop_map(quotient),
        1 => Just(quotient(Term::Constant(Value::Int(0)))),
    ]
}

fn formula() -> impl Strategy<Value = Formula> {
    formulas::over(term)
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-1i64..3).prop_map(Value::Int),
        1 => Just(Value::float(1.0).unwrap()),
        1 => Just(Value::text("a")),
    ]
}

/// True, false, or neither.
fn truth(formula: &Formula, row: &[Value]) -> Option<bool> {
    let columns: [Column; 2] = ["x".into(), "y".into()];
    let holds = |formula: &Formula| formula.bind(&columns).unwrap().holds(&|place| row[place].clone());
    match (holds(formula), holds(&Formula::Not(Box::new(formula.clone())))) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// The comparisons of a formula, if it is in normal form.
fn size(formula: &Formula) -> Option<usize> {
    let conjunction = |formula: &Formula| match formula {
        Formula::Compare(..) => Some(1),
        Formula::And(all) if all.len() > 1 => {
            all.iter().all(|one| matches!(one, Formula::Compare(..))).then_some(all.len())
        }
        _ => None,
    };
    match formula {
        Formula::True => Some(0),
        Formula::Or(all) if all.len() != 1 => all.iter().map(conjunction).sum(),
        other => conjunction(other),
    }
}

proptest! {
    #[test]
    fn the_truth_stays(formula in formula(), rows in prop::collection::vec([value(), value()], 1..8)) {
        let (positive, normal) = (formula.positive(), formula.normal_form(40));
        prop_assert!(!positive.to_string().contains("not"));
        match size(&normal) {
            Some(size) => prop_assert!(size <= 40),
            None => prop_assert_eq!(&normal, &formula, "what is too large is kept"),
        }
        for row in rows {
            let wanted = truth(&formula, &row);
            prop_assert_eq!(truth(&positive, &row), wanted, "{} of {}", positive, formula);
            prop_assert_eq!(truth(&normal, &row), wanted, "{} of {}", normal, formula);
        }
    }
}

#[test]
fn what_would_be_large_is_kept() {
    let compare = |column: &str, int| {
        Formula::Compare(Comparison::Equal, Term::Column(column.into()), Term::Constant(Value::Int(int)))
    };
    let either = |n: i64| Formula::Or(vec![compare("x", n), compare("y", n)]);
    let all = Formula::And((0..30).map(either).collect());
    assert_eq!(all.normal_form(1_000), all);
    let none = Formula::Not(Box::new(all.clone()));
    assert_eq!(size(&none.normal_form(60)), Some(60), "its negation is a disjunction already");
    assert_eq!(none.normal_form(59), none);
    let two = Formula::And((0..2).map(either).collect());
    assert_eq!(
        two.normal_form(8).to_string(),
        "(x = 0 and x = 1) or (x = 0 and y = 1) or (y = 0 and x = 1) or (y = 0 and y = 1)"
    );
}
