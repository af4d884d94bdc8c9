//! A running dataflow, one epoch at a time.
//!
//! The worker lives in the calling thread and takes no step that it is not told to take. An epoch's changes are fed at
//! one time, all inputs move on to the next, and the worker steps until the probe says that no change of the epoch can
//! still come. What came out is then summed up: each row once, with +1 or -1.

use std::collections::BTreeMap;
use std::rc::Rc;

use differential_dataflow::consolidation::consolidate;
use motet_algebra::{RelationName, RuntimeError, Undefined};
use timely::WorkerConfig;
use timely::communication::Allocator;
use timely::communication::allocator::thread::Thread;
use timely::worker::Worker;

use crate::build::{Batch, Ends, build};
use crate::meter::Meter;
use crate::plan::Plan;
use crate::row::PackedRow;
use crate::scope::Epoch;
use crate::task::Shared;
use crate::undefined::Ledger;

/// Changes of relations as packed rows.
pub(crate) type Batches<W> = BTreeMap<RelationName, Batch<W>>;

/// A dataflow and the worker that runs it.
pub(crate) struct Running<W: PackedRow> {
    ends: Ends<W>,
    worker: Worker,
    meter: Rc<Meter>,
    ledger: Rc<Ledger<W>>,
    epoch: Epoch,
}

impl<W: PackedRow> Running<W> {
    /// A dataflow before its first epoch.
    pub(crate) fn new(plan: &Plan, shared: &Shared) -> Self {
        // Without a clock: nothing is logged, and nothing waits.
        let mut worker = Worker::new(WorkerConfig::default(), Allocator::Thread(Thread::default()), None);
        let ledger = Ledger::new();
        let ends = worker.dataflow(|root| build(root, plan, shared, &ledger));
        Running { ends, worker, meter: Rc::clone(&shared.meter), ledger, epoch: 0 }
    }

    /// How many operators there are.
    pub(crate) fn operators(&self) -> usize {
        self.worker.peek_identifier()
    }

    /// What has no value, as of the last epoch.
    pub(crate) fn undefined(&self) -> Vec<Undefined> {
        self.ledger.counts()
    }

    /// Whether no further epoch can be counted. A dataflow this old is built anew.
    pub(crate) fn is_old(&self) -> bool {
        self.epoch == Epoch::MAX
    }

    /// Runs an epoch and gives the net changes of the outputs. The meter was started.
    ///
    /// # Errors
    /// [`RuntimeError::OverBudget`], [`RuntimeError::Cancelled`]; the dataflow is then of no more use.
    pub(crate) fn run(&mut self, changes: &Batches<W>) -> Result<Batches<W>, RuntimeError> {
        self.feed(changes);
        self.settle()?;
        Ok(self.fetch())
    }

    fn feed(&mut self, changes: &Batches<W>) {
        let next = self.epoch.checked_add(1).expect("a dataflow is not used when it is old");
        for (name, session) in &mut self.ends.inputs {
            for (row, weight) in changes.get(name).into_iter().flatten() {
                session.update(row.clone(), *weight);
            }
            session.advance_to(next);
            session.flush();
        }
        self.epoch = next;
    }

    fn settle(&mut self) -> Result<(), RuntimeError> {
        while self.ends.probe.less_than(&self.epoch) {
            self.worker.step();
            self.meter.check()?;
        }
        Ok(())
    }

    fn fetch(&mut self) -> Batches<W> {
        let mut fetched = Batches::new();
        for (name, kept) in &self.ends.outputs {
            let mut changes = kept.take();
            consolidate(&mut changes);
            assert!(changes.iter().all(|(_, weight)| weight.abs() == 1), "`{name}` is not a set");
            if !changes.is_empty() {
                fetched.insert(name.clone(), changes);
            }
        }
        fetched
    }
}
