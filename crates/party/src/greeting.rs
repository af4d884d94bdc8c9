//! What a newcomer and the device that admits it say to each other.
//!
//! The *guest* says who it is in one of three ways: it *knocks* with a code, it *resumes* what it began from the same
//! device, or it *claims* to be an identity's device and shows the identity's certificate. From there on all go the
//! same way: the *host* offers what the guest may become, the guest requests one of the offers with its papers, the
//! host writes the credentials and says welcome. Whatever goes wrong has a name, a [`Denial`].
//!
//! **Under a code** the two run a key exchange ([`motet_fact::pake`]) and confirm the key over a *wire*: both device
//! keys and the channel binding, that is what names this one encrypted channel. So whoever sits between two channels
//! has as many guesses as the host gives answers, and whoever overhears all of it has none. A guest's claim needs no
//! more than its certificate, for the channel has shown that it holds the device's key.
//!
//! All here is messages and checks; who issued what, until when and to whom is the database's to know.

use motet_fact::pake::{Exchange, PakeError, SharedKey, Side};
use motet_fact::{PublicKey, Signature};
use prost::Message as _;

use crate::proto::greeting as proto;
use crate::proto::greeting::greeting::Step as Wire;
use crate::wire::{self, Fault};
use crate::{Handle, InvitationCode, InvitationId, Papers, Role, verify_device};

/// The longest greeting that is read, in bytes.
pub const MAX_GREETING_BYTES: usize = 64 * 1024;
/// How many offers are made at once.
pub const MAX_OFFERS: usize = 64;
const MAX_WORDS_BYTES: usize = 1024;

/// Why a guest is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// The host issued no such invitation.
    #[error("that device knows of no such invitation: is it the one that gave out the code?")]
    Unknown,
    /// Its time is over.
    #[error("the invitation has expired: ask for a new one")]
    Expired,
    /// It was taken back.
    #[error("the invitation was taken back: ask whoever gave it out")]
    Revoked,
    /// Somebody was admitted with it already.
    #[error("the invitation was used already: ask for a new one")]
    Used,
    /// The guest has another code than the host, or somebody sits between them.
    #[error("the code is wrong, or somebody sits between the two devices: {left} more tries")]
    WrongCode {
        /// How many more tries there are.
        left: u32,
    },
    /// There were as many tries as are given.
    #[error("the code was tried too often and is worth nothing any more: ask for a new one")]
    TooManyAttempts,
    /// The host has nothing to offer to this identity.
    #[error("that device has no invitation for you, and is in no party that you are in")]
    NothingForYou,
    /// The host may not admit, or not this guest.
    #[error("that device may not let you in: {0}")]
    NotAllowed(String),
    /// A certificate doesn't hold.
    #[error("a certificate of the newcomer does not hold")]
    BadCertificate,
    /// The bytes are no greeting.
    #[error("a greeting is malformed: {0}")]
    Malformed(String),
    /// The greeting is none that can come now.
    #[error("a greeting came out of turn: {0}")]
    OutOfTurn(String),
    /// The guest requests what was not offered.
    #[error("the newcomer asks for what was not offered to it")]
    NotOffered,
    /// The host's own trouble.
    #[error("that device has trouble of its own: {0}")]
    Failed(String),
}

/// What a guest may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OfferKind {
    /// A member of the party.
    Member,
    /// A device of a member who is in the party already.
    Device,
    /// A device of the host's owner, in the owner's identity party.
    OwnDevice,
}

/// What a host offers a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// What it may become.
    pub kind: OfferKind,
    /// In which party.
    pub party: PublicKey,
    /// Under which invitation, if one is needed.
    pub invitation: Option<InvitationId>,
    /// What it may do there.
    pub role: Role,
    /// What the party is called, as far as the host knows.
    pub party_name: String,
    /// The host's owner.
    pub host: PublicKey,
    /// What the owner is called.
    pub host_name: String,
}

/// What a guest says to take an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// As in the offer.
    pub kind: OfferKind,
    /// As in the offer.
    pub party: PublicKey,
    /// As in the offer.
    pub invitation: Option<InvitationId>,
    /// The guest's identity; of a new own device, the host's.
    pub identity: PublicKey,
    /// What the member, or the new own device, wants to be called.
    pub name: String,
    /// By the identity: that the device is its own. A new own device has none yet.
    pub certificate: Option<Signature>,
    /// The device's feeds in the party.
    pub papers: Papers,
}

/// What a host says when it has admitted the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The party.
    pub party: PublicKey,
    /// To a new own device: the identity's word that it is one.
    pub certificate: Option<Signature>,
    /// To an own device: what the owner is called; else empty.
    pub name: String,
    /// To an own device: the owner's recovery key.
    pub recovery: Option<PublicKey>,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// Guest: I have a code. The first half of the exchange.
    Knock {
        /// Which invitation.
        handle: Handle,
        /// The guest's half.
        message: Vec<u8>,
    },
    /// Guest: I have shown the code before, from this device.
    Resume {
        /// Which invitation.
        handle: Handle,
    },
    /// Guest: I am this identity's device.
    Claim {
        /// The identity.
        identity: PublicKey,
        /// By it, over the device on the other end of the channel.
        certificate: Signature,
    },
    /// Guest: I have the key.
    Confirm {
        /// Its word.
        confirmation: Vec<u8>,
    },
    /// Guest: I take an offer.
    Request(Box<Request>),
    /// Host: the other half of the exchange, and that it has the key.
    Answer {
        /// The host's half.
        message: Vec<u8>,
        /// Its word.
        confirmation: Vec<u8>,
        /// How many more answers there are.
        left: u32,
    },
    /// Host: what the guest may become.
    Offers(Vec<Offer>),
    /// Host: the guest is that now.
    Welcome(Welcome),
    /// Host: no. The end.
    No(Denial),
}

impl Greeting {
    /// The wire form.
    pub fn encode(&self) -> Vec<u8> {
        proto::Greeting { step: Some(self.to_wire()) }.encode_to_vec()
    }

    /// Reads the wire form. Nothing is checked but the form.
    ///
    /// # Errors
    /// [`Denial::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Denial> {
        let malformed = |what: &str| Denial::Malformed(what.to_owned());
        if bytes.len() > MAX_GREETING_BYTES {
            return Err(malformed("it is too long"));
        }
        let greeting =
            proto::Greeting::decode(bytes).map_err(|_| malformed("it is not the protocol buffer"))?;
        let later = "it is of a kind this program does not know: one of the two programs is older, update it";
        let step = greeting.step.ok_or_else(|| malformed(later))?;
        from_wire(step).map_err(|fault| match fault {
            Fault::Wrong(what) => malformed(what),
            Fault::Later => malformed(later),
        })
    }

    /// What it is, for messages about it.
    pub fn name(&self) -> &'static str {
        match self {
            Greeting::Knock { .. } => "a knock",
            Greeting::Resume { .. } => "a resumption",
            Greeting::Claim { .. } => "a claim",
            Greeting::Confirm { .. } => "a confirmation",
            Greeting::Request(_) => "a request",
            Greeting::Answer { .. } => "an answer",
            Greeting::Offers(_) => "offers",
            Greeting::Welcome(_) => "a welcome",
            Greeting::No(_) => "a refusal",
        }
    }

    fn to_wire(&self) -> Wire {
        match self {
            Greeting::Knock { handle, message } => Wire::Knock(proto::Knock {
                message: message.clone(),
                handle: Some(match handle {
                    Handle::Invitation(id) => proto::knock::Handle::Invitation(id.0.to_vec()),
                    Handle::Nameplate(number) => proto::knock::Handle::Nameplate(u32::from(*number)),
                }),
            }),
            Greeting::Resume { handle } => Wire::Resume(proto::Resume {
                handle: Some(match handle {
                    Handle::Invitation(id) => proto::resume::Handle::Invitation(id.0.to_vec()),
                    Handle::Nameplate(number) => proto::resume::Handle::Nameplate(u32::from(*number)),
                }),
            }),
            Greeting::Claim { identity, certificate } => Wire::Claim(proto::Claim {
                identity: identity.as_bytes().to_vec(),
                certificate: certificate.as_bytes().to_vec(),
            }),
            Greeting::Confirm { confirmation } => {
                Wire::Confirm(proto::Confirm { confirmation: confirmation.clone() })
            }
            Greeting::Request(request) => Wire::Request(request.to_wire()),
            Greeting::Answer { message, confirmation, left } => Wire::Answer(proto::Answer {
                message: message.clone(),
                confirmation: confirmation.clone(),
                left: *left,
            }),
            Greeting::Offers(offers) => {
                Wire::Offers(proto::Offers { offers: offers.iter().map(Offer::to_wire).collect() })
            }
            Greeting::Welcome(welcome) => Wire::Welcome(welcome.to_wire()),
            Greeting::No(denial) => Wire::No(denial.to_wire()),
        }
    }
}

impl Request {
    /// Whether it takes an offer.
    pub fn takes(&self, offer: &Offer) -> bool {
        (self.kind, self.party, self.invitation) == (offer.kind, offer.party, offer.invitation)
    }

    /// Checks that the papers are of the device on the other end of the channel, and all certificates.
    ///
    /// # Errors
    /// [`Denial::BadCertificate`].
    pub fn verify(&self, peer: &PublicKey) -> Result<(), Denial> {
        let bad = |_| Denial::BadCertificate;
        if self.papers.device != *peer {
            return Err(Denial::BadCertificate);
        }
        if let Some(certificate) = &self.certificate {
            verify_device(&self.identity, &self.papers.device, certificate).map_err(bad)?;
        }
        self.papers.verify(&self.party, &self.identity).map_err(bad)
    }

    fn to_wire(&self) -> proto::Request {
        proto::Request {
            kind: self.kind.to_wire(),
            party: self.party.as_bytes().to_vec(),
            invitation: invitation_bytes(self.invitation),
            identity: self.identity.as_bytes().to_vec(),
            name: self.name.clone(),
            certificate: self.certificate.map(|it| it.as_bytes().to_vec()).unwrap_or_default(),
            papers: Some(self.papers.to_wire()),
        }
    }
}

impl Offer {
    fn to_wire(&self) -> proto::Offer {
        proto::Offer {
            kind: self.kind.to_wire(),
            party: self.party.as_bytes().to_vec(),
            invitation: invitation_bytes(self.invitation),
            role: wire::to_wire_role(self.role),
            party_name: self.party_name.clone(),
            host: self.host.as_bytes().to_vec(),
            host_name: self.host_name.clone(),
        }
    }

    fn from_wire(wire: proto::Offer) -> Result<Self, Fault> {
        Ok(Offer {
            kind: kind(wire.kind)?,
            party: wire::key(&wire.party)?,
            invitation: invitation(&wire.invitation)?,
            role: wire::role(wire.role)?,
            party_name: wire::text(wire.party_name)?,
            host: wire::key(&wire.host)?,
            host_name: wire::text(wire.host_name)?,
        })
    }
}

impl Welcome {
    fn to_wire(&self) -> proto::Welcome {
        proto::Welcome {
            party: self.party.as_bytes().to_vec(),
            certificate: self.certificate.map(|it| it.as_bytes().to_vec()).unwrap_or_default(),
            name: self.name.clone(),
            recovery: self.recovery.map(|it| it.as_bytes().to_vec()).unwrap_or_default(),
        }
    }
}

impl OfferKind {
    fn to_wire(self) -> i32 {
        match self {
            OfferKind::Member => proto::Kind::Member.into(),
            OfferKind::Device => proto::Kind::Device.into(),
            OfferKind::OwnDevice => proto::Kind::OwnDevice.into(),
        }
    }
}

impl Denial {
    fn to_wire(&self) -> proto::No {
        let no = |reason: proto::Reason| proto::No { reason: reason.into(), ..proto::No::default() };
        let with = |reason, words: &str| proto::No { words: clipped(words), ..no(reason) };
        match self {
            Denial::Unknown => no(proto::Reason::Unknown),
            Denial::Expired => no(proto::Reason::Expired),
            Denial::Revoked => no(proto::Reason::Revoked),
            Denial::Used => no(proto::Reason::Used),
            Denial::WrongCode { left } => proto::No { left: *left, ..no(proto::Reason::WrongCode) },
            Denial::TooManyAttempts => no(proto::Reason::TooManyAttempts),
            Denial::NothingForYou => no(proto::Reason::NothingForYou),
            Denial::NotAllowed(words) => with(proto::Reason::NotAllowed, words),
            Denial::BadCertificate => no(proto::Reason::BadCertificate),
            Denial::Malformed(words) => with(proto::Reason::Malformed, words),
            Denial::OutOfTurn(words) => with(proto::Reason::OutOfTurn, words),
            Denial::NotOffered => no(proto::Reason::NotOffered),
            Denial::Failed(words) => with(proto::Reason::Failed, words),
        }
    }

    fn from_wire(wire: proto::No) -> Self {
        let words = clipped(&wire.words);
        match proto::Reason::try_from(wire.reason).unwrap_or_default() {
            proto::Reason::Unknown => Denial::Unknown,
            proto::Reason::Expired => Denial::Expired,
            proto::Reason::Revoked => Denial::Revoked,
            proto::Reason::Used => Denial::Used,
            proto::Reason::WrongCode => Denial::WrongCode { left: wire.left },
            proto::Reason::TooManyAttempts => Denial::TooManyAttempts,
            proto::Reason::NothingForYou => Denial::NothingForYou,
            proto::Reason::NotAllowed => Denial::NotAllowed(words),
            proto::Reason::BadCertificate => Denial::BadCertificate,
            proto::Reason::Malformed => Denial::Malformed(words),
            proto::Reason::OutOfTurn => Denial::OutOfTurn(words),
            proto::Reason::NotOffered => Denial::NotOffered,
            proto::Reason::Failed | proto::Reason::Unspecified => Denial::Failed(words),
        }
    }
}

fn from_wire(step: Wire) -> Result<Greeting, Fault> {
    Ok(match step {
        Wire::Knock(knock) => Greeting::Knock {
            handle: match knock.handle.ok_or(Fault::Wrong("it names no invitation"))? {
                proto::knock::Handle::Invitation(id) => Handle::Invitation(wire::invitation(&id)?),
                proto::knock::Handle::Nameplate(number) => nameplate(number)?,
            },
            message: knock.message,
        },
        Wire::Resume(resume) => Greeting::Resume {
            handle: match resume.handle.ok_or(Fault::Wrong("it names no invitation"))? {
                proto::resume::Handle::Invitation(id) => Handle::Invitation(wire::invitation(&id)?),
                proto::resume::Handle::Nameplate(number) => nameplate(number)?,
            },
        },
        Wire::Claim(claim) => Greeting::Claim {
            identity: wire::key(&claim.identity)?,
            certificate: wire::signature(&claim.certificate)?,
        },
        Wire::Confirm(confirm) => Greeting::Confirm { confirmation: confirm.confirmation },
        Wire::Request(request) => Greeting::Request(Box::new(Request {
            kind: kind(request.kind)?,
            party: wire::key(&request.party)?,
            invitation: invitation(&request.invitation)?,
            identity: wire::key(&request.identity)?,
            name: wire::text(request.name)?,
            certificate: optional(&request.certificate, wire::signature)?,
            papers: Papers::from_wire(&request.papers.ok_or(Fault::Wrong("it has no papers"))?)?,
        })),
        Wire::Answer(answer) => {
            Greeting::Answer { message: answer.message, confirmation: answer.confirmation, left: answer.left }
        }
        Wire::Offers(offers) if offers.offers.len() > MAX_OFFERS => {
            return Err(Fault::Wrong("it makes more than 64 offers"));
        }
        Wire::Offers(offers) => {
            Greeting::Offers(offers.offers.into_iter().map(Offer::from_wire).collect::<Result<_, _>>()?)
        }
        Wire::Welcome(welcome) => Greeting::Welcome(Welcome {
            party: wire::key(&welcome.party)?,
            certificate: optional(&welcome.certificate, wire::signature)?,
            name: wire::text(welcome.name)?,
            recovery: optional(&welcome.recovery, wire::key)?,
        }),
        Wire::No(no) => Greeting::No(Denial::from_wire(no)),
    })
}

fn nameplate(number: u32) -> Result<Handle, Fault> {
    u16::try_from(number).map(Handle::Nameplate).map_err(|_| Fault::Wrong("its nameplate is over 65,535"))
}

fn kind(number: i32) -> Result<OfferKind, Fault> {
    match proto::Kind::try_from(number) {
        Ok(proto::Kind::Member) => Ok(OfferKind::Member),
        Ok(proto::Kind::Device) => Ok(OfferKind::Device),
        Ok(proto::Kind::OwnDevice) => Ok(OfferKind::OwnDevice),
        Ok(proto::Kind::Unspecified) => Err(Fault::Wrong("its kind is missing")),
        Err(_) => Err(Fault::Later),
    }
}

fn optional<T>(bytes: &[u8], read: impl FnOnce(&[u8]) -> Result<T, Fault>) -> Result<Option<T>, Fault> {
    if bytes.is_empty() { Ok(None) } else { read(bytes).map(Some) }
}

fn invitation(bytes: &[u8]) -> Result<Option<InvitationId>, Fault> {
    optional(bytes, wire::invitation)
}

fn invitation_bytes(id: Option<InvitationId>) -> Vec<u8> {
    id.map(|id| id.0.to_vec()).unwrap_or_default()
}

fn clipped(words: &str) -> String {
    words
        .chars()
        .scan(0, |bytes, c| {
            *bytes += c.len_utf8();
            (*bytes <= MAX_WORDS_BYTES).then_some(c)
        })
        .collect()
}

/// The connection a greeting is made over, as both ends know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The guest's device.
    pub guest: PublicKey,
    /// The host's device.
    pub host: PublicKey,
    /// What names this one encrypted channel.
    pub binding: [u8; 32],
}

/// Everything that is to be beyond doubt: bytes that both sides confirm.
fn transcript(channel: &Channel, handle: Handle, guest: &[u8], host: &[u8]) -> Vec<u8> {
    let handle = match handle {
        Handle::Invitation(id) => [&[1], id.0.as_slice()].concat(),
        Handle::Nameplate(number) => [&[2], number.to_le_bytes().as_slice()].concat(),
    };
    let fields: [&[u8]; 6] =
        [channel.guest.as_bytes(), channel.host.as_bytes(), &channel.binding, &handle, guest, host];
    let framed = |field: &&[u8]| [(field.len() as u64).to_le_bytes().as_slice(), field].concat();
    fields.iter().flat_map(framed).collect()
}

/// A guest that has knocked.
pub struct Knocking {
    exchange: Exchange,
    handle: Handle,
    message: Vec<u8>,
}

impl Knocking {
    /// Knocks with a code. The entropy must be fresh.
    pub fn begin(code: &InvitationCode, entropy: [u8; 32]) -> (Self, Greeting) {
        let (exchange, message) = Exchange::begin(Side::Guest, &code.password(), entropy);
        let handle = code.handle();
        let knock = Greeting::Knock { handle, message: message.clone() };
        (Knocking { exchange, handle, message }, knock)
    }

    /// Takes the host's answer, and confirms. Nothing is confirmed to a host that does not have the code.
    ///
    /// # Errors
    /// [`Denial::WrongCode`].
    pub fn confirm(
        self,
        channel: &Channel,
        message: &[u8],
        confirmation: &[u8],
        left: u32,
    ) -> Result<Greeting, Denial> {
        let key = self.exchange.finish(message).map_err(|PakeError| Denial::WrongCode { left })?;
        let transcript = transcript(channel, self.handle, &self.message, message);
        if !key.is_confirmed(Side::Host, &[&transcript], confirmation) {
            return Err(Denial::WrongCode { left });
        }
        Ok(Greeting::Confirm { confirmation: key.confirm(Side::Guest, &[&transcript]).0.to_vec() })
    }
}

/// A host that has answered a knock.
pub struct Answering {
    key: SharedKey,
    transcript: Vec<u8>,
}

impl Answering {
    /// Answers a knock: that is one guess, and is to be counted before the answer leaves. The entropy must be fresh.
    ///
    /// # Errors
    /// [`Denial::Malformed`] if the guest's half is none.
    pub fn begin(
        channel: &Channel,
        handle: Handle,
        password: &[u8],
        message: &[u8],
        left: u32,
        entropy: [u8; 32],
    ) -> Result<(Self, Greeting), Denial> {
        let (exchange, own) = Exchange::begin(Side::Host, password, entropy);
        let key = exchange.finish(message).map_err(|error| Denial::Malformed(error.to_string()))?;
        let transcript = transcript(channel, handle, message, &own);
        let confirmation = key.confirm(Side::Host, &[&transcript]).0.to_vec();
        Ok((Answering { key, transcript }, Greeting::Answer { message: own, confirmation, left }))
    }

    /// Whether the guest has the code.
    pub fn is_confirmed(&self, confirmation: &[u8]) -> bool {
        self.key.is_confirmed(Side::Guest, &[&self.transcript], confirmation)
    }
}
