//! The side of a greeting that is let in.
//!
//! A [`Guest`] is the newcomer's end of one connection with a device that may admit it: greetings in, greetings out, no
//! socket. There are two kinds. One is a database that joins parties, by a code or by its identity alone. The other, a
//! [`crate::Linking`], is no database yet: it becomes one when it is admitted as a device of an identity.
//!
//! What a guest has shown and made is stored before it is said, so that one whose connection broke, or that was killed,
//! goes on when it is started again with the same code: the same device, the same feeds, and no further guess.

use motet_fact::{Digest, PublicKey};
use motet_party::greeting::{Channel, Knocking, OfferKind};
use motet_party::{Denial, Greeting, InvitationCode, Offer, Request, Welcome};
use motet_store::Batch;
use prost::Message as _;

use crate::database::put_record;
use crate::proto;
use crate::tables::JOINING;
use crate::write::record_of;
use crate::{Database, Doorkeeper, Error, Party};

/// What a guest does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// It says this.
    Say(Vec<u8>),
    /// It is to call again, on another channel: what it began is not known any more on the other side.
    CallAgain,
    /// It has what it came for.
    Done,
}

/// What a guest asks of whoever sends it.
pub(crate) trait Sender {
    /// Entropy for a key exchange.
    fn entropy(&self) -> [u8; 32];

    /// The device's key.
    fn device(&self) -> PublicKey;

    /// Whether this device has shown a code to a host before; a hash names the code.
    fn has_shown(&self, code: &Digest, host: &PublicKey) -> Result<bool, Error>;

    /// Notes that it shows a code, or that this is not known any more on the other side.
    fn note_shown(&self, code: &Digest, host: Option<&PublicKey>) -> Result<(), Error>;

    /// Makes a request of an offer, or passes it over.
    fn take(&mut self, offer: &Offer) -> Result<Option<Request>, Error>;

    /// It was let in.
    fn enter(&mut self, offer: &Offer, welcome: &Welcome) -> Result<(), Error>;
}

/// The newcomer's end of one connection.
pub struct Guest<'a> {
    sender: Box<dyn Sender + 'a>,
    way: Way,
    stage: Stage,
    channel: Option<Channel>,
}

/// How a guest says who it is.
#[derive(Clone, Debug)]
enum Way {
    Code(InvitationCode),
    Claim(Greeting),
}

enum Stage {
    New,
    Knocked(Knocking),
    Confirmed,
    Resumed,
    Claimed,
    /// The offer under way, and those after it.
    Requested(Offer, Vec<Offer>),
    Over,
}

impl<'a> Guest<'a> {
    pub(crate) fn with_code(sender: impl Sender + 'a, code: &InvitationCode) -> Self {
        let way = Way::Code(code.clone());
        Guest { sender: Box::new(sender), way, stage: Stage::New, channel: None }
    }

    fn with_claim(sender: impl Sender + 'a, claim: Greeting) -> Self {
        Guest { sender: Box::new(sender), way: Way::Claim(claim), stage: Stage::New, channel: None }
    }

    /// Begins on a channel: gives the first words to a host.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn begin(&mut self, host: PublicKey, binding: [u8; 32]) -> Result<Vec<u8>, Error> {
        let channel = Channel { guest: self.sender.device(), host, binding };
        self.channel = Some(channel);
        let (stage, greeting) = match &self.way {
            Way::Claim(claim) => (Stage::Claimed, claim.clone()),
            Way::Code(code) if self.sender.has_shown(&hash_of(code), &host)? => {
                (Stage::Resumed, Greeting::Resume { handle: code.handle() })
            }
            Way::Code(code) => {
                let (knocking, knock) = Knocking::begin(code, self.sender.entropy());
                (Stage::Knocked(knocking), knock)
            }
        };
        self.stage = stage;
        Ok(greeting.encode())
    }

    /// Takes a host's greeting.
    ///
    /// # Errors
    /// [`Error::Denied`]: the host said no, or what it said is worth a no; [`Error::Invitation`] if what it offers is
    /// not what this guest can take; [`Error::Store`].
    pub fn hear(&mut self, greeting: &[u8]) -> Result<Next, Error> {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        match (stage, Greeting::decode(greeting)?) {
            (Stage::Resumed, Greeting::No(Denial::Unknown)) => self.call_again(),
            (_, Greeting::No(denial)) => Err(denial.into()),
            (Stage::Knocked(knocking), Greeting::Answer { message, confirmation, left }) => {
                self.confirm(knocking, &message, &confirmation, left)
            }
            (Stage::Confirmed | Stage::Resumed | Stage::Claimed, Greeting::Offers(offers)) => {
                self.consider(offers)
            }
            (Stage::Requested(offer, others), Greeting::Welcome(welcome)) => {
                if welcome.party != offer.party {
                    return Err(Denial::OutOfTurn("a welcome to another party".to_owned()).into());
                }
                self.sender.enter(&offer, &welcome)?;
                self.request(others)
            }
            (_, greeting) => Err(Denial::OutOfTurn(greeting.name().to_owned()).into()),
        }
    }

    /// What it waits for, in words.
    pub fn awaits(&self) -> &'static str {
        match self.stage {
            Stage::New | Stage::Over => "nothing",
            Stage::Knocked(_) => "an answer to the code",
            Stage::Confirmed | Stage::Resumed | Stage::Claimed => "what it may become",
            Stage::Requested(..) => "to be let in",
        }
    }

    /// Goes through a greeting with a database of the same process.
    ///
    /// # Errors
    /// As [`Guest::hear`].
    pub fn meet(mut self, host: &Database) -> Result<(), Error> {
        loop {
            let binding = host.world().bytes();
            let mut doorkeeper = host.receive(self.sender.device(), binding);
            let first = self.begin(host.profile().device, binding)?;
            if self.talk(&mut doorkeeper, first)? {
                return Ok(());
            }
        }
    }

    fn talk(&mut self, doorkeeper: &mut Doorkeeper, first: Vec<u8>) -> Result<bool, Error> {
        let mut said = first;
        loop {
            match self.hear(&doorkeeper.hear(&said))? {
                Next::Say(next) => said = next,
                Next::CallAgain => return Ok(false),
                Next::Done => return Ok(true),
            }
        }
    }

    fn confirm(
        &mut self,
        knocking: Knocking,
        message: &[u8],
        confirmation: &[u8],
        left: u32,
    ) -> Result<Next, Error> {
        let channel = self.channel.expect("it has begun");
        let confirm = knocking.confirm(&channel, message, confirmation, left)?;
        if let Way::Code(code) = &self.way {
            self.sender.note_shown(&hash_of(code), Some(&channel.host))?;
        }
        self.stage = Stage::Confirmed;
        Ok(Next::Say(confirm.encode()))
    }

    fn call_again(&mut self) -> Result<Next, Error> {
        if let Way::Code(code) = &self.way {
            self.sender.note_shown(&hash_of(code), None)?;
        }
        self.stage = Stage::New;
        Ok(Next::CallAgain)
    }

    fn consider(&mut self, offers: Vec<Offer>) -> Result<Next, Error> {
        if offers.is_empty() {
            return Err(Denial::NothingForYou.into());
        }
        self.request(offers)
    }

    /// Requests the next offer that can be taken.
    fn request(&mut self, offers: Vec<Offer>) -> Result<Next, Error> {
        let mut offers = offers.into_iter();
        while let Some(offer) = offers.next() {
            if let Some(request) = self.sender.take(&offer)? {
                self.stage = Stage::Requested(offer, offers.collect());
                return Ok(Next::Say(Greeting::Request(Box::new(request)).encode()));
            }
        }
        Ok(Next::Done)
    }
}

/// A name for a code that is not the code. Whoever reads the database could try out the words of one that is not used
/// yet; but who reads the database of somebody who is in the midst of joining has more than that.
fn hash_of(code: &InvitationCode) -> Digest {
    Digest::derive("motet shown code v1", &[code.to_string().as_bytes()])
}

impl Database {
    /// Joins by a code. See [`Guest`].
    pub fn join(&self, code: &InvitationCode) -> Guest<'static> {
        Guest::with_code(Joining { database: self.clone() }, code)
    }

    /// Comes to a device that may have a personal invitation for this identity, or that is in a party with it, or that
    /// is another device of the same owner. See [`Guest`].
    pub fn claim(&self) -> Guest<'static> {
        let profile = self.profile();
        let claim = Greeting::Claim { identity: profile.identity, certificate: profile.certificate };
        Guest::with_claim(Joining { database: self.clone() }, claim)
    }

    /// Keeps a replica of a party without being in it: it holds what it is given, and writes nothing.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn follow(&self, party: &PublicKey) -> Result<Party, Error> {
        self.prepare(party)
    }

    /// The party as it is here, or an empty replica of it, with feeds for this device.
    fn prepare(&self, key: &PublicKey) -> Result<Party, Error> {
        match self.party(key) {
            Err(Error::NoSuchParty(_)) => {}
            known => return known,
        }
        let mut batch = Batch::new();
        let (control, data) = (self.new_key(&mut batch), self.new_key(&mut batch));
        let record = record_of(key, &control, &data);
        put_record(&mut batch, &record);
        self.store().commit(batch)?;
        self.adopt(record)
    }
}

/// A database that joins.
struct Joining {
    database: Database,
}

impl Sender for Joining {
    fn entropy(&self) -> [u8; 32] {
        self.database.world().bytes()
    }

    fn device(&self) -> PublicKey {
        self.database.profile().device
    }

    fn has_shown(&self, code: &Digest, host: &PublicKey) -> Result<bool, Error> {
        let row = self.database.store().get(JOINING, &code.0)?;
        let row = row.and_then(|row| proto::Joining::decode(row.as_slice()).ok());
        Ok(row.is_some_and(|row| row.host == host.as_bytes()))
    }

    fn note_shown(&self, code: &Digest, host: Option<&PublicKey>) -> Result<(), Error> {
        let mut batch = Batch::new();
        match host {
            Some(host) => {
                let row = proto::Joining { host: host.as_bytes().to_vec() };
                batch.put(JOINING, code.0.as_slice(), row.encode_to_vec());
            }
            None => batch.delete(JOINING, code.0.as_slice()),
        }
        Ok(self.database.store().commit(batch)?)
    }

    fn take(&mut self, offer: &Offer) -> Result<Option<Request>, Error> {
        let (database, home) = (&self.database, self.database.profile().identity);
        if offer.kind == OfferKind::OwnDevice {
            if offer.party != home {
                let what = "that code links a device: `motet init --link CODE` makes a new database of it";
                return Err(Error::Invitation(what.to_owned()));
            }
            return database.identity_party().own_request(offer.kind, offer.invitation).map(Some);
        }
        if offer.party == home {
            return Err(Denial::OutOfTurn("an offer of this identity's own party".to_owned()).into());
        }
        database.want_party(&offer.party)?;
        let party = database.prepare(&offer.party)?;
        if party.own_role().is_some() {
            return match offer.invitation {
                Some(_) => Err(Error::Invitation(format!("this device is in party {} already", offer.party))),
                None => Ok(None),
            };
        }
        party.own_request(offer.kind, offer.invitation).map(Some)
    }

    fn enter(&mut self, offer: &Offer, welcome: &Welcome) -> Result<(), Error> {
        let database = &self.database;
        if offer.kind == OfferKind::OwnDevice {
            if !welcome.name.is_empty() && welcome.name != database.profile().name {
                database.take_name(&welcome.name)?;
            }
            return Ok(());
        }
        // The owner's other devices hear of it from the identity party, as soon as the admission has arrived.
        database.do_chores();
        Ok(())
    }
}
