//! `motet check` as a person and an editor meet it.
use std::process::{Command, Output};

use serde_json::Value as Json;

const WRONG: &str = "\
relation edge(from: int, to: int)
input edge.
reach(x: X, y: Y) :- egde(from: X, to: Y).
reach(x: X, y: Z) :- edge(from: X, to: Y), reach(x: Y, y: Z), X = Y.
output reach.
";

const RIGHT: &str = "\
relation edge(from: int, to: int).
input edge.
reach(x: X, y: Y) :- edge(from: X, to: Y).
reach(x: X, y: Z) :- edge(from: X, to: Y), reach(x: Y, y: Z), X == Y.
output reach.
";

fn check(program: &str, arguments: &[&str]) -> (Output, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("p.pomo");
    std::fs::write(&path, program).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_motet"));
    let output =
        command.args(["check", "p.pomo"]).args(arguments).current_dir(directory.path()).output().unwrap();
    let names: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "nothing is left beside the program");
    (output, std::fs::read_to_string(path).unwrap())
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

#[test]
fn fixing_makes_the_changes_that_need_no_choice() {
    let (output, program) = check(WRONG, &["--fix"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(program, RIGHT);
    assert!(text(&output.stderr).contains("p.pomo:3:22: L020: write `edge`\n"), "{}", text(&output.stderr));
    assert!(text(&output.stderr).ends_with("p.pomo: 3 changes made\n"), "{}", text(&output.stderr));
    let (output, program) = check(RIGHT, &["--fix"]);
    assert_eq!((output.status.code(), program.as_str()), (Some(0), RIGHT));
}

#[test]
fn a_dry_run_shows_lines_and_changes_nothing() {
    let (output, program) = check(WRONG, &["--fix", "--dry-run"]);
    assert_eq!(program, WRONG);
    let said = text(&output.stderr);
    assert!(
        said.contains("- reach(x: X, y: Y) :- egde(from: X, to: Y).\n+ reach(x: X, y: Y) :- edge("),
        "{said}"
    );
}

#[test]
fn what_has_several_ways_out_is_left_to_people() {
    let program = "relation e(x: int, y: int).\ninput e.\np(x: X) :- e(x: X, y: Y).\noutput p.\n";
    let (output, after) = check(program, &["--fix"]);
    assert_eq!((output.status.code(), after.as_str()), (Some(0), program));
    assert!(text(&output.stderr).contains("warning[L070]"), "{}", text(&output.stderr));
}

#[test]
fn editors_get_a_line_for_each_problem() {
    let (output, _) = check(WRONG, &["--json"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), ""));
    let problems: Vec<Json> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let codes: Vec<_> = problems.iter().map(|item| item["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["L010", "L020", "L013"]);
    let misspelt = &problems[1];
    assert_eq!((&misspelt["severity"], &misspelt["file"]), (&"error".into(), &"p.pomo".into()));
    assert_eq!(misspelt["span"]["start"], serde_json::json!({"line": 3, "column": 22, "byte": 67}));
    assert_eq!(misspelt["span"]["end"]["column"], 26);
    assert_eq!(misspelt["edits"][0]["replacement"], "edge");
    let (output, _) = check(RIGHT, &["--json"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), ""));
}

#[test]
fn a_query_reads_base_relations_and_types() {
    let query = "open(t: T) :- Task(title: T), attr(attribute: \"title\", value: T).\noutput open.\n";
    let (output, _) = check(query, &["--query"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let (output, _) = check(query, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("help: this is a query of a party"), "{}", text(&output.stderr));
}
