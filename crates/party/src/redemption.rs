//! What a newcomer answers an invitation with.
//!
//! The newcomer makes its keys and certificates, and proves that it holds the code: a hash keyed by the code's secret
//! over the *channel binding* (what names this one encrypted channel) and all it says. A proof overheard or passed on
//! is worth nothing on another channel, and nothing in it can be exchanged. The device that issued the invitation
//! checks it, and that the invitation is open and not expired, and writes [`Redemption::credentials`] to its feed.

use motet_fact::{Digest, KeyError, PublicKey, SecretKey, Signature};
use motet_feed::EntryKind;
use prost::Message as _;

use crate::certificate::{Claim, verify_device};
use crate::wire::{self, Fault};
use crate::{
    Credential, CredentialId, FeedCertificate, InvitationCode, InvitationId, MAX_NAME_BYTES, Role,
    certify_device, certify_feed, proto,
};

/// Why an invitation is not redeemed. [`Redemption::check`] and [`Redemption::decode`] tell of what the message shows;
/// what depends on time and state is told by the device that issued the invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedemptionError {
    /// Somebody was admitted with it already.
    #[error("the invitation was used already: ask for a new one")]
    Used,
    /// Its time is over.
    #[error("the invitation has expired: ask for a new one")]
    Expired,
    /// It was revoked.
    #[error("the invitation was revoked: ask for a new one")]
    Revoked,
    /// This device did not issue it.
    #[error("this device issued no such invitation: ask the device that did, or for a new one")]
    UnknownInvitation,
    /// It is for another party.
    #[error("the invitation belongs to another party")]
    WrongParty,
    /// The proof was not made with the invitation's secret on this channel.
    #[error("the newcomer does not prove that it holds the invitation's code")]
    BadProof,
    /// A certificate doesn't hold.
    #[error("a certificate of the newcomer does not hold: {0}")]
    BadCertificate(KeyError),
    /// The bytes are no redemption.
    #[error("the newcomer's message is malformed: {0}")]
    Malformed(&'static str),
}

/// What a newcomer says to redeem an invitation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redemption {
    /// The party joined.
    pub party: PublicKey,
    /// The invitation.
    pub invitation: InvitationId,
    /// The newcomer's identity.
    pub identity: PublicKey,
    /// What it wants to be called.
    pub name: String,
    /// Its device.
    pub device: PublicKey,
    /// By the identity: [`certify_device`].
    pub device_certificate: Signature,
    /// The device's control feed.
    pub control_feed: PublicKey,
    /// By that feed and the device: [`certify_feed`].
    pub control_certificate: FeedCertificate,
    /// The device's data feed; unused if it becomes a reader.
    pub data_feed: PublicKey,
    /// By that feed and the device: [`certify_feed`].
    pub data_certificate: FeedCertificate,
    /// Keyed by the invitation's secret, over the channel binding and all the fields above.
    pub proof: Digest,
}

/// The keys and the name a newcomer comes with.
#[derive(Clone, Copy, Debug)]
pub struct Newcomer<'a> {
    /// Its identity.
    pub identity: &'a SecretKey,
    /// What it wants to be called; at most [`MAX_NAME_BYTES`].
    pub name: &'a str,
    /// Its device.
    pub device: &'a SecretKey,
    /// The device's control feed in this party.
    pub control_feed: &'a SecretKey,
    /// The device's data feed in this party.
    pub data_feed: &'a SecretKey,
}

impl Redemption {
    /// Answers an invitation code on a channel.
    ///
    /// # Panics
    /// If the name is over [`MAX_NAME_BYTES`]: whoever asks a person for it checks.
    pub fn answer(code: &InvitationCode, newcomer: &Newcomer<'_>, channel_binding: &[u8]) -> Self {
        let Newcomer { identity, name, device, control_feed, data_feed } = *newcomer;
        assert!(name.len() <= MAX_NAME_BYTES, "a name is at most 256 bytes");
        let (party, member) = (code.party, identity.public());
        let certify = |feed, kind| certify_feed(feed, device, &party, &member, kind);
        let mut redemption = Redemption {
            party,
            invitation: code.invitation,
            identity: member,
            name: name.to_owned(),
            device: device.public(),
            device_certificate: certify_device(identity, &device.public()),
            control_feed: control_feed.public(),
            control_certificate: certify(control_feed, EntryKind::Control),
            data_feed: data_feed.public(),
            data_certificate: certify(data_feed, EntryKind::Data),
            proof: Digest([0; 32]),
        };
        redemption.proof = redemption.prove(&code.secret, channel_binding);
        redemption
    }

    /// Checks the proof, then the certificates.
    ///
    /// # Errors
    /// [`RedemptionError::BadProof`] or [`RedemptionError::BadCertificate`].
    pub fn check(&self, secret: &[u8; 16], channel_binding: &[u8]) -> Result<(), RedemptionError> {
        if !equal(&self.prove(secret, channel_binding), &self.proof) {
            return Err(RedemptionError::BadProof);
        }
        self.verify().map_err(RedemptionError::BadCertificate)
    }

    fn verify(&self) -> Result<(), KeyError> {
        let (party, member, device) = (&self.party, &self.identity, &self.device);
        verify_device(member, device, &self.device_certificate)?;
        let claim = |feed, kind| Claim { party, member, device, feed, kind };
        claim(&self.control_feed, EntryKind::Control).verify(&self.control_certificate)?;
        claim(&self.data_feed, EntryKind::Data).verify(&self.data_certificate)
    }

    fn prove(&self, secret: &[u8; 16], channel_binding: &[u8]) -> Digest {
        let (control, data) = (self.control_certificate.to_bytes(), self.data_certificate.to_bytes());
        let parts: [&[u8]; 12] = [
            secret,
            channel_binding,
            self.party.as_bytes(),
            &self.invitation.0,
            self.identity.as_bytes(),
            self.name.as_bytes(),
            self.device.as_bytes(),
            self.device_certificate.as_bytes(),
            self.control_feed.as_bytes(),
            &control,
            self.data_feed.as_bytes(),
            &data,
        ];
        Digest::derive("motet invitation proof v1", &parts)
    }

    /// What the admitting device writes as the body of one control entry: the member, its device, its feeds. A reader
    /// gets no data feed. `invitation` is the credential that issued the one redeemed.
    pub fn credentials(&self, role: Role, invitation: CredentialId) -> Vec<Credential> {
        let (member, device) = (self.identity, self.device);
        let under = CredentialId::here(1);
        let feed =
            |feed, kind, certificate| Credential::Feed { under, member, device, feed, kind, certificate };
        let (name, certificate) = (self.name.clone(), self.device_certificate);
        let mut credentials = vec![
            Credential::Member { member, role, name, invitation: Some(invitation) },
            Credential::Device { under: CredentialId::here(0), member, device, certificate },
            feed(self.control_feed, EntryKind::Control, self.control_certificate),
        ];
        if role >= Role::Writer {
            credentials.push(feed(self.data_feed, EntryKind::Data, self.data_certificate));
        }
        credentials
    }

    /// The wire form.
    pub fn encode(&self) -> Vec<u8> {
        let message = proto::Redemption {
            party: self.party.as_bytes().to_vec(),
            invitation: self.invitation.0.to_vec(),
            identity: self.identity.as_bytes().to_vec(),
            name: self.name.clone(),
            device: self.device.as_bytes().to_vec(),
            device_certificate: self.device_certificate.as_bytes().to_vec(),
            control_feed: self.control_feed.as_bytes().to_vec(),
            control_certificate: self.control_certificate.to_bytes().to_vec(),
            data_feed: self.data_feed.as_bytes().to_vec(),
            data_certificate: self.data_certificate.to_bytes().to_vec(),
            proof: self.proof.0.to_vec(),
        };
        message.encode_to_vec()
    }

    /// Reads the wire form. Nothing is checked but the form.
    ///
    /// # Errors
    /// [`RedemptionError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, RedemptionError> {
        let message = proto::Redemption::decode(bytes)
            .map_err(|_| RedemptionError::Malformed("it is not the protocol buffer"))?;
        from_proto(message).map_err(|fault| match fault {
            Fault::Wrong(what) => RedemptionError::Malformed(what),
            Fault::Later => RedemptionError::Malformed("it is from a later version"),
        })
    }
}

fn from_proto(message: proto::Redemption) -> Result<Redemption, Fault> {
    let proof = message.proof.as_slice().try_into().map_err(|_| Fault::Wrong("the proof is not 32 bytes"))?;
    Ok(Redemption {
        party: wire::key(&message.party)?,
        invitation: wire::invitation(&message.invitation)?,
        identity: wire::key(&message.identity)?,
        name: wire::text(message.name)?,
        device: wire::key(&message.device)?,
        device_certificate: wire::signature(&message.device_certificate)?,
        control_feed: wire::key(&message.control_feed)?,
        control_certificate: wire::feed_certificate(&message.control_certificate)?,
        data_feed: wire::key(&message.data_feed)?,
        data_certificate: wire::feed_certificate(&message.data_certificate)?,
        proof: Digest(proof),
    })
}

/// In a time that does not tell where they differ.
fn equal(one: &Digest, other: &Digest) -> bool {
    one.0.iter().zip(other.0).fold(0, |differing, (one, other)| differing | (one ^ other)) == 0
}
