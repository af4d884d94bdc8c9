//! Nodes over loopback: they converge, notice what is dead, and survive what is hostile.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use motet::Database;
use motet::authority::{Denial, InvitationCode, Role};
use motet_fact::{Cid, PublicKey, SecretKey};
use motet_feed::{Draft, Entry, EntryKind, Graph, Linkage, PartRef, Tag};
use motet_node::{
    Channel, ChannelError, Door, Host, JoinError, Node, NodeConfig, NodeError, NodeEvent, join,
};
use motet_sync::{Access, Bundle, Heads, Replica, ReplicaError};

fn party() -> PublicKey {
    SecretKey::from_bytes([99; 32]).public()
}

#[derive(Default)]
struct State {
    graph: Graph,
    bundles: BTreeMap<Cid, Bundle>,
    last: Option<(Cid, u64)>,
    subscribers: Vec<Sender<()>>,
}

/// A database in memory with one party, in which everybody is a member.
struct Memory {
    number: u8,
    state: Mutex<State>,
}

impl Memory {
    fn new(number: u8) -> Arc<Self> {
        Arc::new(Memory { number, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn len(&self) -> usize {
        self.state().graph.len()
    }

    /// Writes entries to this device's own feed, each with one part of so many bytes.
    fn write(&self, count: usize, bytes: usize) {
        let key = SecretKey::from_bytes([100 + self.number; 32]);
        let mut state = self.state();
        for _ in 0..count {
            let (causes, seq) = match state.last {
                Some((last, seq)) => (vec![last], seq + 1),
                None => (Vec::new(), 0),
            };
            let mut part = vec![7; bytes];
            part.extend(seq.to_le_bytes());
            let draft = Draft {
                party: party(),
                feed: key.public(),
                seq,
                kind: EntryKind::Data,
                causes,
                depth: seq + 1,
                parts: vec![PartRef::to(Tag::default(), &part)],
                key_name: Vec::new(),
            };
            let entry = Entry::sign(draft, &key);
            state.graph.link(&entry, true);
            state.last = Some((entry.id(), seq));
            state.bundles.insert(entry.id(), Bundle { entry: entry.encode(), parts: vec![part] });
        }
        state.subscribers.retain(|subscriber| subscriber.send(()).is_ok());
    }
}

impl Replica for Memory {
    fn parties(&self) -> Vec<PublicKey> {
        vec![party()]
    }
    fn access(&self, _: &PublicKey, _: &PublicKey) -> Access {
        Access::Full
    }
    fn heads(&self, _: &PublicKey) -> Heads {
        let mut data: Vec<Cid> = self.state().graph.feed_heads().map(|head| head.id).collect();
        data.sort();
        Heads { control: Vec::new(), data }
    }
    fn contains(&self, _: &PublicKey, id: &Cid) -> bool {
        self.state().graph.contains(id)
    }
    fn wanted(&self, _: &PublicKey) -> Vec<Cid> {
        Vec::new()
    }
    fn difference(&self, _: &PublicKey, wanted: &[Cid], had: &[Cid], _: bool) -> Vec<Cid> {
        self.state().graph.difference(wanted, had)
    }
    fn load(&self, _: &PublicKey, id: &Cid) -> Result<Option<Bundle>, ReplicaError> {
        Ok(self.state().bundles.get(id).cloned())
    }
}

impl Host for Memory {
    fn device_key(&self) -> SecretKey {
        SecretKey::from_bytes([self.number; 32])
    }
    fn deliver(&self, _: &PublicKey, _: &PublicKey, bundles: Vec<Bundle>) -> Vec<Result<(), String>> {
        let mut state = self.state();
        let mut take = |bundle: Bundle| {
            let entry = Entry::decode(&bundle.entry).map_err(|error| error.to_string())?;
            if state.graph.linkage(&entry) == Linkage::Ready {
                state.graph.link(&entry, true);
                state.bundles.insert(entry.id(), bundle);
            }
            Ok(())
        };
        bundles.into_iter().map(&mut take).collect()
    }
    fn subscribe_heads(&self) -> Receiver<()> {
        let (sender, receiver) = channel();
        self.state().subscribers.push(sender);
        receiver
    }
    fn receive(&self, _: PublicKey, binding: &[u8; 32]) -> Box<dyn Door> {
        Box::new(Echo(*binding))
    }
}

/// Answers with the binding and what it heard; that is the last if it is nothing.
struct Echo([u8; 32]);

impl Door for Echo {
    fn hear(&mut self, greeting: &[u8]) -> Vec<u8> {
        [self.0.as_slice(), greeting].concat()
    }
    fn is_over(&self) -> bool {
        false
    }
}

fn local() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn start(host: &Arc<Memory>, peers: &[String]) -> (Node, Receiver<NodeEvent>) {
    let (events, heard) = channel();
    let config = NodeConfig {
        listen: Some(local()),
        peers: peers.to_vec(),
        silence: Duration::from_millis(1500),
        ..NodeConfig::new(events)
    };
    (Node::start(host.clone(), config).unwrap(), heard)
}

fn address(node: &Node) -> String {
    node.local_addr().unwrap().to_string()
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < until, "not in time: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn two_nodes_converge_and_follow_each_other() {
    let (one, other) = (Memory::new(1), Memory::new(2));
    one.write(300, 10_000);
    other.write(20, 10);
    let (first, _heard) = start(&one, &[]);
    let (second, _heard) = start(&other, &[address(&first)]);
    eventually("what was there", || one.len() == 320 && other.len() == 320);
    one.write(1, 5);
    eventually("what was written later", || other.len() == 321);
    eventually("both know it", || {
        [&first, &second].iter().all(|node| {
            let peers = node.peers();
            peers.len() == 1 && peers[0].connected && peers[0].progress.in_sync()
        })
    });
    assert_eq!(first.peers()[0].device, Some(other.device_key().public()));
}

#[test]
fn three_nodes_in_a_line_follow_each_other_through_the_middle() {
    let hosts = [Memory::new(1), Memory::new(2), Memory::new(3)];
    let (middle, _heard) = start(&hosts[1], &[]);
    let (_left, _heard) = start(&hosts[0], &[address(&middle)]);
    let (_right, _heard) = start(&hosts[2], &[address(&middle)]);
    for round in 1..=20 {
        hosts[0].write(1, 100);
        hosts[2].write(1, 100);
        eventually("all have it", || hosts.iter().all(|host| host.len() == 2 * round));
    }
}

#[test]
fn nodes_that_dial_each_other_keep_one_connection() {
    let hosts = [Memory::new(1), Memory::new(2)];
    let (first, one) = start(&hosts[0], &[]);
    let (second, other) = start(&hosts[1], &[address(&first)]);
    first.add_peer(address(&second)).unwrap();
    hosts[0].write(3, 10);
    eventually("connected", || hosts[1].len() == 3 && first.peers()[0].connected);
    thread::sleep(Duration::from_millis(600));
    for (node, heard) in [(&first, one), (&second, other)] {
        assert_eq!(node.peers().iter().filter(|peer| peer.connected).count(), 1);
        let times = heard.try_iter().filter(|event| matches!(event, NodeEvent::Connected { .. })).count();
        assert!(times <= 2, "connected {times} times");
    }
}

#[test]
fn a_node_does_not_talk_to_itself() {
    let host = Memory::new(1);
    let (node, _heard) = start(&host, &[]);
    node.add_peer(address(&node)).unwrap();
    eventually("it noticed", || node.peers().iter().any(|peer| peer.last_error.is_some()));
    assert!(node.peers().iter().all(|peer| !peer.connected));
    assert!(node.peers()[0].last_error.as_ref().unwrap().contains("itself"));
}

/// What a wire does with what it is given.
#[derive(Default)]
struct Wire {
    /// Cut after so many bytes, both ways together; 0: never.
    cut_after: AtomicUsize,
    /// Pass nothing on, and say nothing of it.
    stalled: AtomicBool,
    connections: AtomicUsize,
}

fn proxy(to: String, wire: &Arc<Wire>) -> String {
    let listener = TcpListener::bind(local()).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let wire = wire.clone();
    thread::spawn(move || {
        for near in listener.incoming() {
            let (Ok(near), Ok(far)) = (near, TcpStream::connect(&to)) else { continue };
            wire.connections.fetch_add(1, Ordering::SeqCst);
            let passed = Arc::new(AtomicUsize::new(0));
            for (from, to) in [(&near, &far), (&far, &near)] {
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let (wire, passed) = (wire.clone(), passed.clone());
                thread::spawn(move || pass_on(from, to, &wire, &passed));
            }
        }
    });
    address
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, wire: &Wire, passed: &AtomicUsize) {
    let mut buffer = [0; 5000];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        while wire.stalled.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(5));
        }
        let so_far = passed.fetch_add(count, Ordering::SeqCst) + count;
        let limit = wire.cut_after.load(Ordering::SeqCst);
        if limit > 0 && so_far > limit {
            // In the middle of a message, more likely than not.
            let _ = to.write_all(&buffer[..count / 2]);
            break;
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(std::net::Shutdown::Both);
    let _ = to.shutdown(std::net::Shutdown::Both);
}

#[test]
fn a_wire_that_breaks_in_the_middle_of_messages_loses_nothing() {
    let (one, other) = (Memory::new(1), Memory::new(2));
    one.write(400, 20_000);
    let wire = Arc::new(Wire { cut_after: AtomicUsize::new(3_000_000), ..Wire::default() });
    let (first, _heard) = start(&one, &[]);
    let (_second, _heard) = start(&other, &[proxy(address(&first), &wire)]);
    eventually("everything came", || other.len() == 400);
    let connections = wire.connections.load(Ordering::SeqCst);
    assert!((3..30).contains(&connections), "it took {connections} connections");
}

#[test]
fn a_dead_wire_is_noticed_and_dialled_again() {
    let (one, other) = (Memory::new(1), Memory::new(2));
    let wire = Arc::new(Wire::default());
    let (first, _heard) = start(&one, &[]);
    let (second, heard) = start(&other, &[proxy(address(&first), &wire)]);
    eventually("connected", || second.peers()[0].connected);
    wire.stalled.store(true, Ordering::SeqCst);
    let begin = Instant::now();
    eventually("noticed", || heard.try_iter().any(|event| matches!(event, NodeEvent::Disconnected { .. })));
    assert!(begin.elapsed() < Duration::from_secs(4));
    wire.stalled.store(false, Ordering::SeqCst);
    one.write(1, 1);
    eventually("connected again", || other.len() == 1);
}

#[test]
fn garbage_and_silence_at_the_port_harm_nobody() {
    let (one, other) = (Memory::new(1), Memory::new(2));
    one.write(5, 5);
    let (first, heard) = start(&one, &[]);
    let at = address(&first);
    let _silent: Vec<TcpStream> = (0..10).map(|_| TcpStream::connect(&at).unwrap()).collect();
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 3000], &[0xff; 70_000], &[0, 0, 0, 0]] {
        let mut stream = TcpStream::connect(&at).unwrap();
        let _ = stream.write_all(garbage);
        let _ = stream.shutdown(std::net::Shutdown::Write);
    }
    eventually("each was turned away", || {
        heard.try_iter().any(|event| matches!(event, NodeEvent::Failed { .. }))
    });
    let (_second, _heard) = start(&other, &[at]);
    eventually("an honest peer is served", || other.len() == 5);
}

#[test]
fn a_device_that_lies_about_sync_is_cut_off() {
    let host = Memory::new(1);
    let (node, heard) = start(&host, &[]);
    let stream = TcpStream::connect(node.local_addr().unwrap()).unwrap();
    let mut liar = Channel::connect(stream, &SecretKey::from_bytes([66; 32])).unwrap();
    liar.send(&[1, 0xff, 0xff, 0xff]).unwrap();
    eventually("cut off", || {
        let cut = |event| matches!(event, NodeEvent::Disconnected { reason, .. } if reason.contains("not a sync message"));
        heard.try_iter().any(cut)
    });
    eventually("the liar sees it", || liar.receive().is_err());
}

#[test]
fn a_port_in_use_says_which_and_what_to_do() {
    let taken = TcpListener::bind(local()).unwrap();
    let port = taken.local_addr().unwrap();
    let config = NodeConfig { listen: Some(port), ..NodeConfig::new(channel().0) };
    let error = Node::start(Memory::new(1), config).err().unwrap();
    assert!(matches!(error, NodeError::AddressInUse(at) if at == port));
    assert!(error.to_string().contains(&port.port().to_string()));
    assert!(error.to_string().contains("another port"));
}

/// Two ends of a TCP connection.
fn pipe() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(local()).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

fn channels() -> (Channel, Channel) {
    let (near, far) = pipe();
    let far = thread::spawn(move || Channel::accept(far, &SecretKey::from_bytes([2; 32])).unwrap());
    let near = Channel::connect(near, &SecretKey::from_bytes([1; 32])).unwrap();
    (near, far.join().unwrap())
}

#[test]
fn a_channel_knows_both_devices_and_carries_long_messages() {
    let (mut near, mut far) = channels();
    assert_eq!(near.peer(), SecretKey::from_bytes([2; 32]).public());
    assert_eq!(far.peer(), SecretKey::from_bytes([1; 32]).public());
    assert_eq!(near.binding(), far.binding());
    for length in [0, 1, 65_517, 65_518, 65_519, 131_036, 4 * 1024 * 1024] {
        let message: Vec<u8> = (0..length).map(|at| at as u8).collect();
        let sent = message.clone();
        let speak = thread::spawn(move || near.send(&sent).map(|()| near).unwrap());
        assert_eq!(far.receive().unwrap(), message);
        near = speak.join().unwrap();
    }
    drop(near);
    assert!(matches!(far.receive(), Err(ChannelError::Closed)));
}

#[test]
fn a_changed_byte_on_the_wire_is_noticed() {
    let (near, far) = pipe();
    let (to_far, from_near) = pipe();
    // Passes on the handshake (3 frames and the two hellos), then flips a bit of what comes.
    let back = (from_near.try_clone().unwrap(), far.try_clone().unwrap());
    let forward = thread::spawn(move || relay(far, from_near, 3));
    thread::spawn(move || relay(back.0, back.1, usize::MAX));
    let accept = thread::spawn(move || Channel::accept(to_far, &SecretKey::from_bytes([2; 32])));
    let mut near = Channel::connect(near, &SecretKey::from_bytes([1; 32])).unwrap();
    let mut end = accept.join().unwrap().unwrap();
    near.send(b"pay one").unwrap();
    assert!(matches!(end.receive(), Err(ChannelError::Malformed(_))));
    drop((near, end));
    forward.join().unwrap();
}

fn relay(mut from: TcpStream, mut to: TcpStream, honest_frames: usize) {
    for frame in 0.. {
        let mut length = [0; 2];
        if from.read_exact(&mut length).is_err() {
            return;
        }
        let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
        if from.read_exact(&mut bytes).is_err() {
            return;
        }
        if frame >= honest_frames {
            bytes[0] ^= 1;
        }
        if to.write_all(&[&length, bytes.as_slice()].concat()).is_err() {
            return;
        }
    }
}

/// A node around a database.
fn serve(database: &Database) -> (Node, Receiver<NodeEvent>) {
    let (events, heard) = channel();
    let config = NodeConfig { listen: Some(local()), ..NodeConfig::new(events) };
    (Node::start(Arc::new(database.clone()), config).unwrap(), heard)
}

#[test]
fn a_guest_is_let_in_by_the_issuer_and_nobody_else() {
    let (ada, ben) = (Database::in_memory("Ada").unwrap(), Database::in_memory("Ben").unwrap());
    let home = ada.create_party("Home").unwrap();
    let (node, _heard) = serve(&ada);
    let at = ["127.0.0.1:1".to_owned(), address(&node)];
    let link = home.invite(Role::Writer, i64::MAX, at.to_vec()).unwrap();
    let code = InvitationCode::Link(link.clone());
    let address = join(&at, Some(link.issuer_device), ben.device_key(), &mut ben.join(&code)).unwrap();
    assert_eq!(address, at[1]);
    assert!(home.members().contains_key(&ben.profile().identity));

    let cleo = Database::in_memory("Cleo").unwrap();
    let used = join(&at, Some(link.issuer_device), cleo.device_key(), &mut cleo.join(&code));
    assert!(matches!(used, Err(JoinError::Guest(motet::Error::Denied(Denial::Used)))), "{used:?}");
    let other = SecretKey::from_bytes([3; 32]).public();
    let Err(JoinError::Unreachable(tried)) = join(&at, Some(other), cleo.device_key(), &mut cleo.join(&code))
    else {
        panic!("another device let it in");
    };
    assert!(matches!(tried[0].1, ChannelError::Io { .. }));
    assert!(matches!(tried[1].1, ChannelError::UnexpectedDevice { want, .. } if want == other));

    let words = home.invite_by_words(Role::Reader, i64::MAX).unwrap();
    let at = at[1..].to_vec();
    join(&at, None, cleo.device_key(), &mut cleo.join(&InvitationCode::Words(words))).unwrap();
    assert_eq!(cleo.parties().len(), 1);
}

/// A wire on which every guess is watched, cut or changed: nobody gets in, and the right guest does in the end.
#[test]
fn a_guest_whose_wire_breaks_goes_on_where_it_stopped() {
    let (ada, ben) = (Database::in_memory("Ada").unwrap(), Database::in_memory("Ben").unwrap());
    let home = ada.create_party("Home").unwrap();
    let (node, _heard) = serve(&ada);
    let words = home.invite_by_words(Role::Writer, i64::MAX).unwrap();
    let wire = Arc::new(Wire::default());
    let at = [proxy(address(&node), &wire)];
    let mut broken = 0;
    // Each time the wire carries a little more before it is cut.
    for bytes in (200..).step_by(100) {
        wire.cut_after.store(bytes, Ordering::SeqCst);
        let code = InvitationCode::Words(words);
        match join(&at, None, ben.device_key(), &mut ben.join(&code)) {
            Ok(_) => break,
            Err(JoinError::Guest(motet::Error::Denied(Denial::TooManyAttempts))) => {
                panic!("a guest that has shown the code needs no more guesses")
            }
            Err(JoinError::Broken(..) | JoinError::Unreachable(_)) => broken += 1,
            Err(error) => panic!("{error}"),
        }
        assert!(bytes < 10_000, "it never came through");
    }
    assert!(broken > 3, "the wire broke {broken} times only");
    assert_eq!(home.members().len(), 2);
    assert!(home.devices()[&ben.profile().device].counted);
}

#[test]
fn greetings_are_no_way_to_keep_a_node_busy() {
    let host = Memory::new(1);
    let (node, heard) = start(&host, &[]);
    let stream = TcpStream::connect(node.local_addr().unwrap()).unwrap();
    let mut chatterer = Channel::connect(stream, &SecretKey::from_bytes([66; 32])).unwrap();
    let binding = *chatterer.binding();
    let mut answers = 0;
    while chatterer.send(&[2, 7]).is_ok() {
        match chatterer.receive() {
            Ok(answer) => assert_eq!(answer, [&[2], binding.as_slice(), &[7]].concat()),
            Err(_) => break,
        }
        answers += 1;
    }
    assert!((10..1000).contains(&answers), "{answers} answers");
    eventually("it says so", || {
        heard
            .try_iter()
            .any(|event| matches!(event, NodeEvent::Failed { reason, .. } if reason.contains("greeting")))
    });
}

#[test]
fn a_node_that_is_shut_down_frees_its_port_and_leaves_its_host_alone() {
    let host = Memory::new(1);
    let (node, _heard) = start(&host, &[]);
    let other = Memory::new(2);
    let (_second, _heard) = start(&other, &[address(&node)]);
    eventually("connected", || node.peers().len() == 1);
    let at = node.local_addr().unwrap();
    let begin = Instant::now();
    node.shutdown();
    assert!(begin.elapsed() < Duration::from_secs(2));
    assert!(node.peers().is_empty());
    host.write(3, 3);
    let config = NodeConfig { listen: Some(at), ..NodeConfig::new(channel().0) };
    let _again = Node::start(host.clone(), config).unwrap();
    eventually("the peer found the new one", || other.len() == 3);
}
