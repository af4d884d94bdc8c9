//! A user's own entries that are written but do not count, and why (H26).

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Cid, PublicKey};
use motet_party::Loss;

use crate::Party;
use crate::state::{self, PartyState};
use crate::tables::{RESCUED, under_party};

/// Entries of one of a user's own feeds that do not count, for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnLoss {
    /// The feed.
    pub feed: PublicKey,
    /// Why they don't count: by which act, whose.
    pub loss: Loss,
    /// How many there are, those that were rescued left out.
    pub entries: u64,
    /// The first of them.
    pub first: Cid,
    /// How many were rescued: what they say is said again.
    pub rescued: u64,
}

impl PartyState {
    /// The entries of a member's own feeds that do not count, in order of linking.
    pub(crate) fn uncounted_of(&self, member: &PublicKey) -> Vec<Cid> {
        let own = |feed: &PublicKey| self.authority.member_of_feed(feed) == Some(*member);
        let feeds = self.graph.feeds().map(|(feed, ..)| feed).filter(own);
        let entries = feeds.flat_map(|feed| self.graph.entries_of_feed(&feed));
        entries.filter(|id| !self.counts(id)).collect()
    }

    pub(crate) fn own_losses(&self, member: &PublicKey, rescued: &BTreeSet<Cid>) -> Vec<OwnLoss> {
        let mut losses: BTreeMap<(PublicKey, String), OwnLoss> = BTreeMap::new();
        for id in self.uncounted_of(member) {
            let Some(loss) = self.authority.loss(&id, &self.graph) else { continue };
            let feed = self.graph.position(&id).expect("it is linked").feed;
            let new = || OwnLoss { feed, loss: loss.clone(), entries: 0, first: id, rescued: 0 };
            let counted = losses.entry((feed, loss.to_string())).or_insert_with(new);
            let count = if rescued.contains(&id) { &mut counted.rescued } else { &mut counted.entries };
            *count += 1;
        }
        losses.into_values().collect()
    }
}

impl Party {
    /// The own entries that do not count and were said again.
    pub(crate) fn rescued(&self) -> BTreeSet<Cid> {
        let mut rescued = BTreeSet::new();
        let prefix = under_party(&self.key(), &[]);
        // A row that can't be read rescued nothing.
        let _ = state::visit_rows(self.database().store(), RESCUED, &prefix, |key, _| {
            rescued.extend(Cid::from_bytes(&key[32..]).ok());
            Ok(())
        });
        rescued
    }
}
