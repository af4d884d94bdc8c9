//! What the optimiser makes of programs, as text. That it means the same is shown by the random programs of `cluster`.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use motet_algebra::{
    Aggregate, Column, ColumnType, Comparison, Expression, Formula, Function, Program, Relation, Statement,
    Stats, Term, Unknown, optimise,
};
use motet_fact::Value;

/// So many rows, and so many values in every column.
struct Sizes(BTreeMap<&'static str, (u64, u64)>);

impl Stats for Sizes {
    fn rows(&self, relation: &str) -> Option<u64> {
        self.0.get(relation).map(|(rows, _)| *rows)
    }

    fn distinct(&self, relation: &str, _column: &str) -> Option<u64> {
        self.0.get(relation).map(|(_, values)| *values)
    }
}

fn names(columns: &[&str]) -> Vec<Column> {
    columns.iter().map(|name| Column::from(*name)).collect()
}

/// The relation with its columns, which are `x` and `y`, renamed.
fn read(name: &str, x: &str, y: &str) -> Expression {
    let pairs = [("x", x), ("y", y)].into_iter().filter(|(old, new)| old != new);
    let pairs: Vec<_> = pairs.map(|(old, new)| (old.into(), new.into())).collect();
    let read = Expression::Relation { name: name.into(), cid: None };
    if pairs.is_empty() { read } else { Expression::Rename { input: read.into(), pairs } }
}

fn join(left: Expression, right: Expression) -> Expression {
    Expression::Join(left.into(), right.into())
}

fn project(input: Expression, columns: &[&str]) -> Expression {
    Expression::Project { input: input.into(), columns: names(columns) }
}

fn select(input: Expression, formula: Formula) -> Expression {
    Expression::Select { input: input.into(), formula }
}

fn column(name: &str) -> Term {
    Term::Column(name.into())
}

fn is(name: &str, value: i64) -> Formula {
    Formula::Compare(Comparison::Equal, column(name), Term::Constant(Value::Int(value)))
}

fn program(outputs: Vec<(&str, &[&str], Expression)>) -> Program {
    let relation = |columns: &[&str], input| {
        let columns = names(columns).into_iter().map(|column| (column, ColumnType::Any)).collect();
        Relation { columns, input, event: false, output: !input }
    };
    let mut program = Program::default();
    for name in ["a", "b", "c"] {
        program.relations.insert(name.into(), relation(&["x", "y"], true));
    }
    for (name, columns, expression) in outputs {
        program.relations.insert(name.into(), relation(columns, false));
        program.statements.push(Statement::Assign { relation: name.into(), expression });
    }
    program
}

/// Checks the statements that become of some outputs.
fn check(outputs: Vec<(&str, &[&str], Expression)>, stats: &dyn Stats, want: &Expect) {
    let optimised = optimise(&program(outputs), stats);
    want.assert_eq(&optimised.statements.iter().map(ToString::to_string).collect::<String>());
}

#[test]
fn joins_begin_where_few_rows_are() {
    let chain = || {
        let way = join(join(read("a", "x", "p"), read("b", "p", "q")), read("c", "q", "y"));
        vec![("out", &["x", "y"][..], project(way, &["x", "y"]))]
    };
    check(
        chain(),
        &Unknown,
        &expect![[r#"
            out :- projection([x, y],
              natural_join(
                projection([x, q], natural_join(rename([y: p], a), rename([x: p, y: q], b))),
                rename([x: q], c)
              )
            );"#]],
    );
    let sizes = Sizes([("a", (100_000, 500)), ("b", (10_000, 300)), ("c", (3, 3))].into());
    check(
        chain(),
        &sizes,
        &expect![[r#"
            out :- projection([y, x],
              natural_join(
                projection([p, y], natural_join(rename([x: p, y: q], b), rename([x: q], c))),
                rename([y: p], a)
              )
            );"#]],
    );
}

#[test]
fn conditions_go_to_what_they_speak_of() {
    let pairs = join(read("a", "x", "p"), Expression::Union(vec![read("b", "q", "y"), read("c", "q", "y")]));
    let same = Formula::Compare(Comparison::Equal, column("p"), column("q"));
    let late = Formula::Compare(Comparison::Less, column("x"), column("y"));
    let all = select(pairs, Formula::And(vec![is("y", 7), late, same]));
    check(
        vec![("out", &["x", "p"], project(all, &["x", "p"]))],
        &Unknown,
        &expect![[r#"
            out :- projection([x, p],
              selection(x < y,
                natural_join(
                  rename([y: p], a),
                  rename([q: p],
                    union(rename([x: q], selection(y = 7, b)), rename([x: q], selection(y = 7, c)))
                  )
                )
              )
            );"#]],
    );
}

#[test]
fn what_adds_no_column_is_a_semijoin() {
    let both = join(read("a", "x", "y"), project(join(read("b", "y", "z"), read("c", "z", "w")), &["y"]));
    check(
        vec![("out", &["x", "y"], both)],
        &Unknown,
        &expect![[r#"
            out :- semijoin(
              a,
              projection([y], semijoin(rename([x: y, y: z], b), rename([x: z], projection([x], c))))
            );"#]],
    );
}

/// Two rows of `a` may differ in `x` alone: a sum takes both.
#[test]
fn columns_are_dropped_but_for_aggregates_that_tell_rows_apart() {
    let group = |aggregate| Expression::GroupBy {
        input: Box::new(Expression::Extend {
            input: Box::new(join(read("a", "x", "y"), read("b", "y", "z"))),
            column: "d".into(),
            term: Term::Apply(Function::Add, vec![column("z"), Term::Constant(Value::Int(1))]),
        }),
        keys: names(&["y"]),
        aggregate,
        over: Some("d".into()),
        by: vec![],
        result: "r".into(),
    };
    check(
        vec![("out", &["y", "r"], group(Aggregate::Max))],
        &Unknown,
        &expect![[r#"
            out :- group_by([y], r, max(d),
              projection([y, d], extend(d := z + 1, semijoin(rename([x: y, y: z], b), projection([y], a))))
            );"#]],
    );
    check(
        vec![("out", &["y", "r"], group(Aggregate::Sum))],
        &Unknown,
        &expect![
            "out :- group_by([y], r, sum(d), extend(d := z + 1, natural_join(a, rename([x: y, y: z], b))));"
        ],
    );
}

#[test]
fn what_is_computed_twice_becomes_a_relation() {
    let two = |x, y, z| join(read("a", x, y), read("b", y, z));
    let less = Formula::Compare(Comparison::Less, column("u"), column("w"));
    let outputs = vec![
        ("p", &["x", "y", "z"][..], two("x", "y", "z")),
        ("q", &["u", "v", "w"], select(two("u", "v", "w"), less)),
    ];
    check(
        outputs,
        &Unknown,
        &expect![
            "`shared~1` :- natural_join(a, rename([x: y, y: z], b));p :- `shared~1`;q :- selection(u < w, rename([x: u, y: v, z: w], `shared~1`));"
        ],
    );
}

/// A term may be undefined, and then drops its row, whether the column is shown or not.
#[test]
fn computed_columns_stay() {
    let term = Term::Apply(Function::Divide, vec![column("x"), column("y")]);
    let computed = Expression::Extend { input: Box::new(read("a", "x", "y")), column: "d".into(), term };
    check(
        vec![("out", &["x"], project(computed, &["x"]))],
        &Unknown,
        &expect!["out :- projection([x], extend(d := x / y, a));"],
    );
}

#[test]
fn an_unsound_program_is_left_alone() {
    let program = program(vec![("out", &["z"], read("a", "x", "y"))]);
    assert!(program.check().is_err());
    assert_eq!(optimise(&program, &Unknown), program);
}
