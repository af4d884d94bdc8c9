//! What the optimiser makes of programs, as text. That it means the same is shown by the random programs of `cluster`.
use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use motet_algebra::{
    Aggregate, Budget, Column, ColumnType, Comparison, Expression, Formula, Function, Program, Registry,
    Relation, Statement, Stats, Term, Unknown, explain, explain_over, optimise, text,
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
        program.statements.push(Statement::assign(name, expression));
    }
    program
}

/// Checks the statements that become of some outputs.
fn check(outputs: Vec<(&str, &[&str], Expression)>, stats: &dyn Stats, want: &Expect) {
    want.assert_eq(&explain(&optimise(&program(outputs), stats), stats, None));
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
                                          estimated
            out :=
              project x, y                   10,000
                join                        100,000
                  project x, q               10,000
                    join                     10,000
                      a (y as p)              1,000
                      b (x as p, y as q)      1,000
                  c (x as q)                  1,000
        "#]],
    );
    let sizes = Sizes([("a", (100_000, 500)), ("b", (10_000, 300)), ("c", (3, 3))].into());
    check(
        chain(),
        &sizes,
        &expect![[r#"
                                          estimated
            out :=
              project y, x                    1,500
                join                         20,000
                  project p, y                  100
                    join                        100
                      b (x as p, y as q)     10,000
                      c (x as q)                  3
                  a (y as p)                100,000
        "#]],
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
                                             estimated
            out :=
              project x, p                          67
                select x < y                        67
                  join                             200
                    a (y as p)                   1,000
                    union (q as p)                  20
                      select y = 7 (x as q)         10
                        b                        1,000
                      select y = 7 (x as q)         10
                        c                        1,000
        "#]],
    );
}

#[test]
fn what_adds_no_column_is_a_semijoin() {
    let both = join(read("a", "x", "y"), project(join(read("b", "y", "z"), read("c", "z", "w")), &["y"]));
    check(
        vec![("out", &["x", "y"], both)],
        &Unknown,
        &expect![[r#"
                                        estimated
            out :=
              semijoin                      1,000
                a                           1,000
                project y                     100
                  semijoin                  1,000
                    b (x as y, y as z)      1,000
                    project x (x as z)        100
                      c                     1,000
        "#]],
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
                                          estimated
            out :=
              group by y: r = max d             100
                project y, d                  1,000
                  extend d = z + 1            1,000
                    semijoin                  1,000
                      b (x as y, y as z)      1,000
                      project y                 100
                        a                     1,000
        "#]],
    );
    check(
        vec![("out", &["y", "r"], group(Aggregate::Sum))],
        &Unknown,
        &expect![[r#"
                                        estimated
            out :=
              group by y: r = sum d           100
                extend d = z + 1           10,000
                  join                     10,000
                    a                       1,000
                    b (x as y, y as z)      1,000
        "#]],
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
        &expect![[r#"
                                                   estimated
            shared~1 :=
              join                                    10,000
                a                                      1,000
                b (x as y, y as z)                     1,000
            p :=
              shared~1                                10,000
            q :=
              select u < w                             3,333
                shared~1 (x as u, y as v, z as w)     10,000
        "#]],
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
        &expect![[r#"
                                  estimated
            out :=
              project x                 100
                extend d = x / y      1,000
                  a                   1,000
        "#]],
    );
}

#[test]
fn an_unsound_program_is_left_alone() {
    let program = program(vec![("out", &["z"], read("a", "x", "y"))]);
    assert!(program.check().is_err());
    assert_eq!(optimise(&program, &Unknown), program);
}

/// What an operator has is counted on the final contents: of a loop what it has in the end.
#[test]
fn an_explanation_shows_what_was_expected_and_what_there_is() {
    let mut program = program(vec![("out", &["x", "y"], read("a", "x", "y"))]);
    let step = project(join(read("out", "x", "p"), read("a", "p", "y")), &["x", "y"]);
    let body = vec![Statement::assign("out", step)];
    program.statements.push(Statement::Loop { body, exports: vec!["out".into()] });
    let edge = |from: i64| (vec![Value::Int(from), Value::Int(from + 1)], 1);
    let inputs = [("a".into(), (0..30).map(edge).collect())].into();
    expect![[r#"
                              estimated  actual
        out :=
          a                          30      30
        loop for out
          out :=
            project x, y            480     435
              join                  480     435
                out (y as p)        480     465
                a (x as p)           30      30
    "#]]
    .assert_eq(&explain_over(&program, &inputs, Budget::default()).unwrap());
}

/// Where a loop that counts ends is not seen from its start, so it is not taken for as small as that.
#[test]
fn a_loop_that_makes_values_is_expected_to_be_big() {
    let text = "
        relation n(x: int);
        relation p(x: int) output;
        n :- constant([x], (0));
        while change do
          n :- rename([y: x], projection([y], extend(y := x + 1, selection(x < 120, n))));
        end exports [n];
        p :- n;";
    let program = text::load(&text::diagnostic::Source::new("n.ra", text), &Registry::default()).unwrap();
    expect![[r#"
                                estimated
        n := (n.ra:4:9)
          rows of x                     1
        loop for n
          n := (n.ra:6:11)
            project y (y as x)        100
              extend y = x + 1        333
                select x < 120        333
                  n                 1,000
        p := (n.ra:8:9)
          n                         1,000
    "#]]
    .assert_eq(&explain(&program, &Unknown, None));
}
