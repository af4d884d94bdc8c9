//! The linked entries of one party: causes, heads, forks, reachability.
//!
//! Only *linked* entries are in the graph (H7): an entry goes in when all its causes are in, so the graph is at every
//! moment closed under causes. Linking checks what an entry claims about its causes, and the answer is the same for
//! everybody: that its depth is one more than the deepest, that exactly one of them is its backlink (the entry of its
//! feed one seq before it) and of its kind, that control cites only control (H1). An entry that lies is refused for
//! ever, and what cites it is never linked.
//!
//! Whether an ancestor is reachable is asked for facts that cite facts and for sync. The search goes from the
//! descendant backwards, never below the ancestor's depth, and on an unforked feed one look at the seq decides; so it
//! costs as many steps as there is concurrency between the two, not as there is history.
//!
//! A graph is whole in memory, or lies on a [`shelf`](crate::shelf), from which it reads what a question touches.
//!
//! Timeframes (H4: per feed the greatest seq in an entry's past) are derived, not carried.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use motet_fact::{Cid, PublicKey};

use crate::frontier::{Frontier, Frontiers};
use crate::node::{Held, Node};
use crate::shelf::{Desk, Paged};
use crate::{Entry, EntryKind, Header, Position};

/// Why an entry whose causes are all here is refused for ever.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The depth is not 1 + the deepest cause's.
    #[error("entry {id} (feed {feed}, seq {seq}) claims depth {claimed}; its causes give {actual}")]
    Depth {
        /// The entry.
        id: Cid,
        /// Its feed.
        feed: PublicKey,
        /// Its seq.
        seq: u64,
        /// The depth it claims.
        claimed: u64,
        /// The depth it has.
        actual: u64,
    },
    /// Not exactly one cause is the entry of the same feed one seq before.
    #[error("entry {id} (feed {feed}, seq {seq}) does not cite exactly the entry before it on its feed")]
    Backlink {
        /// The entry.
        id: Cid,
        /// Its feed.
        feed: PublicKey,
        /// Its seq.
        seq: u64,
    },
    /// A control entry cites a data entry.
    #[error("control entry {id} (feed {feed}, seq {seq}) cites the data entry {cause}")]
    ControlCitesData {
        /// The entry.
        id: Cid,
        /// Its feed.
        feed: PublicKey,
        /// Its seq.
        seq: u64,
        /// The data entry.
        cause: Cid,
    },
    /// An entry is of another kind than the one before it: what was granted as a control feed would carry data.
    #[error("entry {id} (feed {feed}, seq {seq}) is not of the kind of the entry before it, {backlink}")]
    KindChanged {
        /// The entry.
        id: Cid,
        /// Its feed.
        feed: PublicKey,
        /// Its seq.
        seq: u64,
        /// The entry before it.
        backlink: Cid,
    },
}

/// Whether an entry can be linked now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Linkage {
    /// It is in the graph already.
    Known,
    /// All its causes are here.
    Ready,
    /// These causes are missing.
    Missing(Vec<Cid>),
}

/// A head of a feed: an entry that no entry of the same feed follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FeedHead {
    /// The feed.
    pub feed: PublicKey,
    /// The entry's seq.
    pub seq: u64,
    /// The entry.
    pub id: Cid,
}

/// A feed. Its n-th entry in the order of linking is the n-th of its `nodes`.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    pub(crate) key: PublicKey,
    pub(crate) kind: EntryKind,
    pub(crate) heads: BTreeSet<u32>,
    pub(crate) nodes: Paged<u32>,
    pub(crate) forked: bool,
}

/// The linked entries of one party.
#[derive(Clone, Debug)]
pub struct Graph {
    pub(crate) desk: Desk,
    pub(crate) nodes: Paged<Node>,
    /// The numbers of the entries that are not on the shelf, and of some that are.
    pub(crate) recent: RefCell<HashMap<Cid, u32>>,
    /// How many entries have their numbers on the shelf.
    pub(crate) shelved: u32,
    pub(crate) feeds: Vec<Feed>,
    pub(crate) feed_index: BTreeMap<PublicKey, u32>,
    /// Citable entries that no citable entry cites.
    pub(crate) heads: BTreeSet<Cid>,
    /// Citable control entries that no citable control entry cites.
    pub(crate) control_heads: BTreeSet<Cid>,
    pub(crate) frontiers: Frontiers,
}

impl Default for Graph {
    fn default() -> Self {
        Graph {
            desk: Desk::default(),
            nodes: Paged::new(0, 0),
            recent: RefCell::default(),
            shelved: 0,
            feeds: Vec::new(),
            feed_index: BTreeMap::new(),
            heads: BTreeSet::new(),
            control_heads: BTreeSet::new(),
            frontiers: Frontiers::default(),
        }
    }
}

impl Graph {
    /// How many entries are linked.
    pub fn len(&self) -> usize {
        self.nodes.len() as usize
    }

    /// Whether nothing is linked.
    pub fn is_empty(&self) -> bool {
        self.nodes.len() == 0
    }

    /// Whether the entry is linked.
    pub fn contains(&self, id: &Cid) -> bool {
        self.find(id).is_some()
    }

    /// Whether an entry is known, can be linked, or waits for causes.
    pub fn linkage(&self, entry: &Entry) -> Linkage {
        if self.contains(&entry.id()) {
            return Linkage::Known;
        }
        let missing: Vec<Cid> =
            entry.header().causes.iter().filter(|cause| !self.contains(cause)).copied().collect();
        if missing.is_empty() { Linkage::Ready } else { Linkage::Missing(missing) }
    }

    /// Checks what an entry claims about its causes, all of which must be linked.
    ///
    /// # Errors
    /// [`LinkError`]: the entry is refused for ever.
    ///
    /// # Panics
    /// If a cause is not linked.
    pub fn check(&self, entry: &Entry) -> Result<(), LinkError> {
        let header = entry.header();
        let (id, feed, seq) = (entry.id(), header.feed, header.seq);
        let causes = self.cause_nodes(header);
        let actual = 1 + causes.iter().map(|cause| cause.depth).max().unwrap_or(0);
        if header.depth != actual {
            return Err(LinkError::Depth { id, feed, seq, claimed: header.depth, actual });
        }
        if header.kind == EntryKind::Control
            && let Some(cause) = causes.iter().find(|cause| cause.kind == EntryKind::Data)
        {
            return Err(LinkError::ControlCitesData { id, feed, seq, cause: cause.id });
        }
        let own = causes.iter().filter(|cause| self.feed_of(cause) == feed).collect::<Vec<_>>();
        match own.as_slice() {
            [] if seq == 0 => Ok(()),
            [backlink] if backlink.seq.checked_add(1) != Some(seq) => {
                Err(LinkError::Backlink { id, feed, seq })
            }
            [backlink] if backlink.kind != header.kind => {
                Err(LinkError::KindChanged { id, feed, seq, backlink: backlink.id })
            }
            [_] => Ok(()),
            _ => Err(LinkError::Backlink { id, feed, seq }),
        }
    }

    /// Links an entry that [`Graph::check`] accepts. An entry that is not `citable` (its writer had no authority) is
    /// kept, so that what cites it can be linked, but is not given out as a head.
    ///
    /// # Panics
    /// If a cause is missing or the entry is linked already.
    pub fn link(&mut self, entry: &Entry, citable: bool) {
        let header = entry.header();
        let number = self.nodes.len();
        let feed = self.feed_number(header);
        let causes: Box<[u32]> = header.causes.iter().map(|cause| self.number(cause)).collect();
        let backlink = causes.iter().copied().find(|&cause| self.node(cause).feed == feed);
        self.follow(feed, header.kind, backlink, number);
        let frontier = match header.kind {
            EntryKind::Control => Frontier::from([number]),
            EntryKind::Data => self.frontier(&causes),
        };
        let node = Node {
            id: entry.id(),
            feed,
            seq: header.seq,
            depth: header.depth,
            kind: header.kind,
            causes,
            backlink,
            frontier: self.frontiers.number(frontier),
            citable: false,
            marked: false,
            citers: [0; 2],
        };
        self.nodes.push(&self.desk, node);
        let before = self.recent.get_mut().insert(entry.id(), number);
        assert!(before.is_none(), "an entry is linked once");
        if citable {
            self.set_citable(&entry.id(), true);
        }
    }

    /// Lets a linked entry be given out as a head, or no longer: then the ones it cites may be heads in its stead.
    ///
    /// # Panics
    /// If the entry is not linked.
    pub fn set_citable(&mut self, id: &Cid, citable: bool) {
        let number = self.number(id);
        let node = self.node(number);
        if node.citable == citable {
            return;
        }
        self.nodes.change(&self.desk, number, |node| node.citable = citable);
        let concerned = usize::from(node.kind == EntryKind::Control);
        for &cause in &node.causes {
            self.nodes.change(&self.desk, cause, |cause| {
                for citers in &mut cause.citers[..=concerned] {
                    *citers = if citable { *citers + 1 } else { *citers - 1 };
                }
            });
            self.keep_head(cause);
        }
        self.keep_head(number);
    }

    fn keep_head(&mut self, number: u32) {
        let node = self.node(number);
        let Node { id, kind, citable, citers, .. } = *node;
        let control = citable && kind == EntryKind::Control;
        for (heads, is_head) in [
            (&mut self.heads, citable && citers[0] == 0),
            (&mut self.control_heads, control && citers[1] == 0),
        ] {
            if is_head {
                heads.insert(id);
            } else {
                heads.remove(&id);
            }
        }
    }

    /// The heads of the control entries in the past of some nodes.
    fn frontier(&self, of: &[u32]) -> Frontier {
        let numbers: BTreeSet<u32> = of.iter().map(|&node| self.node(node).frontier).collect();
        let mut heads: BTreeSet<u32> =
            numbers.iter().flat_map(|&number| self.frontiers.get(number)).copied().collect();
        if numbers.len() > 1 {
            let id = |node: u32| self.node(node).id;
            let passed =
                |head: &u32| heads.iter().any(|later| later != head && self.reaches(&id(*later), &id(*head)));
            let passed: BTreeSet<u32> = heads.iter().copied().filter(|head| passed(head)).collect();
            heads.retain(|head| !passed.contains(head));
        }
        heads.into_iter().collect()
    }

    /// The heads of the control entries in the past of some linked entries, those included: what an entry that cites
    /// them obeys (H1). Ids that are not linked count for nothing.
    pub fn obeyed(&self, entries: &[Cid]) -> Vec<Cid> {
        let nodes: Vec<u32> = entries.iter().filter_map(|id| self.find(id)).collect();
        self.frontier(&nodes).iter().map(|&node| self.node(node).id).collect()
    }

    /// Sets the one bit that whoever has the graph may keep with an entry; gives whether that changed it.
    ///
    /// # Panics
    /// If the entry is not linked.
    pub fn mark(&mut self, id: &Cid, marked: bool) -> bool {
        let number = self.number(id);
        let changes = self.node(number).marked != marked;
        if changes {
            self.nodes.change(&self.desk, number, |node| node.marked = marked);
        }
        changes
    }

    /// Whether an entry is linked and marked.
    pub fn is_marked(&self, id: &Cid) -> bool {
        self.find(id).is_some_and(|number| self.node(number).marked)
    }

    /// The control entries, in the order of linking.
    pub fn controls(&self) -> Vec<Cid> {
        let feeds = self.feeds.iter().filter(|feed| feed.kind == EntryKind::Control);
        let numbers = |feed: &Feed| {
            let found = (0..feed.nodes.len()).map_while(|n| feed.nodes.find(&self.desk, n));
            found.map(|(page, at)| page[at]).collect::<Vec<_>>()
        };
        let numbers: BTreeSet<u32> = feeds.flat_map(numbers).collect();
        let nodes = numbers.into_iter().map(|number| self.node(number));
        nodes.filter(|node| node.kind == EntryKind::Control).map(|node| node.id).collect()
    }

    /// The number of a linked entry: how many were linked before it.
    pub fn number_of(&self, id: &Cid) -> Option<usize> {
        self.find(id).map(|number| number as usize)
    }

    /// The entry with a number, and what it is.
    pub fn at(&self, number: usize) -> Option<(Position, EntryKind)> {
        let number = u32::try_from(number).ok().filter(|number| *number < self.nodes.len())?;
        let node = self.node(number);
        Some((Position { depth: node.depth, feed: self.feed_of(&node), id: node.id }, node.kind))
    }

    fn follow(&mut self, feed: u32, kind: EntryKind, backlink: Option<u32>, number: u32) {
        let feed = &mut self.feeds[feed as usize];
        feed.kind = feed.kind.min(kind);
        let extends_a_head = backlink.is_some_and(|backlink| feed.heads.remove(&backlink));
        feed.forked |= !extends_a_head && feed.nodes.len() > 0;
        feed.heads.insert(number);
        feed.nodes.push(&self.desk, number);
    }

    fn feed_number(&mut self, header: &Header) -> u32 {
        if let Some(&number) = self.feed_index.get(&header.feed) {
            return number;
        }
        let number = u32::try_from(self.feeds.len()).expect("fewer than four billion feeds in a party");
        let (heads, nodes) = (BTreeSet::new(), Paged::new(number + 1, 0));
        self.feeds.push(Feed { key: header.feed, kind: header.kind, heads, nodes, forked: false });
        self.feed_index.insert(header.feed, number);
        number
    }

    /// The citable entries that no citable entry cites: what a new data entry cites. Ascending.
    pub fn heads(&self) -> impl Iterator<Item = Cid> + '_ {
        self.heads.iter().copied()
    }

    /// The same among control entries: what a new control entry cites, and what a data entry obeys. Ascending.
    pub fn control_heads(&self) -> impl Iterator<Item = Cid> + '_ {
        self.control_heads.iter().copied()
    }

    /// The heads of every feed; a forked feed has several. Ascending, whatever came first.
    pub fn feed_heads(&self) -> impl Iterator<Item = FeedHead> + '_ {
        self.feed_index.values().flat_map(|&feed| self.heads_of(feed))
    }

    /// The heads of one feed, ascending.
    pub fn heads_of_feed(&self, feed: &PublicKey) -> Vec<FeedHead> {
        self.feed_index.get(feed).map(|&feed| self.heads_of(feed)).unwrap_or_default()
    }

    fn heads_of(&self, feed: u32) -> Vec<FeedHead> {
        let feed = &self.feeds[feed as usize];
        let head = |head: &u32| {
            let node = self.node(*head);
            FeedHead { feed: feed.key, seq: node.seq, id: node.id }
        };
        let mut heads: Vec<FeedHead> = feed.heads.iter().map(head).collect();
        heads.sort_unstable();
        heads
    }

    /// The feeds, by key: kind, number of entries, whether they are forked. A feed whose branches differ in kind from
    /// their first entries on is called a control feed, whichever came first.
    pub fn feeds(&self) -> impl Iterator<Item = (PublicKey, EntryKind, u64, bool)> + '_ {
        self.feed_index.values().map(|&feed| {
            let feed = &self.feeds[feed as usize];
            (feed.key, feed.kind, u64::from(feed.nodes.len()), feed.forked)
        })
    }

    /// Whether the feed is forked (H5): not all its entries lie on one chain of backlinks. A second beginning forks it
    /// even if the first is in its past.
    pub fn is_forked(&self, feed: &PublicKey) -> bool {
        self.feed_index.get(feed).is_some_and(|&feed| self.feeds[feed as usize].forked)
    }

    /// The entries of a feed in the order they were linked.
    pub fn entries_of_feed(&self, feed: &PublicKey) -> Vec<Cid> {
        (0..).map_while(|n| self.nth_of_feed(feed, n)).collect()
    }

    /// The entry of a feed that was linked as its n-th, from 0.
    pub fn nth_of_feed(&self, feed: &PublicKey, n: usize) -> Option<Cid> {
        let feed = &self.feeds[*self.feed_index.get(feed)? as usize];
        let (page, at) = feed.nodes.find(&self.desk, u32::try_from(n).ok()?)?;
        Some(self.node(page[at]).id)
    }

    /// The entry before this one on its branch of its feed.
    pub fn backlink(&self, id: &Cid) -> Option<Cid> {
        let node = self.node(self.find(id)?);
        node.backlink.map(|backlink| self.node(backlink).id)
    }

    /// The place of a linked entry in the one order.
    pub fn position(&self, id: &Cid) -> Option<Position> {
        let node = self.node(self.find(id)?);
        Some(Position { depth: node.depth, feed: self.feed_of(&node), id: node.id })
    }

    /// The seq of a linked entry.
    pub fn seq(&self, id: &Cid) -> Option<u64> {
        Some(self.node(self.find(id)?).seq)
    }

    /// The kind of a linked entry.
    pub fn kind(&self, id: &Cid) -> Option<EntryKind> {
        Some(self.node(self.find(id)?).kind)
    }

    /// The causes of a linked entry.
    pub fn causes(&self, id: &Cid) -> Vec<Cid> {
        let Some(number) = self.find(id) else { return Vec::new() };
        self.node(number).causes.iter().map(|&cause| self.node(cause).id).collect()
    }

    /// Every linked entry, in the order of linking (a causal order).
    pub fn ids(&self) -> impl Iterator<Item = Cid> + '_ {
        (0..self.nodes.len()).map(|number| self.node(number).id)
    }

    /// Whether `ancestor` is `descendant` or in its causal past. Both must be linked, else no.
    pub fn reaches(&self, descendant: &Cid, ancestor: &Cid) -> bool {
        let (Some(from), Some(to)) = (self.find(descendant), self.find(ancestor)) else {
            return false;
        };
        let target = self.node(to);
        let forked = self.feeds[target.feed as usize].forked;
        let mut seen = HashSet::new();
        // Nearest first: what is asked for is mostly a direct cause.
        let mut queue = VecDeque::from([from]);
        while let Some(number) = queue.pop_front() {
            let node = self.node(number);
            if number == to || (!forked && node.feed == target.feed && node.seq >= target.seq) {
                return true;
            }
            if node.depth > target.depth {
                queue.extend(node.causes.iter().filter(|&&cause| seen.insert(cause)));
            }
        }
        false
    }

    /// The same of two linked entries of which it is known where they stand: of one unforked feed no page is read.
    pub fn follows(&self, descendant: &Position, ancestor: &Position) -> bool {
        if descendant.feed == ancestor.feed && !self.is_forked(&descendant.feed) {
            return ancestor.depth <= descendant.depth;
        }
        self.reaches(&descendant.id, &ancestor.id)
    }

    /// The entries in the past of some entries, themselves included, that are not in the past of some others: what a
    /// peer with the second heads lacks of the first. In causal order.
    pub fn difference(&self, wanted: &[Cid], had: &[Cid]) -> Vec<Cid> {
        // The latest first: whatever cites an entry has a greater number. True: it is in the past of what was had.
        let find = |ids: &[Cid]| ids.iter().filter_map(|id| self.find(id)).collect::<BTreeSet<u32>>();
        let had = find(had);
        let mut left: BTreeMap<u32, bool> = find(wanted).into_iter().map(|number| (number, false)).collect();
        left.extend(had.into_iter().map(|number| (number, true)));
        let mut open = left.values().filter(|had| !**had).count();
        let mut lacking = Vec::new();
        while open > 0
            && let Some((number, had)) = left.pop_last()
        {
            let node = self.node(number);
            if !had {
                open -= 1;
                lacking.push(node.id);
            }
            for &cause in &node.causes {
                match left.insert(cause, had) {
                    None if !had => open += 1,
                    Some(false) if had => open -= 1,
                    Some(true) if !had => drop(left.insert(cause, true)),
                    _ => {}
                }
            }
        }
        lacking.reverse();
        lacking
    }

    /// The timeframe of an entry (H4): per feed the greatest seq in its past, itself included.
    pub fn timeframe(&self, id: &Cid) -> BTreeMap<PublicKey, u64> {
        let mut frame = BTreeMap::new();
        for id in self.difference(&[*id], &[]) {
            let node = self.node(self.number(&id));
            let seq = frame.entry(self.feed_of(&node)).or_insert(node.seq);
            *seq = node.seq.max(*seq);
        }
        frame
    }

    pub(crate) fn node(&self, number: u32) -> Held {
        Held::of(self.nodes.find(&self.desk, number))
    }

    /// The number of an entry, if it is linked.
    fn find(&self, id: &Cid) -> Option<u32> {
        let known = self.recent.borrow().get(id).copied();
        known.or_else(|| {
            let number = self.desk.number(id)?;
            self.forget_numbers();
            self.recent.borrow_mut().insert(*id, number);
            Some(number)
        })
    }

    fn number(&self, id: &Cid) -> u32 {
        self.find(id).expect("an entry is linked after its causes")
    }

    fn feed_of(&self, node: &Node) -> PublicKey {
        self.feeds[node.feed as usize].key
    }

    fn cause_nodes(&self, header: &Header) -> Vec<Held> {
        header.causes.iter().map(|cause| self.node(self.number(cause))).collect()
    }
}
