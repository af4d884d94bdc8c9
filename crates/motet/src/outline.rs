//! Where items hang, put into the rows of `item`.
//!
//! An item's own facts don't say where it hangs; the tree's do. So what an item gives of `item` has no parent in it,
//! and what changes in a batch is what items and the tree changed together: a row that comes has the parent that its
//! item has after the batch, one that goes the one it had before, and an item that only moved has both.

use std::collections::BTreeMap;

use motet_fact::Value;
use motet_item::{BaseRelation, Change, ItemId, TreeState, consolidate};
use motet_store::Store;

use crate::Error;
use crate::state::PartyState;

/// A change, and the item that it is of.
type Changes = Vec<(ItemId, Change)>;

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

    /// All changes of a batch, with the parents of items in their rows.
    ///
    /// # Errors
    /// [`Error::Store`], if an item can't be read that only moved.
    pub(crate) fn hang(&mut self, store: &dyn Store, changes: Changes) -> Result<Changes, Error> {
        let tree_id = ItemId::tree(&self.party);
        let (mut changes, moved) = hang(changes, tree_id, self.tree(store)?);
        for (id, seats) in moved {
            changes.extend(move_row(id, self.load_item(store, id)?.row(), seats));
        }
        Ok(changes)
    }
}

/// The parents that an item had before a batch and has after it.
pub(crate) type Seats = (Option<ItemId>, Option<ItemId>);

/// All changes of a batch, with the parents of items in their rows as the tree has them after it; and which items only
/// moved.
pub(crate) fn hang(
    changes: Changes,
    tree_id: ItemId,
    tree: &TreeState,
) -> (Changes, BTreeMap<ItemId, Seats>) {
    let (rows, mut changes): (Changes, Changes) =
        changes.into_iter().partition(|(_, change)| change.relation == BaseRelation::Item);
    let moved = moved(tree_id, &changes);
    let mut only_moved = moved.clone();
    for mut change in consolidate(rows.into_iter().map(|(_, change)| change).collect()) {
        let id = ItemId::from_value(&change.row[0]).expect("an item's row has its id");
        let (before, after) = moved.get(&id).copied().unwrap_or_else(|| (tree.parent(id), tree.parent(id)));
        put_parent(&mut change.row, if change.weight < 0 { before } else { after });
        only_moved.remove(&id);
        changes.push((id, change));
    }
    (changes, only_moved)
}

/// What changes when an item with a row of `item` hangs elsewhere.
pub(crate) fn move_row(id: ItemId, row: Option<&[Value]>, (before, after): Seats) -> Changes {
    let change = |row: &[Value], parent, weight| {
        let mut row = row.to_vec();
        put_parent(&mut row, parent);
        (id, Change::new(BaseRelation::Item, row, weight))
    };
    row.map(|row| vec![change(row, before, -1), change(row, after, 1)]).unwrap_or_default()
}

/// The parents that items had before a batch and have after it, of those that hang elsewhere then.
fn moved(tree: ItemId, changes: &Changes) -> BTreeMap<ItemId, Seats> {
    let of_tree =
        changes.iter().filter(|(of, change)| *of == tree && change.relation == BaseRelation::Element);
    let mut moved: BTreeMap<ItemId, Seats> = BTreeMap::new();
    for Change { row, weight, .. } in consolidate(of_tree.map(|(_, change)| change.clone()).collect()) {
        let (parent, child) = (ItemId::from_value(&row[0]), ItemId::from_value(&row[1]));
        let seats = moved.entry(child.expect("what hangs is an item")).or_default();
        *(if weight < 0 { &mut seats.0 } else { &mut seats.1 }) = parent;
    }
    moved.retain(|_, (before, after)| before != after);
    moved
}

/// Puts a parent into a row of `item`: empty bytes if there is none.
pub(crate) fn put_parent(row: &mut [Value], parent: Option<ItemId>) {
    row[3] = parent.map_or_else(|| Value::bytes([].as_slice()), Value::from);
}
