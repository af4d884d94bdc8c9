//! One epoch after the other: what each gives to the next, and whether a next one is due.

use std::cell::Cell;

use super::meaning::{Relations, TooLong, evaluate};
use super::reader::Program;

/// A program that runs.
pub(super) struct Clock<'a> {
    program: &'a Program,
    /// What inductive clauses gave to the epoch that comes.
    given: Relations,
    /// How many rows may still be looked at.
    steps: Cell<u64>,
}

/// What an epoch comes to.
pub(super) struct Epoch {
    pub(super) relations: Relations,
    /// Whether another one is due, though nothing happens.
    pub(super) due: bool,
}

impl<'a> Clock<'a> {
    pub(super) fn new(program: &'a Program, steps: u64) -> Self {
        Clock { program, given: Relations::new(), steps: Cell::new(steps) }
    }

    /// The next epoch, with all that inputs hold in it and the events that happen.
    pub(super) fn epoch(&mut self, outside: &Relations) -> Result<Epoch, TooLong> {
        let mut rows = outside.clone();
        for (name, given) in &self.given {
            rows.entry(name.clone()).or_default().extend(given.iter().cloned());
        }
        let (relations, next) = evaluate(self.program, rows, &self.steps)?;
        let came = |event| outside.get(event).is_some_and(|rows| !rows.is_empty());
        let due = next != self.given || self.program.events.iter().any(came);
        self.given = next;
        Ok(Epoch { relations, due })
    }
}
