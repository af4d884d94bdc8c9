//! `motet query` and `motet view` as a person meets them: over several parties, explained, as facts, kept.
use std::process::Output;

use crate::common::{RUNTIMES, code, command, stderr, stdout};
use serde_json::Value as Json;
use tempfile::TempDir;

struct Home(TempDir);

impl Home {
    /// A database with two parties, `home` and `work`.
    fn new() -> Self {
        let home = Home(tempfile::tempdir().unwrap());
        home.ok(&["init", "--name", "Ada"]);
        home.ok(&["party", "new", "home"]);
        home.ok(&["party", "new", "work"]);
        home
    }

    fn motet(&self, arguments: &[&str]) -> Output {
        command(self.0.path(), arguments).output().unwrap()
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.motet(arguments);
        assert_eq!(code(&output), 0, "{arguments:?}: {}", stderr(&output));
        stdout(&output).to_owned()
    }

    /// What it prints, a JSON object a line.
    fn json(&self, arguments: &[&str]) -> Vec<Json> {
        let printed = self.ok(&[arguments, &["--format", "json"]].concat());
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Makes a note in a party, and gives its id.
    fn note(&self, party: &str, title: &str) -> String {
        let set = format!("title={title}");
        self.ok(&["item", "new", "--type", "note", &set, "--party", party]).trim().to_owned()
    }
}

const TITLES: &str = r#"output t. t(is: T) :- attr(attribute: "title", value: T)."#;

#[test]
fn a_query_reads_one_party_or_several() {
    let home = Home::new();
    home.note("home", "Milk");
    home.note("work", "Milk");
    home.note("work", "Report");
    assert_eq!(home.json(&["query", TITLES, "--party", "home"]).len(), 1);
    for several in ["home,work", "all", "work, home"] {
        assert_eq!(home.json(&["query", TITLES, "--party", several]).len(), 2, "{several}");
    }
    let apart = r#"output t. t(p: P, is: T) :- attr(attribute: "title", value: T, $party: P)."#;
    assert_eq!(home.json(&["query", apart, "--party", "all"]).len(), 3);
    let which = home.motet(&["query", TITLES]);
    assert_eq!(code(&which), 2, "it has to be said which");
    let unknown = home.motet(&["query", TITLES, "--party", "home,away"]);
    assert!(stderr(&unknown).contains("no party that is open here is called `away`"), "{}", stderr(&unknown));
    let one_only = home.motet(&["query", TITLES, "--party", "all", "--snapshot"]);
    assert_eq!(code(&one_only), 2);
    assert!(home.ok(&["query", TITLES, "--party", "all", "--explain"]).contains("attr"));
}

#[test]
fn rows_of_a_query_are_explained() {
    let home = Home::new();
    home.note("home", "Milk");
    let why = home.ok(&["query", TITLES, "--party", "home", "--why", "t(is: \"Milk\")"]);
    assert!(why.contains("stored: fact bafyrei") && why.contains(" in entry bafkrei"), "{why}");
    let why_not = home.ok(&["query", TITLES, "--party", "home", "--why-not", "t(is: \"Eggs\")"]);
    assert!(why_not.contains("fails: no row matches"), "{why_not}");
    let both = home.motet(&["query", TITLES, "--party", "home", "--why", "t(is: \"Milk\")", "--snapshot"]);
    assert_eq!(code(&both), 2, "one thing at a time");
    let wrong = home.motet(&["query", TITLES, "--party", "home", "--why", "u(is: 1)"]);
    assert!(stderr(&wrong).contains("L020"), "{}", stderr(&wrong));
}

#[test]
fn answers_become_facts_or_snapshots() {
    let home = Home::new();
    home.note("home", "Milk");
    home.note("home", "Eggs");
    let facts = r#"output titled. titled(entity: E, value: true) :- fact(entity: E, attribute: "title")."#;
    let state = ["query", facts, "--party", "home", "--materialise", "root/derived"];
    let made = &home.json(&state)[0];
    assert_eq!((&made["stated"], &made["known"]), (&2.into(), &0.into()));
    let made = &home.json(&state)[0];
    assert_eq!((&made["stated"], &made["known"], &made["entries"]), (&0.into(), &2.into(), &0.into()));
    let derived = r#"output d. d(e: E) :- fact(entity: E, attribute: "derived/titled", value: true)."#;
    assert_eq!(home.json(&["query", derived, "--party", "home"]).len(), 2);
    let refused = home.motet(&["query", TITLES, "--party", "home", "--materialise", "root/derived"]);
    assert_eq!(code(&refused), 1);
    assert!(stderr(&refused).contains("L065") && stderr(&refused).contains("publish a snapshot"));

    let first = &home.json(&["query", TITLES, "--party", "home", "--snapshot"])[0];
    let publish = ["query", TITLES, "--party", "home", "--publish", "root/titles"];
    let published = &home.json(&publish)[0];
    assert_eq!((&published["root"], &published["published"]), (&first["root"], &true.into()));
    assert_eq!(home.json(&publish)[0]["published"], false);
}

#[test]
fn a_kept_view_goes_on_in_another_process() {
    let home = Home::new();
    let seen =
        r#"output seen. seen(is: T) :- attr(attribute: "title", value: T). seen(is: T)@next :- seen(is: T)."#;
    let refused = home.motet(&["query", seen, "--party", "home"]);
    assert!(stderr(&refused).contains("motet view keep"), "{}", stderr(&refused));
    home.ok(&["view", "keep", "seen", seen, "--party", "home"]);
    let id = home.note("home", "Milk");
    home.ok(&["item", "set", &id, "title=Eggs", "--party", "home"]);
    home.ok(&["item", "set", &id, "title=Bread", "--party", "home"]);
    let list = &home.json(&["view", "list", "--party", "home"])[0];
    assert_eq!((&list["name"], &list["behind"]), (&"seen".into(), &"3".into()));
    for runtime in RUNTIMES {
        let rows = home.json(&["view", "show", "seen", "--party", "home", "--runtime", runtime]);
        let titles: Vec<&str> = rows.iter().map(|row| row["is"].as_str().unwrap()).collect();
        assert_eq!(titles, ["Bread", "Eggs", "Milk"], "on {runtime}");
    }
    home.ok(&["item", "set", &id, "title=Salt", "--party", "home"]);
    let told = home.ok(&["view", "show", "seen", "--changes", "--party", "home"]);
    assert!(told.starts_with("+1 seen(\"Salt\")\n"), "{told}");
    let twice = home.motet(&["view", "keep", "seen", seen, "--party", "home"]);
    assert!(stderr(&twice).contains("kept as `seen` already"), "{}", stderr(&twice));
    home.ok(&["view", "forget", "seen", "--party", "home"]);
    assert_eq!(code(&home.motet(&["view", "show", "seen", "--party", "home"])), 1);
}
