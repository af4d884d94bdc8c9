//! What a crash leaves: a prefix of the commits that includes every acknowledged one.
//!
//! A random history of commits runs on a disk that fails at its n-th operation, for each n until none fails. At the
//! failure the power goes: of what was not synced, each write is lost, kept or torn. Opened again, the store must
//! hold what it held after the last acknowledged commit, or after the one that was under way; and must go on from
//! there, through a second crash in its recovery.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use motet_store::testing::{Chance, FaultyMedium};
use motet_store::{Batch, DiskStore, MemoryMedium, Options, ScanRange, Store, StoreError, Table};

const TABLES: [Table; 2] = [Table("entries"), Table("parts")];
/// Both ways to recover.
const OPTIONS: [Options; 2] = [
    Options { cache_bytes: 1 << 20, quick_recovery: true },
    Options { cache_bytes: 1 << 20, quick_recovery: false },
];

type Contents = BTreeMap<(Table, Vec<u8>), Vec<u8>>;
type Changes = Vec<(Table, Vec<u8>, Option<Vec<u8>>)>;

fn changes(chance: &mut Chance) -> Changes {
    let count = 1 + chance.below(6);
    (0..count)
        .map(|_| {
            let table = TABLES[chance.below(2) as usize];
            let key = vec![chance.below(12) as u8];
            let size = [3, 300, 5_000, 40_000][chance.below(4) as usize];
            let value = (chance.below(4) > 0).then(|| vec![chance.draw() as u8; size]);
            (table, key, value)
        })
        .collect()
}

fn batch(changes: &Changes) -> Batch {
    let mut batch = Batch::new();
    for (table, key, value) in changes {
        match value {
            Some(value) => batch.put(*table, key.as_slice(), value.as_slice()),
            None => batch.delete(*table, key.as_slice()),
        }
    }
    batch
}

/// The contents after none, one, two … of the commits.
fn expectations(history: &[Changes]) -> Vec<Contents> {
    let mut contents = Contents::new();
    let mut after = vec![contents.clone()];
    for changes in history {
        for (table, key, value) in changes {
            match value {
                Some(value) => contents.insert((*table, key.clone()), value.clone()),
                None => contents.remove(&(*table, key.clone())),
            };
        }
        after.push(contents.clone());
    }
    after
}

fn contents(store: &DiskStore) -> Contents {
    let mut contents = Contents::new();
    for table in TABLES {
        let visit = &mut |key: &[u8], value: &[u8]| {
            contents.insert((table, key.to_vec()), value.to_vec());
            ControlFlow::Continue(())
        };
        store.scan(table, ScanRange::all(), visit).unwrap();
    }
    contents
}

/// Runs the history from where the medium is; says how many commits were acknowledged.
fn run(medium: &FaultyMedium, options: Options, history: &[Changes]) -> usize {
    let Ok(store) = DiskStore::open_on(Arc::new(medium.clone()), options) else { return 0 };
    for (acknowledged, changes) in history.iter().enumerate() {
        if store.commit(batch(changes)).is_err() {
            assert!(
                matches!(store.commit(batch(changes)), Err(StoreError::Poisoned)),
                "a failed store goes on"
            );
            assert!(
                matches!(store.get(TABLES[0], b"x"), Err(StoreError::Poisoned)),
                "a failed store answers"
            );
            return acknowledged;
        }
    }
    history.len()
}

fn survives(image: Vec<u8>, expected: &[Contents], acknowledged: usize, story: &str) {
    let store = DiskStore::open_on(Arc::new(MemoryMedium::new(image)), Options::default())
        .unwrap_or_else(|error| panic!("{story}: can't open what the crash left: {error}"));
    let found = contents(&store);
    let last = (acknowledged + 1).min(expected.len() - 1);
    assert!(expected[acknowledged..=last].contains(&found), "{story}: not the contents after {acknowledged}");
}

fn crash_everywhere(options: Options, seed: u64) {
    let mut chance = Chance(seed);
    let history: Vec<Changes> = (0..5).map(|_| changes(&mut chance)).collect();
    let expected = expectations(&history);
    for nth in 1.. {
        let medium = FaultyMedium::default();
        medium.fail_at(nth);
        let acknowledged = run(&medium, options, &history);
        for crash in 0..3 {
            let story = format!("seed {seed}, operation {nth}, crash {crash}, {options:?}");
            survives(medium.after_crash(crash), &expected, acknowledged, &story);
        }
        if !medium.has_failed() {
            assert_eq!(acknowledged, history.len());
            assert!(nth > 50, "only {nth} operations are no test");
            return;
        }
    }
}

#[test]
fn each_acknowledged_commit_survives_a_crash_at_each_write() {
    for options in OPTIONS {
        (0..3).for_each(|seed| crash_everywhere(options, seed));
    }
}

fn crash_in_recovery(options: Options, seed: u64) {
    let mut chance = Chance(seed);
    let history: Vec<Changes> = (0..4).map(|_| changes(&mut chance)).collect();
    let medium = FaultyMedium::default();
    medium.fail_at(20 + chance.below(50));
    let acknowledged = run(&medium, options, &history);
    let image = medium.after_crash(seed);
    for nth in 1.. {
        let second = FaultyMedium::new(image.clone());
        second.fail_at(nth);
        run(&second, options, &[]);
        let story = format!("seed {seed}, operation {nth} of the recovery, {options:?}");
        survives(second.after_crash(seed ^ nth), &expectations(&history), acknowledged, &story);
        if !second.has_failed() {
            return;
        }
    }
}

#[test]
fn a_crash_in_recovery_loses_nothing_either() {
    for options in OPTIONS {
        (0..8).for_each(|seed| crash_in_recovery(options, seed));
    }
}

#[test]
fn a_store_that_was_closed_has_nothing_left_to_lose() {
    let mut chance = Chance(5);
    let history: Vec<Changes> = (0..4).map(|_| changes(&mut chance)).collect();
    for options in OPTIONS {
        let medium = FaultyMedium::default();
        run(&medium, options, &history);
        assert_eq!(medium.after_crash(0), medium.after_crash(1));
        survives(medium.after_crash(2), &expectations(&history), history.len(), "closed");
    }
}
