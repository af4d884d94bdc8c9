//! Programs of models: lifted, they are what they are for each item alone; and what they can't have is told.
use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::{Budget, Changes, Naive, Row, Runtime as _};
use motet_fact::{Cid, Codec, Value};
use motet_logic::{Source, compile_model, compile_model_of};
use proptest::prelude::*;
use proptest::test_runner::Config;

const PROGRAMS: [&str; 7] = [
    // Nothing but what stands in the program, and the item.
    "output n. output self. n(is: 1). n(is: X + 1) :- n(is: X), X < 4. self(is: $item). self(is: 7).",
    // Counts, of nothing too; negation of the whole relation; a term in a negated atom.
    "output n. output none. output odd. n(is: N) :- N := count : fact(). none() :- !fact(attribute: 1).
     odd(e: E) :- fact(entity: E, value: V), kind(V) == \"int\", !fact(entity: E, value: V + 1).",
    // Recursion with a cycle, and what is not reached.
    "output reach. output far. relation reach(a: link, b: link).
     reach(a: A, b: B) :- cause(cid: A, parent: B).
     reach(a: A, b: C) :- reach(a: A, b: B), cause(cid: B, parent: C).
     far(c: C) :- C := fact(), !reach(b: C).",
    // Groups, greatest, ranks.
    "output sum. output best. output place.
     sum(e: E, s: S) :- fact(entity: E), S := sum V : fact(entity: E, attribute: 1, value: V).
     best(e: E, v: V) :- fact(entity: E), V := arg_max X by A : fact(entity: E, attribute: A, value: X).
     place(v: V, r: R) :- R := rank V by A : fact(attribute: A, value: V).",
    // Moves, by heights.
    "output under. relation move(n: any, to: any, h: int, c: link).
     move(n: N, to: P, h: H, c: C) :- C := fact(entity: N, value: P), height(cid: C, height: H).
     under(n: N, is: P) :- P := fold_moves N to Q by H, C : move(n: N, to: Q, h: H, c: C).",
    // Two derived relations that read each other, and a rule of a constant beside rules of facts.
    "output even. output odd. even(h: 0).
     odd(h: H + 1) :- even(h: H), H < 6. even(h: H + 1) :- odd(h: H), height(height: H).",
    // What queries read.
    "output attr. output element.
     attr(entity: E, attribute: A, value: V) :-
         fact(entity: E, attribute: A, value: V), !fact(entity: E, attribute: A, value: 0).
     element(list: $item, item: E, order_key: A) :- fact(entity: E, attribute: A).",
];

/// A row of a base relation of an item, from small numbers.
fn row(item: u8, [relation, one, two, three]: [u8; 4]) -> (&'static str, Row) {
    let cid = |number: u8| Value::Link(Cid::of(Codec::Raw, &[number % 4]));
    let entity = Value::bytes([one % 3].as_slice());
    match relation % 3 {
        0 => {
            let value = match three % 6 {
                5 => Value::bytes([two % 3].as_slice()),
                4 => "a".into(),
                other => Value::Int(other.into()),
            };
            (
                "fact",
                vec![
                    Value::bytes([item].as_slice()),
                    entity,
                    Value::Int((two % 3).into()),
                    value,
                    cid(three),
                ],
            )
        }
        1 => ("cause", vec![Value::bytes([item].as_slice()), cid(one), cid(two)]),
        _ => ("height", vec![Value::bytes([item].as_slice()), cid(one), Value::Int((two % 4).into())]),
    }
}

type Rows = BTreeMap<String, BTreeSet<Row>>;

fn apply(rows: &mut Rows, changes: &Changes) {
    for (name, changed) in changes {
        let of = rows.entry(name.to_string()).or_default();
        for (row, weight) in changed {
            assert!(if *weight > 0 { of.insert(row.clone()) } else { of.remove(row) });
        }
    }
    rows.retain(|_, rows| !rows.is_empty());
}

proptest! {
    #![proptest_config(Config { cases: 60, failure_persistence: None, ..Config::default() })]

    /// H20: lifted = one naive run per item, as items and facts come and go.
    #[test]
    fn a_lifted_program_is_itself_for_each_item(
        program in 0..PROGRAMS.len(),
        epochs in prop::collection::vec(
            (prop::collection::vec((0u8..3, any::<[u8; 4]>()), 0..8), prop::option::of(0u8..3)), 1..8),
    ) {
        let source = Source::new("model", PROGRAMS[program]);
        let lift = compile_model(&source, 100).unwrap_or_else(|wrong| panic!("{wrong}"));
        let mut naive = Naive::new(lift.program.clone()).unwrap();
        let (mut items, mut stored) = (BTreeSet::new(), BTreeMap::<&str, BTreeSet<Row>>::new());
        let mut contents = Rows::new();
        for (rows, toggled) in epochs {
            let mut changes = Changes::new();
            if let Some(item) = toggled {
                let weight = if items.remove(&item) { -1 } else { i64::from(items.insert(item)) };
                changes.insert(lift.items.clone(), vec![(vec![Value::bytes([item].as_slice())], weight)]);
            }
            let rows: BTreeSet<_> = rows.into_iter().map(|(item, numbers)| row(item, numbers)).collect();
            for (name, row) in rows {
                let of = stored.entry(name).or_default();
                let weight = if of.remove(&row) { -1 } else { i64::from(of.insert(row.clone())) };
                if lift.program.relations.get(name).is_some_and(|relation| relation.input) {
                    changes.entry(name.into()).or_default().push((row, weight));
                }
            }
            let changed = naive.step(&changes, Budget::default()).unwrap();
            apply(&mut contents, &changed);
            for item in 0..3 {
                let id = Value::bytes([item].as_slice());
                let mut alone = Rows::new();
                if items.contains(&item) {
                    let compiled = compile_model_of(&source, 100, &id).unwrap();
                    let inputs = compiled.bases.iter().map(|base| {
                        let own = stored.get(&*base.name).into_iter().flatten();
                        let own = own.filter(|row| row[0] == id).map(|row| (row[1..].to_vec(), 1));
                        (base.name.clone(), own.collect())
                    });
                    let mut one = Naive::new(compiled.program.clone()).unwrap();
                    apply(&mut alone, &one.step(&inputs.collect(), Budget::default()).unwrap());
                }
                let outputs: BTreeSet<String> = lift.outputs.iter().map(|one| one.name.to_string()).collect();
                let mut lifted: Rows = contents.iter()
                    .filter(|(name, _)| outputs.contains(*name))
                    .map(|(name, rows)| {
                        let own = rows.iter().filter(|row| row[0] == id).map(|row| row[1..].to_vec());
                        (name.clone(), own.collect())
                    })
                    .collect();
                lifted.retain(|_, rows: &mut BTreeSet<Row>| !rows.is_empty());
                prop_assert_eq!(lifted, alone, "item {} of {}", item, PROGRAMS[program]);
            }
        }
    }
}

fn codes(program: &str) -> Vec<&'static str> {
    let said = compile_model(&Source::new("model", program), 100).unwrap_err();
    said.iter().filter(|item| item.severity == motet_logic::Severity::Error).map(|item| item.code).collect()
}

#[test]
fn what_a_model_can_not_have_is_told() {
    let out = "output n. n(c: C) :- C := fact().";
    assert!(compile_model(&Source::new("model", out), 100).is_ok());
    for (program, code) in [
        ("output n. n(c: 1)@next :- n(c: 1). n(c: 1).", "L080"),
        ("output n. event click(at: int). n(c: X) :- click(at: X).", "L080"),
        ("output n. relation in(x: int). input in. n(c: X) :- in(x: X).", "L080"),
        ("output n. n(c: C) :- C := fact(). forbid :- fact(value: 1).", "L080"),
        ("output n limit 3. n(c: C) :- C := fact().", "L080"),
        ("output n. n(c: C) :- m(x: X), C := m(x: X). m(x: X) :- fact(value: X).", "L081"),
        ("output n. n(c: I) :- item(id: I).", "L082"),
        ("output n. n(c: I) :- attr(entity: I).", "L082"),
        ("output n. n(c: I) :- member(id: I).", "L082"),
        ("output n. n(c: I) :- Task(id: I).", "L020"),
        ("output n. n(c: I) :- fact(entity: E, $item: I).", "L082"),
        ("output n. n(c: vowels(E)) :- fact(attribute: E).", "L023"),
        ("n(c: C) :- C := fact().", "L084"),
        ("output attr. relation attr(x: int). attr(x: 1).", "L085"),
        ("output attr. attr(x: 1).", "L021"),
        ("output n. n(c: $who).", "L024"),
    ] {
        let codes = codes(program);
        assert!(codes.contains(&code), "{program}: {codes:?}");
    }
    let many = format!("{out}{}", "n(c: C) :- C := fact().".repeat(256));
    assert_eq!(codes(&many), ["L083"]);
    let long = format!("output n. n(c: C) :- C := fact(){}.", ", fact()".repeat(32));
    assert_eq!(codes(&long), ["L083"]);
}
