//! A relation in an epoch: its rows, and what the epoch did to them so far.
//!
//! An epoch changes nothing that it could not take back. Rows that come are put into the table at once and noted; rows
//! that go are only noted, and leave the table when the epoch is done. So both what was and what will be can be seen:
//! the table without what comes, and the table without what goes.

use super::level::{Level, Levels};
use super::row::Id;
use super::rows::Rows;
use super::table::Table;

/// The rows of a relation, and its changes in this epoch.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    pub(crate) table: Table,
    /// Rows that came in this epoch. In the first epoch that is all, and none are noted.
    pub(crate) come: Rows,
    /// Rows that go in this epoch. They are still in the table.
    pub(crate) gone: Rows,
    /// The levels of its rows, if it is recursive and they were ever needed.
    pub(crate) levels: Option<Levels>,
    /// Rows whose level this epoch changed, with what it was.
    regraded: Vec<(Vec<Id>, Level)>,
}

/// Which state of the relations a search sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// What was before the epoch.
    Old,
    /// What will be after it, as far as that is known.
    New,
}

impl Relation {
    pub(crate) fn new(width: usize) -> Self {
        Relation {
            table: Table::new(width),
            come: Rows::new(width),
            gone: Rows::new(width),
            levels: None,
            regraded: Vec::new(),
        }
    }

    pub(crate) fn is_changed(&self) -> bool {
        !self.come.is_empty() || !self.gone.is_empty()
    }

    /// The rows that are in the table, and not in this view.
    #[inline]
    pub(crate) fn hidden(&self, view: View) -> &Rows {
        match view {
            View::Old => &self.come,
            View::New => &self.gone,
        }
    }

    /// Whether a row is there after the epoch, as far as that is known.
    pub(crate) fn has(&self, row: &[Id]) -> bool {
        self.table.contains(row) && !self.gone.contains(row)
    }

    /// Adds a row, which is noted unless this is the first epoch; gives whether it was not there.
    #[inline]
    pub(crate) fn put(&mut self, row: &[Id], level: Level, first: bool) -> bool {
        if self.table.insert(row) {
            if !first {
                self.come.insert(row);
            }
            if let Some(levels) = &mut self.levels {
                levels.set(&self.table, row, level);
            }
            return true;
        }
        if self.gone.remove(row).is_none() {
            return false;
        }
        if let Some(levels) = &mut self.levels {
            let old =
                levels.set(&self.table, row, level).expect("every row of a graded relation has a level");
            self.regraded.push((row.to_vec(), old));
        }
        true
    }

    /// Notes that a row goes.
    pub(crate) fn drop_row(&mut self, row: &[Id]) {
        debug_assert!(self.has(row), "only a row that is there goes");
        self.gone.insert(row);
    }

    /// The level of a row, if levels are kept.
    #[inline]
    pub(crate) fn level(&self, row: &[Id]) -> Option<Level> {
        self.levels.as_ref().and_then(|levels| levels.get(&self.table, row))
    }

    /// Makes the changes of the epoch final.
    pub(crate) fn commit(&mut self) {
        let gone = std::mem::replace(&mut self.gone, Rows::new(self.table.width()));
        gone.iter().for_each(|(_, row)| self.erase(row));
        self.come = Rows::new(self.table.width());
        self.regraded = Vec::new();
    }

    /// Takes the changes of the epoch back.
    pub(crate) fn roll_back(&mut self) {
        let come = std::mem::replace(&mut self.come, Rows::new(self.table.width()));
        come.iter().for_each(|(_, row)| self.erase(row));
        self.gone = Rows::new(self.table.width());
        if let Some(levels) = &mut self.levels {
            for (row, level) in self.regraded.drain(..).rev() {
                levels.set(&self.table, &row, level);
            }
        }
    }

    fn erase(&mut self, row: &[Id]) {
        if let Some(levels) = &mut self.levels {
            levels.remove(&self.table, row);
        }
        assert!(self.table.remove(row), "a row that goes was there");
    }

    /// As before the first epoch.
    pub(crate) fn clear(&mut self) {
        self.table.clear();
        self.levels = None;
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let levels = self.levels.as_ref().map_or(0, Levels::heap_bytes);
        self.table.heap_bytes() + levels + self.come.heap_bytes() + self.gone.heap_bytes()
    }
}
