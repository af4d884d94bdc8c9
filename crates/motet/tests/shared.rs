//! Views that share a circuit say what they would say alone (Q16).
//!
//! A story from a seed: people write, and subscribers come and go, each on the circuits of its thread and, as its
//! twin, on a circuit of its own. They are polled now and then, not all alike. In the end all have caught up, and each
//! view must hold what its twin holds, and the changes it told must add up to that. `MOTET_CASES` says how many
//! stories there are, `MOTET_CASE` replays one.
use crate::common;

use std::collections::{BTreeMap, BTreeSet};

use motet::fact::Value;
use motet::item::{ItemId, Object, label};
use motet::{Circuits, Database, Error, Party, Query, RuntimeKind, View};
use motet_algebra::{Budget, Changes};
use motet_store::testing::Chance;

/// Queries over `$what`, an attribute, and `$top`, an item.
const QUERIES: [&str; 6] = [
    r#"output has. has(e: E, v: V) :- attr(entity: E, attribute: $what, value: V)."#,
    r#"output below. output leaf.
       under(up: P, down: I) :- item(id: I, parent: P).
       under(up: P, down: I) :- item(id: X, parent: P), under(up: X, down: I).
       below(i: I) :- under(up: $top, down: I).
       leaf(i: I) :- below(i: I), !item(parent: I)."#,
    r#"output many. output all.
       all(n: N) :- N := count : attr().
       many(v: V, n: N) :- attr(attribute: $what, value: V), N := count : attr(attribute: $what, value: V)."#,
    r#"output first order by v desc limit 2.
       first(v: V, e: E) :- attr(entity: E, attribute: $what, value: V)."#,
    r#"output title order by is limit 3. title(is: T) :- attr(attribute: "title", value: T)."#,
    r#"output odd. odd(id: E, v: V) :- note(id: E, v: V), V != "".
       note(id: E, v: V) :- item(id: E, type: "note"), attr(entity: E, attribute: $what, value: V).
       forbid :- item(id: E, parent: $top, deleted: true)."#,
];

/// A view, and the sum of the changes it told.
struct Heard {
    view: View,
    shown: BTreeMap<String, BTreeSet<Vec<Value>>>,
}

impl Heard {
    fn new(view: View) -> Self {
        let shown = view.contents().keys();
        let shown = shown.map(|name| (name.to_string(), view.shown(name).into_iter().cloned().collect()));
        Heard { shown: shown.collect(), view }
    }

    fn poll(&mut self) -> bool {
        let changes = self.view.poll().unwrap();
        changes.map(|changes| self.add(changes)).is_some()
    }

    fn add(&mut self, changes: Changes) {
        for (output, rows) in changes {
            let shown = self.shown.get_mut(&*output).unwrap();
            for (row, weight) in rows {
                let fits = if weight > 0 { shown.insert(row.clone()) } else { shown.remove(&row) };
                assert!(fits, "{weight:+} of {output} {row:?}");
            }
        }
    }

    fn catch_up(&mut self) {
        while self.poll() {}
        for (output, shown) in &self.shown {
            assert_eq!(
                *shown,
                self.view.shown(output).into_iter().cloned().collect(),
                "the changes of {output}"
            );
        }
    }
}

struct Subscriber {
    query: usize,
    shared: Heard,
    twin: Heard,
}

struct Story {
    chance: Chance,
    party: Party,
    items: Vec<ItemId>,
    circuits: Circuits,
    runtime: RuntimeKind,
    subscribers: Vec<Subscriber>,
    /// How many came when somebody else read the same with other values, or the same values.
    met: usize,
}

impl Story {
    fn begin(seed: u64, runtime: RuntimeKind) -> Self {
        let database =
            Database::in_memory_in("Ada", std::sync::Arc::new(common::Remembering::new(seed))).unwrap();
        let party = database.create_party("Story").unwrap();
        let items = vec![ItemId::root(&party.key())];
        let (circuits, subscribers) = (database.circuits(), Vec::new());
        Story { chance: Chance(seed), party, items, circuits, runtime, subscribers, met: 0 }
    }

    fn pick(&mut self, bound: usize) -> usize {
        self.chance.below(bound as u64) as usize
    }

    fn item(&mut self) -> ItemId {
        let place = self.pick(self.items.len());
        self.items[place]
    }

    fn step(&mut self) {
        match self.pick(10) {
            0..=3 => self.write(),
            4 | 5 => self.come(),
            6 if !self.subscribers.is_empty() => {
                let one = self.pick(self.subscribers.len());
                self.subscribers.swap_remove(one);
            }
            _ if !self.subscribers.is_empty() => {
                let one = self.pick(self.subscribers.len());
                let [shared, twin] = [self.pick(3), self.pick(3)];
                (0..shared).for_each(|_| {
                    self.subscribers[one].shared.poll();
                });
                (0..twin).for_each(|_| {
                    self.subscribers[one].twin.poll();
                });
            }
            _ => {}
        }
    }

    fn write(&mut self) {
        let item = self.item();
        let mut transaction = self.party.transaction();
        match self.pick(6) {
            0 => {
                let kind = [None, Some("note")][self.pick(2)];
                self.items.push(transaction.create_item(Object::NAME, kind, Some(item)).unwrap());
            }
            1 if item != self.items[0] => transaction.set(item, label::DELETED, self.pick(2) == 0),
            _ => transaction.set(item, ["title", "size"][self.pick(2)], ["a", "b", ""][self.pick(3)]),
        }
        transaction.commit().unwrap();
    }

    fn come(&mut self) {
        let query = self.pick(QUERIES.len());
        let what = ["title", "size", "weight"][self.pick(3)];
        let top = self.item();
        let asked = Query::new(QUERIES[query]).with("what", what).with("top", top).on(self.runtime);
        let before = self.circuits.count();
        let shared = Heard::new(self.circuits.watch(&[self.party.key()], &asked).unwrap());
        let others = self.subscribers.iter().filter(|one| one.query == query).count();
        assert_eq!(self.circuits.count() == before, others > 0, "all who ask the same read one circuit");
        self.met += usize::from(others > 0);
        let twin = Heard::new(self.party.database().watch(&[self.party.key()], &asked).unwrap());
        assert_eq!(shared.view.contents(), twin.view.contents(), "query {query} when it is opened");
        assert_eq!(shared.view.epoch(), 1);
        self.subscribers.push(Subscriber { query, shared, twin });
    }

    fn check(&mut self) {
        for subscriber in &mut self.subscribers {
            subscriber.shared.catch_up();
            subscriber.twin.catch_up();
            let (shared, twin) = (&subscriber.shared, &subscriber.twin);
            assert_eq!(shared.view.contents(), twin.view.contents(), "query {}", subscriber.query);
            assert_eq!(shared.shown, twin.shown, "query {}", subscriber.query);
        }
    }
}

fn tell(seed: u64, runtime: RuntimeKind, steps: usize) -> usize {
    let mut story = Story::begin(seed, runtime);
    for _ in 0..steps {
        story.step();
    }
    story.check();
    // Once more, when all are at one place.
    (0..5).for_each(|_| story.write());
    story.check();
    story.met
}

#[test]
fn shared_views_say_what_they_would_say_alone() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("MOTET_CASE") {
        tell(seed, RuntimeKind::Naive, 80);
        tell(seed, RuntimeKind::Cluster, 80);
        return;
    }
    let cases = number("MOTET_CASES").unwrap_or(60);
    let mut met = 0;
    for seed in 0..cases {
        met += tell(seed, RuntimeKind::Naive, 80);
        if seed % 6 == 0 {
            met += tell(seed, RuntimeKind::Cluster, 50);
        }
    }
    assert!(met as u64 > cases, "subscribers met {met} times");
}

/// Counts up to the greatest value of an attribute.
const COUNTING: &str = r#"output up.
    limit(is: L) :- attr(attribute: $which, value: L).
    up(n: 0) :- limit().
    up(n: M) :- up(n: N), limit(is: L), N < L, M == N + 1."#;

fn counting(which: &str, runtime: RuntimeKind, rows: u64) -> Query {
    let budget = Budget { rows, ..Budget::default() };
    Query::new(COUNTING).with("which", which).on(runtime).within(budget)
}

/// What is too much for all together stops only those for whom it is too much alone.
#[test]
fn a_view_that_asks_too_much_stops_alone() {
    for runtime in RuntimeKind::ALL {
        let database = Database::in_memory("Ada").unwrap();
        let party = database.create_party("Home").unwrap();
        let (key, root) = ([party.key()], ItemId::root(&party.key()));
        party.set(root, "small", 10).unwrap();
        party.set(root, "large", 10).unwrap();
        let circuits = database.circuits();
        let mut small = circuits.watch(&key, &counting("small", runtime, 800)).unwrap();
        let mut large = circuits.watch(&key, &counting("large", runtime, 800)).unwrap();
        assert_eq!(circuits.count(), 1);
        party.set(root, "large", 1500).unwrap();
        party.set(root, "small", 20).unwrap();
        small.catch_up().unwrap();
        assert_eq!(small.rows("up").count(), 21);
        for _ in 0..2 {
            assert!(matches!(large.poll(), Err(Error::Runtime(_))), "it is over its budget");
            assert_eq!(large.rows("up").count(), 11, "it stays where it was");
        }
        // Somebody whose budget is too small at the start is refused, and in nobody's way.
        assert!(circuits.watch(&key, &counting("large", runtime, 40)).is_err());
        party.set(root, "small", 30).unwrap();
        small.catch_up().unwrap();
        assert_eq!(small.rows("up").count(), 31);
        large.resume(Budget::default());
        large.catch_up().unwrap();
        assert_eq!(large.rows("up").count(), 1501);
        party.set(root, "large", 3).unwrap();
        large.catch_up().unwrap();
        assert_eq!(large.rows("up").count(), 4);
    }
}

/// Programs with time are a function of the epochs that their view has seen, so nobody else may read along.
#[test]
fn views_with_time_are_not_shared() {
    let database = Database::in_memory("Ada").unwrap();
    let party = database.create_party("Home").unwrap();
    let (key, root) = ([party.key()], ItemId::root(&party.key()));
    let seen = Query::new(
        r#"output seen. seen(is: T) :- attr(attribute: $what, value: T). seen(is: T)@next :- seen(is: T)."#,
    );
    let circuits = database.circuits();
    let mut early = circuits.watch(&key, &seen.clone().with("what", "title")).unwrap();
    party.set(root, "title", "Milk").unwrap();
    early.catch_up().unwrap();
    party.set(root, "title", "Eggs").unwrap();
    let mut late = circuits.watch(&key, &seen.with("what", "title")).unwrap();
    early.catch_up().unwrap();
    late.catch_up().unwrap();
    assert_eq!((early.rows("seen").count(), late.rows("seen").count()), (2, 1));
    assert_eq!(circuits.count(), 0);
}
