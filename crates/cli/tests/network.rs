//! Two databases on loopback, driven by the program alone: invite, join, write on both sides, sync; and what people do
//! wrong on the way.

#![allow(clippy::unwrap_used, reason = "in a test a panic with the place is the message")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use tempfile::TempDir;

const MOTET: &str = env!("CARGO_BIN_EXE_motet");

fn motet(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(MOTET);
    command.arg("--dir").arg(directory).arg("--quiet").args(arguments).stdin(Stdio::null());
    command.output().expect("the program starts")
}

fn good(directory: &Path, arguments: &[&str]) -> String {
    let output = motet(directory, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "motet {arguments:?} failed: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that must fail, and gives what it said.
fn bad(directory: &Path, arguments: &[&str]) -> String {
    let output = motet(directory, arguments);
    assert!(!output.status.success(), "motet {arguments:?} was to fail");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A process that ends, as with kill -9, when it is dropped; until then its output has a reader.
struct Running(Child, #[expect(dead_code, reason = "held, not read")] BufReader<ChildStdout>);

impl Drop for Running {
    fn drop(&mut self) {
        let _dead = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Starts a command, and gives its first line of output.
fn start(directory: &Path, arguments: &[&str]) -> (Running, String) {
    let mut command = Command::new(MOTET);
    command.arg("--dir").arg(directory).args(arguments).stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
    out.read_line(&mut line).unwrap();
    (Running(child, out), line.trim().to_owned())
}

/// A port that was free a moment ago.
fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn hash(directory: &Path) -> String {
    let status = good(directory, &["status", "--hash", "--format", "json"]);
    let status: serde_json::Value = serde_json::from_str(status.trim()).unwrap();
    status["state hash"].as_str().expect("a party has a state hash").to_owned()
}

#[test]
fn two_devices_become_one_party_and_stay_it() {
    let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (ada, ben) = (&here.path().join("ada"), &there.path().join("ben"));
    let address = free_port();
    good(ada, &["init", "--name", "Ada"]);
    good(ada, &["party", "new", "Home"]);
    let note = good(ada, &["item", "new", "--type", "note", "title=Milk"]);
    let note = note.trim();
    good(ben, &["init", "--name", "Ben"]);

    let (server, code) = start(ada, &["invite", "--address", &address, "--serve"]);
    good(ben, &["join", &code]);
    assert_eq!(good(ben, &["party", "list", "--format", "csv"]).lines().count(), 2);
    assert!(bad(ben, &["join", &code]).contains("is in party"));

    // A code works once, and a mistyped one not at all.
    let third = &there.path().join("third");
    good(third, &["init"]);
    assert!(bad(third, &["join", &code]).contains("was used already"));
    assert!(bad(third, &["join", &code.replace(&code[9..12], "aaa")]).contains("mistyped"));
    // The port and the database are taken, and both messages say what to do.
    assert!(bad(third, &["serve", "--listen", &address]).contains("choose another port"));
    assert!(bad(ada, &["status"]).contains("in use by another process"));

    // Killed, the server has kept all it promised; both write while apart, and agree after one sync.
    drop(server);
    good(ada, &["item", "set", note, "title=Milk, eggs"]);
    good(ben, &["item", "set", note, "title=Milk, bread"]);
    assert_ne!(hash(ada), hash(ben));
    let (server, _) = start(ada, &["serve", "--listen", &address]);
    good(ben, &["sync", &address]);
    drop(server);
    assert_eq!(hash(ada), hash(ben));
    for directory in [ada, ben] {
        let shown = good(directory, &["item", "get", note]);
        assert!(shown.contains("Milk, eggs") && shown.contains("Milk, bread") && shown.contains("also said"));
        let query = r#"output n. n(n: N) :- item(id: E, type: "note"), N := count : candidate(entity: E, attribute: "title")."#;
        assert_eq!(good(directory, &["query", query, "--format", "csv"]), "n\n2\n");
        good(directory, &["verify"]);
    }
}

/// The first column of a list, of the rows that hold a text.
fn column(csv: &str, text: &str) -> Vec<String> {
    let rows = csv.lines().skip(1).filter(|row| row.contains(text));
    rows.filter_map(|row| row.split(',').next()).map(|cell| cell.trim_matches('"').to_owned()).collect()
}

#[test]
fn a_member_is_removed_while_it_writes_comes_back_and_rescues_what_it_wrote() {
    let home = TempDir::new().unwrap();
    let (ada, ben) = (&home.path().join("ada"), &home.path().join("ben"));
    let address = free_port();
    good(ada, &["init", "--name", "Ada"]);
    good(ada, &["party", "new", "Home"]);
    good(ben, &["init", "--name", "Ben"]);
    let (server, code) = start(ada, &["invite", "--address", &address, "--serve"]);
    good(ben, &["join", &code]);
    drop(server);
    let sync = || {
        let (_server, _) = start(ada, &["serve", "--listen", &address]);
        good(ben, &["sync", &address]);
    };
    let titles = |directory: &Path| {
        let query = r#"output t. t(is: T) :- attr(attribute: "title", value: T)."#;
        good(directory, &["query", query, "--format", "csv"])
            .lines()
            .skip(1)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };

    // Nobody is asked in a test; and a reader may not remove, nor a stranger be removed.
    assert!(bad(ada, &["party", "remove", "Ben"]).contains("--yes"));
    assert!(bad(ada, &["party", "remove", "Eve", "--yes"]).contains("no member is called"));
    assert!(bad(ben, &["party", "role", "Ada", "reader"]).contains("needs an admin"));
    assert!(bad(ada, &["party", "remove", "Ada"]).contains("last admin"));

    let note = good(ben, &["item", "new", "title=Milk"]);
    good(ada, &["party", "remove", "Ben", "--yes"]);
    sync();
    assert!(titles(ada).is_empty());
    let told = good(ben, &["status"]);
    assert!(
        told.contains("do not count") && told.contains("removed") && told.contains("item rescue"),
        "{told}"
    );
    assert!(bad(ben, &["item", "rescue"]).contains("ended your membership"));

    good(ada, &["party", "readmit", "Ben"]);
    sync();
    sync();
    let rescued = good(ben, &["item", "rescue"]);
    assert!(rescued.contains(&format!("item {} is", note.trim())), "{rescued}");
    sync();
    assert_eq!(titles(ada), titles(ben));
    assert_eq!(titles(ada).len(), 1);
    assert_eq!(hash(ada), hash(ben));
    assert!(good(ben, &["status"]).contains("were rescued"));

    // One more stint as an admin; a device goes; and then all go.
    let stints = good(ada, &["party", "members", "--format", "csv"]);
    assert_eq!(column(&stints, "Ben").len(), 2);
    good(ada, &["party", "role", "Ben", "admin"]);
    assert!(bad(ada, &["party", "role", "Ben", "admin"]).contains("has role admin already"));
    sync();
    let bens = r#"output d. d(id: D) :- device(id: D, member: M), member(id: M, name: "Ben")."#;
    let devices = column(&good(ben, &["query", bens, "--format", "csv"]), "0x");
    let device = devices[0].trim_start_matches("0x");
    assert!(bad(ben, &["device", "remove", "zz", "--yes"]).contains("no device's key"));
    good(ada, &["device", "remove", device, "--yes", "--nothing"]);
    sync();
    assert!(titles(ada).is_empty(), "nothing that the device wrote counts");
    good(ada, &["party", "leave", "--yes"]);
    assert!(bad(ada, &["item", "new"]).contains("no open party"));
    assert!(good(ada, &["party", "list"]).contains("left"));
}

#[test]
fn a_founder_becomes_an_admin_again_and_leaves() {
    let home = TempDir::new().unwrap();
    let ada = home.path();
    good(ada, &["init", "--name", "Ada"]);
    good(ada, &["party", "new", "Home"]);
    good(ada, &["party", "role", "Ada", "reader"]);
    assert!(bad(ada, &["item", "new"]).contains("readers write no data"));
    good(ada, &["party", "recover"]);
    good(ada, &["item", "new", "title=Bread"]);
    assert!(good(ada, &["party", "list"]).contains("admin"));
    assert!(bad(ada, &["party", "leave"]).contains("--yes"));
    good(ada, &["party", "leave", "--yes"]);
    assert!(bad(ada, &["party", "show"]).contains("no open party"));
    assert!(bad(ada, &["party", "open"]).contains("no such party"));
}

#[test]
fn a_passphrase_is_asked_for_and_must_be_right() {
    let home = TempDir::new().unwrap();
    let run = |passphrase: Option<&str>, arguments: &[&str]| {
        let mut command = Command::new(MOTET);
        command.arg("--dir").arg(home.path()).args(arguments).stdin(Stdio::null());
        command.env_remove("MOTET_PASSPHRASE");
        passphrase.map(|passphrase| command.env("MOTET_PASSPHRASE", passphrase));
        command.output().unwrap()
    };
    assert!(run(Some("correct horse"), &["init", "--passphrase"]).status.success());
    assert!(run(Some("correct horse"), &["party", "new", "Home"]).status.success());
    let wrong = run(Some("wrong horse"), &["party", "list"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("passphrase"));
    assert_eq!(wrong.status.code(), Some(1));
    let none = run(None, &["party", "list"]);
    assert!(String::from_utf8_lossy(&none.stderr).contains("MOTET_PASSPHRASE"));
    assert!(run(Some("correct horse"), &["status"]).status.success());
}

#[test]
fn damage_is_named_and_nothing_panics() {
    let home = TempDir::new().unwrap();
    good(home.path(), &["init"]);
    good(home.path(), &["party", "new", "Home"]);
    let file = home.path().join("motet.redb");
    let sound = std::fs::read(&file).unwrap();
    for at in (0..sound.len()).step_by(sound.len() / 12) {
        let mut damaged = sound.clone();
        damaged[at..(at + 64).min(sound.len())].iter_mut().for_each(|byte| *byte ^= 0x5a);
        std::fs::write(&file, &damaged).unwrap();
        let output = motet(home.path(), &["verify"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("panicked"), "damage at {at}: {said}");
        let told = said.contains("damaged") || said.contains("not a") || said.contains("version");
        assert!(output.status.success() || told, "damage at {at}: {said}");
    }
    std::fs::write(&file, "a letter to my aunt").unwrap();
    assert!(bad(home.path(), &["status"]).starts_with("error: "));
    assert!(bad(&home.path().join("elsewhere"), &["status"]).contains("`motet init` makes one"));
}
