//! The store on disk and its stupid twin in memory are the same store.

use std::ops::ControlFlow;
use std::sync::Arc;

use motet_store::{
    Batch, DiskStore, MemoryMedium, MemoryStore, Options, ScanRange, Store, StoreError, Table, get_block,
};
use proptest::prelude::*;

const TABLES: [Table; 3] = [Table("red"), Table("green"), Table("blue")];

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

type Change = (usize, Vec<u8>, Option<Vec<u8>>);

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Change>),
    Get(usize, Vec<u8>),
    Scan { table: usize, prefix: Vec<u8>, after: Option<Vec<u8>>, limit: usize },
    Reopen,
}

/// Short keys over few letters, so that they meet, and prefixes have rows; the last byte 255 tests their ends.
fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(255)], 0..4)
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let sizes = prop_oneof![8 => 0_usize..20, 2 => 3000_usize..5000, 1 => 100_000_usize..300_000];
    (any::<u8>(), sizes).prop_map(|(byte, size)| vec![byte; size])
}

fn step() -> impl Strategy<Value = Step> {
    let change = (0..3_usize, key(), proptest::option::weighted(0.7, value()));
    prop_oneof![
        4 => proptest::collection::vec(change, 0..8).prop_map(Step::Commit),
        3 => (0..3_usize, key()).prop_map(|(table, key)| Step::Get(table, key)),
        4 => (0..3_usize, key(), proptest::option::of(key()), 1..9_usize)
            .prop_map(|(table, prefix, after, limit)| Step::Scan { table, prefix, after, limit }),
        1 => Just(Step::Reopen),
    ]
}

fn scan(store: &dyn Store, table: Table, range: ScanRange, limit: usize) -> Rows {
    let mut rows = Rows::new();
    store
        .scan(table, range, &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            if rows.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    rows
}

fn batch(changes: &[Change]) -> Batch {
    let mut batch = Batch::new();
    for (table, key, value) in changes {
        match value {
            Some(value) => batch.put(TABLES[*table], key.as_slice(), value.as_slice()),
            None => batch.delete(TABLES[*table], key.as_slice()),
        }
    }
    batch
}

fn open(medium: &MemoryMedium) -> DiskStore {
    DiskStore::open_on(Arc::new(medium.clone()), Options { cache_bytes: 1 << 20, ..Options::default() })
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn disk_and_memory_answer_alike(steps in proptest::collection::vec(step(), 1..40)) {
        let medium = MemoryMedium::default();
        let memory = MemoryStore::new();
        let mut disk = open(&medium);
        for step in steps {
            match step {
                Step::Commit(changes) => {
                    memory.commit(batch(&changes)).unwrap();
                    disk.commit(batch(&changes)).unwrap();
                }
                Step::Get(table, key) => {
                    let (table, key) = (TABLES[table], key.as_slice());
                    prop_assert_eq!(disk.get(table, key).unwrap(), memory.get(table, key).unwrap());
                }
                Step::Scan { table, prefix, after, limit } => {
                    let range = ScanRange { prefix, after };
                    let expected = scan(&memory, TABLES[table], range.clone(), limit);
                    for (key, _) in &expected {
                        prop_assert!(key.starts_with(&range.prefix));
                        prop_assert!(range.after.as_ref().is_none_or(|after| key > after));
                    }
                    prop_assert_eq!(scan(&disk, TABLES[table], range, limit), expected);
                }
                Step::Reopen => {
                    drop(disk);
                    disk = open(&medium);
                }
            }
        }
        for table in TABLES {
            let everything = scan(&memory, table, ScanRange::all(), usize::MAX);
            prop_assert_eq!(scan(&disk, table, ScanRange::all(), usize::MAX), everything);
        }
    }
}

fn both(test: impl Fn(&dyn Store)) {
    test(&MemoryStore::new());
    test(&open(&MemoryMedium::default()));
}

#[test]
fn a_visitor_may_commit_and_sees_the_store_as_it_was() {
    both(|store| {
        store.commit(batch(&[(0, vec![1], Some(vec![1])), (0, vec![2], Some(vec![2]))])).unwrap();
        let mut seen = Vec::new();
        store
            .scan(TABLES[0], ScanRange::all(), &mut |key, _| {
                seen.push(key.to_vec());
                store.commit(batch(&[(0, vec![2], None), (0, vec![3], Some(vec![3]))])).unwrap();
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(seen, [[1], [2]]);
        assert_eq!(scan(store, TABLES[0], ScanRange::prefix([]).after([1]), 9), [(vec![3], vec![3])]);
    });
}

#[test]
fn a_block_is_hashed_again_when_it_is_read() {
    both(|store| {
        let mut batch = Batch::new();
        let cid = batch.put_block(TABLES[0], *b"a block");
        store.commit(batch).unwrap();
        assert_eq!(get_block(store, TABLES[0], &cid).unwrap().as_deref(), Some(b"a block".as_slice()));
        assert_eq!(get_block(store, TABLES[1], &cid).unwrap(), None);

        let mut lie = Batch::new();
        lie.put(TABLES[0], cid.as_bytes(), *b"another");
        store.commit(lie).unwrap();
        assert!(matches!(get_block(store, TABLES[0], &cid), Err(StoreError::Corrupt { .. })));
    });
}

#[test]
fn readers_never_see_half_a_commit() {
    both(|store| {
        let numbered =
            |number: u8| batch(&[(0, vec![0], Some(vec![number])), (1, vec![0], Some(vec![number]))]);
        store.commit(numbered(0)).unwrap();
        std::thread::scope(|threads| {
            threads.spawn(|| (1..100).for_each(|number| store.commit(numbered(number)).unwrap()));
            for _ in 0..200 {
                // The second table was committed with, or later than, what the first showed.
                let first = store.get(TABLES[0], &[0]).unwrap();
                assert!(store.get(TABLES[1], &[0]).unwrap() >= first);
            }
        });
    });
}
