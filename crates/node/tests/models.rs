//! Programs of models over real connections: fetched by who lacks them, checked by their hash, passed on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use motet::authority::{InvitationCode, Role};
use motet::fact::{Cid, PublicKey, SecretKey, Value};
use motet::item::ItemId;
use motet::{Database, ModelBlock, RulesState, RulesStatus};
use motet_node::{Door, Host, Node, NodeConfig, NodeEvent};
use motet_sync::{Access, Bundle, Heads, Replica, ReplicaError};

const PROGRAM: &str = r#"
    output attr. attr(entity: $item, attribute: "facts", value: N) :- N := count : fact()."#;

/// A member's database, as a host that sends other bytes for every block.
struct Liar(Database);

impl Replica for Liar {
    fn parties(&self) -> Vec<PublicKey> {
        Replica::parties(&self.0)
    }
    fn access(&self, party: &PublicKey, device: &PublicKey) -> Access {
        self.0.access(party, device)
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
    fn difference(&self, party: &PublicKey, wanted: &[Cid], had: &[Cid], control_only: bool) -> Vec<Cid> {
        self.0.difference(party, wanted, had, control_only)
    }
    fn load(&self, party: &PublicKey, id: &Cid) -> Result<Option<Bundle>, ReplicaError> {
        self.0.load(party, id)
    }
    fn block(&self, _: &PublicKey, _: &Cid) -> Result<Option<Vec<u8>>, ReplicaError> {
        Ok(Some(
            ModelBlock::new("output attr. attr(entity: $item, attribute: \"facts\", value: 0).").encode(),
        ))
    }
}

impl Host for Liar {
    fn device_key(&self) -> SecretKey {
        Host::device_key(&self.0)
    }
    fn deliver(&self, from: &PublicKey, party: &PublicKey, bundles: Vec<Bundle>) -> Vec<Result<(), String>> {
        Host::deliver(&self.0, from, party, bundles)
    }
    fn subscribe_heads(&self) -> Receiver<()> {
        self.0.subscribe_heads()
    }
    fn receive(&self, guest: PublicKey, binding: &[u8; 32]) -> Box<dyn Door> {
        Host::receive(&self.0, guest, binding)
    }
}

fn start(host: Arc<dyn Host>, peers: &[SocketAddr]) -> (Node, Receiver<NodeEvent>) {
    let (events, heard) = channel();
    let config = NodeConfig {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        peers: peers.iter().map(ToString::to_string).collect(),
        ..NodeConfig::new(events)
    };
    (Node::start(host, config).unwrap(), heard)
}

fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < patience, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn admit(from: &Database, party: &PublicKey, to: &Database) {
    let link = from.party(party).unwrap().invite(Role::Writer, i64::MAX, Vec::new()).unwrap();
    to.join(&InvitationCode::Link(link)).meet(from).unwrap();
}

fn database(name: &str) -> Arc<Database> {
    Arc::new(Database::in_memory(name).unwrap())
}

fn counted(database: &Database, party: &PublicKey, item: ItemId) -> Option<Value> {
    let party = database.party(party).unwrap();
    let read = |state: &RulesState| {
        assert_eq!(*state.status(), RulesStatus::Computed);
        state.rows_of("attr").next().map(|row| row[2].clone())
    };
    party.item(item, |item| item.state::<RulesState>().and_then(read)).ok().flatten()
}

/// A database with a party, a model in it, and an item of that.
fn beginning() -> (Arc<Database>, PublicKey, Cid, ItemId) {
    let ada = database("Ada");
    let party = ada.create_party("Home").unwrap();
    let block = party.publish_model("counting", &ModelBlock::new(PROGRAM)).unwrap();
    let item = party.create_item("counting", None, None).unwrap();
    party.set(item, "title", "Milk").unwrap();
    (ada, party.key(), block, item)
}

/// A peer without the program fetches it and shows the same state; and one that is connected to that peer alone, before
/// it had the program itself, fetches it from there.
#[test]
fn a_program_is_fetched_and_passed_on() {
    let (ada, party, block, item) = beginning();
    let (ben, eve) = (database("Ben"), database("Eve"));
    admit(&ada, &party, &ben);
    admit(&ada, &party, &eve);
    // Ben has the entries already, and not the program; so does Eve, from Ben.
    let heads = ada.heads(&party);
    let all = ada.difference(&party, &[heads.control, heads.data].concat(), &[], false);
    let bundles = all.iter().map(|id| ada.load(&party, id).unwrap().unwrap()).collect();
    assert!(Host::deliver(&*ben, &ada.profile().device, &party, bundles).iter().all(Result::is_ok));
    let (of_ben, _heard) = start(ben.clone(), &[]);
    let (_of_eve, _heard) = start(eve.clone(), &[of_ben.local_addr().unwrap()]);
    wait("Eve has what Ben has", || eve.heads(&party) == ben.heads(&party));
    assert_eq!(ben.blocks_lacking(&party), [block]);
    assert_eq!(eve.blocks_lacking(&party), [block]);
    let (of_ada, _heard) = start(ada.clone(), &[]);
    of_ben.add_peer(of_ada.local_addr().unwrap().to_string()).unwrap();
    for database in [&ben, &eve] {
        wait("the program came", || database.blocks_lacking(&party).is_empty());
        assert_eq!(counted(database, &party, item), Some(1.into()));
    }
    let hash = |database: &Database| database.party(&party).unwrap().state_hash().unwrap();
    assert_eq!([hash(&ben), hash(&eve)], [hash(&ada), hash(&ada)]);
    // What is published while they are connected comes at once.
    let later = ada.party(&party).unwrap();
    later.publish_model("later", &ModelBlock::new("output n. n() :- fact().")).unwrap();
    wait("it came to Eve", || {
        let published = eve.party(&party).unwrap().published_models().unwrap();
        published.get("later").is_some_and(|model| model.is_here)
    });
}

/// Who sends other bytes is found out and dropped; the program is asked for elsewhere.
#[test]
fn a_liar_is_dropped_and_another_asked() {
    let (ada, party, block, item) = beginning();
    let (ben, mallory) = (database("Ben"), database("Mallory"));
    admit(&ada, &party, &ben);
    admit(&ada, &party, &mallory);
    let heads = ada.heads(&party);
    let all = ada.difference(&party, &[heads.control, heads.data].concat(), &[], false);
    let bundles = all.iter().map(|id| ada.load(&party, id).unwrap().unwrap()).collect();
    assert!(Host::deliver(&*mallory, &ada.profile().device, &party, bundles).iter().all(Result::is_ok));
    let (of_mallory, _heard) = start(Arc::new(Liar((*mallory).clone())), &[]);
    let (of_ben, heard) = start(ben.clone(), &[of_mallory.local_addr().unwrap()]);
    let reason = loop {
        match heard.recv_timeout(Duration::from_secs(60)).unwrap() {
            NodeEvent::Disconnected { reason, .. } if reason.contains("block") => break reason,
            _ => {}
        }
    };
    assert!(reason.contains(&format!("not block {block}")), "{reason}");
    assert_eq!(ben.blocks_lacking(&party), [block], "what came was not taken");
    assert_eq!(counted(&ben, &party, item), None);
    let (of_ada, _heard) = start(ada.clone(), &[]);
    of_ben.add_peer(of_ada.local_addr().unwrap().to_string()).unwrap();
    wait("the program came from Ada", || ben.blocks_lacking(&party).is_empty());
    assert_eq!(counted(&ben, &party, item), Some(1.into()));
    let hash = |database: &Database| database.party(&party).unwrap().state_hash().unwrap();
    assert_eq!(hash(&ben), hash(&ada));
}
