//! The engine against the stupid twin: every relation computed from nothing by brute force, after every epoch.
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use motet_flow::Engine;
use motet_flow::engine::row::{Batch, Id};
use motet_flow::engine::rule::{Arg, Atom, Definition, Fold, Goal, Host, Output, RelationId, Rule};
use motet_flow::engine::{Cap, Cause, Change, Exceeded, Limits};
use proptest::prelude::*;

/// Test 0: the first is less. Function 0: one more, below 6. Fold 0: how many. Ids are numbers times `spread`, so that
/// they are dense or not.
struct Numbers {
    spread: Id,
}

impl Host for Numbers {
    fn test(&self, _: usize, args: &[Id]) -> bool {
        args[0] < args[1]
    }

    fn make(&self, _: usize, args: &[Id]) -> Option<Id> {
        (args[0] / self.spread < 5).then_some(args[0] + self.spread)
    }

    fn fold(&self, _: usize, group: &Batch, give: &mut dyn FnMut(usize, &[Id])) {
        give(0, &[group.row(0)[0], Id::try_from(group.len()).unwrap() * self.spread]);
    }

    /// Not always, so that groups are folded too.
    fn follow(&self, _: usize, old: &[Id], come: &Batch, gone: &Batch) -> Option<Vec<Id>> {
        let [come, gone] = [come, gone].map(|batch| Id::try_from(batch.len()).unwrap());
        let count = old[1] / self.spread + come - gone;
        (count != 3).then(|| vec![old[0], count * self.spread])
    }
}

const EDGE: RelationId = 0;
const WALL: RelationId = 1;
const PATH: RelationId = 2;
const FREE: RelationId = 3;
const COUNT: RelationId = 4;
const TRIPLE: RelationId = 5;
const TOP: RelationId = 6;

const X: Arg = Arg::Var(0);
const Y: Arg = Arg::Var(1);
const Z: Arg = Arg::Var(2);

fn has(relation: RelationId, args: &[Arg]) -> Goal {
    Goal::Has(Atom { relation, args: args.to_vec() })
}

fn rule(relation: RelationId, row: &[Arg], goals: Vec<Goal>) -> Rule {
    Rule { relation, row: row.to_vec(), goals, variables: 3 }
}

/// `path` is the closure of `edge`, not linear; `free` are the paths that end at no wall; `count` how many of them
/// begin at a node; `triple` a recursion over rows of three, with a test and a function; `top` the nodes without
/// edges to them.
fn definition() -> Definition {
    let not_wall = Goal::Not(Atom { relation: WALL, args: vec![Y] });
    let no_way = Goal::Not(Atom { relation: EDGE, args: vec![Arg::Any, X] });
    Definition {
        widths: vec![2, 1, 2, 2, 2, 3, 1],
        rules: vec![
            rule(PATH, &[X, Y], vec![has(EDGE, &[X, Y])]),
            rule(PATH, &[X, Z], vec![has(PATH, &[X, Y]), has(PATH, &[Y, Z])]),
            rule(FREE, &[X, Y], vec![has(PATH, &[X, Y]), not_wall]),
            rule(TRIPLE, &[X, X, Y], vec![has(EDGE, &[X, Y]), Goal::Test { test: 0, args: vec![X, Y] }]),
            rule(
                TRIPLE,
                &[X, Arg::Var(3), Z],
                vec![
                    has(TRIPLE, &[X, Y, Z]),
                    has(FREE, &[Y, Arg::Any]),
                    Goal::Make { function: 0, args: vec![Y], into: Arg::Var(3) },
                ],
            ),
            rule(TOP, &[X], vec![has(EDGE, &[X, Arg::Any]), no_way]),
        ]
        .into_iter()
        .map(|rule| Rule { variables: 4, ..rule })
        .collect(),
        folds: vec![Fold {
            input: FREE,
            keys: vec![0],
            fold: 0,
            outputs: vec![Output { relation: COUNT, keys: vec![0] }],
        }],
    }
}

type Contents = Vec<BTreeSet<Vec<Id>>>;

/// All relations from the first two, by rounds over everything.
fn brute(edges: &BTreeSet<Vec<Id>>, walls: &BTreeSet<Vec<Id>>) -> Contents {
    let mut path = edges.clone();
    loop {
        let steps = path.iter().flat_map(|one| path.iter().map(move |two| (one, two)));
        let steps = steps.filter(|(one, two)| one[1] == two[0]).map(|(one, two)| vec![one[0], two[1]]);
        let more: BTreeSet<_> = steps.collect();
        let before = path.len();
        path.extend(more);
        if path.len() == before {
            break;
        }
    }
    let free: BTreeSet<Vec<Id>> = path.iter().filter(|row| !walls.contains(&row[1..])).cloned().collect();
    let mut counts: BTreeMap<Id, Id> = BTreeMap::new();
    free.iter().for_each(|row| *counts.entry(row[0]).or_default() += 1);
    let mut triple: BTreeSet<Vec<Id>> =
        edges.iter().filter(|row| row[0] < row[1]).map(|row| vec![row[0], row[0], row[1]]).collect();
    for _ in 0..6 {
        let go = |row: &&Vec<Id>| row[1] < 5 && free.iter().any(|one| one[0] == row[1]);
        let more: Vec<_> = triple.iter().filter(go).map(|row| vec![row[0], row[1] + 1, row[2]]).collect();
        triple.extend(more);
    }
    let is_top = |row: &&Vec<Id>| !edges.iter().any(|edge| edge[1] == row[0]);
    let top = edges.iter().filter(is_top).map(|row| vec![row[0]]).collect();
    let count = counts.into_iter().map(|(node, count)| vec![node, count]).collect();
    vec![edges.clone(), walls.clone(), path, free, count, triple, top]
}

/// The change of a relation that makes these rows come or go, whichever they can, and the rows there are then.
fn toggle(
    relation: RelationId,
    rows: &BTreeSet<Vec<Id>>,
    contents: &mut BTreeSet<Vec<Id>>,
    spread: Id,
) -> Change {
    let width = rows.first().map_or_else(|| definition().widths[relation], Vec::len);
    let (mut come, mut gone) = (Batch::new(width), Batch::new(width));
    for row in rows {
        let ids: Vec<Id> = row.iter().map(|number| number * spread).collect();
        if contents.remove(row) {
            gone.push(&ids);
        } else {
            contents.insert(row.clone());
            come.push(&ids);
        }
    }
    Change { relation, come, gone }
}

fn numbers(row: &[Id], spread: Id) -> Vec<Id> {
    row.iter().map(|id| id / spread).collect()
}

fn listed(engine: &Engine<Numbers>, relation: RelationId) -> BTreeSet<Vec<Id>> {
    let mut rows = BTreeSet::new();
    engine.rows(relation, |row| assert!(rows.insert(numbers(row, engine.host().spread))));
    assert_eq!(rows.len(), engine.len(relation));
    rows
}

fn saved(engine: &Engine<Numbers>) -> Vec<u64> {
    let mut numbers = Vec::new();
    engine.save(|id| id, |number| numbers.push(number));
    numbers
}

/// An engine from all of these numbers.
fn restored(spread: Id, numbers: &[u64]) -> Option<Engine<Numbers>> {
    let mut left = numbers.iter().copied();
    let engine = Engine::new(definition(), Numbers { spread }).restore(|_| true, || left.next());
    engine.filter(|_| left.next().is_none())
}

fn rows(width: usize, most: usize) -> impl Strategy<Value = BTreeSet<Vec<Id>>> {
    prop::collection::btree_set(prop::collection::vec(0u32..7, width), 0..most)
}

proptest! {
    #![proptest_config(crate::testing::config())]

        #[test]
    fn every_epoch_is_what_brute_force_says(
        spread in prop_oneof![Just(1), Just(97), Just(400_000_000)],
        epochs in prop::collection::vec((rows(2, 8), rows(1, 3), 0u64..40, any::<bool>()), 1..12),
    ) {
        let mut engine = Engine::new(definition(), Numbers { spread });
        let (mut edges, mut walls) = (BTreeSet::new(), BTreeSet::new());
        let mut before = brute(&edges, &walls);
        for (edge, wall, tight, saves) in epochs {
            let changes = [toggle(EDGE, &edge, &mut edges, spread), toggle(WALL, &wall, &mut walls, spread)];
            let touched = engine.touched();
            match engine.step(&changes, Limits { rows: tight, rounds: tight, bytes: u64::MAX }) {
                Ok(()) => {}
                Err(Exceeded { .. }) => {
                    for (relation, rows) in before.iter().enumerate() {
                        prop_assert_eq!(&listed(&engine, relation), rows, "after a refusal");
                    }
                    engine.step(&changes, Limits::NONE).unwrap();
                }
            }
            prop_assert!(engine.touched() >= touched);
            let after = brute(&edges, &walls);
            engine.roll_back();
            let rows = usize::try_from(tight).unwrap();
            engine.cap(vec![Cap { relations: vec![PATH], rows }, Cap { relations: vec![TRIPLE, TOP], rows }]);
            let of = |all: &[BTreeSet<Vec<Id>>]| [all[PATH].len(), all[TRIPLE].len() + all[TOP].len()];
            let (had, over) = (of(&before), of(&after));
            match engine.step(&changes, Limits::NONE) {
                Ok(()) => {
                    let fits = |cap: usize| over[cap] <= rows.max(had[cap]);
                    prop_assert!(fits(0) && fits(1), "{:?} are left, of {}", over, rows);
                    engine.roll_back();
                }
                Err(Exceeded { cause: Cause::Capped(cap), .. }) => {
                    let relations: &[RelationId] = if cap == 0 { &[PATH] } else { &[TRIPLE, TOP] };
                    let goes = relations.iter().any(|one| !before[*one].is_subset(&after[*one]));
                    prop_assert!(over[cap] > rows || (cap == 1 && goes));
                }
                Err(other) => panic!("there was no limit but the cap: {other:?}"),
            }
            engine.cap(Vec::new());
            engine.step(&changes, Limits::NONE).unwrap();
            for relation in 0..after.len() {
                let mut changed = before[relation].clone();
                engine.changes(relation, |row, comes| {
                    let row = numbers(row, spread);
                    assert!(if comes { changed.insert(row) } else { changed.remove(&row) });
                });
                prop_assert_eq!(&changed, &after[relation], "changes of relation {}", relation);
            }
            engine.commit();
            for (relation, rows) in after.iter().enumerate() {
                prop_assert_eq!(&listed(&engine, relation), rows, "relation {}", relation);
            }
            if saves {
                let numbers = saved(&engine);
                engine = restored(spread, &numbers).expect("what was saved is restored");
                prop_assert_eq!(saved(&engine), numbers);
            }
            before = after;
        }
    }
}

proptest! {
    #![proptest_config(crate::testing::config())]

    /// Numbers that are no engine's are none, and never harm.
    #[test]
    fn numbers_are_those_of_an_engine_or_nothing(
        edges in rows(2, 20),
        gone in rows(2, 20),
        at in any::<prop::sample::Index>(),
        other in prop_oneof![0u64..40, any::<u64>()],
        damage in 0u8..4,
    ) {
        let mut engine = Engine::new(definition(), Numbers { spread: 1 });
        let mut there = BTreeSet::new();
        for rows in [&edges, &gone] {
            engine.step(&[toggle(EDGE, rows, &mut there, 1)], Limits::NONE).unwrap();
            engine.commit();
        }
        let mut numbers = saved(&engine);
        let place = at.index(numbers.len());
        match damage {
            0 => numbers.truncate(place),
            1 => numbers.insert(place, other),
            2 => drop(numbers.remove(place)),
            _ => numbers[place] = other,
        }
        if let Some(engine) = restored(1, &numbers) {
            prop_assert_eq!(&saved(&engine), &numbers);
        }
        let mut left = numbers.iter().copied();
        let new = Engine::new(definition(), Numbers { spread: 1 });
        if let Some(engine) = new.restore(|id| id < 5, || left.next()) {
            for relation in 0..engine.relations() {
                engine.rows(relation, |row| assert!(row.iter().all(|id| *id < 5)));
            }
        }
    }
}

/// Rows that only hold each other up fall with what held them up, and what has another way stays.
#[test]
fn a_circle_falls_with_what_fed_it() {
    let mut engine = Engine::new(definition(), Numbers { spread: 1 });
    let mut edges = BTreeSet::new();
    let mut go = |rows: &[[Id; 2]]| {
        let rows = rows.iter().map(|row| row.to_vec()).collect();
        engine.step(&[toggle(EDGE, &rows, &mut edges, 1)], Limits::NONE).unwrap();
        engine.commit();
        listed(&engine, PATH).len()
    };
    assert_eq!(go(&[[1, 2], [2, 3], [3, 2]]), 6);
    assert_eq!(go(&[[1, 2]]), 4);
    assert_eq!(go(&[[3, 2]]), 1);
    assert_eq!(go(&[[1, 2], [1, 3]]), 3);
    assert_eq!(go(&[[2, 3]]), 2);
}

/// Where any row of the recursion will do, a row that loses a derivation loses that from the lowest, not that from the
/// row that was found first.
#[test]
fn of_rows_that_do_as_well_the_lowest_is_lost() {
    const SEED: RelationId = 0;
    const ON: RelationId = 1;
    for width in [1, 2, 3] {
        let row = |arg: Arg| vec![arg; width];
        let whatever = vec![Arg::Any; width];
        let rules = vec![
            rule(2, &row(X), vec![has(SEED, &[X])]),
            rule(2, &row(X), vec![has(2, &whatever), has(ON, &[X])]),
        ];
        let definition = Definition { widths: vec![1, 1, width], rules, folds: Vec::new() };
        for on in [[1, 9], [9, 1], [5, 6], [6, 5]] {
            let mut engine = Engine::new(definition.clone(), Numbers { spread: 1 });
            let mut ons = BTreeSet::new();
            let one = |id: Id| BTreeSet::from([vec![id]]);
            let seed = toggle(SEED, &one(5), &mut BTreeSet::new(), 1);
            let both = on.iter().map(|id| vec![*id]).collect();
            engine.step(&[seed, toggle(ON, &both, &mut ons, 1)], Limits::NONE).unwrap();
            engine.commit();
            for id in on {
                engine.step(&[toggle(ON, &one(id), &mut ons, 1)], Limits::NONE).unwrap();
                engine.commit();
                let kept = ons.iter().map(|row| row[0]).chain([5]);
                let kept: BTreeSet<Vec<Id>> = kept.map(|id| vec![id; width]).collect();
                assert_eq!(listed(&engine, 2), kept, "rows of {width}, without {id}");
            }
        }
    }
}

/// Whoever is asked whether the epoch is still wanted says no from some time on.
struct Fickle {
    patience: Cell<u32>,
}

impl Host for Fickle {
    fn test(&self, _: usize, _: &[Id]) -> bool {
        true
    }

    fn make(&self, _: usize, _: &[Id]) -> Option<Id> {
        None
    }

    fn fold(&self, _: usize, _: &Batch, _: &mut dyn FnMut(usize, &[Id])) {}

    fn is_wanted(&self) -> bool {
        let patience = self.patience.get();
        self.patience.set(patience.saturating_sub(1));
        patience > 0
    }
}

/// One row of the first goal leads to a million rows of the others: the search is left in the middle of it.
#[test]
fn a_big_join_is_left_in_the_middle() {
    let product = Rule {
        relation: 3,
        row: vec![X, Y, Z],
        goals: vec![has(0, &[X]), has(1, &[Y]), has(2, &[Z])],
        variables: 3,
    };
    let definition = Definition { widths: vec![1, 1, 1, 3], rules: vec![product], folds: Vec::new() };
    let change = |relation: RelationId, rows: Id| {
        let mut come = Batch::new(1);
        (0..rows).for_each(|id| come.push(&[id]));
        Change { relation, come, gone: Batch::new(1) }
    };
    let changes = [change(0, 1), change(1, 1_000), change(2, 1_000)];
    let refused = |patience: u32, limits: Limits| {
        let host = Fickle { patience: Cell::new(patience) };
        let mut engine = Engine::new(definition.clone(), host);
        let Exceeded { cause, .. } = engine.step(&changes, limits).unwrap_err();
        assert!(engine.touched() < 200_000, "{} rows were looked at", engine.touched());
        assert!(engine.is_empty(3), "what is refused leaves nothing behind");
        cause
    };
    assert_eq!(refused(10, Limits::NONE), Cause::Unwanted);
    assert_eq!(refused(u32::MAX, Limits { bytes: 1_000_000, ..Limits::NONE }), Cause::Bytes);
    assert_eq!(refused(u32::MAX, Limits { rows: 100_000, ..Limits::NONE }), Cause::Rows);
}
