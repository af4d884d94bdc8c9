//! Retracting much, little by little (H13).
//!
//! A control entry may change at a stroke what counts of whole feeds: a million facts. The change itself commits at
//! once, together with a durable *work list*: the feeds, and how many of their entries are concerned. Then the entries
//! are looked at in bounded *steps*: each takes some hundreds of entries, tells the items that are loaded and the
//! views, and commits how far it has come. Until the last step the party is *withdrawing*, and says `n of m`. What is
//! concerned and fits one step is done with the change itself.
//!
//! The order of things makes a crash harmless. Items in memory are folded anew when the database opens, by what counts
//! then; what is derived and kept on disk is made anew in the steps that are left, which go by what is and not by what
//! was meant. A feed leaves the list with a checkpoint that says what was done of it.
//!
//! A party with kept views takes nothing in steps: such a view is to see each batch as the one epoch that it was, after
//! a crash too, and the [`journal`](crate::journal) knows of no batch that is half done.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Cid, PublicKey};
use motet_feed::EntryKind;
use motet_item::{Change, ItemId};
use motet_store::{Batch, Store};
use prost::Message as _;

use crate::proto::WithdrawalRow;
use crate::state::{self, PartyState};
use crate::tables::{WITHDRAWALS, under_party};
use crate::{Error, Party};

/// How many entries one step changes at most.
const STEP: usize = 500;
/// How many bytes their bodies have at most, if there is more than one: what a step costs is their facts.
const STEP_BYTES: u64 = 4 << 20;

/// A feed on the work list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Withdrawal {
    /// How many entries of the feed, in the order of linking, were looked at.
    next: usize,
    /// How many were changed, and how many there are to change, those included.
    done: u64,
    total: u64,
}

/// How far a withdrawal has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Entries that were withdrawn, or came to count again.
    pub done: u64,
    /// All that are concerned.
    pub total: u64,
}

/// Entries to be changed, and which of them say something about each item, if there is anybody to be told.
#[derive(Debug, Default)]
pub(crate) struct Batched {
    pub(crate) entries: Vec<Cid>,
    parts: BTreeMap<ItemId, Vec<Cid>>,
    /// Whether one of the entries can't be read: it may be about anything.
    pub(crate) is_blind: bool,
}

impl Batched {
    /// The items that they say something about.
    pub(crate) fn items(&self) -> impl Iterator<Item = ItemId> + '_ {
        self.parts.keys().copied()
    }

    fn add(&mut self, id: Cid, items: BTreeSet<ItemId>) {
        items.into_iter().for_each(|item| self.parts.entry(item).or_default().push(id));
        self.entries.push(id);
    }
}

impl PartyState {
    /// Reads the work list that a crash left.
    pub(crate) fn read_withdrawals(&mut self, store: &dyn Store) -> Result<(), Error> {
        let party = self.party;
        state::visit_rows(store, WITHDRAWALS, party.as_bytes(), |key, bytes| {
            let feed = PublicKey::from_bytes(&key[32..]);
            let feed = feed.map_err(|error| Error::unreadable("a row of `withdrawals`", error))?;
            let row = WithdrawalRow::decode(bytes);
            let row = row.map_err(|error| Error::unreadable("a row of `withdrawals`", error))?;
            self.withdrawals.insert(feed, Withdrawal { next: 0, done: row.done, total: row.total });
            Ok(())
        })
    }

    /// Puts feeds of which other entries may count than before on the work list. Gives those of their entries that are
    /// to be changed, if one step can do it: then nothing is put on the list.
    pub(crate) fn plan_withdrawal(
        &mut self,
        store: &dyn Store,
        feeds: &BTreeSet<PublicKey>,
        without: &BTreeSet<Cid>,
        batch: &mut Batch,
    ) -> Batched {
        if self.journal.is_kept() {
            return self.plan_at_once(store, feeds, without);
        }
        let (mut first, mut planned) = (Vec::new(), Vec::new());
        for feed in feeds {
            let mut stale = self.stale_of(feed, without).peekable();
            if stale.peek().is_some() {
                let room = (STEP + 1).saturating_sub(first.len());
                let before = first.len();
                first.extend(stale.by_ref().take(room));
                planned.push((*feed, (first.len() - before + stale.count()) as u64));
            }
        }
        let count: u64 = planned.iter().map(|(_, count)| count).sum();
        let known = planned.iter().any(|(feed, _)| self.withdrawals.contains_key(feed));
        // What can't be read now is on the list, and the error is told by the step that needs it.
        if count <= STEP as u64
            && !known
            && let Ok(batched) = self.batched(store, first)
            && batched.entries.len() as u64 == count
        {
            return batched;
        }
        for (feed, count) in planned {
            let withdrawal = self.withdrawals.entry(feed).or_default();
            *withdrawal = Withdrawal { next: 0, done: withdrawal.done, total: withdrawal.done + count };
            put_row(batch, &self.party, &feed, withdrawal);
        }
        Batched::default()
    }

    /// All that is to be changed of some feeds, as one step. One that can't be read may be about anything that is
    /// loaded.
    pub(crate) fn plan_at_once(
        &self,
        store: &dyn Store,
        feeds: &BTreeSet<PublicKey>,
        without: &BTreeSet<Cid>,
    ) -> Batched {
        let mut batched = Batched::default();
        for id in feeds.iter().flat_map(|feed| self.stale_of(feed, without)) {
            let items = self.said_of(store, &id).map(|(_, items)| items);
            batched.is_blind |= items.is_err();
            batched.add(id, items.unwrap_or_else(|_| self.items.ids().collect()));
        }
        batched
    }

    /// The entries of a feed that are folded otherwise than they count, without some.
    fn stale_of<'a>(
        &'a self,
        feed: &'a PublicKey,
        without: &'a BTreeSet<Cid>,
    ) -> impl Iterator<Item = Cid> + 'a {
        let entries = (0..).map_while(|n| self.graph.nth_of_feed(feed, n));
        entries.filter(|id| !without.contains(id) && self.is_stale(id))
    }

    /// Whether an entry is folded otherwise than it counts.
    fn is_stale(&self, id: &Cid) -> bool {
        self.is_folded_as_counted(id) != self.counts(id)
    }

    /// How far the work list is done; `None` if there is none.
    pub(crate) fn withdrawing(&self) -> Option<Progress> {
        if self.withdrawals.is_empty() {
            return None;
        }
        let sum = |sum: Progress, it: &Withdrawal| Progress {
            done: sum.done + it.done,
            total: sum.total + it.total,
        };
        Some(self.withdrawals.values().fold(Progress::default(), sum))
    }

    /// Takes one step; gives whether there is more to do.
    pub(crate) fn withdraw_some(&mut self, store: &dyn Store) -> Result<bool, Error> {
        let Some((&feed, &withdrawal)) = self.withdrawals.iter().next() else { return Ok(false) };
        let (stale, mut next) = self.stretch(&feed, withdrawal.next);
        let (places, ids): (Vec<usize>, Vec<Cid>) = stale.into_iter().unzip();
        let batched = self.batched(store, ids)?;
        self.load_for_views(store, batched.items().collect::<Vec<_>>())?;
        let taken = batched.entries.len();
        if let Some(place) = places.get(taken) {
            next = *place;
        }
        let done = withdrawal.done + taken as u64;
        let left = Withdrawal { next, done, total: withdrawal.total.max(done) };
        let is_last = self.graph.nth_of_feed(&feed, next).is_none();
        let mut batch = Batch::new();
        let changes = if is_last {
            // The list is done when a checkpoint says what was done.
            batch.delete(WITHDRAWALS, under_party(&self.party, feed.as_bytes()));
            let changes = self.change_counted(&batched);
            self.withdrawals.remove(&feed);
            self.save(store, batch)?;
            changes
        } else {
            put_row(&mut batch, &self.party, &feed, &left);
            store.commit(batch)?;
            self.withdrawals.insert(feed, left);
            let changes = self.change_counted(&batched);
            self.checkpoint_if_due(store)?;
            changes
        };
        self.is_title_new = true;
        self.tell(store, changes, (&[], &batched.entries), None);
        Ok(!self.withdrawals.is_empty())
    }

    /// The next entries of a feed that are folded otherwise than they count, with their places on the feed; and where
    /// to go on after them.
    fn stretch(&self, feed: &PublicKey, from: usize) -> (Vec<(usize, Cid)>, usize) {
        let (mut stale, mut next) = (Vec::new(), from);
        while stale.len() < STEP
            && let Some(id) = self.graph.nth_of_feed(feed, next)
        {
            if self.is_stale(&id) {
                stale.push((next, id));
            }
            next += 1;
        }
        (stale, next)
    }

    /// The first of some entries, as many as one step takes.
    fn batched(&self, store: &dyn Store, entries: Vec<Cid>) -> Result<Batched, Error> {
        let (mut batched, mut bytes) = (Batched::default(), 0);
        for id in entries {
            let (length, items) = self.said_of(store, &id)?;
            bytes += length;
            if bytes > STEP_BYTES && !batched.entries.is_empty() {
                break;
            }
            batched.add(id, items);
        }
        Ok(batched)
    }

    /// The length of an entry's body, and what it is about; nothing if there is nobody to be told.
    fn said_of(&self, store: &dyn Store, id: &Cid) -> Result<(u64, BTreeSet<ItemId>), Error> {
        let is_heard = !self.items.is_empty() || self.is_watched();
        if !is_heard || self.graph.kind(id) != Some(EntryKind::Data) {
            return Ok((0, BTreeSet::new()));
        }
        let position = self.graph.position(id).expect("it is linked");
        let entry = state::load_entry(store, &self.party, &position)?;
        let parts = &entry.header().parts;
        let length = parts.iter().map(|part| u64::from(part.length)).sum();
        Ok((length, parts.iter().map(|part| ItemId(part.tag.0)).collect()))
    }

    /// Folds entries by what counts now. Gives what that changes in the base relations.
    pub(crate) fn change_counted(&mut self, batched: &Batched) -> Vec<(ItemId, Change)> {
        for id in &batched.entries {
            self.note_counted(id);
        }
        let mut changes = Vec::new();
        for (id, entries) in &batched.parts {
            let counted = entries.iter().map(|id| (*id, self.counts(id))).collect();
            if let Some(item) = self.items.get_mut(id) {
                changes.extend(item.recount(&counted).into_iter().map(|change| (*id, change)));
            }
        }
        changes
    }

    /// Whether the facts of a linked entry are folded as counted.
    pub(crate) fn is_folded_as_counted(&self, id: &Cid) -> bool {
        self.graph.is_marked(id)
    }

    /// Notes that an entry is folded as it counts now.
    pub(crate) fn note_counted(&mut self, id: &Cid) {
        self.untold.remove(id);
        let counts = self.counts(id);
        if self.graph.mark(id, counts) {
            match counts {
                true => self.counted.insert(id.as_bytes()),
                false => self.counted.remove(id.as_bytes()),
            }
        }
        // What does not count is not cited, so that nobody needs it who comes later (H5). Control entries are needed
        // by everybody.
        if self.graph.kind(id) == Some(EntryKind::Data) {
            self.graph.set_citable(id, counts);
        }
        if let Some(position) = self.graph.position(id) {
            self.told_heads.remove(&position.feed);
        }
    }
}

impl Party {
    /// Does what is left on the work list, step by step; others may look in between.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub(crate) fn finish_withdrawals(&self) -> Result<(), Error> {
        let store = self.database().store();
        while self.ask(|state| state.withdraw_some(store))? {
            self.let_others_in();
        }
        Ok(())
    }
}

fn put_row(batch: &mut Batch, party: &PublicKey, feed: &PublicKey, withdrawal: &Withdrawal) {
    let row = WithdrawalRow { done: withdrawal.done, total: withdrawal.total };
    batch.put(WITHDRAWALS, under_party(party, feed.as_bytes()), row.encode_to_vec());
}
