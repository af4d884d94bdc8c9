//! What a device shows to be admitted to a party: its two feeds there, certified.
//!
//! A device makes its papers itself, for one party and one member; whoever admits it checks them and passes them on
//! as credentials. The identity's certificate of the device is not among them: it is made once, for all parties.

use motet_fact::{KeyError, PublicKey, SecretKey, Signature};
use motet_feed::EntryKind;

use crate::body::{self, Fault};
use crate::credential::{FeedCertificate, verify_feed};
use crate::proto::greeting as proto;
use crate::{Credential, Role, certify_feed};

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
        let control = (&self.control_feed, EntryKind::Control);
        verify_feed(party, member, &self.device, control, &self.control_certificate)?;
        verify_feed(party, member, &self.device, (&self.data_feed, EntryKind::Data), &self.data_certificate)
    }

    /// What the admitting device writes: that the device is the member's, and its feeds. A reader gets no data feed.
    pub fn credentials(&self, member: PublicKey, certificate: Signature, role: Role) -> Vec<Credential> {
        let device = self.device;
        let feed = |feed, kind, certificate| Credential::Feed { member, device, feed, kind, certificate };
        let mut credentials = vec![
            Credential::Device { member, device, certificate },
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

    pub(crate) fn from_wire(wire: &proto::Papers) -> Result<Self, Fault> {
        Ok(Papers {
            device: body::key(&wire.device)?,
            control_feed: body::key(&wire.control_feed)?,
            control_certificate: body::feed_certificate(&wire.control_certificate)?,
            data_feed: body::key(&wire.data_feed)?,
            data_certificate: body::feed_certificate(&wire.data_certificate)?,
        })
    }
}
