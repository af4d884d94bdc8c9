//! An engine as numbers: what another one needs to go on from here.
//!
//! What follows from an engine's rows follows from nothing else but the levels of those in a recursion: plans and ways
//! to find rows are made again when they are asked for. So that is what is saved, relation by relation, and neither
//! rule is searched nor a row derived when it is restored; and what is deleted then grades no recursion that was graded
//! before.
//!
//! The rows of a relation are sorted, and each is told by what it does not have in common with the one before: the
//! column where it begins to differ, by how much, and how far each column behind that lies from where it was. Ids that
//! came together are close together, so these numbers are small. How numbers become bytes is for others to say.

use super::level::{Level, Levels};
use super::row::{Batch, Id, NONE};
use super::rule::{Host, RelationId};
use super::{Engine, relation::Relation};

/// So many rows are read before they are put.
const READ: usize = 4_096;
/// Levels are less.
const END_OF_LEVELS: Level = Level::MAX / 2;

/// Rows in ascending order, as numbers.
struct Delta {
    before: Vec<Id>,
    /// Whether it is the first row.
    first: bool,
}

impl Delta {
    fn new(width: usize) -> Self {
        Delta { before: vec![0; width], first: true }
    }

    fn write(&mut self, row: &[Id], put: &mut impl FnMut(u64)) {
        let differs = self.before.iter().zip(row).position(|(before, now)| before != now);
        let at = differs.filter(|_| !self.first).unwrap_or(0);
        if let Some(more) = row.get(at).map(|now| now - self.before[at]) {
            put(u64::from(more) * row.len() as u64 + at as u64);
            for (before, now) in self.before.iter().zip(row).skip(at + 1) {
                put(far(*before, *now));
            }
        }
        self.before.copy_from_slice(row);
        self.first = false;
    }

    /// The next row, if it comes after the one before and all its ids are known.
    fn read(&mut self, known: &impl Fn(Id) -> bool, next: &mut impl FnMut() -> Option<u64>) -> Option<&[Id]> {
        let first = std::mem::replace(&mut self.first, false);
        if self.before.is_empty() {
            return first.then_some(&self.before);
        }
        let (width, number) = (self.before.len() as u64, next()?);
        let (more, at) = (number / width, usize::try_from(number % width).ok()?);
        if if first { at > 0 } else { more == 0 } {
            return None;
        }
        self.before[at] = Id::try_from(more.checked_add(u64::from(self.before[at]))?).ok()?;
        for column in &mut self.before[at + 1..] {
            *column = from(*column, next()?)?;
        }
        self.before[at..].iter().all(|id| *id != NONE && known(*id)).then_some(&self.before)
    }
}

/// How far one id is from another, small for a step either way.
fn far(before: Id, now: Id) -> u64 {
    if now >= before { u64::from(now - before) << 1 } else { u64::from(before - now) << 1 | 1 }
}

fn from(before: Id, far: u64) -> Option<Id> {
    let by = Id::try_from(far >> 1).ok()?;
    match far & 1 {
        0 => before.checked_add(by),
        _ => before.checked_sub(by).filter(|now| *now < before),
    }
}

impl<H: Host> Engine<H> {
    /// Whether an epoch was committed.
    pub fn is_started(&self) -> bool {
        self.started
    }

    /// Saves the rows, with other ids in the place of theirs, which must be in the same order.
    ///
    /// # Panics
    /// If no epoch was committed, or one waits to be.
    pub fn save(&self, id: impl Fn(Id) -> Id, mut put: impl FnMut(u64)) {
        assert!(self.started && !self.staged, "an engine is saved between epochs");
        for relation in &self.relations {
            let Relation { table, levels, .. } = relation;
            put((table.len() as u64) << 1 | u64::from(levels.is_some()));
            let mut delta = Delta::new(table.width());
            let mut renamed = Vec::new();
            table.walk_in_order(|row| {
                renamed.clear();
                renamed.extend(row.iter().map(|one| id(*one)));
                delta.write(&renamed, &mut put);
                if let Some(levels) = levels {
                    let level = levels.get(table, row).expect("every row of a graded relation has a level");
                    put(u64::from(level));
                }
            });
        }
    }

    /// Goes on where an engine was that was saved: one of the same definition, with a host for which the ids mean what
    /// they meant there. Nothing if the numbers are not such that an engine could have given them.
    ///
    /// # Panics
    /// If this one had an epoch.
    #[must_use]
    pub fn restore(
        mut self,
        known: impl Fn(Id) -> bool,
        mut next: impl FnMut() -> Option<u64>,
    ) -> Option<Self> {
        assert!(!self.started && !self.staged, "an engine is restored before its first epoch");
        self.started = true;
        for relation in 0..self.relations.len() {
            self.restore_relation(relation, &known, &mut next)?;
        }
        Some(self)
    }

    fn restore_relation(
        &mut self,
        relation: RelationId,
        known: &impl Fn(Id) -> bool,
        next: &mut impl FnMut() -> Option<u64>,
    ) -> Option<()> {
        let Relation { table, levels, .. } = &mut self.relations[relation];
        let header = next()?;
        let (mut left, graded) = (usize::try_from(header >> 1).ok()?, header & 1 == 1);
        *levels = graded.then(|| Levels::new(table));
        let mut delta = Delta::new(table.width());
        let (mut rows, mut given) = (Batch::new(table.width()), Vec::new());
        while left > 0 {
            for _ in 0..left.min(READ) {
                rows.push(delta.read(known, next)?);
                if graded {
                    given.push(Level::try_from(next()?).ok().filter(|level| *level < END_OF_LEVELS)?);
                }
            }
            left -= rows.len();
            table.extend(&rows, |_| {});
            if let Some(levels) = levels {
                for (row, level) in rows.rows().zip(&given) {
                    levels.set(table, row, *level);
                }
            }
            rows.clear();
            given.clear();
        }
        Some(())
    }
}
