//! The meter: what an epoch has cost so far, against what it may cost (Q17).
//!
//! Operators count as they run: a row for every pair of rows a join puts together and for every change of a relation,
//! and for a loop the number of its furthest round. Nothing can be stopped in the middle of an operator, so the meter
//! only notes that the budget ran out; whoever steps the dataflow looks at it between steps.

use std::cell::{Cell, RefCell};

use motet_algebra::{Budget, RelationName, RuntimeError};

use crate::scope::Round;

/// Counts the work of one epoch.
#[derive(Debug)]
pub(crate) struct Meter {
    limit: Cell<Budget>,
    rows: Cell<u64>,
    over: RefCell<Option<RuntimeError>>,
}

impl Meter {
    /// A meter without a limit.
    pub(crate) fn new() -> Self {
        let limit = Cell::new(Budget::UNLIMITED);
        Meter { limit, rows: Cell::new(0), over: RefCell::new(None) }
    }

    /// Begins an epoch. Rounds are numbers of 32 bits, and differential dataflow silently drops what would come after
    /// the last, so a loop is stopped before, whatever the budget.
    pub(crate) fn start(&self, limit: Budget) {
        let iterations = limit.iterations.min(u64::from(Round::MAX) - 1);
        self.limit.set(Budget { iterations, ..limit });
        self.rows.set(0);
        self.over.replace(None);
    }

    /// Counts rows.
    pub(crate) fn rows(&self, count: usize, relation: &RelationName) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let rows = self.rows.get().saturating_add(count);
        self.rows.set(rows);
        let limit = self.limit.get().rows;
        if rows > limit {
            self.stop("rows", limit, relation);
        }
    }

    /// Notes that a loop is in this round, the first being 1.
    pub(crate) fn round(&self, round: u64, relation: &RelationName) {
        let limit = self.limit.get().iterations;
        if round > limit {
            self.stop("iterations", limit, relation);
        }
    }

    fn stop(&self, what: &'static str, limit: u64, relation: &RelationName) {
        let error = || RuntimeError::OverBudget { what, limit, relation: relation.clone() };
        self.over.borrow_mut().get_or_insert_with(error);
    }

    /// Whether the budget ran out, and of what.
    pub(crate) fn over(&self) -> Option<RuntimeError> {
        self.over.borrow().clone()
    }
}
