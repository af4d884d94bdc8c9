//! Items of a party: where they hang, what they point at, how they go and come back, and what was said about them.

use crate::common;

use std::time::Duration;

use crate::common::{Peer, Sum, assert_sound, send};
use motet::authority::Role;
use motet::fact::{Attribute, Cid, Value};
use motet::item::{Folding, ItemId, LogState, Path, Property, Reference};
use motet::{
    AsOf, Cascade, Database, Deleted, Error, Parameters, Party, Query, RuntimeKind, Stand, Standing, Update,
};
use motet_algebra::Budget;

fn home() -> (Database, Party) {
    let database = Database::in_memory("Ada").unwrap();
    let party = database.create_party("Home").unwrap();
    (database, party)
}

fn make(party: &Party, kind: &str, parent: Option<ItemId>) -> ItemId {
    party.create_item("object", Some(kind), parent).unwrap()
}

fn children(party: &Party, parent: ItemId) -> Vec<ItemId> {
    party.tree(|tree| tree.children(parent).collect()).unwrap()
}

fn get(party: &Party, item: ItemId, path: &str) -> Option<Property> {
    let path: Path = path.parse().unwrap();
    party.item(item, |item| item.properties().unwrap().get(&path)).unwrap()
}

fn value(party: &Party, item: ItemId, path: &str) -> Option<Value> {
    get(party, item, path).and_then(|property| property.as_value().cloned())
}

/// Two people with the same party, both writers.
fn two() -> (Peer, Peer, Party, Party) {
    let (ada, ben) = (Peer::new("Ada", 1), Peer::new("Ben", 2));
    let party = ada.database.create_party("Home").unwrap();
    let other = ada.admit(&party.key(), &ben, Role::Writer).unwrap();
    send(&ada.database, &ben.database, &party.key());
    (ada, ben, party, other)
}

fn meet(ada: &Peer, ben: &Peer, party: &Party) {
    send(&ada.database, &ben.database, &party.key());
    send(&ben.database, &ada.database, &party.key());
    assert_eq!(
        party.state_hash().unwrap(),
        ben.party(&party.key()).state_hash().unwrap(),
        "both have the same state"
    );
    assert_sound(party);
}

// Where items hang.

/// EC-38, EC-39: a new item hangs where it was told to, and a moved one leaves its parent for the other, to the end or
/// to a place.
#[test]
fn children_stand_in_order_and_move() {
    let (_database, party) = home();
    let (one, two) = (make(&party, "list", None), make(&party, "list", None));
    let [a, b, c, d] = std::array::from_fn(|_| make(&party, "card", Some(one)));
    assert_eq!(children(&party, one), [a, b, c, d], "in the order in which they came");
    assert_eq!(children(&party, ItemId::root(&party.key())), [one, two]);
    party.move_item(b, two).unwrap();
    assert_eq!((children(&party, one), children(&party, two)), (vec![a, c, d], vec![b]));
    party.place_item(b, one, Stand::Before(c)).unwrap();
    assert_eq!(children(&party, one), [a, b, c, d]);
    party.place_item(d, one, Stand::First).unwrap();
    party.place_item(a, one, Stand::After(b)).unwrap();
    assert_eq!(children(&party, one), [d, b, a, c]);
    let e = make(&party, "card", Some(one));
    party.move_item(d, one).unwrap();
    assert_eq!(children(&party, one), [b, a, c, e, d], "who moves to the end stands after who is there");
    for _ in 0..50 {
        party.place_item(d, one, Stand::After(b)).unwrap();
        party.place_item(e, one, Stand::After(b)).unwrap();
    }
    assert_eq!(children(&party, one), [b, e, d, a, c], "there is always room");
    assert!(matches!(party.place_item(a, one, Stand::Before(two)), Err(Error::NoSuchSibling { .. })));
    assert!(matches!(party.place_item(one, one, Stand::Last), Err(Error::WouldCycle { .. })));
    assert!(matches!(party.move_item(one, a), Err(Error::WouldCycle { .. })));
    let mut transaction = party.transaction();
    transaction.move_to(a, two);
    transaction.move_to(one, a);
    transaction.commit().unwrap();
    assert!(
        party.tree(|tree| tree.is_at_or_below(c, two)).unwrap(),
        "moves of one transaction follow each other"
    );
    assert_sound(&party);
}

/// H19: of concurrent moves that would make a cycle the last in the one order is without effect, and takes effect when
/// the other is taken back.
#[test]
fn concurrent_moves_make_no_cycle() {
    let (ada, ben, party, other) = two();
    let (a, b) = (make(&party, "folder", None), make(&party, "folder", None));
    meet(&ada, &ben, &party);
    party.move_item(a, b).unwrap();
    other.move_item(b, a).unwrap();
    meet(&ada, &ben, &party);
    let root = ItemId::root(&party.key());
    let skipped: Vec<(ItemId, ItemId)> = party.tree(|tree| tree.skipped().collect()).unwrap();
    let (moved, onto) = if skipped == [(b, a)] { (a, b) } else { (b, a) };
    assert_eq!(children(&party, root), [onto]);
    assert_eq!(children(&other, onto), [moved]);
    let query = "output at. at(id: I, parent: P) :- item(id: I, parent: P).";
    let view = party.watch(query, &Parameters::new()).unwrap();
    assert!(view.rows("at").any(|row| *row == [Value::from(moved), Value::from(onto)]));
    let mover = if moved == a { &party } else { &other };
    mover.undo(moved).unwrap().unwrap();
    meet(&ada, &ben, &party);
    assert_eq!(children(&party, root).len(), 2, "a later move stands upon what there is then");
}

/// A view of `item` tells of moves, of items that come, and of both at once.
#[test]
fn a_move_is_a_change_of_the_items_row() {
    let (_database, party) = home();
    let (one, two) = (make(&party, "list", None), make(&party, "list", None));
    let card = make(&party, "card", Some(one));
    let query = r#"output at. at(id: I, parent: P) :- item(id: I, parent: P, type: "card")."#;
    let mut view =
        party.watch_on("at", query, &Parameters::new(), RuntimeKind::Naive, Budget::default()).unwrap();
    party.move_item(card, two).unwrap();
    let at = |parent: ItemId| vec![Value::from(card), Value::from(parent)];
    let changes = view.poll().unwrap().unwrap();
    let mut told = changes["at"].clone();
    told.sort_by_key(|(_, weight)| *weight);
    assert_eq!(told, [(at(one), -1), (at(two), 1)]);
    party.place_item(card, two, Stand::First).unwrap();
    assert_eq!(view.poll().unwrap(), None, "its row has no place among children");
}

// How they go.

/// EC-62, H17: delete hides, restore shows, purging is for good; and what becomes of the items below.
#[test]
fn items_are_deleted_restored_and_purged() {
    let (_database, party) = home();
    let folder = make(&party, "folder", None);
    let [a, b] = std::array::from_fn(|_| make(&party, "note", Some(folder)));
    let c = make(&party, "note", Some(a));
    let refused = party.delete_item(folder, Cascade::Refuse).unwrap_err();
    assert!(matches!(refused, Error::HasChildren { children: 2, .. }), "{refused}");
    assert!(matches!(
        party.delete_item(ItemId::root(&party.key()), Cascade::Along),
        Err(Error::Indelible(_))
    ));

    party.delete_item(folder, Cascade::Along).unwrap();
    let all = || party.select().types(["folder", "note"]);
    let of = |deleted| {
        let mut items = party.items_of(&all().deleted(deleted)).unwrap();
        items.sort();
        items
    };
    let sorted = |mut items: Vec<ItemId>| {
        items.sort();
        items
    };
    assert_eq!(of(Deleted::Hide), []);
    assert_eq!(of(Deleted::Only), sorted(vec![folder, a, b, c]));
    party.restore_item(folder, false).unwrap();
    assert_eq!(of(Deleted::Hide), [folder]);
    party.restore_item(folder, true).unwrap();
    assert_eq!(of(Deleted::Show), sorted(vec![folder, a, b, c]));

    party.delete_item(folder, Cascade::Orphan).unwrap();
    assert_eq!(children(&party, ItemId::root(&party.key())), [folder, a, b]);
    assert_eq!(children(&party, a), [c], "what hangs below stays where it hangs");

    party.set(a, "title", "secret").unwrap();
    let query = r#"output title. title(of: E, is: T) :- attr(entity: E, attribute: "title", value: T)."#;
    let mut titles = party.watch(query, &Parameters::new()).unwrap();
    party.purge_item(a, Cascade::Along).unwrap();
    assert_eq!(titles.poll().unwrap().unwrap()["title"][0].1, -1, "what it said is gone");
    assert_eq!(of(Deleted::Show), sorted(vec![folder, b]));
    assert!(matches!(party.restore_item(a, false), Err(Error::NoSuchItem { .. })));
    party.set(a, label_deleted(), false).unwrap();
    assert_eq!(of(Deleted::Show), sorted(vec![folder, b]), "nothing brings it back");
    assert_sound(&party);
}

fn label_deleted() -> Attribute {
    motet::item::label::DELETED.into()
}

/// A tree that takes several entries goes as a whole.
#[test]
fn a_big_tree_goes_along() {
    let (_database, party) = home();
    let top = make(&party, "folder", None);
    for _ in 0..3 {
        let mut transaction = party.transaction();
        for _ in 0..400 {
            transaction.create_item("facts", Some("leaf"), Some(top)).unwrap();
        }
        transaction.commit().unwrap();
    }
    let entries = party.delete_item(top, Cascade::Along).unwrap();
    assert_eq!(entries.len(), 3, "1,201 items in entries of 500");
    assert_eq!(party.items_of(&party.select().types(["leaf"])).unwrap(), []);
    party.restore_item(top, true).unwrap();
    assert_eq!(party.items_of(&party.select().types(["leaf"])).unwrap().len(), 1200);
}

// What they say.

/// EC-36: nested maps, sets, counters and references, bytes, ints and floats apart; null removes.
#[test]
fn an_objects_properties() {
    let (_database, party) = home();
    let item = make(&party, "person", None);
    let mut transaction = party.transaction();
    transaction.set(item, "address.city", "Wien");
    transaction.set(item, "address.zip", 1010);
    transaction.set(item, "age", Value::float(1.0).unwrap());
    transaction.set(item, "key", Value::bytes([0, 255].as_slice()));
    transaction.add(item, "tags", "red");
    transaction.add(item, "tags", "blue");
    transaction.increment(item, "visits", 2);
    transaction.increment(item, "visits", 3);
    transaction.commit().unwrap();
    assert_eq!(value(&party, item, "address.city"), Some("Wien".into()));
    assert_eq!(value(&party, item, "age"), Some(Value::float(1.0).unwrap()));
    assert_ne!(value(&party, item, "age"), Some(1.into()));
    assert_eq!(value(&party, item, "key"), Some(Value::bytes([0, 255].as_slice())));
    assert_eq!(value(&party, item, "visits"), Some(5.into()));
    assert_eq!(get(&party, item, "tags"), Some(Property::Set(["red".into(), "blue".into()].into())));

    let query = r#"output row. row(a: A, v: V) :- attr(entity: $item, attribute: A, value: V)."#;
    let parameters = Parameters::from([("item".to_owned(), Value::from(item))]);
    let mut rows = party.watch(query, &parameters).unwrap();
    assert_eq!(rows.rows("row").count(), 7, "a row for each leaf, and for each element");
    let mut transaction = party.transaction();
    transaction.remove(item, "address");
    transaction.take(item, "tags", "red");
    transaction.set(item, "visits", 0);
    transaction.set(item, "age.years", 1);
    transaction.commit().unwrap();
    assert_eq!(get(&party, item, "address"), None);
    assert_eq!(get(&party, item, "tags"), Some(Property::Set(["blue".into()].into())));
    assert_eq!(value(&party, item, "visits"), Some(0.into()));
    assert!(matches!(get(&party, item, "age"), Some(Property::Map(_))), "a value makes room for a map");
    rows.catch_up().unwrap();
    assert_eq!(rows.rows("row").count(), 4);
    assert_sound(&party);
}

/// H14: what two count at once adds up; what one adds and another removes at once is there.
#[test]
fn what_two_do_at_once_to_one_property() {
    let (ada, ben, party, other) = two();
    let item = make(&party, "poll", None);
    let mut transaction = party.transaction();
    transaction.add(item, "tags", "old");
    transaction.set(item, "votes", 10);
    transaction.commit().unwrap();
    meet(&ada, &ben, &party);
    for party in [&party, &other] {
        let mut transaction = party.transaction();
        transaction.increment(item, "votes", 1);
        transaction.commit().unwrap();
    }
    let mut transaction = party.transaction();
    transaction.remove(item, "tags");
    transaction.commit().unwrap();
    let mut transaction = other.transaction();
    transaction.take(item, "tags", "old");
    transaction.add(item, "tags", "new");
    transaction.commit().unwrap();
    meet(&ada, &ben, &party);
    assert_eq!(value(&party, item, "votes"), Some(12.into()));
    assert_eq!(get(&party, item, "tags"), Some(Property::Set(["new".into()].into())));
}

/// EC-65: each line once, whoever's, in one order; saying the same twice is two lines.
#[test]
fn a_log_keeps_every_line_once() {
    let (ada, ben, party, other) = two();
    let chat = party.create_item("log", Some("chat"), None).unwrap();
    party.set(chat, "title", "Lunch").unwrap();
    meet(&ada, &ben, &party);
    let say = |party: &Party, lines: &[&str]| {
        let mut transaction = party.transaction();
        for line in lines {
            transaction.append(chat, [("text".into(), Value::text(*line))]).unwrap();
        }
        transaction.commit().unwrap();
    };
    say(&party, &["hello", "hello"]);
    say(&other, &["hello", "who is hungry?"]);
    meet(&ada, &ben, &party);
    say(&party, &["I am"]);
    meet(&ada, &ben, &party);
    let lines = |party: &Party| -> Vec<String> {
        let read = |log: &LogState| {
            log.lines()
                .map(|line| line.says[&Attribute::from("text")].as_text().unwrap().to_owned())
                .collect()
        };
        party.item(chat, |item| read(item.state().unwrap())).unwrap()
    };
    assert_eq!(lines(&party), lines(&other));
    assert_eq!(lines(&party).iter().filter(|line| *line == "hello").count(), 3);
    assert_eq!(lines(&party).last().unwrap(), "I am");
    assert_eq!(value(&party, chat, "title"), Some("Lunch".into()), "a log has properties beside its lines");
    let query = r#"
        output said order by at.
        said(at: K, text: T) :-
            element(list: $chat, item: L, order_key: K), attr(entity: L, attribute: "text", value: T)."#;
    let parameters = Parameters::from([("chat".to_owned(), Value::from(chat))]);
    let view = party.watch(query, &parameters).unwrap();
    let shown: Vec<&str> = view.shown("said").iter().map(|row| row[1].as_text().unwrap()).collect();
    assert_eq!(shown, lines(&party));
    say(&party, &["oops"]);
    assert!(matches!(party.undo(chat), Err(Error::CannotUndo { .. })), "a line stays said");
}

// What they point at.

/// EC-63, Q5: references both ways, in the party and across parties, and what is at their ends.
#[test]
fn references_lead_both_ways_and_say_what_is_there() {
    let (database, party) = home();
    let work = database.create_party("Work").unwrap();
    let (task, ada) = (make(&party, "task", None), make(&party, "person", None));
    let project = make(&work, "project", None);
    let nobody = ItemId([9; 32]);
    let mut transaction = party.transaction();
    transaction.set(task, "for", Reference::here(ada));
    transaction.add(task, "see", Reference::there(work.key(), project));
    transaction.add(task, "see", Reference::here(nobody));
    transaction.set(task, "not a reference", Value::from(ada));
    transaction.commit().unwrap();
    let standings = || -> Vec<(String, Standing)> {
        let links = party.links(task).unwrap().into_iter();
        links.map(|(link, standing)| (link.property.as_text().unwrap().to_owned(), standing)).collect()
    };
    let see = |standing| ("see".to_owned(), standing);
    let before = standings();
    assert_eq!(before[0], ("for".to_owned(), Standing::Present));
    assert!(
        before.contains(&see(Standing::Present)) && before.contains(&see(Standing::Missing)),
        "{before:?}"
    );
    let back = party.referrers(&Reference::here(ada)).unwrap();
    assert_eq!(back.iter().map(|link| link.from).collect::<Vec<_>>(), [task]);
    assert_eq!(party.referrers(&Reference::there(party.key(), ada)).unwrap(), back, "by its full name, too");

    let query =
        "output link. link(from: F, a: A, to: T) :- refers(from: F, attribute: A, to: T), item(id: T).";
    let mut view = party.watch(query, &Parameters::new()).unwrap();
    assert_eq!(view.rows("link").count(), 1, "of what is here");
    party.delete_item(ada, Cascade::Refuse).unwrap();
    work.purge_item(project, Cascade::Refuse).unwrap();
    let mut after = standings();
    after.sort();
    assert_eq!(
        after,
        [("for".to_owned(), Standing::Deleted), see(Standing::Deleted), see(Standing::Missing)]
    );
    party.set(task, "for", "somebody").unwrap();
    view.catch_up().unwrap();
    assert_eq!(view.rows("link").count(), 0);
    let sugar = r#"output named.
        named(who: N) :- Task(id: T, see: S), item(id: S), attr(entity: S, attribute: "name", value: N)."#;
    assert!(party.watch(sugar, &Parameters::new()).is_ok(), "a reference joins with the item it points at");
}

// Choosing them.

/// EC-64: by id, type, property and condition; children, parents, links and referrers; each once; and an update only if
/// the choice changed.
#[test]
fn selections_walk_and_tell_what_changed() {
    let (_database, party) = home();
    let [org, other_org] = std::array::from_fn(|_| make(&party, "org", None));
    let [ann, bob] = std::array::from_fn(|_| make(&party, "person", Some(org)));
    let cay = make(&party, "person", Some(other_org));
    let mut transaction = party.transaction();
    for (number, person) in [ann, bob, cay].into_iter().enumerate() {
        transaction.set(person, "age", 30 + 10 * number as i64);
        transaction.set(person, "boss", Reference::here(ann));
    }
    transaction.commit().unwrap();
    let of = |selection: motet::Selection| party.items_of(&selection).unwrap();
    let select = || party.select();
    let sorted = |mut items: Vec<ItemId>| {
        items.sort();
        items
    };
    assert_eq!(of(select().ids([ann])), [ann]);
    assert_eq!(of(select().ids([])), []);
    assert_eq!(sorted(of(select().types(["person"]))), sorted(vec![ann, bob, cay]));
    assert_eq!(sorted(of(select().types(["person", "org"]))).len(), 5);
    assert_eq!(of(select().types(["org"]).ids([ann])), [], "all conditions hold");
    assert_eq!(of(select().under([org])), [ann, bob], "children in their order");
    assert_eq!(of(select().types(["org"]).ids([org]).children()), [ann, bob]);
    assert_eq!(sorted(of(select().types(["org"]).children())), sorted(vec![ann, bob, cay]));
    assert_eq!(sorted(of(select().types(["person"]).parents())), sorted(vec![org, other_org]), "each once");
    assert_eq!(of(select().ids([bob]).links("boss")), [ann]);
    assert_eq!(sorted(of(select().ids([ann]).referrers("boss"))), sorted(vec![ann, bob, cay]));
    assert_eq!(of(select().with("age", 40)), [bob]);
    let old = r#"attr(entity: I, attribute: "age", value: A), A > 30"#;
    assert_eq!(sorted(of(select().types(["person"]).having(old))), sorted(vec![bob, cay]));
    assert!(matches!(party.items_of(&select().having("A > ")), Err(Error::Query(_))));

    let mut people = party.watch_items(&select().ids([org]).children().types(["person"])).unwrap();
    assert_eq!(people.poll().unwrap(), None);
    party.set(ann, "age", 31).unwrap();
    make(&party, "person", Some(other_org));
    make(&party, "plant", Some(org));
    assert_eq!(people.poll().unwrap(), None, "nothing that it chooses has changed");
    let dan = make(&party, "person", Some(org));
    assert_eq!(people.poll().unwrap(), Some(Update { came: vec![dan], ..Update::default() }));
    party.place_item(dan, org, Stand::First).unwrap();
    assert_eq!(people.poll().unwrap(), Some(Update { reordered: true, ..Update::default() }));
    assert_eq!(people.items(), [dan, ann, bob]);
    party.delete_item(bob, Cascade::Refuse).unwrap();
    assert_eq!(people.poll().unwrap(), Some(Update { gone: vec![bob], ..Update::default() }));
    assert_eq!(people.len(), 2);
}

/// EC-66: waiting for items that are there, that come, and that don't.
#[test]
fn waiting_for_an_item() {
    let (ada, ben, party, other) = two();
    let task = make(&party, "task", None);
    let tasks = other.select().types(["task"]);
    let late = other.wait_for(&tasks, Duration::from_millis(1)).unwrap_err();
    assert!(late.to_string().contains("nothing is known to be missing"), "{late}");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| other.wait_for(&tasks, Duration::from_secs(60)).unwrap());
        send(&ada.database, &ben.database, &party.key());
        assert_eq!(waiting.join().unwrap(), [task]);
    });
    assert_eq!(other.wait_for(&other.select().ids([task]), Duration::ZERO).unwrap(), [task]);
}

/// What is missing is named: entries that wait, and items nobody here knows how to read.
#[test]
fn completeness_names_what_is_missing() {
    let (ada, ben, party, other) = two();
    assert!(other.completeness().unwrap().is_complete());
    let first = party.create_item("object", Some("task"), None).unwrap();
    party.set(first, "title", "late").unwrap();
    let load = common::everything(&ada.database, &party.key());
    ben.database.deliver(&party.key(), load[load.len() - 1..].to_vec()).unwrap();
    let missing = other.completeness().unwrap();
    assert_eq!(missing.waiting.len(), 1);
    assert!(!missing.is_complete() && missing.to_string().contains("1 entries that wait"), "{missing}");
    meet(&ada, &ben, &party);
    assert!(other.completeness().unwrap().is_complete());
}

// What was said.

/// The history of an item, taking back and saying again, each person what they said themselves.
#[test]
fn history_undo_and_redo() {
    let (ada, ben, party, other) = two();
    let folder = make(&party, "folder", None);
    let item = make(&party, "note", None);
    party.set(item, "title", "one").unwrap();
    party.set(item, "title", "two").unwrap();
    party.move_item(item, folder).unwrap();
    meet(&ada, &ben, &party);
    let mut transaction = other.transaction();
    transaction.set(item, "body", "Ben's");
    transaction.commit().unwrap();
    meet(&ada, &ben, &party);

    let title = || value(&party, item, "title");
    party.undo(item).unwrap().unwrap();
    assert_eq!(children(&party, folder), [], "a move goes back");
    let undone = party.undo(item).unwrap().unwrap();
    assert_eq!(title(), Some("one".into()));
    let names: Vec<String> = party.history(item).unwrap().into_iter().filter_map(|it| it.name).collect();
    assert_eq!(names, ["Ada", "Ada", "Ada", "Ada", "Ben", "Ada", "Ada"]);
    assert_eq!(party.history(item).unwrap().last().unwrap().undoes, Some(undone.entry));
    party.redo(item).unwrap().unwrap();
    assert_eq!(title(), Some("two".into()));
    party.redo(item).unwrap().unwrap();
    assert_eq!(children(&party, folder), [item]);
    assert_eq!(party.redo(item).unwrap(), None, "nothing more");
    for _ in 0..3 {
        party.undo(item).unwrap().unwrap();
    }
    assert_eq!(title(), None);
    party.redo(item).unwrap().unwrap();
    party.redo(item).unwrap().unwrap();
    assert_eq!(title(), Some("two".into()), "what was taken back twice comes again twice");
    party.undo(item).unwrap().unwrap();
    party.undo(item).unwrap().unwrap();
    assert_eq!(title(), None);
    party.undo(item).unwrap().unwrap();
    assert!(party.item(item, |item| item.is_deleted()).unwrap(), "what was made is deleted");
    assert_eq!(party.undo(item).unwrap(), None, "Ben's is Ben's");
    assert_eq!(value(&party, item, "body"), Some("Ben's".into()));
    party.redo(item).unwrap().unwrap();
    party.set(item, "title", "three").unwrap();
    assert_eq!(party.redo(item).unwrap(), None, "what is said anew cannot be redone over");
    meet(&ada, &ben, &party);
    other.set(item, "title", "Ben's, too").unwrap();
    meet(&ada, &ben, &party);
    let over = party.undo(item).unwrap().unwrap();
    assert_eq!(over.facts, 0, "Ben has changed it since");
    assert_eq!(title(), Some("Ben's, too".into()));
    meet(&ada, &ben, &party);
    let reopened = Database::open_on(ada.store.clone(), common::seal_key(), ada.world.clone()).unwrap();
    let again = reopened.party(&party.key()).unwrap();
    assert!(again.redo(item).unwrap().is_some(), "a restart forgets nothing of it");
}

/// The party as of any heads is a replica that has just those entries; and as of a time.
#[test]
fn a_party_as_it_was() {
    let (ada, ben, party, other) = two();
    let mut seen: Vec<(AsOf, motet::fact::Digest)> = Vec::new();
    let heads = |peer: &Peer| -> Vec<Cid> {
        use motet_sync::Replica as _;
        let heads = peer.database.heads(&party.key());
        [heads.control, heads.data].concat()
    };
    let item = make(&party, "note", None);
    for number in 0..6 {
        party.set(item, "title", number).unwrap();
        other.create_item("object", Some("extra"), None).unwrap();
        seen.push((AsOf::Heads(heads(&ada)), party.state_hash().unwrap()));
        if number % 2 == 1 {
            meet(&ada, &ben, &party);
            seen.push((AsOf::Heads(heads(&ada)), party.state_hash().unwrap()));
        }
    }
    for (at, hash) in &seen {
        assert_eq!(party.as_of(at).unwrap().state_hash().unwrap(), *hash);
    }
    let then = party.as_of(&seen[2].0).unwrap();
    let title =
        then.item(item, |item| item.attributes(&item.id().entity())[&"title".into()].clone()).unwrap();
    assert_eq!(title, 1.into());
    let query = r#"output t. t(is: T) :- attr(attribute: "title", value: T)."#;
    let view = then.query(&Query::new(query).on(RuntimeKind::Naive)).unwrap();
    assert_eq!(view.rows("t").collect::<Vec<_>>(), [&vec![Value::Int(1)]]);
    let timed = "output n. n(x: X)@next :- n(x: X). n(x: 1).";
    assert!(matches!(then.query(&Query::new(timed)), Err(Error::Timed)));
    assert_eq!(then.items().unwrap().len(), 4, "the root, the note, and two extras");

    let history = party.history(item).unwrap();
    let (third, fourth) = (&history[3], &history[4]);
    assert!(third.written_at < fourth.written_at);
    let then = party.as_of(&AsOf::Time(third.written_at)).unwrap();
    let title =
        then.item(item, |item| item.attributes(&item.id().entity())[&"title".into()].clone()).unwrap();
    assert_eq!(title, 2.into());
    assert_eq!(party.as_of(&AsOf::Time(0)).unwrap().entries(), 0);
    assert_eq!(
        party.as_of(&AsOf::Time(i64::MAX)).unwrap().state_hash().unwrap(),
        party.state_hash().unwrap()
    );
    let nowhere = Cid::of(motet::fact::Codec::Raw, b"nowhere");
    assert!(matches!(party.as_of(&AsOf::Heads(vec![nowhere])), Err(Error::NoSuchEntry(_))));
}

/// An item goes on under another model: the new one says the same, the old one is deleted and names it.
#[test]
fn an_item_goes_on_under_another_model() {
    let (_database, party) = home();
    let folder = make(&party, "folder", None);
    let old = make(&party, "note", Some(folder));
    let mut transaction = party.transaction();
    transaction.set(old, "title", "Milk");
    transaction.add(old, "tags", "red");
    transaction.increment(old, "visits", 2);
    transaction.commit().unwrap();
    party.set(old, "title", "Milk, eggs").unwrap();
    let new = party.remodel_item(old, "object").unwrap();
    assert_eq!(value(&party, new, "title"), Some("Milk, eggs".into()));
    assert_eq!(value(&party, new, "visits"), Some(2.into()));
    assert_eq!(get(&party, new, "tags"), Some(Property::Set(["red".into()].into())));
    let (successor, deleted) = party.item(old, |item| (item.successor(), item.is_deleted())).unwrap();
    assert_eq!((successor, deleted), (Some(new), true));
    let summary = party.item_summary(new).unwrap();
    assert_eq!((summary.kind.as_deref(), summary.parent), (Some("note"), Some(folder)));
    party.set(new, "visits", 7).unwrap();
    assert_eq!(value(&party, old, "visits"), Some(2.into()), "they are two");
    assert!(matches!(party.remodel_item(old, "spreadsheet"), Err(Error::NoSuchModel(..))));
    assert_sound(&party);
}

/// EC-33, H17: items of a model that is not known here are in nobody's way, and come alive when it is registered.
#[test]
fn a_model_that_is_registered_later_finds_everything() {
    let (ada, ben, party, other) = two();
    ada.database.register_model(Folding::<Sum>::default());
    let sum = party.create_item("sum", Some("sum"), None).unwrap();
    for number in [2, 3] {
        party.set(sum, "add", number).unwrap();
    }
    send(&ada.database, &ben.database, &party.key());
    assert!(matches!(other.create_item("sum", None, None), Err(Error::NoSuchModel(..))));
    let unknown = other.completeness().unwrap().unknown_models;
    assert_eq!(unknown, [(sum, "sum".to_owned())]);
    let query = r#"output total. total(of: E, is: T) :- attr(entity: E, attribute: "total", value: T)."#;
    let mut totals = other.watch(query, &Parameters::new()).unwrap();
    assert_eq!(totals.rows("total").count(), 0);
    ben.database.register_model(Folding::<Sum>::default());
    assert_eq!(totals.poll().unwrap().unwrap()["total"], [(vec![sum.into(), 5.into()], 1)]);
    party.set(sum, "add", 4).unwrap();
    send(&ada.database, &ben.database, &party.key());
    totals.catch_up().unwrap();
    assert_eq!(totals.rows("total").collect::<Vec<_>>(), [&vec![Value::from(sum), Value::from(9)]]);
    assert_eq!(party.state_hash().unwrap(), other.state_hash().unwrap());
    assert!(matches!(party.undo(sum), Err(Error::CannotUndo { .. })));
}

/// H27: what needs the tree loads the tree, and what needs an item that item.
#[test]
fn only_what_is_asked_for_is_loaded() {
    let mut ada = Peer::new("Ada", 1);
    let party = ada.database.create_party("Home").unwrap();
    let folder = make(&party, "folder", None);
    let items: Vec<ItemId> = (0..50).map(|_| make(&party, "note", Some(folder))).collect();
    let key = party.key();
    ada.reopen();
    let party = ada.party(&key);
    assert_eq!(party.loaded(), 0);
    assert_eq!(children(&party, folder), items);
    assert_eq!(party.loaded(), 1, "the tree");
    party.place_item(items[7], folder, Stand::First).unwrap();
    assert_eq!(party.loaded(), 1);
    make(&party, "note", Some(folder));
    party.set(items[3], "title", "three").unwrap();
    assert_eq!(party.loaded(), 2);
    assert_eq!(party.history(items[3]).unwrap().len(), 2);
    party.undo(items[3]).unwrap().unwrap();
    assert_eq!(party.loaded(), 2);
    assert_sound(&party);
}
