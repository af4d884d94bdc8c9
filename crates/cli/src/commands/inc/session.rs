//! The stored rows of a running program, and what a transaction does to them.
//!
//! A runtime takes a row with +1 only if it is absent and with -1 only if it is present; people insert what is there
//! and delete what is not. So the session keeps the stored rows of every input beside the runtime, and hands it the
//! net change. A runtime cannot be asked instead: it may leave out rows that its program cannot see.
//!
//! The rows of an event are not stored: they hold in the transaction's own epoch, and are not there to be deleted
//! later.
//!
//! The stored rows change only after the runtime has taken the epoch; if it refuses, both are as they were.

use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::{Budget, Changes, RelationName, Row, Runtime, RuntimeError, Undefined};
use motet_logic::Compiled;

use crate::commands::inc::transaction::{Reader, Refusal, Rows, Transaction};
use crate::limits::{Limits, Stopwatch};
use crate::undefined::Told;

/// A program kept running, and its stored rows.
pub(super) struct Session {
    runtime: Box<dyn Runtime>,
    budget: Budget,
    stopwatch: Stopwatch,
    reader: Reader,
    /// What is reported; a runtime also reports what breaks `forbid` rules.
    outputs: BTreeSet<RelationName>,
    events: BTreeSet<RelationName>,
    stored: Rows,
    /// The last epoch that succeeded.
    epoch: u64,
    told: Told,
}

/// What an epoch came to.
pub(super) struct Answer {
    pub(super) epoch: u64,
    /// The net changes of the outputs.
    pub(super) changes: Changes,
    /// What has no value, if that is not what it was.
    pub(super) undefined: Option<Vec<Undefined>>,
}

impl Session {
    /// A session without stored rows, before its first epoch.
    pub(super) fn new(compiled: &Compiled, runtime: Box<dyn Runtime>, limits: &Limits) -> Self {
        let (budget, stopwatch) = limits.budget();
        let reader = Reader::new(compiled);
        let outputs = compiled.outputs.iter().map(|output| output.name.clone()).collect();
        let events = compiled.inputs.iter().filter(|input| input.event);
        let events = events.map(|input| input.name.clone()).collect();
        let (stored, told) = (BTreeMap::new(), Told::default());
        Session { runtime, budget, stopwatch, reader, outputs, events, stored, epoch: 0, told }
    }

    /// Epoch 0: the rows there are from the start, each with +1.
    pub(super) fn begin(&mut self, rows: &Changes) -> Result<Answer, RuntimeError> {
        debug_assert!(self.epoch == 0 && self.stored.is_empty(), "a session begins once");
        let changes = self.commit(rows)?;
        Ok(self.answer(changes))
    }

    /// Runs the transaction in a line.
    pub(super) fn hear(&mut self, line: &[u8]) -> Result<Answer, Refusal> {
        let transaction = self.reader.read(line)?;
        let changes = self.commit(&self.net(&transaction))?;
        self.epoch += 1;
        Ok(self.answer(changes))
    }

    fn answer(&mut self, changes: Changes) -> Answer {
        let undefined = self.told.news(self.runtime.undefined()).map(<[_]>::to_vec);
        Answer { epoch: self.epoch, changes, undefined }
    }

    fn commit(&mut self, changes: &Changes) -> Result<Changes, RuntimeError> {
        self.stopwatch.reset();
        let mut outputs = self.runtime.step(changes, self.budget.clone())?;
        outputs.retain(|name, _| self.outputs.contains(name));
        for (name, rows) in changes.iter().filter(|(name, _)| !self.events.contains(*name)) {
            let stored = self.stored.entry(name.clone()).or_default();
            for (row, weight) in rows {
                let changed = if *weight > 0 { stored.insert(row.clone()) } else { stored.remove(row) };
                assert!(changed, "a net change of `{name}` changes it");
            }
        }
        Ok(outputs)
    }

    /// What a transaction changes: new stored = (old - delete) + insert, relation by relation.
    fn net(&self, transaction: &Transaction) -> Changes {
        let names: BTreeSet<&RelationName> =
            transaction.delete.keys().chain(transaction.insert.keys()).collect();
        let of = |name: &RelationName| (name.clone(), self.net_of(name, transaction));
        names.into_iter().map(of).collect()
    }

    fn net_of(&self, name: &RelationName, transaction: &Transaction) -> Vec<(Row, i64)> {
        let nothing = BTreeSet::new();
        let stored = self.stored.get(name).unwrap_or(&nothing);
        let delete = transaction.delete.get(name).unwrap_or(&nothing);
        let insert = transaction.insert.get(name).unwrap_or(&nothing);
        let gone = delete.iter().filter(|row| stored.contains(*row) && !insert.contains(*row));
        let come = insert.iter().filter(|row| !stored.contains(*row));
        let gone = gone.map(|row| (row.clone(), -1));
        gone.chain(come.map(|row| (row.clone(), 1))).collect()
    }
}
