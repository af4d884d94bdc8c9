//! Rows of files, one by one: CSV and JSON Lines read alike.
//!
//! A reader holds one record. What has no end (a quote that is left open, a line without line feeds) is refused when
//! it is longer than [`MAX_RECORD_BYTES`], so memory is bounded whatever the file is.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::io::{self, BufRead as _, BufReader, Read};
use std::rc::Rc;

use csv::ByteRecord;
use motet_algebra::ColumnType;
use motet_fact::{Attribute, Kind, Value};
use motet_item::label;
use motet_logic::parse_typed;
use motet_stream::json::{Fields, from_json};

use crate::failure::Failure;

/// The longest record, in bytes.
const MAX_RECORD_BYTES: u64 = 16 << 20;

/// One row: what it states, and what it is about.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// Where it begins in its file, from 1.
    line: u64,
    /// The value of the key column, if one was asked for.
    pub(super) key: Option<Value>,
    /// The cells that are not empty.
    pub(super) cells: Vec<(Attribute, Value)>,
}

impl Row {
    fn begin(&mut self, line: u64) {
        self.line = line;
        self.key = None;
        self.cells.clear();
    }

    /// Something wrong with one of its cells.
    pub(super) fn fault(&self, attribute: &Attribute, what: impl Display) -> Fault {
        let column = attribute.as_text().map(str::to_owned);
        Fault { line: self.line, column, what: what.to_string() }
    }

    fn add(&mut self, key: Option<&str>, name: &str, attribute: &Attribute, value: Value) {
        if key == Some(name) {
            self.key = Some(value.clone());
        }
        self.cells.push((attribute.clone(), value));
    }

    fn check_key(&self, key: Option<&str>) -> Result<(), Fault> {
        match key {
            Some(name) if self.key.is_none() => {
                let what = "the row has no value here, and --key needs one".to_owned();
                Err(Fault { line: self.line, column: Some(name.to_owned()), what })
            }
            _ => Ok(()),
        }
    }
}

/// Why a row is none: the line, the column if it is one column's fault, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    line: u64,
    column: Option<String>,
    what: String,
}

impl Fault {
    fn of_line(line: u64, what: impl Display) -> Self {
        Fault { line, column: None, what: what.to_string() }
    }
}

/// `17: column ...: what`, to stand behind a file's name and a colon.
impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.line)?;
        if let Some(column) = &self.column {
            write!(f, "column `{column}`: ")?;
        }
        f.write_str(&self.what)
    }
}

/// Rows one after the other.
pub(super) trait Rows {
    /// Reads the next row into `row`; false at the end.
    ///
    /// # Errors
    /// [`Fault`] if there is something that is no row; nothing is read after that.
    fn next(&mut self, row: &mut Row) -> Result<bool, Fault>;
}

/// Counts bytes as they are read: all, and those since the last record's end.
#[derive(Clone, Debug, Default)]
pub(super) struct Gauge(Rc<(Cell<u64>, Cell<u64>)>);

impl Gauge {
    /// A reader whose bytes are counted here.
    pub(super) fn measure<R: Read>(&self, inner: R) -> Measured<R> {
        Measured { inner, gauge: self.clone() }
    }

    /// All bytes read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.0.0.get()
    }

    /// Says that a record has been read whole.
    pub(super) fn end_record(&self) {
        self.0.1.set(0);
    }
}

/// A reader that is counted, and ends with an error when a record has no end.
pub(super) struct Measured<R> {
    inner: R,
    gauge: Gauge,
}

impl<R: Read> Read for Measured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (all, record) = &*self.gauge.0;
        if record.get() > MAX_RECORD_BYTES {
            let what = "a record is longer than 16 MiB: is a quote left open, or a line feed missing?";
            return Err(io::Error::other(what));
        }
        let count = self.inner.read(buffer)?;
        all.set(all.get() + count as u64);
        record.set(record.get() + count as u64);
        Ok(count)
    }
}

/// The attribute that a column of this name is.
fn attribute_of(name: &str) -> Result<Attribute, String> {
    let attribute = Attribute::from(name);
    match name {
        "" => Err("a column has no name".into()),
        _ if label::is_reserved(&attribute) => Err(format!(
            "a column cannot be called `{name}`: what begins with {} is the database's own",
            label::PREFIX
        )),
        _ => Ok(attribute),
    }
}

/// Reads `NAME=TYPE` arguments.
pub(super) fn column_types(arguments: &[String]) -> Result<BTreeMap<String, ColumnType>, Failure> {
    let mut types = BTreeMap::new();
    for argument in arguments {
        let usage = |why: &str| Failure::Usage(format!("--column {argument}: {why}"));
        let (name, word) =
            argument.rsplit_once('=').ok_or_else(|| usage("write NAME=TYPE, as in age=int"))?;
        let kinds = [Kind::Bool, Kind::Int, Kind::Float, Kind::Text, Kind::Bytes, Kind::Link];
        let kind = kinds.into_iter().find(|kind| kind.name() == word).map(ColumnType::Kind);
        let any = (word == "any").then_some(ColumnType::Any);
        let unknown = || usage("the types are int, float, bool, text, bytes, link and any");
        if types.insert(name.to_owned(), kind.or(any).ok_or_else(unknown)?).is_some() {
            return Err(usage("this column is given twice"));
        }
    }
    Ok(types)
}

struct CsvColumn {
    name: String,
    attribute: Attribute,
    column_type: ColumnType,
}

/// Rows of a CSV file.
pub(super) struct CsvRows<R> {
    reader: csv::Reader<R>,
    record: ByteRecord,
    columns: Vec<CsvColumn>,
    key: Option<String>,
}

impl<R: Read> CsvRows<R> {
    /// Reads the header.
    pub(super) fn new(
        file: R,
        key: Option<&str>,
        types: &BTreeMap<String, ColumnType>,
    ) -> Result<Self, Fault> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).buffer_capacity(1 << 16).from_reader(file);
        let header = reader.byte_headers().map_err(csv_fault)?;
        let mut columns: Vec<CsvColumn> = Vec::new();
        for name in header {
            let name =
                str::from_utf8(name).map_err(|error| Fault::of_line(1, format!("not UTF-8: {error}")))?;
            if columns.iter().any(|column| column.name == name) {
                return Err(Fault::of_line(1, format!("column `{name}` stands twice")));
            }
            let attribute = attribute_of(name).map_err(|what| Fault::of_line(1, what))?;
            let column_type = types.get(name).copied().unwrap_or(ColumnType::Kind(Kind::Text));
            columns.push(CsvColumn { name: name.to_owned(), attribute, column_type });
        }
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        if let Some(absent) = types.keys().map(String::as_str).chain(key).find(|name| !names.contains(name)) {
            let what = format!("there is no column `{absent}`; there are: {}", names.join(", "));
            return Err(Fault::of_line(1, what));
        }
        Ok(CsvRows { reader, record: ByteRecord::new(), columns, key: key.map(str::to_owned) })
    }
}

impl<R: Read> Rows for CsvRows<R> {
    fn next(&mut self, row: &mut Row) -> Result<bool, Fault> {
        if !self.reader.read_byte_record(&mut self.record).map_err(csv_fault)? {
            return Ok(false);
        }
        row.begin(self.record.position().map_or(0, csv::Position::line));
        if self.record.len() != self.columns.len() {
            let (got, want) = (self.record.len(), self.columns.len());
            return Err(Fault::of_line(row.line, format!("{got} cells where the header has {want} columns")));
        }
        for (column, cell) in self.columns.iter().zip(&self.record).filter(|(_, cell)| !cell.is_empty()) {
            let text = str::from_utf8(cell)
                .map_err(|error| row.fault(&column.attribute, format_args!("not UTF-8: {error}")))?;
            let value =
                parse_typed(text, column.column_type).map_err(|error| row.fault(&column.attribute, error))?;
            row.add(self.key.as_deref(), &column.name, &column.attribute, value);
        }
        row.check_key(self.key.as_deref())?;
        Ok(true)
    }
}

fn csv_fault(error: csv::Error) -> Fault {
    let line = error.position().map_or(1, csv::Position::line);
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Fault::of_line(line, format!("cannot be read: {error}")),
        other => Fault::of_line(line, format!("not CSV: {other:?}")),
    }
}

/// Rows of a file of JSON objects.
pub(super) struct JsonRows<R> {
    reader: BufReader<R>,
    bytes: Vec<u8>,
    line: u64,
    attributes: BTreeMap<String, Attribute>,
    key: Option<String>,
}

impl<R: Read> JsonRows<R> {
    pub(super) fn new(file: R, key: Option<&str>) -> Self {
        let reader = BufReader::with_capacity(1 << 16, file);
        let key = key.map(str::to_owned);
        JsonRows { reader, bytes: Vec::new(), line: 0, attributes: BTreeMap::new(), key }
    }

    /// Reads the next line that is not blank; false at the end.
    fn next_line(&mut self) -> Result<bool, Fault> {
        loop {
            self.bytes.clear();
            self.line += 1;
            let count = self
                .reader
                .read_until(b'\n', &mut self.bytes)
                .map_err(|error| Fault::of_line(self.line, format!("cannot be read: {error}")))?;
            if count == 0 {
                return Ok(false);
            }
            if !self.bytes.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    fn attribute(&mut self, name: &str) -> Result<Attribute, Fault> {
        if let Some(attribute) = self.attributes.get(name) {
            return Ok(attribute.clone());
        }
        let attribute = attribute_of(name).map_err(|what| Fault::of_line(self.line, what))?;
        if self.attributes.len() < 4_096 {
            self.attributes.insert(name.to_owned(), attribute.clone());
        }
        Ok(attribute)
    }
}

impl<R: Read> Rows for JsonRows<R> {
    fn next(&mut self, row: &mut Row) -> Result<bool, Fault> {
        if !self.next_line()? {
            return Ok(false);
        }
        row.begin(self.line);
        let Fields(fields) =
            serde_json::from_slice(&self.bytes).map_err(|error| json_fault(self.line, &error))?;
        for (name, json) in fields {
            let attribute = self.attribute(&name)?;
            if let Some(value) = from_json(&json).map_err(|what| row.fault(&attribute, what))? {
                row.add(self.key.as_deref(), &name, &attribute, value);
            }
        }
        row.check_key(self.key.as_deref())?;
        Ok(true)
    }
}

fn json_fault(line: u64, error: &serde_json::Error) -> Fault {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    Fault::of_line(line, format!("not a JSON object: {what} (at character {})", error.column()))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = Result<Vec<(Option<Value>, Vec<(String, Value)>)>, String>;

    fn read_all(rows: &mut dyn Rows) -> Outcome {
        let (mut row, mut all) = (Row::default(), Vec::new());
        while rows.next(&mut row).map_err(|fault| fault.to_string())? {
            let cells = row.cells.iter();
            let cells = cells.map(|(name, value)| (name.as_text().unwrap().to_owned(), value.clone()));
            all.push((row.key.clone(), cells.collect()));
        }
        Ok(all)
    }

    fn csv_rows(text: &str, key: Option<&str>, types: &[&str]) -> Outcome {
        let types: Vec<String> = types.iter().map(|text| (*text).to_owned()).collect();
        let types = column_types(&types).unwrap();
        let mut rows = CsvRows::new(text.as_bytes(), key, &types).map_err(|fault| fault.to_string())?;
        read_all(&mut rows)
    }

    fn json_rows(text: &str, key: Option<&str>) -> Outcome {
        read_all(&mut JsonRows::new(text.as_bytes(), key))
    }

    #[test]
    fn cells_are_text_unless_their_column_says_otherwise() {
        let rows = csv_rows("id,age,note\n1,30,\n2,,\"a\nb\"\n", Some("id"), &["age=int"]).unwrap();
        let text = |name: &str, value: &str| (name.to_owned(), Value::from(value));
        assert_eq!(rows[0], (Some("1".into()), vec![text("id", "1"), ("age".into(), 30.into())]));
        assert_eq!(rows[1], (Some("2".into()), vec![text("id", "2"), text("note", "a\nb")]));
    }

    #[test]
    fn faults_of_csv_name_line_and_column() {
        let cases = [
            ("a,b\n1\n", "2: 1 cells where the header has 2 columns"),
            ("a\n1\nx\n", "3: column `a`: `x` is not an int"),
            ("b\n1\n", "1: there is no column `a`; there are: b"),
            ("a,a\n", "1: column `a` stands twice"),
            ("a,\n", "1: a column has no name"),
            ("a,motet/type\n", "1: a column cannot be called `motet/type`"),
        ];
        for (text, want) in cases {
            let error = csv_rows(text, None, &["a=int"]).unwrap_err();
            assert!(error.starts_with(want), "{error}");
        }
        let error = csv_rows("a,b\n,1\n", Some("a"), &[]).unwrap_err();
        assert!(error.starts_with("2: column `a`: the row has no value"), "{error}");
    }

    #[test]
    fn json_values_have_their_own_kinds_and_null_is_absence() {
        let rows = json_rows("{\"a\":1,\"b\":1.0,\"c\":null}\n\n{\"d\":true,\"e\":\"x\"}", None).unwrap();
        let cell = |name: &str, value: Value| (name.to_owned(), value);
        assert_eq!(rows[0].1, [cell("a", 1.into()), cell("b", Value::float(1.0).unwrap())]);
        assert_eq!(rows[1].1, [cell("d", true.into()), cell("e", "x".into())]);
    }

    #[test]
    fn faults_of_json_name_line_and_key() {
        let cases = [
            ("{\"a\":1}\n{\"a\":[1]}", "2: column `a`: an array has no place"),
            ("\n\n{\"a\":{\"b\":1}}", "3: column `a`: a nested object has no place"),
            ("[1]", "1: not a JSON object: invalid type: sequence, expected an object"),
            ("{\"a\":1", "1: not a JSON object: EOF"),
            ("{\"a\":1,\"a\":2}", "1: not a JSON object: the key \"a\" stands twice"),
            ("{\"a\":1} x", "1: not a JSON object: trailing characters"),
        ];
        for (text, want) in cases {
            let error = json_rows(text, None).unwrap_err();
            assert!(error.starts_with(want), "{error}");
        }
        assert!(json_rows("{\"b\":1}", Some("a")).unwrap_err().contains("column `a`: the row has no value"));
    }

    #[test]
    fn a_record_without_end_is_refused_in_bounded_memory() {
        let gauge = Gauge::default();
        let endless = b"a\n\"".as_slice().chain(io::repeat(b'x'));
        let mut rows = CsvRows::new(gauge.measure(endless), None, &BTreeMap::new()).unwrap();
        let fault = rows.next(&mut Row::default()).unwrap_err();
        assert!(fault.what.contains("longer than 16 MiB"), "{fault}");
        let gauge = Gauge::default();
        let mut rows = JsonRows::new(gauge.measure(io::repeat(b'x')), None);
        let fault = rows.next(&mut Row::default()).unwrap_err();
        assert!(fault.what.contains("longer than 16 MiB"), "{fault}");
    }

    #[test]
    fn types_that_are_none_are_refused() {
        for wrong in ["a", "a=number", "a=Int"] {
            assert!(column_types(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
