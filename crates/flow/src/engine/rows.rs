//! Rows of one width, each once, numbered.
//!
//! The rows lie in one array, and a table of their numbers finds them by hashing. A row keeps its number as long as it
//! is there; numbers of rows that went are given to rows that come, so they stay dense and whatever is kept by number
//! can be an array.

use super::row::{Batch, Id, NONE, hash};

/// The smallest table.
const SMALL_TABLE: usize = 16;

/// A set of rows with numbers.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    width: usize,
    len: usize,
    /// The numbers that were ever given out.
    numbers: u32,
    /// The rows by number. Of a number that is free the first id is [`NONE`].
    cells: Vec<Id>,
    /// Numbers by hash; [`NONE`] where there is none. Empty, or as long as a power of two.
    slots: Vec<u32>,
    free: Vec<u32>,
}

impl Rows {
    pub(crate) fn new(width: usize) -> Self {
        Rows { width, len: 0, numbers: 0, cells: Vec::new(), slots: Vec::new(), free: Vec::new() }
    }

    /// Rows of one id that have numbers already, out of so many.
    pub(crate) fn numbered(there: impl Iterator<Item = (u32, Id)>, numbers: usize) -> Self {
        let mut rows = Rows { cells: vec![NONE; numbers], numbers: numbers as u32, ..Rows::new(1) };
        for (number, id) in there {
            rows.cells[number as usize] = id;
            rows.len += 1;
        }
        rows.free = (0..numbers as u32).filter(|number| !rows.has(*number)).collect();
        rows.slots = vec![NONE; ((rows.len + 1) * 2).next_power_of_two().max(SMALL_TABLE)];
        for number in (0..numbers as u32).filter(|number| rows.cells[*number as usize] != NONE) {
            let slot = rows.slot(rows.row(number));
            rows.slots[slot] = number;
        }
        rows
    }

    /// Whether a number stands for a row.
    #[inline]
    pub(crate) fn has(&self, number: u32) -> bool {
        if self.width == 0 { self.len > 0 } else { self.cells[number as usize * self.width] != NONE }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The row with a number.
    #[inline]
    pub(crate) fn row(&self, number: u32) -> &[Id] {
        let start = number as usize * self.width;
        &self.cells[start..start + self.width]
    }

    /// The number of a row, if it is there.
    #[inline]
    pub(crate) fn find(&self, row: &[Id]) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        let number = self.slots[self.slot(row)];
        (number != NONE).then_some(number)
    }

    #[inline]
    pub(crate) fn contains(&self, row: &[Id]) -> bool {
        self.find(row).is_some()
    }

    /// Adds a row; gives its number, and whether it is new.
    #[inline]
    pub(crate) fn insert(&mut self, row: &[Id]) -> (u32, bool) {
        debug_assert_eq!(row.len(), self.width);
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            self.rehash((self.slots.len() * 2).max(SMALL_TABLE));
        }
        let slot = self.slot(row);
        if self.slots[slot] != NONE {
            return (self.slots[slot], false);
        }
        let number = match self.free.pop() {
            Some(number) => {
                let start = number as usize * self.width;
                self.cells[start..start + self.width].copy_from_slice(row);
                number
            }
            None => {
                self.cells.extend_from_slice(row);
                let number = self.numbers;
                self.numbers = number.checked_add(1).filter(|next| *next < NONE).expect("rows have 32 bits");
                number
            }
        };
        self.slots[slot] = number;
        self.len += 1;
        (number, true)
    }

    /// Takes a row away; gives the number it had.
    pub(crate) fn remove(&mut self, row: &[Id]) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        let mut gap = self.slot(row);
        let number = self.slots[gap];
        if number == NONE {
            return None;
        }
        let mask = self.slots.len() - 1;
        let mut place = gap;
        loop {
            place = (place + 1) & mask;
            let moved = self.slots[place];
            if moved == NONE {
                break;
            }
            let home = self.home(self.row(moved));
            if (place.wrapping_sub(home) & mask) >= (place.wrapping_sub(gap) & mask) {
                self.slots[gap] = moved;
                gap = place;
            }
        }
        self.slots[gap] = NONE;
        if self.width > 0 {
            self.cells[number as usize * self.width] = NONE;
        }
        self.free.push(number);
        self.len -= 1;
        if self.len == 0 {
            *self = Rows::new(self.width);
        }
        Some(number)
    }

    /// The rows with their numbers, by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &[Id])> {
        (0..self.numbers).filter(|number| self.has(*number)).map(|number| (number, self.row(number)))
    }

    /// The first number that was never given out.
    pub(crate) fn numbers(&self) -> u32 {
        self.numbers
    }

    /// Adds rows to a batch, from a number on and about so many; gives the number to go on from.
    pub(crate) fn chunk(&self, from: u32, rows: usize, batch: &mut Batch) -> u32 {
        let to = self.numbers.min(from.saturating_add(u32::try_from(rows).unwrap_or(NONE)));
        for number in from..to {
            if self.has(number) {
                batch.push(self.row(number));
            }
        }
        to
    }

    /// All rows.
    pub(crate) fn batch(&self) -> Batch {
        let mut batch = Batch::new(self.width);
        self.iter().for_each(|(_, row)| batch.push(row));
        batch
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        (self.cells.capacity() + self.slots.capacity() + self.free.capacity()) * size_of::<Id>()
    }

    #[inline]
    fn home(&self, row: &[Id]) -> usize {
        (hash(row) >> (64 - self.slots.len().trailing_zeros())) as usize
    }

    /// Where the number of a row is, or the free place where it would be.
    #[inline]
    fn slot(&self, row: &[Id]) -> usize {
        let mask = self.slots.len() - 1;
        let mut place = self.home(row);
        loop {
            let number = self.slots[place];
            if number == NONE || same(self.row(number), row) {
                return place;
            }
            place = (place + 1) & mask;
        }
    }

    #[cold]
    fn rehash(&mut self, size: usize) {
        let old = std::mem::replace(&mut self.slots, vec![NONE; size]);
        let mask = size - 1;
        for number in old.into_iter().filter(|number| *number != NONE) {
            let mut place = self.home(self.row(number));
            while self.slots[place] != NONE {
                place = (place + 1) & mask;
            }
            self.slots[place] = number;
        }
    }
}

/// Rows are too short for a call to compare memory.
#[inline]
fn same(left: &[Id], right: &[Id]) -> bool {
    left.iter().zip(right).all(|(left, right)| left == right)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(crate::testing::config())]

        #[test]
        fn rows_keep_their_numbers(
            width in 0usize..4,
            steps in prop::collection::vec((prop::collection::vec(0u32..5, 4), any::<bool>()), 0..300),
        ) {
            let (mut rows, mut twin) = (Rows::new(width), BTreeMap::new());
            for (row, insert) in steps {
                let row = &row[..width];
                if insert {
                    let (number, new) = rows.insert(row);
                    prop_assert_eq!(new, !twin.contains_key(row));
                    prop_assert_eq!(*twin.entry(row.to_vec()).or_insert(number), number);
                } else {
                    prop_assert_eq!(rows.remove(row), twin.remove(row));
                }
                prop_assert_eq!((rows.len(), rows.find(row)), (twin.len(), twin.get(row).copied()));
            }
            let listed: BTreeMap<_, _> = rows.iter().map(|(number, row)| (row.to_vec(), number)).collect();
            prop_assert_eq!(listed, twin);
            let mut batch = Batch::new(width);
            let mut from = 0;
            while from < rows.numbers() {
                from = rows.chunk(from, 3, &mut batch);
            }
            prop_assert!(batch.rows().eq(rows.batch().rows()));
        }
    }
}
