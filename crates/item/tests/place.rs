//! A fact's place is the least position among the counted entries that assert it (H14), and a model is told when it
//! moves. Built in models don't look at places, so this one publishes them.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Cid, Codec, Digest, Fact, PublicKey, Value};
use motet_feed::Position;
use motet_item::{
    Assertion, BaseRelation, Change, Genesis, Item, ItemId, Model, Past, Registry, SnapshotError, State, Told,
};
use proptest::prelude::*;

struct Places;

impl Model for Places {
    fn name(&self) -> &str {
        "places"
    }
    fn version(&self) -> u32 {
        1
    }
    fn begin(&self, _item: ItemId) -> Option<Box<dyn State>> {
        Some(Box::new(PlacesState(BTreeSet::new())))
    }
    fn restore(&self, _item: ItemId, _snapshot: &[u8]) -> Result<Box<dyn State>, SnapshotError> {
        Err(SnapshotError::Stateless("places".to_owned()))
    }
}

struct PlacesState(BTreeSet<Vec<Value>>);

impl State for PlacesState {
    fn step(&mut self, batch: &[Told<'_>]) -> Vec<Change> {
        let change = |told: &Told<'_>| {
            let row =
                vec![told.entity.clone().into(), told.attribute.clone().into(), told.place.entry.id.into()];
            let fits = if told.weight == 1 { self.0.insert(row.clone()) } else { self.0.remove(&row) };
            assert!(fits, "told once, untold once");
            Change::new(BaseRelation::Attr, row, told.weight)
        };
        batch.iter().map(change).collect()
    }
    fn rows(&self, visit: &mut dyn FnMut(BaseRelation, Vec<Value>)) {
        self.0.iter().for_each(|row| visit(BaseRelation::Attr, row.clone()));
    }
    fn digest(&self) -> Digest {
        Digest([0; 32])
    }
    fn snapshot(&self) -> Vec<u8> {
        Vec::new()
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// Entries that know nothing of each other.
struct Concurrent;

impl Past for Concurrent {
    fn reaches(&self, descendant: &Cid, ancestor: &Cid) -> bool {
        descendant == ancestor
    }
}

fn entry(depth: u64) -> Position {
    let feed = PublicKey::from_bytes(&[1; 32]).unwrap();
    Position { depth, feed, id: Cid::of(Codec::Raw, &depth.to_le_bytes()) }
}

fn born() -> Item {
    let genesis = Genesis { nonce: [3; 16], model: "places".to_owned(), version: 1, kind: None };
    let party = PublicKey::from_bytes(&[9; 32]).unwrap();
    let id = genesis.id(&party, &entry(1).feed);
    let mut item = Item::new(party, id, &Registry::builtin().with(Places));
    let facts = genesis.facts(id).unwrap();
    let assertion = |fact| Assertion { fact, entry: entry(1), counted: true };
    item.assert(&facts.iter().map(assertion).collect::<Vec<_>>(), &Concurrent);
    item
}

proptest! {
    #[test]
    fn a_place_is_the_least_that_counts(
        steps in prop::collection::vec((2..9_u64, any::<bool>(), any::<bool>()), 1..20),
    ) {
        let mut item = born();
        let fact = Fact::new(item.id().entity(), "said".into(), true, Vec::new()).unwrap();
        let mut counted: BTreeMap<u64, bool> = BTreeMap::new();
        let mut place = None;
        for (number, counts, recount) in steps {
            let changes = if recount {
                counted.entry(number).and_modify(|flag| *flag = counts);
                item.recount(&BTreeMap::from([(entry(number).id, counts)]))
            } else {
                counted.insert(number, counts);
                item.assert(&[Assertion { fact: &fact, entry: entry(number), counted: counts }], &Concurrent)
            };
            let least = counted.iter().find(|(_, counts)| **counts).map(|(&number, _)| entry(number).id);
            let attr = |change: &&Change| change.relation == BaseRelation::Attr;
            let published: Vec<(Value, i64)> =
                changes.iter().filter(attr).map(|change| (change.row[2].clone(), change.weight)).collect();
            let mut expected = Vec::new();
            if least != place {
                expected.extend(place.map(|place: Cid| (place.into(), -1)));
                expected.extend(least.map(|least| (least.into(), 1)));
                expected.sort();
            }
            prop_assert_eq!(published, expected);
            place = least;
        }
    }
}
