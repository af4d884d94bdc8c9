//! One end of a connection: messages in, messages out.
//!
//! The session keeps, per party, an asking half and a serving half that know nothing of each other, and for the whole
//! connection what is shared: the credit for entries under way. Its caller's part:
//!
//! ```text
//! send(session.open(db))
//! on message:      received = session.receive(message, db)?    an error: close the connection
//!                  send(received.send)
//!                  for each delivery: db.take(bundles); send(session.delivered(party, db)?)
//!                  for each block: db.take_block(block); send(session.changed(db))
//! on local change: send(session.changed(db))
//! ```

use std::collections::BTreeMap;

use motet_fact::{Cid, PublicKey};
use motet_feed::{Entry, EntryError};

use crate::asking::{Asking, View};
use crate::fetching::Fetching;
use crate::message::{MAX_CREDIT, MAX_HEADS, MAX_OFFER, MAX_WINDOW};
use crate::serving::Serving;
use crate::{Access, Bundle, Heads, Message, PartyProgress, Progress, ProtocolError, Replica, ReplicaError};

/// The bounds a session keeps to. The defaults are for real use, smaller ones for tests and small machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries asked for and not yet taken, per party; at most 1,024.
    pub window: usize,
    /// Ids in one offer; at most 2,048.
    pub offer: usize,
    /// Ids kept for offering at a time; the replica is asked again for the rest.
    pub offer_total: usize,
    /// Bytes of entries and parts that fill one message; at most 1 MiB.
    pub entries_bytes: usize,
    /// Messages of entries sent without credit; at most 4.
    pub credit: usize,
    /// Entries the database may refuse, per party, before the peer is taken for a liar.
    pub refused: u64,
}

const MIB: usize = 1024 * 1024;
/// Of how many parties that are not here the heads are kept.
const MAX_UNPLACED: usize = 64;

impl Default for Limits {
    fn default() -> Self {
        Limits {
            window: MAX_WINDOW,
            offer: MAX_OFFER,
            offer_total: 64 * 1024,
            entries_bytes: MIB,
            credit: MAX_CREDIT,
            refused: 4096,
        }
    }
}

impl Limits {
    /// The same, inside the bounds of the protocol.
    fn clamped(self) -> Self {
        Limits {
            window: self.window.clamp(1, MAX_WINDOW),
            offer: self.offer.clamp(1, MAX_OFFER),
            offer_total: self.offer_total.max(1),
            entries_bytes: self.entries_bytes.clamp(1, MIB),
            credit: self.credit.clamp(1, MAX_CREDIT),
            ..self
        }
    }
}

/// Entries of one party for the database to take, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The party they were sent for.
    pub party: PublicKey,
    /// The entries. Only their form and party were looked at: hashes and signatures are the database's to check.
    pub bundles: Vec<Bundle>,
}

/// A block of one party for the database to take. Its bytes are those that the id names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockDelivery {
    /// The party it was asked for.
    pub party: PublicKey,
    /// Its name.
    pub id: Cid,
    /// The block.
    pub bytes: Vec<u8>,
}

/// What comes of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// To be sent, in this order.
    pub send: Vec<Message>,
    /// To be handed to the database, each followed by [`Session::delivered`].
    pub deliver: Vec<Delivery>,
    /// To be handed to the database.
    pub blocks: Vec<BlockDelivery>,
    /// What the database could not read; the peer was told that it is absent.
    pub faults: Vec<ReplicaError>,
}

#[derive(Debug, Default)]
struct Party {
    asking: Asking,
    serving: Serving,
    fetching: Fetching,
    progress: PartyProgress,
    /// One of the two stands for nobody in the party, and the other tells it no more than that.
    is_limited: bool,
}

/// One end of a connection to one peer.
#[derive(Debug)]
pub struct Session {
    peer: PublicKey,
    limits: Limits,
    parties: BTreeMap<PublicKey, Party>,
    /// Heads told of parties that are not here: they may come.
    unplaced: BTreeMap<PublicKey, Heads>,
    /// Messages of entries sent without credit.
    under_way: usize,
    /// Whose turn it was last.
    served: Option<PublicKey>,
}

impl Session {
    /// A session with the peer whose device key this is; the transport made sure of it.
    pub fn new(peer_device: PublicKey, limits: Limits) -> Self {
        Session {
            peer: peer_device,
            limits: limits.clamped(),
            parties: BTreeMap::new(),
            unplaced: BTreeMap::new(),
            under_way: 0,
            served: None,
        }
    }

    /// The peer's device.
    pub fn peer(&self) -> PublicKey {
        self.peer
    }

    /// What to send first: the heads of every party the peer may have.
    pub fn open(&mut self, replica: &dyn Replica) -> Vec<Message> {
        self.changed(replica)
    }

    /// The database changed, be it by a write, by another session, or in who has access: tells new heads.
    pub fn changed(&mut self, replica: &dyn Replica) -> Vec<Message> {
        let mut out = Vec::new();
        for party in replica.parties() {
            let (state, view) = self.look(party, replica);
            state.fetching.tell(&view, &mut out);
            self.advance(party, replica, &mut out);
        }
        out
    }

    /// Takes a message.
    ///
    /// # Errors
    /// [`ProtocolError`]: the connection is to be closed and the session dropped.
    pub fn receive(&mut self, message: Message, replica: &dyn Replica) -> Result<Received, ProtocolError> {
        let mut received = Received::default();
        self.dispatch(message, replica, &mut received)?;
        self.pump(replica, &mut received);
        Ok(received)
    }

    /// The database is done with the oldest delivery of a party, whatever it took of it.
    ///
    /// # Errors
    /// [`ProtocolError::TooManyRefused`]: the connection is to be closed.
    ///
    /// # Panics
    /// If there was no such delivery.
    pub fn delivered(
        &mut self,
        party: PublicKey,
        replica: &dyn Replica,
    ) -> Result<Vec<Message>, ProtocolError> {
        let mut out = vec![Message::Credit];
        let (state, view) = self.look(party, replica);
        state.progress.refused += state.asking.delivered(&view) as u64;
        if state.progress.refused > view.limits.refused {
            return Err(ProtocolError::TooManyRefused { party, count: state.progress.refused as usize });
        }
        self.advance(party, replica, &mut out);
        Ok(out)
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        let party = |(key, party): (&PublicKey, &Party)| {
            let (told, heard) = (party.serving.told(), party.asking.heard());
            let the_same = told == heard || (party.is_limited && party.serving.is_heard());
            let idle = party.asking.is_idle() && party.fetching.is_idle();
            let in_sync = told.is_some() && heard.is_some() && the_same && idle;
            let shared = told.is_some() || heard.is_some();
            (*key, PartyProgress { shared, in_sync, ..party.progress })
        };
        Progress { parties: self.parties.iter().map(party).collect() }
    }

    fn look<'a>(&'a mut self, party: PublicKey, replica: &'a dyn Replica) -> (&'a mut Party, View<'a>) {
        let access = replica.access(&party, &self.peer);
        let view = View { party, access, replica, limits: &self.limits };
        let state = self.parties.entry(party).or_insert_with(|| {
            let mut state = Party::default();
            if let Some(heads) = self.unplaced.remove(&party) {
                state.asking.hear(heads);
            }
            state
        });
        state.is_limited = matches!(view.access, Access::Notices(_)) || !replica.belongs(&party);
        (state, view)
    }

    fn is_here(&self, party: &PublicKey, replica: &dyn Replica) -> bool {
        self.parties.contains_key(party) || replica.parties().contains(party)
    }

    fn advance(&mut self, party: PublicKey, replica: &dyn Replica, out: &mut Vec<Message>) {
        let (state, view) = self.look(party, replica);
        state.serving.tell(&view, out);
        state.asking.step(&view, out);
        if state.asking.heard().is_some() {
            state.fetching.step(&view, out);
        }
    }

    fn dispatch(
        &mut self,
        message: Message,
        replica: &dyn Replica,
        received: &mut Received,
    ) -> Result<(), ProtocolError> {
        let Some(party) = party_of(&message) else { return self.take_credit() };
        let out = &mut received.send;
        if !self.is_here(&party, replica) {
            out.extend(answer_for_absent_party(&message));
            self.keep_unplaced(message);
            return Ok(());
        }
        let peer = self.peer;
        let (state, view) = self.look(party, replica);
        match message {
            Message::Heads { heads, .. } => {
                out.push(Message::Heard { party });
                replica.is_told(&party, &peer, &heads);
                state.asking.hear(heads);
                state.fetching.take_heart();
            }
            Message::Heard { .. } => state.serving.heard(),
            Message::Ask { want, have, control_only, .. } => {
                state.serving.ask(&view, want, have, control_only, out);
            }
            Message::Offer { ids, more, .. } => {
                state.progress.offered += state.asking.offered(&view, ids, more)? as u64;
            }
            Message::More { .. } => state.serving.offer(&view, out),
            Message::Want { ids, .. } => state.serving.want(party, ids)?,
            Message::Absent { ids, .. } => state.asking.absent(party, &ids)?,
            Message::Entries { bundles, .. } => return self.entries(party, bundles, received),
            Message::Fetch { ids, .. } => {
                let blocks = state.fetching.serve(&view, &ids, &mut received.faults);
                out.push(blocks);
            }
            Message::Blocks { blocks, .. } => {
                let came = state.fetching.answered(party, blocks)?.into_iter();
                received.blocks.extend(came.map(|(id, bytes)| BlockDelivery { party, id, bytes }));
            }
            Message::Stocked { .. } => state.fetching.take_heart(),
            Message::Credit => {}
        }
        self.advance(party, replica, &mut received.send);
        Ok(())
    }

    /// Keeps the heads of a party that is not here, within bounds: past them it takes new heads, or a new connection.
    fn keep_unplaced(&mut self, message: Message) {
        let Message::Heads { party, heads } = message else { return };
        self.unplaced.remove(&party);
        let ids = |heads: &Heads| heads.control.len() + heads.data.len();
        let kept: usize = self.unplaced.values().map(ids).sum();
        if self.unplaced.len() < MAX_UNPLACED && kept + ids(&heads) <= MAX_HEADS {
            self.unplaced.insert(party, heads);
        }
    }

    fn take_credit(&mut self) -> Result<(), ProtocolError> {
        self.under_way = self.under_way.checked_sub(1).ok_or(ProtocolError::Credit)?;
        Ok(())
    }

    fn entries(
        &mut self,
        party: PublicKey,
        bundles: Vec<Bundle>,
        received: &mut Received,
    ) -> Result<(), ProtocolError> {
        let state = self.parties.entry(party).or_default();
        let mut ids = Vec::new();
        for bundle in &bundles {
            let id = identify(party, &bundle.entry)?;
            state.asking.arrived(party, id)?;
            ids.push(id);
        }
        state.asking.hand_out(ids);
        state.progress.received += bundles.len() as u64;
        state.progress.received_bytes += bundles.iter().map(|bundle| bundle.bytes() as u64).sum::<u64>();
        received.deliver.push(Delivery { party, bundles });
        Ok(())
    }

    /// Sends wanted entries as far as credit goes, the parties in turn.
    fn pump(&mut self, replica: &dyn Replica, received: &mut Received) {
        while self.under_way < self.limits.credit {
            let Some(entries) = self.next_entries(replica, received) else { return };
            self.under_way += 1;
            received.send.push(entries);
        }
    }

    fn next_entries(&mut self, replica: &dyn Replica, received: &mut Received) -> Option<Message> {
        while let Some(party) = self.next_turn() {
            let bundles = self.load_some(party, replica, received);
            self.served = Some(party);
            if !bundles.is_empty() {
                return Some(Message::Entries { party, bundles });
            }
        }
        None
    }

    /// The next party after the one served last for which something is wanted.
    fn next_turn(&self) -> Option<PublicKey> {
        let waits = |(key, party): (&PublicKey, &Party)| (!party.serving.wanted.is_empty()).then_some(*key);
        let mut turns = self.parties.iter().filter_map(waits);
        match self.served {
            Some(served) => turns.clone().find(|party| *party > served).or_else(|| turns.next()),
            None => turns.next(),
        }
    }

    /// Loads wanted entries until a message is full. What can't be loaded is told to be absent.
    fn load_some(&mut self, party: PublicKey, replica: &dyn Replica, received: &mut Received) -> Vec<Bundle> {
        let (state, view) = self.look(party, replica);
        let (mut bundles, mut bytes, mut absent) = (Vec::new(), 0, Vec::new());
        while let Some(id) = state.serving.wanted.pop_front() {
            match load(&view, &id) {
                Ok(Some(bundle))
                    if bundles.is_empty() || bytes + bundle.bytes() <= view.limits.entries_bytes =>
                {
                    bytes += bundle.bytes();
                    bundles.push(bundle);
                }
                Ok(Some(_)) => {
                    state.serving.wanted.push_front(id);
                    break;
                }
                Ok(None) => absent.push(id),
                Err(fault) => {
                    absent.push(id);
                    received.faults.push(fault);
                }
            }
        }
        state.progress.sent += bundles.len() as u64;
        state.progress.sent_bytes += bytes as u64;
        if !absent.is_empty() {
            received.send.push(Message::Absent { party, ids: absent });
        }
        bundles
    }
}

fn load(view: &View, id: &Cid) -> Result<Option<Bundle>, ReplicaError> {
    let given = match &view.access {
        Access::Full => true,
        Access::Notices(notices) => view.replica.is_noticed(&view.party, id, notices),
        Access::None => false,
    };
    if given { view.replica.load(&view.party, id) } else { Ok(None) }
}

/// The id of an entry. One of a later version has one too: it is held, not refused (H7).
fn identify(party: PublicKey, entry: &[u8]) -> Result<Cid, ProtocolError> {
    match Entry::decode_stored(entry) {
        Ok(entry) if entry.header().party == party => Ok(entry.id()),
        Ok(entry) => Err(ProtocolError::WrongParty { party, id: entry.id() }),
        Err(EntryError::UnknownVersion { id, .. } | EntryError::UnknownKind { id, .. }) => Ok(id),
        Err(source) => Err(ProtocolError::NotAnEntry { party, source }),
    }
}

fn party_of(message: &Message) -> Option<PublicKey> {
    match message {
        Message::Heads { party, .. }
        | Message::Heard { party }
        | Message::Ask { party, .. }
        | Message::Offer { party, .. }
        | Message::More { party }
        | Message::Want { party, .. }
        | Message::Entries { party, .. }
        | Message::Absent { party, .. }
        | Message::Fetch { party, .. }
        | Message::Blocks { party, .. }
        | Message::Stocked { party } => Some(*party),
        Message::Credit => None,
    }
}

/// What is answered for a party that is not here: the same as to a device without access.
fn answer_for_absent_party(message: &Message) -> Option<Message> {
    match message {
        Message::Heads { party, .. } => Some(Message::Heard { party: *party }),
        Message::Ask { party, .. } | Message::More { party } => {
            Some(Message::Offer { party: *party, ids: Vec::new(), more: false })
        }
        Message::Want { party, ids } => Some(Message::Absent { party: *party, ids: ids.clone() }),
        Message::Entries { .. } => Some(Message::Credit),
        Message::Fetch { party, ids } => {
            Some(Message::Blocks { party: *party, blocks: vec![Vec::new(); ids.len()] })
        }
        Message::Blocks { .. } | Message::Stocked { .. } => None,
        Message::Heard { .. } | Message::Offer { .. } | Message::Absent { .. } | Message::Credit => None,
    }
}
