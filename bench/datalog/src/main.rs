//! `cargo run --release -p motet-bench-datalog -- all`: measures every engine and writes the page.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use motet_bench_datalog::engine::Engine;
use motet_bench_datalog::rounds::{Results, Rounds};
use motet_bench_datalog::scenario::Scenario;
use motet_bench_datalog::workload::Workload;
use motet_bench_datalog::{chart, engines, report};

/// Measures Motet's runtimes beside other engines.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs every engine on every workload in turn, and writes tables and a chart into `docs`.
    All {
        /// How many rounds.
        #[arg(long, default_value_t = 7)]
        rounds: usize,
        /// In how many of these the slow engines run too, those on differential dataflow; all rounds if not given.
        #[arg(long)]
        slow_rounds: Option<usize>,
        /// Only these workloads and scenarios.
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// Not these engines.
        #[arg(long, value_delimiter = ',')]
        without: Vec<String>,
        /// Where the page goes; printed where none is given.
        #[arg(long)]
        page: Option<PathBuf>,
    },
    /// One engine on one workload, in this process: its figures as JSON.
    Bulk {
        /// The engine.
        engine: String,
        /// The workload.
        workload: String,
    },
    /// One engine in one scenario of updates, in this process: its figures as JSON.
    Updates {
        /// The engine.
        engine: String,
        /// The scenario.
        scenario: String,
    },
}

fn main() -> Result<(), Box<dyn Error>> {
    match Arguments::parse().command {
        Command::All { rounds, slow_rounds, only, without, page } => {
            let rounds = Rounds { all: rounds, slow: slow_rounds.unwrap_or(rounds) };
            all(rounds, &only, &without, page.as_deref())
        }
        Command::Bulk { engine, workload } => {
            let workload = Workload::named(&workload).ok_or(format!("no workload `{workload}`"))?;
            Ok(println!("{}", serde_json::to_string(&named(&engine)?.bulk(workload))?))
        }
        Command::Updates { engine, scenario } => {
            let scenario = Scenario::named(&scenario).ok_or(format!("no scenario `{scenario}`"))?;
            Ok(println!("{}", serde_json::to_string(&scenario.run(&*named(&engine)?))?))
        }
    }
}

fn named(name: &str) -> Result<Box<dyn Engine>, String> {
    engines::all().into_iter().find(|engine| engine.name() == name).ok_or(format!("no engine `{name}`"))
}

fn all(
    rounds: Rounds,
    only: &[String],
    without: &[String],
    page: Option<&Path>,
) -> Result<(), Box<dyn Error>> {
    let wanted = |name: String| only.is_empty() || only.contains(&name);
    let workloads: Vec<Workload> =
        Workload::ALL.into_iter().filter(|workload| wanted(workload.to_string())).collect();
    let scenarios: Vec<Scenario> =
        Scenario::ALL.into_iter().filter(|scenario| wanted(scenario.to_string())).collect();
    let results = Results::measure(rounds, &workloads, &scenarios, without)?;
    let Some(page) = page else { return Ok(println!("{}", report::page(&results, rounds.all, "chart.svg"))) };
    let picture = page.with_extension("svg");
    let name = picture.file_name().unwrap_or_default().to_string_lossy();
    fs::write(page, report::page(&results, rounds.all, &name))?;
    fs::write(page.with_extension("json"), serde_json::to_string(&results)?)?;
    chart::draw(&results, &picture)
}
