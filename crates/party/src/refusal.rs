//! Why an entry is refused: for ever, by everybody (H8).
//!
//! A refusal is a judgement on the entry's writer, so it says which entry, which feed and which seq. The entry is kept
//! all the same: others may cite it without having known.

use motet_fact::{Cid, KeyError, PublicKey};

use crate::{InvitationId, Role};

/// An entry that nobody authorised.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {id} (feed {feed}, seq {seq}) is refused: {reason}")]
pub struct Refusal {
    /// The entry.
    pub id: Cid,
    /// Its feed.
    pub feed: PublicKey,
    /// Its seq.
    pub seq: u64,
    /// What it lacks.
    #[source]
    pub reason: Box<Reason>,
}

/// What a refused entry lacks. "Its past" is its causal past.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The header names another party.
    #[error("it belongs to party {0}")]
    OtherParty(PublicKey),
    /// A data entry carries credentials.
    #[error("credentials stand in a data entry; they belong on a control feed")]
    NotControl,
    /// The first entry of a feed does not cite an authorised entry that grants the feed with its kind.
    #[error("no cause of it admits its feed as a {0} feed; a feed's first entry cites its admission")]
    NotAdmitted(&'static str),
    /// The entry before it was refused.
    #[error("the entry before it, {0}, is refused")]
    BacklinkRefused(Cid),
    /// It is of another kind than the entry before it.
    #[error("it is not of the kind of the entry before it, {0}")]
    KindChanged(Cid),
    /// A genesis where none can be.
    #[error("a genesis stands alone in the first entry of the founder's control feed, without causes")]
    GenesisMisplaced,
    /// The author is no admin in its past.
    #[error("credential {number} needs an admin; its author is none in its past")]
    NotAdmin {
        /// Which credential, from 0.
        number: usize,
    },
    /// The author is neither the member named nor an admin in its past.
    #[error("credential {number} concerns member {member}; its author is neither that member nor an admin")]
    NotOwn {
        /// Which credential, from 0.
        number: usize,
        /// The member it concerns.
        member: PublicKey,
    },
    /// A member who was not admitted in its past.
    #[error("credential {number} names {member}, who is no member in its past")]
    UnknownMember {
        /// Which credential, from 0.
        number: usize,
        /// The identity.
        member: PublicKey,
    },
    /// A device that was not admitted in its past.
    #[error("credential {number} names device {device}, which is not {member}'s in its past")]
    UnknownDevice {
        /// Which credential, from 0.
        number: usize,
        /// The device.
        device: PublicKey,
        /// The member it is said to be of.
        member: PublicKey,
    },
    /// A data feed for a reader.
    #[error("credential {number} gives a data feed to {member}, who is a reader in its past")]
    ReaderWrites {
        /// Which credential, from 0.
        number: usize,
        /// The reader.
        member: PublicKey,
    },
    /// An invitation that is not in its past.
    #[error("credential {number} redeems invitation {invitation}, which is not in its past")]
    UnknownInvitation {
        /// Which credential, from 0.
        number: usize,
        /// The invitation.
        invitation: InvitationId,
    },
    /// A role above the invitation's.
    #[error("credential {number} admits as {role}; invitation {invitation} allows at most {allowed}")]
    AboveInvitation {
        /// Which credential, from 0.
        number: usize,
        /// The invitation.
        invitation: InvitationId,
        /// The role given.
        role: Role,
        /// The role allowed.
        allowed: Role,
    },
    /// A certificate does not hold.
    #[error("the certificate of credential {number} does not hold: {source}")]
    Certificate {
        /// Which credential, from 0.
        number: usize,
        /// What the check said.
        source: KeyError,
    },
}
