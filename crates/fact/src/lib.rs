//! What a thing is: values, facts, content ids, keys; the one canonical encoding.
//!
//! A *fact* is the quad entity, attribute, value, causes (PomoDB core, PDB-30 … PDB-37). Its bytes are a dag-cbor
//! array of four, its name is the CIDv1 of those bytes, and both are the same on every machine: that is all the
//! agreement replicas need to start from. This crate is the ground floor of both staircases, and the only place in
//! Motet that turns things into bytes that are hashed or signed. It does no input or output, reads no clock and draws
//! no randomness: entropy is an argument.
//!
//! | module | noun |
//! |---|---|
//! | [`value`] | a value of one of six kinds, and its total order |
//! | [`mod@cid`] | a content id |
//! | [`mod@fact`] | the quad |
//! | [`codec`] | canonical dag-cbor, and strict decoding |
//! | [`order`] | bytes that sort as the values they stand for do |
//! | [`key`] | Ed25519 keys and domain-separated signatures |
//! | [`hash`] | derived ids, and a hash of a set that is kept while the set changes |
//! | [`seal`] | secrets at rest |
//! | [`phrase`] | the recovery phrase: 24 words that are an identity |
//! | [`pake`] | a long key agreed on with a short code |

pub mod cid;
pub mod codec;
pub mod fact;
pub mod hash;
pub mod key;
pub mod order;
pub mod pake;
pub mod phrase;
pub mod seal;
pub mod value;

pub use cid::{Cid, CidError, Codec};
pub use codec::DecodeError;
pub use fact::{Fact, FactError, MAX_CAUSES, MAX_FACT_BYTES, MAX_TEXT_BYTES};
pub use hash::{Digest, SetHash};
pub use key::{Domain, KeyError, PublicKey, SecretKey, Signature};
pub use phrase::{Phrase, PhraseError, Purpose};
pub use value::{Attribute, Entity, Float, Kind, Value, ValueError};
