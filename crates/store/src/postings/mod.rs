//! An index of many small pairs: which numbers stand under a key.
//!
//! A [`Postings`] is a set of postings, pairs of a key (64 bits, a hash for most callers) and a number (32 bits), that
//! only grows. A B-tree with a row for each would be right and slow: keys that are hashes fall everywhere, and each
//! commit would write a page for each pair. So pairs are gathered in memory, sorted, and written as a *run*: blocks of
//! some hundred packed pairs, in key order. A key is looked up in each run, in one block for most keys; and so that
//! runs stay few, those of like length are merged, a bounded piece at a time.
//!
//! All of it lies in one table under a prefix:
//!
//! ```text
//!  prefix                                    the manifest: which runs count
//!  prefix │ run │ last key │ last number     a block
//! ```
//!
//! Memory holds the pairs that are not written, the manifest, and while there is merging a few MiB; nothing of it grows
//! with the number of pairs. A crash loses what was not committed, and nothing else: the [`mark`](Postings::mark) that
//! was kept with the last run says where to go on.
//!
//! ```
//! use motet_store::{Batch, MemoryStore, Postings, Store, Table};
//!
//! let (store, table) = (MemoryStore::new(), Table("index"));
//! let mut postings = Postings::open(&store, table, b"facts/")?;
//! postings.add(7, 2);
//! postings.add(7, 1);
//! assert_eq!(postings.find(&store, 7)?, [1, 2]);
//! let mut batch = Batch::new();
//! postings.write(&mut batch, 3); // pairs of numbers below 3 are in it
//! store.commit(batch)?;
//! while postings.merge_some(&store)? {}
//! assert_eq!(Postings::open(&store, table, b"facts/")?.find(&store, 7)?, [1, 2]);
//! # Ok::<(), motet_store::StoreError>(())
//! ```

mod block;
mod manifest;
mod merge;

use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};

use block::{Packer, Pair, before, head, last_of, unpack};
use manifest::Manifest;

use crate::{Batch, ScanRange, Store, StoreError, Table};

/// At most so many rows are deleted in one commit.
const PIECE_ROWS: usize = 2048;

/// A set of pairs (key, number) that only grows, in a table under a prefix.
///
/// One value at a time: two that write under the same prefix would spoil each other's runs.
#[derive(Debug)]
pub struct Postings {
    table: Table,
    prefix: Vec<u8>,
    manifest: Manifest,
    unwritten: BTreeSet<Pair>,
}

/// How much there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostingsSize {
    /// Pairs in runs. A pair that was written twice counts twice until it is merged.
    pub pairs: u64,
    /// Runs that a lookup reads.
    pub runs: usize,
    /// Bytes of packed pairs in those runs.
    pub bytes: u64,
}

impl Postings {
    /// What was committed under a prefix; nothing at first. No other row of the table may begin with the prefix, and
    /// it should be short: a block and its key fill a page of the engine if it is not longer than 50 bytes.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the manifest is damaged: [`clear`](Postings::clear) and make all of it anew. Or
    /// whatever the store returns.
    pub fn open(store: &dyn Store, table: Table, prefix: &[u8]) -> Result<Self, StoreError> {
        let prefix = prefix.to_vec();
        let mut postings =
            Postings { table, prefix, manifest: Manifest::default(), unwritten: BTreeSet::new() };
        match store.get(table, &postings.prefix)? {
            Some(row) => {
                let manifest = Manifest::decode(&row);
                postings.manifest =
                    manifest.ok_or_else(|| postings.corrupt("the manifest of the runs can't be read"))?;
            }
            // Blocks may be left of a clearing that was broken off.
            None => Self::clear(store, table, &postings.prefix)?,
        }
        Ok(postings)
    }

    /// Deletes all there is under a prefix, the manifest first, in commits of a bounded size. If that is broken off,
    /// opening goes on with it.
    ///
    /// # Errors
    /// Whatever the store returns.
    pub fn clear(store: &dyn Store, table: Table, prefix: &[u8]) -> Result<(), StoreError> {
        loop {
            let mut batch = Batch::new();
            if delete_rows(store, table, prefix, PIECE_ROWS, &mut batch)? == 0 {
                return Ok(());
            }
            store.commit(batch)?;
        }
    }

    /// Notes a pair, in memory until it is written.
    pub fn add(&mut self, key: u64, number: u32) {
        self.unwritten.insert((key, number));
    }

    /// How many pairs are in memory only, each counted once.
    pub fn unwritten(&self) -> usize {
        self.unwritten.len()
    }

    /// Puts all pairs that are not written into a batch, as a new run. The mark is the caller's: how far it has come.
    ///
    /// Memory is ahead of the store until that batch is committed: nothing may be asked or merged before. If the commit
    /// fails, or is not made, open anew.
    pub fn write(&mut self, batch: &mut Batch, mark: u64) {
        self.manifest.mark = mark;
        let pairs = std::mem::take(&mut self.unwritten);
        if !pairs.is_empty() {
            let mut packer = Packer::new(self.table, &self.prefix, self.manifest.begin_run());
            for pair in pairs {
                packer.push(pair, batch);
            }
            self.manifest.runs.push(packer.cut(batch));
        }
        batch.put(self.table, self.prefix.as_slice(), self.manifest.encode());
    }

    /// The mark of the last write; 0 at first.
    pub fn mark(&self) -> u64 {
        self.manifest.mark
    }

    /// How much is written.
    pub fn size(&self) -> PostingsSize {
        let runs = &self.manifest.runs;
        PostingsSize {
            pairs: runs.iter().map(|run| run.pairs).sum(),
            runs: runs.len(),
            bytes: runs.iter().map(|run| run.bytes).sum(),
        }
    }

    /// All numbers of a key, ascending, each once; those that are not written, too.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if a block is damaged, or whatever the store returns.
    pub fn find(&self, store: &dyn Store, key: u64) -> Result<Vec<u32>, StoreError> {
        self.find_some(store, key, None, usize::MAX)
    }

    /// The least numbers of a key, at most so many, of those that are greater than a number. For keys with very many:
    /// memory and blocks read are bounded by the limit, and one block more for each run.
    ///
    /// # Errors
    /// As [`find`](Postings::find).
    pub fn find_some(
        &self,
        store: &dyn Store,
        key: u64,
        after: Option<u32>,
        limit: usize,
    ) -> Result<Vec<u32>, StoreError> {
        let mut numbers = Vec::new();
        for run in &self.manifest.runs {
            self.find_in_run(store, run.id, (key, after), limit, &mut numbers)?;
        }
        let start = after.map_or(Bound::Included((key, 0)), |number| Bound::Excluded((key, number)));
        let unwritten = self.unwritten.range((start, Bound::Included((key, u32::MAX))));
        numbers.extend(unwritten.map(|(_, number)| *number).take(limit));
        numbers.sort_unstable();
        numbers.dedup();
        numbers.truncate(limit);
        Ok(numbers)
    }

    fn find_in_run(
        &self,
        store: &dyn Store,
        run: u64,
        (key, after): (u64, Option<u32>),
        limit: usize,
        numbers: &mut Vec<u32>,
    ) -> Result<(), StoreError> {
        let head = head(&self.prefix, run);
        let (begin, mut whole) = (numbers.len(), Some(()));
        let range = ScanRange::prefix(head.as_slice()).after(before(&head, key, after));
        store.scan(self.table, range, &mut |row_key, block| {
            whole = unpack(&head, row_key, block, |(other, number)| {
                if other == key && Some(number) > after {
                    numbers.push(number);
                }
                if other > key { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            let more = numbers.len() - begin < limit && last_of(row_key).is_some_and(|last| last.0 == key);
            if more && whole.is_some() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        whole.ok_or_else(|| self.corrupt_block())
    }

    fn corrupt_block(&self) -> StoreError {
        self.corrupt("a block of a run is not one that was written")
    }

    fn corrupt(&self, what: impl Into<String>) -> StoreError {
        StoreError::corrupt(what, &format!("the postings in table {}", self.table.0))
    }
}

/// Deletes the rows whose key begins so, at most so many. Says how many.
fn delete_rows(
    store: &dyn Store,
    table: Table,
    head: &[u8],
    most: usize,
    batch: &mut Batch,
) -> Result<usize, StoreError> {
    let mut count = 0;
    store.scan(table, ScanRange::prefix(head), &mut |row_key, _| {
        batch.delete(table, row_key);
        count += 1;
        if count < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(count)
}
