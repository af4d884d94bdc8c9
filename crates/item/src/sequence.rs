//! An order of elements that many writers make at once: the Fugue tree, flat.
//!
//! **What it decides.** Elements form a tree: each hangs to the left or to the right of its parent, which was there
//! before it, and those on the right of nothing begin the document. The document is the tree read in order: left
//! children, the element, right children. A writer who inserts behind the visible element `a` hangs the new one to the
//! right of `a`, if nothing hangs there yet, and else to the left of what follows `a` ([`Sequence::origin`]). So runs
//! that several writers type at one place stay whole, forwards and backwards (Weidner and Kleppmann, *The Art of the
//! Fugue*, 2023). The tree is a function of the set of elements; in what order they come is of no concern. Elements are
//! veiled, never taken out, so withdrawing or deleting them moves nothing (H16).
//!
//! **How it is kept.** Elements are numbered as they come. An operation brings a *run*: elements each of which hangs
//! to the right of the one before. The document is a B-tree of spans ([`spans`]). Where an element hangs is kept for
//! the heads of *chains* only: a chain is a maximal run of numbers each of which hangs to the right of the one before,
//! so somebody who types on makes no new one. Writers meet if an element already has children on that side; only then
//! are names compared, and the new element is put before or behind a whole subtree.
//!
//! | | cost, for n spans |
//! |---|---|
//! | where a position is, where an element is, a new run where nobody else is | log n |
//! | a new run among children of the same parent and side | the depth of the subtree beside it, in chains |
//! | veiling a run | log n for each span that holds a part of it |

pub(crate) mod hash;
pub(crate) mod pieces;
mod spans;

use std::cmp::Ordering;
use std::ops::Range;

use motet_fact::FactError;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

pub(crate) use hash::Letters;
pub(crate) use spans::Span;
pub use spans::Veil;
use spans::{Gap, Spans};

/// Why edits can't be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// Past the end, or backwards.
    #[error("positions {from} to {to} are not all in 0 to {len}, where it ends")]
    Outside {
        /// The first position asked for.
        from: usize,
        /// The one behind the last.
        to: usize,
        /// How much there is.
        len: usize,
    },
    /// What is to be written is no fact.
    #[error(transparent)]
    Fact(#[from] FactError),
}

impl EditError {
    pub(crate) fn check(range: &Range<usize>, len: usize) -> Result<(), EditError> {
        let inside = range.start <= range.end && range.end <= len;
        let outside = EditError::Outside { from: range.start, to: range.end, len };
        if inside { Ok(()) } else { Err(outside) }
    }
}

/// On which side of its parent an element hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Before it.
    Left,
    /// Behind it.
    Right,
}

/// Where a run hangs: its first element's parent and side. The beginning has no element, and all hangs right of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The parent's number; nothing: the beginning of the document.
    pub parent: Option<u32>,
    /// On which side of it.
    pub side: Side,
}

impl Origin {
    /// Behind the beginning.
    pub const BEGINNING: Origin = Origin { parent: None, side: Side::Right };
}

#[derive(Clone)]
struct Chain {
    start: u32,
    origin: Origin,
    /// Whether something else hangs to the right of an element that the chain goes on from.
    forked: bool,
}

/// The order.
#[derive(Clone, Default)]
pub struct Sequence {
    /// How many elements there are.
    count: u32,
    spans: Spans,
    /// By start.
    chains: Vec<Chain>,
    /// The chains of an origin, in document order.
    heads: FxHashMap<Origin, SmallVec<[u32; 1]>>,
}

impl Sequence {
    // Reading.

    /// How many elements there are, visible or not.
    #[allow(clippy::len_without_is_empty, reason = "what is empty is what is visible")]
    pub fn len(&self) -> u32 {
        self.count
    }

    /// How many elements are visible.
    pub fn visible(&self) -> u32 {
        self.spans.visible()
    }

    /// The number of the visible element at a position.
    pub fn at(&self, position: u32) -> u32 {
        self.spans.at(position).0
    }

    /// How many visible elements stand before an element, and whether it is visible itself.
    pub fn position(&self, element: u32) -> (u32, bool) {
        self.spans.position(element)
    }

    /// The runs of visible elements at `position..position + count`, in document order: first and length.
    pub fn runs(&self, position: u32, count: u32, visit: impl FnMut(u32, u32)) {
        self.spans.runs(position, count, visit);
    }

    /// The hash of the visible elements.
    pub(crate) fn hash(&self, letters: &dyn Letters) -> u64 {
        self.spans.hash(letters)
    }

    /// Where a run hangs that a writer inserts at a position. The position is at most [`Sequence::visible`].
    pub fn origin(&self, position: u32) -> Origin {
        if position == 0 {
            return match self.spans.first() {
                None => Origin::BEGINNING,
                first => Origin { parent: first, side: Side::Left },
            };
        }
        let (element, next) = self.spans.at(position - 1);
        self.origin_between(element, next)
    }

    /// Where a run hangs that is to stand directly behind an element, visible or not.
    pub(crate) fn origin_behind(&self, element: u32) -> Origin {
        self.origin_between(element, self.spans.next(element))
    }

    fn origin_between(&self, element: u32, next: Option<u32>) -> Origin {
        if self.has_right(element) {
            Origin { parent: next, side: Side::Left }
        } else {
            Origin { parent: Some(element), side: Side::Right }
        }
    }

    /// The spans of some elements whose numbers follow one another, by number, cut to them.
    pub(crate) fn pieces(&self, elements: Range<u32>, visit: impl FnMut(Span)) {
        self.spans.pieces(elements, visit);
    }

    /// Where an element hangs.
    pub(crate) fn origin_of(&self, element: u32) -> Origin {
        let chain = &self.chains[self.chain(element)];
        match chain.start == element {
            true => chain.origin,
            false => Origin { parent: Some(element - 1), side: Side::Right },
        }
    }

    /// What has an origin, in document order if one only knows the chains' heads; the element that the parent's
    /// chain goes on with comes last, wherever it stands.
    pub(crate) fn children(&self, origin: Origin) -> impl Iterator<Item = u32> + '_ {
        let heads = self.heads.get(&origin).into_iter().flatten().copied();
        heads.chain(self.next_in_chain(origin))
    }

    fn next_in_chain(&self, origin: Origin) -> Option<u32> {
        let next = origin.parent.filter(|_| origin.side == Side::Right)? + 1;
        (next < self.len() && self.chains[self.chain(next)].start != next).then_some(next)
    }

    fn has_right(&self, element: u32) -> bool {
        let origin = Origin { parent: Some(element), side: Side::Right };
        // Children have greater numbers than their parents: the last element has none.
        element + 1 < self.len() && (self.next_in_chain(origin).is_some() || self.heads.contains_key(&origin))
    }

    /// The index of the chain that an element is in.
    fn chain(&self, element: u32) -> usize {
        self.chains.partition_point(|chain| chain.start <= element) - 1
    }

    fn chain_end(&self, chain: usize) -> u32 {
        self.chains.get(chain + 1).map_or(self.len(), |next| next.start)
    }

    // Changing.

    /// The order of the elements of some chains, in the order of their numbers, so often veiled each. Each chain hangs
    /// at an element of an earlier one, and is as long as it can be; the last one ends with the last element.
    pub(crate) fn of_chains(
        chains: Vec<(u32, Origin)>,
        veils: &[u32],
        order: impl Fn(Side, u32, u32) -> Ordering,
    ) -> Self {
        let mut sequence = Sequence::default();
        for (start, origin) in chains {
            sequence.heads.entry(origin).or_default().push(start);
            sequence.chains.push(Chain { start, origin, forked: false });
        }
        let count = u32::try_from(veils.len()).expect("elements are numbered by u32");
        sequence.count = count;
        for at in 0..sequence.chains.len() {
            let origin = sequence.chains[at].origin;
            sequence
                .heads
                .entry(origin)
                .and_modify(|heads| heads.sort_by(|&one, &other| order(origin.side, one, other)));
            if let (Some(_), Some(parent)) = (sequence.next_in_chain(origin), origin.parent) {
                let chain = sequence.chain(parent);
                sequence.chains[chain].forked = true;
            }
        }
        let mut spans = Vec::new();
        sequence.walk(&order, |from, to| spans.extend(equally_veiled(veils, from, to)));
        sequence.spans = Spans::in_order(spans.into_iter(), count);
        sequence
    }

    /// Visits all elements in document order, from what the chains say: runs of numbers that follow one another.
    fn walk(&self, order: &impl Fn(Side, u32, u32) -> Ordering, mut visit: impl FnMut(u32, u32)) {
        let mut parents: Vec<u32> = self.chains.iter().filter_map(|chain| chain.origin.parent).collect();
        parents.sort_unstable();
        parents.dedup();
        // Runs of a chain that wait, the next one last, each with whether what hangs at its elements was looked at.
        let mut waiting = Vec::new();
        let heads = |parent, side| self.heads.get(&Origin { parent, side }).map_or(&[][..], |heads| heads);
        let whole = |head: &u32| (*head, self.chain_end(self.chain(*head)), false);
        waiting.extend(heads(None, Side::Right).iter().rev().map(whole));
        while let Some((from, to, bare)) = waiting.pop() {
            let at = parents.partition_point(|&parent| parent < from);
            let Some(&parent) = parents.get(at).filter(|&&parent| parent < to && !bare) else {
                visit(from, to);
                continue;
            };
            if from < parent {
                visit(from, parent);
            }
            let right = heads(Some(parent), Side::Right);
            let nearer = right
                .partition_point(|&head| parent + 1 < to && order(Side::Right, head, parent + 1).is_lt());
            let nearer = if parent + 1 < to { nearer } else { right.len() };
            waiting.extend(right[nearer..].iter().rev().map(whole));
            if parent + 1 < to {
                waiting.push((parent + 1, to, false));
            }
            waiting.extend(right[..nearer].iter().rev().map(whole));
            waiting.push((parent, parent + 1, true));
            waiting.extend(heads(Some(parent), Side::Left).iter().rev().map(whole));
        }
    }

    /// Takes in a run of new elements, and gives the number of the first; the others' follow. `order` says how two
    /// elements stand in the document that have the same origin.
    pub fn insert(
        &mut self,
        origin: Origin,
        len: u32,
        veils: u32,
        order: impl Fn(Side, u32, u32) -> Ordering,
    ) -> u32 {
        let start = self.len();
        assert!(u32::MAX - start > len, "fewer than four billion elements fit an item's memory");
        let span = Span { start, len, veils };
        self.count += len;
        if origin.side == Side::Right && origin.parent.is_some_and(|parent| parent + 1 == start) {
            self.spans.insert(Gap::After(start - 1), span); // it goes on where the last one ended
            return start;
        }
        self.chains.push(Chain { start, origin, forked: false });
        let gap = self.gap(origin, start, order);
        self.spans.insert(gap, span);
        start
    }

    /// Takes a new chain in among those of its origin, and says where its run is put.
    fn gap(&mut self, origin: Origin, start: u32, order: impl Fn(Side, u32, u32) -> Ordering) -> Gap {
        let next = self.next_in_chain(origin);
        if let (Some(_), Some(parent)) = (next, origin.parent) {
            let chain = self.chain(parent);
            self.chains[chain].forked = true;
        }
        let heads = self.heads.entry(origin).or_default();
        let before = |other: u32| order(origin.side, other, start).is_lt();
        let at = heads.partition_point(|&head| before(head));
        heads.insert(at, start);
        let (elder, younger) = (at.checked_sub(1).map(|at| heads[at]), heads.get(at + 1).copied());
        // Between the heads, the chain's next element stands somewhere too.
        let is_before = next.is_some_and(before);
        let nearer = |head: Option<u32>, toward: Ordering| match (next, head) {
            (Some(next), Some(head)) if order(origin.side, next, head) == toward => Some(next),
            (Some(next), None) => Some(next),
            _ => head,
        };
        let elder = if is_before { nearer(elder, Ordering::Greater) } else { elder };
        let younger = if is_before { younger } else { nearer(younger, Ordering::Less) };
        match (origin.side, elder, younger) {
            (Side::Left, _, None) => Gap::Before(origin.parent.expect("nothing hangs left of the beginning")),
            (Side::Right, None, _) => origin.parent.map_or(Gap::Start, Gap::After),
            (_, _, Some(younger)) => Gap::Before(self.leftmost(younger)),
            (_, Some(elder), None) => Gap::After(self.rightmost(elder, &order)),
        }
    }

    /// The first element, in the document, of what hangs below an element.
    fn leftmost(&self, mut element: u32) -> u32 {
        let left = |element| self.heads.get(&Origin { parent: Some(element), side: Side::Left });
        while let Some(heads) = left(element) {
            element = heads[0];
        }
        element
    }

    /// The last.
    fn rightmost(&self, mut element: u32, order: &impl Fn(Side, u32, u32) -> Ordering) -> u32 {
        let right = |element| self.heads.get(&Origin { parent: Some(element), side: Side::Right });
        loop {
            let chain = self.chain(element);
            let last = self.chain_end(chain) - 1;
            let fork = |&element: &u32| {
                let head = *right(element)?.last()?;
                let goes_on = element < last && order(Side::Right, head, element + 1).is_lt();
                (!goes_on).then_some(head)
            };
            let from = if self.chains[chain].forked { element } else { last };
            match (from..=last).find_map(|element| fork(&element)) {
                Some(head) => element = head,
                None => return last,
            }
        }
    }

    /// Lays a veil on the elements `start..end`, or lifts one.
    pub fn veil(&mut self, start: u32, end: u32, veil: Veil) {
        self.spans.veil(start, end, veil);
    }
}

/// The elements `from..to`, cut where they are veiled differently.
fn equally_veiled(veils: &[u32], from: u32, to: u32) -> impl Iterator<Item = Span> + '_ {
    let mut start = from;
    let runs = veils[from as usize..to as usize].chunk_by(|one, next| one == next);
    runs.map(move |run| {
        let len = u32::try_from(run.len()).expect("elements are numbered by u32");
        let span = Span { start, len, veils: run[0] };
        start += len;
        span
    })
}
