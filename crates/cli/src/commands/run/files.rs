//! Files of relations: `NAME.csv` (Q4).
//!
//! RFC 4180 in UTF-8. The header names the relation's columns, in any order, each once; every cell must be of its
//! column's type. The file of a relation without columns is an empty line, and the line `()` if the relation holds.
//! Files are read record by record and written to one side first: a file is either the old one or whole.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use csv::ByteRecord;
use motet_algebra::Row;
use motet_fact::Value;
use motet_logic::{Interface, parse_typed};

use crate::failure::Failure;
use crate::output;

/// Reads all rows of a relation; a row that stands in the file twice is there twice.
pub(super) fn read(directory: &Path, relation: &Interface) -> Result<Vec<Row>, Failure> {
    let path = path_of(directory, relation)?;
    let file = open(&path, relation)?;
    let table = Table { path: &path, relation };
    if relation.columns.is_empty() { table.read_nullary(file) } else { table.read_rows(file) }
}

/// Writes the rows of a relation, in the order given.
pub(super) fn write(directory: &Path, relation: &Interface, rows: &[Row]) -> Result<(), Failure> {
    let path = path_of(directory, relation)?;
    let aside = path.with_extension("csv.part");
    let failed = |error: std::io::Error| Failure::writing(&path, &error);
    let mut out = BufWriter::new(File::create(&aside).map_err(failed)?);
    output::write_csv(&mut out, &relation.columns, rows.iter().map(Vec::as_slice)).map_err(failed)?;
    out.flush().map_err(failed)?;
    std::fs::rename(&aside, &path).map_err(failed)
}

/// Whether every output can be a file of its own.
pub(super) fn check_outputs(directory: &Path, outputs: &[Interface]) -> Result<(), Failure> {
    outputs.iter().try_for_each(|output| path_of(directory, output).map(drop))
}

/// The file of a relation. A name in backticks may be any text, and must not lead out of the directory.
fn path_of(directory: &Path, relation: &Interface) -> Result<PathBuf, Failure> {
    let name = &*relation.name;
    if name.contains(['/', '\\', '\0']) {
        let message = format!("the relation `{name}` cannot be a file: its name has a slash or a zero in it");
        return Err(Failure::Failed(message).help("name it otherwise in the program"));
    }
    Ok(directory.join(format!("{name}.csv")))
}

fn open(path: &Path, relation: &Interface) -> Result<BufReader<File>, Failure> {
    match File::open(path) {
        Ok(file) => Ok(BufReader::with_capacity(1 << 16, file)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let (name, header) = (&relation.name, header(relation));
            let missing = format!("there is no file {} for `input {name}.`", path.display());
            let begins =
                if header.is_empty() { "an empty line".into() } else { format!("the line `{header}`") };
            Err(Failure::Failed(missing).help(format!("the file begins with {begins}; it may end there")))
        }
        Err(error) => Err(Failure::reading(path, &error)),
    }
}

fn header(relation: &Interface) -> String {
    relation.columns.iter().map(|(name, _)| &**name).collect::<Vec<_>>().join(",")
}

/// A file being read, and what it should hold.
struct Table<'a> {
    path: &'a Path,
    relation: &'a Interface,
}

impl Table<'_> {
    fn failed(&self, line: u64, what: impl std::fmt::Display) -> Failure {
        Failure::Failed(format!("{}:{line}: {what}", self.path.display()))
    }

    fn unreadable(&self, error: csv::Error) -> Failure {
        let line = error.position().map_or(1, csv::Position::line);
        match error.into_kind() {
            csv::ErrorKind::Io(error) => Failure::reading(self.path, &error),
            other => self.failed(line, format_args!("not CSV: {other:?}")),
        }
    }

    fn read_nullary(&self, file: BufReader<File>) -> Result<Vec<Row>, Failure> {
        let mut rows = Vec::new();
        for (line, text) in (1..).zip(file.lines()) {
            match text.map_err(|error| Failure::reading(self.path, &error))?.as_str() {
                "" => {}
                "()" if line > 1 => rows.push(Row::new()),
                other => {
                    let message =
                        format!("`{}` has no columns, but here stands `{other}`", self.relation.name);
                    let remedy = "such a file is an empty line, and a line `()` if the relation holds";
                    return Err(self.failed(line, message).help(remedy));
                }
            }
        }
        Ok(rows)
    }

    fn read_rows(&self, file: BufReader<File>) -> Result<Vec<Row>, Failure> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
        let places = self.places(reader.byte_headers().map_err(|error| self.unreadable(error))?)?;
        let (mut rows, mut record) = (Vec::new(), ByteRecord::new());
        while reader.read_byte_record(&mut record).map_err(|error| self.unreadable(error))? {
            rows.push(self.row(&record, &places)?);
        }
        Ok(rows)
    }

    /// Where in a record each declared column stands.
    fn places(&self, header: &ByteRecord) -> Result<Vec<usize>, Failure> {
        let names: Vec<String> =
            header.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        let declared = || {
            format!("`{}` is declared with the columns {}", self.relation.name, self::header(self.relation))
        };
        for (place, name) in names.iter().enumerate() {
            if !self.relation.columns.iter().any(|(column, _)| **column == **name) {
                return Err(self.failed(1, format_args!("column `{name}` is not declared")).help(declared()));
            }
            if names[..place].contains(name) {
                return Err(self.failed(1, format_args!("column `{name}` stands twice")).help(declared()));
            }
        }
        let place = |name: &str| {
            names.iter().position(|other| other == name).ok_or_else(|| {
                self.failed(1, format_args!("column `{name}` is missing from the header")).help(declared())
            })
        };
        self.relation.columns.iter().map(|(name, _)| place(name)).collect()
    }

    fn row(&self, record: &ByteRecord, places: &[usize]) -> Result<Row, Failure> {
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != places.len() {
            let (got, want) = (record.len(), places.len());
            return Err(self.failed(line, format_args!("{got} cells where the header has {want} columns")));
        }
        let columns = self.relation.columns.iter();
        columns
            .zip(places)
            .map(|((name, kind), place)| self.cell(line, name, *kind, &record[*place]))
            .collect()
    }

    fn cell(
        &self,
        line: u64,
        column: &str,
        kind: motet_algebra::ColumnType,
        bytes: &[u8],
    ) -> Result<Value, Failure> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| self.failed(line, format_args!("column `{column}` is not UTF-8: {error}")))?;
        parse_typed(text, kind).map_err(|error| self.failed(line, format_args!("column `{column}`: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_algebra::ColumnType;
    use motet_fact::Kind;

    fn relation(columns: &[(&str, ColumnType)]) -> Interface {
        let columns = columns.iter().map(|(name, kind)| ((*name).into(), *kind)).collect();
        Interface { name: "R".into(), columns, has_cid: false, order: Vec::new(), limit: None }
    }

    fn pair() -> Interface {
        relation(&[("x", ColumnType::Kind(Kind::Int)), ("name", ColumnType::Kind(Kind::Text))])
    }

    fn read_text(relation: &Interface, text: &[u8]) -> Result<Vec<Row>, String> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("R.csv"), text).unwrap();
        let shown = format!("{}/", directory.path().display());
        read(directory.path(), relation).map_err(|failure| failure.to_string().replace(&shown, ""))
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
            assert!(error.starts_with(&format!("error: {want}")), "{error}");
        }
    }

    #[test]
    fn a_missing_file_says_how_it_would_begin() {
        let error = read(Path::new("/nowhere"), &pair()).unwrap_err().to_string();
        assert!(error.contains("no file /nowhere/R.csv for `input R.`"), "{error}");
        assert!(error.contains("help: the file begins with the line `x,name`"), "{error}");
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
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), &relation, &rows).unwrap();
        assert_eq!(read(directory.path(), &relation).unwrap(), rows);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_name_does_not_lead_out_of_the_directory() {
        let mut relation = pair();
        relation.name = "../R".into();
        assert!(path_of(Path::new("out"), &relation).is_err());
    }
}
