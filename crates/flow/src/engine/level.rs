//! Levels: when each row of a recursive relation could be derived.
//!
//! A row that some rule derives from complete relations alone has level 0; one that is derived from rows of its own
//! recursion has a level above theirs. So a row's derivation never leads back to the row, and a row whose derivations
//! from lower levels are all gone has lost what it stood on, whatever cycles it is in. A level need not be the least
//! that would do; it is that of the derivation that was found first.

use super::row::{Id, NONE};
use super::rows::Rows;
use super::table::Table;

/// The level of a row.
pub(crate) type Level = u32;

/// The levels of a table's rows.
#[derive(Clone, Debug)]
pub(crate) enum Levels {
    /// By the numbers of the rows.
    Numbered(Vec<Level>),
    /// Of tables whose rows have none.
    Hashed { rows: Rows, levels: Vec<Level> },
}

impl Levels {
    pub(crate) fn new(table: &Table) -> Self {
        match table.width() {
            1 | 2 => Levels::Hashed { rows: Rows::new(table.width()), levels: Vec::new() },
            _ => Levels::Numbered(Vec::new()),
        }
    }

    /// The level of a row, if it has one.
    #[inline]
    pub(crate) fn get(&self, table: &Table, row: &[Id]) -> Option<Level> {
        let (number, levels) = match self {
            Levels::Numbered(levels) => (table.number(row)?, levels),
            Levels::Hashed { rows, levels } => (rows.find(row)?, levels),
        };
        levels.get(number as usize).copied().filter(|level| *level != NONE)
    }

    /// Sets the level of a row that is in the table; gives what it was.
    pub(crate) fn set(&mut self, table: &Table, row: &[Id], level: Level) -> Option<Level> {
        let (number, levels) = match self {
            Levels::Numbered(levels) => (table.number(row).expect("only rows that are there have levels"), levels),
            Levels::Hashed { rows, levels } => (rows.insert(row).0, levels),
        };
        if number as usize >= levels.len() {
            levels.resize(number as usize + 1, NONE);
        }
        let old = std::mem::replace(&mut levels[number as usize], level);
        (old != NONE).then_some(old)
    }

    /// Forgets the level of a row that is about to leave the table.
    pub(crate) fn remove(&mut self, table: &Table, row: &[Id]) {
        let number = match self {
            Levels::Numbered(_) => table.number(row),
            Levels::Hashed { rows, .. } => rows.remove(row),
        };
        let (Levels::Numbered(levels) | Levels::Hashed { levels, .. }) = self;
        if let Some(level) = number.and_then(|number| levels.get_mut(number as usize)) {
            *level = NONE;
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Levels::Numbered(levels) => levels.capacity() * size_of::<Level>(),
            Levels::Hashed { rows, levels } => rows.heap_bytes() + levels.capacity() * size_of::<Level>(),
        }
    }
}
