//! The authority against a plain reading of the rules, over random histories. `MOTET_CASES` says how many.

use std::collections::BTreeSet;

use crate::common::reading::{Verdicts, read, said_by};
use crate::common::{Said, cases, causal, history, orders, party, steps};
use motet_fact::{Cid, PublicKey};
use motet_feed::{EntryKind, Graph, Linkage};
use motet_party::{Authority, Effect};
use proptest::prelude::*;

/// One arrival after the other, as the facade does it.
struct Replica {
    graph: Graph,
    authority: Authority,
    there: Vec<Said>,
}

impl Replica {
    fn new() -> Self {
        Replica { graph: Graph::default(), authority: Authority::new(party()), there: Vec::new() }
    }

    /// Whether it is authorised, and the feeds of which other entries may count now.
    fn take(&mut self, said: &Said) -> BTreeSet<PublicKey> {
        assert_eq!(self.graph.linkage(&said.entry), Linkage::Ready);
        assert_eq!(self.graph.check(&said.entry), Ok(()));
        let result = match said.entry.header().kind {
            EntryKind::Control => self.authority.admit(&said.entry, &said.body, &self.graph),
            EntryKind::Data => self.authority.judge(&said.entry, &self.graph).map(|()| Effect::default()),
        };
        self.graph.link(&said.entry, result.is_ok());
        if let Err(refusal) = &result {
            self.authority.refuse(refusal);
        }
        self.there.push(said.clone());
        result.map(|effect| effect.feeds).unwrap_or_default()
    }

    fn verdicts(&self) -> Verdicts {
        said_by(&self.authority, &self.graph, &self.there.iter().collect::<Vec<_>>())
    }

    fn reading(&self) -> Verdicts {
        read(&self.there.iter().collect::<Vec<_>>())
    }
}

fn histories(most: usize) -> impl Strategy<Value = (Vec<Said>, Vec<usize>, Vec<usize>)> {
    steps(most).prop_flat_map(|steps| {
        let all = history(&steps);
        let length = all.len();
        (Just(all), orders(length), orders(length))
    })
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn the_authority_is_the_plain_reading_after_every_arrival((all, order, _) in histories(14)) {
        let mut replica = Replica::new();
        let mut counted: BTreeSet<Cid> = BTreeSet::new();
        for said in causal(&all, &order) {
            let feeds = replica.take(&said);
            let reading = replica.reading();
            prop_assert_eq!(replica.verdicts(), reading.clone());
            let feed = |id: &Cid| replica.graph.position(id).map(|position| position.feed);
            for flipped in counted.symmetric_difference(&reading.entries) {
                // A data entry up to which a feed counts brings those before it with it.
                let told = *flipped == said.id() || feed(flipped).is_some_and(|feed| feeds.contains(&feed));
                prop_assert!(told || !said.is_control(), "a feed of which other entries count is told");
            }
            counted = reading.entries;
        }
    }

    #[test]
    fn arrival_does_not_show((all, one, other) in histories(25)) {
        let [one, other] = [one, other].map(|order| {
            let mut replica = Replica::new();
            for said in causal(&all, &order) {
                replica.take(&said);
            }
            replica
        });
        prop_assert_eq!(one.authority.state_hash(), other.authority.state_hash());
        let all: Vec<&Said> = all.iter().collect();
        let (one_says, other_says) =
            (said_by(&one.authority, &one.graph, &all), said_by(&other.authority, &other.graph, &all));
        prop_assert_eq!(&one_says, &other_says);
        prop_assert_eq!(one_says, one.reading());
        let (one, here, other, there) = (one.authority, one.graph, other.authority, other.graph);
        prop_assert_eq!(one.members(&here), other.members(&there));
        prop_assert_eq!(one.stints(&here), other.stints(&there));
        prop_assert_eq!(one.devices(&here), other.devices(&there));
        prop_assert_eq!(one.feeds(&here), other.feeds(&there));
        prop_assert_eq!(one.invitations(), other.invitations());
        prop_assert_eq!(one.genesis(), other.genesis());
        for said in &all {
            let loss = one.loss(&said.id(), &here);
            prop_assert_eq!(&loss, &other.loss(&said.id(), &there));
            prop_assert_eq!(loss.is_none(), one.counts(&said.id(), &here), "whatever does not count, why is told");
        }
    }

    #[test]
    fn data_does_not_show((all, order, _) in histories(14)) {
        let (mut whole, mut control_only) = (Replica::new(), Replica::new());
        for said in causal(&all, &order) {
            whole.take(&said);
            if said.is_control() {
                control_only.take(&said);
            }
        }
        prop_assert_eq!(whole.authority.state_hash(), control_only.authority.state_hash());
    }
}

/// The random histories are worth something: they hold what the rules are about, often enough.
#[test]
fn random_histories_are_not_trivial() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut refused, mut authorised, mut withdrawn, mut dropped, mut written) = (0, 0, 0, 0, 0);
    for _ in 0..200 {
        let (all, order, _) = histories(25).new_tree(&mut runner).expect("a history").current();
        let mut replica = Replica::new();
        for said in causal(&all, &order) {
            replica.take(&said);
        }
        let verdicts = replica.verdicts();
        refused += verdicts.refused.len();
        authorised += all.len() - verdicts.refused.len();
        withdrawn += all.len() - verdicts.refused.len() - verdicts.entries.len();
        let removals = all.iter().filter(|said| {
            let authority = &replica.authority;
            !authority.is_refused(&said.id())
                && said
                    .body
                    .credentials
                    .iter()
                    .any(|it| matches!(it, motet_party::Credential::Removal { .. }))
                && !authority.takes_effect(&said.named(0))
        });
        dropped += removals.count();
        written +=
            verdicts.entries.iter().filter(|id| replica.graph.kind(id) == Some(EntryKind::Data)).count();
    }
    assert!(refused > 300 && authorised > 1500, "{refused} refused, {authorised} authorised");
    assert!(
        withdrawn > 100 && dropped > 10 && written > 50,
        "{withdrawn} withdrawn, {dropped} dropped, {written}"
    );
}
