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
use motet::fact::{Cid, Digest, Phrase, PublicKey, Purpose, SecretKey, Value};
use motet::item::{BaseRelation, Fold, ItemId, Kept};
use motet::world::SeededWorld;
use motet::{Database, Party, World};
use motet_store::testing::Chance;
use motet_store::{Batch, MemoryStore, ScanRange, Store, Table};
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
    /// Which the database gets again when it is opened again.
    pub limits: motet::Limits,
}

impl Peer {
    pub fn new(name: &str, seed: u64) -> Self {
        Self::on(Arc::new(MemoryStore::new()), name, seed)
    }

    pub fn on(store: Arc<dyn Store>, name: &str, seed: u64) -> Self {
        let world = Arc::new(Remembering::new(seed));
        let database = Database::create_on(store.clone(), seal_key(), name, world.clone()).unwrap();
        Peer { store, world, database, limits: motet::Limits::default() }
    }

    /// Closes the database and opens it again.
    pub fn reopen(&mut self) {
        self.database = Database::open_on(self.store.clone(), seal_key(), self.world.clone()).unwrap();
        self.database.set_limits(self.limits);
    }

    /// Gives its database other limits, whenever it is opened.
    pub fn set_limits(&mut self, limits: motet::Limits) {
        self.limits = limits;
        self.database.set_limits(limits);
    }

    pub fn party(&self, key: &PublicKey) -> Party {
        self.database.party(key).unwrap()
    }

    /// Invites a peer, lets it answer, and admits it; its replica is empty until something is sent.
    pub fn admit(&self, party: &PublicKey, newcomer: &Peer, role: Role) -> Result<Party, motet::Error> {
        admit(&self.database, party, &newcomer.database, role)
    }

    /// The secret that brings the peer back into the parties that it founded.
    pub fn recovery(&self) -> SecretKey {
        self.database.phrase().unwrap().expect("it holds its phrase").key(Purpose::Recovery)
    }
}

/// As [`Peer::admit`].
pub fn admit(
    host: &Database,
    party: &PublicKey,
    newcomer: &Database,
    role: Role,
) -> Result<Party, motet::Error> {
    let link = host.party(party)?.invite(role, i64::MAX, Vec::new())?;
    newcomer.join(&InvitationCode::Link(link)).meet(host)?;
    newcomer.party(party)
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

/// Sends the blocks of models that one lacks and the other has.
pub fn fetch(from: &Database, to: &Database, party: &PublicKey) {
    for cid in to.blocks_lacking(party) {
        if let Some(block) = from.block(party, &cid).unwrap() {
            to.deliver_model(party, &cid, block).unwrap();
        }
    }
}

/// Lets two databases talk as over a connection, until neither has anything to say.
pub fn converse(one: &Database, other: &Database) {
    let ends = [one, other];
    let mut sessions = [other, one].map(|peer| Session::new(peer.profile().device, Limits::default()));
    let mut boxes: [VecDeque<Message>; 2] = Default::default();
    let heard = [one.listen(), other.listen()];
    for at in [0, 1] {
        let said = sessions[at].open(ends[at]);
        boxes[1 - at].extend(said);
    }
    while boxes.iter().any(|inbox| !inbox.is_empty()) {
        for at in [0, 1] {
            let Some(message) = boxes[at].pop_front() else { continue };
            let received = sessions[at].receive(message, ends[at]).unwrap();
            assert!(received.faults.is_empty(), "{:?}", received.faults);
            boxes[1 - at].extend(received.send);
            for delivery in received.deliver {
                let from = Some(ends[1 - at].profile().device);
                let taken = ends[at].deliver_from(from, &delivery.party, delivery.bundles);
                // A party may go while entries of it are under way; a node tells the peer that they were not taken.
                assert!(matches!(taken, Ok(_) | Err(motet::Error::NoSuchParty(_))), "{taken:?}");
                let said = sessions[at].delivered(delivery.party, ends[at]).unwrap();
                boxes[1 - at].extend(said);
            }
            if heard[at].try_iter().count() > 0 {
                let said = sessions[at].changed(ends[at]);
                boxes[1 - at].extend(said);
            }
        }
    }
}

/// Lets some databases talk to one another until all is said.
pub fn meet(all: &[&Database], party: &PublicKey) {
    for _ in 0..8 {
        let before = hashes(all, party);
        for (at, one) in all.iter().enumerate() {
            all[at + 1..].iter().for_each(|other| converse(one, other));
        }
        if before == hashes(all, party) {
            return;
        }
    }
    panic!("they talk and talk");
}

fn hashes(all: &[&Database], party: &PublicKey) -> Vec<(Option<Digest>, usize)> {
    let hash = |database: &&Database| {
        let party = database.party(party).ok()?;
        Some((party.state_hash().ok(), party.entries()))
    };
    all.iter().map(|database| hash(database).unwrap_or_default()).collect()
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

/// Lets all of them talk with each other until nothing changes any more.
pub fn talk_all(databases: &[&Database]) {
    for _ in 0..6 {
        for (at, one) in databases.iter().enumerate() {
            for other in &databases[at + 1..] {
                converse(one, other);
            }
        }
    }
}

/// Every row of every table, in a store of its own.
pub fn copy_of(store: &dyn Store) -> Arc<dyn Store> {
    let tables = [
        "profile",
        "entries",
        "pending",
        "held",
        "refused",
        "parts",
        "item_parts",
        "invitations",
        "joining",
        "authors",
        "keys",
    ];
    let mut batch = Batch::new();
    for table in tables.map(Table) {
        let mut put = |key: &[u8], value: &[u8]| {
            batch.put(table, key, value);
            ControlFlow::Continue(())
        };
        store.scan(table, ScanRange::all(), &mut put).unwrap();
    }
    let copy = MemoryStore::new();
    copy.commit(batch).unwrap();
    Arc::new(copy)
}

/// A model of an application: adds up what is set.
pub struct Sum(ItemId, i64);

impl Fold for Sum {
    const NAME: &'static str = "sum";
    const VERSION: u32 = 1;

    fn begin(item: ItemId) -> Self {
        Sum(item, 0)
    }

    fn take(&mut self, fact: &Kept) {
        self.1 += fact.value.as_int().unwrap_or(0);
    }

    fn rows(&self, visit: &mut dyn FnMut(BaseRelation, Vec<Value>)) {
        visit(BaseRelation::Attr, vec![self.0.into(), "total".into(), self.1.into()]);
    }
}
