//! The one row that says which blocks count.
//!
//! It names every run that has a block in the table: those that are read, the one that a merge is making, and those
//! that were merged and are on their way out. Whatever changes blocks commits this row with them, so that no crash can
//! leave a block that nobody knows of, or a merge that has to begin again.

use motet_fact::Digest;

use super::block::{Pair, Run, put_varint, take_varint};

const VERSION: u64 = 1;
const SUM_BYTES: usize = 8;
/// Counts and names of runs stay below, so that sums of them don't overflow.
const MANY: u64 = 1 << 48;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) mark: u64,
    /// The name of the next run.
    pub(super) next: u64,
    /// All that count, the oldest first.
    pub(super) runs: Vec<Run>,
    pub(super) merge: Option<Merge>,
    /// The names of runs whose blocks are to be deleted.
    pub(super) dropped: Vec<u64>,
}

/// A merge under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Merge {
    /// The names of the runs that are merged; they count until it is done.
    pub(super) inputs: Vec<u64>,
    /// As far as it is made. It doesn't count yet.
    pub(super) output: Run,
    /// The last pair of the output, behind which the merge goes on.
    pub(super) last: Option<Pair>,
    /// How many pairs of the inputs are in the output, each as often as it was there.
    pub(super) read: u64,
}

impl Manifest {
    /// A new run, which is not among those that count.
    pub(super) fn begin_run(&mut self) -> Run {
        let id = self.next;
        self.next += 1;
        Run { id, ..Run::default() }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let numbers = [VERSION, self.mark, self.next, self.runs.len() as u64];
        let runs = self.runs.iter().flat_map(|run| [run.id, run.pairs, run.bytes]);
        let dropped = std::iter::once(self.dropped.len() as u64).chain(self.dropped.iter().copied());
        let merge = self.merge.as_ref().map_or_else(|| vec![0], Merge::numbers);
        for number in numbers.into_iter().chain(runs).chain(dropped).chain(merge) {
            put_varint(number, &mut bytes);
        }
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum);
        bytes
    }

    /// None if these bytes are no manifest of this version.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (mut bytes, sum) = bytes.split_last_chunk()?;
        if *sum != checksum(bytes) || take_varint(&mut bytes)? != VERSION {
            return None;
        }
        let bytes = &mut bytes;
        let manifest = Manifest {
            mark: take_varint(bytes)?,
            next: take_count(bytes)?,
            runs: take_list(bytes, take_run)?,
            dropped: take_list(bytes, take_count)?,
            merge: Merge::take(bytes)?,
        };
        bytes.is_empty().then_some(manifest)
    }
}

impl Merge {
    /// The inputs with their number, never zero; then the rest. A merge that has written nothing has last zeros.
    fn numbers(&self) -> Vec<u64> {
        let Run { id, pairs, bytes } = self.output;
        let (key, number) = self.last.unwrap_or_default();
        let mut numbers = vec![self.inputs.len() as u64];
        numbers.extend(&self.inputs);
        numbers.extend([id, pairs, bytes, self.read, key, u64::from(number)]);
        numbers
    }

    /// What was encoded; the outer none if it is none.
    #[allow(clippy::option_option, reason = "whether it can be read, and whether there is one")]
    fn take(bytes: &mut &[u8]) -> Option<Option<Self>> {
        let inputs = take_list(bytes, take_count)?;
        if inputs.is_empty() {
            return Some(None);
        }
        let (output, read) = (take_run(bytes)?, take_count(bytes)?);
        let last = (take_varint(bytes)?, u32::try_from(take_varint(bytes)?).ok()?);
        let last = (output.pairs > 0).then_some(last);
        Some(Some(Merge { inputs, output, last, read }))
    }
}

fn take_count(bytes: &mut &[u8]) -> Option<u64> {
    take_varint(bytes).filter(|count| *count < MANY)
}

fn take_run(bytes: &mut &[u8]) -> Option<Run> {
    Some(Run { id: take_count(bytes)?, pairs: take_count(bytes)?, bytes: take_count(bytes)? })
}

fn take_list<T>(bytes: &mut &[u8], take: impl Fn(&mut &[u8]) -> Option<T>) -> Option<Vec<T>> {
    let count = take_count(bytes)?;
    // Grows as it is read: a wrong count ends with the bytes.
    (0..count).map(|_| take(bytes)).collect()
}

fn checksum(bytes: &[u8]) -> [u8; SUM_BYTES] {
    let Digest(digest) = Digest::derive("motet store postings manifest v1", &[bytes]);
    *digest.first_chunk().expect("a digest is longer than a checksum")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Chance;

    fn manifest(chance: &mut Chance) -> Manifest {
        let mut run = || Run { id: chance.below(900), pairs: chance.below(MANY), bytes: chance.below(MANY) };
        let (runs, output) = (vec![run(), run(), run()], run());
        let merge = Merge { inputs: vec![3, 4], output, last: Some((u64::MAX, 7)), read: chance.below(99) };
        let merge = [None, Some(merge), Some(Merge { inputs: vec![1], ..Merge::default() })]
            [chance.below(3) as usize]
            .take();
        Manifest { mark: chance.draw(), next: chance.below(MANY), runs, merge, dropped: vec![9; 3] }
    }

    #[test]
    fn a_manifest_reads_back_and_a_damaged_one_does_not() {
        let mut chance = Chance(3);
        for _ in 0..300 {
            let manifest = manifest(&mut chance);
            let bytes = manifest.encode();
            assert_eq!(Manifest::decode(&bytes).as_ref(), Some(&manifest));
            let at = chance.below(bytes.len() as u64) as usize;
            assert_eq!(Manifest::decode(&bytes[..at]), None);
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << chance.below(8);
            assert_eq!(Manifest::decode(&flipped), None);
        }
        assert_eq!(Manifest::decode(&Manifest::default().encode()), Some(Manifest::default()));
    }

    /// Behind a checksum that is right, too.
    #[test]
    fn no_bytes_make_it_panic() {
        let mut chance = Chance(4);
        for _ in 0..2000 {
            let mut bytes = manifest(&mut chance).encode();
            bytes.truncate(bytes.len() - SUM_BYTES);
            for _ in 0..=chance.below(3) {
                let at = 1 + chance.below(bytes.len() as u64 - 1) as usize;
                bytes[at] = chance.draw() as u8;
            }
            bytes.extend_from_slice(&checksum(&bytes));
            drop(Manifest::decode(&bytes));
        }
    }
}
