//! The devices of one owner: linked, recovered, and one household from then on.

use crate::common;

use std::sync::Arc;

use crate::common::{Peer, Remembering, assert_sound, converse, seal_key, talk_all};
use motet::authority::{Denial, InvitationCode, Role};
use motet::fact::{Phrase, PublicKey, Value};
use motet::item::{ItemId, Object};
use motet::{Cut, Database, Error, Linking, ModelBlock, PartyStanding};
use motet_store::{MemoryStore, Store};

/// A new device of a holder's owner, by words read aloud.
fn link(holder: &Database, name: &str, seed: u64) -> Peer {
    link_on(Arc::new(MemoryStore::new()), holder, name, seed).unwrap()
}

fn link_on(store: Arc<dyn Store>, holder: &Database, name: &str, seed: u64) -> Result<Peer, Error> {
    let world = Arc::new(Remembering::new(seed));
    let words = holder.link_device_by_words(i64::MAX)?;
    let linking = Linking::begin_on(store.clone(), seal_key(), name, world.clone())?;
    linking.join(&InvitationCode::Words(words)).meet(holder)?;
    let database = linking.finish()?;
    Ok(Peer { store, world, database, limits: motet::Limits::default() })
}

/// A new device of an identity, by its phrase alone.
fn recover(phrase: &Phrase, seed: u64) -> Peer {
    let (store, world) = (Arc::new(MemoryStore::new()), Arc::new(Remembering::new(seed)));
    let database = Database::recover_on(store.clone(), seal_key(), "me", phrase, world.clone()).unwrap();
    Peer { store, world, database, limits: motet::Limits::default() }
}

fn titles(database: &Database) -> Vec<String> {
    database.parties().iter().map(motet::Party::name).collect()
}

fn title(database: &Database, party: &PublicKey, item: ItemId) -> Option<String> {
    let read = |item: &motet::item::Item| item.attributes(&item.id().entity());
    let attributes = database.party(party).unwrap().item(item, read).ok()?;
    attributes.get(&"title".into()).and_then(|title| title.as_text()).map(str::to_owned)
}

/// EC-45: what there was appears on a new device, what comes later too, and what it writes comes back.
#[test]
fn a_linked_device_has_what_its_owner_has() {
    let ada = Peer::new("Ada", 1);
    let home = ada.database.create_party("Home").unwrap();
    let note = home.create_item(Object::NAME, Some("note"), None).unwrap();
    home.set(note, "title", "Milk").unwrap();
    ada.database.set_preference("colour", Some(Value::text("blue")), false).unwrap();

    let phone = link(&ada.database, "phone", 2);
    let profile = phone.database.profile();
    assert_eq!(profile.identity, ada.database.profile().identity);
    assert_eq!(profile.name, "Ada");
    assert_eq!(profile.recovery, ada.database.profile().recovery);
    assert_ne!(profile.device, ada.database.profile().device);
    converse(&ada.database, &phone.database);
    converse(&ada.database, &phone.database);
    assert_eq!(titles(&phone.database), ["Home"]);
    assert_eq!(title(&phone.database, &home.key(), note).as_deref(), Some("Milk"));
    assert_eq!(phone.database.preference("colour").unwrap(), Some(Value::text("blue")));
    let names: Vec<String> =
        ada.database.own_devices().unwrap().into_values().map(|device| device.name).collect();
    assert!(names.contains(&"phone".to_owned()), "{names:?}");

    // A party that the first device founds later, one that the second founds, and items both ways.
    let later = ada.database.create_party("Later").unwrap();
    let own = phone.database.create_party("Phone's").unwrap();
    phone.party(&home.key()).set(note, "title", "Milk, eggs").unwrap();
    talk_all(&[&ada.database, &phone.database]);
    for database in [&ada.database, &phone.database] {
        let mut names = titles(database);
        names.sort();
        assert_eq!(names, ["Home", "Later", "Phone's"]);
        assert_eq!(title(database, &home.key(), note).as_deref(), Some("Milk, eggs"));
        for party in [home.key(), later.key(), own.key()] {
            let party = database.party(&party).unwrap();
            assert_eq!(party.own_role(), Some(Role::Admin));
            assert_eq!(party.members().len(), 1, "two devices are one member");
            assert_sound(&party);
        }
        assert_eq!(database.contacts().unwrap().len(), 0);
        assert_eq!(database.troubles(), Vec::<String>::new());
    }
    later.set(later.root(), "colour", "red").unwrap();
    talk_all(&[&ada.database, &phone.database]);
    assert_eq!(
        later.state_hash().unwrap(),
        phone.party(&later.key()).state_hash().unwrap(),
        "they are replicas"
    );
}

/// EC-46: the words alone make a device of the identity, which finds the others when it meets one of them.
#[test]
fn a_device_recovered_from_the_phrase_has_what_its_owner_has() {
    let ada = Peer::new("Ada", 1);
    let home = ada.database.create_party("Home").unwrap();
    let note = home.create_item(Object::NAME, Some("note"), None).unwrap();
    home.set(note, "title", "Milk").unwrap();
    let phrase = ada.database.phrase().unwrap().unwrap();

    let mut found = recover(&phrase.words().parse().unwrap(), 2);
    assert_eq!(found.database.profile().identity, ada.database.profile().identity);
    // It is whole before it has met anybody.
    let alone = found.database.create_party("Alone").unwrap();
    assert_eq!(alone.own_role(), Some(Role::Admin));
    converse(&ada.database, &found.database);
    assert_eq!(titles(&found.database), ["Alone"], "nobody tells a stranger anything");

    found.database.claim().meet(&ada.database).unwrap();
    talk_all(&[&ada.database, &found.database]);
    for database in [&ada.database, &found.database] {
        let mut names = titles(database);
        names.sort();
        assert_eq!(names, ["Alone", "Home"]);
        assert_eq!(title(database, &home.key(), note).as_deref(), Some("Milk"));
        assert_eq!(database.own_devices().unwrap().len(), 2);
        assert_eq!(database.troubles(), Vec::<String>::new());
    }
    found.party(&home.key()).set(note, "title", "found").unwrap();
    talk_all(&[&ada.database, &found.database]);
    assert_eq!(title(&ada.database, &home.key(), note).as_deref(), Some("found"));
    assert_sound(&ada.database.identity_party());
    found.reopen();
    assert_eq!(found.database.profile().name, "Ada");
}

/// EC-47: two owners with two devices each, one linked by a code and one recovered from the phrase.
#[test]
fn two_owners_with_two_devices_each_are_one_party() {
    let (ada, ben) = (Peer::new("Ada", 1), Peer::new("Ben", 2));
    let tablet = link(&ada.database, "tablet", 3);
    let spare = recover(&ben.database.phrase().unwrap().unwrap(), 4);
    spare.database.claim().meet(&ben.database).unwrap();
    let all = [&ada.database, &tablet.database, &ben.database, &spare.database];
    talk_all(&all);

    // The linked device founds, the first one invites, the recovered one joins.
    let home = tablet.database.create_party("Home").unwrap().key();
    talk_all(&all[..2]);
    let words = ada.party(&home).invite_by_words(Role::Writer, i64::MAX).unwrap();
    spare.database.join(&InvitationCode::Words(words)).meet(&ada.database).unwrap();
    talk_all(&all);
    let note = ada.party(&home).create_item(Object::NAME, Some("note"), None).unwrap();
    talk_all(&all);

    // All four write while nobody hears anybody.
    for (number, database) in all.iter().enumerate() {
        let party = database.party(&home).unwrap();
        party.set(note, format!("line {number}"), number as i64).unwrap();
        party.set(note, "title", database.profile().device.to_string()).unwrap();
    }
    talk_all(&all);
    let hash = ada.party(&home).state_hash().unwrap();
    let seen = title(&ada.database, &home, note);
    for database in all {
        let party = database.party(&home).unwrap();
        assert_eq!(party.state_hash().unwrap(), hash, "{}", database.profile().name);
        assert_eq!(title(database, &home, note), seen);
        assert_eq!(party.item(note, |item| item.attributes(&note.entity()).len()).unwrap(), 5);
        assert_eq!((party.members().len(), party.devices().len()), (2, 4));
        assert_eq!(party.name(), "Home");
        assert_sound(&party);
        assert_eq!(database.troubles(), Vec::<String>::new());
    }
    // EC-48: each side lists exactly the other, on both its devices.
    for (database, other) in [(all[0], &ben), (all[1], &ben), (all[2], &ada), (all[3], &ada)] {
        let profile = other.database.profile();
        let contacts = database.contacts().unwrap();
        assert_eq!(contacts.keys().collect::<Vec<_>>(), [&profile.identity]);
        assert_eq!(
            contacts[&profile.identity],
            if other.database.profile().name == "Ben" { "me" } else { "Ada" }
        );
    }
}

/// The properties of an item.
fn names(peer: &Peer, party: &PublicKey, item: ItemId) -> Vec<String> {
    let read = |it: &motet::item::Item| it.attributes(&item.entity());
    let attributes = peer.party(party).item(item, read).unwrap();
    attributes.into_keys().filter_map(|name| Some(name.as_text()?.to_owned())).collect()
}

/// EC-47: a device is removed by another of its owner while it is offline and writes. Parties that the remover has not
/// open are seen to by another device.
#[test]
fn a_device_that_is_removed_while_it_writes_counts_up_to_the_cut() {
    let (ada, ben) = (Peer::new("Ada", 1), Peer::new("Ben", 2));
    let mut tablet = link(&ada.database, "tablet", 3);
    let phone = link(&ada.database, "phone", 4);
    let home = ben.database.create_party("Home").unwrap().key();
    let own = ada.database.create_party("Ada's own").unwrap().key();
    ben.admit(&home, &ada, Role::Writer).unwrap();
    talk_all(&[&ada.database, &tablet.database, &phone.database, &ben.database]);
    let note = ben.party(&home).create_item(Object::NAME, Some("note"), None).unwrap();
    tablet.party(&home).set(note, "seen", true).unwrap();
    talk_all(&[&ada.database, &tablet.database, &phone.database, &ben.database]);

    // All four write offline; Ada's first device, which has closed one of the parties, removes the tablet.
    for (who, peer) in [("ada", &ada), ("tablet", &tablet), ("phone", &phone), ("ben", &ben)] {
        peer.party(&home).set(note, who, true).unwrap();
    }
    let root = ItemId::root(&own);
    tablet.party(&own).set(root, "tablet", true).unwrap();
    ada.database.close_party(&own).unwrap();
    let device = tablet.database.profile().device;
    let not_here = ada.database.remove_own_device(&ada.database.profile().device, &Cut::Here);
    assert!(matches!(not_here, Err(Error::NotAllowed { .. })));
    let removals = ada.database.remove_own_device(&device, &Cut::Here).unwrap();
    let identity = ada.database.profile().identity;
    assert_eq!(removals.keys().copied().collect::<Vec<_>>(), {
        let mut parties = [identity, home];
        parties.sort();
        parties
    });
    talk_all(&[&ada.database, &phone.database, &ben.database]);
    talk_all(&[&ada.database, &tablet.database, &phone.database, &ben.database]);

    let hash = ada.party(&home).state_hash().unwrap();
    for peer in [&ada, &phone, &ben] {
        assert_eq!(names(peer, &home, note), ["ada", "ben", "phone", "seen"]);
        assert_eq!(peer.party(&home).state_hash().unwrap(), hash);
        assert_eq!(peer.party(&home).devices().values().filter(|device| device.until.is_none()).count(), 3);
        assert_sound(&peer.party(&home));
        assert_eq!(peer.database.troubles(), Vec::<String>::new());
    }
    for peer in [&ada, &phone] {
        assert!(!peer.database.own_devices().unwrap()[&device].counted);
        assert_sound(&peer.database.identity_party());
    }
    let there = &phone.party(&own).devices()[&device];
    assert!(
        there.until.is_some(),
        "the phone has removed it from the party that Ada's first device has closed"
    );
    assert_eq!(names(&phone, &own, root), Vec::<String>::new());

    // The tablet is told, and goes on with nothing.
    assert_eq!(names(&tablet, &home, note), ["seen"]);
    assert_eq!(tablet.party(&home).status().own_uncounted.len(), 1);
    for party in [home, own] {
        let refused = tablet.party(&party).set(ItemId::root(&party), "more", true).unwrap_err().to_string();
        assert!(refused.contains("removed this device"), "{refused}");
    }
    assert!(tablet.database.set_preference("colour", None, false).is_err());
    tablet.reopen();
    let later = ada.database.create_party("Later").unwrap().key();
    talk_all(&[&ada.database, &tablet.database, &phone.database, &ben.database]);
    assert!(tablet.database.party(&later).is_err());
    assert!(tablet.database.claim().meet(&ada.database).is_err(), "its certificate does not bring it back");
    assert!(tablet.database.claim().meet(&ben.database).is_err(), "nowhere");
    assert_eq!(phone.party(&later).name(), "Later");
}

#[test]
fn contacts_have_the_names_their_owner_gives_them() {
    let (ada, ben) = (Peer::new("Ada", 1), Peer::new("Ben", 2));
    let tablet = link(&ada.database, "tablet", 3);
    let home = ada.database.create_party("Home").unwrap().key();
    let id = ben.database.profile().identity;
    assert_eq!(ada.database.contacts().unwrap().len(), 0);
    ada.admit(&home, &ben, Role::Writer).unwrap();
    assert_eq!(ada.database.contacts().unwrap()[&id], "Ben");
    converse(&ada.database, &ben.database);
    assert_eq!(ben.database.contacts().unwrap()[&ada.database.profile().identity], "Ada");

    ada.database.name_contact(&id, "Benjamin").unwrap();
    talk_all(&[&ada.database, &tablet.database, &ben.database]);
    assert_eq!(tablet.database.contacts().unwrap()[&id], "Benjamin");
    tablet.database.remove_contact(&id).unwrap();
    talk_all(&[&ada.database, &tablet.database, &ben.database]);
    for database in [&ada.database, &tablet.database] {
        assert_eq!(database.contacts().unwrap().len(), 0, "a shared party does not bring it back");
    }
    // Whom an import writes for is nobody's contact.
    ada.party(&home).enrol(&["Grace".to_owned()]).unwrap();
    talk_all(&[&ada.database, &tablet.database, &ben.database]);
    assert_eq!(ben.database.contacts().unwrap().len(), 1);
}

#[test]
fn preferences_hold_for_all_devices_or_for_one() {
    let ada = Peer::new("Ada", 1);
    let mut tablet = link(&ada.database, "tablet", 2);
    let text = |text: &str| Some(Value::text(text));
    converse(&ada.database, &tablet.database); // before that it knows nothing of its own admission
    ada.database.set_preference("colour", text("blue"), false).unwrap();
    tablet.database.set_preference("colour", text("red"), true).unwrap();
    tablet.database.set_preference("size", Some(Value::Int(3)), false).unwrap();
    talk_all(&[&ada.database, &tablet.database]);
    tablet.reopen();
    let of = |peer: &Peer, name: &str| peer.database.preference(name).unwrap();
    assert_eq!((of(&ada, "colour"), of(&tablet, "colour")), (text("blue"), text("red")));
    assert_eq!((of(&ada, "size"), of(&tablet, "size")), (Some(Value::Int(3)), Some(Value::Int(3))));
    tablet.database.set_preference("colour", None, true).unwrap();
    assert_eq!(of(&tablet, "colour"), text("blue"), "its own is gone, that for all holds");
    ada.database.set_preference("colour", None, false).unwrap();
    talk_all(&[&ada.database, &tablet.database]);
    assert_eq!((of(&ada, "colour"), of(&tablet, "colour")), (None, None));
    assert_eq!(tablet.database.preferences().unwrap().0.len(), 0);
}

/// Two devices that add one contact, or make one choice, at once have said one thing.
#[test]
fn what_two_devices_say_at_once_is_said_once() {
    let ada = Peer::new("Ada", 1);
    let tablet = link(&ada.database, "tablet", 2);
    let id = Peer::new("Ben", 9).database.profile().identity;
    talk_all(&[&ada.database, &tablet.database]);
    ada.database.name_contact(&id, "Ben").unwrap();
    tablet.database.name_contact(&id, "Benjamin").unwrap();
    ada.database.set_preference("colour", Some(Value::text("blue")), false).unwrap();
    tablet.database.set_preference("colour", Some(Value::text("red")), false).unwrap();
    talk_all(&[&ada.database, &tablet.database]);
    assert_eq!(ada.database.contacts().unwrap().len(), 1);
    assert_eq!(ada.database.contacts().unwrap(), tablet.database.contacts().unwrap());
    assert_eq!(ada.database.preference("colour").unwrap(), tablet.database.preference("colour").unwrap());
    assert_eq!(
        ada.database.identity_party().state_hash().unwrap(),
        tablet.database.identity_party().state_hash().unwrap()
    );
}

/// EC-25: the phrase is the identity; who does not hold it links nobody, and a wrong one is told apart.
#[test]
fn only_a_holder_of_the_phrase_links_devices() {
    let mut ada = Peer::new("Ada", 1);
    let mut tablet = link(&ada.database, "tablet", 2);
    assert!(tablet.database.phrase().unwrap().is_none());
    assert!(matches!(tablet.database.link_device_by_words(i64::MAX), Err(Error::NotHolder)));
    assert!(matches!(tablet.database.link_device(i64::MAX, Vec::new()), Err(Error::NotHolder)));
    let theirs = Phrase::from_entropy([5; 32]);
    assert!(matches!(tablet.database.hold_phrase(&theirs), Err(Error::OtherIdentity { .. })));

    let phrase = ada.database.phrase().unwrap().unwrap();
    tablet.database.hold_phrase(&phrase).unwrap();
    tablet.reopen();
    talk_all(&[&ada.database, &tablet.database]);
    let third = link(&tablet.database, "third", 3);
    ada.database.forget_phrase().unwrap();
    ada.reopen();
    assert!(matches!(ada.database.forget_phrase(), Err(Error::NotHolder)));
    assert!(matches!(link_on(Arc::new(MemoryStore::new()), &ada.database, "x", 4), Err(Error::NotHolder)));
    // A device that forgot the phrase is one like any other.
    talk_all(&[&ada.database, &tablet.database, &third.database]);
    ada.database.create_party("Home").unwrap();
    talk_all(&[&ada.database, &tablet.database, &third.database]);
    assert_eq!(titles(&third.database), ["Home"]);
}

/// A code for a person is none for a device, and the other way round; either says what to do.
#[test]
fn codes_are_for_what_they_are_for() {
    let (ada, ben) = (Peer::new("Ada", 1), Peer::new("Ben", 2));
    let home = ada.database.create_party("Home").unwrap();
    let for_people = InvitationCode::Link(home.invite(Role::Writer, i64::MAX, Vec::new()).unwrap());
    let for_devices = InvitationCode::Link(ada.database.link_device(i64::MAX, Vec::new()).unwrap());
    let refused = ben.database.join(&for_devices).meet(&ada.database).unwrap_err();
    assert!(refused.to_string().contains("motet init --link"), "{refused}");
    let world = Arc::new(Remembering::new(3));
    let linking = Linking::begin_on(Arc::new(MemoryStore::new()), seal_key(), "x", world).unwrap();
    let refused = linking.join(&for_people).meet(&ada.database).unwrap_err();
    assert!(refused.to_string().contains("motet join"), "{refused}");
    assert!(matches!(linking.finish(), Err(Error::Invitation(_))), "it was not linked");
    // Neither was used up by that.
    ben.database.join(&for_people).meet(&ada.database).unwrap();
    let denied = ben.database.claim().meet(&Peer::new("Cleo", 4).database).unwrap_err();
    assert!(matches!(denied, Error::Denied(Denial::NothingForYou)));
}

// Parties: open, closed, active, paused.

/// EC-49, EC-50, EC-53.
#[test]
fn a_party_is_active_everywhere_or_on_some_devices() {
    let ada = Peer::new("Ada", 1);
    let mut tablet = link(&ada.database, "tablet", 2);
    let home = ada.database.create_party("Home").unwrap();
    let key = home.key();
    home.set_title("The house").unwrap();
    let note = home.create_item(Object::NAME, Some("note"), None).unwrap();
    home.set(note, "title", "Milk").unwrap();
    let sync = |tablet: &Peer| talk_all(&[&ada.database, &tablet.database]);
    sync(&tablet);
    let open =
        |tablet: &Peer| [&ada.database, &tablet.database].map(|database| database.parties().len() == 1);
    assert_eq!(open(&tablet), [true, true]);

    // On one device alone.
    ada.database.deactivate_party(&key, false).unwrap();
    sync(&tablet);
    assert_eq!(open(&tablet), [false, true]);
    assert!(matches!(ada.database.party(&key), Err(Error::PartyInactive(_))));
    assert!(matches!(ada.database.open_party(&key), Err(Error::PartyInactive(_))));
    assert_eq!(ada.database.title_of(&key).unwrap().as_deref(), Some("The house"));
    let info = &ada.database.party_list().unwrap()[0];
    assert_eq!(
        (info.title.as_str(), info.open, info.standing),
        ("The house", false, PartyStanding::Inactive)
    );
    assert_eq!(info.everywhere, PartyStanding::Active);

    // Everywhere: on the other device too, and both come back with all they had.
    ada.database.deactivate_party(&key, true).unwrap();
    sync(&tablet);
    assert_eq!(open(&tablet), [false, false]);
    assert_eq!(tablet.database.title_of(&key).unwrap().as_deref(), Some("The house"));
    tablet.reopen();
    assert_eq!(open(&tablet), [false, false]);
    tablet.database.activate_party(&key, true).unwrap();
    sync(&tablet);
    assert_eq!(open(&tablet), [true, true]);
    for database in [&ada.database, &tablet.database] {
        assert_eq!(title(database, &key, note).as_deref(), Some("Milk"));
    }
    // EC-49: a title set after that is seen; EC-51: a second change too.
    for name in ["The home", "Home again"] {
        ada.party(&key).set_title(name).unwrap();
        sync(&tablet);
        assert_eq!(tablet.party(&key).title().unwrap().as_deref(), Some(name));
    }
    assert!(matches!(ada.database.deactivate_party(&note_key(note), true), Err(Error::NoSuchParty(_))));
    let own = ada.database.profile().identity;
    assert!(matches!(ada.database.deactivate_party(&own, true), Err(Error::IdentityParty)));
    assert!(matches!(ada.database.close_party(&own), Err(Error::IdentityParty)));
}

fn note_key(item: ItemId) -> PublicKey {
    PublicKey::from_bytes(&item.0).unwrap()
}

/// EC-51, EC-52: no title before one is set; then it is one on every device and at the other member, and views hear.
#[test]
fn a_title_reaches_everybody() {
    let (ada, dan) = (Peer::new("Ada", 1), Peer::new("Dan", 2));
    let tablet = link(&ada.database, "tablet", 3);
    let phone = link(&ada.database, "phone", 4);
    let home = ada.database.create_party("founded as").unwrap().key();
    ada.admit(&home, &dan, Role::Writer).unwrap();
    let all = [&ada.database, &tablet.database, &phone.database, &dan.database];
    talk_all(&all);
    let query = r#"output t. t(is: T) :- attr(attribute: "title", value: T)."#;
    let mut views: Vec<_> = all
        .iter()
        .map(|database| database.party(&home).unwrap().watch(query, &Default::default()).unwrap())
        .collect();
    for (database, view) in all.iter().zip(&views) {
        let party = database.party(&home).unwrap();
        assert_eq!(party.title().unwrap(), None);
        assert_eq!(database.title_of(&home).unwrap(), None);
        assert_eq!(party.name(), "founded as");
        assert_eq!(view.rows("t").count(), 0);
    }
    for title in ["one", "two"] {
        ada.party(&home).set_title(title).unwrap();
        talk_all(&all);
        for (database, view) in all.iter().zip(&mut views) {
            assert_eq!(database.party(&home).unwrap().title().unwrap().as_deref(), Some(title));
            assert!(view.poll().unwrap().is_some(), "an update reaches the view");
            view.catch_up().unwrap();
            assert_eq!(view.rows("t").next(), Some(&vec![Value::text(title)]));
        }
    }
}

#[test]
fn a_closed_party_is_out_of_memory_and_comes_back() {
    let mut ada = Peer::new("Ada", 1);
    let ben = Peer::new("Ben", 2);
    let home = ada.database.create_party("Home").unwrap();
    let key = home.key();
    ada.admit(&key, &ben, Role::Writer).unwrap();
    converse(&ada.database, &ben.database);
    home.set(home.root(), "title", "before").unwrap();
    ada.database.close_party(&key).unwrap();
    assert_eq!(ada.database.parties().len(), 0);
    assert!(matches!(ada.database.party(&key), Err(Error::PartyClosed(_))));
    // A handle from before reads what there was, and writes nothing.
    assert_eq!(home.title().unwrap().as_deref(), Some("before"));
    assert!(matches!(home.set(home.root(), "title", "after"), Err(Error::PartyClosed(_))));
    assert!(matches!(home.create_item(Object::NAME, None, None), Err(Error::PartyClosed(_))));
    assert!(matches!(home.pause(), Err(Error::PartyClosed(_))));
    ben.party(&key).set(home.root(), "title", "Ben was here").unwrap();
    converse(&ada.database, &ben.database);
    ada.reopen();
    assert_eq!(ada.database.parties().len(), 0, "it stays closed");
    assert_eq!(ada.database.title_of(&key).unwrap().as_deref(), Some("before"));
    ada.database.open_party(&key).unwrap();
    converse(&ada.database, &ben.database);
    let again = ada.party(&key);
    assert_eq!(again.title().unwrap().as_deref(), Some("Ben was here"));
    assert_sound(&again);
    assert!(matches!(home.set(home.root(), "title", "x"), Err(Error::PartyClosed(_))), "the old handle");
    again.set(again.root(), "title", "on").unwrap();
    assert!(matches!(ada.database.open_party(&ben.database.profile().device), Err(Error::NoSuchParty(_))));
}

/// What comes to a paused party waits, on disk, and is taken in when it goes on.
#[test]
fn a_paused_party_takes_nothing_in() {
    let mut ada = Peer::new("Ada", 1);
    let ben = Peer::new("Ben", 2);
    let home = ada.database.create_party("Home").unwrap();
    let key = home.key();
    ada.admit(&key, &ben, Role::Writer).unwrap();
    converse(&ada.database, &ben.database);
    home.pause().unwrap();
    assert!(matches!(home.set(home.root(), "title", "mine"), Err(Error::PartyPaused(_))));
    let entries = home.entries();
    for number in 0..20_i64 {
        ben.party(&key).set(home.root(), "number", number).unwrap();
    }
    // Sessions ask nothing for it; what was under way, here delivered by hand, waits.
    converse(&ada.database, &ben.database);
    assert_eq!(home.entries(), entries);
    let load = common::everything(&ben.database, &key);
    ada.database.deliver(&key, load[..load.len() - 5].to_vec()).unwrap();
    ada.database.deliver(&key, load[..load.len() - 2].to_vec()).unwrap();
    assert_eq!((home.entries(), home.waiting()), (entries, 0));
    ada.reopen();
    let home = ada.party(&key);
    assert!(home.is_paused());
    assert_eq!(home.entries(), entries, "it stays paused");
    ada.database.deliver(&key, load[..load.len() - 1].to_vec()).unwrap();
    home.resume().unwrap();
    assert_eq!(home.entries(), entries + 19);
    assert_eq!(common::rows(&*ada.store, motet_store::Table("stalled")), 0);
    converse(&ada.database, &ben.database);
    assert_eq!(home.state_hash().unwrap(), ben.party(&key).state_hash().unwrap());
    assert_sound(&home);
    home.set(home.root(), "title", "mine").unwrap();
    assert!(matches!(ada.database.identity_party().pause(), Err(Error::IdentityParty)));
}

/// A deleted party leaves no row behind, harms no other, and can be had again.
#[test]
fn a_deleted_party_leaves_the_disk() {
    let mut ada = Peer::new("Ada", 1);
    let tablet = link(&ada.database, "tablet", 2);
    let keep = ada.database.create_party("Keep").unwrap().key();
    let home = ada.database.create_party("Home").unwrap();
    let key = home.key();
    let note = home.create_item(Object::NAME, Some("note"), None).unwrap();
    home.set(note, "title", "Milk").unwrap();
    home.invite_by_words(Role::Writer, i64::MAX).unwrap();
    home.publish_model("counting", &ModelBlock::new("output n. n() :- fact().")).unwrap();
    talk_all(&[&ada.database, &tablet.database]);
    let feeds: Vec<PublicKey> = home.feeds().into_keys().collect();
    ada.database.delete_party(&key).unwrap();
    assert!(matches!(ada.database.party(&key), Err(Error::NoSuchParty(_))));
    let tables = [
        "entries",
        "pending",
        "item_parts",
        "models",
        "invitations",
        "authors",
        "held",
        "refused",
        "stalled",
    ];
    for table in tables {
        ada.store
            .scan(motet_store::Table(table), motet_store::ScanRange::prefix(*key.as_bytes()), &mut |_, _| {
                panic!("a row of `{table}` was left behind")
            })
            .unwrap();
    }
    let labels = motet_store::KeyStore::labels(&*ada.store).unwrap();
    assert!(feeds.iter().all(|feed| !labels.contains(&format!("secret/{feed}"))), "keys were left behind");
    let info = ada.database.party_list().unwrap().into_iter().find(|info| info.key == key).unwrap();
    assert_eq!((info.here, info.title.as_str(), info.standing), (false, "Home", PartyStanding::Inactive));
    ada.reopen();
    talk_all(&[&ada.database, &tablet.database]);
    assert_eq!(titles(&ada.database), ["Keep"], "it does not come back by itself");
    assert_eq!(titles(&tablet.database).len(), 2);
    assert_sound(&ada.party(&keep));

    ada.database.activate_party(&key, false).unwrap();
    talk_all(&[&ada.database, &tablet.database]);
    assert_eq!(title(&ada.database, &key, note).as_deref(), Some("Milk"));
    ada.party(&key).set(note, "title", "Milk again").unwrap();
    talk_all(&[&ada.database, &tablet.database]);
    assert_eq!(title(&tablet.database, &key, note).as_deref(), Some("Milk again"));
    assert_sound(&ada.party(&key));
}

/// A party that was left goes from every device, and can be joined again.
#[test]
fn a_party_that_was_left_goes_from_every_device() {
    let (ada, ben) = (Peer::new("Ada", 1), Peer::new("Ben", 2));
    let mut tablet = link(&ben.database, "tablet", 3);
    let home = ada.database.create_party("Home").unwrap().key();
    let all = [&ada.database, &ben.database, &tablet.database];
    ada.admit(&home, &ben, Role::Writer).unwrap();
    talk_all(&all);
    assert_eq!(tablet.party(&home).own_role(), Some(Role::Writer));
    ben.party(&home).set(ItemId::root(&home), "last", true).unwrap();
    converse(&ben.database, &tablet.database);
    tablet.database.leave_party(&home).unwrap();
    assert_eq!(tablet.database.parties().len(), 0);
    assert!(matches!(tablet.database.party(&home), Err(Error::NoSuchParty(_))));
    // It is kept for those who have yet to hear of it, and not for the owner's other device.
    tablet.reopen();
    converse(&tablet.database, &ben.database);
    assert_eq!(ben.database.parties().len(), 0);
    let here = |peer: &Peer| peer.database.party_list().unwrap()[0].here;
    assert_eq!((here(&ben), here(&tablet)), (false, true));
    converse(&tablet.database, &ada.database);
    converse(&tablet.database, &ada.database);
    assert!(!here(&tablet), "Ada has heard");
    assert_eq!(common::rows(&*tablet.store, motet_store::Table("withdrawals")), 0);
    let all = [&ada.database, &ben.database, &tablet.database];
    talk_all(&all);
    assert_eq!(ben.database.party_list().unwrap()[0].standing, PartyStanding::Left);
    let party = ada.party(&home);
    assert!(party.members()[&ben.database.profile().identity].until.is_some());
    let last = |item: &motet::item::Item| item.attributes(&ItemId::root(&home).entity()).len();
    assert_eq!(party.item(ItemId::root(&home), last).unwrap(), 1, "what was said before counts");
    ada.admit(&home, &ben, Role::Writer).unwrap();
    talk_all(&all);
    for peer in [&ben, &tablet] {
        assert_eq!(peer.party(&home).name(), "Home");
        peer.party(&home).set(peer.party(&home).root(), "title", "Home").unwrap();
    }
}

/// EC-40: nobody can found a party anew, for its secret is nowhere.
#[test]
fn a_founded_partys_secret_is_gone() {
    let ada = Peer::new("Ada", 1);
    let home = ada.database.create_party("Home").unwrap();
    let labels = motet_store::KeyStore::labels(&*ada.store).unwrap();
    assert!(!labels.iter().any(|label| label.contains(&home.key().to_string())), "{labels:?}");
    // Its world remembers the seed, so it was drawn; no row of the key store holds it.
    let secret = ada.world.secret(&home.key()).to_bytes();
    let keys = seal_key();
    for label in labels {
        let row = format!("secret/{label}");
        let sealed = ada.store.get(motet_store::Table("keys"), row.as_bytes()).unwrap().unwrap();
        assert_ne!(keys.open(&row, &sealed).unwrap(), secret, "{label}");
    }
}
