//! The evaluator against itself without its shortcut, on random loops.

use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::{
    Budget, Changes, ColumnType, Comparison, Expression, Formula, Function, Naive, Program, Relation,
    Runtime, Statement, Term,
};
use motet_fact::{Kind, Value};
use proptest::prelude::*;

fn read(name: &str) -> Expression {
    Expression::Relation { name: name.into(), cid: None }
}

fn rename(input: Expression, pairs: &[(&str, &str)]) -> Expression {
    let pairs = pairs.iter().map(|(old, new)| ((*old).into(), (*new).into())).collect();
    Expression::Rename { input: Box::new(input), pairs }
}

fn project(input: Expression, columns: &[&str]) -> Expression {
    Expression::Project {
        input: Box::new(input),
        columns: columns.iter().map(|name| (*name).into()).collect(),
    }
}

/// Pairs of the ends of two steps.
fn compose(left: Expression, right: Expression) -> Expression {
    let (left, right) = (rename(left, &[("y", "m")]), rename(right, &[("x", "m")]));
    project(Expression::Join(Box::new(left), Box::new(right)), &["x", "y"])
}

/// Pairs of x and the sum of both, as long as that is small.
fn add(input: Expression) -> Expression {
    let term = Term::Apply(Function::Add, vec![Term::Column("x".into()), Term::Column("y".into())]);
    let small = Formula::Compare(Comparison::Less, Term::Column("s".into()), Term::Constant(Value::Int(7)));
    let extended = Expression::Extend { input: Box::new(input), column: "s".into(), term };
    rename(
        project(Expression::Select { input: Box::new(extended), formula: small }, &["x", "s"]),
        &[("s", "y")],
    )
}

fn input() -> impl Strategy<Value = Expression> {
    prop_oneof![Just(read("a")), Just(read("b"))]
}

/// Expressions over columns x and y that are monotone in `p` and `q`.
fn expression() -> impl Strategy<Value = Expression> {
    let leaf = prop_oneof![1 => input(), 2 => Just(read("p")), 2 => Just(read("q"))];
    leaf.prop_recursive(4, 16, 2, |inner| {
        let two = || (inner.clone(), inner.clone());
        prop_oneof![
            inner.clone().prop_map(|one| rename(one, &[("x", "y"), ("y", "x")])),
            inner.clone().prop_map(add),
            two().prop_map(|(left, right)| compose(left, right)),
            two().prop_map(|(left, right)| Expression::Union(vec![left, right])),
            two().prop_map(|(left, right)| Expression::SemiJoin(
                Box::new(left),
                Box::new(project(right, &["x"]))
            )),
            (inner.clone(), input())
                .prop_map(|(left, right)| Expression::AntiJoin(Box::new(left), Box::new(right))),
            (inner, input())
                .prop_map(|(left, right)| Expression::Difference(Box::new(left), Box::new(right))),
        ]
    })
}

fn program(bodies: Vec<(bool, Expression)>) -> Program {
    let int = ColumnType::Kind(Kind::Int);
    let columns = vec![("x".into(), int), ("y".into(), int)];
    let relation = |input| Relation { columns: columns.clone(), input, event: false, output: !input };
    let relations = [("a", true), ("b", true), ("p", false), ("q", false)];
    let relations = relations.map(|(name, input)| (name.into(), relation(input))).into();
    let body = bodies
        .into_iter()
        .map(|(first, expression)| Statement::assign(if first { "p" } else { "q" }, expression));
    let body: Vec<_> = body.collect();
    let start = Statement::assign("p", read("a"));
    let both = Statement::assign("q", read("q"));
    let body = [vec![start, both], body].concat();
    Program { relations, statements: vec![Statement::Loop { body, exports: vec!["p".into(), "q".into()] }] }
}

type Rows = BTreeSet<(i64, i64)>;

fn changes(old: &Rows, new: &Rows) -> Vec<(Vec<Value>, i64)> {
    let row = |(x, y): &(i64, i64)| vec![Value::Int(*x), Value::Int(*y)];
    let gone = old.difference(new).map(|pair| (row(pair), -1));
    gone.chain(new.difference(old).map(|pair| (row(pair), 1))).collect()
}

fn rows() -> impl Strategy<Value = Rows> {
    prop::collection::btree_set((0i64..5, 0i64..5), 0..8)
}

proptest! {
    #[test]
    fn loops_without_the_shortcut_give_the_same(
        bodies in prop::collection::vec((any::<bool>(), expression()), 1..4),
        epochs in prop::collection::vec((rows(), rows()), 1..4),
    ) {
        let program = program(bodies);
        let mut quick = Naive::new(program.clone()).unwrap();
        let mut plain = Naive::plain(program).unwrap();
        let (mut a, mut b) = (Rows::new(), Rows::new());
        for (new_a, new_b) in epochs {
            let inputs: Changes =
                BTreeMap::from([("a".into(), changes(&a, &new_a)), ("b".into(), changes(&b, &new_b))]);
            let budget = Budget::default();
            let got = quick.step(&inputs, budget.clone()).unwrap();
            prop_assert_eq!(got, plain.step(&inputs, budget).unwrap());
            (a, b) = (new_a, new_b);
        }
    }
}
