//! Much that ceases to count at once: it goes little by little, shows how far it is, and survives a crash in the middle
//! (H13).

use crate::common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::{Peer, Remembering, admit, assert_sound, everything, seal_key, send};
use motet::authority::Role;
use motet::fact::{Fact, PublicKey};
use motet::item::{Facts, ItemId};
use motet::withdrawal::Progress;
use motet::{Cut, Database, Error, Limits, Parameters, Party, Query, RuntimeKind, View};
use motet_algebra::Budget;
use motet_store::testing::FaultyMedium;
use motet_store::{DiskStore, MemoryMedium, Options, Store, Table};

const COUNT: &str = "output n. n(n: N) :- N := count V : fact(attribute: \"said\", value: V).";

/// Ada, and Ben, who wrote many entries of some facts each, in several items.
fn much(entries: i64, facts: i64) -> (Peer, Peer, PublicKey) {
    let (ada, ben) = (Peer::new("Ada", 1), Peer::new("Ben", 2));
    let party = write_much(&ada.database, &ben, entries, facts).unwrap();
    (ada, ben, party)
}

fn write_much(ada: &Database, ben: &Peer, entries: i64, facts: i64) -> Result<PublicKey, Error> {
    let party = ada.create_party("Home")?;
    let key = party.key();
    let bens = admit(ada, &key, &ben.database, Role::Writer)?;
    send(ada, &ben.database, &key);
    let items = [0, 1, 2].map(|_| bens.create_item(Facts::NAME, None, None));
    let items = items.into_iter().collect::<Result<Vec<ItemId>, Error>>()?;
    let entry = |number: i64| {
        let item = items[number as usize % items.len()];
        let mut transaction = bens.transaction();
        for fact in 0..facts {
            let value = number * facts + fact;
            transaction.state(item, Fact::new(item.entity(), "said".into(), value, Vec::new()).unwrap());
        }
        transaction
    };
    bens.commit_all((0..entries).map(entry).collect())?;
    for answer in ada.deliver(&key, everything(&ben.database, &key))? {
        answer.unwrap();
    }
    Ok(key)
}

fn watch(party: &Party) -> View {
    party.watch_on("count", COUNT, &Parameters::new(), RuntimeKind::Naive, Budget::default()).unwrap()
}

fn count(view: &mut View) -> i64 {
    view.catch_up().unwrap();
    let rows: Vec<i64> = view.rows("n").map(|row| row[0].as_int().unwrap()).collect();
    rows[0]
}

#[test]
fn much_is_withdrawn_in_steps_and_comes_back_in_steps() {
    let (mut ada, ben, key) = much(1_800, 3);
    let party = ada.party(&key);
    let mut view = watch(&party);
    assert_eq!(count(&mut view), 5_400);
    // Somebody looks on meanwhile.
    let over = Arc::new(AtomicBool::new(false));
    let looker = std::thread::spawn({
        let (party, over) = (party.clone(), Arc::clone(&over));
        move || {
            let mut seen: Vec<Progress> = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let progress = party.status().withdrawing;
                seen.extend(progress.filter(|progress| seen.last() != Some(progress)));
            }
            seen
        }
    });
    let identity = ben.database.profile().identity;
    party.remove_member(&identity, &Cut::Nothing).unwrap();
    over.store(true, Ordering::Relaxed);
    let seen = looker.join().unwrap();
    assert!(seen.iter().all(|progress| progress.total == 1_803 && progress.done <= 1_803), "{seen:?}");
    assert!(seen.is_sorted_by_key(|progress| progress.done));
    assert!(party.status().withdrawing.is_none());
    assert!(view.epoch() < 2, "nothing was taken out of the queue yet");
    assert_eq!(count(&mut view), 0);
    assert!(view.epoch() >= 3, "each step is an epoch: {}", view.epoch());
    let hash = party.state_hash().unwrap();
    assert_sound(&party);
    ada.reopen();
    assert_eq!(ada.party(&key).state_hash().unwrap(), hash);
    assert_eq!(common::rows(&*ada.store, Table("withdrawals")), 0);

    // The other way round: whoever removed Ben is removed itself, before it did.
    let (ada, ben, key) = much(1_200, 1);
    let cleo = Peer::new("Cleo", 3);
    ada.admit(&key, &cleo, Role::Admin).unwrap();
    send(&ada.database, &cleo.database, &key);
    send(&ben.database, &cleo.database, &key);
    let before = ada.party(&key).state_hash().unwrap();
    let mut view = watch(&ada.party(&key));
    cleo.party(&key).remove_member(&ben.database.profile().identity, &Cut::Nothing).unwrap();
    send(&cleo.database, &ada.database, &key);
    assert_eq!(count(&mut view), 0);
    ada.party(&key).remove_member(&cleo.database.profile().identity, &Cut::Nothing).unwrap();
    assert_eq!(count(&mut view), 1_200, "what Cleo did is undone");
    assert_ne!(ada.party(&key).state_hash().unwrap(), before, "Cleo is gone");
    assert_sound(&ada.party(&key));
}

/// Whoever reads in the middle of it makes items leave memory and come back: views hear of each entry once.
#[test]
fn items_that_leave_memory_meanwhile_are_what_views_were_told() {
    let (mut ada, ben, key) = much(3_000, 1);
    ada.set_limits(Limits { facts_in_memory: 0, parts_unsaved: usize::MAX, ..Limits::default() });
    let party = ada.party(&key);
    let ids = party.item_ids().unwrap();
    let mut view = watch(&party);
    let over = Arc::new(AtomicBool::new(false));
    let reader = std::thread::spawn({
        let (party, over) = (party.clone(), Arc::clone(&over));
        move || {
            let mut reads = 0;
            while !over.load(Ordering::Relaxed) {
                ids.iter().for_each(|id| party.item(*id, |_| ()).unwrap());
                reads += 1;
            }
            reads
        }
    });
    party.remove_member(&ben.database.profile().identity, &Cut::Nothing).unwrap();
    over.store(true, Ordering::Relaxed);
    assert!(reader.join().unwrap() > 0);
    assert_eq!(count(&mut view), 0);
    assert_sound(&party);
}

/// What a checkpoint says that came in the middle of a withdrawal is no more than half of it.
#[test]
fn what_a_checkpoint_saw_half_withdrawn_is_withdrawn() {
    let (mut ada, ben, key) = much(1_800, 1);
    ada.set_limits(Limits { checkpoint_entries: 1, checkpoint_pages: 1, ..Limits::default() });
    ada.party(&key).remove_member(&ben.database.profile().identity, &Cut::Nothing).unwrap();
    let hash = ada.party(&key).state_hash().unwrap();
    ada.reopen();
    assert!(!ada.party(&key).status().opening.from_scratch);
    assert_eq!(ada.party(&key).state_hash().unwrap(), hash);
    assert_sound(&ada.party(&key));
}

/// Whether a kept view is open or not when much is withdrawn: to it that is one epoch, and it sees it once.
#[test]
fn to_a_kept_view_a_withdrawal_is_one_epoch() {
    for is_open in [true, false] {
        let (ada, ben, key) = much(1_200, 1);
        let party = ada.party(&key);
        let mut view = party.keep_view("count", &Query::new(COUNT).on(RuntimeKind::Naive)).unwrap();
        assert_eq!(count(&mut view), 1_200);
        let before = view.epoch();
        let view = Some(view).filter(|_| is_open);
        party.remove_member(&ben.database.profile().identity, &Cut::Nothing).unwrap();
        assert!(party.status().withdrawing.is_none());
        assert_eq!(party.kept_views().unwrap()[0].behind, 1);
        let mut view =
            view.unwrap_or_else(|| party.open_view("count", RuntimeKind::Native, Budget::default()).unwrap());
        assert_eq!(view.rows("n").next().unwrap()[0].as_int(), Some(1_200), "it holds what it held");
        assert_eq!(count(&mut view), 0);
        assert_eq!(view.epoch(), before + 1);
        assert_sound(&party);
    }
}

const OPTIONS: Options = Options { cache_bytes: 1 << 20, quick_recovery: true };

/// A withdrawal on a disk that fails at its n-th write, for many n.
#[test]
fn a_crash_in_the_middle_of_a_withdrawal_loses_nothing() {
    let prepare = |seed: u64| {
        let medium = FaultyMedium::default();
        let store: Arc<dyn Store> = Arc::new(DiskStore::open_on(Arc::new(medium.clone()), OPTIONS).unwrap());
        let world = Arc::new(Remembering::new(seed));
        let ada = Database::create_on(store, seal_key(), "Ada", world).unwrap();
        let ben = Peer::new("Ben", seed + 1);
        let key = write_much(&ada, &ben, 1_300, 1).unwrap();
        (medium, ada, ben, key)
    };
    let mut failures = 0;
    for nth in (1..).step_by(3) {
        let (medium, ada, ben, key) = prepare(nth);
        let party = ada.party(&key).unwrap();
        let mut view = watch(&party);
        medium.fail_at(nth);
        let outcome = party.remove_member(&ben.database.profile().identity, &Cut::Nothing);
        if let Err(error) = &outcome {
            assert!(matches!(error, Error::Store(_)), "write {nth}: {error}");
            failures += 1;
        }
        view.catch_up().unwrap();
        drop((view, party, ada));
        let store =
            DiskStore::open_on(Arc::new(MemoryMedium::new(medium.after_crash(nth))), OPTIONS).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let ada =
            Database::open_on(store.clone(), seal_key(), Arc::new(Remembering::new(nth + 9000))).unwrap();
        let party = ada.party(&key).unwrap();
        let gone = party.members()[&ben.database.profile().identity].until.is_some();
        assert!(gone || outcome.is_err(), "write {nth}: what was acknowledged is there");
        assert_eq!(count(&mut watch(&party)), if gone { 0 } else { 1_300 }, "write {nth}");
        assert!(party.status().withdrawing.is_none());
        assert_eq!(common::rows(&*store, Table("withdrawals")), 0);
        assert_sound(&party);
        // It goes on, and agrees with who saw all of it.
        if !gone {
            party.remove_member(&ben.database.profile().identity, &Cut::Nothing).unwrap();
        }
        let fresh = Peer::new("Fresh", nth + 5000);
        party.set(ItemId::root(&key), "title", "on").unwrap();
        admit(&ada, &key, &fresh.database, Role::Reader).unwrap();
        send(&ada, &fresh.database, &key);
        assert_eq!(fresh.party(&key).state_hash().unwrap(), party.state_hash().unwrap(), "write {nth}");
        if !medium.has_failed() {
            assert!(failures > 3, "only {failures} failures are no test");
            return;
        }
    }
}
