//! The side of a greeting that admits.
//!
//! A [`Doorkeeper`] is the device's end of one connection with somebody who may be let in: greetings in, greetings out,
//! no socket. It decides by what the database holds, and writes there before it speaks: a guess is counted before it is
//! answered, who has shown the code is noted before anything is offered, and the row that says «used» is committed
//! together with the admission. So a crash anywhere uses an invitation neither twice nor for nothing, and a guest whose
//! connection broke goes on where it stopped.

use motet_fact::{PublicKey, Signature};
use motet_party::greeting::{Answering, Channel, MAX_OFFERS, OfferKind};
use motet_party::{
    Credential, CredentialId, Denial, Greeting, Handle, Invitation, InvitationId, Offer, Request, Role,
    Welcome, certify_device, verify_device,
};
use motet_store::Batch;
use prost::Message as _;

use crate::invitations::{InvitationState, invitation_label, state_of};
use crate::proto::IssuedInvitation;
use crate::tables::{INVITATIONS, under_party};
use crate::write::clipped;
use crate::{Database, Error, Party};

/// The admitting end of one connection.
pub struct Doorkeeper {
    database: Database,
    channel: Channel,
    stage: Stage,
}

enum Stage {
    /// Nobody has said who it is.
    Waiting,
    /// A knock was answered; the guest has to show that it has the key.
    Answered { of: Code, proof: Answering },
    /// This was offered.
    Offering { offers: Vec<Offer>, code: Option<Code> },
    /// No more is said.
    Over,
}

/// An invitation of this device.
#[derive(Clone, Copy)]
struct Code {
    party: PublicKey,
    id: InvitationId,
}

impl Database {
    /// Receives a guest: the device on the other end of a channel, which the binding names.
    pub fn receive(&self, guest: PublicKey, binding: [u8; 32]) -> Doorkeeper {
        let channel = Channel { guest, host: self.profile().device, binding };
        Doorkeeper { database: self.clone(), channel, stage: Stage::Waiting }
    }
}

impl Doorkeeper {
    /// Whether all is said.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Takes a greeting and gives the answer, as bytes. There always is one; after a refusal, none follows.
    pub fn hear(&mut self, greeting: &[u8]) -> Vec<u8> {
        let answer = Greeting::decode(greeting).and_then(|greeting| self.answer(greeting));
        let answer = answer.unwrap_or_else(|denial| {
            self.stage = Stage::Over;
            Greeting::No(denial)
        });
        answer.encode()
    }

    fn answer(&mut self, greeting: Greeting) -> Result<Greeting, Denial> {
        match (std::mem::replace(&mut self.stage, Stage::Over), greeting) {
            (Stage::Waiting, Greeting::Knock { handle, message }) => self.knock(handle, &message),
            (Stage::Waiting, Greeting::Resume { handle }) => self.resume(handle),
            (Stage::Waiting, Greeting::Claim { identity, certificate }) => self.claim(identity, &certificate),
            (Stage::Answered { of, proof }, Greeting::Confirm { confirmation }) => {
                self.confirm(of, &proof, &confirmation)
            }
            (Stage::Offering { offers, code }, Greeting::Request(request)) => {
                let offer =
                    offers.iter().find(|offer| request.takes(offer)).ok_or(Denial::NotOffered)?.clone();
                let welcome = self.admit(&offer, code, &request)?;
                self.stage = Stage::Offering { offers, code };
                Ok(Greeting::Welcome(welcome))
            }
            (_, greeting) => Err(Denial::OutOfTurn(greeting.name().to_owned())),
        }
    }

    // Who it is.

    fn knock(&mut self, handle: Handle, message: &[u8]) -> Result<Greeting, Denial> {
        let (code, mut issued) = self.find(handle, false)?;
        self.open(code, &issued)?;
        issued.left = issued.left.checked_sub(1).ok_or(Denial::TooManyAttempts)?;
        self.put(code, &issued)?;
        let secret = self.database.inner.keys.get(self.database.store(), &invitation_label(&code.id));
        let secret = secret.map_err(Error::from).map_err(failed)?;
        let secret = secret.ok_or_else(|| Denial::Failed("the invitation's secret is missing".to_owned()))?;
        let entropy = self.database.world().bytes();
        let (proof, answer) =
            Answering::begin(&self.channel, handle, &secret, message, issued.left, entropy)?;
        self.stage = Stage::Answered { of: code, proof };
        Ok(answer)
    }

    fn confirm(&mut self, code: Code, proof: &Answering, confirmation: &[u8]) -> Result<Greeting, Denial> {
        let mut issued = self.read(code)?;
        if !proof.is_confirmed(confirmation) {
            return Err(Denial::WrongCode { left: issued.left });
        }
        issued.shown_by = self.channel.guest.as_bytes().to_vec();
        self.put(code, &issued)?;
        self.offer_under(code, &issued)
    }

    /// The channel says which device this is; it has shown the code before.
    fn resume(&mut self, handle: Handle) -> Result<Greeting, Denial> {
        let (code, issued) = self.find(handle, true)?;
        if issued.shown_by != self.channel.guest.as_bytes() {
            return Err(Denial::Unknown);
        }
        self.open(code, &issued)?;
        self.offer_under(code, &issued)
    }

    fn claim(&mut self, identity: PublicKey, certificate: &Signature) -> Result<Greeting, Denial> {
        verify_device(&identity, &self.channel.guest, certificate).map_err(|_| Denial::BadCertificate)?;
        let mut offers = Vec::new();
        let own = identity == self.database.profile().identity;
        if own {
            let home = self.database.identity_party();
            self.offer_device(&home, OfferKind::OwnDevice, &identity, Role::Admin, &mut offers)?;
        } else {
            for party in self.database.parties() {
                self.offer_by_identity(&party, &identity, &mut offers)?;
            }
        }
        if offers.is_empty() {
            return Err(Denial::NothingForYou);
        }
        offers.truncate(MAX_OFFERS);
        self.stage = Stage::Offering { offers: offers.clone(), code: None };
        Ok(Greeting::Offers(offers))
    }

    // What it may become.

    fn offer_under(&mut self, code: Code, issued: &IssuedInvitation) -> Result<Greeting, Denial> {
        let home = code.party == self.database.profile().identity;
        let party = self.party(&code.party)?;
        let (kind, role) =
            if home { (OfferKind::OwnDevice, Role::Admin) } else { (OfferKind::Member, role_of(issued)) };
        let offers = vec![self.offer(&party, kind, Some(code.id), role)];
        self.stage = Stage::Offering { offers: offers.clone(), code: Some(code) };
        Ok(Greeting::Offers(offers))
    }

    fn offer(&self, party: &Party, kind: OfferKind, invitation: Option<InvitationId>, role: Role) -> Offer {
        let profile = self.database.profile();
        Offer {
            kind,
            party: party.key(),
            invitation,
            role,
            party_name: clipped(&party.name()).to_owned(),
            host: profile.identity,
            host_name: clipped(&profile.name).to_owned(),
        }
    }

    /// To an identity: what it was invited to, and the parties it is in, with a device that is not known there.
    fn offer_by_identity(
        &self,
        party: &Party,
        identity: &PublicKey,
        offers: &mut Vec<Offer>,
    ) -> Result<(), Denial> {
        if party.own_role() != Some(Role::Admin) {
            return Ok(());
        }
        if let Some(role) = party.with(|state| state.authority.role_of_member(identity, &state.graph)) {
            // A device that was removed is told nothing of this party, and of others it is in all the same.
            let _removed = self.offer_device(party, OfferKind::Device, identity, role, offers);
            return Ok(());
        }
        let now = self.database.world().now();
        for id in party.with(|state| state.authority.invitations()).into_keys() {
            if let Ok(invitation) = personal_invitation(party, &id, identity)
                && now <= invitation.expires
            {
                offers.push(self.offer(party, OfferKind::Member, Some(id), invitation.role));
            }
        }
        Ok(())
    }

    fn offer_device(
        &self,
        party: &Party,
        kind: OfferKind,
        identity: &PublicKey,
        role: Role,
        offers: &mut Vec<Offer>,
    ) -> Result<(), Denial> {
        if party.removal_of(identity, &self.channel.guest).is_some() {
            return Err(Denial::NotAllowed("this device was removed".to_owned()));
        }
        offers.push(self.offer(party, kind, None, role));
        Ok(())
    }

    // What it becomes.

    fn admit(&self, offer: &Offer, code: Option<Code>, request: &Request) -> Result<Welcome, Denial> {
        request.verify(&self.channel.guest)?;
        let party = self.party(&offer.party)?;
        if offer.kind == OfferKind::OwnDevice {
            return self.admit_own(&party, code, request);
        }
        let certificate = request.certificate.ok_or(Denial::BadCertificate)?;
        let (identity, papers) = (request.identity, &request.papers);
        let credentials = match (offer.kind, offer.invitation) {
            (OfferKind::Member, Some(id)) => {
                let invitation = match code {
                    Some(_) => party.own_invitation(&id).ok_or(Denial::Unknown)?,
                    // Since it was offered, much may be otherwise.
                    None => personal_invitation(&party, &id, &identity)?,
                };
                let (name, invitation) = (request.name.clone(), Some(invitation.id));
                let member = Credential::Member { member: identity, role: offer.role, name, invitation };
                let stint = CredentialId::here(0);
                [vec![member], papers.credentials(stint, identity, certificate, offer.role, 1)].concat()
            }
            _ => papers.credentials(stint_of(&party, &identity)?, identity, certificate, offer.role, 0),
        };
        self.write(&party, code, credentials, request)?;
        Ok(Welcome { party: party.key(), certificate: None, name: String::new(), recovery: None })
    }

    /// A device of this owner. One that shows its certificate has an identity party and feeds of its own, and both
    /// become one; to one that is being linked they are given here.
    fn admit_own(&self, party: &Party, code: Option<Code>, request: &Request) -> Result<Welcome, Denial> {
        let (profile, device) = (self.database.profile(), self.channel.guest);
        let member = profile.identity;
        if request.identity != member {
            return Err(Denial::BadCertificate);
        }
        let under = stint_of(party, &member)?;
        let (certificate, credentials) = match request.certificate {
            // It was verified with the request.
            Some(certificate) => {
                (certificate, vec![Credential::Device { under, member, device, certificate }])
            }
            None => {
                let secret = self.database.identity_secret();
                let secret = secret.map_err(|error| Denial::NotAllowed(error.to_string()))?;
                let certificate = certify_device(&secret, &device);
                (certificate, request.papers.credentials(under, member, certificate, Role::Admin, 0))
            }
        };
        self.write(party, code, credentials, request)?;
        if !request.name.is_empty() && code.is_some() {
            self.database.name_device(&device, &request.name).map_err(failed)?;
        }
        Ok(Welcome {
            party: party.key(),
            certificate: Some(certificate),
            name: clipped(&profile.name).to_owned(),
            recovery: Some(profile.recovery),
        })
    }

    /// Writes the admission, and with it that the invitation is used. Nothing is written twice.
    fn write(
        &self,
        party: &Party,
        code: Option<Code>,
        credentials: Vec<Credential>,
        request: &Request,
    ) -> Result<(), Denial> {
        let device = &request.papers.device;
        let known = party.with(|state| state.authority.role_of_device(device, &state.graph).is_some());
        let mut batch = Batch::new();
        if let Some(code) = code {
            let mut issued = self.read(code)?;
            match state_of(&issued, self.database.world().now()) {
                InvitationState::Used if known => return Ok(()), // its welcome was lost on the way
                state => denied(state)?,
            }
            issued.used = true;
            batch.put(INVITATIONS, under_party(&code.party, &code.id.0), issued.encode_to_vec());
        } else if known {
            return Ok(());
        }
        let control = party.control_secret().map_err(failed)?;
        party.write_control(&control, credentials, batch).map_err(failed)?;
        self.database.try_chores().map_err(failed)
    }

    // What is kept of invitations.

    /// The invitation a guest means. Of several under one nameplate: the open one, or one that it resumes.
    fn find(&self, handle: Handle, resumed: bool) -> Result<(Code, IssuedInvitation), Denial> {
        let now = self.database.world().now();
        let mut found: Vec<(Code, IssuedInvitation)> = self
            .database
            .all_issued()
            .map_err(failed)?
            .into_iter()
            .filter(|(_, id, issued)| match handle {
                Handle::Invitation(wanted) => *id == wanted,
                Handle::Nameplate(number) => number > 0 && issued.nameplate == u32::from(number),
            })
            .map(|(party, id, issued)| (Code { party, id }, issued))
            .collect();
        let shown = |issued: &IssuedInvitation| issued.shown_by == self.channel.guest.as_bytes();
        let open = |issued: &IssuedInvitation| state_of(issued, now) == InvitationState::Open;
        found.sort_by_key(|(_, issued)| (resumed && !shown(issued), !open(issued), !shown(issued)));
        found.into_iter().next().ok_or(Denial::Unknown)
    }

    /// Whether the guest may go on with an invitation: it is open, or used by the guest itself.
    fn open(&self, code: Code, issued: &IssuedInvitation) -> Result<(), Denial> {
        // Another admin may have taken it back.
        let known = self.party(&code.party)?.own_invitation(&code.id);
        if known.is_some_and(|invitation| invitation.revoked.is_some()) {
            return Err(Denial::Revoked);
        }
        match state_of(issued, self.database.world().now()) {
            InvitationState::Used if issued.shown_by == self.channel.guest.as_bytes() => Ok(()),
            state => denied(state),
        }
    }

    fn read(&self, code: Code) -> Result<IssuedInvitation, Denial> {
        self.database.issued(&code.party, &code.id).map_err(failed)?.ok_or(Denial::Unknown)
    }

    fn put(&self, code: Code, issued: &IssuedInvitation) -> Result<(), Denial> {
        let mut batch = Batch::new();
        batch.put(INVITATIONS, under_party(&code.party, &code.id.0), issued.encode_to_vec());
        self.database.store().commit(batch).map_err(Error::from).map_err(failed)
    }

    fn party(&self, key: &PublicKey) -> Result<Party, Denial> {
        if *key == self.database.profile().identity {
            return Ok(self.database.identity_party());
        }
        self.database.party(key).map_err(failed)
    }
}

/// The stint of a member that its devices are admitted in: the one in which it may do most.
fn stint_of(party: &Party, member: &PublicKey) -> Result<CredentialId, Denial> {
    let device = party.database().profile().device;
    let stints = party.with(|state| state.authority.standing_of(member, &device, &state.graph));
    let first = stints.into_iter().next();
    first
        .map(|stint| stint.id)
        .ok_or_else(|| Denial::NotAllowed("its owner is no member any more".to_owned()))
}

/// The invitation of an id that an identity can still redeem.
fn personal_invitation(party: &Party, id: &InvitationId, identity: &PublicKey) -> Result<Invitation, Denial> {
    let all = party.with(|state| state.authority.invitations_of(id)).into_iter();
    let mut meant = all.filter(|it| it.counted && it.invitee == Some(*identity));
    match meant.next() {
        Some(Invitation { revoked: Some(_), .. }) => Err(Denial::Revoked),
        Some(Invitation { used_by: Some(_), .. }) => Err(Denial::Used),
        Some(invitation) => Ok(invitation),
        None => Err(Denial::Unknown),
    }
}

fn role_of(issued: &IssuedInvitation) -> Role {
    [Role::Reader, Role::Writer, Role::Admin][(issued.role as usize).min(2)]
}

fn denied(state: InvitationState) -> Result<(), Denial> {
    match state {
        InvitationState::Open => Ok(()),
        InvitationState::Used => Err(Denial::Used),
        InvitationState::Revoked => Err(Denial::Revoked),
        InvitationState::Expired => Err(Denial::Expired),
        InvitationState::Exhausted => Err(Denial::TooManyAttempts),
    }
}

fn failed(error: Error) -> Denial {
    match error {
        Error::NotAllowed { why, .. } => Denial::NotAllowed(why),
        Error::Denied(denial) => denial,
        error => Denial::Failed(error.to_string()),
    }
}
