//! Writers who know different entries, and what they write: the ground on which sequences are tested.

#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "helpers of tests are tests, and each uses some"
)]

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Cid, Codec, Digest, Entity, Fact, PublicKey};
use motet_feed::Position;
use motet_item::{Assertion, BaseRelation, Change, Genesis, Item, ItemId, Past, Registry};

/// How many cases to try: `MOTET_CASES`, or a few.
pub fn cases(few: u32) -> u32 {
    std::env::var("MOTET_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(few)
}

pub struct Written {
    pub position: Position,
    pub past: BTreeSet<usize>,
    pub facts: Vec<Fact>,
}

/// All that was written about one item.
pub struct World {
    pub party: PublicKey,
    pub id: ItemId,
    pub entries: Vec<Written>,
    /// The entries that do not count.
    pub cut: BTreeSet<usize>,
}

pub fn key(byte: u8) -> PublicKey {
    PublicKey::from_bytes(&[byte; 32]).unwrap()
}

impl World {
    pub fn new(model: &str) -> Self {
        let party = key(200);
        let genesis = Genesis { nonce: [7; 16], model: model.to_owned(), version: 1, kind: None };
        let id = genesis.id(&party, &key(0));
        let mut world = World { party, id, entries: Vec::new(), cut: BTreeSet::new() };
        world.write(&BTreeSet::new(), 0, genesis.facts(id).unwrap());
        world
    }

    /// An entry after all that its writer knows.
    pub fn write(&mut self, past: &BTreeSet<usize>, feed: u8, facts: Vec<Fact>) -> usize {
        let index = self.entries.len();
        let depth = 1 + past.iter().map(|&entry| self.entries[entry].position.depth).max().unwrap_or(0);
        let id = Cid::of(Codec::Raw, &(index as u64).to_le_bytes());
        let position = Position { depth, feed: key(feed), id };
        self.entries.push(Written { position, past: past.clone(), facts });
        index
    }

    /// A causal order of some entries that the numbers choose.
    pub fn order(&self, entries: &BTreeSet<usize>, choices: &[u8]) -> Vec<usize> {
        let (mut order, mut left): (Vec<usize>, Vec<usize>) = (Vec::new(), entries.iter().copied().collect());
        let mut choices = choices.iter().cycle();
        while !left.is_empty() {
            let ready = |entry: &usize| self.entries[*entry].past.iter().all(|cause| order.contains(cause));
            let ready: Vec<usize> = left.iter().copied().filter(ready).collect();
            let next = ready[*choices.next().unwrap() as usize % ready.len()];
            left.retain(|&entry| entry != next);
            order.push(next);
        }
        order
    }

    /// The facts that the entries state, each once, causes first, with whether it counts.
    pub fn facts(&self, entries: &BTreeSet<usize>, cut: &BTreeSet<usize>) -> Vec<(Fact, bool)> {
        let mut facts: Vec<(Fact, bool)> = Vec::new();
        for entry in self.order(entries, &[0]) {
            let counted = !cut.contains(&entry);
            for fact in &self.entries[entry].facts {
                match facts.iter_mut().find(|(known, _)| known == fact) {
                    Some((_, counts)) => *counts |= counted,
                    None => facts.push((fact.clone(), counted)),
                }
            }
        }
        facts
    }
}

impl Past for World {
    fn reaches(&self, descendant: &Cid, ancestor: &Cid) -> bool {
        let index = |id: &Cid| self.entries.iter().position(|entry| entry.position.id == *id).unwrap();
        let (descendant, ancestor) = (index(descendant), index(ancestor));
        descendant == ancestor || self.entries[descendant].past.contains(&ancestor)
    }
}

/// Who knows some entries, and what they make of them.
pub struct Replica {
    pub item: Item,
    pub known: BTreeSet<usize>,
    pub cut: BTreeSet<usize>,
    pub rows: BTreeMap<(BaseRelation, Vec<motet_fact::Value>), i64>,
}

impl Replica {
    pub fn new(world: &World) -> Self {
        let item = Item::new(world.party, world.id, &Registry::builtin());
        let mut replica =
            Replica { item, known: BTreeSet::new(), cut: BTreeSet::new(), rows: BTreeMap::new() };
        replica.take(world, &[0]);
        replica
    }

    /// Takes in entries; those that the world has cut do not count.
    pub fn take(&mut self, world: &World, entries: &[usize]) {
        let mut batch = Vec::new();
        for &entry in entries {
            self.known.insert(entry);
            let counted = !world.cut.contains(&entry);
            if !counted {
                self.cut.insert(entry);
            }
            let Written { position, facts, .. } = &world.entries[entry];
            batch.extend(facts.iter().map(|fact| Assertion { fact, entry: *position, counted }));
        }
        let changes = self.item.assert(&batch, world);
        self.apply(changes);
    }

    /// Hears which entries are cut.
    pub fn recount(&mut self, world: &World, cut: &BTreeSet<usize>) {
        self.cut = self.known.intersection(cut).copied().collect();
        let flag = |&entry: &usize| (world.entries[entry].position.id, !self.cut.contains(&entry));
        let changes = self.item.recount(&self.known.iter().map(flag).collect());
        self.apply(changes);
    }

    fn apply(&mut self, changes: Vec<Change>) {
        for Change { relation, row, weight } in changes {
            let row = (relation, row);
            let count = self.rows.entry(row.clone()).or_default();
            *count += weight;
            assert!((0..=1).contains(count), "{row:?} holds {count} times");
            if *count == 0 {
                self.rows.remove(&row);
            }
        }
    }

    /// The rows there are, which the changes must add up to.
    pub fn rows(&self) -> BTreeSet<(BaseRelation, Vec<motet_fact::Value>)> {
        let mut rows = BTreeSet::new();
        self.item.rows(&mut |relation, row| assert!(rows.insert((relation, row)), "a row is given once"));
        assert_eq!(rows, self.rows.keys().cloned().collect(), "the changes add up to the rows");
        rows
    }
}

/// Entities that nobody has used.
pub struct Fresh(u64);

impl Fresh {
    pub fn new(writer: u8) -> Self {
        Fresh(u64::from(writer) << 32)
    }

    pub fn next(&mut self) -> Entity {
        self.0 += 1;
        let digest = Digest::derive("test entity", &[&self.0.to_le_bytes()]);
        Entity::new(&digest.0[..16]).unwrap()
    }
}
