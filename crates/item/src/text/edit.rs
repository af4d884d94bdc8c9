//! From what a writer does to the facts that say it, and back.
//!
//! Edits are made one after the other, each as of the text that the ones before it leave. What they come to in the
//! text that is there ([`crate::sequence::pieces`]) becomes an insertion for each place where something comes, and one
//! deletion for all that goes.

use std::collections::BTreeMap;
use std::ops::Range;

use motet_fact::{Cid, Entity, Fact, FactError};

use super::operation::{Insertion, MAX_RUN_BYTES, Run, deletions};
use super::{Kind, TextState};
use crate::EditError;
use crate::sequence::pieces::Pieces;
use crate::sequence::{Origin, Side};

/// Text in place of some characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextEdit {
    /// The positions of the characters that go.
    pub range: Range<usize>,
    /// What comes in their place.
    pub insert: String,
}

/// The runs of elements to delete, by insertion.
type Deleted = BTreeMap<Cid, Vec<Run>>;

impl TextState {
    /// The facts that make these edits, one after the other, in the order in which they are to be stated. `fresh` gives
    /// an entity that nobody has used (H14).
    ///
    /// # Errors
    /// [`EditError::Outside`] if an edit goes past the end.
    pub fn facts(
        &self,
        edits: &[TextEdit],
        fresh: &mut dyn FnMut() -> Entity,
    ) -> Result<Vec<Fact>, EditError> {
        let (mut facts, mut deleted) = (Vec::new(), Deleted::new());
        if let [edit] = edits {
            self.change(self.check(&edit.range)?, &edit.insert, fresh, &mut facts, &mut deleted)?;
        } else {
            let mut pieces = Pieces::new(self.len());
            for edit in edits {
                EditError::check(&edit.range, pieces.len())?;
                pieces.remove(edit.range.clone());
                pieces.insert(edit.range.start, edit.insert.chars());
            }
            for change in pieces.changes() {
                let range = self.check(&(change.at..change.at + change.removed))?;
                let text: String = change.inserted.into_iter().collect();
                self.change(range, &text, fresh, &mut facts, &mut deleted)?;
            }
        }
        facts.extend(self.deletions(deleted)?);
        Ok(facts)
    }

    /// Text in place of the visible elements at some positions.
    fn change(
        &self,
        range: Range<u32>,
        text: &str,
        fresh: &mut dyn FnMut() -> Entity,
        facts: &mut Vec<Fact>,
        deleted: &mut Deleted,
    ) -> Result<(), FactError> {
        if !text.is_empty() {
            self.insert(self.sequence.origin(range.start), text, fresh, facts)?;
        }
        let len = range.end - range.start;
        self.sequence.runs(range.start, len, |start, len| self.delete(start..start + len, deleted));
        Ok(())
    }

    fn deletions(&self, deleted: Deleted) -> Result<Vec<Fact>, FactError> {
        let deleted: Vec<(Cid, Vec<Run>)> = deleted.into_iter().collect();
        deletions(&self.item.entity(), &deleted)
    }

    /// The facts that take back operations of this text, as far as they count: what they inserted and is still there is
    /// deleted, what they alone deleted is inserted anew.
    pub(super) fn take_back(
        &self,
        operations: &[Cid],
        fresh: &mut dyn FnMut() -> Entity,
    ) -> Result<Vec<Fact>, FactError> {
        let (mut facts, mut deleted) = (Vec::new(), Deleted::new());
        let known = operations.iter().filter_map(|cid| self.numbers.get(cid));
        let operations = known.map(|&number| &self.operations[number as usize]);
        for operation in operations.filter(|operation| operation.counted) {
            match &operation.kind {
                Kind::Insertion(elements) => self.sequence.pieces(elements.clone(), |piece| {
                    if piece.is_visible() {
                        self.delete(piece.start..piece.end(), &mut deleted);
                    }
                }),
                Kind::Deletion(runs) => {
                    for run in &self.deleted[runs.start as usize..runs.end as usize] {
                        self.insert_anew(run.clone(), fresh, &mut facts)?;
                    }
                }
            }
        }
        facts.extend(self.deletions(deleted)?);
        Ok(facts)
    }

    /// Inserts the characters of deleted elements that nothing else hides, behind where they were.
    fn insert_anew(
        &self,
        elements: Range<u32>,
        fresh: &mut dyn FnMut() -> Entity,
        facts: &mut Vec<Fact>,
    ) -> Result<(), FactError> {
        let mut pieces = Vec::new();
        self.sequence.pieces(elements, |piece| pieces.push(piece));
        for piece in pieces.into_iter().filter(|piece| piece.veils == 1) {
            let text = self.buffer.slice(piece.start, piece.len);
            self.insert(self.sequence.origin_behind(piece.end() - 1), text, fresh, facts)?;
        }
        Ok(())
    }

    fn insert(
        &self,
        origin: Origin,
        text: &str,
        fresh: &mut dyn FnMut() -> Entity,
        facts: &mut Vec<Fact>,
    ) -> Result<(), FactError> {
        let (mut parent, mut offset, mut side) = match origin.parent.map(|parent| self.name(parent)) {
            Some((insertion, offset)) => (Some(insertion), offset, origin.side),
            None => (None, 0, Side::Right),
        };
        let mut rest = text;
        while !rest.is_empty() {
            let (run, later) = rest.split_at(rest.floor_char_boundary(MAX_RUN_BYTES));
            let fact = Insertion { offset, side, text: run }.fact(fresh(), parent)?;
            if !later.is_empty() {
                let characters = u32::try_from(run.chars().count()).expect("a run is short");
                (parent, offset, side) = (Some(fact.cid()), characters - 1, Side::Right);
            }
            facts.push(fact);
            rest = later;
        }
        Ok(())
    }

    /// Notes elements whose numbers follow one another, under the names of their insertions.
    fn delete(&self, mut elements: Range<u32>, deleted: &mut Deleted) {
        while !elements.is_empty() {
            let at = self.insertions.partition_point(|(start, _)| *start <= elements.start);
            let end =
                self.insertions.get(at).map_or(self.sequence.len(), |(start, _)| *start).min(elements.end);
            let (insertion, offset) = self.name(elements.start);
            let len = end - elements.start;
            let runs = deleted.entry(insertion).or_default();
            match runs.last_mut() {
                Some((start, before)) if *start + *before == offset => *before += len,
                _ => runs.push((offset, len)),
            }
            elements.start = end;
        }
    }
}
