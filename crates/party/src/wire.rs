//! Credentials in protocol buffers.
//!
//! A decoder is strict: each field is what `proto/party.proto` says, lists that stand for sets ascend strictly, and
//! what a later version may have meant is told from what is wrong.

use std::collections::BTreeSet;

use motet_fact::{Cid, PublicKey, Signature};
use motet_feed::{Entry, EntryError, EntryKind};

use crate::proto::{self, credential::Credential as Wire};
use crate::{
    Credential, CredentialId, Cuts, FeedCertificate, ForkProof, Genesis, InvitationId, MAX_NAME_BYTES, Role,
    Subject,
};

/// What is wrong with one field.
pub(crate) enum Fault {
    Wrong(&'static str),
    Later,
}

pub(crate) fn to_wire(credential: &Credential) -> Wire {
    match credential {
        Credential::Genesis(genesis) => Wire::Genesis(to_wire_genesis(genesis)),
        Credential::Member { member, role, name, invitation } => Wire::Member(proto::Member {
            member: member.as_bytes().to_vec(),
            role: to_wire_role(*role),
            name: name.clone(),
            invitation: invitation.as_ref().map(to_name),
        }),
        Credential::Device { under, member, device, certificate } => Wire::Device(proto::Device {
            member: member.as_bytes().to_vec(),
            device: device.as_bytes().to_vec(),
            certificate: certificate.as_bytes().to_vec(),
            under: Some(to_name(under)),
        }),
        Credential::Feed { under, member, device, feed, kind, certificate } => Wire::Feed(proto::Feed {
            member: member.as_bytes().to_vec(),
            device: device.as_bytes().to_vec(),
            feed: feed.as_bytes().to_vec(),
            kind: to_wire_kind(*kind),
            certificate: certificate.to_bytes().to_vec(),
            under: Some(to_name(under)),
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
        Credential::Removal { subject, cuts } => Wire::Removal(to_wire_removal(subject, cuts)),
        Credential::RoleChange { member, role, name, cuts } => Wire::RoleChange(proto::RoleChange {
            member: member.as_bytes().to_vec(),
            role: to_wire_role(*role),
            name: name.clone(),
            cuts: to_wire_cuts(cuts),
        }),
        Credential::Revocation { invitation } => {
            Wire::Revocation(proto::Revocation { invitation: Some(to_name(invitation)) })
        }
        Credential::ForkProof(proof) => Wire::ForkProof(proto::ForkProof {
            one: proof.one.encode(),
            other: proof.other.encode(),
            last: to_wire_ids(&proof.last),
        }),
    }
}

pub(crate) fn to_name(id: &CredentialId) -> proto::Name {
    let entry = id.entry.map(|entry| entry.as_bytes().to_vec()).unwrap_or_default();
    proto::Name { entry, number: id.number }
}

fn to_wire_removal(subject: &Subject, cuts: &Cuts) -> proto::Removal {
    let (member, device) = match subject {
        Subject::Member(member) => (member, Vec::new()),
        Subject::Device { member, device } => (member, device.as_bytes().to_vec()),
    };
    proto::Removal { member: member.as_bytes().to_vec(), device, cuts: to_wire_cuts(cuts) }
}

fn to_wire_cuts(cuts: &Cuts) -> Vec<proto::Cut> {
    let cut = |(feed, last): (&PublicKey, &BTreeSet<Cid>)| proto::Cut {
        feed: feed.as_bytes().to_vec(),
        last: to_wire_ids(last),
    };
    cuts.iter().map(cut).collect()
}

fn to_wire_ids(ids: &BTreeSet<Cid>) -> Vec<Vec<u8>> {
    ids.iter().map(|id| id.as_bytes().to_vec()).collect()
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
        recovery: genesis.recovery.as_bytes().to_vec(),
    }
}

pub(crate) fn from_wire(wire: Wire) -> Result<Credential, Fault> {
    Ok(match wire {
        Wire::Genesis(genesis) => Credential::Genesis(Box::new(from_wire_genesis(genesis)?)),
        Wire::Member(wire) => Credential::Member {
            member: key(&wire.member)?,
            role: role(wire.role)?,
            name: text(wire.name)?,
            invitation: wire.invitation.map(|invitation| name(&invitation)).transpose()?,
        },
        Wire::Device(wire) => Credential::Device {
            under: named(wire.under)?,
            member: key(&wire.member)?,
            device: key(&wire.device)?,
            certificate: signature(&wire.certificate)?,
        },
        Wire::Feed(wire) => Credential::Feed {
            under: named(wire.under)?,
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
        Wire::Removal(wire) => {
            let member = key(&wire.member)?;
            let subject = match wire.device.as_slice() {
                [] => Subject::Member(member),
                device => Subject::Device { member, device: key(device)? },
            };
            Credential::Removal { subject, cuts: cuts(wire.cuts)? }
        }
        Wire::RoleChange(wire) => Credential::RoleChange {
            member: key(&wire.member)?,
            role: role(wire.role)?,
            name: text(wire.name)?,
            cuts: cuts(wire.cuts)?,
        },
        Wire::Revocation(wire) => Credential::Revocation { invitation: named(wire.invitation)? },
        Wire::ForkProof(wire) => Credential::ForkProof(Box::new(ForkProof {
            one: entry(&wire.one)?,
            other: entry(&wire.other)?,
            last: ids(&wire.last)?,
        })),
    })
}

fn from_wire_genesis(wire: proto::Genesis) -> Result<Genesis, Fault> {
    Ok(Genesis {
        founder: key(&wire.founder)?,
        device: key(&wire.device)?,
        control_feed: key(&wire.control_feed)?,
        data_feed: key(&wire.data_feed)?,
        recovery: key(&wire.recovery)?,
        name: text(wire.name)?,
        party_name: text(wire.party_name)?,
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

pub(crate) fn invitation(bytes: &[u8]) -> Result<InvitationId, Fault> {
    bytes.try_into().map(InvitationId).map_err(|_| Fault::Wrong("an invitation's id is not 16 bytes"))
}

pub(crate) fn feed_certificate(bytes: &[u8]) -> Result<FeedCertificate, Fault> {
    FeedCertificate::from_bytes(bytes).map_err(|_| Fault::Wrong("a feed's certificate is not 128 bytes"))
}

pub(crate) fn text(text: String) -> Result<String, Fault> {
    if text.len() <= MAX_NAME_BYTES { Ok(text) } else { Err(Fault::Wrong("a name is over 256 bytes")) }
}

pub(crate) fn name(name: &proto::Name) -> Result<CredentialId, Fault> {
    let entry = match name.entry.as_slice() {
        [] => None,
        bytes => Some(cid(bytes)?),
    };
    Ok(CredentialId { entry, number: name.number })
}

fn named(name: Option<proto::Name>) -> Result<CredentialId, Fault> {
    self::name(&name.ok_or(Fault::Wrong("the credential that it names is missing"))?)
}

fn cid(bytes: &[u8]) -> Result<Cid, Fault> {
    Cid::from_bytes(bytes).map_err(|_| Fault::Wrong("an entry's id is not one of ours"))
}

fn cuts(cuts: Vec<proto::Cut>) -> Result<Cuts, Fault> {
    let count = cuts.len();
    let read = |cut: proto::Cut| Ok((key(&cut.feed)?, ids(&cut.last)?));
    let cuts = cuts.into_iter().map(read).collect::<Result<Vec<_>, Fault>>()?;
    let ascending = cuts.is_sorted_by(|(one, _), (next, _)| one < next);
    let cuts: Cuts = cuts.into_iter().collect();
    if ascending && cuts.len() == count {
        Ok(cuts)
    } else {
        Err(Fault::Wrong("its cuts are not ascending by feed"))
    }
}

fn ids(ids: &[Vec<u8>]) -> Result<BTreeSet<Cid>, Fault> {
    let ids = ids.iter().map(|id| cid(id)).collect::<Result<Vec<_>, Fault>>()?;
    let ascending = ids.is_sorted_by(|one, next| one < next);
    if ascending {
        Ok(ids.into_iter().collect())
    } else {
        Err(Fault::Wrong("the ids of a cut are not ascending"))
    }
}

fn entry(bytes: &[u8]) -> Result<Entry, Fault> {
    Entry::decode_stored(bytes).map_err(|error| match error {
        EntryError::UnknownVersion { .. } | EntryError::UnknownKind { .. } => Fault::Later,
        _ => Fault::Wrong("a header of the proof is not an entry's"),
    })
}
