//! Deleting items, restoring them, and letting them go for good.
//!
//! A deleted item is hidden, and comes back when it is restored; a purged one never does, and an epoch may drop what
//! was said about it. What becomes of the items below is the caller's to choose ([`Cascade`]). All of a call is
//! durable together; a big tree takes several entries, one after the other.

use motet_item::{Item, ItemId, label};
use motet_store::Store;

use crate::state::PartyState;
use crate::{Error, Party, Receipt, Stand, Transaction};

/// What becomes of the items below one that is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cascade {
    /// While there are any, nothing is done.
    #[default]
    Refuse,
    /// Its children come under the root, and keep what is below them.
    Orphan,
    /// All of them go, too.
    Along,
}

/// How many items one entry deletes at most: each has a part in it.
const ITEMS_PER_ENTRY: usize = 500;

impl Transaction {
    /// Deletes an item alone: it is hidden until it is restored.
    pub fn delete(&mut self, item: ItemId) {
        self.set(item, label::DELETED, true);
    }

    /// Restores a deleted item.
    pub fn restore(&mut self, item: ItemId) {
        self.set(item, label::DELETED, false);
    }

    /// Lets an item go for good.
    pub fn purge(&mut self, item: ItemId) {
        self.set(item, label::PURGED, true);
    }
}

impl Party {
    /// Deletes an item.
    ///
    /// # Errors
    /// [`Error::NoSuchItem`]; [`Error::HasChildren`] if they are in the way; [`Error::Indelible`] for the root;
    /// otherwise as [`Transaction::commit`].
    pub fn delete_item(&self, item: ItemId, cascade: Cascade) -> Result<Vec<Receipt>, Error> {
        self.remove_items(item, cascade, |item| !item.is_deleted(), Transaction::delete)
    }

    /// Lets an item go for good, deleted or not.
    ///
    /// # Errors
    /// As [`Party::delete_item`].
    pub fn purge_item(&self, item: ItemId, cascade: Cascade) -> Result<Vec<Receipt>, Error> {
        self.remove_items(item, cascade, |_| true, Transaction::purge)
    }

    /// Restores a deleted item; if `along`, all that is deleted below it, too.
    ///
    /// # Errors
    /// [`Error::NoSuchItem`], also if it was purged; otherwise as [`Transaction::commit`].
    pub fn restore_item(&self, item: ItemId, along: bool) -> Result<Vec<Receipt>, Error> {
        let store = self.database().store();
        let deleted = self.ask(|state| {
            state.check_exists(store, item)?;
            let mut candidates = vec![item];
            if along {
                candidates.extend(state.tree(store)?.below(item));
            }
            state.those(store, candidates, Item::is_deleted)
        })?;
        self.in_entries(&deleted, Transaction::restore)
    }

    fn remove_items(
        &self,
        item: ItemId,
        cascade: Cascade,
        concerns: impl Fn(&Item) -> bool,
        remove: fn(&mut Transaction, ItemId),
    ) -> Result<Vec<Receipt>, Error> {
        if item == ItemId::root(&self.key()) || item == ItemId::tree(&self.key()) {
            return Err(Error::Indelible(item.to_string()));
        }
        let store = self.database().store();
        let (children, below) = self.ask(|state| {
            state.check_exists(store, item)?;
            let children: Vec<ItemId> = state.tree(store)?.children(item).collect();
            let below = state.tree(store)?.below(item);
            Ok::<_, Error>((state.those(store, children, &concerns)?, state.those(store, below, &concerns)?))
        })?;
        match cascade {
            Cascade::Refuse if !children.is_empty() => {
                Err(Error::HasChildren { item: item.to_string(), children: children.len() })
            }
            Cascade::Refuse | Cascade::Orphan => {
                let mut transaction = self.transaction();
                let root = ItemId::root(&self.key());
                children.iter().for_each(|child| transaction.place(*child, root, Stand::Last));
                remove(&mut transaction, item);
                Ok(vec![transaction.commit()?])
            }
            Cascade::Along => {
                // From the bottom up: a replica that has only some of the entries sees nothing hang under what is gone.
                let all: Vec<ItemId> = below.into_iter().rev().chain([item]).collect();
                self.in_entries(&all, remove)
            }
        }
    }

    fn in_entries(
        &self,
        items: &[ItemId],
        change: fn(&mut Transaction, ItemId),
    ) -> Result<Vec<Receipt>, Error> {
        let entries = items.chunks(ITEMS_PER_ENTRY).map(|items| {
            let mut transaction = self.transaction();
            items.iter().for_each(|item| change(&mut transaction, *item));
            transaction
        });
        self.commit_all(entries.collect())
    }
}

impl PartyState {
    /// Those of some items that exist and fit.
    fn those(
        &mut self,
        store: &dyn Store,
        items: Vec<ItemId>,
        fits: impl Fn(&Item) -> bool,
    ) -> Result<Vec<ItemId>, Error> {
        let mut fitting = Vec::new();
        for id in items {
            if !self.roster.contains(store, &id)? {
                continue;
            }
            let item = self.load_item(store, id)?;
            if item.row().is_some() && fits(item) {
                fitting.push(id);
            }
        }
        Ok(fitting)
    }

    /// Whether an item is there: it has a genesis, and was not purged.
    pub(crate) fn check_exists(&mut self, store: &dyn Store, id: ItemId) -> Result<(), Error> {
        self.check_item(store, id)?;
        let exists = self.load_item(store, id)?.row().is_some();
        exists.then_some(()).ok_or_else(|| Error::NoSuchItem { party: self.party, item: id.to_string() })
    }
}
