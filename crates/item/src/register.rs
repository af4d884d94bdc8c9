//! Multi-value registers with a deterministic winner (requirements §4.1, §4.2; H18).
//!
//! A register is an (entity, attribute). Its *candidates* are its facts that no other fact of the same register cites
//! as a cause; its *winner* is the candidate of the greatest (height, CID). A writer cites the candidates it saw and
//! so replaces them; concurrent writers leave several candidates, all readable.
//!
//! Kept for each register: its facts, how often each CID is cited from within it, and the candidates in order. Telling
//! or untelling a fact costs the logarithm of the register per cause, whatever the number of candidates.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Attribute, Cid, Digest, Entity, Value};

use crate::tally::Tally;
use crate::{BaseRelation, Change, Told};

/// An (entity, attribute).
type Name = (Entity, Attribute);
/// What candidates are ordered by: height, then CID.
type Rank = (u64, Cid);

/// The registers of an item.
#[derive(Clone, Debug, Default)]
pub struct Registers {
    registers: BTreeMap<Name, Register>,
    /// Of the winners' CIDs: a CID names its register and its value.
    hash: Tally,
}

#[derive(Clone, Debug, Default)]
struct Register {
    facts: BTreeMap<Cid, Held>,
    /// How many facts of the register cite a CID; there may be no such fact in the register.
    citations: BTreeMap<Cid, u32>,
    candidates: BTreeSet<Rank>,
}

#[derive(Clone, Debug)]
struct Held {
    height: u64,
    value: Value,
    causes: Box<[Cid]>,
}

/// What a step has done to one register so far.
struct Touched {
    winner: Option<(Rank, Value)>,
    candidates: BTreeMap<Cid, (Value, i64)>,
}

impl Registers {
    /// Tells and untells facts; gives back the net changes of winners and candidates.
    ///
    /// # Panics
    /// If a fact is untold that was not told, or told twice.
    pub fn step(&mut self, batch: &[Told<'_>]) -> Vec<Change> {
        let mut touched: BTreeMap<Name, Touched> = BTreeMap::new();
        for told in batch {
            let name = (told.entity.clone(), told.attribute.clone());
            let register = self.registers.entry(name.clone()).or_default();
            let touched = touched
                .entry(name)
                .or_insert_with(|| Touched { winner: register.winner(), candidates: BTreeMap::new() });
            register.tell(told, &mut touched.candidates);
        }
        let mut changes = Vec::new();
        for (name, touched) in touched {
            self.settle(name, touched, &mut changes);
        }
        if self.hash.wants_keeping(self.registers.len()) {
            self.hash.keep(winners(&self.registers));
        }
        changes
    }

    fn settle(&mut self, name: Name, touched: Touched, changes: &mut Vec<Change>) {
        for (cid, (value, weight)) in touched.candidates {
            if weight != 0 {
                changes.push(Change::new(BaseRelation::Candidate, candidate_row(&name, value, cid), weight));
            }
        }
        let register = &self.registers[&name];
        let winner = register.winner();
        if register.facts.is_empty() && register.citations.is_empty() {
            self.registers.remove(&name);
        }
        let (before, after) = (touched.winner, winner);
        if before.as_ref().map(|(rank, _)| rank) != after.as_ref().map(|(rank, _)| rank) {
            before.iter().for_each(|((_, cid), _)| self.hash.remove(cid.as_bytes()));
            after.iter().for_each(|((_, cid), _)| self.hash.insert(cid.as_bytes()));
        }
        let (before, after) = (before.map(|(_, value)| value), after.map(|(_, value)| value));
        if before != after {
            let mut change =
                |value, weight| changes.push(Change::new(BaseRelation::Attr, attr_row(&name, value), weight));
            before.into_iter().for_each(|value| change(value, -1));
            after.into_iter().for_each(|value| change(value, 1));
        }
    }

    /// Every winner and candidate.
    pub fn rows(&self, visit: &mut dyn FnMut(BaseRelation, Vec<Value>)) {
        for (name, register) in &self.registers {
            for (_, cid) in &register.candidates {
                let value = register.facts[cid].value.clone();
                visit(BaseRelation::Candidate, candidate_row(name, value, *cid));
            }
            if let Some((_, value)) = register.winner() {
                visit(BaseRelation::Attr, attr_row(name, value));
            }
        }
    }

    /// The value of the winner of a register.
    pub fn winner(&self, entity: &Entity, attribute: &Attribute) -> Option<Value> {
        self.get(entity, attribute)?.winner().map(|(_, value)| value)
    }

    /// The names of the candidates of a register, ascending.
    pub fn heads(&self, entity: &Entity, attribute: &Attribute) -> Vec<Cid> {
        let register = self.get(entity, attribute);
        let mut heads: Vec<Cid> = register
            .into_iter()
            .flat_map(|register| register.candidates.iter().map(|(_, cid)| *cid))
            .collect();
        heads.sort_unstable();
        heads
    }

    /// The candidates of a register, ascending by (height, CID): the last is the winner.
    pub fn candidates(&self, entity: &Entity, attribute: &Attribute) -> Vec<(Cid, Value)> {
        let Some(register) = self.get(entity, attribute) else { return Vec::new() };
        register.candidates.iter().map(|(_, cid)| (*cid, register.facts[cid].value.clone())).collect()
    }

    /// The winners of an entity's registers.
    pub fn attributes(&self, entity: &Entity) -> BTreeMap<Attribute, Value> {
        let least = Attribute::new(Value::Int(i64::MIN)).expect("an int is an attribute");
        self.registers
            .range((entity.clone(), least)..)
            .take_while(|((of, _), _)| of == entity)
            .filter_map(|((_, attribute), register)| Some((attribute.clone(), register.winner()?.1)))
            .collect()
    }

    /// Whether the fact is in a register and is one of its candidates.
    pub fn is_candidate(&self, entity: &Entity, attribute: &Attribute, fact: &Cid) -> bool {
        self.get(entity, attribute)
            .and_then(|register| {
                Some(register.candidates.contains(&(register.facts.get(fact)?.height, *fact)))
            })
            .unwrap_or(false)
    }

    /// Every fact told of: its register, name, height, value, and causes as they were told.
    pub fn facts(&self) -> impl Iterator<Item = (&Entity, &Attribute, Cid, u64, &Value, &[Cid])> {
        self.registers.iter().flat_map(|((entity, attribute), register)| {
            register.facts.iter().map(move |(cid, held)| {
                (entity, attribute, *cid, held.height, &held.value, held.causes.as_ref())
            })
        })
    }

    /// The hash of the winners.
    pub fn digest(&self) -> Digest {
        self.hash.digest(winners(&self.registers))
    }

    fn get(&self, entity: &Entity, attribute: &Attribute) -> Option<&Register> {
        self.registers.get(&(entity.clone(), attribute.clone()))
    }
}

impl Register {
    fn winner(&self) -> Option<(Rank, Value)> {
        let rank = self.candidates.last()?;
        Some((*rank, self.facts[&rank.1].value.clone()))
    }

    fn tell(&mut self, told: &Told<'_>, candidates: &mut BTreeMap<Cid, (Value, i64)>) {
        match told.weight {
            1 => self.insert(told, candidates),
            -1 => self.remove(told, candidates),
            weight => panic!("a fact is told with weight 1 or -1, not {weight}"),
        }
    }

    fn insert(&mut self, told: &Told<'_>, candidates: &mut BTreeMap<Cid, (Value, i64)>) {
        let causes = told.causes.clone().into();
        let held = Held { height: told.height, value: told.value.clone(), causes };
        let before = self.facts.insert(told.cid, held);
        assert!(before.is_none(), "the fact {} is told once", told.cid);
        if !self.citations.contains_key(&told.cid) {
            self.enter(&told.cid, candidates);
        }
        for cause in &told.causes {
            let citations = self.citations.entry(*cause).or_default();
            *citations += 1;
            if *citations == 1 {
                self.leave(cause, candidates);
            }
        }
    }

    fn remove(&mut self, told: &Told<'_>, candidates: &mut BTreeMap<Cid, (Value, i64)>) {
        self.leave(&told.cid, candidates);
        for cause in &told.causes {
            let citations =
                self.citations.get_mut(cause).expect("what is untold was told: its causes are counted");
            *citations -= 1;
            if *citations == 0 {
                self.citations.remove(cause);
                self.enter(cause, candidates);
            }
        }
        let held = self.facts.remove(&told.cid);
        assert!(held.is_some(), "the fact {} was told before it is untold", told.cid);
    }

    /// Makes a fact a candidate, if it is in the register.
    fn enter(&mut self, cid: &Cid, candidates: &mut BTreeMap<Cid, (Value, i64)>) {
        if let Some(held) = self.facts.get(cid)
            && self.candidates.insert((held.height, *cid))
        {
            candidates.entry(*cid).or_insert_with(|| (held.value.clone(), 0)).1 += 1;
        }
    }

    fn leave(&mut self, cid: &Cid, candidates: &mut BTreeMap<Cid, (Value, i64)>) {
        if let Some(held) = self.facts.get(cid)
            && self.candidates.remove(&(held.height, *cid))
        {
            candidates.entry(*cid).or_insert_with(|| (held.value.clone(), 0)).1 -= 1;
        }
    }
}

fn winners(registers: &BTreeMap<Name, Register>) -> impl Iterator<Item = &[u8; Cid::LENGTH]> {
    registers.values().filter_map(|register| Some(register.candidates.last()?.1.as_bytes()))
}

fn attr_row(name: &Name, value: Value) -> Vec<Value> {
    vec![name.0.clone().into(), name.1.clone().into(), value]
}

fn candidate_row(name: &Name, value: Value, cid: Cid) -> Vec<Value> {
    vec![name.0.clone().into(), name.1.clone().into(), value, cid.into()]
}
