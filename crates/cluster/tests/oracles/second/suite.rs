//! The second evaluator over a Datalog suite of other people's programs, which lies beside the repository.
//!
//! A directory of the suite has a program, the rows of its inputs and the rows that its outputs must come to. Cells are
//! as `motet run` reads and writes them (Q4). Where the suite is not there, the test says so and holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use motet_fact::Value;

use super::meaning::{Relations, Row, stated};
use super::reader::{Program, read, value};
use super::time::Clock;

const HOME: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/datalog");

/// How many rows the evaluator may look at, if `MOTET_STEPS` does not say it.
const STEPS: u64 = 1_000_000;

/// The programs that take more than that.
const TOO_LONG: [&str; 19] = [
    "souffle_evaluation_cprog1",
    "souffle_evaluation_cprog4",
    "souffle_evaluation_existential",
    "souffle_evaluation_magic_cprog1",
    "souffle_evaluation_magic_factoring",
    "souffle_example_amicable",
    "souffle_example_catalan",
    "souffle_example_factoring",
    "souffle_example_magic_prime2",
    "souffle_example_po1",
    "souffle_example_po2",
    "souffle_example_po3",
    "souffle_example_po4",
    "souffle_example_po5",
    "souffle_example_prime2",
    "souffle_example_ranpo",
    "souffle_example_sequences",
    "souffle_example_tak",
    "souffle_example_trains",
];

/// A file with the names of columns, and below them rows.
struct Table {
    columns: Vec<String>,
    rows: BTreeSet<Vec<String>>,
}

impl Table {
    fn read(path: &Path) -> Table {
        let text =
            std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut records = records(&text).into_iter();
        let mut columns = records.next().unwrap_or_default();
        columns.retain(|name| !name.is_empty());
        let cells = |mut row: Vec<String>| {
            if columns.is_empty() {
                row.retain(|cell| cell != "()");
            }
            row
        };
        let rows = records.map(cells).collect();
        Table { columns, rows }
    }
}

/// Cells as they are quoted in RFC 4180.
fn records(text: &str) -> Vec<Vec<String>> {
    let (mut all, mut row, mut cell, mut quoted) = (vec![], vec![], String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => cell.extend(letters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                all.push(std::mem::take(&mut row));
            }
            other => cell.push(other),
        }
    }
    if !cell.is_empty() || !row.is_empty() {
        row.push(cell);
        all.push(row);
    }
    all
}

/// The value of a cell; texts stand as they are.
fn parsed(cell: &str, of: &str) -> Value {
    if of == "text" { Value::text(cell.to_owned()) } else { value(cell) }
}

fn written(value: &Value) -> String {
    if let Value::Text(text) = value { text.to_string() } else { value.to_string() }
}

/// What its files give the inputs of a program, beside what it states itself.
fn inputs(program: &Program, directory: &Path) -> Relations {
    let mut all = stated(program).expect("few rows");
    for name in &program.inputs {
        let table = Table::read(&directory.join("facts").join(format!("{name}.csv")));
        let of = |column: &str| {
            let declared = program.declared.get(name).into_iter().flatten();
            declared.clone().find(|(one, _)| one == column).map_or("text", |(_, of)| of.as_str())
        };
        let row = |cells: &Vec<String>| -> Row {
            let cells = table.columns.iter().zip(cells);
            cells.map(|(column, cell)| (column.clone(), parsed(cell, of(column)))).collect()
        };
        all.entry(name.clone()).or_default().extend(table.rows.iter().map(row));
    }
    all
}

/// What differs in one of the files of what must come out.
fn differing(name: &str, expected: &Table, relations: &Relations) -> Option<String> {
    let none = BTreeSet::new();
    let rows = relations.get(name).unwrap_or(&none);
    let cells = |row: &Row| expected.columns.iter().map(|column| written(&row[column])).collect();
    let got: BTreeSet<Vec<String>> = rows.iter().map(cells).collect();
    let (less, more) = (expected.rows.difference(&got).count(), got.difference(&expected.rows).count());
    (less + more > 0).then(|| format!("{name}: {less} rows missing, {more} too many"))
}

/// How many rows a program came to; nothing if it takes too long.
fn run(directory: &Path, steps: u64) -> Option<usize> {
    let text = std::fs::read_to_string(directory.join("program.pomo")).expect("a program");
    let program = read(&text);
    let relations = Clock::new(&program, steps).epoch(&inputs(&program, directory)).ok()?.relations;
    let mut rows = 0;
    for path in entries(&directory.join("expected")) {
        let expected = Table::read(&path);
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        if let Some(what) = differing(name, &expected, &relations) {
            panic!("{}: {what}", directory.display());
        }
        rows += expected.rows.len();
    }
    Some(rows)
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries =
        std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

#[test]
#[allow(clippy::print_stderr, reason = "what is left out is told")]
fn programs_of_the_suite_come_to_what_it_says() {
    let home = Path::new(HOME);
    if !home.is_dir() {
        eprintln!("the Datalog suite is not here: left out");
        return;
    }
    let programs: Vec<PathBuf> = entries(home).into_iter().filter(|path| path.is_dir()).collect();
    let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
    let steps = crate::number("MOTET_STEPS").unwrap_or(STEPS);
    let came_to: BTreeMap<String, Option<usize>> =
        programs.iter().map(|path| (name(path), run(path, steps))).collect();
    let too_long: Vec<&str> =
        came_to.iter().filter(|(_, rows)| rows.is_none()).map(|(name, _)| name.as_str()).collect();
    let rows: usize = came_to.values().flatten().sum();
    eprintln!("{} programs, {rows} rows, too long: {too_long:?}", came_to.len() - too_long.len());
    if steps == STEPS {
        assert_eq!(too_long, TOO_LONG);
    }
}
