//! The tree: which item hangs under which, and in what order (H19).
//!
//! Where items hang is said in one place, the party's *tree*: an item of its own that needs no genesis. Its facts are
//! *moves*, `(child, "motet/parent", parent)`, so that whoever wants to know the parents of all items folds the tree
//! and no other item (H27), and a replica that folds an item need not know where it hangs.
//!
//! People who move things concurrently can make a cycle of them. So moves are replayed in the one order (H6), and one
//! that would put an item at or below itself is skipped (Kleppmann and others, *A highly-available move operation for
//! replicated trees*, 2022). Whether a move takes effect depends on the moves before it; so a move that arrives late,
//! or is withdrawn, undoes those after it and does them again. What is new in the order, as nearly all is, undoes
//! nothing.
//!
//! Children stand in the order in which they came to their parent, unless a move says where: then bytes after the
//! parent's id are its order key ([`crate::order_key`]). Nothing moves the root, and nothing hangs under the tree.

use std::any::Any;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Attribute, Cid, Digest, Entity, Fact, FactError, PublicKey, Value};

use crate::tally::Tally;
use crate::{BaseRelation, Change, ItemId, Kept, Model, Place, SnapshotError, State, Told, kept, label};

/// The model of a party's tree.
#[derive(Clone, Copy, Debug)]
pub struct Tree {
    party: PublicKey,
}

impl Tree {
    /// What it is called. No genesis brings another one about.
    pub const NAME: &'static str = "motet/tree";

    /// The model of the tree of a party.
    pub fn of(party: PublicKey) -> Self {
        Tree { party }
    }
}

impl Model for Tree {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        1
    }

    fn begin(&self, _item: ItemId) -> Option<Box<dyn State>> {
        Some(Box::new(TreeState::of(&self.party)))
    }

    fn restore(&self, _item: ItemId, snapshot: &[u8]) -> Result<Box<dyn State>, SnapshotError> {
        Ok(Box::new(kept::restore(self, TreeState::of(&self.party), snapshot)?))
    }
}

/// The fact that moves an item under a parent: to the end of its children, or where a key says.
///
/// # Errors
/// [`FactError`] if the key is too long.
pub fn move_fact(child: ItemId, parent: ItemId, key: &[u8], causes: Vec<Cid>) -> Result<Fact, FactError> {
    let value = Value::bytes([parent.0.as_slice(), key].concat());
    Fact::new(child.entity(), label::PARENT.into(), value, causes)
}

/// The moves that count, replayed. Items and moves are numbered in the order in which they were told; numbers never
/// leave this module.
#[derive(Clone, Debug)]
pub struct TreeState {
    root: ItemId,
    tree: ItemId,
    index: BTreeMap<ItemId, u32>,
    nodes: Vec<Node>,
    moves: Vec<Move>,
    /// Numbers of moves that were untold.
    free: Vec<u32>,
    /// The moves that count, in the one order.
    order: Vec<u32>,
    hash: Tally,
    /// How many items hang somewhere.
    seated: usize,
    /// How many moves the last step did or undid.
    work: usize,
}

#[derive(Clone, Debug)]
struct Node {
    id: ItemId,
    /// The move that put it where it is.
    seat: Option<u32>,
    /// The items under it, in their order.
    children: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Move {
    cid: Cid,
    place: Place,
    child: u32,
    parent: u32,
    /// The order key that it states; empty: none.
    key: Box<[u8]>,
    causes: Box<[Cid]>,
    height: u64,
    done: Done,
}

/// What became of a move.
#[derive(Clone, Copy, Debug)]
enum Done {
    /// It has not been replayed yet, or was undone.
    No,
    /// It would have made a cycle.
    Skipped,
    /// It took effect; the child was where this move had put it.
    Moved { before: Option<u32> },
}

/// The items that a step has moved, and where they were before it.
type Touched = BTreeMap<u32, Option<Seat>>;

/// A place in the tree: under a parent, among its other children by the key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat {
    /// The parent.
    pub parent: ItemId,
    /// The key among the children.
    pub key: Vec<u8>,
}

/// Before and after the key of a child that came to the end: there is room on both sides, and it ends with no zero.
const UNKEYED: u8 = 0x80;

impl Move {
    /// Children that are not told where stand in the order of their moves.
    fn key(&self) -> Cow<'_, [u8]> {
        if self.key.is_empty() {
            [&[UNKEYED][..], &self.place.key(), &[UNKEYED]].concat().into()
        } else {
            self.key.as_ref().into()
        }
    }

    fn compare_keys(&self, other: &Move) -> Ordering {
        if self.key.is_empty() && other.key.is_empty() {
            return self.place.cmp(&other.place); // so do their keys, which need not be made
        }
        self.key().cmp(&other.key())
    }

    fn rank(&self) -> (Place, Cid) {
        (self.place, self.cid)
    }
}

impl State for TreeState {
    fn step(&mut self, batch: &[Told<'_>]) -> Vec<Change> {
        let moves: Vec<(&Told<'_>, Stated)> =
            batch.iter().filter_map(|told| Some((told, self.read(told)?))).collect();
        self.work = 0;
        let Some(first) = moves.iter().map(|(told, _)| (told.place, told.cid)).min() else {
            return Vec::new();
        };
        let mut touched = Touched::new();
        let mut later = self.undo_from(&first, &mut touched);
        let untold = moves.iter().filter(|(told, _)| told.weight < 0).map(|(told, _)| (told.place, told.cid));
        self.forget(&untold.collect(), &mut later);
        let told = moves.into_iter().filter(|(told, _)| told.weight > 0);
        later.extend(told.map(|(told, stated)| self.keep(told, stated)));
        self.redo(later, &mut touched);
        self.settle(touched)
    }

    fn rows(&self, visit: &mut dyn FnMut(BaseRelation, Vec<Value>)) {
        for (&child, &number) in &self.index {
            if let Some(seat) = self.seat_of(number) {
                visit(BaseRelation::Element, element_row(child, &seat));
            }
        }
    }

    fn digest(&self) -> Digest {
        self.hash.digest(self.hashed())
    }

    fn snapshot(&self) -> Vec<u8> {
        kept::write(self.order.iter().map(|&number| self.kept(&self.moves[number as usize])).collect())
    }

    /// Puts an item back where it was before some moves, if the last of them is what put it where it is. One that came
    /// from nowhere stays.
    fn undo(&self, said: &[Cid], _fresh: &mut dyn FnMut() -> Entity) -> Option<Result<Vec<Fact>, FactError>> {
        let said: BTreeSet<Cid> = said.iter().copied().collect();
        let back = self.nodes.iter().filter_map(|node| {
            let last = &self.moves[node.seat? as usize];
            let before = std::iter::successors(node.seat, |&seat| self.before(seat))
                .map(|seat| &self.moves[seat as usize])
                .find(|one| !said.contains(&one.cid))?;
            let moved = said.contains(&last.cid);
            moved.then(|| move_fact(node.id, self.id(before.parent), &before.key(), vec![last.cid]))
        });
        Some(back.collect())
    }

    /// Of the register «parent of an item»: the move that put it where it is.
    fn heads(&self, entity: &Entity, attribute: &Attribute) -> Vec<Cid> {
        let child = entity.as_bytes().try_into().ok().map(ItemId);
        let child = child.filter(|_| attribute.as_text() == Some(label::PARENT));
        let seat = child.and_then(|child| self.node(child)?.seat);
        seat.map(|seat| self.moves[seat as usize].cid).into_iter().collect()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What a move says: the child, the parent, the key.
type Stated = (ItemId, ItemId, Box<[u8]>);

impl TreeState {
    /// The tree of a party in which nothing hangs.
    pub fn of(party: &PublicKey) -> Self {
        TreeState {
            root: ItemId::root(party),
            tree: ItemId::tree(party),
            index: BTreeMap::new(),
            nodes: Vec::new(),
            moves: Vec::new(),
            free: Vec::new(),
            order: Vec::new(),
            hash: Tally::default(),
            seated: 0,
            work: 0,
        }
    }

    // Reading.

    /// Where an item hangs, if it does.
    pub fn seat(&self, item: ItemId) -> Option<Seat> {
        self.seat_of(*self.index.get(&item)?)
    }

    /// The parent of an item, if it has one. Whether that one exists is not known here.
    pub fn parent(&self, item: ItemId) -> Option<ItemId> {
        self.parent_of(*self.index.get(&item)?).map(|parent| self.id(parent))
    }

    /// The children of an item, in their order.
    pub fn children(&self, item: ItemId) -> impl DoubleEndedIterator<Item = ItemId> + '_ {
        let children = self.node(item).map(|node| node.children.as_slice()).unwrap_or_default();
        children.iter().map(|&child| self.id(child))
    }

    /// The items above one, nearest first.
    pub fn above(&self, item: ItemId) -> impl Iterator<Item = ItemId> + '_ {
        std::iter::successors(self.parent(item), |item| self.parent(*item))
    }

    /// Whether an item is another, or below it.
    pub fn is_at_or_below(&self, item: ItemId, top: ItemId) -> bool {
        item == top || self.above(item).any(|above| above == top)
    }

    /// The items below one, parents before children and those in their order.
    pub fn below(&self, item: ItemId) -> Vec<ItemId> {
        let mut below = Vec::new();
        let mut stack: Vec<ItemId> = self.children(item).rev().collect();
        while let Some(next) = stack.pop() {
            below.push(next);
            stack.extend(self.children(next).rev());
        }
        below
    }

    /// The moves that were skipped, for they would have made a cycle: child and parent, in order.
    pub fn skipped(&self) -> impl Iterator<Item = (ItemId, ItemId)> + '_ {
        let moves = self.order.iter().map(|&number| &self.moves[number as usize]);
        let skipped = moves.filter(|one| matches!(one.done, Done::Skipped));
        skipped.map(|one| (self.id(one.child), self.id(one.parent)))
    }

    /// How many moves count.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// How many moves the last step did or undid: what it cost.
    pub fn work(&self) -> usize {
        self.work
    }

    fn node(&self, item: ItemId) -> Option<&Node> {
        self.index.get(&item).map(|&number| &self.nodes[number as usize])
    }

    fn id(&self, number: u32) -> ItemId {
        self.nodes[number as usize].id
    }

    fn parent_of(&self, number: u32) -> Option<u32> {
        self.nodes[number as usize].seat.map(|seat| self.moves[seat as usize].parent)
    }

    fn seat_of(&self, number: u32) -> Option<Seat> {
        let seat = &self.moves[self.nodes[number as usize].seat? as usize];
        Some(Seat { parent: self.id(seat.parent), key: seat.key().into_owned() })
    }

    /// The move that had put a child where it was before a move.
    fn before(&self, number: u32) -> Option<u32> {
        match self.moves[number as usize].done {
            Done::Moved { before } => before,
            Done::No | Done::Skipped => None,
        }
    }

    fn kept(&self, one: &Move) -> Kept {
        Kept {
            cid: one.cid,
            entity: self.id(one.child).entity(),
            attribute: label::PARENT.into(),
            value: Value::bytes([self.id(one.parent).0.as_slice(), &one.key].concat()),
            causes: one.causes.to_vec(),
            height: one.height,
            written: Vec::new(),
            counted: true,
            place: Some(one.place),
        }
    }

    // Telling.

    /// What a fact says, if it is a move that the tree takes.
    fn read(&self, told: &Told<'_>) -> Option<Stated> {
        if told.attribute.as_text() != Some(label::PARENT) {
            return None;
        }
        let child = ItemId(told.entity.as_bytes().try_into().ok()?);
        let (parent, key) = told.value.as_bytes()?.split_first_chunk::<32>()?;
        let parent = ItemId(*parent);
        let moves = child != self.root && child != self.tree && parent != self.tree;
        (moves && key.last() != Some(&0)).then(|| (child, parent, key.into()))
    }

    fn forget(&mut self, untold: &BTreeSet<(Place, Cid)>, later: &mut Vec<u32>) {
        let before = later.len();
        later.retain(|&number| {
            let stays = !untold.contains(&self.moves[number as usize].rank());
            self.free.extend((!stays).then_some(number));
            stays
        });
        assert_eq!(before - later.len(), untold.len(), "what is untold was told, at this place");
    }

    fn keep(&mut self, told: &Told<'_>, (child, parent, key): Stated) -> u32 {
        let (child, parent) = (self.number(child), self.number(parent));
        let causes = told.causes.as_slice().into();
        let (cid, place, height) = (told.cid, told.place, told.height);
        let new = Move { cid, place, child, parent, key, causes, height, done: Done::No };
        if let Some(free) = self.free.pop() {
            self.moves[free as usize] = new;
            return free;
        }
        self.moves.push(new);
        u32::try_from(self.moves.len() - 1).expect("fewer than four billion moves fit a party's memory")
    }

    fn number(&mut self, id: ItemId) -> u32 {
        let new =
            u32::try_from(self.nodes.len()).expect("fewer than four billion items fit a party's memory");
        let number = *self.index.entry(id).or_insert(new);
        if number == new {
            self.nodes.push(Node { id, seat: None, children: Vec::new() });
        }
        number
    }

    // Replaying.

    /// Undoes the moves from one on, and takes them out of the order.
    fn undo_from(&mut self, first: &(Place, Cid), touched: &mut Touched) -> Vec<u32> {
        let at = self.order.partition_point(|&number| self.moves[number as usize].rank() < *first);
        let later = self.order.split_off(at);
        for &number in later.iter().rev() {
            let one = &mut self.moves[number as usize];
            let child = one.child;
            if let Done::Moved { before } = std::mem::replace(&mut one.done, Done::No) {
                self.put(child, before, touched);
            }
        }
        self.work += later.len();
        later
    }

    fn redo(&mut self, mut later: Vec<u32>, touched: &mut Touched) {
        later.sort_unstable_by_key(|&number| self.moves[number as usize].rank());
        for &number in &later {
            let Move { child, parent, .. } = self.moves[number as usize];
            let closes_a_cycle =
                std::iter::successors(Some(parent), |&node| self.parent_of(node)).any(|node| node == child);
            self.moves[number as usize].done = if closes_a_cycle {
                Done::Skipped
            } else {
                let before = self.nodes[child as usize].seat;
                self.put(child, Some(number), touched);
                Done::Moved { before }
            };
        }
        self.work += later.len();
        self.order.extend(later);
    }

    /// Puts a child where a move says, or nowhere.
    fn put(&mut self, child: u32, seat: Option<u32>, touched: &mut Touched) {
        touched.entry(child).or_insert_with(|| self.seat_of(child));
        if let Some(old) = self.nodes[child as usize].seat {
            let at = self.stand(old).expect("a seated child is among its parent's");
            let parent = self.moves[old as usize].parent;
            self.nodes[parent as usize].children.remove(at);
        }
        self.nodes[child as usize].seat = seat;
        if let Some(new) = seat {
            let at = self.stand(new).expect_err("a child comes among its parent's once");
            let parent = self.moves[new as usize].parent;
            self.nodes[parent as usize].children.insert(at, child);
        }
    }

    /// Where the child of a move stands, or would stand, among those of the parent.
    fn stand(&self, number: u32) -> Result<usize, usize> {
        let one = &self.moves[number as usize];
        self.nodes[one.parent as usize].children.binary_search_by(|&other| {
            let seat = self.nodes[other as usize].seat.expect("a child has a seat");
            let by_key = self.moves[seat as usize].compare_keys(one);
            by_key.then_with(|| self.id(other).cmp(&self.id(one.child)))
        })
    }

    fn settle(&mut self, touched: Touched) -> Vec<Change> {
        let mut changes = Vec::new();
        for (child, before) in touched {
            let (child, after) = (self.id(child), self.seat_of(child));
            if before == after {
                continue;
            }
            for (seat, weight) in [(before, -1), (after, 1)] {
                let Some(seat) = seat else { continue };
                if weight > 0 {
                    self.hash.insert(&hashed(child, &seat));
                    self.seated += 1;
                } else {
                    self.hash.remove(&hashed(child, &seat));
                    self.seated -= 1;
                }
                changes.push(Change::new(BaseRelation::Element, element_row(child, &seat), weight));
            }
        }
        if self.hash.wants_keeping(self.seated) {
            let seats: Vec<Vec<u8>> = self.hashed().collect();
            self.hash.keep(seats.into_iter());
        }
        changes
    }

    fn hashed(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        let seats = self.index.iter().filter_map(|(&child, &number)| Some((child, self.seat_of(number)?)));
        seats.map(|(child, seat)| hashed(child, &seat))
    }
}

fn element_row(child: ItemId, seat: &Seat) -> Vec<Value> {
    vec![seat.parent.into(), child.into(), Value::bytes(seat.key.as_slice())]
}

fn hashed(child: ItemId, seat: &Seat) -> Vec<u8> {
    [child.0.as_slice(), &seat.parent.0, &seat.key].concat()
}
