//! Multi-value registers with a deterministic winner (requirements §4.1, §4.2; H18).
//!
//! A register is an (entity, attribute). Its *heads* are its facts that no other fact of the same register cites as a
//! cause. A head that states a value is a *candidate*; the *winner* is the candidate of the greatest (height, CID). A
//! writer cites the heads it saw and so replaces them; concurrent writers leave several candidates, all readable. A
//! fact that states no value is a *removal*: it takes what it cites, and only that, so what was said concurrently
//! stays.
//!
//! Registers are numbered, and all of them share three ordered maps: the facts, how often a CID is cited from within a
//! register, and the heads in winning order. So a register of one fact costs little, and telling or untelling a fact
//! costs the logarithm of the item per cause, whatever the number of candidates.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Attribute, Cid, Entity, Value};

use crate::reference::shown;
use crate::{BaseRelation, Change, Told};

/// An (entity, attribute).
pub type Name = (Entity, Attribute);

/// A fact of a register that begins or ceases to count.
#[derive(Clone, Debug)]
pub struct Statement<'a> {
    /// The fact's name.
    pub cid: Cid,
    /// The register.
    pub name: Name,
    /// What it states; nothing if it is a removal.
    pub value: Option<&'a Value>,
    /// What it comes directly after.
    pub causes: &'a [Cid],
    /// H18; at least 1.
    pub height: u64,
    /// 1 or -1.
    pub weight: i64,
}

impl<'a> Statement<'a> {
    /// A fact that states its value.
    pub fn of(told: &'a Told<'_>) -> Self {
        Statement {
            cid: told.cid,
            name: (told.entity.clone(), told.attribute.clone()),
            value: Some(told.value),
            causes: &told.causes,
            height: told.height,
            weight: told.weight,
        }
    }
}

/// The registers of an item.
#[derive(Clone, Debug, Default)]
pub struct Registers {
    /// The number of each register that ever had a fact.
    numbers: BTreeMap<Name, u32>,
    names: Vec<Name>,
    facts: BTreeMap<Cid, Held>,
    /// How many facts of a register cite a CID; the CID may be of no fact of the register, or of none.
    citations: BTreeMap<(u32, Cid), u32>,
    candidates: BTreeSet<Head>,
    removals: BTreeSet<Head>,
}

#[derive(Clone, Debug)]
struct Held {
    register: u32,
    height: u64,
    value: Option<Value>,
    causes: Box<[Cid]>,
}

/// Register, height, CID: ascending, the last of a register is its winner. `None` is less than any CID, and marks
/// where a register begins.
type Head = (u32, u64, Option<Cid>);

/// The candidates that a step has touched, and how often each came.
type Touched = BTreeMap<(u32, Cid), (Value, i64)>;

/// A register of which heads are to be taken back.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The register.
    pub name: Name,
    /// The heads.
    pub heads: Vec<Cid>,
    /// Whether all of them are removals.
    pub removes: bool,
    /// The fact that the register's value was before, if it had one.
    pub before: Option<(Cid, Value)>,
    /// The removals that it was without one since.
    pub removals: Vec<Cid>,
}

/// A fact of a register, as it was told.
#[derive(Clone, Copy, Debug)]
pub struct RegisterFact<'a> {
    /// The register.
    pub name: &'a Name,
    /// The fact's name.
    pub cid: Cid,
    /// H18.
    pub height: u64,
    /// What it states, if it is no removal.
    pub value: Option<&'a Value>,
    /// What it comes directly after.
    pub causes: &'a [Cid],
}

impl Registers {
    /// Tells and untells facts; gives back the net changes of `candidate`.
    ///
    /// # Panics
    /// If a fact is untold that was not told, or told twice, or has height 0.
    pub fn step<'a>(&mut self, batch: impl IntoIterator<Item = Statement<'a>>) -> Vec<Change> {
        let mut touched = Touched::new();
        for statement in batch {
            let register = self.number(&statement.name);
            match statement.weight {
                1 => self.insert(register, &statement, &mut touched),
                -1 => self.remove(register, &statement, &mut touched),
                weight => panic!("a fact is told with weight 1 or -1, not {weight}"),
            }
        }
        let changed = touched.into_iter().filter(|(_, (_, weight))| *weight != 0);
        let change = |((register, cid), (value, weight)): ((u32, Cid), _)| {
            let name = &self.names[register as usize];
            Change::new(BaseRelation::Candidate, candidate_row(name, &value, cid), weight)
        };
        changed.map(change).collect()
    }

    /// Gives a register a number, so that it is among the names.
    pub(crate) fn number(&mut self, name: &Name) -> u32 {
        if let Some(&known) = self.numbers.get(name) {
            return known;
        }
        let new =
            u32::try_from(self.names.len()).expect("fewer than four billion registers fit an item's memory");
        self.names.push(name.clone());
        self.numbers.insert(name.clone(), new);
        new
    }

    // Telling.

    fn insert(&mut self, register: u32, statement: &Statement<'_>, touched: &mut Touched) {
        let Statement { cid, value, causes, height, .. } = *statement;
        assert!(height > 0, "the height of {cid} is at least 1");
        let held = Held { register, height, value: value.cloned(), causes: causes.into() };
        let before = self.facts.insert(cid, held);
        assert!(before.is_none(), "the fact {cid} is told once");
        if !self.citations.contains_key(&(register, cid)) {
            self.enter(register, &cid, touched);
        }
        for cause in causes {
            let citations = self.citations.entry((register, *cause)).or_default();
            *citations += 1;
            if *citations == 1 {
                self.leave(register, cause, touched);
            }
        }
    }

    fn remove(&mut self, register: u32, statement: &Statement<'_>, touched: &mut Touched) {
        let Statement { cid, causes, .. } = *statement;
        self.leave(register, &cid, touched);
        for cause in causes {
            let citations = self.citations.get_mut(&(register, *cause));
            let citations = citations.expect("what is untold was told: its causes are counted");
            *citations -= 1;
            if *citations == 0 {
                self.citations.remove(&(register, *cause));
                self.enter(register, cause, touched);
            }
        }
        let held = self.facts.remove(&cid);
        assert!(held.is_some(), "the fact {cid} was told before it is untold");
    }

    /// Makes a fact a head, if it is in the register.
    fn enter(&mut self, register: u32, cid: &Cid, touched: &mut Touched) {
        let Some(held) = self.facts.get(cid).filter(|held| held.register == register) else { return };
        let head = (register, held.height, Some(*cid));
        match &held.value {
            None => {
                self.removals.insert(head);
            }
            Some(value) => {
                if self.candidates.insert(head) {
                    touched.entry((register, *cid)).or_insert_with(|| (value.clone(), 0)).1 += 1;
                }
            }
        }
    }

    fn leave(&mut self, register: u32, cid: &Cid, touched: &mut Touched) {
        let Some(held) = self.facts.get(cid) else { return };
        let head = (register, held.height, Some(*cid));
        match &held.value {
            None => {
                self.removals.remove(&head);
            }
            Some(value) => {
                if self.candidates.remove(&head) {
                    touched.entry((register, *cid)).or_insert_with(|| (value.clone(), 0)).1 -= 1;
                }
            }
        }
    }

    // Reading.

    /// Every row of `candidate`.
    pub fn rows(&self, visit: &mut dyn FnMut(BaseRelation, Vec<Value>)) {
        for (name, &register) in &self.numbers {
            for (cid, value) in self.candidates_of(register) {
                visit(BaseRelation::Candidate, candidate_row(name, value, cid));
            }
        }
    }

    /// The winner of a register: its name and its value.
    pub fn winner(&self, name: &Name) -> Option<(Cid, Value)> {
        let register = *self.numbers.get(name)?;
        self.candidates_of(register).next_back().map(|(cid, value)| (cid, value.clone()))
    }

    /// The names of the heads of a register, the winner first and removals last: what a new fact of it must cite.
    pub fn heads(&self, name: &Name) -> Vec<Cid> {
        let Some(&register) = self.numbers.get(name) else { return Vec::new() };
        let removals = heads_of(&self.removals, register).rev();
        self.candidates_of(register).rev().map(|(cid, _)| cid).chain(removals).collect()
    }

    /// The removals among the heads of a register, ascending by (height, CID).
    pub fn removals(&self, name: &Name) -> Vec<Cid> {
        let register = self.numbers.get(name).into_iter();
        register.flat_map(|&register| heads_of(&self.removals, register)).collect()
    }

    /// The candidates of a register, ascending by (height, CID): the last is the winner.
    pub fn candidates(&self, name: &Name) -> Vec<(Cid, Value)> {
        let register = self.numbers.get(name).into_iter();
        let candidates = register.flat_map(|&register| self.candidates_of(register));
        candidates.map(|(cid, value)| (cid, value.clone())).collect()
    }

    /// The registers that ever had a fact, ascending, from one on.
    pub fn names_from(&self, name: Name) -> impl Iterator<Item = &Name> + use<'_> {
        self.numbers.range(name..).map(|(name, _)| name)
    }

    /// The registers that ever had a fact, ascending.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.numbers.keys()
    }

    /// What a fact states that was told: `Some(None)` if it is a removal.
    pub fn value_of(&self, cid: &Cid) -> Option<Option<&Value>> {
        self.facts.get(cid).map(|held| held.value.as_ref())
    }

    /// What a fact cites that was told.
    pub fn causes_of(&self, cid: &Cid) -> &[Cid] {
        self.facts.get(cid).map(|held| held.causes.as_ref()).unwrap_or_default()
    }

    /// What is to be taken back of some facts: those that are heads still, with what their registers were before any of
    /// them. By register.
    pub fn undo(&self, said: &[Cid]) -> Vec<Taken> {
        let said: BTreeSet<Cid> = said.iter().copied().collect();
        let mut registers: BTreeMap<u32, Vec<Cid>> = BTreeMap::new();
        for (cid, held) in said.iter().filter_map(|cid| Some((*cid, self.facts.get(cid)?))) {
            if !self.citations.contains_key(&(held.register, cid)) {
                registers.entry(held.register).or_default().push(cid);
            }
        }
        let taken = registers.into_iter().map(|(register, heads)| {
            let (removals, values): (Vec<Cid>, Vec<Cid>) =
                self.above(heads.clone(), register, &said).into_iter().partition(|cid| self.removes(cid));
            let before = values.into_iter().max_by_key(|cid| (self.facts[cid].height, *cid));
            let before = before.and_then(|cid| Some((cid, self.facts[&cid].value.clone()?)));
            let removes = heads.iter().all(|cid| self.removes(cid));
            Taken { name: self.names[register as usize].clone(), heads, removes, before, removals }
        });
        taken.collect()
    }

    fn removes(&self, cid: &Cid) -> bool {
        self.facts[cid].value.is_none()
    }

    /// The nearest facts of a register above some that are none of `said`.
    fn above(&self, mut stack: Vec<Cid>, register: u32, said: &BTreeSet<Cid>) -> Vec<Cid> {
        let (mut seen, mut nearest) = (BTreeSet::new(), Vec::new());
        while let Some(cid) = stack.pop() {
            let Some(held) = self.facts.get(&cid).filter(|held| held.register == register) else { continue };
            if !seen.insert(cid) {
                continue;
            }
            if said.contains(&cid) {
                stack.extend(held.causes.iter());
            } else {
                nearest.push(cid);
            }
        }
        nearest
    }

    /// Every fact told of, ascending by CID.
    pub fn facts(&self) -> impl Iterator<Item = RegisterFact<'_>> {
        self.facts.iter().map(|(cid, held)| RegisterFact {
            name: &self.names[held.register as usize],
            cid: *cid,
            height: held.height,
            value: held.value.as_ref(),
            causes: &held.causes,
        })
    }

    fn candidates_of(&self, register: u32) -> impl DoubleEndedIterator<Item = (Cid, &Value)> {
        heads_of(&self.candidates, register).map(|cid| {
            let value = self.facts[&cid].value.as_ref();
            (cid, value.expect("a candidate states a value"))
        })
    }
}

/// Ascending by (height, CID).
fn heads_of(heads: &BTreeSet<Head>, register: u32) -> impl DoubleEndedIterator<Item = Cid> {
    heads.range((register, 0, None)..(register + 1, 0, None)).filter_map(|(_, _, cid)| *cid)
}

/// In `candidate`, as in `attr`, a reference is what it points at.
pub(crate) fn candidate_row(name: &Name, value: &Value, cid: Cid) -> Vec<Value> {
    vec![name.0.clone().into(), name.1.clone().into(), shown(value), cid.into()]
}
