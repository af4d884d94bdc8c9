//! The console of `motet serve --console`: a database driven by JSON lines, from any language.
//!
//! Requests come on standard input, one object a line; answers and events go to standard output, one object a line.
//! An answer carries its request's `id`; an event says what happened by itself: entries arrived, a view changed.
//! `docs/console.md` is the reference.
//!
//! One thread reads requests and answers them in order. The views of each question live in a thread of their own
//! ([`live`]), so that a large epoch of one holds nobody else up. What is wrong with a request is said in its answer,
//! and the console goes on; it ends with `quit`, or when its input ends.

mod household;
mod live;
mod request;

use std::io::{self, BufRead, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use motet::Database;
use motet_node::{Node, NodeEvent};
use serde_json::{Value as Json, json};

pub(crate) use crate::console::live::rows_digest;
use crate::console::request::Console;
use crate::failure::Failure;

/// How often progress is told at most.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// The longest request line, in bytes.
const MAX_LINE_BYTES: usize = 8 * 1024 * 1024;

/// Where answers and events go. Cheap to clone; a line is written whole.
#[derive(Clone)]
pub(crate) struct Voice(Arc<Mutex<Box<dyn Write + Send>>>);

impl Voice {
    fn new(out: Box<dyn Write + Send>) -> Self {
        Voice(Arc::new(Mutex::new(out)))
    }

    /// Writes a line; false if nobody reads any more.
    pub(crate) fn say(&self, line: &Json) -> bool {
        let mut out = self.0.lock().expect("nobody panics while writing");
        writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
    }
}

/// What the console hears.
enum Heard {
    Line(String),
    /// Standard input has ended, or holds no text.
    End(Option<String>),
    Changed,
}

/// Serves the console until `quit` or the end of input.
///
/// # Errors
/// If standard input can't be read.
pub(crate) fn run(database: &Database, node: &Node, events: &Receiver<NodeEvent>) -> Result<(), Failure> {
    let voice = Voice::new(Box::new(io::stdout()));
    let (teller, ear) = channel();
    read_lines(teller.clone());
    hear_changes(database.listen(), teller);
    let mut console = Console::new(database.clone(), node, voice.clone());
    voice.say(&json!({
        "event": "listening",
        "address": node.local_addr().map(|address| address.to_string()),
        "device": database.profile().device.to_string(),
    }));
    let mut progress = Progress { told: Instant::now(), changed: true };
    loop {
        match ear.recv_timeout(progress.patience()) {
            Ok(Heard::Line(line)) if line.trim().is_empty() => {}
            Ok(Heard::Line(line)) => {
                if !console.hear(&line) {
                    return Ok(());
                }
            }
            Ok(Heard::End(None)) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Ok(Heard::End(Some(error))) => {
                return Err(Failure::Failed(format!("the console can't read requests: {error}")));
            }
            Ok(Heard::Changed) => progress.changed = true,
            Err(RecvTimeoutError::Timeout) => {}
        }
        events.try_iter().for_each(|event| {
            voice.say(&node_event(&event));
        });
        if progress.is_due() && !voice.say(&console.progress()) {
            return Ok(());
        }
    }
}

/// When to tell progress.
struct Progress {
    told: Instant,
    changed: bool,
}

impl Progress {
    fn patience(&self) -> Duration {
        if self.changed { PROGRESS_EVERY.saturating_sub(self.told.elapsed()) } else { PROGRESS_EVERY }
    }

    fn is_due(&mut self) -> bool {
        let due = self.changed && self.told.elapsed() >= PROGRESS_EVERY;
        if due {
            *self = Progress { told: Instant::now(), changed: false };
        }
        due
    }
}

fn read_lines(teller: Sender<Heard>) {
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let heard = match read_line(&mut input) {
                Ok(Some(line)) => Heard::Line(line),
                Ok(None) => Heard::End(None),
                Err(error) => Heard::End(Some(error.to_string())),
            };
            let last = matches!(heard, Heard::End(_));
            if teller.send(heard).is_err() || last {
                return;
            }
        }
    });
}

fn read_line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    let limit = MAX_LINE_BYTES as u64 + 1;
    let read = io::Read::take(&mut *input, limit).read_line(&mut line)?;
    if read > MAX_LINE_BYTES {
        return Err(io::Error::other(format!("a line has more than {MAX_LINE_BYTES} bytes")));
    }
    Ok((read > 0).then_some(line))
}

fn hear_changes(changes: Receiver<()>, teller: Sender<Heard>) {
    std::thread::spawn(move || changes.into_iter().try_for_each(|()| teller.send(Heard::Changed)));
}

fn node_event(event: &NodeEvent) -> Json {
    match event {
        NodeEvent::Connected { device, address } => {
            json!({"event": "connected", "device": device.to_string(), "address": address})
        }
        NodeEvent::Disconnected { device, address, reason } => {
            json!({"event": "disconnected", "device": device.to_string(), "address": address, "reason": reason})
        }
        NodeEvent::Failed { address, reason } => {
            json!({"event": "failed", "address": address, "reason": reason})
        }
        NodeEvent::Delivered { device, party, taken, refused } => json!({
            "event": "delivered",
            "device": device.to_string(),
            "party": party.to_string(),
            "taken": taken,
            "refused": refused,
        }),
        NodeEvent::Fault { reason } => json!({"event": "fault", "reason": reason}),
    }
}
