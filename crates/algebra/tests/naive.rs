//! The meaning of each operator and of a program, by example; and what a runtime refuses.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use motet_algebra::{
    Aggregate, Budget, CID_COLUMN, Cancel, Changes, Column, ColumnType, Comparison, Expression, Formula,
    Function, Naive, Program, Relation, Row, Runtime, RuntimeError, SchemaError, Statement, Term,
};
use motet_fact::{Kind, Value, codec};

fn relation(columns: &[&str], input: bool, output: bool) -> Relation {
    let kind = |name: &&str| if *name == CID_COLUMN { Kind::Link } else { Kind::Int };
    let columns = columns.iter().map(|name| (Column::from(*name), ColumnType::Kind(kind(name)))).collect();
    Relation { columns, input, event: false, output }
}

fn read(name: &str) -> Box<Expression> {
    Box::new(Expression::Relation { name: name.into(), cid: None })
}

fn rename(input: Box<Expression>, pairs: &[(&str, &str)]) -> Box<Expression> {
    let pairs = pairs.iter().map(|(old, new)| ((*old).into(), (*new).into())).collect();
    Box::new(Expression::Rename { input, pairs })
}

fn project(input: Expression, columns: &[&str]) -> Expression {
    Expression::Project {
        input: Box::new(input),
        columns: columns.iter().map(|name| (*name).into()).collect(),
    }
}

fn assign(relation: &str, expression: Expression) -> Statement {
    Statement::assign(relation, expression)
}

fn program(relations: &[(&str, Relation)], statements: Vec<Statement>) -> Program {
    let relations = relations.iter().map(|(name, relation)| ((*name).into(), relation.clone())).collect();
    Program { relations, statements }
}

fn row(values: &[i64]) -> Row {
    values.iter().copied().map(Value::Int).collect()
}

fn changes(name: &str, rows: &[(&[i64], i64)]) -> Changes {
    BTreeMap::from([(name.into(), rows.iter().map(|(values, weight)| (row(values), *weight)).collect())])
}

/// Two inputs, `a(x, y)` and `b(y, z)`, and an output that holds what the expression gives.
fn over_two_inputs(columns: &[&str], expression: Expression) -> Result<Naive, SchemaError> {
    let relations = [
        ("a", relation(&["x", "y"], true, false)),
        ("b", relation(&["y", "z"], true, false)),
        ("out", relation(columns, false, true)),
    ];
    Naive::new(program(&relations, vec![assign("out", expression)]))
}

fn results(columns: &[&str], expression: Expression) -> Vec<Vec<i64>> {
    let mut runtime = over_two_inputs(columns, expression).unwrap();
    let mut inputs = changes("a", &[(&[1, 1], 1), (&[1, 2], 1), (&[2, 2], 1)]);
    inputs.extend(changes("b", &[(&[2, 7], 1), (&[2, 8], 1), (&[3, 9], 1)]));
    runtime.step(&inputs, Budget::default()).unwrap();
    runtime.output("out").map(|row| row.iter().map(|value| value.as_int().unwrap()).collect()).collect()
}

#[test]
fn joins() {
    let (a, b) = (|| read("a"), || read("b"));
    let join = Expression::Join(a(), b());
    assert_eq!(results(&["x", "y", "z"], join), [[1, 2, 7], [1, 2, 8], [2, 2, 7], [2, 2, 8]]);
    assert_eq!(results(&["x", "y"], Expression::SemiJoin(a(), b())), [[1, 2], [2, 2]]);
    assert_eq!(results(&["x", "y"], Expression::AntiJoin(a(), b())), [[1, 1]]);
    let product = Expression::Join(a(), rename(b(), &[("y", "w")]));
    assert_eq!(results(&["x", "y", "w", "z"], product).len(), 9);
}

#[test]
fn an_antijoin_without_shared_columns_asks_whether_the_right_is_empty() {
    let unrelated = |formula| {
        let right = Expression::Select { input: rename(read("b"), &[("y", "w")]), formula };
        results(&["x", "y"], Expression::AntiJoin(read("a"), Box::new(right))).len()
    };
    assert_eq!(unrelated(Formula::True), 0);
    assert_eq!(unrelated(Formula::Not(Box::new(Formula::True))), 3);
}

#[test]
fn sets_columns_and_renaming_all_at_once() {
    let swapped = rename(read("a"), &[("x", "y"), ("y", "x")]);
    assert_eq!(results(&["x", "y"], (*swapped).clone()), [[1, 1], [2, 1], [2, 2]]);
    let union = Expression::Union(vec![*read("a"), (*swapped).clone()]);
    assert_eq!(results(&["x", "y"], union), [[1, 1], [1, 2], [2, 1], [2, 2]]);
    assert_eq!(results(&["y", "x"], Expression::Difference(read("a"), swapped)), [[2, 1]]);
    assert_eq!(results(&["x"], project(*read("a"), &["x"])), [[1], [2]]);
}

#[test]
fn undefined_terms_drop_their_row() {
    let difference =
        Term::Apply(Function::Subtract, vec![Term::Column("x".into()), Term::Column("y".into())]);
    let term = Term::Apply(Function::Divide, vec![Term::Constant(Value::Int(6)), difference]);
    let extended = Expression::Extend { input: read("a"), column: "q".into(), term };
    assert_eq!(results(&["x", "y", "q"], extended), [[1, 2, -6]]);
}

#[test]
fn groups_range_over_distinct_full_rows() {
    let group = |keys: &[&str], aggregate, over: Option<&str>, input| Expression::GroupBy {
        input,
        keys: keys.iter().map(|name| (*name).into()).collect(),
        aggregate,
        over: over.map(Into::into),
        by: vec![],
        result: "n".into(),
    };
    let sum = group(&[], Aggregate::Sum, Some("y"), read("a"));
    assert_eq!(results(&["n"], sum), [[5]], "two rows have y = 2 and both count (PL-24)");
    assert_eq!(results(&["n"], group(&[], Aggregate::Count, Some("y"), read("a"))), [[2]]);
    assert_eq!(results(&["x", "n"], group(&["x"], Aggregate::Count, None, read("a"))), [[1, 2], [2, 1]]);
    assert_eq!(results(&["x", "n"], group(&["x"], Aggregate::Max, Some("y"), read("a"))), [[1, 2], [2, 2]]);
    let none = Expression::Select { input: read("a"), formula: Formula::Or(vec![]) };
    assert!(results(&["n"], group(&[], Aggregate::Count, None, Box::new(none))).is_empty());
    assert_eq!(
        over_two_inputs(&["n"], group(&[], Aggregate::Sum, None, read("a"))).err(),
        Some(SchemaError::AggregateOfNothing("sum".into()))
    );
}

#[test]
fn the_best_of_a_group_and_the_place_in_it() {
    let columns = |names: &[&str]| names.iter().map(|name| Column::from(*name)).collect::<Vec<_>>();
    let best = |aggregate, by: &[&str]| Expression::GroupBy {
        input: read("b"),
        keys: columns(&["y"]),
        aggregate,
        over: Some("z".into()),
        by: columns(by),
        result: "n".into(),
    };
    assert_eq!(results(&["y", "n"], best(Aggregate::ArgMax, &["z"])), [[2, 8], [3, 9]]);
    assert_eq!(results(&["y", "n"], best(Aggregate::ArgMin, &["y", "z"])), [[2, 7], [3, 9]]);
    assert_eq!(
        over_two_inputs(&["y", "n"], best(Aggregate::ArgMax, &[])).err(),
        Some(SchemaError::AggregateBy("arg_max".into()))
    );
    assert_eq!(
        over_two_inputs(&["y", "n"], best(Aggregate::Max, &["z"])).err(),
        Some(SchemaError::AggregateBy("max".into()))
    );
    let rank = |keys: &[&str], by: &[&str]| Expression::Rank {
        input: read("a"),
        keys: columns(keys),
        by: columns(by),
        result: "n".into(),
    };
    assert_eq!(results(&["x", "y", "n"], rank(&[], &["y"])), [[1, 1, 1], [1, 2, 2], [2, 2, 2]]);
    assert_eq!(results(&["x", "y", "n"], rank(&["x"], &["y"])), [[1, 1, 1], [1, 2, 2], [2, 2, 1]]);
    assert_eq!(results(&["x", "y", "n"], rank(&[], &["x", "y"])), [[1, 1, 1], [1, 2, 2], [2, 2, 3]]);
    assert_eq!(over_two_inputs(&["x"], rank(&[], &[])).err(), Some(SchemaError::AggregateBy("rank".into())));
}

/// Transitive closure, with what it is not closed over.
fn reachability() -> Program {
    let step = Expression::Join(rename(read("path"), &[("y", "m")]), rename(read("edge"), &[("x", "m")]));
    let relations = [
        ("edge", relation(&["x", "y"], true, false)),
        ("path", relation(&["x", "y"], false, true)),
        ("apart", relation(&["x", "y"], false, true)),
    ];
    let body =
        vec![assign("path", Expression::Union(vec![*read("edge"), project(step.clone(), &["x", "y"])]))];
    let nodes = project(*read("edge"), &["x"]);
    let pairs = Expression::Join(Box::new(nodes.clone()), rename(Box::new(nodes), &[("x", "y")]));
    let apart = Expression::AntiJoin(Box::new(pairs), read("path"));
    program(&relations, vec![Statement::Loop { body, exports: vec!["path".into()] }, assign("apart", apart)])
}

#[test]
fn loops_run_to_their_fixed_point_and_changes_are_net() {
    let mut runtime = Naive::new(reachability()).unwrap();
    let inputs = changes("edge", &[(&[1, 2], 1), (&[2, 3], 1), (&[3, 1], 1)]);
    let first = runtime.step(&inputs, Budget::default()).unwrap();
    assert_eq!(first["path"].len(), 9);
    assert!(!first.contains_key("apart"));
    let second = runtime.step(&changes("edge", &[(&[3, 1], -1)]), Budget::default()).unwrap();
    assert_eq!(second["path"].iter().map(|(_, weight)| weight).sum::<i64>(), -6);
    assert_eq!(second["apart"], [(row(&[1, 1]), 1), (row(&[2, 1]), 1), (row(&[2, 2]), 1)]);
    assert!(runtime.step(&Changes::new(), Budget::default()).unwrap().is_empty());
}

#[test]
fn a_refused_epoch_leaves_no_trace() {
    let mut runtime = Naive::new(reachability()).unwrap();
    let edge = changes("edge", &[(&[1, 2], 1)]);
    let mut refused = |inputs: &Changes, budget| runtime.step(inputs, budget).unwrap_err();
    let default = Budget::default;
    assert_eq!(refused(&changes("path", &[]), default()), RuntimeError::NotAnInput("path".into()));
    assert_eq!(refused(&changes("nothing", &[]), default()), RuntimeError::NotAnInput("nothing".into()));
    assert!(matches!(refused(&changes("edge", &[(&[1], 1)]), default()), RuntimeError::Width { got: 1, .. }));
    let texts = Changes::from([("edge".into(), vec![(vec!["a".into(), "b".into()], 1)])]);
    assert!(matches!(refused(&texts, default()), RuntimeError::Type { .. }));
    for rows in [&[(&[1_i64, 2][..], 2)][..], &[(&[1, 2], -1)], &[(&[1, 2], 1), (&[1, 2], 1)]] {
        assert!(matches!(refused(&changes("edge", rows), default()), RuntimeError::Weight { .. }));
    }
    let short = Budget { iterations: 1, ..default() };
    assert!(matches!(refused(&edge, short), RuntimeError::OverBudget { what: "iterations", .. }));
    let narrow = Budget { rows: 0, ..default() };
    assert!(matches!(refused(&edge, narrow), RuntimeError::OverBudget { what: "rows", limit: 0, .. }));
    let small = Budget { memory: 100, ..default() };
    assert!(matches!(refused(&edge, small), RuntimeError::OverBudget { what: "bytes", limit: 100, .. }));
    let unwanted = Budget { cancel: Cancel::when("it took too long", || true), ..default() };
    assert!(refused(&edge, unwanted).to_string().starts_with("it took too long while computing `path`"));
    assert_eq!(runtime.step(&edge, default()).unwrap()["path"], [(row(&[1, 2]), 1)]);
}

#[test]
fn cids_of_stored_rows_are_stored_and_of_others_computed() {
    let with_cid = |name: &str| Expression::Relation { name: name.into(), cid: Some("c".into()) };
    let relations = [
        ("stored", relation(&["x", CID_COLUMN], true, false)),
        ("plain", relation(&["x"], false, true)),
        ("cids", Relation { columns: columns_with_link(), input: false, event: false, output: true }),
        ("derived", Relation { columns: columns_with_link(), input: false, event: false, output: true }),
    ];
    let statements = vec![
        assign("plain", *read("stored")),
        assign("cids", with_cid("stored")),
        assign("derived", with_cid("plain")),
    ];
    let mut runtime = Naive::new(program(&relations, statements)).unwrap();
    let cid = |number: i64| Value::Link(codec::tuple_cid("other", [("n", &Value::Int(number))]));
    let stored = vec![(vec![Value::Int(1), cid(1)], 1), (vec![Value::Int(1), cid(2)], 1)];
    let changes = runtime.step(&Changes::from([("stored".into(), stored)]), Budget::default()).unwrap();
    assert_eq!(changes["plain"], [(row(&[1]), 1)], "one tuple, though stored twice (Q6)");
    assert_eq!(changes["cids"].len(), 2);
    let expected = codec::tuple_cid("plain", [("x", &Value::Int(1))]);
    assert_eq!(changes["derived"], [(vec![Value::Int(1), Value::Link(expected)], 1)]);
}

fn columns_with_link() -> Vec<(Column, ColumnType)> {
    vec![("x".into(), ColumnType::Kind(Kind::Int)), ("c".into(), ColumnType::Kind(Kind::Link))]
}

#[test]
fn unsound_programs_are_refused() {
    let error = |columns: &[&str], expression| over_two_inputs(columns, expression).unwrap_err();
    assert!(matches!(error(&["x"], *read("a")), SchemaError::Columns { .. }));
    assert!(matches!(error(&["x"], *read("c")), SchemaError::UnknownRelation(_)));
    assert!(matches!(error(&["q"], project(*read("a"), &["q"])), SchemaError::UnknownColumn { .. }));
    assert!(matches!(error(&["x", "x"], *read("a")), SchemaError::DuplicateColumn(_)));
    assert!(matches!(error(&["x"], *rename(read("a"), &[("y", "x")])), SchemaError::DuplicateColumn(_)));
    assert_eq!(error(&["x"], Expression::Union(vec![])), SchemaError::EmptyUnion);
    let different = Expression::Difference(read("a"), read("b"));
    assert!(matches!(error(&["x", "y"], different), SchemaError::Columns { .. }));
    let itself = project(*read("out"), &["x"]);
    assert!(matches!(error(&["x"], itself), SchemaError::Incomplete { .. }));
    let short = Expression::Constant { columns: vec!["x".into()], rows: vec![row(&[])] };
    assert_eq!(error(&["x"], short), SchemaError::ConstantWidth { want: 1, got: 0 });
}

#[test]
fn unsound_loops_are_refused() {
    let relations = [
        ("a", relation(&["x"], true, false)),
        ("p", relation(&["x"], false, false)),
        ("q", relation(&["x"], false, true)),
    ];
    let check = |statements| program(&relations, statements).check().unwrap_err();
    let one_loop = |body, exports: &[&str]| Statement::Loop {
        body,
        exports: exports.iter().map(|name| (*name).into()).collect(),
    };
    let fill = || assign("p", *read("a"));
    let negating = assign("q", Expression::AntiJoin(read("a"), read("p")));
    assert!(matches!(
        check(vec![one_loop(vec![fill(), negating.clone()], &["q"])]),
        SchemaError::NotMonotone { .. }
    ));
    assert!(matches!(check(vec![negating.clone(), fill()]), SchemaError::Incomplete { .. }));
    assert!(matches!(check(vec![one_loop(vec![fill()], &["q"])]), SchemaError::Export(_)));
    assert!(matches!(
        check(vec![one_loop(vec![fill()], &[]), assign("q", *read("p"))]),
        SchemaError::NotExported { .. }
    ));
    assert_eq!(check(vec![one_loop(vec![one_loop(vec![fill()], &[])], &[])]), SchemaError::NestedLoop);
    assert_eq!(program(&relations, vec![one_loop(vec![fill()], &["p"]), negating]).check(), Ok(()));
}

#[test]
fn programs_have_a_text_form() {
    let mut program = reachability();
    let formula = Formula::Compare(Comparison::Less, Term::Column("x".into()), Term::Constant(Value::Int(3)));
    let select = Expression::Select { input: read("edge"), formula };
    program.statements.push(assign("path", select));
    expect_test::expect![[r#"
        relation apart(x: int, y: int) output;
        relation edge(x: int, y: int) input;
        relation path(x: int, y: int) output;
        while change do
          path :- union(
            edge,
            projection([x, y], natural_join(rename([y: m], path), rename([x: m], edge)))
          );
        end exports [path];
        apart :- antijoin(
          natural_join(projection([x], edge), rename([x: y], projection([x], edge))),
          path
        );
        path :- selection(x < 3, edge);
    "#]]
    .assert_eq(&program.to_string());
}
