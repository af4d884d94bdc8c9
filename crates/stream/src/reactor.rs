//! The epochs of a running program: poll, wait, step, deliver, wait.
//!
//! A turn is one look at everything that can go on:
//!
//! 1. Sinks that owe an acknowledgement are asked for it, those that failed are tried again.
//! 2. Sources that have not returned their batch for the coming epoch are polled, in the order of their names
//!    (PDB-14). A batch is checked whole, and then taken.
//! 3. If all have returned (PDB-13, PDB-15), all sinks have acknowledged (PDB-17), and there is something to do, the
//!    epoch is run, and its net changes are given to the sinks.
//!
//! There is something to do in the first epoch, if the inputs changed, or if an event is given. A turn never waits.
//! [`Reactor::run`] repeats it, and leaves it to its caller how to spend the time until somebody has news.
//!
//! A failure is counted against whoever failed. Up to `retries` failures in a row are tried again, turn after turn, and
//! hold up the next epoch; one more, and the source or sink is *detached*: it is not asked, and nobody waits for it.
//! The rows of a detached source stay (no epoch is run in the turn that detaches it); what a detached sink is owed
//! is kept. An epoch whose changes a sink did not take is an epoch all the same.
//!
//! If the runtime refuses an epoch (it is over its budget), nothing has happened: the changes wait, and the next
//! turn tries again, unless the budget is raised or a source withdrawn first, with the same result.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use motet_algebra::{
    Budget, Changes, Program, RelationName, Row, Runtime, RuntimeError, Undefined, tick_is_due,
};

use crate::error::{AttachError, End, Fault, StreamError};
use crate::inputs::Inputs;
use crate::outlet::{Attempts, Outlet};
use crate::sink::Sink;
use crate::source::{Poll, Source};

/// A running program with its sources and sinks.
pub struct Reactor {
    runtime: Box<dyn Runtime>,
    budget: Budget,
    inputs: Inputs,
    sources: BTreeMap<String, Inlet>,
    outlets: BTreeMap<String, Outlet>,
    /// The outputs; empty before the first epoch.
    contents: BTreeMap<RelationName, BTreeSet<Row>>,
    /// How many epochs there have been: the number of the next.
    epochs: u64,
    /// How many epochs without input there were since the last with input.
    ticks: u64,
}

/// A source, and how far it is.
struct Inlet {
    source: Box<dyn Source>,
    attempts: Attempts,
    stage: Stage,
}

/// How far a source is with the coming epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its batch is wanted.
    Wanted,
    /// It has returned its batch.
    Returned,
    /// It has returned its last.
    Exhausted,
}

/// What a turn came to.
#[derive(Debug)]
pub struct Turn {
    /// How far the program is.
    pub progress: Progress,
    /// The sources and sinks that failed in this turn.
    pub faults: Vec<Fault>,
}

/// How far a program is after a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The coming epoch waits for a batch or an acknowledgement.
    Waiting,
    /// There is nothing to do; a source may have something later.
    Idle,
    /// An epoch was run. Not every sink need have acknowledged it yet.
    Epoch(u64),
    /// An epoch was refused, and has changed nothing.
    Refused(RuntimeError),
    /// There is nothing to do, and no source has anything left.
    Finished,
}

impl Reactor {
    /// A program without sources and sinks. `runtime` runs `program`, and has run no epoch yet.
    pub fn new(program: &Program, runtime: Box<dyn Runtime>, budget: Budget) -> Self {
        let outputs = program.relations.iter().filter(|(_, relation)| relation.output);
        Reactor {
            runtime,
            budget,
            inputs: Inputs::new(program),
            sources: BTreeMap::new(),
            outlets: BTreeMap::new(),
            contents: outputs.map(|(name, _)| (name.clone(), BTreeSet::new())).collect(),
            epochs: 0,
            ticks: 0,
        }
    }

    /// What the epochs to come may cost.
    pub fn set_budget(&mut self, budget: Budget) {
        self.budget = budget;
    }

    /// How many epochs there have been; they are numbered from 0 (PDB-2).
    pub fn epochs(&self) -> u64 {
        self.epochs
    }

    /// The rows of an output after the last epoch; nothing if there is no such output.
    pub fn contents(&self, output: &str) -> Option<&BTreeSet<Row>> {
        self.contents.get(output)
    }

    /// What derives nothing for want of a value, as of the last epoch (Q3).
    pub fn undefined(&self) -> Vec<Undefined> {
        self.runtime.undefined()
    }

    /// Attaches a source under a name of its own. It may fail `retries` times in a row, and is detached if it does
    /// so once more.
    ///
    /// # Errors
    /// [`AttachError`] if the name is taken, or what it feeds is no input.
    pub fn attach_source(
        &mut self,
        name: &str,
        source: Box<dyn Source>,
        retries: u32,
    ) -> Result<(), AttachError> {
        if self.sources.contains_key(name) {
            return Err(AttachError::Taken(End::Source, name.to_owned()));
        }
        if let Some(relation) = source.relations().into_iter().find(|relation| !self.inputs.has(relation)) {
            return Err(AttachError::NotAnInput(relation));
        }
        let inlet = Inlet { source, attempts: Attempts::new(retries), stage: Stage::Wanted };
        self.sources.insert(name.to_owned(), inlet);
        Ok(())
    }

    /// Attaches a sink to an output, under a name of its own. If there have been epochs, it is first given what is
    /// there. It may fail `retries` times in a row, and is detached if it does so once more.
    ///
    /// # Errors
    /// [`AttachError`] if the name is taken, or the relation is no output.
    pub fn attach_sink(
        &mut self,
        name: &str,
        relation: impl Into<RelationName>,
        sink: Box<dyn Sink>,
        retries: u32,
    ) -> Result<(), AttachError> {
        let relation = relation.into();
        if self.outlets.contains_key(name) {
            return Err(AttachError::Taken(End::Sink, name.to_owned()));
        }
        let Some(contents) = self.contents.get(&relation) else {
            return Err(AttachError::NotAnOutput(relation));
        };
        let contents = Some(contents).filter(|_| self.epochs > 0);
        self.outlets.insert(name.to_owned(), Outlet::new(relation, sink, retries, contents));
        Ok(())
    }

    /// Attaches a source that was detached, where it stopped.
    ///
    /// # Errors
    /// [`AttachError::Unknown`].
    pub fn reattach_source(&mut self, name: &str) -> Result<(), AttachError> {
        self.inlet(name)?.attempts.renew();
        Ok(())
    }

    /// Attaches a sink that was detached; another one in its place, if one is given. It is first given all that has
    /// not been acknowledged.
    ///
    /// # Errors
    /// [`AttachError::Unknown`].
    ///
    /// # Panics
    /// If the other one does not want to be given what the first did: deltas, or snapshots.
    pub fn reattach_sink(&mut self, name: &str, other: Option<Box<dyn Sink>>) -> Result<(), AttachError> {
        let outlet = self.outlet(name)?;
        if let Some(other) = other {
            assert_eq!(outlet.sink.mode(), other.mode(), "what is owed to a sink fits sinks of its kind");
            outlet.detach();
            outlet.sink = other;
        }
        outlet.attempts.renew();
        Ok(())
    }

    /// Stops asking a source. Its rows stay.
    ///
    /// # Errors
    /// [`AttachError::Unknown`].
    pub fn detach_source(&mut self, name: &str) -> Result<(), AttachError> {
        self.inlet(name)?.attempts.detach();
        Ok(())
    }

    /// Stops telling a sink. What it is owed is kept, and grows.
    ///
    /// # Errors
    /// [`AttachError::Unknown`].
    pub fn detach_sink(&mut self, name: &str) -> Result<(), AttachError> {
        self.outlet(name)?.detach();
        Ok(())
    }

    /// Takes a source away, and its rows with the next epoch.
    ///
    /// # Errors
    /// [`AttachError::Unknown`].
    pub fn withdraw_source(&mut self, name: &str) -> Result<Box<dyn Source>, AttachError> {
        let inlet = self.sources.remove(name);
        let inlet = inlet.ok_or_else(|| AttachError::Unknown(End::Source, name.to_owned()))?;
        self.inputs.withdraw(name);
        Ok(inlet.source)
    }

    /// Takes a sink away, with what it is owed.
    ///
    /// # Errors
    /// [`AttachError::Unknown`].
    pub fn remove_sink(&mut self, name: &str) -> Result<Box<dyn Sink>, AttachError> {
        let outlet = self.outlets.remove(name);
        let outlet = outlet.ok_or_else(|| AttachError::Unknown(End::Sink, name.to_owned()))?;
        Ok(outlet.sink)
    }

    /// Whether a sink has acknowledged everything there is.
    ///
    /// # Errors
    /// [`AttachError::Unknown`].
    pub fn has_acknowledged(&mut self, sink: &str) -> Result<bool, AttachError> {
        Ok(self.outlet(sink)?.is_settled())
    }

    /// Does what can be done now, and runs at most one epoch. Does not wait for anybody.
    pub fn turn(&mut self) -> Turn {
        let mut faults = Vec::new();
        let progress = match (self.settle(&mut faults), self.gather(&mut faults)) {
            (true, true) if self.is_due() => self.step(),
            (true, true) => self.rest(),
            _ => Progress::Waiting,
        };
        if matches!(progress, Progress::Epoch(_)) {
            self.settle(&mut faults);
        }
        Turn { progress, faults }
    }

    /// Turns until all sources are exhausted (or detached), nothing is left to do, and all sinks have acknowledged
    /// (or are detached). After each turn `between` is called: it may report faults, spend time if the turn ran no
    /// epoch, and break off.
    ///
    /// # Errors
    /// [`RuntimeError`] of an epoch that was refused, unless `between` did something about it and the next one is not.
    pub fn run(
        &mut self,
        mut between: impl FnMut(&mut Self, &Turn) -> ControlFlow<()>,
    ) -> Result<(), RuntimeError> {
        let mut refused = None;
        loop {
            let turn = self.turn();
            let flow = between(self, &turn);
            match turn.progress {
                Progress::Refused(error) if refused.as_ref() == Some(&error) => return Err(error),
                Progress::Refused(error) => refused = Some(error),
                Progress::Finished => return Ok(()),
                Progress::Epoch(_) => refused = None,
                Progress::Waiting | Progress::Idle => {}
            }
            if flow.is_break() {
                return refused.map_or(Ok(()), Err);
            }
        }
    }

    fn inlet(&mut self, name: &str) -> Result<&mut Inlet, AttachError> {
        self.sources.get_mut(name).ok_or_else(|| AttachError::Unknown(End::Source, name.to_owned()))
    }

    fn outlet(&mut self, name: &str) -> Result<&mut Outlet, AttachError> {
        self.outlets.get_mut(name).ok_or_else(|| AttachError::Unknown(End::Sink, name.to_owned()))
    }

    /// Gives the sinks what they are owed; true if nobody needs to be waited for.
    fn settle(&mut self, faults: &mut Vec<Fault>) -> bool {
        let epoch = self.epochs.saturating_sub(1);
        let mut settled = true;
        for (name, outlet) in self.outlets.iter_mut().filter(|(_, outlet)| !outlet.attempts.is_detached()) {
            if let Err(error) = outlet.settle(epoch, &self.contents[&outlet.relation]) {
                let detached = outlet.attempts.fail();
                faults.push(Fault { end: End::Sink, name: name.clone(), epoch, error, detached });
            }
            settled &= outlet.is_settled() || outlet.attempts.is_detached();
        }
        settled
    }

    /// Polls the sources whose batch is wanted; true if none is wanted any more. Where one has failed that is for
    /// the next turn to say, so that whoever hears of it may do something about it before the epoch.
    fn gather(&mut self, faults: &mut Vec<Fault>) -> bool {
        let (epoch, mut complete) = (self.epochs, true);
        for (name, inlet) in self.sources.iter_mut().filter(|(_, inlet)| inlet.is_wanted()) {
            if let Err(error) = inlet.poll(name, epoch, &mut self.inputs) {
                let detached = inlet.attempts.fail();
                faults.push(Fault { end: End::Source, name: name.clone(), epoch, error, detached });
                complete = false;
            }
            complete &= !inlet.is_wanted();
        }
        complete
    }

    fn is_due(&self) -> bool {
        self.epochs == 0 || !self.inputs.is_settled() || self.inputs.has_events() || self.runtime.pending()
    }

    fn step(&mut self) -> Progress {
        let is_tick = self.epochs > 0 && self.inputs.is_settled();
        if is_tick && let Err(error) = tick_is_due(&*self.runtime, self.ticks, &self.budget) {
            return Progress::Refused(error);
        }
        let net = self.inputs.take_net();
        let changes = match self.runtime.step(&net, self.budget.clone()) {
            Ok(changes) => changes,
            Err(error) => {
                self.inputs.put_back(net);
                return Progress::Refused(error);
            }
        };
        self.ticks = if is_tick { self.ticks + 1 } else { 0 };
        self.inputs.end_events();
        self.begin_round();
        self.publish(changes);
        self.epochs += 1;
        Progress::Epoch(self.epochs - 1)
    }

    /// Wants the next batches.
    fn begin_round(&mut self) {
        for inlet in self.sources.values_mut().filter(|inlet| inlet.stage == Stage::Returned) {
            inlet.stage = Stage::Wanted;
        }
    }

    fn rest(&mut self) -> Progress {
        let over = |inlet: &Inlet| inlet.stage == Stage::Exhausted || inlet.attempts.is_detached();
        let finished = self.sources.values().all(over);
        self.begin_round();
        if finished { Progress::Finished } else { Progress::Idle }
    }

    /// Makes the changes part of the contents, and owes them to the sinks.
    fn publish(&mut self, mut changes: Changes) {
        for outlet in self.outlets.values_mut() {
            let of_relation = changes.get(&outlet.relation).map_or(&[][..], Vec::as_slice);
            outlet.owe(of_relation, self.epochs == 0);
        }
        for (name, contents) in &mut self.contents {
            for (row, weight) in changes.remove(name).into_iter().flatten() {
                let changed = if weight > 0 { contents.insert(row) } else { contents.remove(&row) };
                assert!(changed, "a net change of `{name}` changes it");
            }
        }
    }
}

impl Inlet {
    fn is_wanted(&self) -> bool {
        self.stage == Stage::Wanted && !self.attempts.is_detached()
    }

    fn poll(&mut self, name: &str, epoch: u64, inputs: &mut Inputs) -> Result<(), StreamError> {
        let (stage, batch) = match self.source.poll(epoch)? {
            Poll::Pending => return Ok(()),
            Poll::Ready(batch) => (Stage::Returned, batch),
            Poll::Last(batch) => (Stage::Exhausted, batch),
        };
        inputs.check(&batch)?;
        inputs.take(name, batch);
        self.stage = stage;
        self.attempts.succeed();
        Ok(())
    }
}
