//! Opening a party: it costs what changed lately and what is touched, not what there is; whatever is lost of what
//! opening goes on from, the party is the same; and memory follows what is touched.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::{Peer, Remembering, assert_sound, copy_of, seal_key, send};
use motet::authority::Role;
use motet::fact::{PublicKey, Value};
use motet::item::{ItemId, Object};
use motet::{Cut, Database, Error, Limits, Parameters, Query, RuntimeKind};
use motet_algebra::Budget;
use motet_store::testing::FaultyMedium;
use motet_store::{
    Batch, DiskStore, MemoryMedium, MemoryStore, Options, ScanRange, Store, StoreError, Table,
};

/// A store that counts the rows that are read.
pub(crate) struct Counting {
    store: MemoryStore,
    rows: AtomicUsize,
}

impl Counting {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Counting { store: MemoryStore::new(), rows: AtomicUsize::new(0) })
    }

    /// The rows read since the last call.
    pub(crate) fn take(&self) -> usize {
        self.rows.swap(0, Ordering::Relaxed)
    }
}

impl Store for Counting {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.rows.fetch_add(1, Ordering::Relaxed);
        self.store.get(table, key)
    }

    fn scan(
        &self,
        table: Table,
        range: ScanRange,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.store.scan(table, range, &mut |key, value| {
            self.rows.fetch_add(1, Ordering::Relaxed);
            visit(key, value)
        })
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.store.commit(batch)
    }
}

pub(crate) const OFTEN: Limits = Limits {
    facts_in_memory: 100,
    parts_unsaved: 8,
    checkpoint_entries: 8,
    checkpoint_pages: 4,
    view_changes: 4,
    checkpoint_bytes: 1 << 20,
    parts_whole: 3,
};

/// A party in which something was said so often about each of so many items.
fn written(peer: &Peer, items: usize, times: usize) -> (PublicKey, Vec<ItemId>) {
    let party = peer.database.create_party("Home").unwrap();
    let items: Vec<ItemId> =
        (0..items).map(|_| party.create_item(Object::NAME, Some("note"), None).unwrap()).collect();
    for time in 0..times {
        for item in &items {
            party.set(*item, "title", time as i64).unwrap();
        }
    }
    (party.key(), items)
}

/// The rows that opening reads, and then one item, in a party with so much in it.
fn cost(items: usize, times: usize) -> (usize, usize) {
    let store = Counting::new();
    let mut peer = Peer::on(store.clone(), "Ada", 1);
    peer.set_limits(OFTEN);
    let (key, items) = written(&peer, items, times);
    store.take();
    peer.reopen();
    let opening = store.take();
    let party = peer.party(&key);
    assert!(party.status().opening.tail < 8 && !party.status().opening.from_scratch);
    store.take();
    party.item(items[0], |item| item.attributes(&items[0].entity())).unwrap();
    (opening, store.take())
}

#[test]
fn opening_reads_no_more_the_longer_the_history_is() {
    let (small, large) = (cost(5, 4), cost(40, 40));
    assert!(
        large.0 <= small.0 + 8 * 6, // so much more may be in the tail
        "{} rows of a party of 25 entries, {} of one of 1,640",
        small.0,
        large.0
    );
    // An item costs its own history alone.
    assert!(large.1 <= small.1 + 7 * 36, "{} rows of an item, {}", small.1, large.1);
}

/// The rows that are read to open a kept view of so many items, of which a few changed since it was closed.
fn cost_of_a_view(items: usize) -> usize {
    let store = Counting::new();
    let mut peer = Peer::on(store.clone(), "Ada", 1);
    peer.set_limits(Limits { view_changes: 16, ..OFTEN });
    let (key, items) = written(&peer, items, 3);
    let query = "output title. title(of: E, is: T) :- attr(entity: E, attribute: \"title\", value: T).
                 output most. most(t: M) :- M := max T : title(is: T).";
    let mut view = peer.party(&key).keep_view("titles", &Query::new(query)).unwrap();
    // Some epochs were taken in after its checkpoint, others come when it is closed.
    for time in 0..12 {
        peer.party(&key).set(items[time % 4], "title", 100 + time as i64).unwrap();
        if time < 6 {
            view.catch_up().unwrap();
        }
    }
    drop(view);
    peer.reopen();
    let party = peer.party(&key);
    store.take();
    let mut view = party.open_view("titles", RuntimeKind::Native, Budget::default()).unwrap();
    assert_eq!(view.rows("most").next(), Some(&vec![105.into()]), "it holds what it held");
    view.catch_up().unwrap();
    let cost = store.take();
    assert_eq!(view.rows("title").count(), items.len());
    assert_eq!(view.rows("most").next(), Some(&vec![111.into()]));
    cost
}

#[test]
fn opening_a_kept_view_reads_what_happened_since() {
    let (small, large) = (cost_of_a_view(5), cost_of_a_view(200));
    assert!(large <= small + 8, "{small} rows for 5 items, {large} for 200");
}

#[test]
fn memory_follows_what_is_touched() {
    let mut peer = Peer::new("Ada", 1);
    peer.set_limits(OFTEN);
    let (key, items) = written(&peer, 60, 2);
    peer.reopen();
    let party = peer.party(&key);
    let hash = party.state_hash().unwrap();
    assert!(party.loaded() < 20, "{} items are loaded", party.loaded());
    for item in &items {
        party.item(*item, |item| assert!(item.is_alive())).unwrap();
        assert!(party.loaded() < 20, "{} items are loaded", party.loaded());
    }
    {
        let query = "output n. n(n: N) :- N := count : item(model: \"object\").
                     output title. title(of: E, is: T) :- attr(entity: E, attribute: \"title\", value: T).";
        let mut view = party.watch(query, &Parameters::new()).unwrap();
        assert!(party.loaded() < 20, "{} items are loaded", party.loaded());
        // What changes is told, of an item that is not in memory as well; also one that only moved.
        party.create_item(Object::NAME, None, None).unwrap();
        let mut moved =
            party.watch("output hangs. hangs(i: I, p: P) :- item(id: I, parent: P).", &Parameters::new());
        let moved = moved.as_mut().unwrap();
        for (number, item) in items.iter().enumerate().skip(1) {
            party.set(*item, "title", number as i64 + 1_000).unwrap();
            party.move_item(*item, items[0]).unwrap();
            assert!(party.loaded() < 20, "{} items are loaded", party.loaded());
        }
        for view in [&mut view, moved] {
            view.catch_up().unwrap();
            assert!(party.loaded() < 20, "{} items are loaded", party.loaded());
        }
        assert_eq!(view.rows("n").next(), Some(&vec![62.into()]), "with the root");
        let title = |number: usize| -> Value { if number == 0 { 1 } else { number as i64 + 1_000 }.into() };
        for (number, item) in items.iter().enumerate() {
            assert!(view.rows("title").any(|row| *row == [(*item).into(), title(number)]), "item {number}");
        }
        let below = moved.rows("hangs").filter(|row| row[1] == items[0].into());
        assert_eq!(below.count(), 59);
    }
    party.set(items[0], "title", "nobody looks on").unwrap();
    party.items().unwrap();
    assert!(party.loaded() < 20, "{} items are loaded", party.loaded());
    assert_ne!(party.state_hash().unwrap(), hash);
    assert_sound(&party);
}

/// Removes rows of a table, or puts others in their place.
pub(crate) fn damage(store: &dyn Store, table: &'static str, with: Option<&[u8]>) -> usize {
    let mut batch = Batch::new();
    let mut count = 0;
    let mut each = |key: &[u8], _: &[u8]| {
        count += 1;
        match with {
            Some(bytes) => batch.put(Table(table), key, bytes),
            None => batch.delete(Table(table), key),
        }
        ControlFlow::Continue(())
    };
    store.scan(Table(table), ScanRange::all(), &mut each).unwrap();
    store.commit(batch).unwrap();
    count
}

#[test]
fn whatever_is_lost_of_a_checkpoint_the_party_is_the_same() {
    let mut peer = Peer::new("Ada", 1);
    peer.set_limits(OFTEN);
    let (key, items) = written(&peer, 7, 5);
    for table in ["checkpoints", "graph", "numbers", "saved_items"] {
        for with in [None, Some(&[0xff, 0xff][..])] {
            let hash = peer.party(&key).state_hash().unwrap();
            assert!(damage(&*peer.store, table, with) > 0, "{table} has rows");
            let opened = Database::open_on(peer.store.clone(), seal_key(), peer.world.clone());
            let opened = opened.and_then(|ada| ada.party(&key)?.state_hash().map(|hash| (ada, hash)));
            let (ada, found) = match opened {
                Ok(opened) => opened,
                Err(error) => {
                    // It was found out too late; the checkpoint is gone now.
                    assert!(error.to_string().contains("open the database again"), "{table}: {error}");
                    let ada = Database::open_on(peer.store.clone(), seal_key(), peer.world.clone()).unwrap();
                    let hash = ada.party(&key).unwrap().state_hash().unwrap();
                    (ada, hash)
                }
            };
            assert_eq!(found, hash, "{table}");
            ada.party(&key).unwrap().set(items[0], "title", "on").unwrap();
            assert_sound(&ada.party(&key).unwrap());
            peer.reopen();
            peer.party(&key).undo(items[0]).unwrap();
        }
    }
    peer.reopen();
    assert!(!peer.party(&key).status().opening.from_scratch);
    // A copy that has the entries and nothing of a checkpoint.
    let copy = copy_of(&*peer.store);
    let copied = Database::open_on(copy, seal_key(), Arc::new(Remembering::new(9))).unwrap();
    let copied = copied.party(&key).unwrap();
    assert!(copied.status().opening.from_scratch);
    assert_eq!(copied.state_hash().unwrap(), peer.party(&key).state_hash().unwrap());
}

fn disk(medium: Arc<dyn motet_store::Medium>) -> Result<Arc<dyn Store>, Error> {
    Ok(Arc::new(DiskStore::open_on(medium, Options { cache_bytes: 1 << 20, quick_recovery: true })?))
}

/// Ada's disk fails at its n-th operation while she makes checkpoint after checkpoint, and withdraws what Ben wrote.
fn live(medium: &FaultyMedium, told: &mut Option<PublicKey>) -> Result<(), Error> {
    let store = disk(Arc::new(medium.clone()))?;
    let ada = Database::create_on(store, seal_key(), "Ada", Arc::new(Remembering::new(1)))?;
    ada.set_limits(Limits { checkpoint_entries: 3, ..OFTEN });
    let party = ada.create_party("Home")?;
    let ben = Peer::new("Ben", 2);
    crate::common::admit(&ada, &party.key(), &ben.database, Role::Writer)?;
    send(&ada, &ben.database, &party.key());
    let bens = ben.party(&party.key());
    for n in 0..12 {
        bens.set(party.root(), "title", n)?;
    }
    for answer in ada.deliver(&party.key(), crate::common::everything(&ben.database, &party.key()))? {
        answer.unwrap();
    }
    *told = Some(party.key());
    party.remove_member(&ben.database.profile().identity, &Cut::Here)?;
    for n in 0..5 {
        party.set(party.root(), "title", n)?;
    }
    Ok(())
}

#[test]
fn a_crash_at_any_write_of_a_checkpoint_is_harmless() {
    for nth in 1.. {
        let (medium, mut told) = (FaultyMedium::default(), None);
        medium.fail_at(nth);
        let outcome = live(&medium, &mut told);
        assert!(outcome.is_ok() || medium.has_failed(), "operation {nth}: {outcome:?}");
        if let Some(key) = told {
            let store = disk(Arc::new(MemoryMedium::new(medium.after_crash(nth)))).unwrap();
            let ada = Database::open_on(store, seal_key(), Arc::new(Remembering::new(3))).unwrap();
            let party = ada.party(&key).unwrap();
            assert_sound(&party);
            crate::bound::assert_twins(&party, 3, &mut motet_store::testing::Chance(nth));
            ada.set_limits(OFTEN);
            party.set(party.root(), "title", "on").unwrap();
            assert_sound(&party);
        }
        if !medium.has_failed() {
            assert!(nth > 100, "only {nth} operations are no test");
            return;
        }
    }
}
