//! Blocks that entries name and do not carry: asked for by who lacks them, checked, passed on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use motet_fact::{Cid, Codec, PublicKey, SecretKey};
use motet_sync::{Access, Bundle, Heads, Limits, Message, ProtocolError, Replica, ReplicaError, Session};

fn party() -> PublicKey {
    SecretKey::from_bytes([9; 32]).public()
}

fn block(number: u8) -> (Cid, Vec<u8>) {
    let bytes = vec![number; 10];
    (Cid::of(Codec::Raw, &bytes), bytes)
}

/// A replica without entries, with some blocks, that wants others.
#[derive(Default)]
struct Shelf {
    blocks: BTreeMap<Cid, Vec<u8>>,
    named: BTreeSet<Cid>,
    closed: bool,
}

impl Shelf {
    fn take(&mut self, (cid, bytes): (Cid, Vec<u8>)) {
        self.blocks.insert(cid, bytes);
    }
}

impl Replica for Shelf {
    fn parties(&self) -> Vec<PublicKey> {
        vec![party()]
    }
    fn access(&self, _: &PublicKey, _: &PublicKey) -> Access {
        if self.closed { Access::None } else { Access::Full }
    }
    fn heads(&self, _: &PublicKey) -> Heads {
        Heads::default()
    }
    fn contains(&self, _: &PublicKey, _: &Cid) -> bool {
        false
    }
    fn wanted(&self, _: &PublicKey) -> Vec<Cid> {
        Vec::new()
    }
    fn difference(&self, _: &PublicKey, _: &[Cid], _: &[Cid], _: bool) -> Vec<Cid> {
        Vec::new()
    }
    fn load(&self, _: &PublicKey, _: &Cid) -> Result<Option<Bundle>, ReplicaError> {
        Ok(None)
    }
    fn blocks_lacking(&self, _: &PublicKey) -> Vec<Cid> {
        self.named.iter().filter(|cid| !self.blocks.contains_key(cid)).copied().collect()
    }
    fn block(&self, _: &PublicKey, cid: &Cid) -> Result<Option<Vec<u8>>, ReplicaError> {
        Ok(self.blocks.get(cid).cloned())
    }
}

fn session(peer: u8) -> Session {
    Session::new(SecretKey::from_bytes([peer; 32]).public(), Limits::default())
}

/// Two ends of a connection, and what is under way.
struct Wire {
    ends: [Session; 2],
    under_way: [VecDeque<Message>; 2],
}

impl Wire {
    fn new() -> Self {
        Wire { ends: [session(1), session(0)], under_way: Default::default() }
    }

    fn say(&mut self, from: usize, messages: Vec<Message>) {
        for message in messages {
            // As on a real wire.
            self.under_way[1 - from].extend(Message::decode(&message.encode()).unwrap());
        }
    }

    fn changed(&mut self, end: usize, shelf: &Shelf) {
        let messages = self.ends[end].changed(shelf);
        self.say(end, messages);
    }

    fn run(&mut self, shelves: [&mut Shelf; 2]) -> Result<(), ProtocolError> {
        loop {
            let Some(end) = (0..2).find(|end| !self.under_way[*end].is_empty()) else { return Ok(()) };
            let message = self.under_way[end].pop_front().unwrap();
            let received = self.ends[end].receive(message, &*shelves[end])?;
            self.say(end, received.send);
            if !received.blocks.is_empty() {
                received.blocks.into_iter().for_each(|block| shelves[end].take((block.id, block.bytes)));
                self.changed(end, &*shelves[end]);
            }
        }
    }
}

#[test]
fn what_is_lacking_is_fetched_a_few_at_a_time() {
    let (mut rich, mut poor, mut wire) = (Shelf::default(), Shelf::default(), Wire::new());
    (0..40).for_each(|number| rich.take(block(number)));
    poor.named = (0..40).map(|number| block(number).0).collect();
    wire.changed(0, &rich);
    wire.changed(1, &poor);
    wire.run([&mut rich, &mut poor]).unwrap();
    assert_eq!(poor.blocks, rich.blocks);
    assert!(wire.ends.iter().all(|end| end.progress().parties[&party()].in_sync));
}

#[test]
fn who_had_to_deny_a_block_says_when_it_comes() {
    let (mut one, mut other, mut wire) = (Shelf::default(), Shelf::default(), Wire::new());
    other.named = [block(1).0, block(2).0].into();
    wire.changed(0, &one);
    wire.changed(1, &other);
    wire.run([&mut one, &mut other]).unwrap();
    assert!(other.blocks.is_empty());
    assert!(wire.ends[1].progress().parties[&party()].in_sync, "what nobody has keeps nobody waiting");
    one.take(block(1));
    wire.changed(0, &one);
    wire.run([&mut one, &mut other]).unwrap();
    assert_eq!(other.blocks, [block(1)].into());
}

#[test]
fn a_stranger_gets_no_blocks() {
    let (mut one, mut stranger, mut wire) = (Shelf::default(), Shelf::default(), Wire::new());
    one.take(block(1));
    one.closed = true;
    stranger.named = [block(1).0].into();
    wire.changed(1, &stranger);
    wire.under_way[1].push_back(Message::Heads { party: party(), heads: Heads::default() });
    wire.run([&mut one, &mut stranger]).unwrap();
    assert!(stranger.blocks.is_empty());
}

#[test]
fn other_bytes_and_answers_to_nothing_end_the_connection() {
    let poor = Shelf { named: [block(1).0, block(2).0].into(), ..Shelf::default() };
    let asking = || {
        let mut session = session(1);
        session.changed(&poor);
        let heads = Message::Heads { party: party(), heads: Heads::default() };
        let asked = session.receive(heads, &poor).unwrap().send;
        let fetch = asked.iter().find(|message| matches!(message, Message::Fetch { .. })).cloned();
        let Some(Message::Fetch { ids, .. }) = fetch else { panic!("it asks: {asked:?}") };
        (session, ids)
    };
    let blocks = |blocks: Vec<Vec<u8>>| Message::Blocks { party: party(), blocks };
    let (mut session, ids) = asking();
    let lie = session.receive(blocks(vec![vec![0; 10], Vec::new()]), &poor);
    assert_eq!(lie, Err(ProtocolError::NotTheBlock { party: party(), id: ids[0] }));
    for wrong in [Vec::new(), vec![Vec::new()], vec![Vec::new(); 3]] {
        let (mut session, _) = asking();
        assert!(matches!(session.receive(blocks(wrong), &poor), Err(ProtocolError::Unasked { .. })));
    }
    let (mut session, _) = asking();
    assert!(session.receive(blocks(vec![Vec::new(); 2]), &poor).is_ok());
    let again = session.receive(blocks(vec![Vec::new(); 2]), &poor);
    assert!(matches!(again, Err(ProtocolError::Unasked { .. })), "it is answered once");
    let long = blocks(vec![vec![0; 70_000]]).encode();
    assert!(matches!(Message::decode(&long), Err(ProtocolError::Field { message: "blocks", .. })));
    let many = Message::Fetch { party: party(), ids: vec![block(1).0; 17] }.encode();
    assert!(matches!(Message::decode(&many), Err(ProtocolError::Field { message: "fetch", .. })));
}
