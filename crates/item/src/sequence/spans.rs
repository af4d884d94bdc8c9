//! The elements in document order: a B-tree of spans.
//!
//! A *span* is a run of elements whose numbers follow one another, that stand next to each other in the document, and
//! that are veiled equally often. So a text typed in one go is one span, however many operations it took. Leaves hold
//! spans; branches know how many visible elements are below each child, so that a position is found, and the position
//! of an element told, in the logarithm of the number of spans. The other way in is by number: of each element the
//! leaf is known that holds it.
//!
//! Nothing is ever taken out: what is deleted is veiled. So the tree only grows, and a leaf or branch that is full is
//! halved.

use std::cell::Cell;
use std::ops::Range;

use super::hash::{self, Letters};

const SPANS: usize = 32;
const CHILDREN: usize = 16;
const NONE: u32 = u32::MAX;

/// How full nodes are that are made all at once: with room for what comes.
const FILLED_LEAF: usize = 24;
const FILLED_BRANCH: usize = 12;

/// A run of elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// The number of the first.
    pub(crate) start: u32,
    /// How many; never 0.
    pub(crate) len: u32,
    /// How many reasons there are not to show them.
    pub(crate) veils: u32,
}

impl Span {
    pub(crate) fn end(&self) -> u32 {
        self.start + self.len
    }

    pub(crate) fn is_visible(&self) -> bool {
        self.veils == 0
    }

    fn visible(&self) -> u32 {
        if self.is_visible() { self.len } else { 0 }
    }

    fn goes_on_with(&self, next: &Span) -> bool {
        self.end() == next.start && self.veils == next.veils
    }
}

/// Where new elements are put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gap {
    Start,
    Before(u32),
    After(u32),
}

/// How many reasons there are to hide an element: one more, or one less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Veil {
    /// One more.
    Lay,
    /// One less.
    Lift,
}

/// A place in a leaf: the span, and how many of its elements stand before.
#[derive(Clone, Copy)]
struct Cursor {
    leaf: u32,
    at: usize,
    offset: u32,
}

#[derive(Clone)]
struct Leaf {
    parent: u32,
    next: u32,
    used: u32,
    spans: [Span; SPANS],
    hash: Cell<Option<u64>>,
}

#[derive(Clone)]
struct Branch {
    parent: u32,
    used: u32,
    children: [u32; CHILDREN],
    visible: [u32; CHILDREN],
    hash: Cell<Option<u64>>,
}

/// The document order.
#[derive(Clone)]
pub(crate) struct Spans {
    leaves: Vec<Leaf>,
    branches: Vec<Branch>,
    /// A branch; a leaf if there are no branches.
    root: u32,
    /// How many levels of branches there are.
    levels: u32,
    /// The leaf that holds each element.
    leaf_of: Vec<u32>,
    visible: u32,
}

impl Default for Spans {
    fn default() -> Self {
        let leaves = vec![Leaf::empty(NONE)];
        Spans { leaves, branches: Vec::new(), root: 0, levels: 0, leaf_of: Vec::new(), visible: 0 }
    }
}

impl Spans {
    // Reading.

    /// How many elements there are, visible or not.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.leaf_of.len()).expect("elements are numbered by u32")
    }

    /// How many elements are visible.
    pub(crate) fn visible(&self) -> u32 {
        self.visible
    }

    /// The number of the visible element at a position, and of the element that follows it in the document, visible or
    /// not.
    pub(crate) fn at(&self, position: u32) -> (u32, Option<u32>) {
        let cursor = self.seek(position);
        let element = self.leaves[cursor.leaf as usize].spans[cursor.at].start + cursor.offset;
        (element, self.behind(cursor))
    }

    /// The element that follows another in the document, visible or not.
    pub(crate) fn next(&self, element: u32) -> Option<u32> {
        self.behind(self.locate(element))
    }

    fn behind(&self, Cursor { leaf, at, offset }: Cursor) -> Option<u32> {
        let here = &self.leaves[leaf as usize];
        if offset + 1 < here.spans[at].len {
            return Some(here.spans[at].start + offset + 1);
        }
        let next = match at + 1 < here.used() {
            true => Some(&here.spans[at + 1]),
            false => self.leaves.get(here.next as usize).map(|leaf| &leaf.spans[0]),
        };
        next.map(|span| span.start)
    }

    /// The spans of the elements, by number, cut to them.
    pub(crate) fn pieces(&self, mut elements: Range<u32>, mut visit: impl FnMut(Span)) {
        while !elements.is_empty() {
            let Cursor { leaf, at, .. } = self.locate(elements.start);
            let span = self.leaves[leaf as usize].spans[at];
            let end = span.end().min(elements.end);
            visit(Span { start: elements.start, len: end - elements.start, ..span });
            elements.start = end;
        }
    }

    /// The first element of the document, visible or not.
    pub(crate) fn first(&self) -> Option<u32> {
        (!self.leaf_of.is_empty()).then(|| self.leaves[0].spans[0].start)
    }

    /// How many visible elements stand before an element, and whether it is visible itself.
    pub(crate) fn position(&self, element: u32) -> (u32, bool) {
        let Cursor { leaf, at, offset } = self.locate(element);
        let here = &self.leaves[leaf as usize];
        let span = &here.spans[at];
        let mut before: u32 = here.spans[..at].iter().map(Span::visible).sum();
        before += if span.is_visible() { offset } else { 0 };
        let (mut child, mut parent) = (leaf, here.parent);
        while parent != NONE {
            let branch = &self.branches[parent as usize];
            before += branch.visible[..branch.slot(child)].iter().sum::<u32>();
            (child, parent) = (parent, branch.parent);
        }
        (before, span.is_visible())
    }

    /// The runs of visible elements at `position..position + count`, in document order: first and length.
    pub(crate) fn runs(&self, position: u32, count: u32, mut visit: impl FnMut(u32, u32)) {
        if count == 0 {
            return;
        }
        let Cursor { mut leaf, at, mut offset } = self.seek(position);
        let (mut from, mut left) = (at, count);
        while left > 0 {
            let here = &self.leaves[leaf as usize];
            for span in here.spans()[from..].iter().filter(|span| span.is_visible()) {
                let taken = left.min(span.len - offset);
                if taken > 0 {
                    visit(span.start + offset, taken);
                }
                (left, offset) = (left - taken, 0);
            }
            (leaf, from) = (here.next, 0);
        }
    }

    /// The hash of the visible elements.
    pub(crate) fn hash(&self, letters: &dyn Letters) -> u64 {
        self.hash_of(self.root, self.levels, letters)
    }

    fn hash_of(&self, node: u32, level: u32, letters: &dyn Letters) -> u64 {
        let kept = if level == 0 {
            self.leaves[node as usize].hash.get()
        } else {
            self.branches[node as usize].hash.get()
        };
        if let Some(hash) = kept {
            return hash;
        }
        if level == 0 {
            let leaf = &self.leaves[node as usize];
            let visible = leaf.spans().iter().filter(|span| span.is_visible());
            let hash = visible.fold(0, |hash, span| {
                hash::join(hash, hash::of_run(letters, span.start, span.end()), span.len)
            });
            leaf.hash.set(Some(hash));
            return hash;
        }
        let branch = &self.branches[node as usize];
        let children = branch.children().iter().zip(&branch.visible);
        let hash = children.fold(0, |hash, (&child, &visible)| {
            hash::join(hash, self.hash_of(child, level - 1, letters), visible)
        });
        branch.hash.set(Some(hash));
        hash
    }

    /// Where the visible element at a position is. There are more visible elements than that.
    fn seek(&self, mut position: u32) -> Cursor {
        assert!(position < self.visible, "position {position} is one of {}", self.visible);
        let mut node = self.root;
        for _ in 0..self.levels {
            let branch = &self.branches[node as usize];
            let mut slot = 0;
            while position >= branch.visible[slot] {
                position -= branch.visible[slot];
                slot += 1;
            }
            node = branch.children[slot];
        }
        let spans = &self.leaves[node as usize].spans;
        let mut at = 0;
        while position >= spans[at].visible() {
            position -= spans[at].visible();
            at += 1;
        }
        Cursor { leaf: node, at, offset: position }
    }

    fn locate(&self, element: u32) -> Cursor {
        let leaf = self.leaf_of[element as usize];
        let spans = self.leaves[leaf as usize].spans();
        let at = spans.iter().position(|span| element.wrapping_sub(span.start) < span.len);
        let at = at.expect("an element is in the leaf that is said to hold it");
        Cursor { leaf, at, offset: element - spans[at].start }
    }

    // Making.

    /// The order of spans that hold so many elements, in document order; each number is in one of them.
    pub(crate) fn in_order(spans: impl Iterator<Item = Span>, count: u32) -> Self {
        let mut order = Spans { leaf_of: vec![0; count as usize], ..Spans::default() };
        for span in spans {
            order.append(span);
        }
        let mut level: Vec<(u32, u32)> =
            order.leaves.iter().enumerate().map(|(at, leaf)| (number(at), leaf.visible())).collect();
        while level.len() > 1 {
            let below = order.levels;
            level = level.chunks(FILLED_BRANCH).map(|nodes| order.branch_over(nodes, below)).collect();
            order.levels += 1;
        }
        (order.root, order.visible) = level[0];
        order
    }

    /// Puts a span behind all others.
    fn append(&mut self, span: Span) {
        let last = self.leaves.len() - 1;
        let leaf = &mut self.leaves[last];
        let at = leaf.used();
        if at > 0 && leaf.spans[at - 1].goes_on_with(&span) {
            leaf.spans[at - 1].len += span.len;
        } else if at < FILLED_LEAF {
            leaf.spans[at] = span;
            leaf.used += 1;
        } else {
            let new = number(last + 1);
            leaf.next = new;
            self.leaves.push(Leaf::empty(NONE));
            self.leaves[last + 1].insert(0, 0, span);
        }
        let leaf = number(self.leaves.len() - 1);
        self.leaf_of[span.start as usize..span.end() as usize].fill(leaf);
    }

    /// A branch over some nodes: itself, and how much below it is visible.
    fn branch_over(&mut self, nodes: &[(u32, u32)], level: u32) -> (u32, u32) {
        let branch = number(self.branches.len());
        self.branches.push(Branch::empty(NONE));
        for (slot, &(node, visible)) in nodes.iter().enumerate() {
            self.branches[branch as usize].insert(slot, node, visible);
            self.set_parent(node, branch, level);
        }
        (branch, self.branches[branch as usize].sum())
    }

    // Changing.

    /// Puts new elements in; their numbers follow those of all others.
    pub(crate) fn insert(&mut self, gap: Gap, span: Span) {
        debug_assert_eq!(span.start, self.len(), "elements are numbered as they come");
        let mut cursor = self.resolve(gap);
        if !self.extend(cursor, span) {
            if self.leaves[cursor.leaf as usize].used() + 2 > SPANS {
                self.halve(cursor.leaf);
                cursor = self.resolve(gap);
            }
            self.leaves[cursor.leaf as usize].insert(cursor.at, cursor.offset, span);
        }
        let end = self.leaf_of.len() + span.len as usize;
        self.leaf_of.resize(end, cursor.leaf);
        if span.is_visible() {
            self.visible += span.len;
            self.climb(cursor.leaf, span.len, u32::wrapping_add);
        }
    }

    fn resolve(&self, gap: Gap) -> Cursor {
        match gap {
            Gap::Start => Cursor { leaf: 0, at: 0, offset: 0 },
            Gap::Before(element) => self.locate(element),
            Gap::After(element) => {
                let cursor = self.locate(element);
                Cursor { offset: cursor.offset + 1, ..cursor }
            }
        }
    }

    /// Lengthens the span before the gap, if the new one goes on where it ends.
    fn extend(&mut self, cursor: Cursor, span: Span) -> bool {
        let leaf = &mut self.leaves[cursor.leaf as usize];
        let before = match cursor.offset {
            0 if cursor.at > 0 => cursor.at - 1,
            offset if leaf.used > 0 && offset == leaf.spans[cursor.at].len => cursor.at,
            _ => return false,
        };
        let before = &mut leaf.spans[before];
        let goes_on = before.goes_on_with(&span);
        if goes_on {
            before.len += span.len;
        }
        goes_on
    }

    /// Lays a veil on the elements `start..end`, or lifts one.
    ///
    /// # Panics
    /// If a veil is lifted that was not laid.
    pub(crate) fn veil(&mut self, mut start: u32, end: u32, veil: Veil) {
        while start < end {
            let mut cursor = self.locate(start);
            if self.leaves[cursor.leaf as usize].used() + 2 > SPANS {
                self.halve(cursor.leaf);
                cursor = self.locate(start);
            }
            let span = self.leaves[cursor.leaf as usize].spans[cursor.at];
            let taken = (span.len - cursor.offset).min(end - start);
            let veils = match veil {
                Veil::Lay => span.veils + 1,
                Veil::Lift => span.veils.checked_sub(1).expect("a veil that is lifted was laid"),
            };
            let middle = Span { start, len: taken, veils };
            self.leaves[cursor.leaf as usize].replace(cursor.at, middle);
            match (span.is_visible(), middle.is_visible()) {
                (false, true) => {
                    self.visible += taken;
                    self.climb(cursor.leaf, taken, u32::wrapping_add);
                }
                (true, false) => {
                    self.visible -= taken;
                    self.climb(cursor.leaf, taken, u32::wrapping_sub);
                }
                _ => {}
            }
            start += taken;
        }
    }

    /// Tells the branches above a leaf that it has more or fewer visible elements.
    fn climb(&mut self, leaf: u32, by: u32, change: fn(u32, u32) -> u32) {
        let here = &mut self.leaves[leaf as usize];
        here.hash.set(None);
        let (mut child, mut parent) = (leaf, here.parent);
        while parent != NONE {
            let branch = &mut self.branches[parent as usize];
            branch.hash.set(None);
            let slot = branch.slot(child);
            branch.visible[slot] = change(branch.visible[slot], by);
            (child, parent) = (parent, branch.parent);
        }
    }

    fn halve(&mut self, leaf: u32) {
        let new = number(self.leaves.len());
        let old = &mut self.leaves[leaf as usize];
        let half = old.used() / 2;
        let moved = old.used() - half;
        let mut upper = Leaf { next: old.next, used: moved as u32, ..Leaf::empty(old.parent) };
        upper.spans[..moved].copy_from_slice(&old.spans[half..half + moved]);
        (old.next, old.used) = (new, half as u32);
        old.hash.set(None);
        let (parent, moved) = (old.parent, upper.visible());
        for span in upper.spans() {
            self.leaf_of[span.start as usize..span.end() as usize].fill(new);
        }
        let stay = old.visible();
        self.leaves.push(upper);
        self.adopt(parent, leaf, new, (stay, moved), 0);
    }

    /// Gives a new node a place behind its elder half, in their branch.
    fn adopt(&mut self, mut parent: u32, elder: u32, new: u32, visible: (u32, u32), level: u32) {
        if parent == NONE {
            parent = number(self.branches.len());
            self.branches.push(Branch::empty(NONE));
            self.branches[parent as usize].insert(0, elder, visible.0);
            self.set_parent(elder, parent, level);
            (self.root, self.levels) = (parent, level + 1);
        } else if self.branches[parent as usize].used() == CHILDREN {
            self.halve_branch(parent, level + 1);
            parent = self.parent(elder, level);
        }
        let branch = &mut self.branches[parent as usize];
        let slot = branch.slot(elder);
        branch.visible[slot] = visible.0;
        branch.insert(slot + 1, new, visible.1);
        self.set_parent(new, parent, level);
    }

    fn halve_branch(&mut self, branch: u32, level: u32) {
        let new = number(self.branches.len());
        let old = &mut self.branches[branch as usize];
        let half = CHILDREN / 2;
        let mut upper = Branch::empty(old.parent);
        upper.used = (CHILDREN - half) as u32;
        upper.children[..CHILDREN - half].copy_from_slice(&old.children[half..]);
        upper.visible[..CHILDREN - half].copy_from_slice(&old.visible[half..]);
        old.used = half as u32;
        old.hash.set(None);
        let visible = (old.sum(), upper.sum());
        let (parent, children) = (old.parent, upper.children);
        self.branches.push(upper);
        children[..CHILDREN - half].iter().for_each(|&child| self.set_parent(child, new, level - 1));
        self.adopt(parent, branch, new, visible, level);
    }

    fn parent(&self, node: u32, level: u32) -> u32 {
        if level == 0 { self.leaves[node as usize].parent } else { self.branches[node as usize].parent }
    }

    fn set_parent(&mut self, node: u32, parent: u32, level: u32) {
        if level == 0 {
            self.leaves[node as usize].parent = parent;
        } else {
            self.branches[node as usize].parent = parent;
        }
    }
}

impl Leaf {
    fn empty(parent: u32) -> Self {
        Leaf { parent, next: NONE, used: 0, spans: [Span::default(); SPANS], hash: Cell::new(None) }
    }

    fn used(&self) -> usize {
        self.used as usize
    }

    fn spans(&self) -> &[Span] {
        &self.spans[..self.used()]
    }

    fn visible(&self) -> u32 {
        self.spans().iter().map(Span::visible).sum()
    }

    /// Puts a span behind the first `offset` elements of the span at `at`.
    fn insert(&mut self, at: usize, offset: u32, span: Span) {
        if self.used == 0 || offset == 0 {
            self.open(at, 1);
            self.spans[at] = span;
            return;
        }
        let before = self.spans[at];
        if offset == before.len {
            self.open(at + 1, 1);
            self.spans[at + 1] = span;
            return;
        }
        self.open(at + 1, 2);
        self.spans[at].len = offset;
        self.spans[at + 1] = span;
        self.spans[at + 2] = Span { start: before.start + offset, len: before.len - offset, ..before };
    }

    /// Puts a piece of the span at `at` in its place, with what stands before and after it, and joins what goes on.
    fn replace(&mut self, at: usize, middle: Span) {
        let whole = self.spans[at];
        let before = Span { len: middle.start - whole.start, ..whole };
        let after = Span { start: middle.end(), len: whole.end() - middle.end(), ..whole };
        let mut first = at;
        if before.len > 0 {
            self.open(at, 1);
            self.spans[at] = before;
            first = at + 1;
        }
        self.spans[first] = middle;
        if after.len > 0 {
            self.open(first + 1, 1);
            self.spans[first + 1] = after;
        }
        self.join(first);
        if first > 0 {
            self.join(first - 1);
        }
    }

    /// Joins a span with the next, if that goes on where it ends.
    fn join(&mut self, at: usize) {
        if at + 1 < self.used() && self.spans[at].goes_on_with(&self.spans[at + 1]) {
            self.spans[at].len += self.spans[at + 1].len;
            self.spans.copy_within(at + 2..self.used as usize, at + 1);
            self.used -= 1;
        }
    }

    fn open(&mut self, at: usize, count: usize) {
        self.spans.copy_within(at..self.used as usize, at + count);
        self.used += count as u32;
    }
}

impl Branch {
    fn empty(parent: u32) -> Self {
        let (children, visible) = ([NONE; CHILDREN], [0; CHILDREN]);
        Branch { parent, used: 0, children, visible, hash: Cell::new(None) }
    }

    fn used(&self) -> usize {
        self.used as usize
    }

    fn children(&self) -> &[u32] {
        &self.children[..self.used()]
    }

    fn slot(&self, child: u32) -> usize {
        let slot = self.children().iter().position(|&other| other == child);
        slot.expect("a node is among the children of its parent")
    }

    fn sum(&self) -> u32 {
        self.visible[..self.used()].iter().sum()
    }

    fn insert(&mut self, slot: usize, child: u32, visible: u32) {
        self.children.copy_within(slot..self.used as usize, slot + 1);
        self.visible.copy_within(slot..self.used as usize, slot + 1);
        (self.children[slot], self.visible[slot]) = (child, visible);
        self.used += 1;
    }
}

fn number(length: usize) -> u32 {
    u32::try_from(length).expect("a tree has fewer nodes than elements")
}
