//! Rounds: each engine in turn, each run in a process of its own.
//!
//! The speed of a machine drifts, so a ratio is taken within a round, where the engines ran one right after the other,
//! and the median of the ratios is what is quoted.

use std::collections::BTreeMap;
use std::env;
use std::io;
use std::path::Path;
use std::process::Command;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::engine::{Bulk, Updates};
use crate::engines;
use crate::scenario::Scenario;
use crate::workload::Workload;

/// A peer that is a Python package: its name, and the script that runs it.
const PYTHON_PEERS: [(&str, &str); 1] = [("DuckDB", "duckdb_peer.py")];

/// Engines that take many times longer than the others, and may sit rounds out.
const SLOW: [&str; 2] = ["Motet on differential dataflow", "differential dataflow"];

/// How often everything runs.
#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    /// Each engine on each workload.
    pub all: usize,
    /// Of these, the rounds in which slow engines run too.
    pub slow: usize,
}

/// What was measured: by workload or scenario, then by engine, a figure for each round.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Results {
    /// The bulk runs.
    pub bulk: BTreeMap<String, BTreeMap<String, Vec<Bulk>>>,
    /// The runs of updates.
    pub updates: BTreeMap<String, BTreeMap<String, Vec<Updates>>>,
}

impl Results {
    /// Runs all rounds of some workloads and scenarios, and says on standard error how far it is.
    ///
    /// # Errors
    /// If a process cannot be started, or ends badly.
    pub fn measure(
        rounds: Rounds,
        workloads: &[Workload],
        scenarios: &[Scenario],
        without: &[String],
    ) -> io::Result<Results> {
        let mut results = Results::default();
        let data = tempfile::tempdir()?;
        for workload in workloads {
            write_data(*workload, data.path())?;
            for round in 1..=rounds.all {
                eprintln!("{workload}: round {round} of {}", rounds.all);
                let absent = |name: &str| {
                    without.iter().any(|one| one == name) || (round > rounds.slow && SLOW.contains(&name))
                };
                results.bulk_round(*workload, data.path(), &absent)?;
            }
        }
        for scenario in scenarios {
            for round in 1..=rounds.all {
                eprintln!("{scenario}: round {round} of {}", rounds.all);
                for engine in engines::all() {
                    let name = engine.name();
                    // Differential dataflow is what updates are compared with.
                    if without.iter().any(|one| one == name) || (round > rounds.slow && name == SLOW[0]) {
                        continue;
                    }
                    let figures: Option<Updates> = one(&["updates", name, &scenario.to_string()])?;
                    if let Some(figures) = figures {
                        let engines = results.updates.entry(scenario.to_string()).or_default();
                        engines.entry(name.to_owned()).or_default().push(figures);
                    }
                }
            }
        }
        Ok(results)
    }

    fn bulk_round(
        &mut self,
        workload: Workload,
        data: &Path,
        absent: &dyn Fn(&str) -> bool,
    ) -> io::Result<()> {
        let mut add = |name: &str, figures: Option<Bulk>| {
            if let Some(figures) = figures {
                let engines = self.bulk.entry(workload.to_string()).or_default();
                engines.entry(name.to_owned()).or_default().push(figures);
            }
        };
        for engine in engines::all() {
            let name = engine.name();
            if !absent(name) {
                add(name, one(&["bulk", name, &workload.to_string()])?);
            }
        }
        for (name, script) in PYTHON_PEERS {
            if !absent(name) {
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(script);
                add(name, read(Command::new("python3").arg(script).arg(workload.to_string()).arg(data))?);
            }
        }
        Ok(())
    }
}

fn one<T: DeserializeOwned>(words: &[&str]) -> io::Result<Option<T>> {
    read(Command::new(env::current_exe()?).args(words))
}

fn read<T: DeserializeOwned>(command: &mut Command) -> io::Result<Option<T>> {
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{command:?} ended with {}", output.status)));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The facts of a workload as files for peers that are other programs: a line per row, numbers between commas.
fn write_data(workload: Workload, directory: &Path) -> io::Result<()> {
    for (name, rows) in workload.data() {
        let line = |row: &Vec<u32>| {
            let numbers: Vec<String> = row.iter().map(u32::to_string).collect();
            numbers.join(",") + "\n"
        };
        std::fs::write(directory.join(format!("{name}.csv")), rows.iter().map(line).collect::<String>())?;
    }
    Ok(())
}
