//! What some transactions say, made into facts while they are written one after the other.
//!
//! A new value of a property cites the values it replaces, a move is refused if it would make a cycle, an increment is
//! about an entity of its own, what is inserted into a text hangs at a character. What there is to cite is found when a
//! transaction is written, not when it is made; and of several written at once, a later one stands upon what an earlier
//! one said. Texts and lists of which that is asked are folded a second time, with what was said and is not linked yet.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Attribute, Cid, Codec, Digest, Entity, Fact, PublicKey};
use motet_feed::Position;
use motet_item::{
    Assertion, Draft, Item, ItemId, ListState, Past, TextState, TreeState, label, move_fact, order_key,
};
use motet_store::Store;

use crate::state::PartyState;
use crate::text::{TextChange, edits};
use crate::transaction::{Operation, Stand, Step, Transaction};
use crate::{Error, World};

/// The facts of a transaction, by item, in the order they were stated.
pub(crate) type Bodies = Vec<(ItemId, Vec<Fact>)>;

/// What was said and is not folded yet.
pub(crate) struct Drafts {
    /// The items of which more is said than facts as they are: what is cited there must be kept up.
    written: BTreeSet<ItemId>,
    items: BTreeMap<ItemId, Draft>,
    moves: BTreeMap<ItemId, Moved>,
    /// Texts and lists of which several things are said: as they are after what was said.
    ahead: BTreeMap<ItemId, Item>,
    repeated: BTreeSet<ItemId>,
    fresh: Fresh,
}

/// The past of what is not linked yet: everything.
struct Everything;

impl Past for Everything {
    fn reaches(&self, _descendant: &Cid, _ancestor: &Cid) -> bool {
        true
    }
}

/// Where an item was moved to.
struct Moved {
    parent: ItemId,
    /// Empty: to the end.
    key: Vec<u8>,
    fact: Cid,
}

/// Entities that nobody has used: hashes of the feed, of entropy and of a counter (H14). The entropy keeps two apart
/// that write to one feed, as they never should.
pub(crate) struct Fresh {
    nonce: [u8; 16],
    drawn: u64,
}

impl Fresh {
    pub(crate) fn new(world: &dyn World) -> Self {
        Fresh { nonce: world.bytes(), drawn: 0 }
    }

    pub(crate) fn entity(&mut self, feed: &PublicKey) -> Entity {
        self.drawn += 1;
        let parts: [&[u8]; 3] = [feed.as_bytes(), &self.nonce, &self.drawn.to_le_bytes()];
        Entity::from(Digest::derive("motet operation v1", &parts).0)
    }
}

impl Drafts {
    pub(crate) fn of<'a>(transactions: impl Iterator<Item = &'a Transaction>, world: &dyn World) -> Self {
        let (mut written, mut stated, mut repeated) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for step in transactions.flat_map(|transaction| &transaction.steps) {
            match step {
                Step::Set { item, .. } | Step::Property { item, .. } => {
                    written.insert(*item);
                }
                Step::State { item, .. } => {
                    stated.insert(*item);
                }
                Step::Text { item, .. } | Step::List { item, .. } => {
                    if !stated.insert(*item) {
                        repeated.insert(*item);
                    }
                }
                Step::Hang { .. } | Step::Move { .. } => {}
            }
        }
        let fresh = Fresh::new(world);
        let (items, moves, ahead) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Drafts { written, items, moves, ahead, repeated, fresh }
    }

    /// The facts of a transaction's steps.
    pub(crate) fn facts(
        &mut self,
        state: &mut PartyState,
        store: &dyn Store,
        feed: &PublicKey,
        steps: &[Step],
    ) -> Result<Bodies, Error> {
        let mut bodies: Bodies = Vec::new();
        for step in steps {
            let (item, facts) = self.step(state, store, feed, step)?;
            self.go_ahead(state, store, feed, item, &facts)?;
            match bodies.iter_mut().find(|(other, _)| *other == item) {
                Some((_, said)) => said.extend(facts),
                None => bodies.push((item, facts)),
            }
        }
        Ok(bodies)
    }

    /// The facts of one step, and the item they are said of.
    fn step(
        &mut self,
        state: &mut PartyState,
        store: &dyn Store,
        feed: &PublicKey,
        step: &Step,
    ) -> Result<(ItemId, Vec<Fact>), Error> {
        let tree = ItemId::tree(&state.party);
        let item = match step {
            Step::Hang { child, parent } => {
                return Ok((tree, vec![self.hang(*child, *parent)?]));
            }
            Step::Move { child, parent, stand } => {
                let fact = self.move_to(state.tree(store)?, feed, *child, *parent, *stand)?;
                return Ok((tree, vec![fact]));
            }
            Step::Text { item, changes } => {
                let facts = self.edit_text(state, store, feed, *item, changes)?;
                return Ok((*item, facts));
            }
            Step::List { item, edits } => {
                let fresh = &mut self.fresh;
                let list = sequence(&self.ahead, state, store, *item)?;
                let model = || Error::other_model(*item, list.model(), motet_item::List::NAME);
                let list = list.state::<ListState>().ok_or_else(model)?;
                return Ok((*item, list.facts(edits, &mut || fresh.entity(feed))?));
            }
            Step::State { item, fact } if !self.written.contains(item) => {
                return Ok((*item, vec![fact.clone()])); // the item need not be loaded
            }
            Step::State { item, .. } | Step::Property { item, .. } | Step::Set { item, .. } => *item,
        };
        let (draft, fresh) = (self.items.entry(item).or_default(), &mut self.fresh);
        let facts = say(state.load_item(store, item)?, draft, step, &mut || fresh.entity(feed))?;
        Ok((item, facts))
    }

    fn edit_text(
        &mut self,
        state: &mut PartyState,
        store: &dyn Store,
        feed: &PublicKey,
        item: ItemId,
        changes: &[TextChange],
    ) -> Result<Vec<Fact>, Error> {
        let text = sequence(&self.ahead, state, store, item)?;
        let model = || Error::other_model(item, text.model(), motet_item::Text::NAME);
        let text = text.state::<TextState>().ok_or_else(model)?;
        let fresh = &mut self.fresh;
        Ok(text.facts(&edits(changes, text), &mut || fresh.entity(feed))?)
    }

    /// Texts and lists of which more is said take in what was said. They are before all that is linked later, and it
    /// is before them: what that makes of them is seen by nobody.
    fn go_ahead(
        &mut self,
        state: &mut PartyState,
        store: &dyn Store,
        feed: &PublicKey,
        item: ItemId,
        facts: &[Fact],
    ) -> Result<(), Error> {
        if !self.repeated.contains(&item) {
            return Ok(());
        }
        let ahead = match self.ahead.entry(item) {
            Entry::Occupied(ahead) => ahead.into_mut(),
            Entry::Vacant(place) => place.insert(state.fold(store, item)?),
        };
        let entry = Position { depth: u64::MAX, feed: *feed, id: Cid::of(Codec::Raw, b"not signed yet") };
        let assertions: Vec<Assertion<'_>> =
            facts.iter().map(|fact| Assertion { fact, entry, counted: true }).collect();
        ahead.assert(&assertions, &Everything);
        Ok(())
    }

    /// The move of a new item, which nobody has moved yet.
    fn hang(&mut self, child: ItemId, parent: ItemId) -> Result<Fact, Error> {
        let fact = move_fact(child, parent, &[], Vec::new())?;
        self.moves.insert(child, Moved { parent, key: Vec::new(), fact: fact.cid() });
        Ok(fact)
    }

    fn move_to(
        &mut self,
        tree: &TreeState,
        feed: &PublicKey,
        child: ItemId,
        parent: ItemId,
        stand: Stand,
    ) -> Result<Fact, Error> {
        let above =
            |item: ItemId| self.moves.get(&item).map(|moved| moved.parent).or_else(|| tree.parent(item));
        if std::iter::successors(Some(parent), |item| above(*item)).any(|item| item == child) {
            return Err(Error::WouldCycle { item: child.to_string(), parent: parent.to_string() });
        }
        let key = match stand {
            Stand::Last => Vec::new(),
            _ => self.key(tree, feed, child, parent, stand)?,
        };
        let before = self.moves.get(&child).map(|moved| moved.fact);
        let causes = before.map_or_else(|| tree_heads(tree, child), |fact| vec![fact]);
        let fact = move_fact(child, parent, &key, causes)?;
        self.moves.insert(child, Moved { parent, key, fact: fact.cid() });
        Ok(fact)
    }

    /// A key for a place among the children of a parent.
    fn key(
        &mut self,
        tree: &TreeState,
        feed: &PublicKey,
        child: ItemId,
        parent: ItemId,
        stand: Stand,
    ) -> Result<Vec<u8>, Error> {
        let mut seats: Vec<(Vec<u8>, ItemId)> = tree
            .children(parent)
            .filter(|sibling| !self.moves.contains_key(sibling))
            .filter_map(|sibling| Some((tree.seat(sibling)?.key, sibling)))
            .collect();
        let drafted = self.moves.iter().filter(|(_, moved)| moved.parent == parent && !moved.key.is_empty());
        seats.extend(drafted.map(|(sibling, moved)| (moved.key.clone(), *sibling)));
        seats.retain(|(_, sibling)| *sibling != child);
        seats.sort_unstable();
        let of = |sibling: ItemId| {
            let at = seats.iter().position(|(_, other)| *other == sibling);
            at.ok_or_else(|| Error::NoSuchSibling { item: sibling.to_string(), parent: parent.to_string() })
        };
        let at = match stand {
            Stand::First => 0,
            Stand::Before(sibling) => of(sibling)?,
            Stand::After(sibling) => of(sibling)? + 1,
            Stand::Last => seats.len(),
        };
        if at == seats.len() {
            return Ok(Vec::new());
        }
        let after = at.checked_sub(1).map(|before| seats[before].0.as_slice());
        let own = self.fresh.entity(feed);
        Ok(order_key::between(after, Some(&seats[at].0), &own.as_bytes()[..OWN_BYTES]))
    }
}

/// How many bytes keep apart the keys of people who put things into one gap at once.
const OWN_BYTES: usize = 6;

fn tree_heads(tree: &TreeState, child: ItemId) -> Vec<Cid> {
    motet_item::State::heads(tree, &child.entity(), &Attribute::from(label::PARENT))
}

/// A text or list as it is after what was said.
fn sequence<'a>(
    ahead: &'a BTreeMap<ItemId, Item>,
    state: &'a mut PartyState,
    store: &dyn Store,
    item: ItemId,
) -> Result<&'a Item, Error> {
    if let Some(ahead) = ahead.get(&item) {
        return Ok(ahead);
    }
    state.check_item(store, item)?;
    Ok(state.load_item(store, item)?)
}

/// The facts of a step that is about one item.
fn say(
    item: &Item,
    draft: &mut Draft,
    step: &Step,
    fresh: &mut dyn FnMut() -> Entity,
) -> Result<Vec<Fact>, Error> {
    Ok(match step {
        Step::State { fact, .. } => {
            draft.note(item, fact);
            vec![fact.clone()]
        }
        Step::Set { entity, attribute, value, .. } => draft.set(item, entity, attribute, value.clone())?,
        Step::Property { property, operation, .. } => match operation {
            Operation::Remove => draft.remove(item, property)?,
            Operation::Add(value) => draft.add(item, property, value.clone(), fresh)?,
            Operation::Take(value) => draft.take(item, property, value)?,
            Operation::Increment(by) => draft.increment(item, property, *by, fresh)?,
        },
        Step::Text { .. } | Step::List { .. } => unreachable!("what is said of sequences needs no draft"),
        Step::Hang { .. } | Step::Move { .. } => unreachable!("moves are said of the tree"),
    })
}
