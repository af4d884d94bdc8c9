//! The demonstration runs to its end, and survives `kill -9`.

#![allow(clippy::unwrap_used, reason = "in a test a panic with the place is the message")]

use std::process::{Command, Output};

fn demo(arguments: &[&str]) -> Output {
    let elsewhere = tempfile::tempdir().unwrap(); // in no repository, so the shipped history is used
    Command::new(env!("CARGO_BIN_EXE_motet"))
        .current_dir(elsewhere.path())
        .env("GIT_CEILING_DIRECTORIES", "/")
        .arg("demo")
        .args(arguments)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}\n{err}")
}

#[test]
fn the_demo_runs_to_its_end() {
    let output = demo(&[]);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    for words in [
        "ships with the program",
        "the sides disagree about 4 of 4 answers",
        "conflict: ",
        "all 3 peers are equal",
    ] {
        assert!(said.contains(words), "{words:?} in:\n{said}");
    }
}

#[test]
fn peers_that_are_killed_come_back_and_agree() {
    let mut killed = 0;
    for seed in ["1", "2"] {
        let output = demo(&["--kills", "10", "--seed", seed]);
        let said = text(&output);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("all 3 peers are equal"), "{said}");
        killed += 10;
    }
    assert_eq!(killed, 20);
}

#[test]
fn more_peers_than_three_do_as_well() {
    let output = demo(&["--peers", "5"]);
    assert!(output.status.success(), "{}", text(&output));
}
