//! A view that was stopped over its budget goes on when it is resumed, and has missed nothing (Q17).
use crate::common;

use std::collections::BTreeSet;

use motet::fact::{Fact, Value};
use motet::item::ItemId;
use motet::{Database, Error, Party, Query, RuntimeKind, View};
use motet_algebra::{Budget, Changes};
use motet_store::testing::Chance;

const RUNTIMES: [RuntimeKind; 3] = RuntimeKind::ALL;

/// Pairs of what stands under what: one row more may make many.
const UNDER: &str = r#"output under.
    under(up: P, down: I) :- item(id: I, parent: P).
    under(up: P, down: I) :- item(id: X, parent: P), under(up: X, down: I)."#;

/// The program's own events start it, and each tick the least is gone.
const COUNTDOWN: &str = "
    output left.
    event go(n: int).
    go(n: 1). go(n: 2). go(n: 3).
    left(n: N)@next :- go(n: N).
    left(n: N)@next :- left(n: N), M := min X : left(n: X), N > M.";

fn rows(budget: u64) -> Budget {
    Budget { rows: budget, ..Budget::default() }
}

/// A view, and the sum of what it told.
struct Heard {
    view: View,
    rows: BTreeSet<Vec<Value>>,
}

impl Heard {
    fn new(view: View) -> Self {
        let rows = view.contents().values().flatten().cloned().collect();
        Heard { view, rows }
    }

    fn add(&mut self, changes: Changes) {
        for (row, weight) in changes.into_values().flatten() {
            let fits = if weight > 0 { self.rows.insert(row.clone()) } else { self.rows.remove(&row) };
            assert!(fits, "{weight:+} of {row:?}");
        }
    }

    /// Takes in what there is, until its budget is too small.
    fn catch_up(&mut self) -> Result<(), Error> {
        while let Some(changes) = self.view.poll()? {
            self.add(changes);
        }
        Ok(())
    }
}

struct Tree {
    party: Party,
    items: Vec<ItemId>,
}

impl Tree {
    fn new(seed: u64) -> Self {
        let world = std::sync::Arc::new(common::Remembering::new(seed));
        let party = Database::in_memory_in("Ada", world).unwrap().create_party("Home").unwrap();
        let items = vec![ItemId::root(&party.key())];
        Tree { party, items }
    }

    fn watch(&self, runtime: RuntimeKind, budget: Budget) -> Result<View, Error> {
        let query = Query::new(UNDER).on(runtime).within(budget);
        self.party.database().watch(&[self.party.key()], &query)
    }

    /// Somebody adds an item, or moves one.
    fn change(&mut self, chance: &mut Chance) {
        let item = |chance: &mut Chance, items: &[ItemId]| items[chance.below(items.len() as u64) as usize];
        let (one, other) = (item(chance, &self.items), item(chance, &self.items));
        if chance.below(3) > 0 && self.items.len() < 12 {
            self.items.push(self.party.create_item("object", None, Some(one)).unwrap());
        } else if other != self.items[0] {
            let _cycle = self.party.move_item(other, one);
        }
    }
}

#[test]
fn a_resumed_view_holds_what_a_new_one_holds_and_told_how_it_came_there() {
    let cases = std::env::var("MOTET_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    let (mut stops, mut overcome) = (0, 0);
    for (seed, runtime) in (0..cases).flat_map(|seed| RUNTIMES.map(|runtime| (seed, runtime))) {
        if runtime == RuntimeKind::Cluster && seed % 4 != 0 {
            continue;
        }
        let (mut chance, mut tree) = (Chance(seed), Tree::new(seed));
        let mut heard = Heard::new(tree.watch(runtime, rows(1000)).unwrap());
        heard.view.resume(rows(5 + chance.below(10)));
        for _ in 0..30 {
            tree.change(&mut chance);
            if chance.below(2) == 0 && heard.catch_up().is_err() {
                stops += 1;
                let before: Vec<_> = heard.view.rows("under").cloned().collect();
                assert!(heard.view.stopped().is_some());
                assert!(heard.view.poll().is_err(), "it does not go on by itself");
                assert_eq!(before.len(), heard.view.rows("under").count(), "it stays at its last good epoch");
                (0..chance.below(3)).for_each(|_| tree.change(&mut chance));
                // Perhaps it is enough by now.
                heard.view.resume(rows(5 + chance.below(40)));
                overcome += usize::from(heard.catch_up().is_ok());
            }
        }
        heard.view.resume(Budget::default());
        heard.catch_up().unwrap();
        let fresh = tree.watch(runtime, Budget::default()).unwrap();
        assert_eq!(heard.view.contents(), fresh.contents(), "story {seed} on {runtime:?}");
        assert_eq!(heard.rows, fresh.rows("under").cloned().collect(), "story {seed} on {runtime:?}");
    }
    assert!(stops > 20 && overcome > 5, "{stops} stops, {overcome} of them overcome");
}

/// A row that waits with what was too much, and comes from a second place meanwhile, goes with the second.
#[test]
fn what_waits_is_counted_with_what_comes() {
    for runtime in RUNTIMES {
        let party = Database::in_memory("Ada").unwrap().create_party("Home").unwrap();
        let said = "output said. said(v: V) :- fact(attribute: \"said\", value: V).";
        let query = Query::new(said).on(runtime).within(rows(1000));
        let mut view = party.database().watch(&[party.key()], &query).unwrap();
        view.resume(rows(1));
        let entity = party.root().entity();
        let state = |values: std::ops::Range<i64>| {
            let mut transaction = party.transaction();
            for value in values {
                let fact = Fact::new(entity.clone(), "said".into(), value, Vec::new()).unwrap();
                transaction.state(party.root(), fact);
            }
            transaction.commit().unwrap();
        };
        state(0..20);
        assert!(view.poll().is_err(), "{runtime:?}");
        state(5..10);
        view.resume(Budget::default());
        view.catch_up().unwrap();
        assert_eq!(view.rows("said").count(), 20);
    }
}

/// Of a program with time no epoch is left out, and none is made of two.
#[test]
fn a_resumed_view_with_time_runs_every_epoch() {
    for runtime in RUNTIMES {
        let party = Database::in_memory("Ada").unwrap().create_party("Home").unwrap();
        let ticks = |ticks| Budget { ticks, ..Budget::default() };
        let query = Query::new(COUNTDOWN).on(runtime).within(ticks(2));
        let mut view = party.database().watch(&[party.key()], &query).unwrap();
        let mut heard = Vec::new();
        let mut hear = |view: &mut View| {
            loop {
                match view.poll() {
                    Ok(Some(changes)) => {
                        heard.push(changes.into_values().flatten().map(|(_, one)| one).sum::<i64>())
                    }
                    Ok(None) => return true,
                    Err(_) => return false,
                }
            }
        };
        assert!(!hear(&mut view), "after two ticks it is not at rest");
        view.resume(ticks(1));
        assert!(!hear(&mut view), "after one more neither");
        view.resume(ticks(1));
        assert!(hear(&mut view));
        assert_eq!(heard, [3, -1, -1, -1]);
        assert_eq!(view.epoch(), 5);
    }
}

/// Each batch is an epoch also when an earlier one was too much at first.
#[test]
fn batches_wait_in_order_behind_one_that_was_too_much() {
    let seen = r#"output seen. output before.
        seen(is: T) :- attr(attribute: "title", value: T).
        seen(is: T)@next :- seen(is: T).
        before(a: A, b: B) :- seen(is: A), attr(attribute: "title", value: B).
        before(a: A, b: B)@next :- before(a: A, b: B)."#;
    for runtime in RUNTIMES {
        let party = Database::in_memory("Ada").unwrap().create_party("Home").unwrap();
        let root = ItemId::root(&party.key());
        let (query, key) = (Query::new(seen).on(runtime), [party.key()]);
        let mut view = party.database().watch(&key, &query).unwrap();
        let mut twin = party.database().watch(&key, &query).unwrap();
        view.resume(rows(4));
        for title in ["a", "b", "c", "a", "d"] {
            party.set(root, "title", title).unwrap();
            let _over = view.catch_up();
            twin.catch_up().unwrap();
        }
        assert!(view.stopped().is_some());
        view.resume(Budget::default());
        view.catch_up().unwrap();
        assert_eq!(view.contents(), twin.contents());
        assert_eq!(view.rows("before").count(), 4 + 3 + 2 + 1 + 2);
    }
}
