//! Bytes that survive: ordered tables, blocks by CID and one atomic commit, over an embedded engine or memory.
//!
//! The floor that remembers. A [`Store`] holds ordered tables of bytes; whatever must become true together goes into
//! one [`Batch`], and when [`Store::commit`] returns, it is on the disk: *that return is the promise* the rest of
//! Motet is built on. What the rows mean is the business of the crates above: each lays out its own keys.
//!
//! Three layers, each replaceable:
//!
//! ```text
//!  Store      MemoryStore                 DiskStore
//!                                            │ redb: copy-on-write B-trees, one file
//!  Blocks                                 blocks of 4 KiB, each with its checksum
//!  Medium                     FileMedium   MemoryMedium   testing::FaultyMedium
//! ```
//!
//! A [`Medium`] is the only door to a disk, so a failing one can be simulated, and something other than a file can
//! lie under the database. The checksums are ours because the engine verifies its own only in recovery: a disk that
//! rots is met with [`StoreError::Corrupt`], not with wrong rows.
//!
//! ```
//! use motet_store::{Batch, MemoryStore, Store, Table, get_block};
//!
//! const PARTS: Table = Table("parts");
//! const HEADS: Table = Table("heads");
//!
//! let store = MemoryStore::new();
//! let mut batch = Batch::new();
//! let cid = batch.put_block(PARTS, *b"what was said");
//! batch.put(HEADS, *b"feed 1", cid.as_bytes());
//! store.commit(batch)?; // both, or neither
//! assert_eq!(get_block(&store, PARTS, &cid)?.as_deref(), Some(b"what was said".as_slice()));
//! # Ok::<(), motet_store::StoreError>(())
//! ```
//!
//! | module | noun |
//! |---|---|
//! | [`store`] | the trait, tables and ranges |
//! | [`batch`] | what becomes true together |
//! | [`memory`] | a store that forgets when the process ends; the stupid twin of the one on disk |
//! | [`disk`] | a store in one file |
//! | [`medium`] | where the bytes of that file are |
//! | [`postings`] | an index of many small pairs, in a table of a store |
//! | [`keys`] | secrets, sealed at rest |
//! | [`error`] | what can go wrong, by what the caller can do |
//! | [`testing`] | a medium that fails when told to, and what a crash leaves of it |

pub mod batch;
mod blocks;
pub mod disk;
pub mod error;
mod header;
pub mod keys;
pub mod medium;
pub mod memory;
pub mod postings;
pub mod store;
pub mod testing;

pub use batch::Batch;
pub use disk::{DiskStore, Options};
pub use error::StoreError;
pub use keys::{Entropy, KeyStore, Lock, Protection, key_file_beside};
pub use medium::{FileMedium, Medium, MemoryMedium};
pub use memory::MemoryStore;
pub use postings::{Postings, PostingsSize};
pub use store::{ScanRange, Store, Table, get_block};
