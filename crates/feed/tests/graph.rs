//! The graph against a transitive closure, and every way a link can be refused.

use crate::common;

use std::collections::{BTreeMap, BTreeSet};

use crate::common::{closure, entry, history, key, kind, link_in_order, party, steps};
use motet_fact::{Cid, PublicKey};
use motet_feed::{Draft, Entry, EntryKind, FeedHead, Graph, LinkError, Linkage, Position};
use proptest::prelude::*;

type Summary = (Vec<Cid>, Vec<Cid>, Vec<FeedHead>, Vec<(PublicKey, EntryKind, u64, bool)>);

fn summary(graph: &Graph) -> Summary {
    let (heads, control) = (graph.heads().collect(), graph.control_heads().collect());
    (heads, control, graph.feed_heads().collect(), graph.feeds().collect())
}

/// The same, from the entries alone.
fn naive_summary(entries: &[Entry]) -> Summary {
    let ids = |of: &[&Entry]| -> BTreeSet<Cid> { of.iter().map(|entry| entry.id()).collect() };
    let uncited = |of: &[&Entry]| -> Vec<Cid> {
        let cited: BTreeSet<Cid> = of.iter().flat_map(|entry| entry.header().causes.clone()).collect();
        ids(of).difference(&cited).copied().collect()
    };
    let all: Vec<&Entry> = entries.iter().collect();
    let control: Vec<&Entry> =
        all.iter().copied().filter(|entry| entry.header().kind == EntryKind::Control).collect();
    let mut feeds: BTreeMap<PublicKey, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        feeds.entry(entry.header().feed).or_default().push(entry);
    }
    let mut feed_heads = Vec::new();
    let mut rows = Vec::new();
    for (feed, own) in feeds {
        let heads = uncited(&own);
        feed_heads.extend(own.iter().filter(|entry| heads.contains(&entry.id())).map(|entry| FeedHead {
            feed,
            seq: entry.header().seq,
            id: entry.id(),
        }));
        // A chain is one of backlinks: a second beginning forks the feed even if it has the first in its past.
        let backlink =
            |entry: &Entry| entry.header().causes.iter().find(|cause| ids(&own).contains(cause)).copied();
        let followed: BTreeSet<Option<Cid>> = own.iter().map(|entry| backlink(entry)).collect();
        let forked = followed.len() < own.len();
        rows.push((feed, own[0].header().kind, own.len() as u64, forked));
    }
    feed_heads.sort_unstable();
    (uncited(&all), uncited(&control), feed_heads, rows)
}

fn orders(length: usize) -> impl Strategy<Value = Vec<usize>> {
    Just((0..length).collect::<Vec<_>>()).prop_shuffle()
}

proptest! {
    #[test]
    fn reaching_is_the_transitive_closure(
        (steps, order) in steps(24).prop_flat_map(|steps| { let n = steps.len(); (Just(steps), orders(n)) })
    ) {
        let entries = history(&steps);
        let graph = link_in_order(&entries, &order);
        let past = closure(&entries);
        for one in &entries {
            for other in &entries {
                let expected = past[&one.id()].contains(&other.id());
                prop_assert_eq!(graph.reaches(&one.id(), &other.id()), expected);
                prop_assert_eq!(graph.follows(&one.position(), &other.position()), expected);
                let causal = !expected || one == other || other.position() < one.position();
                prop_assert!(causal, "the order H6 extends causality");
            }
        }
    }

    #[test]
    fn a_difference_is_one_of_sets(
        steps in steps(24),
        wanted in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        had in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let entries = history(&steps);
        let graph = link_in_order(&entries, &(0..entries.len()).collect::<Vec<_>>());
        let past = closure(&entries);
        let ids = |chosen: &[prop::sample::Index]| -> Vec<Cid> {
            chosen.iter().map(|at| at.get(&entries).id()).collect()
        };
        let (wanted, had) = (ids(&wanted), ids(&had));
        let union = |ids: &[Cid]| -> BTreeSet<Cid> { ids.iter().flat_map(|id| past[id].clone()).collect() };
        let difference = graph.difference(&wanted, &had);
        let expected: BTreeSet<Cid> = &union(&wanted) - &union(&had);
        prop_assert_eq!(difference.len(), expected.len());
        prop_assert_eq!(difference.iter().copied().collect::<BTreeSet<_>>(), expected);
        for (at, id) in difference.iter().enumerate() {
            prop_assert!(difference[at + 1..].iter().all(|later| !past[id].contains(later)), "causal order");
        }
    }

    #[test]
    fn what_is_not_cited_leaves_its_causes_as_heads(
        steps in steps(24),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..30)
    ) {
        let entries = history(&steps);
        let mut graph = link_in_order(&entries, &(0..entries.len()).collect::<Vec<_>>());
        let mut citable: BTreeSet<Cid> = entries.iter().map(Entry::id).collect();
        for (at, is_citable) in flips {
            let id = at.get(&entries).id();
            graph.set_citable(&id, is_citable);
            if is_citable { citable.insert(id) } else { citable.remove(&id) };
            let of = |control: bool| -> Vec<Cid> {
                let all = entries.iter().filter(|entry| citable.contains(&entry.id()));
                let all: Vec<&Entry> =
                    all.filter(|entry| !control || entry.header().kind == EntryKind::Control).collect();
                let causes = all.iter().flat_map(|entry| entry.header().causes.clone());
                let cited: BTreeSet<Cid> = causes.collect();
                let ids = all.iter().map(|entry| entry.id());
                let heads: BTreeSet<Cid> = ids.filter(|id| !cited.contains(id)).collect();
                heads.into_iter().collect()
            };
            prop_assert_eq!(graph.heads().collect::<Vec<_>>(), of(false));
            prop_assert_eq!(graph.control_heads().collect::<Vec<_>>(), of(true));
        }
    }

    #[test]
    fn an_entry_obeys_the_heads_of_the_control_entries_in_its_past(steps in steps(24)) {
        let entries = history(&steps);
        let graph = link_in_order(&entries, &(0..entries.len()).collect::<Vec<_>>());
        let past = closure(&entries);
        let control: BTreeSet<Cid> =
            entries.iter().filter(|it| it.header().kind == EntryKind::Control).map(Entry::id).collect();
        for (number, one) in entries.iter().enumerate() {
            let known: BTreeSet<Cid> = &past[&one.id()] & &control;
            let passed = |id: &Cid| known.iter().any(|later| later != id && past[later].contains(id));
            let heads: BTreeSet<Cid> = known.iter().copied().filter(|id| !passed(id)).collect();
            let obeyed = graph.obeyed(&[one.id()]);
            prop_assert_eq!(obeyed.len(), heads.len());
            prop_assert_eq!(obeyed.into_iter().collect::<BTreeSet<_>>(), heads);
            prop_assert_eq!(graph.number_of(&one.id()), Some(number));
            let feed = one.header().feed;
            let nth = (0..).map_while(|n| graph.nth_of_feed(&feed, n)).collect::<Vec<_>>();
            prop_assert_eq!(nth, graph.entries_of_feed(&feed));
        }
    }

    #[test]
    fn a_timeframe_is_the_greatest_seqs_of_the_past(steps in steps(20)) {
        let entries = history(&steps);
        let graph = link_in_order(&entries, &(0..entries.len()).collect::<Vec<_>>());
        let past = closure(&entries);
        for one in &entries {
            let mut expected: BTreeMap<PublicKey, u64> = BTreeMap::new();
            for other in entries.iter().filter(|other| past[&one.id()].contains(&other.id())) {
                let seq = expected.entry(other.header().feed).or_default();
                *seq = other.header().seq.max(*seq);
            }
            prop_assert_eq!(graph.timeframe(&one.id()), expected);
        }
    }

    #[test]
    fn arrival_does_not_show(
        (steps, order) in steps(24).prop_flat_map(|steps| { let n = steps.len(); (Just(steps), orders(n)) })
    ) {
        let entries = history(&steps);
        let graph = link_in_order(&entries, &order);
        prop_assert_eq!(summary(&graph), naive_summary(&entries));
        for entry in &entries {
            let id = entry.id();
            prop_assert_eq!(graph.position(&id), Some(entry.position()));
            prop_assert_eq!(graph.causes(&id), entry.header().causes.clone());
            prop_assert_eq!(graph.seq(&id), Some(entry.header().seq));
            let before = graph.backlink(&id).and_then(|backlink| graph.seq(&backlink));
            prop_assert_eq!(before, entry.header().seq.checked_sub(1));
            prop_assert_eq!(graph.linkage(entry), Linkage::Known);
        }
    }
}

#[test]
fn an_entry_waits_for_exactly_the_causes_that_are_missing() {
    let (one, two) = (entry(2, None, &[], 0), entry(3, None, &[], 0));
    let three = entry(4, None, &[&one, &two], 0);
    let mut graph = Graph::default();
    graph.link(&one, true);
    assert_eq!(graph.linkage(&three), Linkage::Missing(vec![two.id()]));
    graph.link(&two, true);
    assert_eq!(graph.linkage(&three), Linkage::Ready);
}

#[test]
fn what_is_not_citable_is_kept_but_never_a_head() {
    let (one, two) = (entry(2, None, &[], 0), entry(3, None, &[], 0));
    let three = entry(4, None, &[&one, &two], 0);
    let mut graph = Graph::default();
    graph.link(&one, true);
    graph.link(&two, false);
    assert_eq!(graph.heads().collect::<Vec<_>>(), [one.id()]);
    assert_eq!(graph.feed_heads().count(), 2);
    graph.link(&three, true);
    assert_eq!(graph.heads().collect::<Vec<_>>(), [three.id()]);
    assert!(graph.reaches(&three.id(), &two.id()));
}

/// Links some entries and checks a draft that was made from the last of them by a change.
fn refusal(linked: &[&Entry], of: &Entry, change: impl FnOnce(&mut Draft)) -> Result<(), LinkError> {
    let mut graph = Graph::default();
    for entry in linked {
        graph.link(entry, true);
    }
    let mut draft = of.header().clone();
    change(&mut draft);
    let feed = (0..common::FEEDS).find(|feed| key(*feed).public() == draft.feed).expect("one of ours");
    graph.check(&Entry::sign(draft, &key(feed)))
}

#[test]
fn a_wrong_depth_is_refused() {
    let one = entry(2, None, &[], 0);
    let two = entry(2, Some(&one), &[], 0);
    for claimed in [1, 3, u64::MAX] {
        let refusal = refusal(&[&one], &two, |draft| draft.depth = claimed).unwrap_err();
        assert!(matches!(refusal, LinkError::Depth { actual: 2, claimed: c, .. } if c == claimed));
    }
}

#[test]
fn a_wrong_backlink_is_refused() {
    let one = entry(2, None, &[], 0);
    let two = entry(2, Some(&one), &[], 0);
    let other = entry(3, None, &[], 0);
    let is_backlink = |refusal| matches!(refusal, Err(LinkError::Backlink { .. }));
    for seq in [0, 2, u64::MAX] {
        assert!(is_backlink(refusal(&[&one], &two, |draft| draft.seq = seq)), "seq {seq}");
    }
    let none_cited = refusal(&[&one, &other], &two, |draft| draft.causes = vec![other.id()]);
    assert!(is_backlink(none_cited), "no backlink");
    let both = BTreeSet::from([one.id(), two.id()]).into_iter().collect::<Vec<_>>();
    let two_cited = refusal(&[&one, &two], &two, |draft| {
        (draft.seq, draft.depth, draft.causes) = (2, 3, both);
    });
    assert!(is_backlink(two_cited), "two entries of its own feed");
}

#[test]
fn control_that_cites_data_is_refused() {
    let data = entry(2, None, &[], 0);
    assert_eq!(kind(0), EntryKind::Control);
    let control = entry(0, None, &[&data], 0);
    let refused = refusal(&[&data], &control, |_| ());
    assert!(matches!(refused, Err(LinkError::ControlCitesData { cause, .. }) if cause == data.id()));
}

#[test]
fn a_feed_does_not_change_its_kind() {
    let control = entry(0, None, &[], 0);
    let next = entry(0, Some(&control), &[], 0);
    let refused = refusal(&[&control], &next, |draft| draft.kind = EntryKind::Data);
    assert!(matches!(refused, Err(LinkError::KindChanged { backlink, .. }) if backlink == control.id()));
}

#[test]
fn the_kind_of_a_feed_with_two_beginnings_does_not_depend_on_arrival() {
    let control = entry(0, None, &[], 0);
    let mut draft = control.header().clone();
    draft.kind = EntryKind::Data;
    let data = Entry::sign(draft, &key(0));
    for order in [[&control, &data], [&data, &control]] {
        let mut graph = Graph::default();
        for entry in order {
            graph.link(entry, true);
        }
        assert_eq!(graph.feeds().collect::<Vec<_>>(), [(key(0).public(), EntryKind::Control, 2, true)]);
    }
}

#[test]
fn positions_sort_by_depth_then_feed_then_id() {
    let (one, two) = (entry(2, None, &[], 0), entry(3, None, &[], 0));
    let deep = entry(2, Some(&one), &[], 0);
    let (fork, other_fork) = (entry(2, None, &[], 1), one.clone());
    assert!(deep.position() > one.position() && deep.position() > two.position());
    let by_feed = one.header().feed.cmp(&two.header().feed);
    assert_eq!(one.position().cmp(&two.position()), by_feed);
    assert_eq!(fork.position().cmp(&other_fork.position()), fork.id().cmp(&other_fork.id()));
    let Position { depth, feed, id } = deep.position();
    assert_eq!((depth, feed, id), (2, key(2).public(), deep.id()));
    assert_eq!(one.header().party, party());
}
