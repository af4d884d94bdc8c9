//! What one batch may cost (Q17): fuel, and the wish to stop.
//!
//! Fuel is counted, never timed: the same program, epochs and budget come to the same end on every machine. Each
//! runtime counts in its own way, for each does its own work; what all of them promise is in [`Budget`].
//!
//! A limit on time can't be counted, and nothing here reads a clock. Whoever has one passes in a function that says
//! whether to stop ([`Cancel`]), and runtimes ask it as they go. It is a function and not a flag because where there is
//! one thread only, as in a browser, nobody could set a flag while an epoch runs.

use std::fmt;
use std::sync::Arc;

use motet_fact::Value;

/// What one batch may cost. An epoch that goes over it is refused, and leaves no trace.
///
/// # Memory
/// The bytes that an epoch newly holds are *estimated*: rows and values are counted, and allocations are not. A row
/// costs [`ROW_BYTES`] at least and for each of its values [`VALUE_BYTES`], and a text or bytes that were not there
/// cost their length besides ([`held_bytes`]). How much more a row costs, and whether it is in an index too, is the
/// runtime's own affair. So what all of them promise is this:
///
/// - An epoch is refused if what it adds to the outputs costs more than the limit by these figures, each text once.
/// - The same epochs of the same program on the same runtime are refused by the same limits.
///
/// They don't promise to refuse the same epochs otherwise: [`crate::Naive`] computes everything anew and so holds
/// everything anew in each epoch, and a runtime that keeps indexes holds more than one that has none.
#[derive(Clone, Debug)]
pub struct Budget {
    /// The most times a loop may go round in one epoch.
    pub iterations: u64,
    /// The most rows that may be derived in one epoch.
    pub rows: u64,
    /// The most bytes that an epoch may newly hold, as they are estimated.
    pub memory: u64,
    /// The most epochs that may follow a batch before the program comes to rest (Q11).
    pub ticks: u64,
    /// Whether it is still wanted.
    pub cancel: Cancel,
}

impl Budget {
    /// No limit at all.
    pub const UNLIMITED: Budget = Budget {
        iterations: u64::MAX,
        rows: u64::MAX,
        memory: u64::MAX,
        ticks: u64::MAX,
        cancel: Cancel::NEVER,
    };
}

impl Default for Budget {
    /// Ten million rounds, a billion rows, four gibibytes, a hundred thousand ticks; never cancelled.
    fn default() -> Self {
        Budget {
            iterations: 10_000_000,
            rows: 1_000_000_000,
            memory: 1 << 32,
            ticks: 100_000,
            cancel: Cancel::NEVER,
        }
    }
}

/// What a row costs at least, without its values.
pub const ROW_BYTES: u64 = 16;
/// What a value in a row costs at least, without what a text or bytes hold.
pub const VALUE_BYTES: u64 = 4;

/// What a value is taken to hold besides its place in a row: the length of a text or of bytes.
pub fn held_bytes(value: &Value) -> u64 {
    let length = match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Link(_) => 0,
    };
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Who asked for an epoch may want it no more: a time has passed, somebody pressed a key. Cheap to clone.
///
/// What it says is asked over and over while an epoch runs, often enough that a person does not notice, and once before
/// it begins. So it must be quick; and once it has said that it wants the epoch no more, it should go on saying so.
#[derive(Clone, Default)]
pub struct Cancel(Option<Arc<Wish>>);

struct Wish {
    reason: Arc<str>,
    stop: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Cancel {
    /// Every epoch is wanted.
    pub const NEVER: Cancel = Cancel(None);

    /// Stops epochs once `stop` says so. The reason begins the message: "the time of 2 s ran out".
    pub fn when(reason: impl Into<Arc<str>>, stop: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Cancel(Some(Arc::new(Wish { reason: reason.into(), stop: Box::new(stop) })))
    }

    /// The reason to stop, if there is one by now.
    pub fn poll(&self) -> Option<&Arc<str>> {
        let wish = self.0.as_deref()?;
        (wish.stop)().then_some(&wish.reason)
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = self.0.as_ref().map_or("never", |wish| &wish.reason);
        f.debug_tuple("Cancel").field(&reason).finish()
    }
}
