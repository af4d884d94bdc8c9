//! A directory with a program and its inputs, and `motet` run in it.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]
#![allow(dead_code, reason = "each test uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The runtimes, by name.
pub(crate) const RUNTIMES: [&str; 3] = ["naive", "native", "cluster"];

/// `program.pomo`, and inputs in `facts`.
pub(crate) struct Bench(TempDir);

impl Bench {
    pub(crate) fn new(program: &str, files: &[(&str, &str)]) -> Self {
        let bench = Bench(tempfile::tempdir().unwrap());
        std::fs::create_dir(bench.path("facts")).unwrap();
        std::fs::write(bench.path("program.pomo"), program).unwrap();
        for (name, text) in files {
            std::fs::write(bench.path("facts").join(name), text).unwrap();
        }
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        command(self.0.path(), arguments)
    }

    pub(crate) fn motet(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Everything in at once. The input goes through a file: a pipe would fill up.
    pub(crate) fn motet_given(&self, arguments: &[&str], input: impl AsRef<[u8]>) -> Output {
        std::fs::write(self.path("input"), input).unwrap();
        let input = std::fs::File::open(self.path("input")).unwrap();
        self.command(arguments).stdin(Stdio::from(input)).output().unwrap()
    }
}

/// A directory with a database that holds one party.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        let home = Home(tempfile::tempdir().unwrap());
        home.ok(&["init", "--name", "Ada"]);
        home.ok(&["party", "new", "Home"]);
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn motet(&self, arguments: &[&str]) -> Output {
        command(self.0.path(), arguments).output().unwrap()
    }

    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.motet(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn fails(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.motet(arguments);
        assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    /// The rows of a query's one output, as CSV without the header.
    pub(crate) fn ask(&self, query: &str) -> Vec<String> {
        rows(&self.ok(&["query", query, "--format", "csv"]))
    }
}

/// The lines of CSV without the header.
pub(crate) fn rows(csv: &str) -> Vec<String> {
    csv.lines().skip(1).map(str::to_owned).collect()
}

pub(crate) fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_motet"));
    command.args(arguments).current_dir(directory);
    command
}

pub(crate) fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

pub(crate) fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}
