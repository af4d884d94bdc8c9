//! For whom an operator works: the rule whose rows it makes, and to whom that is accounted.

use std::cell::Cell;
use std::rc::Rc;

use motet_algebra::Site;
use motet_algebra::dictionary::{Dictionary, Id, SharedDictionary};
use motet_fact::Value;

use crate::meter::Meter;

/// What an update costs beside its rows: its time and weight.
const TIME_BYTES: u64 = 16;

/// What all operators of a dataflow share.
#[derive(Clone)]
pub(crate) struct Shared {
    /// What they are counted by.
    pub(crate) meter: Rc<Meter>,
    /// The numbers of values.
    pub(crate) dictionary: SharedDictionary,
    /// What a row costs ([`crate::plan::Plan::row_bytes`]).
    pub(crate) row_bytes: u64,
}

impl Shared {
    /// The work of a rule; or of several of one relation, together.
    ///
    /// # Panics
    /// Without any.
    pub(crate) fn task(&self, sites: Vec<Site>) -> Task {
        assert!(!sites.is_empty(), "somebody is worked for");
        let sites = Rc::new(Sites { all: sites, last: Cell::new(0) });
        Task { shared: self.clone(), sites, rule: None }
    }
}

/// The work of an operator: for one rule, or for all of a relation together. Of these the one is blamed that was
/// worked for last.
#[derive(Clone)]
pub(crate) struct Task {
    shared: Shared,
    sites: Rc<Sites>,
    /// Of the rules the one that is worked for.
    rule: Option<usize>,
}

/// The rules that are worked for.
struct Sites {
    all: Vec<Site>,
    /// The one that was worked for last.
    last: Cell<usize>,
}

impl Task {
    /// The part of the work that is for one of the rules.
    pub(crate) fn of_rule(&self, rule: usize) -> Task {
        Task { rule: Some(rule), ..self.clone() }
    }

    /// The rule that is worked for.
    pub(crate) fn site(&self) -> &Site {
        &self.sites.all[self.rule.unwrap_or_else(|| self.sites.last.get())]
    }

    /// Notes that this is being worked on.
    pub(crate) fn note(&self) {
        if let Some(rule) = self.rule {
            self.sites.last.set(rule);
        }
    }

    /// Whether there is nothing more to be done: nothing that is made now is looked at.
    pub(crate) fn is_stopped(&self) -> bool {
        self.shared.meter.is_stopped()
    }

    /// Notes that a row was worked on.
    pub(crate) fn work(&self) {
        self.note();
        self.shared.meter.work(1, self.site());
    }

    /// Counts a row that was put together.
    pub(crate) fn count_row(&self) {
        self.note();
        self.shared.meter.rows(1, self.site());
    }

    /// Counts changes of a relation.
    pub(crate) fn count_changes(&self, changes: usize) {
        self.shared.meter.rows(changes, self.site());
        self.hold_updates(changes, 1);
    }

    /// Notes that a loop is in this round, the first being 1.
    pub(crate) fn count_round(&self, round: u64) {
        self.shared.meter.round(round, self.site());
    }

    /// Counts updates that are kept, each of so many rows.
    pub(crate) fn hold(&self, updates: u64, rows: u64) {
        self.shared.meter.hold(updates.saturating_mul(self.update_bytes(rows)), self.site());
    }

    /// The same, of a number of another type.
    pub(crate) fn hold_updates(&self, updates: usize, rows: u64) {
        self.hold(u64::try_from(updates).unwrap_or(u64::MAX), rows);
    }

    /// Counts updates that are kept no more.
    pub(crate) fn release(&self, updates: u64, rows: u64) {
        self.shared.meter.release(updates.saturating_mul(self.update_bytes(rows)));
    }

    fn update_bytes(&self, rows: u64) -> u64 {
        rows * self.shared.row_bytes + TIME_BYTES
    }

    /// Looks values up.
    pub(crate) fn look_up<T>(&self, look: impl FnOnce(&Dictionary) -> T) -> T {
        look(&self.shared.dictionary.borrow())
    }

    /// The number of a value that was made.
    pub(crate) fn intern(&self, value: &Value) -> Id {
        let mut dictionary = self.shared.dictionary.borrow_mut();
        let before = dictionary.bytes();
        let id = dictionary.intern(value);
        self.shared.meter.hold(dictionary.bytes() - before, self.site());
        id
    }
}
