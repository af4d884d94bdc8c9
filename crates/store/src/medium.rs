//! Where the bytes of a database are: the only door to a disk.
//!
//! What we ask of a medium is little, and what we assume about it is written down, because a crash test is worth as
//! much as its assumptions (compare [`testing::FaultyMedium`](crate::testing::FaultyMedium), which does everything
//! that this contract allows):
//!
//! 1. Writes that were not yet synced may be lost, kept or torn in a crash, each on its own, in any order.
//! 2. Bytes that a write doesn't cover stay as they are, even if power fails in the middle of it.
//! 3. When `sync` returns, everything before it is durable. When it fails, nothing is known (fsync reports an error
//!    once and forgets the pages), so nobody may go on as if it had not happened.
//! 4. Lengths change in the order they were set, and a write never changes the length.

use std::fmt::Debug;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::StoreError;

/// A sequence of bytes that can be made durable. Shared between threads; calls that overlap don't tear each other.
pub trait Medium: Debug + Send + Sync {
    /// Bytes there are.
    ///
    /// # Errors
    /// What the system says.
    fn len(&self) -> io::Result<u64>;

    /// Whether there are none.
    ///
    /// # Errors
    /// What the system says.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `out` with the bytes at an offset.
    ///
    /// # Errors
    /// `UnexpectedEof` if there are too few, or what the system says.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Cuts the bytes off, or adds zeros.
    ///
    /// # Errors
    /// What the system says.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes everything before it durable, the length included.
    ///
    /// # Errors
    /// What the system says. Nothing is known about the writes before it then.
    fn sync(&self) -> io::Result<()>;

    /// Overwrites the bytes at an offset; they lie within the length.
    ///
    /// # Errors
    /// What the system says. Any part of the bytes may have been written then.
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Lets others open it. No other call follows.
    ///
    /// # Errors
    /// What the system says.
    fn close(&self) -> io::Result<()> {
        Ok(())
    }

    /// What to call it in messages.
    fn place(&self) -> String;
}

/// A file that nobody else has open.
#[derive(Debug)]
pub struct FileMedium {
    path: PathBuf,
    file: positioned::PositionedFile,
}

impl FileMedium {
    /// Opens a file, or creates it for the owner's eyes only (mode 0600), and locks it until it is closed or the
    /// process ends. The lock is advisory: it keeps out programs that ask.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if it is locked, or what the system says.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref().to_owned();
        let at = path.display().to_string();
        let file = open_private(&path).map_err(|source| StoreError::io("open", &at, source))?;
        match file.try_lock() {
            Ok(()) => Ok(FileMedium { path, file: positioned::PositionedFile::new(file) }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path }),
            Err(TryLockError::Error(source)) => Err(StoreError::io("lock", &at, source)),
        }
    }
}

fn open_private(path: &Path) -> io::Result<File> {
    let is_new = !path.exists();
    let file =
        owner_only(OpenOptions::new().read(true).write(true).create(true).truncate(false)).open(path)?;
    if is_new {
        sync_directory_of(path)?;
    }
    Ok(file)
}

/// New files are for their owner, where the system has such a notion.
pub(crate) fn owner_only(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// A new file survives only if the directory that names it does.
pub(crate) fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

impl Medium for FileMedium {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.get().metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.get().set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.get().sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.get().unlock()
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }
}

/// Reading and writing at an offset, where the system can.
#[cfg(unix)]
mod positioned {
    use std::fs::File;
    use std::io;
    use std::os::unix::fs::FileExt;

    #[derive(Debug)]
    pub(super) struct PositionedFile(File);

    impl PositionedFile {
        pub(super) fn new(file: File) -> Self {
            PositionedFile(file)
        }

        pub(super) fn get(&self) -> &File {
            &self.0
        }

        pub(super) fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.0.read_exact_at(out, offset)
        }

        pub(super) fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.0.write_all_at(data, offset)
        }
    }
}

/// Reading and writing at an offset with a cursor that threads take turns in moving.
#[cfg(not(unix))]
mod positioned {
    use std::fs::File;
    use std::io::{self, Read, Seek, SeekFrom, Write};
    use std::sync::{Mutex, PoisonError};

    #[derive(Debug)]
    pub(super) struct PositionedFile {
        file: File,
        turn: Mutex<()>,
    }

    impl PositionedFile {
        pub(super) fn new(file: File) -> Self {
            PositionedFile { file, turn: Mutex::new(()) }
        }

        pub(super) fn get(&self) -> &File {
            &self.file
        }

        pub(super) fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            (&self.file).seek(SeekFrom::Start(offset))?;
            (&self.file).read_exact(out)
        }

        pub(super) fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            (&self.file).seek(SeekFrom::Start(offset))?;
            (&self.file).write_all(data)
        }
    }
}

/// Bytes in memory. Clones share them, so a database can be closed and opened again on what it left.
#[derive(Clone, Debug, Default)]
pub struct MemoryMedium {
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl MemoryMedium {
    /// A medium that holds these bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        MemoryMedium { bytes: Arc::new(Mutex::new(bytes)) }
    }

    /// A copy of the bytes as they are now.
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        // Nothing that can panic happens under this lock.
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part of some bytes that a read or a write is about.
pub(crate) fn part(bytes: &mut [u8], offset: u64, len: usize) -> io::Result<&mut [u8]> {
    let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
    let end = start.checked_add(len).ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(bytes.get_mut(start..end).ok_or(io::ErrorKind::UnexpectedEof)?)
}

/// A length in memory.
pub(crate) fn length(len: u64) -> io::Result<usize> {
    Ok(usize::try_from(len).map_err(|_| io::ErrorKind::StorageFull)?)
}

impl Medium for MemoryMedium {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        out.copy_from_slice(part(&mut self.lock(), offset, out.len())?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.lock().resize(length(len)?, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        part(&mut self.lock(), offset, data.len())?.copy_from_slice(data);
        Ok(())
    }

    fn place(&self) -> String {
        "the database in memory".to_owned()
    }
}
