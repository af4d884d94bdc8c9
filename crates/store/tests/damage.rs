//! Damaged, cut and foreign files: right data or a typed error, never a wrong row and never a panic.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use motet_store::testing::{Chance, FaultyMedium};
use motet_store::{Batch, DiskStore, MemoryMedium, Options, ScanRange, Store, StoreError, Table};

const T: Table = Table("rows");
const ROWS: u32 = 300;
const OPTIONS: Options = Options { cache_bytes: 1 << 20, quick_recovery: true };

fn value(number: u32) -> Vec<u8> {
    let size = if number.is_multiple_of(50) { 30_000 } else { (number % 97) as usize };
    number.to_be_bytes().into_iter().cycle().take(size).collect()
}

/// Writes the rows in a few commits, and again in others so that there are free pages in between.
fn fill(store: &DiskStore) {
    for round in 0..2 {
        for numbers in (0..ROWS).collect::<Vec<_>>().chunks(60) {
            let mut batch = Batch::new();
            for number in numbers {
                let bytes = if round == 0 { vec![0; 100] } else { value(*number) };
                batch.put(T, number.to_be_bytes(), bytes);
            }
            store.commit(batch).unwrap();
        }
    }
}

fn closed_image() -> Vec<u8> {
    let medium = MemoryMedium::default();
    fill(&DiskStore::open_on(Arc::new(medium.clone()), OPTIONS).unwrap());
    medium.bytes()
}

/// The file of a process that was killed after its last commit.
fn killed_image() -> Vec<u8> {
    let medium = FaultyMedium::default();
    let store = DiskStore::open_on(Arc::new(medium.clone()), OPTIONS).unwrap();
    fill(&store);
    medium.after_crash(1)
}

/// Opens and reads everything, twice; no wrong row may come out. Says whether all rows did.
fn probe(image: Vec<u8>, story: &str) -> Result<(), StoreError> {
    let medium = MemoryMedium::new(image);
    let first = catch_unwind(AssertUnwindSafe(|| read(&medium, story)))
        .unwrap_or_else(|_| panic!("{story}: a panic, or a wrong row"));
    let again = catch_unwind(AssertUnwindSafe(|| read(&medium, story)))
        .unwrap_or_else(|_| panic!("{story}: a panic, or a wrong row, the second time"));
    // An error may appear on the second reading, but never go away by itself.
    assert!(first.is_ok() || again.is_err(), "{story}: {first:?}, and then nothing wrong");
    first.and(again)
}

fn read(medium: &MemoryMedium, story: &str) -> Result<(), StoreError> {
    let store = DiskStore::open_on(Arc::new(medium.clone()), OPTIONS)?;
    let mut next = 0;
    store.scan(T, ScanRange::all(), &mut |key, bytes| {
        assert_eq!(key, next_key(&mut next), "{story}: a row is missing");
        assert_eq!(bytes, value(next - 1), "{story}: a wrong row");
        ControlFlow::Continue(())
    })?;
    assert_eq!(next, ROWS, "{story}: rows are missing at the end");
    assert_eq!(store.get(T, &7_u32.to_be_bytes())?, Some(value(7)), "{story}");
    Ok(())
}

fn next_key(next: &mut u32) -> [u8; 4] {
    *next += 1;
    (*next - 1).to_be_bytes()
}

fn harm(image: &mut Vec<u8>, chance: &mut Chance) -> String {
    let at = chance.below(image.len() as u64) as usize;
    // A third in the first blocks: the headers are small, and matter most.
    let at = if chance.below(3) == 0 { at % 5000 } else { at };
    match chance.below(5) {
        0 => {
            image.truncate(at);
            format!("cut at {at}")
        }
        1 => {
            let end = (at + 1 + chance.below(9000) as usize).min(image.len());
            image[at..end].fill(chance.draw() as u8);
            format!("filled {at}..{end}")
        }
        2 => {
            let (from, len) = (chance.below(image.len() as u64) as usize, chance.below(9000) as usize);
            let len = len.min(image.len() - from.max(at));
            image.copy_within(from..from + len, at);
            format!("copied {len} bytes from {from} to {at}")
        }
        _ => {
            let bit = 1 << chance.below(8);
            image[at] ^= bit;
            format!("flipped {bit:#x} at {at}")
        }
    }
}

fn damage_many(image: &[u8], seeds: std::ops::Range<u64>) -> (u32, u32) {
    let (mut right, mut refused) = (0, 0);
    for seed in seeds {
        let mut damaged = image.to_vec();
        let story = harm(&mut damaged, &mut Chance(seed));
        match probe(damaged, &format!("seed {seed}: {story}")) {
            Ok(()) => right += 1,
            Err(StoreError::Corrupt { .. } | StoreError::NotADatabase { .. }) => refused += 1,
            Err(other) => panic!("seed {seed}: {story}: not a useful error: {other:?}"),
        }
    }
    (right, refused)
}

#[test]
fn a_damaged_file_gives_right_rows_or_a_typed_error() {
    let (right, refused) = damage_many(&closed_image(), 0..600);
    assert!(right > 20 && refused > 200, "the damage is too light or too heavy: {right}, {refused}");
}

#[test]
fn so_does_one_whose_process_was_killed() {
    let (right, refused) = damage_many(&killed_image(), 0..600);
    assert!(right > 20 && refused > 200, "the damage is too light or too heavy: {right}, {refused}");
}

#[test]
fn a_foreign_file_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("a.txt", b"hello".to_vec()),
        ("b.jpg", vec![0xff; 100_000]),
        ("c.db", b"SQLite format 3\0".repeat(9)),
    ] {
        let path = directory.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        let error = DiskStore::open(&path, Options::default()).unwrap_err();
        assert!(matches!(error, StoreError::NotADatabase { .. }), "{error:?}");
        assert!(error.to_string().contains(name));
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
    let error = DiskStore::open(directory.path().join("no/such"), Options::default()).unwrap_err();
    assert!(matches!(error, StoreError::Io { what: "open", .. }), "{error:?}");
}

#[test]
fn another_format_version_is_named() {
    let medium = MemoryMedium::default();
    let store = DiskStore::open_on(Arc::new(medium.clone()), OPTIONS).unwrap();
    let mut batch = Batch::new();
    batch.put(Table("meta"), *b"format version", 7_u32.to_le_bytes());
    store.commit(batch).unwrap();
    drop(store);
    let error = DiskStore::open_on(Arc::new(medium), OPTIONS).unwrap_err();
    assert!(matches!(error, StoreError::Version { found: 7, want: 1 }), "{error:?}");
}

#[test]
fn a_full_disk_says_so() {
    #[derive(Debug)]
    struct Small(MemoryMedium);
    impl motet_store::Medium for Small {
        fn len(&self) -> std::io::Result<u64> {
            self.0.len()
        }
        fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
            self.0.read(offset, out)
        }
        fn set_len(&self, len: u64) -> std::io::Result<()> {
            if len > 3 << 20 { Err(std::io::ErrorKind::StorageFull.into()) } else { self.0.set_len(len) }
        }
        fn sync(&self) -> std::io::Result<()> {
            self.0.sync()
        }
        fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
            self.0.write(offset, data)
        }
        fn place(&self) -> String {
            "a small disk".to_owned()
        }
    }
    let medium = MemoryMedium::default();
    let store = DiskStore::open_on(Arc::new(Small(medium.clone())), OPTIONS).unwrap();
    let mut batch = Batch::new();
    batch.put(T, *b"small", *b"row");
    store.commit(batch).unwrap();
    let mut batch = Batch::new();
    batch.put(T, *b"large", vec![7; 5 << 20]);
    let error = store.commit(batch).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    drop(store);
    let store = DiskStore::open_on(Arc::new(medium), OPTIONS).unwrap();
    assert_eq!(store.get(T, b"small").unwrap().as_deref(), Some(b"row".as_slice()));
    assert_eq!(store.get(T, b"large").unwrap(), None);
}
