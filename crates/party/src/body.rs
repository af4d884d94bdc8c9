//! The bytes of a control entry's body: the protocol buffer `ControlBody` of `proto/party.proto`.
//!
//! A body is named by the CID of its bytes, so it needs no canonical form. What cannot be read because it is malformed
//! is refused; what cannot be read because it is from a later version of the program is held (H7). The two are told
//! apart by [`BodyError::is_later`].

use motet_fact::{PublicKey, Signature};
use motet_feed::EntryKind;
use prost::Message as _;

use crate::proto::{self, credential::Credential as Wire};
use crate::{Credential, FeedCertificate, Genesis, InvitationId, MAX_NAME_BYTES, Role};

/// What a control entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlBody {
    /// Unix seconds by the writer's clock. For people; no rule reads it (H3).
    pub written_at: i64,
    /// The credentials, each judged with the ones before it.
    pub credentials: Vec<Credential>,
}

/// Why bytes are not the body of a control entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Not the protocol buffer.
    #[error("not the body of a control entry: {0}")]
    Malformed(String),
    /// A field that no credential has like this.
    #[error("credential {number} of the control entry is malformed: {what}")]
    Field {
        /// Which credential, from 0.
        number: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// From a later version: the entry is to be held until this program knows it, not refused (H7).
    #[error("credential {number} of the control entry is of a kind this program does not know: update it")]
    UnknownCredential {
        /// Which credential, from 0.
        number: usize,
    },
}

impl BodyError {
    /// Whether a later version of the program could read it: hold the entry, don't refuse it.
    pub fn is_later(&self) -> bool {
        matches!(self, BodyError::UnknownCredential { .. })
    }
}

/// The bytes of a body.
pub fn encode_body(written_at: i64, credentials: &[Credential]) -> Vec<u8> {
    let credentials =
        credentials.iter().map(|credential| proto::Credential { credential: Some(to_wire(credential)) });
    proto::ControlBody { written_at, credentials: credentials.collect() }.encode_to_vec()
}

/// Reads the bytes of a body. That certificates hold is checked when the entry is judged.
///
/// # Errors
/// [`BodyError`] saying which credential is wrong, and whether the entry is to be refused or held.
pub fn decode_body(bytes: &[u8]) -> Result<ControlBody, BodyError> {
    let body = proto::ControlBody::decode(bytes).map_err(|error| BodyError::Malformed(error.to_string()))?;
    let read = |(number, credential): (usize, proto::Credential)| {
        let Some(wire) = credential.credential else { return Err(BodyError::UnknownCredential { number }) };
        from_wire(wire).map_err(|fault| match fault {
            Fault::Wrong(what) => BodyError::Field { number, what },
            Fault::Later => BodyError::UnknownCredential { number },
        })
    };
    let credentials = body.credentials.into_iter().enumerate().map(read).collect::<Result<_, _>>()?;
    Ok(ControlBody { written_at: body.written_at, credentials })
}

/// What is wrong with one field.
pub(crate) enum Fault {
    Wrong(&'static str),
    Later,
}

fn to_wire(credential: &Credential) -> Wire {
    match credential {
        Credential::Genesis(genesis) => Wire::Genesis(to_wire_genesis(genesis)),
        Credential::Member { member, role, name, invitation } => Wire::Member(proto::Member {
            member: member.as_bytes().to_vec(),
            role: to_wire_role(*role),
            name: name.clone(),
            invitation: invitation.map(|id| id.0.to_vec()).unwrap_or_default(),
        }),
        Credential::Device { member, device, certificate } => Wire::Device(proto::Device {
            member: member.as_bytes().to_vec(),
            device: device.as_bytes().to_vec(),
            certificate: certificate.as_bytes().to_vec(),
        }),
        Credential::Feed { member, device, feed, kind, certificate } => Wire::Feed(proto::Feed {
            member: member.as_bytes().to_vec(),
            device: device.as_bytes().to_vec(),
            feed: feed.as_bytes().to_vec(),
            kind: to_wire_kind(*kind),
            certificate: certificate.to_bytes().to_vec(),
        }),
        Credential::Invitation { id, role, expires } => Wire::Invitation(proto::Invitation {
            id: id.0.to_vec(),
            role: to_wire_role(*role),
            expires: *expires,
        }),
        Credential::PersonalInvitation { id, role, invitee, expires } => {
            Wire::PersonalInvitation(proto::PersonalInvitation {
                id: id.0.to_vec(),
                role: to_wire_role(*role),
                invitee: invitee.as_bytes().to_vec(),
                expires: *expires,
            })
        }
        Credential::Revocation { invitation } => {
            Wire::Revocation(proto::Revocation { invitation: invitation.0.to_vec() })
        }
    }
}

fn to_wire_genesis(genesis: &Genesis) -> proto::Genesis {
    proto::Genesis {
        founder: genesis.founder.as_bytes().to_vec(),
        device: genesis.device.as_bytes().to_vec(),
        control_feed: genesis.control_feed.as_bytes().to_vec(),
        data_feed: genesis.data_feed.as_bytes().to_vec(),
        name: genesis.name.clone(),
        party_name: genesis.party_name.clone(),
        device_certificate: genesis.device_certificate.as_bytes().to_vec(),
        control_certificate: genesis.control_certificate.to_bytes().to_vec(),
        data_certificate: genesis.data_certificate.to_bytes().to_vec(),
        signature: genesis.signature.as_bytes().to_vec(),
    }
}

fn from_wire(wire: Wire) -> Result<Credential, Fault> {
    Ok(match wire {
        Wire::Genesis(genesis) => Credential::Genesis(Box::new(from_wire_genesis(genesis)?)),
        Wire::Member(wire) => Credential::Member {
            member: key(&wire.member)?,
            role: role(wire.role)?,
            name: name(wire.name)?,
            invitation: if wire.invitation.is_empty() { None } else { Some(invitation(&wire.invitation)?) },
        },
        Wire::Device(wire) => Credential::Device {
            member: key(&wire.member)?,
            device: key(&wire.device)?,
            certificate: signature(&wire.certificate)?,
        },
        Wire::Feed(wire) => Credential::Feed {
            member: key(&wire.member)?,
            device: key(&wire.device)?,
            feed: key(&wire.feed)?,
            kind: kind(wire.kind)?,
            certificate: feed_certificate(&wire.certificate)?,
        },
        Wire::Invitation(wire) => Credential::Invitation {
            id: invitation(&wire.id)?,
            role: role(wire.role)?,
            expires: wire.expires,
        },
        Wire::PersonalInvitation(wire) => Credential::PersonalInvitation {
            id: invitation(&wire.id)?,
            role: role(wire.role)?,
            invitee: key(&wire.invitee)?,
            expires: wire.expires,
        },
        Wire::Revocation(wire) => Credential::Revocation { invitation: invitation(&wire.invitation)? },
    })
}

fn from_wire_genesis(wire: proto::Genesis) -> Result<Genesis, Fault> {
    Ok(Genesis {
        founder: key(&wire.founder)?,
        device: key(&wire.device)?,
        control_feed: key(&wire.control_feed)?,
        data_feed: key(&wire.data_feed)?,
        name: name(wire.name)?,
        party_name: name(wire.party_name)?,
        device_certificate: signature(&wire.device_certificate)?,
        control_certificate: feed_certificate(&wire.control_certificate)?,
        data_certificate: feed_certificate(&wire.data_certificate)?,
        signature: signature(&wire.signature)?,
    })
}

pub(crate) fn to_wire_role(role: Role) -> i32 {
    match role {
        Role::Reader => proto::Role::Reader.into(),
        Role::Writer => proto::Role::Writer.into(),
        Role::Admin => proto::Role::Admin.into(),
    }
}

pub(crate) fn role(number: i32) -> Result<Role, Fault> {
    match proto::Role::try_from(number) {
        Ok(proto::Role::Reader) => Ok(Role::Reader),
        Ok(proto::Role::Writer) => Ok(Role::Writer),
        Ok(proto::Role::Admin) => Ok(Role::Admin),
        Ok(proto::Role::Unspecified) => Err(Fault::Wrong("its role is missing")),
        Err(_) => Err(Fault::Later),
    }
}

fn to_wire_kind(kind: EntryKind) -> i32 {
    match kind {
        EntryKind::Control => proto::Kind::Control.into(),
        EntryKind::Data => proto::Kind::Data.into(),
    }
}

fn kind(number: i32) -> Result<EntryKind, Fault> {
    match proto::Kind::try_from(number) {
        Ok(proto::Kind::Control) => Ok(EntryKind::Control),
        Ok(proto::Kind::Data) => Ok(EntryKind::Data),
        Ok(proto::Kind::Unspecified) => Err(Fault::Wrong("its kind is missing")),
        Err(_) => Err(Fault::Later),
    }
}

pub(crate) fn key(bytes: &[u8]) -> Result<PublicKey, Fault> {
    PublicKey::from_bytes(bytes).map_err(|_| Fault::Wrong("a key is not 32 bytes"))
}

pub(crate) fn signature(bytes: &[u8]) -> Result<Signature, Fault> {
    Signature::from_bytes(bytes).map_err(|_| Fault::Wrong("a signature is not 64 bytes"))
}

pub(crate) fn feed_certificate(bytes: &[u8]) -> Result<FeedCertificate, Fault> {
    FeedCertificate::from_bytes(bytes).map_err(|_| Fault::Wrong("a feed's certificate is not 128 bytes"))
}

pub(crate) fn invitation(bytes: &[u8]) -> Result<InvitationId, Fault> {
    bytes.try_into().map(InvitationId).map_err(|_| Fault::Wrong("an invitation's id is not 16 bytes"))
}

pub(crate) fn name(text: String) -> Result<String, Fault> {
    if text.len() <= MAX_NAME_BYTES { Ok(text) } else { Err(Fault::Wrong("a name is over 256 bytes")) }
}
