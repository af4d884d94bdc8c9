//! The certificates in credentials.
//!
//! Nobody writes in another's name, nor takes what is another's. An identity certifies its devices, once and for every
//! party. A feed is certified twice, by its own key and by its device's, over the party, the member, the device and
//! the kind: so an admitting admin only passes on what the newcomer signed, nobody claims another's feed, and nobody
//! makes a feed in another device's name.
//!
//! A device's certificate names no party, so it can be carried to another one. What is gained by that is a line in a
//! list: a device without feeds writes nothing, and its feeds are certified for one party each. A device's key does not
//! sign its own admission: a member may claim another's device. That gives it nothing either.

use motet_fact::{Domain, KeyError, PublicKey, SecretKey, Signature};
use motet_feed::EntryKind;

/// The word of a feed's key, and that of the device that writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedCertificate {
    /// By the feed.
    pub feed: Signature,
    /// By the device.
    pub device: Signature,
}

impl FeedCertificate {
    /// How many bytes it has.
    pub const BYTES: usize = 128;

    /// The two signatures, the feed's first.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..64].copy_from_slice(self.feed.as_bytes());
        bytes[64..].copy_from_slice(self.device.as_bytes());
        bytes
    }

    /// Reads the two signatures.
    ///
    /// # Errors
    /// [`KeyError::NotASignature`] unless there are 128 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let (feed, device) = bytes.split_at_checked(64).ok_or(KeyError::NotASignature)?;
        Ok(FeedCertificate { feed: Signature::from_bytes(feed)?, device: Signature::from_bytes(device)? })
    }
}

/// What a certificate of a feed is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim<'a> {
    pub(crate) party: &'a PublicKey,
    pub(crate) member: &'a PublicKey,
    pub(crate) device: &'a PublicKey,
    pub(crate) feed: &'a PublicKey,
    pub(crate) kind: EntryKind,
}

impl Claim<'_> {
    pub(crate) fn verify(&self, certificate: &FeedCertificate) -> Result<(), KeyError> {
        let message = self.bytes();
        self.feed.verify(Domain::FeedCertificate, &message, &certificate.feed)?;
        self.device.verify(Domain::FeedOfDevice, &message, &certificate.device)
    }

    fn bytes(&self) -> Vec<u8> {
        let kind = match self.kind {
            EntryKind::Control => 1,
            EntryKind::Data => 2,
        };
        let keys = [self.party, self.member, self.device, self.feed].map(|key| *key.as_bytes()).concat();
        [keys.as_slice(), &[kind]].concat()
    }
}

/// An identity's word that a device is its own, in whatever party.
pub fn certify_device(identity: &SecretKey, device: &PublicKey) -> Signature {
    identity.sign(Domain::DeviceCertificate, device.as_bytes())
}

/// A feed's and a device's word that in a party the device writes the feed, on behalf of a member, and what it carries.
pub fn certify_feed(
    feed: &SecretKey,
    device: &SecretKey,
    party: &PublicKey,
    member: &PublicKey,
    kind: EntryKind,
) -> FeedCertificate {
    let claim = Claim { party, member, device: &device.public(), feed: &feed.public(), kind };
    let message = claim.bytes();
    FeedCertificate {
        feed: feed.sign(Domain::FeedCertificate, &message),
        device: device.sign(Domain::FeedOfDevice, &message),
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
