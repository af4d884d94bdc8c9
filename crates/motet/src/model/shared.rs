//! The circuit of all items of a model in a party.
//!
//! An item enters with all its facts, is changed as they come and go, and leaves. Each of that is an epoch in which
//! only rows of this one item change, so what an epoch costs, and what it is refused for, is the item's. That it would
//! be over the model's limits is found while it is computed. When an item enters that is a matter of its facts and the
//! program alone: strata are computed one after the other, and within one more rows never mean fewer. A change may be
//! refused for rows that would have gone yet; whether the item is over its limits is then seen by letting it enter
//! anew.

use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::{Budget, Changes, RelationName, Row, Runtime as _, RuntimeError};
use motet_fact::Value;
use motet_item::ItemId;
use motet_logic::model::Lift;
use motet_native::{Allowed, OwnNative, Refusal};

use super::{ModelBlock, ModelLimits};

/// Net changes of what a circuit reads of one item, without the item.
pub(super) type Inputs = BTreeMap<(&'static str, Row), i64>;

/// What a model read a fact as.
pub(super) const READ: [&str; 3] = ["fact", "cause", "height"];

/// The circuit.
pub(super) struct Shared {
    runtime: OwnNative,
    lift: Lift,
    limits: ModelLimits,
    /// The stratum of each relation that rules define.
    strata: BTreeMap<RelationName, usize>,
    /// The items that are in.
    items: BTreeSet<ItemId>,
}

/// How much an item has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// The rows of each stratum.
    rows: Vec<usize>,
    /// How many values are too long.
    long: usize,
}

/// Why there is no state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fenced {
    /// The item is over the limits of the model.
    OverLimit,
    /// It costs more than is spent here.
    TooCostly(RuntimeError),
}

impl Shared {
    /// A circuit without items.
    pub(super) fn new(block: &ModelBlock) -> Result<Self, String> {
        let lift = block.compile().map_err(|diagnostics| diagnostics.to_string())?;
        let mut runtime = OwnNative::alone(lift.program.clone()).map_err(|error| error.to_string())?;
        let begun = runtime.step(&Changes::new(), Budget::UNLIMITED);
        assert_eq!(begun, Ok(Changes::new()), "without items there is nothing");
        let numbered = lift.strata.iter().enumerate();
        let strata = numbered.flat_map(|(place, names)| names.iter().map(move |name| (name.clone(), place)));
        Ok(Shared { runtime, limits: block.limits, strata: strata.collect(), items: BTreeSet::new(), lift })
    }

    /// The outputs of the program, with their columns.
    pub(super) fn outputs(&self) -> &[motet_logic::Interface] {
        &self.lift.outputs
    }

    /// Whether an item is in.
    pub(super) fn has(&self, item: ItemId) -> bool {
        self.items.contains(&item)
    }

    /// An item enters, with what there is of it. Gives the changes of the outputs, and how much it has.
    ///
    /// Its facts come first, of which nothing follows while the item is not there; so each derivation is found once,
    /// and what is refused is only what follows.
    pub(super) fn enter(
        &mut self,
        item: ItemId,
        inputs: &Inputs,
        budget: &Budget,
    ) -> Result<(Changes, Size), Fenced> {
        self.put(&self.changes(item, inputs, 1));
        let nothing = Size { rows: vec![0; self.lift.strata.len()], long: 0 };
        let entered = self.step(&self.presence(item, 1), &nothing, budget);
        if entered.is_err() {
            self.put(&self.changes(item, inputs, -1));
        } else {
            assert!(self.items.insert(item), "an item is in once");
        }
        entered
    }

    /// What there is of an item changes. If that is refused, nothing has changed.
    pub(super) fn change(
        &mut self,
        item: ItemId,
        inputs: &Inputs,
        size: &Size,
        budget: &Budget,
    ) -> Result<(Changes, Size), Fenced> {
        self.step(&self.changes(item, inputs, 1), size, budget)
    }

    /// An item leaves; this is all there is of it.
    pub(super) fn leave(&mut self, item: ItemId, inputs: &Inputs) {
        let left = self.runtime.step(&self.presence(item, -1), Budget::UNLIMITED);
        left.expect("what entered may leave, at any cost");
        self.put(&self.changes(item, inputs, -1));
        assert!(self.items.remove(&item), "an item that leaves was in");
    }

    /// Facts of an item that is not there come or go.
    fn put(&mut self, changes: &Changes) {
        let followed = self.runtime.step(changes, Budget::UNLIMITED);
        assert_eq!(followed, Ok(Changes::new()), "nothing follows of an item that is not there");
    }

    fn step(&mut self, changes: &Changes, size: &Size, budget: &Budget) -> Result<(Changes, Size), Fenced> {
        let allowed = self.allowed(size);
        let outcome = self.runtime.step_allowed(changes, budget, &allowed);
        let (mut changes, mut size) = match outcome {
            Ok(changes) => (changes, size.clone()),
            Err(Refusal::TooMany(_)) => return Err(Fenced::OverLimit),
            Err(Refusal::Failed(error)) => return Err(Fenced::TooCostly(error)),
        };
        for (name, rows) in &mut changes {
            for (row, weight) in rows.iter_mut() {
                row.remove(0);
                let long = row.iter().filter(|value| self.is_long(value)).count();
                add(&mut size.rows[self.strata[name]], 1, *weight);
                add(&mut size.long, long, *weight);
            }
        }
        changes.retain(|name, _| self.lift.outputs.iter().any(|output| output.name == *name));
        Ok((changes, size))
    }

    /// Whether an item is over the limits that only its values can be over.
    pub(super) fn is_over(&self, size: &Size) -> bool {
        debug_assert!(size.rows.iter().all(|rows| *rows <= self.limits.rows), "no more rows were allowed");
        size.long > 0
    }

    fn is_long(&self, value: &Value) -> bool {
        let bytes = match value {
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Link(_) => 0,
        };
        bytes > self.limits.value_bytes
    }

    /// What the relations of each stratum may have in all, if this item may have what the limits say.
    fn allowed(&self, size: &Size) -> Vec<Allowed> {
        let allowed = |(names, rows): (&Vec<RelationName>, &usize)| {
            let all: usize = names.iter().map(|name| self.runtime.count(name)).sum();
            Allowed { relations: names.clone(), rows: all - rows + self.limits.rows }
        };
        self.lift.strata.iter().zip(&size.rows).map(allowed).collect()
    }

    /// Changes of what the circuit reads of an item.
    fn changes(&self, item: ItemId, inputs: &Inputs, sign: i64) -> Changes {
        let item = Value::from(item);
        let mut changes = Changes::new();
        for ((name, row), weight) in inputs {
            if self.lift.program.relations.get(*name).is_some_and(|relation| relation.input) {
                let row = [std::slice::from_ref(&item), row.as_slice()].concat();
                changes.entry((*name).into()).or_default().push((row, sign * weight));
            }
        }
        changes
    }

    /// The change by which an item is there, or not.
    fn presence(&self, item: ItemId, weight: i64) -> Changes {
        Changes::from([(self.lift.items.clone(), vec![(vec![item.into()], weight)])])
    }
}

fn add(sum: &mut usize, count: usize, weight: i64) {
    let changed = if weight > 0 { sum.checked_add(count) } else { sum.checked_sub(count) };
    *sum = changed.expect("what goes came before");
}
