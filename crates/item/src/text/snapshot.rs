//! The state of a text as bytes: the same for the same operations, in whatever order they came.
//!
//! Insertions stand in the order of the tree that their parents make: each before those that hang at it, and first of
//! them the one that goes on where it ends. So what was typed on is a *chain*, one after the other, and its elements
//! are numbered one after the other; a snapshot numbers all elements in that order. Deletions stand by CID, and name
//! runs of those numbers.
//!
//! | field | what it holds |
//! |---|---|
//! | `insertions` | per insertion the 32 bytes of its CID's hash |
//! | `chains` | the chains, as below |
//! | `text` | the characters of all elements |
//! | `deletions` | per deletion the 32 bytes of its CID's hash |
//! | `runs` | per deletion: varint count, then per run of elements varint gap since the last run's end, varint length |
//! | `uncounted` | operations, insertions first: varint how many count, varint how many don't, and so on |
//!
//! A chain is a varint, the distance back to the insertion it hangs at (0: the beginning), then (unless that is 0)
//! varint `2 * offset + side`, varint how many insertions are in it, and their lengths: runs of equal ones as varint
//! length, varint how often.

use std::ops::Range;

use motet_fact::{Cid, Codec};
use prost::Message as _;

use super::{Kind, Operation, Text, TextState, order};
use crate::sequence::{Origin, Sequence, Side};
use crate::{ItemId, SnapshotError, proto, varint};

const VERSION: u32 = 1;
const HASH_BYTES: usize = 32;

// Writing.

/// An insertion and where it hangs. Insertions are named by their places in [`TextState::insertions`].
#[derive(Clone, Copy)]
struct Child {
    insertion: u32,
    /// What it hangs at, at which of its elements, and on which side.
    parent: Option<u32>,
    offset: u32,
    side: Side,
    /// Whether it hangs behind the last one.
    at_end: bool,
}

pub(super) fn write(state: &TextState) -> Vec<u8> {
    let ordered = canonical_order(state);
    let mut snapshot = proto::TextSnapshot { version: VERSION, ..Default::default() };
    let mut counted = Vec::with_capacity(state.operations.len());
    let mut starts = vec![0; state.insertions.len()];
    let mut start = 0;
    for child in &ordered {
        let (operation, elements) = insertion_at(state, child.insertion);
        snapshot.insertions.extend(operation.cid.hash());
        snapshot.text.push_str(state.buffer.slice(elements.start, elements.end - elements.start));
        counted.push(operation.counted);
        starts[child.insertion as usize] = start;
        start += elements.end - elements.start;
    }
    snapshot.chains = chains(state, &ordered);
    let mut deletions: Vec<&Operation> =
        state.operations.iter().filter(|operation| matches!(operation.kind, Kind::Deletion(_))).collect();
    deletions.sort_unstable_by_key(|operation| operation.cid);
    for operation in deletions {
        snapshot.deletions.extend(operation.cid.hash());
        counted.push(operation.counted);
        write_runs(&canonical_runs(state, operation, &starts), &mut snapshot.runs);
    }
    snapshot.uncounted = write_flags(&counted);
    snapshot.encode_to_vec()
}

fn insertion_at(state: &TextState, insertion: u32) -> (&Operation, Range<u32>) {
    let operation = &state.operations[state.insertions[insertion as usize].1 as usize];
    match &operation.kind {
        Kind::Insertion(elements) => (operation, elements.clone()),
        Kind::Deletion(_) => unreachable!("only insertions are listed as such"),
    }
}

/// The insertions in canonical order.
fn canonical_order(state: &TextState) -> Vec<Child> {
    let start = |insertion: u32| state.insertions[insertion as usize].0;
    let count = state.insertions.len() as u32;
    let mut children: Vec<Child> = (0..count).map(|insertion| child(state, insertion)).collect();
    // By parent; what may go on at its end first, and where several have one origin, as they stand there.
    children.sort_unstable_by(|one, other| {
        let key = |child: &Child| (child.parent, !child.at_end, child.offset, child.side);
        let stand = || {
            order(
                &state.insertions,
                &state.operations,
                one.side,
                start(one.insertion),
                start(other.insertion),
            )
        };
        key(one).cmp(&key(other)).then_with(stand)
    });
    let mut firsts = vec![children.len(); state.insertions.len()];
    for (at, child) in children.iter().enumerate().rev() {
        child.parent.into_iter().for_each(|parent| firsts[parent as usize] = at);
    }
    let of = |parent: Option<u32>| {
        let from = parent.map_or(0, |parent| firsts[parent as usize]);
        let len = children[from..].iter().take_while(|child| child.parent == parent).count();
        &children[from..from + len]
    };
    let mut ordered = Vec::with_capacity(children.len());
    let mut waiting: Vec<Child> = of(None).iter().rev().copied().collect();
    while let Some(child) = waiting.pop() {
        ordered.push(child);
        waiting.extend(of(Some(child.insertion)).iter().rev());
    }
    ordered
}

fn child(state: &TextState, insertion: u32) -> Child {
    let origin = state.sequence.origin_of(state.insertions[insertion as usize].0);
    let Some(element) = origin.parent else {
        return Child { insertion, parent: None, offset: 0, side: origin.side, at_end: false };
    };
    // Who types on hangs at the insertion before; a search finds the others.
    let before = insertion.checked_sub(1).filter(|&before| state.insertions[before as usize].0 <= element);
    let near = before.filter(|_| element < state.insertions[insertion as usize].0);
    let parent =
        near.unwrap_or_else(|| state.insertions.partition_point(|(start, _)| *start <= element) as u32 - 1);
    let (_, elements) = insertion_at(state, parent);
    let (offset, side) = (element - elements.start, origin.side);
    Child {
        insertion,
        parent: Some(parent),
        offset,
        side,
        at_end: side == Side::Right && element + 1 == elements.end,
    }
}

fn chains(state: &TextState, ordered: &[Child]) -> Vec<u8> {
    let mut places = vec![0; ordered.len()];
    for (place, child) in ordered.iter().enumerate() {
        places[child.insertion as usize] = place;
    }
    let len = |child: &Child| insertion_at(state, child.insertion).1.len() as u32;
    let goes_on = |before: &Child, next: &Child| next.parent == Some(before.insertion) && next.at_end;
    let (mut bytes, mut place) = (Vec::new(), 0);
    for chain in ordered.chunk_by(goes_on) {
        let Child { parent, offset, side, .. } = chain[0];
        match parent {
            None => bytes.push(0),
            Some(parent) => {
                varint::write((place - places[parent as usize]) as u32, &mut bytes);
                varint::write(offset << 1 | u32::from(side == Side::Right), &mut bytes);
            }
        }
        varint::write(chain.len() as u32, &mut bytes);
        for equal in chain.chunk_by(|one, next| len(one) == len(next)) {
            varint::write(len(&equal[0]), &mut bytes);
            varint::write(equal.len() as u32, &mut bytes);
        }
        place += chain.len();
    }
    bytes
}

/// The runs of elements that a deletion names, as a snapshot numbers them.
fn canonical_runs(state: &TextState, operation: &Operation, starts: &[u32]) -> Vec<Range<u32>> {
    let Kind::Deletion(runs) = &operation.kind else { return Vec::new() };
    let mut named = Vec::new();
    for run in &state.deleted[runs.start as usize..runs.end as usize] {
        let mut from = run.start;
        while from < run.end {
            let insertion = state.insertions.partition_point(|(start, _)| *start <= from) - 1;
            let (_, elements) = insertion_at(state, insertion as u32);
            let to = run.end.min(elements.end);
            let start = starts[insertion] + (from - elements.start);
            named.push(start..start + (to - from));
            from = to;
        }
    }
    named.sort_unstable_by_key(|run| run.start);
    let mut joined: Vec<Range<u32>> = Vec::new();
    for run in named {
        match joined.last_mut() {
            Some(last) if last.end == run.start => last.end = run.end,
            _ => joined.push(run),
        }
    }
    joined
}

fn write_runs(runs: &[Range<u32>], bytes: &mut Vec<u8>) {
    varint::write(runs.len() as u32, bytes);
    for (at, run) in runs.iter().enumerate() {
        let before = at.checked_sub(1).map_or(0, |before| runs[before].end);
        varint::write(run.start - before, bytes);
        varint::write(run.end - run.start, bytes);
    }
}

fn write_flags(flags: &[bool]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut expected = true;
    for run in flags.chunk_by(|one, next| one == next) {
        if run[0] != expected {
            bytes.push(0);
        }
        varint::write(run.len() as u32, &mut bytes);
        expected = !run[0];
    }
    bytes
}

// Reading.

impl TextState {
    /// The state that [`write`] wrote.
    pub(super) fn restore(item: ItemId, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let malformed =
            |what: &str| SnapshotError::Malformed { model: Text::NAME.to_owned(), what: what.to_owned() };
        let snapshot = proto::TextSnapshot::decode(bytes).map_err(|error| malformed(&error.to_string()))?;
        if snapshot.version != VERSION {
            return Err(malformed("its format version is another one"));
        }
        let state = read(item, &snapshot).ok_or_else(|| malformed("its numbers do not fit each other"))?;
        if write(&state) == bytes { Ok(state) } else { Err(malformed("its encoding is not canonical")) }
    }
}

fn read(item: ItemId, snapshot: &proto::TextSnapshot) -> Option<TextState> {
    let mut state = TextState::new(item);
    state.buffer.push(&snapshot.text);
    let count = state.buffer.len();
    let (insertions, deletions) = (cids(&snapshot.insertions)?, cids(&snapshot.deletions)?);
    let flags = read_flags(&snapshot.uncounted, insertions.len() + deletions.len())?;
    let chains = state.read_insertions(&snapshot.chains, &insertions, &flags)?;
    if state.insertions.last().map_or(0, |(_, number)| state.elements(*number).end) != count {
        return None;
    }
    let mut bytes = snapshot.runs.as_slice();
    let mut veils: Vec<i64> = vec![0; count as usize + 1];
    for (cid, &counted) in deletions.iter().zip(&flags[insertions.len()..]) {
        let from = state.deleted.len();
        read_runs(&mut bytes, count, &mut state.deleted)?;
        let weight = i64::from(counted);
        for run in &state.deleted[from..] {
            veils[run.start as usize] += weight;
            veils[run.end as usize] -= weight;
        }
        let runs = from as u32..state.deleted.len() as u32;
        state.enlist(*cid, counted, Kind::Deletion(runs));
    }
    let distinct = state.numbers.len() == state.operations.len();
    if !bytes.is_empty() || !distinct {
        return None;
    }
    for operation in state.operations.iter().filter(|operation| !operation.counted) {
        if let Kind::Insertion(elements) = &operation.kind {
            veils[elements.start as usize] += 1;
            veils[elements.end as usize] -= 1;
        }
    }
    let mut sum = 0;
    let veils = veils[..count as usize].iter().map(|change| {
        sum += change;
        u32::try_from(sum).expect("fewer reasons than operations to hide an element")
    });
    let veils: Vec<u32> = veils.collect();
    let (insertions, operations) = (&state.insertions, &state.operations);
    let order = |side, one, other| order(insertions, operations, side, one, other);
    state.sequence = Sequence::of_chains(chains, &veils, order);
    Some(state)
}

impl TextState {
    /// Enlists insertions, and gives the chains that they make.
    fn read_insertions(
        &mut self,
        mut bytes: &[u8],
        cids: &[Cid],
        flags: &[bool],
    ) -> Option<Vec<(u32, Origin)>> {
        let (mut chains, mut start) = (Vec::new(), 0_u32);
        while self.insertions.len() < cids.len() {
            chains.push((start, self.read_origin(&mut bytes)?));
            let mut left = varint::read(&mut bytes).filter(|&count| count > 0)?;
            while left > 0 {
                let len = varint::read(&mut bytes).filter(|&len| len > 0)?;
                let times = varint::read(&mut bytes).filter(|&times| times > 0 && times <= left)?;
                for _ in 0..times {
                    let at = self.insertions.len();
                    let end = start.checked_add(len).filter(|&end| end <= self.buffer.len())?;
                    let number = self.enlist(*cids.get(at)?, flags[at], Kind::Insertion(start..end));
                    self.insertions.push((start, number));
                    start = end;
                }
                left -= times;
            }
        }
        bytes.is_empty().then_some(chains)
    }

    fn read_origin(&self, bytes: &mut &[u8]) -> Option<Origin> {
        let back = varint::read(bytes)? as usize;
        if back == 0 {
            return Some(Origin::BEGINNING);
        }
        let (_, parent) = self.insertions[self.insertions.len().checked_sub(back)?];
        let head = varint::read(bytes)?;
        let side = if head & 1 == 0 { Side::Left } else { Side::Right };
        let elements = self.elements(parent);
        let parent = elements.start.checked_add(head >> 1).filter(|&element| element < elements.end)?;
        Some(Origin { parent: Some(parent), side })
    }

    fn elements(&self, number: u32) -> Range<u32> {
        match &self.operations[number as usize].kind {
            Kind::Insertion(elements) => elements.clone(),
            Kind::Deletion(_) => 0..0,
        }
    }
}

fn cids(hashes: &[u8]) -> Option<Vec<Cid>> {
    let (hashes, rest) = hashes.as_chunks::<HASH_BYTES>();
    rest.is_empty().then(|| hashes.iter().map(|hash| Cid::of_hash(Codec::DagCbor, *hash)).collect())
}

fn read_runs(bytes: &mut &[u8], count: u32, runs: &mut Vec<Range<u32>>) -> Option<()> {
    let mut end = 0_u32;
    for at in 0..varint::read(bytes).filter(|&runs| runs > 0)? {
        let gap = varint::read(bytes).filter(|&gap| gap > 0 || at == 0)?;
        let len = varint::read(bytes).filter(|&len| len > 0)?;
        let start = end.checked_add(gap)?;
        end = start.checked_add(len).filter(|&end| end <= count)?;
        runs.push(start..end);
    }
    Some(())
}

fn read_flags(mut bytes: &[u8], count: usize) -> Option<Vec<bool>> {
    let (mut flags, mut flag) = (Vec::new(), true);
    while !bytes.is_empty() {
        let run = varint::read(&mut bytes)? as usize;
        if run > count - flags.len() {
            return None;
        }
        flags.resize(flags.len() + run, flag);
        flag = !flag;
    }
    (flags.len() == count).then_some(flags)
}
