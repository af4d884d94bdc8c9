//! The console of `motet serve --console`: what it answers, what it says by itself, and what it makes of nonsense.

#![allow(clippy::unwrap_used, reason = "in a test a panic with the place is the message")]

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value as Json, json};

fn motet(directory: &Path, arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_motet"));
    let output = command.arg("--dir").arg(directory).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

struct Console {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    next: u64,
    /// Events that came while an answer was waited for.
    events: Vec<Json>,
}

impl Console {
    fn start(directory: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_motet"))
            .arg("--dir")
            .arg(directory)
            .args(["serve", "--console", "--listen", "127.0.0.1:0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Console { child, input, output, next: 1, events: Vec::new() }
    }

    fn line(&mut self) -> Json {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    fn say(&mut self, line: &str) -> Json {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
        loop {
            let line = self.line();
            if line.get("event").is_none() {
                return line;
            }
            self.events.push(line);
        }
    }

    fn ask(&mut self, mut request: Json) -> Json {
        request["id"] = json!(self.next);
        let answer = self.say(&request.to_string());
        assert_eq!(answer["id"], json!(self.next));
        self.next += 1;
        answer
    }

    fn ok(&mut self, request: Json) -> Json {
        let answer = self.ask(request);
        assert!(answer.get("error").is_none(), "{answer}");
        answer["ok"].clone()
    }

    fn view_event(&mut self) -> Json {
        loop {
            if let Some(place) = self.events.iter().position(|event| event["event"] == "view") {
                return self.events.remove(place);
            }
            let line = self.line();
            self.events.push(line);
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn console(directory: &Path) -> Console {
    motet(directory, &["init"]);
    motet(directory, &["party", "new", "home"]);
    Console::start(directory)
}

const TITLES: &str =
    r#"output title. title(item: I, is: T) :- attr(entity: I, attribute: "title", value: T)."#;

#[test]
fn a_program_writes_asks_and_hears_changes() {
    let directory = tempfile::tempdir().unwrap();
    let mut console = console(directory.path());
    let first = console.line();
    assert_eq!(first["event"], "listening");
    assert!(first["address"].as_str().unwrap().starts_with("127.0.0.1:"));

    let watched = console.ok(json!({"do": "watch", "name": "titles", "query": TITLES}));
    assert_eq!(watched["outputs"]["title"]["rows"], 0);
    let item =
        console.ok(json!({"do": "create", "type": "note", "set": {"title": "Milk", "count": 2}}))["item"]
            .clone();
    let event = console.view_event();
    assert_eq!((&event["plus"], &event["minus"], &event["rows"]), (&json!(1), &json!(0), &json!(1)));
    assert_eq!(event["changes"][0][0][1], "Milk");

    console.ok(json!({"do": "set", "item": item, "set": {"title": "Eggs"}}));
    let rows = console.ok(json!({"do": "rows", "view": "titles"}));
    assert_eq!(rows["rows"]["title"][0][1], "Eggs");
    let got = console.ok(json!({"do": "get", "item": item}));
    assert_eq!(got["properties"]["count"]["value"], 2);
    assert_eq!(got["properties"]["title"]["candidates"].as_array().unwrap().len(), 1);

    let facts = console.ok(json!({"do": "create", "model": "facts"}))["item"].clone();
    let fact = json!({"entity": {"/": {"bytes": "AQI"}}, "attribute": "said", "value": true});
    let stated = console.ok(json!({"do": "state", "item": facts, "facts": [fact]}));
    let cause = stated["cids"][0].clone();
    let fact =
        json!({"entity": {"/": {"bytes": "AQI"}}, "attribute": "then", "value": 1.5, "causes": [cause]});
    console.ok(json!({"do": "state", "item": facts, "facts": [fact]}));
    let query = "output after. after(value: V) :- C := fact(value: V), cause(cid: C, parent: _).";
    let view = console.ok(json!({"do": "watch", "name": "after", "query": query, "runtime": "naive"}));
    assert!(view["outputs"]["after"]["rows"].as_u64().unwrap() >= 1, "the fact that has a cause");

    let status = console.ok(json!({"do": "status"}));
    assert_eq!((&status["waiting"], &status["views"]), (&json!(0), &json!(["after", "titles"])));
    assert_eq!(console.ok(json!({"do": "hash"}))["hash"].as_str().unwrap().len(), 64);
    console.ok(json!({"do": "quit"}));
    assert!(console.child.wait().unwrap().success());
}

/// Counts up to the value of a property.
const COUNTING: &str = "output up.
    limit(is: L) :- attr(attribute: $which, value: L).
    up(n: 0) :- limit().
    up(n: M) :- up(n: N), limit(is: L), N < L, M == N + 1.";

#[test]
fn views_of_one_question_are_told_apart_and_one_that_is_stopped_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut console = console(directory.path());
    let item = console.ok(json!({"do": "create", "set": {"small": 3, "large": 5}}))["item"].clone();
    let watch = |name: &str, which: &str| {
        let params = json!({"which": which});
        json!({"do": "watch", "name": name, "query": COUNTING, "params": params, "max_rows": 1000})
    };
    for (name, which, rows) in [("a", "small", 4), ("b", "large", 6), ("c", "small", 4)] {
        assert_eq!(console.ok(watch(name, which))["outputs"]["up"]["rows"], rows);
    }
    console.ok(json!({"do": "set", "item": item, "set": {"large": 5000, "small": 7}}));
    for name in ["a", "c"] {
        assert_eq!(console.ok(json!({"do": "digest", "view": name}))["outputs"]["up"]["rows"], 8);
    }
    let stopped = console.ok(json!({"do": "digest", "view": "b"}));
    assert_eq!(stopped["outputs"]["up"]["rows"], 6, "its last good epoch");
    assert!(stopped["stopped"].as_str().unwrap().contains("budget"));
    assert!(console.events.iter().any(|event| event["event"] == "stopped" && event["view"] == "b"));
    console.ok(json!({"do": "unwatch", "view": "a"}));
    let resumed = console.ok(json!({"do": "resume", "view": "b"}));
    assert_eq!((&resumed["outputs"]["up"]["rows"], resumed.get("stopped")), (&json!(5001), None));
    console.ok(json!({"do": "set", "item": item, "set": {"large": 2}}));
    assert_eq!(console.ok(json!({"do": "digest", "view": "b"}))["outputs"]["up"]["rows"], 3);
    let status = console.ok(json!({"do": "status"}));
    assert_eq!(status["views"], json!(["b", "c"]));
}

#[test]
fn a_view_that_is_kept_outlives_the_console() {
    let directory = tempfile::tempdir().unwrap();
    let seen =
        r#"output seen. seen(is: T) :- attr(attribute: "title", value: T). seen(is: T)@next :- seen(is: T)."#;
    let watch = json!({"do": "watch", "name": "seen", "query": seen, "kept": true});
    let mut first = console(directory.path());
    first.ok(watch.clone());
    let item = first.ok(json!({"do": "create", "set": {"title": "Milk"}}))["item"].clone();
    assert_eq!(first.ok(json!({"do": "digest", "view": "seen"}))["outputs"]["seen"]["rows"], 1);
    first.ok(json!({"do": "set", "item": item, "set": {"title": "Eggs"}}));
    first.ok(json!({"do": "quit"}));
    assert!(first.child.wait().unwrap().success());
    let mut second = Console::start(directory.path());
    second.ok(watch.clone());
    let rows = second.ok(json!({"do": "rows", "view": "seen"}))["rows"]["seen"].clone();
    assert_eq!(rows, json!([["Eggs"], ["Milk"]]));
    let again = second.ok(watch);
    assert_eq!(again["outputs"]["seen"]["rows"], 2, "the same name is the same view");
    let two = json!({"do": "watch", "name": "two", "query": seen, "kept": true, "party": []});
    assert!(second.ask(two)["error"].as_str().unwrap().contains("of one party"));
}

#[test]
fn nonsense_is_answered_and_the_console_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut console = console(directory.path());
    assert!(console.say("{").get("error").is_some());
    for (request, words) in [
        (json!({}), "`do` is missing"),
        (json!({"do": "dance"}), "there is no `dance`"),
        (json!({"do": "get", "item": "xyz"}), "`item`"),
        (json!({"do": "get", "item": "00".repeat(32)}), "no item"),
        (json!({"do": "create", "model": "Nothing"}), "no model is called"),
        (json!({"do": "create", "set": {"list": [1]}}), "`list`"),
        (json!({"do": "watch", "name": "bad", "query": "a(b: C) :- d(e: C)."}), "d"),
        (json!({"do": "rows", "view": "bad"}), "no view is called"),
        (json!({"do": "status", "party": "zz"}), "no such party"),
        (json!({"do": "state", "item": "00".repeat(32), "feed": "11", "facts": []}), "`feed`"),
    ] {
        let answer = console.ask(request.clone());
        let error = answer["error"].as_str().unwrap_or_else(|| panic!("{request} was answered {answer}"));
        assert!(error.contains(words), "{words:?} in {error:?}");
    }
    assert_eq!(console.ok(json!({"do": "status"}))["waiting"], 0);
    drop(console.input.take());
    assert!(console.child.wait().unwrap().success(), "the end of input is an end in good order");
}
