//! What a control entry can say, and the certificates in it.
//!
//! Nobody is put into a party against their will, nor takes what is another's: an identity certifies its devices, and
//! a feed's key certifies the member, the device and the kind it writes for. So an admitting admin only passes on what
//! the newcomer signed. Every certificate names the party, or it could be carried to another one.
//!
//! A device's key does not sign its own admission: a member may claim another's device. That gives it nothing (it has
//! neither the device's key nor its feeds'), and what is written is attributed by the feed's certificate.

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
        /// By the feed: [`certify_feed`].
        certificate: Signature,
    },
    /// Somebody may be admitted. Only an admin says so.
    Invitation {
        /// Its name.
        id: InvitationId,
        /// The highest role it admits to.
        role: Role,
        /// Unix seconds; kept by whoever redeems it, informative for all others (H12).
        expires: i64,
    },
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
    /// By the control feed: [`certify_feed`].
    pub control_certificate: Signature,
    /// By the data feed: [`certify_feed`].
    pub data_certificate: Signature,
    /// By the party's key over all the rest.
    pub signature: Signature,
}

/// What is needed to found a party. The party's key signs the genesis and is never needed again.
#[derive(Clone, Copy, Debug)]
pub struct Founding<'a> {
    /// The party's key.
    pub party: &'a SecretKey,
    /// The founder's identity.
    pub founder: &'a SecretKey,
    /// The founder's device.
    pub device: PublicKey,
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
        let Founding { party, founder, device, control_feed, data_feed, name, party_name } = *founding;
        assert!(name.len().max(party_name.len()) <= MAX_NAME_BYTES, "a name is at most 256 bytes");
        let (key, member) = (party.public(), founder.public());
        let mut genesis = Genesis {
            founder: member,
            device,
            control_feed: control_feed.public(),
            data_feed: data_feed.public(),
            name: name.to_owned(),
            party_name: party_name.to_owned(),
            device_certificate: certify_device(founder, &key, &device),
            control_certificate: certify_feed(control_feed, &key, &member, &device, EntryKind::Control),
            data_certificate: certify_feed(data_feed, &key, &member, &device, EntryKind::Data),
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
        verify_device(party, member, device, &self.device_certificate)?;
        let control = (&self.control_feed, EntryKind::Control);
        verify_feed(party, member, device, control, &self.control_certificate)?;
        verify_feed(party, member, device, (&self.data_feed, EntryKind::Data), &self.data_certificate)
    }

    /// Each field after its length (8 bytes, little-endian), the party's key before all.
    fn signed_bytes(&self, party: &PublicKey) -> Vec<u8> {
        let fields: [&[u8]; 10] = [
            party.as_bytes(),
            self.founder.as_bytes(),
            self.device.as_bytes(),
            self.control_feed.as_bytes(),
            self.data_feed.as_bytes(),
            self.name.as_bytes(),
            self.party_name.as_bytes(),
            self.device_certificate.as_bytes(),
            self.control_certificate.as_bytes(),
            self.data_certificate.as_bytes(),
        ];
        let framed = |field: &&[u8]| [(field.len() as u64).to_le_bytes().as_slice(), field].concat();
        fields.iter().flat_map(framed).collect()
    }
}

/// An identity's word that a device is its own in a party.
pub fn certify_device(identity: &SecretKey, party: &PublicKey, device: &PublicKey) -> Signature {
    identity.sign(Domain::DeviceCertificate, &[*party.as_bytes(), *device.as_bytes()].concat())
}

/// A feed's word that in a party it is written by a device, on behalf of a member, and what it carries.
pub fn certify_feed(
    feed: &SecretKey,
    party: &PublicKey,
    member: &PublicKey,
    device: &PublicKey,
    kind: EntryKind,
) -> Signature {
    feed.sign(Domain::FeedCertificate, &feed_bytes(party, member, device, kind))
}

pub(crate) fn verify_device(
    party: &PublicKey,
    member: &PublicKey,
    device: &PublicKey,
    certificate: &Signature,
) -> Result<(), KeyError> {
    let message = [*party.as_bytes(), *device.as_bytes()].concat();
    member.verify(Domain::DeviceCertificate, &message, certificate)
}

pub(crate) fn verify_feed(
    party: &PublicKey,
    member: &PublicKey,
    device: &PublicKey,
    (feed, kind): (&PublicKey, EntryKind),
    certificate: &Signature,
) -> Result<(), KeyError> {
    feed.verify(Domain::FeedCertificate, &feed_bytes(party, member, device, kind), certificate)
}

fn feed_bytes(party: &PublicKey, member: &PublicKey, device: &PublicKey, kind: EntryKind) -> Vec<u8> {
    let kind = match kind {
        EntryKind::Control => 1,
        EntryKind::Data => 2,
    };
    let keys = [*party.as_bytes(), *member.as_bytes(), *device.as_bytes()].concat();
    [keys.as_slice(), &[kind]].concat()
}
