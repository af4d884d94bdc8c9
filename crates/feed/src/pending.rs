//! Entries that wait, and for what (H7, H13).
//!
//! An entry that can't be linked waits for named CIDs: causes, or parts of its body. When one of them arrives, those
//! whose last wait it was come free. This is the index only; the waiting entries lie in the store. A feed may have
//! only so many entries waiting: past that a newcomer is turned away, and asked for again when there is room.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Cid, PublicKey};

/// Too many entries of a feed wait already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("feed {feed} has {waiting} entries waiting for others; entry {id} was turned away for now")]
pub struct QuotaError {
    /// The feed.
    pub feed: PublicKey,
    /// The entry turned away.
    pub id: Cid,
    /// How many wait.
    pub waiting: usize,
}

#[derive(Clone, Debug)]
struct Waiting {
    feed: PublicKey,
    missing: BTreeSet<Cid>,
}

/// What waits for what.
#[derive(Clone, Debug)]
pub struct Pending {
    quota: usize,
    waiting: BTreeMap<Cid, Waiting>,
    wanted: BTreeMap<Cid, BTreeSet<Cid>>,
    per_feed: BTreeMap<PublicKey, usize>,
}

impl Pending {
    /// An empty index that lets each feed have `quota` entries waiting.
    pub fn new(quota: usize) -> Self {
        let (waiting, wanted, per_feed) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Pending { quota, waiting, wanted, per_feed }
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
    /// [`QuotaError`] if its feed has too many waiting; it is not in then.
    ///
    /// # Panics
    /// If nothing is missing.
    pub fn wait(
        &mut self,
        id: Cid,
        feed: PublicKey,
        missing: impl IntoIterator<Item = Cid>,
    ) -> Result<(), QuotaError> {
        let missing: BTreeSet<Cid> = missing.into_iter().collect();
        assert!(!missing.is_empty(), "an entry that waits for nothing does not wait");
        self.forget(&id);
        let waiting = self.per_feed.get(&feed).copied().unwrap_or_default();
        if waiting >= self.quota {
            return Err(QuotaError { feed, id, waiting });
        }
        self.per_feed.insert(feed, waiting + 1);
        for cid in &missing {
            self.wanted.entry(*cid).or_default().insert(id);
        }
        self.waiting.insert(id, Waiting { feed, missing });
        Ok(())
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
        let count = self.per_feed.get_mut(&waiting.feed).expect("a feed with an entry waiting is counted");
        *count -= 1;
        if *count == 0 {
            self.per_feed.remove(&waiting.feed);
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
        self.per_feed.get(feed).copied().unwrap_or(0)
    }

    /// The entries that wait, ascending.
    pub fn ids(&self) -> impl Iterator<Item = Cid> + '_ {
        self.waiting.keys().copied()
    }
}
