//! Which facts about an item were asserted, by which entries, and which of them count.
//!
//! **Valid.** An assertion is a fact in an entry. It is valid if each cause of the fact was validly asserted earlier in
//! the same entry, or by an entry in its causal past; else it is *void* (H16): remembered, reported, and it derives
//! nothing. That depends on the entry's past alone, which is the same for everybody, so it is decided once, when the
//! assertion arrives, and never again: an entry that states a fact, then its cause, then the fact once more has stated
//! the fact in vain.
//!
//! **Counted.** A fact counts while one valid assertion of a counted entry does (H14); its place is the least
//! position among those.
//!
//! **Spliced.** A fact that ceases to count bequeaths its causes to its children: the causes of a fact are its nearest
//! ancestors that count. So when facts begin or cease to count, the facts whose causes may change are the ones below
//! them, down to the first that counted before and counts after.
//!
//! One call asserts or recounts, noting each node it touches and whether it counted before, and then *settles*: it
//! finds every fact that stands otherwise than before. All is numbered in order of arrival, so that a fact costs some
//! 150 bytes and its value; numbers never leave this crate.

mod saved;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

use motet_fact::{Attribute, Cid, Digest, Entity, Fact, Value};
use motet_feed::{Graph, Position};
use smallvec::SmallVec;

use crate::Place;
use crate::tally::Tally;

/// The causal order of entries.
pub trait Past {
    /// Whether the entry `ancestor` is `descendant` or in its causal past.
    fn reaches(&self, descendant: &Cid, ancestor: &Cid) -> bool;

    /// The same of entries of which it is known where they stand.
    fn follows(&self, descendant: &Position, ancestor: &Position) -> bool {
        self.reaches(&descendant.id, &ancestor.id)
    }
}

impl Past for Graph {
    fn reaches(&self, descendant: &Cid, ancestor: &Cid) -> bool {
        Graph::reaches(self, descendant, ancestor)
    }

    fn follows(&self, descendant: &Position, ancestor: &Position) -> bool {
        Graph::follows(self, descendant, ancestor)
    }
}

/// A fact that an entry states.
#[derive(Clone, Copy, Debug)]
pub struct Assertion<'a> {
    /// The fact.
    pub fact: &'a Fact,
    /// The entry.
    pub entry: Position,
    /// Whether the entry counts now (H9).
    pub counted: bool,
}

/// An assertion that is not valid, and so counts for nothing whoever its author is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Void {
    /// The entry that asserts.
    pub entry: Position,
    /// The fact it asserts.
    pub fact: Cid,
    /// The fact's first cause that is no fact of this item in the entry's past, nor earlier in the entry.
    pub cause: Cid,
}

/// The place of a fact that doesn't count.
const NOWHERE: u32 = u32::MAX;

struct Node {
    cid: Cid,
    entity: u32,
    attribute: u32,
    value: Value,
    height: u32,
    /// The number of the counted entry with the least position, or [`NOWHERE`].
    place: u32,
    causes: Box<[u32]>,
    /// The entries that validly assert it, ascending by position; with how many nodes stand before it in each.
    entries: SmallVec<[(u32, u32); 2]>,
}

struct EntryNode {
    position: Position,
    counted: bool,
    nodes: Vec<u32>,
}

/// What a call touched, and how that was before.
#[derive(Default)]
pub(crate) struct Touched {
    /// Nodes and their places.
    places: BTreeMap<u32, u32>,
    /// Whether an entry counted that states a node; of several the first says how it was before the call.
    stated: Vec<(u32, u32, bool)>,
}

impl Touched {
    fn touch(&mut self, node: u32, place: u32, entry: u32, counted: bool) {
        self.places.entry(node).or_insert(place);
        self.stated.push((node, entry, counted));
    }
}

/// Nodes whose place is another, and their places before.
type Moved = BTreeMap<u32, u32>;

/// What a call changed.
#[derive(Default)]
pub(crate) struct Settled {
    /// The facts that stand otherwise, causes first.
    pub(crate) turns: Vec<Turn>,
    /// By node the entries that count and state it now and did not before (`true`), or the other way round.
    pub(crate) restated: BTreeMap<u32, BTreeMap<u32, bool>>,
}

/// How a fact that counts stands among the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    place: u32,
    pub(crate) causes: Vec<u32>,
}

/// A fact that stands otherwise than before; `None`: it doesn't count.
pub(crate) struct Turn {
    pub(crate) node: u32,
    pub(crate) before: Option<Standing>,
    pub(crate) after: Option<Standing>,
}

impl Turn {
    /// The turn of a fact that did not count and does not.
    pub(crate) fn none(node: u32) -> Self {
        Turn { node, before: None, after: None }
    }
}

#[derive(Default)]
pub(crate) struct Ledger {
    nodes: Vec<Node>,
    node_index: HashMap<Cid, u32>,
    entries: Vec<EntryNode>,
    entry_index: HashMap<Cid, u32>,
    entities: Interner<Entity>,
    attributes: Interner<Attribute>,
    children: HashMap<u32, Vec<u32>>,
    voids: BTreeMap<(Position, Cid), Cid>,
    counted: usize,
    /// Of the CIDs of the facts that count.
    hash: Tally,
    /// How many facts the last call looked at.
    work: usize,
}

impl Ledger {
    // Taking in.

    /// Takes in one assertion; the number of its node if it is valid and new, for the caller to look at.
    pub(crate) fn assert(
        &mut self,
        assertion: &Assertion<'_>,
        past: &dyn Past,
        touched: &mut Touched,
    ) -> Option<(u32, u32)> {
        let entry = self.entry(assertion, touched);
        let cid = assertion.fact.cid();
        if self.voids.contains_key(&(assertion.entry, cid)) {
            return None;
        }
        match self.causes(assertion, entry, past) {
            Ok(causes) => {
                let node = self.node(assertion.fact, cid, causes);
                self.attach(node, entry, touched).then_some((node, entry))
            }
            Err(cause) => {
                self.voids.insert((assertion.entry, cid), cause);
                None
            }
        }
    }

    /// An entry counts from now on, or ceases to. Entries that say nothing about the item are passed over.
    pub(crate) fn recount(&mut self, entry: &Cid, counted: bool, touched: &mut Touched) {
        if let Some(&entry) = self.entry_index.get(entry) {
            self.count(entry, counted, touched);
        }
    }

    fn count(&mut self, number: u32, counted: bool, touched: &mut Touched) {
        let entry = &mut self.entries[number as usize];
        if entry.counted != counted {
            entry.counted = counted;
            for &node in &entry.nodes {
                touched.touch(node, self.nodes[node as usize].place, number, !counted);
            }
        }
    }

    fn entry(&mut self, assertion: &Assertion<'_>, touched: &mut Touched) -> u32 {
        let Assertion { entry: position, counted, .. } = *assertion;
        if let Some(&entry) = self.entry_index.get(&position.id) {
            self.count(entry, counted, touched);
            return entry;
        }
        let entry = number(self.entries.len());
        self.entries.push(EntryNode { position, counted, nodes: Vec::new() });
        self.entry_index.insert(position.id, entry);
        entry
    }

    /// The nodes of a fact's causes, or the first cause that makes the assertion void.
    fn causes(&self, assertion: &Assertion<'_>, entry: u32, past: &dyn Past) -> Result<Box<[u32]>, Cid> {
        let causes = assertion.fact.causes().iter();
        causes.map(|cause| self.cause(cause, entry, past).ok_or(*cause)).collect()
    }

    fn cause(&self, cause: &Cid, entry: u32, past: &dyn Past) -> Option<u32> {
        let &node = self.node_index.get(cause)?;
        let position = |entry: u32| &self.entries[entry as usize].position;
        let mut entries = self.nodes[node as usize].entries.iter();
        let before = self.asserted_by(node, entry).is_ok()
            || entries.any(|&(other, _)| past.follows(position(entry), position(other)));
        before.then_some(node)
    }

    fn node(&mut self, fact: &Fact, cid: Cid, causes: Box<[u32]>) -> u32 {
        if let Some(&node) = self.node_index.get(&cid) {
            return node;
        }
        let node = number(self.nodes.len());
        let tallest = causes.iter().map(|&cause| self.nodes[cause as usize].height).max();
        for &cause in &causes {
            self.children.entry(cause).or_default().push(node);
        }
        self.nodes.push(Node {
            cid,
            entity: self.entities.intern(fact.entity()),
            attribute: self.attributes.intern(fact.attribute()),
            value: fact.value().clone(),
            height: 1 + tallest.unwrap_or(0),
            place: NOWHERE,
            causes,
            entries: SmallVec::new(),
        });
        self.node_index.insert(cid, node);
        node
    }

    fn attach(&mut self, node: u32, entry: u32, touched: &mut Touched) -> bool {
        let Err(at) = self.asserted_by(node, entry) else { return false };
        let Node { entries, place, .. } = &mut self.nodes[node as usize];
        let nodes = &mut self.entries[entry as usize].nodes;
        entries.insert(at, (entry, number(nodes.len())));
        touched.touch(node, *place, entry, false);
        nodes.push(node);
        true
    }

    /// Where the entry stands among those that validly assert a fact, or would stand.
    fn asserted_by(&self, node: u32, entry: u32) -> Result<usize, usize> {
        let entries = &self.nodes[node as usize].entries;
        entries.binary_search_by_key(&self.position(entry), |&(other, _)| self.position(other))
    }

    // Settling.

    /// Places every touched node anew, and gives back what stands otherwise than before.
    pub(crate) fn settle(&mut self, touched: Touched) -> Settled {
        let Touched { places: mut moved, stated } = touched;
        moved.retain(|&node, before| {
            let after = self.least_counted(node);
            self.nodes[node as usize].place = after;
            after != *before
        });
        self.keep_hash(&moved);
        let nodes = self.affected(&moved);
        self.work = nodes.len();
        let turns = nodes.into_iter().filter_map(|node| self.turn(node, &moved)).collect();
        Settled { turns, restated: self.restated(stated) }
    }

    fn restated(&self, stated: Vec<(u32, u32, bool)>) -> BTreeMap<u32, BTreeMap<u32, bool>> {
        let mut restated: BTreeMap<u32, BTreeMap<u32, bool>> = BTreeMap::new();
        for (node, entry, before) in stated {
            restated.entry(node).or_default().entry(entry).or_insert(before);
        }
        restated.retain(|_, entries| {
            entries.retain(|&entry, before| {
                let after = self.entry_counts(entry);
                std::mem::replace(before, after) != after
            });
            !entries.is_empty()
        });
        restated
    }

    /// The entries that count and state a fact.
    pub(crate) fn stating(&self, node: u32) -> impl Iterator<Item = u32> + '_ {
        self.nodes[node as usize]
            .entries
            .iter()
            .map(|&(entry, _)| entry)
            .filter(|&entry| self.entry_counts(entry))
    }

    fn least_counted(&self, node: u32) -> u32 {
        let mut entries = self.nodes[node as usize].entries.iter().map(|&(entry, _)| entry);
        entries.find(|&entry| self.entry_counts(entry)).unwrap_or(NOWHERE)
    }

    /// The same by their ids.
    pub(crate) fn sources(&self, fact: &Cid) -> Vec<Cid> {
        let node = self.find(fact);
        node.into_iter().flat_map(|node| self.stating(node)).map(|entry| self.position(entry).id).collect()
    }

    fn keep_hash(&mut self, moved: &Moved) {
        for (&node, &before) in moved {
            let Node { cid, place, .. } = &self.nodes[node as usize];
            if before == NOWHERE {
                self.hash.insert(cid.as_bytes());
                self.counted += 1;
            } else if *place == NOWHERE {
                self.hash.remove(cid.as_bytes());
                self.counted -= 1;
            }
        }
        if self.hash.wants_keeping(self.counted) {
            let counted = self.nodes.iter().filter(|node| node.place != NOWHERE);
            self.hash.keep(counted.map(|node| node.cid.as_bytes()));
        }
    }

    /// The nodes that moved, and those below the ones that began or ceased to count.
    fn affected(&self, moved: &Moved) -> BTreeSet<u32> {
        let mut affected: BTreeSet<u32> = moved.keys().copied().collect();
        let flipped = |(&node, &before): (&u32, &u32)| {
            ((before == NOWHERE) != (self.nodes[node as usize].place == NOWHERE)).then_some(node)
        };
        let mut stack: Vec<u32> = moved.iter().filter_map(flipped).collect();
        let mut passed: BTreeSet<u32> = BTreeSet::new();
        while let Some(node) = stack.pop() {
            for &child in self.children.get(&node).into_iter().flatten() {
                affected.insert(child);
                let opaque = self.counts(child) && self.counted_before(child, moved);
                // A child that moved from or to nowhere is on the stack by itself.
                if !opaque && !moved.contains_key(&child) && passed.insert(child) {
                    stack.push(child);
                }
            }
        }
        affected
    }

    fn turn(&self, node: u32, moved: &Moved) -> Option<Turn> {
        let place = self.nodes[node as usize].place;
        let place_before = moved.get(&node).copied().unwrap_or(place);
        let before = (place_before != NOWHERE).then(|| {
            let causes = self.splice(node, &|cause| self.counted_before(cause, moved));
            Standing { place: place_before, causes }
        });
        let after = self.standing(node);
        (before != after).then_some(Turn { node, before, after })
    }

    /// How a fact stands now; nothing if it doesn't count.
    pub(crate) fn standing(&self, node: u32) -> Option<Standing> {
        let place = self.nodes[node as usize].place;
        (place != NOWHERE).then(|| Standing { place, causes: self.splice(node, &|cause| self.counts(cause)) })
    }

    /// The nearest ancestors that count, ascending by CID.
    fn splice(&self, node: u32, counts: &dyn Fn(u32) -> bool) -> Vec<u32> {
        let direct = &self.nodes[node as usize].causes;
        if direct.iter().all(|&cause| counts(cause)) {
            return direct.to_vec(); // as they stand in the fact: ascending by CID
        }
        let (mut seen, mut nearest) = (BTreeSet::new(), Vec::new());
        let mut stack = direct.to_vec();
        while let Some(cause) = stack.pop() {
            if !seen.insert(cause) {
                continue;
            }
            if counts(cause) {
                nearest.push(cause);
            } else {
                stack.extend(&self.nodes[cause as usize].causes);
            }
        }
        nearest.sort_unstable_by_key(|&cause| self.cid(cause));
        nearest
    }

    fn counted_before(&self, node: u32, moved: &Moved) -> bool {
        moved.get(&node).map_or_else(|| self.counts(node), |&place| place != NOWHERE)
    }

    // Reading.

    pub(crate) fn counts(&self, node: u32) -> bool {
        self.nodes[node as usize].place != NOWHERE
    }

    /// The numbers of the facts that count, in order of arrival.
    pub(crate) fn counted(&self) -> impl Iterator<Item = u32> + '_ {
        (0..number(self.nodes.len())).filter(|&node| self.counts(node))
    }

    /// How many facts are validly asserted: they are numbered from 0, causes before what cites them.
    pub(crate) fn len(&self) -> u32 {
        number(self.nodes.len())
    }

    /// How many facts count, and how many are validly asserted.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.counted, self.nodes.len())
    }

    /// How many facts the last call looked at.
    pub(crate) fn work(&self) -> usize {
        self.work
    }

    pub(crate) fn cid(&self, node: u32) -> Cid {
        self.nodes[node as usize].cid
    }

    pub(crate) fn entity(&self, node: u32) -> &Entity {
        self.entities.get(self.nodes[node as usize].entity)
    }

    pub(crate) fn attribute(&self, node: u32) -> &Attribute {
        self.attributes.get(self.nodes[node as usize].attribute)
    }

    pub(crate) fn value(&self, node: u32) -> &Value {
        &self.nodes[node as usize].value
    }

    pub(crate) fn height(&self, node: u32) -> u32 {
        self.nodes[node as usize].height
    }

    /// The number of a fact that is validly asserted.
    pub(crate) fn find(&self, fact: &Cid) -> Option<u32> {
        self.node_index.get(fact).copied()
    }

    /// Whether a fact is validly asserted and counts.
    pub(crate) fn counts_fact(&self, fact: &Cid) -> bool {
        self.find(fact).is_some_and(|node| self.counts(node))
    }

    /// The causes a fact was written with.
    pub(crate) fn causes_of(&self, node: u32) -> impl Iterator<Item = Cid> + '_ {
        self.nodes[node as usize].causes.iter().map(|&cause| self.cid(cause))
    }

    /// The height of a fact that is validly asserted.
    pub(crate) fn height_of(&self, fact: &Cid) -> Option<u64> {
        self.find(fact).map(|node| self.height(node).into())
    }

    /// The causes that a fact was written with, ascending by CID.
    pub(crate) fn written(&self, node: u32) -> &[u32] {
        &self.nodes[node as usize].causes
    }

    /// The place of a fact that stands so; if it doesn't count, the first at which it is asserted.
    pub(crate) fn place(&self, node: u32, standing: Option<&Standing>) -> Place {
        let at = standing.map_or(Ok(0), |standing| self.asserted_by(node, standing.place));
        let at = at.expect("a fact stands where an entry asserts it");
        let (entry, index) = self.nodes[node as usize].entries[at];
        Place { entry: self.position(entry), index }
    }

    /// The first entry that asserts a fact validly.
    pub(crate) fn first_to_assert(&self, node: u32) -> Option<Position> {
        self.nodes[node as usize].entries.first().map(|(entry, _)| self.position(*entry))
    }

    pub(crate) fn position(&self, entry: u32) -> Position {
        self.entries[entry as usize].position
    }

    pub(crate) fn entry_counts(&self, entry: u32) -> bool {
        self.entries[entry as usize].counted
    }

    /// Whether an entry said something about the item.
    pub(crate) fn has_heard(&self, entry: &Cid) -> bool {
        self.entry_index.contains_key(entry)
    }

    /// The entries that said something about the item, and whether each counts, in order of arrival.
    pub(crate) fn heard(&self) -> impl Iterator<Item = (Position, bool)> + '_ {
        self.entries.iter().map(|entry| (entry.position, entry.counted))
    }

    /// The assertions that are not valid, by entry.
    pub(crate) fn voids(&self) -> impl Iterator<Item = Void> + '_ {
        self.voids.iter().map(|(&(entry, fact), &cause)| Void { entry, fact, cause })
    }

    /// The hash of the set of facts that count.
    pub(crate) fn digest(&self) -> Digest {
        self.hash.digest(self.counted().map(|node| *self.cid(node).as_bytes()))
    }
}

fn number(length: usize) -> u32 {
    let number = u32::try_from(length).ok().filter(|&number| number != NOWHERE);
    number.expect("fewer than four billion facts and entries in an item: more do not fit its memory")
}

/// Gives equal things one number.
struct Interner<T> {
    things: Vec<T>,
    index: HashMap<T, u32>,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Interner { things: Vec::new(), index: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Interner<T> {
    fn of(things: Vec<T>) -> Self {
        let index = things.iter().cloned().zip(0..).collect();
        Interner { things, index }
    }

    fn intern(&mut self, thing: &T) -> u32 {
        if let Some(&known) = self.index.get(thing) {
            return known;
        }
        let new = number(self.things.len());
        self.things.push(thing.clone());
        self.index.insert(thing.clone(), new);
        new
    }

    fn get(&self, number: u32) -> &T {
        &self.things[number as usize]
    }
}
