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
