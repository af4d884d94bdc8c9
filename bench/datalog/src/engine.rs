//! What an engine can be asked for, and the figures it gives.
//!
//! Each engine runs in a process of its own. What is measured begins when the facts lie in memory as numbers and ends
//! when the whole result is known; making the data, and reading and planning a program, is apart.

use std::fs;
use std::time::Duration;

use cpu_time::ProcessTime;
use serde::{Deserialize, Serialize};

use crate::data::{Row, Table};
use crate::workload::Workload;

/// The figures of one bulk run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bulk {
    /// Processor time, in seconds.
    pub seconds: f64,
    /// Processor time to read and plan the program, in seconds; none for a compiled one.
    pub planning: Option<f64>,
    /// Rows of the result.
    pub rows: usize,
    /// The most memory the process ever held, in MiB.
    pub peak: f64,
    /// The most memory it had held before it began, in MiB: the data, and the program itself.
    pub idle: f64,
}

/// The figures of one run of updates.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Updates {
    /// Processor time of each deletion, in microseconds.
    pub deletions: Vec<f64>,
    /// Processor time of each insertion, in microseconds.
    pub insertions: Vec<f64>,
    /// The net changes of the outputs, deletions and insertions together.
    pub changes: usize,
    /// Rows touched for each row of net change, by deletion; from engines that count them.
    pub touched: Vec<f64>,
    /// Rows asked for their support for each row of net change, by deletion; from engines that count them.
    pub asked: Vec<f64>,
    /// The memory of the process when the view is up, in MiB.
    pub held: f64,
    /// The memory before it, in MiB.
    pub idle: f64,
}

/// An engine beside others.
pub trait Engine {
    /// Its name in the report.
    fn name(&self) -> &'static str;

    /// Runs a workload from nothing to its whole result. None if it cannot, or nobody wrote it down.
    fn bulk(&self, workload: Workload) -> Option<Bulk>;

    /// Keeps the result of a workload right while a scenario changes its inputs. False if it cannot.
    fn maintain(
        &self,
        _workload: Workload,
        _data: &[Table],
        _scenario: &mut dyn FnMut(&mut dyn Maintained),
    ) -> bool {
        false
    }
}

/// A result that is kept right.
pub trait Maintained {
    /// Changes one row of one input by +1 or -1; gives how many rows of the outputs changed.
    fn change(&mut self, table: &'static str, row: &Row, weight: i64) -> usize;

    /// How many rows the engine has touched so far, if it counts.
    fn touched(&self) -> Option<u64> {
        None
    }

    /// How many rows the engine has asked for their support so far, if it counts.
    fn asked(&self) -> Option<u64> {
        None
    }
}

/// Measures from its start.
pub struct Timer {
    start: ProcessTime,
    planning: Option<f64>,
    idle: f64,
}

impl Timer {
    /// Begins to measure.
    pub fn start() -> Self {
        Timer { start: ProcessTime::now(), planning: None, idle: memory("VmHWM") }
    }

    /// The same, after a program was planned in so much time.
    pub fn start_after(planning: Duration) -> Self {
        Timer { planning: Some(planning.as_secs_f64()), ..Timer::start() }
    }

    /// Ends, with so many rows.
    pub fn bulk(self, rows: usize) -> Bulk {
        let Timer { start, planning, idle } = self;
        Bulk { seconds: start.elapsed().as_secs_f64(), planning, rows, peak: memory("VmHWM"), idle }
    }
}

/// A figure of this process's memory in MiB: `VmRSS` now, `VmHWM` at most.
pub fn memory(what: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

/// The rows of an input.
///
/// # Panics
/// If there is no such input: workloads and engines are written together.
pub fn table<'a>(data: &'a [Table], name: &str) -> &'a [Row] {
    &data.iter().find(|(table, _)| *table == name).expect("the workload has this input").1
}

/// Rows of two numbers as pairs.
pub fn pairs(rows: &[Row]) -> Vec<(u32, u32)> {
    rows.iter().map(|row| (row[0], row[1])).collect()
}
