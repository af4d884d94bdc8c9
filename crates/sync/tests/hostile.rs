//! A peer may say anything at any time: nothing panics, what is kept stays bounded, and an honest peer is served
//! afterwards as if nothing had been.

#![allow(clippy::unwrap_used)]

use crate::twin::{Dice, History, Members, Network, Twin, TwinParty, device, party};
use motet_fact::{Cid, Codec, PublicKey};
use motet_feed::EntryKind;
use motet_sync::{Bundle, Heads, Limits, Message, ProtocolError, Replica, Session};
use proptest::prelude::*;

struct Liar {
    history: History,
    dice: Dice,
}

impl Liar {
    fn party(&mut self) -> PublicKey {
        if self.dice.one_in(5) { party(9) } else { self.history.party }
    }

    fn ids(&mut self) -> Vec<Cid> {
        let count = self.dice.roll(10);
        (0..count).map(|_| self.id()).collect()
    }

    fn id(&mut self) -> Cid {
        if self.dice.one_in(3) {
            return Cid::of(Codec::Raw, &self.dice.roll(1 << 30).to_le_bytes());
        }
        self.history.entries[self.dice.roll(self.history.entries.len())].id()
    }

    fn bundle(&mut self) -> Bundle {
        let mut bundle = self.history.bundles[self.dice.roll(self.history.bundles.len())].clone();
        match self.dice.roll(6) {
            0 => bundle.parts.clear(),
            1 => bundle.entry = self.mutated(bundle.entry),
            2 => bundle.entry.clear(),
            _ => {}
        }
        bundle
    }

    fn mutated(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        for _ in 0..self.dice.roll(4) {
            match self.dice.roll(3) {
                _ if bytes.is_empty() => {}
                0 => bytes.truncate(self.dice.roll(bytes.len())),
                1 => bytes.insert(self.dice.roll(bytes.len()), 0xff),
                _ => {
                    let at = self.dice.roll(bytes.len());
                    bytes[at] ^= 1 << self.dice.roll(8);
                }
            }
        }
        bytes
    }

    fn message(&mut self) -> Message {
        let party = self.party();
        match self.dice.roll(10) {
            0 | 1 => Message::Heads { party, heads: Heads { control: self.ids(), data: self.ids() } },
            2 => Message::Heard { party },
            3 => {
                Message::Ask { party, want: self.ids(), have: self.ids(), control_only: self.dice.one_in(2) }
            }
            4 | 5 => Message::Offer { party, ids: self.ids(), more: self.dice.one_in(2) },
            6 => Message::More { party },
            7 => Message::Want { party, ids: self.ids() },
            8 => Message::Absent { party, ids: self.ids() },
            _ if self.dice.one_in(3) => Message::Credit,
            _ => Message::Entries { party, bundles: vec![self.bundle()] },
        }
    }

    /// Sometimes the right answer, else anything.
    fn answer(&mut self, asked: &[Message]) -> Message {
        for message in asked {
            match message {
                Message::Want { party, ids } if self.dice.one_in(2) => {
                    return Message::Entries { party: *party, bundles: self.wanted(ids) };
                }
                Message::Ask { party, .. } if self.dice.one_in(2) => {
                    let (ids, more) = (self.ids(), self.dice.one_in(2));
                    return Message::Offer { party: *party, ids, more };
                }
                _ => {}
            }
        }
        self.message()
    }

    fn wanted(&mut self, ids: &[Cid]) -> Vec<Bundle> {
        let number = |id: &Cid| self.history.entries.iter().position(|entry| entry.id() == *id);
        let mut bundles: Vec<Bundle> =
            ids.iter().filter_map(number).map(|number| self.history.bundles[number].clone()).collect();
        if self.dice.one_in(2) {
            bundles.iter_mut().for_each(|bundle| bundle.parts.clear());
        }
        bundles
    }
}

/// Talks to the liar for a while; gives how often the connection had to be closed.
fn talk(twin: &mut Twin, liar: &mut Liar, turns: usize) -> usize {
    let limits = Limits { window: 20, offer: 4, offer_total: 8, refused: 30, ..Limits::default() };
    let mut session = Session::new(device(1), limits.clone());
    let mut said = session.open(twin);
    let mut closed = 0;
    for _ in 0..turns {
        let bytes = liar.answer(&said).encode();
        let bytes = if liar.dice.one_in(6) { liar.mutated(bytes) } else { bytes };
        match listen(&mut session, twin, &bytes) {
            Ok(messages) => said = messages,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                closed += 1;
                session = Session::new(device(1), limits.clone());
                said = session.open(twin);
            }
        }
        let kept = format!("{session:?}").len();
        assert!(kept < 60_000, "the session grew to {kept}");
    }
    closed
}

fn listen(session: &mut Session, twin: &mut Twin, bytes: &[u8]) -> Result<Vec<Message>, ProtocolError> {
    let Some(message) = Message::decode(bytes)? else { return Ok(Vec::new()) };
    let received = session.receive(message, twin)?;
    let mut said = received.send;
    for delivery in received.deliver {
        for bundle in delivery.bundles {
            let _ = twin.take(&delivery.party, bundle);
        }
        said.extend(session.delivered(delivery.party, twin)?);
    }
    Ok(said)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_liar_does_no_harm(seed: u64, strict: bool) {
        let mut dice = Dice(seed);
        let history = History::random(party(0), 3, 30, &mut dice);
        let members = if strict { Members::Admitted } else { Members::Everybody };
        let mut twin = Twin::new(&[party(0)], members);
        for bundle in history.bundles.iter().take(dice.roll(30)) {
            twin.take(&party(0), bundle.clone()).unwrap();
        }
        let mut liar = Liar { history, dice };
        talk(&mut twin, &mut liar, 600);
        twin.members = Members::Everybody;
        let mut honest = Twin::new(&[party(0)], Members::Everybody);
        for bundle in &liar.history.bundles {
            honest.take(&party(0), bundle.clone()).unwrap();
        }
        let mut network = Network::new(vec![twin, honest], &[(0, 1)], Limits::default());
        network.settle(&mut liar.dice);
        assert_eq!(network.twins[0].linked(&party(0)), liar.history.ids());
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes: Vec<u8>) {
        if let Ok(Some(message)) = Message::decode(&bytes) {
            assert_eq!(Message::decode(&message.encode()), Ok(Some(message)));
        }
    }
}

fn one_entry() -> (History, Twin, Session) {
    let mut history = History::new(party(0));
    history.write(0, EntryKind::Data, None, &[], vec![b"one".to_vec()]);
    let twin = Twin::new(&[party(0)], Members::Everybody);
    (history, twin, Session::new(device(1), Limits::default()))
}

fn heads(ids: &[Cid]) -> Message {
    Message::Heads { party: party(0), heads: Heads { control: Vec::new(), data: ids.to_vec() } }
}

fn offer(ids: &[Cid]) -> Message {
    Message::Offer { party: party(0), ids: ids.to_vec(), more: false }
}

fn asks(messages: &[Message]) -> usize {
    messages.iter().filter(|message| matches!(message, Message::Ask { .. })).count()
}

#[test]
fn heads_of_nothing_are_asked_for_once_for_each_time_they_are_told() {
    let (_, twin, mut session) = one_entry();
    let bogus = [Cid::of(Codec::Raw, b"nothing")];
    for _ in 0..3 {
        assert_eq!(asks(&session.receive(heads(&bogus), &twin).unwrap().send), 1);
        assert_eq!(asks(&session.receive(offer(&[]), &twin).unwrap().send), 0);
        assert_eq!(asks(&session.changed(&twin)), 0);
    }
}

#[test]
fn an_entry_that_is_refused_is_asked_for_three_times_and_no_more() {
    let (history, mut twin, mut session) = one_entry();
    let id = history.entries[0].id();
    let without_body = Bundle { parts: Vec::new(), ..history.bundles[0].clone() };
    for turn in 0..5 {
        let said = session.receive(heads(&[id]), &twin).unwrap().send;
        assert_eq!(asks(&said), usize::from(turn < 3));
        if turn < 3 {
            session.receive(offer(&[id]), &twin).unwrap();
            let entries = Message::Entries { party: party(0), bundles: vec![without_body.clone()] };
            listen(&mut session, &mut twin, &entries.encode()).unwrap();
        }
    }
    assert_eq!(session.progress().parties[&party(0)].refused, 3);
}

#[test]
fn what_nobody_asked_for_closes_the_connection() {
    let (history, twin, mut session) = one_entry();
    let entries = Message::Entries { party: party(0), bundles: history.bundles.clone() };
    let unasked = |result| matches!(result, Err(ProtocolError::Unasked { .. }));
    assert!(unasked(session.receive(entries, &twin)));
    assert!(unasked(session.receive(offer(&[]), &twin)));
    let absent = Message::Absent { party: party(0), ids: history.ids().into_iter().collect() };
    assert!(unasked(session.receive(absent, &twin)));
    assert_eq!(session.receive(Message::Credit, &twin), Err(ProtocolError::Credit));
}

#[test]
fn wanting_more_than_the_window_closes_the_connection() {
    let (history, mut twin, mut session) = one_entry();
    twin.take(&party(0), history.bundles[0].clone()).unwrap();
    session.open(&twin);
    let ids = vec![history.entries[0].id(); 1024];
    let want = || Message::Want { party: party(0), ids: ids.clone() };
    let sent = session.receive(want(), &twin).unwrap().send;
    assert!(matches!(sent.as_slice(), [Message::Entries { .. }]));
    let limits = Limits { entries_bytes: 1, ..Limits::default() };
    let mut session = Session::new(device(1), limits);
    assert_eq!(session.receive(want(), &twin).unwrap().send.len(), 5, "heads and four messages of entries");
    assert!(matches!(session.receive(want(), &twin), Err(ProtocolError::Window { wanted: 2044, .. })));
}

#[test]
fn a_party_that_is_not_here_and_one_without_access_answer_alike() {
    let (history, mut twin, _) = one_entry();
    twin.take(&party(0), history.bundles[0].clone()).unwrap();
    twin.members = Members::Admitted;
    let empty = Twin::new(&[], Members::Admitted);
    let id = history.entries[0].id();
    for message in [
        Message::Heads { party: party(0), heads: Heads::default() },
        Message::Ask { party: party(0), want: vec![id], have: vec![], control_only: false },
        Message::More { party: party(0) },
        Message::Want { party: party(0), ids: vec![id] },
    ] {
        let answer = |twin: &Twin| {
            let mut session = Session::new(device(1), Limits::default());
            session.open(twin);
            session.receive(message.clone(), twin).unwrap()
        };
        assert_eq!(answer(&twin), answer(&empty), "{}", message.name());
    }
}

#[test]
fn what_the_database_cannot_read_is_told_to_be_absent() {
    struct Broken(Twin);
    impl Replica for Broken {
        fn parties(&self) -> Vec<PublicKey> {
            self.0.parties()
        }
        fn access(&self, party: &PublicKey, peer: &PublicKey) -> motet_sync::Access {
            self.0.access(party, peer)
        }
        fn heads(&self, party: &PublicKey) -> Heads {
            self.0.heads(party)
        }
        fn contains(&self, party: &PublicKey, id: &Cid) -> bool {
            self.0.contains(party, id)
        }
        fn wanted(&self, party: &PublicKey) -> Vec<Cid> {
            self.0.wanted(party)
        }
        fn difference(&self, party: &PublicKey, wanted: &[Cid], had: &[Cid], only: bool) -> Vec<Cid> {
            self.0.difference(party, wanted, had, only)
        }
        fn load(&self, _: &PublicKey, _: &Cid) -> Result<Option<Bundle>, motet_sync::ReplicaError> {
            Err(motet_sync::ReplicaError("the disk is gone".to_owned()))
        }
    }
    let (history, mut twin, mut session) = one_entry();
    twin.parties.insert(party(0), TwinParty::default());
    twin.take(&party(0), history.bundles[0].clone()).unwrap();
    let ids = vec![history.entries[0].id()];
    let broken = Broken(twin);
    session.open(&broken);
    let received = session.receive(Message::Want { party: party(0), ids: ids.clone() }, &broken).unwrap();
    assert_eq!(received.send, [Message::Absent { party: party(0), ids }]);
    assert_eq!(received.faults.len(), 1);
}
