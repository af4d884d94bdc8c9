//! Few runs of many: the merging, a bounded piece at a time.
//!
//! Runs have levels: each is four times as long as the one below. Four runs of a level are merged into one, which
//! belongs to the next, and all shorter ones along with them; so each pair is written again once for each level, and
//! there are about three runs in each.
//!
//! A piece reads the inputs block by block behind the last pair that was written, takes the least pair of all again
//! and again, and ends with a whole block of the output when enough were made. It keeps nothing in memory for the
//! next piece but what is in the manifest, so it makes no difference whether that comes after a crash. The last piece
//! lets the output take the place of its inputs. Their blocks are deleted in the pieces that follow.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::ops::ControlFlow;

use super::block::{Packer, Pair, Run, before, head, unpack};
use super::manifest::{Manifest, Merge};
use super::{PIECE_ROWS, Postings, delete_rows};
use crate::{Batch, ScanRange, Store, StoreError};

/// So many runs of a level are merged.
const FAN: usize = 4;
/// At most so many runs are merged at once, if the merging was left undone for long.
const MOST_INPUTS: usize = 32;
/// Runs that are shorter are of the lowest level.
const SHORT: u64 = 1024;
/// A piece of a merge writes little more.
const PIECE_BYTES: usize = 4 << 20;
/// Pairs read from an input at once, and the rest of a block.
const READ_AHEAD: usize = 2048;

impl Postings {
    /// Does a bounded piece of the merging that is due, in one commit. Gives whether there is more to do.
    ///
    /// Over time each pair is written again once for each level of runs, and a piece writes 4 MiB: for runs of 100,000
    /// pairs, a megabyte, two or three pieces after each [`write`](Postings::write) are enough for some tens of
    /// millions. Whoever is behind has more runs to look into, and no other harm.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the runs are damaged, also if what was written before was not committed; or
    /// whatever the store returns. Nothing has changed then, unless the commit failed.
    pub fn merge_some(&mut self, store: &dyn Store) -> Result<bool, StoreError> {
        let mut next = self.manifest.clone();
        if !next.begin_merge() && next.dropped.is_empty() {
            return Ok(false);
        }
        let mut batch = Batch::new();
        self.merge_piece(store, &mut next, &mut batch)?;
        self.delete_piece(store, &mut next, &mut batch)?;
        batch.put(self.table, self.prefix.as_slice(), next.encode());
        store.commit(batch)?;
        self.manifest = next;
        Ok(!self.manifest.dropped.is_empty() || self.manifest.merge_due().is_some())
    }

    fn merge_piece(
        &self,
        store: &dyn Store,
        next: &mut Manifest,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        let Some(mut merge) = next.merge.take() else { return Ok(()) };
        let mut inputs = Inputs::open(self, store, &merge)?;
        let mut packer = Packer::new(self.table, &self.prefix, merge.output);
        while let Some(pair) = inputs.next()? {
            merge.last = Some(pair);
            if packer.push(pair, batch) && batch.bytes() >= PIECE_BYTES {
                break;
            }
        }
        merge.read += inputs.read;
        merge.output = packer.cut(batch);
        if inputs.are_at_end() {
            self.end_merge(next, merge)
        } else {
            next.merge = Some(merge);
            Ok(())
        }
    }

    /// The output takes the place of the inputs, if nothing of them was lost.
    fn end_merge(&self, next: &mut Manifest, merge: Merge) -> Result<(), StoreError> {
        let is_input = |run: &Run| merge.inputs.contains(&run.id);
        let expected: u64 = next.runs.iter().filter(|run| is_input(run)).map(|run| run.pairs).sum();
        if merge.read != expected {
            let what = format!("{expected} pairs were written in some runs, {} are there", merge.read);
            return Err(self.corrupt(what));
        }
        next.runs.retain(|run| !is_input(run));
        next.runs.push(merge.output);
        next.dropped.extend(merge.inputs);
        Ok(())
    }

    /// Deletes blocks of runs that were merged, as many as a piece may.
    fn delete_piece(
        &self,
        store: &dyn Store,
        next: &mut Manifest,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        let mut left = PIECE_ROWS;
        while let Some(run) = next.dropped.first() {
            left -= delete_rows(store, self.table, &head(&self.prefix, *run), left, batch)?;
            if left == 0 {
                break;
            }
            next.dropped.remove(0);
        }
        Ok(())
    }
}

impl Manifest {
    /// Whether a merge is under way, or is now because it was due.
    fn begin_merge(&mut self) -> bool {
        if self.merge.is_none() {
            self.merge = self.merge_due().map(|inputs| {
                let output = self.begin_run();
                Merge { inputs, output, ..Merge::default() }
            });
        }
        self.merge.is_some()
    }

    /// The runs of the merge under way, or of the one to begin.
    fn merge_due(&self) -> Option<Vec<u64>> {
        if let Some(merge) = &self.merge {
            return Some(merge.inputs.clone());
        }
        let of_level = |wanted: u32| self.runs.iter().filter(|run| level(run) == wanted).count();
        let full = self.runs.iter().map(level).filter(|level| of_level(*level) >= FAN).max()?;
        let mut inputs: Vec<&Run> = self.runs.iter().filter(|run| level(run) <= full).collect();
        inputs.sort_by_key(|run| run.pairs);
        inputs.truncate(MOST_INPUTS);
        Some(inputs.into_iter().map(|run| run.id).collect())
    }
}

fn level(run: &Run) -> u32 {
    run.pairs.max(SHORT).ilog2() / FAN.ilog2()
}

/// The pairs of all inputs in ascending order, each once.
struct Inputs<'a> {
    postings: &'a Postings,
    store: &'a dyn Store,
    cursors: Vec<Cursor>,
    /// The next pair of each cursor that has one, the least on top.
    next: BinaryHeap<Reverse<(Pair, usize)>>,
    /// How many pairs were taken, each as often as it was there.
    read: u64,
}

impl<'a> Inputs<'a> {
    fn open(postings: &'a Postings, store: &'a dyn Store, merge: &Merge) -> Result<Self, StoreError> {
        let cursors =
            merge.inputs.iter().map(|run| Cursor::new(&postings.prefix, *run, merge.last)).collect();
        let mut inputs = Inputs { postings, store, cursors, next: BinaryHeap::new(), read: 0 };
        for (index, cursor) in inputs.cursors.iter_mut().enumerate() {
            if let Some(pair) = cursor.next(postings, store)? {
                inputs.next.push(Reverse((pair, index)));
            }
        }
        Ok(inputs)
    }

    fn are_at_end(&self) -> bool {
        self.next.is_empty()
    }

    fn next(&mut self) -> Result<Option<Pair>, StoreError> {
        let Some(Reverse((least, _))) = self.next.peek().copied() else { return Ok(None) };
        while let Some(mut top) = self.next.peek_mut() {
            let Reverse((pair, index)) = &mut *top;
            if *pair != least {
                break;
            }
            self.read += 1;
            match self.cursors[*index].next(self.postings, self.store)? {
                Some(following) => *pair = following,
                None => drop(PeekMut::pop(top)),
            }
        }
        Ok(Some(least))
    }
}

/// A place in a run, and some pairs behind it.
struct Cursor {
    head: Vec<u8>,
    /// The row key behind which to read on.
    after: Vec<u8>,
    /// Pairs up to this one were merged before.
    last: Option<Pair>,
    ready: std::vec::IntoIter<Pair>,
}

impl Cursor {
    fn new(prefix: &[u8], run: u64, last: Option<Pair>) -> Self {
        let head = head(prefix, run);
        let after = last.map_or_else(|| head.clone(), |(key, number)| before(&head, key, Some(number)));
        Cursor { head, after, last, ready: Vec::new().into_iter() }
    }

    fn next(&mut self, postings: &Postings, store: &dyn Store) -> Result<Option<Pair>, StoreError> {
        if let Some(pair) = self.ready.next() {
            return Ok(Some(pair));
        }
        self.fill(postings, store)?;
        Ok(self.ready.next())
    }

    fn fill(&mut self, postings: &Postings, store: &dyn Store) -> Result<(), StoreError> {
        let (mut pairs, mut whole) = (Vec::new(), Some(()));
        let range = ScanRange::prefix(self.head.as_slice()).after(self.after.as_slice());
        store.scan(postings.table, range, &mut |row_key, block| {
            row_key.clone_into(&mut self.after);
            whole = unpack(&self.head, row_key, block, |pair| {
                if Some(pair) > self.last {
                    pairs.push(pair);
                }
                ControlFlow::Continue(())
            });
            let enough = whole.is_none() || pairs.len() >= READ_AHEAD;
            if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        self.ready = pairs.into_iter();
        whole.ok_or_else(|| postings.corrupt_block())
    }
}
