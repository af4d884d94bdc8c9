//! What waits, against a list that is read through each time.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::{history, key, steps};
use motet_fact::{Cid, Codec};
use motet_feed::{Graph, Linkage, Pending, QuotaError, Quotas, Waiter};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Act {
    Wait { id: u8, feed: usize, peer: Option<usize>, bytes: u64, missing: BTreeSet<u8> },
    Arrive(u8),
    Forget(u8),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let missing = prop::collection::btree_set(0_u8..8, 1..4);
    let wait = (8_u8..20, 0_usize..3, prop::option::of(0_usize..2), 0_u64..50, missing);
    let wait = wait.prop_map(|(id, feed, peer, bytes, missing)| Act::Wait { id, feed, peer, bytes, missing });
    let act = prop_oneof![
        4 => wait,
        2 => (0_u8..20).prop_map(Act::Arrive),
        1 => (0_u8..20).prop_map(Act::Forget),
    ];
    prop::collection::vec(act, 0..60)
}

fn cid(number: u8) -> Cid {
    Cid::of(Codec::Raw, &[number])
}

/// What waits, and for what.
type Naive = BTreeMap<Cid, (Waiter, BTreeSet<Cid>)>;

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

fn turned_away(naive: &Naive, waiter: &Waiter, quotas: &Quotas) -> Option<QuotaError> {
    let Waiter { id, feed, peer, bytes } = *waiter;
    let waiting = naive.values().filter(|(other, _)| other.feed == feed).count();
    if waiting >= quotas.per_feed {
        return Some(QuotaError::Feed { feed, id, waiting });
    }
    let sent: Vec<u64> =
        naive.values().filter(|(other, _)| other.peer == peer).map(|(other, _)| other.bytes).collect();
    let sum = sent.iter().sum::<u64>();
    let full = sent.len() >= quotas.per_peer || sum + bytes > quotas.bytes_per_peer;
    peer.filter(|_| full).map(|peer| QuotaError::Peer { peer, id, waiting: sent.len(), bytes: sum })
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
    fn pending_is_a_list_read_through(
        acts in acts(), per_feed in 0_usize..5, per_peer in 0_usize..5, bytes_per_peer in 0_u64..150
    ) {
        let quotas = Quotas { per_feed, per_peer, bytes_per_peer };
        let (mut pending, mut naive) = (Pending::new(quotas), Naive::new());
        for act in acts {
            match act {
                Act::Wait { id, feed, peer, bytes, missing } => {
                    let (id, feed, peer) = (cid(id), key(feed).public(), peer.map(|peer| key(peer).public()));
                    let waiter = Waiter { id, feed, peer, bytes };
                    let missing: BTreeSet<Cid> = missing.into_iter().map(cid).collect();
                    naive.remove(&id);
                    let result = pending.wait(waiter, missing.iter().copied());
                    match turned_away(&naive, &waiter, &quotas) {
                        Some(error) => prop_assert_eq!(result, Err(error)),
                        None => {
                            prop_assert_eq!(result, Ok(()));
                            naive.insert(id, (waiter, missing));
                        }
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
        let quotas = Quotas { per_feed: 100, per_peer: 0, bytes_per_peer: 0 };
        let (mut graph, mut pending) = (Graph::default(), Pending::new(quotas));
        for number in order {
            let mut ready = vec![number];
            while let Some(number) = ready.pop() {
                let entry = &entries[number];
                match graph.linkage(entry) {
                    Linkage::Ready => {
                        graph.link(entry, true);
                        ready.extend(pending.arrived(&entry.id()).iter().map(|id| by_id[id]));
                    }
                    Linkage::Missing(missing) => {
                        let waiter = Waiter { id: entry.id(), feed: entry.header().feed, peer: None, bytes: 0 };
                        pending.wait(waiter, missing).unwrap();
                    }
                    Linkage::Known => prop_assert!(false, "an entry came free twice"),
                }
            }
        }
        prop_assert_eq!((graph.len(), pending.len()), (entries.len(), 0));
    }
}
