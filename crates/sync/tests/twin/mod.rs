//! A database as stupid as can be, random histories for it, and a network that delivers in any order.
#![allow(dead_code)] // shared by tests that each use a part of it

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use motet_fact::{Cid, PublicKey, SecretKey};
use motet_feed::{Draft, Entry, EntryKind, Graph, Linkage, PartRef, Pending, Quotas, Tag, Waiter};
use motet_sync::{Access, Bundle, Delivery, Heads, Limits, Message, Replica, ReplicaError, Session};

/// Numbers that look random and come from a seed.
#[derive(Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % sides as u64) as usize
    }

    pub(crate) fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }
}

pub(crate) fn key(number: u8) -> SecretKey {
    SecretKey::from_bytes([number; 32])
}

pub(crate) fn party(number: u8) -> PublicKey {
    key(200 + number).public()
}

pub(crate) fn device(number: usize) -> PublicKey {
    key(100 + number as u8).public()
}

/// What a history is made of, before it is dealt.
pub(crate) struct History {
    pub(crate) party: PublicKey,
    pub(crate) entries: Vec<Entry>,
    pub(crate) bundles: Vec<Bundle>,
}

impl History {
    pub(crate) fn new(party: PublicKey) -> Self {
        History { party, entries: Vec::new(), bundles: Vec::new() }
    }

    /// Adds an entry: after `backlink` on the writer's feed of this kind, citing `others` too.
    pub(crate) fn write(
        &mut self,
        writer: u8,
        kind: EntryKind,
        backlink: Option<usize>,
        others: &[usize],
        parts: Vec<Vec<u8>>,
    ) -> usize {
        let feed_key = key(if kind == EntryKind::Control { writer } else { 50 + writer });
        let cited: BTreeSet<usize> = backlink.iter().chain(others).copied().collect();
        let causes: BTreeSet<Cid> = cited.iter().map(|&number| self.entries[number].id()).collect();
        let depth = cited.iter().map(|&number| self.entries[number].header().depth).max().unwrap_or(0) + 1;
        let draft = Draft {
            party: self.party,
            feed: feed_key.public(),
            seq: backlink.map_or(0, |backlink| self.entries[backlink].header().seq + 1),
            kind,
            causes: causes.into_iter().collect(),
            depth,
            parts: parts.iter().map(|part| PartRef::to(Tag::default(), part)).collect(),
            key_name: Vec::new(),
        };
        let entry = Entry::sign(draft, &feed_key);
        if let Some(same) = self.entries.iter().position(|other| other.id() == entry.id()) {
            return same;
        }
        self.bundles.push(Bundle { entry: entry.encode(), parts });
        self.entries.push(entry);
        self.entries.len() - 1
    }

    /// A random history of some writers who cite each other, and now and then fork.
    pub(crate) fn random(party: PublicKey, writers: u8, length: usize, dice: &mut Dice) -> Self {
        let mut history = History::new(party);
        for number in 0..length {
            history.write_random(writers, number, dice);
        }
        history
    }

    fn write_random(&mut self, writers: u8, number: usize, dice: &mut Dice) {
        let writer = dice.roll(usize::from(writers)) as u8;
        let kind = if dice.one_in(4) { EntryKind::Control } else { EntryKind::Data };
        let feed = key(if kind == EntryKind::Control { writer } else { 50 + writer }).public();
        let own: Vec<usize> = self.numbers(|entry| entry.header().feed == feed);
        let backlink = match own.last() {
            Some(_) if dice.one_in(8) => own.get(dice.roll(own.len() + 1)).copied(),
            last => last.copied(),
        };
        let citable = self.numbers(|entry| {
            entry.header().feed != feed
                && (kind == EntryKind::Data || entry.header().kind == EntryKind::Control)
        });
        let mut others = Vec::new();
        for _ in 0..dice.roll(3).min(citable.len()) {
            others.push(citable[citable.len() - 1 - dice.roll(citable.len().min(6))]);
        }
        let mut parts: Vec<Vec<u8>> = (0..dice.roll(4)).map(|_| vec![7; dice.roll(120)]).collect();
        parts.push(number.to_le_bytes().to_vec());
        self.write(writer, kind, backlink, &others, parts);
    }

    fn numbers(&self, of: impl Fn(&Entry) -> bool) -> Vec<usize> {
        (0..self.entries.len()).filter(|&number| of(&self.entries[number])).collect()
    }

    pub(crate) fn ids(&self) -> BTreeSet<Cid> {
        self.entries.iter().map(Entry::id).collect()
    }
}

#[derive(Clone)]
pub(crate) struct TwinParty {
    pub(crate) graph: Graph,
    pub(crate) pending: Pending,
    pub(crate) bundles: BTreeMap<Cid, (Entry, Bundle)>,
}

impl Default for TwinParty {
    fn default() -> Self {
        TwinParty {
            graph: Graph::default(),
            pending: Pending::new(Quotas { per_feed: 1000, per_peer: 0, bytes_per_peer: 0 }),
            bundles: BTreeMap::new(),
        }
    }
}

/// Who a twin takes for a member.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Members {
    Everybody,
    /// The devices whose keys are the first part of some linked control entry.
    Admitted,
}

/// The database.
#[derive(Clone)]
pub(crate) struct Twin {
    pub(crate) parties: BTreeMap<PublicKey, TwinParty>,
    pub(crate) members: Members,
}

impl Twin {
    pub(crate) fn new(parties: &[PublicKey], members: Members) -> Self {
        let parties = parties.iter().map(|party| (*party, TwinParty::default())).collect();
        Twin { parties, members }
    }

    pub(crate) fn take(&mut self, party: &PublicKey, bundle: Bundle) -> Result<(), String> {
        let entry = Entry::decode(&bundle.entry).map_err(|error| error.to_string())?;
        let refs = &entry.header().parts;
        if refs.len() != bundle.parts.len() || !refs.iter().zip(&bundle.parts).all(|(r, part)| r.names(part))
        {
            return Err("a part is missing or wrong".to_owned());
        }
        let party = self.parties.get_mut(party).ok_or("no such party")?;
        party.bundles.insert(entry.id(), (entry.clone(), bundle));
        party.settle(entry)
    }

    pub(crate) fn linked(&self, party: &PublicKey) -> BTreeSet<Cid> {
        self.parties.get(party).map(|party| party.graph.ids().collect()).unwrap_or_default()
    }
}

impl TwinParty {
    fn settle(&mut self, entry: Entry) -> Result<(), String> {
        let mut ready = vec![entry];
        while let Some(entry) = ready.pop() {
            match self.graph.linkage(&entry) {
                Linkage::Known => {}
                Linkage::Missing(missing) => {
                    let (id, feed) = (entry.id(), entry.header().feed);
                    let waiter = Waiter { id, feed, peer: None, bytes: 0 };
                    self.pending.wait(waiter, missing).map_err(|error| error.to_string())?;
                }
                Linkage::Ready => {
                    if let Err(error) = self.graph.check(&entry) {
                        self.bundles.remove(&entry.id());
                        return Err(error.to_string());
                    }
                    self.graph.link(&entry, true);
                    let free = self.pending.arrived(&entry.id());
                    ready.extend(free.iter().map(|id| self.bundles[id].0.clone()));
                }
            }
        }
        Ok(())
    }
}

impl Replica for Twin {
    fn parties(&self) -> Vec<PublicKey> {
        self.parties.keys().copied().collect()
    }

    fn access(&self, party: &PublicKey, peer_device: &PublicKey) -> Access {
        let Some(party) = self.parties.get(party) else { return Access::None };
        let admits = |id: Cid| {
            let (entry, bundle) = &party.bundles[&id];
            entry.header().kind == EntryKind::Control
                && bundle.parts.first().is_some_and(|part| part.as_slice() == peer_device.as_bytes())
        };
        let full = self.members == Members::Everybody || party.graph.ids().any(admits);
        if full { Access::Full } else { Access::None }
    }

    fn heads(&self, party: &PublicKey) -> Heads {
        let graph = &self.parties[party].graph;
        let of = |kind| {
            let mut ids: Vec<Cid> =
                graph.feed_heads().map(|head| head.id).filter(|id| graph.kind(id) == Some(kind)).collect();
            ids.sort();
            ids
        };
        Heads { control: of(EntryKind::Control), data: of(EntryKind::Data) }
    }

    fn contains(&self, party: &PublicKey, id: &Cid) -> bool {
        self.parties.get(party).is_some_and(|party| party.graph.contains(id) || party.pending.contains(id))
    }

    fn wanted(&self, party: &PublicKey) -> Vec<Cid> {
        let party = &self.parties[party];
        let wanted = party.pending.wanted().map(|(id, _)| id);
        wanted.filter(|id| !party.graph.contains(id) && !party.pending.contains(id)).collect()
    }

    fn difference(&self, party: &PublicKey, wanted: &[Cid], had: &[Cid], control_only: bool) -> Vec<Cid> {
        let graph = &self.parties[party].graph;
        let mut ids = graph.difference(wanted, had);
        ids.retain(|id| !control_only || graph.kind(id) == Some(EntryKind::Control));
        ids
    }

    fn load(&self, party: &PublicKey, id: &Cid) -> Result<Option<Bundle>, ReplicaError> {
        if !self.contains(party, id) {
            return Ok(None);
        }
        Ok(self.parties[party].bundles.get(id).map(|(_, bundle)| bundle.clone()))
    }
}

/// One direction of a connection.
struct Lane {
    session: Session,
    /// Bytes on their way to this end.
    inbox: VecDeque<Vec<u8>>,
    /// Entries that came in on this connection.
    came: BTreeSet<Cid>,
}

/// Replicas, the connections between them, and what lies on the wires.
pub(crate) struct Network {
    pub(crate) twins: Vec<Twin>,
    links: Vec<(usize, usize)>,
    lanes: BTreeMap<(usize, usize), Lane>,
    /// Sessions to be told that their replica changed.
    changed: BTreeSet<(usize, usize)>,
    limits: Limits,
    pub(crate) delivered: usize,
    pub(crate) messages: usize,
}

impl Network {
    pub(crate) fn new(twins: Vec<Twin>, links: &[(usize, usize)], limits: Limits) -> Self {
        let mut network = Network {
            twins,
            links: links.to_vec(),
            lanes: BTreeMap::new(),
            changed: BTreeSet::new(),
            limits,
            delivered: 0,
            messages: 0,
        };
        for &(one, other) in links {
            network.connect(one, other);
        }
        network
    }

    /// Connects anew; whatever was on the wire is lost, and so is what the sessions knew.
    pub(crate) fn connect(&mut self, one: usize, other: usize) {
        for (here, there) in [(one, other), (other, one)] {
            let session = Session::new(device(there), self.limits.clone());
            self.lanes.insert((here, there), Lane { session, inbox: VecDeque::new(), came: BTreeSet::new() });
        }
        for (here, there) in [(one, other), (other, one)] {
            let lane = self.lanes.get_mut(&(here, there)).unwrap();
            let messages = lane.session.open(&self.twins[here]);
            self.send(here, there, messages);
        }
    }

    pub(crate) fn session(&self, here: usize, there: usize) -> &Session {
        &self.lanes[&(here, there)].session
    }

    fn send(&mut self, from: usize, to: usize, messages: Vec<Message>) {
        let inbox = &mut self.lanes.get_mut(&(to, from)).unwrap().inbox;
        inbox.extend(messages.iter().map(Message::encode));
    }

    pub(crate) fn note_change(&mut self, replica: usize) {
        let of_it = self.lanes.keys().filter(|(here, _)| *here == replica).copied();
        self.changed.extend(of_it);
    }

    /// Lets one thing happen; false if nothing can.
    pub(crate) fn step(&mut self, dice: &mut Dice) -> bool {
        let full: Vec<(usize, usize)> =
            self.lanes.iter().filter(|(_, lane)| !lane.inbox.is_empty()).map(|(at, _)| *at).collect();
        let choices = full.len() + self.changed.len();
        if choices == 0 {
            return false;
        }
        let choice = dice.roll(choices);
        match full.get(choice) {
            Some(&(here, there)) => self.receive(here, there),
            None => self.tell_changed(choice - full.len()),
        }
        true
    }

    fn tell_changed(&mut self, choice: usize) {
        let at = *self.changed.iter().nth(choice).unwrap();
        self.changed.remove(&at);
        let messages = self.lanes.get_mut(&at).unwrap().session.changed(&self.twins[at.0]);
        self.send(at.0, at.1, messages);
    }

    fn receive(&mut self, here: usize, there: usize) {
        self.messages += 1;
        let lane = self.lanes.get_mut(&(here, there)).unwrap();
        let bytes = lane.inbox.pop_front().unwrap();
        let message = Message::decode(&bytes).unwrap().unwrap();
        let received = lane.session.receive(message, &self.twins[here]).unwrap();
        self.send(here, there, received.send);
        for delivery in received.deliver {
            self.deliver(here, there, delivery);
        }
    }

    fn deliver(&mut self, here: usize, there: usize, delivery: Delivery) {
        let lane = self.lanes.get_mut(&(here, there)).unwrap();
        for bundle in delivery.bundles {
            let id = Entry::decode(&bundle.entry).unwrap().id();
            assert!(lane.came.insert(id), "entry {id} was sent twice on one connection");
            self.twins[here].take(&delivery.party, bundle).unwrap();
            self.delivered += 1;
        }
        let messages = lane.session.delivered(delivery.party, &self.twins[here]).unwrap();
        self.send(here, there, messages);
        self.note_change(here);
    }

    /// Cuts a random connection and makes it anew.
    pub(crate) fn cut(&mut self, dice: &mut Dice) {
        let (one, other) = self.links[dice.roll(self.links.len())];
        self.connect(one, other);
    }

    /// Lets things happen until nothing can.
    pub(crate) fn settle(&mut self, dice: &mut Dice) {
        for _ in 0..200_000 {
            if !self.step(dice) {
                return;
            }
        }
        panic!("the network does not come to rest");
    }
}
