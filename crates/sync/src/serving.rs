//! One party's serving half: what the peer was told, what it is being offered, what it wants.
//!
//! Nothing is given to a device without access, and the answer it gets is the one it would get if the party were not
//! here. One that lost it is told why, by control entries and nothing else. Loading and packing the wanted entries is
//! the session's, which shares the credit among its parties.

use std::collections::VecDeque;

use motet_fact::{Cid, PublicKey};

use crate::asking::View;
use crate::message::{MAX_HEADS, MAX_WINDOW};
use crate::{Access, Heads, Message, ProtocolError};

/// The answer to one Ask. Only a stretch of it is kept: the past of an entry never changes, so the rest is found by
/// asking the replica the same again.
#[derive(Debug, Default)]
struct Offering {
    want: Vec<Cid>,
    have: Vec<Cid>,
    control_only: bool,
    /// How many ids of the answer came before `ids`.
    offset: usize,
    ids: VecDeque<Cid>,
    /// Nothing comes after `ids`.
    all: bool,
}

impl Offering {
    fn none() -> Self {
        Offering { all: true, ..Offering::default() }
    }

    fn load(&mut self, view: &View) {
        let mut ids = view.replica.difference(&view.party, &self.want, &self.have, self.control_only);
        if !self.control_only {
            add_waiting(view, &self.want, &self.have, &mut ids);
        }
        self.ids = ids.into_iter().skip(self.offset).collect();
        self.all = self.ids.len() <= view.limits.offer_total;
        self.ids.truncate(view.limits.offer_total);
        self.ids.shrink_to_fit();
    }

    fn take(&mut self, view: &View) -> Vec<Cid> {
        if self.ids.is_empty() && !self.all {
            self.load(view);
        }
        let piece = self.ids.len().min(view.limits.offer);
        self.offset += piece;
        self.ids.drain(..piece).collect()
    }

    fn is_over(&self) -> bool {
        self.ids.is_empty() && self.all
    }
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
        let heads = match &view.access {
            Access::None => {
                self.told = None;
                return;
            }
            Access::Notices(notices) => Heads { control: notices.clone(), data: Vec::new() },
            Access::Full => view.replica.heads(&view.party),
        };
        if self.unheard {
            return;
        }
        let heads = tidied(heads);
        if self.told.as_ref() != Some(&heads) {
            self.told = Some(heads.clone());
            self.unheard = true;
            out.push(Message::Heads { party: view.party, heads });
        }
    }

    /// Whether the heads told last were heard.
    pub(crate) fn is_heard(&self) -> bool {
        self.told.is_some() && !self.unheard
    }

    /// The heads were heard.
    pub(crate) fn heard(&mut self) {
        self.unheard = false;
    }

    /// Answers an Ask.
    pub(crate) fn ask(
        &mut self,
        view: &View,
        want: Vec<Cid>,
        have: Vec<Cid>,
        control_only: bool,
        out: &mut Vec<Message>,
    ) {
        self.offering = Offering { want, have, control_only, ..Offering::default() };
        if let Access::Notices(notices) = &view.access {
            self.offering.want.retain(|id| notices.contains(id));
            self.offering.control_only = true;
        }
        self.offer(view, out);
    }

    /// Offers the next piece.
    pub(crate) fn offer(&mut self, view: &View, out: &mut Vec<Message>) {
        if view.access == Access::None {
            self.offering = Offering::none();
        }
        let ids = self.offering.take(view);
        let more = !self.offering.is_over();
        if !more {
            self.offering = Offering::none();
        }
        out.push(Message::Offer { party: view.party, ids, more });
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
