//! What becomes true together.
//!
//! A batch keeps its changes sorted, because a B-tree takes sorted rows several times faster than scattered ones, and
//! only the last change of a row, because the earlier ones could never be seen.

use std::collections::BTreeMap;

use motet_fact::{Cid, Codec};

use crate::Table;

/// The changes of one table: the new value of a key, or none to delete the row.
pub(crate) type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Changes that a [`commit`](crate::Store::commit) makes at once. Of several changes to a row the last one wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    tables: BTreeMap<Table, Changes>,
    bytes: usize,
}

impl Batch {
    /// A batch without changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the value of a row, whether there is one or not.
    pub fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.change(table, key.into(), Some(value.into()));
    }

    /// Removes a row, if there is one.
    pub fn delete(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.change(table, key.into(), None);
    }

    /// Stores bytes under their content id, as codec raw. For dag-cbor, put the bytes under an id you made.
    pub fn put_block(&mut self, table: Table, bytes: impl Into<Vec<u8>>) -> Cid {
        let bytes = bytes.into();
        let cid = Cid::of(Codec::Raw, &bytes);
        self.put(table, cid.as_bytes(), bytes);
        cid
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Bytes of keys and values that a commit would write, to decide when a batch is large enough.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds the changes of another batch behind these.
    pub fn append(&mut self, later: Batch) {
        for (table, changes) in later.tables {
            for (key, value) in changes {
                self.change(table, key, value);
            }
        }
    }

    pub(crate) fn into_tables(self) -> BTreeMap<Table, Changes> {
        self.tables
    }

    fn change(&mut self, table: Table, key: Vec<u8>, value: Option<Vec<u8>>) {
        let key_bytes = key.len();
        self.bytes += key_bytes + value.as_ref().map_or(0, Vec::len);
        if let Some(earlier) = self.tables.entry(table).or_default().insert(key, value) {
            self.bytes -= key_bytes + earlier.map_or(0, |value| value.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Table = Table("t");

    #[test]
    fn the_last_change_of_a_row_is_the_one_that_counts() {
        let mut batch = Batch::new();
        assert!(batch.is_empty());
        batch.put(T, *b"key", *b"value");
        batch.put(T, *b"key", *b"v");
        batch.delete(T, *b"gone");
        assert_eq!(batch.bytes(), 3 + 1 + 4);
        let mut later = Batch::new();
        later.delete(T, *b"key");
        batch.append(later);
        assert_eq!(batch.bytes(), 3 + 4);
        assert_eq!(batch.into_tables()[&T].get(b"key".as_slice()), Some(&None));
    }
}
