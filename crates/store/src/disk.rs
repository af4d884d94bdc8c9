//! A store in one file: redb over verified blocks.
//!
//! redb is a copy-on-write B-tree: a commit writes new pages beside the old ones, switches between two halves of a
//! header, and syncs once. A crash before the switch is durable leaves the commit before it. Opening after a crash
//! therefore walks the whole tree once to verify which of the two is whole; opening after a clean end doesn't.
//!
//! Two things we don't leave to it. *Damage*: see the blocks underneath. *Panics*: it has assertions that a damaged
//! file could reach in spite of the checksums (a torn header is not verified), so each call into it is
//! caught; a panic there becomes [`StoreError::Corrupt`] and poisons the store. The default panic hook still prints
//! its line. This needs unwinding: a program built with `panic = "abort"` ends instead.
//!
//! Memory is bounded by [`Options::cache_bytes`]. Batches don't count: a commit holds its batch, and the pages it
//! makes beyond half of the cache are written early.

use std::any::Any;
use std::ops::{Bound, ControlFlow};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{Database, ReadableDatabase as _, TableDefinition, TableError};

use crate::batch::Changes;
use crate::blocks::{Backend, Blocks};
use crate::header::{self, State};
use crate::{Batch, FileMedium, Medium, ScanRange, Store, StoreError, Table};

/// The version of what lies in the tables. The file's own layout has a version in its header.
const FORMAT: u32 = 1;
const META: Table = Table("meta");
const FORMAT_KEY: &[u8] = b"format version";

/// How to open a store on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes of pages kept in memory, written and read ones together. Default: 64 MiB.
    pub cache_bytes: usize,
    /// Whether each commit also keeps what opening after a crash needs. Default: yes.
    ///
    /// Then opening takes milliseconds, and a commit syncs twice. Else it syncs once, and opening after a crash reads
    /// the whole file, three times over; and if the disk damaged the last commit besides, the one before it returns,
    /// for it looks as if that had been under way. For bulk loads that can be repeated.
    pub quick_recovery: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { cache_bytes: 64 << 20, quick_recovery: true }
    }
}

/// Ordered tables in one file. Dropping it closes the file.
pub struct DiskStore {
    database: Option<Database>,
    blocks: Arc<Blocks>,
    place: String,
    poisoned: AtomicBool,
    quick_recovery: bool,
}

impl DiskStore {
    /// Opens the database in a file, or makes one there if the file is missing or empty.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if another process has it, [`StoreError::NotADatabase`] or [`StoreError::Version`] if
    /// it isn't one of ours, [`StoreError::Corrupt`] if it was damaged, and whatever the system says. A file that
    /// isn't ours is left as it is.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, StoreError> {
        Self::open_on(Arc::new(FileMedium::open(path)?), options)
    }

    /// The same on any medium. It is closed when the store is dropped, or can't be opened.
    ///
    /// # Errors
    /// As [`DiskStore::open`], without [`StoreError::InUse`].
    pub fn open_on(medium: Arc<dyn Medium>, options: Options) -> Result<Self, StoreError> {
        let place = medium.place();
        let left = header::begin(&*medium)?;
        let blocks = Arc::new(Blocks::new(Arc::clone(&medium), left));
        let poisoned = AtomicBool::new(false);
        let quick_recovery = options.quick_recovery;
        let mut store = DiskStore { database: None, blocks, place, poisoned, quick_recovery };
        store.database = Some(store.guarded(|| open_engine(&store.blocks, options))?);
        store.blocks.settle().map_err(|source| store.io("recover", source))?;
        store.check_format(left)?;
        if left == State::Making {
            State::Open.write(&*medium).map_err(|source| store.io("create", source))?;
        }
        Ok(store)
    }

    fn check_format(&self, left: State) -> Result<(), StoreError> {
        match self.get(META, FORMAT_KEY)? {
            None if left == State::Making => {
                let mut batch = Batch::new();
                batch.put(META, FORMAT_KEY, FORMAT.to_le_bytes());
                self.commit(batch)
            }
            None => Err(StoreError::corrupt("the format version is missing", &self.place)),
            Some(row) => match <[u8; 4]>::try_from(row.as_slice()).map(u32::from_le_bytes) {
                Ok(FORMAT) => Ok(()),
                Ok(found) => Err(StoreError::Version { found, want: FORMAT }),
                Err(_) => Err(StoreError::corrupt("the format version is no number", &self.place)),
            },
        }
    }

    fn database(&self) -> &Database {
        self.database.as_ref().expect("only drop takes the database, and open sets it before any other call")
    }

    /// Calls the engine. An error or a panic of its poisons the store.
    fn guarded<T>(&self, call: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, StoreError> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(StoreError::Poisoned);
        }
        let error = match catch_unwind(AssertUnwindSafe(call)) {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => self.sorted(error),
            Err(panic) => StoreError::corrupt(format!("the engine gave up: {}", words(&*panic)), &self.place),
        };
        self.poisoned.store(true, Ordering::Release);
        Err(error)
    }

    /// The engine's error, by what the caller can do.
    fn sorted(&self, error: redb::Error) -> StoreError {
        match error {
            redb::Error::Io(source) => self.io("use", source),
            redb::Error::PreviousIo | redb::Error::DatabaseClosed | redb::Error::LockPoisoned(_) => {
                StoreError::Poisoned
            }
            redb::Error::ValueTooLarge(bytes) => {
                let words = format!("a row of {bytes} bytes is too large");
                self.io("commit to", std::io::Error::new(std::io::ErrorKind::InvalidInput, words))
            }
            other => StoreError::corrupt(other.to_string(), &self.place),
        }
    }

    fn io(&self, what: &'static str, source: std::io::Error) -> StoreError {
        StoreError::io(what, &self.place, source)
    }

    fn rows(&self, table: Table) -> Result<Option<Rows>, StoreError> {
        self.guarded(|| match self.database().begin_read()?.open_table(definition(table)) {
            Ok(rows) => Ok(Some(rows)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        })
    }
}

type Rows = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.0)
}

fn open_engine(blocks: &Arc<Blocks>, options: Options) -> Result<Database, redb::Error> {
    let recovering = Arc::clone(blocks);
    let database = Database::builder()
        .set_cache_size(options.cache_bytes)
        .set_repair_callback(move |_| recovering.recover())
        .create_with_backend(Backend(Arc::clone(blocks)))?;
    Ok(database)
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given")
}

fn apply(transaction: &redb::WriteTransaction, table: Table, changes: Changes) -> Result<(), redb::Error> {
    let mut rows = transaction.open_table(definition(table))?;
    for (key, value) in changes {
        match value {
            Some(value) => rows.insert(key.as_slice(), value.as_slice())?,
            None => rows.remove(key.as_slice())?,
        };
    }
    Ok(())
}

impl Store for DiskStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(rows) = self.rows(table)? else { return Ok(None) };
        self.guarded(|| Ok(rows.get(key)?.map(|value| value.value().to_vec())))
    }

    fn scan(
        &self,
        table: Table,
        range: ScanRange,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let Some(rows) = self.rows(table)? else { return Ok(()) };
        let mut walk = self.guarded(|| Ok(rows.range::<&[u8]>((range.start(), Bound::Unbounded))?))?;
        while let Some((key, value)) = self.guarded(|| Ok(walk.next().transpose()?))? {
            // Outside of the guard: a panic of the visitor is its own.
            if !key.value().starts_with(&range.prefix) || visit(key.value(), value.value()).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.guarded(|| {
            let mut transaction = self.database().begin_write()?;
            transaction.set_quick_repair(self.quick_recovery);
            for (table, changes) in batch.into_tables() {
                apply(&transaction, table, changes)?;
            }
            Ok(transaction.commit()?)
        })
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        let database = self.database.take();
        // Whatever goes wrong in closing is found by the next one to open: the file isn't marked as shut then.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
    }
}

impl std::fmt::Debug for DiskStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiskStore").field("place", &self.place).finish_non_exhaustive()
    }
}
