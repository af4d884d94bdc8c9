//! How far a session has come, for people and for tests that ask what work was done.

use std::collections::BTreeMap;

use motet_fact::PublicKey;

/// One party's share of a session. Counted since the connection was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartyProgress {
    /// Ids the peer offered that were lacking.
    pub offered: u64,
    /// Entries that came.
    pub received: u64,
    /// Bytes of entries and parts that came.
    pub received_bytes: u64,
    /// Entries that came and that the database did not take.
    pub refused: u64,
    /// Entries that were sent.
    pub sent: u64,
    /// Bytes of entries and parts that were sent.
    pub sent_bytes: u64,
    /// Whether either side has told heads. A party that only one of them is in is not talked about.
    pub shared: bool,
    /// Whether both sides last told the same heads: they held the same linked entries. If one of them stands for nobody
    /// in the party: whether each has heard what the other tells it.
    pub in_sync: bool,
}

/// All parties of a session, talked about or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// By party.
    pub parties: BTreeMap<PublicKey, PartyProgress>,
}

impl Progress {
    /// Whether the two share a party, and every party that they share is in sync.
    pub fn in_sync(&self) -> bool {
        let mut shared = self.parties.values().filter(|party| party.shared).peekable();
        shared.peek().is_some() && shared.all(|party| party.in_sync)
    }
}
