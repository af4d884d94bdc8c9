//! What replicas agree on: items, the facts about them that count, and what their models make of those.
//!
//! An *item* is an entity with a model (H15). Entries assert facts about it, in parts of their bodies; which of the
//! assertions stand is a function of the set of entries alone, and which of those count is for the control entries to
//! say (H9). An [`Item`] folds the assertions it is given into the rows of the base relations (Q5), incrementally and
//! both ways: what stops counting is withdrawn again, with everything that hung on it. A [`Model`] gives facts their
//! meaning; a [`Registry`] knows the models, and an item whose model it doesn't know keeps its facts until it does.
//!
//! This crate does no input or output and has no clock: which entries there are, whether they count and what lies in
//! whose past are arguments. It knows one item at a time: cycles of parents are the facade's business.
//!
//! | module | noun |
//! |---|---|
//! | [`id`] | the name of an item, and who may bring it into being |
//! | [`label`] | the attributes that Motet itself reads |
//! | [`part`] | a body part: its bytes, and splitting a transaction into parts |
//! | [`relation`] | the base relations an item contributes to, and changes of them |
//! | [`model`] | the model trait and the registry |
//! | [`register`] | multi-value registers with a deterministic winner |
//! | [`object`] | the Object and Facts models |
//! | [`item`] | one item, folded |

pub mod id;
pub mod item;
pub mod label;
mod ledger;
pub mod model;
pub mod object;
pub mod part;
pub mod register;
pub mod relation;
mod tally;

mod proto {
    #![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
    include!(concat!(env!("OUT_DIR"), "/motet.item.rs"));
}

pub use id::{ItemId, NONCE_BYTES};
pub use item::{Genesis, Item};
pub use ledger::{Assertion, Past, Void};
pub use model::{Model, Registry, SnapshotError, State, Told};
pub use object::{Facts, Object};
pub use part::{PartBody, PartError, split};
pub use register::Registers;
pub use relation::{BaseRelation, Change, consolidate};
