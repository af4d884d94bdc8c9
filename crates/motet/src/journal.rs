//! The epochs that kept views have yet to take in.
//!
//! What a program with time carries on is a function of the sequence of epochs (Q11), so a view that is to go on after
//! the database was closed must see each batch as the epoch that it was. While a party has kept views, the pipeline
//! commits with each batch which entries it linked. An epoch stays in the journal until every kept view has saved
//! that it is past it, and every checkpoint of one. What it changed is not written down: the base relations are a
//! function of the entries that are linked, so it is computed again where it is needed ([`crate::replay`]).

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use motet_fact::{Cid, PublicKey};
use motet_feed::Position;
use motet_store::{Batch, Store};

use crate::Error;
use crate::kept::Progress;
use crate::pipeline::Arrival;
use crate::queue::Queue;
use crate::state::visit_rows;
use crate::tables::{self, EPOCHS, VIEWS};
use crate::view_checkpoint::ViewCheckpoint;

/// The journal of one party.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    views: BTreeMap<String, Cursor>,
    /// The first epoch that is in it, if one is.
    first: Option<u64>,
    /// The last epoch that was in it.
    last: u64,
}

/// A batch that was committed.
#[derive(Debug)]
pub(crate) struct Epoch {
    pub(crate) number: u64,
    /// The entries that it linked, in that order.
    pub(crate) linked: Vec<Position>,
    /// Others that began or ceased to count by it.
    pub(crate) changed: Vec<Cid>,
}

/// How far a view is.
#[derive(Debug)]
struct Cursor {
    /// Up to which epoch it needs none any more: what it goes on from is past that.
    epoch: u64,
    /// The queue of the view, while it is open.
    queue: Weak<Queue>,
}

impl Journal {
    pub(crate) fn open(store: &dyn Store, party: &PublicKey) -> Result<Self, Error> {
        let mut journal = Journal::default();
        visit_rows(store, VIEWS, party.as_bytes(), |key, _| {
            let name = tables::name_in_view_key(key)?;
            let past = Progress::read(store, party, &name)?.cursor;
            journal.last = journal.last.max(past);
            let saved = ViewCheckpoint::read(store, party, &name)?;
            let epoch = saved.map_or(past, |saved| saved.cursor());
            journal.views.insert(name, Cursor { epoch, queue: Weak::new() });
            Ok(())
        })?;
        visit_rows(store, EPOCHS, party.as_bytes(), |key, _| {
            let number = tables::number_in_epoch_key(key)?;
            journal.first.get_or_insert(number);
            journal.last = journal.last.max(number);
            Ok(())
        })?;
        Ok(journal)
    }

    /// Adds a batch to what is committed, as the next epoch: the entries that it links, and others that begin or cease
    /// to count. Gives its number, if there is anybody to read it.
    pub(crate) fn put_epoch(
        &self,
        party: &PublicKey,
        linked: &[(Position, Arrival)],
        changed: &[Cid],
        batch: &mut Batch,
    ) -> Option<u64> {
        if self.views.is_empty() || linked.is_empty() {
            return None;
        }
        let number = self.last + 1;
        let row = tables::write_epoch(linked.iter().map(|(one, _)| one), changed);
        batch.put(EPOCHS, tables::epoch_key(party, number), row);
        Some(number)
    }

    /// The epoch was committed.
    pub(crate) fn advance(&mut self, epoch: Option<u64>) {
        if let Some(number) = epoch {
            self.first.get_or_insert(number);
            self.last = number;
        }
    }

    /// The number of the last epoch: a view that is kept from now on has it behind it.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Whether any view is kept, so that each batch must be one epoch.
    pub(crate) fn is_kept(&self) -> bool {
        !self.views.is_empty()
    }

    /// Whether a view of the name is kept.
    pub(crate) fn keeps(&self, name: &str) -> bool {
        self.views.contains_key(name)
    }

    /// Whether somebody has the view open.
    pub(crate) fn is_open(&self, name: &str) -> bool {
        self.views.get(name).is_some_and(|cursor| cursor.queue.strong_count() > 0)
    }

    /// Keeps epochs for a view from now on; it is open, with this queue.
    pub(crate) fn watch(&mut self, name: &str, epoch: u64, queue: &Arc<Queue>) {
        self.views.insert(name.to_owned(), Cursor { epoch, queue: Arc::downgrade(queue) });
    }

    /// A view is no longer kept.
    pub(crate) fn forget(&mut self, name: &str) {
        self.views.remove(name);
    }

    /// A view is past an epoch. Adds to the batch the removal of what nobody needs any more.
    pub(crate) fn pass(&mut self, party: &PublicKey, name: &str, epoch: u64, batch: &mut Batch) {
        if let Some(cursor) = self.views.get_mut(name) {
            cursor.epoch = epoch;
        }
        self.clear(party, batch);
    }

    /// Adds to a batch the removal of the epochs that every view is past.
    pub(crate) fn clear(&mut self, party: &PublicKey, batch: &mut Batch) {
        let behind = self.views.values().map(|cursor| cursor.epoch).min().unwrap_or(self.last);
        let Some(first) = self.first.filter(|first| *first <= behind) else { return };
        (first..=behind).for_each(|number| batch.delete(EPOCHS, tables::epoch_key(party, number)));
        self.first = (behind < self.last).then_some(behind + 1);
    }

    /// The epochs after one.
    pub(crate) fn after(store: &dyn Store, party: &PublicKey, epoch: u64) -> Result<Vec<Epoch>, Error> {
        let mut epochs = Vec::new();
        visit_rows(store, EPOCHS, party.as_bytes(), |key, row| {
            let number = tables::number_in_epoch_key(key)?;
            if number > epoch {
                let (linked, changed) = tables::read_epoch(row)?;
                epochs.push(Epoch { number, linked, changed });
            }
            Ok(())
        })?;
        Ok(epochs)
    }
}
