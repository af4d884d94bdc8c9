//! The model trait and the registry (H17).
//!
//! A model says what an item's facts mean. It is given the facts that count as a Z-set: told `+1` of a fact that
//! begins to count, `-1` of one that ceases to, and both if what surrounds a fact changed, for a fact is told
//! together with its causes *after splicing* (H16) and its place in the one order (H6). So a state never asks what
//! is withdrawn: it is a function of the multiset it was told of, never of the order of telling. That is the whole
//! contract, and the tests hold every model to it: told and untold again, it must be as if it had never been told.
//!
//! A model whose state has no cheap way back (an ordered fold, a text) may rebuild itself within a step.

use std::collections::BTreeMap;
use std::sync::Arc;

use motet_fact::{Attribute, Cid, Digest, Entity, Value};
use motet_feed::Position;

use crate::{BaseRelation, Change, Facts, ItemId, Object};

/// A fact that begins (`weight` 1) or ceases (-1) to count, as it stands among the others.
#[derive(Clone, Debug)]
pub struct Told<'a> {
    /// The fact's name.
    pub cid: Cid,
    /// What it is about.
    pub entity: &'a Entity,
    /// Which property it states.
    pub attribute: &'a Attribute,
    /// What it states.
    pub value: &'a Value,
    /// The facts that count and that it comes directly after, spliced over withdrawn ones; ascending.
    pub causes: Vec<Cid>,
    /// 1 + the greatest height of the causes it was written with (H18).
    pub height: u64,
    /// The first place at which it is asserted by an entry that counts (H14).
    pub place: Position,
    /// 1 or -1.
    pub weight: i64,
}

/// A kind of item.
pub trait Model: Send + Sync {
    /// The name that genesis entries call it by.
    fn name(&self) -> &str;

    /// The version of its rules. States of two versions are not the same state.
    fn version(&self) -> u32;

    /// The state of an item that no fact is known of; nothing if the model derives nothing from facts, ever.
    fn begin(&self, item: ItemId) -> Option<Box<dyn State>>;

    /// The state that [`State::snapshot`] wrote.
    ///
    /// # Errors
    /// [`SnapshotError`] if the bytes are not such a state; the item is then folded from its facts.
    fn restore(&self, item: ItemId, snapshot: &[u8]) -> Result<Box<dyn State>, SnapshotError>;

    /// Whether rows of this attribute are published to every view; the others (a text's body) are kept for those who
    /// ask.
    fn publishes(&self, _attribute: &Attribute) -> bool {
        true
    }
}

/// What a model makes of one item's facts: a function of the facts it was told of, and not of the order of telling.
pub trait State: Send {
    /// Takes in a batch, and gives back what changes in the relations of models (`attr`, `candidate`). The changes of
    /// one step need not be net; they must add up.
    fn step(&mut self, batch: &[Told<'_>]) -> Vec<Change>;

    /// Every row it contributes: the sum of all changes so far.
    fn rows(&self, visit: &mut dyn FnMut(BaseRelation, Vec<Value>));

    /// The hash of the canonical state (H21). States told of the same facts have the same, and it costs no more than
    /// the last change did.
    fn digest(&self) -> Digest;

    /// The state's bytes, canonical.
    fn snapshot(&self) -> Vec<u8>;

    /// The names of the candidates of a register, ascending: what a new fact of it must cite.
    fn heads(&self, _entity: &Entity, _attribute: &Attribute) -> Vec<Cid> {
        Vec::new()
    }

    /// The candidates of a register, ascending by (height, CID): the last is the winner.
    fn candidates(&self, _entity: &Entity, _attribute: &Attribute) -> Vec<(Cid, Value)> {
        Vec::new()
    }

    /// The registers of an entity that have a winner, and the winners.
    fn attributes(&self, _entity: &Entity) -> BTreeMap<Attribute, Value> {
        BTreeMap::new()
    }

    /// Whether an epoch may drop the fact because nothing that can still come will need it (H22). If in doubt, no.
    fn may_drop(&self, _fact: &Cid) -> bool {
        false
    }
}

/// Why bytes are not a state's snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The model keeps no state.
    #[error("the model {0} keeps no state")]
    Stateless(String),
    /// Not what the model writes.
    #[error("not a snapshot of the model {model}: {what}; fold the item from its facts")]
    Malformed {
        /// The model.
        model: String,
        /// What is wrong.
        what: String,
    },
}

/// The models a replica knows, by name. Cheap to clone.
#[derive(Clone, Default)]
pub struct Registry(Arc<BTreeMap<String, Arc<dyn Model>>>);

impl Registry {
    /// Knows no model.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Knows the models of this crate: Object and Facts.
    pub fn builtin() -> Self {
        Self::default().with(Object).with(Facts)
    }

    /// The same and one more model, in place of the one of its name.
    #[must_use]
    pub fn with(self, model: impl Model + 'static) -> Self {
        let mut models = (*self.0).clone();
        models.insert(model.name().to_owned(), Arc::new(model));
        Registry(Arc::new(models))
    }

    /// The model of a name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Model>> {
        self.0.get(name)
    }

    /// The names it knows, ascending.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
