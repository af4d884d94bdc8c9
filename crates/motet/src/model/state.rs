//! What a model's program makes of one item.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use motet_algebra::{Budget, Changes, Row};
use motet_fact::order::write_key;
use motet_fact::{Attribute, Cid, Digest, Entity, Fact, FactError, Value};
use motet_item::tally::Tally;
use motet_item::{
    BaseRelation, Change, ItemId, Kept, Model as _, Object, ObjectState, Reference, State, Told, kept,
};
use motet_logic::Interface;

use super::rules::{Circuit, Made};
use super::shared::{Fenced, Inputs, READ, Shared, Size};

/// How an item of such a model stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RulesStatus {
    /// Its rows are there.
    Computed,
    /// It is over the limits of its model, on every replica.
    OverLimit,
    /// The program has errors, on every replica.
    Wrong(Arc<str>),
    /// This replica does not spend so much on it, or is too old. It knows nothing of the item's state.
    NotComputed(Arc<str>),
}

/// The state of one item.
pub struct RulesState {
    item: ItemId,
    circuit: Arc<Circuit>,
    /// The facts that were told.
    facts: BTreeMap<Cid, Kept>,
    /// How much the circuit has of the item, if it is in there.
    size: Option<Size>,
    status: RulesStatus,
    /// The rows of the outputs that have any.
    outputs: BTreeMap<Arc<str>, BTreeSet<Row>>,
    /// The rows that queries read, and how many rows of outputs each stands for.
    published: BTreeMap<(BaseRelation, Row), usize>,
    hash: Tally,
    /// How many rows the outputs have.
    rows: usize,
    /// The same facts as those of properties, for writers.
    properties: Box<dyn State>,
}

impl RulesState {
    pub(super) fn new(item: ItemId, circuit: Arc<Circuit>) -> Self {
        RulesState {
            item,
            circuit,
            facts: BTreeMap::new(),
            size: None,
            status: RulesStatus::Computed,
            outputs: BTreeMap::new(),
            published: BTreeMap::new(),
            hash: Tally::default(),
            rows: 0,
            properties: Object.begin(item).expect("an object has a state"),
        }
    }

    /// How the item stands.
    pub fn status(&self) -> &RulesStatus {
        &self.status
    }

    /// The outputs of the program, with their columns; none if it has errors.
    pub fn outputs(&self) -> Vec<Interface> {
        match self.circuit.made().get() {
            Made::Running(shared) => shared.outputs().to_vec(),
            Made::Wrong(_) | Made::Unread(_) => Vec::new(),
        }
    }

    /// The rows of an output, in value order.
    pub fn rows_of(&self, output: &str) -> impl Iterator<Item = &Row> {
        self.outputs.get(output).into_iter().flatten()
    }

    /// All that the circuit reads of the item.
    fn inputs(&self) -> Inputs {
        let mut inputs = Inputs::new();
        self.facts.values().for_each(|fact| add_inputs(fact, 1, &mut inputs));
        inputs
    }

    /// Lets the circuit know of changes. Gives what changes in the outputs.
    fn advance(&mut self, batch: &[Told<'_>]) -> Changes {
        let circuit = self.circuit.clone();
        let (mut made, budget) = (circuit.made(), circuit.budget());
        if let Some(size) = &self.size {
            let mut net = Inputs::new();
            batch.iter().for_each(|told| add_inputs(&kept(told), told.weight, &mut net));
            net.retain(|_, weight| *weight != 0);
            let outcome = made.running().change(self.item, &net, size, &budget);
            match outcome {
                Ok((changes, size)) if !made.running().is_over(&size) => {
                    self.note(batch);
                    if self.facts.is_empty() {
                        made.running().leave(self.item, &self.inputs());
                        self.size = None;
                        return self.withdrawn();
                    }
                    self.size = Some(size);
                    return changes;
                }
                Ok(_) => {
                    self.note(batch);
                    made.running().leave(self.item, &self.inputs());
                    return self.fence(RulesStatus::OverLimit);
                }
                // Rows that would go may have been counted: only what enters is known to be too much.
                Err(_) => made.running().leave(self.item, &self.inputs()),
            }
        }
        self.note(batch);
        let gone = self.fence(RulesStatus::Computed);
        if self.facts.is_empty() {
            return gone;
        }
        if matches!(made.get(), Made::Running(shared) if shared.has(self.item)) {
            // Another state of the item is in there, of another moment.
            self.circuit = Arc::new(circuit.another());
        }
        drop(made);
        let circuit = self.circuit.clone();
        let mut made = circuit.made();
        let come = match made.get() {
            Made::Wrong(why) => Err(RulesStatus::Wrong(why.clone())),
            Made::Unread(why) => Err(RulesStatus::NotComputed(why.clone())),
            Made::Running(shared) => self.enter(shared, &budget),
        };
        match come {
            Ok(come) => sum(gone, come),
            Err(status) => {
                self.status = status;
                gone
            }
        }
    }

    /// Enters the circuit with all that is known. Gives what changes in the outputs.
    fn enter(&mut self, shared: &mut Shared, budget: &Budget) -> Result<Changes, RulesStatus> {
        let inputs = self.inputs();
        match shared.enter(self.item, &inputs, budget) {
            Ok((_, size)) if shared.is_over(&size) => {
                shared.leave(self.item, &inputs);
                Err(RulesStatus::OverLimit)
            }
            Ok((changes, size)) => {
                self.size = Some(size);
                Ok(changes)
            }
            Err(Fenced::OverLimit) => Err(RulesStatus::OverLimit),
            Err(Fenced::TooCostly(error)) => Err(RulesStatus::NotComputed(error.to_string().into())),
        }
    }

    fn note(&mut self, batch: &[Told<'_>]) {
        for told in batch {
            if told.weight == 1 {
                let before = self.facts.insert(told.cid, kept(told));
                assert!(before.is_none(), "the fact {} is told once", told.cid);
            } else {
                let before = self.facts.remove(&told.cid);
                assert!(before.is_some(), "the fact {} was told before it is untold", told.cid);
            }
        }
    }

    /// From now on the circuit has nothing of the item.
    fn fence(&mut self, status: RulesStatus) -> Changes {
        (self.size, self.status) = (None, status);
        self.withdrawn()
    }

    /// The changes of the outputs after which they hold nothing.
    fn withdrawn(&self) -> Changes {
        let gone = |rows: &BTreeSet<Row>| rows.iter().map(|row| (row.clone(), -1)).collect();
        self.outputs.iter().map(|(name, rows)| (name.clone(), gone(rows))).collect()
    }

    /// Takes changes of the outputs in; gives what changes in the relations that queries read.
    fn take(&mut self, changes: &Changes) -> Vec<Change> {
        let mut published: BTreeMap<(BaseRelation, Row), i64> = BTreeMap::new();
        for (name, rows) in changes {
            for (row, weight) in rows {
                self.take_row(name, row, *weight);
                for shown in shown(name, row) {
                    *published.entry(shown).or_default() += weight;
                }
            }
        }
        self.outputs.retain(|_, rows| !rows.is_empty());
        if self.hash.wants_keeping(self.rows) {
            let hashed: Vec<_> = self.hashed().collect();
            self.hash.keep(hashed.into_iter());
        }
        let mut told = Vec::new();
        for (shown, weight) in published.into_iter().filter(|(_, weight)| *weight != 0) {
            let count = self.published.get(&shown).copied().unwrap_or(0);
            let after = i64::try_from(count).unwrap_or(i64::MAX) + weight;
            let after = usize::try_from(after).expect("what goes was published");
            if after == 0 {
                self.published.remove(&shown)
            } else {
                self.published.insert(shown.clone(), after)
            };
            if (count == 0) != (after == 0) {
                told.push(Change::new(shown.0, shown.1, if after > 0 { 1 } else { -1 }));
            }
        }
        told
    }

    fn take_row(&mut self, name: &Arc<str>, row: &Row, weight: i64) {
        let rows = self.outputs.entry(name.clone()).or_default();
        if weight > 0 {
            assert!(rows.insert(row.clone()), "a row that comes was not there");
            self.hash.insert(&hashed(name, row));
            self.rows += 1;
        } else {
            assert!(rows.remove(row), "a row that goes was there");
            self.hash.remove(&hashed(name, row));
            self.rows -= 1;
        }
    }

    fn hashed(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.outputs.iter().flat_map(|(name, rows)| rows.iter().map(|row| hashed(name, row)))
    }

    fn as_properties(&self) -> &ObjectState {
        let state = self.properties.as_any().downcast_ref();
        state.expect("an object's state is one")
    }
}

/// An item that is not loaded any more has nothing in the circuit.
impl Drop for RulesState {
    fn drop(&mut self) {
        if self.size.is_some() {
            self.circuit.made().running().leave(self.item, &self.inputs());
        }
    }
}

impl State for RulesState {
    fn step(&mut self, batch: &[Told<'_>]) -> Vec<Change> {
        let _nobody_reads_them = self.properties.step(batch);
        let changes = self.advance(batch);
        self.take(&changes)
    }

    fn rows(&self, visit: &mut dyn FnMut(BaseRelation, Vec<Value>)) {
        self.published.keys().for_each(|(relation, row)| visit(*relation, row.clone()));
    }

    fn digest(&self) -> Digest {
        let (status, rows) = match self.status {
            RulesStatus::Computed => (&b"computed"[..], self.hash.digest(self.hashed()).0),
            RulesStatus::OverLimit => (&b"over limit"[..], [0; 32]),
            RulesStatus::Wrong(_) => (&b"wrong"[..], [0; 32]),
            RulesStatus::NotComputed(_) => (&b"not computed"[..], [0; 32]),
        };
        Digest::derive("motet rules state v1", &[status, &rows])
    }

    fn is_computed(&self) -> bool {
        !matches!(self.status, RulesStatus::NotComputed(_))
    }

    fn snapshot(&self) -> Vec<u8> {
        kept::write(self.facts.values().cloned().collect())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn properties(&self) -> Option<&ObjectState> {
        Some(self.as_properties())
    }

    fn heads(&self, entity: &Entity, attribute: &Attribute) -> Vec<Cid> {
        self.properties.heads(entity, attribute)
    }

    fn candidates(&self, entity: &Entity, attribute: &Attribute) -> Vec<(Cid, Value)> {
        self.properties.candidates(entity, attribute)
    }

    /// What the program says of the entity; of several values the greatest.
    fn attributes(&self, entity: &Entity) -> BTreeMap<Attribute, Value> {
        let entity = Value::from(entity.clone());
        let said = self.rows_of("attr").filter(|row| row[0] == entity);
        said.filter_map(|row| Some((Attribute::new(row[1].clone()).ok()?, row[2].clone()))).collect()
    }

    fn undo(&self, said: &[Cid], fresh: &mut dyn FnMut() -> Entity) -> Option<Result<Vec<Fact>, FactError>> {
        self.properties.undo(said, fresh)
    }
}

/// A fact as rules read it: its place is none of their business.
fn kept(told: &Told<'_>) -> Kept {
    Kept { place: None, ..Kept::of(told) }
}

/// What a circuit reads of a fact.
fn add_inputs(fact: &Kept, weight: i64, inputs: &mut Inputs) {
    let [of_facts, of_causes, of_heights] = READ;
    let cid = Value::from(fact.cid);
    let (entity, attribute) = (fact.entity.clone().into(), fact.attribute.clone().into());
    let mut add = |name, row| *inputs.entry((name, row)).or_default() += weight;
    add(of_facts, vec![entity, attribute, fact.value.clone(), cid.clone()]);
    let height = i64::try_from(fact.height).expect("a height is less than 2^63");
    add(of_heights, vec![cid.clone(), height.into()]);
    fact.causes.iter().for_each(|parent| add(of_causes, vec![cid.clone(), (*parent).into()]));
}

/// The rows that queries read of a row of an output: references are what they point at, and order keys are bytes.
fn shown(output: &str, row: &Row) -> Vec<(BaseRelation, Row)> {
    let shown = |value: &Value| Reference::of(value).map_or_else(|| value.clone(), |it| it.target());
    match (output, row.as_slice()) {
        ("attr", [entity, attribute, value]) => {
            let row = vec![entity.clone(), attribute.clone(), shown(value)];
            let refers = Reference::of(value).map(|_| (BaseRelation::Refers, row.clone()));
            std::iter::once((BaseRelation::Attr, row)).chain(refers).collect()
        }
        ("candidate", [entity, attribute, value, cid]) => {
            let row = vec![entity.clone(), attribute.clone(), shown(value), cid.clone()];
            vec![(BaseRelation::Candidate, row)]
        }
        ("element", [list, item, order_key]) => {
            let order_key = match order_key {
                Value::Bytes(_) => order_key.clone(),
                other => Value::bytes(key_of(std::slice::from_ref(other))),
            };
            vec![(BaseRelation::Element, vec![list.clone(), item.clone(), order_key])]
        }
        ("refers", [_, _, _]) => vec![(BaseRelation::Refers, row.clone())],
        _ => Vec::new(),
    }
}

fn key_of(values: &[Value]) -> Vec<u8> {
    let mut key = Vec::new();
    values.iter().for_each(|value| write_key(value, &mut key));
    key
}

fn hashed(name: &str, row: &Row) -> Vec<u8> {
    let mut key = key_of(&[name.into()]);
    key.extend(key_of(row));
    key
}

/// What two changes come to, one after the other.
fn sum(one: Changes, other: Changes) -> Changes {
    let mut net: BTreeMap<Arc<str>, BTreeMap<Row, i64>> = BTreeMap::new();
    for (name, rows) in one.into_iter().chain(other) {
        let of = net.entry(name).or_default();
        rows.into_iter().for_each(|(row, weight)| *of.entry(row).or_default() += weight);
    }
    let keep = |rows: BTreeMap<Row, i64>| rows.into_iter().filter(|(_, weight)| *weight != 0).collect();
    net.into_iter().map(|(name, rows)| (name, keep(rows))).collect()
}
