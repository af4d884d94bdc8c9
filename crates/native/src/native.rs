//! The runtime: checks what comes in, runs the engine, and decodes what comes out.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::dictionary::{Dictionary, Id, SharedDictionary};
use motet_algebra::{
    Budget, Changes, Program, RelationName, Row, Runtime, RuntimeError, SchemaError, Site, Undefined,
};
use motet_fact::Value;
use motet_flow::Engine;
use motet_flow::engine::row::Batch;
use motet_flow::engine::rule::{Arg, Definition, Goal, RelationId};
use motet_flow::engine::{Cap, Cause, Change, Exceeded, Limits};

use crate::lower::{Lowered, lower};
use crate::meaning::{Holds, Meaning};

/// A program kept running on PomoFlow's engine.
///
/// An input of which the program can only see rows with certain constants holds no others. Of the rows it does not hold
/// it checks width and types, but cannot know whether they were there.
pub struct Native<D = SharedDictionary> {
    pub(crate) program: Program,
    pub(crate) engine: Engine<Meaning<D>>,
    /// The relations of the program.
    relations: BTreeMap<RelationName, RelationId>,
    inputs: BTreeMap<RelationName, Input>,
    /// What errors say of each relation of the engine.
    sites: Vec<Site>,
    /// What they say of each of its rules.
    rules: Vec<Site>,
    /// Rows that stand in the program, until the first epoch is done.
    constants: Vec<Change>,
    /// Relations of what has no value.
    lacking: Vec<(RelationId, std::sync::Arc<str>)>,
}

/// A runtime with a dictionary that nobody else uses: it may go from thread to thread.
pub type OwnNative = Native<Box<RefCell<Dictionary>>>;

/// How many rows some relations of a program may have, all together (H20).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// The relations. Each is named once.
    pub relations: Vec<RelationName>,
    /// The most rows.
    pub rows: usize,
}

/// Why an epoch was refused that was allowed so many rows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It would leave more rows. That is a matter of the program and its inputs alone, whatever the budget is.
    #[error("there would be more rows than are allowed in {0}")]
    TooMany(Site),
    /// Anything else.
    #[error(transparent)]
    Failed(#[from] RuntimeError),
}

/// A relation with rows from outside.
struct Input {
    relation: RelationId,
    /// The rows that can be seen: those that agree with one of these lists of positions and ids. Nothing if all can.
    seen: Option<Vec<Vec<(usize, Id)>>>,
}

impl Input {
    fn admits(&self, row: &[Id]) -> bool {
        let agrees = |list: &Vec<(usize, Id)>| list.iter().all(|(place, id)| row[*place] == *id);
        self.seen.as_ref().is_none_or(|lists| lists.iter().any(agrees))
    }
}

impl OwnNative {
    /// A runtime for a program, with a dictionary that nobody else will use.
    ///
    /// # Errors
    /// [`SchemaError`] if the program cannot be built.
    pub fn alone(program: Program) -> Result<Self, SchemaError> {
        Native::over(program, Box::default())
    }
}

impl Native {
    /// A runtime for a program, with a dictionary of its own.
    ///
    /// # Errors
    /// [`SchemaError`] if the program cannot be built.
    pub fn new(program: Program) -> Result<Self, SchemaError> {
        Native::with_dictionary(program, Dictionary::shared())
    }

    /// A runtime for a program, with a dictionary that others use too (Q14).
    ///
    /// # Errors
    /// [`SchemaError`] if the program cannot be built.
    pub fn with_dictionary(program: Program, dictionary: SharedDictionary) -> Result<Self, SchemaError> {
        Native::over(program, dictionary)
    }
}

impl<D: Holds> Native<D> {
    pub(crate) fn over(program: Program, dictionary: D) -> Result<Self, SchemaError> {
        let lowered = lower(&program, &mut dictionary.borrow_mut())?;
        let Lowered {
            definition,
            tests,
            functions,
            folds,
            sites,
            rules,
            relations,
            inputs,
            constants,
            undefined,
        } = lowered;
        let input = |(name, relation): (RelationName, RelationId)| {
            let whole = program.relations[&name].output && relations[&name] == relation;
            let seen = if whole { None } else { seen(&definition, relation) };
            (name, Input { relation, seen })
        };
        let constant = |(relation, rows): (RelationId, Vec<Vec<Id>>)| {
            let mut come = Batch::new(definition.widths[relation]);
            rows.iter().for_each(|row| come.push(row));
            Change { relation, gone: Batch::new(come.width()), come }
        };
        Ok(Native {
            inputs: inputs.into_iter().map(input).collect(),
            constants: constants.into_iter().map(constant).collect(),
            engine: Engine::new(
                definition,
                Meaning {
                    dictionary,
                    tests,
                    functions,
                    folds,
                    known: Cell::default(),
                    cancel: RefCell::default(),
                },
            ),
            program,
            relations,
            sites,
            rules,
            lacking: undefined,
        })
    }

    /// With its engine restored.
    pub(crate) fn restored(
        self,
        restore: impl FnOnce(Engine<Meaning<D>>) -> Option<Engine<Meaning<D>>>,
    ) -> Option<Self> {
        let engine = restore(self.engine)?;
        Some(Native { engine, constants: Vec::new(), ..self })
    }

    pub(crate) fn dictionary(&self) -> &RefCell<Dictionary> {
        &self.engine.host().dictionary
    }

    /// The number that a value has in rows of this runtime.
    pub fn intern(&self, value: &Value) -> Id {
        self.dictionary().borrow_mut().intern(value)
    }

    /// The value that a number in rows of this runtime stands for.
    pub fn value(&self, id: Id) -> Value {
        self.dictionary().borrow().value(id)
    }

    /// A batch for rows of a relation, to be filled for [`Native::advance`].
    ///
    /// # Panics
    /// If the program has no such relation.
    pub fn batch(&self, relation: &str) -> Batch {
        Batch::new(self.program.relations[relation].columns.len())
    }

    /// Runs one epoch over rows of numbers: for each input those that come and those that go. It does what
    /// [`Runtime::step`] does, without values, and tells only how many rows of outputs came or went: [`Native::count`]
    /// and [`Native::rows`] tell what there is then.
    ///
    /// # Errors
    /// [`RuntimeError`], but for widths and types, which are the caller's affair.
    pub fn advance(
        &mut self,
        inputs: Vec<(&str, Batch, Batch)>,
        budget: Budget,
    ) -> Result<usize, RuntimeError> {
        let mut changes = Vec::new();
        for (name, come, gone) in inputs {
            changes.extend(self.admit_ids(&RelationName::from(name), come, gone)?);
        }
        self.run(changes, &budget).map_err(failed)?;
        let outputs = self.program.relations.iter().filter(|(_, relation)| relation.output);
        let changed = outputs.map(|(name, _)| self.engine.changed(self.relations[name])).sum();
        self.finish();
        Ok(changed)
    }

    /// How many rows a relation has.
    ///
    /// # Panics
    /// If the program has no such relation.
    pub fn count(&self, relation: &str) -> usize {
        self.engine.len(self.relations[relation])
    }

    /// Shows the rows of a relation, as numbers and in no particular order.
    ///
    /// # Panics
    /// If the program has no such relation.
    pub fn rows(&self, relation: &str, show: impl FnMut(&[Id])) {
        self.engine.rows(self.relations[relation], show);
    }

    /// How many rows of an input are held: those that the program can see.
    pub fn rows_held(&self, input: &str) -> usize {
        self.inputs.get(input).map_or(0, |input| self.engine.len(input.relation))
    }

    /// How many rows were looked at so far (Q19).
    pub fn touched(&self) -> u64 {
        self.engine.touched()
    }

    /// How many rows were asked for their support so far (Q19).
    pub fn asked(&self) -> u64 {
        self.engine.asked()
    }

    /// The bytes that each relation takes, with all its indexes, and those that were made for it.
    pub fn bytes(&self) -> BTreeMap<RelationName, usize> {
        let mut bytes = BTreeMap::new();
        for (relation, site) in self.sites.iter().enumerate() {
            *bytes.entry(site.relation.clone()).or_default() += self.engine.heap_bytes(relation);
        }
        bytes
    }

    /// Checks all changes, and makes numbers of those that the program can see.
    fn admit(&self, inputs: &Changes) -> Result<Vec<Change>, RuntimeError> {
        let mut changes = Vec::new();
        for (name, rows) in inputs {
            let relation = self.program.relations.get(name).filter(|relation| relation.input);
            let relation = relation.ok_or_else(|| RuntimeError::NotAnInput(name.clone()))?;
            rows.iter().try_for_each(|(row, _)| relation.check_row(name, row))?;
            if let Some((_, weight)) = rows.iter().find(|(_, weight)| weight.abs() != 1) {
                return Err(RuntimeError::Weight { relation: name.clone(), weight: *weight });
            }
            let (mut come, mut gone) = (self.batch(name), self.batch(name));
            let mut dictionary = self.dictionary().borrow_mut();
            let mut ids = Vec::new();
            for (row, weight) in rows {
                ids.clear();
                ids.extend(row.iter().map(|value| dictionary.intern(value)));
                if *weight > 0 { &mut come } else { &mut gone }.push(&ids);
            }
            drop(dictionary);
            changes.extend(self.admit_ids(name, come, gone)?);
        }
        Ok(changes)
    }

    fn admit_ids(
        &self,
        name: &RelationName,
        mut come: Batch,
        mut gone: Batch,
    ) -> Result<Option<Change>, RuntimeError> {
        let input = self.inputs.get(name).ok_or_else(|| RuntimeError::NotAnInput(name.clone()))?;
        for (batch, weight) in [(&mut come, 1), (&mut gone, -1)] {
            if input.seen.is_some() {
                batch.retain(|row| input.admits(row));
            }
            let mut rows = batch.rows();
            if rows.any(|row| self.engine.contains(input.relation, row) != (weight < 0)) || batch.has_twins()
            {
                return Err(RuntimeError::Weight { relation: name.clone(), weight });
            }
        }
        let nothing = come.is_empty() && gone.is_empty();
        Ok((!nothing).then_some(Change { relation: input.relation, come, gone }))
    }

    fn run(&mut self, mut changes: Vec<Change>, budget: &Budget) -> Result<(), Refusal> {
        changes.extend(self.constants.iter().cloned());
        let limits = Limits { rows: budget.rows, rounds: budget.iterations, bytes: budget.memory };
        self.engine.host().cancel.replace(budget.cancel.clone());
        let done = self.engine.step(&changes, limits);
        self.engine.host().cancel.take();
        done.map_err(|Exceeded { cause, relation, rule }| {
            let site = rule.map_or(&self.sites[relation], |rule| &self.rules[rule]).clone();
            let over =
                |what, limit| Refusal::Failed(RuntimeError::OverBudget { what, limit, site: site.clone() });
            match cause {
                Cause::Rows => over("rows", budget.rows),
                Cause::Rounds => over("iterations", budget.iterations),
                Cause::Bytes => over("bytes", budget.memory),
                Cause::Unwanted => {
                    let reason = budget.cancel.poll().cloned().unwrap_or_else(|| "cancelled".into());
                    Refusal::Failed(RuntimeError::Cancelled { reason, site: site.clone() })
                }
                Cause::Capped(_) => Refusal::TooMany(site),
            }
        })
    }

    /// As [`Runtime::step`], but an epoch that would leave more rows than are allowed is refused, and leaves no trace.
    ///
    /// # Errors
    /// [`Refusal`].
    ///
    /// # Panics
    /// If the program has not one of the relations.
    pub fn step_allowed(
        &mut self,
        inputs: &Changes,
        budget: &Budget,
        allowed: &[Allowed],
    ) -> Result<Changes, Refusal> {
        let cap = |one: &Allowed| Cap {
            relations: one.relations.iter().map(|name| self.relations[name]).collect(),
            rows: one.rows,
        };
        let caps = allowed.iter().map(cap).collect();
        self.engine.cap(caps);
        let done = self.epoch(inputs, budget);
        self.engine.cap(Vec::new());
        done
    }

    fn epoch(&mut self, inputs: &Changes, budget: &Budget) -> Result<Changes, Refusal> {
        self.attempt(|this| {
            let changes = this.admit(inputs)?;
            this.run(changes, budget)
        })?;
        let outputs = self.decode();
        self.finish();
        Ok(outputs)
    }

    /// Does what takes numbers from the dictionary, and gives them back if it fails.
    fn attempt<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let (length, bytes) = {
            let dictionary = self.dictionary().borrow();
            (dictionary.len(), dictionary.bytes())
        };
        self.engine.host().known.set(bytes);
        let done = work(self);
        if done.is_err() {
            self.dictionary().borrow_mut().truncate(length);
        }
        done
    }

    fn finish(&mut self) {
        self.engine.commit();
        self.constants.clear();
    }

    /// The changes of the outputs, as values.
    fn decode(&self) -> Changes {
        let dictionary = self.dictionary().borrow();
        let mut changes = Changes::new();
        for (name, _) in self.program.relations.iter().filter(|(_, relation)| relation.output) {
            let mut rows = Vec::new();
            self.engine.changes(self.relations[name], |row, comes| {
                let row: Row = row.iter().map(|id| dictionary.value(*id)).collect();
                rows.push((row, if comes { 1 } else { -1 }));
            });
            rows.sort_unstable();
            if !rows.is_empty() {
                changes.insert(name.clone(), rows);
            }
        }
        changes
    }
}

/// Without caps there is one way to be refused.
fn failed(refusal: Refusal) -> RuntimeError {
    match refusal {
        Refusal::Failed(error) => error,
        Refusal::TooMany(site) => unreachable!("{site} was refused rows, and nothing limits them"),
    }
}

impl<D: Holds> Runtime for Native<D> {
    fn step(&mut self, inputs: &Changes, budget: Budget) -> Result<Changes, RuntimeError> {
        self.epoch(inputs, &budget).map_err(failed)
    }

    fn undefined(&self) -> Vec<Undefined> {
        let count = |(relation, term): &(RelationId, std::sync::Arc<str>)| {
            (self.sites[*relation].clone(), term.clone(), self.engine.len(*relation))
        };
        Undefined::sum(self.lacking.iter().map(count))
    }

    fn save(&self, put: &mut dyn FnMut(Vec<u8>)) -> bool {
        self.engine.is_started() && {
            self.save_all(put);
            true
        }
    }

    fn holds(&self, input: &str, row: &[Value]) -> Option<bool> {
        let (input, dictionary) = (self.inputs.get(input)?, self.dictionary().borrow());
        let ids: Option<Vec<Id>> = row.iter().map(|value| dictionary.find(value)).collect();
        let width = self.engine.width(input.relation);
        Some(ids.is_some_and(|ids| ids.len() == width && self.engine.contains(input.relation, &ids)))
    }

    fn contents(&self) -> Option<BTreeMap<RelationName, BTreeSet<Row>>> {
        let dictionary = self.dictionary().borrow();
        let outputs = self.program.relations.iter().filter(|(_, relation)| relation.output);
        let contents = outputs.map(|(name, _)| {
            let mut rows = BTreeSet::new();
            self.engine.rows(self.relations[name], |row| {
                rows.insert(row.iter().map(|id| dictionary.value(*id)).collect());
            });
            (name.clone(), rows)
        });
        Some(contents.collect())
    }
}

/// The rows of a relation that rules and folds can see, as for [`Input::seen`].
fn seen(definition: &Definition, relation: RelationId) -> Option<Vec<Vec<(usize, Id)>>> {
    if definition.folds.iter().any(|fold| fold.input == relation) {
        return None;
    }
    let mut lists: Vec<Vec<(usize, Id)>> = Vec::new();
    for goal in definition.rules.iter().flat_map(|rule| &rule.goals) {
        let (Goal::Has(atom) | Goal::Not(atom)) = goal else { continue };
        if atom.relation != relation {
            continue;
        }
        let constant = |(place, arg): (usize, &Arg)| match arg {
            Arg::Is(id) => Some((place, *id)),
            Arg::Var(_) | Arg::Any => None,
        };
        let list: Vec<(usize, Id)> = atom.args.iter().enumerate().filter_map(constant).collect();
        if list.is_empty() {
            return None;
        }
        if !lists.contains(&list) {
            lists.push(list);
        }
    }
    Some(lists)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_alone_may_go_from_thread_to_thread() {
        fn goes<T: Send>() {}
        goes::<OwnNative>();
    }
}
