//! What a control entry can say.
//!
//! A member or a device is admitted for a *stint*: one period, from the credential that admits it to the removal that
//! ends it (H10). Credentials name the credentials they rest on, so that for each the chain of authority up to the
//! genesis is one and the same for everybody (H11).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use motet_fact::{Cid, PublicKey, Signature};
use motet_feed::EntryKind;

use crate::{FeedCertificate, ForkProof, Genesis};

/// The longest name of a member or a party, in bytes.
pub const MAX_NAME_BYTES: usize = 256;

/// What a member may do. Ordered: who is more may do all that who is less may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads, and has a control feed: it can add its own devices.
    Reader,
    /// Writes data too.
    Writer,
    /// Admits members and issues invitations too.
    Admin,
}

impl Role {
    /// The word for people and queries.
    pub fn name(self) -> &'static str {
        match self {
            Role::Reader => "reader",
            Role::Writer => "writer",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Names an invitation: 16 random bytes. Not a secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvitationId(pub [u8; 16]);

impl fmt::Display for InvitationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for InvitationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names a credential: by its entry, and its number in there from 0. In a genesis the numbers are those of what it
/// grants: 0 the founder, 1 its device, 2 and 3 the control and the data feed, 4 recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialId {
    /// The entry; `None`: the one that names.
    pub entry: Option<Cid>,
    /// Its number there.
    pub number: u32,
}

impl CredentialId {
    /// A credential of an earlier entry.
    pub fn of(entry: Cid, number: u32) -> Self {
        CredentialId { entry: Some(entry), number }
    }

    /// A credential of the same entry.
    pub fn here(number: u32) -> Self {
        CredentialId { entry: None, number }
    }
}

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.entry {
            Some(entry) => write!(f, "credential {} of entry {entry}", self.number),
            None => write!(f, "credential {} of the same entry", self.number),
        }
    }
}

/// Whose stints a removal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A member, with all its devices.
    Member(PublicKey),
    /// One device of a member.
    Device {
        /// The member.
        member: PublicKey,
        /// The device.
        device: PublicKey,
    },
}

/// For each feed the last entries that count, several if the feed is forked. Of a feed that is not in it none counts.
pub type Cuts = BTreeMap<PublicKey, BTreeSet<Cid>>;

/// One statement of a control entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The birth of the party. Authorises itself (H8).
    Genesis(Box<Genesis>),
    /// A stint of an identity begins: it is a member. Only an admin says so.
    Member {
        /// The identity.
        member: PublicKey,
        /// What it may do.
        role: Role,
        /// What it is called.
        name: String,
        /// The invitation it redeems: of several redemptions the first in order H6 counts (H12).
        invitation: Option<CredentialId>,
    },
    /// A stint of a device begins: it is a member's. Said by the member's own devices, an admin, or the device itself.
    Device {
        /// The member's stint.
        under: CredentialId,
        /// The identity.
        member: PublicKey,
        /// The device.
        device: PublicKey,
        /// By the identity: [`crate::certify_device`].
        certificate: Signature,
    },
    /// A feed is a device's. Said by the member's own devices, an admin, or by the feed itself in its first entry; a
    /// data feed needs a writer. A feed that was granted before is not granted again (H10).
    Feed {
        /// The device's stint.
        under: CredentialId,
        /// The identity on whose behalf it is written.
        member: PublicKey,
        /// The device that writes it.
        device: PublicKey,
        /// The feed.
        feed: PublicKey,
        /// What it carries.
        kind: EntryKind,
        /// By the feed and the device: [`crate::certify_feed`].
        certificate: FeedCertificate,
    },
    /// Whoever holds a code may be admitted, by the device that gave it out. Only an admin says so.
    Invitation {
        /// Its name.
        id: InvitationId,
        /// The highest role it admits to.
        role: Role,
        /// Unix seconds; kept by whoever redeems it, informative for all others (H12).
        expires: i64,
    },
    /// One identity may be admitted, without a code and by any admin's device: it proves who it is. Only an admin says
    /// so.
    PersonalInvitation {
        /// Its name.
        id: InvitationId,
        /// The highest role it admits to.
        role: Role,
        /// Whom.
        invitee: PublicKey,
        /// Unix seconds; kept by whoever redeems it, informative for all others (H12).
        expires: i64,
    },
    /// Every stint of a member or a device ends that does not begin after this, and its feeds are closed: they count
    /// up to the cuts (H10). Said by an admin, or by the member's own devices. Ends no recovery.
    Removal {
        /// Whose stints end.
        subject: Subject,
        /// How far their feeds count.
        cuts: Cuts,
    },
    /// The stints of a member that began before this end, and another begins (H10). Only an admin says so.
    RoleChange {
        /// The identity.
        member: PublicKey,
        /// What it may do from now on.
        role: Role,
        /// What it is called.
        name: String,
        /// How far the feeds of the stints that end count.
        cuts: Cuts,
    },
    /// An invitation admits nobody any more but those whose admission was known. Only an admin says so.
    Revocation {
        /// The invitation.
        invitation: CredentialId,
    },
    /// A feed was written to in two places (H5), and is closed. Any member says so.
    ForkProof(Box<ForkProof>),
}
