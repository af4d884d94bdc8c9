//! A query kept right.
//!
//! A [`View`] owns a runtime and a queue. The pipeline puts each batch's net changes of the base relations into the
//! queue; whoever owns the view takes them out with [`View::poll`] or [`View::wait`], in its own thread, and gets the
//! changes of the query's outputs. So nothing below the skins needs a thread, and a slow reader slows nobody: its
//! queue grows, and is merged into one epoch when it is long.
//!
//! An output with a limit is a window on its rows (Q21): the view's changes are those of the rows that are shown, so
//! one that comes into the first ten is told together with the one that leaves them. What it tells of an output with an
//! order is told in that order.
//!
//! A batch is one epoch. If the query has rows for the next epoch (`@next`) or events, epochs without input follow it
//! until nothing changes any more (Q11), and only then the next batch. What such a query carries on is a function of
//! the epochs that this view has seen: another one, opened later, begins anew.
//!
//! A row of a base relation may come from several items (the same fact stated in two of them). Relations are sets, so
//! the view counts how often each row is there and tells the runtime only of the first coming and the last going.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use motet_algebra::{Budget, Changes, RelationName, Row, Runtime, RuntimeError, Undefined, tick_is_due};
use motet_fact::Value;
use motet_logic::{Catalog, Compiled, Source, Window};

use crate::relations::{BaseChanges, Net, Wanted};
use crate::{Error, Parameters, RuntimeKind};

/// Past this many waiting batches a queue is merged into one.
const QUEUE_BATCHES: usize = 64;

/// The changes that wait for one view.
#[derive(Debug)]
pub(crate) struct Queue {
    wanted: Wanted,
    batches: Mutex<VecDeque<BaseChanges>>,
    arrived: Condvar,
}

impl Queue {
    pub(crate) fn wants(&self, relation: &str) -> bool {
        self.wanted.contains(relation)
    }

    pub(crate) fn push(&self, changes: &BaseChanges) {
        let mut mine = BaseChanges::new();
        for (&relation, rows) in changes {
            for (row, weight) in rows {
                if let Some(relation) = self.wanted.takes(relation, row) {
                    mine.entry(relation).or_default().push((row.clone(), *weight));
                }
            }
        }
        if mine.is_empty() {
            return;
        }
        let mut batches = self.batches.lock().expect("nobody panics with the queue");
        batches.push_back(mine);
        if batches.len() > QUEUE_BATCHES {
            let mut net = Net::default();
            for (relation, rows) in batches.drain(..).flatten() {
                rows.into_iter().for_each(|(row, weight)| net.add(relation, row, weight));
            }
            batches.push_back(net.into_changes());
        }
        self.arrived.notify_all();
    }

    fn pop(&self, deadline: Option<Instant>) -> Option<BaseChanges> {
        let mut batches = self.batches.lock().expect("nobody panics with the queue");
        loop {
            if let Some(batch) = batches.pop_front() {
                return Some(batch);
            }
            let left = deadline?.checked_duration_since(Instant::now())?;
            batches = self.arrived.wait_timeout(batches, left).expect("nobody panics with the queue").0;
        }
    }
}

/// How often each row of the inputs is there. Rows are told apart by 128 bits of a hash keyed at random.
#[derive(Default)]
struct Multiset {
    keys: (RandomState, RandomState),
    counts: HashMap<(u64, u64), u32>,
}

impl Multiset {
    /// Changes the count of a row; gives +1 if it came, -1 if it went, 0 if neither.
    fn change(&mut self, relation: &str, row: &[Value], weight: i64) -> i64 {
        let key = (self.keys.0.hash_one((relation, row)), self.keys.1.hash_one((relation, row)));
        let before = i64::from(self.counts.get(&key).copied().unwrap_or(0));
        let after =
            u32::try_from(before + weight).expect("no row of a base relation goes more often than it came");
        if after == 0 {
            self.counts.remove(&key);
        } else {
            self.counts.insert(key, after);
        }
        i64::from(after > 0) - i64::from(before > 0)
    }
}

/// A query kept right: its contents now, and the changes as entries arrive.
pub struct View {
    compiled: Compiled,
    runtime: Box<dyn Runtime>,
    queue: Arc<Queue>,
    counts: Multiset,
    contents: BTreeMap<RelationName, BTreeSet<Row>>,
    /// What is shown of the outputs that have an order or a limit.
    windows: BTreeMap<RelationName, Window>,
    epoch: u64,
    /// How many epochs without input there were since the last batch.
    ticks: u64,
    budget: Budget,
    stopped: Option<RuntimeError>,
}

impl View {
    /// Compiles a query over the base relations.
    pub(crate) fn compile(
        name: &str,
        text: &str,
        parameters: &Parameters,
        catalog: &Catalog,
    ) -> Result<Compiled, Error> {
        let source = Source { name: name.to_owned(), text: text.to_owned() };
        motet_logic::compile(&source, catalog, parameters).map_err(Error::Query)
    }

    pub(crate) fn new(compiled: Compiled, kind: RuntimeKind, budget: Budget) -> Result<Self, Error> {
        let runtime = kind.start(&compiled).map_err(|error| Error::Plan(error.to_string()))?;
        let wanted = Wanted::of(&compiled);
        let queue = Queue { wanted, batches: Mutex::default(), arrived: Condvar::new() };
        let contents = compiled
            .program
            .relations
            .iter()
            .filter(|(_, relation)| relation.output)
            .map(|(name, _)| (name.clone(), BTreeSet::new()))
            .collect();
        let windowed = compiled.outputs.iter().filter(|one| one.limit.is_some() || !one.order.is_empty());
        let windows = windowed.map(|output| (output.name.clone(), Window::new(output))).collect();
        let (queue, counts) = (Arc::new(queue), Multiset::default());
        let (epoch, ticks, stopped) = (0, 0, None);
        Ok(View { compiled, runtime, queue, counts, contents, windows, epoch, ticks, budget, stopped })
    }

    pub(crate) fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    pub(crate) fn wanted(&self) -> &Wanted {
        &self.queue.wanted
    }

    /// Runs one epoch over changes of base relations. The first also has the facts that the program states of its own
    /// inputs.
    pub(crate) fn step(&mut self, batch: BaseChanges) -> Result<Changes, Error> {
        self.ticks = 0;
        let mut inputs = Changes::new();
        if self.epoch == 0 {
            for (relation, rows) in &self.compiled.facts {
                inputs.insert(relation.clone(), rows.iter().map(|row| (row.clone(), 1)).collect());
            }
        }
        for (relation, rows) in batch {
            let rows: Vec<_> = rows
                .into_iter()
                .filter_map(|(row, weight)| match self.counts.change(relation, &row, weight) {
                    0 => None,
                    weight => Some((row, weight)),
                })
                .collect();
            if !rows.is_empty() {
                inputs.insert(relation.into(), rows);
            }
        }
        self.run_epoch(&inputs)
    }

    /// Runs an epoch without input, if one is due.
    fn tick(&mut self) -> Result<Option<Changes>, Error> {
        let due = tick_is_due(&self.runtime, self.ticks, self.budget).map_err(|error| self.stop(error))?;
        if !due {
            return Ok(None);
        }
        self.ticks += 1;
        self.run_epoch(&Changes::new()).map(Some)
    }

    fn run_epoch(&mut self, inputs: &Changes) -> Result<Changes, Error> {
        let changes = self.runtime.step(inputs, self.budget).map_err(|error| self.stop(error))?;
        self.epoch += 1;
        for (relation, rows) in &changes {
            let contents = self.contents.get_mut(relation).expect("only outputs change");
            for (row, weight) in rows {
                let changed = if *weight > 0 { contents.insert(row.clone()) } else { contents.remove(row) };
                assert!(changed, "a change of {relation} adds up with its contents");
            }
        }
        Ok(self.show(changes))
    }

    /// What the changes of the outputs change in what is shown of them.
    fn show(&mut self, mut changes: Changes) -> Changes {
        for (relation, rows) in &mut changes {
            if let Some(window) = self.windows.get_mut(relation) {
                *rows = window.step(rows);
            }
        }
        changes.retain(|_, rows| !rows.is_empty());
        changes
    }

    /// The runtime did not take an epoch in, so what came after it would be wrong. No more is queued.
    fn stop(&mut self, error: RuntimeError) -> RuntimeError {
        let wanted = self.queue.wanted.clone();
        self.queue = Arc::new(Queue { wanted, batches: Mutex::default(), arrived: Condvar::new() });
        self.stopped = Some(error.clone());
        error
    }

    fn check_running(&self) -> Result<(), Error> {
        self.stopped.clone().map_or(Ok(()), |error| Err(Error::Runtime(error)))
    }

    /// The changes of the next epoch: one that follows from the last, or else the next batch that has arrived; none if
    /// there is neither. They may be empty: a batch that touched the query's inputs need not touch its outputs.
    ///
    /// # Errors
    /// [`Error::Runtime`] if the budget ran out, or the query does not come to rest, and at each call from then on:
    /// the view stays at its last good epoch. Open another with a greater budget.
    pub fn poll(&mut self) -> Result<Option<Changes>, Error> {
        self.check_running()?;
        if let Some(changes) = self.tick()? {
            return Ok(Some(changes));
        }
        self.queue.pop(None).map(|batch| self.step(batch)).transpose()
    }

    /// The same, waiting up to a time for a batch.
    ///
    /// # Errors
    /// As [`View::poll`].
    pub fn wait(&mut self, timeout: Duration) -> Result<Option<Changes>, Error> {
        self.check_running()?;
        if let Some(changes) = self.tick()? {
            return Ok(Some(changes));
        }
        self.queue.pop(Some(Instant::now() + timeout)).map(|batch| self.step(batch)).transpose()
    }

    /// Takes in everything that has arrived, and all that follows from it.
    ///
    /// # Errors
    /// As [`View::poll`].
    pub fn catch_up(&mut self) -> Result<(), Error> {
        while self.poll()?.is_some() {}
        Ok(())
    }

    /// All rows of an output, in value order, as of the last epoch.
    pub fn rows(&self, output: &str) -> impl Iterator<Item = &Row> {
        self.contents.get(output).into_iter().flatten()
    }

    /// The rows of an output that are shown, in their order, as of the last epoch: all, unless it has a limit.
    pub fn shown(&self, output: &str) -> Vec<&Row> {
        match self.windows.get(output) {
            Some(window) => window.rows().collect(),
            None => self.rows(output).collect(),
        }
    }

    /// All outputs with all their rows, as of the last epoch.
    pub fn contents(&self) -> &BTreeMap<RelationName, BTreeSet<Row>> {
        &self.contents
    }

    /// What derives nothing for want of a value, as of the last epoch (Q3).
    pub fn undefined(&self) -> Vec<Undefined> {
        self.runtime.undefined()
    }

    /// How many epochs the view has run.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The compiled query: outputs with their columns, warnings, explanation.
    pub fn compiled(&self) -> &Compiled {
        &self.compiled
    }
}
