//! What replicas agree on: items, the facts about them that count, and what their models make of those.
//!
//! An *item* is an entity with a model (H15). Entries assert facts about it, in parts of their bodies; which of the
//! assertions stand is a function of the set of entries alone, and which of those count is for the control entries to
//! say (H9). An [`Item`] folds the assertions it is given into the rows of the base relations (Q5), incrementally and
//! both ways: what stops counting is withdrawn again, with everything that hung on it. A [`Model`] gives facts their
//! meaning; a [`Registry`] knows the models, and an item whose model it doesn't know keeps its facts until it does.
//!
//! This crate does no input or output and has no clock: which entries there are, whether they count and what lies in
//! whose past are arguments. It knows one item at a time; where each hangs is said in one of them, the tree.
//!
//! | module | noun |
//! |---|---|
//! | [`id`] | the name of an item, and who may bring it into being |
//! | [`label`] | the attributes that Motet itself reads |
//! | [`place`] | where an entry states a fact |
//! | [`part`] | a body part: its bytes, and splitting a transaction into parts |
//! | [`relation`] | the base relations an item contributes to, and changes of them |
//! | [`model`] | the model trait and the registry |
//! | [`fold`] | a model of any fold in order |
//! | [`kept`] | the facts a state was told of, as its snapshot |
//! | [`register`] | multi-value registers with a deterministic winner |
//! | [`path`], [`reference`](mod@reference) | the names of properties, and values that point at items |
//! | [`object`], [`facts`], [`log`] | the models Object, Facts and Log |
//! | [`sequence`] | an order of elements that many writers make at once |
//! | [`text`], [`list`] | the models Text and List |
//! | [`tree`], [`order_key`] | which item hangs under which, and keys that say in what order |
//! | [`draft`] | what a writer says so that a property becomes what it is to be |
//! | [`item`] | one item, folded |

pub mod draft;
pub mod facts;
pub mod fold;
pub mod id;
pub mod item;
pub mod kept;
pub mod label;
mod ledger;
pub mod list;
pub mod log;
pub mod model;
pub mod object;
pub mod order_key;
pub mod part;
pub mod path;
pub mod place;
pub mod reference;
pub mod register;
pub mod relation;
mod running;
pub mod sequence;
mod tally;
pub mod text;
pub mod tree;
mod varint;

mod proto {
    #![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
    include!(concat!(env!("OUT_DIR"), "/motet.item.rs"));
}

pub use draft::Draft;
pub use facts::Facts;
pub use fold::{Fold, Folded, Folding};
pub use id::{ItemId, NONCE_BYTES};
pub use item::{Genesis, Item};
pub use kept::Kept;
pub use ledger::{Assertion, Past, Void};
pub use list::{Element, List, ListEdit, ListState};
pub use log::{Line, Log, LogState};
pub use model::{Model, Registry, SnapshotError, State, Told};
pub use object::property::{Properties, Property};
pub use object::{Object, ObjectState};
pub use part::{PartBody, PartError, split};
pub use path::{Path, PathError};
pub use place::Place;
pub use reference::Reference;
pub use register::Registers;
pub use relation::{BaseRelation, Change, consolidate};
pub use sequence::{EditError, Side};
pub use text::{Anchor, Bias, Text, TextEdit, TextState};
pub use tree::{Seat, Tree, TreeState, move_fact};
