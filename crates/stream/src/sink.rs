//! The trait of sinks, and what they are given.

use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::{RelationName, Row};

use crate::StreamError;

/// Where rows go. A sink of an application's own is a type that implements this (PDB-29).
///
/// A sink reads one output of the program, and is told of it after the fixed point (PDB-16). The next epoch does not
/// begin before it has acknowledged, or was detached because it failed (PDB-17).
pub trait Sink {
    /// What it wants to be given: changes, or the whole relation when it changed.
    fn mode(&self) -> Mode {
        Mode::Deltas
    }

    /// Takes a delivery. It must not wait: what takes longer is begun here and is [`Acknowledgement::Pending`]
    /// (PDB-27).
    ///
    /// # Errors
    /// [`StreamError`]: the delivery is as if it had not been, and its content will come again with what is new by
    /// then. A sink that may have passed on a part of it must be ready to see that part again.
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<Acknowledgement, StreamError>;

    /// Whether the delivery that was pending is complete. Asked again and again, until it is.
    ///
    /// # Errors
    /// As [`Sink::deliver`].
    fn poll(&mut self) -> Result<Acknowledgement, StreamError> {
        Ok(Acknowledgement::Complete)
    }
}

/// What a sink wants to be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The net changes since what it acknowledged last. The first time that is every row there is.
    Deltas,
    /// All rows, after the first epoch and whenever they changed.
    Snapshot,
}

/// What a sink is given.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The last epoch whose changes are in it. It means nothing outside of this process (PDB-6).
    pub epoch: u64,
    /// The relation that the sink reads.
    pub relation: &'a RelationName,
    /// What of it.
    pub rows: Rows<'a>,
}

/// The rows of a delivery, in value order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows<'a> {
    /// Rows that came (+1) and went (-1); there is at least one.
    Deltas(&'a BTreeMap<Row, i64>),
    /// All rows.
    Snapshot(&'a BTreeSet<Row>),
}

impl<'a> Delivery<'a> {
    /// The changes, for a sink of [`Mode::Deltas`].
    ///
    /// # Panics
    /// If it is a snapshot: sinks are given what they ask for.
    pub fn deltas(&self) -> &'a BTreeMap<Row, i64> {
        let Rows::Deltas(deltas) = self.rows else { panic!("a sink of deltas was given a snapshot") };
        deltas
    }

    /// All rows, for a sink of [`Mode::Snapshot`].
    ///
    /// # Panics
    /// If it is changes: sinks are given what they ask for.
    pub fn snapshot(&self) -> &'a BTreeSet<Row> {
        let Rows::Snapshot(rows) = self.rows else { panic!("a sink of snapshots was given deltas") };
        rows
    }
}

/// What a sink answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledgement {
    /// It has the delivery: it is where it belongs, and will not be given again.
    Complete,
    /// Not yet: [`Sink::poll`] will say.
    Pending,
}
