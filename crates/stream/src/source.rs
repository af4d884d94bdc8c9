//! The trait of sources, and what they give.

use std::collections::BTreeMap;

use motet_algebra::{RelationName, Row};

use crate::StreamError;

/// Where rows come from. A source of an application's own is a type that implements this (PDB-24).
///
/// What a source says is its own contribution: sets of rows, one for each relation that it feeds. A relation holds
/// what at least one of its sources says. To say again what it has said already, or to take back what it never said,
/// changes nothing.
pub trait Source {
    /// The relations it feeds: inputs of the program (PDB-19).
    fn relations(&self) -> Vec<RelationName>;

    /// Its batch for an epoch. Called until it returns one, and then once for the next epoch. It must not wait: what is
    /// not here yet is [`Poll::Pending`] if the epoch should wait for it, and an empty batch if not (PDB-21).
    ///
    /// # Errors
    /// [`StreamError`]: there is no batch. If it is asked again, a source goes on where it was, or begins anew; it
    /// gives no half of a batch.
    fn poll(&mut self, epoch: u64) -> Result<Poll, StreamError>;
}

/// What a source answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Poll {
    /// Its batch is not complete. The epoch does not begin before it is (PDB-15).
    Pending,
    /// Its batch of this epoch; there will be others.
    Ready(Batch),
    /// Its last batch.
    Last(Batch),
}

impl Poll {
    /// That there is nothing new, and may be later.
    pub fn nothing() -> Self {
        Poll::Ready(Batch::new())
    }
}

/// What a source says at once, relation by relation.
pub type Batch = BTreeMap<RelationName, Content>;

/// What a source says of one relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Rows that come (+1) and go (-1), one after the other (PDB-23).
    Deltas(Vec<(Row, i64)>),
    /// All rows that there are now: they replace those that it gave before.
    Snapshot(Vec<Row>),
    /// Rows that hold in this epoch and no longer.
    Events(Vec<Row>),
}

impl Content {
    /// The rows, those that go too.
    pub(crate) fn rows(&self) -> Box<dyn Iterator<Item = &Row> + '_> {
        match self {
            Content::Deltas(deltas) => Box::new(deltas.iter().map(|(row, _)| row)),
            Content::Snapshot(rows) | Content::Events(rows) => Box::new(rows.iter()),
        }
    }
}

/// A source of one batch: rows that are there from the start.
#[derive(Clone, Debug)]
pub struct Once(Option<Batch>, Vec<RelationName>);

impl Once {
    /// A source that says this, and nothing ever after.
    pub fn new(batch: Batch) -> Self {
        let relations = batch.keys().cloned().collect();
        Once(Some(batch), relations)
    }
}

impl Source for Once {
    fn relations(&self) -> Vec<RelationName> {
        self.1.clone()
    }

    fn poll(&mut self, _epoch: u64) -> Result<Poll, StreamError> {
        Ok(Poll::Last(self.0.take().unwrap_or_default()))
    }
}
