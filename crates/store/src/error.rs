//! What can go wrong, named by what the caller can do about it.
//!
//! No error here is deterministic across replicas: each speaks of one disk on one machine, so none of them may ever
//! decide whether an entry counts. Trying the same call again on the same store helps in no case; the remedy that
//! each message names may.

use std::io;
use std::path::PathBuf;

/// What to do about bytes that were changed behind our back.
pub(crate) const REMEDY: &str =
    "restore the file from a backup, or move it away and synchronise again from a peer";

/// Why a store can't do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody has the database open. Close it there.
    #[error("{} is in use by another process: close the program that has it open", path.display())]
    InUse {
        /// The file of the database.
        path: PathBuf,
    },
    /// The bytes on the medium are not the ones that were written.
    #[error("{at} is damaged: {what}; {REMEDY}")]
    Corrupt {
        /// What is wrong.
        what: String,
        /// The file or the row.
        at: String,
    },
    /// An earlier call failed in the middle, so what the medium holds is not known until it is opened anew.
    #[error("an earlier write to the database failed: close it and open it again")]
    Poisoned,
    /// The medium is full. What was committed before is safe.
    #[error("no space left for {at}: free some, then open the database again ({source})")]
    Full {
        /// The file of the database.
        at: String,
        /// What the system said.
        source: io::Error,
    },
    /// The medium failed.
    #[error("can't {what} {at}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// The file of the database.
        at: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file was written by another version of Motet.
    #[error(
        "the database has format version {found}, this program reads version {want}: use a matching program"
    )]
    Version {
        /// The version of the file.
        found: u32,
        /// The version this program reads.
        want: u32,
    },
    /// The file is something else. It was not touched.
    #[error("{at} is not a Motet database: check the path")]
    NotADatabase {
        /// The file.
        at: String,
    },
    /// The keys can't be opened with this passphrase or this key file.
    #[error("wrong passphrase or key file: the secrets of this database were sealed with another")]
    WrongKey,
    /// The database has no keys yet.
    #[error("this database has no keys yet: create them first")]
    NoKeys,
    /// The database has keys already; making new ones would lose them.
    #[error("this database has keys already: open them instead of creating new ones")]
    KeysExist,
    /// Others on this machine may read the key file.
    #[error("the key file {} can be read by others (mode {mode:o}): run chmod 600 on it", path.display())]
    KeyFileExposed {
        /// The key file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
}

impl StoreError {
    /// Sorts what the system said by what the caller can do.
    pub(crate) fn io(what: &'static str, at: &str, source: io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let at = at.to_owned();
        if let Some(damage) = source.get_ref().and_then(|inner| inner.downcast_ref::<Damage>()) {
            return StoreError::Corrupt { what: damage.to_string(), at };
        }
        match source.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => StoreError::Full { at, source },
            _ => StoreError::Io { what, at, source },
        }
    }

    pub(crate) fn corrupt(what: impl Into<String>, at: &str) -> Self {
        StoreError::Corrupt { what: what.into(), at: at.to_owned() }
    }
}

/// Damage found under the engine, on its way up through an [`io::Error`].
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Damage {
    #[error("the checksum of block {0} doesn't match its bytes")]
    Checksum(u64),
    #[error("the file ends in the middle of a block")]
    Length,
}

impl From<Damage> for io::Error {
    fn from(damage: Damage) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, damage)
    }
}
