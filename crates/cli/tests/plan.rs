//! `motet run --print-ra` and `--ra`: a program and its plan give the same files. `MOTET_SUITE` names a directory of
//! further programs, each `NAME/program.pomo` with its inputs in `NAME/facts`.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PROGRAM: &str = "\
relation Edge(x: int, y: int).
relation Size(x: int, n: int).
input Edge. output Reach. output `Not reached`. output Size. output Mean.
Edge(x: 3, y: 1).
Reach(x: X, y: Y) :- Edge(x: X, y: Y).
Reach(x: X, y: Z) :- Reach(x: X, y: Y), Edge(x: Y, y: Z).
`Not reached`(x: X, y: Y) :- Edge(x: X), Edge(y: Y), !Reach(x: X, y: Y), X * 2 - 1 != Y.
Size(x: X, n: N) :- Edge(x: X), N := count : Reach(x: X).
Mean(m: M, c: C) :- M := mean N : Size(n: N), C := Size(x: 1).
";

fn motet(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_motet")).args(arguments).output().unwrap()
}

/// Runs a program or a plan, and gives the files that it writes.
fn files(program: &Path, facts: &Path, flags: &[&str]) -> BTreeMap<String, String> {
    let out = tempfile::tempdir().unwrap();
    let mut arguments =
        vec![Path::new("run"), program, Path::new("--facts"), facts, Path::new("--out"), out.path()];
    arguments.extend(flags.iter().map(Path::new));
    let output = motet(&arguments);
    assert!(output.status.success(), "{}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    let entries = std::fs::read_dir(out.path()).unwrap().map(|entry| entry.unwrap());
    let named = |entry: std::fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap())
    };
    entries.map(named).collect()
}

fn check(program: &Path, facts: &Path) {
    let printed = motet(&[Path::new("run"), program, Path::new("--print-ra")]);
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let directory = tempfile::tempdir().unwrap();
    let plan = directory.path().join("plan.ra");
    std::fs::write(&plan, &printed.stdout).unwrap();
    let wanted = files(program, facts, &[]);
    for runtime in ["naive", "cluster"] {
        let found = files(&plan, facts, &["--ra", "--runtime", runtime]);
        assert_eq!(found, wanted, "{} on {runtime}", program.display());
    }
    let again = motet(&[Path::new("run"), &plan, Path::new("--ra"), Path::new("--print-ra")]);
    assert_eq!(again.stdout, printed.stdout, "{}", program.display());
}

#[test]
fn a_program_and_its_plan_give_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program.pomo");
    std::fs::write(&program, PROGRAM).unwrap();
    std::fs::write(directory.path().join("Edge.csv"), "x,y\n1,2\n2,3\n4,4\n").unwrap();
    check(&program, directory.path());
    for directory in suite() {
        check(&directory.join("program.pomo"), &directory.join("facts"));
    }
}

fn suite() -> Vec<PathBuf> {
    let Ok(suite) = std::env::var("MOTET_SUITE") else { return Vec::new() };
    let entries = std::fs::read_dir(suite).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.join("program.pomo").exists()).collect()
}

#[test]
fn a_plan_that_is_wrong_is_told_with_its_places() {
    let directory = tempfile::tempdir().unwrap();
    let plan = directory.path().join("plan.ra");
    std::fs::write(&plan, "relation r(x: int) output;\nr :- projction([x], r);\n").unwrap();
    let output = motet(&[Path::new("run"), &plan, Path::new("--ra")]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("R011") && told.contains(":2:6") && told.contains("did you mean `projection`?"),
        "{told}"
    );
}
