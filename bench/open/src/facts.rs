//! Importing many facts into one item, and asking for a few of them.
//!
//! A row of a table is an entity with ten facts. A process of its own imports all rows, durably and with all indexes;
//! then another opens the database and asks what is said of one entity, and of which entities one value is said.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use motet::fact::{Entity, Fact, Value};
use motet::item::{Facts, ItemId};
use motet::{Database, Parameters, Protection};
use serde::{Deserialize, Serialize};

use crate::{memory, milliseconds, on_disk, run};

/// The facts of a row.
const COLUMNS: usize = 10;
/// The rows of an entry, and the entries of a commit.
const ROWS: usize = 500;
const ENTRIES: usize = 20;

/// What importing took.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Imported {
    /// Seconds until all of it was durable.
    took: f64,
    /// MiB at most, in all.
    peak: f64,
}

/// What asking took.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// Milliseconds until the database was open.
    open: f64,
    /// Milliseconds until the answer to each question was there: about an entity, and about a value.
    entity: f64,
    value: f64,
    /// MiB at most, in all.
    peak: f64,
}

/// A size, as it was measured.
pub(crate) struct Row {
    facts: usize,
    /// The database's file, in MiB.
    file: f64,
    imported: Imported,
    asked: Asked,
}

/// Measures a database with so many facts.
pub(crate) fn measure(place: &Path, facts: usize) -> Result<Row, Box<dyn Error>> {
    std::fs::create_dir_all(place)?;
    std::fs::write(place.join("facts"), facts.to_string())?;
    let imported = run(place, "import")?;
    let asked = run(place, "ask")?;
    let file = on_disk(&place.join("database").join(motet::database::FILE_NAME))?;
    Ok(Row { facts, file, imported, asked })
}

/// The rows of the page.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::from(include_str!("../page/facts.md"));
    for Row { facts, file, imported, asked } in rows {
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let speed = *facts as f64 / imported.took;
        let _ = writeln!(
            text,
            "| {facts} | {file:.0} | {speed:.0} | {:.0} | {:.1} | {:.1} | {:.1} | {:.0} |",
            imported.peak, asked.open, asked.entity, asked.value, asked.peak,
        );
    }
    text
}

fn facts_in(place: &Path) -> Result<usize, Box<dyn Error>> {
    Ok(std::fs::read_to_string(place.join("facts"))?.parse()?)
}

/// The entity of a row, and what a cell says.
fn entity(row: usize) -> Entity {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&(row as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
    bytes[8..].copy_from_slice(&(row as u64).to_le_bytes());
    Entity::from(bytes)
}

fn cell(row: usize, column: usize) -> String {
    format!("value {} of {column}", row * 7919 % (row / 4 + 1))
}

fn last(row: usize) -> String {
    format!("serial number {row}")
}

/// Imports the rows.
pub(crate) fn import(place: &Path) -> Result<Imported, Box<dyn Error>> {
    let rows = facts_in(place)? / COLUMNS;
    let begun = Instant::now();
    let database = Database::create(&place.join("database"), "Ada", &Protection::KeyFile)?;
    let party = database.create_party("Bench")?;
    let item: ItemId = party.create_item(Facts::NAME, Some("table"), None)?;
    let starts: Vec<usize> = (0..rows).step_by(ROWS).collect();
    for chunk in starts.chunks(ENTRIES) {
        let mut transactions = Vec::new();
        for &start in chunk {
            let mut transaction = party.transaction();
            for row in start..(start + ROWS).min(rows) {
                for column in 0..COLUMNS {
                    let value = if column == 0 { last(row) } else { cell(row, column) };
                    let attribute = format!("column {column}").as_str().into();
                    transaction.state(item, Fact::new(entity(row), attribute, value, Vec::new())?);
                }
            }
            transactions.push(transaction);
        }
        party.commit_all(transactions)?;
    }
    drop((party, database));
    Ok(Imported { took: milliseconds(begun.elapsed()) / 1000.0, peak: memory("VmHWM") })
}

/// Asks two questions.
pub(crate) fn ask(place: &Path) -> Result<Asked, Box<dyn Error>> {
    let row = facts_in(place)? / COLUMNS / 2;
    let begun = Instant::now();
    let database = Database::open(&place.join("database"))?;
    let party = database.parties().into_iter().next().ok_or("there is no party")?;
    let open = milliseconds(begun.elapsed());
    let ask = |text: &str, parameter: Value, rows: usize| -> Result<f64, Box<dyn Error>> {
        let begun = Instant::now();
        let parameters: Parameters = [("what".to_owned(), parameter)].into_iter().collect();
        let view = party.watch(text, &parameters)?;
        let found = view.rows("answer").count();
        if found != rows {
            return Err(format!("{found} rows are no answer to {text}").into());
        }
        Ok(milliseconds(begun.elapsed()))
    };
    let about = "output answer. answer(a: A, v: V) :- fact(entity: $what, attribute: A, value: V).";
    let of = "output answer. answer(e: E) :- fact(entity: E, attribute: \"column 0\", value: $what).";
    let about_entity = ask(about, Value::bytes(entity(row).as_bytes()), COLUMNS)?;
    let of_value = ask(of, Value::text(last(row)), 1)?;
    Ok(Asked { open, entity: about_entity, value: of_value, peak: memory("VmHWM") })
}
