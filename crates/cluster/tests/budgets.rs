//! Budgets of memory and of patience: what goes over them is stopped where it goes over, and names its rule (Q17).
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use motet_algebra::Dictionary;
use motet_algebra::{Budget, Cancel, Changes, Naive, Program, Runtime, RuntimeError};
use motet_cluster::Cluster;
use motet_fact::Value;
use motet_logic::{Catalog, Source, compile};
use motet_native::Native;

const MEGABYTE: u64 = 1 << 20;

fn program(text: &str) -> Program {
    let compiled = compile(&Source::new("test", text), &Catalog::default(), &BTreeMap::new());
    compiled.unwrap_or_else(|problems| panic!("{problems}")).program
}

fn runtimes(text: &str) -> [Box<dyn Runtime>; 3] {
    let program = program(text);
    [
        Box::new(Naive::new(program.clone()).unwrap()),
        Box::new(Native::new(program.clone()).unwrap()),
        Box::new(Cluster::new(program).unwrap()),
    ]
}

/// Changes of the relation `n` with the column `x`.
fn rows(values: impl IntoIterator<Item = Value>, weight: i64) -> Changes {
    Changes::from([("n".into(), values.into_iter().map(|value| (vec![value], weight)).collect())])
}

/// What a refusal is of, and the line of the rule that it names.
fn blamed(refused: Result<Changes, RuntimeError>) -> (&'static str, usize) {
    match refused.unwrap_err() {
        RuntimeError::OverBudget { what, site, .. } => (what, site.rule.unwrap().line),
        RuntimeError::Cancelled { site, .. } => ("time", site.rule.unwrap().line),
        other => panic!("{other}"),
    }
}

/// Each round makes a text that is longer than all before: few rows, and ever more bytes.
#[test]
fn a_text_that_grows_in_a_loop_is_stopped_by_its_bytes() {
    let text = "relation n(x: text). input n. output long.
        long(x: X) :- n(x: X).
        long(x: concat(X, X)) :- long(x: X), length(X) > 100.";
    let long = || rows([Value::text("a".repeat(1_000))], 1);
    for mut runtime in runtimes(text) {
        let short = Budget { memory: MEGABYTE, rows: 1_000, ..Budget::default() };
        for _ in 0..2 {
            assert_eq!(blamed(runtime.step(&long(), short.clone())), ("bytes", 3));
        }
        let harmless = runtime.step(&rows(["b".into()], 1), short.clone()).unwrap();
        assert_eq!(harmless["long"].len(), 1);
        // Up to the longest text that there may be, 2^24 bytes.
        let enough = runtime.step(&long(), Budget { memory: 100 * MEGABYTE, ..short }).unwrap();
        assert_eq!(enough["long"].len(), 15);
    }
}

/// One operator makes all of these texts from one batch, and together they fit no memory.
#[test]
fn what_one_operator_makes_is_stopped_while_it_makes_it() {
    let text = "relation n(x: text). input n. output pair.
        pair(x: concat(X, Y)) :- n(x: X), n(x: Y).";
    let texts = (0..300).map(|number| Value::text(format!("{number}{}", "a".repeat(1 << 20))));
    let inputs = rows(texts, 1);
    for mut runtime in runtimes(text) {
        let budget = Budget { memory: 400 * MEGABYTE, ..Budget::default() };
        assert_eq!(blamed(runtime.step(&inputs, budget)), ("bytes", 2));
    }
}

#[test]
fn of_several_rules_the_one_is_named_that_is_too_much() {
    let text = "relation n(x: int). input n. output p.
        p(x: X, y: X) :- n(x: X).
        p(x: X, y: Y) :- n(x: X), n(x: Y).
        p(x: Y, y: X) :- p(x: X, y: Y), X < 3.";
    let inputs = rows((0..200).map(Value::Int), 1);
    for mut runtime in runtimes(text) {
        assert_eq!(blamed(runtime.step(&inputs, Budget { rows: 10_000, ..Budget::default() })), ("rows", 3));
        let bytes = Budget { memory: 100_000, ..Budget::default() };
        assert_eq!(blamed(runtime.step(&inputs, bytes)), ("bytes", 3));
        assert_eq!(
            blamed(runtime.step(&inputs, Budget { iterations: 0, ..Budget::default() })),
            ("iterations", 4)
        );
        assert_eq!(runtime.step(&inputs, Budget::default()).unwrap()["p"].len(), 40_000);
    }
}

const CLOSURE: &str = "relation n(x: int). input n. output reach.
    reach(x: X, y: Y) :- n(x: X), Y == X + 1.
    reach(x: X, y: Z) :- reach(x: X, y: Y), reach(x: Y, y: Z).";

/// However late it is that an epoch is not wanted any more, it has no effect; and nobody is asked any more after that.
#[test]
fn an_epoch_is_given_up_at_any_time() {
    for mut runtime in runtimes(CLOSURE) {
        let inputs = rows((0..60).map(Value::Int), 1);
        let (mut patience, mut refused) = (0, 0);
        let changes = loop {
            let looks = Arc::new(AtomicU64::new(0));
            let seen = Arc::clone(&looks);
            let over = move || seen.fetch_add(1, Ordering::Relaxed) >= patience;
            let budget = Budget { cancel: Cancel::when("enough", over), ..Budget::default() };
            match runtime.step(&inputs, budget) {
                Ok(changes) => break changes,
                Err(RuntimeError::Cancelled { reason, .. }) => assert_eq!(&*reason, "enough"),
                Err(other) => panic!("{other}"),
            }
            // What is in the middle of an operator may look once more.
            assert!(looks.load(Ordering::Relaxed) <= patience + 2);
            refused += 1;
            patience += 1 + patience / 3;
        };
        assert_eq!(changes["reach"].len(), 60 * 61 / 2);
        assert!(refused > 5, "{refused}");
        let gone = runtime.step(&rows([Value::Int(30)], -1), Budget::default()).unwrap();
        assert_eq!(gone["reach"].len(), 31 * 30);
    }
}

/// Else whoever is refused again and again would fill the memory all the same, and a second try would cost less.
#[test]
fn the_dictionary_forgets_what_was_refused() {
    let text = "relation n(x: text). input n. output m. m(x: concat(X, \"!\")) :- n(x: X).";
    let dictionary = Dictionary::shared();
    let mut cluster = Cluster::with_dictionary(program(text), dictionary.clone()).unwrap();
    cluster.step(&rows(["a".into()], 1), Budget::default()).unwrap();
    let before = (dictionary.borrow().len(), dictionary.borrow().bytes());
    let many = || rows((0..100).map(|number| Value::text(format!("{number}{}", "b".repeat(100)))), 1);
    for memory in [0, 1_000, 20_000, 30_000] {
        assert!(cluster.step(&many(), Budget { memory, ..Budget::default() }).is_err(), "{memory}");
        assert_eq!((dictionary.borrow().len(), dictionary.borrow().bytes()), before, "{memory}");
        assert!(cluster.step(&rows(["c".into()], 7), Budget::default()).is_err());
        assert_eq!((dictionary.borrow().len(), dictionary.borrow().bytes()), before);
    }
    assert_eq!(cluster.step(&many(), Budget::default()).unwrap()["m"].len(), 100);
    assert_eq!(
        cluster.step(&rows(["a".into()], -1), Budget::default()).unwrap()["m"],
        [(vec!["a!".into()], -1)]
    );
}

/// A plan that joins much and keeps little holds little: what adds up on its way to an index is not counted for ever.
#[test]
fn rows_that_are_there_many_times_are_held_once() {
    let text = "relation n(x: int). input n. output few.
        few(x: Z) :- n(x: X), n(x: Y), Z == (X + Y) % 3.";
    let mut cluster = Cluster::new(program(text)).unwrap();
    let inputs = rows((0..1_000).map(Value::Int), 1);
    let budget = Budget { memory: 4 * MEGABYTE, ..Budget::default() };
    assert_eq!(cluster.step(&inputs, budget).unwrap()["few"].len(), 3);
}
