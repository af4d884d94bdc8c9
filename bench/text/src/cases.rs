//! What is measured: Motet at several depths, and others.

mod motet;
mod others;

use std::fmt;
use std::hint::black_box;
use std::str::FromStr;

use crate::trace::Trace;

pub type Case = fn(&Trace) -> Figures;

/// All cases; the first is the yardstick.
pub const CASES: [(&str, Case); 9] = [
    ("diamond-types", others::diamond_types),
    ("motet: the sequence alone", motet::sequence),
    ("motet: a fact per edit, with its CID", motet::facts),
    ("motet: facts of 100 edits at once", motet::bursts),
    ("motet: an item, with its ledger", motet::item_case),
    ("loro", others::loro),
    ("yrs", others::yrs),
    ("automerge", others::automerge),
    ("automerge: one commit", others::automerge_once),
];

/// Milliseconds of the process's CPU, bytes, megabytes.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub apply: f64,
    pub save: f64,
    pub bytes: f64,
    pub load: f64,
    pub memory: f64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {} {}", self.apply, self.save, self.bytes, self.load, self.memory)
    }
}

impl FromStr for Figures {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Result<Vec<f64>, _> = text.split(' ').map(str::parse).collect();
        match numbers.map_err(|error| format!("{error}"))?.as_slice() {
            &[apply, save, bytes, load, memory] => Ok(Figures { apply, save, bytes, load, memory }),
            other => Err(format!("{} numbers", other.len())),
        }
    }
}

/// Applies a trace, saves what came of it, and loads that again.
pub fn measure<D, L>(
    trace: &Trace,
    apply: impl FnOnce(&Trace) -> D,
    content: impl Fn(&D) -> String,
    save: impl FnOnce(&mut D) -> Vec<u8>,
    load: impl FnOnce(&[u8]) -> L,
    loaded: impl FnOnce(&L) -> Option<String>,
) -> Figures {
    let before = memory();
    let (mut document, applied) = timed(|| apply(trace));
    let memory = memory() - before;
    assert_eq!(content(&document), trace.end, "the trace comes to its end");
    let (bytes, saved) = timed(|| save(&mut document));
    let (again, read) = timed(|| load(&bytes));
    if let Some(content) = loaded(&again) {
        assert_eq!(content, trace.end, "what is loaded is what was saved");
    }
    black_box(&again);
    Figures { apply: applied, save: saved, bytes: bytes.len() as f64, load: read, memory }
}

/// What a call gives, and the milliseconds of CPU that it took: a machine that does other things changes them little.
fn timed<T>(run: impl FnOnce() -> T) -> (T, f64) {
    let start = cpu();
    let result = black_box(run());
    (result, (cpu() - start) / 1e6)
}

/// Nanoseconds that this thread has run so far.
fn cpu() -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells of its threads");
    told.split(' ').next().and_then(|run| run.parse().ok()).expect("the first number is the time run")
}

/// Resident memory of the process, in megabytes.
fn memory() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0.0);
    pages * 4096.0 / 1e6
}
