//! One party's asking half: what the peer told, what was asked for, what came.
//!
//! Asking goes in *rounds*: one Ask, the Offers that answer it, and the wanting and taking of what they named. A round
//! ends when all of it came or is known not to come; only then the next begins, from the heads that are here by then.
//! So the two never disagree about what an Offer answers, and what is kept is bounded by one window and two Offers.
//!
//! What the peer did not give, or the database did not take, is *put off* until the peer tells new heads; the
//! database's refusals are counted, and an entry refused three times is not asked for again on this connection.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use motet_fact::{Cid, PublicKey};

use crate::message::MAX_HEADS;
use crate::session::Limits;
use crate::{Access, Heads, Message, ProtocolError, Replica};

/// How often an entry is asked for that the database does not take.
const TRIES: u8 = 3;

/// A party as this connection sees it at this moment.
pub(crate) struct View<'a> {
    pub(crate) party: PublicKey,
    pub(crate) access: Access,
    pub(crate) replica: &'a dyn Replica,
    pub(crate) limits: &'a Limits,
}

impl View<'_> {
    fn contains(&self, id: &Cid) -> bool {
        self.replica.contains(&self.party, id)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offers {
    /// An Offer is under way.
    Expected,
    /// There are more, if we say so.
    More,
    /// That was all.
    Ended,
}

#[derive(Debug)]
struct Round {
    want: Vec<Cid>,
    offers: Offers,
    /// New heads were told since the Ask: what it did not reach may be there by now.
    outdated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Asked,
    Delivering,
}

#[derive(Debug, Default)]
pub(crate) struct Asking {
    heard: Option<Heads>,
    round: Option<Round>,
    /// Offered, lacking, not asked for yet; in causal order.
    queue: VecDeque<Cid>,
    /// Asked for and not yet taken.
    open: BTreeMap<Cid, Stage>,
    /// What was handed out for delivery, in that order.
    deliveries: VecDeque<Vec<Cid>>,
    put_off: BTreeSet<Cid>,
    refusals: BTreeMap<Cid, u8>,
}

impl Asking {
    /// The heads the peer told last.
    pub(crate) fn heard(&self) -> Option<&Heads> {
        self.heard.as_ref()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.round.is_none()
    }

    /// The peer tells its heads.
    pub(crate) fn hear(&mut self, mut heads: Heads) {
        heads.control.sort_unstable();
        heads.data.sort_unstable();
        self.put_off.clear();
        if let Some(round) = &mut self.round {
            round.outdated = true;
        }
        self.heard = Some(heads);
    }

    /// The peer offers; gives how many of the ids are lacking.
    pub(crate) fn offered(&mut self, view: &View, ids: Vec<Cid>, more: bool) -> Result<usize, ProtocolError> {
        let round = self.round.as_mut().filter(|round| round.offers == Offers::Expected);
        let Some(round) = round else { return Err(unasked("an offer", view.party, "there was no ask")) };
        round.offers = if more { Offers::More } else { Offers::Ended };
        let before = self.queue.len();
        let lacking: Vec<Cid> = ids.into_iter().filter(|id| self.lacks(view, id)).collect();
        self.queue.extend(lacking);
        Ok(self.queue.len() - before)
    }

    /// An entry comes that was asked for.
    pub(crate) fn arrived(&mut self, party: PublicKey, id: Cid) -> Result<(), ProtocolError> {
        match self.open.get_mut(&id) {
            Some(stage @ Stage::Asked) => *stage = Stage::Delivering,
            _ => return Err(unasked("an entry", party, "it was not wanted, or came before")),
        }
        Ok(())
    }

    /// These that arrived are handed out for delivery.
    pub(crate) fn hand_out(&mut self, ids: Vec<Cid>) {
        self.deliveries.push_back(ids);
    }

    /// The peer has not got what it was asked for.
    pub(crate) fn absent(&mut self, party: PublicKey, ids: &[Cid]) -> Result<(), ProtocolError> {
        for id in ids {
            if self.open.get(id) != Some(&Stage::Asked) {
                return Err(unasked("an absence", party, "the entry was not wanted"));
            }
            self.open.remove(id);
            self.put_off.insert(*id);
        }
        Ok(())
    }

    /// The database is done with the oldest delivery; gives how many it did not take.
    ///
    /// # Panics
    /// If nothing was handed out.
    pub(crate) fn delivered(&mut self, view: &View) -> usize {
        let ids = self.deliveries.pop_front().expect("`delivered` is called once for each delivery");
        let (taken, refused): (Vec<Cid>, Vec<Cid>) = ids.into_iter().partition(|id| view.contains(id));
        for id in taken.iter().chain(&refused) {
            self.open.remove(id);
        }
        for id in &refused {
            *self.refusals.entry(*id).or_default() += 1;
            self.put_off.insert(*id);
        }
        refused.len()
    }

    /// Goes on as far as it can go now.
    pub(crate) fn step(&mut self, view: &View, out: &mut Vec<Message>) {
        if !view.replica.receives(&view.party) {
            return;
        }
        self.want(view, out);
        self.go_on(view, out);
        if self.round.is_none() {
            self.begin(view, out);
        }
    }

    fn lacks(&self, view: &View, id: &Cid) -> bool {
        !view.contains(id)
            && !self.put_off.contains(id)
            && !self.open.contains_key(id)
            && self.refusals.get(id).is_none_or(|tries| *tries < TRIES)
    }

    fn want(&mut self, view: &View, out: &mut Vec<Message>) {
        let party = view.party;
        let mut ids = Vec::new();
        while self.open.len() < view.limits.window {
            let Some(id) = self.queue.pop_front() else { break };
            if self.lacks(view, &id) {
                self.open.insert(id, Stage::Asked);
                ids.push(id);
            }
        }
        if !ids.is_empty() {
            out.push(Message::Want { party, ids });
        }
    }

    fn go_on(&mut self, view: &View, out: &mut Vec<Message>) {
        let Some(round) = &mut self.round else { return };
        match round.offers {
            Offers::More if self.queue.len() < view.limits.window => {
                round.offers = Offers::Expected;
                out.push(Message::More { party: view.party });
            }
            Offers::Ended if self.queue.is_empty() && self.open.is_empty() => {
                let want = if round.outdated { Vec::new() } else { std::mem::take(&mut round.want) };
                self.put_off.extend(want.into_iter().filter(|id| !view.contains(id)));
                self.round = None;
            }
            Offers::Expected | Offers::More | Offers::Ended => {}
        }
    }

    fn begin(&mut self, view: &View, out: &mut Vec<Message>) {
        let Some(heard) = &self.heard else { return };
        let want = self.sought(view, heard);
        if want.is_empty() {
            return;
        }
        let (have, control_only) = match view.access {
            Access::Full => (own_heads(view), false),
            // A stranger learns nothing of what is here beyond what it said itself.
            Access::None | Access::Notices(_) => (here(view, &heard.control), true),
        };
        out.push(Message::Ask { party: view.party, want: want.clone(), have, control_only });
        self.round = Some(Round { want, offers: Offers::Expected, outdated: false });
    }

    /// Heads that are lacking, and what must come by name.
    fn sought(&self, view: &View, heard: &Heads) -> Vec<Cid> {
        let mut sought = heard.control.clone();
        if view.access == Access::Full {
            sought.extend(&heard.data);
            sought.extend(view.replica.wanted(&view.party));
        }
        sought.retain(|id| self.lacks(view, id));
        sought.truncate(MAX_HEADS);
        sought
    }
}

fn own_heads(view: &View) -> Vec<Cid> {
    let heads = view.replica.heads(&view.party);
    let mut have = heads.control;
    have.truncate(MAX_HEADS);
    have.extend(heads.data.iter().take(MAX_HEADS));
    have
}

fn here(view: &View, ids: &[Cid]) -> Vec<Cid> {
    ids.iter().filter(|id| view.contains(id)).copied().collect()
}

fn unasked(message: &'static str, party: PublicKey, what: &'static str) -> ProtocolError {
    ProtocolError::Unasked { message, party, what }
}
