//! What was said about an item, by whom and when; and taking it back.
//!
//! The history of an item is its *revisions*: what each entry said about it, in the one order (H6). Taking the last
//! one back is a new revision, which says so: it restores what the other changed, as far as nobody has changed it
//! since. What was taken back can be said again, and so on, as long as nothing else is said in between. Everybody
//! takes back their own revisions only, whichever of their devices they come from.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Attribute, Cid, Entity, Fact, PublicKey, Value};
use motet_feed::{EntryKind, Position};
use motet_item::{Item, ItemId, PartBody, State as _, label, part};
use motet_store::Store;

use crate::drafts::Fresh;
use crate::state::{self, PartyState};
use crate::tables::{self, ITEM_PARTS};
use crate::{Error, Party, Receipt};

/// What one entry said about an item.
#[derive(Clone, Debug)]
pub struct Revision {
    /// The entry's place in the one order.
    pub entry: Position,
    /// How many entries of its feed stand before it.
    pub seq: u64,
    /// Whose feed it is on, if that is known.
    pub author: Option<PublicKey>,
    /// The author's name.
    pub name: Option<String>,
    /// When it was written by the author's clock, in seconds since 1970. Nothing depends on it.
    pub written_at: i64,
    /// Whether it counts (H9).
    pub counted: bool,
    /// The facts, in the order they were said; where the item was to hang included.
    pub facts: Vec<Fact>,
    /// The entry that it takes back what was said by.
    pub undoes: Option<Cid>,
    /// The entry that took something back which it says again.
    pub redoes: Option<Cid>,
}

/// What was taken back, or said again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undone {
    /// The entry whose saying was taken back.
    pub entry: Cid,
    /// The entry that does so.
    pub receipt: Receipt,
    /// How many facts that took: none, if others have changed everything since.
    pub facts: usize,
}

impl Party {
    /// What was said about an item, in the one order.
    ///
    /// # Errors
    /// [`Error::NoSuchItem`], [`Error::Store`].
    pub fn history(&self, item: ItemId) -> Result<Vec<Revision>, Error> {
        let store = self.database().store();
        self.ask(|state| {
            state.check_item(store, item)?;
            state.history(store, item)
        })
    }

    /// Takes back what this device's owner said last about an item and has not taken back yet. Nothing, if there is no
    /// such thing.
    ///
    /// # Errors
    /// [`Error::CannotUndo`] if the item's model keeps what was said; [`Error::NoSuchItem`]; otherwise as
    /// [`crate::Transaction::commit`].
    pub fn undo(&self, item: ItemId) -> Result<Option<Undone>, Error> {
        self.take_back(item, label::UNDO, |stacks| stacks.said.pop())
    }

    /// Says again what was taken back last, if nothing else was said since.
    ///
    /// # Errors
    /// As [`Party::undo`].
    pub fn redo(&self, item: ItemId) -> Result<Option<Undone>, Error> {
        self.take_back(item, label::REDO, |stacks| stacks.undone.pop())
    }

    fn take_back(
        &self,
        item: ItemId,
        label: &'static str,
        pick: fn(&mut Stacks) -> Option<Cid>,
    ) -> Result<Option<Undone>, Error> {
        let store = self.database().store();
        let (owner, feed) = (self.database().profile().identity, self.data_feed()?);
        let mut fresh = Fresh::new(self.database().world());
        let mut transaction = self.transaction();
        let taken = self.ask(|state| {
            state.check_item(store, item)?;
            let history = state.history(store, item)?;
            let Some(entry) = pick(&mut Stacks::of(&history, &owner)) else { return Ok(None) };
            let said = said_since(&history, &entry, &owner);
            let facts = state.opposite(store, item, &said, &mut || fresh.entity(&feed))?;
            Ok::<_, Error>(Some((entry, facts)))
        })?;
        let Some((entry, facts)) = taken else { return Ok(None) };
        let count = facts.len();
        for (of, fact) in facts {
            transaction.state(of, fact);
        }
        transaction.state(item, Fact::new(item.entity(), label.into(), Value::Link(entry), Vec::new())?);
        let receipt = transaction.commit()?;
        Ok(Some(Undone { entry, receipt, facts: count }))
    }
}

/// What can be taken back, and what can be said again; the last is next.
#[derive(Debug, Default)]
struct Stacks {
    said: Vec<Cid>,
    undone: Vec<Cid>,
}

impl Stacks {
    fn of(history: &[Revision], owner: &PublicKey) -> Self {
        let mut stacks = Stacks::default();
        let own = history.iter().filter(|revision| revision.counted && revision.author == Some(*owner));
        for Revision { entry, undoes, redoes, .. } in own {
            match (undoes, redoes) {
                (Some(undone), _) => {
                    stacks.said.retain(|said| said != undone);
                    stacks.undone.push(entry.id);
                }
                (_, Some(redone)) => {
                    stacks.undone.retain(|undone| undone != redone);
                    stacks.said.push(entry.id);
                }
                (None, None) => {
                    stacks.said.push(entry.id);
                    stacks.undone.clear();
                }
            }
        }
        stacks
    }
}

/// The facts of a revision that is next to be taken back or said again, and what its author has said since of the same
/// registers. All of that has been taken back, or takes back, so it stands for the revision.
fn said_since(history: &[Revision], entry: &Cid, owner: &PublicKey) -> Vec<Cid> {
    let mut since = history.iter().skip_while(|revision| revision.entry.id != *entry);
    let Some(revision) = since.next() else { return Vec::new() };
    let registers: BTreeSet<_> = revision.facts.iter().filter_map(register_of).collect();
    let later = since.filter(|revision| revision.counted && revision.author == Some(*owner));
    let later = later.flat_map(|revision| &revision.facts);
    let later = later.filter(|fact| register_of(fact).is_some_and(|register| registers.contains(&register)));
    revision.facts.iter().chain(later).map(Fact::cid).collect()
}

/// The register that a fact is about, if it is about one.
fn register_of(fact: &Fact) -> Option<(Entity, Attribute)> {
    let attribute = match fact.attribute() {
        removal if removal.as_text() == Some(label::REMOVE) => Attribute::new(fact.value().clone()).ok()?,
        operation if label::is_operation(operation) => return None,
        attribute => attribute.clone(),
    };
    Some((fact.entity().clone(), attribute))
}

impl PartyState {
    fn history(&mut self, store: &dyn Store, item: ItemId) -> Result<Vec<Revision>, Error> {
        let mut said: BTreeMap<Position, (i64, Vec<Fact>)> = BTreeMap::new();
        for (position, cid) in self.parts_of(store, item)? {
            // A part that can't be read says nothing, and is listed in the status.
            if let Ok(body) = PartBody::decode(&state::load_part(store, &cid)?) {
                said.entry(position).or_insert((body.written_at, Vec::new())).1.extend(body.facts);
            }
        }
        for (position, fact) in self.moves_of(store, item)? {
            let (_, facts) = match said.entry(position) {
                Slot::Occupied(revision) => revision.into_mut(),
                Slot::Vacant(place) => place.insert((written_at(self, store, &position)?, Vec::new())),
            };
            facts.push(fact);
        }
        let members = self.authority.members(&self.graph);
        let revise = |(entry, (at, facts))| {
            let revision = self.revision(item, entry, at, facts);
            let name = revision.author.and_then(|author| Some(members.get(&author)?.name.clone()));
            Revision { name, ..revision }
        };
        Ok(said.into_iter().map(revise).collect())
    }

    fn revision(&self, item: ItemId, entry: Position, written_at: i64, facts: Vec<Fact>) -> Revision {
        let names = |name: &str| {
            let fact = facts
                .iter()
                .find(|fact| fact.attribute().as_text() == Some(name) && fact.entity().as_bytes() == item.0);
            fact.and_then(|fact| fact.value().as_link())
        };
        Revision {
            seq: self.graph.seq(&entry.id).unwrap_or_default(),
            name: None,
            author: self.authority.member_of_feed(&entry.feed),
            written_at,
            counted: self.counts(&entry.id),
            undoes: names(label::UNDO),
            redoes: names(label::REDO),
            entry,
            facts,
        }
    }

    /// The moves of an item that count, and where they stand.
    fn moves_of(&mut self, store: &dyn Store, item: ItemId) -> Result<Vec<(Position, Fact)>, Error> {
        self.tree(store)?;
        let tree = self.items.get(&ItemId::tree(&self.party)).expect("the tree is never let go");
        let moves = tree.told().filter(|told| told.entity.as_bytes() == item.0);
        Ok(moves.filter_map(|told| Some((told.place.entry, tree.fact(&told.cid)?))).collect())
    }

    /// What takes back some facts about an item, and what they are to be said of.
    fn opposite(
        &mut self,
        store: &dyn Store,
        item: ItemId,
        said: &[Cid],
        fresh: &mut dyn FnMut() -> Entity,
    ) -> Result<Vec<(ItemId, Fact)>, Error> {
        let tree = ItemId::tree(&self.party);
        let back = self.tree(store)?.undo(said, fresh).expect("moves can be taken back")?;
        let mut facts: Vec<(ItemId, Fact)> = back.into_iter().map(|fact| (tree, fact)).collect();
        let folded: &Item = self.load_item(store, item)?;
        let model = folded.model().unwrap_or_default().to_owned();
        let back = folded.undo(said, fresh);
        let back = back.ok_or(Error::CannotUndo { item: item.to_string(), model })??;
        facts.extend(back.into_iter().map(|fact| (item, fact)));
        Ok(facts)
    }

    /// The parts about an item, causes first.
    pub(crate) fn parts_of(&self, store: &dyn Store, item: ItemId) -> Result<Vec<(Position, Cid)>, Error> {
        let prefix = tables::under_party(&self.party, &item.tag().0);
        let mut parts = Vec::new();
        state::visit_rows(store, ITEM_PARTS, &prefix, |key, cid| {
            let position = tables::position_in_item_part_key(key)
                .ok_or_else(|| Error::unreadable("a row of `item_parts`", "its key has another length"))?;
            let cid = Cid::from_bytes(cid).map_err(|error| Error::unreadable("a CID", error))?;
            // On a shelf lies all that is on disk; a party as it was has some of it.
            if self.shelf.is_some() || self.graph.contains(&position.id) {
                parts.push((position, cid));
            }
            Ok(())
        })?;
        Ok(parts)
    }
}

/// When an entry was written, by its writer's clock: what its first part says; 0 if it has none that can be read.
pub(crate) fn written_at(state: &PartyState, store: &dyn Store, entry: &Position) -> Result<i64, Error> {
    let stored = state::load_entry(store, &state.party, entry)?;
    let Some(first) = stored.header().parts.first() else { return Ok(0) };
    let bytes = state::load_part(store, &first.cid)?;
    Ok(match stored.header().kind {
        EntryKind::Data => part::written_at(&bytes).unwrap_or_default(),
        EntryKind::Control => {
            motet_party::decode_body(&bytes).map(|body| body.written_at).unwrap_or_default()
        }
    })
}
