//! Giving out invitations, seeing them, taking them back.
//!
//! An invitation under a *code* is a secret that one device gave out, good once and for a while. Only that device
//! redeems it (H12): it alone knows whether the code was used and how often it was tried, and its clock decides before
//! it signs; what it then writes is judged by everybody without a clock. A *personal* invitation names an identity and
//! needs no code, so any admin's device redeems it. An invitation in the identity party links a device.
//!
//! Taking one back is a credential, for other admins' devices to see, and for a code a row here, which is what counts.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::PublicKey;
use motet_party::invitation::ATTEMPTS;
use motet_party::{Credential, InvitationId, InvitationLink, InvitationWords, Role};
use motet_store::Batch;
use prost::Message as _;

use crate::proto::IssuedInvitation;
use crate::state::visit_rows;
use crate::tables::{INVITATIONS, under_party};
use crate::{Database, Error, Party};

/// How an invitation is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    /// As a link, which holds all that is needed.
    Link,
    /// As words of a code, to be read aloud.
    Words,
    /// Not at all: the invitee proves its identity.
    Personal,
}

/// How an invitation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvitationState {
    /// It can be redeemed.
    Open,
    /// Somebody was admitted with it.
    Used,
    /// It was taken back.
    Revoked,
    /// Its time is over, by this device's clock.
    Expired,
    /// Its code was tried too often.
    Exhausted,
}

impl InvitationState {
    /// The word for people.
    pub fn name(self) -> &'static str {
        match self {
            InvitationState::Open => "open",
            InvitationState::Used => "used",
            InvitationState::Revoked => "revoked",
            InvitationState::Expired => "expired",
            InvitationState::Exhausted => "tried too often",
        }
    }
}

/// An invitation, as this device knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationInfo {
    /// Its name.
    pub id: InvitationId,
    /// How it is passed on; nothing if it was issued under a code by another device.
    pub passing: Option<Passing>,
    /// The number in front of its words, if it has words.
    pub nameplate: Option<u16>,
    /// What it admits to.
    pub role: Role,
    /// Whom it admits, if anybody in particular.
    pub invitee: Option<PublicKey>,
    /// Unix seconds.
    pub expires: i64,
    /// How it stands.
    pub state: InvitationState,
}

impl Party {
    /// Invites one person by a link. `expires` is in seconds since 1970; `addresses` say where this device can be
    /// reached.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] unless this device is an admin's.
    pub fn invite(&self, role: Role, expires: i64, addresses: Vec<String>) -> Result<InvitationLink, Error> {
        let secret: [u8; 16] = self.database().world().bytes();
        let row =
            IssuedInvitation { expires, role: role as u32, left: ATTEMPTS, ..IssuedInvitation::default() };
        let invitation = self.issue(row, role, &secret)?;
        let issuer_device = self.database().profile().device;
        Ok(InvitationLink { party: self.key(), invitation, secret, issuer_device, addresses })
    }

    /// Invites one person by words to read aloud.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] unless this device is an admin's.
    pub fn invite_by_words(&self, role: Role, expires: i64) -> Result<InvitationWords, Error> {
        let nameplate = self.database().free_nameplate()?;
        let words = InvitationWords::new(nameplate, self.database().world().bytes());
        let row = IssuedInvitation {
            expires,
            role: role as u32,
            left: ATTEMPTS,
            nameplate: nameplate.into(),
            ..IssuedInvitation::default()
        };
        self.issue(row, role, &words.password())?;
        Ok(words)
    }

    /// Invites an identity, which needs no code: it comes to any admin's device of this party and proves who it is.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] unless this device is an admin's; [`Error::Invitation`] if it is a member already.
    pub fn invite_identity(
        &self,
        invitee: &PublicKey,
        role: Role,
        expires: i64,
    ) -> Result<InvitationId, Error> {
        if self.with(|state| state.authority.role_of_member(invitee, &state.graph).is_some()) {
            return Err(Error::Invitation(format!("{invitee} is a member already")));
        }
        let id = InvitationId(self.database().world().bytes());
        let credential = Credential::PersonalInvitation { id, role, invitee: *invitee, expires };
        self.write_control(&self.control_secret()?, vec![credential], Batch::new())?;
        Ok(id)
    }

    /// Takes an invitation back. Who was admitted with it before, and is known to be, stays.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] unless this device is an admin's; [`Error::Invitation`] if there is none of that name, or
    /// it is used or taken back already.
    pub fn revoke_invitation(&self, id: &InvitationId) -> Result<(), Error> {
        let fault = |what: String| Error::Invitation(format!("invitation {id} {what}"));
        let row = self.database().issued(&self.key(), id)?;
        let mut known = self.with(|state| state.authority.invitations_of(id));
        known.retain(|invitation| invitation.counted);
        if let Some(member) = known.iter().find_map(|invitation| invitation.used_by) {
            return Err(fault(format!("was used by {member}: remove that member instead")));
        }
        let mut batch = Batch::new();
        if let Some(mut issued) = row.clone() {
            match issued {
                IssuedInvitation { used: true, .. } => return Err(fault("was used".to_owned())),
                IssuedInvitation { revoked: true, .. } => return Err(fault("was taken back".to_owned())),
                _ => issued.revoked = true,
            }
            batch.put(INVITATIONS, under_party(&self.key(), &id.0), issued.encode_to_vec());
        }
        let open = known.iter().filter(|invitation| invitation.revoked.is_none());
        let revoked = |it: &motet_party::Invitation| Credential::Revocation { invitation: it.id };
        let credentials: Vec<Credential> = open.map(revoked).collect();
        match (row, credentials.is_empty()) {
            (_, false) => self.decide(credentials, batch).map(|_| ()),
            (Some(_), true) => Ok(self.database().store().commit(batch)?), // it links a device
            (None, true) if known.is_empty() => Err(fault("is not known here".to_owned())),
            (None, true) => Err(fault("was taken back".to_owned())),
        }
    }

    /// The invitations to this party that count, and what of this device's own is no credential; by id.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn invitations(&self) -> Result<Vec<InvitationInfo>, Error> {
        let now = self.database().world().now();
        let mut own = BTreeMap::new();
        visit_rows(self.database().store(), INVITATIONS, self.key().as_bytes(), |key, row| {
            if let Ok(id) = <[u8; 16]>::try_from(&key[32..]) {
                own.insert(InvitationId(id), decode_issued(row)?);
            }
            Ok(())
        })?;
        let mut infos = BTreeMap::new();
        for (id, invitation) in self.with(|state| state.authority.invitations()) {
            if invitation.counted {
                let mut info = info_of(id, &invitation, now);
                if let Some(issued) = own.get(&id) {
                    refine(&mut info, issued, now);
                }
                infos.insert(id, info);
            }
        }
        for (id, issued) in own.iter().filter(|_| self.is_identity_party()) {
            let mut info = InvitationInfo {
                id: *id,
                passing: None,
                nameplate: None,
                role: Role::Admin,
                invitee: None,
                expires: issued.expires,
                state: InvitationState::Open,
            };
            refine(&mut info, issued, now);
            infos.insert(*id, info);
        }
        Ok(infos.into_values().collect())
    }

    pub(crate) fn is_identity_party(&self) -> bool {
        self.key() == self.database().profile().identity
    }

    /// The invitation of an id that this device issued: others may have used the id, which is no secret.
    pub(crate) fn own_invitation(&self, id: &InvitationId) -> Option<motet_party::Invitation> {
        let device = self.database().profile().device;
        self.with(|state| {
            let own =
                |it: &motet_party::Invitation| state.authority.device_of_feed(&it.issuer) == Some(device);
            state.authority.invitations_of(id).into_iter().find(own)
        })
    }

    /// Keeps a code's secret and its row, and writes the credential; in the identity party there is none to write.
    fn issue(&self, row: IssuedInvitation, role: Role, secret: &[u8]) -> Result<InvitationId, Error> {
        let database = self.database();
        let id = InvitationId(database.world().bytes());
        let expires = row.expires;
        let mut batch = Batch::new();
        batch.put(INVITATIONS, under_party(&self.key(), &id.0), row.encode_to_vec());
        database.keep_secret(&mut batch, &invitation_label(&id), secret);
        if self.is_identity_party() {
            database.store().commit(batch)?;
        } else {
            let credential = Credential::Invitation { id, role, expires };
            self.write_control(&self.control_secret()?, vec![credential], batch)?;
        }
        Ok(id)
    }
}

impl Database {
    /// Gives out a link that makes a device one of the owner's.
    ///
    /// # Errors
    /// [`Error::NotHolder`] if this device does not hold the recovery phrase.
    pub fn link_device(&self, expires: i64, addresses: Vec<String>) -> Result<InvitationLink, Error> {
        self.identity_secret()?;
        self.identity_party().invite(Role::Admin, expires, addresses)
    }

    /// Gives out words that make a device one of the owner's.
    ///
    /// # Errors
    /// [`Error::NotHolder`] if this device does not hold the recovery phrase.
    pub fn link_device_by_words(&self, expires: i64) -> Result<InvitationWords, Error> {
        self.identity_secret()?;
        self.identity_party().invite_by_words(Role::Admin, expires)
    }

    /// What this device has issued under a code, by party and id.
    pub(crate) fn all_issued(&self) -> Result<Vec<(PublicKey, InvitationId, IssuedInvitation)>, Error> {
        let mut all = Vec::new();
        visit_rows(self.store(), INVITATIONS, &[], |key, row| {
            let (party, id) = key.split_at_checked(32).unwrap_or_default();
            if let (Ok(party), Ok(id)) = (PublicKey::from_bytes(party), id.try_into()) {
                all.push((party, InvitationId(id), decode_issued(row)?));
            }
            Ok(())
        })?;
        Ok(all)
    }

    pub(crate) fn issued(
        &self,
        party: &PublicKey,
        id: &InvitationId,
    ) -> Result<Option<IssuedInvitation>, Error> {
        let row = self.store().get(INVITATIONS, &under_party(party, &id.0))?;
        row.map(|row| decode_issued(&row)).transpose()
    }

    /// The least number under which nobody may still ask about an invitation: its time is over, whatever became of it.
    fn free_nameplate(&self) -> Result<u16, Error> {
        let now = self.world().now();
        let issued = self.all_issued()?;
        let live = issued.iter().filter(|(.., row)| now <= row.expires);
        let taken: BTreeSet<u32> = live.map(|(.., row)| row.nameplate).collect();
        let free = (1..=u16::MAX).find(|number| !taken.contains(&u32::from(*number)));
        free.ok_or_else(|| Error::Invitation("there are too many invitations".to_owned()))
    }
}

fn decode_issued(row: &[u8]) -> Result<IssuedInvitation, Error> {
    IssuedInvitation::decode(row).map_err(|error| Error::unreadable("an issued invitation", error))
}

pub(crate) fn state_of(issued: &IssuedInvitation, now: i64) -> InvitationState {
    match issued {
        IssuedInvitation { used: true, .. } => InvitationState::Used,
        IssuedInvitation { revoked: true, .. } => InvitationState::Revoked,
        IssuedInvitation { expires, .. } if now > *expires => InvitationState::Expired,
        // Whoever has shown the code needs no more guesses.
        IssuedInvitation { left: 0, shown_by, .. } if shown_by.is_empty() => InvitationState::Exhausted,
        _ => InvitationState::Open,
    }
}

fn info_of(id: InvitationId, invitation: &motet_party::Invitation, now: i64) -> InvitationInfo {
    let state = match invitation {
        motet_party::Invitation { used_by: Some(_), .. } => InvitationState::Used,
        motet_party::Invitation { revoked: Some(_), .. } => InvitationState::Revoked,
        motet_party::Invitation { expires, .. } if now > *expires => InvitationState::Expired,
        _ => InvitationState::Open,
    };
    InvitationInfo {
        id,
        passing: invitation.invitee.map(|_| Passing::Personal),
        nameplate: None,
        role: invitation.role,
        invitee: invitation.invitee,
        expires: invitation.expires,
        state,
    }
}

/// Adds what only the device knows that issued the code.
fn refine(info: &mut InvitationInfo, issued: &IssuedInvitation, now: i64) {
    let nameplate = u16::try_from(issued.nameplate).ok().filter(|number| *number > 0);
    info.nameplate = nameplate;
    info.passing = Some(nameplate.map_or(Passing::Link, |_| Passing::Words));
    if info.state == InvitationState::Open {
        info.state = state_of(issued, now);
    }
}

pub(crate) fn invitation_label(id: &InvitationId) -> String {
    format!("invitation/{id}")
}
