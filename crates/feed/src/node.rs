//! A linked entry as the graph knows it, and how it and all that is short of a graph are written on a shelf.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use motet_fact::{Cid, PublicKey};
use prost::Message as _;

use crate::frontier::Frontiers;
use crate::graph::{Feed, Graph};
use crate::shelf::{Desk, Paged, Paper, Shelf, Shelved};
use crate::{EntryKind, proto};

/// The version of what is on the shelf. Another one is not read: the graph is made anew from its entries.
const VERSION: u32 = 1;
/// How many numbers of entries on the shelf are kept in memory at most.
const MOST_RECENT: usize = 1 << 16;

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) id: Cid,
    pub(crate) feed: u32,
    pub(crate) seq: u64,
    pub(crate) depth: u64,
    pub(crate) kind: EntryKind,
    pub(crate) causes: Box<[u32]>,
    pub(crate) backlink: Option<u32>,
    /// The control entries it obeys, itself included: see [`crate::frontier`].
    pub(crate) frontier: u32,
    pub(crate) citable: bool,
    /// What whoever has the graph noted of it.
    pub(crate) marked: bool,
    /// How many citable entries cite it, and how many of them are control entries.
    pub(crate) citers: [u32; 2],
}

/// A node, held on its page.
pub(crate) struct Held {
    page: Arc<Vec<Node>>,
    at: usize,
}

/// What is there when the shelf fails.
static NOTHING: LazyLock<Arc<Vec<Node>>> = LazyLock::new(|| {
    Arc::new(vec![Node {
        id: Cid::of(motet_fact::Codec::Raw, &[]),
        feed: 0,
        seq: 0,
        depth: 0,
        kind: EntryKind::Data,
        causes: Box::default(),
        backlink: None,
        frontier: 0,
        citable: false,
        marked: false,
        citers: [0; 2],
    }])
});

impl Held {
    pub(crate) fn of(found: Option<(Arc<Vec<Node>>, usize)>) -> Self {
        let (page, at) = found.unwrap_or_else(|| (NOTHING.clone(), 0));
        Held { page, at }
    }
}

impl Deref for Held {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.page[self.at]
    }
}

impl Paper for Node {
    const PER_PAGE: u32 = 256;

    fn kept(pages: usize) -> usize {
        pages
    }

    fn encode_page(items: &[Self]) -> Vec<u8> {
        let nodes = items.iter().map(|node| proto::Node {
            id: node.id.as_bytes().to_vec(),
            feed: node.feed,
            seq: node.seq,
            depth: node.depth,
            kind: write_kind(node.kind),
            causes: node.causes.to_vec(),
            backlink: node.backlink,
            frontier: node.frontier,
            citable: node.citable,
            marked: node.marked,
            citers: node.citers[0],
            control_citers: node.citers[1],
        });
        proto::Nodes { nodes: nodes.collect() }.encode_to_vec()
    }

    fn decode_page(bytes: &[u8]) -> Result<Vec<Self>, String> {
        let page = proto::Nodes::decode(bytes).map_err(|error| error.to_string())?;
        let node = |node: proto::Node| {
            Ok(Node {
                id: read_cid(&node.id)?,
                feed: node.feed,
                seq: node.seq,
                depth: node.depth,
                kind: read_kind(node.kind)?,
                causes: node.causes.into(),
                backlink: node.backlink,
                frontier: node.frontier,
                citable: node.citable,
                marked: node.marked,
                citers: [node.citers, node.control_citers],
            })
        };
        page.nodes.into_iter().map(node).collect()
    }
}

impl Paper for u32 {
    const PER_PAGE: u32 = 1024;

    fn kept(_pages: usize) -> usize {
        2
    }

    fn encode_page(items: &[Self]) -> Vec<u8> {
        proto::Numbers { numbers: items.to_vec() }.encode_to_vec()
    }

    fn decode_page(bytes: &[u8]) -> Result<Vec<Self>, String> {
        proto::Numbers::decode(bytes).map(|page| page.numbers).map_err(|error| error.to_string())
    }
}

impl Graph {
    /// The graph that lies on a shelf under a summary.
    ///
    /// # Errors
    /// What is wrong with the summary, for people: the graph is to be made anew from the entries.
    pub fn open(summary: &[u8], shelf: Arc<dyn Shelf>) -> Result<Self, String> {
        let summary = proto::Graph::decode(summary).map_err(|error| error.to_string())?;
        if summary.version != VERSION {
            return Err(format!("it is of version {}, and this program writes {VERSION}", summary.version));
        }
        let cids = |cids: Vec<Vec<u8>>| cids.iter().map(|cid| read_cid(cid)).collect::<Result<_, String>>();
        let mut frontiers = Frontiers::default();
        for frontier in summary.frontiers {
            frontiers.number(frontier.numbers.into());
        }
        let mut graph = Graph {
            desk: Desk::on(shelf),
            nodes: Paged::new(0, summary.entries),
            shelved: summary.entries,
            heads: cids(summary.heads)?,
            control_heads: cids(summary.control_heads)?,
            frontiers,
            ..Graph::default()
        };
        for (number, feed) in (0..).zip(summary.feeds) {
            let key = PublicKey::from_bytes(&feed.key).map_err(|error| error.to_string())?;
            graph.feed_index.insert(key, number);
            graph.feeds.push(Feed {
                key,
                kind: read_kind(feed.kind)?,
                heads: feed.heads.into_iter().collect::<BTreeSet<u32>>(),
                nodes: Paged::new(number + 1, feed.entries),
                forked: feed.forked,
            });
        }
        Ok(graph)
    }

    /// An empty graph that will lie on a shelf, on which there is nothing yet.
    pub fn on(shelf: Arc<dyn Shelf>) -> Self {
        Graph { desk: Desk::on(shelf), ..Graph::default() }
    }

    /// What went wrong with the shelf. Since then nothing that the graph answers is to be believed: it is to be opened
    /// anew.
    pub fn fault(&self) -> Option<String> {
        self.desk.fault()
    }

    /// How many entries were linked, and how many pages changed, since the graph was last shelved.
    pub fn unshelved(&self) -> (u32, usize) {
        let lists = self.feeds.iter().map(|feed| feed.nodes.changed()).sum::<usize>();
        (self.nodes.len() - self.shelved, self.nodes.changed() + lists)
    }

    /// Gives out what changed since the last time, and the summary. It is to be written whole before the graph is used
    /// again, or the graph is to be opened anew.
    pub fn shelve(&mut self, put: &mut dyn FnMut(Shelved)) -> Vec<u8> {
        for number in self.shelved..self.nodes.len() {
            put(Shelved::Number(self.node(number).id, number));
        }
        self.shelved = self.nodes.len();
        self.nodes.shelve(&self.desk, put);
        self.feeds.iter_mut().for_each(|feed| feed.nodes.shelve(&self.desk, put));
        self.forget_numbers();
        self.summary()
    }

    /// Forgets the numbers that can be read again, if there are many.
    pub(crate) fn forget_numbers(&self) {
        let mut recent = self.recent.borrow_mut();
        let unshelved = (self.nodes.len() - self.shelved) as usize;
        if recent.len() > MOST_RECENT + unshelved {
            recent.retain(|_, number| *number >= self.shelved);
        }
    }

    fn summary(&self) -> Vec<u8> {
        let cids = |cids: &BTreeSet<Cid>| cids.iter().map(|cid| cid.as_bytes().to_vec()).collect();
        let feeds = self.feeds.iter().map(|feed| proto::FeedSummary {
            key: feed.key.as_bytes().to_vec(),
            kind: write_kind(feed.kind),
            heads: feed.heads.iter().copied().collect(),
            entries: feed.nodes.len(),
            forked: feed.forked,
        });
        let frontiers = self.frontiers.iter().map(|frontier| proto::Numbers { numbers: frontier.to_vec() });
        let summary = proto::Graph {
            version: VERSION,
            entries: self.nodes.len(),
            feeds: feeds.collect(),
            heads: cids(&self.heads),
            control_heads: cids(&self.control_heads),
            frontiers: frontiers.collect(),
        };
        summary.encode_to_vec()
    }
}

fn read_cid(bytes: &[u8]) -> Result<Cid, String> {
    Cid::from_bytes(bytes).map_err(|error| error.to_string())
}

fn write_kind(kind: EntryKind) -> i32 {
    match kind {
        EntryKind::Control => proto::Kind::Control as i32,
        EntryKind::Data => proto::Kind::Data as i32,
    }
}

fn read_kind(kind: i32) -> Result<EntryKind, String> {
    match proto::Kind::try_from(kind) {
        Ok(proto::Kind::Control) => Ok(EntryKind::Control),
        Ok(proto::Kind::Data) => Ok(EntryKind::Data),
        _ => Err(format!("there is no kind of entry {kind}")),
    }
}
