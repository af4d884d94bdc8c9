//! Secrets, sealed at rest: the KeyStore.
//!
//! A device's secrets lie in the same store as everything else, each sealed under one key, so that a secret and the
//! entry that first uses it are committed together. The sealing key is not in the store. It comes from a passphrase,
//! with a stored salt, or from a *key file* beside the database that only its owner may read.
//!
//! ```text
//!  table "keys"   "protection" → kind (1) │ salt (16, if a passphrase)
//!                 "check"      → a known text, sealed: tells a wrong passphrase before any secret is needed
//!                 "secret/…"   → the secret of that label, sealed for that label
//! ```
//!
//! What this keeps out: who gets the database without the passphrase, or a backup of it without the key file. What it
//! doesn't: who runs code as the same user. Deleted secrets may stay in free pages of the file, sealed as they were.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use motet_fact::seal::{SealError, SealKey};
use zeroize::Zeroizing;

use crate::medium::{owner_only, sync_directory_of};
use crate::{Batch, ScanRange, Store, StoreError, Table};

const KEYS: Table = Table("keys");
const PROTECTION: &[u8] = b"protection";
const CHECK: &[u8] = b"check";
const CHECK_TEXT: &[u8] = b"motet keys v1";
const SECRET: &str = "secret/";

/// Fills a slice with fresh randomness.
pub type Entropy<'a> = dyn FnMut(&mut [u8]) + 'a;

/// Where the sealing key comes from.
#[derive(Clone, Copy)]
pub enum Protection<'a> {
    /// From a passphrase (Argon2id).
    Passphrase(&'a str),
    /// From this file, which is made if it is missing. [`key_file_beside`] names the usual one.
    File(&'a Path),
}

/// What a database asks for before it gives out its secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// A passphrase.
    Passphrase,
    /// Its key file.
    File,
}

/// The usual place of a database's key file: its own name with `.key` behind it.
pub fn key_file_beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".key");
    PathBuf::from(name)
}

/// An opened lock: seals and opens the secrets of one store. Holds the key, not the store.
pub struct KeyStore {
    key: SealKey,
}

impl KeyStore {
    /// Opens the keys of a store whose sealing key the caller keeps: a store in memory, or one under another roof.
    pub fn with_key(key: SealKey) -> Self {
        KeyStore { key }
    }

    /// Makes the keys of a store, and opens them. One commit, after the key file is durable.
    ///
    /// # Errors
    /// [`StoreError::KeysExist`] if there are some, and whatever the store or the key file say.
    pub fn create(
        store: &dyn Store,
        protection: Protection<'_>,
        entropy: &mut Entropy<'_>,
    ) -> Result<Self, StoreError> {
        if Self::lock(store)?.is_some() {
            return Err(StoreError::KeysExist);
        }
        let (key, row) = new_key(protection, entropy)?;
        let keys = KeyStore { key };
        let mut batch = Batch::new();
        batch.put(KEYS, PROTECTION, row);
        batch.put(KEYS, CHECK, keys.seal(CHECK, CHECK_TEXT, entropy));
        store.commit(batch)?;
        Ok(keys)
    }

    /// Opens the keys of a store.
    ///
    /// # Errors
    /// [`StoreError::WrongKey`] if the passphrase or the key file is another, [`StoreError::NoKeys`] if there are
    /// none, [`StoreError::KeyFileExposed`] if others may read the key file.
    pub fn open(store: &dyn Store, protection: Protection<'_>) -> Result<Self, StoreError> {
        let row = store.get(KEYS, PROTECTION)?.ok_or(StoreError::NoKeys)?;
        let key = match (protection, parse(&row)?) {
            (Protection::Passphrase(passphrase), Stored::Salt(salt)) => derive(passphrase, &salt)?,
            (Protection::File(path), Stored::File) => read_key_file(path)?,
            _ => return Err(StoreError::WrongKey),
        };
        let keys = KeyStore { key };
        let check =
            store.get(KEYS, CHECK)?.ok_or_else(|| damaged("the row that tells a wrong key is missing"))?;
        keys.unseal(CHECK, &check)?;
        Ok(keys)
    }

    /// What [`KeyStore::open`] needs, or nothing if the store has no keys yet.
    ///
    /// # Errors
    /// Whatever the store says.
    pub fn lock(store: &dyn Store) -> Result<Option<Lock>, StoreError> {
        let Some(row) = store.get(KEYS, PROTECTION)? else { return Ok(None) };
        Ok(Some(match parse(&row)? {
            Stored::Salt(_) => Lock::Passphrase,
            Stored::File => Lock::File,
        }))
    }

    /// Puts a secret into a batch, to be committed together with whatever else is in it. Replaces the one with the
    /// same label.
    pub fn seal_into(&self, batch: &mut Batch, label: &str, secret: &[u8], entropy: &mut Entropy<'_>) {
        let row = secret_row(label);
        let sealed = self.seal(&row, secret, entropy);
        batch.put(KEYS, row, sealed);
    }

    /// Takes the secret of a label away, together with whatever else is in the batch. Pages of the file that it was on
    /// may hold it, sealed, until they are used again.
    pub fn forget_into(batch: &mut Batch, label: &str) {
        batch.delete(KEYS, secret_row(label));
    }

    /// Commits a secret on its own.
    ///
    /// # Errors
    /// Whatever the store says.
    pub fn put(
        &self,
        store: &dyn Store,
        label: &str,
        secret: &[u8],
        entropy: &mut Entropy<'_>,
    ) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        self.seal_into(&mut batch, label, secret, entropy);
        store.commit(batch)
    }

    /// The secret of a label, if there is one. It is wiped when dropped.
    ///
    /// # Errors
    /// [`StoreError::WrongKey`] if it was sealed with another key or for another label, and whatever the store says.
    pub fn get(&self, store: &dyn Store, label: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let row = secret_row(label);
        store.get(KEYS, &row)?.map(|sealed| self.unseal(&row, &sealed)).transpose()
    }

    /// The labels of all secrets, in order. They are not secret.
    ///
    /// # Errors
    /// Whatever the store says.
    pub fn labels(store: &dyn Store) -> Result<Vec<String>, StoreError> {
        let mut labels = Vec::new();
        store.scan(KEYS, ScanRange::prefix(SECRET), &mut |key, _| {
            labels.push(String::from_utf8_lossy(&key[SECRET.len()..]).into_owned());
            ControlFlow::Continue(())
        })?;
        Ok(labels)
    }

    /// Seals everything anew under another protection, in one commit: a new passphrase, or a passphrase at last.
    ///
    /// # Errors
    /// [`StoreError::WrongKey`] if a secret can't be opened, and whatever the store or the key file say. Nothing has
    /// changed then.
    pub fn protect_anew(
        self,
        store: &dyn Store,
        protection: Protection<'_>,
        entropy: &mut Entropy<'_>,
    ) -> Result<Self, StoreError> {
        let (key, row) = new_key(protection, entropy)?;
        let keys = KeyStore { key };
        let mut batch = Batch::new();
        batch.put(KEYS, PROTECTION, row);
        batch.put(KEYS, CHECK, keys.seal(CHECK, CHECK_TEXT, entropy));
        for label in Self::labels(store)? {
            if let Some(secret) = self.get(store, &label)? {
                keys.seal_into(&mut batch, &label, &secret, entropy);
            }
        }
        store.commit(batch)?;
        Ok(keys)
    }

    /// A secret is sealed for the row that it lies in, so that no two can be exchanged.
    fn seal(&self, row: &[u8], secret: &[u8], entropy: &mut Entropy<'_>) -> Vec<u8> {
        let mut nonce = [0; 24];
        entropy(&mut nonce);
        self.key.seal(&String::from_utf8_lossy(row), nonce, secret)
    }

    fn unseal(&self, row: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let secret = self.key.open(&String::from_utf8_lossy(row), sealed);
        secret.map(Zeroizing::new).map_err(|_| StoreError::WrongKey)
    }
}

impl std::fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyStore(…)")
    }
}

fn secret_row(label: &str) -> Vec<u8> {
    [SECRET, label].concat().into_bytes()
}

/// The row that says where the key comes from.
enum Stored {
    Salt([u8; 16]),
    File,
}

fn parse(row: &[u8]) -> Result<Stored, StoreError> {
    match row {
        [b'p', salt @ ..] => match salt.try_into() {
            Ok(salt) => Ok(Stored::Salt(salt)),
            Err(_) => Err(damaged("the salt has the wrong length")),
        },
        [b'f'] => Ok(Stored::File),
        _ => Err(damaged("the protection is of no known kind")),
    }
}

fn damaged(what: &str) -> StoreError {
    StoreError::corrupt(what, "the table of keys")
}

fn new_key(protection: Protection<'_>, entropy: &mut Entropy<'_>) -> Result<(SealKey, Vec<u8>), StoreError> {
    match protection {
        Protection::Passphrase(passphrase) => {
            let mut salt = [0; 16];
            entropy(&mut salt);
            Ok((derive(passphrase, &salt)?, [b"p".as_slice(), &salt].concat()))
        }
        Protection::File(path) => Ok((key_file(path, entropy)?, b"f".to_vec())),
    }
}

fn derive(passphrase: &str, salt: &[u8; 16]) -> Result<SealKey, StoreError> {
    SealKey::from_passphrase(passphrase, salt).map_err(|error| match error {
        SealError::WrongKey => StoreError::WrongKey,
        SealError::Derivation => {
            let source = io::Error::new(io::ErrorKind::InvalidInput, error);
            StoreError::io("derive a key for", "the passphrase", source)
        }
    })
}

/// The key in the file, or a new one in a new file. One that is there was left by a creation that crashed, or belongs
/// to a database that was moved away; to reuse it loses nothing, to overwrite it might.
fn key_file(path: &Path, entropy: &mut Entropy<'_>) -> Result<SealKey, StoreError> {
    if path.exists() {
        return read_key_file(path);
    }
    let mut key = Zeroizing::new([0; 32]);
    entropy(&mut *key);
    write_key_file(path, &key)
        .map_err(|source| StoreError::io("write", &path.display().to_string(), source))?;
    Ok(SealKey::from_bytes(*key))
}

/// Writes under another name first, so that a crash can't leave half a key.
fn write_key_file(path: &Path, key: &[u8; 32]) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    if draft.exists() {
        std::fs::remove_file(&draft)?;
    }
    let mut file = owner_only(OpenOptions::new().write(true).create_new(true)).open(&draft)?;
    file.write_all(key)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    sync_directory_of(path)
}

fn read_key_file(path: &Path) -> Result<SealKey, StoreError> {
    let at = path.display().to_string();
    let mut file = File::open(path).map_err(|source| StoreError::io("open", &at, source))?;
    refuse_exposed(&file, path).map_err(|source| StoreError::io("read", &at, source))??;
    read_key(&mut file)
        .map_err(|source| StoreError::io("read", &at, source))?
        .ok_or_else(|| StoreError::corrupt("a key file has 32 bytes", &at))
}

/// The key, if the file holds exactly one.
fn read_key(file: &mut File) -> io::Result<Option<SealKey>> {
    if file.metadata()?.len() != 32 {
        return Ok(None);
    }
    let mut key = Zeroizing::new([0; 32]);
    file.read_exact(&mut *key)?;
    Ok(Some(SealKey::from_bytes(*key)))
}

/// The outer error is the system's, the inner one ours.
#[cfg(unix)]
fn refuse_exposed(file: &File, path: &Path) -> io::Result<Result<(), StoreError>> {
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata()?.permissions()) & 0o777;
    let exposed = mode & 0o077 != 0;
    Ok(if exposed { Err(StoreError::KeyFileExposed { path: path.to_owned(), mode }) } else { Ok(()) })
}

#[cfg(not(unix))]
fn refuse_exposed(_file: &File, _path: &Path) -> io::Result<Result<(), StoreError>> {
    Ok(Ok(()))
}
