//! JSON Lines: a row per line (see [`crate::json`] for the values).
//!
//! ```json
//! {"x": 1, "y": 2}
//! [{"x": 1, "y": 2}, -1]
//! [{"x": 1, "y": 2}, 1, 7]
//! ```
//!
//! An object is a row that is there. An array is a change: a row, its weight, and on the way out the epoch of the
//! change, which is not read on the way in. So what a [`Log`] writes a [`Follow`] reads. Blank lines are skipped;
//! other than that reading is strict: every column has its key, no key stands twice, and no other.
//!
//! A file may be read once and whole ([`source`]), or be followed as it grows ([`Follow`]): then what has come since
//! the last epoch is a batch, and a line without its line feed is one that is still being written.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, TryRecvError};

use motet_algebra::{RelationName, Row};
use motet_logic::Interface;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::{Value as Json, json};

use crate::csv::shown;
use crate::file::{self, ChangeLists, FileSource, Records};
use crate::json::{self, Fields};
use crate::{Acknowledgement, Batch, Content, Delivery, Mode, Poll, Sink, Source, StreamError};

/// The longest line, in bytes.
pub const MAX_LINE_BYTES: usize = 16 << 20;
/// How many lines are read at a poll.
const SLICE: usize = 4096;

/// What a line says: a row and its weight; nothing if it is blank.
///
/// # Errors
/// What is wrong with it.
pub fn parse(relation: &Interface, line: &[u8]) -> Result<Option<(Row, i64)>, String> {
    let line = line.trim_ascii();
    let Some(first) = line.first() else { return Ok(None) };
    let Change(fields, weight) = if *first == b'[' { decode(line)? } else { Change(decode(line)?, 1) };
    Ok(Some((json::row(&relation.columns, &fields)?, weight)))
}

/// The line that says that a row came or went.
pub fn format(relation: &Interface, row: &Row, weight: i64, epoch: u64) -> String {
    json!([json::object(&relation.columns, row), weight, epoch]).to_string()
}

fn decode<T: DeserializeOwned>(line: &[u8]) -> Result<T, String> {
    serde_json::from_slice(line).map_err(|error| {
        let text = error.to_string();
        let what = text.rsplit_once(" at line ").map_or(&*text, |(what, _)| what);
        format!("not a row: {what} (at character {})", error.column())
    })
}

/// An array of a row, a weight, and perhaps an epoch.
struct Change(Fields, i64);

impl<'de> Deserialize<'de> for Change {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ChangeVisitor)
    }
}

struct ChangeVisitor;

impl<'de> Visitor<'de> for ChangeVisitor {
    type Value = Change;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, or an array of an object, 1 or -1, and perhaps an epoch")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Change, S::Error> {
        let fields = seq.next_element()?.ok_or_else(|| S::Error::invalid_length(0, &self))?;
        let weight: i64 = seq.next_element()?.ok_or_else(|| S::Error::invalid_length(1, &self))?;
        let _epoch: Option<u64> = seq.next_element()?;
        match weight {
            1 | -1 => Ok(Change(fields, weight)),
            other => Err(S::Error::custom(format_args!("the weight {other} is neither 1 nor -1"))),
        }
    }
}

/// A JSON Lines file as the source of an input: one batch, the rows that its lines come to.
pub fn source(path: impl Into<PathBuf>, relation: Interface) -> FileSource {
    let path = path.into();
    let open = {
        let relation = relation.clone();
        move || {
            let file = File::open(&path).map_err(|error| file::unreadable(&path, error))?;
            let feed = Box::new(Whole(BufReader::with_capacity(1 << 16, file)));
            let lines = Lines { place: path.display().to_string(), number: 0, feed, line: Vec::new() };
            Ok(Box::new(FileRecords { relation: relation.clone(), lines }) as Box<dyn Records>)
        }
    };
    FileSource::new(vec![relation.name], Box::new(open))
}

/// Lines, as they come.
trait Feed {
    /// Reads on in the line that is begun in `line`.
    fn read_on(&mut self, line: &mut Vec<u8>) -> io::Result<More>;
}

/// What has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum More {
    /// A line to its end.
    Line,
    /// No whole line yet.
    NotYet,
    /// Nothing more will come.
    End,
}

/// What is there when it is read, and nothing that comes later.
struct Whole<R>(R);

impl<R: BufRead> Feed for Whole<R> {
    fn read_on(&mut self, line: &mut Vec<u8>) -> io::Result<More> {
        let room = (MAX_LINE_BYTES + 1) as u64;
        self.0.by_ref().take(room).read_until(b'\n', line)?;
        Ok(if line.is_empty() { More::End } else { More::Line })
    }
}

/// A file that grows.
struct Tail(BufReader<File>);

impl Feed for Tail {
    fn read_on(&mut self, line: &mut Vec<u8>) -> io::Result<More> {
        let room = (MAX_LINE_BYTES + 1).saturating_sub(line.len()) as u64;
        self.0.by_ref().take(room).read_until(b'\n', line)?;
        let whole = line.ends_with(b"\n") || line.len() > MAX_LINE_BYTES;
        Ok(if whole { More::Line } else { More::NotYet })
    }
}

impl Feed for Receiver<io::Result<Vec<u8>>> {
    fn read_on(&mut self, line: &mut Vec<u8>) -> io::Result<More> {
        match self.try_recv() {
            Ok(received) => {
                *line = received?;
                Ok(More::Line)
            }
            Err(TryRecvError::Empty) => Ok(More::NotYet),
            Err(TryRecvError::Disconnected) => Ok(More::End),
        }
    }
}

/// Lines, and which is the next.
struct Lines {
    place: String,
    /// How many lines have been read.
    number: u64,
    feed: Box<dyn Feed>,
    /// The line that is being read.
    line: Vec<u8>,
}

impl Lines {
    /// Reads a line and what it says.
    fn next(&mut self, relation: &Interface) -> Result<(More, Option<(Row, i64)>), StreamError> {
        let failed = |error| StreamError::Read { place: self.place.clone(), error };
        let more = self.feed.read_on(&mut self.line).map_err(failed)?;
        if more != More::Line {
            return Ok((more, None));
        }
        self.number += 1;
        let line = std::mem::take(&mut self.line);
        if line.len() > MAX_LINE_BYTES {
            return Err(self.malformed("the line is longer than 16 MiB: is a line feed missing?"));
        }
        Ok((more, parse(relation, &line).map_err(|what| self.malformed(what))?))
    }

    fn malformed(&self, what: impl fmt::Display) -> StreamError {
        StreamError::malformed(format_args!("{}:{}", self.place, self.number), what)
    }
}

struct FileRecords {
    relation: Interface,
    lines: Lines,
}

impl Records for FileRecords {
    fn next(&mut self, changes: &mut ChangeLists) -> Result<bool, StreamError> {
        let (more, change) = self.lines.next(&self.relation)?;
        if let Some(change) = change {
            changes.entry(self.relation.name.clone()).or_default().push(change);
        }
        Ok(more == More::Line)
    }
}

/// Lines as they come: what has come since the last epoch is a batch of changes.
///
/// A line that is wrong is an error of its own: the lines before it have been taken, and those after it will be, if the
/// source is asked again.
pub struct Follow {
    relation: Interface,
    lines: Lines,
    /// What was wrong with the line behind those that were returned.
    fault: Option<StreamError>,
}

impl Follow {
    /// Follows a file from its first line on. Such a source is never exhausted.
    ///
    /// # Errors
    /// [`StreamError::Read`] if it can't be opened.
    pub fn file(path: impl Into<PathBuf>, relation: Interface) -> Result<Self, StreamError> {
        let path = path.into();
        let file = File::open(&path).map_err(|error| file::unreadable(&path, error))?;
        Ok(Follow::new(path.display().to_string(), relation, Box::new(Tail(BufReader::new(file)))))
    }

    /// Follows lines that somebody else reads, who may wait for them. `place` names them in messages. The source is
    /// exhausted when the other end of the channel is gone.
    pub fn channel(place: &str, relation: Interface, lines: Receiver<io::Result<Vec<u8>>>) -> Self {
        Follow::new(place.to_owned(), relation, Box::new(lines))
    }

    fn new(place: String, relation: Interface, feed: Box<dyn Feed>) -> Self {
        let lines = Lines { place, number: 0, feed, line: Vec::new() };
        Follow { relation, lines, fault: None }
    }

    fn batch(&self, deltas: Vec<(Row, i64)>) -> Batch {
        let content = (self.relation.name.clone(), Content::Deltas(deltas));
        Some(content).into_iter().filter(|(_, content)| content.rows().next().is_some()).collect()
    }
}

impl Source for Follow {
    fn relations(&self) -> Vec<RelationName> {
        vec![self.relation.name.clone()]
    }

    fn poll(&mut self, _epoch: u64) -> Result<Poll, StreamError> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let mut deltas = Vec::new();
        for _ in 0..SLICE {
            match self.lines.next(&self.relation) {
                Ok((More::Line, change)) => deltas.extend(change),
                Ok((More::NotYet, _)) => break,
                Ok((More::End, _)) => return Ok(Poll::Last(self.batch(deltas))),
                Err(fault) if deltas.is_empty() => return Err(fault),
                Err(fault) => {
                    self.fault = Some(fault);
                    break;
                }
            }
        }
        Ok(Poll::Ready(self.batch(deltas)))
    }
}

/// A JSON Lines file as the sink of an output: the rows as they are to be shown, written anew whenever they changed.
#[derive(Debug)]
pub struct LinesFile {
    path: PathBuf,
    relation: Interface,
}

impl LinesFile {
    /// The file of an output. It is not touched before the first delivery.
    pub fn new(path: impl Into<PathBuf>, relation: Interface) -> Self {
        LinesFile { path: path.into(), relation }
    }
}

impl Sink for LinesFile {
    fn mode(&self) -> Mode {
        Mode::Snapshot
    }

    fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<Acknowledgement, StreamError> {
        let rows = shown(&self.relation, delivery.snapshot());
        let line = |row: &Row| Json::Object(json::object(&self.relation.columns, row));
        file::replace(&self.path, |out| rows.iter().try_for_each(|row| writeln!(out, "{}", line(row))))?;
        Ok(Acknowledgement::Complete)
    }
}

/// Where a [`Log`] is written.
trait Target {
    /// Appends some lines, all or none if that can be done.
    fn append(&mut self, lines: &[u8]) -> io::Result<()>;
}

struct Appended {
    file: File,
    /// The length of what was appended whole.
    length: u64,
}

impl Target for Appended {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        // A delivery that failed may have left a part of its lines behind.
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(lines)?;
        self.length += lines.len() as u64;
        Ok(())
    }
}

struct Written<W>(W);

impl<W: Write> Target for Written<W> {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.0.write_all(lines)?;
        self.0.flush()
    }
}

/// The changes of an output, a line for each, one behind the other: a sink whose reader knows the relation at every
/// epoch.
pub struct Log {
    place: String,
    relation: Interface,
    target: Box<dyn Target>,
}

impl Log {
    /// Writes to a file, which is emptied. If a delivery fails half way, the file is cut to what it was before the
    /// next.
    ///
    /// # Errors
    /// [`StreamError::Write`] if the file can't be made.
    pub fn file(path: impl Into<PathBuf>, relation: Interface) -> Result<Self, StreamError> {
        let path = path.into();
        let file = File::create(&path).map_err(|error| file::unwritable(&path, error))?;
        let target = Box::new(Appended { file, length: 0 });
        Ok(Log { place: path.display().to_string(), relation, target })
    }

    /// Writes to anything. `place` names it in messages.
    pub fn to(place: &str, relation: Interface, out: impl Write + 'static) -> Self {
        Log { place: place.to_owned(), relation, target: Box::new(Written(out)) }
    }
}

impl Sink for Log {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<Acknowledgement, StreamError> {
        let mut lines = String::new();
        for (row, weight) in delivery.deltas() {
            lines.push_str(&format(&self.relation, row, *weight, delivery.epoch));
            lines.push('\n');
        }
        let failed = |error| StreamError::Write { place: self.place.clone(), error };
        self.target.append(lines.as_bytes()).map_err(failed)?;
        Ok(Acknowledgement::Complete)
    }
}
