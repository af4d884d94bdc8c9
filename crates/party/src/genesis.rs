//! The birth of a party: the founder with a first device and its feeds, and who may recover the party.
//!
//! The *recovery* key is an admin that nobody can remove (H11): whoever holds its secret may bring in a device of its
//! own and admit members again, so that a party cannot lose its last admin. It writes no data.

use motet_fact::{Domain, KeyError, PublicKey, SecretKey, Signature};
use motet_feed::EntryKind;

use crate::certificate::{Claim, verify_device};
use crate::credential::MAX_NAME_BYTES;
use crate::{FeedCertificate, certify_feed};

/// The birth of a party: its founder, an admin, with the first device and its two feeds; and its recovery.
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
    /// Who may admit again, whatever happens.
    pub recovery: PublicKey,
    /// What the founder is called.
    pub name: String,
    /// What the party is called.
    pub party_name: String,
    /// By the founder: [`crate::certify_device`].
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
    /// By the founder: [`crate::certify_device`].
    pub device_certificate: Signature,
    /// The device's control feed.
    pub control_feed: &'a SecretKey,
    /// The device's data feed.
    pub data_feed: &'a SecretKey,
    /// Who may admit again, whatever happens.
    pub recovery: PublicKey,
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
        let Founding { party, founder, device, control_feed, data_feed, name, party_name, .. } = *founding;
        assert!(name.len().max(party_name.len()) <= MAX_NAME_BYTES, "a name is at most 256 bytes");
        let key = party.public();
        let mut genesis = Genesis {
            founder,
            device: device.public(),
            control_feed: control_feed.public(),
            data_feed: data_feed.public(),
            recovery: founding.recovery,
            name: name.to_owned(),
            party_name: party_name.to_owned(),
            device_certificate: founding.device_certificate,
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
        let claim = |feed, kind| Claim { party, member, device, feed, kind };
        claim(&self.control_feed, EntryKind::Control).verify(&self.control_certificate)?;
        claim(&self.data_feed, EntryKind::Data).verify(&self.data_certificate)
    }

    /// Each field after its length (8 bytes, little-endian), the party's key before all.
    fn signed_bytes(&self, party: &PublicKey) -> Vec<u8> {
        let (control, data) = (self.control_certificate.to_bytes(), self.data_certificate.to_bytes());
        let fields: [&[u8]; 11] = [
            party.as_bytes(),
            self.founder.as_bytes(),
            self.device.as_bytes(),
            self.control_feed.as_bytes(),
            self.data_feed.as_bytes(),
            self.recovery.as_bytes(),
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
