//! Invitations, joining, and the enrolment of authors.
//!
//! An invitation is a secret that one device gave out, with an end in time, to be used once. Only the device that
//! issued it redeems it (H12): it alone knows whether the code was used, and its clock decides before it signs; what
//! it then writes is judged by everybody without a clock. The row that says «used» is committed together with the
//! admission, so a crash in between uses the invitation neither twice nor for nothing.
//!
//! An import writes on behalf of people who are not here. Each of them is *enrolled*: a member of its own, with an
//! identity, a device and feeds whose keys this database keeps under seal.

use motet_fact::{PublicKey, SecretKey};
use motet_feed::EntryKind;
use motet_party::{
    Credential, CredentialId, InvitationCode, InvitationId, Newcomer, Redemption, RedemptionError, Role,
    certify_device, certify_feed,
};
use motet_store::Batch;
use prost::Message as _;

use crate::database::put_record;
use crate::proto::{IssuedInvitation, PartyRecord};
use crate::tables::{AUTHORS, INVITATIONS, under_party};
use crate::{Database, Error, Party};

/// How many authors one control entry admits at most: about 150 KiB of credentials.
const AUTHORS_PER_ENTRY: usize = 200;

/// A joining that is under way: the keys are made and stored, the issuer has yet to admit them.
pub struct Joining {
    database: Database,
    code: InvitationCode,
    record: PartyRecord,
}

/// An author that an import enrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Author {
    /// The author's data feed.
    pub feed: PublicKey,
}

impl Party {
    /// Invites one person: gives the code to pass on. `expires` is in seconds since 1970; `addresses` say where this
    /// device can be reached.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] unless this device is an admin's.
    pub fn invite(&self, role: Role, expires: i64, addresses: Vec<String>) -> Result<InvitationCode, Error> {
        let world = self.database().world();
        let (id, secret) = (InvitationId(world.bytes()), world.bytes());
        let mut batch = Batch::new();
        let row = IssuedInvitation { expires, role: role as u32, used: false };
        batch.put(INVITATIONS, under_party(&self.key(), &id.0), row.encode_to_vec());
        self.database().keep_secret(&mut batch, &invitation_label(&id), &secret);
        let credential = Credential::Invitation { id, role, expires };
        self.write_control(&self.control_secret()?, vec![credential], batch)?;
        let issuer_device = self.database().profile().device;
        Ok(InvitationCode { party: self.key(), invitation: id, secret, issuer_device, addresses })
    }

    /// Enrols authors by name, and gives their feeds in the same order. Who is enrolled already keeps its feed.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] unless this device is an admin's.
    pub fn enrol(&self, names: &[String]) -> Result<Vec<Author>, Error> {
        let unknown: Vec<&String> = names
            .iter()
            .filter(|name| matches!(self.author(name), Ok(None)))
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect();
        for names in unknown.chunks(AUTHORS_PER_ENTRY) {
            let mut batch = Batch::new();
            let mut credentials: Vec<Credential> = Vec::new();
            for name in names {
                credentials.extend(self.new_author(name, credentials.len(), &mut batch));
            }
            self.write_control(&self.control_secret()?, credentials, batch)?;
        }
        let enrolled = |name: &String| Ok(self.author(name)?.expect("every name was enrolled"));
        names.iter().map(enrolled).collect()
    }

    /// The enrolled author of a name.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn author(&self, name: &str) -> Result<Option<Author>, Error> {
        let row = self.database().store().get(AUTHORS, &under_party(&self.key(), name.as_bytes()))?;
        let Some(row) = row else { return Ok(None) };
        let feed =
            PublicKey::from_bytes(&row).map_err(|error| Error::unreadable("an author's feed", error))?;
        Ok(Some(Author { feed }))
    }

    /// The invitation of an id that this device issued: others may have used the id, which is no secret.
    fn own_invitation(&self, id: &InvitationId) -> Option<motet_party::Invitation> {
        let device = self.database().profile().device;
        self.with(|state| {
            let own =
                |it: &motet_party::Invitation| state.authority.device_of_feed(&it.issuer) == Some(device);
            state.authority.invitations_of(id).into_iter().find(own)
        })
    }

    /// The credentials of a new author, to stand in a body after so many others.
    fn new_author(&self, name: &str, after: usize, batch: &mut Batch) -> Vec<Credential> {
        let database = self.database();
        let identity = database.new_key(batch);
        let (device, control, data) =
            (database.new_key(batch), database.new_key(batch), database.new_key(batch));
        batch.put(AUTHORS, under_party(&self.key(), name.as_bytes()), data.public().as_bytes().as_slice());
        let member = identity.public();
        let here = |number: usize| CredentialId::here((after + number) as u32);
        let feed = |feed: &SecretKey, kind| Credential::Feed {
            under: here(1),
            member,
            device: device.public(),
            feed: feed.public(),
            kind,
            certificate: certify_feed(feed, &device, &self.key(), &member, kind),
        };
        let name = clipped(name, motet_party::MAX_NAME_BYTES).to_owned();
        vec![
            Credential::Member { member, role: Role::Writer, name, invitation: None },
            Credential::Device {
                under: here(0),
                member,
                device: device.public(),
                certificate: certify_device(&identity, &device.public()),
            },
            feed(&control, EntryKind::Control),
            feed(&data, EntryKind::Data),
        ]
    }

    /// Hands the secret of one of our feeds to another database of the same owner, which then writes to it in our
    /// stead. Two that write to one feed fork it.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] if the key is not here.
    pub fn hand_over_feed(&self, feed: &PublicKey, to: &Database) -> Result<(), Error> {
        let secret = self.database().secret(feed)?.ok_or_else(|| Error::NotAllowed {
            party: self.key(),
            why: format!("this database does not have the key of feed {feed}"),
        })?;
        let mut batch = Batch::new();
        to.keep_key(&mut batch, &secret);
        Ok(to.store().commit(batch)?)
    }
}

impl Database {
    /// Prepares to join by a code: makes this device's feeds for the party. To be sent to the issuer with
    /// [`Joining::request`].
    ///
    /// # Errors
    /// [`Error::Invitation`] if the party is here already.
    pub fn begin_join(&self, code: &InvitationCode) -> Result<Joining, Error> {
        if let Ok(party) = self.party(&code.party)
            && party.own_role().is_some()
        {
            return Err(Error::Invitation(format!("this device is in party {} already", code.party)));
        }
        let mut batch = Batch::new();
        let (control, data) = (self.new_key(&mut batch), self.new_key(&mut batch));
        self.store().commit(batch)?;
        let record = PartyRecord {
            party: code.party.as_bytes().to_vec(),
            control_feed: control.public().as_bytes().to_vec(),
            data_feed: data.public().as_bytes().to_vec(),
            ..PartyRecord::default()
        };
        Ok(Joining { database: self.clone(), code: code.clone(), record })
    }

    /// Answers a newcomer's request: checks it, and admits the newcomer. `channel_binding` ties the request to the
    /// connection it came over.
    ///
    /// # Errors
    /// [`Error::Invitation`] with the reason; [`Error::NotAllowed`] if this device is no admin's any more.
    pub fn redeem(&self, request: &[u8], channel_binding: &[u8]) -> Result<(), Error> {
        let refused = |error: RedemptionError| Error::Invitation(error.to_string());
        let redemption = Redemption::decode(request).map_err(refused)?;
        let party = self.party(&redemption.party).map_err(|_| refused(RedemptionError::UnknownInvitation))?;
        let key = under_party(&redemption.party, &redemption.invitation.0);
        let row = self.store().get(INVITATIONS, &key)?;
        let row = row.ok_or_else(|| refused(RedemptionError::UnknownInvitation))?;
        let mut issued = IssuedInvitation::decode(row.as_slice())
            .map_err(|error| Error::unreadable("an issued invitation", error))?;
        let secret = self.inner.keys.get(self.store(), &invitation_label(&redemption.invitation))?;
        let secret = secret.and_then(|secret| <[u8; 16]>::try_from(secret.as_slice()).ok());
        let secret = secret.ok_or_else(|| Error::unreadable("an invitation's secret", "it is missing"))?;
        redemption.check(&secret, channel_binding).map_err(refused)?;
        if issued.used {
            // The same newcomer again: its answer was lost on the way.
            let admitted = party.devices().contains_key(&redemption.device);
            return if admitted { Ok(()) } else { Err(refused(RedemptionError::Used)) };
        }
        if self.world().now() > issued.expires {
            return Err(refused(RedemptionError::Expired));
        }
        let invitation = party.own_invitation(&redemption.invitation);
        let invitation = invitation.ok_or_else(|| refused(RedemptionError::UnknownInvitation))?;
        if invitation.revoked.is_some() {
            return Err(refused(RedemptionError::Revoked));
        }
        issued.used = true;
        let mut batch = Batch::new();
        batch.put(INVITATIONS, key, issued.encode_to_vec());
        let role = [Role::Reader, Role::Writer, Role::Admin][(issued.role as usize).min(2)];
        let credentials = redemption.credentials(role, invitation.id);
        party.write_control(&party.control_secret()?, credentials, batch)?;
        Ok(())
    }

    /// Makes this device a writer of a party whose admission of it was written elsewhere, with feeds whose keys are
    /// here.
    pub(crate) fn enter(&self, record: PartyRecord) -> Result<Party, Error> {
        let mut batch = Batch::new();
        put_record(&mut batch, &record);
        self.store().commit(batch)?;
        let party = self.adopt(record.clone())?;
        party.with(|state| state.record = record);
        Ok(party)
    }
}

impl Joining {
    /// The request to send over a channel with this binding.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn request(&self, channel_binding: &[u8]) -> Result<Vec<u8>, Error> {
        let key = |bytes: &[u8]| {
            let key = PublicKey::from_bytes(bytes).expect("the record was made with keys");
            self.database.own_secret(&key)
        };
        let (control, data) = (key(&self.record.control_feed)?, key(&self.record.data_feed)?);
        let profile = self.database.profile();
        let identity = self.database.own_secret(&profile.identity)?;
        let newcomer = Newcomer {
            identity: &identity,
            name: clipped(&profile.name, motet_party::MAX_NAME_BYTES),
            device: self.database.device_key(),
            control_feed: &control,
            data_feed: &data,
        };
        Ok(Redemption::answer(&self.code, &newcomer, channel_binding).encode())
    }

    /// The code that is being redeemed.
    pub fn code(&self) -> &InvitationCode {
        &self.code
    }

    /// The issuer has admitted us: the party is here from now on, and fills by sync.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn finish(self) -> Result<Party, Error> {
        self.database.enter(self.record)
    }
}

fn invitation_label(id: &InvitationId) -> String {
    format!("invitation/{}", data_encoding::HEXLOWER.encode(&id.0))
}

/// The longest front of a text that has at most so many bytes.
fn clipped(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
