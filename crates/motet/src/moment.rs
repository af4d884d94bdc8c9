//! A party as it was.
//!
//! A [`Moment`] is what a replica would be that had some entries and no others: all that lies in the past of some
//! heads, or all that was written by a date; and, as for every replica, what the cuts of their acts name (H9).
//! Control entries are among them, so what counted then counts, and what was removed later is still there. It is
//! folded from the same stored parts, item by item as they are asked for; it changes no more, and does not write.
//!
//! Dates are what writers say of themselves (`written_at`): of entries that claim to be older than what they cite, none
//! is taken without its causes.

use std::collections::BTreeSet;
use std::sync::Mutex;

use motet_fact::{Cid, Digest};
use motet_item::{Item, ItemId, TreeState};

use crate::circuits::Origin;
use crate::history::written_at;
use crate::party::ItemSummary;
use crate::state::PartyState;
use crate::view::View;
use crate::{Error, Party, Query};

/// When a party is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// After these entries, and all in their past.
    Heads(Vec<Cid>),
    /// At this time, in seconds since 1970, by the clocks of those who wrote.
    Time(i64),
}

/// A party as it was.
pub struct Moment {
    party: Party,
    state: Mutex<PartyState>,
}

impl Party {
    /// The party as it was.
    ///
    /// # Errors
    /// [`Error::NoSuchEntry`]; [`Error::Store`].
    pub fn as_of(&self, at: &AsOf) -> Result<Moment, Error> {
        let store = self.database().store();
        let (record, mut entries) = self.ask(|state| {
            let entries = match at {
                AsOf::Heads(heads) => state.past_of(heads)?,
                AsOf::Time(time) => state.written_by(store, *time)?,
            };
            Ok::<_, Error>((state.record.clone(), entries))
        })?;
        let models = self.database().models();
        let state = loop {
            let state = PartyState::with(store, record.clone(), models.clone(), &|id| entries.contains(id))?;
            // Who has an act gets what its cuts name (H9), also where that is in the past of nothing that counts.
            let named: Vec<Cid> = state.authority.cut_points().filter(|id| !entries.contains(id)).collect();
            let more = self.ask(|now| {
                let here: Vec<Cid> = named.into_iter().filter(|id| now.graph.contains(id)).collect();
                now.past_of(&here)
            })?;
            if more.is_empty() {
                break state;
            }
            entries.extend(more);
        };
        Ok(Moment { party: self.clone(), state: Mutex::new(state) })
    }
}

impl PartyState {
    fn past_of(&self, heads: &[Cid]) -> Result<BTreeSet<Cid>, Error> {
        if let Some(missing) = heads.iter().find(|head| !self.graph.contains(head)) {
            return Err(Error::NoSuchEntry(*missing));
        }
        Ok(self.graph.difference(heads, &[]).into_iter().collect())
    }

    fn written_by(&self, store: &dyn motet_store::Store, time: i64) -> Result<BTreeSet<Cid>, Error> {
        let mut entries = BTreeSet::new();
        for id in self.graph.ids() {
            let position = self.graph.position(&id).expect("it is linked");
            let follows = self.graph.causes(&id).iter().all(|cause| entries.contains(cause));
            if follows && written_at(self, store, &position)? <= time {
                entries.insert(id);
            }
        }
        Ok(entries)
    }
}

impl Moment {
    fn with<T>(&self, read: impl FnOnce(&mut PartyState) -> T) -> T {
        read(&mut self.state.lock().expect("nobody panics with a moment"))
    }

    /// How many entries there were.
    pub fn entries(&self) -> usize {
        self.with(|state| state.graph.len())
    }

    /// The hash of the state that it was: that of a replica which has just these entries (H21).
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn state_hash(&self) -> Result<Digest, Error> {
        self.with(|state| state.state_hash(self.party.database().store()))
    }

    /// The items that there were.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn items(&self) -> Result<Vec<ItemSummary>, Error> {
        self.with(|state| state.summaries(self.party.database().store()))
    }

    /// Reads an item as it was.
    ///
    /// # Errors
    /// [`Error::NoSuchItem`] if nothing had been said of it yet; [`Error::Store`].
    pub fn item<T>(&self, id: ItemId, read: impl FnOnce(&Item) -> T) -> Result<T, Error> {
        self.with(|state| {
            let store = self.party.database().store();
            state.check_item(store, id)?;
            Ok(read(state.load_item(store, id)?))
        })
    }

    /// Reads the tree as it was.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn tree<T>(&self, read: impl FnOnce(&TreeState) -> T) -> Result<T, Error> {
        self.with(|state| Ok(read(state.tree(self.party.database().store())?)))
    }

    /// The answer to a query as it was: a view that has run its one epoch.
    ///
    /// # Errors
    /// As [`Party::watch_on`]; [`Error::Timed`] if the query depends on epochs (Q11).
    pub fn query(&self, query: &Query) -> Result<View, Error> {
        let compiled = query.compile(&self.party.catalog()?)?;
        if compiled.program.is_timed() {
            return Err(Error::Timed);
        }
        let origin = Origin::new(self.party.database(), &[self.party.key()], query.runtime)?;
        self.with(|state| origin.open_over(state, compiled, query))
    }
}
