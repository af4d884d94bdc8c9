//! Rows without a value are counted while they are there, and the naive evaluator counts the same.
use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::text::diagnostic::Source;
use motet_algebra::text::load;
use motet_algebra::{Budget, Changes, Naive, Program, Registry, Runtime, RuntimeError};
use motet_cluster::Cluster;
use motet_fact::Value;
use motet_native::Native;
use proptest::prelude::*;
use proptest::test_runner::Config;

/// Division where it fails, a condition that fails where another is false, a sum that overflows, division in a loop.
const PROGRAM: &str = "
relation pair(x: int, y: int) input;
relation quotient(x: int, y: int, q: int) output;
relation some(x: int, y: int) output;
relation total(x: int, s: int) output;
relation halved(x: int, y: int) output;
quotient :- extend(q := x / y, pair);
some :- selection(10 / y > 2 and x = 1, pair);
total :- group_by([x], s, sum(b), extend(b := y * 4611686018427387904, pair));
halved :- pair;
while change do
  halved :- projection([x, y], rename([n: x], projection([n, y], extend(n := 4 / x - y, halved))));
end exports [halved];
";

fn program() -> Program {
    load(&Source::new("test", PROGRAM), &Registry::default()).unwrap_or_else(|problems| panic!("{problems}"))
}

fn runtimes(program: &Program) -> [Box<dyn Runtime>; 3] {
    [
        Box::new(Naive::new(program.clone()).unwrap()),
        Box::new(Cluster::new(program.clone()).unwrap()),
        Box::new(Native::new(program.clone()).unwrap()),
    ]
}

fn counts(runtime: &dyn Runtime) -> BTreeMap<String, usize> {
    let counts = runtime.undefined().into_iter();
    counts.map(|one| (format!("{}: {}", one.site.relation, one.term), one.rows)).collect()
}

fn changes(rows: &[(i64, i64, i64)]) -> Changes {
    let row = |(x, y, weight): &(i64, i64, i64)| (vec![Value::Int(*x), Value::Int(*y)], *weight);
    Changes::from([("pair".into(), rows.iter().map(row).collect())])
}

#[test]
fn what_has_no_value_is_counted_while_it_is_there() {
    for mut runtime in runtimes(&program()) {
        let mut step = |rows: &[(i64, i64, i64)]| {
            runtime.step(&changes(rows), Budget::default()).unwrap();
            counts(&*runtime)
        };
        let after = step(&[(1, 0, 1), (2, 0, 1), (3, 1, 1), (3, 2, 1)]);
        let of = |relation: &str| {
            let of = after.iter().filter(|(name, _)| name.starts_with(relation));
            of.map(|(_, rows)| *rows).collect::<Vec<_>>()
        };
        assert_eq!(of("quotient: x / y"), [2]);
        assert_eq!(of("some: "), [1], "where x is not 1 the condition is false");
        assert_eq!(of("total: y * "), [1], "2 * 2^62");
        let after = step(&[(1, 0, -1), (3, 2, -1)]);
        assert_eq!(after.get("quotient: x / y"), Some(&1));
        assert!(!after.keys().any(|name| name.starts_with("some") || name.starts_with("total")), "{after:?}");
        let tight = Budget { rows: 0, ..Budget::default() };
        let refused = runtime.step(&changes(&[(7, 0, 1)]), tight);
        assert!(matches!(refused, Err(RuntimeError::OverBudget { .. })));
        assert_eq!(counts(&*runtime), after, "a refused epoch counts nothing");
    }
}

#[test]
fn a_sum_that_overflows_is_a_group_without_a_value() {
    let text = "
relation n(k: int, v: int) input;
relation total(k: int, s: int) output;
total :- group_by([k], s, sum(v), n);
";
    let program = load(&Source::new("test", text), &Registry::default()).unwrap();
    for mut runtime in runtimes(&program) {
        let row = |v: i64| vec![Value::Int(0), Value::Int(v)];
        let mut step = |v: i64, weight: i64| {
            let inputs = Changes::from([("n".into(), vec![(row(v), weight)])]);
            runtime.step(&inputs, Budget::default()).unwrap();
            runtime.undefined().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert!(step(i64::MAX, 1).is_empty());
        assert_eq!(
            step(1, 1),
            ["`total`, rule at test:4:1 (total :- group_by([k], s, sum(v), n)): 1 row has no value for sum"]
        );
        assert!(step(1, -1).is_empty());
    }
}

proptest! {
    #![proptest_config(Config { cases: 64, failure_persistence: None, ..Config::default() })]

    #[test]
    fn every_count_is_that_of_the_naive_evaluator(
        epochs in prop::collection::vec(prop::collection::btree_set((0..5_i64, -1..3_i64), 0..6), 1..8)
    ) {
        let mut naive = Naive::new(program()).unwrap();
        let mut cluster = Cluster::new(program()).unwrap();
        let mut native = Native::new(program()).unwrap();
        let mut there = BTreeSet::new();
        for epoch in epochs {
            let mut batch = Vec::new();
            for (x, y) in epoch {
                let comes = there.insert((x, y)) || !there.remove(&(x, y));
                batch.push((x, y, if comes { 1 } else { -1 }));
            }
            let inputs = changes(&batch);
            let expected = naive.step(&inputs, Budget::default()).unwrap();
            prop_assert_eq!(&cluster.step(&inputs, Budget::default()).unwrap(), &expected);
            prop_assert_eq!(cluster.undefined(), naive.undefined());
            prop_assert_eq!(native.step(&inputs, Budget::default()).unwrap(), expected);
            prop_assert_eq!(native.undefined(), naive.undefined());
        }
    }
}
