//! Which items there are: those that have parts here.
//!
//! Of a party on disk the rows of `item_parts` say it, and only what came since the last checkpoint is in memory. A
//! party as it was has its own, whole in memory.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use motet_fact::PublicKey;
use motet_item::ItemId;
use motet_store::{ScanRange, Store};

use crate::Error;
use crate::tables::{ITEM_PARTS, under_party};

#[derive(Debug)]
pub(crate) struct Roster {
    party: PublicKey,
    /// The root among them: it is always there.
    in_memory: BTreeSet<ItemId>,
    /// Whether `item_parts` has more.
    on_disk: bool,
}

impl Roster {
    /// The items of a party of which nothing is known yet.
    pub(crate) fn new(party: PublicKey, on_disk: bool) -> Self {
        Roster { party, in_memory: BTreeSet::from([ItemId::root(&party)]), on_disk }
    }

    /// An item has a part.
    pub(crate) fn add(&mut self, id: ItemId) {
        self.in_memory.insert(id);
    }

    /// What is in memory is on disk, too.
    pub(crate) fn settle(&mut self) {
        if self.on_disk {
            *self = Roster::new(self.party, true);
        }
    }

    pub(crate) fn contains(&self, store: &dyn Store, id: &ItemId) -> Result<bool, Error> {
        if self.in_memory.contains(id) {
            return Ok(true);
        }
        Ok(self.on_disk && first(store, ScanRange::prefix(under_party(&self.party, &id.0)))?.is_some())
    }

    /// All items, ascending.
    pub(crate) fn ids(&self, store: &dyn Store) -> Result<BTreeSet<ItemId>, Error> {
        let mut ids = self.in_memory.clone();
        let mut range = ScanRange::prefix(under_party(&self.party, &[]));
        while self.on_disk
            && let Some(id) = first(store, range)?
        {
            ids.insert(id);
            // Behind all its parts: what follows the item in their keys begins with a depth.
            let end = [self.party.as_bytes().as_slice(), &id.0, &[u8::MAX; 9]].concat();
            range = ScanRange::prefix(under_party(&self.party, &[])).after(end);
        }
        Ok(ids)
    }
}

/// The item of the first row in a range of `item_parts`.
fn first(store: &dyn Store, range: ScanRange) -> Result<Option<ItemId>, Error> {
    let mut found = None;
    store.scan(ITEM_PARTS, range, &mut |key, _| {
        found = key.get(32..64).and_then(|id| Some(ItemId(id.try_into().ok()?)));
        ControlFlow::Break(())
    })?;
    Ok(found)
}
