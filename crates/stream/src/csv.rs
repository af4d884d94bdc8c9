//! CSV, as files of facts are (Q4).
//!
//! RFC 4180 in UTF-8. The header names the relation's columns, in any order, each once; every cell must be of its
//! column's type. The file of a relation without columns is an empty line, and the line `()` if the relation holds.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use ::csv::{self as format, ByteRecord};
use motet_algebra::{Column, ColumnType, Row};
use motet_fact::Value;
use motet_logic::{Interface, format_typed, parse_typed};

use crate::file::{self, ChangeLists, FileSource, Records};
use crate::{Acknowledgement, Delivery, Mode, Sink, StreamError};

/// A CSV file as the source of an input: one batch, its rows.
pub fn source(path: impl Into<PathBuf>, relation: Interface) -> FileSource {
    let path = path.into();
    let names = vec![relation.name.clone()];
    FileSource::new(names, Box::new(move || open(&path, &relation)))
}

/// All rows of a CSV file; a row that stands there twice is there twice.
///
/// # Errors
/// [`StreamError`] if it is not there, or not such a file.
pub fn read(path: &Path, relation: &Interface) -> Result<Vec<Row>, StreamError> {
    let (mut records, mut changes) = (open(path, relation)?, ChangeLists::new());
    while records.next(&mut changes)? {}
    Ok(changes.into_values().flatten().map(|(row, _)| row).collect())
}

/// The file `NAME.csv` of a relation.
///
/// # Errors
/// [`StreamError::Malformed`] for a name (they may be any text in backticks) that would lead out of the directory.
pub fn path_in(directory: &Path, relation: &Interface) -> Result<PathBuf, StreamError> {
    let name = &*relation.name;
    if name.contains(['/', '\\', '\0']) {
        let what = "it cannot be a file: its name has a slash or a zero in it";
        let place = format_args!("the relation `{name}`");
        return Err(StreamError::malformed(place, what).help("name it otherwise in the program"));
    }
    Ok(directory.join(format!("{name}.csv")))
}

fn open(path: &Path, relation: &Interface) -> Result<Box<dyn Records>, StreamError> {
    match File::open(path) {
        Ok(file) => records(path.display().to_string(), BufReader::with_capacity(1 << 16, file), relation),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let header = header(relation);
            let begins =
                if header.is_empty() { "an empty line".into() } else { format!("the line `{header}`") };
            let remedy = format!("the file begins with {begins}; it may end there");
            let (place, relation) = (path.display().to_string(), relation.name.clone());
            Err(StreamError::Missing { place, relation, remedy })
        }
        Err(error) => Err(file::unreadable(path, error)),
    }
}

/// The records of a file, after its header.
fn records(
    place: String,
    file: impl BufRead + 'static,
    relation: &Interface,
) -> Result<Box<dyn Records>, StreamError> {
    let table = Table { place, relation: relation.clone() };
    if relation.columns.is_empty() {
        return Ok(Box::new(NullaryRecords { table, lines: (1..).zip(file.lines()) }));
    }
    let mut reader = format::ReaderBuilder::new().flexible(true).from_reader(file);
    let places = table.places(reader.byte_headers().map_err(|error| table.unreadable(error))?)?;
    Ok(Box::new(TableRecords { table, reader, places, record: ByteRecord::new() }))
}

fn header(relation: &Interface) -> String {
    relation.columns.iter().map(|(name, _)| &**name).collect::<Vec<_>>().join(",")
}

/// A file, and what it should hold.
struct Table {
    place: String,
    relation: Interface,
}

struct TableRecords<R> {
    table: Table,
    reader: format::Reader<R>,
    /// Where in a record each declared column stands.
    places: Vec<usize>,
    record: ByteRecord,
}

impl<R: Read> Records for TableRecords<R> {
    fn next(&mut self, changes: &mut ChangeLists) -> Result<bool, StreamError> {
        let more = self.reader.read_byte_record(&mut self.record);
        let more = more.map_err(|error| self.table.unreadable(error))?;
        if more {
            let row = self.table.row(&self.record, &self.places)?;
            changes.entry(self.table.relation.name.clone()).or_default().push((row, 1));
        }
        Ok(more)
    }
}

struct NullaryRecords<L> {
    table: Table,
    lines: L,
}

impl<L: Iterator<Item = (u64, io::Result<String>)>> Records for NullaryRecords<L> {
    fn next(&mut self, changes: &mut ChangeLists) -> Result<bool, StreamError> {
        let Some((line, text)) = self.lines.next() else { return Ok(false) };
        match text.map_err(|error| self.table.failed(line, error))?.as_str() {
            "" => {}
            "()" if line > 1 => {
                changes.entry(self.table.relation.name.clone()).or_default().push((Row::new(), 1));
            }
            other => {
                let name = &self.table.relation.name;
                let what = format!("`{name}` has no columns, but here stands `{other}`");
                let remedy = "such a file is an empty line, and a line `()` if the relation holds";
                return Err(self.table.failed(line, what).help(remedy));
            }
        }
        Ok(true)
    }
}

impl Table {
    fn failed(&self, line: u64, what: impl std::fmt::Display) -> StreamError {
        StreamError::malformed(format_args!("{}:{line}", self.place), what)
    }

    fn unreadable(&self, error: format::Error) -> StreamError {
        let line = error.position().map_or(1, format::Position::line);
        match error.into_kind() {
            format::ErrorKind::Io(error) => StreamError::Read { place: self.place.clone(), error },
            other => self.failed(line, format_args!("not CSV: {other:?}")),
        }
    }

    fn places(&self, header: &ByteRecord) -> Result<Vec<usize>, StreamError> {
        let names: Vec<String> =
            header.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        let declared = || {
            format!("`{}` is declared with the columns {}", self.relation.name, self::header(&self.relation))
        };
        let fault = |what: String| self.failed(1, what).help(declared());
        for (place, name) in names.iter().enumerate() {
            if !self.relation.columns.iter().any(|(column, _)| **column == **name) {
                return Err(fault(format!("column `{name}` is not declared")));
            }
            if names[..place].contains(name) {
                return Err(fault(format!("column `{name}` stands twice")));
            }
        }
        let place = |name: &str| {
            let place = names.iter().position(|other| other == name);
            place.ok_or_else(|| fault(format!("column `{name}` is missing from the header")))
        };
        self.relation.columns.iter().map(|(name, _)| place(name)).collect()
    }

    fn row(&self, record: &ByteRecord, places: &[usize]) -> Result<Row, StreamError> {
        let line = record.position().map_or(0, format::Position::line);
        if record.len() != places.len() {
            let (got, want) = (record.len(), places.len());
            return Err(self.failed(line, format_args!("{got} cells where the header has {want} columns")));
        }
        let columns = self.relation.columns.iter();
        let cell = |((name, kind), place): (&(Column, ColumnType), &usize)| {
            self.cell(line, name, *kind, &record[*place])
        };
        columns.zip(places).map(cell).collect()
    }

    fn cell(&self, line: u64, column: &str, kind: ColumnType, bytes: &[u8]) -> Result<Value, StreamError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| self.failed(line, format_args!("column `{column}` is not UTF-8: {error}")))?;
        parse_typed(text, kind).map_err(|error| self.failed(line, format_args!("column `{column}`: {error}")))
    }
}

/// A CSV file as the sink of an output: the rows as they are to be shown, written anew whenever they changed.
#[derive(Debug)]
pub struct CsvFile {
    path: PathBuf,
    relation: Interface,
}

impl CsvFile {
    /// The file of an output. It is not touched before the first delivery.
    pub fn new(path: impl Into<PathBuf>, relation: Interface) -> Self {
        CsvFile { path: path.into(), relation }
    }
}

impl Sink for CsvFile {
    fn mode(&self) -> Mode {
        Mode::Snapshot
    }

    fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<Acknowledgement, StreamError> {
        let rows = shown(&self.relation, delivery.snapshot());
        file::replace(&self.path, |out| write(out, &self.relation.columns, rows))?;
        Ok(Acknowledgement::Complete)
    }
}

/// The rows of an output as they are to be shown.
pub(crate) fn shown(relation: &Interface, rows: &BTreeSet<Row>) -> Vec<Row> {
    relation.arrange(rows.iter().cloned().collect())
}

/// Writes rows: a header, and a line per row; a relation without columns has an empty header, and the line `()` if it
/// holds.
///
/// # Errors
/// What the writer says.
pub fn write<R: AsRef<[Value]>>(
    out: &mut dyn Write,
    columns: &[(Column, ColumnType)],
    rows: impl IntoIterator<Item = R>,
) -> io::Result<()> {
    if columns.is_empty() {
        writeln!(out)?;
        return rows.into_iter().try_for_each(|_| writeln!(out, "()"));
    }
    let mut csv = format::Writer::from_writer(out);
    csv.write_record(columns.iter().map(|(name, _)| &**name)).map_err(plain_error)?;
    for row in rows {
        let cells = row.as_ref().iter().zip(columns).map(|(value, (_, kind))| format_typed(value, *kind));
        csv.write_record(cells).map_err(plain_error)?;
    }
    csv.flush()
}

/// The writer's own error, whose kind tells a reader that has gone.
fn plain_error(error: format::Error) -> io::Error {
    match error.into_kind() {
        format::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_fact::Kind;
    use proptest::prelude::*;

    fn relation(columns: &[(&str, ColumnType)]) -> Interface {
        let columns = columns.iter().map(|(name, kind)| ((*name).into(), *kind)).collect();
        Interface { name: "R".into(), columns, has_cid: false, event: false, order: Vec::new(), limit: None }
    }

    fn pair() -> Interface {
        relation(&[("x", ColumnType::Kind(Kind::Int)), ("name", ColumnType::Kind(Kind::Text))])
    }

    fn read_text(relation: &Interface, text: &[u8]) -> Result<Vec<Row>, String> {
        let (mut changes, text) = (ChangeLists::new(), io::Cursor::new(text.to_vec()));
        let mut records = records("R.csv".into(), text, relation).map_err(|error| error.to_string())?;
        while records.next(&mut changes).map_err(|error| error.to_string())? {}
        Ok(changes.remove("R").into_iter().flatten().map(|(row, _)| row).collect())
    }

    #[test]
    fn columns_stand_in_any_order() {
        let rows = read_text(&pair(), b"name,x\n\"a,\"\"b\"\"\nc\",1\r\n,-2\n").unwrap();
        assert_eq!(rows, [vec![1.into(), "a,\"b\"\nc".into()], vec![(-2).into(), "".into()]]);
    }

    #[test]
    fn every_fault_names_file_line_and_column() {
        for (text, want) in [
            (&b"x\n1\n"[..], "R.csv:1: column `name` is missing"),
            (b"x,name,y\n", "R.csv:1: column `y` is not declared"),
            (b"x,name,x\n", "R.csv:1: column `x` stands twice"),
            (b"", "R.csv:1: column `x` is missing"),
            (b"x,name\n1,a\n2\n", "R.csv:3: 1 cells where the header has 2 columns"),
            (b"x,name\n1,\"a\nb\"\nz,b\n", "R.csv:4: column `x`: `z` is not an int"),
            (b"x,name\n1,\xff\n", "R.csv:2: column `name` is not UTF-8"),
        ] {
            let error = read_text(&pair(), text).unwrap_err();
            assert!(error.starts_with(want), "{error}");
        }
    }

    #[test]
    fn a_missing_file_says_how_it_would_begin() {
        let error = open(Path::new("/nowhere/R.csv"), &pair()).map(drop).unwrap_err();
        assert_eq!(error.to_string(), "there is no file /nowhere/R.csv for `input R.`");
        assert_eq!(error.remedy(), Some("the file begins with the line `x,name`; it may end there"));
    }

    #[test]
    fn a_relation_without_columns_is_there_or_not() {
        let nullary = relation(&[]);
        assert_eq!(read_text(&nullary, b"\n").unwrap(), Vec::<Row>::new());
        assert_eq!(read_text(&nullary, b"\n()\n").unwrap(), [Row::new()]);
        assert!(read_text(&nullary, b"x\n1\n").unwrap_err().contains("R.csv:1: `R` has no columns"));
        assert!(read_text(&nullary, b"()\n").is_err());
    }

    #[test]
    fn what_is_written_reads_back() {
        let relation = relation(&[("v", ColumnType::Any)]);
        let rows: Vec<Row> = [
            Value::Bool(true),
            1.into(),
            Value::float(1.0).unwrap(),
            "true".into(),
            "".into(),
            "a\r\n\"b\",\u{0}\u{7f}".into(),
            Value::bytes(vec![1, 2]),
            motet_fact::Cid::of(motet_fact::Codec::Raw, b"").into(),
        ]
        .map(|value| vec![value])
        .to_vec();
        let mut text = Vec::new();
        write(&mut text, &relation.columns, &rows).unwrap();
        assert_eq!(read_text(&relation, &text).unwrap(), rows);
    }

    #[test]
    fn a_name_does_not_lead_out_of_the_directory() {
        let mut relation = pair();
        relation.name = "../R".into();
        assert!(path_in(Path::new("out"), &relation).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _either = read_text(&pair(), &bytes);
            let _either = read_text(&pair(), &[b"x,name\n".as_slice(), &bytes].concat());
        }
    }
}
