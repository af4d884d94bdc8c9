//! A live view in a thread of its own, as the console sees it.
//!
//! A view is tied to the thread that made it, so the thread takes questions about it over a channel, and looks for
//! them between epochs. Before it answers it takes in everything that has arrived: an answer is about the database as
//! it was when the question came, or later.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::Duration;

use motet::{Error, Parameters, Party, RuntimeKind, View};
use motet_algebra::{Budget, Changes};
use motet_fact::{Digest, Value};
use motet_stream::json::to_json;
use serde_json::{Map, Value as Json, json};

use crate::console::Voice;

/// How long a view waits for entries before it looks for questions again.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A question waits so long for a view: an epoch may take long.
const PATIENCE: Duration = Duration::from_secs(600);

/// What to watch.
pub(crate) struct Wish {
    pub(crate) name: String,
    pub(crate) query: String,
    pub(crate) parameters: Parameters,
    pub(crate) runtime: RuntimeKind,
    /// Events with more changes than this give counts only.
    pub(crate) changes_max: usize,
}

/// What may be asked of a view.
#[derive(Clone, Copy)]
pub(crate) enum Question {
    /// All rows of its outputs, up to so many of each.
    Rows(usize),
    /// The hash and the number of rows of each output.
    Digest,
}

type Asked = (Question, Sender<Result<Json, String>>);

/// The handle to a view. Dropping it ends the view.
pub(crate) struct Live {
    questions: Sender<Asked>,
}

impl Live {
    /// Opens a view in a new thread; gives its first digest when its first epoch has run.
    pub(crate) fn open(party: Party, wish: Wish, voice: Voice) -> Result<(Self, Json), String> {
        let (questions, asked) = channel();
        let (opened, opening) = channel();
        std::thread::Builder::new()
            .name(format!("view {}", wish.name))
            .spawn(move || run(&party, &wish, &voice, &opened, &asked))
            .map_err(|error| format!("no thread for the view: {error}"))?;
        let first = opening.recv().map_err(|_| "the view ended while it began".to_owned())??;
        Ok((Live { questions }, first))
    }

    /// Asks the view.
    pub(crate) fn ask(&self, question: Question) -> Result<Json, String> {
        let (answer, answered) = channel();
        self.questions.send((question, answer)).map_err(|_| "the view has stopped".to_owned())?;
        match answered.recv_timeout(PATIENCE) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => Err("the view is busy".to_owned()),
            Err(RecvTimeoutError::Disconnected) => Err("the view has stopped".to_owned()),
        }
    }
}

fn run(
    party: &Party,
    wish: &Wish,
    voice: &Voice,
    opened: &Sender<Result<Json, String>>,
    asked: &Receiver<Asked>,
) {
    let view = party.watch_on(&wish.name, &wish.query, &wish.parameters, wish.runtime, Budget::default());
    let mut view = match view {
        Ok(view) => view,
        Err(error) => {
            // Who asked has gone: nobody to tell.
            let _ = opened.send(Err(error.to_string()));
            return;
        }
    };
    if opened.send(Ok(digest(&view))).is_err() {
        return;
    }
    if let Err(error) = keep(&mut view, wish, voice, asked) {
        voice.say(&json!({"event": "stopped", "view": wish.name, "error": error.to_string()}));
    }
}

fn keep(view: &mut View, wish: &Wish, voice: &Voice, asked: &Receiver<Asked>) -> Result<(), Error> {
    loop {
        if let Some(changes) = view.wait(LOOK_EVERY)? {
            tell(view, wish, voice, &changes);
        }
        match asked.try_recv() {
            Ok((question, answer)) => {
                while let Some(changes) = view.poll()? {
                    tell(view, wish, voice, &changes);
                }
                // Who asked may have lost patience.
                let _ = answer.send(Ok(reply(view, question)));
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return Ok(()),
        }
    }
}

fn reply(view: &View, question: Question) -> Json {
    match question {
        Question::Digest => digest(view),
        Question::Rows(limit) => {
            let some =
                |name: &str| view.shown(name).into_iter().take(limit).map(|row| row_json(row)).collect();
            let outputs = view.contents().keys();
            let rows: Map<String, Json> = outputs.map(|name| (name.to_string(), some(name))).collect();
            json!({"epoch": view.epoch(), "rows": rows})
        }
    }
}

/// Tells the changes of an epoch, if there are any.
fn tell(view: &View, wish: &Wish, voice: &Voice, changes: &Changes) {
    for (output, rows) in changes.iter().filter(|(_, rows)| !rows.is_empty()) {
        let plus = rows.iter().filter(|(_, weight)| *weight > 0).count();
        let mut event = json!({
            "event": "view",
            "view": wish.name,
            "output": output.to_string(),
            "epoch": view.epoch(),
            "plus": plus,
            "minus": rows.len() - plus,
            "rows": view.shown(output).len(),
        });
        if rows.len() <= wish.changes_max {
            let change = |(row, weight): &(Vec<Value>, i64)| json!([row_json(row), weight]);
            event["changes"] = rows.iter().map(change).collect();
        }
        voice.say(&event);
    }
}

fn digest(view: &View) -> Json {
    let outputs = view.contents().iter().map(|(name, rows)| {
        let digest = rows_digest(rows.iter());
        (name.to_string(), json!({"rows": rows.len(), "digest": digest.to_string()}))
    });
    json!({"epoch": view.epoch(), "outputs": outputs.collect::<Map<String, Json>>()})
}

/// The hash of rows in value order: equal for equal sets of rows.
pub(crate) fn rows_digest<'a>(rows: impl Iterator<Item = &'a Vec<Value>>) -> Digest {
    let mut bytes = Vec::new();
    for row in rows {
        bytes.extend(u32::try_from(row.len()).expect("a row has few columns").to_be_bytes());
        row.iter().for_each(|value| motet_fact::order::write_key(value, &mut bytes));
    }
    Digest::derive("motet view contents v1", &[&bytes])
}

fn row_json(row: &[Value]) -> Json {
    row.iter().map(to_json).collect()
}
