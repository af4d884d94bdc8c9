//! Bound queries read what they can see, and answer what reading everything would have answered.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use crate::common::{Peer, seal_key, send};
use crate::restart::{Counting, OFTEN, damage};
use motet::authority::Role;
use motet::fact::{Entity, Fact, PublicKey, Value};
use motet::item::{Facts, ItemId, Object, Text};
use motet::{Cut, Database, Limits, ModelBlock, Party, Query, RuntimeKind};
use motet_store::testing::Chance;
use motet_store::{Batch, ScanRange, Store, Table};

/// Base relations of items with their columns; of `fact` the last is the CID.
const RELATIONS: [(&str, &[&str]); 8] = [
    ("fact", &["entity", "attribute", "value", "cid"]),
    ("cause", &["cid", "parent"]),
    ("height", &["cid", "height"]),
    ("attr", &["entity", "attribute", "value"]),
    ("candidate", &["entity", "attribute", "value", "cid"]),
    ("element", &["list", "item", "order_key"]),
    ("refers", &["from", "attribute", "to"]),
    ("item", &["id", "model", "type", "parent", "deleted"]),
];

type Rows = BTreeSet<Vec<Value>>;

/// A rule for the rows of a relation that hold certain parameters at some places.
fn rule(output: usize, relation: usize, bound: &BTreeMap<usize, String>) -> String {
    let (name, columns) = RELATIONS[relation];
    let cid = name == "fact";
    let tuple = if cid { &columns[..3] } else { columns };
    let named = tuple.iter().enumerate().map(|(place, column)| format!("{column}: V{place}"));
    let head: Vec<String> = (0..columns.len()).map(|place| format!("c{place}: V{place}")).collect();
    let atom = format!("{name}({})", named.collect::<Vec<_>>().join(", "));
    let atom = if cid { format!("V3 := {atom}") } else { atom };
    let equal = bound.iter().map(|(place, parameter)| format!(", V{place} == ${parameter}"));
    format!("q{output}({}) :- {atom}{}.\n", head.join(", "), equal.collect::<String>())
}

fn all_rows(party: &Party, relation: usize, runtime: RuntimeKind) -> Rows {
    let query = Query::new(format!("output q0.\n{}", rule(0, relation, &BTreeMap::new()))).on(runtime);
    let view = party.database().watch(&[party.key()], &query).unwrap();
    view.rows("q0").cloned().collect()
}

/// Asks some questions with constants, and compares with the rows of everything.
pub(crate) fn assert_twins(party: &Party, questions: usize, chance: &mut Chance) {
    let all: Vec<Rows> =
        (0..RELATIONS.len()).map(|relation| all_rows(party, relation, RuntimeKind::Native)).collect();
    let runtimes = [RuntimeKind::Native, RuntimeKind::Naive];
    for _ in 0..questions {
        let outputs = 1 + chance.below(2) as usize;
        let (mut text, mut query) = (String::new(), Query::new(""));
        let mut expected: Vec<Rows> = vec![Rows::new(); outputs];
        for (output, expected) in expected.iter_mut().enumerate() {
            text += &format!("output q{output}.\n");
            let relation = chance.below(RELATIONS.len() as u64) as usize;
            // One set of constants, or two.
            for rule_of in 0..1 + chance.below(2) {
                let row = pick(&all[relation], chance);
                let mut bound = BTreeMap::new();
                for place in 0..RELATIONS[relation].1.len() {
                    if chance.below(3) == 0 || place == 0 && chance.below(2) == 0 {
                        let value = row.as_ref().map_or(Value::Int(7), |row| row[place].clone());
                        let name = format!("p{output}_{rule_of}_{place}");
                        query = query.with(&name, value.clone());
                        bound.insert(place, (name, value));
                    }
                }
                let agrees =
                    |row: &&Vec<Value>| bound.iter().all(|(place, (_, value))| row[*place] == *value);
                expected.extend(all[relation].iter().filter(agrees).cloned());
                let bound = bound.into_iter().map(|(place, (name, _))| (place, name)).collect();
                text += &rule(output, relation, &bound);
            }
        }
        query.text = text;
        let query = query.on(runtimes[chance.below(2) as usize]);
        let view = party.database().watch(&[party.key()], &query).unwrap();
        for (output, expected) in expected.iter().enumerate() {
            let found: Rows = view.rows(&format!("q{output}")).cloned().collect();
            assert_eq!(found, *expected, "q{output} of {query:?}");
        }
    }
}

fn pick(rows: &Rows, chance: &mut Chance) -> Option<Vec<Value>> {
    if rows.is_empty() {
        return None;
    }
    rows.iter().nth(chance.below(rows.len() as u64) as usize).cloned()
}

/// A party with items of several models, one with many parts, and what somebody said who is in it no more.
fn lived_in(limits: Limits, seed: u64) -> (Peer, PublicKey) {
    let (mut ada, ben) = (Peer::new("Ada", seed * 2 + 1), Peer::new("Ben", seed * 2 + 2));
    ada.set_limits(limits);
    let key = ada.database.create_party("Home").unwrap().key();
    ada.admit(&key, &ben, Role::Writer).unwrap();
    let party = ada.party(&key);
    let items: Vec<ItemId> = [Object::NAME, Facts::NAME, Text::NAME, motet::item::List::NAME]
        .map(|model| party.create_item(model, Some("note"), None).unwrap())
        .into();
    for n in 0..12 {
        party.set(items[0], "title", n % 5).unwrap();
        party.text(items[2]).unwrap().insert(n as usize, "x").unwrap();
        party.list(items[3]).unwrap().push(n).unwrap();
        let mut transaction = party.transaction();
        for value in 0..4 {
            let entity = Entity::from([n as u8 % 3; 16]);
            let fact = Fact::new(entity, "said".into(), n * 4 + value, Vec::new()).unwrap();
            transaction.state(items[1], fact);
        }
        transaction.commit().unwrap();
    }
    send(&ada.database, &ben.database, &key);
    for n in 0..4 {
        ben.party(&key).set(items[0], "title", 100 + n).unwrap();
        ben.party(&key).text(items[2]).unwrap().insert(3, "ben").unwrap();
    }
    // Linked before what Ben wrote, and after it in the one order.
    for n in 0..9 {
        party.set(items[1], "meanwhile", n).unwrap();
    }
    send(&ben.database, &ada.database, &key);
    party.set(items[0], "title", "on").unwrap();
    party.text(items[2]).unwrap().insert(5, "on").unwrap();
    party.remove_member(&ben.database.profile().identity, &Cut::Nothing).unwrap();
    (ada, key)
}

#[test]
fn bound_queries_answer_what_reading_everything_answers() {
    for seed in 0..12 {
        let mut chance = Chance(seed);
        let limits = Limits { parts_whole: chance.below(4) as usize, ..OFTEN };
        let (mut ada, key) = lived_in(limits, seed);
        for _ in 0..3 {
            assert_twins(&ada.party(&key), 30, &mut chance);
            ada.reopen();
        }
    }
}

#[test]
fn what_was_spliced_is_found_under_what_it_comes_after_now() {
    let (mut ada, key) = lived_in(Limits { parts_whole: 0, facts_in_memory: 0, ..OFTEN }, 1);
    let all = all_rows(&ada.party(&key), 1, RuntimeKind::Native);
    let facts = all_rows(&ada.party(&key), 0, RuntimeKind::Native);
    let on = facts.iter().find(|row| row[2] == "on".into()).unwrap();
    let row = all.iter().find(|row| row[0] == on[3]).unwrap();
    let parent = facts.iter().find(|fact| fact[3] == row[1]).unwrap();
    assert_eq!(parent[2], Value::Int(1), "Ada's last title before Ben's");
    ada.reopen();
    let query = Query::new("output q. q(c: C) :- cause(cid: C, parent: $p).").with("p", row[1].clone());
    let found = ada.database.watch(&[key], &query).unwrap();
    assert_eq!(found.rows("q").collect::<Vec<_>>(), [&vec![on[3].clone()]]);
}

/// A text shows its body to who asks, also where only its item is read.
#[test]
fn what_models_say_on_demand_is_said_of_what_is_asked_for() {
    let (mut ada, key) = lived_in(Limits { parts_whole: 0, ..OFTEN }, 2);
    let texts = "output t. t(e: E) :- item(id: E, model: \"text\").";
    let text = {
        let view = ada.database.watch(&[key], &Query::new(texts)).unwrap();
        view.rows("t").next().unwrap()[0].clone()
    };
    ada.reopen();
    let query = "output q. q(t: T) :- attr(entity: $e, attribute: \"text\", value: T).";
    let view = ada.database.watch(&[key], &Query::new(query).with("e", text)).unwrap();
    assert_eq!(view.rows("q").collect::<Vec<_>>(), [&vec![Value::text("xxxonxxxxxxxxx")]]);
}

/// Rules may say anything of anything: their items are read whatever the query names.
#[test]
fn what_rules_say_is_found_though_no_fact_is_about_it() {
    let program = r#"output attr.
        attr(entity: 0xeeee, attribute: "said", value: V) :- fact(attribute: "amount", value: V)."#;
    for parts_whole in [0, 100] {
        let (mut ada, key) = lived_in(Limits { parts_whole, facts_in_memory: 0, ..OFTEN }, 8);
        ada.party(&key).publish_model("odd", &ModelBlock::new(program)).unwrap();
        let item = ada.party(&key).create_item("odd", None, None).unwrap();
        ada.party(&key).set(item, "amount", 5).unwrap();
        let query = Query::new("output q. q(v: V) :- attr(entity: 0xeeee, value: V).");
        for _ in 0..2 {
            let view = ada.database.watch(&[key], &query).unwrap();
            assert_eq!(view.rows("q").collect::<Vec<_>>(), [&vec![Value::Int(5)]]);
            drop(view);
            assert_twins(&ada.party(&key), 20, &mut Chance(3));
            ada.reopen();
        }
    }
}

/// A live view of a bound query hears of what it can see, as it comes and goes.
#[test]
fn a_view_that_began_with_a_few_rows_follows() {
    let (ada, key) = lived_in(OFTEN, 3);
    let party = ada.party(&key);
    let item = party.create_item(Object::NAME, None, None).unwrap();
    let other = party.create_item(Object::NAME, None, None).unwrap();
    let query = "output q. q(v: V) :- attr(entity: $e, attribute: \"title\", value: V).";
    for runtime in [RuntimeKind::Native, RuntimeKind::Naive] {
        let query = Query::new(query).with("e", Value::from(item)).on(runtime);
        let mut view = ada.database.watch(&[key], &query).unwrap();
        for n in 0..3 {
            for of in [item, other] {
                party.set(of, "title", n).unwrap();
            }
            view.catch_up().unwrap();
            assert_eq!(view.rows("q").collect::<Vec<_>>(), [&vec![Value::Int(n)]]);
        }
        let mut transaction = party.transaction();
        [item, other].into_iter().for_each(|of| transaction.remove(of, "title"));
        transaction.commit().unwrap();
        view.catch_up().unwrap();
        assert_eq!(view.rows("q").count(), 0);
    }
}

/// Replaces the blocks of the index, and not the row that says which there are.
fn damage_blocks(store: &dyn Store) {
    let mut batch = Batch::new();
    store
        .scan(Table("fact_index"), ScanRange::all(), &mut |key, _| {
            if key.len() > 32 {
                batch.put(Table("fact_index"), key, [1, 2, 3]);
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(!batch.is_empty(), "the index has blocks");
    store.commit(batch).unwrap();
}

#[test]
fn an_index_that_is_lost_or_damaged_is_made_anew() {
    let (mut ada, key) = lived_in(OFTEN, 4);
    // The last way leaves a damaged index behind, which would hide what the others do.
    for way in [3, 0, 1, 2] {
        match way {
            0 => assert!(damage(&*ada.store, "fact_index", None) > 0),
            1 => assert!(damage(&*ada.store, "fact_index", Some(&[0xff, 0xff])) > 0),
            2 => damage_blocks(&*ada.store),
            // The graph is made anew, and its entries have other numbers.
            _ => assert!(damage(&*ada.store, "checkpoints", None) > 0),
        }
        for reopens in [true, false] {
            if reopens {
                ada.reopen();
            }
            assert_twins(&ada.party(&key), 30, &mut Chance(way));
            for row in all_rows(&ada.party(&key), 0, RuntimeKind::Native) {
                let cid = row[3].as_link().unwrap();
                assert!(ada.party(&key).fact(&cid).unwrap().is_some(), "way {way}: {row:?}");
            }
            // It is written on.
            for n in 0..20 {
                ada.party(&key).set(ItemId::root(&key), "title", n).unwrap();
            }
            if way == 2 {
                damage_blocks(&*ada.store);
            }
        }
    }
}

/// Parts that can't be read now may be read later: the index does not forget that they are there.
#[test]
fn what_could_not_be_read_is_found_when_it_can() {
    let (mut ada, key) = lived_in(OFTEN, 5);
    let mut parts: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let keep = &mut |row: &[u8], bytes: &[u8]| {
        parts.push((row.to_vec(), bytes.to_vec()));
        ControlFlow::Continue(())
    };
    ada.store.scan(Table("parts"), ScanRange::all(), keep).unwrap();
    let expected = all_rows(&ada.party(&key), 0, RuntimeKind::Native);
    damage(&*ada.store, "fact_index", None);
    let data = |bytes: &[u8]| motet::item::PartBody::decode(bytes).is_ok_and(|body| body.facts.len() == 4);
    let mut batch = Batch::new();
    for (row, _) in parts.iter().filter(|(_, bytes)| data(bytes)) {
        batch.put(Table("parts"), row.as_slice(), [0]);
    }
    ada.store.commit(batch).unwrap();
    ada.reopen();
    for n in 0..20 {
        ada.party(&key).set(ItemId::root(&key), "title", n).unwrap(); // the index is written without them
    }
    let mut batch = Batch::new();
    parts.into_iter().for_each(|(row, bytes)| batch.put(Table("parts"), row, bytes));
    ada.store.commit(batch).unwrap();
    ada.reopen();
    let query = "output q. q(c: C) :- C := fact(entity: $e, attribute: \"said\").";
    let entity = Value::bytes([1; 16].as_slice());
    let view = ada.database.watch(&[key], &Query::new(query).with("e", entity.clone())).unwrap();
    let found: Rows = view.rows("q").cloned().collect();
    let of_entity = expected.iter().filter(|row| row[0] == entity);
    assert_eq!(found, of_entity.map(|row| vec![row[3].clone()]).collect());
    assert_eq!(found.len(), 16);
}

/// The rows read for a bound query about one of so many items.
fn cost(items: usize, query: &str, about: fn(&[ItemId], &Rows) -> Value) -> usize {
    let store = Counting::new();
    let mut peer = Peer::on(store.clone(), "Ada", 1);
    peer.set_limits(OFTEN);
    let party = peer.database.create_party("Home").unwrap();
    let key = party.key();
    let items: Vec<ItemId> =
        (0..items).map(|_| party.create_item(Object::NAME, Some("note"), None).unwrap()).collect();
    for (number, item) in items.iter().enumerate() {
        party.set(*item, "title", number as i64).unwrap();
    }
    let value = about(&items, &all_rows(&party, 0, RuntimeKind::Native));
    drop(party);
    peer.reopen();
    store.take();
    let query = Query::new(query).with("x", value);
    let view = peer.database.watch(&[key], &query).unwrap();
    assert!(view.rows("q").count() > 0);
    store.take()
}

#[test]
fn a_bound_query_reads_no_more_the_more_there_is() {
    let entity = |items: &[ItemId], _: &Rows| items[2].into();
    let title = |_: &[ItemId], _: &Rows| Value::Int(2);
    let cid = |items: &[ItemId], facts: &Rows| {
        let of_item = facts.iter().find(|row| row[0] == items[2].into() && row[1] == "title".into());
        of_item.unwrap()[3].clone()
    };
    type About = fn(&[ItemId], &Rows) -> Value;
    let questions: [(&str, About); 6] = [
        ("output q. q(v: V) :- fact(entity: $x, value: V).", entity),
        ("output q. q(e: E) :- fact(entity: E, value: $x).", title),
        ("output q. q(e: E) :- C := fact(entity: E), C == $x.", cid),
        ("output q. q(h: H) :- height(cid: $x, height: H).", cid),
        ("output q. q(v: V) :- attr(entity: $x, attribute: \"title\", value: V).", entity),
        ("output q. q(v: V) :- candidate(entity: $x, attribute: \"title\", value: V).", entity),
    ];
    for (query, about) in questions {
        let (few, many) = (cost(10, query, about), cost(200, query, about));
        // There are more runs, and what is after the last checkpoint is read.
        assert!(many < few + 100, "{query}: {few} rows of 10 items, {many} of 200");
    }
}

#[test]
fn a_fact_is_found_by_its_name() {
    let (mut ada, key) = lived_in(OFTEN, 6);
    let facts = all_rows(&ada.party(&key), 0, RuntimeKind::Native);
    ada.reopen();
    let party = ada.party(&key);
    for row in &facts {
        let cid = row[3].as_link().unwrap();
        let fact = party.fact(&cid).unwrap().unwrap();
        assert_eq!(fact.cid(), cid);
        assert_eq!([fact.entity().clone().into(), fact.value().clone()], [row[0].clone(), row[2].clone()]);
    }
    // What only Ben said does not count; nobody has said the other.
    let root = party.root();
    let mut uncounted = 0;
    for item in party.item_ids().unwrap().into_iter().chain([root]) {
        party
            .visit_parts(item, |_, said| {
                for fact in said {
                    let is_counted = facts.iter().any(|row| row[3] == Value::Link(fact.cid()));
                    assert_eq!(party.fact(&fact.cid()).unwrap().is_some(), is_counted);
                    uncounted += usize::from(!is_counted);
                }
            })
            .unwrap();
    }
    assert!(uncounted > 0, "something does not count");
    let nobody = Fact::new(root.entity(), "nobody".into(), "said", Vec::new()).unwrap();
    assert_eq!(party.fact(&nobody.cid()).unwrap(), None);
    let void = Fact::new(root.entity(), "nobody".into(), "said this", vec![nobody.cid()]).unwrap();
    let mut transaction = party.transaction();
    transaction.state(root, void.clone());
    transaction.commit().unwrap();
    assert_eq!(party.fact(&void.cid()).unwrap(), None);
}

#[test]
fn each_party_has_an_index_of_its_own() {
    let (mut ada, key) = lived_in(OFTEN, 7);
    let other = ada.database.create_party("Work").unwrap().key();
    for n in 0..30 {
        ada.party(&other).set(ItemId::root(&other), "title", n).unwrap();
    }
    ada.reopen();
    assert_twins(&ada.party(&key), 20, &mut Chance(1));
    assert_twins(&ada.party(&other), 20, &mut Chance(2));
    let store = ada.store.clone();
    let opened = Database::open_on(store, seal_key(), ada.world.clone()).unwrap();
    assert_twins(&opened.party(&key).unwrap(), 5, &mut Chance(3));
}
