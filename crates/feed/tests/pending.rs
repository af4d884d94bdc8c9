//! What waits, against a list that is read through each time.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{history, key, steps};
use motet_fact::{Cid, Codec, PublicKey};
use motet_feed::{Graph, Linkage, Pending};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Act {
    Wait { id: u8, feed: usize, missing: BTreeSet<u8> },
    Arrive(u8),
    Forget(u8),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let missing = prop::collection::btree_set(0_u8..8, 1..4);
    let act = prop_oneof![
        4 => (8_u8..20, 0_usize..3, missing).prop_map(|(id, feed, missing)| Act::Wait { id, feed, missing }),
        2 => (0_u8..20).prop_map(Act::Arrive),
        1 => (0_u8..20).prop_map(Act::Forget),
    ];
    prop::collection::vec(act, 0..60)
}

fn cid(number: u8) -> Cid {
    Cid::of(Codec::Raw, &[number])
}

/// What waits, on whose feed, and for what.
type Naive = BTreeMap<Cid, (PublicKey, BTreeSet<Cid>)>;

fn naive_arrival(naive: &mut Naive, cid: &Cid) -> Vec<Cid> {
    let mut free = Vec::new();
    for (id, (_, missing)) in naive.iter_mut() {
        if missing.remove(cid) && missing.is_empty() {
            free.push(*id);
        }
    }
    naive.retain(|id, _| !free.contains(id));
    free
}

fn same(pending: &Pending, naive: &Naive) {
    let mut wanted: BTreeMap<Cid, usize> = BTreeMap::new();
    for cid in naive.values().flat_map(|(_, missing)| missing) {
        *wanted.entry(*cid).or_default() += 1;
    }
    assert_eq!(pending.wanted().collect::<Vec<_>>(), wanted.into_iter().collect::<Vec<_>>());
    assert_eq!(pending.ids().collect::<Vec<_>>(), naive.keys().copied().collect::<Vec<_>>());
    assert_eq!((pending.len(), pending.is_empty()), (naive.len(), naive.is_empty()));
    for (id, (_, missing)) in naive {
        assert!(pending.contains(id));
        assert_eq!(pending.missing(id).collect::<BTreeSet<_>>(), *missing);
    }
}

proptest! {
    #[test]
    fn pending_is_a_list_read_through(acts in acts(), quota in 0_usize..5) {
        let (mut pending, mut naive) = (Pending::new(quota), Naive::new());
        for act in acts {
            match act {
                Act::Wait { id, feed, missing } => {
                    let (id, feed) = (cid(id), key(feed).public());
                    let missing: BTreeSet<Cid> = missing.into_iter().map(cid).collect();
                    naive.remove(&id);
                    let waiting = naive.values().filter(|(other, _)| *other == feed).count();
                    let result = pending.wait(id, feed, missing.iter().copied());
                    prop_assert_eq!(result.is_ok(), waiting < quota);
                    if let Err(error) = result {
                        prop_assert_eq!((error.id, error.feed, error.waiting), (id, feed, waiting));
                    } else {
                        naive.insert(id, (feed, missing));
                    }
                }
                Act::Arrive(number) => {
                    let free = pending.arrived(&cid(number));
                    prop_assert_eq!(free, naive_arrival(&mut naive, &cid(number)));
                }
                Act::Forget(number) => {
                    pending.forget(&cid(number));
                    naive.remove(&cid(number));
                }
            }
            same(&pending, &naive);
        }
    }

    #[test]
    fn entries_in_any_order_all_come_to_be_linked(
        (steps, order) in steps(24).prop_flat_map(|steps| {
            let numbers: Vec<usize> = (0..steps.len()).collect();
            (Just(steps), Just(numbers).prop_shuffle())
        })
    ) {
        let entries = history(&steps);
        let by_id: BTreeMap<Cid, usize> =
            entries.iter().enumerate().map(|(number, entry)| (entry.id(), number)).collect();
        let (mut graph, mut pending) = (Graph::default(), Pending::new(100));
        for number in order {
            let mut ready = vec![number];
            while let Some(number) = ready.pop() {
                let entry = &entries[number];
                match graph.linkage(entry) {
                    Linkage::Ready => {
                        graph.link(entry, true);
                        ready.extend(pending.arrived(&entry.id()).iter().map(|id| by_id[id]));
                    }
                    Linkage::Missing(missing) => pending.wait(entry.id(), entry.header().feed, missing).unwrap(),
                    Linkage::Known => prop_assert!(false, "an entry came free twice"),
                }
            }
        }
        prop_assert_eq!((graph.len(), pending.len()), (entries.len(), 0));
    }
}
