//! A body part: its bytes, and splitting a transaction into parts (H3).
//!
//! A part holds facts about one item. It is read strictly, the same way by everybody and for ever: a reader refuses
//! the whole part if any fact in it is not canonical or over a limit, and if the frame is not the one this program
//! would have written, so that nothing can be smuggled past some readers and not others. A later format has another
//! version number, and its parts are held until the program knows it, not refused (H7).

use motet_fact::{DecodeError, Fact};
use motet_feed::MAX_PART_BYTES;
use prost::Message as _;

use crate::proto;

/// The one version of the part format.
pub const VERSION: u32 = 1;

/// What is left free of [`MAX_PART_BYTES`] for what encryption adds: the tag and the padding (H24).
pub const SEAL_ROOM_BYTES: usize = 8 * 1024;

/// The most that one fact's frame adds to its bytes: a key of one byte and a length of at most three.
const FACT_FRAME_BYTES: usize = 4;
/// The most that the version and the time take.
const HEAD_BYTES: usize = 16;

/// What one part says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartBody {
    /// When it was written by the writer's clock, in seconds since 1970. Informative: no rule reads it (H12).
    pub written_at: i64,
    /// The facts, in the order they were written.
    pub facts: Vec<Fact>,
}

/// Why bytes are not a part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// Over the size limit.
    #[error("the part has {0} bytes; at most {MAX_PART_BYTES} are allowed")]
    TooLong(usize),
    /// Not the protocol buffer.
    #[error("not a body part: {0}")]
    Malformed(String),
    /// From a later version: to be held until this program knows it, not refused (H7).
    #[error("the part has format version {0}; this program knows {VERSION}: update it")]
    UnknownVersion(u32),
    /// A fact in it is none.
    #[error("fact {index} of the part (counting from 0): {source}")]
    Fact {
        /// Which one, from 0.
        index: usize,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The same part has other bytes.
    #[error("the part's encoding is not canonical (unknown fields, or fields out of order)")]
    NotCanonical,
}

impl PartBody {
    /// The bytes of the part. They may be over the limit: see [`split`].
    pub fn encode(&self) -> Vec<u8> {
        encode(self.written_at, self.facts.iter().map(Fact::encode).collect())
    }

    /// Reads the bytes of a part, strictly.
    ///
    /// # Errors
    /// [`PartError`] saying what is wrong; all are deterministic.
    pub fn decode(bytes: &[u8]) -> Result<Self, PartError> {
        if bytes.len() > MAX_PART_BYTES {
            return Err(PartError::TooLong(bytes.len()));
        }
        let part = proto::PartBody::decode(bytes).map_err(|error| PartError::Malformed(error.to_string()))?;
        if part.version != VERSION {
            return Err(PartError::UnknownVersion(part.version));
        }
        let facts =
            part.facts.iter().enumerate().map(|(index, block)| {
                Fact::decode(block).map_err(|source| PartError::Fact { index, source })
            });
        let body = PartBody { written_at: part.written_at, facts: facts.collect::<Result<_, _>>()? };
        if part.encode_to_vec() == bytes { Ok(body) } else { Err(PartError::NotCanonical) }
    }
}

/// When a part was written, by the writer's clock. The facts are not read.
///
/// # Errors
/// [`PartError::Malformed`], [`PartError::UnknownVersion`].
pub fn written_at(bytes: &[u8]) -> Result<i64, PartError> {
    let part = proto::PartBody::decode(bytes).map_err(|error| PartError::Malformed(error.to_string()))?;
    if part.version == VERSION { Ok(part.written_at) } else { Err(PartError::UnknownVersion(part.version)) }
}

fn encode(written_at: i64, facts: Vec<Vec<u8>>) -> Vec<u8> {
    proto::PartBody { version: VERSION, written_at, facts }.encode_to_vec()
}

/// The parts that carry some facts, in their order, each within [`MAX_PART_BYTES`] with room for its seal. No facts:
/// no parts.
///
/// # Panics
/// Never: the longest fact (text, attribute and causes at their limits) fits a part.
pub fn split(written_at: i64, facts: &[Fact]) -> Vec<Vec<u8>> {
    let budget = MAX_PART_BYTES - SEAL_ROOM_BYTES - HEAD_BYTES;
    let (mut parts, mut blocks, mut length) = (Vec::new(), Vec::new(), 0);
    for fact in facts {
        let block = fact.encode();
        let needed = block.len() + FACT_FRAME_BYTES;
        assert!(needed <= budget, "a fact of {} bytes fits a part", block.len());
        if length + needed > budget {
            parts.push(encode(written_at, std::mem::take(&mut blocks)));
            length = 0;
        }
        length += needed;
        blocks.push(block);
    }
    if !blocks.is_empty() {
        parts.push(encode(written_at, blocks));
    }
    parts
}
