//! What an epoch has cost so far, against its budget (Q17).
//!
//! Every pair of a join is a row that was derived, and so is every row that is new to a relation. Memory is what the
//! relations hold, with the rows that came in and those that are noted for want of a value, and what the operators of
//! one statement make; that is let go when the next statement begins. A row is counted whole wherever it is, for this
//! evaluator does not know which texts two rows share.

use crate::budget::held_bytes;
use crate::{Budget, Row, RuntimeError, Site};

/// A row in a set: its place in a tree, and the list of its values.
const ROW: u64 = 48;
/// A value in a list.
const VALUE: u64 = 40;
/// How many rows are made, or put together, between two looks at whether the epoch is still wanted.
const PATIENCE: u64 = 256;

/// The cost of an epoch.
pub(super) struct Cost {
    budget: Budget,
    /// Rows derived.
    derived: u64,
    /// Bytes kept to the end of the epoch.
    kept: u64,
    /// Bytes that the statement being computed made.
    made: u64,
    /// Rows made since the last look.
    unseen: u64,
}

impl Cost {
    /// Nothing yet.
    pub(super) fn new(budget: Budget) -> Self {
        Cost { budget, derived: 0, kept: 0, made: 0, unseen: 0 }
    }

    /// The most rounds of a loop.
    pub(super) fn iterations(&self) -> u64 {
        self.budget.iterations
    }

    /// A loop would go round once more.
    pub(super) fn over_iterations(&self, site: &Site) -> RuntimeError {
        over("iterations", self.budget.iterations, site)
    }

    /// Whether the epoch is still wanted; asked where work begins.
    pub(super) fn check_wanted(&mut self, site: &Site) -> Result<(), RuntimeError> {
        self.unseen = 0;
        match self.budget.cancel.poll() {
            None => Ok(()),
            Some(reason) => Err(RuntimeError::Cancelled { reason: reason.clone(), site: site.clone() }),
        }
    }

    /// Asks the same after so much work.
    fn work(&mut self, rows: u64, site: &Site) -> Result<(), RuntimeError> {
        self.unseen = self.unseen.saturating_add(rows);
        if self.unseen < PATIENCE { Ok(()) } else { self.check_wanted(site) }
    }

    /// Rows were derived.
    pub(super) fn derive(&mut self, rows: usize, site: &Site) -> Result<(), RuntimeError> {
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        self.derived = self.derived.saturating_add(rows);
        if self.derived > self.budget.rows {
            return Err(over("rows", self.budget.rows, site));
        }
        self.work(rows, site)
    }

    /// A statement begins: what the last one made is gone.
    pub(super) fn begin(&mut self) {
        self.made = 0;
    }

    /// An operator made a row.
    pub(super) fn make(&mut self, bytes: u64, site: &Site) -> Result<(), RuntimeError> {
        self.made = self.made.saturating_add(bytes);
        self.check_memory(site)?;
        self.work(1, site)
    }

    /// A row is kept.
    pub(super) fn keep(&mut self, row: &Row, site: &Site) -> Result<(), RuntimeError> {
        self.kept = self.kept.saturating_add(bytes(row));
        self.check_memory(site)
    }

    fn check_memory(&self, site: &Site) -> Result<(), RuntimeError> {
        let held = self.kept.saturating_add(self.made);
        if held > self.budget.memory { Err(over("bytes", self.budget.memory, site)) } else { Ok(()) }
    }
}

fn over(what: &'static str, limit: u64, site: &Site) -> RuntimeError {
    RuntimeError::OverBudget { what, limit, site: site.clone() }
}

/// What a row costs.
pub(super) fn bytes(row: &Row) -> u64 {
    let values = row.iter().map(|value| VALUE.saturating_add(held_bytes(value)));
    values.fold(ROW, u64::saturating_add)
}
