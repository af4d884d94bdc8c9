//! What the sources say now, and what of it the runtime does not know yet.
//!
//! Each source has its own sets of rows, and a relation is their union: a row that two sources give is there until both
//! have taken it back. Beside them stands the *net change*, row by row the difference between the union and what the
//! runtime has been told. A batch changes both at once; the net change is handed over by an epoch that succeeds, and if
//! none does, it is still there for the next one.

use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::{Changes, Program, Relation, RelationName, Row, RuntimeError};

use crate::source::{Batch, Content};

/// The rows of some relations.
type RowSets = BTreeMap<RelationName, BTreeSet<Row>>;

/// Who gives rows, and for how long.
type Giver = (String, Span);

/// How long a row holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Span {
    /// Until it is taken back.
    Lasting,
    /// For the epoch that comes.
    Event,
}

/// The rows of the inputs, by who gives them.
pub(crate) struct Inputs {
    relations: BTreeMap<RelationName, Relation>,
    given: BTreeMap<Giver, RowSets>,
    net: BTreeMap<RelationName, BTreeMap<Row, i64>>,
}

impl Inputs {
    /// No rows of a program's inputs.
    pub(crate) fn new(program: &Program) -> Self {
        let inputs = program.relations.iter().filter(|(_, relation)| relation.input);
        let relations = inputs.map(|(name, relation)| (name.clone(), relation.clone())).collect();
        Inputs { relations, given: BTreeMap::new(), net: BTreeMap::new() }
    }

    /// Whether rows may be given to a relation.
    pub(crate) fn has(&self, name: &RelationName) -> bool {
        self.relations.contains_key(name)
    }

    /// Whether a batch fits the program.
    pub(crate) fn check(&self, batch: &Batch) -> Result<(), RuntimeError> {
        for (name, content) in batch {
            let relation = self.relations.get(name);
            let relation = relation.ok_or_else(|| RuntimeError::NotAnInput(name.clone()))?;
            content.rows().try_for_each(|row| relation.check_row(name, row))?;
            if let Content::Deltas(deltas) = content
                && let Some((_, weight)) = deltas.iter().find(|(_, weight)| ![1, -1].contains(weight))
            {
                return Err(RuntimeError::Weight { relation: name.clone(), weight: *weight });
            }
        }
        Ok(())
    }

    /// Takes in a batch that was checked.
    pub(crate) fn take(&mut self, source: &str, batch: Batch) {
        let [lasting, event] = [Span::Lasting, Span::Event].map(|span| (source.to_owned(), span));
        for (name, content) in batch {
            match content {
                Content::Snapshot(rows) if self.relations[&name].event => {
                    rows.into_iter().for_each(|row| self.set(&event, &name, row, true));
                }
                Content::Deltas(deltas) if self.relations[&name].event => {
                    deltas.into_iter().for_each(|(row, weight)| self.set(&event, &name, row, weight > 0));
                }
                Content::Snapshot(rows) => self.replace(&lasting, &name, rows.into_iter().collect()),
                Content::Deltas(deltas) => {
                    deltas.into_iter().for_each(|(row, weight)| self.set(&lasting, &name, row, weight > 0));
                }
                Content::Events(rows) => rows.into_iter().for_each(|row| self.set(&event, &name, row, true)),
            }
        }
    }

    /// Takes back everything that a source says.
    pub(crate) fn withdraw(&mut self, source: &str) {
        self.clear(|(giver, _)| giver == source);
    }

    /// Lets the epoch's events be over.
    pub(crate) fn end_events(&mut self) {
        self.clear(|(_, span)| *span == Span::Event);
        // The rows of the program's own events the runtime takes back itself.
        for (name, _) in self.relations.iter().filter(|(_, relation)| relation.event) {
            self.net.remove(name);
        }
    }

    /// Whether a source gives events to the epoch that comes.
    pub(crate) fn has_events(&self) -> bool {
        let mut events = self.given.iter().filter(|((_, span), _)| *span == Span::Event);
        events.any(|(_, sets)| sets.values().any(|rows| !rows.is_empty()))
    }

    /// Whether the runtime knows everything.
    pub(crate) fn is_settled(&self) -> bool {
        self.net.is_empty()
    }

    /// What the runtime does not know yet; it is told now.
    pub(crate) fn take_net(&mut self) -> Changes {
        let net = std::mem::take(&mut self.net);
        net.into_iter().map(|(name, rows)| (name, rows.into_iter().collect())).collect()
    }

    /// Says that the runtime would not be told.
    pub(crate) fn put_back(&mut self, net: Changes) {
        self.net = net.into_iter().map(|(name, rows)| (name, rows.into_iter().collect())).collect();
    }

    /// Lets a giver give a row or not, and notes it if nobody else gives it.
    fn set(&mut self, giver: &Giver, name: &RelationName, row: Row, present: bool) {
        if !self.given.contains_key(giver) {
            self.given.insert(giver.clone(), RowSets::new());
        }
        let rows = self.given.get_mut(giver).expect("it was put there").entry(name.clone()).or_default();
        let changed = if present { rows.insert(row.clone()) } else { rows.remove(&row) };
        if changed && !self.is_given_by_another(giver, name, &row) {
            self.note(name, row, if present { 1 } else { -1 });
        }
    }

    fn is_given_by_another(&self, giver: &Giver, name: &RelationName, row: &Row) -> bool {
        let mut others = self.given.iter().filter(|(other, _)| *other != giver);
        others.any(|(_, sets)| sets.get(name).is_some_and(|rows| rows.contains(row)))
    }

    fn replace(&mut self, giver: &Giver, name: &RelationName, rows: BTreeSet<Row>) {
        let old = self.given.get(giver).and_then(|sets| sets.get(name));
        let gone = old.map_or_else(Vec::new, |old| old.difference(&rows).cloned().collect());
        gone.into_iter().for_each(|row| self.set(giver, name, row, false));
        rows.into_iter().for_each(|row| self.set(giver, name, row, true));
    }

    fn clear(&mut self, which: impl Fn(&Giver) -> bool) {
        let givers: Vec<Giver> = self.given.keys().filter(|giver| which(giver)).cloned().collect();
        for giver in givers {
            let names: Vec<RelationName> = self.given[&giver].keys().cloned().collect();
            names.iter().for_each(|name| self.replace(&giver, name, BTreeSet::new()));
            self.given.remove(&giver);
        }
    }

    fn note(&mut self, name: &RelationName, row: Row, weight: i64) {
        let rows = self.net.entry(name.clone()).or_default();
        let cancels = rows.get(&row) == Some(&-weight);
        if cancels {
            rows.remove(&row)
        } else {
            rows.insert(row, weight)
        };
        if rows.is_empty() {
            self.net.remove(name);
        }
    }
}
