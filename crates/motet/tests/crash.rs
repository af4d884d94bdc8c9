//! A disk that fails at its n-th write, for every n: what was acknowledged is there, and the database goes
//! on.

use std::sync::Arc;

use crate::common::{Peer, Remembering, assert_sound, everything, linked, seal_key, send};
use motet::authority::{Denial, InvitationCode, Role};
use motet::fact::{Cid, PublicKey};
use motet::item::{ItemId, Object};
use motet::{Database, Error, Parameters};
use motet_feed::Entry;
use motet_store::testing::FaultyMedium;
use motet_store::{DiskStore, Medium, MemoryMedium, Options, Store, StoreError};

const OPTIONS: Options = Options { cache_bytes: 1 << 20, quick_recovery: true };

/// What the database said is done before its disk failed.
#[derive(Default)]
struct Acknowledged {
    party: Option<PublicKey>,
    entries: Vec<Cid>,
    item: Option<ItemId>,
    /// A member whose disk does not fail.
    ben: Option<Peer>,
    finished: bool,
}

fn found(store: Arc<dyn Store>, seed: u64) -> Result<Database, Error> {
    Database::create_on(store, seal_key(), "Ada", Arc::new(Remembering::new(seed)))
}

fn disk(medium: Arc<dyn Medium>) -> Result<Arc<dyn Store>, Error> {
    Ok(Arc::new(DiskStore::open_on(medium, OPTIONS)?))
}

/// What a guest hears of the host's disk.
fn as_said(error: Error) -> Error {
    match error {
        Error::Denied(Denial::Failed(_)) => Error::Store(StoreError::Poisoned),
        error => error,
    }
}

/// Ada's life on a failing disk. Ends at the first error.
fn live(medium: &FaultyMedium, seed: u64, told: &mut Acknowledged) -> Result<(), Error> {
    let ada = found(disk(Arc::new(medium.clone()))?, seed)?;
    let party = ada.create_party("Home")?;
    told.party = Some(party.key());
    let root = ItemId::root(&party.key());
    told.entries.push(party.set(root, "title", "one")?.entry);
    let item = party.create_item(Object::NAME, Some("note"), None)?;
    told.item = Some(item);

    let ben = Peer::new("Ben", seed + 1);
    let link = party.invite(Role::Writer, i64::MAX, Vec::new())?;
    ben.database.join(&InvitationCode::Link(link)).meet(&ada).map_err(as_said)?;
    let bens = ben.party(&party.key());
    send(&ada, &ben.database, &party.key());
    bens.set(item, "title", "Ben was here")?;
    let theirs = everything(&ben.database, &party.key());
    told.ben = Some(ben);

    let ids = theirs.iter().map(|bundle| Entry::decode(&bundle.entry).unwrap().id()).collect::<Vec<_>>();
    // Last first: all but the oldest have to wait on disk in between.
    for bundle in theirs.into_iter().rev() {
        ada.deliver(&party.key(), vec![bundle])?;
    }
    told.entries.extend(ids);
    let mut many = party.transaction();
    (0..50).for_each(|n| many.set(item, format!("attribute {n}"), n));
    told.entries.push(many.commit()?.entry);
    told.entries.push(party.move_item(item, root)?.entry);
    told.finished = true;
    Ok(())
}

/// Opens what the crash left, and goes on.
fn survive(image: Vec<u8>, told: &Acknowledged, seed: u64, story: &str) {
    let fail = |error: Error| -> ! { panic!("{story}: {error}") };
    let store = disk(Arc::new(MemoryMedium::new(image))).unwrap_or_else(|error| fail(error));
    let opened = Database::open_on(store, seal_key(), Arc::new(Remembering::new(seed + 1000)));
    let Some(key) = told.party else {
        // Nothing was promised. What is there is whole, or is nothing yet.
        for party in opened.iter().flat_map(Database::parties) {
            assert_eq!(party.name(), "Home", "{story}: a party without a genesis is nobody's");
            party.set(ItemId::root(&party.key()), "title", "on").unwrap_or_else(|error| fail(error));
        }
        return;
    };
    let ada = opened.unwrap_or_else(|error| fail(error));
    let party = ada.party(&key).unwrap_or_else(|error| fail(error));
    let here = linked(&ada, &key);
    assert!(told.entries.iter().all(|entry| here.contains(entry)), "{story}: an acknowledged entry is lost");
    assert_sound(&party);
    if let Some(item) = told.item {
        party.item_summary(item).unwrap_or_else(|error| fail(error));
    }
    party.set(ItemId::root(&key), "title", "and on").unwrap_or_else(|error| fail(error));
    if let Some(ben) = &told.ben {
        send(&ben.database, &ada, &key);
        send(&ada, &ben.database, &key);
        let (one, other) = (party.state_hash().unwrap(), ben.party(&key).state_hash().unwrap());
        assert_eq!(one, other, "{story}: they don't converge");
        assert_eq!(party.waiting(), 0, "{story}");
    }
    assert_sound(&party);
}

#[test]
fn whatever_write_fails_what_was_acknowledged_is_there() {
    for nth in 1.. {
        let medium = FaultyMedium::default();
        medium.fail_at(nth);
        let mut told = Acknowledged::default();
        let outcome = live(&medium, nth, &mut told);
        let story = format!("operation {nth}");
        match &outcome {
            Ok(()) => assert!(told.finished),
            Err(error) => assert!(matches!(error, Error::Store(_)), "{story}: {error}"),
        }
        survive(medium.after_crash(nth), &told, nth, &story);
        if !medium.has_failed() {
            assert!(nth > 100, "only {nth} operations are no test");
            return;
        }
    }
}

/// A database whose disk has failed says so at each call, and its views stay as they are.
#[test]
fn a_failed_disk_is_an_error_and_no_panic() {
    let medium = FaultyMedium::default();
    let ada = found(disk(Arc::new(medium.clone())).unwrap(), 1).unwrap();
    let party = ada.create_party("Home").unwrap();
    let root = ItemId::root(&party.key());
    let query = "output title. title(is: T) :- attr(attribute: \"title\", value: T).";
    let mut view = party.watch(query, &Parameters::new()).unwrap();
    party.set(root, "title", "one").unwrap();
    medium.fail_at(1);
    for _ in 0..3 {
        assert!(matches!(party.set(root, "title", "two"), Err(Error::Store(_))));
        assert!(matches!(party.create_item(Object::NAME, None, None), Err(Error::Store(_))));
        assert!(matches!(ada.create_party("Another"), Err(Error::Store(_))));
        assert!(matches!(party.invite(Role::Writer, 0, Vec::new()), Err(Error::Store(_))));
    }
    view.catch_up().unwrap();
    let titles: Vec<_> = view.rows("title").map(|row| row[0].as_text().unwrap().to_owned()).collect();
    assert_eq!(titles, ["one"], "a view shows only what is durable");
}
