//! A store that forgets when the process ends: for ephemeral data, for tests, and as the stupid twin of the one on
//! disk.
//!
//! A table is a `BTreeMap` behind an `Arc`. A scan holds the `Arc` and not the lock, so it sees one state and its
//! visitor may commit; the first change to a table that somebody is scanning copies it.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::batch::Changes;
use crate::{Batch, ScanRange, Store, StoreError, Table};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// Ordered tables in memory. Keeps each promise of [`Store`] but durability, and never fails.
#[derive(Debug, Default)]
pub struct MemoryStore {
    tables: Mutex<BTreeMap<Table, Arc<Rows>>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn tables(&self) -> MutexGuard<'_, BTreeMap<Table, Arc<Rows>>> {
        // Nothing that can panic happens under this lock, so a poisoned one still guards whole tables.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rows(&self, table: Table) -> Arc<Rows> {
        self.tables().get(&table).cloned().unwrap_or_default()
    }
}

fn apply(rows: &mut Rows, changes: Changes) {
    for (key, value) in changes {
        match value {
            Some(value) => rows.insert(key, value),
            None => rows.remove(&key),
        };
    }
}

impl Store for MemoryStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.rows(table).get(key).cloned())
    }

    fn scan(
        &self,
        table: Table,
        range: ScanRange,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let rows = self.rows(table);
        for (key, value) in rows.range::<[u8], _>((range.start(), Bound::Unbounded)) {
            if !key.starts_with(&range.prefix) || visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let mut tables = self.tables();
        for (table, changes) in batch.into_tables() {
            apply(Arc::make_mut(tables.entry(table).or_default()), changes);
        }
        Ok(())
    }
}
