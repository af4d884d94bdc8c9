//! Random histories of one item, and the stupid reading of them: which facts stand, quadratic and without state.
//!
//! A history is entries that cite earlier ones, by index, with facts that cite recent ones. What the facts say is for
//! each test to choose.

#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "helpers of tests are tests, and each uses some"
)]

pub mod writers;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Attribute, Cid, Codec, Entity, Fact, PublicKey, Value};
use motet_feed::Position;
use motet_item::{Assertion, BaseRelation, Change, Item, ItemId, Past, Place, Registry, Void};
use proptest::prelude::*;

pub type Row = (BaseRelation, Vec<Value>);

#[derive(Clone, Debug)]
pub struct EntryPlan {
    pub position: Position,
    pub past: BTreeSet<usize>,
    pub facts: Vec<Fact>,
}

pub struct History {
    pub party: PublicKey,
    pub id: ItemId,
    pub entries: Vec<EntryPlan>,
}

/// Numbers that a test makes a fact of.
#[derive(Clone, Debug)]
pub struct FactSpec {
    pub shape: u8,
    pub entity: u8,
    pub name: u8,
    pub value: u8,
    pub causes: u8,
}

#[derive(Clone, Debug)]
pub struct EntrySpec {
    pub feed: u8,
    pub cites: u16,
    pub facts: Vec<FactSpec>,
}

/// What numbers say about an item.
pub type Say = fn(&FactSpec, ItemId) -> (Entity, Attribute, Value);

pub fn key(byte: u8) -> PublicKey {
    PublicKey::from_bytes(&[byte; 32]).unwrap()
}

pub fn party() -> PublicKey {
    key(200)
}

/// The item that feed 0 may create.
pub fn ordinary() -> ItemId {
    ItemId::derive(&party(), &key(0), &[7; 16])
}

pub fn build(specs: &[EntrySpec], id: ItemId, say: Say) -> History {
    let mut history = History { party: party(), id, entries: Vec::new() };
    let mut pool: Vec<Fact> = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        let cited: Vec<usize> =
            (0..index).rev().filter(|back| spec.cites >> (index - back - 1).min(15) & 1 == 1).collect();
        let mut past: BTreeSet<usize> = cited.iter().copied().collect();
        let mut depth = 1;
        for &cause in &cited {
            past.extend(history.entries[cause].past.iter().copied());
            depth = depth.max(1 + history.entries[cause].position.depth);
        }
        let name = Cid::of(Codec::Raw, &[index as u8]);
        let facts: Vec<Fact> = spec.facts.iter().map(|spec| fact(spec, id, &mut pool, say)).collect();
        let position = Position { depth, feed: key(spec.feed), id: name };
        history.entries.push(EntryPlan { position, past, facts });
    }
    history
}

/// Shape 0 is a fact stated again, by whoever; 255 causes name one that was never written.
fn fact(spec: &FactSpec, id: ItemId, pool: &mut Vec<Fact>, say: Say) -> Fact {
    if spec.shape == 0 && !pool.is_empty() {
        return pool[spec.causes as usize % pool.len()].clone();
    }
    let (entity, attribute, value) = say(spec, id);
    let recent = pool.iter().rev().take(6).enumerate();
    let mut causes: Vec<Cid> =
        recent.filter(|(back, _)| spec.causes >> back & 1 == 1).map(|(_, fact)| fact.cid()).collect();
    if spec.causes == 255 {
        causes.push(Cid::of(Codec::DagCbor, b"never written"));
    }
    let fact = Fact::new(entity, attribute, value, causes).unwrap();
    pool.push(fact.clone());
    fact
}

impl Past for History {
    fn reaches(&self, descendant: &Cid, ancestor: &Cid) -> bool {
        let index = |id: &Cid| self.entries.iter().position(|entry| entry.position.id == *id).unwrap();
        let (descendant, ancestor) = (index(descendant), index(ancestor));
        descendant == ancestor || self.entries[descendant].past.contains(&ancestor)
    }
}

/// Which facts stand, read out of the set of entries.
pub struct Reading<'a> {
    pub history: &'a History,
    pub counted: &'a BTreeSet<usize>,
    /// (entry, fact) that are valid, and how many of the entry's stand before it.
    pub valid: BTreeMap<(usize, Cid), u32>,
    pub facts: BTreeMap<Cid, Fact>,
    pub voids: BTreeSet<Void>,
}

impl<'a> Reading<'a> {
    pub fn of(history: &'a History, present: &BTreeSet<usize>, counted: &'a BTreeSet<usize>) -> Self {
        let (valid, facts, voids) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        let mut reading = Reading { history, counted, valid, facts, voids };
        present.iter().for_each(|&entry| reading.read_entry(entry));
        reading
    }

    fn read_entry(&mut self, entry: usize) {
        let plan = &self.history.entries[entry];
        let mut index = 0;
        for fact in &plan.facts {
            let past = || plan.past.iter().chain([&entry]);
            let missing = fact
                .causes()
                .iter()
                .find(|&&cause| !past().any(|&other| self.valid.contains_key(&(other, cause))));
            if self.voids.iter().any(|void| (void.entry, void.fact) == (plan.position, fact.cid())) {
                continue; // an entry's first word about a fact decides
            }
            if let Some(&cause) = missing {
                self.voids.insert(Void { entry: plan.position, fact: fact.cid(), cause });
            } else if let Entry::Vacant(place) = self.valid.entry((entry, fact.cid())) {
                place.insert(index);
                self.facts.insert(fact.cid(), fact.clone());
                index += 1;
            }
        }
    }

    pub fn counts(&self, cid: &Cid) -> bool {
        self.counted.iter().any(|&entry| self.valid.contains_key(&(entry, *cid)))
    }

    pub fn height(&self, cid: &Cid) -> i64 {
        1 + self.facts[cid].causes().iter().map(|cause| self.height(cause)).max().unwrap_or(0)
    }

    pub fn spliced(&self, cid: &Cid) -> BTreeSet<Cid> {
        let causes = self.facts[cid].causes().iter();
        causes
            .flat_map(|cause| if self.counts(cause) { BTreeSet::from([*cause]) } else { self.spliced(cause) })
            .collect()
    }

    pub fn place(&self, cid: &Cid) -> Place {
        let stated = self.counted.iter().filter_map(|&entry| {
            let index = *self.valid.get(&(entry, *cid))?;
            Some(Place { entry: self.history.entries[entry].position, index })
        });
        stated.min().unwrap()
    }

    pub fn counting(&self) -> Vec<(Cid, &Fact)> {
        self.facts.iter().filter(|(cid, _)| self.counts(cid)).map(|(cid, fact)| (*cid, fact)).collect()
    }

    /// The facts that count, in the one order.
    pub fn in_order(&self) -> Vec<(Place, Cid, &Fact)> {
        let mut facts: Vec<_> =
            self.counting().into_iter().map(|(cid, fact)| (self.place(&cid), cid, fact)).collect();
        facts.sort_unstable_by_key(|(place, cid, _)| (*place, *cid));
        facts
    }

    /// The rows of `fact`, `height` and `cause`.
    pub fn fact_rows(&self) -> BTreeSet<Row> {
        let mut rows = BTreeSet::new();
        for (cid, fact) in self.counting() {
            rows.insert((BaseRelation::Height, vec![cid.into(), self.height(&cid).into()]));
            let stating = self.counted.iter().filter(|&&entry| self.valid.contains_key(&(entry, cid)));
            for source in stating.map(|&entry| self.history.entries[entry].position.id) {
                let (e, a) = (fact.entity().clone().into(), fact.attribute().clone().into());
                let quad = vec![e, a, fact.value().clone(), cid.into(), source.into()];
                rows.insert((BaseRelation::Fact, quad));
                for parent in self.spliced(&cid) {
                    rows.insert((BaseRelation::Cause, vec![cid.into(), parent.into(), source.into()]));
                }
            }
        }
        rows
    }
}

pub fn rows_of(item: &Item) -> BTreeSet<Row> {
    let mut rows = BTreeSet::new();
    item.rows(&mut |relation, row| assert!(rows.insert((relation, row)), "a row is given once"));
    rows
}

/// Adds changes to the rows; they must be net, and leave a set.
pub fn apply(rows: &mut BTreeSet<Row>, changes: Vec<Change>) {
    let mut seen = BTreeSet::new();
    for Change { relation, row, weight } in changes {
        let row = (relation, row);
        assert!(seen.insert(row.clone()), "net: {row:?} comes once");
        match weight {
            1 => assert!(rows.insert(row.clone()), "{row:?} was not there before"),
            -1 => assert!(rows.remove(&row), "{row:?} was there before"),
            other => panic!("{row:?} has weight {other}"),
        }
    }
}

pub fn assertions<'a>(
    history: &'a History,
    entries: &[usize],
    counted: &BTreeSet<usize>,
) -> Vec<Assertion<'a>> {
    let of = |&entry: &usize| {
        let EntryPlan { position, facts, .. } = &history.entries[entry];
        let counted = counted.contains(&entry);
        facts.iter().map(move |fact| Assertion { fact, entry: *position, counted })
    };
    entries.iter().flat_map(of).collect()
}

/// A causal order that the numbers choose.
pub fn arrival(history: &History, choices: &[u8]) -> Vec<usize> {
    let (mut order, mut left): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..history.entries.len()).collect());
    let mut choices = choices.iter().cycle();
    while !left.is_empty() {
        let ready = |entry: &usize| history.entries[*entry].past.iter().all(|cause| order.contains(cause));
        let ready: Vec<usize> = left.iter().copied().filter(ready).collect();
        let next = ready[*choices.next().unwrap() as usize % ready.len()];
        left.retain(|&entry| entry != next);
        order.push(next);
    }
    order
}

pub fn specs(shapes: u8) -> impl Strategy<Value = Vec<EntrySpec>> {
    let fact = (0..shapes, any::<u8>(), any::<u8>(), any::<u8>(), any::<u8>())
        .prop_map(|(shape, entity, name, value, causes)| FactSpec { shape, entity, name, value, causes });
    let entry = (0..3_u8, any::<u16>(), prop::collection::vec(fact, 0..5))
        .prop_map(|(feed, cites, facts)| EntrySpec { feed, cites: cites | cites >> 8, facts });
    prop::collection::vec(entry, 1..12)
}

/// Begins a history with facts of these shapes.
pub fn beginning_with(mut specs: Vec<EntrySpec>, shapes: &[u8]) -> Vec<EntrySpec> {
    let fact = |&shape: &u8| FactSpec { shape, entity: 0, name: 0, value: 0, causes: 0 };
    specs.insert(0, EntrySpec { feed: 0, cites: 0, facts: shapes.iter().map(fact).collect() });
    specs
}

/// What happens between arrivals: which entries count from then on, as bits.
#[derive(Clone, Debug)]
pub struct Step {
    pub take: u8,
    pub counted: u32,
    pub recount: bool,
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (1..4_u8, any::<u32>(), any::<u32>(), any::<bool>())
        .prop_map(|(take, one, other, recount)| Step { take, counted: one | other, recount });
    prop::collection::vec(step, 1..8)
}

/// An item to which a history arrives, and the rows that its changes add up to.
pub struct Run<'a> {
    pub history: &'a History,
    pub item: Item,
    pub rows: BTreeSet<Row>,
    pub present: BTreeSet<usize>,
    pub counted: BTreeSet<usize>,
}

impl<'a> Run<'a> {
    pub fn new(history: &'a History, item: Item) -> Self {
        let (rows, present, counted) = (rows_of(&item), BTreeSet::new(), BTreeSet::new());
        Run { history, item, rows, present, counted }
    }

    pub fn arrive(&mut self, entries: &[usize], counts: u32) {
        self.present.extend(entries);
        self.counted.extend(entries.iter().filter(|&&entry| counts >> entry & 1 == 1));
        let batch = assertions(self.history, entries, &self.counted);
        let changes = self.item.assert(&batch, self.history);
        apply(&mut self.rows, changes);
    }

    pub fn recount(&mut self, counts: u32) {
        self.counted = self.present.iter().copied().filter(|entry| counts >> entry & 1 == 1).collect();
        let flags = |entry: usize| (self.history.entries[entry].position.id, self.counted.contains(&entry));
        let entries =
            (0..self.history.entries.len()).filter(|entry| self.present.contains(entry)).map(flags).collect();
        let changes = self.item.recount(&entries);
        apply(&mut self.rows, changes);
    }

    /// Lets everything arrive in an order and by steps; `check` looks after each.
    pub fn tell(&mut self, order: &[usize], steps: &[Step], check: &mut dyn FnMut(&mut Self, usize)) {
        let mut waiting = order;
        for (index, step) in steps.iter().cycle().enumerate() {
            let (now, later) = waiting.split_at(waiting.len().min(step.take.into()));
            self.arrive(now, step.counted);
            check(self, index);
            waiting = later;
            if step.recount {
                self.recount(step.counted.rotate_left(index as u32));
                check(self, index);
            }
            if waiting.is_empty() && index >= 8 {
                break;
            }
        }
    }

    pub fn reading(&self) -> Reading<'_> {
        Reading::of(self.history, &self.present, &self.counted)
    }
}

/// The item as it is after it was saved and restored; what was damaged in between is refused, or is some other item.
pub fn saved_and_restored(item: &Item, party: PublicKey, registry: &Registry) -> Item {
    let saved = item.save();
    for at in (0..saved.len()).step_by(11) {
        let mut damaged = saved.clone();
        damaged[at] ^= 1 << (at % 8);
        let _ = Item::restore(party, item.id(), registry, &damaged);
        let _ = Item::restore(party, item.id(), registry, &saved[..at]);
    }
    let restored = Item::restore(party, item.id(), registry, &saved).unwrap();
    assert_eq!(restored.save(), saved);
    assert_eq!(restored.state_hash(), item.state_hash());
    assert_eq!(restored.facts_hash(), item.facts_hash());
    assert_eq!(restored.heard().collect::<Vec<_>>(), item.heard().collect::<Vec<_>>());
    restored
}

/// A state's snapshot is read back, and a damaged one is refused or is that of another state.
pub fn snapshots_read_back(item: &Item, model: &dyn motet_item::Model) {
    let Some(snapshot) = item.snapshot() else { return };
    let restored = model.restore(item.id(), &snapshot).unwrap();
    assert_eq!(restored.snapshot(), snapshot);
    for at in (0..snapshot.len()).step_by(7) {
        let mut damaged = snapshot.clone();
        damaged[at] ^= 1 << (at % 8);
        if let Ok(other) = model.restore(item.id(), &damaged) {
            assert_eq!(other.snapshot(), damaged, "what is read is what would be written");
        }
    }
    let mut rows = BTreeSet::new();
    restored.rows(&mut |relation, row| assert!(rows.insert((relation, row))));
    let published = |row: &Row| {
        !matches!(row.0, BaseRelation::Fact | BaseRelation::Cause | BaseRelation::Height | BaseRelation::Item)
    };
    assert_eq!(rows, rows_of(item).into_iter().filter(published).collect());
}
