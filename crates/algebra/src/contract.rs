//! What every runtime owes its callers, as a test that each can be put to.
//!
//! [`check`] drives a runtime through a small program: what it gives, what it must refuse, and that a refusal leaves no
//! trace. It says nothing of what programs mean; for that a runtime is compared with [`crate::Naive`].

use std::sync::Arc;

use motet_fact::{Kind, Value};

use crate::{
    Budget, Cancel, Changes, ColumnType, Expression, Program, Relation, RelationName, Row, Runtime,
    RuntimeError, Statement,
};

/// Puts a runtime to the contract.
///
/// # Panics
/// If it breaks it, with what it did.
pub fn check<R: Runtime>(start: impl Fn(Program) -> R) {
    gives_net_changes(start(program()));
    refuses_what_cannot_be(start(program()));
    for none in [
        Budget { rows: 0, ..Budget::default() },
        Budget { memory: 0, ..Budget::default() },
        Budget { cancel: Cancel::when("it is not wanted", || true), ..Budget::default() },
    ] {
        goes_on_after_its_budget(start(program()), &none);
    }
}

/// `Left(x)` holds the first column of the input `Edge(x, y)`, and 0.
fn program() -> Program {
    let int = ColumnType::Kind(Kind::Int);
    let relation = |columns: &[&str], input| Relation {
        columns: columns.iter().map(|name| (Arc::from(*name), int)).collect(),
        input,
        event: false,
        output: !input,
    };
    let zero = Expression::Constant { columns: vec!["x".into()], rows: vec![vec![Value::Int(0)]] };
    let edge = Expression::Relation { name: "Edge".into(), cid: None };
    let left = Expression::Project { input: Box::new(edge), columns: vec!["x".into()] };
    let relations = [("Edge", relation(&["x", "y"], true)), ("Left", relation(&["x"], false))];
    Program {
        relations: relations.into_iter().map(|(name, relation)| (name.into(), relation)).collect(),
        statements: vec![Statement::assign("Left", Expression::Union(vec![zero, left]))],
    }
}

fn row(values: &[i64]) -> Row {
    values.iter().copied().map(Value::Int).collect()
}

/// Changes of one relation.
fn changes(relation: &str, rows: &[(&[i64], i64)]) -> Changes {
    let rows = rows.iter().map(|(values, weight)| (row(values), *weight)).collect();
    Changes::from([(RelationName::from(relation), rows)])
}

/// Runs an epoch of changes of `Edge`, and expects these of `Left`.
fn expect(runtime: &mut impl Runtime, edges: &[(&[i64], i64)], left: &[(&[i64], i64)]) {
    let inputs = changes("Edge", edges);
    let want = if left.is_empty() { Changes::new() } else { changes("Left", left) };
    assert_eq!(runtime.step(&inputs, Budget::default()), Ok(want), "after {inputs:?}");
}

fn gives_net_changes(mut runtime: impl Runtime) {
    expect(&mut runtime, &[(&[1, 1], 1), (&[1, 2], 1), (&[2, 1], 1)], &[(&[0], 1), (&[1], 1), (&[2], 1)]);
    expect(&mut runtime, &[], &[]);
    expect(&mut runtime, &[(&[1, 1], -1), (&[2, 1], -1), (&[3, 1], 1)], &[(&[2], -1), (&[3], 1)]);
    expect(&mut runtime, &[(&[0, 1], 1), (&[1, 2], -1)], &[(&[1], -1)]);
}

fn refuses_what_cannot_be(mut runtime: impl Runtime) {
    expect(&mut runtime, &[(&[1, 1], 1)], &[(&[0], 1), (&[1], 1)]);
    let weights: [&[(&[i64], i64)]; 9] = [
        &[(&[1, 1], 1)],
        &[(&[2, 2], -1)],
        &[(&[2, 2], 2)],
        &[(&[1, 1], -2)],
        &[(&[2, 2], 0)],
        &[(&[2, 2], 1), (&[2, 2], 1)],
        &[(&[2, 2], 1), (&[2, 2], -1)],
        &[(&[1, 1], -1), (&[1, 1], 1)],
        &[(&[2, 2], 1), (&[1, 1], 1)],
    ];
    for wrong in weights {
        let got = runtime.step(&changes("Edge", wrong), Budget::default());
        assert!(matches!(got, Err(RuntimeError::Weight { .. })), "{wrong:?} gives {got:?}");
        expect(&mut runtime, &[], &[]);
    }
    let got = runtime.step(&changes("Edge", &[(&[1], 1)]), Budget::default());
    assert!(matches!(got, Err(RuntimeError::Width { .. })), "a short row gives {got:?}");
    let typed = Changes::from([("Edge".into(), vec![(vec![Value::Int(1), "1".into()], 1)])]);
    let got = runtime.step(&typed, Budget::default());
    assert!(matches!(got, Err(RuntimeError::Type { .. })), "a text for an int gives {got:?}");
    for name in ["Left", "Missing"] {
        let got = runtime.step(&changes(name, &[(&[1], 1)]), Budget::default());
        assert!(matches!(got, Err(RuntimeError::NotAnInput(_))), "rows of {name} give {got:?}");
    }
    expect(&mut runtime, &[(&[1, 1], -1), (&[2, 2], 1)], &[(&[1], -1), (&[2], 1)]);
}

fn goes_on_after_its_budget(mut runtime: impl Runtime, none: &Budget) {
    let refused = |got: Result<Changes, RuntimeError>| {
        let refusal = matches!(got, Err(RuntimeError::OverBudget { .. } | RuntimeError::Cancelled { .. }));
        assert!(refusal, "with {none:?}: {got:?}");
    };
    let first = changes("Edge", &[(&[1, 1], 1)]);
    for _ in 0..2 {
        refused(runtime.step(&first, none.clone()));
    }
    expect(&mut runtime, &[(&[1, 1], 1)], &[(&[0], 1), (&[1], 1)]);
    refused(runtime.step(&changes("Edge", &[(&[1, 1], -1), (&[2, 2], 1)]), none.clone()));
    expect(&mut runtime, &[(&[3, 3], 1)], &[(&[3], 1)]);
}
