//! A medium that fails when told to, and what a crash leaves of it.
//!
//! [`FaultyMedium`] keeps apart what is durable and what was written since the last sync. It can fail the n-th
//! operation that changes something, and everything after it, as a disk that was pulled out does; and it can say what
//! a power cut would leave: of each unsynced write, by a seed, nothing, all, or some of its sectors and a torn one; or
//! all of everything but the last sector of a single write, for a loss that is nearly none is the hardest to notice.
//! Lengths change in order, as a journal of metadata keeps them.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Medium;
use crate::medium::{length, part};

/// A medium in memory that can fail and crash. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct FaultyMedium {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Debug, Default)]
struct Disk {
    durable: Vec<u8>,
    current: Vec<u8>,
    unsynced: Vec<Change>,
    operations: u64,
    fail_at: Option<u64>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: u64, data: Vec<u8> },
    Length(usize),
}

impl FaultyMedium {
    /// A medium that holds these bytes and never fails.
    pub fn new(bytes: Vec<u8>) -> Self {
        let disk = Disk { durable: bytes.clone(), current: bytes, ..Disk::default() };
        FaultyMedium { disk: Arc::new(Mutex::new(disk)) }
    }

    /// Lets the n-th write, sync or change of length from now on fail (the next one is the first), and all after it.
    pub fn fail_at(&self, nth: u64) {
        let mut disk = self.lock();
        disk.fail_at = Some(disk.operations + nth);
    }

    /// Writes, syncs and changes of length so far, failed ones included.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Whether it has failed.
    pub fn has_failed(&self) -> bool {
        let disk = self.lock();
        disk.fail_at.is_some_and(|nth| disk.operations >= nth)
    }

    /// The bytes that a power cut at this moment would leave; each seed is another power cut.
    pub fn after_crash(&self, seed: u64) -> Vec<u8> {
        let disk = self.lock();
        let mut chance = Chance(seed);
        let mut bytes = disk.durable.clone();
        let writes = disk.unsynced.len() as u64;
        let nearly_all = (writes > 0 && chance.below(3) == 0).then(|| chance.below(writes));
        let lengths =
            disk.unsynced.iter().filter(|change| matches!(change, Change::Length(_))).count() as u64;
        let mut lengths_kept = if nearly_all.is_some() { lengths } else { chance.below(lengths + 1) };
        for (index, change) in disk.unsynced.iter().enumerate() {
            match change {
                Change::Length(len) if lengths_kept > 0 => {
                    lengths_kept -= 1;
                    bytes.resize(*len, 0);
                }
                Change::Length(_) => {}
                Change::Write { offset, data } => match nearly_all {
                    Some(cut) => keep_nearly_all(&mut bytes, *offset, data, cut == index as u64),
                    None => keep_some(&mut bytes, *offset, data, &mut chance),
                },
            }
        }
        bytes
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All of a write, or all but its last sector. A write beyond the length that was kept is lost.
fn keep_nearly_all(bytes: &mut [u8], offset: u64, data: &[u8], cut: bool) {
    let kept = if cut { data.len().saturating_sub(1) / 512 * 512 } else { data.len() };
    if let Ok(place) = part(bytes, offset, kept) {
        place.copy_from_slice(&data[..kept]);
    }
}

/// Nothing, all, or some sectors of a write, and one of them only in part.
fn keep_some(bytes: &mut [u8], offset: u64, data: &[u8], chance: &mut Chance) {
    let fate = chance.below(3);
    if fate == 0 {
        return;
    }
    for (index, sector) in data.chunks(512).enumerate() {
        let kept = match chance.below(4) {
            _ if fate == 1 => sector.len(),
            0 => 0,
            1 => chance.below(sector.len() as u64) as usize,
            _ => sector.len(),
        };
        let at = offset + index as u64 * 512;
        if let Ok(place) = part(bytes, at, kept) {
            place.copy_from_slice(&sector[..kept]);
        }
    }
}

impl Disk {
    /// Counts an operation, and fails it if it is time. A change that fails may still have happened.
    fn step(&mut self, change: Option<Change>) -> io::Result<()> {
        self.operations += 1;
        let fails = self.fail_at.is_some_and(|nth| self.operations >= nth);
        if !fails || self.fail_at == Some(self.operations) {
            self.unsynced.extend(change);
        }
        if fails { Err(io::Error::other("the simulated disk failed")) } else { Ok(()) }
    }
}

impl Medium for FaultyMedium {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        out.copy_from_slice(part(&mut self.lock().current, offset, out.len())?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = length(len)?;
        let mut disk = self.lock();
        disk.step(Some(Change::Length(len)))?;
        disk.current.resize(len, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.lock();
        disk.step(None)?;
        disk.unsynced.clear();
        disk.durable = disk.current.clone();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut disk = self.lock();
        part(&mut disk.current, offset, data.len())?;
        disk.step(Some(Change::Write { offset, data: data.to_vec() }))?;
        part(&mut disk.current, offset, data.len())?.copy_from_slice(data);
        Ok(())
    }

    fn place(&self) -> String {
        "the simulated disk".to_owned()
    }
}

/// Numbers that look random and follow from a seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Chance(pub u64);

impl Chance {
    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number less than a bound, which isn't zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "no number is less than zero");
        self.draw() % bound
    }
}
