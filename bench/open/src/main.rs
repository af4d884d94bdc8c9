//! How long a party takes to open, and how much memory, by how much there is in it.
//!
//! ```text
//! cargo run --release --manifest-path bench/Cargo.toml -p motet-bench-open -- curve --page docs/benchmarks-open.md
//! ```
//!
//! Each size is a database on disk: so many items, each with ten changes of a register, each an entry of its own. A
//! process of its own opens it, several times; then it reads one item, and changes one. Beside it: opening a live view
//! ([`views`]), asking for a few of many facts ([`facts`]), and withdrawing much.

mod facts;
mod views;

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use motet::authority::{InvitationCode, Role};
use motet::item::ItemId;
use motet::{Cut, Database, Party, Protection};
use motet_sync::Replica as _;
use plotters::prelude::*;
use serde::{Deserialize, Serialize};

/// How often each register is changed.
const TIMES: usize = 10;
/// The file that names an item in the middle.
const ITEM: &str = "item";
/// How many entries one commit writes.
const BATCH: usize = 500;
/// How often each size is opened; the table has the median.
const ROUNDS: usize = 7;

/// Measures how long a party takes to open.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// All sizes: a table and a chart.
    Curve {
        /// How many items there are, of each size; ten times as many mutations.
        #[arg(long, value_delimiter = ',', default_values_t = [100, 1_000, 10_000, 100_000])]
        items: Vec<usize>,
        /// How many facts are imported into one item.
        #[arg(long, value_delimiter = ',', default_values_t = [100_000, 1_000_000, 10_000_000])]
        facts: Vec<usize>,
        /// How many facts are withdrawn at once.
        #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000, 1_000_000])]
        withdrawn: Vec<usize>,
        /// Where the databases are made; in a directory that vanishes if not given.
        #[arg(long)]
        directory: Option<PathBuf>,
        /// Where the page goes, with a chart beside it; printed if not given.
        #[arg(long)]
        page: Option<PathBuf>,
    },
    /// Opens a database in this process: its figures as JSON.
    Open {
        /// Its directory.
        directory: PathBuf,
    },
    /// Imports facts, in this process: its figures as JSON.
    Import {
        /// The directory that the database is in.
        directory: PathBuf,
    },
    /// Asks for some of them, in this process: its figures as JSON.
    Ask {
        /// The directory that the database is in.
        directory: PathBuf,
    },
    /// Makes a view and keeps it, in this process: its figures as JSON.
    KeepView {
        /// The database's directory.
        directory: PathBuf,
    },
    /// Opens the view that is kept, in this process: its figures as JSON.
    OpenView {
        /// The database's directory.
        directory: PathBuf,
    },
    /// Makes a view that nobody keeps, in this process: its figures as JSON.
    Watch {
        /// The database's directory.
        directory: PathBuf,
    },
    /// Changes some registers.
    Change {
        /// The database's directory.
        directory: PathBuf,
    },
    /// Removes a member with all that it wrote, in this process: its figures as JSON.
    Withdraw {
        /// Its directory.
        directory: PathBuf,
    },
}

/// What opening took.
#[derive(Debug, Serialize, Deserialize)]
struct Figures {
    /// Milliseconds until the database was open.
    open: f64,
    /// MiB in use then, above those before.
    opened: f64,
    /// Milliseconds until one item was read.
    read: f64,
    /// Milliseconds until one register was changed, durably.
    write: f64,
    /// MiB in use at the end, above those before.
    end: f64,
}

/// What withdrawing took.
#[derive(Debug, Serialize, Deserialize)]
struct Withdrawn {
    /// Milliseconds until the removal was durable and everything withdrawn.
    took: f64,
    /// MiB at most, above those before.
    peak: f64,
    /// How often somebody who looked on saw another progress.
    seen: usize,
}

/// A size, as it was measured.
struct Row {
    items: usize,
    /// The database's file, in MiB.
    file: f64,
    /// Milliseconds to write all of it.
    made: f64,
    runs: Vec<Figures>,
}

fn main() -> Result<(), Box<dyn Error>> {
    match Arguments::parse().command {
        Task::Open { directory } => print(&open(&directory)?),
        Task::Import { directory } => print(&facts::import(&directory)?),
        Task::Ask { directory } => print(&facts::ask(&directory)?),
        Task::KeepView { directory } => print(&views::keep(&directory)?),
        Task::OpenView { directory } => print(&views::open(&directory)?),
        Task::Watch { directory } => print(&views::watch(&directory)?),
        Task::Change { directory } => print(&views::change(&directory)?),
        Task::Withdraw { directory } => print(&withdraw(&directory)?),
        Task::Curve { items, facts, withdrawn, directory, page } => {
            let vanishing = tempfile::tempdir()?;
            let directory = directory.unwrap_or_else(|| vanishing.path().to_owned());
            let rows = curve(&items, &directory)?;
            let views = items.iter().map(|items| views::measure(&directory.join(items.to_string()), *items));
            let views = views::table(&views.collect::<Result<Vec<_>, _>>()?);
            let measure = |facts: &usize| facts::measure(&directory.join(format!("facts-{facts}")), *facts);
            let facts = facts::table(&facts.iter().map(measure).collect::<Result<Vec<_>, _>>()?);
            let withdrawn = withdrawals(&withdrawn, &directory)?;
            write(&rows, &(views + &facts), &withdrawn, page.as_deref())
        }
    }
}

/// Prints figures for the process that wants them.
fn print(figures: &impl Serialize) -> Result<(), Box<dyn Error>> {
    Ok(println!("{}", serde_json::to_string(figures)?))
}

fn curve(items: &[usize], directory: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut rows = Vec::new();
    for &count in items {
        eprintln!("{count} items, {} mutations", count * TIMES);
        let place = directory.join(count.to_string());
        let begun = Instant::now();
        if !place.exists() {
            make(&place, count)?;
        }
        let made = milliseconds(begun.elapsed());
        let runs = (0..ROUNDS).map(|_| run(&place, "open")).collect::<Result<Vec<_>, _>>()?;
        let file = on_disk(&place.join(motet::database::FILE_NAME))?;
        rows.push(Row { items: count, file, made, runs });
    }
    Ok(rows)
}

/// Databases in which a member wrote so many facts, ten an entry, and is removed with all of them.
fn withdrawals(facts: &[usize], directory: &Path) -> Result<Vec<(usize, Withdrawn)>, Box<dyn Error>> {
    let mut rows = Vec::new();
    for &count in facts {
        eprintln!("{count} facts withdrawn");
        let place = directory.join(format!("withdrawn-{count}"));
        make_shared(&place, count)?;
        rows.push((count, run(&place, "withdraw")?));
    }
    Ok(rows)
}

fn write(
    rows: &[Row],
    others: &str,
    withdrawn: &[(usize, Withdrawn)],
    page: Option<&Path>,
) -> Result<(), Box<dyn Error>> {
    let mut text = table(rows);
    text += others;
    text += include_str!("../page/withdrawing.md");
    for (facts, Withdrawn { took, peak, seen }) in withdrawn {
        let _ = writeln!(text, "| {facts} | {:.2} | {peak:.1} | {seen} |", took / 1000.0);
    }
    match page {
        None => print!("{text}"),
        Some(page) => {
            let chart = page.with_extension("svg");
            draw(rows, &chart)?;
            let name = chart.file_name().expect("a page has a name").to_string_lossy().into_owned();
            let head = include_str!("../page/head.md");
            std::fs::write(page, format!("{head}\n![Milliseconds to open]({name})\n\n{text}"))?;
        }
    }
    Ok(())
}

/// One run in a process of its own.
fn run<T: for<'a> Deserialize<'a>>(place: &Path, task: &str) -> Result<T, Box<dyn Error>> {
    let output = Command::new(std::env::current_exe()?).arg(task).arg(place).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A database with a party of so many items, each changed ten times.
fn make(place: &Path, items: usize) -> Result<(), Box<dyn Error>> {
    let database = Database::create(place, "Ada", &Protection::KeyFile)?;
    let party = database.create_party("Bench")?;
    let mut ids = Vec::with_capacity(items);
    for chunk in (0..items).collect::<Vec<_>>().chunks(BATCH) {
        let mut transactions = Vec::new();
        for _ in chunk {
            let mut transaction = party.transaction();
            ids.push(transaction.create_item("object", Some("note"), None)?);
            transactions.push(transaction);
        }
        party.commit_all(transactions)?;
    }
    std::fs::write(place.join(ITEM), ids[items / 2].0)?;
    for time in 0..TIMES - 1 {
        for chunk in ids.chunks(BATCH) {
            let change = |id: &ItemId| {
                let mut transaction = party.transaction();
                transaction.set(*id, "title", i64::try_from(time).unwrap_or_default());
                transaction
            };
            party.commit_all(chunk.iter().map(change).collect())?;
        }
    }
    Ok(())
}

fn open(place: &Path) -> Result<Figures, Box<dyn Error>> {
    let (idle, begun) = (memory("VmRSS"), Instant::now());
    let database = Database::open(place)?;
    let open = milliseconds(begun.elapsed());
    let opened = memory("VmRSS") - idle;
    let party = database.parties().into_iter().next().ok_or("there is no party")?;
    let id = std::fs::read(place.join(ITEM))?;
    let id = ItemId(id.try_into().map_err(|_| "the item's id has another length")?);
    let begun = Instant::now();
    party.item(id, |item| item.attributes(&id.entity()))?;
    let read = milliseconds(begun.elapsed());
    let begun = Instant::now();
    party.set(id, "title", "changed")?;
    Ok(Figures { open, opened, read, write: milliseconds(begun.elapsed()), end: memory("VmRSS") - idle })
}

/// Ada's database on disk, with a party in which Ben wrote so many facts.
fn make_shared(place: &Path, facts: usize) -> Result<(), Box<dyn Error>> {
    let ada = Database::create(place, "Ada", &Protection::KeyFile)?;
    let ben = Database::in_memory("Ben")?;
    let home = ada.create_party("Bench")?;
    let key = home.key();
    let link = home.invite(Role::Writer, i64::MAX, Vec::new())?;
    ben.join(&InvitationCode::Link(link)).meet(&ada)?;
    hand_over(&ada, &ben, &home)?;
    let bens = ben.party(&key)?;
    let items = (0..100).map(|_| bens.create_item("object", None, None)).collect::<Result<Vec<_>, _>>()?;
    for first in (0..facts / 10).step_by(BATCH) {
        let entry = |number: usize| {
            let mut transaction = bens.transaction();
            for property in 0..10 {
                let value = i64::try_from(number).unwrap_or_default();
                transaction.set(items[number % items.len()], format!("property {property}"), value);
            }
            transaction
        };
        bens.commit_all((first..(first + BATCH).min(facts / 10)).map(entry).collect())?;
        hand_over(&ben, &ada, &home)?;
    }
    Ok(())
}

/// All that one has and another lacks.
fn hand_over(from: &Database, to: &Database, party: &Party) -> Result<(), Box<dyn Error>> {
    let key = party.key();
    let (wanted, had) = (from.heads(&key), to.heads(&key));
    let lacking = from.difference(
        &key,
        &[wanted.control, wanted.data].concat(),
        &[had.control, had.data].concat(),
        false,
    );
    let load =
        |id| from.load(&key, id).map_err(|error| error.to_string())?.ok_or("it is not here".to_owned());
    let bundles = lacking.iter().map(load).collect::<Result<Vec<_>, String>>()?;
    for answer in to.deliver(&key, bundles)? {
        answer?;
    }
    Ok(())
}

fn withdraw(place: &Path) -> Result<Withdrawn, Box<dyn Error>> {
    let database = Database::open(place)?;
    let party = database.parties().into_iter().next().ok_or("there is no party")?;
    let own = database.profile().identity;
    let member = party.members().into_keys().find(|member| *member != own);
    let member = member.ok_or("there is nobody to remove")?;
    let over = AtomicBool::new(false);
    let (idle, begun) = (memory("VmRSS"), Instant::now());
    let (took, seen) = std::thread::scope(|scope| {
        let looker = scope.spawn(|| {
            let mut seen = BTreeSet::new();
            while !over.load(Ordering::Relaxed) {
                seen.extend(party.status().withdrawing.map(|progress| progress.done));
                std::thread::sleep(Duration::from_millis(5));
            }
            seen.len()
        });
        let removed = party.remove_member(&member, &Cut::Nothing);
        let took = milliseconds(begun.elapsed());
        over.store(true, Ordering::Relaxed);
        removed.map(|_| (took, looker.join().expect("it only looks")))
    })?;
    Ok(Withdrawn { took, peak: memory("VmHWM") - idle, seen })
}

/// The MiB that a file takes on the disk: it grows by leaps, and what is not used takes nothing.
fn on_disk(file: &Path) -> Result<f64, Box<dyn Error>> {
    let blocks = std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(file)?);
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let mib = blocks as f64 * 512.0 / 1_048_576.0;
    Ok(mib)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// A figure of this process's memory in MiB: `VmRSS` now, `VmHWM` at most.
fn memory(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib =
        line.and_then(|line| line.trim_start_matches(':').trim().split(' ').next()?.parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib / 1024.0)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from(include_str!("../page/opening.md"));
    for row in rows {
        let of = |figure: fn(&Figures) -> f64| median(row.runs.iter().map(figure).collect());
        let _ = writeln!(
            text,
            "| {} | {} | {:.1} | {:.1} | {:.2} | {:.1} | {:.2} | {:.2} | {:.1} |",
            row.items,
            row.items * TIMES,
            row.file,
            row.made / 1000.0,
            of(|run| run.open),
            of(|run| run.opened),
            of(|run| run.read),
            of(|run| run.write),
            of(|run| run.end),
        );
    }
    text
}

/// The curve: milliseconds to open, by mutations, both on logarithmic scales.
fn draw(rows: &[Row], path: &Path) -> Result<(), Box<dyn Error>> {
    let points: Vec<(f64, f64)> = rows
        .iter()
        .map(|row| {
            #[expect(clippy::cast_precision_loss, reason = "a place in a picture")]
            let mutations = (row.items * TIMES) as f64;
            (mutations, median(row.runs.iter().map(|run| run.open).collect()))
        })
        .collect();
    let (least, most) =
        points.iter().fold((f64::MAX, 0.0_f64), |(least, most), (x, _)| (least.min(*x), most.max(*x)));
    let top = points.iter().fold(1.0_f64, |top, (_, y)| top.max(*y)) * 4.0;
    let root = SVGBackend::new(path, (640, 360)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .build_cartesian_2d((least / 2.0..most * 2.0).log_scale(), (0.1..top).log_scale())?;
    chart.configure_mesh().x_desc("mutations").y_desc("ms to open").draw()?;
    chart.draw_series(LineSeries::new(points.clone(), BLUE.stroke_width(2)))?;
    chart.draw_series(points.into_iter().map(|point| Circle::new(point, 4, BLUE.filled())))?;
    root.present()?;
    Ok(())
}
