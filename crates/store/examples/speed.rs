//! How fast the store is on this disk: durable megabytes a second, small commits a second, reads, and how long opening
//! takes after a clean end and after a kill. `cargo run --profile bench -p motet-store --example speed DIR`; one more
//! argument turns quick recovery off.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement speaks, and stops when it fails")]

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use motet_store::testing::Chance;
use motet_store::{Batch, DiskStore, Options, ScanRange, Store, Table};

const PARTS: Table = Table("parts");
const ROWS: Table = Table("rows");

fn part(chance: &mut Chance) -> Vec<u8> {
    (0..(255 << 10) / 8).flat_map(|_| chance.draw().to_le_bytes()).collect()
}

fn large_commits(store: &DiskStore, commits: u64) {
    let mut chance = Chance(1);
    let parts: Vec<Vec<u8>> = (0..4).map(|_| part(&mut chance)).collect();
    let start = Instant::now();
    for _ in 0..commits {
        let mut batch = Batch::new();
        for part in &parts {
            let key: Vec<u8> = (0..4).flat_map(|_| chance.draw().to_le_bytes()).collect();
            batch.put(PARTS, key, part.as_slice());
        }
        store.commit(batch).unwrap();
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{commits} commits of four parts of 255 KiB: {:.0} MB/s durable",
        commits as f64 * 1.0445 / seconds
    );
}

fn small_commits(store: &DiskStore, commits: u64) {
    let mut chance = Chance(2);
    let start = Instant::now();
    for _ in 0..commits {
        let mut batch = Batch::new();
        for _ in 0..5 {
            batch.put(ROWS, [chance.draw().to_le_bytes(); 4].concat(), [7; 200]);
        }
        store.commit(batch).unwrap();
    }
    println!(
        "{commits} commits of five rows: {:.0} commits/s",
        commits as f64 / start.elapsed().as_secs_f64()
    );
}

fn reads(store: &DiskStore) {
    let mut keys = Vec::new();
    let start = Instant::now();
    let (mut bytes, mut count) = (0, 0_u32);
    let range = ScanRange::all();
    store
        .scan(PARTS, range, &mut |_, value| {
            bytes += value.len();
            ControlFlow::Continue(())
        })
        .unwrap();
    println!("scan of parts: {:.0} MB/s", bytes as f64 / 1e6 / start.elapsed().as_secs_f64());
    store
        .scan(ROWS, ScanRange::all(), &mut |key, _| {
            keys.push(key.to_vec());
            ControlFlow::Continue(())
        })
        .unwrap();
    let start = Instant::now();
    for key in keys.iter().cycle().step_by(7).take(100_000) {
        count += u32::from(store.get(ROWS, key).unwrap().is_some());
    }
    println!("gets of small rows: {:.0}/s ({count} found)", 1e5 / start.elapsed().as_secs_f64());
}

fn options() -> Options {
    Options { quick_recovery: std::env::args().nth(2).is_none(), ..Options::default() }
}

fn open(path: &Path, story: &str) -> DiskStore {
    let start = Instant::now();
    let store = DiskStore::open(path, options()).unwrap();
    println!("open {story}: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    store
}

fn main() {
    let directory = std::env::args().nth(1).expect("a directory to write to");
    let path = Path::new(&directory).join("speed.motet");
    let _ = std::fs::remove_file(&path);
    let store = open(&path, "of a new file");
    large_commits(&store, 500);
    small_commits(&store, 2000);
    reads(&store);
    let killed = Path::new(&directory).join("killed.motet");
    std::fs::copy(&path, &killed).unwrap();
    drop(store);
    drop(open(&path, "after a clean end"));
    drop(open(&killed, "after a kill"));
    println!("file: {:.0} MB", std::fs::metadata(&path).unwrap().len() as f64 / 1e6);
    std::fs::remove_file(&path).unwrap();
    std::fs::remove_file(&killed).unwrap();
}
