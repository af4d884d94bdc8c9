//! `motet import csv` and `motet import jsonl`: rows become facts of one new item.
//!
//! A row is an entity, a column an attribute, a cell that is not empty a fact without causes. The item's model is
//! Facts: it derives nothing, so a million rows cost what their facts cost. The entity of a row is
//!
//! - without `--key`, the first 16 bytes of a hash of the item and the row's number: a row of this file and no other;
//! - with `--key COLUMN`, of a hash of the item's type, the column and its value: rows with the same key are about the
//!   same entity, in this import and in every other one of the type.
//!
//! Rows are never all in memory. About 2,000 facts make a transaction, which is an entry; 16 transactions make a
//! durable commit. A row stays in one transaction unless it is larger than that. At a row that cannot be read the
//! import ends: the rows before it are committed, and the message says how many they are.

mod car;
mod source;

pub(crate) use car::import as import_car;

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::Path;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use motet::{Party, Transaction};
use motet_fact::{Digest, Entity, Fact, Value};
use motet_item::{Facts, ItemId};

use crate::args::{Global, RowsArgs};
use crate::failure::Failure;
use crate::output;

use source::{CsvRows, Fault, Gauge, JsonRows, Row, Rows};

/// Facts of one transaction, unless a single row has more.
const FACTS_PER_TRANSACTION: usize = 2_000;
/// Bytes of one transaction, by an estimate that is never too low; an entry takes twice as much.
const BYTES_PER_TRANSACTION: usize = 1 << 20;
/// Transactions of one durable commit.
const TRANSACTIONS_PER_COMMIT: usize = 16;

/// How a file of rows is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// RFC 4180 with a header.
    Csv,
    /// One JSON object per line.
    Jsonl,
}

/// Imports a file's rows into a party, and prints what it took.
pub(crate) fn import(party: &Party, shape: Shape, args: &RowsArgs, global: &Global) -> Result<(), Failure> {
    let kind = args.kind.clone().unwrap_or_else(|| type_of(&args.file));
    let (file, length) = open(&args.file)?;
    let (gauge, started) = (Gauge::default(), Instant::now());
    let file = gauge.measure(file);
    let key = args.key.as_deref();
    let at = |fault: Fault| Failure::Failed(format!("{}:{fault}", args.file.display()));
    let mut rows: Box<dyn Rows> = match shape {
        Shape::Csv => Box::new(CsvRows::new(file, key, &source::column_types(&args.column)?).map_err(at)?),
        Shape::Jsonl if args.column.is_empty() => Box::new(JsonRows::new(file, key)),
        Shape::Jsonl => {
            let message = "--column is for CSV: in JSON every value has its kind";
            return Err(Failure::Usage(message.into()));
        }
    };
    let bar = progress_bar(global, length);
    let mut importer = Importer::new(party, &kind, key)?;
    let imported = importer.take_all(&mut *rows, &gauge, &bar);
    bar.finish_and_clear();
    match imported {
        Ok(()) => print_summary(&importer, started, global),
        Err(End::Bad(fault)) => Err(at(fault).help(importer.what_is_in())),
        Err(End::Failure(failure)) => Err(failure.help(importer.what_is_in())),
    }
}

fn type_of(file: &Path) -> String {
    match file.to_str() {
        Some("-") => "rows".into(),
        _ => file.file_stem().map_or_else(|| "rows".into(), |stem| stem.to_string_lossy().into_owned()),
    }
}

fn open(path: &Path) -> Result<(Box<dyn Read>, Option<u64>), Failure> {
    if path.to_str() == Some("-") {
        return Ok((Box::new(io::stdin()), None));
    }
    let file = File::open(path).map_err(|error| Failure::reading(path, &error))?;
    let about = file.metadata().map_err(|error| Failure::reading(path, &error))?;
    Ok((Box::new(file), about.is_file().then_some(about.len())))
}

/// A bar by bytes where the length is known; none with `--quiet` or where standard error is no terminal.
fn progress_bar(global: &Global, length: Option<u64>) -> ProgressBar {
    let (bar, template) = match length {
        _ if global.quiet => return ProgressBar::hidden(),
        Some(length) => (ProgressBar::new(length), "{wide_bar} {bytes}/{total_bytes}, {msg}, {eta} left"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes}, {msg}"),
    };
    bar.with_style(ProgressStyle::with_template(template).expect("the templates above are well formed"))
}

/// Why an import ended early.
enum End {
    /// A row that is none.
    Bad(Fault),
    /// The database would not take the facts.
    Failure(Failure),
}

impl From<motet::Error> for End {
    fn from(error: motet::Error) -> Self {
        End::Failure(error.into())
    }
}

/// What was taken in.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    rows: u64,
    facts: u64,
    entries: u64,
}

/// Facts on their way into the party.
struct Importer<'a> {
    party: &'a Party,
    kind: &'a str,
    key: Option<&'a str>,
    item: ItemId,
    current: Transaction,
    /// Facts and bytes of the current transaction.
    current_facts: usize,
    current_bytes: usize,
    full: Vec<Transaction>,
    taken: Tally,
    durable: Tally,
}

impl<'a> Importer<'a> {
    fn new(party: &'a Party, kind: &'a str, key: Option<&'a str>) -> Result<Self, Failure> {
        let mut current = party.transaction();
        let item = current.create_item(Facts::NAME, Some(kind), None)?;
        let (full, taken, durable) = (Vec::new(), Tally::default(), Tally::default());
        Ok(Importer {
            party,
            kind,
            key,
            item,
            current,
            current_facts: 0,
            current_bytes: 0,
            full,
            taken,
            durable,
        })
    }

    /// Takes in rows to their end. What came before an end that is too early is committed.
    fn take_all(&mut self, rows: &mut dyn Rows, gauge: &Gauge, bar: &ProgressBar) -> Result<(), End> {
        let mut row = Row::default();
        let ended = loop {
            match self.take_next(rows, &mut row) {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(end) => break Err(end),
            }
            gauge.end_record();
            if self.taken.rows.is_multiple_of(1_024) {
                bar.set_position(gauge.bytes());
                bar.set_message(format!("{} rows", self.taken.rows));
            }
        };
        if !matches!(ended, Err(End::Failure(_))) {
            self.close();
            self.commit()?;
        }
        ended
    }

    fn take_next(&mut self, rows: &mut dyn Rows, row: &mut Row) -> Result<bool, End> {
        let more = rows.next(row).map_err(End::Bad)?;
        if more {
            self.take(row)?;
        }
        Ok(more)
    }

    fn take(&mut self, row: &Row) -> Result<(), End> {
        let number = self.taken.rows + 1;
        let entity = self.entity(row, number);
        let mut facts = Vec::with_capacity(row.cells.len());
        for (attribute, value) in &row.cells {
            let fact = Fact::new(entity.clone(), attribute.clone(), value.clone(), Vec::new());
            facts.push(fact.map_err(|error| End::Bad(row.fault(attribute, error)))?);
        }
        let bytes: usize = facts.iter().map(bytes_at_most).sum();
        if !self.has_room(facts.len(), bytes) {
            self.close_and_commit()?;
        }
        facts.into_iter().try_for_each(|fact| self.state(fact))?;
        self.taken.rows = number;
        Ok(())
    }

    /// States a fact as it is, in this transaction or the next.
    fn state(&mut self, fact: Fact) -> Result<(), motet::Error> {
        let bytes = bytes_at_most(&fact);
        if !self.has_room(1, bytes) {
            self.close_and_commit()?;
        }
        self.current.state(self.item, fact);
        self.current_facts += 1;
        self.current_bytes += bytes;
        self.taken.facts += 1;
        Ok(())
    }

    fn entity(&self, row: &Row, number: u64) -> Entity {
        let digest = match (self.key, &row.key) {
            (Some(column), Some(value)) => {
                let value = value.to_string();
                let parts = [self.kind, column, &value].map(str::as_bytes);
                Digest::derive("motet import key v1", &parts)
            }
            _ => Digest::derive("motet import row v1", &[&self.item.0, &number.to_le_bytes()]),
        };
        let id: [u8; 16] = digest.0[..16].try_into().expect("16 of 32 bytes are 16 bytes");
        id.into()
    }

    fn has_room(&self, facts: usize, bytes: usize) -> bool {
        let empty = self.current_facts == 0;
        let fits = self.current_facts + facts <= FACTS_PER_TRANSACTION
            && self.current_bytes + bytes <= BYTES_PER_TRANSACTION;
        empty || fits
    }

    /// Puts the current transaction with the full ones, unless it has no facts.
    fn close(&mut self) {
        if self.current_facts == 0 {
            return;
        }
        self.full.push(std::mem::replace(&mut self.current, self.party.transaction()));
        (self.current_facts, self.current_bytes) = (0, 0);
    }

    fn close_and_commit(&mut self) -> Result<(), motet::Error> {
        self.close();
        if self.full.len() >= TRANSACTIONS_PER_COMMIT { self.commit() } else { Ok(()) }
    }

    fn commit(&mut self) -> Result<(), motet::Error> {
        let receipts = self.party.commit_all(std::mem::take(&mut self.full))?;
        self.taken.entries += receipts.len() as u64;
        self.durable = self.taken;
        Ok(())
    }

    fn what_is_in(&self) -> String {
        match self.durable.rows {
            0 => "nothing was imported".into(),
            1 => format!("the first row is imported, as item {}", self.item),
            rows => format!("the first {rows} rows are imported, as item {}", self.item),
        }
    }
}

/// The bytes of a fact in an entry's body, or a few more.
fn bytes_at_most(fact: &Fact) -> usize {
    let bytes = |value: &Value| match value {
        Value::Text(text) => text.len() + 5,
        Value::Bytes(bytes) => bytes.len() + 5,
        Value::Link(_) => 42,
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => 9,
    };
    let causes = fact.causes().len() * 42;
    16 + fact.entity().as_bytes().len() + bytes(fact.attribute().value()) + bytes(fact.value()) + causes
}

fn print_summary(importer: &Importer<'_>, started: Instant, global: &Global) -> Result<(), Failure> {
    let Tally { rows, facts, entries } = importer.durable;
    if rows == 0 {
        return Ok(writeln!(io::stdout().lock(), "there are no rows, so nothing was imported")?);
    }
    let seconds = started.elapsed().as_secs_f64().max(1e-6);
    let int = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let float = |number: f64| Value::float(number).expect("a time that has passed is finite");
    let mut fields = vec![
        ("item", Value::text(importer.item.to_string())),
        ("type", Value::text(importer.kind)),
        ("rows", int(rows)),
        ("facts", int(facts)),
        ("entries", int(entries)),
        ("seconds", float((seconds * 1e3).round() / 1e3)),
        ("facts_per_second", int((facts as f64 / seconds) as u64)),
    ];
    let memory = output::peak_memory_bytes();
    fields.extend(memory.map(|bytes| ("peak_memory_mib", int(bytes >> 20))));
    output::print_fields(&mut io::stdout().lock(), global.format, &fields)
}
