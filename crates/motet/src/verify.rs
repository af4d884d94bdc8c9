//! Everything read again and recomputed: signatures, hashes, links, bodies, and the state from scratch.

use motet_fact::{Cid, Digest};
use motet_feed::{Entry, Graph};
use motet_item::PartBody;

use crate::state::{self, PartyState};
use crate::tables::ENTRIES;
use crate::{Error, Party};

/// What a verification found.
#[derive(Clone, Debug, Default)]
pub struct Verification {
    /// Entries read, with signature, hash and links checked.
    pub entries: usize,
    /// Body parts read and hashed.
    pub parts: usize,
    /// Facts decoded.
    pub facts: usize,
    /// Bytes read.
    pub bytes: usize,
    /// What is wrong: where, and what.
    pub faults: Vec<String>,
    /// The state hash as the running database has it, and from scratch.
    pub hashes: Option<(Digest, Digest)>,
}

impl Verification {
    /// Whether all is well.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty() && self.hashes.is_none_or(|(kept, fresh)| kept == fresh)
    }
}

impl Party {
    /// Reads everything again and checks it. `seen` is told after each entry.
    ///
    /// # Errors
    /// [`Error::Store`] if the store can't be read at all; whatever else is wrong is in the result.
    pub fn verify(&self, seen: &mut dyn FnMut(usize)) -> Result<Verification, Error> {
        let store = self.database().store();
        let mut found = Verification::default();
        let mut graph = Graph::default();
        let mut rows = Vec::new();
        state::visit_rows(store, ENTRIES, self.key().as_bytes(), |_, bytes| {
            rows.push(bytes.to_vec());
            Ok(())
        })?;
        for bytes in rows {
            found.entries += 1;
            found.bytes += bytes.len();
            match Entry::decode(&bytes) {
                Ok(entry) => self.verify_entry(&entry, &mut graph, &mut found)?,
                Err(error) => found.faults.push(error.to_string()),
            }
            seen(found.entries);
        }
        if found.faults.is_empty() {
            let record = self.with(|state| state.record.clone());
            let models = self.database().models();
            let fresh = PartyState::with(store, record, models, &|_| true)?.state_hash(store)?;
            found.hashes = Some((self.state_hash()?, fresh));
        }
        Ok(found)
    }

    fn verify_entry(&self, entry: &Entry, graph: &mut Graph, found: &mut Verification) -> Result<(), Error> {
        if let motet_feed::Linkage::Missing(missing) = graph.linkage(entry) {
            found.faults.push(format!(
                "entry {} is stored as linked, but {} is missing",
                entry.id(),
                missing[0]
            ));
            return Ok(());
        }
        match graph.check(entry) {
            Ok(()) => graph.link(entry, true),
            Err(lie) => found.faults.push(lie.to_string()),
        }
        for part in &entry.header().parts {
            self.verify_part(entry, &part.cid, found);
        }
        Ok(())
    }

    fn verify_part(&self, entry: &Entry, cid: &Cid, found: &mut Verification) {
        let place = || {
            let header = entry.header();
            format!("part {cid} of entry {} (feed {}, seq {})", entry.id(), header.feed, header.seq)
        };
        let bytes = match state::load_part(self.database().store(), cid) {
            Ok(bytes) => bytes,
            Err(error) => return found.faults.push(format!("{}: {error}", place())),
        };
        found.parts += 1;
        found.bytes += bytes.len();
        let read = match entry.header().kind {
            motet_feed::EntryKind::Data => {
                PartBody::decode(&bytes).map(|body| body.facts.len()).map_err(|error| error.to_string())
            }
            motet_feed::EntryKind::Control => {
                motet_party::decode_body(&bytes).map(|_| 0).map_err(|error| error.to_string())
            }
        };
        match read {
            Ok(facts) => found.facts += facts,
            Err(error) => found.faults.push(format!("{}: {error}", place())),
        }
    }
}
