//! What liars, bunglers and later versions send: each gets a message that says what and where, nothing stored
//! is lost, and the database goes on.

use crate::common;

use crate::common::{Peer, Remembering, assert_sound, everything, linked, send};
use motet::authority::Role;
use motet::fact::{Cid, Codec, Domain, Fact, PublicKey, SecretKey};
use motet::item::{ItemId, PartBody};
use motet::{Database, Error, Parameters, Party, RuntimeKind};
use motet_algebra::Budget;
use motet_feed::{Draft, Entry, EntryKind, PartRef};
use motet_sync::{Bundle, Replica as _};
use std::sync::Arc;

/// Ada's party with Mallory in it, whose keys the test knows.
struct Stage {
    ada: Peer,
    mallory: Peer,
    party: PublicKey,
    root: ItemId,
    /// Mallory's data feed and its key.
    feed: PublicKey,
    key: SecretKey,
}

impl Stage {
    fn new() -> Self {
        let (ada, mallory) = (Peer::new("Ada", 1), Peer::new("Mallory", 2));
        let party = ada.database.create_party("Home").unwrap().key();
        ada.admit(&party, &mallory, Role::Writer).unwrap();
        send(&ada.database, &mallory.database, &party);
        let root = ItemId::root(&party);
        let feed = mallory.party(&party).set(root, "title", "honest").unwrap().feed;
        send(&mallory.database, &ada.database, &party);
        let key = mallory.world.secret(&feed);
        Stage { ada, mallory, party, root, feed, key }
    }

    fn ada(&self) -> Party {
        self.ada.party(&self.party)
    }

    /// What Mallory would write next if it were honest, with some facts about the root item.
    fn draft(&self, facts: Vec<Fact>) -> (Draft, Vec<Vec<u8>>) {
        let part = PartBody { written_at: 0, facts }.encode();
        (self.draft_of(vec![part.clone()]), vec![part])
    }

    fn draft_of(&self, parts: Vec<Vec<u8>>) -> Draft {
        let head = self.head();
        Draft {
            party: self.party,
            feed: self.feed,
            seq: head.header().seq + 1,
            kind: EntryKind::Data,
            causes: vec![head.id()],
            depth: head.header().depth + 1,
            parts: parts.iter().map(|part| PartRef::to(self.root.tag(), part)).collect(),
            key_name: Vec::new(),
        }
    }

    fn depth(&self, id: &Cid) -> u64 {
        let all = everything(&self.ada.database, &self.party);
        let entries = all.iter().map(|bundle| Entry::decode(&bundle.entry).unwrap());
        entries.into_iter().find(|entry| entry.id() == *id).unwrap().header().depth
    }

    /// Mallory's last entry.
    fn head(&self) -> Entry {
        let all = everything(&self.mallory.database, &self.party);
        let mut entries = all.iter().map(|bundle| Entry::decode(&bundle.entry).unwrap());
        entries.rfind(|entry| entry.header().feed == self.feed).unwrap()
    }

    fn fact(&self, title: &str) -> Fact {
        Fact::new(self.root.entity(), "title".into(), title, Vec::new()).unwrap()
    }

    fn sign(&self, draft: Draft) -> Entry {
        Entry::sign(draft, &self.key)
    }

    fn deliver(&self, entry: Vec<u8>, parts: Vec<Vec<u8>>) -> Result<(), String> {
        self.ada.database.deliver(&self.party, vec![Bundle { entry, parts }]).unwrap().remove(0)
    }

    /// The lie is answered with these words, changes nothing, and stops nobody.
    fn refuses(&mut self, entry: Vec<u8>, parts: Vec<Vec<u8>>, words: &[&str]) {
        let before = self.ada().state_hash().unwrap();
        let ids = linked(&self.ada.database, &self.party);
        for _ in 0..2 {
            let answer = self.deliver(entry.clone(), parts.clone()).expect_err("a lie is answered");
            for word in words {
                assert!(answer.contains(word), "{answer:?} does not say {word:?}");
            }
            assert_eq!(self.ada().state_hash().unwrap(), before);
            assert_eq!(linked(&self.ada.database, &self.party), ids);
            self.ada.reopen();
        }
        assert_eq!(self.ada().state_hash().unwrap(), before);
        self.goes_on();
    }

    /// An honest write of each reaches the other.
    fn goes_on(&self) {
        self.ada().set(self.root, "title", "Ada goes on").unwrap();
        self.mallory.party(&self.party).set(self.root, "done", true).unwrap();
        send(&self.ada.database, &self.mallory.database, &self.party);
        send(&self.mallory.database, &self.ada.database, &self.party);
        assert_eq!(self.ada().state_hash().unwrap(), self.mallory.party(&self.party).state_hash().unwrap());
        assert_sound(&self.ada());
    }
}

/// The wire form of a signed header: two length-delimited fields.
fn wire(header: &[u8], signature: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (tag, field) in [(0x0a, header), (0x12, signature)] {
        bytes.push(tag);
        let mut length = field.len();
        while length >= 0x80 {
            bytes.push((length as u8) | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend(field);
    }
    bytes
}

/// The header's bytes within an entry's wire form, of which the last 66 are the signature and its frame.
fn header_of(entry: &Entry) -> Vec<u8> {
    let bytes = entry.encode();
    let header = (0..bytes.len()).map(|start| &bytes[start..bytes.len() - 66]);
    let mut header = header.filter(|header| Cid::of(Codec::Raw, header) == entry.id());
    header.next().unwrap().to_vec()
}

#[test]
fn a_tampered_entry_is_nobodys() {
    let mut stage = Stage::new();
    let (draft, parts) = stage.draft(vec![stage.fact("lie")]);
    let entry = stage.sign(draft);
    let mut header = header_of(&entry);
    let signature = entry.encode()[entry.encode().len() - 64..].to_vec();
    *header.last_mut().unwrap() ^= 1; // the length of the part
    let id = Cid::of(Codec::Raw, &header);
    let feed = stage.feed.to_string();
    let words = [id.to_string(), feed, format!("seq {}", entry.header().seq), "signature".to_owned()];
    stage.refuses(wire(&header, &signature), parts, &words.each_ref().map(String::as_str));
}

#[test]
fn each_flipped_bit_is_noticed() {
    let stage = Stage::new();
    let (draft, parts) = stage.draft(vec![stage.fact("lie")]);
    let bytes = stage.sign(draft).encode();
    let before = stage.ada().state_hash().unwrap();
    for at in 0..bytes.len() {
        let mut lie = bytes.clone();
        lie[at] ^= 1 << (at % 8);
        let answer = stage.deliver(lie, parts.clone());
        assert!(answer.is_err(), "byte {at} is not checked");
    }
    for cut in 0..bytes.len() {
        assert!(
            stage.deliver(bytes[..cut].to_vec(), parts.clone()).is_err(),
            "a front of {cut} bytes is taken"
        );
    }
    assert_eq!(stage.ada().state_hash().unwrap(), before);
    stage.goes_on();
}

#[test]
fn a_signature_by_another_key_does_not_hold() {
    let mut stage = Stage::new();
    let (draft, parts) = stage.draft(vec![stage.fact("lie")]);
    let header = header_of(&stage.sign(draft));
    let other = SecretKey::from_bytes([9; 32]);
    let entry = wire(&header, other.sign(Domain::Entry, &header).as_bytes());
    let feed = stage.feed.to_string();
    stage.refuses(entry, parts, &["signature", &feed, "seq 1"]);
}

#[test]
fn a_signature_for_another_purpose_does_not_hold() {
    let mut stage = Stage::new();
    let (draft, parts) = stage.draft(vec![stage.fact("lie")]);
    let header = header_of(&stage.sign(draft));
    let entry = wire(&header, stage.key.sign(Domain::Channel, &header).as_bytes());
    stage.refuses(entry, parts, &["signature"]);
}

#[test]
fn parts_are_the_ones_the_header_names() {
    let mut stage = Stage::new();
    let (draft, parts) = stage.draft(vec![stage.fact("lie")]);
    let entry = stage.sign(draft);
    let (id, feed) = (entry.id().to_string(), stage.feed.to_string());
    let mut other = parts.clone();
    *other[0].last_mut().unwrap() ^= 1;
    stage.refuses(entry.encode(), other, &[&id, &feed, "seq 1", "does not hash to", &parts_cid(&parts)]);
    stage.refuses(entry.encode(), Vec::new(), &[&id, &feed, "seq 1", "0 of its 1 parts"]);
}

fn parts_cid(parts: &[Vec<u8>]) -> String {
    Cid::of(Codec::Raw, &parts[0]).to_string()
}

#[test]
fn a_wrong_depth_is_refused_for_ever() {
    let mut stage = Stage::new();
    let (mut draft, parts) = stage.draft(vec![stage.fact("lie")]);
    draft.depth += 7;
    let entry = stage.sign(draft);
    let (id, feed) = (entry.id().to_string(), stage.feed.to_string());
    stage.refuses(entry.encode(), parts, &[&id, &feed, "seq 1", "depth"]);
    let refused = stage.ada().status().refused;
    assert_eq!(refused.len(), 1);
    assert!(refused[0].0 == entry.id() && refused[0].1.contains("depth"), "{refused:?}");
}

#[test]
fn a_wrong_backlink_is_refused_for_ever() {
    let mut stage = Stage::new();
    let (mut draft, parts) = stage.draft(vec![stage.fact("lie")]);
    draft.seq += 1;
    let entry = stage.sign(draft);
    let (id, feed) = (entry.id().to_string(), stage.feed.to_string());
    stage.refuses(entry.encode(), parts, &[&id, &feed, "seq 2", "the entry before it"]);
}

#[test]
fn a_control_entry_does_not_cite_data() {
    let mut stage = Stage::new();
    let (mut draft, _) = stage.draft(Vec::new());
    draft.kind = EntryKind::Control;
    draft.parts = Vec::new();
    let entry = stage.sign(draft);
    stage.refuses(entry.encode(), Vec::new(), &[&entry.id().to_string(), "cites the data entry"]);
}

#[test]
fn what_cites_a_refused_entry_waits_and_says_for_what() {
    let mut stage = Stage::new();
    let (mut draft, parts) = stage.draft(vec![stage.fact("lie")]);
    draft.depth += 7;
    let lie = stage.sign(draft);
    let (mut draft, more) = stage.draft(vec![stage.fact("more")]);
    (draft.seq, draft.causes, draft.depth) = (2, vec![lie.id()], lie.header().depth + 1);
    let next = stage.sign(draft);
    stage.deliver(next.encode(), more).unwrap();
    stage.deliver(lie.encode(), parts).unwrap_err();
    stage.ada.reopen();
    let held = stage.ada().status().waiting;
    assert_eq!(
        stage.ada.database.wanted(&stage.party),
        Vec::<Cid>::new(),
        "nobody is asked for what was refused"
    );
    assert!(held.iter().all(|(id, missing)| *id == next.id() && missing == &[lie.id()]), "{held:?}");
    stage.goes_on();
}

#[test]
fn another_partys_entry_is_sent_back() {
    let mut stage = Stage::new();
    let elsewhere = stage.mallory.database.create_party("Elsewhere").unwrap();
    elsewhere.set(ItemId::root(&elsewhere.key()), "title", "lost").unwrap();
    for bundle in everything(&stage.mallory.database, &elsewhere.key()) {
        let id = Entry::decode(&bundle.entry).unwrap().id().to_string();
        let party = elsewhere.key().to_string();
        stage.refuses(bundle.entry, bundle.parts, &[&id, "belongs to party", &party]);
    }
}

#[test]
fn a_strangers_entry_is_kept_and_reaches_no_view() {
    let mut stage = Stage::new();
    let mut titles = stage
        .ada()
        .watch("output title. title(is: T) :- attr(attribute: \"title\", value: T).", &Parameters::new())
        .unwrap();
    let stranger = SecretKey::from_bytes([9; 32]);
    let (mut draft, parts) = stage.draft(vec![stage.fact("I was here")]);
    (draft.feed, draft.seq) = (stranger.public(), 0);
    let entry = Entry::sign(draft, &stranger);
    stage.deliver(entry.encode(), parts).unwrap();
    titles.catch_up().unwrap();
    let texts: Vec<_> = titles.rows("title").map(|row| row[0].as_text().unwrap().to_owned()).collect();
    assert_eq!(texts, ["honest"]);
    drop(titles);
    assert_eq!(stage.ada().status().unauthorised, [entry.id()]);
    stage.ada.reopen();
    assert_eq!(stage.ada().status().unauthorised, [entry.id()]);
    send(&stage.ada.database, &stage.mallory.database, &stage.party);
    stage.goes_on();
}

#[test]
fn an_unreadable_part_is_named_and_in_nobodys_way() {
    let mut stage = Stage::new();
    let good = PartBody { written_at: 0, facts: vec![stage.fact("good part")] }.encode();
    let mut bad = PartBody { written_at: 0, facts: vec![stage.fact("bad part")] }.encode();
    let block = stage.fact("bad part").encode();
    let at = bad.windows(block.len()).position(|window| window == block).unwrap();
    // The array of four, with its length in a byte of its own: the same fact, not canonical.
    bad.splice(at..=at, [0x98, 4]);
    bad[at - 1] += 1;
    let entry = stage.sign(stage.draft_of(vec![bad.clone(), good.clone()]));
    stage.deliver(entry.encode(), vec![bad, good]).unwrap();
    for _ in 0..2 {
        stage.ada().state_hash().unwrap();
        let unreadable = stage.ada().status().unreadable;
        assert_eq!(unreadable.len(), 1, "{unreadable:?}");
        for word in [entry.id().to_string(), stage.feed.to_string(), "seq 1".to_owned(), "fact 0".to_owned()]
        {
            assert!(unreadable[0].1.contains(&word), "{unreadable:?} does not say {word}");
        }
        let candidates = |item: &motet::item::Item| item.candidates(&stage.root.entity(), &"title".into());
        let titles = stage.ada().item(stage.root, candidates).unwrap();
        let found = |title: &str| titles.iter().any(|(_, value)| value.as_text() == Some(title));
        assert!(found("good part") && !found("bad part"), "{titles:?}");
        stage.ada.reopen();
    }
    let faults = stage.ada().verify(&mut |_| {}).unwrap().faults;
    assert!(faults.len() == 1 && faults[0].contains("fact 0"), "{faults:?}");
    stage.ada().set(stage.root, "title", "on").unwrap();
}

#[test]
fn what_is_too_long_is_not_an_entry() {
    let mut stage = Stage::new();
    stage.refuses(vec![0; 300 * 1024], Vec::new(), &["300", "at most"].map(|_| "at most"));
    stage.refuses(b"rubbish".to_vec(), Vec::new(), &["not an entry"]);
    stage.refuses(Vec::new(), Vec::new(), &[]);
}

/// A later version's entry is held, not refused: who updates has it (H7).
#[test]
fn an_entry_of_a_later_version_says_update() {
    let mut stage = Stage::new();
    let (draft, parts) = stage.draft(vec![stage.fact("from the future")]);
    let mut header = header_of(&stage.sign(draft));
    assert_eq!(header[..2], [8, 1], "the version is the first field");
    header[1] = 2;
    let entry = wire(&header, stage.key.sign(Domain::Entry, &header).as_bytes());
    stage.refuses(entry, parts, &["version 2", "update"]);
}

/// What an older program held is read by one that knows it: here one that was given back its memory.
#[test]
fn an_entry_of_a_later_version_is_read_by_who_knows_it() {
    let mut stage = Stage::new();
    let (draft, parts) = stage.draft(vec![stage.fact("known by now")]);
    let first = stage.sign(draft);
    let (mut draft, more) = stage.draft(vec![stage.fact("and after it")]);
    (draft.seq, draft.causes, draft.depth) = (2, vec![first.id()], first.header().depth + 1);
    let second = stage.sign(draft);
    stage.deliver(second.encode(), more).unwrap();
    let forged =
        wire(&header_of(&first), SecretKey::from_bytes([9; 32]).sign(Domain::Entry, b"x").as_bytes());
    let mut batch = motet_store::Batch::new();
    for (key, entry) in [(first.id(), first.encode()), (Cid::of(Codec::Raw, b"another"), forged)] {
        // An entry and one part: two length-delimited fields as well.
        let row = [wire(&entry, &parts[0])].concat();
        batch.put(
            motet_store::Table("held"),
            [stage.party.as_bytes().as_slice(), key.as_bytes()].concat(),
            row,
        );
    }
    stage.ada.store.commit(batch).unwrap();
    stage.ada.reopen();
    let here = linked(&stage.ada.database, &stage.party);
    assert!(here.contains(&first.id()) && here.contains(&second.id()), "what waited for it walks on");
    assert_eq!(stage.ada().status().held, [], "and what nobody signed is dropped");
    assert_eq!(common::rows(&*stage.ada.store, motet_store::Table("held")), 0);
    assert_sound(&stage.ada());
}

/// A control entry that says something new is held whole, with what comes after it; others are given it.
#[test]
fn a_credential_of_a_later_version_is_held_and_served() {
    let mut stage = Stage::new();
    let feeds = stage.ada().feeds();
    let device = stage.mallory.database.profile().device;
    let control = |feed: &motet::authority::Feed| feed.device == device && feed.kind == EntryKind::Control;
    let (feed, admission) = feeds.iter().find(|(_, feed)| control(feed)).unwrap();
    let body = vec![0x12, 3, 0x7a, 1, 0]; // one credential, numbered 15
    let draft = Draft {
        feed: *feed,
        seq: 0,
        kind: EntryKind::Control,
        causes: vec![admission.since],
        depth: 4,
        parts: vec![PartRef::to(motet_feed::Tag::default(), &body)],
        ..stage.draft_of(Vec::new())
    };
    let depth = stage.depth(&admission.since);
    let entry = Entry::sign(Draft { depth: depth + 1, ..draft }, &stage.mallory.world.secret(feed));
    stage.refuses(entry.encode(), vec![body.clone()], &[&entry.id().to_string(), "update"]);
    assert_eq!(stage.ada().status().held, [entry.id()]);
    assert!(stage.ada.database.contains(&stage.party, &entry.id()), "it is not fetched again");
    let served = stage.ada.database.load(&stage.party, &entry.id()).unwrap().unwrap();
    assert_eq!(served, Bundle { entry: entry.encode(), parts: vec![body] });
    // Data that obeys it waits, and nobody is asked for what is here.
    let (mut draft, parts) = stage.draft(vec![stage.fact("obedient")]);
    draft.causes.push(entry.id());
    draft.causes.sort_unstable();
    draft.depth = draft.depth.max(entry.header().depth + 1);
    let obedient = stage.sign(draft);
    stage.deliver(obedient.encode(), parts).unwrap();
    assert_eq!(stage.ada().status().waiting, [(obedient.id(), vec![entry.id()])]);
    assert_eq!(stage.ada.database.wanted(&stage.party), []);
}

/// Whoever sends too much that has to wait is turned away, and others are not.
#[test]
fn a_peer_may_send_only_so_much_that_waits() {
    let stage = Stage::new();
    let (mallory, ben) = (stage.mallory.database.profile().device, SecretKey::from_bytes([8; 32]).public());
    let nowhere = Cid::of(Codec::Raw, b"nowhere");
    // 256 MiB: 128 bodies of 2 MiB, of parts that are all the same.
    let part = vec![0; 256 * 1024 - 64];
    let waits = |number: u64| {
        let (mut draft, _) = stage.draft(Vec::new());
        (draft.seq, draft.causes, draft.depth) = (5 + number, vec![nowhere], 9 + number);
        draft.parts = vec![PartRef::to(stage.root.tag(), &part); 8];
        Bundle { entry: stage.sign(draft).encode(), parts: vec![part.clone(); 8] }
    };
    let send = |from, number| {
        let database = &stage.ada.database;
        database.deliver_from(Some(from), &stage.party, vec![waits(number)]).unwrap().remove(0)
    };
    let turned_away = (0..200).find_map(|number| Some((number, send(mallory, number).err()?)));
    let (number, why) = turned_away.unwrap();
    assert!(
        number == 128 && why.contains(&mallory.to_string()) && why.contains("for now"),
        "{number}: {why}"
    );
    send(ben, number).unwrap();
    stage.goes_on();
}

// What this replica's own user may not do.

fn not_allowed<T>(outcome: Result<T, Error>) -> String {
    match outcome {
        Err(Error::NotAllowed { why, .. }) => why,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("it was allowed"),
    }
}

#[test]
fn who_may_not_leaves_no_trace() {
    let mut stage = Stage::new();
    let party = stage.mallory.party(&stage.party);
    not_allowed(party.invite(Role::Admin, i64::MAX, Vec::new()));
    not_allowed(party.enrol(&["Nobody".to_owned()]));
    assert_eq!(party.author("Nobody").unwrap(), None, "an author who was not admitted is not enrolled");
    stage.mallory.reopen();
    assert_eq!(stage.mallory.party(&stage.party).author("Nobody").unwrap(), None);
    stage.goes_on();
}

#[test]
fn a_reader_reads_only() {
    let stage = Stage::new();
    let rita = Peer::new("Rita", 5);
    let party = stage.ada.admit(&stage.party, &rita, Role::Reader).unwrap();
    not_allowed(party.set(stage.root, "title", "too early"));
    send(&stage.ada.database, &rita.database, &stage.party);
    not_allowed(party.set(stage.root, "title", "no"));
    not_allowed(party.create_item("facts", None, None));
    assert_eq!(party.state_hash().unwrap(), stage.ada().state_hash().unwrap());
}

#[test]
fn mistakes_of_the_caller_have_names() {
    let stage = Stage::new();
    let ada = stage.ada();
    let ghost = ItemId([1; 32]);
    assert!(matches!(ada.item(ghost, |_| ()), Err(Error::NoSuchItem { .. })));
    assert!(
        matches!(ada.create_item("chess", None, None), Err(Error::NoSuchModel(name, _)) if name == "chess")
    );
    let parent = ada.create_item("facts", None, None).unwrap();
    let child = ada.create_item("facts", None, Some(parent)).unwrap();
    assert!(matches!(ada.move_item(parent, child), Err(Error::WouldCycle { .. })));
    let mut large = ada.transaction();
    (0..40).for_each(|n| large.set(parent, format!("attribute {n}"), "x".repeat(60_000)));
    assert!(matches!(large.commit(), Err(Error::TooLarge { .. })));
    assert!(matches!(ada.set(parent, "long", "x".repeat(70_000)), Err(Error::Fact(_))));
    let mut wide = ada.transaction();
    (0..1025).for_each(|_| assert!(wide.create_item("facts", None, None).is_ok()));
    assert!(matches!(wide.commit(), Err(Error::TooMany { count, limit: 1024, .. }) if count > 1024));
    let nowhere = (0u32..4097).map(|n| Cid::of(Codec::Raw, &n.to_le_bytes())).collect();
    assert!(matches!(ada.transaction().after(nowhere).commit(), Err(Error::TooMany { .. })));
    let elsewhere = Cid::of(Codec::Raw, b"elsewhere");
    assert!(not_allowed(ada.transaction().after(vec![elsewhere]).commit()).contains(&elsewhere.to_string()));
    assert!(matches!(
        ada.watch("output x. x(a: A) :- nosuch(b: A).", &Parameters::new()),
        Err(Error::Query(_))
    ));
    assert!(matches!(stage.ada.database.party(&stage.feed), Err(Error::NoSuchParty(_))));
    stage.goes_on();
}

/// A register with more candidates than a fact may cite can still be set, and the new value wins.
#[test]
fn a_register_of_too_many_candidates_can_be_set() {
    let stage = Stage::new();
    let crowd: Vec<Fact> = (0..1100).map(|n| stage.fact(&format!("title {n}"))).collect();
    let (draft, parts) = stage.draft(crowd);
    stage.deliver(stage.sign(draft).encode(), parts).unwrap();
    stage.ada().set(stage.root, "title", "mine").unwrap();
    let title = |item: &motet::item::Item| item.attributes(&stage.root.entity())[&"title".into()].clone();
    assert_eq!(stage.ada().item(stage.root, title).unwrap().as_text(), Some("mine"));
    assert_sound(&stage.ada());
}

/// More branches than an entry may cite stop nobody from writing.
#[test]
fn more_heads_than_an_entry_may_cite_stop_nobody() {
    let stage = Stage::new();
    let head = stage.head();
    let fork = |n: u32| {
        let part = PartBody { written_at: i64::from(n), facts: vec![stage.fact("fork")] }.encode();
        let entry = stage.sign(stage.draft_of(vec![part.clone()]));
        Bundle { entry: entry.encode(), parts: vec![part] }
    };
    let forks: Vec<Bundle> = (0..4200).map(fork).collect();
    for answer in stage.ada.database.deliver(&stage.party, forks).unwrap() {
        answer.unwrap();
    }
    assert!(head.header().seq == 0 && stage.ada().status().forked == [stage.feed]);
    stage.ada().set(stage.root, "title", "still here").unwrap();
    let title = |item: &motet::item::Item| item.attributes(&stage.root.entity())[&"title".into()].clone();
    assert_eq!(stage.ada().item(stage.root, title).unwrap().as_text(), Some("still here"));
    assert_sound(&stage.ada());
}

/// A view over its budget stays at its last good epoch; another view, and the writing, go on.
#[test]
fn a_view_over_its_budget_stops_alone() {
    for runtime in RuntimeKind::ALL {
        let stage = Stage::new();
        let query = "output pair. pair(a: A, b: B) :- fact(value: A), fact(value: B).";
        let tight = Budget { rows: 200, ..Budget::default() };
        let mut view = stage.ada().watch_on("pairs", query, &Parameters::new(), runtime, tight).unwrap();
        let mut free = stage.ada().watch(query, &Parameters::new()).unwrap();
        stage.ada().set(stage.root, "number", 0).unwrap();
        view.catch_up().unwrap();
        let good = view.contents().clone();
        let mut many = stage.ada().transaction();
        (0..30).for_each(|n| many.set(stage.root, format!("number {n}"), n));
        many.commit().unwrap();
        stage.ada().set(stage.root, "number", 31).unwrap();
        for _ in 0..3 {
            assert!(
                matches!(view.poll(), Err(Error::Runtime(_))),
                "{runtime:?}: 900 pairs are over 200 rows"
            );
            assert_eq!(*view.contents(), good, "{runtime:?}: stays at its last good epoch");
        }
        free.catch_up().unwrap();
        assert!(free.rows("pair").count() > 900);
    }
}

/// Everybody who knows the code at the same time: two copies of the issuer's database each admit another
/// newcomer.
#[test]
fn of_two_admissions_by_one_invitation_one_counts_everywhere() {
    for seed in 0..8 {
        race(seed);
    }
}

fn race(seed: u64) {
    let mut ada = Peer::new("Ada", 100 + seed);
    let party = ada.database.create_party("Home").unwrap().key();
    let root = ItemId::root(&party);
    ada.party(&party).set(root, "title", "before").unwrap();
    let link = ada.party(&party).invite(Role::Writer, i64::MAX, Vec::new()).unwrap();
    let code = motet::authority::InvitationCode::Link(link);
    let copy = Peer {
        limits: motet::Limits::default(),
        store: common::copy_of(&*ada.store),
        world: Arc::new(Remembering::new(200 + seed)),
        database: ada.database.clone(),
    };
    let mut copy = copy;
    copy.reopen();
    let newcomers = [Peer::new("Ben", 300 + seed), Peer::new("Cleo", 400 + seed)];
    for (issuer, newcomer) in [&ada, &copy].into_iter().zip(&newcomers) {
        newcomer.database.join(&code).meet(&issuer.database).unwrap();
        send(&issuer.database, &newcomer.database, &party);
        newcomer.party(&party).set(root, "title", newcomer.database.profile().name.as_str()).unwrap();
        send(&newcomer.database, &issuer.database, &party);
    }
    let everybody = [&ada, &copy, &newcomers[0], &newcomers[1]];
    let query = "output title. output who. title(is: T) :- candidate(attribute: \"title\", value: T).
                 who(name: N) :- member(name: N).";
    let watch = |peer: &Peer, runtime| {
        let handle = peer.party(&party);
        handle.watch_on("titles", query, &Parameters::new(), runtime, Budget::default()).unwrap()
    };
    let mut views: Vec<_> =
        everybody.iter().flat_map(|peer| RuntimeKind::ALL.map(|runtime| watch(peer, runtime))).collect();
    // Whoever sees its feeds written to in two places begins new ones, so there is more to say then.
    for _ in 0..3 {
        for from in everybody {
            for to in everybody {
                send(&from.database, &to.database, &party);
            }
        }
    }
    let hash = ada.party(&party).state_hash().unwrap();
    let names = |view: &motet::View, output: &str| -> Vec<String> {
        view.rows(output).map(|row| row[0].as_text().unwrap().to_owned()).collect()
    };
    let mut winners = Vec::new();
    for view in &mut views {
        view.catch_up().unwrap();
        let title = names(view, "title");
        assert_eq!(title.len(), 1, "the loser's title is retracted: {title:?}");
        assert_eq!(names(view, "who"), ["Ada".to_owned(), title[0].clone()], "the winner is a member");
        winners.push(title[0].clone());
    }
    assert!(winners.iter().all(|winner| *winner == winners[0]), "{winners:?}");
    for peer in everybody {
        let handle = peer.party(&party);
        assert_eq!(handle.state_hash().unwrap(), hash);
        assert_sound(&handle);
        let lost = ["Ben", "Cleo"].contains(&peer.database.profile().name.as_str())
            && peer.database.profile().name != winners[0];
        assert_eq!(!handle.status().own_uncounted.is_empty(), lost, "the loser's status says so");
        if lost {
            not_allowed_or_uncounted(&handle, root);
        }
    }
    ada.reopen();
    assert_eq!(ada.party(&party).state_hash().unwrap(), hash);
}

/// What the loser writes from then on is refused, or does not count; it reaches no view.
fn not_allowed_or_uncounted(party: &Party, root: ItemId) {
    let before = party.item(root, motet::item::Item::state_hash).unwrap();
    let _ = party.set(root, "title", "again");
    assert_eq!(party.item(root, motet::item::Item::state_hash).unwrap(), before);
}

/// Handles stay good, and clones of a database are the same database.
#[test]
fn clones_are_the_same_database() {
    let database = Database::in_memory("Ada").unwrap();
    let party = database.create_party("Home").unwrap();
    let clone = database.clone();
    party.set(ItemId::root(&party.key()), "title", "one").unwrap();
    assert_eq!(clone.party(&party.key()).unwrap().entries(), party.entries());
    assert_eq!(clone.parties().len(), 1);
}
