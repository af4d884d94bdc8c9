//! A runtime that goes on where another one was says what the other would have said (Q11).
use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::{Budget, Changes, Clocked, Naive, Program, RelationName, Row, Runtime};
use motet_fact::Value;
use motet_logic::{Catalog, Source, compile};
use proptest::collection::btree_set;
use proptest::prelude::*;

/// Programs over the stored ints `put` and the events `go`.
const PROGRAMS: [&str; 4] = [
    "output seen. seen(n: N) :- put(n: N). seen(n: N)@next :- seen(n: N).",
    "output left.
     left(n: N)@next :- go(n: N). left(n: N)@next :- left(n: N), M := min X : left(n: X), N > M.",
    "output on. on(n: N)@next :- on(n: N), !go(n: N). on(n: N)@next :- !on(n: N), go(n: N).",
    "output far. output near.
     near(n: N)@next :- go(n: N), !put(n: N). near(n: N)@next :- near(n: N), put(n: N).
     far(n: N, m: M)@next :- near(n: N), go(n: M). far(n: N, m: M)@next :- far(n: N, m: M), !near(n: M).",
];

fn program(text: &str) -> Program {
    let inputs = "relation put(n: int). input put. event go(n: int). ";
    let source = Source::new("carried", format!("{inputs}{text}"));
    compile(&source, &Catalog::default(), &BTreeMap::new())
        .unwrap_or_else(|errors| panic!("{errors}"))
        .program
}

fn rows(numbers: &BTreeSet<i64>) -> Vec<(Row, i64)> {
    numbers.iter().map(|number| (vec![Value::Int(*number)], 1)).collect()
}

fn difference(before: &BTreeSet<i64>, now: &BTreeSet<i64>) -> Vec<(Row, i64)> {
    let gone = before.difference(now).map(|number| (vec![Value::Int(*number)], -1));
    let mut changes: Vec<_> =
        gone.chain(now.difference(before).map(|number| (vec![Value::Int(*number)], 1))).collect();
    changes.sort();
    changes
}

fn add(sums: &mut BTreeMap<RelationName, BTreeSet<Row>>, changes: &Changes) {
    for (name, changes) in changes {
        let rows = sums.entry(name.clone()).or_default();
        for (row, weight) in changes {
            assert!(if *weight > 0 { rows.insert(row.clone()) } else { rows.remove(row) }, "{name} {row:?}");
        }
    }
    sums.retain(|_, rows| !rows.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn what_was_carried_is_carried_on(
        epochs in prop::collection::vec((btree_set(0..4_i64, 0..4), btree_set(0..4_i64, 0..3)), 2..9),
        cut in 1..8_usize,
    ) {
        for text in PROGRAMS {
            let mut first = Clocked::new(program(text), Naive::new).unwrap();
            let (mut given, mut contents, mut stored) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
            let mut second: Option<Clocked<Naive>> = None;
            for (number, (put, go)) in epochs.iter().enumerate() {
                let changed = difference(&stored, put);
                let inputs = Changes::from([("put".into(), changed), ("go".into(), rows(go))]);
                let due = first.due();
                let said = first.step(&inputs, Budget::default()).unwrap();
                if let Some(second) = &mut second {
                    prop_assert_eq!(&second.step(&inputs, Budget::default()).unwrap(), &said, "{}", text);
                }
                stored = put.clone();
                add(&mut given, &due);
                add(&mut contents, &said);
                if number + 1 == cut {
                    // What this epoch was given and had is all that is kept of the first.
                    let mut other = Clocked::resume(program(text), Naive::new, &given).unwrap();
                    let inputs = Changes::from([("put".into(), rows(put)), ("go".into(), rows(go))]);
                    let mut again = BTreeMap::new();
                    add(&mut again, &other.step(&inputs, Budget::default()).unwrap());
                    prop_assert_eq!(&again, &contents, "{}", text);
                    prop_assert_eq!(other.restless(), first.restless(), "{}", text);
                    second = Some(other);
                }
            }
        }
    }
}
