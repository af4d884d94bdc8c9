//! The Object: properties that are values, sets, counters, references, and maps of such.
//!
//! Every (entity, attribute) of the item is a multi-value register ([`crate::register`]); its rules are those of the
//! requirements, §4.1 and §4.2. On the item's own entity the registers are its *properties*, by their paths
//! ([`crate::path`]), and more can be said of one than its value. Such an *operation* has a label for its attribute:
//!
//! | fact | says |
//! |---|---|
//! | (entity, property, value) | the property is the value, over what the fact cites |
//! | (entity, `motet/remove`, property) | what the fact cites is removed: values, elements |
//! | (fresh, `motet/add/`property, value) | the set that the property is has the value ([`set`]) |
//! | (fresh, `motet/increment/`property, int) | the number that the property is, is greater by that ([`counter`]) |
//!
//! A property shows one row of `attr` for its value, counted up, and one for each element of its set. What people say
//! concurrently may be of several kinds (one sets a value, another adds an element, a third makes a map of it): all of
//! it stays readable, and who reads a property by its path sees the map first, then the set, then the value
//! ([`property`]). Writers who know of each other leave one kind: setting removes what it replaces ([`crate::draft`]).
//!
//! A value that is a reference is shown as the id it points at, and has a row of `refers`.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::order::write_key;
use motet_fact::{Attribute, Cid, Digest, Entity, Fact, FactError, Value};

use crate::reference::attr_rows;
use crate::register::{Name, Statement, candidate_row};
use crate::tally::Tally;
use crate::{BaseRelation, Change, ItemId, Kept, Model, Registers, SnapshotError, State, Told, kept, label};

mod counter;
pub mod property;
mod set;
mod undo;

use counter::Counters;
use set::{Sets, Turned};
pub(crate) use undo::removal;

/// Properties.
#[derive(Clone, Copy, Debug, Default)]
pub struct Object;

impl Object {
    /// What genesis entries call it.
    pub const NAME: &'static str = "object";
}

impl Model for Object {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn begin(&self, item: ItemId) -> Option<Box<dyn State>> {
        Some(Box::new(ObjectState::new(item)))
    }

    fn restore(&self, item: ItemId, snapshot: &[u8]) -> Result<Box<dyn State>, SnapshotError> {
        Ok(Box::new(kept::restore(self, ObjectState::new(item), snapshot)?))
    }

    fn rows_are_of_its_entities(&self) -> bool {
        true
    }
}

/// What an item's facts say of its properties.
#[derive(Clone, Debug)]
pub struct ObjectState {
    item: Entity,
    registers: Registers,
    sets: Sets,
    counters: Counters,
    /// Of the rows of `attr`.
    hash: Tally,
    /// How many those are.
    shown: usize,
}

/// What a fact does.
enum Operation {
    State,
    Remove(Attribute),
    Add(Attribute),
    Increment(Attribute, i64),
    Nothing,
}

/// Where an operation's property is in its attribute.
fn labelled(label: &str, property: &Attribute) -> Attribute {
    format!("{label}{}", property.as_text().unwrap_or_default()).into()
}

impl Operation {
    fn of(attribute: &Attribute, value: &Value) -> Self {
        let Some(name) = attribute.as_text() else { return Operation::State };
        let property = |text: &str| Some(Attribute::from(text)).filter(|name| !label::is_reserved(name));
        let read = if name == label::REMOVE {
            let property = Attribute::new(value.clone()).ok().filter(|name| !label::is_reserved(name));
            property.map(Operation::Remove)
        } else if let Some(text) = name.strip_prefix(label::ADD) {
            property(text).map(Operation::Add)
        } else if let Some(text) = name.strip_prefix(label::INCREMENT) {
            property(text).zip(value.as_int()).map(|(property, by)| Operation::Increment(property, by))
        } else if label::is_reserved(attribute) {
            None
        } else {
            Some(Operation::State)
        };
        read.unwrap_or(Operation::Nothing)
    }
}

impl State for ObjectState {
    fn step(&mut self, batch: &[Told<'_>]) -> Vec<Change> {
        let operations: Vec<Operation> =
            batch.iter().map(|told| Operation::of(told.attribute, told.value)).collect();
        let before = self.figures(batch, &operations);
        let mut turned = Turned::default();
        let mut changes = self.tell(batch, &operations, &mut turned);
        self.show(before, turned.elements, &mut changes);
        let adds = turned.adds.into_iter().filter(|(_, weight)| *weight != 0);
        changes.extend(adds.map(|(((property, value), cid), weight)| {
            let row = candidate_row(&self.name(&property), &value, cid);
            Change::new(BaseRelation::Candidate, row, weight)
        }));
        changes
    }

    fn rows(&self, visit: &mut dyn FnMut(BaseRelation, Vec<Value>)) {
        self.registers.rows(visit);
        for ((property, value), adds) in self.sets.live() {
            let name = self.name(property);
            adds.iter().for_each(|&cid| {
                visit(BaseRelation::Candidate, candidate_row(&name, value, cid));
            });
        }
        for (name, value) in self.shown() {
            attr_rows(&name, &value).for_each(|(relation, row)| visit(relation, row));
        }
    }

    fn digest(&self) -> Digest {
        self.hash.digest(self.shown().map(|(name, value)| hashed(&name, &value)))
    }

    fn snapshot(&self) -> Vec<u8> {
        kept::write(self.kept().collect())
    }

    fn heads(&self, entity: &Entity, attribute: &Attribute) -> Vec<Cid> {
        self.registers.heads(&(entity.clone(), attribute.clone()))
    }

    fn candidates(&self, entity: &Entity, attribute: &Attribute) -> Vec<(Cid, Value)> {
        self.registers.candidates(&(entity.clone(), attribute.clone()))
    }

    fn attributes(&self, entity: &Entity) -> BTreeMap<Attribute, Value> {
        let values = self.names_of(entity).filter_map(|name| Some((name.1.clone(), self.figure(name)?)));
        values.collect()
    }

    fn undo(&self, said: &[Cid], fresh: &mut dyn FnMut() -> Entity) -> Option<Result<Vec<Fact>, FactError>> {
        Some(self.take_back(said, fresh))
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

impl ObjectState {
    /// The facts it was told of.
    pub(crate) fn kept(&self) -> impl Iterator<Item = Kept> + '_ {
        let stated = self.registers.facts().map(|fact| {
            let (entity, property) = fact.name;
            let (attribute, value) = match fact.value {
                Some(value) => (property.clone(), value.clone()),
                None => (label::REMOVE.into(), property.value().clone()),
            };
            let (entity, causes) = (entity.clone(), fact.causes.to_vec());
            let (written, counted) = (Vec::new(), true);
            Kept {
                cid: fact.cid,
                entity,
                attribute,
                value,
                causes,
                written,
                height: fact.height,
                counted,
                place: None,
            }
        });
        stated.chain(self.sets.facts()).chain(self.counters.facts())
    }

    pub(crate) fn new(item: ItemId) -> Self {
        ObjectState {
            item: item.entity(),
            registers: Registers::default(),
            sets: Sets::default(),
            counters: Counters::default(),
            hash: Tally::default(),
            shown: 0,
        }
    }

    fn name(&self, property: &Attribute) -> Name {
        (self.item.clone(), property.clone())
    }

    /// What the registers that a batch touches show before it.
    fn figures(&mut self, batch: &[Told<'_>], operations: &[Operation]) -> BTreeMap<Name, Option<Value>> {
        let mut figures = BTreeMap::new();
        for (told, operation) in batch.iter().zip(operations) {
            let name = match operation {
                Operation::State => (told.entity.clone(), told.attribute.clone()),
                Operation::Remove(property) => (told.entity.clone(), property.clone()),
                Operation::Increment(property, _) => self.name(property),
                // Properties that have elements only are among the names too.
                Operation::Add(property) => {
                    self.registers.number(&self.name(property));
                    continue;
                }
                Operation::Nothing => continue,
            };
            self.registers.number(&name);
            let figure = self.figure(&name);
            figures.entry(name).or_insert(figure);
        }
        figures
    }

    fn tell(&mut self, batch: &[Told<'_>], operations: &[Operation], turned: &mut Turned) -> Vec<Change> {
        let mut statements = Vec::new();
        for (told, operation) in batch.iter().zip(operations) {
            match operation {
                Operation::State => statements.push(Statement::of(told)),
                Operation::Remove(property) => {
                    let name = (told.entity.clone(), property.clone());
                    statements.push(Statement { name, value: None, ..Statement::of(told) });
                    if *told.entity == self.item {
                        self.sets.remove(property, told, turned);
                    }
                }
                Operation::Add(property) => self.sets.add(property, told, turned),
                Operation::Increment(property, by) => self.counters.increment(property, *by, told),
                Operation::Nothing => {}
            }
        }
        self.registers.step(statements)
    }

    /// What changes in `attr` and `refers`, now that these figures and elements may be others.
    fn show(
        &mut self,
        before: BTreeMap<Name, Option<Value>>,
        elements: BTreeMap<(Attribute, Value), bool>,
        changes: &mut Vec<Change>,
    ) {
        let after: BTreeMap<Name, Option<Value>> =
            before.keys().map(|name| (name.clone(), self.figure(name))).collect();
        let mut touched: BTreeSet<(Name, Value)> = BTreeSet::new();
        for (name, figure) in before.iter().chain(&after) {
            touched.extend(figure.iter().map(|value| (name.clone(), value.clone())));
        }
        touched.extend(elements.keys().map(|(property, value)| (self.name(property), value.clone())));
        for (name, value) in touched {
            let element = (name.1.clone(), value.clone());
            let is_own = name.0 == self.item;
            let is_in = is_own && self.sets.contains(&element);
            let was_in = is_own && elements.get(&element).copied().unwrap_or(is_in);
            let is_shown = |figure: Option<Option<&Value>>, there: bool| {
                there
                    || figure
                        .map_or_else(|| self.figure(&name).as_ref() == Some(&value), |it| it == Some(&value))
            };
            let was = is_shown(before.get(&name).map(Option::as_ref), was_in);
            let is = is_shown(after.get(&name).map(Option::as_ref), is_in);
            if was != is {
                self.change_row(&name, &value, if is { 1 } else { -1 }, changes);
            }
        }
        if self.hash.wants_keeping(self.shown) {
            let rows: Vec<_> = self.shown().map(|(name, value)| hashed(&name, &value)).collect();
            self.hash.keep(rows.into_iter());
        }
    }

    fn change_row(&mut self, name: &Name, value: &Value, weight: i64, changes: &mut Vec<Change>) {
        if weight > 0 {
            self.hash.insert(&hashed(name, value));
            self.shown += 1;
        } else {
            self.hash.remove(&hashed(name, value));
            self.shown -= 1;
        }
        changes.extend(attr_rows(name, value).map(|(relation, row)| Change::new(relation, row, weight)));
    }

    /// The value of a register, counted up.
    fn figure(&self, name: &Name) -> Option<Value> {
        let winner = self.registers.winner(name);
        if name.0 != self.item {
            return winner.map(|(_, value)| value);
        }
        let total = match winner {
            Some((cid, Value::Int(value))) => i128::from(value) + self.counters.added_to(&name.1, cid),
            Some((_, other)) => return Some(other),
            None => match self.counters.without_value(&name.1, &self.registers.removals(name)) {
                0 => return None,
                total => total,
            },
        };
        i64::try_from(total).ok().map(Value::Int)
    }

    /// Every row of `attr`, before references are shown as what they point at.
    fn shown(&self) -> impl Iterator<Item = (Name, Value)> + '_ {
        let figures = self.registers.names().filter_map(|name| Some((name.clone(), self.figure(name)?)));
        let figures = figures.filter(|(name, value)| {
            name.0 != self.item || !self.sets.contains(&(name.1.clone(), value.clone()))
        });
        let elements = self.sets.live().map(|((property, value), _)| (self.name(property), value.clone()));
        figures.chain(elements)
    }

    fn names_of<'a>(&'a self, entity: &'a Entity) -> impl Iterator<Item = &'a Name> {
        let least = Attribute::new(Value::Int(i64::MIN)).expect("an int is an attribute");
        let names = self.registers.names_from((entity.clone(), least));
        names.take_while(move |(of, _)| of == entity)
    }
}

/// The bytes that the hash has of a row of `attr`.
fn hashed(name: &Name, value: &Value) -> Vec<u8> {
    let mut key = Vec::new();
    [name.0.clone().into(), name.1.value().clone(), value.clone()]
        .iter()
        .for_each(|part| write_key(part, &mut key));
    key
}
