//! The enrolment of authors.
//!
//! An import writes on behalf of people who are not here. Each of them is *enrolled*: a member of its own, with an
//! identity, a device and feeds whose keys this database keeps under seal.

use motet_fact::{PublicKey, SecretKey};
use motet_feed::EntryKind;
use motet_party::{Credential, CredentialId, Role, certify_device, certify_feed};
use motet_store::Batch;

use crate::tables::{AUTHORS, under_party};
use crate::write::clipped;
use crate::{Database, Error, Party};

/// How many authors one control entry admits at most: about 150 KiB of credentials.
const AUTHORS_PER_ENTRY: usize = 200;

/// An author that an import enrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Author {
    /// The author's data feed.
    pub feed: PublicKey,
}

impl Party {
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

    /// The credentials of a new author, to stand in a body after so many others.
    fn new_author(&self, name: &str, after: usize, batch: &mut Batch) -> Vec<Credential> {
        let database = self.database();
        let identity = database.new_key(batch);
        let (device_key, control, data) =
            (database.new_key(batch), database.new_key(batch), database.new_key(batch));
        batch.put(AUTHORS, under_party(&self.key(), name.as_bytes()), data.public().as_bytes().as_slice());
        let (member, device) = (identity.public(), device_key.public());
        let here = |number: usize| CredentialId::here((after + number) as u32);
        let feed = |feed: &SecretKey, kind| Credential::Feed {
            under: here(1),
            member,
            device,
            feed: feed.public(),
            kind,
            certificate: certify_feed(feed, &device_key, &self.key(), &member, kind),
        };
        let name = clipped(name).to_owned();
        vec![
            Credential::Member { member, role: Role::Writer, name, invitation: None },
            Credential::Device {
                under: here(0),
                member,
                device,
                certificate: certify_device(&identity, &device),
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
