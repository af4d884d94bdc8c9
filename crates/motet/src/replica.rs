//! What a sync session asks of a database.

use motet_fact::{Cid, PublicKey};
use motet_feed::{Entry, EntryError, EntryKind};
use motet_store::{Batch, ScanRange};
use motet_sync::{Access, Bundle, Heads, Replica, ReplicaError};

use crate::pipeline::{self, Arrival, Outcome};
use crate::tables::{ENTRIES, HELD, position_key, under_party};
use crate::{Database, Error, Party, state};

/// How many entries of later versions a party may hold.
const HELD_QUOTA: usize = 10_000;

impl Replica for Database {
    fn parties(&self) -> Vec<PublicKey> {
        self.lock_parties().keys().copied().collect()
    }

    fn receives(&self, party: &PublicKey) -> bool {
        self.party(party).is_ok_and(|party| !party.is_paused())
    }

    fn access(&self, party: &PublicKey, peer_device: &PublicKey) -> Access {
        let Ok(party) = self.party(party) else { return Access::None };
        match party.with(|state| state.authority.role_of_device(peer_device)) {
            Some(_) => Access::Full,
            None => Access::None,
        }
    }

    fn heads(&self, party: &PublicKey) -> Heads {
        let mut heads = Heads::default();
        let Ok(party) = self.party(party) else { return heads };
        party.with(|state| {
            for head in state.graph.feed_heads() {
                match state.graph.kind(&head.id) {
                    Some(EntryKind::Control) => heads.control.push(head.id),
                    _ => heads.data.push(head.id),
                }
            }
        });
        heads.control.sort_unstable();
        heads.data.sort_unstable();
        heads
    }

    fn contains(&self, party: &PublicKey, id: &Cid) -> bool {
        self.party(party).is_ok_and(|party| party.with(|state| is_here(state, id)))
    }

    fn wanted(&self, party: &PublicKey) -> Vec<Cid> {
        let Ok(party) = self.party(party) else { return Vec::new() };
        party.with(|state| {
            let waits = |id: &Cid| state.pending.contains(id) || state.refused.contains_key(id);
            state.pending.wanted().map(|(id, _)| id).filter(|id| !waits(id)).collect()
        })
    }

    fn difference(&self, party: &PublicKey, wanted: &[Cid], had: &[Cid], control_only: bool) -> Vec<Cid> {
        let Ok(party) = self.party(party) else { return Vec::new() };
        party.with(|state| {
            let mut lacking = state.graph.difference(wanted, had);
            if control_only {
                lacking.retain(|id| state.graph.kind(id) == Some(EntryKind::Control));
            }
            lacking
        })
    }

    fn load(&self, party: &PublicKey, id: &Cid) -> Result<Option<Bundle>, ReplicaError> {
        self.load_bundle(party, id).map_err(|error| ReplicaError(error.to_string()))
    }
}

fn is_here(state: &state::PartyState, id: &Cid) -> bool {
    state.graph.contains(id) || state.pending.contains(id) || state.stalled.contains(id)
}

impl Database {
    fn load_bundle(&self, party: &PublicKey, id: &Cid) -> Result<Option<Bundle>, Error> {
        let Ok(handle) = self.party(party) else { return Ok(None) };
        let store = self.store();
        let Some(position) = handle.with(|state| state.graph.position(id)) else {
            let waiting = pipeline::load_waiting(store, party, id)?;
            return Ok(waiting.map(|arrival| Bundle { entry: arrival.entry.encode(), parts: arrival.parts }));
        };
        let bytes = store
            .get(ENTRIES, &position_key(party, &position))?
            .ok_or_else(|| Error::unreadable(format!("entry {id}"), "it is missing"))?;
        let entry =
            Entry::decode_stored(&bytes).map_err(|error| Error::unreadable(format!("entry {id}"), error))?;
        let parts = entry
            .header()
            .parts
            .iter()
            .map(|part| state::load_part(store, &part.cid))
            .collect::<Result<_, _>>()?;
        Ok(Some(Bundle { entry: bytes, parts }))
    }

    /// Takes in what a session delivers. One answer per bundle: why it is no good, if it is none.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::NoSuchParty`].
    pub fn deliver(&self, party: &PublicKey, bundles: Vec<Bundle>) -> Result<Vec<Result<(), String>>, Error> {
        let party = self.party(party)?;
        let mut answers = Vec::with_capacity(bundles.len());
        let mut arrivals = Vec::new();
        for bundle in bundles {
            match Entry::decode(&bundle.entry) {
                Ok(entry) => {
                    answers.push((Some(entry.id()), Ok(())));
                    arrivals.push(Arrival { entry, parts: bundle.parts });
                }
                Err(error) => {
                    self.hold_if_later(&party, &error, bundle.entry)?;
                    answers.push((None, Err(error.to_string())));
                }
            }
        }
        let concerns = arrivals.iter().any(|arrival| self.concerns_steward(&party, arrival));
        let report = party.ingest(arrivals)?;
        if concerns && report.linked() > 0 || !report.released.is_empty() {
            self.do_chores();
        }
        let mut outcomes = report.outcomes.into_iter();
        for (id, answer) in &mut answers {
            if id.is_some() {
                let (_, outcome) = outcomes.next().expect("every arrival has an outcome");
                if let Outcome::Rejected(why) | Outcome::Refused(why) = outcome {
                    *answer = Err(why);
                }
            }
        }
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }

    /// Whether an entry may change who is in a party, what the identity party says, or a title.
    fn concerns_steward(&self, party: &Party, arrival: &Arrival) -> bool {
        let header = arrival.entry.header();
        let root = party.root().tag();
        header.kind == EntryKind::Control
            || party.is_identity_party()
            || header.parts.iter().any(|part| part.tag == root)
    }

    /// An entry from a later version of Motet is held, not refused (H7): a newer program on the same database reads it.
    fn hold_if_later(&self, party: &Party, error: &EntryError, bytes: Vec<u8>) -> Result<(), Error> {
        let (EntryError::UnknownVersion { id, .. } | EntryError::UnknownKind { id, .. }) = error else {
            return Ok(());
        };
        let mut held = 0;
        self.store().scan(HELD, ScanRange::prefix(*party.key().as_bytes()), &mut |_, _| {
            held += 1;
            std::ops::ControlFlow::Continue(())
        })?;
        if held < HELD_QUOTA {
            let mut batch = Batch::new();
            batch.put(HELD, under_party(&party.key(), id.as_bytes()), bytes);
            self.store().commit(batch)?;
        }
        Ok(())
    }
}
