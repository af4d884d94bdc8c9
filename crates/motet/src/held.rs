//! Entries from later versions of Motet: kept as they came, until this program knows them (H7).
//!
//! An entry may have a version or a kind that this program does not know, or a control entry a credential. It is not
//! linked, and what comes after it waits for it; peers that know more are given it. Whenever the database opens, what
//! is held is read again, and what can be read now goes down the corridor like anything that arrives: its signature is
//! checked then, if it could not be before.

use std::collections::BTreeMap;

use motet_fact::Cid;
use motet_feed::{Entry, EntryError, EntryKind};
use motet_store::{Batch, Store};
use motet_sync::Bundle;
use prost::Message as _;

use crate::pipeline::Arrival;
use crate::proto::HeldEntry;
use crate::state::{self, PartyState};
use crate::tables::{HELD, under_party};
use crate::{Error, Party};

/// How many entries of later versions a party holds, and how many bytes of them.
const MAX_ENTRIES: usize = 10_000;
const MAX_BYTES: u64 = 64 << 20;

/// How many entries that can be read now are taken in at once.
const AT_ONCE: usize = 100;

/// What a party holds: how many bytes each.
#[derive(Debug, Default)]
pub(crate) struct Held {
    entries: BTreeMap<Cid, u64>,
    bytes: u64,
}

impl Held {
    pub(crate) fn contains(&self, id: &Cid) -> bool {
        self.entries.contains_key(id)
    }

    /// The entries, ascending.
    pub(crate) fn ids(&self) -> impl Iterator<Item = Cid> + '_ {
        self.entries.keys().copied()
    }

    fn insert(&mut self, id: Cid, bytes: u64) {
        self.remove(&id);
        self.entries.insert(id, bytes);
        self.bytes += bytes;
    }

    fn remove(&mut self, id: &Cid) {
        self.bytes -= self.entries.remove(id).unwrap_or(0);
    }

    fn is_full(&self, more: u64) -> bool {
        self.entries.len() >= MAX_ENTRIES || self.bytes + more > MAX_BYTES
    }
}

impl PartyState {
    /// Whether an entry is here: linked, waiting, stalled or held.
    pub(crate) fn has(&self, id: &Cid) -> bool {
        let waits = self.pending.contains(id) || self.stalled.contains(id);
        self.graph.contains(id) || waits || self.held.contains(id)
    }

    pub(crate) fn read_held(&mut self, store: &dyn Store) -> Result<(), Error> {
        let party = self.party;
        state::visit_rows(store, HELD, party.as_bytes(), |key, row| {
            let id = Cid::from_bytes(&key[32..]).map_err(|error| Error::unreadable("a held entry", error))?;
            self.held.insert(id, row.len() as u64);
            Ok(())
        })
    }

    /// Keeps an entry, if there is room.
    ///
    /// # Errors
    /// In words, if there is none.
    pub(crate) fn hold(
        &mut self,
        id: Cid,
        entry: Vec<u8>,
        parts: Vec<Vec<u8>>,
        batch: &mut Batch,
    ) -> Result<(), String> {
        let row = HeldEntry { entry, parts }.encode_to_vec();
        if self.held.is_full(row.len() as u64) {
            return Err(format!(
                "entry {id} is from a later version of Motet, and too many of them are held: update it"
            ));
        }
        self.held.insert(id, row.len() as u64);
        batch.put(HELD, under_party(&self.party, id.as_bytes()), row);
        Ok(())
    }

    /// Holds an entry no longer.
    pub(crate) fn release_held(&mut self, id: &Cid, batch: &mut Batch) {
        self.held.remove(id);
        batch.delete(HELD, under_party(&self.party, id.as_bytes()));
    }

    /// A held entry, as it came.
    pub(crate) fn load_held(&self, store: &dyn Store, id: &Cid) -> Result<Option<Bundle>, Error> {
        let Some(row) = store.get(HELD, &under_party(&self.party, id.as_bytes()))? else { return Ok(None) };
        let row = HeldEntry::decode(row.as_slice());
        let HeldEntry { entry, parts } = row.map_err(|error| Error::unreadable("a held entry", error))?;
        Ok(Some(Bundle { entry, parts }))
    }
}

impl Party {
    /// Takes in what was held and can be read by now.
    pub(crate) fn read_held_again(&self) -> Result<(), Error> {
        let store = self.database().store();
        let ids = self.with(|state| state.held.ids().collect::<Vec<_>>());
        let mut ripe = Vec::new();
        for id in ids {
            let Some(bundle) = self.with(|state| state.load_held(store, &id))? else { continue };
            match Entry::decode(&bundle.entry) {
                Ok(entry) if is_known(&entry, &bundle.parts) => {
                    ripe.push(Arrival { entry, parts: bundle.parts, peer: None });
                }
                Ok(_) | Err(EntryError::UnknownVersion { .. } | EntryError::UnknownKind { .. }) => {}
                Err(_) => self.drop_held(&id)?, // nobody signed it, as can be told by now
            }
            if ripe.len() == AT_ONCE {
                self.ingest(std::mem::take(&mut ripe))?;
            }
        }
        if ripe.is_empty() { Ok(()) } else { self.ingest(ripe).map(|_| ()) }
    }

    fn drop_held(&self, id: &Cid) -> Result<(), Error> {
        let mut batch = Batch::new();
        self.with(|state| state.release_held(id, &mut batch));
        Ok(self.database().store().commit(batch)?)
    }

    /// Holds an entry of which not even the form is known.
    pub(crate) fn hold_unknown(&self, error: &EntryError, bundle: Bundle) -> Result<(), Error> {
        let (EntryError::UnknownVersion { id, .. } | EntryError::UnknownKind { id, .. }) = error else {
            return Ok(());
        };
        let mut batch = Batch::new();
        let held = self.with(|state| match state.held.contains(id) {
            true => Ok(()),
            false => state.hold(*id, bundle.entry, bundle.parts, &mut batch),
        });
        if held.is_ok() && !batch.is_empty() {
            self.database().store().commit(batch)?;
        }
        Ok(())
    }
}

/// Whether all of an entry can be read.
fn is_known(entry: &Entry, parts: &[Vec<u8>]) -> bool {
    let later = |fault| matches!(fault, state::BodyFault::Later(_));
    entry.header().kind == EntryKind::Data || !state::control_body(entry, parts).err().is_some_and(later)
}
