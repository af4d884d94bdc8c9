//! Opening a party without reading its history.
//!
//! What a party is, is a function of its entries, and could be made from all of them each time. So that opening costs
//! the change since and not the history, the graph lies on a *shelf* in the store (`motet_feed::shelf`), read page by
//! page as it is touched, and from time to time a *checkpoint* brings it up to date: in one commit the pages that
//! changed, the numbers of new entries, and a row that says the rest. Between checkpoints each commit of entries says
//! which they are, in the table `linked`: the *tail*.
//!
//! Opening reads the checkpoint; judges the control entries anew, which gives the authority; and takes in the tail,
//! the way it came. What is derived may be lost: without a checkpoint, or with one that can't be read, all is made
//! from the entries, in the order of their positions. [`crate::Party::verify`] makes it from the entries in any case,
//! and compares.
//!
//! A failing shelf makes the graph answer nonsense, so whoever asks a party something through [`crate::Party::ask`]
//! gets an error instead; and the checkpoint is thrown away, to be made anew when the party is next opened.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use motet_fact::{Cid, PublicKey, SetHash};
use motet_feed::{Entry, Graph, Linkage, PageId, Position, Shelf, Shelved};
use motet_store::{Batch, Store, StoreError, Table};
use prost::Message as _;

use crate::Error;
use crate::proto::CheckpointRow;
use crate::state::{PartyState, load_entry, load_parts, visit_rows};
use crate::tables::{CHECKPOINTS, GRAPH, LINKED, NUMBERS, read_positions, under_party, write_positions};

/// What opening a party took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// Whether there was no checkpoint that could be read, so that everything was made from all entries.
    pub from_scratch: bool,
    /// Control entries that were judged.
    pub control: usize,
    /// Entries that were taken in after the checkpoint.
    pub tail: usize,
    /// How long it took, all in all.
    pub took: Duration,
    /// Of that, judging the control entries.
    pub judging: Duration,
    /// And taking in what came after the checkpoint, or everything.
    pub taking_in: Duration,
}

/// The shelf of a party's graph in the store.
pub(crate) struct PartyShelf {
    store: Arc<dyn Store>,
    party: PublicKey,
    /// What the store said when it failed: a graph passes words on, and no errors.
    failure: Mutex<Option<StoreError>>,
}

impl PartyShelf {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, String> {
        self.store.get(table, key).map_err(|error| {
            let words = error.to_string();
            self.failure.lock().expect("nobody panics with it").get_or_insert(error);
            words
        })
    }

    fn take_failure(&self) -> Option<StoreError> {
        self.failure.lock().expect("nobody panics with it").take()
    }
}

impl Shelf for PartyShelf {
    fn page(&self, id: PageId) -> Result<Option<Vec<u8>>, String> {
        self.get(GRAPH, &page_key(&self.party, id))
    }

    fn number(&self, id: &Cid) -> Result<Option<u32>, String> {
        let row = self.get(NUMBERS, &under_party(&self.party, id.as_bytes()))?;
        let Some(bytes) = row else { return Ok(None) };
        let bytes =
            <[u8; 4]>::try_from(bytes).map_err(|_| format!("the number of {id} has another length"))?;
        Ok(Some(u32::from_be_bytes(bytes)))
    }
}

fn page_key(party: &PublicKey, id: PageId) -> Vec<u8> {
    under_party(party, &[id.list.to_be_bytes(), id.page.to_be_bytes()].concat())
}

fn linked_key(party: &PublicKey, number: u32) -> Vec<u8> {
    under_party(party, &number.to_be_bytes())
}

/// What a row of `linked` says: the entry of a number.
pub(crate) fn put_linked(batch: &mut Batch, party: &PublicKey, number: usize, position: &Position) {
    let number = u32::try_from(number).expect("entries are numbered by 32 bits");
    batch.put(LINKED, linked_key(party, number), write_positions(std::iter::once(position)));
}

impl PartyState {
    /// Reads what is linked: from the checkpoint and the tail, or else from all entries.
    pub(crate) fn read_linked(&mut self, store: &Arc<dyn Store>) -> Result<(), Error> {
        let begun = Instant::now();
        let shelf = PartyShelf { store: store.clone(), party: self.party, failure: Mutex::default() };
        let shelf = Arc::new(shelf);
        self.shelf = Some(shelf.clone());
        let row = store.get(CHECKPOINTS, self.party.as_bytes())?;
        let read = row.and_then(|row| read_checkpoint(&row, shelf.clone()).ok());
        let restored = read.map(|checkpoint| self.restore(&**store, checkpoint));
        if let Some(failure) = shelf.take_failure() {
            return Err(Error::Store(failure)); // whatever the graph made of it
        }
        let restored = match restored.transpose() {
            Err(error @ Error::Store(_)) => return Err(error),
            restored => restored.ok().flatten(),
        };
        self.opening = match restored {
            Some(opening) => opening,
            None => self.make_anew(&**store, shelf)?,
        };
        self.opening.took = begun.elapsed();
        Ok(())
    }

    /// Goes on from a checkpoint.
    fn restore(&mut self, store: &dyn Store, checkpoint: Checkpoint) -> Result<Opening, Error> {
        self.graph = checkpoint.graph;
        self.counted = checkpoint.counted;
        let begun = Instant::now();
        let control = self.graph.controls();
        for id in &control {
            let (entry, parts) = self.stored_entry(store, id)?;
            let body = crate::state::control_body(&entry, &parts);
            let body = body.map_err(|fault| Error::unreadable("a stored entry", fault.words()))?;
            // A refused one is remembered as such.
            let _ = self.authority.admit(&entry, &body, &self.graph);
        }
        for id in checkpoint.refused.iter().filter(|id| !control.contains(id)) {
            let (entry, _) = self.stored_entry(store, id)?;
            if let Err(refusal) = self.authority.judge(&entry, &self.graph) {
                self.authority.refuse(&refusal);
            }
        }
        let judged = Instant::now();
        let tail = self.take_tail(store)?;
        self.sound()?;
        let (judging, taking_in) = (judged - begun, judged.elapsed());
        Ok(Opening { control: control.len(), tail, judging, taking_in, ..Opening::default() })
    }

    fn stored_entry(&self, store: &dyn Store, id: &Cid) -> Result<(Entry, Vec<Vec<u8>>), Error> {
        let what = || format!("entry {id}");
        let position =
            self.graph.position(id).ok_or_else(|| Error::unreadable(what(), "it is not linked"))?;
        let entry = load_entry(store, &self.party, &position)?;
        let parts = load_parts(store, &entry)?;
        Ok((entry, parts))
    }

    /// Takes in what was linked after the checkpoint, in the same order; gives how many entries.
    fn take_tail(&mut self, store: &dyn Store) -> Result<usize, Error> {
        let mut tail = Vec::new();
        visit_rows(store, LINKED, self.party.as_bytes(), |_, row| {
            tail.extend(read_positions(row)?);
            Ok(())
        })?;
        let mut feeds = BTreeSet::new();
        for position in &tail {
            let entry = load_entry(store, &self.party, position)?;
            match self.graph.linkage(&entry) {
                Linkage::Ready => {}
                Linkage::Known => continue,
                Linkage::Missing(_) => {
                    return Err(Error::unreadable(
                        format!("entry {}", entry.id()),
                        "a cause of it is missing",
                    ));
                }
            }
            feeds.extend(self.take_in_stored(&entry, || load_parts(store, &entry))?.feeds);
        }
        tail.iter().for_each(|position| self.note_counted(&position.id));
        // What is on the work list stays stale until the steps come to it.
        let at_once: BTreeSet<PublicKey> =
            feeds.into_iter().filter(|feed| !self.withdrawals.contains_key(feed)).collect();
        for id in self.plan_at_once(store, &at_once, &BTreeSet::new()).entries {
            self.note_counted(&id);
        }
        Ok(tail.len())
    }

    /// Makes everything from all entries, and a checkpoint.
    fn make_anew(&mut self, store: &dyn Store, shelf: Arc<PartyShelf>) -> Result<Opening, Error> {
        let begun = Instant::now();
        self.forget_linked();
        self.graph = Graph::on(shelf);
        self.clear_shelf(store)?;
        self.clear_index(store)?; // entries get other numbers
        self.relink(store, &|_| true)?;
        if !self.graph.is_empty() {
            self.checkpoint(store, Batch::new())?;
        }
        let control = self.graph.controls().len();
        let (tail, taking_in) = (self.graph.len(), begun.elapsed());
        Ok(Opening { from_scratch: true, control, tail, taking_in, ..Opening::default() })
    }

    /// Removes what an unreadable checkpoint left.
    fn clear_shelf(&self, store: &dyn Store) -> Result<(), Error> {
        let mut batch = Batch::new();
        for table in [CHECKPOINTS, GRAPH, NUMBERS, LINKED] {
            visit_rows(store, table, self.party.as_bytes(), |key, _| {
                batch.delete(table, key);
                Ok(())
            })?;
        }
        if batch.is_empty() { Ok(()) } else { Ok(store.commit(batch)?) }
    }

    /// Makes a checkpoint if so much changed that opening would notice.
    pub(crate) fn checkpoint_if_due(&mut self, store: &dyn Store) -> Result<(), Error> {
        let ((entries, pages), limits) = (self.graph.unshelved(), self.limits);
        let due = entries >= limits.checkpoint_entries
            || pages >= limits.checkpoint_pages
            || self.fact_index.bytes_due >= limits.checkpoint_bytes;
        if self.shelf.is_some() && due {
            self.checkpoint(store, Batch::new())?;
        }
        Ok(())
    }

    /// Commits a batch together with what memory knows and no checkpoint says yet.
    pub(crate) fn save(&mut self, store: &dyn Store, batch: Batch) -> Result<(), Error> {
        if self.shelf.is_some() { self.checkpoint(store, batch) } else { Ok(store.commit(batch)?) }
    }

    /// Makes a checkpoint, in one commit with `extra`.
    pub(crate) fn checkpoint(&mut self, store: &dyn Store, extra: Batch) -> Result<(), Error> {
        self.sound()?;
        let mut batch = extra;
        let index = self.write_index(store, &mut batch)?;
        let party = self.party;
        visit_rows(store, LINKED, party.as_bytes(), |key, _| {
            batch.delete(LINKED, key);
            Ok(())
        })?;
        let graph = self.graph.shelve(&mut |shelved| match shelved {
            Shelved::Page(id, bytes) => batch.put(GRAPH, page_key(&party, id), bytes),
            Shelved::Number(id, number) => {
                batch.put(NUMBERS, under_party(&party, id.as_bytes()), number.to_be_bytes());
            }
        });
        let refused = self.authority.refusals().map(|id| id.as_bytes().to_vec()).collect();
        let row = CheckpointRow { graph, counted: self.counted.to_bytes(), refused };
        batch.put(CHECKPOINTS, party.as_bytes().as_slice(), row.encode_to_vec());
        store.commit(batch)?;
        self.roster.settle();
        self.settle_index(store, index)
    }

    /// Whether what was answered can be believed.
    pub(crate) fn sound(&self) -> Result<(), Error> {
        let Some(why) = self.graph.fault() else { return Ok(()) };
        match self.shelf.as_ref().and_then(|shelf| shelf.take_failure()) {
            Some(error) => Err(Error::Store(error)),
            None => Err(Error::unreadable("the party's graph", format!("{why}; open the database again"))),
        }
    }

    /// Throws the checkpoint away, so that the next opening makes everything anew.
    pub(crate) fn drop_checkpoint(&self, store: &dyn Store) {
        let mut batch = Batch::new();
        batch.delete(CHECKPOINTS, self.party.as_bytes().as_slice());
        // If this can't be done, the disk has failed, and says so to whoever opens it.
        let _ = store.commit(batch);
    }
}

/// A checkpoint, read.
struct Checkpoint {
    graph: Graph,
    counted: SetHash,
    refused: Vec<Cid>,
}

fn read_checkpoint(row: &[u8], shelf: Arc<PartyShelf>) -> Result<Checkpoint, String> {
    let row = CheckpointRow::decode(row).map_err(|error| error.to_string())?;
    let refused = row.refused.iter().map(|id| Cid::from_bytes(id).map_err(|error| error.to_string()));
    Ok(Checkpoint {
        graph: Graph::open(&row.graph, shelf)?,
        counted: SetHash::from_bytes(&row.counted).ok_or("the hash of what counts has another length")?,
        refused: refused.collect::<Result<_, String>>()?,
    })
}
