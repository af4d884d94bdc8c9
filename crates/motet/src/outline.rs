//! Where items hang, put into the rows of `item`.
//!
//! An item's own facts don't say where it hangs; the tree's do. So what an item gives of `item` has no parent in it, and
//! what changes in a batch is what items and the tree changed together: a row that comes has the parent that its item
//! has after the batch, one that goes the one it had before, and an item that only moved has both.

use std::collections::BTreeMap;

use motet_fact::Value;
use motet_item::{BaseRelation, Change, Item, ItemId, TreeState, consolidate};

use crate::Error;
use crate::state::PartyState;
use motet_store::Store;

/// What folding changed: in the tree, and in all other items.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    tree: Vec<Change>,
    items: Vec<Change>,
}

/// Before and after a batch.
type Moved = BTreeMap<ItemId, (Option<ItemId>, Option<ItemId>)>;

impl Folded {
    /// Takes in what one item changed.
    pub(crate) fn add(&mut self, tree: ItemId, item: ItemId, changes: Vec<Change>) {
        if item == tree { self.tree.extend(changes) } else { self.items.extend(changes) }
    }

    /// The parents that items had and have, of those that hang elsewhere than before.
    fn moved(&self) -> Moved {
        let mut moved = Moved::new();
        for Change { row, weight, .. } in consolidate(self.tree.clone()).into_iter().filter(is_element) {
            let (parent, child) = (ItemId::from_value(&row[0]), ItemId::from_value(&row[1]));
            let child = moved.entry(child.expect("what hangs is an item")).or_default();
            *(if weight < 0 { &mut child.0 } else { &mut child.1 }) = parent;
        }
        moved.retain(|_, (before, after)| before != after);
        moved
    }
}

fn is_element(change: &Change) -> bool {
    change.relation == BaseRelation::Element
}

impl PartyState {
    /// The party's tree.
    pub(crate) fn tree(&mut self, store: &dyn Store) -> Result<&TreeState, Error> {
        let tree = ItemId::tree(&self.party);
        let item = self.load_item(store, tree)?;
        Ok(item.state().expect("the tree's model is always at work"))
    }

    /// The party's tree, if it is loaded.
    pub(crate) fn loaded_tree(&self) -> Option<&TreeState> {
        self.items.get(&ItemId::tree(&self.party))?.state()
    }

    /// All changes of the base relations, with the parents of items in their rows.
    pub(crate) fn hang(&self, folded: Folded) -> Vec<Change> {
        let Some(tree) = self.loaded_tree() else {
            return folded.items; // then no view reads `item`
        };
        let moved = folded.moved();
        let (rows, mut changes): (Vec<Change>, Vec<Change>) =
            folded.items.into_iter().partition(|change| change.relation == BaseRelation::Item);
        let mut only_moved = moved.clone();
        for mut change in consolidate(rows) {
            let id = ItemId::from_value(&change.row[0]).expect("an item's row has its id");
            let (before, after) = moved.get(&id).copied().unwrap_or_else(|| (tree.parent(id), tree.parent(id)));
            put_parent(&mut change.row, if change.weight < 0 { before } else { after });
            only_moved.remove(&id);
            changes.push(change);
        }
        for (id, (before, after)) in only_moved {
            let Some(row) = self.items.get(&id).and_then(Item::row) else { continue };
            for (parent, weight) in [(before, -1), (after, 1)] {
                let mut row = row.to_vec();
                put_parent(&mut row, parent);
                changes.push(Change::new(BaseRelation::Item, row, weight));
            }
        }
        changes.extend(folded.tree);
        changes
    }
}

/// Puts a parent into a row of `item`: empty bytes if there is none.
pub(crate) fn put_parent(row: &mut [Value], parent: Option<ItemId>) {
    row[3] = parent.map_or_else(|| Value::bytes([].as_slice()), Value::from);
}
