//! What a session asks of the database.
//!
//! The contract is small so that a map in memory can fulfil it in a test. All answers are about *now*: a session keeps
//! no copy of the database and asks again after every batch. Answers of two calls may be of two moments; the session
//! only relies on entries not vanishing.

use motet_fact::{Cid, PublicKey};

/// What a peer's device may have of a party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everything: the device is a counted member's (H9).
    Full,
    /// The control entries up to these: it was a member's device, and they say why it is none now, or how it comes to
    /// be one again.
    Notices(Vec<Cid>),
    /// Nothing. It may introduce itself with control entries.
    None,
}

/// The heads of the feeds of a party: linked entries that no entry of the same feed follows. Ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    /// Of control feeds.
    pub control: Vec<Cid>,
    /// Of data feeds.
    pub data: Vec<Cid>,
}

/// An entry with its body, as it is kept and sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    /// The signed header ([`motet_feed::Entry::encode`]).
    pub entry: Vec<u8>,
    /// The parts that are here, in the order of the header.
    pub parts: Vec<Vec<u8>>,
}

impl Bundle {
    /// How many bytes the entry and its parts have.
    pub fn bytes(&self) -> usize {
        self.entry.len() + self.parts.iter().map(Vec::len).sum::<usize>()
    }
}

/// The database could not read what it holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReplicaError(pub String);

/// The database, as a session sees it.
pub trait Replica {
    /// The parties that are here.
    fn parties(&self) -> Vec<PublicKey>;

    /// What the peer may have of a party. [`Access::None`] if the party is not here.
    fn access(&self, party: &PublicKey, peer_device: &PublicKey) -> Access;

    /// Whether entries of the party are asked for; if not, what is here is served all the same.
    fn receives(&self, _party: &PublicKey) -> bool {
        true
    }

    /// The peer tells its heads. Nothing has to come of it.
    fn is_told(&self, _party: &PublicKey, _peer_device: &PublicKey, _heads: &Heads) {}

    /// Whether this device is a counted member's, as far as the party is known here (H9). One that is not hears the
    /// notices for it and no more, whatever else there is.
    fn belongs(&self, _party: &PublicKey) -> bool {
        true
    }

    /// The linked heads of every feed of a party; a forked feed has several (H5).
    fn heads(&self, party: &PublicKey) -> Heads;

    /// Whether the entry is here, linked or waiting. What was refused is not here.
    fn contains(&self, party: &PublicKey, id: &Cid) -> bool;

    /// Entries that are not here and must come by name, whether they are in the past of a head or not: those that
    /// waiting entries wait for, and those that cuts name (H10).
    fn wanted(&self, party: &PublicKey) -> Vec<Cid>;

    /// The linked entries in the past of `wanted`, those included, that are not in the past of `had`, in causal order.
    /// Ids that are not linked count for nothing.
    fn difference(&self, party: &PublicKey, wanted: &[Cid], had: &[Cid], control_only: bool) -> Vec<Cid>;

    /// Whether an entry is a linked control entry in the past of some notices, those included.
    fn is_noticed(&self, party: &PublicKey, id: &Cid, notices: &[Cid]) -> bool {
        self.difference(party, notices, &[], true).contains(id)
    }

    /// An entry that is here, linked or waiting; `None` if it is not.
    ///
    /// # Errors
    /// [`ReplicaError`] if it is here and can't be read. The peer is told that it is absent, and the caller of the
    /// session gets the error.
    fn load(&self, party: &PublicKey, id: &Cid) -> Result<Option<Bundle>, ReplicaError>;

    /// The blocks that a party names and that are not here: programs of models. A few are enough; when they came, it is
    /// asked again.
    fn blocks_lacking(&self, _party: &PublicKey) -> Vec<Cid> {
        Vec::new()
    }

    /// A block that a party names and that is here; `None` if it is not.
    ///
    /// # Errors
    /// As [`Replica::load`].
    fn block(&self, _party: &PublicKey, _id: &Cid) -> Result<Option<Vec<u8>>, ReplicaError> {
        Ok(None)
    }
}
