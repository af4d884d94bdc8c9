//! The items in memory: those that somebody touched, as many as there is room for.
//!
//! An item is folded from its own parts when it is asked for (H27), so one that nobody asks for any more can go. How
//! much an item takes is counted in facts, and all together may have [so many](crate::Limits::facts_in_memory); the one
//! that was just asked for stays in any case, and so does the tree.

use std::collections::{BTreeMap, VecDeque};

use motet_item::{Item, ItemId};

/// What an item counts besides its facts.
const OVERHEAD: usize = 8;

struct Loaded {
    item: Item,
    weight: usize,
    touched: bool,
}

/// Items by id.
pub(crate) struct WorkingSet {
    items: BTreeMap<ItemId, Loaded>,
    /// In the order in which they are looked at when room is needed.
    queue: VecDeque<ItemId>,
    weight: usize,
    /// Never let go.
    pinned: ItemId,
}

impl WorkingSet {
    /// None yet. One of them will never be let go.
    pub(crate) fn new(pinned: ItemId) -> Self {
        WorkingSet { items: BTreeMap::new(), queue: VecDeque::new(), weight: 0, pinned }
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn contains(&self, id: &ItemId) -> bool {
        self.items.contains_key(id)
    }

    pub(crate) fn get(&self, id: &ItemId) -> Option<&Item> {
        self.items.get(id).map(|loaded| &loaded.item)
    }

    pub(crate) fn get_mut(&mut self, id: &ItemId) -> Option<&mut Item> {
        self.items.get_mut(id).map(|loaded| {
            loaded.touched = true;
            &mut loaded.item
        })
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = ItemId> + '_ {
        self.items.keys().copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ItemId, &Item)> {
        self.items.iter().map(|(id, loaded)| (*id, &loaded.item))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (ItemId, &mut Item)> {
        self.items.iter_mut().map(|(id, loaded)| (*id, &mut loaded.item))
    }

    pub(crate) fn insert(&mut self, id: ItemId, item: Item) {
        let weight = weight(&item);
        self.weight += weight;
        if let Some(before) = self.items.insert(id, Loaded { item, weight, touched: true }) {
            self.weight -= before.weight;
        } else {
            self.queue.push_back(id);
        }
    }

    /// Whether they have more facts than that.
    pub(crate) fn is_over(&self, room: usize) -> bool {
        self.weight > room
    }

    /// Lets items go until they have no more facts than that, but not this one, nor those that are to stay.
    pub(crate) fn make_room(&mut self, room: usize, but: &ItemId, stays: impl Fn(&Item) -> bool) {
        // Each is looked at twice at most: once to forget that it was touched.
        for _ in 0..2 * self.queue.len() {
            if self.weight <= room {
                return;
            }
            let id = self.queue.pop_front().expect("it is as long as there are items");
            let loaded = self.items.get_mut(&id).expect("what is in the queue is in memory");
            let now = weight(&loaded.item);
            self.weight = self.weight - loaded.weight + now;
            loaded.weight = now;
            let stays = id == *but || id == self.pinned || stays(&loaded.item);
            if stays || std::mem::take(&mut loaded.touched) {
                self.queue.push_back(id);
            } else {
                self.weight -= now;
                self.items.remove(&id);
            }
        }
    }
}

fn weight(item: &Item) -> usize {
    OVERHEAD + item.sizes().1
}
