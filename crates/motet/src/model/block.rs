//! The block of a model: its program, the version of its language, and its limits.

use motet_fact::{Cid, Codec, MAX_TEXT_BYTES};
use motet_logic::model::Lift;
use motet_logic::{Diagnostics, Source, compile_model};
use prost::Message as _;

use crate::proto::model as proto;

/// The one version of the language that programs may be in.
pub const LANGUAGE: u32 = 1;
/// The most bytes of a block.
pub const MAX_BLOCK_BYTES: usize = 64 * 1024;
/// What the names of such models begin with in a genesis; the CID of the block follows.
pub const PREFIX: &str = "rules/";

/// The most that limits may allow.
const MOST: ModelLimits = ModelLimits { rows: 100_000, value_bytes: MAX_TEXT_BYTES };

/// What an item of a model may come to. They are part of the model: it is the same item that is over them everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelLimits {
    /// The most rows that the relations of one stratum have for one item, all together; 1 to 100,000.
    pub rows: usize,
    /// The most bytes of a text or of bytes in one of these rows; 1 to 65,536.
    pub value_bytes: usize,
}

impl Default for ModelLimits {
    /// Ten thousand rows, and as long values as a fact may have.
    fn default() -> Self {
        ModelLimits { rows: 10_000, value_bytes: MAX_TEXT_BYTES }
    }
}

/// A model that is data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelBlock {
    /// PomoLogic.
    pub program: String,
    /// What an item of it may come to.
    pub limits: ModelLimits,
}

/// Why bytes are not the block of a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Over the size limit.
    #[error("the block of a model has {0} bytes; at most {MAX_BLOCK_BYTES} are allowed")]
    TooLong(usize),
    /// Not the protocol buffer, or not in its one form.
    #[error("not the block of a model: {0}")]
    Malformed(String),
    /// In a language of later programs.
    #[error("the model is in version {0} of the language, and this program knows {LANGUAGE}: update it")]
    UnknownLanguage(u32),
    /// Limits that are none.
    #[error("a model allows 1 to {most} {what}, and this one allows {got}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many.
        got: u64,
        /// The most.
        most: usize,
    },
}

impl ModelBlock {
    /// A model with the usual limits.
    pub fn new(program: impl Into<String>) -> Self {
        ModelBlock { program: program.into(), limits: ModelLimits::default() }
    }

    /// The bytes of the block.
    pub fn encode(&self) -> Vec<u8> {
        let ModelLimits { rows, value_bytes } = self.limits;
        let block = proto::Block {
            language: LANGUAGE,
            program: self.program.clone(),
            rows: rows.try_into().unwrap_or(u64::MAX),
            value_bytes: value_bytes.try_into().unwrap_or(u64::MAX),
        };
        block.encode_to_vec()
    }

    /// Reads the bytes of a block, strictly.
    ///
    /// # Errors
    /// [`BlockError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BlockError> {
        if bytes.len() > MAX_BLOCK_BYTES {
            return Err(BlockError::TooLong(bytes.len()));
        }
        let block = proto::Block::decode(bytes).map_err(|error| BlockError::Malformed(error.to_string()))?;
        if block.language != LANGUAGE {
            return Err(BlockError::UnknownLanguage(block.language));
        }
        if block.encode_to_vec() != bytes {
            return Err(BlockError::Malformed("its encoding is not canonical".to_owned()));
        }
        let limits = ModelLimits {
            rows: within("rows", block.rows, MOST.rows)?,
            value_bytes: within("bytes of a value", block.value_bytes, MOST.value_bytes)?,
        };
        Ok(ModelBlock { program: block.program, limits })
    }

    /// The name of the block.
    pub fn cid(&self) -> Cid {
        Cid::of(Codec::Raw, &self.encode())
    }

    /// The model as a registry takes it, with a circuit of its own, and this much for each change of an item. A party
    /// does that by itself for the blocks that it has.
    pub fn model(&self, budget: motet_algebra::Budget) -> impl motet_item::Model + Clone + use<> {
        let bytes = self.encode();
        super::rules::Rules::new(&self.cid(), bytes, std::sync::Arc::new(std::sync::Mutex::new(budget)))
    }

    /// The program, compiled for all items at once.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn compile(&self) -> Result<Lift, Diagnostics> {
        compile_model(&self.source(), self.limits.value_bytes)
    }

    fn source(&self) -> Source {
        Source::new("model", self.program.as_str())
    }
}

fn within(what: &'static str, got: u64, most: usize) -> Result<usize, BlockError> {
    let fits = usize::try_from(got).ok().filter(|got| (1..=most).contains(got));
    fits.ok_or(BlockError::Limit { what, got, most })
}

/// What a genesis calls the model of a block.
pub(crate) fn model_name(block: &Cid) -> String {
    format!("{PREFIX}{block}")
}

/// The block of the model that a genesis names, if it is such a model.
pub(crate) fn block_of(model: &str) -> Option<Cid> {
    let cid: Cid = model.strip_prefix(PREFIX)?.parse().ok()?;
    (model_name(&cid) == model).then_some(cid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_reads_back_and_its_name_is_its_bytes() {
        let block = ModelBlock::new("output n. n(of: N) :- N := count : fact().");
        let bytes = block.encode();
        assert_eq!(ModelBlock::decode(&bytes), Ok(block.clone()));
        assert!(block.cid().names(&bytes));
        assert_eq!(block_of(&model_name(&block.cid())), Some(block.cid()));
        assert_eq!(block_of("rules/x"), None);
        let other = ModelBlock { limits: ModelLimits { rows: 9, ..block.limits }, ..block.clone() };
        assert_ne!(other.cid(), block.cid(), "limits are part of the model");
    }

    #[test]
    fn other_bytes_are_no_block() {
        let with = |change: fn(&mut proto::Block)| {
            let mut block = proto::Block {
                language: LANGUAGE,
                program: "output n. n() :- fact().".to_owned(),
                rows: 1,
                value_bytes: 1,
            };
            change(&mut block);
            ModelBlock::decode(&block.encode_to_vec())
        };
        assert!(with(|_| {}).is_ok());
        assert_eq!(with(|block| block.language = 2), Err(BlockError::UnknownLanguage(2)));
        assert!(matches!(with(|block| block.rows = 0), Err(BlockError::Limit { what: "rows", .. })));
        assert!(matches!(with(|block| block.value_bytes = 1 << 40), Err(BlockError::Limit { .. })));
        assert!(matches!(with(|block| block.program = "x".repeat(70_000)), Err(BlockError::TooLong(_))));
        let mut bytes = ModelBlock::new("").encode();
        bytes.extend([0x28, 1]);
        assert!(matches!(ModelBlock::decode(&bytes), Err(BlockError::Malformed(_))), "an unknown field");
        assert!(matches!(ModelBlock::decode(b"\xff\xff"), Err(BlockError::Malformed(_))));
    }
}
