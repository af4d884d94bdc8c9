//! Rows that have no value, as they stand now (Q3).
//!
//! An operator that drops a row because a term, a condition or an aggregate of it is undefined notes the row with the
//! change of its weight. Changes add up over all rounds and epochs, so what is noted in the end is what is there: when
//! a row goes, or comes to have a value, it is noted no more. Nothing is noted of rows that have a value.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use motet_algebra::{Site, Undefined};

use crate::row::PackedRow;
use crate::task::Task;

/// The rows that one operator drops, with their weights.
struct Notes<W> {
    site: Site,
    term: Arc<str>,
    rows: RefCell<BTreeMap<W, i64>>,
}

/// The rows that the operators of a dataflow drop.
pub(crate) struct Ledger<W> {
    operators: RefCell<Vec<Rc<Notes<W>>>>,
}

impl<W: PackedRow> Ledger<W> {
    /// Without operators.
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Ledger { operators: RefCell::default() })
    }

    /// What an operator notes rows with: the row, and the change of its weight.
    pub(crate) fn operator(&self, task: &Task, term: &Arc<str>) -> impl Fn(&W, i64) + use<W> {
        let notes = Notes { site: task.site().clone(), term: term.clone(), rows: RefCell::default() };
        let notes = Rc::new(notes);
        self.operators.borrow_mut().push(Rc::clone(&notes));
        let task = task.clone();
        move |row, change| {
            let mut rows = notes.rows.borrow_mut();
            let weight = rows.entry(row.clone()).or_insert_with(|| {
                task.hold(1, 1);
                0
            });
            *weight += change;
            if *weight == 0 {
                rows.remove(row);
            }
        }
    }

    /// How many rows are noted, of what, and for want of what.
    pub(crate) fn counts(&self) -> Vec<Undefined> {
        let operators = self.operators.borrow();
        let count =
            |notes: &Rc<Notes<W>>| (notes.site.clone(), notes.term.clone(), notes.rows.borrow().len());
        Undefined::sum(operators.iter().map(count))
    }
}
