//! One item, folded.
//!
//! An [`Item`] is given assertions in a causal order, and told when entries begin or cease to count. Each call gives
//! back what changes in the base relations, net; the cost follows what the call touches, not what the item holds. The
//! steps of every call:
//!
//! 1. The ledger takes in what is new, and settles: which facts stand otherwise than before.
//! 2. Those are told to the system registers (attributes under `motet/`) or to the model.
//! 3. The genesis may be another one than before, and so the model: then all its rows are withdrawn, and the new model
//!    is told everything that counts.
//! 4. The row of `item` follows from the genesis and the system registers.
//!
//! An item without a genesis that counts is not there: its facts are, but they mean nothing. The root item of a party
//! needs none: it is always an Object of the type `motet/party`, has no parent and cannot be deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use motet_fact::{Attribute, Cid, Digest, Entity, Fact, FactError, MAX_CAUSES, PublicKey, Value};
use motet_feed::Position;

use crate::ledger::{Ledger, Settled, Standing, Touched, Turn};
use crate::{
    Assertion, BaseRelation, Change, ItemId, Model, NONCE_BYTES, Object, Past, Registers, Registry, State,
    Told, Void, consolidate, label,
};

/// The facts that bring an item into being: what its first part begins with (H15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// The nonce that the item's id was derived with.
    pub nonce: [u8; NONCE_BYTES],
    /// The name of its model.
    pub model: String,
    /// Its type, if it has one.
    pub kind: Option<String>,
    /// Its parent, if it has one.
    pub parent: Option<ItemId>,
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
        let system = [
            Some((label::GENESIS, nonce)),
            Some((label::MODEL, self.model.as_str().into())),
            self.kind.as_deref().map(|kind| (label::TYPE, kind.into())),
            self.parent.map(|parent| (label::PARENT, parent.into())),
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
    /// Entries that carry a genesis of this item, whether they count or not.
    geneses: BTreeMap<Position, u32>,
    /// The facts under [`label::MODEL`] about the item, by entry.
    models: BTreeMap<u32, BTreeSet<u32>>,
    /// The name of the model, while the item exists.
    model: Option<Arc<str>>,
    running: Option<Running>,
    row: Option<Vec<Value>>,
}

/// A model that is known, at work.
struct Running {
    model: Arc<dyn Model>,
    state: Option<Box<dyn State>>,
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
            geneses: BTreeMap::new(),
            models: BTreeMap::new(),
            model: None,
            running: None,
            row: None,
        };
        item.advance(Touched::default());
        item
    }

    /// The item's id.
    pub fn id(&self) -> ItemId {
        self.id
    }

    /// Takes in the assertions of linked entries, in a causal order: those of an entry's past were given before, and
    /// an entry's own come in the order of its parts. An assertion also says whether its entry counts now. Giving an
    /// assertion again changes nothing. Returns the net changes.
    pub fn assert(&mut self, batch: &[Assertion<'_>], past: &dyn Past) -> Vec<Change> {
        let mut touched = Touched::default();
        for assertion in batch {
            if let Some((node, entry)) = self.ledger.assert(assertion, past, &mut touched) {
                self.note_genesis(assertion, node, entry);
            }
        }
        self.advance(touched)
    }

    /// Entries begin (`true`) or cease (`false`) to count. Entries that say nothing about the item are passed over.
    /// Returns the net changes.
    pub fn recount(&mut self, entries: &BTreeMap<Cid, bool>) -> Vec<Change> {
        let mut touched = Touched::default();
        for (entry, &counted) in entries {
            self.ledger.recount(entry, counted, &mut touched);
        }
        self.advance(touched)
    }

    /// Takes another registry: an item whose model was not known, or was known in another version, comes alive.
    /// Returns the net changes.
    pub fn revive(&mut self, registry: &Registry) -> Vec<Change> {
        self.registry = registry.clone();
        self.advance(Touched::default())
    }

    // The steps.

    fn note_genesis(&mut self, assertion: &Assertion<'_>, node: u32, entry: u32) {
        let Assertion { fact, entry: position, .. } = *assertion;
        if fact.entity().as_bytes() != self.id.0 {
            return;
        }
        match fact.attribute().as_text() {
            Some(label::GENESIS) if self.is_genesis(fact, &position.feed) => {
                self.geneses.insert(position, entry);
            }
            Some(label::MODEL) => {
                self.models.entry(entry).or_default().insert(node);
            }
            _ => {}
        }
    }

    fn is_genesis(&self, fact: &Fact, feed: &PublicKey) -> bool {
        let nonce = fact.value().as_bytes().and_then(|bytes| <[u8; NONCE_BYTES]>::try_from(bytes).ok());
        nonce.is_some_and(|nonce| ItemId::derive(&self.party, feed, &nonce) == self.id)
    }

    fn advance(&mut self, touched: Touched) -> Vec<Change> {
        let settled = self.ledger.settle(touched);
        let mut changes = base_changes(&self.ledger, &settled);
        let (system, other) = tell(&self.ledger, &settled.turns, self.state().is_some());
        self.system.step(&system); // its rows are nobody's: `item` says what they come to
        let model = self.choose_model();
        if self.is_running(model.as_deref()) {
            let changed = self.running.as_mut().map(|running| running.step(&other));
            changes.extend(changed.unwrap_or_default());
        } else {
            changes.extend(self.change_model(model.as_deref()));
        }
        self.model = model;
        changes.extend(self.change_row());
        changes
    }

    /// The name of the model that the genesis names, while one counts: `""` if it names none.
    fn choose_model(&self) -> Option<Arc<str>> {
        if self.is_root() {
            return Some(Object::NAME.into());
        }
        let genesis = self.genesis()?;
        let named = self.models.get(&genesis).into_iter().flatten().copied();
        let winner = named.max_by_key(|&node| (self.ledger.height(node), self.ledger.cid(node)));
        Some(winner.and_then(|node| self.ledger.value(node).as_text()).unwrap_or_default().into())
    }

    fn genesis(&self) -> Option<u32> {
        self.geneses.values().copied().find(|&entry| self.ledger.entry_counts(entry))
    }

    /// Whether what runs is what should run under this name.
    fn is_running(&self, name: Option<&str>) -> bool {
        let identity = |model: &Arc<dyn Model>| (model.name().to_owned(), model.version());
        let wanted = name.and_then(|name| self.registry.get(name)).map(identity);
        self.running.as_ref().map(|running| identity(&running.model)) == wanted
    }

    /// Withdraws what the old model published, and tells the new one everything that counts.
    fn change_model(&mut self, name: Option<&str>) -> Vec<Change> {
        let mut changes = Vec::new();
        if let Some(old) = self.running.take() {
            old.rows(&mut |relation, row| changes.push(Change::new(relation, row, -1)));
        }
        if let Some(model) = name.and_then(|name| self.registry.get(name)) {
            let mut new = Running { state: model.begin(self.id), model: Arc::clone(model) };
            if new.state.is_some() {
                changes.extend(new.step(&tell_all(&self.ledger)));
            }
            self.running = Some(new);
        }
        consolidate(changes)
    }

    fn change_row(&mut self) -> Vec<Change> {
        let row = self.model.as_ref().map(|model| self.item_row(model));
        if row == self.row {
            return Vec::new();
        }
        let before = std::mem::replace(&mut self.row, row);
        let change =
            |row: Option<Vec<Value>>, weight| row.map(|row| Change::new(BaseRelation::Item, row, weight));
        change(before, -1).into_iter().chain(change(self.row.clone(), 1)).collect()
    }

    fn item_row(&self, model: &str) -> Vec<Value> {
        let parent = self.parent().map_or_else(|| Value::bytes([].as_slice()), Value::from);
        let kind = self.kind().unwrap_or_default();
        vec![self.id.into(), model.into(), kind.as_ref().into(), parent, self.is_deleted().into()]
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
        let model = self.model.as_deref().unwrap_or_default().as_bytes();
        let (version, state) = match &self.running {
            None => (Vec::new(), Vec::new()),
            Some(running) => {
                let digest = running.state.as_ref().map(|state| state.digest().0.to_vec());
                (running.model.version().to_le_bytes().to_vec(), digest.unwrap_or_default())
            }
        };
        Digest::derive("motet item state v1", &[&self.id.0, &facts.0, model, &version, &state])
    }

    /// The name of its model: nothing while the item has no genesis that counts; `""` if that names none.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
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
        self.system_winner(label::TYPE)?.as_text().map(Arc::from)
    }

    /// Its parent, if it has one. Whether that exists, and whether the parents run in a cycle, is for the facade.
    pub fn parent(&self) -> Option<ItemId> {
        if self.is_root() {
            return None;
        }
        self.system_winner(label::PARENT).as_ref().and_then(ItemId::from_value)
    }

    /// Whether it is deleted.
    pub fn is_deleted(&self) -> bool {
        !self.is_root() && self.system_winner(label::DELETED) == Some(Value::Bool(true))
    }

    /// The attributes of one of its entities, winners only; of all entities: [`Item::rows`].
    pub fn attributes(&self, entity: &Entity) -> BTreeMap<Attribute, Value> {
        self.state().map(|state| state.attributes(entity)).unwrap_or_default()
    }

    /// The candidates of a register, ascending by (height, CID): the last is the winner. System attributes too.
    pub fn candidates(&self, entity: &Entity, attribute: &Attribute) -> Vec<(Cid, Value)> {
        if label::is_system(attribute) {
            return self.system.candidates(entity, attribute);
        }
        self.state().map(|state| state.candidates(entity, attribute)).unwrap_or_default()
    }

    /// What a new fact of a register must cite: its candidates, ascending. System attributes too.
    pub fn heads(&self, entity: &Entity, attribute: &Attribute) -> Vec<Cid> {
        if label::is_system(attribute) {
            return self.system.heads(entity, attribute);
        }
        self.state().map(|state| state.heads(entity, attribute)).unwrap_or_default()
    }

    /// The fact that sets a register, citing its candidates: all, or if there are more than a fact may cite, the
    /// first of them by winning order, so that the new one wins.
    ///
    /// # Errors
    /// [`FactError`] if the attribute or the value is too long.
    pub fn set(
        &self,
        entity: &Entity,
        attribute: &Attribute,
        value: impl Into<Value>,
    ) -> Result<Fact, FactError> {
        let winners_first = self.candidates(entity, attribute).into_iter().rev().map(|(cid, _)| cid);
        Fact::new(entity.clone(), attribute.clone(), value, winners_first.take(MAX_CAUSES).collect())
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

    /// The height of a fact that is validly asserted, whether it counts or not (H18).
    pub fn height(&self, fact: &Cid) -> Option<u64> {
        self.ledger.height_of(fact)
    }

    /// The model's state, canonical, if the model is at work and keeps one.
    pub fn snapshot(&self) -> Option<Vec<u8>> {
        self.state().map(State::snapshot)
    }

    fn is_root(&self) -> bool {
        self.id == ItemId::root(&self.party)
    }

    fn system_winner(&self, name: &str) -> Option<Value> {
        self.system.winner(&self.id.entity(), &name.into())
    }

    fn state(&self) -> Option<&dyn State> {
        self.running.as_ref()?.state.as_deref()
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (counted, valid) = self.sizes();
        write!(f, "Item({}, model {:?}, {counted} of {valid} facts)", self.id, self.model)
    }
}

impl Running {
    fn step(&mut self, batch: &[Told<'_>]) -> Vec<Change> {
        let Some(state) = &mut self.state else { return Vec::new() };
        if batch.is_empty() {
            return Vec::new();
        }
        let mut changes = state.step(batch);
        changes.retain(|change| publishes(self.model.as_ref(), &change.row));
        consolidate(changes)
    }

    fn rows(&self, visit: &mut dyn FnMut(BaseRelation, Vec<Value>)) {
        if let Some(state) = &self.state {
            state.rows(&mut |relation, row| {
                if publishes(self.model.as_ref(), &row) {
                    visit(relation, row);
                }
            });
        }
    }
}

/// Models write `attr` and `candidate`, whose second column is the attribute.
fn publishes(model: &dyn Model, row: &[Value]) -> bool {
    Attribute::new(row[1].clone()).is_ok_and(|attribute| model.publishes(&attribute))
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

/// What turns tell the system registers, and what they tell the model if it `listens`.
fn tell<'a>(ledger: &'a Ledger, turns: &[Turn], listens: bool) -> (Vec<Told<'a>>, Vec<Told<'a>>) {
    let heard = turns.iter().filter(|turn| listens || label::is_system(ledger.attribute(turn.node)));
    let told = heard.flat_map(|turn| {
        let before = turn.before.as_ref().map(|standing| told(ledger, turn.node, standing, -1));
        let after = turn.after.as_ref().map(|standing| told(ledger, turn.node, standing, 1));
        before.into_iter().chain(after)
    });
    told.partition(|told| label::is_system(told.attribute))
}

fn tell_all(ledger: &Ledger) -> Vec<Told<'_>> {
    let counted = ledger.counted().filter(|&node| !label::is_system(ledger.attribute(node)));
    counted.filter_map(|node| Some(told(ledger, node, &ledger.standing(node)?, 1))).collect()
}

fn told<'a>(ledger: &'a Ledger, node: u32, standing: &Standing, weight: i64) -> Told<'a> {
    Told {
        cid: ledger.cid(node),
        entity: ledger.entity(node),
        attribute: ledger.attribute(node),
        value: ledger.value(node),
        causes: standing.causes.iter().map(|&cause| ledger.cid(cause)).collect(),
        height: ledger.height(node).into(),
        place: ledger.place(standing),
        weight,
    }
}
