//! Properties that are counters: a number, and what was added to it since (requirements §4.4).
//!
//! Each increment is a fact about an entity of its own (H14), so that equal ones add up. It cites the head of the
//! property's register that its writer saw and is added to that one: a number that somebody sets replaces the number
//! and all that was added to it, and of two numbers set concurrently the winner counts with its own increments. A
//! property that was never set is counted from nothing, and is not there while that comes to nothing. Sums are exact;
//! one that leaves 64 bits is no value (Q3).

use std::collections::BTreeMap;

use motet_fact::{Attribute, Cid, Entity, Value};

use crate::{Kept, Told};

/// The increments of an item.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    increments: BTreeMap<Cid, Increment>,
    /// For each property and fact that increments cite: their sum.
    sums: BTreeMap<(Attribute, Cid), Sum>,
    /// For each property the sum of the increments by the last fact they cite, or nothing: where the property has no
    /// value, each is to be added once.
    bases: BTreeMap<(Attribute, Option<Cid>), Sum>,
}

#[derive(Clone, Debug)]
struct Increment {
    entity: Entity,
    property: Attribute,
    by: i64,
    causes: Box<[Cid]>,
    height: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    count: u64,
    total: i128,
}

impl Counters {
    pub(crate) fn increment(&mut self, property: &Attribute, by: i64, told: &Told<'_>) {
        if told.weight == 1 {
            let (entity, causes) = (told.entity.clone(), told.causes.as_slice().into());
            let increment = Increment { entity, property: property.clone(), by, causes, height: told.height };
            let before = self.increments.insert(told.cid, increment);
            assert!(before.is_none(), "the fact {} is told once", told.cid);
        } else {
            let before = self.increments.remove(&told.cid);
            assert!(before.is_some(), "the fact {} was told before it is untold", told.cid);
        }
        for cause in &told.causes {
            add(&mut self.sums, (property.clone(), *cause), by, told.weight);
        }
        add(&mut self.bases, (property.clone(), told.causes.last().copied()), by, told.weight);
    }

    /// What was added to a value, by those who had seen the fact that states it.
    pub(crate) fn added_to(&self, property: &Attribute, fact: Cid) -> i128 {
        self.sums.get(&(property.clone(), fact)).map_or(0, |sum| sum.total)
    }

    /// What was added where there is no value, but these removals.
    pub(crate) fn without_value(&self, property: &Attribute, removals: &[Cid]) -> i128 {
        let bases: Vec<Option<Cid>> =
            if removals.is_empty() { vec![None] } else { removals.iter().copied().map(Some).collect() };
        let sums = bases.into_iter().filter_map(|base| self.bases.get(&(property.clone(), base)));
        sums.map(|sum| sum.total).sum()
    }

    /// Which property an increment was of, by how much, and what it cites.
    pub(crate) fn get(&self, increment: &Cid) -> Option<(&Attribute, i64, &[Cid])> {
        let increment = self.increments.get(increment)?;
        Some((&increment.property, increment.by, &increment.causes))
    }

    /// Every increment, as it was told.
    pub(crate) fn facts(&self) -> impl Iterator<Item = Kept> + '_ {
        self.increments.iter().map(|(cid, increment)| Kept {
            cid: *cid,
            entity: increment.entity.clone(),
            attribute: super::labelled(crate::label::INCREMENT, &increment.property),
            value: Value::Int(increment.by),
            causes: increment.causes.to_vec(),
            height: increment.height,
            written: Vec::new(),
            counted: true,
            place: None,
        })
    }
}

fn add<K: Ord + Clone>(sums: &mut BTreeMap<K, Sum>, key: K, by: i64, weight: i64) {
    let sum = sums.entry(key.clone()).or_default();
    sum.total += i128::from(weight) * i128::from(by);
    sum.count = sum.count.checked_add_signed(weight).expect("what is untold was told");
    if sum.count == 0 {
        sums.remove(&key);
    }
}
