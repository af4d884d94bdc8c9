//! Two processes, one file: the second is refused, and what a killed one was promised is there.
//!
//! The other process is this program again, told by the environment which database to use, so each test has two sides.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use motet_store::{Batch, DiskStore, Options, Store, StoreError, Table};

const DATABASE: &str = "MOTET_STORE_TEST_DATABASE";
const T: Table = Table("numbers");

fn other_side(test: &str, database: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(DATABASE, database);
    command
}

#[test]
fn a_database_is_open_in_one_process_at_a_time() {
    if let Ok(path) = std::env::var(DATABASE) {
        let error = DiskStore::open(&path, Options::default()).unwrap_err();
        assert!(matches!(error, StoreError::InUse { .. }), "{error:?}");
        assert!(error.to_string().contains("in use by another process"), "{error}");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("party.motet");
    let store = DiskStore::open(&path, Options::default()).unwrap();
    let other = || other_side("a_database_is_open_in_one_process_at_a_time", &path).output().unwrap();
    let output = other();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(matches!(DiskStore::open(&path, Options::default()), Err(StoreError::InUse { .. })));
    drop(store);
    assert!(!other().status.success(), "closed, and still locked");
    DiskStore::open(&path, Options::default()).unwrap();
}

/// Commits number after number and says so, until it is killed.
#[allow(clippy::print_stdout, reason = "this is how one process tells the other")]
fn count_for_ever(path: &str) -> ! {
    let store = DiskStore::open(path, Options::default()).unwrap();
    for number in 0_u32.. {
        let mut batch = Batch::new();
        batch.put(T, number.to_be_bytes(), vec![number as u8; 5000]);
        store.commit(batch).unwrap();
        println!("committed {number}");
    }
    unreachable!("the disk is full before the numbers are used up")
}

#[test]
fn what_a_killed_process_was_promised_is_there() {
    if let Ok(path) = std::env::var(DATABASE) {
        count_for_ever(&path);
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("party.motet");
    let mut child = other_side("what_a_killed_process_was_promised_is_there", &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut promised = lines.filter_map(|line| line.strip_prefix("committed ")?.parse::<u32>().ok());
    let last = promised.by_ref().nth(20).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let last = promised.last().unwrap_or(last);
    let store = DiskStore::open(&path, Options::default()).unwrap();
    for number in 0..=last {
        assert_eq!(store.get(T, &number.to_be_bytes()).unwrap(), Some(vec![number as u8; 5000]), "{number}");
    }
}
