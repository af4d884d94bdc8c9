//! References between items: which an item has, which point at it, and what is at the other end.
//!
//! A reference is soft: it may point at an item that has not arrived, was deleted, or belongs to a party that this
//! database does not hold. Its [`Standing`] says so, and changes as entries arrive.

use motet_fact::{Attribute, PublicKey, Value};
use motet_item::{BaseRelation, ItemId, Reference};
use motet_store::Store;

use crate::state::PartyState;
use crate::{Error, Party};

/// What is at the other end of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// The item is there.
    Present,
    /// It is deleted, or gone for good.
    Deleted,
    /// Nothing is known of it here: it has not arrived, or its party is not held here.
    Missing,
}

impl Standing {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Standing::Present => "present",
            Standing::Deleted => "deleted",
            Standing::Missing => "missing",
        }
    }
}

/// A reference that a property holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// The item whose property it is.
    pub from: ItemId,
    /// The property.
    pub property: Attribute,
    /// What it points at.
    pub to: Reference,
}

impl Party {
    /// The references that an item's properties hold, with what is at their other ends.
    ///
    /// # Errors
    /// [`Error::NoSuchItem`], [`Error::Store`].
    pub fn links(&self, item: ItemId) -> Result<Vec<(Link, Standing)>, Error> {
        let store = self.database().store();
        let links = self.ask(|state| {
            state.check_item(store, item)?;
            state.links_of(store, item)
        })?;
        links.into_iter().map(|link| Ok((link.clone(), self.standing(&link.to)?))).collect()
    }

    /// The references to an item that items of this party hold. All of them are folded for it; a live query reads
    /// `refers`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn referrers(&self, to: &Reference) -> Result<Vec<Link>, Error> {
        let store = self.database().store();
        let to = self.normal(to);
        self.ask(|state| {
            let items = state.user_items(store)?;
            let mut links = Vec::new();
            for item in items {
                links.extend(state.links_of(store, item)?.into_iter().filter(|link| link.to == to));
            }
            Ok(links)
        })
    }

    /// What is at the other end of a reference that an item of this party holds.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn standing(&self, to: &Reference) -> Result<Standing, Error> {
        let store = self.database().store();
        match self.normal(to) {
            Reference { party: None, item } => self.ask(|state| state.standing(store, item)),
            Reference { party: Some(party), item } => match self.database().party(&party) {
                Ok(party) => party.ask(|state| state.standing(store, item)),
                Err(_) => Ok(Standing::Missing),
            },
        }
    }

    /// A reference to another party that is this one is one to an item of this party.
    fn normal(&self, to: &Reference) -> Reference {
        Reference { party: to.party.filter(|party| *party != self.key()), item: to.item }
    }
}

impl PartyState {
    fn links_of(&mut self, store: &dyn Store, item: ItemId) -> Result<Vec<Link>, Error> {
        let mut links = Vec::new();
        self.load_item(store, item)?.rows(&mut |relation, row| {
            if relation == BaseRelation::Refers
                && let (Ok(property), Some(to)) = (Attribute::new(row[1].clone()), target(&row[2]))
            {
                links.push(Link { from: item, property, to });
            }
        });
        links.sort_unstable();
        Ok(links)
    }

    fn standing(&mut self, store: &dyn Store, id: ItemId) -> Result<Standing, Error> {
        if !self.roster.contains(store, &id)? {
            return Ok(Standing::Missing);
        }
        let item = self.load_item(store, id)?;
        Ok(match item.row() {
            _ if item.is_deleted() || item.is_purged() => Standing::Deleted,
            Some(_) => Standing::Present,
            None => Standing::Missing,
        })
    }
}

/// What a value in the column `to` of `refers` points at.
fn target(value: &Value) -> Option<Reference> {
    let bytes = value.as_bytes()?;
    match bytes.split_at_checked(32)? {
        (item, []) => Some(Reference::here(ItemId(item.try_into().ok()?))),
        (party, item) => {
            Some(Reference::there(PublicKey::from_bytes(party).ok()?, ItemId(item.try_into().ok()?)))
        }
    }
}
