//! The model trait and the registry (H17).
//!
//! A model says what an item's facts mean. It is given the facts that count as a Z-set: told `+1` of a fact that
//! begins to count, `-1` of one that ceases to, and both if what surrounds a fact changed, for a fact is told
//! together with its causes *after splicing* (H16) and its place in the one order (H6). So a state never asks what
//! is withdrawn: it is a function of the multiset it was told of, never of the order of telling. That is the whole
//! contract, and the tests hold every model to it: told and untold again, it must be as if it had never been told.
//!
//! A model whose state has no cheap way back may rebuild itself within a step: [`crate::fold`] makes a state of any
//! fold in that way. One whose facts hold on to each other (a text) may ask to keep those that are withdrawn, as
//! structure ([`Model::keeps_withdrawn`]).

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use motet_fact::{Attribute, Cid, Digest, Entity, Fact, FactError, Value};

use crate::{BaseRelation, Change, Facts, ItemId, List, Log, Object, ObjectState, Place, Text};

/// A fact that begins (`weight` 1) or ceases (-1) to count, as it stands among the others; or, for models that keep
/// what is withdrawn, one that is there and does not count (0).
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
    /// The causes it was written with, ascending; only if the model keeps withdrawn facts of its attribute.
    pub written: Vec<Cid>,
    /// 1 + the greatest height of the causes it was written with (H18).
    pub height: u64,
    /// The first place at which it is stated by an entry that counts (H14); with weight 0, by any.
    pub place: Place,
    /// 1, -1 or 0.
    pub weight: i64,
}

/// A kind of item.
pub trait Model: Send + Sync {
    /// The name that genesis entries call it by.
    fn name(&self) -> &str;

    /// The version of its rules. States of two versions are not the same state.
    fn version(&self) -> u32;

    /// Whether it gives items of this version their meaning, too: the declared migration. Facts are never rewritten, so
    /// a model that understands what an older one said needs no more than to say so. Of a version that no model here
    /// reads, an item keeps its facts and waits, or goes on as another item under another model.
    fn reads(&self, version: u32) -> bool {
        version == self.version()
    }

    /// The state of an item that no fact is known of; nothing if the model derives nothing from facts, ever.
    fn begin(&self, item: ItemId) -> Option<Box<dyn State>>;

    /// The state that [`State::snapshot`] wrote.
    ///
    /// # Errors
    /// [`SnapshotError`] if the bytes are not such a state; the item is then folded from its facts.
    fn restore(&self, item: ItemId, snapshot: &[u8]) -> Result<Box<dyn State>, SnapshotError>;

    /// Whether rows of this attribute are published to every view; the others (a text's body) only to those who
    /// ask ([`State::ask`]).
    fn publishes(&self, _attribute: &Attribute) -> bool {
        true
    }

    /// Whether facts of this attribute stay as structure when they are withdrawn (H16). Then the state is told of each
    /// one that is valid, whether it counts or not (with weight 0 at first, if not), those that it cites before it.
    fn keeps_withdrawn(&self, _attribute: &Attribute) -> bool {
        false
    }

    /// Whether facts about the item's own entity are properties such as an Object has (a title, say), which the item
    /// keeps beside the model's state; the model is then told the other facts only, and those that it keeps when they
    /// are withdrawn.
    fn has_properties(&self) -> bool {
        false
    }

    /// Whether each row of its states begins with the item's own id, or with an entity that a fact of the item is
    /// about. So the rows about an entity are found without a look at every item; those of a model that does not
    /// promise it are looked for in all its items.
    fn rows_are_of_its_entities(&self) -> bool {
        false
    }
}

/// What a model makes of one item's facts: a function of the facts it was told of, and not of the order of telling.
pub trait State: Send + Any {
    /// Takes in a batch, and gives back what changes in the relations of models (`attr`, `candidate`, `element`,
    /// `refers`). The changes of one step need not be net; they must add up.
    fn step(&mut self, batch: &[Told<'_>]) -> Vec<Change>;

    /// Every row it contributes: the sum of all changes so far, and of what was asked for.
    fn rows(&self, visit: &mut dyn FnMut(BaseRelation, Vec<Value>));

    /// The hash of the canonical state (H21). States told of the same facts have the same, and it costs no more than
    /// the last change did.
    fn digest(&self) -> Digest;

    /// Whether there is a state: computing one may be given up here for what it costs (H20). Then there are no rows,
    /// and the hash of the item is that of one whose model is not known.
    fn is_computed(&self) -> bool {
        true
    }

    /// The state's bytes, canonical.
    fn snapshot(&self) -> Vec<u8>;

    /// The state itself, for those who know its type and read more of it than rows.
    fn as_any(&self) -> &dyn Any;

    /// From now on somebody wants the rows of an attribute that the model does not publish: gives those there are.
    /// Until then they need not be made.
    fn ask(&mut self, attribute: &Attribute) -> Vec<Change> {
        let mut changes = Vec::new();
        self.rows(&mut |relation, row| {
            if relation.attribute_in(&row) == Some(attribute.value()) {
                changes.push(Change::new(relation, row, 1));
            }
        });
        changes
    }

    /// Its facts read as those of properties, for writers who set, add, count and remove: so they know what to cite,
    /// whatever the model makes of it.
    fn properties(&self) -> Option<&ObjectState> {
        None
    }

    /// The names of the heads of a register, the winner first: what a new fact of it must cite.
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

    /// New facts that take back what some facts said, those that count and as far as it still stands. `fresh` gives
    /// entities that nobody has used (H14). Nothing if this model's facts can't be taken back.
    fn undo(
        &self,
        _said: &[Cid],
        _fresh: &mut dyn FnMut() -> Entity,
    ) -> Option<Result<Vec<Fact>, FactError>> {
        None
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

/// The models a replica knows, by name and version. Cheap to clone.
#[derive(Clone, Default)]
pub struct Registry(Arc<BTreeMap<String, Versions>>);

/// The models of one name.
type Versions = BTreeMap<u32, Arc<dyn Model>>;

impl Registry {
    /// Knows no model.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Knows the models of this crate.
    pub fn builtin() -> Self {
        Self::default().with(Object).with(Facts).with(Log).with(Text).with(List)
    }

    /// The same and one more model, in place of the one of its name and version.
    #[must_use]
    pub fn with(self, model: impl Model + 'static) -> Self {
        let mut models = (*self.0).clone();
        models.entry(model.name().to_owned()).or_default().insert(model.version(), Arc::new(model));
        Registry(Arc::new(models))
    }

    /// The newest model of a name: the one that new items get.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Model>> {
        self.0.get(name)?.values().next_back()
    }

    /// The model that gives items of a name and version their meaning: that version, or the oldest later one that
    /// reads it.
    pub fn find(&self, name: &str, version: u32) -> Option<&Arc<dyn Model>> {
        self.0.get(name)?.range(version..).map(|(_, model)| model).find(|model| model.reads(version))
    }

    /// The names it knows, ascending.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The models it knows, by name and version.
    pub fn models(&self) -> impl Iterator<Item = &Arc<dyn Model>> {
        self.0.values().flat_map(BTreeMap::values)
    }
}
