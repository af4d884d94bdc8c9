//! Replicas end with equal sets, whatever was dealt to whom, in whatever order messages arrive, wherever connections
//! break.

#![allow(clippy::unwrap_used)]

use crate::twin;

use crate::twin::{Dice, History, Members, Network, Twin, device, party};
use motet_feed::EntryKind;
use motet_sync::{Limits, Replica};
use proptest::prelude::*;

/// Limits so small that every bound is met.
fn tight(dice: &mut Dice) -> Limits {
    Limits {
        window: 1 + dice.roll(4),
        offer: 1 + dice.roll(4),
        offer_total: 1 + dice.roll(9),
        entries_bytes: 1 + dice.roll(400),
        credit: 1 + dice.roll(3),
        ..Limits::default()
    }
}

/// Deals each entry of a history to at least one replica.
fn deal(history: &History, twins: &mut [Twin], dice: &mut Dice) {
    let all = 1 << twins.len();
    for bundle in &history.bundles {
        let to = 1 + dice.roll(all - 1);
        for (number, twin) in twins.iter_mut().enumerate() {
            if to >> number & 1 == 1 {
                twin.take(&history.party, bundle.clone()).unwrap();
            }
        }
    }
}

fn links(replicas: usize, dice: &mut Dice) -> Vec<(usize, usize)> {
    let mut links: Vec<(usize, usize)> = (1..replicas).map(|number| (number - 1, number)).collect();
    if replicas > 2 && dice.one_in(2) {
        links.push((0, replicas - 1));
    }
    links
}

fn assert_equal(network: &Network, histories: &[History]) {
    for history in histories {
        for twin in &network.twins {
            assert_eq!(twin.linked(&history.party), history.ids());
        }
    }
}

fn converge(replicas: usize, seed: u64, cuts: usize, tight_limits: bool) {
    let dice = &mut Dice(seed);
    let parties = [party(0), party(1)];
    let mut twins = vec![Twin::new(&parties, Members::Everybody); replicas];
    let histories = parties.map(|party| {
        let length = 1 + dice.roll(40);
        History::random(party, 3, length, dice)
    });
    for history in &histories {
        deal(history, &mut twins, dice);
    }
    let limits = if tight_limits { tight(dice) } else { Limits::default() };
    let mut network = Network::new(twins, &links(replicas, dice), limits);
    for _ in 0..cuts {
        for _ in 0..dice.roll(60) {
            network.step(dice);
        }
        network.cut(dice);
    }
    network.settle(dice);
    assert_equal(&network, &histories);
    assert!(network.session(0, 1).progress().in_sync(), "{:#?}", network.session(0, 1).progress());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn two_replicas_converge(seed: u64, tight: bool) {
        converge(2, seed, 0, tight);
    }

    #[test]
    fn three_replicas_converge(seed: u64, tight: bool) {
        converge(3, seed, 0, tight);
    }

    #[test]
    fn broken_connections_lose_nothing(seed: u64, tight: bool, replicas in 2_usize..4) {
        converge(replicas, seed, 6, tight);
    }
}

#[test]
fn entries_written_at_one_end_of_a_line_arrive_at_the_other() {
    let dice = &mut Dice(1);
    let mut history = History::new(party(0));
    let twins = vec![Twin::new(&[party(0)], Members::Everybody); 3];
    let mut network = Network::new(twins, &[(0, 1), (1, 2)], Limits::default());
    network.settle(dice);
    let mut last = [None; 3];
    for number in 0..30_usize {
        let writer = number % 3;
        let seen: Vec<usize> = last.iter().flatten().copied().collect();
        let others: Vec<usize> = seen.into_iter().filter(|other| Some(*other) != last[writer]).collect();
        let parts = vec![number.to_le_bytes().to_vec()];
        let entry = history.write(writer as u8, EntryKind::Data, last[writer], &others, parts);
        last[writer] = Some(entry);
        network.twins[writer].take(&party(0), history.bundles[entry].clone()).unwrap();
        network.note_change(writer);
        network.settle(dice);
        assert!(network.twins.iter().all(|twin| twin.linked(&party(0)) == history.ids()));
    }
    assert_eq!(network.delivered, 60, "each entry goes once over each of two links");
    assert!(network.messages <= 60 * 9 + 8, "a live entry costs few messages: {}", network.messages);
}

#[test]
fn equal_replicas_tell_their_heads_and_no_more() {
    let dice = &mut Dice(5);
    let history = History::random(party(0), 3, 100, dice);
    let mut twin = Twin::new(&[party(0)], Members::Everybody);
    for bundle in &history.bundles {
        twin.take(&party(0), bundle.clone()).unwrap();
    }
    let mut network = Network::new(vec![twin.clone(), twin], &[(0, 1)], Limits::default());
    network.settle(dice);
    assert_eq!(network.messages, 4, "heads and heard, both ways");
    assert!(network.session(0, 1).progress().in_sync() && network.session(1, 0).progress().in_sync());
}

/// A party of device 0, in whose history device 1 is admitted by an entry that only device 1 holds.
fn newcomer() -> (History, Twin, Twin) {
    let mut history = History::new(party(0));
    let admission = |number: usize| vec![device(number).as_bytes().to_vec()];
    let genesis = history.write(0, EntryKind::Control, None, &[], admission(0));
    let mut last = history.write(0, EntryKind::Data, None, &[genesis], vec![b"old".to_vec()]);
    for number in 0..20_u8 {
        last = history.write(0, EntryKind::Data, Some(last), &[], vec![vec![number]]);
    }
    let mut host = Twin::new(&[party(0)], Members::Admitted);
    for bundle in &history.bundles {
        host.take(&party(0), bundle.clone()).unwrap();
    }
    let admitted = history.write(0, EntryKind::Control, Some(genesis), &[], admission(1));
    let mut guest = Twin::new(&[party(0)], Members::Admitted);
    for number in [genesis, admitted] {
        guest.take(&party(0), history.bundles[number].clone()).unwrap();
    }
    (history, host, guest)
}

#[test]
fn a_newcomer_introduces_itself_with_its_own_admission() {
    let (history, host, guest) = newcomer();
    let mut network = Network::new(vec![host, guest], &[(0, 1)], Limits::default());
    network.settle(&mut Dice(2));
    assert_equal(&network, &[history]);
}

#[test]
fn a_stranger_gets_nothing() {
    let (history, host, guest) = newcomer();
    let mut stranger = guest.clone();
    let genesis = history.bundles[0].clone();
    stranger.parties.insert(party(0), twin::TwinParty::default());
    stranger.take(&party(0), genesis).unwrap();
    let before = stranger.linked(&party(0));
    let mut network = Network::new(vec![host, guest, stranger], &[(0, 2), (1, 2)], Limits::default());
    network.settle(&mut Dice(3));
    assert_eq!(network.twins[2].linked(&party(0)), before);
    assert_eq!(network.delivered, 0);
}

#[test]
fn a_party_that_is_opened_later_is_fetched() {
    let dice = &mut Dice(7);
    let history = History::random(party(0), 3, 20, dice);
    let mut full = Twin::new(&[party(0)], Members::Everybody);
    for bundle in &history.bundles {
        full.take(&party(0), bundle.clone()).unwrap();
    }
    let mut network =
        Network::new(vec![full, Twin::new(&[], Members::Everybody)], &[(0, 1)], Limits::default());
    network.settle(dice);
    assert!(network.twins[1].parties().is_empty());
    network.twins[1].parties.insert(party(0), twin::TwinParty::default());
    network.note_change(1);
    network.settle(dice);
    assert_equal(&network, &[history]);
}

#[test]
fn a_party_that_a_newcomer_opens_later_is_fetched_from_its_issuer() {
    let (history, mut host, _) = newcomer();
    host.take(&party(0), history.bundles.last().unwrap().clone()).unwrap();
    let guest = Twin::new(&[], Members::Admitted);
    let mut network = Network::new(vec![host, guest], &[(0, 1)], Limits::default());
    network.settle(&mut Dice(8));
    network.twins[1].parties.insert(party(0), twin::TwinParty::default());
    network.note_change(1);
    network.settle(&mut Dice(9));
    assert_equal(&network, &[history]);
    assert!(network.session(1, 0).progress().in_sync());
}

#[test]
fn an_entry_larger_than_a_message_goes_alone() {
    let mut history = History::new(party(0));
    let parts = (0..10_u8).map(|number| vec![number; 200_000]).collect();
    history.write(0, EntryKind::Data, None, &[], parts);
    let mut full = Twin::new(&[party(0)], Members::Everybody);
    full.take(&party(0), history.bundles[0].clone()).unwrap();
    let empty = Twin::new(&[party(0)], Members::Everybody);
    let mut network = Network::new(vec![full, empty], &[(0, 1)], Limits::default());
    network.settle(&mut Dice(4));
    assert_equal(&network, &[history]);
    assert_eq!(network.session(1, 0).progress().parties[&party(0)].received_bytes / 1_000_000, 2);
}
