//! Two people with two devices each, over real processes: a device linked by words, one recovered from the phrase, an
//! invitation read aloud, everybody writing while nobody hears anybody, one device removed while it does, and one state
//! in the end.

#![allow(clippy::unwrap_used, reason = "in a test a panic with the place is the message")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_motet"));
    command.arg("--dir").arg(directory).arg("--quiet").args(arguments).stdin(Stdio::null());
    command.env_remove("MOTET_PHRASE");
    command
}

fn motet(directory: &Path, arguments: &[&str]) -> String {
    let output = command(directory, arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "motet {arguments:?} failed: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn refused(directory: &Path, arguments: &[&str]) -> String {
    let output = command(directory, arguments).output().unwrap();
    assert!(!output.status.success(), "motet {arguments:?} was to fail");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json_of(directory: &Path, arguments: &[&str]) -> Json {
    let arguments = [arguments, &["--format", "json"]].concat();
    serde_json::from_str(motet(directory, &arguments).lines().next().unwrap()).unwrap()
}

/// A device that serves, and takes commands.
struct Console {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Console {
    fn start(directory: &Path, peers: &[&str]) -> Self {
        let peers = peers.iter().flat_map(|peer| ["--peer", peer]);
        let arguments = ["serve", "--console", "--listen", "127.0.0.1:0"].into_iter().chain(peers);
        let mut command = command(directory, &arguments.collect::<Vec<_>>());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Console { child, input, output }
    }

    fn ask(&mut self, request: Json) -> Json {
        writeln!(self.input, "{request}").unwrap();
        loop {
            let mut line = String::new();
            self.output.read_line(&mut line).unwrap();
            let line: Json = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
            if line.get("event").is_none() {
                assert!(line.get("error").is_none(), "{request}: {line}");
                return line["ok"].clone();
            }
        }
    }

    /// Where it serves; asked of a party that is open.
    fn address(&mut self) -> String {
        let party = self.ask(json!({"do": "parties"}))[0]["party"].clone();
        self.ask(json!({"do": "status", "party": party}))["address"].as_str().unwrap().to_owned()
    }

    fn hash(&mut self, party: &str) -> Option<String> {
        let open = self.ask(json!({"do": "parties"}));
        let here = open.as_array().unwrap().iter().any(|it| it["party"] == party && it["role"].is_string());
        here.then(|| self.ask(json!({"do": "hash", "party": party}))["hash"].as_str().unwrap().to_owned())
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something holds.
fn eventually<T>(what: &str, mut holds: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(found) = holds() {
            return found;
        }
        assert!(Instant::now() < until, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// All have the party, with the same state; gives its hash.
fn agree(consoles: &mut [Console], party: &str, before: Option<&str>) -> String {
    eventually("all have one state", || {
        let hashes: Vec<Option<String>> = consoles.iter_mut().map(|console| console.hash(party)).collect();
        let first = hashes[0].clone()?;
        (hashes.iter().all(|hash| hash.as_ref() == Some(&first)) && before != Some(first.as_str()))
            .then_some(first)
    })
}

/// Ada's second device is linked by words read aloud. Gives where her first one serves.
fn link_by_words(phone: &Path, serving: &mut Console) -> String {
    let at = serving.address();
    let words = serving.ask(json!({"do": "link"}))["code"].as_str().unwrap().to_owned();
    assert_eq!(words.split('-').count(), 4, "{words}");
    assert!(refused(phone, &["init", "--link", &words]).contains("--address"));
    let wrong = format!("{}-zoo-zoo-zoo", words.split('-').next().unwrap());
    assert!(refused(phone, &["init", "--link", &wrong, "--address", &at]).contains("the code is wrong"));
    assert!(refused(phone, &["status"]).contains("is not linked yet"));
    motet(phone, &["init", "--link", &words, "--address", &at, "--device", "phone"]);
    assert!(refused(phone, &["init", "--link", &words, "--address", &at]).contains("already"));
    let linked = json_of(phone, &["identity", "show"]);
    assert_eq!((linked["name"].as_str(), &linked["holds the phrase"]), (Some("Ada"), &json!(false)));
    assert!(refused(phone, &["device", "link", "--words"]).contains("recovery phrase"));
    at
}

/// Ben's second device comes back with his phrase, while his first one serves. Gives where, and who he is.
fn recover_by_phrase(desk: &Path, spare: &Path) -> (Console, String, Json) {
    let ben = json_of(desk, &["init", "--name", "Ben", "--device", "desk"]);
    let phrase = ben["recovery phrase"].as_str().unwrap().to_owned();
    assert_eq!(json_of(desk, &["identity", "phrase"])["recovery phrase"], phrase.as_str());
    motet(desk, &["party", "new", "Ben's own"]);
    let mut serving = Console::start(desk, &[]);
    let at = serving.address();
    let mut recover = command(spare, &["init", "--recover", "--address", &at, "--device", "spare"]);
    let recovered = recover.env("MOTET_PHRASE", &phrase).output().unwrap();
    assert!(recovered.status.success(), "{}", String::from_utf8_lossy(&recovered.stderr));
    let back = json_of(spare, &["identity", "show"]);
    assert_eq!((&back["identity"], back["name"].as_str()), (&ben["identity"], Some("Ben")));
    (serving, at, ben["identity"].clone())
}

/// Each side knows exactly the other, on both devices.
fn know_each_other(consoles: &mut [Console], others: [&Json; 4]) {
    for (console, other) in consoles.iter_mut().zip(others) {
        let contacts = eventually("contacts", || {
            let contacts = console.ask(json!({"do": "contacts"}));
            (!contacts.as_object().unwrap().is_empty()).then_some(contacts)
        });
        assert_eq!(contacts.as_object().unwrap().keys().collect::<Vec<_>>(), [other.as_str().unwrap()]);
        assert_eq!(console.ask(json!({"do": "devices"})).as_object().unwrap().len(), 2);
    }
}

/// What the note of a party says where a device serves.
fn properties(console: &mut Console, party: &str, note: &str) -> Vec<String> {
    let note = console.ask(json!({"do": "get", "party": party, "item": note}));
    note["properties"].as_object().map(|of| of.keys().cloned().collect()).unwrap_or_default()
}

/// Of all that was written offline what counts has arrived, and nothing else; the phone, the second, has taken back
/// what it said itself.
fn what_counts_has_arrived(consoles: &mut [Console], party: &str, note: &str) {
    for (at, console) in consoles.iter_mut().enumerate() {
        let wanted: &[&str] = if at == 1 { &["title"] } else { &["line-0", "line-2", "line-3", "title"] };
        eventually("what counts is there, and nothing else", || {
            (properties(console, party, note) == wanted).then_some(())
        });
    }
}

/// What is done about a party on one device holds on the owner's other one.
fn close_and_open_everywhere(consoles: &mut [Console], party: &str) {
    consoles[1].ask(json!({"do": "deactivate", "party": party, "everywhere": true}));
    eventually("it is closed on the other device", || {
        let parties = consoles[2].ask(json!({"do": "parties"}));
        let seen = parties.as_array().unwrap().iter().find(|it| it["party"] == party).unwrap();
        (seen["open"] == false && seen["title"] == "Home").then_some(())
    });
    consoles[2].ask(json!({"do": "activate", "party": party, "everywhere": true}));
    agree(consoles, party, None);
}

#[test]
fn two_people_with_two_devices_each() {
    let home = TempDir::new().unwrap();
    let device = |name: &str| -> PathBuf { home.path().join(name) };
    let [laptop, phone, desk, spare] = ["laptop", "phone", "desk", "spare"].map(device);
    let places = [&laptop, &phone, &desk, &spare];

    // Ada founds a party, and invites Ben, whose recovered device joins; his other one hears of it from that.
    motet(&laptop, &["init", "--name", "Ada", "--device", "laptop"]);
    motet(&laptop, &["party", "new", "Home"]);
    let ada = json_of(&laptop, &["identity", "show"])["identity"].clone();
    let mut ada_serves = Console::start(&laptop, &[]);
    let at = link_by_words(&phone, &mut ada_serves);
    assert_eq!(json_of(&phone, &["identity", "show"])["identity"], ada);
    let (ben_serves, bens, ben) = recover_by_phrase(&desk, &spare);
    let words = ada_serves.ask(json!({"do": "invite"}))["code"].as_str().unwrap().to_owned();
    motet(&spare, &["join", &words, "--address", &at]);
    assert!(refused(&desk, &["status"]).contains("in use"));
    let party = ada_serves.ask(json!({"do": "parties"}))[0]["party"].as_str().unwrap().to_owned();
    let mut all =
        vec![ada_serves, Console::start(&phone, &[&at]), ben_serves, Console::start(&spare, &[&at, &bens])];
    let first = agree(&mut all, &party, None);
    let note = all[1].ask(json!({"do": "create", "party": party, "type": "note", "set": {"title": "Milk"}}));
    let note = note["item"].as_str().unwrap().to_owned();
    let second = agree(&mut all, &party, Some(&first));
    know_each_other(&mut all, [&ben, &ben, &ada, &ada]);

    // Killed, all four write, and Ada's phone is removed on the laptop. Brought together again, the others agree, and
    // what the phone wrote after it was last heard of is in nobody's note, its own included.
    drop(all);
    for (number, place) in places.iter().enumerate() {
        let (line, title) = (format!("line-{number}={number}"), format!("title=Milk {number}"));
        motet(place, &["--party", &party, "item", "set", &note, &line, &title]);
    }
    assert!(refused(&laptop, &["device", "remove", "phone"]).contains("--yes"));
    assert_eq!(motet(&laptop, &["device", "remove", "phone", "--yes", "--format", "csv"]).lines().count(), 3);
    let mut all = vec![Console::start(&laptop, &[])];
    let at = all[0].address();
    all.push(Console::start(&phone, &[&at]));
    all.push(Console::start(&desk, &[&at]));
    let bens = all[2].address();
    all.push(Console::start(&spare, &[&at, &bens]));
    what_counts_has_arrived(&mut all, &party, &note);
    let removed = all.remove(1);
    agree(&mut all, &party, Some(&second));
    close_and_open_everywhere(&mut all, &party);
    drop((all, removed));
    let late = refused(&phone, &["--party", &party, "item", "set", &note, "late=1"]);
    assert!(late.contains("removed this device"), "{late}");
    assert!(motet(&phone, &["--party", &party, "status"]).contains("do not count"));
    for place in places {
        motet(place, &["verify"]);
        let listed = motet(place, &["device", "list", "--format", "csv"]);
        assert_eq!(listed.lines().count(), 3, "{listed}");
        assert_eq!(listed.contains("removed"), [&laptop, &phone].contains(&place), "{listed}");
    }
}

/// A contact is invited by who it is: no code passes anywhere.
#[test]
fn a_contact_joins_without_a_code() {
    let home = TempDir::new().unwrap();
    let [ada, ben] = ["ada", "ben"].map(|name| home.path().join(name));
    motet(&ada, &["init", "--name", "Ada"]);
    motet(&ada, &["party", "new", "Home"]);
    motet(&ben, &["init", "--name", "Ben"]);
    let identity = json_of(&ben, &["identity", "show"])["identity"].as_str().unwrap().to_owned();
    motet(&ada, &["contact", "add", &identity, "Benjamin"]);
    motet(&ada, &["invite", "--to", "Benjamin", "--role", "reader"]);
    assert!(motet(&ada, &["invitation", "list"]).contains("open"));
    let mut serving = Console::start(&ada, &[]);
    let at = serving.address();
    assert!(refused(&ben, &["join"]).contains("--address"));
    motet(&ben, &["join", "--address", &at]);
    drop(serving);
    assert!(motet(&ada, &["invitation", "list"]).contains("used"));
    let listed = json_of(&ben, &["party", "list"]);
    assert_eq!((listed["name"].as_str(), listed["role"].as_str()), (Some("Home"), Some("reader")));
    assert!(motet(&ben, &["contact", "list"]).contains("Ada"));
    motet(&ben, &["party", "close"]);
    assert!(refused(&ben, &["item", "list"]).contains("no open party"));
    assert!(motet(&ben, &["party", "list"]).contains("closed"));
    motet(&ben, &["party", "open"]);
    motet(&ben, &["party", "pause"]);
    assert!(motet(&ben, &["party", "list"]).contains("paused"));
    motet(&ben, &["party", "resume"]);
    motet(&ben, &["preference", "set", "colour=blue", "--here"]);
    assert!(motet(&ben, &["preference", "list"]).contains("blue"));
    motet(&ben, &["party", "delete"]);
    assert!(motet(&ben, &["party", "list"]).contains("elsewhere"));
}
