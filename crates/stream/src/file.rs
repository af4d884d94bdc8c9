//! Files: read in slices, and replaced whole.
//!
//! A file is one batch, read record by record and no more than [`SLICE`] records at a poll, so that a large file
//! holds up nobody but the epoch it belongs to. If it can't be read to its end there is no batch, and the next try
//! begins at its start.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use motet_algebra::{RelationName, Row};

use crate::{Content, Poll, Source, StreamError};

/// How many records are read at a poll.
const SLICE: usize = 4096;

/// What has been read so far: what became of rows, one after the other.
pub(crate) type ChangeLists = BTreeMap<RelationName, Vec<(Row, i64)>>;

/// The records of a file, one after the other.
pub(crate) trait Records {
    /// Reads a record and puts what it says behind the rest; false at the end.
    fn next(&mut self, changes: &mut ChangeLists) -> Result<bool, StreamError>;
}

/// Opens a file.
pub(crate) type Open = Box<dyn FnMut() -> Result<Box<dyn Records>, StreamError>>;

/// A file as a source of one batch: the rows that it holds.
pub struct FileSource {
    relations: Vec<RelationName>,
    open: Open,
    reading: Option<(Box<dyn Records>, ChangeLists)>,
}

impl FileSource {
    /// A file that feeds these relations.
    pub(crate) fn new(relations: Vec<RelationName>, open: Open) -> Self {
        FileSource { relations, open, reading: None }
    }

    /// Reads a slice; all there is, if it was the last.
    fn read(&mut self) -> Result<Option<ChangeLists>, StreamError> {
        let (mut records, mut changes) = match self.reading.take() {
            Some(reading) => reading,
            None => {
                let empty = self.relations.iter().map(|name| (name.clone(), Vec::new()));
                ((self.open)()?, empty.collect())
            }
        };
        for _ in 0..SLICE {
            if !records.next(&mut changes)? {
                return Ok(Some(changes));
            }
        }
        self.reading = Some((records, changes));
        Ok(None)
    }
}

impl Source for FileSource {
    fn relations(&self) -> Vec<RelationName> {
        self.relations.clone()
    }

    fn poll(&mut self, _epoch: u64) -> Result<Poll, StreamError> {
        let Some(changes) = self.read()? else { return Ok(Poll::Pending) };
        let content = |(name, deltas)| (name, Content::Deltas(deltas));
        Ok(Poll::Last(changes.into_iter().map(content).collect()))
    }
}

/// That a file can't be read.
pub(crate) fn unreadable(path: &Path, error: io::Error) -> StreamError {
    StreamError::Read { place: path.display().to_string(), error }
}

/// That a file can't be written.
pub(crate) fn unwritable(path: &Path, error: io::Error) -> StreamError {
    StreamError::Write { place: path.display().to_string(), error }
}

/// Writes a file to one side, and then puts it in its place: a reader sees the old one or the new one. The directories
/// above it are made.
pub(crate) fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), StreamError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let aside = path.with_file_name(name);
    let write_aside = || {
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("")))?;
        let mut out = BufWriter::new(File::create(&aside)?);
        write(&mut out)?;
        out.flush()?;
        std::fs::rename(&aside, path)
    };
    write_aside().map_err(|error| unwritable(path, error))
}
