//! Multi-value registers with a deterministic winner (requirements §4.1, §4.2; H18).
//!
//! A register is an (entity, attribute). Its *candidates* are its facts that no other fact of the same register cites
//! as a cause; its *winner* is the candidate of the greatest (height, CID). A writer cites the candidates it saw and
//! so replaces them; concurrent writers leave several candidates, all readable.
//!
//! Registers are numbered, and all of them share three ordered maps: the facts, how often a CID is cited from within a
//! register, and the candidates in winning order. So a register of one fact costs little, and telling or untelling a
//! fact costs the logarithm of the item per cause, whatever the number of candidates.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Attribute, Cid, Digest, Entity, Value};

use crate::tally::Tally;
use crate::{BaseRelation, Change, Told};

/// An (entity, attribute).
type Name = (Entity, Attribute);

/// The registers of an item.
#[derive(Clone, Debug, Default)]
pub struct Registers {
    /// The number of each register that ever had a fact.
    numbers: BTreeMap<Name, u32>,
    names: Vec<Name>,
    facts: BTreeMap<Cid, Held>,
    /// How many facts of a register cite a CID; the CID may be of no fact of the register, or of none.
    citations: BTreeMap<(u32, Cid), u32>,
    candidates: BTreeSet<Candidate>,
    /// Of the winners' CIDs: a CID names its register and its value.
    hash: Tally,
}

#[derive(Clone, Debug)]
struct Held {
    register: u32,
    height: u64,
    value: Value,
    causes: Box<[Cid]>,
}

/// Register, height, CID: ascending, the last of a register is its winner. `None` is less than any CID, and marks
/// where a register begins.
type Candidate = (u32, u64, Option<Cid>);

/// What a step has done to one register so far.
struct Touched {
    winner: Option<(Cid, Value)>,
    candidates: BTreeMap<Cid, (Value, i64)>,
}

impl Registers {
    /// Tells and untells facts; gives back the net changes of winners and candidates.
    ///
    /// # Panics
    /// If a fact is untold that was not told, or told twice, or has height 0.
    pub fn step(&mut self, batch: &[Told<'_>]) -> Vec<Change> {
        let mut touched: BTreeMap<u32, Touched> = BTreeMap::new();
        for told in batch {
            let register = self.number(told);
            let winner = || Touched { winner: self.winner_of(register), candidates: BTreeMap::new() };
            let touched = touched.entry(register).or_insert_with(winner);
            self.tell(register, told, &mut touched.candidates);
        }
        let mut changes = Vec::new();
        for (register, touched) in touched {
            self.settle(register, touched, &mut changes);
        }
        if self.hash.wants_keeping(self.numbers.len()) {
            self.hash.keep(winners(&self.candidates));
        }
        changes
    }

    fn settle(&mut self, register: u32, touched: Touched, changes: &mut Vec<Change>) {
        let (before, after) = (touched.winner, self.winner_of(register));
        if before.as_ref().map(|(cid, _)| cid) != after.as_ref().map(|(cid, _)| cid) {
            before.iter().for_each(|(cid, _)| self.hash.remove(cid.as_bytes()));
            after.iter().for_each(|(cid, _)| self.hash.insert(cid.as_bytes()));
        }
        let name = &self.names[register as usize];
        for (cid, (value, weight)) in touched.candidates {
            if weight != 0 {
                changes.push(Change::new(BaseRelation::Candidate, candidate_row(name, value, cid), weight));
            }
        }
        let (before, after) = (before.map(|(_, value)| value), after.map(|(_, value)| value));
        if before != after {
            let mut change =
                |value, weight| changes.push(Change::new(BaseRelation::Attr, attr_row(name, value), weight));
            before.into_iter().for_each(|value| change(value, -1));
            after.into_iter().for_each(|value| change(value, 1));
        }
    }

    fn number(&mut self, told: &Told<'_>) -> u32 {
        let name = (told.entity.clone(), told.attribute.clone());
        if let Some(&known) = self.numbers.get(&name) {
            return known;
        }
        let new =
            u32::try_from(self.names.len()).expect("fewer than four billion registers fit an item's memory");
        self.names.push(name.clone());
        self.numbers.insert(name, new);
        new
    }

    // Telling.

    fn tell(&mut self, register: u32, told: &Told<'_>, changed: &mut BTreeMap<Cid, (Value, i64)>) {
        match told.weight {
            1 => self.insert(register, told, changed),
            -1 => self.remove(register, told, changed),
            weight => panic!("a fact is told with weight 1 or -1, not {weight}"),
        }
    }

    fn insert(&mut self, register: u32, told: &Told<'_>, changed: &mut BTreeMap<Cid, (Value, i64)>) {
        assert!(told.height > 0, "the height of {} is at least 1", told.cid);
        let causes = told.causes.clone().into();
        let held = Held { register, height: told.height, value: told.value.clone(), causes };
        let before = self.facts.insert(told.cid, held);
        assert!(before.is_none(), "the fact {} is told once", told.cid);
        if !self.citations.contains_key(&(register, told.cid)) {
            self.enter(register, &told.cid, changed);
        }
        for cause in &told.causes {
            let citations = self.citations.entry((register, *cause)).or_default();
            *citations += 1;
            if *citations == 1 {
                self.leave(register, cause, changed);
            }
        }
    }

    fn remove(&mut self, register: u32, told: &Told<'_>, changed: &mut BTreeMap<Cid, (Value, i64)>) {
        self.leave(register, &told.cid, changed);
        for cause in &told.causes {
            let citations = self.citations.get_mut(&(register, *cause));
            let citations = citations.expect("what is untold was told: its causes are counted");
            *citations -= 1;
            if *citations == 0 {
                self.citations.remove(&(register, *cause));
                self.enter(register, cause, changed);
            }
        }
        let held = self.facts.remove(&told.cid);
        assert!(held.is_some(), "the fact {} was told before it is untold", told.cid);
    }

    /// Makes a fact a candidate, if it is in the register.
    fn enter(&mut self, register: u32, cid: &Cid, changed: &mut BTreeMap<Cid, (Value, i64)>) {
        if let Some(held) = self.facts.get(cid)
            && held.register == register
            && self.candidates.insert((register, held.height, Some(*cid)))
        {
            changed.entry(*cid).or_insert_with(|| (held.value.clone(), 0)).1 += 1;
        }
    }

    fn leave(&mut self, register: u32, cid: &Cid, changed: &mut BTreeMap<Cid, (Value, i64)>) {
        if let Some(held) = self.facts.get(cid)
            && self.candidates.remove(&(register, held.height, Some(*cid)))
        {
            changed.entry(*cid).or_insert_with(|| (held.value.clone(), 0)).1 -= 1;
        }
    }

    // Reading.

    /// Every winner and candidate.
    pub fn rows(&self, visit: &mut dyn FnMut(BaseRelation, Vec<Value>)) {
        for (name, &register) in &self.numbers {
            for (cid, value) in self.candidates_of(register) {
                visit(BaseRelation::Candidate, candidate_row(name, value.clone(), cid));
            }
            if let Some((_, value)) = self.winner_of(register) {
                visit(BaseRelation::Attr, attr_row(name, value));
            }
        }
    }

    /// The value of the winner of a register.
    pub fn winner(&self, entity: &Entity, attribute: &Attribute) -> Option<Value> {
        self.winner_of(self.find(entity, attribute)?).map(|(_, value)| value)
    }

    /// The names of the candidates of a register, ascending.
    pub fn heads(&self, entity: &Entity, attribute: &Attribute) -> Vec<Cid> {
        let register = self.find(entity, attribute).into_iter();
        let mut heads: Vec<Cid> =
            register.flat_map(|register| self.candidates_of(register)).map(|(cid, _)| cid).collect();
        heads.sort_unstable();
        heads
    }

    /// The candidates of a register, ascending by (height, CID): the last is the winner.
    pub fn candidates(&self, entity: &Entity, attribute: &Attribute) -> Vec<(Cid, Value)> {
        let register = self.find(entity, attribute).into_iter();
        register
            .flat_map(|register| self.candidates_of(register))
            .map(|(cid, value)| (cid, value.clone()))
            .collect()
    }

    /// The winners of an entity's registers.
    pub fn attributes(&self, entity: &Entity) -> BTreeMap<Attribute, Value> {
        let least = Attribute::new(Value::Int(i64::MIN)).expect("an int is an attribute");
        self.numbers
            .range((entity.clone(), least)..)
            .take_while(|((of, _), _)| of == entity)
            .filter_map(|((_, attribute), &register)| Some((attribute.clone(), self.winner_of(register)?.1)))
            .collect()
    }

    /// Every fact told of, ascending by CID: its register, name, height, value, and causes as they were told.
    pub fn facts(&self) -> impl Iterator<Item = (&Entity, &Attribute, Cid, u64, &Value, &[Cid])> {
        self.facts.iter().map(|(cid, held)| {
            let (entity, attribute) = &self.names[held.register as usize];
            (entity, attribute, *cid, held.height, &held.value, held.causes.as_ref())
        })
    }

    /// The hash of the winners.
    pub fn digest(&self) -> Digest {
        self.hash.digest(winners(&self.candidates))
    }

    fn find(&self, entity: &Entity, attribute: &Attribute) -> Option<u32> {
        self.numbers.get(&(entity.clone(), attribute.clone())).copied()
    }

    fn candidates_of(&self, register: u32) -> impl DoubleEndedIterator<Item = (Cid, &Value)> {
        let here = self.candidates.range((register, 0, None)..(register + 1, 0, None));
        here.filter_map(|(_, _, cid)| *cid).map(|cid| (cid, &self.facts[&cid].value))
    }

    fn winner_of(&self, register: u32) -> Option<(Cid, Value)> {
        self.candidates_of(register).next_back().map(|(cid, value)| (cid, value.clone()))
    }
}

/// The last candidate of each register.
fn winners(candidates: &BTreeSet<Candidate>) -> impl Iterator<Item = &[u8; Cid::LENGTH]> {
    let mut later = None;
    candidates.iter().rev().filter_map(move |(register, _, cid)| {
        let is_last = later.replace(*register) != Some(*register);
        cid.as_ref().filter(|_| is_last).map(Cid::as_bytes)
    })
}

fn attr_row(name: &Name, value: Value) -> Vec<Value> {
    vec![name.0.clone().into(), name.1.clone().into(), value]
}

fn candidate_row(name: &Name, value: Value, cid: Cid) -> Vec<Value> {
    vec![name.0.clone().into(), name.1.clone().into(), value, cid.into()]
}
