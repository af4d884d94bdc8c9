//! Chores written in Rust: `cargo xtask tidy`, `cargo xtask test`, `cargo xtask wasm` and `cargo xtask bench`.
//!
//! *Tidy* reads the workspace and says, with file, line and remedy, where it breaks a law that no compiler knows:
//! which crate may use which ([`floors`]), what pure crates must not touch and how long things may be
//! ([`sources`]), that each requirement is shown or admitted to be missing ([`conformance`]), and that
//! documents lead somewhere ([`documents`]). It changes nothing. *Test* runs tidy and every test there is. *Wasm* runs
//! the tests of what browsers need as wasm32 ([`wasm`]). *Bench* measures the runtimes beside other engines and
//! writes `docs/benchmarks.md`. All end with code 1 if something is wrong.

#![allow(clippy::print_stdout, reason = "it talks to whoever runs it")]

mod complaint;
mod conformance;
mod documents;
mod floors;
mod rust;
mod sources;
mod tidy;
mod wasm;

use std::path::Path;
use std::process::{Command, ExitCode};

use complaint::Complaint;

const USAGE: &str = "\
cargo xtask tidy            say where the workspace breaks its own laws
cargo xtask tidy --tighten  the same, and shrink the list of tolerated excess where it can be
cargo xtask test            tidy, then all tests, then the examples in the documentation
cargo xtask wasm            run the tests of what browsers need in node, as wasm32
cargo xtask bench [FLAGS]   measure the runtimes beside other engines, and write docs/benchmarks.md;
                            `--rounds 1 --only rnd50k,edges --without datafrog` does less";

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace");
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["tidy"] => tidy(root),
        ["tidy", "--tighten"] => tidy::tighten(root).and_then(|()| tidy(root)),
        ["test"] => {
            let tidied = tidy(root); // untidiness keeps nobody from seeing whether the tests pass
            test(root).and(tidied)
        }
        ["wasm"] => wasm::run(root),
        ["bench", flags @ ..] => bench(root, flags),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(words) => {
            println!("{words}");
            ExitCode::FAILURE
        }
    }
}

fn tidy(root: &Path) -> Result<(), String> {
    let complaints = tidy::check(root)?;
    complaints.iter().for_each(|complaint| println!("{complaint}"));
    if !complaints.is_empty() {
        return Err(format!("{} untidy places", complaints.len()));
    }
    println!("tidy");
    Ok(())
}

fn test(root: &Path) -> Result<(), String> {
    let nextest = Command::new("cargo").args(["nextest", "--version"]).output();
    if nextest.is_ok_and(|output| output.status.success()) {
        cargo(root, "nextest run --release --workspace")?;
    } else {
        cargo(root, "test --release --workspace --lib --bins --tests --examples")?;
    }
    cargo(root, "test --release --workspace --doc")
}

/// The benchmarks are a workspace of their own, so that nobody else builds the engines they measure.
fn bench(root: &Path, flags: &[&str]) -> Result<(), String> {
    let run = "run --release --manifest-path bench/Cargo.toml -p motet-bench-datalog -- all --page";
    cargo(root, &[&[run, "docs/benchmarks.md"], flags].concat().join(" "))
}

fn cargo(root: &Path, words: &str) -> Result<(), String> {
    println!("$ cargo {words}");
    let status = Command::new("cargo").args(words.split(' ')).current_dir(root).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`cargo {words}` failed: {status}")),
        Err(error) => Err(format!("`cargo {words}` could not be started: {error}")),
    }
}
