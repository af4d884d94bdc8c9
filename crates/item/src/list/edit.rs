//! From what a writer does with a list to the facts that say it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use motet_fact::{Cid, Entity, Fact, FactError, MAX_CAUSES, Value};

use super::{AFTER, BEFORE, ListState, REMOVE, VALUE, place_of};
use crate::sequence::Side;
use crate::sequence::pieces::{Pieces, Taken};
use crate::{EditError, State as _};

/// A change of a list. Indexes are those that the edits before it leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListEdit {
    /// New elements with these values come to the end.
    Push(Vec<Value>),
    /// New elements with these values come before what is at an index, or at the end.
    Insert {
        /// Where the first comes to stand.
        at: usize,
        /// Their values.
        values: Vec<Value>,
    },
    /// An element goes to another place.
    Move {
        /// Where it stands.
        from: usize,
        /// Where it comes to stand.
        to: usize,
    },
    /// An element gets another value.
    Set {
        /// Where it stands.
        at: usize,
        /// The value.
        value: Value,
    },
    /// Elements go.
    Remove(Range<usize>),
}

/// What a plan puts at a place.
enum Unit {
    New(Value),
    /// The element that was at this index before all edits.
    Moved(usize),
}

/// What a transaction does with a list.
struct Plan {
    pieces: Pieces<Unit>,
    /// New values of the elements that were there before, by their index then.
    set: BTreeMap<usize, Value>,
}

impl ListState {
    /// The facts that make these edits, one after the other, in the order in which they are to be stated. `fresh` gives
    /// an entity that nobody has used (H14).
    ///
    /// # Errors
    /// [`EditError::Outside`] if an edit goes past the end; [`EditError::Fact`] if a value is too long.
    pub fn facts(
        &self,
        edits: &[ListEdit],
        fresh: &mut dyn FnMut() -> Entity,
    ) -> Result<Vec<Fact>, EditError> {
        let mut plan = Plan { pieces: Pieces::new(self.len()), set: BTreeMap::new() };
        edits.iter().try_for_each(|edit| plan.take(edit))?;
        let (mut facts, mut moved, mut removed) = (Vec::new(), BTreeSet::new(), Vec::new());
        for change in plan.pieces.changes() {
            let origin = self.sequence.origin(index(change.at));
            let mut parent = origin.parent.map(|slot| self.slots[slot as usize].placement);
            let mut side = origin.side;
            for unit in change.inserted {
                let (element, value) = match unit {
                    Unit::New(value) => (fresh(), Some(value)),
                    Unit::Moved(from) => {
                        moved.insert(from);
                        (self.entity_at(from), None)
                    }
                };
                let placement = self.placement(&element, parent, side)?;
                (parent, side) = (Some(placement.cid()), Side::Right);
                facts.push(placement);
                if let Some(value) = value {
                    facts.push(Fact::new(element, VALUE.into(), value, Vec::new())?);
                }
            }
            removed.extend(change.at..change.at + change.removed);
        }
        for at in removed.iter().filter(|at| !moved.contains(at)) {
            facts.extend(self.removals(&self.entity_at(*at))?);
        }
        for (at, value) in plan.set.into_iter().filter(|(at, _)| moved.contains(at) || !removed.contains(at))
        {
            let element = self.entity_at(at);
            let mut causes = self.values.heads(&element, &VALUE.into()); // the winner first
            causes.truncate(MAX_CAUSES);
            facts.push(Fact::new(element, VALUE.into(), value, causes)?);
        }
        Ok(facts)
    }

    fn entity_at(&self, at: usize) -> Entity {
        self.slots[self.sequence.at(index(at)) as usize].element.clone()
    }

    /// The placements and removals of an element that none replaces, the winner first.
    fn placed(&self, element: &Entity) -> impl Iterator<Item = Cid> {
        self.places.heads(&place_of(element)).into_iter()
    }

    fn placement(&self, element: &Entity, parent: Option<Cid>, side: Side) -> Result<Fact, FactError> {
        let attribute = if side == Side::Right { AFTER } else { BEFORE };
        let value = parent.map_or(self.item.into(), Value::Link);
        let causes = self.placed(element).take(MAX_CAUSES - 1).chain(parent).collect();
        Fact::new(element.clone(), attribute.into(), value, causes)
    }

    fn removals(&self, element: &Entity) -> Result<Vec<Fact>, FactError> {
        let placed: Vec<Cid> = self.placed(element).collect();
        let removal = |placed: &[Cid]| Fact::new(element.clone(), REMOVE.into(), true, placed.to_vec());
        placed.chunks(MAX_CAUSES).map(removal).collect()
    }

    /// The facts that take back what some facts said, as far as it still stands: an element goes back to where it was
    /// before, or goes if it was nowhere, or comes again; and values are what they were.
    pub(super) fn take_back(
        &self,
        said: &[Cid],
        fresh: &mut dyn FnMut() -> Entity,
    ) -> Result<Vec<Fact>, FactError> {
        let mut facts = Vec::new();
        for taken in self.places.undo(said) {
            let element = taken.name.0;
            let Some((before, _)) = taken.before else {
                if !taken.removes {
                    facts.extend(self.removals(&element)?);
                }
                continue;
            };
            let origin = self.sequence.origin_behind(self.numbers[&before]);
            let parent = origin.parent.map(|slot| self.slots[slot as usize].placement);
            facts.push(self.placement(&element, parent, origin.side)?);
        }
        // An element that goes keeps its value, for whoever takes that back again.
        let removed: BTreeSet<Entity> = facts
            .iter()
            .filter(|fact| fact.attribute().as_text() == Some(REMOVE))
            .map(|fact| fact.entity().clone())
            .collect();
        let values = self.values.take_back(said, fresh)?;
        facts.extend(values.into_iter().filter(|fact| !removed.contains(fact.entity())));
        Ok(facts)
    }
}

fn index(at: usize) -> u32 {
    u32::try_from(at).expect("a list has fewer than 2^32 elements")
}

impl Plan {
    fn take(&mut self, edit: &ListEdit) -> Result<(), EditError> {
        let check = |range: Range<usize>| EditError::check(&range, self.pieces.len());
        match edit {
            ListEdit::Push(values) => {
                self.pieces.insert(self.pieces.len(), values.iter().cloned().map(Unit::New));
            }
            ListEdit::Insert { at, values } => {
                check(*at..*at)?;
                self.pieces.insert(*at, values.iter().cloned().map(Unit::New));
            }
            ListEdit::Remove(range) => {
                check(range.clone())?;
                self.pieces.remove(range.clone());
            }
            ListEdit::Move { from, to } => {
                check(*from..*from + 1)?;
                check(*to..*to + 1)?;
                if from != to {
                    let moved = self.pieces.remove(*from..*from + 1).into_iter().map(|taken| match taken {
                        Taken::Old(at) => Unit::Moved(at),
                        Taken::New(unit) => unit,
                    });
                    let moved: Vec<Unit> = moved.collect();
                    self.pieces.insert(*to, moved);
                }
            }
            ListEdit::Set { at, value } => {
                check(*at..*at + 1)?;
                match self.pieces.at(*at) {
                    Taken::Old(at) | Taken::New(&mut Unit::Moved(at)) => {
                        self.set.insert(at, value.clone());
                    }
                    Taken::New(unit) => *unit = Unit::New(value.clone()),
                }
            }
        }
        Ok(())
    }
}
