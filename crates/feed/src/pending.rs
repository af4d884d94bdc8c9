//! Entries that wait, and for what (H7, H13).
//!
//! An entry that can't be linked waits for named CIDs: causes, or parts of its body. When one of them arrives, those
//! whose last wait it was come free. This is the index only; the waiting entries lie in the store. A feed may have
//! only so many entries waiting, and a peer may have sent only so many, with so many bytes: past that a newcomer is
//! turned away, and asked for again when there is room.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Cid, PublicKey};

/// Too much waits already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    /// Of one feed.
    #[error("feed {feed} has {waiting} entries waiting for others; entry {id} was turned away for now")]
    Feed {
        /// The feed.
        feed: PublicKey,
        /// The entry turned away.
        id: Cid,
        /// How many wait.
        waiting: usize,
    },
    /// From one peer.
    #[error(
        "{waiting} entries from device {peer} wait for others, {bytes} bytes; entry {id} was turned away \
         for now"
    )]
    Peer {
        /// The peer's device.
        peer: PublicKey,
        /// The entry turned away.
        id: Cid,
        /// How many wait.
        waiting: usize,
        /// Their bytes.
        bytes: u64,
    },
}

/// How much may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Entries of one feed.
    pub per_feed: usize,
    /// Entries that one peer sent.
    pub per_peer: usize,
    /// Their bytes.
    pub bytes_per_peer: u64,
}

/// An entry that is to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// The entry.
    pub id: Cid,
    /// Its feed.
    pub feed: PublicKey,
    /// The device that sent it; `None`: it was not sent.
    pub peer: Option<PublicKey>,
    /// How many bytes are kept for it.
    pub bytes: u64,
}

#[derive(Clone, Debug)]
struct Waiting {
    waiter: Waiter,
    missing: BTreeSet<Cid>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    entries: usize,
    bytes: u64,
}

/// What waits for what.
#[derive(Clone, Debug)]
pub struct Pending {
    quotas: Quotas,
    waiting: BTreeMap<Cid, Waiting>,
    wanted: BTreeMap<Cid, BTreeSet<Cid>>,
    per_feed: BTreeMap<PublicKey, Sum>,
    per_peer: BTreeMap<PublicKey, Sum>,
}

impl Pending {
    /// An empty index that keeps to some quotas.
    pub fn new(quotas: Quotas) -> Self {
        let (per_feed, per_peer) = (BTreeMap::new(), BTreeMap::new());
        Pending { quotas, waiting: BTreeMap::new(), wanted: BTreeMap::new(), per_feed, per_peer }
    }

    /// How many entries wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether the entry waits.
    pub fn contains(&self, id: &Cid) -> bool {
        self.waiting.contains_key(id)
    }

    /// Lets an entry wait for CIDs. An entry that waits already waits for the new set from now on.
    ///
    /// # Errors
    /// [`QuotaError`] if its feed has too many waiting, or its sender; it is not in then.
    ///
    /// # Panics
    /// If nothing is missing.
    pub fn wait(&mut self, waiter: Waiter, missing: impl IntoIterator<Item = Cid>) -> Result<(), QuotaError> {
        let missing: BTreeSet<Cid> = missing.into_iter().collect();
        assert!(!missing.is_empty(), "an entry that waits for nothing does not wait");
        let id = waiter.id;
        self.forget(&id);
        self.check(&waiter)?;
        let of_peer = waiter.peer.map(|peer| self.per_peer.entry(peer).or_default());
        for sum in [Some(self.per_feed.entry(waiter.feed).or_default()), of_peer].into_iter().flatten() {
            *sum = Sum { entries: sum.entries + 1, bytes: sum.bytes + waiter.bytes };
        }
        for cid in &missing {
            self.wanted.entry(*cid).or_default().insert(id);
        }
        self.waiting.insert(id, Waiting { waiter, missing });
        Ok(())
    }

    fn check(&self, waiter: &Waiter) -> Result<(), QuotaError> {
        let Waiter { id, feed, peer, bytes } = *waiter;
        let waiting = self.waiting_of(&feed);
        if waiting >= self.quotas.per_feed {
            return Err(QuotaError::Feed { feed, id, waiting });
        }
        let Some(peer) = peer else { return Ok(()) };
        let sum = self.per_peer.get(&peer).copied().unwrap_or_default();
        let full = sum.entries >= self.quotas.per_peer || sum.bytes + bytes > self.quotas.bytes_per_peer;
        match full {
            true => Err(QuotaError::Peer { peer, id, waiting: sum.entries, bytes: sum.bytes }),
            false => Ok(()),
        }
    }

    /// Tells that a CID is here; gives the entries that wait for nothing more, ascending. They no longer wait.
    pub fn arrived(&mut self, cid: &Cid) -> Vec<Cid> {
        let waiters = self.wanted.remove(cid).unwrap_or_default();
        let mut free = Vec::new();
        for id in waiters {
            let waiting = self.waiting.get_mut(&id).expect("whoever is listed as waiting waits");
            waiting.missing.remove(cid);
            if waiting.missing.is_empty() {
                self.forget(&id);
                free.push(id);
            }
        }
        free
    }

    /// Takes an entry out.
    pub fn forget(&mut self, id: &Cid) {
        let Some(waiting) = self.waiting.remove(id) else { return };
        for cid in waiting.missing {
            if let Some(waiters) = self.wanted.get_mut(&cid) {
                waiters.remove(id);
                if waiters.is_empty() {
                    self.wanted.remove(&cid);
                }
            }
        }
        let Waiter { feed, peer, bytes, .. } = waiting.waiter;
        subtract(&mut self.per_feed, &feed, bytes);
        if let Some(peer) = peer {
            subtract(&mut self.per_peer, &peer, bytes);
        }
    }

    /// What is waited for, with how many entries wait for it directly. Ascending.
    pub fn wanted(&self) -> impl Iterator<Item = (Cid, usize)> + '_ {
        self.wanted.iter().map(|(cid, waiters)| (*cid, waiters.len()))
    }

    /// What an entry waits for.
    pub fn missing(&self, id: &Cid) -> impl Iterator<Item = Cid> + '_ {
        self.waiting.get(id).into_iter().flat_map(|waiting| waiting.missing.iter().copied())
    }

    /// How many entries of a feed wait.
    pub fn waiting_of(&self, feed: &PublicKey) -> usize {
        self.per_feed.get(feed).map_or(0, |sum| sum.entries)
    }

    /// The entries that wait, ascending.
    pub fn ids(&self) -> impl Iterator<Item = Cid> + '_ {
        self.waiting.keys().copied()
    }
}

fn subtract(sums: &mut BTreeMap<PublicKey, Sum>, of: &PublicKey, bytes: u64) {
    let sum = sums.get_mut(of).expect("who has an entry waiting is counted");
    *sum = Sum { entries: sum.entries - 1, bytes: sum.bytes - bytes };
    if sum.entries == 0 {
        sums.remove(of);
    }
}
