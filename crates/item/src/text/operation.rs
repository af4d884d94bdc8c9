//! The facts that a text is made of, as bytes.
//!
//! | attribute | entity | value | causes |
//! |---|---|---|---|
//! | `text/insert` | fresh | varint `2 * offset + side`, then UTF-8 text | the insertion it hangs at; none: the text |
//! | `text/delete` | the item | per cause varint count, per run varint gap, varint length | what it deletes from |
//!
//! The text of an insertion is not empty. Two people may type the same, so an insertion's entity is fresh; the same
//! deletion by two people is the same fact. A deletion's causes come in the order of their CIDs.
//!
//! The elements of an insertion are the Unicode scalar values of its text, counted from 0; an element's name is the
//! insertion's CID and that count. An insertion's first element hangs at element `offset` of its cause, on the left
//! (side 0) or on the right (side 1), each further one to the right of the one before; without a cause, offset 0 and
//! side 1 stand for the beginning. A deletion names runs of each cause's elements by the gap since the last run's end
//! (or the insertion's start) and the length.
//!
//! A fact of another form has no meaning, for anybody: gaps between runs are not 0, lengths and counts are not 0,
//! varints are shortest, nothing follows the last, and what is named is there.

use motet_fact::{Cid, Entity, Fact, FactError, MAX_CAUSES, MAX_TEXT_BYTES, Value};

use crate::sequence::Side;
use crate::varint;

/// The attribute of insertions.
pub const INSERT: &str = "text/insert";
/// The attribute of deletions.
pub const DELETE: &str = "text/delete";

/// The most that the number before an insertion's text takes.
const HEAD_BYTES: usize = 5;
/// The most bytes of text in one insertion.
pub(crate) const MAX_RUN_BYTES: usize = MAX_TEXT_BYTES - HEAD_BYTES;

/// What an insertion's value says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Insertion<'a> {
    pub(crate) offset: u32,
    pub(crate) side: Side,
    pub(crate) text: &'a str,
}

impl<'a> Insertion<'a> {
    pub(crate) fn read(value: &'a Value) -> Option<Self> {
        let mut bytes = value.as_bytes()?;
        let head = varint::read(&mut bytes)?;
        let text = std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty())?;
        let side = if head & 1 == 0 { Side::Left } else { Side::Right };
        Some(Insertion { offset: head >> 1, side, text })
    }

    /// The fact that inserts it at an element of `parent`.
    pub(crate) fn fact(&self, entity: Entity, parent: Option<Cid>) -> Result<Fact, FactError> {
        let mut value = Vec::with_capacity(HEAD_BYTES + self.text.len());
        varint::write(self.offset << 1 | u32::from(self.side == Side::Right), &mut value);
        value.extend(self.text.as_bytes());
        Fact::new(entity, INSERT.into(), Value::bytes(value), parent.into_iter().collect())
    }
}

/// A run of the elements of one insertion: the first, and how many.
pub(crate) type Run = (u32, u32);

/// The runs that a deletion's value names, for each of so many causes.
pub(crate) fn read_deletion(value: &Value, causes: usize) -> Option<Vec<Vec<Run>>> {
    let mut bytes = value.as_bytes()?;
    let runs: Option<Vec<Vec<Run>>> = (0..causes).map(|_| read_runs(&mut bytes)).collect();
    runs.filter(|runs| bytes.is_empty() && !runs.is_empty())
}

fn read_runs(bytes: &mut &[u8]) -> Option<Vec<Run>> {
    let count = varint::read(bytes)?;
    let (mut runs, mut end) = (Vec::new(), 0_u32);
    for at in 0..count {
        let gap = varint::read(bytes).filter(|&gap| gap > 0 || at == 0)?;
        let len = varint::read(bytes).filter(|&len| len > 0)?;
        let start = end.checked_add(gap)?;
        end = start.checked_add(len)?;
        runs.push((start, len));
    }
    Some(runs).filter(|runs| !runs.is_empty())
}

/// The facts that delete runs of the elements of insertions. The insertions are in the order of their CIDs, each once,
/// the runs of each apart from each other and in order.
pub(crate) fn deletions(item: &Entity, deleted: &[(Cid, Vec<Run>)]) -> Result<Vec<Fact>, FactError> {
    let (mut facts, mut value, mut causes) = (Vec::new(), Vec::new(), Vec::new());
    let fact = |value: Vec<u8>, causes: Vec<Cid>| {
        Fact::new(item.clone(), DELETE.into(), Value::bytes(value), causes)
    };
    for (cid, runs) in deleted {
        // Of an insertion with very many runs one fact takes only some.
        for runs in runs.chunks(MAX_RUNS) {
            let bytes = runs_as_bytes(runs);
            if causes.len() == MAX_CAUSES
                || value.len() + bytes.len() > MAX_TEXT_BYTES
                || causes.last() == Some(cid)
            {
                facts.push(fact(std::mem::take(&mut value), std::mem::take(&mut causes))?);
            }
            value.extend(bytes);
            causes.push(*cid);
        }
    }
    if !causes.is_empty() {
        facts.push(fact(value, causes)?);
    }
    Ok(facts)
}

/// So many runs of one insertion fit a deletion: an insertion has fewer than 2^16 elements.
const MAX_RUNS: usize = MAX_TEXT_BYTES / 6 - 1;

fn runs_as_bytes(runs: &[Run]) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint::write(u32::try_from(runs.len()).expect("at most MAX_RUNS"), &mut bytes);
    let mut end = 0;
    for &(start, len) in runs {
        varint::write(start - end, &mut bytes);
        varint::write(len, &mut bytes);
        end = start + len;
    }
    bytes
}
