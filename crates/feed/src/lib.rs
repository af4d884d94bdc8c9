//! Signed hash-linked entries, their causal graph, forks, and one deterministic order.
//!
//! A *feed* is one device's log in one party; a device has two, a control feed and a data feed (H1). An *entry* is a
//! signed header and a body in parts (H2, H3); its name is the CID of its header. Entries cite the entries their
//! writer had processed, so the entries of a party form a directed acyclic graph. An entry is *linked* when all its
//! causes are (H7); until then it waits, and each wait names the CID it waits for. A feed with two branches is
//! *forked*: both branches are kept (H5). Models that need one order use [`Position`] (H6), which extends causality
//! and does not depend on arrival.
//!
//! This crate has never heard of what a body says, and of who may write: see the crates `item` and `party`. It reads
//! no clock, and keeps nothing: storing is the facade's.
//!
//! | module | noun |
//! |---|---|
//! | [`entry`] | a signed header, its wire form, and what makes it well formed |
//! | `frontier` | the control entries in an entry's past |
//! | [`graph`] | the linked entries of a party: causes, heads, forks, reachability |
//! | `node` | an entry as the graph knows it, in memory and on a shelf |
//! | [`pending`] | entries that wait, and for what |
//! | [`shelf`] | where a graph keeps what nobody touches |

pub mod entry;
mod frontier;
pub mod graph;
mod node;
pub mod pending;
pub mod shelf;

mod proto {
    #![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
    include!(concat!(env!("OUT_DIR"), "/motet.feed.rs"));
}

pub use entry::{
    Draft, Entry, EntryError, EntryKind, Header, MAX_BODY_BYTES, MAX_PART_BYTES, PartRef, Position, Tag,
};
pub use graph::{FeedHead, Graph, LinkError, Linkage};
pub use pending::{Pending, QuotaError, Quotas, Waiter};
pub use shelf::{PageId, Shelf, Shelved};
