//! The first bytes of a database file: what it is, and how it was left.
//!
//! ```text
//!  0        16         20          28       32
//!  │ magic   │ version  │ checksum  │ state  │ blocks …
//! ```
//!
//! The state says what to expect of the blocks. *Making*: no commit has ever returned, so whatever is there may be
//! thrown away. *Open*: the last user didn't come to an end, and blocks written since the last sync may be torn; the
//! engine recovers, and verifies what it keeps. *Shut*: everything was synced, so each block must match its checksum,
//! and one that doesn't is damage, whatever the engine has to recover. The state is durable before the first write it
//! warns of, and is the only part of the header that ever changes; a torn one counts as open.

use motet_fact::Digest;

use crate::error::Damage;
use crate::{Medium, StoreError};

/// Bytes of the header.
pub(crate) const LENGTH: u64 = 32;

/// The version of the file's layout: this header, and the blocks behind it.
const VERSION: u32 = 1;
const MAGIC: &[u8; 16] = b"motet store\r\n\x1a\n\0";
const STATE_AT: usize = 28;

/// How a database file was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Its maker has not finished.
    Making,
    /// Its last user is still there, or crashed.
    Open,
    /// Its last user closed it.
    Shut,
}

impl State {
    const fn bytes(self) -> [u8; 4] {
        match self {
            State::Making => [0; 4],
            State::Open => *b"open",
            State::Shut => *b"shut",
        }
    }

    fn of(bytes: &[u8]) -> Self {
        let known = [State::Making, State::Shut].into_iter().find(|state| state.bytes() == bytes);
        known.unwrap_or(State::Open)
    }

    /// Makes the state durable.
    pub(crate) fn write(self, medium: &dyn Medium) -> std::io::Result<()> {
        medium.write(STATE_AT as u64, &self.bytes())?;
        medium.sync()
    }
}

/// Reads how the file was left; an empty or half-made file is made anew.
pub(crate) fn begin(medium: &dyn Medium) -> Result<State, StoreError> {
    let at = medium.place();
    let header = read(medium).map_err(|source| StoreError::io("read", &at, source))?;
    let state = if is_half_made(&header) { State::Making } else { check(&header, &at)? };
    if state == State::Making {
        make(medium).map_err(|source| StoreError::io("create", &at, source))?;
    }
    Ok(state)
}

fn read(medium: &dyn Medium) -> std::io::Result<Vec<u8>> {
    let len = medium.len()?.min(LENGTH);
    let mut header = vec![0; len as usize];
    medium.read(0, &mut header)?;
    Ok(header)
}

/// A crash while the header was first written leaves some of its bytes, and zeros; and nothing behind it.
fn is_half_made(header: &[u8]) -> bool {
    let whole = render();
    header != whole && header.iter().zip(whole).all(|(have, want)| *have == 0 || *have == want)
}

fn check(header: &[u8], at: &str) -> Result<State, StoreError> {
    let Some((magic, rest)) = header.split_first_chunk::<16>().filter(|(magic, _)| *magic == MAGIC) else {
        return Err(StoreError::NotADatabase { at: at.to_owned() });
    };
    let (Some((version, rest)), true) = (rest.split_first_chunk::<4>(), header.len() == LENGTH as usize)
    else {
        return Err(StoreError::corrupt("the file ends in its header", at));
    };
    if rest[..8] != checksum(magic, version) {
        return Err(StoreError::corrupt("the checksum of the header doesn't match", at));
    }
    match u32::from_le_bytes(*version) {
        VERSION => Ok(State::of(&rest[8..])),
        found => Err(StoreError::Version { found, want: VERSION }),
    }
}

fn make(medium: &dyn Medium) -> std::io::Result<()> {
    medium.set_len(LENGTH)?;
    medium.write(0, &render())?;
    medium.sync()
}

fn render() -> [u8; LENGTH as usize] {
    let mut header = [0; LENGTH as usize];
    let version = VERSION.to_le_bytes();
    header[..16].copy_from_slice(MAGIC);
    header[16..20].copy_from_slice(&version);
    header[20..28].copy_from_slice(&checksum(MAGIC, &version));
    header[STATE_AT..].copy_from_slice(&State::Making.bytes());
    header
}

fn checksum(magic: &[u8; 16], version: &[u8; 4]) -> [u8; 8] {
    let Digest(digest) = Digest::derive("motet store header v1", &[magic, version]);
    *digest.first_chunk().expect("a digest is longer than a checksum")
}

/// The bytes of blocks behind the header.
pub(crate) fn bytes_behind(medium: &dyn Medium) -> std::io::Result<u64> {
    Ok(medium.len()?.checked_sub(LENGTH).ok_or(Damage::Length)?)
}
