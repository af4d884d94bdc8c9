//! What a node asks of the database, and what it tells.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use motet_fact::{Cid, PublicKey, SecretKey};
use motet_sync::{Bundle, Limits, Progress, Replica};

/// The database, as a node sees it. Called from many threads, never from two for one connection.
pub trait Host: Replica + Send + Sync {
    /// The key of this device.
    fn device_key(&self) -> SecretKey;

    /// Takes entries that came from a peer's device, in this order; one answer for each, in the same order. When it
    /// returns, what was taken is durable, and [`Replica::contains`] says so.
    fn deliver(&self, from: &PublicKey, party: &PublicKey, bundles: Vec<Bundle>) -> Vec<Result<(), String>>;

    /// Takes a block that came; its bytes are the ones that the id names. When it returns, it is durable.
    ///
    /// # Errors
    /// Why it was not taken.
    fn deliver_block(&self, _party: &PublicKey, _id: &Cid, _bytes: Vec<u8>) -> Result<(), String> {
        Ok(())
    }

    /// A signal after each change of heads or of who has access. Signals may be merged.
    fn subscribe_heads(&self) -> Receiver<()>;

    /// Receives a guest, who may be let in. The binding names the connection it came over.
    fn receive(&self, guest: PublicKey, channel_binding: &[u8; 32]) -> Box<dyn Door>;
}

/// The host's end of a greeting.
pub trait Door {
    /// Takes what the guest says, and gives the answer; there always is one.
    fn hear(&mut self, greeting: &[u8]) -> Vec<u8>;

    /// Whether that was the last.
    fn is_over(&self) -> bool;
}

/// How a node is to be.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Where to listen; `None`: nowhere. Port 0 takes any free one, see [`crate::Node::local_addr`].
    pub listen: Option<SocketAddr>,
    /// Addresses (`host:port`) to be dialled, and dialled again whenever the connection is lost.
    pub peers: Vec<String>,
    /// Hears what happens. Nobody need listen.
    pub events: Sender<NodeEvent>,
    /// The bounds of each session.
    pub limits: Limits,
    /// How long a wire may be silent before it counts as dead. A third of it is how often a node says something.
    pub silence: Duration,
}

impl NodeConfig {
    /// A node that neither listens nor dials, with the usual bounds.
    pub fn new(events: Sender<NodeEvent>) -> Self {
        let silence = Duration::from_secs(10);
        NodeConfig { listen: None, peers: Vec::new(), events, limits: Limits::default(), silence }
    }
}

/// What happens at a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeEvent {
    /// A device is connected.
    Connected {
        /// The device.
        device: PublicKey,
        /// Its address.
        address: String,
    },
    /// A connection is over.
    Disconnected {
        /// The device.
        device: PublicKey,
        /// Its address.
        address: String,
        /// Why.
        reason: String,
    },
    /// No connection came about.
    Failed {
        /// The address that was dialled, or that called.
        address: String,
        /// Why.
        reason: String,
    },
    /// Entries came.
    Delivered {
        /// From this device.
        device: PublicKey,
        /// Of this party.
        party: PublicKey,
        /// How many the database took.
        taken: usize,
        /// Why it did not take the others.
        refused: Vec<String>,
    },
    /// The database could not read what it holds.
    Fault {
        /// Its words.
        reason: String,
    },
}

/// One peer: an address that is dialled, or a device that called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// Its address.
    pub address: String,
    /// Its device, once known.
    pub device: Option<PublicKey>,
    /// Whether it is connected now.
    pub connected: bool,
    /// How far the session has come; empty without one.
    pub progress: Progress,
    /// Why the last attempt or connection ended.
    pub last_error: Option<String>,
}
