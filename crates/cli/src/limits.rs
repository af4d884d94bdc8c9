//! What an epoch may cost, as flags say it; and the clock that the limit on time needs (Q17).

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Args;
use motet_algebra::{Budget, Cancel};

use crate::quantity;

/// The flags.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct Limits {
    /// Refuse an epoch that derives more rows
    #[arg(long, value_name = "N", default_value_t = Budget::default().rows)]
    max_rows: u64,
    /// Refuse an epoch for which a loop goes round more often
    #[arg(long, value_name = "N", default_value_t = Budget::default().iterations)]
    max_rounds: u64,
    /// Refuse an epoch that newly holds more bytes, as they are estimated: 65536, 500M, 4G
    #[arg(long, value_name = "SIZE", default_value = "4G", value_parser = size)]
    max_memory: u64,
    /// Refuse what takes longer: 500ms, 10s, 5m; there is no limit if it is left out
    #[arg(long, value_name = "TIME", value_parser = duration)]
    max_time: Option<Duration>,
}

fn size(text: &str) -> Result<u64, &'static str> {
    quantity::size(text).ok_or("write a number of bytes, as in 65536, 500M or 4G")
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    quantity::duration(text).ok_or("write a time with its unit, as in 500ms, 10s or 5m")
}

impl Limits {
    /// The budget, and the clock of its limit on time.
    pub(crate) fn budget(&self) -> (Budget, Stopwatch) {
        let (stopwatch, cancel) = match self.max_time {
            Some(limit) => Stopwatch::of(limit),
            None => (Stopwatch::default(), Cancel::NEVER),
        };
        let (iterations, rows, memory) = (self.max_rounds, self.max_rows, self.max_memory);
        (Budget { iterations, rows, memory, cancel, ..Budget::default() }, stopwatch)
    }
}

/// A clock that starts when somebody looks at it: a budget is first asked when an epoch begins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stopwatch(Arc<Mutex<Option<Instant>>>);

impl Stopwatch {
    /// A stopwatch, and what stops an epoch when it shows more than this.
    fn of(limit: Duration) -> (Self, Cancel) {
        let stopwatch = Stopwatch::default();
        let seen = stopwatch.clone();
        let reason = format!("the time of {limit:?} ran out");
        (stopwatch, Cancel::when(reason, move || seen.elapsed() > limit))
    }

    /// Lets it start again at the next look.
    pub(crate) fn reset(&self) {
        *self.0.lock().expect("nobody panics with the stopwatch") = None;
    }

    fn elapsed(&self) -> Duration {
        let mut start = self.0.lock().expect("nobody panics with the stopwatch");
        start.get_or_insert_with(Instant::now).elapsed()
    }
}
