//! What a sync session asks of a database.

use std::collections::BTreeSet;

use motet_fact::{Cid, PublicKey};
use motet_feed::{Entry, EntryKind};
use motet_sync::{Access, Bundle, Heads, Replica, ReplicaError};

use crate::pipeline::{self, Arrival, Outcome};
use crate::{Database, Error, Party, state};

impl Replica for Database {
    fn parties(&self) -> Vec<PublicKey> {
        let open: Vec<PublicKey> = self.lock_parties().keys().copied().collect();
        open.into_iter().chain(self.lock_leaving().keys().copied()).collect()
    }

    fn receives(&self, party: &PublicKey) -> bool {
        self.party(party).is_ok_and(|party| !party.is_paused())
    }

    fn is_told(&self, party: &PublicKey, peer_device: &PublicKey, heads: &Heads) {
        self.note_told(party, peer_device, &heads.control);
    }

    fn access(&self, party: &PublicKey, peer_device: &PublicKey) -> Access {
        let Some(party) = self.synced_party(party) else { return Access::None };
        match party.with(|state| state.authority.role_of_device(peer_device, &state.graph)) {
            Some(_) => Access::Full,
            None if self.may_enter(&party, peer_device) => Access::Full,
            None => match party.with(|state| state.authority.notices(peer_device, &state.graph)) {
                notices if notices.is_empty() => Access::None,
                notices => Access::Notices(notices),
            },
        }
    }

    fn belongs(&self, party: &PublicKey) -> bool {
        let device = self.profile().device;
        let Some(party) = self.synced_party(party) else { return false };
        party.with(|state| state.authority.role_of_device(&device, &state.graph)).is_some()
    }

    fn heads(&self, party: &PublicKey) -> Heads {
        let mut heads = Heads::default();
        let Some(party) = self.synced_party(party) else { return heads };
        party.with(|state| {
            let mut closed = BTreeSet::new();
            for head in state.graph.feed_heads() {
                match state.graph.kind(&head.id) {
                    Some(EntryKind::Control) => heads.control.push(head.id),
                    _ if state.is_folded_as_counted(&head.id) => heads.data.push(head.id),
                    _ => {
                        closed.insert(head.feed);
                    }
                }
            }
            // Of a feed that is closed nobody needs what no counted entry cites (H5). Of control entries all are
            // needed.
            heads.data.extend(closed.iter().flat_map(|feed| state.told_heads(feed)));
        });
        heads.control.sort_unstable();
        heads.data.sort_unstable();
        heads.data.dedup();
        heads
    }

    fn contains(&self, party: &PublicKey, id: &Cid) -> bool {
        self.synced_party(party).is_some_and(|party| party.with(|state| state.has(id)))
    }

    fn wanted(&self, party: &PublicKey) -> Vec<Cid> {
        let Some(party) = self.synced_party(party) else { return Vec::new() };
        party.with(|state| {
            let waits = |id: &Cid| state.has(id) || state.refused.contains_key(id);
            let causes = state.pending.wanted().map(|(id, _)| id);
            let wanted: BTreeSet<Cid> = causes.chain(state.authority.cut_points()).collect();
            wanted.into_iter().filter(|id| !waits(id)).collect()
        })
    }

    fn difference(&self, party: &PublicKey, wanted: &[Cid], had: &[Cid], control_only: bool) -> Vec<Cid> {
        let Some(party) = self.synced_party(party) else { return Vec::new() };
        party.with(|state| {
            let mut lacking = state.graph.difference(wanted, had);
            if control_only {
                lacking.retain(|id| state.graph.kind(id) == Some(EntryKind::Control));
            }
            lacking
        })
    }

    fn is_noticed(&self, party: &PublicKey, id: &Cid, notices: &[Cid]) -> bool {
        let Some(party) = self.synced_party(party) else { return false };
        party.with(|state| {
            let is_control = state.graph.kind(id) == Some(EntryKind::Control);
            is_control && notices.iter().any(|notice| state.graph.reaches(notice, id))
        })
    }

    fn load(&self, party: &PublicKey, id: &Cid) -> Result<Option<Bundle>, ReplicaError> {
        self.load_bundle(party, id).map_err(|error| ReplicaError(error.to_string()))
    }

    fn blocks_lacking(&self, party: &PublicKey) -> Vec<Cid> {
        let lacking = self.party(party).and_then(|party| party.lacking_models());
        // What can't be read is told where somebody reads it.
        lacking.unwrap_or_default().into_iter().collect()
    }

    fn block(&self, party: &PublicKey, id: &Cid) -> Result<Option<Vec<u8>>, ReplicaError> {
        let block = self.party(party).and_then(|party| party.block_bytes(id));
        block.map_err(|error| ReplicaError(error.to_string()))
    }
}

impl Database {
    fn load_bundle(&self, party: &PublicKey, id: &Cid) -> Result<Option<Bundle>, Error> {
        let Some(handle) = self.synced_party(party) else { return Ok(None) };
        let store = self.store();
        let Some(position) = handle.with(|state| state.graph.position(id)) else {
            let waiting = pipeline::load_waiting(store, party, id)?;
            let waiting = waiting.map(|it| Bundle { entry: it.entry.encode(), parts: it.parts });
            return waiting
                .map_or_else(|| handle.with(|state| state.load_held(store, id)), |it| Ok(Some(it)));
        };
        let entry = state::load_entry(store, party, &position)?;
        Ok(Some(Bundle { entry: entry.encode(), parts: state::load_parts(store, &entry)? }))
    }

    /// Takes in what came by other means than a session. One answer per bundle: why it is no good, if it is none.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::NoSuchParty`].
    pub fn deliver(&self, party: &PublicKey, bundles: Vec<Bundle>) -> Result<Vec<Result<(), String>>, Error> {
        self.deliver_from(None, party, bundles)
    }

    /// Takes in what a session delivers, from a peer's device, which is to send only so much that has to wait (H13).
    /// One answer per bundle: why it is no good, if it is none.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::NoSuchParty`].
    pub fn deliver_from(
        &self,
        peer: Option<PublicKey>,
        party: &PublicKey,
        bundles: Vec<Bundle>,
    ) -> Result<Vec<Result<(), String>>, Error> {
        let party = self.party(party)?;
        let mut answers = Vec::with_capacity(bundles.len());
        let mut arrivals = Vec::new();
        for bundle in bundles {
            match Entry::decode(&bundle.entry) {
                Ok(entry) => {
                    answers.push((Some(entry.id()), Ok(())));
                    arrivals.push(Arrival { entry, parts: bundle.parts, peer });
                }
                Err(error) => {
                    party.hold_unknown(&error, bundle)?;
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
                if let Outcome::Rejected(why) | Outcome::Refused(why) | Outcome::Held(why) = outcome {
                    *answer = Err(why);
                }
            }
        }
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }

    /// Whether a device is another one of this owner's, and free to bring itself into a party when it hears of it.
    fn may_enter(&self, party: &Party, device: &PublicKey) -> bool {
        self.is_own_device(device) && party.removal_of(&self.profile().identity, device).is_none()
    }

    /// Whether an entry may change who is in a party, what the identity party says, or a title.
    fn concerns_steward(&self, party: &Party, arrival: &Arrival) -> bool {
        let header = arrival.entry.header();
        let root = party.root().tag();
        header.kind == EntryKind::Control
            || party.is_identity_party()
            || party.with(|state| state.authority.is_cut_point(&arrival.entry.id()))
            || header.parts.iter().any(|part| part.tag == root)
    }
}
