//! What a device shows to be admitted to a party: its two feeds there, certified.
//!
//! A device makes its papers itself, for one party and one member; whoever admits it checks them and passes them on
//! as credentials. The identity's certificate of the device is not among them: it is made once, for all parties.

use motet_fact::{KeyError, PublicKey, SecretKey, Signature};
use motet_feed::EntryKind;

use crate::certificate::Claim;
use crate::proto::greeting as proto;
use crate::wire::{self, Fault};
use crate::{Credential, CredentialId, FeedCertificate, Role, certify_feed};

/// A device's feeds in one party, on behalf of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Papers {
    /// The device.
    pub device: PublicKey,
    /// Its control feed.
    pub control_feed: PublicKey,
    /// By that feed and the device: [`certify_feed`].
    pub control_certificate: FeedCertificate,
    /// Its data feed; unused while the member is a reader.
    pub data_feed: PublicKey,
    /// By that feed and the device: [`certify_feed`].
    pub data_certificate: FeedCertificate,
}

impl Papers {
    /// Makes a device's papers.
    pub fn make(
        party: &PublicKey,
        member: &PublicKey,
        device: &SecretKey,
        control_feed: &SecretKey,
        data_feed: &SecretKey,
    ) -> Self {
        Papers {
            device: device.public(),
            control_feed: control_feed.public(),
            control_certificate: certify_feed(control_feed, device, party, member, EntryKind::Control),
            data_feed: data_feed.public(),
            data_certificate: certify_feed(data_feed, device, party, member, EntryKind::Data),
        }
    }

    /// Checks both certificates.
    ///
    /// # Errors
    /// [`KeyError`] if one doesn't hold.
    pub fn verify(&self, party: &PublicKey, member: &PublicKey) -> Result<(), KeyError> {
        let claim = |feed, kind| Claim { party, member, device: &self.device, feed, kind };
        claim(&self.control_feed, EntryKind::Control).verify(&self.control_certificate)?;
        claim(&self.data_feed, EntryKind::Data).verify(&self.data_certificate)
    }

    /// What the admitting device writes: that the device is the member's, under a stint of it, and its feeds. A reader
    /// gets no data feed. They are to stand in a body after so many other credentials.
    pub fn credentials(
        &self,
        stint: CredentialId,
        member: PublicKey,
        certificate: Signature,
        role: Role,
        after: u32,
    ) -> Vec<Credential> {
        let (device, under) = (self.device, CredentialId::here(after));
        let feed =
            |feed, kind, certificate| Credential::Feed { under, member, device, feed, kind, certificate };
        let mut credentials = vec![
            Credential::Device { under: stint, member, device, certificate },
            feed(self.control_feed, EntryKind::Control, self.control_certificate),
        ];
        if role >= Role::Writer {
            credentials.push(feed(self.data_feed, EntryKind::Data, self.data_certificate));
        }
        credentials
    }

    pub(crate) fn to_wire(&self) -> proto::Papers {
        proto::Papers {
            device: self.device.as_bytes().to_vec(),
            control_feed: self.control_feed.as_bytes().to_vec(),
            control_certificate: self.control_certificate.to_bytes().to_vec(),
            data_feed: self.data_feed.as_bytes().to_vec(),
            data_certificate: self.data_certificate.to_bytes().to_vec(),
        }
    }

    pub(crate) fn from_wire(papers: &proto::Papers) -> Result<Self, Fault> {
        Ok(Papers {
            device: wire::key(&papers.device)?,
            control_feed: wire::key(&papers.control_feed)?,
            control_certificate: wire::feed_certificate(&papers.control_certificate)?,
            data_feed: wire::key(&papers.data_feed)?,
            data_certificate: wire::feed_certificate(&papers.data_certificate)?,
        })
    }
}
