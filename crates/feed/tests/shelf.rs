//! A graph on a shelf is the graph in memory, whenever it is shelved and opened again, and however few pages it keeps;
//! and a shelf that fails is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use motet_fact::{Cid, Codec};
use motet_feed::{Entry, Graph, Linkage, PageId, Shelf, Shelved};
use proptest::prelude::*;

use crate::common::{history, steps};

/// What the newest commits left.
#[derive(Default)]
struct Memory {
    pages: Mutex<BTreeMap<PageId, Vec<u8>>>,
    numbers: Mutex<BTreeMap<Cid, u32>>,
    /// Whether it fails.
    broken: Mutex<bool>,
}

impl Memory {
    fn check(&self) -> Result<(), String> {
        if *self.broken.lock().unwrap() { Err("it burned down".to_owned()) } else { Ok(()) }
    }

    fn put(&self, graph: &mut Graph) -> Vec<u8> {
        graph.shelve(&mut |shelved| match shelved {
            Shelved::Page(id, bytes) => drop(self.pages.lock().unwrap().insert(id, bytes)),
            Shelved::Number(id, number) => drop(self.numbers.lock().unwrap().insert(id, number)),
        })
    }
}

impl Shelf for Memory {
    fn page(&self, id: PageId) -> Result<Option<Vec<u8>>, String> {
        self.check().map(|()| self.pages.lock().unwrap().get(&id).cloned())
    }

    fn number(&self, id: &Cid) -> Result<Option<u32>, String> {
        self.check().map(|()| self.numbers.lock().unwrap().get(id).copied())
    }

    fn pages_kept(&self) -> usize {
        0
    }
}

/// Everything that can be asked about single entries.
fn told(graph: &Graph, id: &Cid) -> String {
    let (position, seq, kind) = (graph.position(id), graph.seq(id), graph.kind(id));
    let (causes, backlink, number) = (graph.causes(id), graph.backlink(id), graph.number_of(id));
    let (marked, obeyed) = (graph.is_marked(id), graph.obeyed(&[*id]));
    format!("{position:?} {seq:?} {kind:?} {causes:?} {backlink:?} {number:?} {marked} {obeyed:?}")
}

fn assert_equal(one: &Graph, other: &Graph, entries: &[Entry]) {
    assert_eq!(one.fault(), None);
    assert_eq!(one.len(), other.len());
    assert_eq!(one.heads().collect::<Vec<_>>(), other.heads().collect::<Vec<_>>());
    assert_eq!(one.control_heads().collect::<Vec<_>>(), other.control_heads().collect::<Vec<_>>());
    assert_eq!(one.feed_heads().collect::<Vec<_>>(), other.feed_heads().collect::<Vec<_>>());
    assert_eq!(one.feeds().collect::<Vec<_>>(), other.feeds().collect::<Vec<_>>());
    assert_eq!(one.ids().collect::<Vec<_>>(), other.ids().collect::<Vec<_>>());
    assert_eq!(one.controls(), other.controls());
    for (feed, ..) in other.feeds() {
        assert_eq!(one.entries_of_feed(&feed), other.entries_of_feed(&feed));
    }
    for pair in entries.chunks(2) {
        let (first, last) = (pair[0].id(), pair[pair.len() - 1].id());
        assert_eq!(told(one, &first), told(other, &first));
        assert_eq!(one.reaches(&last, &first), other.reaches(&last, &first));
        assert_eq!(one.linkage(&pair[0]), Linkage::Known);
    }
    let (early, late) = (entries[entries.len() / 3].id(), entries[entries.len() - 1].id());
    assert_eq!(one.difference(&[late], &[early]), other.difference(&[late], &[early]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_graph_on_a_shelf_is_the_one_in_memory(
        steps in steps(900),
        turns in prop::collection::vec(0..40u8, 900),
    ) {
        let (entries, shelf) = (history(&steps), Arc::new(Memory::default()));
        let (mut twin, mut graph) = (Graph::default(), Graph::on(shelf.clone()));
        for (number, (entry, turn)) in entries.iter().zip(turns).enumerate() {
            prop_assert_eq!(graph.linkage(entry), Linkage::Ready);
            prop_assert_eq!(graph.check(entry), Ok(()));
            for graph in [&mut twin, &mut graph] {
                graph.link(entry, turn % 7 > 0);
                graph.mark(&entry.id(), turn % 3 == 0);
                // Something old changes, too.
                let old = entries[number / 2].id();
                graph.mark(&old, turn % 2 == 0);
                graph.set_citable(&old, turn % 5 > 0);
            }
            match turn {
                0 => drop(shelf.put(&mut graph)),
                1 => {
                    let summary = shelf.put(&mut graph);
                    graph = Graph::open(&summary, shelf.clone()).unwrap();
                    prop_assert_eq!(graph.unshelved(), (0, 0));
                }
                _ => {}
            }
        }
        assert_equal(&graph, &twin, &entries);
        let summary = shelf.put(&mut graph);
        assert_equal(&graph, &twin, &entries);
        assert_equal(&Graph::open(&summary, shelf).unwrap(), &twin, &entries);
    }
}

#[test]
fn a_shelf_that_fails_is_told_and_nobody_panics() {
    let (entries, shelf) = (long(700), Arc::new(Memory::default()));
    let mut graph = Graph::on(shelf.clone());
    entries[..600].iter().for_each(|entry| graph.link(entry, true));
    let summary = shelf.put(&mut graph);
    for broken in [true, false] {
        let mut graph = Graph::open(&summary, shelf.clone()).unwrap();
        if broken {
            *shelf.broken.lock().unwrap() = true;
        } else {
            *shelf.broken.lock().unwrap() = false;
            shelf.pages.lock().unwrap().insert(PageId { list: 0, page: 1 }, vec![0xff]);
        }
        let (one, other) = (entries[300].id(), entries[10].id());
        graph.position(&one).expect("there is some answer");
        let why = graph.fault().expect("the fault is told");
        assert!(why.contains(if broken { "burned" } else { "page 1 of list 0" }), "{why}");
        // Everything goes on somehow.
        let (_, _, _) = (graph.reaches(&one, &other), graph.difference(&[one], &[other]), graph.controls());
        graph.mark(&one, true);
        graph.set_citable(&one, false);
        let _ = (graph.linkage(&entries[650]), graph.check(&entries[650]), graph.obeyed(&[one]));
        let _ = (told(&graph, &one), graph.heads().count(), graph.ids().count());
        graph.feeds().map(|(feed, ..)| graph.entries_of_feed(&feed).len()).for_each(drop);
    }
}

/// Entries of one feed, one after the other.
fn long(count: u64) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for nonce in 0..count {
        let next = crate::common::entry(2, entries.last(), &[], nonce);
        entries.push(next);
    }
    entries
}

#[test]
fn a_summary_that_is_none_is_refused() {
    let shelf = Arc::new(Memory::default());
    let mut graph = Graph::on(shelf.clone());
    long(3).iter().for_each(|entry| graph.link(entry, true));
    let summary = shelf.put(&mut graph);
    assert!(Graph::open(&[], shelf.clone()).unwrap_err().contains("version 0"));
    for length in 1..summary.len() {
        // Whatever is cut off, it is read or refused.
        let _ = Graph::open(&summary[..length], shelf.clone());
    }
    let graph = Graph::open(&summary, shelf).unwrap();
    assert!(!graph.contains(&Cid::of(Codec::Raw, b"another")));
}
