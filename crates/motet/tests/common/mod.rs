//! People with a database in memory each, and the ways their entries travel.
//!
//! A [`Peer`] keeps the store, so that its database can be closed and opened again, and remembers what
//! entropy it was given: a test that plays a liar finds the liar's secret keys there, for the database gives
//! out none.

#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "helpers of tests are tests, and each uses some"
)]

use std::collections::{BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use motet::authority::{InvitationCode, Role};
use motet::fact::seal::SealKey;
use motet::fact::{Cid, Phrase, PublicKey, Purpose, SecretKey};
use motet::world::SeededWorld;
use motet::{Database, Party, World};
use motet_store::testing::Chance;
use motet_store::{MemoryStore, ScanRange, Store, Table};
use motet_sync::{Bundle, Limits, Message, Replica as _, Session};

/// A seeded world that remembers what it gave out.
pub struct Remembering {
    world: SeededWorld,
    given: Mutex<Vec<[u8; 32]>>,
}

impl Remembering {
    pub fn new(seed: u64) -> Self {
        Remembering { world: SeededWorld::new(seed), given: Mutex::default() }
    }

    /// The secret half of a key that was made in this world.
    pub fn secret(&self, key: &PublicKey) -> SecretKey {
        let given = self.given.lock().unwrap();
        // A seed is a key's, or that of the phrase which the identity follows from.
        let of_phrase = |seed: &[u8; 32]| Phrase::from_entropy(*seed).key(Purpose::Identity);
        if let Some(identity) = given.first().map(of_phrase).filter(|it| it.public() == *key) {
            return identity;
        }
        let secrets = given.iter().map(|seed| SecretKey::from_bytes(*seed));
        secrets.into_iter().find(|secret| secret.public() == *key).expect("the key was made in this world")
    }
}

impl World for Remembering {
    fn fill(&self, buffer: &mut [u8]) {
        self.world.fill(buffer);
        if let Ok(seed) = <[u8; 32]>::try_from(&*buffer) {
            self.given.lock().unwrap().push(seed);
        }
    }

    fn now(&self) -> i64 {
        self.world.now()
    }
}

/// The key that seals every peer's secrets.
pub fn seal_key() -> SealKey {
    SealKey::from_bytes([7; 32])
}

/// A person with a database.
pub struct Peer {
    pub store: Arc<dyn Store>,
    pub world: Arc<Remembering>,
    pub database: Database,
}

impl Peer {
    pub fn new(name: &str, seed: u64) -> Self {
        Self::on(Arc::new(MemoryStore::new()), name, seed)
    }

    pub fn on(store: Arc<dyn Store>, name: &str, seed: u64) -> Self {
        let world = Arc::new(Remembering::new(seed));
        let database = Database::create_on(store.clone(), seal_key(), name, world.clone()).unwrap();
        Peer { store, world, database }
    }

    /// Closes the database and opens it again.
    pub fn reopen(&mut self) {
        self.database = Database::open_on(self.store.clone(), seal_key(), self.world.clone()).unwrap();
    }

    pub fn party(&self, key: &PublicKey) -> Party {
        self.database.party(key).unwrap()
    }

    /// Invites a peer, lets it answer, and admits it; its replica is empty until something is sent.
    pub fn admit(&self, party: &PublicKey, newcomer: &Peer, role: Role) -> Result<Party, motet::Error> {
        let link = self.party(party).invite(role, i64::MAX, Vec::new())?;
        newcomer.database.join(&InvitationCode::Link(link)).meet(&self.database)?;
        newcomer.database.party(party)
    }
}

/// Every linked entry of a party, causes first.
pub fn everything(from: &Database, party: &PublicKey) -> Vec<Bundle> {
    bundles(from, party, &[])
}

/// The linked entries that are not in the past of some, causes first.
pub fn bundles(from: &Database, party: &PublicKey, had: &[Cid]) -> Vec<Bundle> {
    let heads = from.heads(party);
    let wanted = [heads.control, heads.data].concat();
    let lacking = from.difference(party, &wanted, had, false);
    lacking.iter().map(|id| from.load(party, id).unwrap().expect("what is linked can be loaded")).collect()
}

/// Sends everything, causes first; all of it is taken.
pub fn send(from: &Database, to: &Database, party: &PublicKey) {
    for answer in to.deliver(party, everything(from, party)).unwrap() {
        answer.unwrap();
    }
}

/// Sends bundles in any order, some of them twice, in batches of any size; all of it is taken.
pub fn scatter(mut load: Vec<Bundle>, to: &Database, party: &PublicKey, chance: &mut Chance) {
    let twice: Vec<Bundle> = load.iter().filter(|_| chance.below(5) == 0).cloned().collect();
    load.extend(twice);
    shuffle(&mut load, chance);
    while !load.is_empty() {
        let size = 1 + chance.below(load.len() as u64) as usize;
        for answer in to.deliver(party, load.drain(..size).collect()).unwrap() {
            answer.unwrap();
        }
    }
}

pub fn shuffle<T>(things: &mut [T], chance: &mut Chance) {
    for last in (1..things.len()).rev() {
        things.swap(last, chance.below(last as u64 + 1) as usize);
    }
}

/// The ids of every linked entry.
pub fn linked(database: &Database, party: &PublicKey) -> BTreeSet<Cid> {
    let heads = database.heads(party);
    let wanted = [heads.control, heads.data].concat();
    database.difference(party, &wanted, &[], false).into_iter().collect()
}

/// How many rows a table has.
pub fn rows(store: &dyn Store, table: Table) -> usize {
    let mut count = 0;
    let mut visit = |_: &[u8], _: &[u8]| {
        count += 1;
        ControlFlow::Continue(())
    };
    store.scan(table, ScanRange::all(), &mut visit).unwrap();
    count
}

/// Everything read again and folded from scratch is what the running database has.
pub fn assert_sound(party: &Party) {
    let found = party.verify(&mut |_| {}).unwrap();
    assert_eq!(found.faults, Vec::<String>::new());
    let (kept, fresh) = found.hashes.expect("without faults there are hashes");
    assert_eq!(
        kept,
        fresh,
        "the running state of {} is not the one from scratch",
        party.database().profile().name
    );
}

/// Lets two databases talk as over a connection, who may have what included, until neither has anything to say.
pub fn talk(one: &Database, other: &Database) {
    let ends = [one, other];
    let session = |at: usize| Session::new(ends[1 - at].profile().device, Limits::default());
    let mut sessions = [session(0), session(1)];
    let mut wires: [VecDeque<Message>; 2] = Default::default();
    for at in 0..2 {
        wires[at].extend(sessions[at].open(ends[at]));
    }
    while wires.iter().any(|wire| !wire.is_empty()) {
        for from in 0..2 {
            let Some(message) = wires[from].pop_front() else { continue };
            let to = 1 - from;
            let received = sessions[to].receive(message, ends[to]).unwrap();
            wires[to].extend(received.send);
            for delivery in received.deliver {
                for answer in ends[to].deliver(&delivery.party, delivery.bundles).unwrap() {
                    answer.unwrap();
                }
                wires[to].extend(sessions[to].delivered(delivery.party, ends[to]).unwrap());
            }
        }
        // Whatever changed meanwhile is told, as a node does.
        if wires.iter().all(VecDeque::is_empty) {
            for at in 0..2 {
                wires[at].extend(sessions[at].changed(ends[at]));
            }
        }
    }
}

/// Lets all of them talk with each other until nothing changes any more.
pub fn talk_all(databases: &[&Database]) {
    for _ in 0..6 {
        for (at, one) in databases.iter().enumerate() {
            for other in &databases[at + 1..] {
                talk(one, other);
            }
        }
    }
}
