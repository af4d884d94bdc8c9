//! What a call costs follows what it touches, not what the item holds; and small stories told in full.

use std::collections::BTreeMap;

use motet_fact::{Attribute, Cid, Codec, Entity, Fact, PublicKey, Value};
use motet_feed::Position;
use motet_item::{Assertion, BaseRelation, Draft, Genesis, Item, Past, Registry, consolidate};

/// Entries in one line.
struct Line;

impl Past for Line {
    fn reaches(&self, _descendant: &Cid, _ancestor: &Cid) -> bool {
        true
    }
}

fn feed() -> PublicKey {
    PublicKey::from_bytes(&[1; 32]).unwrap()
}

fn party() -> PublicKey {
    PublicKey::from_bytes(&[9; 32]).unwrap()
}

fn entry(number: u64) -> Position {
    Position { depth: number, feed: feed(), id: Cid::of(Codec::Raw, &number.to_le_bytes()) }
}

fn write(item: &mut Item, number: u64, facts: &[Fact]) -> Vec<motet_item::Change> {
    let assertions: Vec<Assertion<'_>> =
        facts.iter().map(|fact| Assertion { fact, entry: entry(number), counted: true }).collect();
    item.assert(&assertions, &Line)
}

fn born(model: &str) -> Item {
    let kind = Some("song".to_owned());
    let genesis = Genesis { nonce: [3; 16], model: model.to_owned(), version: 1, kind };
    let id = genesis.id(&party(), &feed());
    let mut item = Item::new(party(), id, &Registry::builtin());
    write(&mut item, 1, &genesis.facts(id).unwrap());
    item
}

/// The fact that sets a register over what the item holds.
fn set(item: &Item, entity: &Entity, attribute: &Attribute, value: impl Into<Value>) -> Fact {
    Draft::default().set(item, entity, attribute, value.into()).unwrap().pop().unwrap()
}

fn title(item: &Item) -> (Entity, Attribute) {
    (item.id().entity(), "title".into())
}

#[test]
fn a_small_change_of_a_big_item_looks_at_little() {
    let mut item = born("facts");
    let triple = |number: u32| {
        let entity = Entity::new(number.to_le_bytes().as_slice()).unwrap();
        Fact::new(entity, "knows".into(), i64::from(number / 2), Vec::new()).unwrap()
    };
    let triples: Vec<Fact> = (0..100_000).map(triple).collect();
    let changes = write(&mut item, 2, &triples);
    assert_eq!(changes.len(), 200_000, "a row of fact and one of height for each");
    let hash = item.state_hash();
    let changes = write(&mut item, 3, &[triple(200_000)]);
    assert_eq!((changes.len(), item.work()), (2, 1));
    item.recount(&BTreeMap::from([(entry(3).id, false)]));
    assert_eq!(item.work(), 1);
    assert_eq!(item.state_hash(), hash);
}

#[test]
fn a_long_history_of_one_register_costs_no_more_by_the_write() {
    let mut item = born("object");
    let (entity, name) = title(&item);
    for number in 0..5_000_i64 {
        let fact = set(&item, &entity, &name, number);
        write(&mut item, 2 + number.unsigned_abs(), &[fact]);
        assert!(item.work() <= 2);
    }
    assert_eq!(item.attributes(&entity)[&name], Value::Int(4_999));
    assert_eq!(item.candidates(&entity, &name).len(), 1);
}

#[test]
fn what_is_withdrawn_comes_back_to_what_it_replaced() {
    let mut item = born("object");
    let (entity, name) = title(&item);
    let mut facts = Vec::new();
    for (number, value) in ["first", "second", "third"].into_iter().enumerate() {
        let fact = set(&item, &entity, &name, value);
        write(&mut item, 2 + number as u64, std::slice::from_ref(&fact));
        facts.push(fact);
    }
    let value = |item: &Item| item.attributes(&entity)[&name].clone();
    assert_eq!(value(&item), "third".into());
    item.recount(&BTreeMap::from([(entry(4).id, false)]));
    assert_eq!(value(&item), "second".into());
    let changes = item.recount(&BTreeMap::from([(entry(4).id, true), (entry(3).id, false)]));
    assert_eq!(value(&item), "third".into());
    let cause = |change: &&motet_item::Change| change.relation == BaseRelation::Cause;
    let spliced = vec![facts[2].cid().into(), facts[0].cid().into(), entry(4).id.into()];
    assert!(changes.iter().filter(cause).any(|change| change.row == spliced && change.weight == 1));
    assert_eq!(consolidate(changes.clone()).len(), changes.len());
    assert_eq!(item.height(&facts[2].cid()), Some(3), "withdrawing takes content, never order");
}

#[test]
fn a_genesis_names_model_and_type_and_goes_with_its_entry() {
    let mut item = born("object");
    assert_eq!(
        (item.model(), item.version(), item.kind().as_deref()),
        (Some("object"), Some(1), Some("song"))
    );
    let (entity, deleted) = (item.id().entity(), Attribute::from("motet/deleted"));
    let fact = set(&item, &entity, &deleted, true);
    write(&mut item, 2, &[fact]);
    assert!(item.is_deleted());
    let restored = set(&item, &entity, &deleted, false);
    write(&mut item, 3, &[restored]);
    assert!(!item.is_deleted());
    item.recount(&BTreeMap::from([(entry(1).id, false)]));
    assert_eq!((item.model(), item.is_alive()), (None, false));
}

#[test]
fn an_unknown_model_keeps_its_facts() {
    let mut item = born("from the future");
    assert_eq!((item.model(), item.is_alive()), (Some("from the future"), false));
    let (entity, name) = title(&item);
    let fact = set(&item, &entity, &name, "kept");
    let changes = write(&mut item, 2, &[fact]);
    assert!(changes.iter().all(|change| change.relation != BaseRelation::Attr));
    assert_eq!(item.sizes(), (4, 4));
}

#[test]
fn the_hash_of_many_registers_is_that_of_a_fold_from_scratch() {
    let mut item = born("object");
    let mut facts = Vec::new();
    for number in 0..300_u64 {
        let (entity, _) = title(&item);
        let name = Attribute::new(Value::Int((number * number % 41).cast_signed())).unwrap();
        let fact = set(&item, &entity, &name, number.cast_signed());
        write(&mut item, 2 + number, std::slice::from_ref(&fact));
        facts.push(fact);
    }
    let withdrawn = |number: u64| number % 3 == 1 || number < 9;
    item.recount(&(0..300).map(|number| (entry(2 + number).id, !withdrawn(number))).collect());

    let mut scratch = born("object");
    let assertion = |(number, fact): (usize, _)| {
        let number = number as u64;
        Assertion { fact, entry: entry(2 + number), counted: !withdrawn(number) }
    };
    scratch.assert(&facts.iter().enumerate().map(assertion).collect::<Vec<_>>(), &Line);
    assert_eq!(scratch.state_hash(), item.state_hash());
    item.recount(&BTreeMap::from([(entry(2 + 299).id, false)]));
    assert_ne!(scratch.state_hash(), item.state_hash());
}
