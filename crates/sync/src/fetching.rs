//! Blocks that are named and not carried by entries: programs of models.
//!
//! Who lacks some *fetches* them, a few at a time, from a peer that has told its heads; the answer has each of them, in
//! that order, or nothing in its place. What comes is hashed here and must be what was named: a peer that sends other
//! bytes is a liar, and its connection is closed. What a peer lacks is put off until it tells new heads, or says that
//! something came that it had to deny.

use std::collections::BTreeSet;

use motet_fact::{Cid, PublicKey};

use crate::asking::View;
use crate::message::MAX_FETCH;
use crate::{Access, Message, ProtocolError, ReplicaError};

/// How many denied blocks are remembered, so as to say that they came.
const MAX_DENIED: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Fetching {
    /// Asked for and not answered.
    open: Option<Vec<Cid>>,
    put_off: BTreeSet<Cid>,
    /// What the peer asked for and was not here.
    denied: BTreeSet<Cid>,
}

impl Fetching {
    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_none()
    }

    /// The peer may have what it had not.
    pub(crate) fn take_heart(&mut self) {
        self.put_off.clear();
    }

    /// Asks for what is lacking, if nothing is asked for.
    pub(crate) fn step(&mut self, view: &View, out: &mut Vec<Message>) {
        if self.open.is_some() || view.access == Access::None {
            return;
        }
        let lacking = view.replica.blocks_lacking(&view.party).into_iter();
        let ids: Vec<Cid> = lacking.filter(|id| !self.put_off.contains(id)).take(MAX_FETCH).collect();
        if !ids.is_empty() {
            self.open = Some(ids.clone());
            out.push(Message::Fetch { party: view.party, ids });
        }
    }

    /// The peer answers; gives what came.
    pub(crate) fn answered(
        &mut self,
        party: PublicKey,
        blocks: Vec<Vec<u8>>,
    ) -> Result<Vec<(Cid, Vec<u8>)>, ProtocolError> {
        let unasked = ProtocolError::Unasked { message: "blocks", party, what: "they were not asked for" };
        let Some(ids) = self.open.take().filter(|ids| ids.len() == blocks.len()) else { return Err(unasked) };
        let mut came = Vec::new();
        for (id, bytes) in ids.into_iter().zip(blocks) {
            // What came is not asked for again either, whatever the database says to it.
            self.put_off.insert(id);
            if bytes.is_empty() {
                continue;
            }
            if !id.names(&bytes) {
                return Err(ProtocolError::NotTheBlock { party, id });
            }
            came.push((id, bytes));
        }
        Ok(came)
    }

    /// Answers what the peer asks for.
    pub(crate) fn serve(&mut self, view: &View, ids: &[Cid], faults: &mut Vec<ReplicaError>) -> Message {
        let mut load = |id: &Cid| {
            if view.access == Access::None {
                return Vec::new();
            }
            let loaded = view.replica.block(&view.party, id).unwrap_or_else(|fault| {
                faults.push(fault);
                None
            });
            if loaded.is_none() && self.denied.len() < MAX_DENIED {
                self.denied.insert(*id);
            }
            loaded.unwrap_or_default()
        };
        Message::Blocks { party: view.party, blocks: ids.iter().map(&mut load).collect() }
    }

    /// Says if something came that the peer was denied.
    pub(crate) fn tell(&mut self, view: &View, out: &mut Vec<Message>) {
        let before = self.denied.len();
        self.denied.retain(|id| !matches!(view.replica.block(&view.party, id), Ok(Some(_))));
        if self.denied.len() < before && view.access == Access::Full {
            out.push(Message::Stocked { party: view.party });
        }
    }
}
