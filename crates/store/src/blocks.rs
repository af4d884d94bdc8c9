//! Blocks of 4 KiB, each with its checksum: what the engine sees instead of the medium.
//!
//! The engine keeps checksums too, but looks at them only in recovery; between crashes it takes any byte that the
//! disk gives it, walks astray and returns a wrong row, no row, or panics. So each block is stored with eight bytes
//! of a hash of its number and its content, and is verified on each read from the medium. What is found: rot, blocks
//! written to the wrong place, cut files. What is not: a disk that gives back an old block with its old checksum.
//!
//! ```text
//!  header (32) │ block 0 (4096) │ checksum (8) │ block 1 (4096) │ checksum (8) │ …
//! ```
//!
//! A checksum of zero says that the block was never written, and must be all zero. Blocks are written together with
//! their checksum, and a crash tears one as it tears the other. That the engine survives: it never overwrites what
//! the last commit needs, except its header, block 0, which holds two halves with checksums of their own. So after a
//! crash a torn block 0 is given out, and gets a new checksum once the engine is content with it. And if the engine
//! must find out which of two commits is whole, it reads blocks to see whether they are torn: while it does, all are
//! given out unverified and noted as suspects; those it refers to in the end are whole by its own checksums.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use motet_fact::Digest;

use crate::Medium;
use crate::error::Damage;
use crate::header::{self, State};

const BLOCK: usize = 4096;
const SEALED: usize = BLOCK + 8;

/// A medium as verified blocks. Shared by the engine, which reads and writes, and the store, which opens and closes.
#[derive(Debug)]
pub(crate) struct Blocks {
    medium: Arc<dyn Medium>,
    /// Blocks that were given out though they didn't match, while the engine opens a file that wasn't shut. None at
    /// any other time: damage is an error then.
    suspects: Mutex<Option<BTreeSet<u64>>>,
    /// The engine verifies what it reads.
    recovering: AtomicBool,
    /// The file says that it is in use.
    marked: AtomicBool,
    /// Each write so far can still be made durable, so the file may be marked as shut in the end.
    sound: AtomicBool,
}

impl Blocks {
    pub(crate) fn new(medium: Arc<dyn Medium>, left: State) -> Self {
        let suspects = (left == State::Open).then(BTreeSet::new);
        let (marked, sound) = (AtomicBool::new(left != State::Shut), AtomicBool::new(left == State::Shut));
        Blocks { medium, suspects: Mutex::new(suspects), recovering: AtomicBool::new(false), marked, sound }
    }

    /// From now on, the engine verifies what it reads, until it is done with opening.
    pub(crate) fn recover(&self) {
        self.recovering.store(true, Ordering::Release);
    }

    /// The engine is done with opening: what it keeps is whole.
    pub(crate) fn settle(&self) -> io::Result<()> {
        for block in self.lock().take().unwrap_or_default() {
            self.seal_again(block)?;
        }
        self.sound.store(true, Ordering::Release);
        Ok(())
    }

    fn seal_again(&self, block: u64) -> io::Result<()> {
        let mut sealed = [0; SEALED];
        if place(block) + SEALED as u64 > self.medium.len()? {
            return Ok(());
        }
        self.medium.read(place(block), &mut sealed)?;
        self.medium.write(place(block), &seal(block, &sealed[..BLOCK]))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<BTreeSet<u64>>> {
        // Nothing that can panic happens under this lock.
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the medium, which says first that it is in use, and never again that it is shut if the change fails.
    fn change(&self, change: impl FnOnce(&dyn Medium) -> io::Result<()>) -> io::Result<()> {
        let mark =
            if self.marked.swap(true, Ordering::AcqRel) { Ok(()) } else { State::Open.write(&*self.medium) };
        let result = mark.and_then(|()| change(&*self.medium));
        if result.is_err() {
            self.sound.store(false, Ordering::Release);
        }
        result
    }

    fn verify(&self, block: u64, sealed: &[u8]) -> io::Result<()> {
        if is_whole(block, sealed) {
            return Ok(());
        }
        let may_be_torn = block == 0 || self.recovering.load(Ordering::Acquire);
        match self.lock().as_mut() {
            Some(suspects) if may_be_torn => suspects.insert(block),
            _ => return Err(Damage::Checksum(block).into()),
        };
        Ok(())
    }

    /// The plain bytes of some blocks.
    fn load(&self, span: Span) -> io::Result<Vec<u8>> {
        let mut sealed = vec![0; span.count * SEALED];
        self.medium.read(place(span.first), &mut sealed)?;
        let mut plain = Vec::with_capacity(span.count * BLOCK);
        for (block, sealed) in (span.first..).zip(sealed.chunks_exact(SEALED)) {
            self.verify(block, sealed)?;
            plain.extend_from_slice(&sealed[..BLOCK]);
        }
        Ok(plain)
    }

    fn save(&self, first: u64, plain: &[u8]) -> io::Result<()> {
        debug_assert_eq!(plain.len() % BLOCK, 0, "only whole blocks have checksums");
        let mut sealed = Vec::with_capacity(plain.len() / BLOCK * SEALED);
        for (block, plain) in (first..).zip(plain.chunks_exact(BLOCK)) {
            sealed.extend_from_slice(&seal(block, plain));
        }
        self.change(|medium| medium.write(place(first), &sealed))
    }

    fn patch(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let span = Span::of(offset, data.len());
        let mut plain = self.load(span)?;
        plain[span.skip..span.skip + data.len()].copy_from_slice(data);
        self.save(span.first, &plain)
    }

    fn len(&self) -> io::Result<u64> {
        let behind = header::bytes_behind(&*self.medium)?;
        if behind % SEALED as u64 != 0 {
            return Err(Damage::Length.into());
        }
        Ok(behind / SEALED as u64 * BLOCK as u64)
    }

    fn close(&self) -> io::Result<()> {
        let (marked, sound) = (self.marked.load(Ordering::Acquire), self.sound.load(Ordering::Acquire));
        if marked && sound {
            self.medium.sync()?;
            State::Shut.write(&*self.medium)?;
        }
        Ok(())
    }
}

/// The blocks that some bytes lie in.
#[derive(Clone, Copy)]
struct Span {
    first: u64,
    count: usize,
    /// Bytes of the first block before them.
    skip: usize,
}

impl Span {
    fn of(offset: u64, len: usize) -> Self {
        let skip = (offset % BLOCK as u64) as usize;
        Span { first: offset / BLOCK as u64, count: (skip + len).div_ceil(BLOCK), skip }
    }
}

fn place(block: u64) -> u64 {
    header::LENGTH + block * SEALED as u64
}

fn seal(block: u64, plain: &[u8]) -> [u8; SEALED] {
    let mut sealed = [0; SEALED];
    sealed[..BLOCK].copy_from_slice(plain);
    sealed[BLOCK..].copy_from_slice(&checksum(block, plain));
    sealed
}

fn is_whole(block: u64, sealed: &[u8]) -> bool {
    let (plain, stored) = sealed.split_at(BLOCK);
    match stored {
        [0, 0, 0, 0, 0, 0, 0, 0] => plain.iter().all(|byte| *byte == 0),
        _ => stored == checksum(block, plain),
    }
}

/// Eight bytes, not all of them zero.
fn checksum(block: u64, plain: &[u8]) -> [u8; 8] {
    let Digest(digest) = Digest::derive("motet store block v1", &[&block.to_le_bytes(), plain]);
    let sum: [u8; 8] = *digest.first_chunk().expect("a digest is longer than a checksum");
    if sum == [0; 8] { [1; 8] } else { sum }
}

/// The engine's end of the blocks.
#[derive(Debug)]
pub(crate) struct Backend(pub(crate) Arc<Blocks>);

impl redb::StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let span = Span::of(offset, out.len());
        let plain = self.0.load(span)?;
        out.copy_from_slice(&plain[span.skip..span.skip + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.change(|medium| medium.set_len(place(len.div_ceil(BLOCK as u64))))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.change(|medium| medium.sync())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let span = Span::of(offset, data.len());
        let whole = span.skip == 0 && data.len() == span.count * BLOCK;
        if whole { self.0.save(span.first, data) } else { self.0.patch(offset, data) }
    }

    fn close(&self) -> io::Result<()> {
        let shut = self.0.close();
        self.0.medium.close().and(shut)
    }
}
