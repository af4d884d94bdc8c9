//! Random histories: signed entries of a few feeds, with forks, and orders in which they may arrive.

#![allow(dead_code, reason = "each test uses a part")]

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Cid, PublicKey, SecretKey};
use motet_feed::{Draft, Entry, EntryKind, Graph, Linkage, PartRef, Tag};
use proptest::prelude::*;
use proptest::sample::Index;

/// A wish for one more entry; what can't be had of it is left out.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) feed: usize,
    /// Fork from an earlier entry of the feed instead of following the last.
    pub(crate) fork: Option<Index>,
    pub(crate) causes: Vec<Index>,
}

pub(crate) const FEEDS: usize = 5;

pub(crate) fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let fork = prop::option::weighted(0.15, any::<Index>());
    let step = (0..FEEDS, fork, prop::collection::vec(any::<Index>(), 0..4));
    prop::collection::vec(step.prop_map(|(feed, fork, causes)| Step { feed, fork, causes }), 1..most)
}

pub(crate) fn key(number: usize) -> SecretKey {
    SecretKey::from_bytes([number as u8 + 1; 32])
}

pub(crate) fn party() -> PublicKey {
    key(100).public()
}

/// Feeds 0 and 1 are control feeds, the others data feeds.
pub(crate) fn kind(feed: usize) -> EntryKind {
    if feed < 2 { EntryKind::Control } else { EntryKind::Data }
}

/// The entry of a feed that follows one (or none) and cites some more; the nonce tells equal wishes apart.
pub(crate) fn entry(feed: usize, backlink: Option<&Entry>, others: &[&Entry], nonce: u64) -> Entry {
    let cited: Vec<&Entry> = backlink.into_iter().chain(others.iter().copied()).collect();
    let causes: BTreeSet<Cid> = cited.iter().map(|cause| cause.id()).collect();
    let draft = Draft {
        party: party(),
        feed: key(feed).public(),
        seq: backlink.map_or(0, |backlink| backlink.header().seq + 1),
        kind: kind(feed),
        causes: causes.into_iter().collect(),
        depth: 1 + cited.iter().map(|cause| cause.header().depth).max().unwrap_or(0),
        parts: vec![PartRef::to(Tag::default(), &nonce.to_le_bytes())],
        key_name: Vec::new(),
    };
    Entry::sign(draft, &key(feed))
}

pub(crate) fn history(steps: &[Step]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for (nonce, step) in steps.iter().enumerate() {
        let feed = key(step.feed).public();
        let own: Vec<&Entry> = entries.iter().filter(|entry| entry.header().feed == feed).collect();
        let backlink = match step.fork {
            Some(_) if own.is_empty() => None,
            Some(at) => own.get(at.index(own.len() + 1)).copied(),
            None => own.last().copied(),
        };
        let may_cite = |cause: &&Entry| {
            cause.header().feed != feed
                && (kind(step.feed) == EntryKind::Data || cause.header().kind == EntryKind::Control)
        };
        let chosen = step.causes.iter().filter(|_| !entries.is_empty()).map(|at| at.get(&entries));
        let others: Vec<&Entry> = chosen.filter(may_cite).collect();
        let next = entry(step.feed, backlink, &others, nonce as u64);
        entries.push(next);
    }
    entries
}

/// Links in the order wished for, as far as causes come first.
pub(crate) fn link_in_order(entries: &[Entry], order: &[usize]) -> Graph {
    let mut graph = Graph::default();
    while graph.len() < entries.len() {
        let ready = |&&number: &&usize| graph.linkage(&entries[number]) == Linkage::Ready;
        let next = &entries[*order.iter().find(ready).expect("a history has no cycles")];
        assert_eq!(graph.check(next), Ok(()));
        graph.link(next, true);
    }
    graph
}

/// The past of each entry, itself included, by following causes and nothing else.
pub(crate) fn closure(entries: &[Entry]) -> BTreeMap<Cid, BTreeSet<Cid>> {
    let mut past: BTreeMap<Cid, BTreeSet<Cid>> = BTreeMap::new();
    for entry in entries {
        let mut own: BTreeSet<Cid> =
            entry.header().causes.iter().flat_map(|cause| past[cause].iter().copied()).collect();
        own.insert(entry.id());
        past.insert(entry.id(), own);
    }
    past
}
