//! The key trait of this crate: ordered tables of bytes, and one atomic commit.

use std::ops::ControlFlow;

use motet_fact::Cid;

use crate::{Batch, StoreError};

/// A name for an untyped, ordered table. A table exists from its first row on.
///
/// The names `meta` (the format version) and `keys` (sealed secrets) are this crate's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Table(pub &'static str);

/// Which rows of a table a scan visits: those whose key begins with `prefix` and is greater than `after`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanRange {
    /// The key begins with this; empty for the whole table.
    pub prefix: Vec<u8>,
    /// The key is greater than this (a whole key, not the part behind the prefix): where an earlier scan stopped.
    pub after: Option<Vec<u8>>,
}

impl ScanRange {
    /// The whole table.
    pub fn all() -> Self {
        Self::default()
    }

    /// The rows whose key begins so.
    pub fn prefix(prefix: impl Into<Vec<u8>>) -> Self {
        ScanRange { prefix: prefix.into(), after: None }
    }

    /// The same, without the rows up to and including this key.
    #[must_use]
    pub fn after(self, key: impl Into<Vec<u8>>) -> Self {
        ScanRange { after: Some(key.into()), ..self }
    }

    /// Where a walk in key order begins. It ends at the first key that doesn't begin with the prefix.
    pub(crate) fn start(&self) -> std::ops::Bound<&[u8]> {
        match &self.after {
            Some(after) if *after >= self.prefix => std::ops::Bound::Excluded(after),
            _ => std::ops::Bound::Included(&self.prefix),
        }
    }
}

/// Ordered tables of bytes that change by whole batches.
///
/// **Durable.** When [`commit`](Store::commit) returns `Ok`, the batch outlives the process and the power. (A
/// [`MemoryStore`](crate::MemoryStore) outlives neither, and promises everything else.)
///
/// **Atomic.** After a crash, a store holds the effect of a prefix of its commits: every one that returned, and
/// perhaps the one that was under way, whole.
///
/// **Isolated.** Commits happen one after another, from whatever thread. A read sees the commits that returned before
/// it began, and a scan sees the store as it was when the scan began; its visitor may use the store, and commit.
///
/// **Fail-stop.** A commit that returns an error may or may not have happened, and nobody can tell until the store is
/// opened anew: from then on each call returns [`StoreError::Poisoned`]. The same holds for a read that met damage.
/// Nothing that a medium does makes a store panic.
pub trait Store: Send + Sync {
    /// The value of a row, if there is one.
    ///
    /// # Errors
    /// [`StoreError`] if the medium fails or was damaged.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Visits the rows of a range in key order (bytewise) until `visit` breaks off. Breaking off is no error.
    ///
    /// # Errors
    /// [`StoreError`] if the medium fails or was damaged; some rows may have been visited.
    #[allow(clippy::type_complexity, reason = "an alias would hide what a visitor gets")]
    fn scan(
        &self,
        table: Table,
        range: ScanRange,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;

    /// Applies all of the batch or nothing; when it returns `Ok`, it is durable.
    ///
    /// # Errors
    /// [`StoreError`] if the medium fails. The store is poisoned then.
    fn commit(&self, batch: Batch) -> Result<(), StoreError>;
}

/// The block that a content id names, if the table has it. Its bytes are hashed again, so what returns is the block.
///
/// # Errors
/// [`StoreError::Corrupt`] if the stored bytes are not the named ones, or whatever [`Store::get`] returns.
pub fn get_block(store: &dyn Store, table: Table, cid: &Cid) -> Result<Option<Vec<u8>>, StoreError> {
    match store.get(table, cid.as_bytes())? {
        Some(bytes) if !cid.names(&bytes) => Err(StoreError::corrupt(
            "a block doesn't have the hash that it is stored under",
            &format!("{} in table {}", cid, table.0),
        )),
        found => Ok(found),
    }
}
