//! One item, folded.
//!
//! An [`Item`] is given assertions in a causal order, and told when entries begin or cease to count. Each call gives
//! back what changes in the base relations, net; the cost follows what the call touches, not what the item holds. The
//! steps of every call:
//!
//! 1. The ledger takes in what is new, and settles: which facts stand otherwise than before.
//! 2. Those are told to the system registers (attributes under `motet/`), to the model, or to the properties that an
//!    item of some models has beside it.
//! 3. The genesis may be another one than before, and so the model: then all its rows are withdrawn, and the new model
//!    is told everything that counts.
//! 4. The row of `item` follows from the genesis and the system registers.
//!
//! An item without a genesis that counts is not there: its facts are, but they mean nothing. Neither is one that was
//! purged. Two items of a party need no genesis: the root, which is always an Object of the type `motet/party` and
//! cannot be deleted, and the tree, which says where all others hang ([`crate::tree`]) and has no row of `item`.
//!
//! The parent in a row of `item` is not known here but in the tree: it is left empty, and the facade puts it in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use motet_fact::{Attribute, Cid, Digest, Entity, Fact, FactError, PublicKey, SetHash, Value};
use motet_feed::Position;

use crate::ledger::{Ledger, Settled, Standing, Touched, Turn};
use crate::register::Statement;
use crate::running::Running;
use crate::{
    Assertion, BaseRelation, Change, ItemId, Model, NONCE_BYTES, Object, ObjectState, Past, Place, Registers,
    Registry, State, Told, Tree, Void, consolidate, label,
};

/// The facts that bring an item into being: what its first part begins with (H15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// The nonce that the item's id was derived with.
    pub nonce: [u8; NONCE_BYTES],
    /// The name of its model.
    pub model: String,
    /// The version of its model.
    pub version: u32,
    /// Its type, if it has one.
    pub kind: Option<String>,
}

impl Genesis {
    /// The item's id if this feed of this party writes the genesis.
    pub fn id(&self, party: &PublicKey, feed: &PublicKey) -> ItemId {
        ItemId::derive(party, feed, &self.nonce)
    }

    /// The facts to write.
    ///
    /// # Errors
    /// [`FactError`] if the model's name or the type is too long.
    pub fn facts(&self, id: ItemId) -> Result<Vec<Fact>, FactError> {
        let nonce = Value::bytes(self.nonce.as_slice());
        let later = (self.version != 1).then(|| (label::VERSION, i64::from(self.version).into()));
        let system = [
            Some((label::GENESIS, nonce)),
            Some((label::MODEL, self.model.as_str().into())),
            later,
            self.kind.as_deref().map(|kind| (label::TYPE, kind.into())),
        ];
        let fact = |(name, value): (&str, Value)| Fact::new(id.entity(), name.into(), value, Vec::new());
        system.into_iter().flatten().map(fact).collect()
    }
}

/// One item: its assertions, and what they amount to.
pub struct Item {
    party: PublicKey,
    id: ItemId,
    registry: Registry,
    ledger: Ledger,
    system: Registers,
    /// How many facts say that it is gone for good.
    purges: i64,
    /// Entries that carry a genesis of this item, whether they count or not.
    geneses: BTreeMap<Position, u32>,
    /// The facts under [`label::MODEL`] and [`label::VERSION`] about the item, by entry.
    models: BTreeMap<u32, BTreeSet<u32>>,
    /// The name and version of the model, while the item exists.
    model: Option<(Arc<str>, u32)>,
    running: Option<Running>,
    /// The attributes on demand that somebody asked for.
    asked: BTreeSet<Attribute>,
    row: Option<Vec<Value>>,
}

impl Item {
    /// An item that nothing is known of. The root item exists from the start, so its row of `item` is in
    /// [`Item::rows`] at once and in the changes of no call.
    pub fn new(party: PublicKey, id: ItemId, registry: &Registry) -> Self {
        let mut item = Item {
            party,
            id,
            registry: registry.clone(),
            ledger: Ledger::default(),
            system: Registers::default(),
            purges: 0,
            geneses: BTreeMap::new(),
            models: BTreeMap::new(),
            model: None,
            running: None,
            asked: BTreeSet::new(),
            row: None,
        };
        item.advance(Touched::default(), 0);
        item
    }

    /// An item that [`Item::save`] wrote; `None` if the bytes are anything else, and it is to be folded.
    pub fn restore(party: PublicKey, id: ItemId, registry: &Registry, saved: &[u8]) -> Option<Self> {
        let (ledger, touched) = Ledger::restore(saved)?;
        let mut item = Item::new(party, id, registry);
        item.ledger = ledger;
        for (node, entry) in item.ledger.asserting().collect::<Vec<_>>() {
            item.note_genesis(node, entry);
        }
        item.advance(touched, 0);
        Some(item)
    }

    /// What was asserted of it, so that it need not be folded again: for the device that writes it alone (H27).
    pub fn save(&self) -> Vec<u8> {
        self.ledger.save()
    }

    /// Whether an entry said something about it.
    pub fn has_heard(&self, entry: &Cid) -> bool {
        self.ledger.has_heard(entry)
    }

    /// The entries that said something about it, and whether each is taken to count, in order of arrival.
    pub fn heard(&self) -> impl Iterator<Item = (Position, bool)> + '_ {
        self.ledger.heard()
    }

    /// The item's id.
    pub fn id(&self) -> ItemId {
        self.id
    }

    /// Takes in the assertions of linked entries, in a causal order: those of an entry's past were given before, and
    /// an entry's own come in the order of its parts. An assertion also says whether its entry counts now. Giving an
    /// assertion again changes nothing. Returns the net changes.
    pub fn assert(&mut self, batch: &[Assertion<'_>], past: &dyn Past) -> Vec<Change> {
        let (mut touched, known) = (Touched::default(), self.ledger.len());
        for assertion in batch {
            if let Some((node, entry)) = self.ledger.assert(assertion, past, &mut touched) {
                self.note_genesis(node, entry);
            }
        }
        self.advance(touched, known)
    }

    /// Entries begin (`true`) or cease (`false`) to count. Entries that say nothing about the item are passed over.
    /// Returns the net changes.
    pub fn recount(&mut self, entries: &BTreeMap<Cid, bool>) -> Vec<Change> {
        let mut touched = Touched::default();
        for (entry, &counted) in entries {
            self.ledger.recount(entry, counted, &mut touched);
        }
        self.advance(touched, self.ledger.len())
    }

    /// Takes another registry: an item whose model was not known, or was known in another version, comes alive.
    /// Returns the net changes.
    pub fn revive(&mut self, registry: &Registry) -> Vec<Change> {
        self.registry = registry.clone();
        self.advance(Touched::default(), self.ledger.len())
    }

    // The steps.

    fn note_genesis(&mut self, node: u32, entry: u32) {
        if self.ledger.entity(node).as_bytes() != self.id.0 {
            return;
        }
        let position = self.ledger.position(entry);
        match self.ledger.attribute(node).as_text() {
            Some(label::GENESIS) if self.is_genesis(self.ledger.value(node), &position.feed) => {
                self.geneses.insert(position, entry);
            }
            Some(label::MODEL | label::VERSION) => {
                self.models.entry(entry).or_default().insert(node);
            }
            _ => {}
        }
    }

    fn is_genesis(&self, nonce: &Value, feed: &PublicKey) -> bool {
        let nonce = nonce.as_bytes().and_then(|bytes| <[u8; NONCE_BYTES]>::try_from(bytes).ok());
        nonce.is_some_and(|nonce| ItemId::derive(&self.party, feed, &nonce) == self.id)
    }

    /// Facts whose nodes are numbered from `known` on are new.
    fn advance(&mut self, touched: Touched, known: u32) -> Vec<Change> {
        let settled = self.ledger.settle(touched);
        let mut changes = base_changes(&self.ledger, &settled);
        let mut turns = settled.turns;
        turns.extend((known..self.ledger.len()).filter(|&node| !self.ledger.counts(node)).map(Turn::none));
        turns.sort_by_key(|turn| turn.node); // a cause before what cites it
        let listener =
            self.running.as_ref().filter(|running| running.listens()).map(|running| &*running.model);
        let (system, other) = tell(&self.ledger, &turns, listener, self.is_tree());
        // Its rows are nobody's: `item` says what they come to.
        self.system.step(system.iter().map(Statement::of));
        self.purges += purges(self.id, &system);
        let model = self.choose_model();
        if self.is_running(model.as_ref()) {
            let changed = self.running.as_mut().map(|running| running.step(&other));
            changes.extend(changed.unwrap_or_default());
        } else {
            changes.extend(self.change_model(model.as_ref()));
        }
        self.model = model;
        changes.extend(self.change_row());
        changes
    }

    /// The name and version of the model that the genesis names, while one counts: `""` if it names none.
    fn choose_model(&self) -> Option<(Arc<str>, u32)> {
        if self.is_tree() {
            return Some((Tree::NAME.into(), 1));
        }
        if self.is_root() {
            return Some((Object::NAME.into(), 1));
        }
        if self.is_purged() {
            return None;
        }
        let genesis = self.genesis()?;
        let said = |name: &str| {
            let named = self.models.get(&genesis).into_iter().flatten().copied();
            let named = named.filter(|&node| self.ledger.attribute(node).as_text() == Some(name));
            let winner = named.max_by_key(|&node| (self.ledger.height(node), self.ledger.cid(node)))?;
            Some(self.ledger.value(winner))
        };
        let version = said(label::VERSION).map_or(Some(1), |version| u32::try_from(version.as_int()?).ok());
        let model = said(label::MODEL).and_then(Value::as_text).unwrap_or_default();
        Some((model.into(), version.unwrap_or(0)))
    }

    fn genesis(&self) -> Option<u32> {
        self.geneses.values().copied().find(|&entry| self.ledger.entry_counts(entry))
    }

    fn find_model(&self, model: Option<&(Arc<str>, u32)>) -> Option<Arc<dyn Model>> {
        let (name, version) = model?;
        if self.is_tree() {
            Some(Arc::new(Tree::of(self.party)))
        } else {
            self.registry.find(name, *version).cloned()
        }
    }

    /// Whether what runs is what should run.
    fn is_running(&self, model: Option<&(Arc<str>, u32)>) -> bool {
        let identity = |model: &dyn Model| (model.name().to_owned(), model.version());
        let wanted = self.find_model(model).map(|model| identity(&*model));
        self.running.as_ref().map(|running| identity(&*running.model)) == wanted
    }

    /// Withdraws what the old model published, and tells the new one everything that counts.
    fn change_model(&mut self, model: Option<&(Arc<str>, u32)>) -> Vec<Change> {
        let mut changes = Vec::new();
        if let Some(old) = self.running.take() {
            old.rows(&mut |relation, row| changes.push(Change::new(relation, row, -1)));
        }
        if let Some(model) = self.find_model(model) {
            let mut new = Running::begin(model, self.id, &self.asked);
            if new.listens() {
                changes.extend(new.step(&tell_all(&self.ledger, &*new.model, self.is_tree())));
            }
            self.running = Some(new);
        }
        consolidate(changes)
    }

    fn change_row(&mut self) -> Vec<Change> {
        let row = self.make_row();
        if row == self.row {
            return Vec::new();
        }
        let before = std::mem::replace(&mut self.row, row);
        let change =
            |row: Option<Vec<Value>>, weight| row.map(|row| Change::new(BaseRelation::Item, row, weight));
        change(before, -1).into_iter().chain(change(self.row.clone(), 1)).collect()
    }

    fn make_row(&self) -> Option<Vec<Value>> {
        let (model, _) = self.model.as_ref().filter(|_| !self.is_tree())?;
        let (kind, parent) = (self.kind().unwrap_or_default(), Value::bytes([].as_slice()));
        Some(vec![
            self.id.into(),
            model.as_ref().into(),
            kind.as_ref().into(),
            parent,
            self.is_deleted().into(),
        ])
    }

    // Asking.

    /// From now on somebody wants the rows of an attribute that models may not publish: gives those there are.
    pub fn ask(&mut self, attribute: &Attribute) -> Vec<Change> {
        if !self.asked.insert(attribute.clone()) {
            return Vec::new();
        }
        self.running.as_mut().map(|running| running.ask(attribute)).unwrap_or_default()
    }

    // Reading.

    /// Every row it contributes now: the sum of all changes so far.
    pub fn rows(&self, visit: &mut dyn FnMut(BaseRelation, Vec<Value>)) {
        for node in self.ledger.counted() {
            let Some(standing) = self.ledger.standing(node) else { continue };
            visit(BaseRelation::Height, height_row(&self.ledger, node));
            for entry in self.ledger.stating(node) {
                visit(BaseRelation::Fact, fact_row(&self.ledger, node, entry));
                let mut cause =
                    |cause| visit(BaseRelation::Cause, cause_row(&self.ledger, node, cause, entry));
                standing.causes.iter().for_each(|&parent| cause(parent));
            }
        }
        self.running.iter().for_each(|running| running.rows(visit));
        self.row.iter().for_each(|row| visit(BaseRelation::Item, row.clone()));
    }

    /// The hash of the facts that count (H21): the same on every replica that holds the same entries and control
    /// entries, whatever models it knows.
    pub fn facts_hash(&self) -> Digest {
        self.ledger.digest()
    }

    /// The hash of the facts that count and of the model's canonical state (H21): the same on every replica that
    /// holds the same entries and runs the same version of the model. While the model is not known it says so, and
    /// is not to be compared with the hash of a replica that knows it; [`Item::facts_hash`] is.
    pub fn state_hash(&self) -> Digest {
        let facts = self.facts_hash();
        let model = self.model().unwrap_or_default().as_bytes();
        let state = self.running.as_ref().map(Running::digest).unwrap_or_default();
        Digest::derive("motet item state v1", &[&self.id.0, &facts.0, model, &state])
    }

    /// Its row of `item`, with no parent in it, while it exists.
    pub fn row(&self) -> Option<&[Value]> {
        self.row.as_deref()
    }

    /// The name of its model: nothing while the item has no genesis that counts, or is purged; `""` if that names
    /// none.
    pub fn model(&self) -> Option<&str> {
        self.model.as_ref().map(|(name, _)| name.as_ref())
    }

    /// The version of its model that its genesis names.
    pub fn version(&self) -> Option<u32> {
        self.model.as_ref().map(|(_, version)| *version)
    }

    /// Whether its model is known, and at work.
    pub fn is_alive(&self) -> bool {
        self.running.is_some()
    }

    /// Its type, if it has one.
    pub fn kind(&self) -> Option<Arc<str>> {
        if self.is_root() {
            return Some(label::PARTY_TYPE.into());
        }
        self.system_winner(label::TYPE)?.as_text().filter(|kind| !kind.is_empty()).map(Arc::from)
    }

    /// Whether it is deleted.
    pub fn is_deleted(&self) -> bool {
        !self.is_root() && self.system_winner(label::DELETED) == Some(Value::Bool(true))
    }

    /// Whether it is gone for good: its facts mean nothing any more, and an epoch may drop them.
    pub fn is_purged(&self) -> bool {
        self.purges > 0 && !self.is_root()
    }

    /// The item that goes on in its stead, if it was forked.
    pub fn successor(&self) -> Option<ItemId> {
        ItemId::from_value(&self.system_winner(label::SUCCESSOR)?)
    }

    /// The attributes of one of its entities, winners only; of all entities: [`Item::rows`].
    pub fn attributes(&self, entity: &Entity) -> BTreeMap<Attribute, Value> {
        self.state_of(entity).map(|state| state.attributes(entity)).unwrap_or_default()
    }

    /// The candidates of a register, ascending by (height, CID): the last is the winner. System attributes too.
    pub fn candidates(&self, entity: &Entity, attribute: &Attribute) -> Vec<(Cid, Value)> {
        if self.is_system(attribute) {
            return self.system.candidates(&(entity.clone(), attribute.clone()));
        }
        self.state_of(entity).map(|state| state.candidates(entity, attribute)).unwrap_or_default()
    }

    /// The heads of a register, the winner first: what a new fact of it must cite. System attributes too.
    pub fn heads(&self, entity: &Entity, attribute: &Attribute) -> Vec<Cid> {
        if self.is_system(attribute) {
            return self.system.heads(&(entity.clone(), attribute.clone()));
        }
        self.state_of(entity).map(|state| state.heads(entity, attribute)).unwrap_or_default()
    }

    /// Its properties, if its model has such.
    pub fn properties(&self) -> Option<&ObjectState> {
        self.running.as_ref()?.properties()
    }

    /// The model's state, if it is at work and of this type.
    pub fn state<S: State>(&self) -> Option<&S> {
        self.running.as_ref()?.state()?.as_any().downcast_ref()
    }

    /// New facts that take back what some of its facts said, those that count and as far as it still stands; an item
    /// whose making is taken back is deleted. `fresh` gives entities that nobody has used. Nothing if the model's facts
    /// can't be taken back.
    ///
    /// # Errors
    /// [`FactError`] if a fact would be over its limits.
    pub fn undo(
        &self,
        said: &[Cid],
        fresh: &mut dyn FnMut() -> Entity,
    ) -> Option<Result<Vec<Fact>, FactError>> {
        let node = |cid: &Cid| self.ledger.find(cid).filter(|&node| self.ledger.counts(node));
        let said = said.iter().filter_map(|cid| {
            let node = node(cid)?;
            Some((*cid, self.ledger.entity(node), self.ledger.attribute(node)))
        });
        let (system, other): (Vec<_>, Vec<_>) = said.partition(|(.., attribute)| self.is_system(attribute));
        let system: Vec<Cid> = system.into_iter().map(|(cid, ..)| cid).collect();
        let mut facts = match self.undo_system(&system) {
            Ok(facts) => facts,
            Err(error) => return Some(Err(error)),
        };
        if !other.is_empty() {
            match self.running.as_ref()?.undo(&other, fresh)? {
                Ok(undone) => facts.extend(undone),
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(facts))
    }

    fn undo_system(&self, said: &[Cid]) -> Result<Vec<Fact>, FactError> {
        let mut facts = Vec::new();
        for taken in self.system.undo(said) {
            let (entity, attribute) = taken.name;
            let value = match (attribute.as_text(), taken.before.map(|(_, value)| value)) {
                (Some(label::GENESIS), _) => {
                    let causes = self.heads(&entity, &label::DELETED.into());
                    facts.push(Fact::new(entity, label::DELETED.into(), true, causes)?);
                    continue;
                }
                (Some(label::DELETED), before) => before.unwrap_or(false.into()),
                (Some(label::TYPE), before) => before.unwrap_or("".into()),
                _ => continue,
            };
            facts.push(Fact::new(entity, attribute, value, taken.heads)?);
        }
        Ok(facts)
    }

    /// The facts that count, as their model is told of them.
    pub fn told(&self) -> impl Iterator<Item = Told<'_>> {
        let counted = self.ledger.counted();
        let model = self.running.as_ref().map(|running| &*running.model);
        counted.filter_map(move |node| told(&self.ledger, model, node, Some(&self.ledger.standing(node)?), 1))
    }

    /// A fact that is validly asserted, whether it counts or not.
    pub fn fact(&self, cid: &Cid) -> Option<Fact> {
        let node = self.ledger.find(cid)?;
        let (entity, attribute) = (self.ledger.entity(node).clone(), self.ledger.attribute(node).clone());
        let causes = self.ledger.causes_of(node).collect();
        let fact = Fact::new(entity, attribute, self.ledger.value(node).clone(), causes);
        Some(fact.expect("it was a fact when it was taken in"))
    }

    /// Where a fact that counts stands.
    pub fn place(&self, fact: &Cid) -> Option<Place> {
        let node = self.ledger.find(fact)?;
        Some(self.ledger.place(node, Some(&self.ledger.standing(node)?)))
    }

    /// The first entry that asserts a fact validly, whether it counts or not.
    pub fn asserted_by(&self, fact: &Cid) -> Option<Cid> {
        self.ledger.first_to_assert(self.ledger.find(fact)?).map(|position| position.id)
    }

    /// Whether an epoch may drop the fact (H22): because the item is gone for good, or because its model says so.
    pub fn may_drop(&self, fact: &Cid) -> bool {
        let Some(node) = self.ledger.find(fact) else { return false };
        let stays = matches!(self.ledger.attribute(node).as_text(), Some(label::GENESIS | label::PURGED));
        let drops = |running: &Running| running.state().is_some_and(|state| state.may_drop(fact));
        !stays && (self.is_purged() || self.running.as_ref().is_some_and(drops))
    }

    /// The entries that count and state a fact.
    pub fn sources(&self, fact: &Cid) -> Vec<Cid> {
        self.ledger.sources(fact)
    }

    /// The assertions that are void and so count for nothing, by entry, with the cause that is missing (H16).
    pub fn voids(&self) -> impl Iterator<Item = Void> + '_ {
        self.ledger.voids()
    }

    /// How many facts count, and how many are validly asserted.
    pub fn sizes(&self) -> (usize, usize) {
        self.ledger.sizes()
    }

    /// How many facts the last call looked at: what it cost.
    pub fn work(&self) -> usize {
        self.ledger.work()
    }

    /// Whether any fact of it counts.
    pub fn counts_anything(&self) -> bool {
        self.facts_hash() != SetHash::default().digest()
    }

    /// Whether a fact counts (H14): an entry that counts asserts it validly.
    pub fn counts(&self, fact: &Cid) -> bool {
        self.ledger.counts_fact(fact)
    }

    /// The height of a fact that is validly asserted, whether it counts or not (H18).
    pub fn height(&self, fact: &Cid) -> Option<u64> {
        self.ledger.height_of(fact)
    }

    /// The model's state, canonical, if the model is at work and keeps one.
    pub fn snapshot(&self) -> Option<Vec<u8>> {
        self.running.as_ref()?.state().map(State::snapshot)
    }

    fn is_root(&self) -> bool {
        self.id == ItemId::root(&self.party)
    }

    fn is_tree(&self) -> bool {
        self.id == ItemId::tree(&self.party)
    }

    fn is_system(&self, attribute: &Attribute) -> bool {
        !self.is_tree() && label::is_system(attribute)
    }

    fn system_winner(&self, name: &str) -> Option<Value> {
        self.system.winner(&(self.id.entity(), name.into())).map(|(_, value)| value)
    }

    /// What reads facts about an entity.
    fn state_of(&self, entity: &Entity) -> Option<&dyn State> {
        let running = self.running.as_ref()?;
        if *entity == self.id.entity() { running.of_the_item() } else { running.state() }
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (counted, valid) = self.sizes();
        write!(f, "Item({}, model {:?}, {counted} of {valid} facts)", self.id, self.model)
    }
}

/// What changes in `fact`, `height` and `cause`: for a fact that stands otherwise, or is stated by other entries.
fn base_changes(ledger: &Ledger, settled: &Settled) -> Vec<Change> {
    let mut changes = Vec::new();
    for turn in &settled.turns {
        let weight = i64::from(turn.after.is_some()) - i64::from(turn.before.is_some());
        if weight != 0 {
            changes.push(Change::new(BaseRelation::Height, height_row(ledger, turn.node), weight));
        }
    }
    for (&node, entries) in &settled.restated {
        let fact = |(&entry, &now): (&u32, &bool)| {
            let weight = if now { 1 } else { -1 };
            Change::new(BaseRelation::Fact, fact_row(ledger, node, entry), weight)
        };
        changes.extend(entries.iter().map(fact));
    }
    cause_changes(ledger, settled, &mut changes);
    changes
}

/// A row of `cause` is a cause of a fact and an entry that states the fact: either may change.
fn cause_changes(ledger: &Ledger, settled: &Settled, changes: &mut Vec<Change>) {
    let turned: BTreeMap<u32, &Turn> = settled.turns.iter().map(|turn| (turn.node, turn)).collect();
    let nodes: BTreeSet<u32> = turned.keys().chain(settled.restated.keys()).copied().collect();
    for node in nodes {
        let standing = ledger.standing(node);
        let (before, after) = match turned.get(&node) {
            Some(turn) => (turn.before.as_ref(), turn.after.as_ref()),
            None => (standing.as_ref(), standing.as_ref()),
        };
        let now: BTreeSet<u32> = ledger.stating(node).collect();
        let mut then = now.clone();
        for (entry, stated) in settled.restated.get(&node).into_iter().flatten() {
            if *stated {
                then.remove(entry)
            } else {
                then.insert(*entry)
            };
        }
        let pairs = |standing: Option<&Standing>, entries: &BTreeSet<u32>| -> BTreeSet<(u32, u32)> {
            let causes = standing.into_iter().flat_map(|standing| &standing.causes);
            causes.flat_map(|&cause| entries.iter().map(move |&entry| (cause, entry))).collect()
        };
        let (before, after) = (pairs(before, &then), pairs(after, &now));
        let mut change = |&(cause, entry): &(u32, u32), weight| {
            let row = cause_row(ledger, node, cause, entry);
            changes.push(Change::new(BaseRelation::Cause, row, weight));
        };
        before.difference(&after).for_each(|pair| change(pair, -1));
        after.difference(&before).for_each(|pair| change(pair, 1));
    }
}

fn fact_row(ledger: &Ledger, node: u32, entry: u32) -> Vec<Value> {
    let entity = ledger.entity(node).clone();
    let attribute = ledger.attribute(node).clone();
    let source = ledger.position(entry).id.into();
    vec![entity.into(), attribute.into(), ledger.value(node).clone(), ledger.cid(node).into(), source]
}

fn height_row(ledger: &Ledger, node: u32) -> Vec<Value> {
    vec![ledger.cid(node).into(), i64::from(ledger.height(node)).into()]
}

fn cause_row(ledger: &Ledger, node: u32, cause: u32, entry: u32) -> Vec<Value> {
    vec![ledger.cid(node).into(), ledger.cid(cause).into(), ledger.position(entry).id.into()]
}

/// What turns tell the system registers, and what they tell the model that listens. Of the tree nothing is a system
/// fact.
fn tell<'a>(
    ledger: &'a Ledger,
    turns: &[Turn],
    listener: Option<&dyn Model>,
    tree: bool,
) -> (Vec<Told<'a>>, Vec<Told<'a>>) {
    let is_system = |attribute: &Attribute| !tree && label::is_system(attribute);
    let told = turns.iter().flat_map(|turn| {
        let system = is_system(ledger.attribute(turn.node));
        let model = listener.filter(|_| !system);
        let told = |standing, weight| told(ledger, model, turn.node, standing, weight);
        match (&turn.before, &turn.after) {
            _ if listener.is_none() && !system => [None, None],
            (None, None) => [told(None, 0), None],
            (before, after) => [
                before.as_ref().and_then(|standing| told(Some(standing), -1)),
                after.as_ref().and_then(|standing| told(Some(standing), 1)),
            ],
        }
    });
    told.flatten().partition(|told| is_system(told.attribute))
}

fn tell_all<'a>(ledger: &'a Ledger, model: &dyn Model, tree: bool) -> Vec<Told<'a>> {
    let heard = (0..ledger.len()).filter(|&node| tree || !label::is_system(ledger.attribute(node)));
    let told = heard.filter_map(|node| match ledger.standing(node) {
        None => told(ledger, Some(model), node, None, 0),
        standing => told(ledger, Some(model), node, standing.as_ref(), 1),
    });
    told.collect()
}

/// Nothing if the fact does not count and its model keeps nothing that is withdrawn.
fn told<'a>(
    ledger: &'a Ledger,
    model: Option<&dyn Model>,
    node: u32,
    standing: Option<&Standing>,
    weight: i64,
) -> Option<Told<'a>> {
    let keeps = model.is_some_and(|model| model.keeps_withdrawn(ledger.attribute(node)));
    if standing.is_none() && !keeps {
        return None;
    }
    let names = |causes: &[u32]| causes.iter().map(|&cause| ledger.cid(cause)).collect();
    Some(Told {
        cid: ledger.cid(node),
        entity: ledger.entity(node),
        attribute: ledger.attribute(node),
        value: ledger.value(node),
        causes: standing.map(|standing| names(&standing.causes)).unwrap_or_default(),
        written: if keeps { names(ledger.written(node)) } else { Vec::new() },
        height: ledger.height(node).into(),
        place: ledger.place(node, standing),
        weight,
    })
}

/// How many more facts say that the item is gone for good.
fn purges(item: ItemId, system: &[Told<'_>]) -> i64 {
    let says = |told: &&Told<'_>| {
        told.attribute.as_text() == Some(label::PURGED)
            && *told.value == Value::Bool(true)
            && told.entity.as_bytes() == item.0
    };
    system.iter().filter(says).map(|told| told.weight).sum()
}
