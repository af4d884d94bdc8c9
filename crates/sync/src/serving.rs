//! One party's serving half: what the peer was told, what it is being offered, what it wants.
//!
//! Nothing is given to a device without access, and the answer it gets is the one it would get if the party were not
//! here. Loading and packing the wanted entries is the session's, which shares the credit among its parties.

use std::collections::VecDeque;

use motet_fact::{Cid, PublicKey};

use crate::asking::View;
use crate::message::{MAX_HEADS, MAX_WINDOW};
use crate::{Access, Heads, Message, ProtocolError};

#[derive(Debug, Default)]
struct Offering {
    ids: VecDeque<Cid>,
    cut_off: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Serving {
    told: Option<Heads>,
    unheard: bool,
    offering: Offering,
    /// Wanted and not sent.
    pub(crate) wanted: VecDeque<Cid>,
}

impl Serving {
    /// The heads told last.
    pub(crate) fn told(&self) -> Option<&Heads> {
        self.told.as_ref()
    }

    /// Tells the heads if they changed, the peer may know them, and the last ones were heard.
    pub(crate) fn tell(&mut self, view: &View, out: &mut Vec<Message>) {
        if view.access == Access::None {
            self.told = None;
            return;
        }
        if self.unheard {
            return;
        }
        let heads = tidied(view.replica.heads(&view.party));
        if self.told.as_ref() != Some(&heads) {
            self.told = Some(heads.clone());
            self.unheard = true;
            out.push(Message::Heads { party: view.party, heads });
        }
    }

    /// The heads were heard.
    pub(crate) fn heard(&mut self) {
        self.unheard = false;
    }

    /// The peer speaks of this party for the first time. If it heard our heads before that, it may have had no use for
    /// them then.
    pub(crate) fn tell_again(&mut self) {
        if !self.unheard {
            self.told = None;
        }
    }

    /// Answers an Ask.
    pub(crate) fn ask(
        &mut self,
        view: &View,
        want: &[Cid],
        have: &[Cid],
        control_only: bool,
        out: &mut Vec<Message>,
    ) {
        self.offering = Offering::default();
        if view.access == Access::Full {
            let mut ids = view.replica.difference(&view.party, want, have, control_only);
            if !control_only {
                add_waiting(view, want, have, &mut ids);
            }
            let cut_off = ids.len() > view.limits.offer_total;
            ids.truncate(view.limits.offer_total);
            self.offering = Offering { ids: ids.into(), cut_off };
        }
        self.offer(view, out);
    }

    /// Offers the next piece.
    pub(crate) fn offer(&mut self, view: &View, out: &mut Vec<Message>) {
        if view.access == Access::None {
            self.offering = Offering::default();
        }
        let piece = self.offering.ids.len().min(view.limits.offer);
        let ids: Vec<Cid> = self.offering.ids.drain(..piece).collect();
        let more = !self.offering.ids.is_empty();
        out.push(Message::Offer { party: view.party, ids, more, again: !more && self.offering.cut_off });
    }

    /// The peer wants these.
    pub(crate) fn want(&mut self, party: PublicKey, ids: Vec<Cid>) -> Result<(), ProtocolError> {
        let wanted = self.wanted.len() + ids.len();
        if wanted > MAX_WINDOW {
            return Err(ProtocolError::Window { party, wanted });
        }
        self.wanted.extend(ids);
        Ok(())
    }
}

/// Entries that wait here are in nobody's past, so they are offered by name.
fn add_waiting(view: &View, want: &[Cid], have: &[Cid], ids: &mut Vec<Cid>) {
    let linked: std::collections::BTreeSet<Cid> = ids.iter().chain(have).copied().collect();
    let waiting = want.iter().filter(|id| !linked.contains(id) && view.replica.contains(&view.party, id));
    ids.extend(waiting);
}

fn tidied(mut heads: Heads) -> Heads {
    for ids in [&mut heads.control, &mut heads.data] {
        ids.sort_unstable();
        ids.dedup();
        ids.truncate(MAX_HEADS);
    }
    heads
}
