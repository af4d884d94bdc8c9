//! Views that outlive the process carry on what they would carry on if it had never ended (Q11).
//!
//! The oracle is a view of the same program that is never closed, in the database of somebody who gets the same
//! batches; the evaluator that defines the semantics runs it, and it is polled after each. A kept view is closed and
//! opened again, on any runtime, with batches arriving while it is closed; it must come to the same.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::common::{Peer, Remembering, Sum, bundles, rows, seal_key, send};
use motet::authority::Role;
use motet::fact::{Fact, PublicKey, Value};
use motet::item::{Folding, ItemId, Object};
use motet::{Cut, Database, Error, Limits, ModelBlock, Query, RuntimeKind, View};
use motet_algebra::Budget;
use motet_store::testing::{Chance, FaultyMedium};
use motet_store::{DiskStore, Medium, MemoryMedium, Options, Store, Table};
use motet_sync::Replica as _;

/// What was a title once; which titles were there before, or with, which; what is left of three when each epoch takes
/// the least.
const PROGRAM: &str = r#"
    output seen. output before. output left.
    seen(is: T) :- attr(attribute: $what, value: T).
    seen(is: T)@next :- seen(is: T).
    before(a: A, b: B) :- seen(is: A), attr(attribute: $what, value: B).
    before(a: A, b: B)@next :- before(a: A, b: B).
    event go(n: int).
    go(n: 1). go(n: 2). go(n: 3).
    left(n: N)@next :- go(n: N).
    left(n: N)@next :- left(n: N), M := min X : left(n: X), N > M."#;

fn query() -> Query {
    Query::new(PROGRAM).with("what", "title")
}

/// Those of which checkpoints are made come often.
const RUNTIMES: [RuntimeKind; 5] =
    [RuntimeKind::Native, RuntimeKind::Native, RuntimeKind::Naive, RuntimeKind::Native, RuntimeKind::Cluster];

fn rows_of(view: &View) -> BTreeSet<(String, Vec<Value>)> {
    let rows = view.contents().iter();
    rows.flat_map(|(name, rows)| rows.iter().map(|row| (name.to_string(), row.clone()))).collect()
}

/// Ada keeps a view; Ben gets each of her batches, and never closes his.
struct Story {
    chance: Chance,
    ada: Peer,
    ben: Peer,
    key: PublicKey,
    view: Option<View>,
    /// What Ada's view told since it was opened, added to what it held then.
    told: BTreeSet<(String, Vec<Value>)>,
    oracle: View,
    closed: usize,
}

impl Story {
    fn begin(seed: u64) -> Self {
        let chance = Chance(seed);
        let (mut ada, ben) = (Peer::new("Ada", seed * 2), Peer::new("Ben", seed * 2 + 1));
        let view_changes = [1, 4, 1_000_000][(seed % 3) as usize];
        ada.set_limits(Limits { view_changes, facts_in_memory: 0, ..Limits::default() });
        let key = ada.database.create_party("Home").unwrap().key();
        ada.admit(&key, &ben, Role::Writer).unwrap();
        let mut story = Story {
            oracle: ben.database.watch(&[key], &query().on(RuntimeKind::Naive)).unwrap(),
            chance,
            ada,
            ben,
            key,
            view: None,
            told: BTreeSet::new(),
            closed: 0,
        };
        story.hand_on();
        // Both begin from the same: the first epoch of each is over all there is.
        story.oracle = story.ben.database.watch(&[key], &query().on(RuntimeKind::Naive)).unwrap();
        let view = story.ada.party(&key).keep_view("titles", &query()).unwrap();
        story.hold(view);
        story
    }

    fn hold(&mut self, view: View) {
        self.told = rows_of(&view);
        self.view = Some(view);
    }

    /// Ben gets what he lacks of Ada's entries, as one batch; his view takes it in.
    fn hand_on(&mut self) {
        let heads = self.ben.database.heads(&self.key);
        let load = bundles(&self.ada.database, &self.key, &[heads.control, heads.data].concat());
        for answer in self.ben.database.deliver(&self.key, load).unwrap() {
            answer.unwrap();
        }
        self.oracle.catch_up().unwrap();
    }

    fn write(&mut self) {
        let (party, root) = (self.ada.party(&self.key), ItemId::root(&self.key));
        let mut transactions = Vec::new();
        for _ in 0..1 + self.chance.below(3) {
            let mut transaction = party.transaction();
            let attribute = ["title", "title", "size"][self.chance.below(3) as usize];
            transaction.set(root, attribute, format!("{}", self.chance.below(6)));
            transactions.push(transaction);
        }
        party.commit_all(transactions).unwrap();
        self.hand_on();
    }

    fn poll(&mut self) {
        let Some(view) = &mut self.view else { return };
        if let Some(changes) = view.poll().unwrap() {
            for (name, rows) in changes {
                for (row, weight) in rows {
                    let row = (name.to_string(), row);
                    assert!(if weight > 0 { self.told.insert(row) } else { self.told.remove(&row) });
                }
            }
        }
    }

    fn open(&mut self) {
        if self.view.is_none() {
            let runtime = RUNTIMES[self.chance.below(5) as usize];
            let party = self.ada.party(&self.key);
            self.hold(party.open_view("titles", runtime, Budget::default()).unwrap());
        }
    }

    fn step(&mut self) {
        match self.chance.below(8) {
            0..=2 => self.write(),
            3 | 4 => self.poll(),
            5 => self.open(),
            6 => self.view = None,
            _ => {
                self.view = None;
                self.ada.reopen();
                self.closed += 1;
            }
        }
    }

    fn check(&mut self) {
        self.open();
        while self.behind() {}
        let view = self.view.as_ref().unwrap();
        assert_eq!(rows_of(view), rows_of(&self.oracle));
        assert_eq!(self.told, rows_of(view));
        assert_eq!(view.epoch(), self.oracle.epoch(), "it is as many epochs");
    }

    /// Takes an epoch in; whether there was one.
    fn behind(&mut self) -> bool {
        let before = self.view.as_ref().unwrap().epoch();
        self.poll();
        self.view.as_ref().unwrap().epoch() > before
    }
}

#[test]
fn a_kept_view_carries_on_what_it_would_if_it_had_never_been_closed() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("MOTET_CASE") {
        Some(seed) => seed..seed + 1,
        None => 0..number("MOTET_CASES").unwrap_or(60),
    };
    let (mut closed, mut checkpoints) = (0, 0);
    for seed in seeds.clone() {
        let mut story = Story::begin(seed);
        for _ in 0..40 {
            story.step();
        }
        story.check();
        closed += story.closed;
        let kept = story.ada.party(&story.key).kept_views().unwrap();
        assert_eq!((kept.len(), kept[0].behind), (1, 0));
        if story.ada.limits.view_changes == 1 && rows(&*story.ada.store, Table("view_checkpoints")) == 1 {
            checkpoints += 1;
            let left = rows(&*story.ada.store, Table("epochs"));
            assert_eq!(left, 0, "what a checkpoint has taken in is in no journal");
        }
    }
    assert!(seeds.clone().count() < 10 || closed > 50, "databases were closed {closed} times");
    assert!(seeds.count() < 10 || checkpoints > 5, "{checkpoints} stories end at a checkpoint");
}

#[test]
fn views_are_kept_under_names_one_open_at_a_time() {
    let mut ada = Peer::new("Ada", 1);
    let key = ada.database.create_party("Home").unwrap().key();
    let root = ItemId::root(&key);
    let party = ada.party(&key);
    assert!(matches!(
        party.open_view("titles", RuntimeKind::Naive, Budget::default()),
        Err(Error::NoSuchView(_))
    ));
    assert!(matches!(party.keep_view("", &query()), Err(Error::ViewName(_))));
    assert!(party.keep_view("titles", &Query::new("output t. t(x: X) :- nothing(x: X).")).is_err());
    party.save_rules("titles", "title(t: T) :- attr(attribute: \"title\", value: T).").unwrap();
    let query = Query::new("use titles. output title.");
    let view = party.keep_view("titles", &query).unwrap();
    assert!(matches!(party.keep_view("titles", &query), Err(Error::ViewExists(_))));
    assert!(matches!(
        party.open_view("titles", RuntimeKind::Naive, Budget::default()),
        Err(Error::ViewOpen(_))
    ));
    assert!(matches!(party.forget_view("titles"), Err(Error::ViewOpen(_))));
    drop(view);
    // It keeps the rules that it was made with; and it tells what came while it was closed.
    party.save_rules("titles", "title(t: T) :- attr(attribute: \"name\", value: T).").unwrap();
    party.set(root, "title", "Milk").unwrap();
    party.set(root, "title", "Eggs").unwrap();
    drop(party);
    ada.reopen();
    let party = ada.party(&key);
    let kept = &party.kept_views().unwrap()[0];
    assert_eq!((&*kept.name, &kept.text, kept.epochs, kept.behind), ("titles", &query.text, 1, 3));
    let mut view = party.open_view("titles", RuntimeKind::Naive, Budget::default()).unwrap();
    assert_eq!(view.rows("title").count(), 0);
    let mut told = Vec::new();
    while let Some(changes) = view.poll().unwrap() {
        told.extend(changes.into_values().flatten().map(|(row, weight)| format!("{weight:+}{}", row[0])));
    }
    assert_eq!(told, ["+1\"Milk\"", "+1\"Eggs\"", "-1\"Milk\""]);
    drop(view);
    party.forget_view("titles").unwrap();
    assert!(matches!(party.forget_view("titles"), Err(Error::NoSuchView(_))));
    party.set(root, "title", "Bread").unwrap();
    let tables = ["views", "views_progress", "views_given", "view_checkpoints", "view_blocks", "epochs"];
    for table in tables {
        assert_eq!(rows(&*ada.store, Table(table)), 0, "{table}");
    }
}

const OPTIONS: Options = Options { cache_bytes: 1 << 20, quick_recovery: true };

fn disk(medium: Arc<dyn Medium>) -> Result<Arc<dyn Store>, Error> {
    Ok(Arc::new(DiskStore::open_on(medium, OPTIONS)?))
}

/// Ada's life with a kept view on a failing disk. Ends at the first error.
fn live(medium: &FaultyMedium, seed: u64, told: &mut (Option<PublicKey>, bool)) -> Result<(), Error> {
    let store = disk(Arc::new(medium.clone()))?;
    let ada = Database::create_on(store, seal_key(), "Ada", Arc::new(Remembering::new(seed)))?;
    let party = ada.create_party("Home")?;
    let root = ItemId::root(&party.key());
    let runtime = if seed.is_multiple_of(2) { RuntimeKind::Naive } else { RuntimeKind::Native };
    ada.set_limits(Limits { view_changes: 2, ..Limits::default() });
    let mut view = party.keep_view("titles", &query().on(runtime))?;
    told.0 = Some(party.key());
    for number in 0..6 {
        party.set(root, "title", format!("{}", number % 4))?;
        if number % 3 != 1 {
            view.poll()?;
        }
        if number == 3 {
            drop(view);
            view = party.open_view("titles", runtime, Budget::default())?;
        }
    }
    view.catch_up()?;
    told.1 = true;
    Ok(())
}

/// What the program holds after each of these titles was an epoch.
fn replayed(titles: &[Value]) -> BTreeSet<(String, Vec<Value>)> {
    let party = Database::in_memory("Oracle").unwrap().create_party("Home").unwrap();
    let mut view = party.database().watch(&[party.key()], &query().on(RuntimeKind::Naive)).unwrap();
    view.catch_up().unwrap();
    for title in titles {
        party.set(ItemId::root(&party.key()), "title", title.clone()).unwrap();
        view.catch_up().unwrap();
    }
    rows_of(&view)
}

/// Whatever write of the disk is the last, no epoch is lost and none happens twice.
#[test]
fn a_crash_neither_loses_nor_repeats_an_epoch() {
    let mut kept = 0;
    let mut expected: BTreeMap<Vec<Value>, _> = BTreeMap::new();
    for nth in 1.. {
        let medium = FaultyMedium::default();
        medium.fail_at(nth);
        let mut told = (None, false);
        let outcome = live(&medium, nth, &mut told);
        match &outcome {
            Ok(()) => assert!(told.1),
            Err(error) => assert!(matches!(error, Error::Store(_)), "operation {nth}: {error}"),
        }
        if let Some(key) = told.0 {
            kept += 1;
            let store = disk(Arc::new(MemoryMedium::new(medium.after_crash(nth)))).unwrap();
            let ada = Database::open_on(store, seal_key(), Arc::new(Remembering::new(nth + 1000))).unwrap();
            let party = ada.party(&key).unwrap();
            party.set(ItemId::root(&key), "title", "on").unwrap();
            let mut titles = Vec::new();
            let root = ItemId::root(&key);
            party
                .visit_parts(root, |_, facts| titles.extend(facts.iter().map(|fact| fact.value().clone())))
                .unwrap();
            let runtime = if nth % 16 == 0 { RuntimeKind::Cluster } else { RUNTIMES[(nth % 3) as usize] };
            let mut view = party.open_view("titles", runtime, Budget::default()).unwrap();
            view.catch_up().unwrap();
            let expected = expected.entry(titles.clone()).or_insert_with(|| replayed(&titles));
            assert_eq!(rows_of(&view), *expected, "operation {nth}: {titles:?}");
        }
        if !medium.has_failed() {
            assert!(kept > 40, "only {kept} crashes after the view was kept");
            return;
        }
    }
}

/// What is read in all ways that views can read a party, but for members, devices and feeds.
const EVERYTHING: &str = r#"
    output fact_of. output said. output below. output title. output entries. output sum.
    fact_of(e: E, a: A, v: V, s: S) :- fact(entity: E, attribute: A, value: V, $source: S).
    said(v: V) :- fact(attribute: "said", value: V).
    below(i: I, p: P) :- item(id: I, parent: P).
    below(i: I, p: Q) :- below(i: I, p: P), item(id: P, parent: Q).
    title(of: E, is: T) :- attr(entity: E, attribute: "title", value: T).
    entries(e: E, f: F, counted: C) :- entry(cid: E, feed: F, counted: C).
    sum(a: A, n: N) :- fact(attribute: A), N := count E : attr(entity: E, attribute: A)."#;

/// Ada keeps a view of a party in which items are made, moved and changed by her and by Ben, who is removed and comes
/// back; she has room for hardly an item, and is closed and opened in between.
fn much_happens(seed: u64) -> usize {
    let mut chance = Chance(seed);
    let (mut ada, ben) = (Peer::new("Ada", seed * 2 + 1), Peer::new("Ben", seed * 2 + 2));
    let view_changes = [1, 8, 40][(seed % 3) as usize];
    ada.set_limits(Limits { view_changes, facts_in_memory: 20, parts_unsaved: 3, ..Limits::default() });
    let key = ada.database.create_party("Home").unwrap().key();
    ada.admit(&key, &ben, Role::Writer).unwrap();
    send(&ada.database, &ben.database, &key);
    let mut items = vec![ItemId::root(&key)];
    // A fact that two entries state is one row, unless it is asked for the entries.
    let query = match seed % 2 {
        0 => EVERYTHING.to_owned(),
        _ => EVERYTHING.replace(", $source: S", "").replace("v: V, s: S", "v: V"),
    };
    let mut view = Some(ada.party(&key).keep_view("all", &Query::new(query.clone())).unwrap());
    for _ in 0..60 {
        let one = items[chance.below(items.len() as u64) as usize];
        let other = items[chance.below(items.len() as u64) as usize];
        let writer = if chance.below(2) == 0 { ada.party(&key) } else { ben.party(&key) };
        match chance.below(14) {
            0 | 1 => items.extend(writer.create_item(Object::NAME, None, Some(other))),
            2 | 3 => drop(writer.set(one, "title", chance.below(5) as i64)),
            4 if one != items[0] => drop(writer.move_item(one, other)),
            5 => send(&ben.database, &ada.database, &key),
            6 => send(&ada.database, &ben.database, &key),
            7 => {
                let party = ada.party(&key);
                let bens = ben.database.profile().identity;
                match party.members()[&bens].until {
                    None => drop(party.remove_member(&bens, &Cut::Nothing)),
                    Some(_) => drop(party.readmit(&bens, Role::Writer)),
                }
            }
            8 => {
                view = None;
                ada.reopen();
            }
            9 => view = None,
            10 => {
                let value = chance.below(3) as i64;
                let fact = Fact::new(items[0].entity(), "said".into(), value, Vec::new()).unwrap();
                let mut transaction = writer.transaction();
                transaction.state(items[0], fact);
                let _unless_removed = transaction.commit();
            }
            11 => view.iter_mut().for_each(|view| drop(view.poll().unwrap())),
            _ if view.is_none() => {
                view =
                    Some(ada.party(&key).open_view("all", RuntimeKind::Native, Budget::default()).unwrap());
            }
            _ => {}
        }
    }
    drop(view);
    let party = ada.party(&key);
    let mut view = party.open_view("all", RuntimeKind::Native, Budget::default()).unwrap();
    view.catch_up().unwrap();
    let oracle = party.database().watch(&[key], &Query::new(query).on(RuntimeKind::Naive)).unwrap();
    assert_eq!(rows_of(&view), rows_of(&oracle), "seed {seed}");
    rows(&*ada.store, Table("view_blocks"))
}

#[test]
fn a_view_that_goes_on_from_a_checkpoint_holds_what_one_made_anew_would() {
    let blocks: usize = (0..60).map(much_happens).sum();
    assert!(blocks >= 60, "each has a checkpoint");
}

/// Batches that don't concern a view are past when it is opened again, and what concerned it before them is not.
#[test]
fn what_does_not_concern_a_view_is_no_reason_to_forget_what_did() {
    let mut ada = Peer::new("Ada", 1);
    ada.set_limits(Limits { view_changes: 10, ..Limits::default() });
    let party = ada.database.create_party("Home").unwrap();
    let (key, root) = (party.key(), party.root());
    let below = "output below. below(i: I, p: P) :- item(id: I, parent: P).";
    let mut view = party.keep_view("below", &Query::new(below)).unwrap();
    let busy = |times: i64| (0..times).for_each(|time| assert!(party.set(root, "title", time).is_ok()));
    busy(12);
    view.catch_up().unwrap();
    assert_eq!(rows(&*ada.store, Table("epochs")), 0, "the checkpoint is past them");
    party.create_item(Object::NAME, None, None).unwrap();
    view.catch_up().unwrap();
    busy(12);
    view.catch_up().unwrap();
    drop((view, party));
    ada.reopen();
    let party = ada.party(&key);
    let mut view = party.open_view("below", RuntimeKind::Native, Budget::default()).unwrap();
    view.catch_up().unwrap();
    assert_eq!(view.rows("below").count(), 2);
}

/// A checkpoint is good for the models that it was made with: what others give no epoch says.
#[test]
fn a_view_follows_the_models_whatever_it_was_saved_with() {
    let query = r#"output total. total(is: T) :- attr(attribute: "total", value: T)."#;
    let opened = |ada: &Peer, key: &PublicKey| {
        let mut view = ada.party(key).open_view("t", RuntimeKind::Native, Budget::default()).unwrap();
        view.catch_up().unwrap();
        view.rows("total").map(|row| row[0].as_int().unwrap()).collect::<Vec<_>>()
    };
    let mut ada = Peer::new("Ada", 1);
    ada.set_limits(Limits { view_changes: 1, ..Limits::default() });
    ada.database.register_model(Folding::<Sum>::default());
    let key = ada.database.create_party("Home").unwrap().key();
    let sum = ada.party(&key).create_item("sum", None, None).unwrap();
    ada.party(&key).set(sum, "add", 2).unwrap();
    ada.reopen();
    let mut view = ada.party(&key).keep_view("t", &Query::new(query)).unwrap();
    view.catch_up().unwrap();
    assert_eq!(view.rows("total").count(), 0, "the model is not known");
    // It becomes known behind a batch that the view takes in.
    ada.party(&key).set(ItemId::root(&key), "title", 0).unwrap();
    ada.database.register_model(Folding::<Sum>::default());
    assert!(view.poll().unwrap().is_some());
    drop(view);
    ada.reopen();
    ada.database.register_model(Folding::<Sum>::default());
    assert_eq!(opened(&ada, &key), [2]);
    assert_eq!(opened(&ada, &key), [2], "from a checkpoint");
    ada.reopen();
    assert_eq!(opened(&ada, &key), [0; 0], "the model is not known again");
    ada.database.register_model(Folding::<Sum>::default());
    assert_eq!(opened(&ada, &key), [2]);
}

/// A row that is there twice goes when the second goes, and a checkpoint knows how often it is there.
#[test]
fn a_checkpoint_knows_what_is_there_twice() {
    let (mut ada, ben) = (Peer::new("Ada", 1), Peer::new("Ben", 2));
    let key = ada.database.create_party("Home").unwrap().key();
    ada.admit(&key, &ben, Role::Writer).unwrap();
    send(&ada.database, &ben.database, &key);
    let fact = Fact::new(ItemId::root(&key).entity(), "said".into(), 1, Vec::new()).unwrap();
    for party in [ada.party(&key), ben.party(&key)] {
        let mut transaction = party.transaction();
        transaction.state(party.root(), fact.clone());
        transaction.commit().unwrap();
    }
    send(&ben.database, &ada.database, &key);
    let said = "output said. said(v: V) :- fact(attribute: \"said\", value: V).";
    drop(ada.party(&key).keep_view("said", &Query::new(said)).unwrap());
    ada.reopen();
    let mut view = ada.party(&key).open_view("said", RuntimeKind::Native, Budget::default()).unwrap();
    ada.party(&key).remove_member(&ben.database.profile().identity, &Cut::Nothing).unwrap();
    view.catch_up().unwrap();
    assert_eq!(view.rows("said").count(), 1, "Ada says it, too");
}

/// Whether an item of rules is computed may depend on how its facts came, so nobody goes on from what views made of it.
#[test]
fn there_is_no_checkpoint_where_models_are_rules() {
    let ada = Peer::new("Ada", 1);
    let party = ada.database.create_party("Home").unwrap();
    let titles = Query::new("output t. t(is: T) :- attr(attribute: \"title\", value: T).");
    let entries = Query::new("output e. e(cid: C) :- entry(cid: C).");
    drop(party.keep_view("before", &titles).unwrap());
    assert_eq!(rows(&*ada.store, Table("view_checkpoints")), 1);
    let program = "output n. n(v: V) :- fact(attribute: \"amount\", value: V).";
    party.publish_model("few", &ModelBlock::new(program)).unwrap();
    drop(party.keep_view("titles", &titles).unwrap());
    assert_eq!(rows(&*ada.store, Table("view_checkpoints")), 1);
    drop(party.keep_view("entries", &entries).unwrap());
    assert_eq!(rows(&*ada.store, Table("view_checkpoints")), 2);
    let mut view = party.open_view("before", RuntimeKind::Native, Budget::default()).unwrap();
    view.catch_up().unwrap();
    assert_eq!(rows(&*ada.store, Table("view_checkpoints")), 1, "that of the entries");
}
