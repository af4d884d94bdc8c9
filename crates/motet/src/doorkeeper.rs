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
    Credential, Denial, Greeting, Handle, InvitationId, Offer, Request, Role, Welcome, certify_device,
    verify_device,
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
        self.open(&issued)?;
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
        self.open(&issued)?;
        self.offer_under(code, &issued)
    }

    fn claim(&mut self, identity: PublicKey, certificate: &Signature) -> Result<Greeting, Denial> {
        verify_device(&identity, &self.channel.guest, certificate).map_err(|_| Denial::BadCertificate)?;
        let mut offers = Vec::new();
        let own = identity == self.database.profile().identity;
        if own {
            let home = self.database.identity_party();
            self.offer_device(&home, OfferKind::OwnDevice, Role::Admin, &mut offers)?;
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
        if let Some(role) = party.with(|state| state.authority.role_of_member(identity)) {
            // A device that was removed is told nothing of this party, and of others it is in all the same.
            let _removed = self.offer_device(party, OfferKind::Device, role, offers);
            return Ok(());
        }
        let now = self.database.world().now();
        for (id, invitation) in party.with(|state| state.authority.invitations()) {
            let meant = invitation.invitee == Some(*identity) && invitation.counted;
            if meant && !invitation.revoked && invitation.used_by.is_none() && now <= invitation.expires {
                offers.push(self.offer(party, OfferKind::Member, Some(id), invitation.role));
            }
        }
        Ok(())
    }

    fn offer_device(
        &self,
        party: &Party,
        kind: OfferKind,
        role: Role,
        offers: &mut Vec<Offer>,
    ) -> Result<(), Denial> {
        let device = party.with(|state| state.authority.devices().remove(&self.channel.guest));
        if device.is_some_and(|device| !device.counted) {
            return Err(Denial::NotAllowed("this device was removed".to_owned()));
        }
        offers.push(self.offer(party, kind, None, role));
        Ok(())
    }

    // What it becomes.

    fn admit(&self, offer: &Offer, code: Option<Code>, request: &Request) -> Result<Welcome, Denial> {
        request.verify(&self.channel.guest)?;
        let party = self.party(&offer.party)?;
        let mut welcome =
            Welcome { party: party.key(), certificate: None, name: String::new(), recovery: None };
        if offer.kind == OfferKind::OwnDevice {
            let profile = self.database.profile();
            let certificate = self.certify(request)?;
            welcome.certificate = Some(certificate);
            welcome.name = clipped(&profile.name).to_owned();
            welcome.recovery = Some(profile.recovery);
            self.write(
                &party,
                code,
                request.papers.credentials(profile.identity, certificate, Role::Admin),
                request,
            )?;
            if !request.name.is_empty() && code.is_some() {
                self.database.name_device(&self.channel.guest, &request.name).map_err(failed)?;
            }
            return Ok(welcome);
        }
        let certificate = request.certificate.ok_or(Denial::BadCertificate)?;
        let (identity, papers) = (request.identity, &request.papers);
        let mut credentials = papers.credentials(identity, certificate, offer.role);
        if offer.kind == OfferKind::Member {
            let (name, invitation) = (request.name.clone(), offer.invitation);
            self.still_open(&party, offer, code, &identity)?;
            credentials
                .insert(0, Credential::Member { member: identity, role: offer.role, name, invitation });
        }
        self.write(&party, code, credentials, request)?;
        Ok(welcome)
    }

    /// The identity's word that the guest is its device: the one it shows, or one that only a holder can give.
    fn certify(&self, request: &Request) -> Result<Signature, Denial> {
        let (identity, device) = (self.database.profile().identity, self.channel.guest);
        if request.identity != identity {
            return Err(Denial::BadCertificate);
        }
        match request.certificate {
            Some(certificate) => Ok(certificate), // it was verified with the request
            None => {
                let secret = self.database.identity_secret();
                Ok(certify_device(&secret.map_err(|error| Denial::NotAllowed(error.to_string()))?, &device))
            }
        }
    }

    /// A personal invitation may have been used or taken back since it was offered.
    fn still_open(
        &self,
        party: &Party,
        offer: &Offer,
        code: Option<Code>,
        identity: &PublicKey,
    ) -> Result<(), Denial> {
        let (None, Some(id)) = (code, offer.invitation) else { return Ok(()) };
        match party.with(|state| state.authority.invitations().remove(&id)) {
            Some(invitation) if invitation.revoked => Err(Denial::Revoked),
            Some(invitation) if invitation.used_by.is_some_and(|used_by| used_by != *identity) => {
                Err(Denial::Used)
            }
            Some(invitation) if invitation.invitee == Some(*identity) => Ok(()),
            _ => Err(Denial::Unknown),
        }
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
        let known = party.with(|state| state.authority.role_of_device(device).is_some());
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
        party.write_control(&control, &credentials, batch).map_err(failed)?;
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
    fn open(&self, issued: &IssuedInvitation) -> Result<(), Denial> {
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
