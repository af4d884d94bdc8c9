//! Levels: when each row of a recursive relation could be derived.
//!
//! A row that some rule derives from complete relations alone has level 0; one that is derived from rows of its own
//! recursion has a level above theirs. So a row's derivation never leads back to the row, and a row whose derivations
//! from lower levels are all gone has lost what it stood on, whatever cycles it is in. A level need not be the least
//! that would do; it is that of the derivation that was found first.
//!
//! Levels lie beside the rows: by the row's number, or, of narrow tables, by the key of the row and its last column.
//! There it is an array of 16 bits from the least to the greatest id, where these are dense and no level is higher.

use super::keys::Keys;
use super::row::{Id, NONE};
use super::rows::Rows;
use super::table::Table;

/// The level of a row.
pub(crate) type Level = u32;

/// In an array: there is no row.
const NO_LEVEL: u16 = u16::MAX;
/// An array may be so many times longer than there are rows.
const SPARSE: usize = 4;
/// An array so short is never too long.
const SHORT: usize = 16;

/// The levels of a table's rows.
#[derive(Clone, Debug)]
pub(crate) enum Levels {
    /// By the numbers of the rows.
    Numbered(Vec<Level>),
    /// By all columns but the last, and then by the last.
    Narrow { keys: Keys, grades: Vec<Grades> },
}

/// Levels by one id.
#[derive(Clone, Debug)]
pub(crate) enum Grades {
    Dense { first: Id, len: u32, levels: Vec<u16> },
    Hashed { rows: Rows, levels: Vec<Level> },
}

impl Levels {
    pub(crate) fn new(table: &Table) -> Self {
        match table.width() {
            width @ (1 | 2) => Levels::Narrow { keys: Keys::new(width - 1), grades: Vec::new() },
            _ => Levels::Numbered(Vec::new()),
        }
    }

    /// The level of a row, if it has one.
    #[inline]
    pub(crate) fn get(&self, table: &Table, row: &[Id]) -> Option<Level> {
        match self {
            Levels::Numbered(levels) => {
                levels.get(table.number(row)? as usize).copied().filter(|level| *level != NONE)
            }
            Levels::Narrow { keys, grades } => {
                let (last, key) = row.split_last().expect("a narrow row has a column");
                grades.get(keys.find(key)? as usize)?.get(*last)
            }
        }
    }

    /// Sets the level of a row that is in the table; gives what it was.
    pub(crate) fn set(&mut self, table: &Table, row: &[Id], level: Level) -> Option<Level> {
        match self {
            Levels::Numbered(levels) => {
                let number = table.number(row).expect("only rows that are there have levels") as usize;
                if number >= levels.len() {
                    levels.resize(number + 1, NONE);
                }
                Some(std::mem::replace(&mut levels[number], level)).filter(|level| *level != NONE)
            }
            Levels::Narrow { keys, grades } => {
                let (last, key) = row.split_last().expect("a narrow row has a column");
                let number = keys.number(key) as usize;
                if number >= grades.len() {
                    grades.resize_with(number + 1, Grades::default);
                }
                grades[number].set(*last, level)
            }
        }
    }

    /// Forgets the level of a row that is about to leave the table.
    pub(crate) fn remove(&mut self, table: &Table, row: &[Id]) {
        match self {
            Levels::Numbered(levels) => {
                if let Some(level) = table.number(row).and_then(|number| levels.get_mut(number as usize)) {
                    *level = NONE;
                }
            }
            Levels::Narrow { keys, grades } => {
                let (last, key) = row.split_last().expect("a narrow row has a column");
                if let Some(number) = keys.find(key)
                    && let Some(grades) = grades.get_mut(number as usize)
                    && grades.remove(*last)
                {
                    keys.remove(key);
                }
            }
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Levels::Numbered(levels) => levels.capacity() * size_of::<Level>(),
            Levels::Narrow { keys, grades } => {
                let groups = grades.capacity() * size_of::<Grades>();
                keys.heap_bytes() + groups + grades.iter().map(Grades::heap_bytes).sum::<usize>()
            }
        }
    }
}

impl Default for Grades {
    fn default() -> Self {
        Grades::Dense { first: 0, len: 0, levels: Vec::new() }
    }
}

impl Grades {
    #[inline]
    fn get(&self, id: Id) -> Option<Level> {
        match self {
            Grades::Dense { first, levels, .. } => {
                let level = levels.get(id.wrapping_sub(*first) as usize).copied();
                level.filter(|level| *level != NO_LEVEL).map(Level::from)
            }
            Grades::Hashed { rows, levels } => rows.find(&[id]).map(|number| levels[number as usize]),
        }
    }

    fn set(&mut self, id: Id, level: Level) -> Option<Level> {
        if let Grades::Dense { first, len, levels } = self {
            let short = u16::try_from(level).ok().filter(|short| *short != NO_LEVEL);
            if let Some(short) = short
                && make_room(first, levels, id, *len as usize + 1)
            {
                let old = std::mem::replace(&mut levels[(id - *first) as usize], short);
                *len += u32::from(old == NO_LEVEL);
                return (old != NO_LEVEL).then_some(Level::from(old));
            }
            self.hash();
        }
        let Grades::Hashed { rows, levels } = self else { unreachable!("it was hashed") };
        let (number, new) = rows.insert(&[id]);
        if number as usize >= levels.len() {
            levels.resize(number as usize + 1, NONE);
        }
        let old = std::mem::replace(&mut levels[number as usize], level);
        if new && rows.len() >= SHORT && rows.len().is_power_of_two() {
            self.condense();
        }
        (!new).then_some(old)
    }

    /// Becomes an array if that is short enough by now.
    #[cold]
    fn condense(&mut self) {
        let Grades::Hashed { rows, levels } = self else { return };
        let ids = || rows.iter().map(|(number, row)| (row[0], levels[number as usize]));
        let (least, greatest) =
            ids().fold((NONE, 0), |(least, greatest), (id, _)| (least.min(id), greatest.max(id)));
        let length = (greatest - least) as usize + 1;
        if length <= rows.len() * SPARSE && ids().all(|(_, level)| level < Level::from(NO_LEVEL)) {
            let mut dense = vec![NO_LEVEL; length];
            ids().for_each(|(id, level)| dense[(id - least) as usize] = level as u16);
            *self = Grades::Dense { first: least, len: rows.len() as u32, levels: dense };
        }
    }

    #[cold]
    fn hash(&mut self) {
        let (mut rows, mut hashed) = (Rows::new(1), Vec::new());
        if let Grades::Dense { first, levels, .. } = self {
            for (place, level) in levels.iter().enumerate().filter(|(_, level)| **level != NO_LEVEL) {
                rows.insert(&[*first + place as u32]);
                hashed.push(Level::from(*level));
            }
        }
        *self = Grades::Hashed { rows, levels: hashed };
    }

    /// Forgets the level of an id; gives whether none is left.
    fn remove(&mut self, id: Id) -> bool {
        let left = match self {
            Grades::Dense { first, len, levels } => {
                if let Some(level) = levels.get_mut(id.wrapping_sub(*first) as usize) {
                    *len -= u32::from(*level != NO_LEVEL);
                    *level = NO_LEVEL;
                }
                *len as usize
            }
            Grades::Hashed { rows, .. } => {
                rows.remove(&[id]);
                rows.len()
            }
        };
        if left == 0 {
            *self = Grades::default();
        }
        left == 0
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Grades::Dense { levels, .. } => levels.capacity() * size_of::<u16>(),
            Grades::Hashed { rows, levels } => rows.heap_bytes() + levels.capacity() * size_of::<Level>(),
        }
    }
}

/// Makes an array hold a place for an id, unless it would be too long for so many rows.
#[inline]
fn make_room(first: &mut Id, levels: &mut Vec<u16>, id: Id, rows: usize) -> bool {
    if (id.wrapping_sub(*first) as usize) < levels.len() {
        return true;
    }
    if levels.is_empty() {
        *first = id;
    }
    let least = id.min(*first);
    let end = (*first as usize + levels.len()).max(id as usize + 1);
    let length = end - least as usize;
    let most = SHORT.max(rows * SPARSE);
    if length > most {
        return false;
    }
    if least < *first {
        // It will grow on this side again.
        let spare = (length / 4).min(least as usize).min(most - length);
        let more = (*first - least) as usize + spare;
        levels.splice(0..0, std::iter::repeat_n(NO_LEVEL, more));
        *first = least - spare as u32;
    }
    let needed = end - *first as usize;
    if needed > levels.len() {
        levels.resize(needed, NO_LEVEL);
    }
    true
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn id() -> impl Strategy<Value = Id> {
        prop_oneof![0u32..6, 100u32..160, 0u32..5_000]
    }

    proptest! {
        #![proptest_config(crate::testing::config())]

        #[test]
        fn levels_are_a_map(
            width in 1usize..4,
            steps in prop::collection::vec(
                (id(), id(), prop_oneof![0u32..9, 60_000u32..80_000], 0u8..4),
                0..400,
            ),
        ) {
            let mut table = Table::new(width);
            let mut levels = Levels::new(&table);
            let mut twin: BTreeMap<Vec<Id>, Level> = BTreeMap::new();
            for (one, two, level, choice) in steps {
                let row = &[one % 40, two, 7][usize::from(width == 1)..][..width];
                if choice == 0 {
                    levels.remove(&table, row);
                    table.remove(row);
                    twin.remove(row);
                } else {
                    table.insert(row);
                    prop_assert_eq!(levels.set(&table, row, level), twin.insert(row.to_vec(), level));
                }
                prop_assert_eq!(levels.get(&table, row), twin.get(row).copied());
            }
            for (row, level) in &twin {
                prop_assert_eq!(levels.get(&table, row), Some(*level));
            }
        }
    }
}
