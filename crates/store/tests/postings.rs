//! Postings are a set of pairs: through writes, merges, crashes and damage, and with few blocks read.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use motet_store::testing::{Chance, FaultyMedium};
use motet_store::{
    Batch, DiskStore, MemoryMedium, MemoryStore, Options, Postings, ScanRange, Store, StoreError, Table,
};
use proptest::prelude::*;

const T: Table = Table("postings");
const PREFIX: &[u8] = b"p/";
const OPTIONS: Options = Options { cache_bytes: 1 << 20, quick_recovery: true };

type Pair = (u64, u32);
type Twin = BTreeSet<Pair>;

fn open(store: &dyn Store) -> Postings {
    Postings::open(store, T, PREFIX).unwrap()
}

fn write(postings: &mut Postings, store: &dyn Store, mark: u64) -> Result<(), StoreError> {
    let mut batch = Batch::new();
    postings.write(&mut batch, mark);
    store.commit(batch)
}

fn numbers(twin: &Twin, key: u64) -> Vec<u32> {
    twin.range((key, 0)..=(key, u32::MAX)).map(|(_, number)| *number).collect()
}

/// Looks at some hundred keys, and those beside them.
fn assert_same(postings: &Postings, store: &dyn Store, twin: &Twin, story: &str) {
    let keys: BTreeSet<u64> = twin.iter().flat_map(|(key, _)| [*key, key.wrapping_add(1)]).collect();
    for key in keys.iter().copied().step_by(1 + keys.len() / 300).chain([u64::MAX]) {
        assert_eq!(postings.find(store, key).unwrap(), numbers(twin, key), "{story}: key {key}");
    }
}

/// The row keys under the prefix.
fn rows(store: &dyn Store) -> Vec<Vec<u8>> {
    let mut rows = Vec::new();
    store
        .scan(T, ScanRange::prefix(PREFIX), &mut |key, _| {
            rows.push(key.to_vec());
            ControlFlow::Continue(())
        })
        .unwrap();
    rows
}

#[derive(Clone, Debug)]
enum Step {
    /// So many pairs, over so many keys, from a seed.
    Add(u64, u64, u64),
    Write,
    Merge(usize),
    Reopen,
    Page(u64, Option<u32>, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let counts = prop_oneof![4 => 1..20_u64, 2 => 200..3000_u64, 1 => 5000..20_000_u64];
    let keys = prop_oneof![Just(1_u64), Just(5), Just(40), Just(u64::MAX)];
    prop_oneof![
        4 => (counts, keys, 0..9_u64).prop_map(|(count, keys, seed)| Step::Add(count, keys, seed)),
        4 => Just(Step::Write),
        3 => (1..5_usize).prop_map(Step::Merge),
        1 => Just(Step::Reopen),
        3 => (0..5_u64, proptest::option::of(0..9000_u32), 0..2000_usize)
            .prop_map(|(key, after, limit)| Step::Page(key, after, limit)),
    ]
}

/// Keys and numbers meet those of other seeds, so that pairs come again.
fn pairs(count: u64, keys: u64, seed: u64) -> impl Iterator<Item = Pair> {
    let mut chance = Chance(seed);
    (0..count).map(move |_| match chance.below(50) {
        0 => (u64::MAX, u32::MAX - chance.below(2) as u32),
        _ => (chance.below(keys), chance.below(9000) as u32),
    })
}

fn live(store: &dyn Store, steps: &[Step]) {
    let (mut postings, mut written, mut twin) = (open(store), Twin::new(), Twin::new());
    for (index, step) in steps.iter().enumerate() {
        match step {
            Step::Add(count, keys, seed) => pairs(*count, *keys, *seed).for_each(|(key, number)| {
                postings.add(key, number);
                twin.insert((key, number));
            }),
            Step::Write => {
                write(&mut postings, store, index as u64).unwrap();
                assert_eq!((postings.mark(), postings.unwritten()), (index as u64, 0));
                written.clone_from(&twin);
            }
            Step::Merge(times) => {
                for _ in 0..*times {
                    postings.merge_some(store).unwrap();
                }
            }
            Step::Reopen => {
                let mark = postings.mark();
                (postings, twin) = (open(store), written.clone());
                assert_eq!((postings.mark(), postings.unwritten()), (mark, 0));
            }
            Step::Page(key, after, limit) => {
                let expected = numbers(&twin, *key).into_iter().filter(|number| Some(*number) > *after);
                let expected: Vec<u32> = expected.take(*limit).collect();
                assert_eq!(postings.find_some(store, *key, *after, *limit).unwrap(), expected);
            }
        }
    }
    assert_same(&postings, store, &twin, "at the end");
    while postings.merge_some(store).unwrap() {}
    assert_same(&postings, store, &twin, "merged");
    let blocks = rows(store).len().saturating_sub(1) as u64;
    assert!(blocks <= postings.size().bytes / 3900 + postings.size().runs as u64, "{blocks} blocks");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn they_are_the_set_of_what_was_added(steps in proptest::collection::vec(step(), 1..40)) {
        live(&MemoryStore::new(), &steps);
        live(&DiskStore::open_on(Arc::new(MemoryMedium::default()), OPTIONS).unwrap(), &steps);
    }
}

/// What was committed after each write, by mark.
type History = Vec<Twin>;

/// Writes runs and merges after each; gives the mark of the last write that was acknowledged.
fn run(medium: &FaultyMedium, history: &History) -> u64 {
    let Ok(store) = DiskStore::open_on(Arc::new(medium.clone()), OPTIONS) else { return 0 };
    let Ok(mut postings) = Postings::open(&store, T, PREFIX) else { return 0 };
    let mut acknowledged = postings.mark();
    for mark in acknowledged + 1..history.len() as u64 {
        let (before, now) = (&history[mark as usize - 1], &history[mark as usize]);
        now.difference(before).for_each(|(key, number)| postings.add(*key, *number));
        if write(&mut postings, &store, mark).is_err() {
            break;
        }
        acknowledged = mark;
        if postings.merge_some(&store).is_err() {
            break;
        }
    }
    acknowledged
}

fn history(writes: u64, size: u64) -> History {
    let mut history = vec![Twin::new()];
    for seed in 0..writes {
        let mut twin = history[seed as usize].clone();
        twin.extend(pairs(size, u64::MAX, seed).chain(pairs(9, 3, seed)));
        history.push(twin);
    }
    history
}

/// Opened again, they are what some mark says, not less than what was promised; and go on to the end.
fn survives(image: Vec<u8>, history: &History, acknowledged: u64, story: &str) {
    let store = DiskStore::open_on(Arc::new(MemoryMedium::new(image)), OPTIONS).unwrap();
    let mut postings = open(&store);
    let mark = postings.mark();
    assert!(mark == acknowledged || mark == acknowledged + 1, "{story}: {mark} after {acknowledged}");
    assert_same(&postings, &store, &history[mark as usize], story);
    while postings.merge_some(&store).unwrap() {}
    assert_same(&postings, &store, &history[mark as usize], story);
    let blocks = rows(&store).len().saturating_sub(1) as u64;
    let size = postings.size();
    assert!(blocks <= size.bytes / 3900 + size.runs as u64, "{story}: {blocks} blocks, {size:?}");
}

#[test]
fn each_acknowledged_write_survives_a_crash_at_each_write() {
    let history = history(6, 500);
    for nth in 1.. {
        let medium = FaultyMedium::default();
        medium.fail_at(nth);
        let acknowledged = run(&medium, &history);
        survives(medium.after_crash(nth), &history, acknowledged, &format!("operation {nth}"));
        if !medium.has_failed() {
            assert!(acknowledged == 6 && nth > 50, "only {nth} operations are no test");
            return;
        }
    }
}

/// A store whose commits fail from the n-th on, as if the power had gone before.
struct Failing<'a>(&'a MemoryStore, AtomicUsize);

impl Store for Failing<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(table, key)
    }

    fn scan(
        &self,
        table: Table,
        range: ScanRange,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.0.scan(table, range, visit)
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let left = self.1.load(Ordering::Relaxed);
        self.1.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 0 { Err(StoreError::Poisoned) } else { self.0.commit(batch) }
    }
}

/// Runs that take several pieces to merge.
fn long_runs(store: &dyn Store) -> Twin {
    let (mut postings, mut twin) = (open(store), Twin::new());
    for seed in 0..4 {
        for pair in pairs(270_000, u64::MAX, seed).chain(pairs(20_000, 2, seed)) {
            postings.add(pair.0, pair.1);
            twin.insert(pair);
        }
        write(&mut postings, store, seed).unwrap();
    }
    assert_eq!(postings.size().runs, 4);
    twin
}

/// A few pairs of all.
fn sample(twin: &Twin) -> Twin {
    twin.iter().step_by(5003).copied().collect()
}

#[test]
fn a_merge_goes_on_after_a_crash_between_any_two_pieces() {
    let store = MemoryStore::new();
    let twin = long_runs(&store);
    let sample = sample(&twin);
    let mut pieces = 0;
    loop {
        // One commit, then none: each piece is the first of a new life.
        let failing = Failing(&store, AtomicUsize::new(1));
        let mut postings = open(&failing);
        let more = postings.merge_some(&failing).unwrap();
        assert!(!more || postings.merge_some(&failing).is_err());
        pieces += 1;
        let postings = open(&store);
        for (key, _) in sample.iter().filter(|(key, _)| *key > 2) {
            assert_eq!(postings.find(&store, *key).unwrap(), numbers(&twin, *key));
        }
        assert_eq!(postings.find(&store, 1).unwrap(), numbers(&twin, 1));
        if !more {
            break;
        }
    }
    let size = open(&store).size();
    assert_eq!((size.runs, size.pairs), (1, twin.len() as u64));
    assert!(pieces > 2, "{pieces} pieces are no test");
    assert!(rows(&store).len() as u64 <= 2 + size.bytes / 3900, "the blocks of the inputs are left");
}

#[test]
fn clearing_leaves_nothing_and_may_be_broken_off() {
    let store = MemoryStore::new();
    let mut beside = Batch::new();
    beside.put(T, *b"q/", *b"another's");
    store.commit(beside).unwrap();
    long_runs(&store);
    assert!(Postings::clear(&Failing(&store, AtomicUsize::new(1)), T, PREFIX).is_err());
    assert!(rows(&store).len() > 100, "cleared in one commit: no test");
    let mut postings = open(&store);
    assert_eq!((rows(&store).len(), postings.size().pairs, postings.mark()), (0, 0, 0));
    postings.add(1, 2);
    write(&mut postings, &store, 5).unwrap();
    assert_eq!(postings.find(&store, 1).unwrap(), [2]);
    Postings::clear(&store, T, PREFIX).unwrap();
    assert_eq!(rows(&store).len(), 0);
    assert!(store.get(T, b"q/").unwrap().is_some());
}

/// Changes a row in one of several ways.
fn harm(store: &dyn Store, key: &[u8], chance: &mut Chance) {
    let (mut batch, mut value) = (Batch::new(), store.get(T, key).unwrap().unwrap());
    let at = chance.below(value.len() as u64) as usize;
    match chance.below(4) {
        0 => value.truncate(at),
        1 => value[at] ^= 1 << chance.below(8),
        2 => value.iter_mut().for_each(|byte| *byte = chance.draw() as u8),
        _ => batch.delete(T, key),
    }
    if batch.is_empty() {
        batch.put(T, key, value);
    }
    store.commit(batch).unwrap();
}

#[test]
fn damaged_rows_are_an_error_and_never_a_panic() {
    let (mut refused, mut manifests) = (0, 0);
    for seed in 0..300 {
        let store = MemoryStore::new();
        let mut chance = Chance(seed);
        let mut postings = open(&store);
        for write_seed in 0..5 {
            pairs(600, 300, write_seed).for_each(|(key, number)| postings.add(key, number));
            write(&mut postings, &store, 1).unwrap();
        }
        let rows = rows(&store);
        harm(&store, &rows[chance.below(rows.len() as u64) as usize], &mut chance);
        match Postings::open(&store, T, PREFIX) {
            Err(StoreError::Corrupt { .. }) => manifests += 1,
            Err(other) => panic!("not a useful error: {other}"),
            Ok(mut postings) => {
                let found = (0..300).try_for_each(|key| postings.find(&store, key).map(drop));
                let merged = postings.merge_some(&store);
                refused += usize::from(merged.is_err());
                for error in [found.err(), merged.err()].into_iter().flatten() {
                    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
                }
            }
        }
        Postings::clear(&store, T, PREFIX).unwrap();
        assert_eq!(open(&store).size().runs, 0);
    }
    assert!(manifests > 10 && refused > 150, "too light: {manifests} manifests, {refused} blocks");
}

#[test]
fn a_block_that_is_missing_is_found_out_when_its_run_is_merged() {
    let store = MemoryStore::new();
    long_runs(&store);
    let mut batch = Batch::new();
    batch.delete(T, rows(&store)[500].as_slice());
    store.commit(batch).unwrap();
    let mut postings = open(&store);
    let error = std::iter::repeat_with(|| postings.merge_some(&store)).find_map(Result::err).unwrap();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains("pairs were written"), "{error}");
}

/// Counts rows that are read.
struct Counting<'a>(&'a dyn Store, AtomicUsize);

impl Store for Counting<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.get(table, key)
    }

    fn scan(
        &self,
        table: Table,
        range: ScanRange,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.0.scan(table, range, &mut |key, value| {
            self.1.fetch_add(1, Ordering::Relaxed);
            visit(key, value)
        })
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.0.commit(batch)
    }
}

#[test]
fn a_key_of_a_million_pairs_is_found_in_a_block_of_each_run() {
    let store = MemoryStore::new();
    let (mut postings, mut most_runs, mut written) = (open(&store), 0, 0);
    let mut chance = Chance(8);
    for mark in 0..50 {
        for number in 0..20_000 {
            postings.add(chance.draw(), mark * 20_000 + number);
        }
        postings.add(77, mark);
        write(&mut postings, &store, mark.into()).unwrap();
        let counting = Counting(&store, AtomicUsize::new(0));
        while postings.merge_some(&counting).unwrap() {}
        written += counting.1.load(Ordering::Relaxed);
        most_runs = most_runs.max(postings.size().runs);
    }
    let size = postings.size();
    let blocks = rows(&store).len() - 1;
    assert!(size.pairs == 1_000_050 && size.bytes < 11_000_000, "{size:?}");
    // Each pair is merged once for each of three levels, and its block is read again when it is deleted.
    assert!((3..=9).contains(&most_runs) && written < 8 * blocks, "{most_runs} runs, {written} blocks read");

    let mut chance = Chance(8);
    let counting = Counting(&store, AtomicUsize::new(0));
    for number in 0..1000 {
        assert!(postings.find(&counting, chance.draw()).unwrap().contains(&number));
    }
    let read = counting.1.load(Ordering::Relaxed);
    assert!(read <= 1000 * size.runs + 50, "{read} blocks for 1000 keys in {} runs", size.runs);
    assert_eq!(postings.find(&store, 77).unwrap(), (0..50).collect::<Vec<_>>());
}

#[test]
fn a_page_of_a_key_with_many_numbers_reads_few_blocks() {
    let store = MemoryStore::new();
    let mut postings = open(&store);
    for mark in 0..3 {
        (0..100_000).for_each(|number| postings.add(5, number * 3 + mark));
        write(&mut postings, &store, mark.into()).unwrap();
    }
    assert!(rows(&store).len() > 100);
    let counting = Counting(&store, AtomicUsize::new(0));
    let page = postings.find_some(&counting, 5, Some(200_000), 100).unwrap();
    assert_eq!(page, (200_001..200_101).collect::<Vec<_>>());
    assert!(counting.1.load(Ordering::Relaxed) <= 6, "{:?} blocks", counting.1);
}
