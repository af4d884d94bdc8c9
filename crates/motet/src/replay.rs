//! Epochs of the journal, run again without anything else being run.
//!
//! What a batch changed in the base relations is not written down, and is found again by what it was about: the items
//! of its entries are folded as they were before the first of the epochs (without the entries that came since, and with
//! those counted that were), and then the epochs happen to them once more, one by one. So it costs what happened, and
//! not the party. The party itself is only read.
//!
//! What members, devices and feeds were is not found in this way, for it is a function of all control entries: who
//! reads that has the party made as it was ([`PartyState::with`]).

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::Cid;
use motet_feed::{EntryKind, Position};
use motet_item::{Change, Item, ItemId, PartBody};
use motet_store::Store;

use crate::Error;
use crate::journal::{Epoch, Journal};
use crate::outline::{hang, move_row};
use crate::queue::Queue;
use crate::relations::{ENTRY, PartyChanges, SMALL, entry_row};
use crate::state::{PartyState, assert_part, load_entry, load_part};

/// What an epoch of the journal changed.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) number: u64,
    pub(crate) changes: PartyChanges,
}

/// A party as it was before some epochs, as far as they are about it.
struct Replay<'a> {
    state: &'a PartyState,
    store: &'a dyn Store,
    /// The entries that are still to come.
    later: BTreeSet<Cid>,
    /// Of those, and of others that began or ceased to count meanwhile, whether they are counted.
    counted: BTreeMap<Cid, bool>,
    items: BTreeMap<ItemId, Item>,
}

impl PartyState {
    /// What each epoch after one changed, for somebody who takes in what a queue takes. Nothing if that can't be told
    /// without having the party made as it was.
    pub(crate) fn replay(
        &mut self,
        store: &dyn Store,
        after: u64,
        queue: &Queue,
    ) -> Result<Option<Vec<Replayed>>, Error> {
        let epochs = Journal::after(store, &self.party, after)?;
        if !epochs.is_empty() && SMALL.iter().any(|relation| queue.wants(relation)) {
            return Ok(None);
        }
        self.ask(queue.wanted().iter().flat_map(crate::relations::Wanted::asked));
        let mut replay = Replay::before(self, store, &epochs);
        let replayed = epochs.iter().map(|epoch| {
            let mut changes = PartyChanges::new();
            replay.run(epoch, queue, &mut changes)?;
            Ok(Replayed { number: epoch.number, changes })
        });
        Ok(Some(replayed.collect::<Result<_, Error>>()?))
    }
}

impl<'a> Replay<'a> {
    /// The party before the first of the epochs, which are all there were since.
    fn before(state: &'a PartyState, store: &'a dyn Store, epochs: &[Epoch]) -> Self {
        let linked = epochs.iter().flat_map(|epoch| &epoch.linked).map(|position| position.id);
        let later: BTreeSet<Cid> = linked.collect();
        let changed = epochs.iter().flat_map(|epoch| &epoch.changed);
        let now = |id: &Cid| (*id, state.is_folded_as_counted(id));
        let mut counted: BTreeMap<Cid, bool> = later.iter().chain(changed.clone()).map(now).collect();
        // Each change was one, so an even number of them is none.
        changed.for_each(|id| *counted.get_mut(id).expect("it was just put there") ^= true);
        Replay { state, store, later, counted, items: BTreeMap::new() }
    }

    fn run(&mut self, epoch: &Epoch, queue: &Queue, all: &mut PartyChanges) -> Result<(), Error> {
        let mut changes = Vec::new();
        for id in &epoch.changed {
            *self.counted.get_mut(id).expect("it changes") ^= true;
        }
        if queue.reads_items() {
            changes.extend(self.recount(&epoch.changed)?);
            for position in &epoch.linked {
                changes.extend(self.take_in(position)?);
            }
        }
        if queue.reads_outline() {
            changes = self.hang(changes)?;
        }
        for position in &epoch.linked {
            self.later.remove(&position.id);
        }
        for (item, change) in changes {
            all.entry(change.relation.name()).or_default().push((Some(item), change.row, change.weight));
        }
        if queue.wants(ENTRY) {
            let row = |id: &Cid, counted, weight| (None, entry_row(self.state, id, counted), weight);
            let rows = all.entry(ENTRY).or_default();
            rows.extend(epoch.linked.iter().map(|one| row(&one.id, self.counted[&one.id], 1)));
            for id in &epoch.changed {
                let counted = self.counted[id];
                rows.extend([row(id, !counted, -1), row(id, counted, 1)]);
            }
        }
        Ok(())
    }

    /// Entries began or ceased to count.
    fn recount(&mut self, changed: &[Cid]) -> Result<Vec<(ItemId, Change)>, Error> {
        let mut about: BTreeMap<ItemId, BTreeMap<Cid, bool>> = BTreeMap::new();
        for id in changed.iter().filter(|id| self.state.graph.kind(id) == Some(EntryKind::Data)) {
            let position = self.state.graph.position(id).expect("it is linked");
            let entry = load_entry(self.store, &self.state.party, &position)?;
            for part in &entry.header().parts {
                about.entry(ItemId(part.tag.0)).or_default().insert(*id, self.counted[id]);
            }
        }
        let mut changes = Vec::new();
        for (id, counted) in about {
            // It may have been folded just now, with what counts already.
            let back = counted.iter().map(|(entry, is)| (*entry, !is)).collect();
            let item = self.item(id)?;
            let _as_it_was = item.recount(&back);
            changes.extend(item.recount(&counted).into_iter().map(|change| (id, change)));
        }
        Ok(changes)
    }

    /// An entry was linked.
    fn take_in(&mut self, position: &Position) -> Result<Vec<(ItemId, Change)>, Error> {
        let entry = load_entry(self.store, &self.state.party, position)?;
        let mut changes = Vec::new();
        if entry.header().kind == EntryKind::Control {
            return Ok(changes);
        }
        let (graph, counted) = (&self.state.graph, self.counted[&position.id]);
        for part in &entry.header().parts {
            let id = ItemId(part.tag.0);
            if let Ok(body) = PartBody::decode(&load_part(self.store, &part.cid)?) {
                let of_item = assert_part(self.item(id)?, *position, counted, &body, graph);
                changes.extend(of_item.into_iter().map(|change| (id, change)));
            }
        }
        Ok(changes)
    }

    /// Puts parents into the rows of items.
    fn hang(&mut self, changes: Vec<(ItemId, Change)>) -> Result<Vec<(ItemId, Change)>, Error> {
        let id = ItemId::tree(&self.state.party);
        let tree = self.item(id)?.state().expect("the tree's model is always at work");
        let (mut changes, moved) = hang(changes, id, tree);
        for (id, seats) in moved {
            changes.extend(move_row(id, self.item(id)?.row(), seats));
        }
        Ok(changes)
    }

    /// An item as it is in the epoch that is run.
    fn item(&mut self, id: ItemId) -> Result<&mut Item, Error> {
        if !self.items.contains_key(&id) {
            let counted = |entry: &Cid| match self.later.contains(entry) {
                true => None,
                false => {
                    let known = self.counted.get(entry).copied();
                    Some(known.unwrap_or_else(|| self.state.is_folded_as_counted(entry)))
                }
            };
            let item = self.state.fold_past(self.store, id, &counted)?;
            self.items.insert(id, item);
        }
        Ok(self.items.get_mut(&id).expect("it was just put there"))
    }
}
