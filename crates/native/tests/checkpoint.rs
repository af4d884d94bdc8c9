//! Checkpoints of a runtime: what is restored goes on as cheaply as what was saved, takes few bytes, and is nothing at
//! all if a byte of it is another. That it gives the same is tested with random programs, where the runtimes are
//! compared (`motet-cluster`).
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeMap;

use motet_algebra::text::diagnostic::Source;
use motet_algebra::{Budget, Changes, Clocked, Program, Row, Runtime};
use motet_fact::Value;
use motet_logic::{Catalog, compile};
use motet_native::{Native, OwnNative};
use proptest::prelude::*;
use proptest::test_runner::Config;

const CLOSURE: &str = "
input edge.
output path.
relation edge(x: int, y: int).
path(x: X, y: Y) :- edge(x: X, y: Y).
path(x: X, y: Z) :- path(x: X, y: Y), edge(x: Y, y: Z).
";

const MANY_KINDS: &str = r#"
input likes. input age. input gone.
output knows. output oldest. output label. output alone. output worn. output lucky.
relation likes(who: any, whom: any).
relation age(of: text, is: int).
relation gone(who: text).
knows(a: A, b: B) :- likes(who: A, whom: B).
knows(a: A, b: C) :- knows(a: A, b: B), knows(a: B, b: C).
elder(of: A, is: Y) :- knows(a: A, b: B), age(of: B, is: Y).
oldest(of: A, is: M) :- elder(of: A), M := max Y : elder(of: A, is: Y).
label(of: A, is: T) :- age(of: A), T == concat(A, "!").
alone(who: A) :- age(of: A), !knows(a: A).
lucky(n: 1). lucky(n: 3). lucky(n: 5). lucky(n: 7). lucky(n: 9). lucky(n: 11).
worn(of: A, is: N) :- age(of: A, is: Y), N == 100 / Y.
"#;

fn program(text: &str) -> Program {
    let compiled = compile(&Source::new("test", text), &Catalog::default(), &BTreeMap::new());
    compiled.unwrap_or_else(|problems| panic!("{problems}")).program
}

fn saved(runtime: &impl Runtime) -> Vec<Vec<u8>> {
    let mut blocks = Vec::new();
    assert!(runtime.save(&mut |block| blocks.push(block)));
    blocks
}

fn restored(program: &Program, blocks: &[Vec<u8>]) -> Option<Native> {
    let mut left = blocks.iter().cloned();
    Native::restore(program.clone(), &mut || left.next())
}

/// A graph of blocks of 100 nodes, each with edges to the next two.
fn edges(nodes: u32) -> impl Iterator<Item = [u32; 2]> {
    let edge = |from: u32, by: u32| Some([from, from + by]).filter(|[from, to]| from / 100 == to / 100);
    (0..nodes).flat_map(move |from| [edge(from, 1), edge(from, 2)]).flatten()
}

fn change(native: &mut Native, edges: impl Iterator<Item = [u32; 2]>, insert: bool) -> [u64; 2] {
    let (mut rows, none) = (native.batch("edge"), native.batch("edge"));
    edges.for_each(|edge| rows.push(&edge));
    let before = [native.touched(), native.asked()];
    let (come, gone) = if insert { (rows, none) } else { (none, rows) };
    native.advance(vec![("edge", come, gone)], Budget::UNLIMITED).unwrap();
    [native.touched() - before[0], native.asked() - before[1]]
}

/// It has the levels that deletion needs, and grades nothing anew.
#[test]
fn a_deletion_touches_what_it_touches_without() {
    let program = program(CLOSURE);
    let mut native = Native::new(program.clone()).unwrap();
    change(&mut native, edges(2_000), true);
    change(&mut native, [[0, 1]].into_iter(), false);
    let mut again = restored(&program, &saved(&native)).unwrap();
    assert_eq!((again.touched(), again.count("path")), (0, native.count("path")));
    for edge in edges(2_000).skip(1).step_by(97) {
        let [touched, asked] = change(&mut native, [edge].into_iter(), false);
        let [touched_again, asked_again] = change(&mut again, [edge].into_iter(), false);
        assert_eq!(asked_again, asked, "rows were asked for their support without {edge:?}");
        assert!(touched_again <= touched + touched / 4 + 8, "{touched_again} rows, and not {touched}");
        assert!(touched_again < 20_000, "nothing was graded");
    }
    assert_eq!(again.count("path"), native.count("path"));
}

#[test]
fn a_row_of_dense_ids_takes_a_byte_or_two() {
    let program = program(CLOSURE);
    let mut native = Native::new(program.clone()).unwrap();
    change(&mut native, edges(20_000), true);
    let size = |native: &Native| saved(native).iter().map(Vec::len).sum::<usize>();
    let rows = native.count("path") + native.count("edge");
    assert!(size(&native) < rows * 3 / 2, "{} bytes for {rows} rows", size(&native));
    change(&mut native, [[0, 1]].into_iter(), false);
    assert!(size(&native) < rows * 5 / 2, "{} bytes for {rows} rows with levels", size(&native));
    assert!(saved(&native).iter().all(|block| block.len() <= 64 << 10));
}

fn row(values: &[Value]) -> (Row, i64) {
    (values.to_vec(), 1)
}

/// Some epochs of a program that uses values of all kinds.
fn some_epochs() -> [Changes; 3] {
    let [ada, bob, eve] = ["Ada", "Bob", "Eve"].map(Value::from);
    let five = Value::float(5.5).unwrap();
    let mut likes = vec![
        row(&[Value::Int(-7), eve.clone()]),
        row(&[five.clone(), ada.clone()]),
        row(&[ada.clone(), bob.clone()]),
        row(&[bob.clone(), Value::Int(-7)]),
        row(&[Value::bytes(vec![1; 70]), five]),
    ];
    likes.sort();
    let mut ages =
        vec![row(&[ada.clone(), 0.into()]), row(&[bob.clone(), 40.into()]), row(&[eve, 50.into()])];
    ages.sort();
    let first = Changes::from([("likes".into(), likes), ("age".into(), ages)]);
    let second = Changes::from([("likes".into(), vec![(vec![ada.clone(), bob.clone()], -1)])]);
    let third =
        Changes::from([("age".into(), vec![(vec![ada.clone(), 0.into()], -1), row(&[ada, 8.into()])])]);
    [first, second, third]
}

fn after_some_epochs(program: &Program) -> Native {
    let mut native = Native::new(program.clone()).unwrap();
    for epoch in some_epochs() {
        native.step(&epoch, Budget::default()).unwrap();
    }
    native
}

#[test]
fn it_goes_on_with_all_that_it_knew() {
    let program = program(MANY_KINDS);
    let mut native = Native::new(program.clone()).unwrap();
    let mut again = Native::new(program.clone()).unwrap();
    let mut undefined = 0;
    for epoch in some_epochs() {
        let changes = native.step(&epoch, Budget::default()).unwrap();
        assert_eq!(again.step(&epoch, Budget::default()), Ok(changes));
        again = restored(&program, &saved(&again)).unwrap();
        assert_eq!(again.undefined(), native.undefined());
        undefined += native.undefined().iter().map(|one| one.rows).sum::<usize>();
        for input in ["likes", "age", "gone"] {
            assert_eq!(again.rows_held(input), native.rows_held(input));
        }
        assert_eq!(saved(&again), saved(&native));
    }
    assert_eq!((native.undefined(), undefined), (Vec::new(), 2), "an age is 0 for two epochs");
}

#[test]
fn values_that_no_row_uses_are_not_saved() {
    let program = program(MANY_KINDS);
    let mut native = after_some_epochs(&program);
    let before = saved(&native);
    let long = row(&["x".repeat(10_000).into(), Value::Int(1)]);
    native.step(&Changes::from([("likes".into(), vec![long.clone()])]), Budget::default()).unwrap();
    assert!(saved(&native)[0].len() > 10_000);
    let last = row(&["later".into(), Value::Int(1)]);
    native.step(&Changes::from([("likes".into(), vec![last.clone()])]), Budget::default()).unwrap();
    native.step(&Changes::from([("likes".into(), vec![(long.0, -1)])]), Budget::default()).unwrap();
    let mut again = restored(&program, &saved(&native)).unwrap();
    assert_eq!(again.holds("likes", &last.0), Some(true), "behind a value that is not there any more");
    again.step(&Changes::from([("likes".into(), vec![(last.0, -1)])]), Budget::default()).unwrap();
    assert_eq!(saved(&again), before);
}

#[test]
fn it_tells_what_an_input_holds_and_learns_nothing_by_that() {
    let program = program(MANY_KINDS);
    let native = after_some_epochs(&program);
    let before = saved(&native);
    let [ada, bob] = ["Ada", "Bob"].map(Value::from);
    let held = |input: &str, row: &[Value]| native.holds(input, row);
    assert_eq!(held("age", &[bob.clone(), 40.into()]), Some(true));
    assert_eq!(held("age", &[ada.clone(), 0.into()]), Some(false));
    assert_eq!(held("age", &[ada.clone(), 8.into()]), Some(true));
    assert_eq!(held("likes", &[ada.clone(), bob.clone()]), Some(false));
    assert_eq!(held("likes", &["nobody".into(), bob.clone()]), Some(false));
    assert_eq!(held("age", &[bob]), Some(false), "a row too short");
    assert_eq!(held("gone", std::slice::from_ref(&ada)), Some(false), "the program does not see it");
    assert_eq!([held("knows", &[ada.clone(), ada.clone()]), held("missing", &[ada])], [None, None]);
    assert_eq!(saved(&native), before);
}

#[test]
fn what_has_no_epoch_has_nothing_to_save() {
    let native = Native::new(program(CLOSURE)).unwrap();
    assert!(!native.save(&mut |_| panic!("nothing is put")));
}

#[test]
fn another_program_has_no_use_for_it() {
    let program = program(CLOSURE);
    let mut native = Native::new(program.clone()).unwrap();
    change(&mut native, edges(10), true);
    let blocks = saved(&native);
    let other = self::program(&CLOSURE.replace("edge(x: Y, y: Z)", "edge(x: Z, y: Y)"));
    assert!(restored(&other, &blocks).is_none());
    let mut left = blocks.iter().cloned();
    assert_eq!(OwnNative::restore_alone(program, &mut || left.next()).unwrap().count("path"), 65);
}

const TIMED: &str = "
output seen. output now.
event here(n: int).
input at.
relation at(n: int).
now(n: N) :- here(n: N).
seen(n: N)@next :- here(n: N), at(n: N).
seen(n: N)@next :- seen(n: N).
";

fn timed(blocks: &[Vec<u8>]) -> Option<Clocked<Native>> {
    let mut left = blocks.iter().cloned();
    Clocked::restore(program(TIMED), Native::restore, &mut || left.next())
}

/// A program with time after an epoch, with something due and an event to be taken away.
fn in_time(n: i64) -> Clocked<Native> {
    let mut clocked = Clocked::new(program(TIMED), Native::new).unwrap();
    let inputs = ["at", "here"].map(|name| (name.into(), vec![row(&[n.into()])]));
    clocked.step(&Changes::from(inputs), Budget::default()).unwrap();
    clocked
}

#[test]
fn what_is_due_is_saved_and_an_event_holds_nothing() {
    let mut clocked = in_time(3);
    let mut again = timed(&saved(&clocked)).unwrap();
    assert_eq!(again.holds("at", &[3.into()]), Some(true));
    assert_eq!(again.holds("here", &[3.into()]), Some(false));
    assert_eq!(again.holds("seen@held", &[3.into()]), None);
    assert_eq!((again.due(), again.restless()), (clocked.due(), clocked.restless()));
    assert_eq!(again.restless().len(), 2);
    for _ in 0..3 {
        let changes = clocked.step(&Changes::new(), Budget::default());
        assert_eq!(again.step(&Changes::new(), Budget::default()), changes);
    }
    assert!(!again.pending());
}

/// What is remembered of time belongs to the rows that were saved before it.
#[test]
fn two_checkpoints_are_not_mixed() {
    let [one, two] = [3, 4].map(|n| saved(&in_time(n)));
    let [mut mixed, last] = [one.clone(), two[two.len() - 1..].to_vec()];
    mixed.truncate(one.len() - 1);
    mixed.extend(last);
    assert!(timed(&mixed).is_none() && timed(&one).is_some() && timed(&two).is_some());
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    #[test]
    fn damaged_blocks_are_nothing(
        timeful in any::<bool>(),
        at in any::<prop::sample::Index>(),
        within in any::<prop::sample::Index>(),
        damage in 0u8..6,
        mask in 1u8..,
    ) {
        let good = if timeful { saved(&in_time(3)) } else { saved(&after_some_epochs(&program(MANY_KINDS))) };
        let mut blocks = good.clone();
        let place = at.index(blocks.len());
        let byte = within.index(blocks[place].len());
        match damage {
            0 | 1 => blocks[place][byte] ^= mask,
            2 => blocks[place].truncate(byte),
            3 => drop(blocks.remove(place)),
            4 => blocks[place] = vec![mask; byte],
            _ => blocks.insert(place, vec![mask; byte]),
        }
        let is_nothing = if timeful {
            timed(&blocks).is_none()
        } else {
            restored(&program(MANY_KINDS), &blocks).is_none()
        };
        // What stands behind it was not asked for.
        prop_assert!(is_nothing || blocks.starts_with(&good));
    }
}
