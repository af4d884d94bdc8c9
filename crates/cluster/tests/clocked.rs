//! Programs with time on both runtimes, against a replay of the same epochs.
//!
//! `MOTET_CASES` sets the number of cases.
use std::collections::BTreeSet;

use motet_algebra::{
    Aggregate, Budget, Changes, Clocked, Column, ColumnType, Comparison, Expression, Formula, Function,
    Naive, Program, Relation, RelationName, Row, Runtime, RuntimeError, Statement, Term,
};
use motet_cluster::Cluster;
use motet_fact::Value;
use motet_native::Native;
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::common::again::Again;
use crate::common::replay::{Contents, Replay, difference};

/// Two inputs, an event, an input and two derived relations that are given rows for the next epoch, and one that is
/// not.
const RELATIONS: [(&str, bool, bool); 7] = [
    ("a", true, false),
    ("b", true, false),
    ("e", true, true),
    ("f", true, true),
    ("p", false, false),
    ("q", false, false),
    ("d", false, false),
];

fn read(name: &str) -> Expression {
    Expression::Relation { name: name.into(), cid: None }
}

fn column(name: &str) -> Column {
    name.into()
}

fn swapped(input: Expression) -> Expression {
    let pairs = vec![(column("x"), column("y")), (column("y"), column("x"))];
    Expression::Rename { input: input.into(), pairs }
}

/// Each row with y one further, in a circle.
fn turned(input: Expression) -> Expression {
    let sum = Term::Apply(Function::Add, vec![Term::Column(column("y")), Term::Constant(1.into())]);
    let term = Term::Apply(Function::Remainder, vec![sum, Term::Constant(3.into())]);
    let extended = Expression::Extend { input: input.into(), column: column("z"), term };
    let input = Expression::Project { input: extended.into(), columns: vec![column("x"), column("z")] };
    Expression::Rename { input: input.into(), pairs: vec![(column("z"), column("y"))] }
}

fn composed(left: Expression, right: Expression) -> Expression {
    let left = Expression::Rename { input: left.into(), pairs: vec![(column("y"), column("m"))] };
    let right = Expression::Rename { input: right.into(), pairs: vec![(column("x"), column("m"))] };
    let joined = Expression::Join(left.into(), right.into());
    Expression::Project { input: joined.into(), columns: vec![column("x"), column("y")] }
}

fn counted(input: Expression) -> Expression {
    Expression::GroupBy {
        input: input.into(),
        keys: vec![column("x")],
        aggregate: Aggregate::Count,
        over: None,
        by: vec![],
        result: column("y"),
    }
}

fn unequal(input: Expression) -> Expression {
    let formula = Formula::Compare(Comparison::Less, Term::Column(column("x")), Term::Column(column("y")));
    Expression::Select { input: input.into(), formula }
}

/// Expressions over columns x and y of these relations.
fn expression(names: &'static [&'static str]) -> impl Strategy<Value = Expression> {
    let constant = Expression::Constant {
        columns: vec![column("x"), column("y")],
        rows: vec![vec![0.into(), 1.into()]],
    };
    let leaf = prop_oneof![12 => prop::sample::select(names).prop_map(read), 1 => Just(constant)];
    leaf.prop_recursive(3, 10, 2, |inner| {
        let two = || (inner.clone(), inner.clone());
        prop_oneof![
            inner.clone().prop_map(swapped),
            inner.clone().prop_map(turned),
            inner.clone().prop_map(counted),
            inner.clone().prop_map(unequal),
            two().prop_map(|(left, right)| composed(left, right)),
            two().prop_map(|(left, right)| Expression::Union(vec![left, right])),
            two().prop_map(|(left, right)| Expression::Difference(left.into(), right.into())),
            two().prop_map(|(left, right)| Expression::AntiJoin(left.into(), right.into())),
        ]
    })
}

fn next() -> impl Strategy<Value = Statement> {
    const ALL: &[&str] = &["a", "b", "e", "f", "p", "q", "d"];
    (prop::sample::select(&["b", "f", "p", "q"][..]), expression(ALL))
        .prop_map(|(name, expression)| Statement::next(name, expression))
}

prop_compose! {
    fn program()(
        p in expression(&["a", "b", "e"]),
        d in expression(&["a", "f", "p", "q"]),
        step in expression(&["a", "e"]),
        next in prop::collection::vec(next(), 1..5),
    ) -> Program {
        let columns = ["x", "y"].map(|name| (column(name), ColumnType::Any)).to_vec();
        let relation = |(name, input, event): (&str, bool, bool)| {
            (name.into(), Relation { columns: columns.clone(), input, event, output: name != "a" })
        };
        let assign = |name: &str, expression| Statement::assign(name, expression);
        let more = composed(read("d"), step);
        let body = vec![assign("d", Expression::Union(vec![d, more]))];
        let mut statements = vec![assign("p", p), Statement::Loop { body, exports: vec!["d".into()] }];
        statements.extend(next);
        Program { relations: RELATIONS.into_iter().map(relation).collect(), statements }
    }
}

fn rows() -> impl Strategy<Value = BTreeSet<Row>> {
    let row = (0i64..3, 0i64..3).prop_map(|(x, y)| vec![Value::Int(x), Value::Int(y)]);
    prop::collection::btree_set(row, 0..4)
}

/// The rows of an input after an epoch; often as they were.
fn stored() -> impl Strategy<Value = Option<BTreeSet<Row>>> {
    prop::option::weighted(0.4, rows())
}

#[derive(Clone, Debug)]
struct Epoch {
    stored: [Option<BTreeSet<Row>>; 2],
    events: [BTreeSet<Row>; 2],
    /// What is tried before, and refused.
    mistake: u8,
}

fn epoch() -> impl Strategy<Value = Epoch> {
    let events = || prop_oneof![1 => Just(BTreeSet::new()), 1 => rows()];
    ([stored(), stored()], [events(), events()], any::<u8>()).prop_map(|(stored, events, mistake)| Epoch {
        stored,
        events,
        mistake,
    })
}

/// Something that must be refused and leave no trace.
fn mistake(runtime: &mut dyn Runtime, inputs: &Changes, which: u8) {
    let row = vec![Value::Int(0), Value::Int(0)];
    let (name, rows) = match which % 4 {
        0 => ("e", vec![(row, -1)]),
        1 => ("e", vec![(row.clone(), 1), (row, 1)]),
        2 => ("f", vec![(vec![], 1)]),
        _ => ("p@held", vec![(row, 1)]),
    };
    let (mut wrong, before) = (inputs.clone(), runtime.restless());
    wrong.insert(name.into(), rows);
    assert!(runtime.step(&wrong, Budget::default()).is_err());
    assert_eq!(runtime.restless(), before);
}

fn check(program: &Program, epochs: &[Epoch]) -> Result<(), TestCaseError> {
    let mut replay = Replay::new(program);
    let mut naive = Clocked::new(program.clone(), Naive::new).unwrap();
    let mut cluster = Clocked::new(program.clone(), Cluster::new).unwrap();
    let mut native = Clocked::new(program.clone(), Native::new).unwrap();
    let (again, seed) = (program.clone(), epochs.iter().map(|one| u64::from(one.mistake)).sum());
    let mut restored = Again::new(Clocked::new(program.clone(), Native::new).unwrap(), seed, move |blocks| {
        Clocked::restore(again.clone(), Native::restore, blocks)
    });
    let mut stored: Contents = ["a", "b"].map(|name| (name.into(), BTreeSet::new())).into();
    let mut outputs = Contents::new();
    for (number, epoch) in epochs.iter().enumerate() {
        let mut after = stored.clone();
        for (name, rows) in ["a", "b"].iter().zip(&epoch.stored) {
            rows.iter().for_each(|rows| drop(after.insert((*name).into(), rows.clone())));
        }
        let names = ["e", "f"].iter().map(|name| RelationName::from(*name));
        let events: Contents = names.zip(epoch.events.iter().cloned()).collect();
        let mut inputs = difference(&stored, &after);
        inputs.extend(difference(&Contents::new(), &events));
        let all = after.iter().chain(&events).map(|(name, rows)| (name.clone(), rows.clone()));
        let then = replay.epoch(&all.collect(), Budget::default()).unwrap();
        let expected = difference(&outputs, &then.outputs);
        for runtime in [&mut naive as &mut dyn Runtime, &mut cluster, &mut native, &mut restored] {
            mistake(runtime, &inputs, epoch.mistake);
            let over =
                runtime.step(&inputs, Budget { rows: u64::from(epoch.mistake % 8), ..Budget::default() });
            let got = match over {
                Err(RuntimeError::OverBudget { .. }) => runtime.step(&inputs, Budget::default()),
                enough => enough,
            };
            prop_assert_eq!(got, Ok(expected.clone()), "epoch {} of {}", number, program);
            prop_assert_eq!(
                runtime.restless(),
                then.restless.clone(),
                "after epoch {} of {}",
                number,
                program
            );
            prop_assert_eq!(runtime.pending(), !then.restless.is_empty());
        }
        (stored, outputs) = (after, then.outputs);
    }
    Ok(())
}

fn cases() -> u32 {
    std::env::var("MOTET_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(60)
}

proptest! {
    #![proptest_config(Config { cases: cases(), failure_persistence: None, ..Config::default() })]

    #[test]
    fn every_epoch_is_what_its_replay_says(
        program in program(),
        epochs in prop::collection::vec(epoch(), 1..8),
    ) {
        check(&program, &epochs)?;
    }
}
