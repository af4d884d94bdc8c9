//! The runtime: checks what comes in, keeps the inputs, and runs the dataflow.
//!
//! The contents of the inputs are kept apart from the dataflow, as packed rows. They say which changes are allowed, and
//! they are what the dataflow is built from again after it ran over its budget (Q17): the old contents are run without
//! looking at the result, which the caller has seen already, and then the next epoch's changes.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use motet_algebra::{
    Budget, Changes, Program, RelationName, Row, Runtime, RuntimeError, SchemaError, Site, Statement,
    Undefined,
};

use crate::build::Batch;
use crate::epoch::{Batches, Running};
use crate::meter::Meter;
use crate::plan::Plan;
use crate::planner::plan;
use crate::row::{NARROW, NarrowRow, PackedRow, WideRow};
use crate::task::Shared;
use motet_algebra::dictionary::{Dictionary, SharedDictionary};

/// A program kept running on differential dataflow, by one worker in the calling thread.
///
/// An input of which the program can only see rows with certain constants holds no others. Of the rows it does not hold
/// it checks width and types, but cannot know whether they were there.
pub struct Cluster {
    engine: Box<dyn Engine>,
}

impl Cluster {
    /// A runtime for a program, with a dictionary of its own.
    ///
    /// # Errors
    /// [`SchemaError`] if the program cannot be built.
    pub fn new(program: Program) -> Result<Self, SchemaError> {
        Cluster::with_dictionary(program, Dictionary::shared())
    }

    /// A runtime for a program, with a dictionary that others use too (Q14).
    ///
    /// # Errors
    /// [`SchemaError`] if the program cannot be built.
    pub fn with_dictionary(program: Program, dictionary: SharedDictionary) -> Result<Self, SchemaError> {
        let plan = plan(&program, &mut dictionary.borrow_mut())?;
        let engine: Box<dyn Engine> = match plan.width {
            width if width <= NARROW => Box::new(Held::<NarrowRow>::new(program, plan, dictionary)),
            _ => Box::new(Held::<WideRow>::new(program, plan, dictionary)),
        };
        Ok(Cluster { engine })
    }

    /// How many rows of an input are held: those that the program can see.
    pub fn rows_held(&self, input: &str) -> usize {
        self.engine.rows_held(input)
    }

    /// How many operators the dataflow has; none before the first epoch.
    pub fn operators(&self) -> usize {
        self.engine.operators()
    }
}

impl Runtime for Cluster {
    fn step(&mut self, inputs: &Changes, budget: Budget) -> Result<Changes, RuntimeError> {
        self.engine.step(inputs, budget)
    }

    fn undefined(&self) -> Vec<Undefined> {
        self.engine.undefined()
    }
}

/// A [`Cluster`] whose row type is not known.
trait Engine {
    fn step(&mut self, inputs: &Changes, budget: Budget) -> Result<Changes, RuntimeError>;
    fn undefined(&self) -> Vec<Undefined>;
    fn rows_held(&self, input: &str) -> usize;
    fn operators(&self) -> usize;
}

/// A [`Cluster`] for one row type.
struct Held<W: PackedRow> {
    program: Program,
    plan: Plan,
    shared: Shared,
    contents: BTreeMap<RelationName, BTreeSet<W>>,
    running: Option<Running<W>>,
    /// Whether an epoch was run to its end, so that the caller knows the outputs for the contents.
    reported: bool,
    /// What had no value in the last epoch that was run to its end.
    undefined: Vec<Undefined>,
}

impl<W: PackedRow> Engine for Held<W> {
    fn step(&mut self, inputs: &Changes, budget: Budget) -> Result<Changes, RuntimeError> {
        self.revive()?;
        let known = self.shared.dictionary.borrow().len();
        let outputs = self.run(inputs, budget);
        if outputs.is_err() {
            // Nobody has the rows that new numbers are in.
            self.shared.dictionary.borrow_mut().truncate(known);
        }
        outputs
    }

    fn undefined(&self) -> Vec<Undefined> {
        self.undefined.clone()
    }

    fn rows_held(&self, input: &str) -> usize {
        self.contents.get(input).map_or(0, BTreeSet::len)
    }

    fn operators(&self) -> usize {
        self.running.as_ref().map_or(0, Running::operators)
    }
}

impl<W: PackedRow> Held<W> {
    fn new(program: Program, plan: Plan, dictionary: SharedDictionary) -> Self {
        let shared = Shared { meter: Meter::new(), dictionary, row_bytes: plan.row_bytes() };
        Held {
            program,
            plan,
            shared,
            contents: BTreeMap::new(),
            running: None,
            reported: false,
            undefined: Vec::new(),
        }
    }

    /// Builds the dataflow anew if there is none that can go on. What it must do to be where it was costs nobody's
    /// budget.
    fn revive(&mut self) -> Result<(), RuntimeError> {
        if self.running.as_ref().is_some_and(|running| !running.is_old()) {
            return Ok(());
        }
        self.running = None;
        let mut running = Running::new(&self.plan, &self.shared);
        if self.reported {
            let whole = |rows: &BTreeSet<W>| rows.iter().map(|row| (row.clone(), 1)).collect();
            let contents = self.contents.iter().map(|(name, rows)| (name.clone(), whole(rows))).collect();
            self.shared.meter.start(Budget::UNLIMITED);
            running.run(&contents)?;
        }
        self.running = Some(running);
        Ok(())
    }

    /// Runs an epoch on a dataflow that can go on.
    fn run(&mut self, inputs: &Changes, budget: Budget) -> Result<Changes, RuntimeError> {
        let meter = Rc::clone(&self.shared.meter);
        meter.start(budget);
        if let Some(site) = self.program.statements.iter().find_map(Statement::site) {
            meter.look(&site);
        }
        let changes = self.admit(inputs)?;
        meter.check()?;
        // If the epoch fails, the dataflow goes with this frame.
        let mut running = self.running.take().expect("it was revived");
        let outputs = running.run(&changes)?;
        self.undefined = running.undefined();
        self.running = Some(running);
        self.reported = true;
        self.keep(changes);
        Ok(self.decode(outputs))
    }

    /// Checks all changes and packs those that the program can see.
    fn admit(&self, inputs: &Changes) -> Result<Batches<W>, RuntimeError> {
        inputs.iter().map(|(name, changes)| Ok((name.clone(), self.admit_all(name, changes)?))).collect()
    }

    fn admit_all(&self, name: &RelationName, changes: &[(Row, i64)]) -> Result<Batch<W>, RuntimeError> {
        let relation = self.program.relations.get(name).filter(|relation| relation.input);
        let relation = relation.ok_or_else(|| RuntimeError::NotAnInput(name.clone()))?;
        let admission = &self.plan.inputs[name];
        let task = self.shared.task(vec![Site::of(name)]);
        let mut batch = Batch::with_capacity(changes.len());
        for (row, weight) in changes {
            relation.check_row(name, row)?;
            if weight.abs() != 1 {
                return Err(RuntimeError::Weight { relation: name.clone(), weight: *weight });
            }
            if admission.admits(row) {
                batch.push((W::collect(row.iter().map(|value| task.intern(value))), *weight));
            }
        }
        self.check_weights(name, &mut batch)?;
        task.hold_updates(batch.len(), 1);
        Ok(batch)
    }

    /// Sorts a batch, and checks that each row comes once, and enters or leaves as it can.
    fn check_weights(&self, name: &RelationName, batch: &mut Batch<W>) -> Result<(), RuntimeError> {
        batch.sort_unstable();
        let contents = self.contents.get(name);
        let mut before = None;
        for (row, weight) in &*batch {
            let there = contents.is_some_and(|rows| rows.contains(row));
            if before == Some(row) || there != (*weight < 0) {
                return Err(RuntimeError::Weight { relation: name.clone(), weight: *weight });
            }
            before = Some(row);
        }
        Ok(())
    }

    /// Makes the changes part of the contents.
    fn keep(&mut self, changes: Batches<W>) {
        for (name, batch) in changes {
            let rows = self.contents.entry(name).or_default();
            for (row, weight) in batch {
                let changed = if weight > 0 { rows.insert(row) } else { rows.remove(&row) };
                assert!(changed, "weights were checked before the epoch");
            }
        }
    }

    fn decode(&self, outputs: Batches<W>) -> Changes {
        let dictionary = self.shared.dictionary.borrow();
        let decode_all = |(name, batch): (RelationName, Batch<W>)| {
            let width = self.plan.outputs[&name];
            let value = |row: &W, place: usize| dictionary.value(row.at(place));
            let decode = |row: &W| (0..width).map(|place| value(row, place)).collect::<Row>();
            let mut rows: Vec<(Row, i64)> =
                batch.iter().map(|(row, weight)| (decode(row), *weight)).collect();
            rows.sort_unstable();
            (name, rows)
        };
        outputs.into_iter().map(decode_all).collect()
    }
}
