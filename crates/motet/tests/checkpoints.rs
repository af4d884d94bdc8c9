//! Checkpoints of runtimes: which program they are good for, whose rules are blamed after one, and what is none.

use std::collections::BTreeMap;
use std::convert::Infallible;

use motet::RuntimeKind;
use motet::algebra::{Budget, Changes, ColumnType, Registry, Runtime, RuntimeError};
use motet::fact::{Kind, Value};
use motet_logic::{Catalog, Compiled, Source, compile};
use proptest::prelude::*;
use proptest::test_runner::Config;

const PROGRAM: &str = "
input edge. input weight. output path. output heavy. output ratio.
relation edge(x: int, y: int).
relation weight(x: int, kg: int).
path(x: X, y: Y) :- edge(x: X, y: Y).
path(x: X, y: Z) :- path(x: X, y: Y), edge(x: Y, y: Z).
heavy(x: X, y: Y) :- path(x: X, y: Y), weight(x: X, kg: K), weight(x: Y, kg: L), K + L > 10.
ratio(x: X, y: Y, r: R) :- edge(x: X, y: Y), weight(x: X, kg: K), weight(x: Y, kg: L), R == K / L.
";

const TIMED: &str = "
output seen.
event here(n: int).
seen(n: N)@next :- here(n: N).
seen(n: N)@next :- seen(n: N).
";

fn compiled(text: &str, parameters: &[(&str, i64)]) -> Compiled {
    let parameters: BTreeMap<String, Value> =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), Value::Int(*value))).collect();
    compile(&Source::new("query", text), &Catalog::default(), &parameters)
        .unwrap_or_else(|problems| panic!("{problems}"))
}

fn changes(of: &[(&str, &[[i64; 2]])], weight: i64) -> Changes {
    let row = |row: &[i64; 2]| (row.map(Value::Int).to_vec(), weight);
    of.iter().map(|(name, rows)| ((*name).into(), rows.iter().map(row).collect())).collect()
}

fn first() -> Changes {
    changes(&[("edge", &[[1, 2], [2, 3], [3, 1], [3, 4]]), ("weight", &[[1, 8], [2, 0], [3, 5], [4, 6]])], 1)
}

fn started(compiled: &Compiled) -> Box<dyn Runtime> {
    let mut runtime = RuntimeKind::Native.start(compiled).unwrap();
    runtime.step(&first(), Budget::default()).unwrap();
    runtime
}

fn saved(runtime: &dyn Runtime) -> Vec<Vec<u8>> {
    let mut blocks = Vec::new();
    assert!(runtime.save(&mut |block| blocks.push(block)));
    blocks
}

fn restored(compiled: &Compiled, blocks: &[Vec<u8>]) -> Option<Box<dyn Runtime>> {
    let mut left = blocks.iter().cloned();
    let Ok(runtime) = RuntimeKind::Native.restore(compiled, || Ok::<_, Infallible>(left.next()));
    runtime
}

#[test]
fn it_goes_on_by_the_plan_that_it_had() {
    let compiled = compiled(PROGRAM, &[]);
    let mut runtime = started(&compiled);
    let mut again = restored(&compiled, &saved(&*runtime)).unwrap();
    let epochs = [
        changes(&[("edge", &[[3, 1]])], -1),
        changes(&[("edge", &[[4, 1]]), ("weight", &[[5, 1]])], 1),
        changes(&[("weight", &[[2, 0]])], -1),
    ];
    for epoch in epochs {
        let expected = runtime.step(&epoch, Budget::default()).unwrap();
        assert_eq!(again.step(&epoch, Budget::default()), Ok(expected));
        assert_eq!(again.undefined(), runtime.undefined());
        assert_eq!(saved(&*again), saved(&*runtime));
        again = restored(&compiled, &saved(&*again)).unwrap();
    }
    assert_eq!(again.holds("weight", &[5.into(), 1.into()]), Some(true));
    assert_eq!(again.holds("weight", &[2.into(), 0.into()]), Some(false));
}

#[test]
fn what_it_blames_are_the_rules_as_they_are_now() {
    let before = compiled(PROGRAM, &[]);
    let after = compiled(&format!("// One line more.\n{PROGRAM}"), &[]);
    let runtime = started(&before);
    let mut again = restored(&after, &saved(&*runtime)).unwrap();
    let [undefined] = &again.undefined()[..] else { panic!("{:?}", again.undefined()) };
    let rule = undefined.site.rule.as_ref().unwrap();
    assert_eq!((rule.line, undefined.rows), (9, 1));
    assert!(rule.text.starts_with("ratio("), "{rule}");
    let refused =
        again.step(&changes(&[("edge", &[[4, 5], [5, 6]])], 1), Budget { rows: 3, ..Budget::default() });
    let Err(RuntimeError::OverBudget { site, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(&*site.rule.unwrap().source, "query");
}

#[test]
fn it_is_good_for_its_own_program_and_no_other() {
    const ASKED: &str =
        "input edge. output to. relation edge(x: int, y: int). to(y: Y) :- edge(x: $from, y: Y).";
    let one = compiled(ASKED, &[("from", 1)]);
    let mut runtime = RuntimeKind::Native.start(&one).unwrap();
    runtime.step(&changes(&[("edge", &[[1, 2], [2, 3]])], 1), Budget::default()).unwrap();
    let blocks = saved(&*runtime);
    assert!(restored(&one, &blocks).is_some());
    for other in [compiled(ASKED, &[("from", 2)]), compiled(PROGRAM, &[]), compiled(TIMED, &[])] {
        assert!(restored(&other, &blocks).is_none());
    }
    for kind in [RuntimeKind::Naive, RuntimeKind::Cluster] {
        let mut left = blocks.iter().cloned();
        assert!(kind.restore(&one, || Ok::<_, Infallible>(left.next())).unwrap().is_none());
    }
}

#[test]
fn runtimes_without_checkpoints_put_nothing() {
    let compiled = compiled(PROGRAM, &[]);
    for kind in [RuntimeKind::Naive, RuntimeKind::Cluster] {
        let mut runtime = kind.start(&compiled).unwrap();
        runtime.step(&first(), Budget::default()).unwrap();
        assert!(!runtime.save(&mut |_| panic!("something is put")));
        assert_eq!(runtime.holds("edge", &[1.into(), 2.into()]), None);
    }
    let unborn = RuntimeKind::Native.start(&compiled).unwrap();
    assert!(!unborn.save(&mut |_| panic!("something is put")));
}

/// Whether a function is what it was when the rows were derived is known to nobody.
#[test]
fn a_program_with_functions_of_an_application_has_none() {
    let int = ColumnType::Kind(Kind::Int);
    let mut functions = Registry::default();
    functions.add_function("twice", &[int], int, |values| Some((values[0].as_int()? * 2).into())).unwrap();
    let mut catalog = Catalog::default();
    catalog.register(&functions);
    let text = "input n. output m. relation n(x: int, y: int). m(x: twice(X)) :- n(x: X).";
    let compiled = compile(&Source::new("query", text), &catalog, &BTreeMap::new()).unwrap();
    let mut runtime = RuntimeKind::Native.start(&compiled).unwrap();
    runtime.step(&changes(&[("n", &[[1, 2]])], 1), Budget::default()).unwrap();
    assert!(!runtime.save(&mut |_| panic!("something is put")));
    assert_eq!(runtime.holds("n", &[1.into(), 2.into()]), Some(true));
}

#[test]
fn what_waits_for_the_next_epoch_is_saved_too() {
    let compiled = compiled(TIMED, &[]);
    let mut runtime = RuntimeKind::Native.start(&compiled).unwrap();
    let go = Changes::from([("here".into(), vec![(vec![7.into()], 1)])]);
    runtime.step(&go, Budget::default()).unwrap();
    let mut again = restored(&compiled, &saved(&*runtime)).unwrap();
    assert_eq!((again.restless(), again.due()), (runtime.restless(), runtime.due()));
    for _ in 0..3 {
        let expected = runtime.step(&Changes::new(), Budget::default());
        assert_eq!(again.step(&Changes::new(), Budget::default()), expected);
    }
}

#[test]
fn a_fault_of_who_keeps_the_blocks_is_told() {
    let compiled = compiled(PROGRAM, &[]);
    let blocks = saved(&*started(&compiled));
    for good in 0..=blocks.len() {
        let mut left = blocks[..good].iter().cloned();
        let failing = || left.next().map(Some).ok_or("the disk is gone");
        assert_eq!(RuntimeKind::Native.restore(&compiled, failing).err(), Some("the disk is gone"));
    }
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    #[test]
    fn damaged_blocks_are_no_checkpoint(
        at in any::<prop::sample::Index>(),
        within in any::<prop::sample::Index>(),
        damage in 0u8..6,
        mask in 1u8..,
    ) {
        let compiled = compiled(PROGRAM, &[]);
        let good = saved(&*started(&compiled));
        let mut blocks = good.clone();
        let place = at.index(blocks.len());
        let byte = within.index(blocks[place].len());
        match damage {
            0 | 1 => blocks[place][byte] ^= mask,
            2 => blocks[place].truncate(byte),
            3 => drop(blocks.remove(place)),
            4 => blocks.push(vec![mask; byte]),
            _ => blocks.insert(place, blocks[place].clone()),
        }
        prop_assert!(restored(&compiled, &blocks).is_none());
        prop_assert!(restored(&compiled, &good).is_some());
    }
}
