//! What waits for a circuit: the changes of the base relations that it reads, batch after batch.
//!
//! The pipeline puts each batch in, in whatever thread it runs; whoever drives the circuit takes them out in its own.
//! So a slow reader slows nobody: its queue grows, and is merged into one batch when it is long, unless every batch is
//! to be an epoch.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, OnceLock};
use std::time::Instant;

use motet_fact::PublicKey;
use motet_item::BaseRelation;

use crate::relations::{self, BaseChanges, Net, PartyChanges, Wanted};

/// Past this many waiting batches a queue is merged into one.
const QUEUE_BATCHES: usize = 64;

/// A batch of changes.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) changes: BaseChanges,
    /// Its number in the journal, if there is one; of a merged batch the last.
    pub(crate) epoch: Option<u64>,
}

/// The changes that wait for one circuit.
#[derive(Debug)]
pub(crate) struct Queue {
    wanted: Vec<Wanted>,
    /// Whether batches may become one.
    merges: bool,
    waiting: Mutex<Batches>,
    arrived: Condvar,
    /// Why nothing comes any more.
    failed: OnceLock<String>,
}

#[derive(Debug, Default)]
struct Batches {
    batches: VecDeque<Waiting>,
    /// The last batch of the journal that has been here, whether it changed anything or not.
    last: Option<u64>,
}

const SOUND: &str = "nobody panics with the queue";

impl Queue {
    pub(crate) fn new(wanted: Vec<Wanted>, merges: bool) -> Self {
        Queue { wanted, merges, waiting: Mutex::default(), arrived: Condvar::new(), failed: OnceLock::new() }
    }

    pub(crate) fn wanted(&self) -> &[Wanted] {
        &self.wanted
    }

    pub(crate) fn wants(&self, relation: &str) -> bool {
        self.wanted.iter().any(|wanted| wanted.base == relation)
    }

    /// Whether it takes what items say.
    pub(crate) fn reads_items(&self) -> bool {
        self.wanted.iter().any(|wanted| relations::is_of_items(wanted.base))
    }

    /// Whether it takes where items hang.
    pub(crate) fn reads_outline(&self) -> bool {
        self.wants(BaseRelation::Item.name())
    }

    /// It could not be told what changed, and so will be told nothing more.
    pub(crate) fn fail(&self, why: String) {
        let _first = self.failed.set(why);
        self.arrived.notify_all();
    }

    /// Why nothing comes any more, if that is so.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failed.get().map(String::as_str)
    }

    /// What changes of a party change of what it takes.
    pub(crate) fn taken(&self, party: &PublicKey, changes: &PartyChanges) -> BaseChanges {
        let mut net = Net::default();
        for wanted in &self.wanted {
            for source in wanted.sources() {
                let changes = changes.get(source).into_iter().flatten();
                for (item, row, weight) in changes.filter(|(_, row, _)| wanted.takes(source, row)) {
                    net.add(&wanted.relation, wanted.row(party, *item, row), *weight);
                }
            }
        }
        net.into_changes()
    }

    pub(crate) fn push(&self, party: &PublicKey, changes: &PartyChanges, epoch: Option<u64>) {
        let changes = self.taken(party, changes);
        let mut waiting = self.waiting.lock().expect(SOUND);
        waiting.last = epoch.or(waiting.last);
        if changes.is_empty() {
            return;
        }
        waiting.batches.push_back(Waiting { changes, epoch });
        if self.merges && waiting.batches.len() > QUEUE_BATCHES {
            let merged = merged(waiting.batches.drain(..));
            waiting.batches.push_back(merged);
        }
        self.arrived.notify_all();
    }

    /// The next batch, waiting for one until a deadline.
    pub(crate) fn pop(&self, deadline: Option<Instant>) -> Option<Waiting> {
        let mut waiting = self.waiting.lock().expect(SOUND);
        loop {
            if let Some(batch) = waiting.batches.pop_front() {
                return Some(batch);
            }
            if self.failure().is_some() {
                return None;
            }
            let left = deadline?.checked_duration_since(Instant::now())?;
            waiting = self.arrived.wait_timeout(waiting, left).expect(SOUND).0;
        }
    }

    /// All batches as one; nothing if there are none.
    pub(crate) fn pop_all(&self) -> Option<Waiting> {
        let mut waiting = self.waiting.lock().expect(SOUND);
        (!waiting.batches.is_empty()).then(|| merged(waiting.batches.drain(..)))
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.lock().expect(SOUND).batches.is_empty()
    }

    /// If nothing waits: the last batch of the journal that has been here.
    pub(crate) fn all_taken(&self) -> Option<u64> {
        let waiting = self.waiting.lock().expect(SOUND);
        waiting.last.filter(|_| waiting.batches.is_empty())
    }
}

fn merged(batches: impl Iterator<Item = Waiting>) -> Waiting {
    let (mut net, mut last) = (Net::default(), None);
    for Waiting { changes, epoch } in batches {
        last = epoch.or(last);
        for (relation, rows) in changes {
            rows.into_iter().for_each(|(row, weight)| net.add(&relation, row, weight));
        }
    }
    Waiting { changes: net.into_changes(), epoch: last }
}
