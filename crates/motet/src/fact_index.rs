//! The fact index: from what facts say to the entries that say it (PDB-36).
//!
//! A party on disk has an index of its facts: under each entity, value, CID and cause stand the numbers of the entries
//! with such a fact, in [`Postings`]. It only grows, and whoever looks into it reads the entries that it names: what
//! was withdrawn or deleted, what is void, what another fact has the hash of, is found out there. So it has one writer,
//! knows nothing of what counts, and serves all views.
//!
//! It is written with each [checkpoint](crate::checkpoint), in the same commit; if much is due, ahead of that in
//! commits of its own. Its *mark* says which entries are in it. Those after it are read when somebody asks, and then
//! stand in memory until the next checkpoint writes them.
//!
//! All of it can be made from the entries, and is, if it is lost or damaged, or the graph was made anew and so has
//! other numbers. Parts that can't be read are found under a key of their own: a later version of this program may
//! read them.

use std::collections::BTreeSet;

use motet_fact::{Cid, Digest, Fact, Value, order};
use motet_feed::{EntryKind, PartRef, Position};
use motet_item::PartBody;
use motet_store::{Batch, Postings, Store, StoreError};

use crate::Error;
use crate::state::{PartyState, load_entry, load_part};
use crate::tables::FACT_INDEX;

/// So many pairs are written at once, by and large.
const RUN_PAIRS: usize = 100_000;
/// So many pieces are merged after that at most.
const PIECES: usize = 3;
/// What the key of parts begins with that can't be read.
const UNREAD: u8 = 0;

/// What facts are found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Entity = 1,
    Value = 2,
    Fact = 3,
    Cause = 4,
}

/// What facts are looked for: those that say one of these values.
#[derive(Clone, Debug)]
pub(crate) struct Clue {
    pub(crate) by: By,
    pub(crate) values: BTreeSet<Value>,
}

impl Clue {
    pub(crate) fn new(by: By, values: impl IntoIterator<Item = Value>) -> Self {
        Clue { by, values: values.into_iter().collect() }
    }

    pub(crate) fn cids<'a>(by: By, cids: impl IntoIterator<Item = &'a Cid>) -> Self {
        Clue::new(by, cids.into_iter().map(|cid| Value::Link(*cid)))
    }

    /// Whether a fact is one of them.
    pub(crate) fn agrees(&self, fact: &Fact) -> bool {
        let links = |cid: &Cid| self.values.contains(&Value::Link(*cid));
        match self.by {
            By::Entity => {
                let entity = Some(fact.entity().as_bytes());
                self.values.iter().any(|value| value.as_bytes() == entity)
            }
            By::Value => self.values.contains(fact.value()),
            By::Fact => links(&fact.cid()),
            By::Cause => fact.causes().iter().any(links),
        }
    }

    /// The keys that they stand under. A value of another kind than is said there has none.
    fn keys(&self) -> impl Iterator<Item = u64> + '_ {
        self.values.iter().filter_map(|value| match self.by {
            By::Entity => value.as_bytes().map(|entity| key(self.by as u8, entity)),
            By::Value => Some(key_of_value(value, &mut Vec::new())),
            By::Fact | By::Cause => value.as_link().map(|cid| key_of_cid(self.by, &cid)),
        })
    }
}

fn key(kind: u8, bytes: &[u8]) -> u64 {
    let Digest(digest) = Digest::derive("motet fact index v1", &[&[kind], bytes]);
    let (first, _) = digest.split_first_chunk::<8>().expect("a digest has 32 bytes");
    u64::from_be_bytes(*first)
}

/// A CID ends in a hash, so it need not be hashed again.
fn key_of_cid(by: By, cid: &Cid) -> u64 {
    let (_, last) = cid.as_bytes().split_last_chunk::<8>().expect("a CID is longer");
    u64::from_be_bytes(*last) ^ by as u64
}

fn key_of_value(value: &Value, scratch: &mut Vec<u8>) -> u64 {
    scratch.clear();
    order::write_key(value, scratch);
    key(By::Value as u8, scratch)
}

/// The index of a party, as far as it is in memory.
#[derive(Debug, Default)]
pub(crate) struct FactIndex {
    /// Nothing until somebody needs it, and after something failed.
    opened: Option<Opened>,
    /// Bytes of parts that were linked since it was written.
    pub(crate) bytes_due: u64,
}

#[derive(Debug)]
pub(crate) struct Opened {
    postings: Postings,
    /// The entries with lesser numbers are in the postings, written or not.
    read: usize,
}

impl PartyState {
    // Writing.

    /// Puts into a batch what the index lacks; what is more than belongs into one commit is in it already then. The
    /// index is not to be asked until [`PartyState::settle_index`] is told that the batch is committed.
    pub(crate) fn write_index(&mut self, store: &dyn Store, batch: &mut Batch) -> Result<Opened, Error> {
        let mut opened = match self.index(store) {
            Err(error) if is_corrupt(&error) => {
                self.clear_index(store)?;
                self.index(store)?
            }
            opened => opened?,
        };
        if opened.postings.mark() != opened.read as u64 {
            opened.postings.write(batch, opened.read as u64);
        }
        Ok(opened)
    }

    /// The index is written. Some of its runs are merged.
    pub(crate) fn settle_index(&mut self, store: &dyn Store, mut opened: Opened) -> Result<(), Error> {
        self.fact_index.bytes_due = 0;
        match merge(store, &mut opened.postings) {
            // It is made anew when it is needed.
            Err(StoreError::Corrupt { .. }) => self.clear_index(store),
            merged => {
                merged?;
                self.fact_index.opened = Some(opened);
                Ok(())
            }
        }
    }

    /// Throws the index away. It is made anew when somebody needs it.
    pub(crate) fn clear_index(&mut self, store: &dyn Store) -> Result<(), Error> {
        self.fact_index.opened = None;
        Ok(Postings::clear(store, FACT_INDEX, self.party.as_bytes())?)
    }

    /// The index, with all linked entries in it. Whoever takes it puts it back, unless something fails.
    fn index(&mut self, store: &dyn Store) -> Result<Opened, Error> {
        let mut opened = match self.fact_index.opened.take() {
            Some(opened) => opened,
            None => self.open_index(store)?,
        };
        while opened.read < self.graph.len() {
            self.note_entry(store, opened.read, &mut opened.postings)?;
            opened.read += 1;
            if opened.postings.unwritten() >= RUN_PAIRS {
                self.sound()?;
                let mut batch = Batch::new();
                opened.postings.write(&mut batch, opened.read as u64);
                store.commit(batch)?;
                merge(store, &mut opened.postings)?;
            }
        }
        self.sound()?;
        Ok(opened)
    }

    fn open_index(&mut self, store: &dyn Store) -> Result<Opened, Error> {
        let open = || Postings::open(store, FACT_INDEX, self.party.as_bytes());
        let mut postings = open()?;
        let is_of_graph = |mark: u64| usize::try_from(mark).is_ok_and(|mark| mark <= self.graph.len());
        if !is_of_graph(postings.mark()) {
            Postings::clear(store, FACT_INDEX, self.party.as_bytes())?;
            postings = open()?;
        }
        let read = usize::try_from(postings.mark()).expect("it is at most a length");
        Ok(Opened { postings, read })
    }

    /// Notes what an entry says.
    fn note_entry(&self, store: &dyn Store, number: usize, postings: &mut Postings) -> Result<(), Error> {
        let Some((position, EntryKind::Data)) = self.graph.at(number) else { return Ok(()) };
        let number = u32::try_from(number).expect("entries are numbered by 32 bits");
        let Some(bodies) = self.bodies(store, &position)? else {
            postings.add(key(UNREAD, &[]), number);
            return Ok(());
        };
        let (mut scratch, mut before) = (Vec::new(), None);
        for fact in bodies.iter().flat_map(|body| &body.facts) {
            // Facts about one thing often stand together.
            if before.replace(fact.entity()) != Some(fact.entity()) {
                postings.add(key(By::Entity as u8, fact.entity().as_bytes()), number);
            }
            postings.add(key_of_value(fact.value(), &mut scratch), number);
            postings.add(key_of_cid(By::Fact, &fact.cid()), number);
            fact.causes().iter().for_each(|cause| postings.add(key_of_cid(By::Cause, cause), number));
        }
        Ok(())
    }

    /// What the parts of an entry say; nothing if not all of it can be read.
    fn bodies(&self, store: &dyn Store, position: &Position) -> Result<Option<Vec<PartBody>>, Error> {
        let mut bodies = Vec::new();
        let parts = match self.entry_parts(store, position) {
            Err(error) => return unread(error),
            Ok(parts) => parts,
        };
        for part in parts {
            match load_part(store, &part.cid).map(|bytes| PartBody::decode(&bytes)) {
                Err(error) => return unread(error),
                Ok(Err(_)) => return Ok(None),
                Ok(Ok(body)) => bodies.push(body),
            }
        }
        Ok(Some(bodies))
    }

    // Asking.

    /// The numbers of the entries of which a fact may agree with all of some clues, and of those that can't be read.
    pub(crate) fn entries_that_say(
        &mut self,
        store: &dyn Store,
        clues: &[Clue],
    ) -> Result<BTreeSet<u32>, Error> {
        match self.look_up(store, clues) {
            Err(error) if is_corrupt(&error) => {
                self.clear_index(store)?;
                self.look_up(store, clues)
            }
            found => found,
        }
    }

    fn look_up(&mut self, store: &dyn Store, clues: &[Clue]) -> Result<BTreeSet<u32>, Error> {
        let opened = self.index(store)?;
        let mut all: Option<BTreeSet<u32>> = None;
        for clue in clues {
            let mut found = BTreeSet::new();
            for key in clue.keys() {
                found.extend(opened.postings.find(store, key)?);
            }
            all = Some(match all {
                Some(all) => all.intersection(&found).copied().collect(),
                None => found,
            });
        }
        let mut all = all.unwrap_or_default();
        all.extend(opened.postings.find(store, key(UNREAD, &[]))?);
        self.fact_index.opened = Some(opened);
        Ok(all)
    }

    /// What the header of a linked entry says of its parts.
    pub(crate) fn entry_parts(&self, store: &dyn Store, position: &Position) -> Result<Vec<PartRef>, Error> {
        Ok(load_entry(store, &self.party, position)?.header().parts.clone())
    }
}

fn merge(store: &dyn Store, postings: &mut Postings) -> Result<(), StoreError> {
    for _ in 0..PIECES {
        if !postings.merge_some(store)? {
            break;
        }
    }
    Ok(())
}

/// What can't be read is passed over, unless the store failed.
fn unread<T>(error: Error) -> Result<Option<T>, Error> {
    if matches!(error, Error::Store(_)) && !is_corrupt(&error) { Err(error) } else { Ok(None) }
}

fn is_corrupt(error: &Error) -> bool {
    matches!(error, Error::Store(StoreError::Corrupt { .. }))
}
