//! What a control entry can say, and the certificates in it.
//!
//! Nobody writes in another's name, nor takes what is another's. An identity certifies its devices, once and for every
//! party, so that a device can found and join parties without the identity's secret. A feed is certified twice, by its
//! own key and by its device's, over the party, the member, the device and the kind: so an admitting admin only passes
//! on what the newcomer signed, nobody claims another's feed, and nobody makes a feed in another device's name.
//!
//! A device's certificate names no party, so it can be carried to another one. What is gained by that is a line in a
//! list: a device without feeds writes nothing, and its feeds are certified for one party each.
//!
//! A device's key does not sign its own admission: a member may claim another's device. That gives it nothing (it has
//! neither the device's key nor its feeds').

use std::fmt;

use motet_fact::{Domain, KeyError, PublicKey, SecretKey, Signature};
use motet_feed::EntryKind;

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

/// One statement of a control entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The birth of the party. Authorises itself (H8).
    Genesis(Box<Genesis>),
    /// An identity is a member. Only an admin says so.
    Member {
        /// The identity.
        member: PublicKey,
        /// What it may do.
        role: Role,
        /// What it is called.
        name: String,
        /// The invitation it redeems: of several redemptions the first in order H6 counts (H12).
        invitation: Option<InvitationId>,
    },
    /// A device is a member's. Said by the member's own devices, or an admin.
    Device {
        /// The identity.
        member: PublicKey,
        /// The device.
        device: PublicKey,
        /// By the identity: [`certify_device`].
        certificate: Signature,
    },
    /// A feed is a device's. Said by the member's own devices, or an admin; a data feed needs a writer.
    Feed {
        /// The identity on whose behalf it is written.
        member: PublicKey,
        /// The device that writes it.
        device: PublicKey,
        /// The feed.
        feed: PublicKey,
        /// What it carries.
        kind: EntryKind,
        /// By the feed and the device: [`certify_feed`].
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
        /// The role it admits to.
        role: Role,
        /// Whom.
        invitee: PublicKey,
        /// Unix seconds; kept by whoever redeems it, informative for all others (H12).
        expires: i64,
    },
    /// An invitation is taken back. Only an admin says so. Like the end of its time it is kept by whoever would redeem
    /// it and has heard of it, and no rule for anybody else: an admin who won't keep it could admit without any.
    Revocation {
        /// The invitation.
        invitation: InvitationId,
    },
}

/// A feed's word that it belongs to a device, and the device's that the feed is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedCertificate {
    /// By the feed's key.
    pub feed: Signature,
    /// By the device's key.
    pub device: Signature,
}

impl FeedCertificate {
    /// The two signatures, one after the other.
    pub fn to_bytes(self) -> [u8; 128] {
        let mut bytes = [0; 128];
        bytes[..64].copy_from_slice(self.feed.as_bytes());
        bytes[64..].copy_from_slice(self.device.as_bytes());
        bytes
    }

    /// Reads them.
    ///
    /// # Errors
    /// [`KeyError::NotASignature`] unless there are 128 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let (feed, device) = bytes.split_at_checked(64).ok_or(KeyError::NotASignature)?;
        Ok(FeedCertificate { feed: Signature::from_bytes(feed)?, device: Signature::from_bytes(device)? })
    }
}

/// The birth of a party: its founder, an admin, with the first device and its two feeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// The founder's identity.
    pub founder: PublicKey,
    /// Its device.
    pub device: PublicKey,
    /// The device's control feed, on which the genesis is the first entry.
    pub control_feed: PublicKey,
    /// The device's data feed.
    pub data_feed: PublicKey,
    /// What the founder is called.
    pub name: String,
    /// What the party is called.
    pub party_name: String,
    /// By the founder: [`certify_device`].
    pub device_certificate: Signature,
    /// By the control feed and the device: [`certify_feed`].
    pub control_certificate: FeedCertificate,
    /// By the data feed and the device: [`certify_feed`].
    pub data_certificate: FeedCertificate,
    /// By the party's key over all the rest.
    pub signature: Signature,
}

/// What is needed to found a party. The party's key signs the genesis and is never needed again.
#[derive(Clone, Copy, Debug)]
pub struct Founding<'a> {
    /// The party's key.
    pub party: &'a SecretKey,
    /// The founder's identity.
    pub founder: PublicKey,
    /// The founder's device.
    pub device: &'a SecretKey,
    /// By the founder: [`certify_device`].
    pub device_certificate: Signature,
    /// The device's control feed.
    pub control_feed: &'a SecretKey,
    /// The device's data feed.
    pub data_feed: &'a SecretKey,
    /// What the founder is called.
    pub name: &'a str,
    /// What the party is called.
    pub party_name: &'a str,
}

impl Genesis {
    /// Signs the birth of a party.
    ///
    /// # Panics
    /// If a name is over [`MAX_NAME_BYTES`]: whoever asks a person for it checks.
    pub fn sign(founding: &Founding<'_>) -> Self {
        let Founding {
            party,
            founder,
            device,
            device_certificate,
            control_feed,
            data_feed,
            name,
            party_name,
        } = *founding;
        assert!(name.len().max(party_name.len()) <= MAX_NAME_BYTES, "a name is at most 256 bytes");
        let key = party.public();
        let mut genesis = Genesis {
            founder,
            device: device.public(),
            control_feed: control_feed.public(),
            data_feed: data_feed.public(),
            name: name.to_owned(),
            party_name: party_name.to_owned(),
            device_certificate,
            control_certificate: certify_feed(control_feed, device, &key, &founder, EntryKind::Control),
            data_certificate: certify_feed(data_feed, device, &key, &founder, EntryKind::Data),
            signature: party.sign(Domain::PartyGenesis, &[]),
        };
        genesis.signature = party.sign(Domain::PartyGenesis, &genesis.signed_bytes(&key));
        genesis
    }

    /// Checks the party's signature and the three certificates.
    ///
    /// # Errors
    /// [`KeyError`] if one doesn't hold.
    pub fn verify(&self, party: &PublicKey) -> Result<(), KeyError> {
        let (member, device) = (&self.founder, &self.device);
        party.verify(Domain::PartyGenesis, &self.signed_bytes(party), &self.signature)?;
        verify_device(member, device, &self.device_certificate)?;
        let control = (&self.control_feed, EntryKind::Control);
        verify_feed(party, member, device, control, &self.control_certificate)?;
        verify_feed(party, member, device, (&self.data_feed, EntryKind::Data), &self.data_certificate)
    }

    /// Each field after its length (8 bytes, little-endian), the party's key before all.
    fn signed_bytes(&self, party: &PublicKey) -> Vec<u8> {
        let (control, data) = (self.control_certificate.to_bytes(), self.data_certificate.to_bytes());
        let fields: [&[u8]; 10] = [
            party.as_bytes(),
            self.founder.as_bytes(),
            self.device.as_bytes(),
            self.control_feed.as_bytes(),
            self.data_feed.as_bytes(),
            self.name.as_bytes(),
            self.party_name.as_bytes(),
            self.device_certificate.as_bytes(),
            &control,
            &data,
        ];
        let framed = |field: &&[u8]| [(field.len() as u64).to_le_bytes().as_slice(), field].concat();
        fields.iter().flat_map(framed).collect()
    }
}

/// An identity's word that a device is its own, in whatever party.
pub fn certify_device(identity: &SecretKey, device: &PublicKey) -> Signature {
    identity.sign(Domain::DeviceCertificate, device.as_bytes())
}

/// The word of a feed and its device that in a party the one is written by the other, on behalf of a member, and what
/// it carries.
pub fn certify_feed(
    feed: &SecretKey,
    device: &SecretKey,
    party: &PublicKey,
    member: &PublicKey,
    kind: EntryKind,
) -> FeedCertificate {
    let bytes = feed_bytes(party, member, &device.public(), &feed.public(), kind);
    FeedCertificate {
        feed: feed.sign(Domain::FeedCertificate, &bytes),
        device: device.sign(Domain::FeedOfDevice, &bytes),
    }
}

/// Whether an identity says that a device is its own.
///
/// # Errors
/// [`KeyError`] if it does not.
pub fn verify_device(
    member: &PublicKey,
    device: &PublicKey,
    certificate: &Signature,
) -> Result<(), KeyError> {
    member.verify(Domain::DeviceCertificate, device.as_bytes(), certificate)
}

pub(crate) fn verify_feed(
    party: &PublicKey,
    member: &PublicKey,
    device: &PublicKey,
    (feed, kind): (&PublicKey, EntryKind),
    certificate: &FeedCertificate,
) -> Result<(), KeyError> {
    let bytes = feed_bytes(party, member, device, feed, kind);
    feed.verify(Domain::FeedCertificate, &bytes, &certificate.feed)?;
    device.verify(Domain::FeedOfDevice, &bytes, &certificate.device)
}

fn feed_bytes(
    party: &PublicKey,
    member: &PublicKey,
    device: &PublicKey,
    feed: &PublicKey,
    kind: EntryKind,
) -> Vec<u8> {
    let kind = match kind {
        EntryKind::Control => 1,
        EntryKind::Data => 2,
    };
    let keys = [*party.as_bytes(), *member.as_bytes(), *device.as_bytes(), *feed.as_bytes()].concat();
    [keys.as_slice(), &[kind]].concat()
}
