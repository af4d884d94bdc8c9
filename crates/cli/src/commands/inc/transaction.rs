//! A line of input, read: `{"insert": {"Edge": [[1, 2]]}, "delete": {"Edge": [[3, 4]]}}`.
//!
//! Reading is strict, for whoever writes the lines is a program, and a program's mistake is better refused than
//! guessed at: no key but these two, no key twice (JSON leaves open what that means), every relation an input, every
//! row an array with one value per column in declared order, and every value of its column's type. An int is no float:
//! `1` is not taken where `1.0` is meant (Q2).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use motet_algebra::{Column, ColumnType, RelationName, Row, RuntimeError};
use motet_fact::{Kind, Value};
use motet_logic::Compiled;
use motet_stream::json::from_json;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value as Json;

/// Rows of some relations.
pub(super) type Rows = BTreeMap<RelationName, BTreeSet<Row>>;

/// What a line asks for; rows are removed first and then added.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Transaction {
    pub(super) delete: Rows,
    pub(super) insert: Rows,
}

/// Why a line takes no epoch. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// Not an object of objects of arrays of arrays.
    #[error(
        "not a transaction, which is {{\"insert\": {{\"NAME\": [[…], …]}}, \"delete\": …}}: {what} at column {column}"
    )]
    Shape { what: String, column: usize },
    /// A key that transactions don't have.
    #[error("a transaction has no `{0}`, only `insert` and `delete`")]
    Key(String),
    /// A key that is given twice.
    #[error("`{0}` is given twice")]
    Twice(String),
    /// A relation that takes no rows from outside.
    #[error("`{name}` is not an input of this program; {inputs}")]
    NotAnInput { name: String, inputs: String },
    /// A row that is not as its relation is.
    #[error("row {row} of {part}.{relation}: {what}")]
    Row { part: &'static str, relation: String, row: usize, what: BadRow },
    /// The runtime refused it: the budget ran out.
    #[error("{0}")]
    Runtime(#[from] RuntimeError),
}

/// What is wrong with a row.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadRow {
    /// Too few or too many values.
    #[error("its length is {got}, and the columns are ({columns})")]
    Width { got: usize, columns: String },
    /// JSON that stands for no value.
    #[error("column `{column}`: {what}")]
    NoValue { column: Column, what: String },
    /// A value of another kind than the column's.
    #[error("column `{column}` takes {want}, and {value} is {}{}", value.kind(), hint(*want, value))]
    Kind { column: Column, want: Kind, value: Value },
}

/// The slip that people make most.
fn hint(want: Kind, value: &Value) -> String {
    match value {
        Value::Int(int) if want == Kind::Float => format!(": write {int}.0"),
        _ => String::new(),
    }
}

/// Reads the lines meant for one program.
pub(super) struct Reader {
    inputs: BTreeMap<RelationName, Vec<(Column, ColumnType)>>,
}

impl Reader {
    /// A reader for a program's inputs.
    pub(super) fn new(compiled: &Compiled) -> Self {
        let inputs = compiled.inputs.iter().map(|input| (input.name.clone(), input.columns.clone()));
        Reader { inputs: inputs.collect() }
    }

    /// Reads a line, with or without the line feed that ends it.
    pub(super) fn read(&self, line: &[u8]) -> Result<Transaction, Refusal> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line: Entries<Entries<Vec<Vec<Json>>>> = serde_json::from_slice(line).map_err(shape)?;
        let mut transaction = Transaction::default();
        for (key, relations) in line.once_each()? {
            match &*key {
                "delete" => transaction.delete = self.relations("delete", relations)?,
                "insert" => transaction.insert = self.relations("insert", relations)?,
                _ => return Err(Refusal::Key(key)),
            }
        }
        Ok(transaction)
    }

    fn relations(&self, part: &'static str, relations: Entries<Vec<Vec<Json>>>) -> Result<Rows, Refusal> {
        let mut read = Rows::new();
        for (relation, rows) in relations.once_each()? {
            let Some((name, columns)) = self.inputs.get_key_value(&*relation) else {
                return Err(Refusal::NotAnInput { name: relation, inputs: self.input_list() });
            };
            let rows = (1..).zip(rows).map(|(place, cells)| {
                let at = |what| Refusal::Row { part, relation: relation.clone(), row: place, what };
                read_row(columns, &cells).map_err(at)
            });
            read.insert(name.clone(), rows.collect::<Result<_, _>>()?);
        }
        Ok(read)
    }

    fn input_list(&self) -> String {
        if self.inputs.is_empty() {
            return "it has none: `input NAME.` declares one".to_owned();
        }
        let names: Vec<&str> = self.inputs.keys().map(|name| &**name).collect();
        format!("its inputs are: {}", names.join(", "))
    }
}

fn read_row(columns: &[(Column, ColumnType)], cells: &[Json]) -> Result<Row, BadRow> {
    if cells.len() != columns.len() {
        let names: Vec<&str> = columns.iter().map(|(name, _)| &**name).collect();
        return Err(BadRow::Width { got: cells.len(), columns: names.join(", ") });
    }
    columns.iter().zip(cells).map(|((column, kind), cell)| read_cell(column, *kind, cell)).collect()
}

fn read_cell(column: &Column, column_type: ColumnType, cell: &Json) -> Result<Value, BadRow> {
    let no_value = |what| BadRow::NoValue { column: column.clone(), what };
    let value = from_json(cell).map_err(no_value)?;
    let value = value.ok_or_else(|| no_value("null is not a value".to_owned()))?;
    match column_type {
        ColumnType::Kind(want) if want != value.kind() => {
            Err(BadRow::Kind { column: column.clone(), want, value })
        }
        _ => Ok(value),
    }
}

/// What the JSON reader says, without the line: every line is the first to it.
fn shape(error: serde_json::Error) -> Refusal {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(&*text, |(what, _)| what);
    Refusal::Shape { what: what.to_owned(), column: error.column() }
}

/// The entries of a JSON object, also those whose key stands there twice.
struct Entries<V>(Vec<(String, V)>);

impl<V> Entries<V> {
    /// The entries, if no key stands there twice.
    fn once_each(self) -> Result<Vec<(String, V)>, Refusal> {
        let mut seen = BTreeSet::new();
        match self.0.iter().find(|(key, _)| !seen.insert(key)) {
            Some((key, _)) => Err(Refusal::Twice(key.clone())),
            None => Ok(self.0),
        }
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for EntriesVisitor<V> {
    type Value = Entries<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}
