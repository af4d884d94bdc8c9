//! The proof that a feed was written to in two places.
//!
//! Two signed headers of one feed with one seq: whoever keeps to the rules never signs both (H5), and nobody else can.
//! It acts as a removal of the feed, cut at the heads that its author names.

use std::collections::BTreeSet;

use motet_fact::{Cid, PublicKey};
use motet_feed::Entry;

/// Two entries of one feed that do not lie on one chain, and how far the feed counts from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkProof {
    /// One entry.
    pub one: Entry,
    /// The other; its id is the greater.
    pub other: Entry,
    /// The last entries of the feed that count: its author's heads.
    pub last: BTreeSet<Cid>,
}

/// Why two entries prove nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForkError {
    /// They are of two feeds or parties, have two seqs, or are one entry.
    #[error("the two entries are not two of one feed with one seq, in order of their ids")]
    NotAFork,
    /// A signature does not hold.
    #[error("the signature of entry {0} does not hold")]
    BadSignature(Cid),
}

impl ForkProof {
    /// The proof that two entries are.
    pub fn of(one: Entry, other: Entry, last: BTreeSet<Cid>) -> Self {
        let (one, other) = if one.id() <= other.id() { (one, other) } else { (other, one) };
        ForkProof { one, other, last }
    }

    /// The feed that is forked.
    pub fn feed(&self) -> PublicKey {
        self.one.header().feed
    }

    /// Checks that the two entries are signed and do not lie on one chain of this party.
    ///
    /// # Errors
    /// [`ForkError`].
    pub fn verify(&self, party: &PublicKey) -> Result<(), ForkError> {
        let (one, other) = (self.one.header(), self.other.header());
        let alike = one.feed == other.feed && one.seq == other.seq && self.one.id() < self.other.id();
        if !alike || [one.party, other.party] != [*party; 2] {
            return Err(ForkError::NotAFork);
        }
        for entry in [&self.one, &self.other] {
            entry.verify().map_err(|_| ForkError::BadSignature(entry.id()))?;
        }
        Ok(())
    }
}
