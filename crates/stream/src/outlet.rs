//! A sink, and what it is owed.
//!
//! What a sink is owed is the difference between its relation and what it acknowledged. It grows by the net changes of
//! each epoch, cancels where they cancel, and is forgotten when the sink acknowledges, not before: a delivery that
//! fails, at once or later, is one that has not been. So it is never larger than the two states it leads between,
//! however long the sink is away.

use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::{RelationName, Row};

use crate::StreamError;
use crate::sink::{Acknowledgement, Delivery, Mode, Rows, Sink};

/// A sink on its relation.
pub(crate) struct Outlet {
    pub(crate) relation: RelationName,
    pub(crate) sink: Box<dyn Sink>,
    pub(crate) attempts: Attempts,
    owed: Owed,
    /// Whether a delivery waits for its acknowledgement.
    in_flight: bool,
}

/// What a sink has not acknowledged.
enum Owed {
    Deltas(BTreeMap<Row, i64>),
    /// Whether it has not seen the contents as they are.
    Snapshot(bool),
}

/// How often a source or sink may fail, and whether it has failed more often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempts {
    retries: u32,
    failures: u32,
    detached: bool,
}

impl Attempts {
    pub(crate) fn new(retries: u32) -> Self {
        Attempts { retries, failures: 0, detached: false }
    }

    pub(crate) fn is_detached(self) -> bool {
        self.detached
    }

    pub(crate) fn succeed(&mut self) {
        self.failures = 0;
    }

    /// Counts a failure; true if that was one too many.
    pub(crate) fn fail(&mut self) -> bool {
        self.detached = self.failures >= self.retries;
        self.failures = self.failures.saturating_add(1);
        self.detached
    }

    pub(crate) fn renew(&mut self) {
        *self = Attempts::new(self.retries);
    }

    pub(crate) fn detach(&mut self) {
        self.detached = true;
    }
}

impl Outlet {
    /// A sink that has seen nothing yet of a relation with these rows.
    pub(crate) fn new(
        relation: RelationName,
        sink: Box<dyn Sink>,
        retries: u32,
        contents: Option<&BTreeSet<Row>>,
    ) -> Self {
        let owed = match sink.mode() {
            Mode::Deltas => {
                Owed::Deltas(contents.into_iter().flatten().map(|row| (row.clone(), 1)).collect())
            }
            Mode::Snapshot => Owed::Snapshot(contents.is_some()),
        };
        Outlet { relation, sink, attempts: Attempts::new(retries), owed, in_flight: false }
    }

    /// Adds the net changes of an epoch to what is owed.
    pub(crate) fn owe(&mut self, changes: &[(Row, i64)], first: bool) {
        match &mut self.owed {
            Owed::Snapshot(owed) => *owed |= first || !changes.is_empty(),
            Owed::Deltas(owed) => {
                for (row, weight) in changes {
                    let cancels = owed.get(row) == Some(&-weight);
                    if cancels {
                        owed.remove(row)
                    } else {
                        owed.insert(row.clone(), *weight)
                    };
                }
            }
        }
    }

    /// Whether there is nothing it has not acknowledged.
    pub(crate) fn is_settled(&self) -> bool {
        match &self.owed {
            Owed::Deltas(owed) => owed.is_empty(),
            Owed::Snapshot(owed) => !owed,
        }
    }

    /// Asks for the acknowledgement, or delivers what is owed.
    pub(crate) fn settle(&mut self, epoch: u64, contents: &BTreeSet<Row>) -> Result<(), StreamError> {
        if self.is_settled() {
            return Ok(());
        }
        let answer = if self.in_flight { self.sink.poll() } else { self.deliver(epoch, contents) };
        self.in_flight = matches!(answer, Ok(Acknowledgement::Pending));
        if answer? == Acknowledgement::Complete {
            self.attempts.succeed();
            match &mut self.owed {
                Owed::Deltas(owed) => owed.clear(),
                Owed::Snapshot(owed) => *owed = false,
            }
        }
        Ok(())
    }

    fn deliver(&mut self, epoch: u64, contents: &BTreeSet<Row>) -> Result<Acknowledgement, StreamError> {
        let rows = match &self.owed {
            Owed::Deltas(owed) => Rows::Deltas(owed),
            Owed::Snapshot(_) => Rows::Snapshot(contents),
        };
        self.sink.deliver(&Delivery { epoch, relation: &self.relation, rows })
    }

    /// Lets a delivery that waits be one that failed.
    pub(crate) fn detach(&mut self) {
        self.attempts.detach();
        self.in_flight = false;
    }
}
