//! The quad: entity, attribute, value, causes.
//!
//! Causes are the facts this one comes directly after (V2-4). They are a set, kept strictly ascending by CID bytes, so
//! that one fact has one encoding. Two people who state the same quad state the *same* fact: there is no author and no
//! clock in it.

use std::fmt;

use crate::codec::{self, DecodeError};
use crate::{Attribute, Cid, Codec, Entity, Value, ValueError};

/// The longest text or bytes of a value or attribute, in bytes.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;
/// The longest encoded fact, in bytes.
pub const MAX_FACT_BYTES: usize = 256 * 1024;
/// The most causes of a fact.
pub const MAX_CAUSES: usize = 1024;

/// Why something is not a fact.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FactError {
    /// One of its parts is not a value.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// A text or byte string over the limit.
    #[error("the {part} has {length} bytes; at most {MAX_TEXT_BYTES} are allowed")]
    LongValue {
        /// `value` or `attribute`.
        part: &'static str,
        /// Its length in bytes.
        length: usize,
    },
    /// Too many causes.
    #[error("{0} causes; at most {MAX_CAUSES} are allowed: cite only direct ones")]
    ManyCauses(usize),
    /// A cause that can't be a fact.
    #[error("the cause {0} is not the CID of a fact (dag-cbor)")]
    CauseNotAFact(Cid),
}

/// One fact. Ordered by entity, attribute, value, causes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fact {
    entity: Entity,
    attribute: Attribute,
    value: Value,
    causes: Vec<Cid>,
}

impl Fact {
    /// Makes a fact; causes may come in any order and more than once.
    ///
    /// # Errors
    /// [`FactError`] if a part is over its limit.
    pub fn new(
        entity: Entity,
        attribute: Attribute,
        value: impl Into<Value>,
        mut causes: Vec<Cid>,
    ) -> Result<Self, FactError> {
        causes.sort_unstable();
        causes.dedup();
        let fact = Fact { entity, attribute, value: value.into(), causes };
        fact.check_limits()?;
        Ok(fact)
    }

    fn check_limits(&self) -> Result<(), FactError> {
        for (part, value) in [("attribute", self.attribute.value()), ("value", &self.value)] {
            let length = match value {
                Value::Text(text) => text.len(),
                Value::Bytes(bytes) => bytes.len(),
                _ => 0,
            };
            if length > MAX_TEXT_BYTES {
                return Err(FactError::LongValue { part, length });
            }
        }
        if self.causes.len() > MAX_CAUSES {
            return Err(FactError::ManyCauses(self.causes.len()));
        }
        match self.causes.iter().find(|cause| cause.codec() != Codec::DagCbor) {
            Some(cause) => Err(FactError::CauseNotAFact(*cause)),
            None => Ok(()),
        }
    }

    /// What the fact is about.
    pub fn entity(&self) -> &Entity {
        &self.entity
    }

    /// Which property it states.
    pub fn attribute(&self) -> &Attribute {
        &self.attribute
    }

    /// What it states.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The facts it comes directly after, strictly ascending.
    pub fn causes(&self) -> &[Cid] {
        &self.causes
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The content id: the hash of the canonical bytes.
    pub fn cid(&self) -> Cid {
        Cid::of(Codec::DagCbor, &self.encode())
    }

    /// Reads canonical bytes; anything else is refused, never repaired.
    ///
    /// # Errors
    /// [`DecodeError`] saying what is not canonical.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes)
    }
}

/// `[0x736b79 "colour" "blue"]`, with ` after N` if there are causes.
impl fmt::Debug for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} {} {}", self.entity, self.attribute, self.value)?;
        if !self.causes.is_empty() {
            write!(f, " after {}", self.causes.len())?;
        }
        f.write_str("]")
    }
}
