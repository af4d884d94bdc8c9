//! The control entries in the past of an entry, by their heads.
//!
//! A data entry obeys what control entries there are in its past (H1). To search for one of them through the data in
//! between would cost as many steps as there is data, so every entry keeps its *frontier*: the control entries of its
//! past that no other control entry of its past comes after. The frontiers are few, for most entries have that of the
//! entry before them, so each is kept once and known by a number.

use std::collections::BTreeMap;

/// Nodes, ascending; none of them is in the past of another.
pub(crate) type Frontier = Box<[u32]>;

/// Every frontier that some entry has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frontiers {
    all: Vec<Frontier>,
    numbers: BTreeMap<Frontier, u32>,
}

impl Frontiers {
    pub(crate) fn number(&mut self, frontier: Frontier) -> u32 {
        if let Some(&number) = self.numbers.get(&frontier) {
            return number;
        }
        let number = u32::try_from(self.all.len()).expect("there are no more frontiers than entries");
        self.all.push(frontier.clone());
        self.numbers.insert(frontier, number);
        number
    }

    /// All of them, by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u32]> {
        self.all.iter().map(Box::as_ref)
    }

    pub(crate) fn get(&self, number: u32) -> &[u32] {
        self.all.get(number as usize).map_or(&[], Box::as_ref)
    }
}
