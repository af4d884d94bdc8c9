//! The meter: what an epoch has cost so far, against what it may cost (Q17).
//!
//! Operators count as they run: a row for every pair of rows a join puts together and for every change of a relation,
//! and for a loop the number of its furthest round. Bytes are counted where something is kept: rows that came in,
//! changes of relations, updates in indexes and on their way there, values that the dictionary did not have, rows
//! noted for want of a value. A row costs what its row type takes, as wide as the widest of the plan
//! ([`crate::plan::Plan::row_bytes`]); what a value costs the dictionary says.
//!
//! A dataflow can't be stopped in the middle of an operator. So the meter notes that the epoch is over, operators that
//! see it make no more rows, and whoever steps the dataflow looks at it between steps. What comes out of a dataflow
//! that was stopped is of no use, and is dropped with it; nothing in it may be taken for granted any more.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use motet_algebra::{Budget, Cancel, RuntimeError, Site};

use crate::scope::Round;

/// How many rows are made between two looks at whether the epoch is still wanted.
const PATIENCE: u64 = 1024;

/// Counts the work of one epoch.
pub(crate) struct Meter {
    limits: Cell<Limits>,
    cancel: RefCell<Cancel>,
    rows: Cell<u64>,
    bytes: Cell<u64>,
    /// Rows made since the last look.
    unseen: Cell<u64>,
    error: RefCell<Option<RuntimeError>>,
    stopped: Cell<bool>,
}

/// What of a budget is counted.
#[derive(Clone, Copy)]
struct Limits {
    iterations: u64,
    rows: u64,
    memory: u64,
}

impl Meter {
    /// A meter without a limit.
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Meter {
            limits: Cell::new(Limits { iterations: u64::MAX, rows: u64::MAX, memory: u64::MAX }),
            cancel: RefCell::new(Cancel::NEVER),
            rows: Cell::new(0),
            bytes: Cell::new(0),
            unseen: Cell::new(0),
            error: RefCell::new(None),
            stopped: Cell::new(false),
        })
    }

    /// Begins an epoch. Rounds are numbers of 32 bits, and differential dataflow silently drops what would come after
    /// the last, so a loop is stopped before, whatever the budget.
    pub(crate) fn start(&self, budget: Budget) {
        let iterations = budget.iterations.min(u64::from(Round::MAX) - 1);
        self.limits.set(Limits { iterations, rows: budget.rows, memory: budget.memory });
        self.cancel.replace(budget.cancel);
        self.rows.set(0);
        self.bytes.set(0);
        self.error.replace(None);
        self.stopped.set(false);
    }

    /// Whether the epoch is over before its end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.get()
    }

    /// The same, with the reason.
    ///
    /// # Errors
    /// [`RuntimeError::OverBudget`], [`RuntimeError::Cancelled`].
    pub(crate) fn check(&self) -> Result<(), RuntimeError> {
        self.error.borrow().clone().map_or(Ok(()), Err)
    }

    /// Asks whether the epoch is still wanted.
    pub(crate) fn look(&self, site: &Site) {
        self.unseen.set(0);
        if self.is_stopped() {
            return;
        }
        if let Some(reason) = self.cancel.borrow().poll() {
            self.stop(|| RuntimeError::Cancelled { reason: reason.clone(), site: site.clone() });
        }
    }

    /// Asks the same after so much work.
    pub(crate) fn work(&self, rows: u64, site: &Site) {
        self.unseen.set(self.unseen.get().saturating_add(rows));
        if self.unseen.get() >= PATIENCE {
            self.look(site);
        }
    }

    /// Counts rows.
    pub(crate) fn rows(&self, count: usize, site: &Site) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.rows.set(self.rows.get().saturating_add(count));
        let limit = self.limits.get().rows;
        if self.rows.get() > limit {
            self.over("rows", limit, site);
        }
        self.work(count, site);
    }

    /// Counts bytes that are kept.
    pub(crate) fn hold(&self, bytes: u64, site: &Site) {
        self.bytes.set(self.bytes.get().saturating_add(bytes));
        let limit = self.limits.get().memory;
        if self.bytes.get() > limit {
            self.over("bytes", limit, site);
        }
    }

    /// Counts bytes that are kept no more.
    pub(crate) fn release(&self, bytes: u64) {
        self.bytes.set(self.bytes.get().saturating_sub(bytes));
    }

    /// Notes that a loop is in this round, the first being 1.
    pub(crate) fn round(&self, round: u64, site: &Site) {
        let limit = self.limits.get().iterations;
        if round > limit {
            self.over("iterations", limit, site);
        }
    }

    fn over(&self, what: &'static str, limit: u64, site: &Site) {
        self.stop(|| RuntimeError::OverBudget { what, limit, site: site.clone() });
    }

    fn stop(&self, error: impl FnOnce() -> RuntimeError) {
        self.error.borrow_mut().get_or_insert_with(error);
        self.stopped.set(true);
    }
}
