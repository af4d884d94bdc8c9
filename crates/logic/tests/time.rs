//! Inductive rules and events: what they derive epoch by epoch, and which of them are refused.
use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use motet_algebra::{
    Budget, Changes, Clocked, Expression, Naive, Program, Relation, Runtime, RuntimeError, SchemaError,
    Statement, tick_is_due,
};
use motet_fact::Value;
use motet_logic::{Catalog, Compiled, Diagnostics, Monotonicity, Source, compile};

fn compiled(text: &str) -> Result<Compiled, Diagnostics> {
    let mut catalog = Catalog::default();
    catalog.add("base", &[("x", motet_algebra::ColumnType::Any)], false);
    compile(&Source::new("test", text), &catalog, &BTreeMap::new())
}

fn runtime(compiled: &Compiled) -> Clocked<Naive> {
    Clocked::new(compiled.program.clone(), Naive::new).unwrap()
}

fn ints(rows: &[(&str, &[i64], i64)]) -> Changes {
    let mut changes = Changes::new();
    for (name, row, weight) in rows {
        let row = row.iter().copied().map(Value::Int).collect();
        changes.entry((*name).into()).or_default().push((row, *weight));
    }
    changes
}

/// The outputs after each epoch; the program's facts are in the first.
fn story(text: &str, epochs: &[Changes], expected: &Expect) {
    let compiled = compiled(text).unwrap_or_else(|problems| panic!("{problems}"));
    let mut runtime = runtime(&compiled);
    let mut told = String::new();
    for (number, epoch) in epochs.iter().enumerate() {
        let mut inputs = epoch.clone();
        for (name, rows) in compiled.facts.iter().filter(|_| number == 0) {
            inputs.entry(name.clone()).or_default().extend(rows.iter().map(|row| (row.clone(), 1)));
        }
        runtime.step(&inputs, Budget::default()).unwrap();
        told += &number.to_string();
        for output in &compiled.outputs {
            let rows: Vec<_> = runtime.runtime().output(&output.name).map(|row| format!("{row:?}")).collect();
            told += &format!(" {}{}", output.name, rows.concat());
        }
        told += if runtime.pending() { " …\n" } else { "\n" };
    }
    expected.assert_eq(&told);
}

/// §2.1 of the specification. Its rules keep the state; a first rule puts the box there, and no second stays.
#[test]
fn the_checkbox_of_the_specification() {
    let quiet = Changes::new;
    let click = || ints(&[("clicks", &[1], 1)]);
    story(
        "event clicks(id: int).
         event new(id: int).
         checkbox(id: X, state: false)@next :- new(id: X).
         checkbox(id: Id, state: S)@next     :- checkbox(id: Id, state: S), !clicks(id: Id).
         checkbox(id: Id, state: true)@next  :- checkbox(id: Id, state: false), clicks(id: Id).
         checkbox(id: Id, state: false)@next :- checkbox(id: Id, state: true), clicks(id: Id).
         output checkbox.",
        &[
            ints(&[("new", &[1], 1)]),
            quiet(),
            click(),
            quiet(),
            quiet(),
            click(),
            click(),
            click(),
            quiet(),
            quiet(),
        ],
        &expect![[r#"
            0 checkbox …
            1 checkbox[1, false]
            2 checkbox[1, false] …
            3 checkbox[1, true]
            4 checkbox[1, true]
            5 checkbox[1, true] …
            6 checkbox[1, false] …
            7 checkbox[1, true] …
            8 checkbox[1, false]
            9 checkbox[1, false]
        "#]],
    );
}

/// §1.1: zero points stay, though the point that made them goes.
#[test]
fn the_zero_points_of_the_specification() {
    story(
        "relation point(x: int, y: int). input point.
         zeroPoint(x: 0, y: Y) :- point(x: 0, y: Y).
         zeroPoint(x: X, y: 0) :- point(x: X, y: 0).
         zeroPoint(x: X, y: Y)@next :- zeroPoint(x: X, y: Y).
         output zeroPoint.",
        &[
            ints(&[("point", &[0, 7], 1), ("point", &[3, 9], 1)]),
            ints(&[("point", &[0, 7], -1)]),
            ints(&[("point", &[3, 0], 1)]),
            Changes::new(),
        ],
        &expect![[r#"
            0 zeroPoint[0, 7] …
            1 zeroPoint[0, 7]
            2 zeroPoint[0, 7][3, 0] …
            3 zeroPoint[0, 7][3, 0]
        "#]],
    );
}

/// A row that is stored, derived and delayed is there once, and goes with its last reason.
#[test]
fn a_relation_has_rows_for_several_reasons() {
    story(
        "relation on(x: int). input on. output on.
         event press(x: int). input press. press(x: 1).
         on(x: X) :- press(x: X).
         on@next(x: X) :- press(x: X).",
        &[
            ints(&[("on", &[1], 1)]),
            Changes::new(),
            ints(&[("on", &[1], -1), ("press", &[1], 1)]),
            Changes::new(),
            Changes::new(),
        ],
        &expect![[r#"
            0 on[1] …
            1 on[1] …
            2 on[1] …
            3 on[1] …
            4 on
        "#]],
    );
}

/// The rules for the next epoch may aggregate and negate what depends on their head; they are one last stratum.
#[test]
fn time_stratifies() {
    let text = "relation waiting(x: int). input waiting. output done. output left.
        done(x: X)@next :- done(x: X).
        left(x: X) :- waiting(x: X), !done(x: X).
        done(x: X)@next :- go(), left(x: X), X := min Y : left(x: Y).
        go() :- tick().
        event tick().";
    let tick = || ints(&[("tick", &[], 1)]);
    story(
        text,
        &[
            ints(&[("waiting", &[1], 1), ("waiting", &[2], 1), ("tick", &[], 1)]),
            tick(),
            tick(),
            Changes::new(),
        ],
        &expect![[r#"
            0 done left[1][2] …
            1 done[1] left[2] …
            2 done[1][2] left …
            3 done[1][2] left
        "#]],
    );
    let strata = compiled(text).unwrap().strata;
    assert!(strata.last().unwrap().next && strata.iter().filter(|stratum| stratum.next).count() == 1);
    assert_eq!(strata.last().unwrap().rules.len(), 2);
}

#[test]
fn what_depends_on_time_is_local() {
    let compiled = compiled(
        "event e(x: int). relation s(x: int). input s.
         output plain. output now. output later. output after.
         plain(x: X) :- s(x: X).
         now(x: X) :- s(x: X), e(x: X).
         later(x: X)@next :- later(x: X). later(x: X) :- s(x: X).
         after(x: X) :- later(x: X), !plain(x: X).",
    )
    .unwrap();
    let classes: Vec<_> = compiled.classes.iter().map(|(name, class)| (&**name, *class)).collect();
    let local = Monotonicity::Local;
    let expected = [("after", local), ("later", local), ("now", local), ("plain", Monotonicity::Monotone)];
    assert_eq!(classes, expected);
    let explained = compiled.explain();
    assert!(
        explained.contains("later, in the next epoch\n") && explained.contains("later@next :-"),
        "{explained}"
    );
    assert!(explained.contains("now(x: int) local\n"), "{explained}");
}

#[test]
fn rules_that_may_go_on_for_ever_are_refused() {
    let refused =
        |text: &str| match compiled(&format!("event e(x: int). relation s(x: int). input s. {text}")) {
            Ok(_) => vec![],
            Err(problems) => problems.iter().map(|problem| problem.code).collect::<Vec<_>>(),
        };
    for text in [
        "p(x: X)@next :- s(x: X).",
        "p(x: 1)@next.",
        "p(x: X)@next :- p(x: Y), X == Y + 1.",
        "p(x: X, y: Y)@next :- p(x: Y, y: X).",
        "p(x: 1)@next :- p(x: 2).",
        "p()@next :- !p().",
        "p(x: X)@next :- s(x: X), !e(x: X).",
        "p(n: N)@next :- N := count : e().",
        // One keeps what is there, so the other need not end.
        "q(x: X) :- e(x: X). q(x: X)@next :- q(x: X). p(x: X)@next :- q(x: X).",
        "q(x: X) :- e(x: X). q(x: X) :- s(x: X). p(x: X)@next :- q(x: X).",
        "q(x: 3). q(x: X) :- e(x: X). p(x: X)@next :- q(x: X).",
    ] {
        assert_eq!(refused(text), ["L064"], "{text}");
    }
    assert_eq!(refused("p(x: X) :- e(x: X). p(x: X)@next :- q(x: X). q(x: X)@next :- p(x: X)."), ["L064"; 2]);
    for text in [
        "p(x: X)@next :- p(x: X), s(x: X).",
        "p(x: 1, y: X)@next :- p(x: 1, y: X), !s(x: X).",
        "p()@next :- p().",
        "p(x: Y)@next :- s(x: X), e(x: X), Y == X + 1.",
        "e(x: 4). p(x: X)@next :- e(x: X).",
        "q(x: X) :- e(x: X). p(x: X)@next :- q(x: X). r(x: X)@next :- p(x: X).",
        "q(x: X) :- e(x: X). q(x: Y) :- q(x: X), s(x: Y), X < Y. p(x: X)@next :- q(x: X).",
    ] {
        assert!(refused(text).is_empty(), "{text}");
    }
}

#[test]
fn mistakes_with_time_are_told() {
    let check = |text: &str, expected: &Expect| {
        expected.assert_eq(&compiled(text).map(|_| ()).unwrap_err().to_string());
    };
    check(
        "p(x: X)@then :- p(x: X).
p(x: X) :- p(x: X)@next.
base(x: X)@next :- base(x: X).
type::T(id: X)@next :- base(x: X).
event base.
lit(n: M)@next :- lit(n: N), M == N + 1.
",
        &expect![[r#"
            error[L010]: wanted `next` after `@`, found `then`
             --> test:1:9
              |
            1 | p(x: X)@then :- p(x: X).
              |         ^^^^ not expected here

            error[L010]: `@next` says of a head that it holds in the next epoch
             --> test:2:19
              |
            2 | p(x: X) :- p(x: X)@next.
              |                   ^ not a head
              = write it after the head: lit(id: X)@next :- lit(id: X), !off(id: X)

            error[L033]: `base` is a base relation: no rule may define it
             --> test:3:1
              |
            3 | base(x: X)@next :- base(x: X).
              | ^^^^
              = give the derived relation another name

            error[L033]: `T` is a type: no rule may define it
             --> test:4:1
              |
            4 | type::T(id: X)@next :- base(x: X).
              | ^^^^^^^^^^^^^^
              = leave `type::` out, or write items

            error[L033]: `base` is a base relation: it is filled by the database
             --> test:5:7
              |
            5 | event base.
              |       ^^^^
              = leave the declaration out

            error[L064]: `lit` might change for ever: nothing ends this
             --> test:6:1
              |
            6 | lit(n: M)@next :- lit(n: N), M == N + 1.
              | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ neither keeps what is there, nor waits for an event
              = keep what is there, as in lit(id: X)@next :- lit(id: X), …, or read an event
        "#]],
    );
}

fn relation(input: bool, event: bool) -> Relation {
    Relation { columns: vec![], input, event, output: true }
}

fn blinking() -> Program {
    let read = Expression::Relation { name: "lit".into(), cid: None };
    let unit = Expression::Constant { columns: vec![], rows: vec![vec![]] };
    let expression = Expression::Difference(unit.into(), read.into());
    let statements = vec![Statement::next("lit", expression)];
    Program { relations: BTreeMap::from([("lit".into(), relation(false, false))]), statements }
}

/// No rules make it, but a plan may: it never comes to rest, and that is an error at last.
#[test]
fn what_never_rests_is_told_by_name() {
    let mut runtime = Clocked::new(blinking(), Naive::new).unwrap();
    let budget = Budget { ticks: 5, ..Budget::default() };
    let mut lit = Vec::new();
    let mut ticks = 0;
    let error = loop {
        let changes = runtime.step(&Changes::new(), budget.clone()).unwrap();
        lit.extend(changes.into_values().flatten().map(|(_, weight)| weight));
        match tick_is_due(&runtime, ticks, &budget) {
            Ok(due) => assert!(due),
            Err(error) => break error,
        }
        ticks += 1;
    };
    assert_eq!(lit, [1, -1, 1, -1, 1]);
    assert_eq!(error, RuntimeError::Restless { ticks: 5, relations: vec!["lit".into()] });
    assert!(error.to_string().contains("`lit` still changes"), "{error}");
}

#[test]
fn unsound_programs_with_time_are_refused() {
    let refused = |program: &Program| program.check().unwrap_err();
    assert_eq!(Naive::new(blinking()).unwrap_err(), SchemaError::Timed);
    let mut program = blinking();
    let looped = Statement::Loop { body: program.statements.clone(), exports: vec![] };
    program.statements = vec![looped];
    assert_eq!(refused(&program), SchemaError::NextInLoop("lit".into()));
    program.statements.clear();
    program.relations.insert("lit".into(), relation(false, true));
    assert_eq!(refused(&program), SchemaError::NoInput("lit".into()));
    let mut program = blinking();
    let late = Expression::Constant { columns: vec![], rows: vec![] };
    program.statements.push(Statement::assign("lit", late));
    let incomplete = SchemaError::Incomplete { relation: "lit".into(), reader: "lit".into() };
    assert_eq!(refused(&program), incomplete);
}
