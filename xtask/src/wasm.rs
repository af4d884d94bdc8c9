//! Builds the pure crates that browsers need for wasm32, and runs their tests there, in node.
//!
//! The toolchain that builds Motet has no standard library for wasm32, and none has to be downloaded: Debian's
//! `rustc-web` has the sources of its own, and Cargo builds them. The tests are the usual ones, with the usual harness.
//! It has nowhere to print to there, so what is told is whether a program came to its end; a test that fails stops it,
//! and node's trace names the test.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The crates.
const CRATES: [&str; 1] = ["motet-flow"];
const TARGET: &str = "wasm32-unknown-unknown";
/// Debian's compiler, which fits the sources of the standard library beside it.
const RUSTC: &str = "/usr/bin/rustc";
const CARGO: &str = "/usr/bin/cargo";
const SOURCES: &str = "/usr/lib/rustlib/src/rust/library/Cargo.lock";
/// What Debian calls all that is needed.
const PACKAGES: &str = "rustc-web cargo-web rust-web-src rust-web-llvm lld-22 nodejs";
/// Runs one program.
const RUNNER: &str = include_str!("wasm/run.mjs");

pub(crate) fn run(root: &Path) -> Result<(), String> {
    if ![RUSTC, CARGO, SOURCES].iter().all(|path| Path::new(path).exists()) {
        return Err(format!(
            "this needs Debian's packages: `apt-get install --no-install-recommends {PACKAGES}`"
        ));
    }
    let target = root.join("target/wasm");
    let runner = target.join("run.mjs");
    let made = std::fs::create_dir_all(&target).and_then(|()| std::fs::write(&runner, RUNNER));
    made.map_err(|error| format!("{}: {error}", target.display()))?;
    for package in CRATES {
        let programs = build(root, &target, package)?;
        if programs.is_empty() {
            return Err(format!("{package} has no tests"));
        }
        for program in programs {
            println!("$ node {}", program.display());
            let status =
                Command::new("node").arg("--stack-trace-limit=60").arg(&runner).arg(&program).status();
            match status {
                Ok(status) if status.success() => {}
                Ok(_) => return Err(format!("the tests of {package} fail in wasm32: {}", program.display())),
                Err(error) => return Err(format!("node could not be started: {error}")),
            }
        }
    }
    Ok(())
}

/// The programs that are a crate's tests.
fn build(root: &Path, target: &Path, package: &str) -> Result<Vec<PathBuf>, String> {
    let words = ["test", "--no-run", "--locked", "-p", package, "--target", TARGET, "--message-format=json"];
    println!("$ cargo {} (Debian's, with its own standard library)", words.join(" "));
    let mut command = Command::new(CARGO);
    command
        .args(words)
        .arg("-Zbuild-std=std,panic_abort,test")
        .current_dir(root)
        .env("RUSTC", RUSTC)
        .env("RUSTC_BOOTSTRAP", "1")
        // There is no entropy, and the tests take none: their seeds are fixed there.
        .env("RUSTFLAGS", "--cfg getrandom_backend=\"unsupported\"")
        .env("CARGO_TARGET_DIR", target)
        .env_remove("RUSTUP_TOOLCHAIN")
        .stderr(std::process::Stdio::inherit());
    let output = command.output().map_err(|error| format!("{CARGO} could not be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("{package} does not build for wasm32"));
    }
    let told = String::from_utf8_lossy(&output.stdout);
    Ok(told.lines().filter_map(executable).collect())
}

/// The program that a line of Cargo's says was built.
fn executable(line: &str) -> Option<PathBuf> {
    let (_, rest) = line.split_once("\"executable\":\"")?;
    Some(PathBuf::from(rest.split_once('"')?.0))
}
