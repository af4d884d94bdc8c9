//! Live views as the console sees them.
//!
//! A view is tied to the thread that made it, and so are the circuits that views share. So all views of one question
//! (the same parties, text and runtime; the parameters may differ) live in one thread, a *desk*, and a large epoch of
//! one question holds up no other. A desk takes requests over a channel, and looks for them between epochs. Before it
//! answers it takes in everything that has arrived: an answer is about the database as it was when the question came,
//! or later.
//!
//! A view that goes over its budget says so once, and stays as it is until it is resumed.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::time::Duration;

use motet::{Circuits, Database, Error, Query, View};
use motet_algebra::{Budget, Changes};
use motet_fact::{Digest, PublicKey, Value};
use motet_stream::json::to_json;
use serde_json::{Map, Value as Json, json};

use crate::console::Voice;

/// How long a desk waits for entries before it looks for requests again.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A question waits so long for its desk: an epoch may take long.
const PATIENCE: Duration = Duration::from_secs(600);

/// What to watch.
pub(crate) struct Wish {
    /// What events call the view.
    pub(crate) name: String,
    pub(crate) parties: Vec<PublicKey>,
    pub(crate) query: Query,
    /// Whether it outlives the console, under its name.
    pub(crate) kept: bool,
    /// Events with more changes than this give counts only.
    pub(crate) changes_max: usize,
}

/// What may be asked of a view.
#[derive(Clone)]
pub(crate) enum Question {
    /// All rows of its outputs, up to so many of each.
    Rows(usize),
    /// The hash and the number of rows of each output.
    Digest,
    /// That it goes on, on this budget.
    Resume(Budget),
}

type Answer = Result<Json, String>;

enum Request {
    Open(Box<Wish>, Sender<Answer>),
    Ask(String, Question, Sender<Answer>),
    Close(String, Sender<Answer>),
}

/// The handle to a desk. Dropping it ends its views.
pub(crate) struct Desk {
    requests: Sender<Request>,
}

impl Desk {
    /// A desk without views.
    pub(crate) fn open(database: &Database, voice: Voice) -> Result<Self, String> {
        let (requests, heard) = channel();
        let database = database.clone();
        std::thread::Builder::new()
            .name("views".to_owned())
            .spawn(move || keep(&database, &voice, &heard))
            .map_err(|error| format!("no thread for the view: {error}"))?;
        Ok(Desk { requests })
    }

    /// Opens a view; gives its first digest when its first epoch has run.
    pub(crate) fn watch(&self, wish: Wish) -> Answer {
        self.request(|answer| Request::Open(Box::new(wish), answer))
    }

    /// Asks a view.
    pub(crate) fn ask(&self, view: &str, question: Question) -> Answer {
        self.request(|answer| Request::Ask(view.to_owned(), question, answer))
    }

    /// Ends a view. When this returns, nobody has it open any more.
    pub(crate) fn close(&self, view: &str) {
        // If the desk has ended, so has the view.
        let _ = self.request(|answer| Request::Close(view.to_owned(), answer));
    }

    fn request(&self, request: impl FnOnce(Sender<Answer>) -> Request) -> Answer {
        let (answer, answered) = channel();
        self.requests.send(request(answer)).map_err(|_| "the view has ended".to_owned())?;
        match answered.recv_timeout(PATIENCE) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => Err("the view is busy".to_owned()),
            Err(RecvTimeoutError::Disconnected) => Err("the view has ended".to_owned()),
        }
    }
}

/// A view, and how its changes are told.
struct Told {
    name: String,
    changes_max: usize,
    view: View,
    /// Whether its store failed: then it gives no more.
    failed: bool,
}

fn keep(database: &Database, voice: &Voice, requests: &Receiver<Request>) {
    let circuits = database.circuits();
    let mut views: BTreeMap<String, Told> = BTreeMap::new();
    loop {
        let running = views.values_mut().find(|told| told.is_running());
        let request = match running {
            // Nothing can happen but that somebody asks.
            None => requests.recv().map_err(|_| TryRecvError::Disconnected),
            Some(told) => {
                told.listen(voice, LOOK_EVERY);
                views.values_mut().for_each(|told| told.catch_up(voice));
                requests.try_recv()
            }
        };
        match request {
            Ok(request) => answer(database, &circuits, voice, &mut views, request),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return,
        }
    }
}

fn answer(
    database: &Database,
    circuits: &Circuits,
    voice: &Voice,
    views: &mut BTreeMap<String, Told>,
    request: Request,
) {
    // Who asked may have lost patience.
    match request {
        Request::Open(wish, answer) => {
            let opened = open(database, circuits, &wish).map_err(|error| error.to_string());
            let _ = answer.send(opened.map(|view| {
                let told =
                    Told { name: wish.name.clone(), changes_max: wish.changes_max, view, failed: false };
                let digest = told.digest();
                views.insert(wish.name, told);
                digest
            }));
        }
        Request::Ask(name, question, answer) => {
            let told = views.get_mut(&name).ok_or_else(|| format!("no view is called `{name}`"));
            let _ = answer.send(told.map(|told| told.reply(question, voice)));
        }
        Request::Close(name, answer) => {
            views.remove(&name);
            let _ = answer.send(Ok(Json::Null));
        }
    }
}

fn open(database: &Database, circuits: &Circuits, wish: &Wish) -> Result<View, Error> {
    if !wish.kept {
        return circuits.watch(&wish.parties, &wish.query);
    }
    let party = database.party(&wish.parties[0])?; // the console sees to it that it is one
    match party.open_view(&wish.name, wish.query.runtime, wish.query.budget.clone()) {
        Err(Error::NoSuchView(_)) => party.keep_view(&wish.name, &wish.query),
        opened => opened,
    }
}

impl Told {
    fn is_running(&self) -> bool {
        self.view.stopped().is_none() && !self.failed
    }

    /// Waits for an epoch, and tells it.
    fn listen(&mut self, voice: &Voice, timeout: Duration) {
        let changes = self.view.wait(timeout);
        self.hear(voice, changes);
    }

    /// Tells everything that there is to tell.
    fn catch_up(&mut self, voice: &Voice) {
        while self.is_running() {
            let changes = self.view.poll();
            if !self.hear(voice, changes) {
                return;
            }
        }
    }

    /// Tells an epoch, or that there will be none; whether there was one.
    fn hear(&mut self, voice: &Voice, changes: Result<Option<Changes>, Error>) -> bool {
        match changes {
            Ok(Some(changes)) => {
                self.tell(voice, &changes);
                true
            }
            Ok(None) => false,
            Err(error) => {
                self.failed = self.view.stopped().is_none();
                voice.say(&json!({"event": "stopped", "view": self.name, "error": error.to_string()}));
                false
            }
        }
    }

    fn reply(&mut self, question: Question, voice: &Voice) -> Json {
        if let Question::Resume(budget) = &question {
            self.view.resume(budget.clone());
        }
        self.catch_up(voice);
        let Question::Rows(limit) = question else { return self.digest() };
        let some =
            |name: &str| self.view.shown(name).into_iter().take(limit).map(|row| row_json(row)).collect();
        let outputs = self.view.contents().keys();
        let rows: Map<String, Json> = outputs.map(|name| (name.to_string(), some(name))).collect();
        self.stamped(json!({"epoch": self.view.epoch(), "rows": rows}))
    }

    /// Tells the changes of an epoch, if there are any.
    fn tell(&self, voice: &Voice, changes: &Changes) {
        for (output, rows) in changes.iter().filter(|(_, rows)| !rows.is_empty()) {
            let plus = rows.iter().filter(|(_, weight)| *weight > 0).count();
            let mut event = json!({
                "event": "view",
                "view": self.name,
                "output": output.to_string(),
                "epoch": self.view.epoch(),
                "plus": plus,
                "minus": rows.len() - plus,
                "rows": self.view.shown(output).len(),
            });
            if rows.len() <= self.changes_max {
                let change = |(row, weight): &(Vec<Value>, i64)| json!([row_json(row), weight]);
                event["changes"] = rows.iter().map(change).collect();
            }
            voice.say(&event);
        }
    }

    fn digest(&self) -> Json {
        let outputs = self.view.contents().iter().map(|(name, rows)| {
            let digest = rows_digest(rows.iter());
            (name.to_string(), json!({"rows": rows.len(), "digest": digest.to_string()}))
        });
        self.stamped(json!({"epoch": self.view.epoch(), "outputs": outputs.collect::<Map<String, Json>>()}))
    }

    /// The same, and that the view is stopped, if it is.
    fn stamped(&self, mut answer: Json) -> Json {
        if let Some(error) = self.view.stopped() {
            answer["stopped"] = error.to_string().into();
        }
        answer
    }
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
