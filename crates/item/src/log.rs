//! The Log: lines that are said one after the other and never changed: a chat, the moves of a game.
//!
//! A line is an entity of its own (H14), so that who says the same thing twice says two lines; what it consists of are
//! the facts about it in the entry that first states any. Lines stand in the one order (H6): everybody sees them in the
//! same order, and those of one entry as they were written. Nobody adds to somebody's line afterwards, and nobody takes
//! one back: a line goes only if its entry ceases to count.
//!
//! A line has a row of `element` in its log, and one of `attr` for each attribute, of which an entry's first word
//! counts. A log has properties (a title, say) like any Object.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Attribute, Cid, Digest, Entity, Value};

use crate::reference::attr_rows;
use crate::tally::Tally;
use crate::{BaseRelation, Change, ItemId, Kept, Model, Place, SnapshotError, State, Told, kept};

/// Lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct Log;

impl Log {
    /// What genesis entries call it.
    pub const NAME: &'static str = "log";
    /// The attribute of a line that is only one value.
    pub const LINE: &'static str = "line";
}

impl Model for Log {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn begin(&self, item: ItemId) -> Option<Box<dyn State>> {
        Some(Box::new(LogState::new(item)))
    }

    fn restore(&self, item: ItemId, snapshot: &[u8]) -> Result<Box<dyn State>, SnapshotError> {
        Ok(Box::new(kept::restore(self, LogState::new(item), snapshot)?))
    }

    fn has_properties(&self) -> bool {
        true
    }

    fn rows_are_of_its_entities(&self) -> bool {
        true
    }
}

/// The lines of an item.
#[derive(Clone, Debug)]
pub struct LogState {
    item: ItemId,
    /// The facts about each line, by their places.
    facts: BTreeMap<Entity, BTreeMap<(Place, Cid), Kept>>,
    lines: BTreeSet<(Place, Entity)>,
    /// Of where the lines stand.
    hash: Tally,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its name.
    pub entity: Entity,
    /// Where it stands.
    pub place: Place,
    /// What it says, by attribute.
    pub says: BTreeMap<Attribute, Value>,
}

impl LogState {
    fn new(item: ItemId) -> Self {
        LogState { item, facts: BTreeMap::new(), lines: BTreeSet::new(), hash: Tally::default() }
    }

    /// The lines, in their order.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = Line> + '_ {
        self.lines.iter().filter_map(|(_, entity)| self.line(entity))
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    fn line(&self, entity: &Entity) -> Option<Line> {
        let facts = self.facts.get(entity)?;
        let ((place, _), _) = facts.first_key_value()?;
        let mut says = BTreeMap::new();
        for (_, fact) in facts.iter().take_while(|((at, _), _)| at.entry == place.entry) {
            says.entry(fact.attribute.clone()).or_insert_with(|| fact.value.clone());
        }
        Some(Line { entity: entity.clone(), place: *place, says })
    }

    fn change(&mut self, line: &Line, weight: i64, changes: &mut Vec<Change>) {
        let stands = (line.place, line.entity.clone());
        if weight > 0 {
            self.hash.insert(&hashed(line));
            self.lines.insert(stands);
        } else {
            self.hash.remove(&hashed(line));
            self.lines.remove(&stands);
        }
        changes.extend(line.rows(self.item).map(|(relation, row)| Change::new(relation, row, weight)));
    }
}

impl Line {
    fn rows(&self, log: ItemId) -> impl Iterator<Item = (BaseRelation, Vec<Value>)> + '_ {
        let key = Value::bytes(self.place.key().as_slice());
        let element = (BaseRelation::Element, vec![log.into(), self.entity.clone().into(), key]);
        let says = self.says.iter().flat_map(|(attribute, value)| {
            attr_rows(&(self.entity.clone(), attribute.clone()), value).collect::<Vec<_>>()
        });
        std::iter::once(element).chain(says)
    }
}

fn hashed(line: &Line) -> Vec<u8> {
    [line.place.key().as_slice(), line.entity.as_bytes()].concat()
}

impl State for LogState {
    fn step(&mut self, batch: &[Told<'_>]) -> Vec<Change> {
        let touched: BTreeSet<&Entity> = batch.iter().map(|told| told.entity).collect();
        let before: Vec<Line> = touched.iter().filter_map(|entity| self.line(entity)).collect();
        for told in batch {
            let facts = self.facts.entry(told.entity.clone()).or_default();
            let key = (told.place, told.cid);
            if told.weight == 1 {
                let before = facts.insert(key, Kept::of(told));
                assert!(before.is_none(), "the fact {} is told once", told.cid);
            } else {
                let before = facts.remove(&key);
                assert!(before.is_some(), "the fact {} was told before it is untold", told.cid);
            }
        }
        let after: Vec<Line> = touched.iter().filter_map(|entity| self.line(entity)).collect();
        for entity in touched {
            if self.facts.get(entity).is_some_and(BTreeMap::is_empty) {
                self.facts.remove(entity);
            }
        }
        let mut changes = Vec::new();
        before.iter().for_each(|line| self.change(line, -1, &mut changes));
        after.iter().for_each(|line| self.change(line, 1, &mut changes));
        if self.hash.wants_keeping(self.lines.len()) {
            let lines: Vec<Vec<u8>> = self.lines().map(|line| hashed(&line)).collect();
            self.hash.keep(lines.into_iter());
        }
        changes
    }

    fn rows(&self, visit: &mut dyn FnMut(BaseRelation, Vec<Value>)) {
        self.lines().for_each(|line| line.rows(self.item).for_each(|(relation, row)| visit(relation, row)));
    }

    fn digest(&self) -> Digest {
        self.hash.digest(self.lines().map(|line| hashed(&line)))
    }

    fn snapshot(&self) -> Vec<u8> {
        kept::write(self.facts.values().flat_map(BTreeMap::values).cloned().collect())
    }

    fn attributes(&self, entity: &Entity) -> BTreeMap<Attribute, Value> {
        self.line(entity).map(|line| line.says).unwrap_or_default()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
