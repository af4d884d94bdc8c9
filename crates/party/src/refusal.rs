//! Why an entry is refused: for ever, by everybody (H8).
//!
//! A refusal is a judgement on the entry's writer, so it says which entry, which feed and which seq. The entry is kept
//! all the same: others may cite it without having known.

use motet_fact::{Cid, KeyError, PublicKey};

use crate::{CredentialId, ForkError, InvitationId, Role};

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
    /// A control entry was taken for one of data.
    #[error("it is a control entry, and is judged by what it says")]
    NotData,
    /// The first entry of a feed does not cite an authorised entry that admits the feed with its kind.
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
    /// A control entry says on whose behalf it is written.
    #[error("it does not name the credential that it acts under")]
    NoCredential,
    /// What it says it acts under is not the admission of its feed.
    #[error("it acts under {0}, which does not admit its feed as a control feed in its past")]
    NotUnder(CredentialId),
    /// A feed keeps the admission that it began under.
    #[error("it acts under another credential than the entry before it, {0}")]
    UnderChanged(Cid),
    /// What its author acts under was ended or withdrawn.
    #[error("entry {by}, which is in its past, ended or withdrew what it acts under")]
    Withdrawn {
        /// The entry that did.
        by: Cid,
    },
    /// The author is no admin in the stint that it acts in.
    #[error("credential {number} needs an admin; its author acts as none")]
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
    /// What it rests on is not in its past.
    #[error("credential {number} rests on {named}, which is no {what} in its past")]
    Unfounded {
        /// Which credential, from 0.
        number: usize,
        /// What it names.
        named: CredentialId,
        /// What that should be.
        what: &'static str,
    },
    /// What it rests on was ended or withdrawn.
    #[error("credential {number} rests on {what} that entry {by}, which is in its past, ended or withdrew")]
    Closed {
        /// Which credential, from 0.
        number: usize,
        /// What it rests on.
        what: &'static str,
        /// The entry that did.
        by: Cid,
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
    /// A feed that was not admitted in its past.
    #[error("credential {number} names feed {feed}, which is nobody's in its past")]
    UnknownFeed {
        /// Which credential, from 0.
        number: usize,
        /// The feed.
        feed: PublicKey,
    },
    /// A feed that was admitted before.
    #[error("credential {number} admits feed {feed}, which was admitted before: a new stint has new feeds")]
    KnownFeed {
        /// Which credential, from 0.
        number: usize,
        /// The feed.
        feed: PublicKey,
    },
    /// A device that was removed, and is brought back by itself or by an admin.
    #[error(
        "credential {number} brings back a device that entry {by} removed; another device of its member may"
    )]
    DeviceRemoved {
        /// Which credential, from 0.
        number: usize,
        /// The entry that removed it.
        by: Cid,
    },
    /// The recovery of a party is nobody's to end, and writes no data.
    #[error("credential {number} concerns the party's recovery: nobody ends it, and it writes no data")]
    Recovery {
        /// Which credential, from 0.
        number: usize,
    },
    /// A data feed for a reader.
    #[error("credential {number} gives a data feed to {member}, who is a reader in that stint")]
    ReaderWrites {
        /// Which credential, from 0.
        number: usize,
        /// The reader.
        member: PublicKey,
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
    /// Two headers prove no fork.
    #[error("credential {number} proves no fork: {source}")]
    Fork {
        /// Which credential, from 0.
        number: usize,
        /// What the check said.
        source: ForkError,
    },
}
