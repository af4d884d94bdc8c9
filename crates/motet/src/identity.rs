//! Whose database this is, and who can speak for the identity.
//!
//! An identity is a key that follows from the recovery phrase. Its secret is needed for one thing: to certify a device,
//! once and for every party. So the phrase is kept, under seal, by the devices where it was drawn or typed in, the
//! *holders*; a device that was linked by a code has its certificate and no more. A holder links other devices; a thief
//! who gets a device that is none can't make another one of the identity's.
//!
//! The identity's key is also the key of its *identity party* (see [`crate::identity_party`]). A database that is
//! recovered from the phrase founds that party once more, and the two become one when their devices meet.

use motet_fact::{Phrase, PublicKey, Purpose, SecretKey, Signature};
use motet_store::{Batch, KeyStore};
use prost::Message as _;

use crate::proto;
use crate::tables::{PROFILE, SELF_ROW};
use crate::{Database, Error, Party};

/// Whose database this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The name its owner goes by.
    pub name: String,
    /// The owner's identity.
    pub identity: PublicKey,
    /// This device.
    pub device: PublicKey,
    /// The identity's word that the device is its own.
    pub certificate: Signature,
    /// The key that brings the owner back into a party without admins (H11).
    pub recovery: PublicKey,
}

/// Under which label the phrase is sealed.
const PHRASE: &str = "phrase";

impl Profile {
    pub(crate) fn to_row(&self) -> Vec<u8> {
        proto::Profile {
            name: self.name.clone(),
            identity: self.identity.as_bytes().to_vec(),
            device: self.device.as_bytes().to_vec(),
            certificate: self.certificate.as_bytes().to_vec(),
            recovery: self.recovery.as_bytes().to_vec(),
        }
        .encode_to_vec()
    }

    pub(crate) fn from_row(row: &[u8]) -> Result<Self, Error> {
        let unreadable = |error: &dyn std::fmt::Display| Error::unreadable("the profile", error);
        let row = proto::Profile::decode(row).map_err(|error| unreadable(&error))?;
        let key = |bytes: &[u8]| PublicKey::from_bytes(bytes).map_err(|error| unreadable(&error));
        Ok(Profile {
            identity: key(&row.identity)?,
            device: key(&row.device)?,
            certificate: Signature::from_bytes(&row.certificate).map_err(|error| unreadable(&error))?,
            recovery: key(&row.recovery)?,
            name: row.name,
        })
    }
}

/// Puts a phrase under seal, to be committed with the batch.
pub(crate) fn keep_phrase(
    keys: &KeyStore,
    batch: &mut Batch,
    phrase: &Phrase,
    entropy: &mut motet_store::keys::Entropy<'_>,
) {
    keys.seal_into(batch, PHRASE, phrase.entropy(), entropy);
}

impl Database {
    /// The recovery phrase, if this device holds it.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn phrase(&self) -> Result<Option<Phrase>, Error> {
        let Some(entropy) = self.inner.keys.get(self.store(), PHRASE)? else { return Ok(None) };
        let entropy = <[u8; 32]>::try_from(entropy.as_slice())
            .map_err(|_| Error::unreadable("the recovery phrase", "it is not 32 bytes"))?;
        Ok(Some(Phrase::from_entropy(entropy)))
    }

    /// Makes this device a holder of the phrase.
    ///
    /// # Errors
    /// [`Error::OtherIdentity`] if the phrase is of another identity.
    pub fn hold_phrase(&self, phrase: &Phrase) -> Result<(), Error> {
        let (own, theirs) = (self.profile().identity, phrase.key(Purpose::Identity).public());
        if own != theirs {
            return Err(Error::OtherIdentity { own, theirs });
        }
        let mut batch = Batch::new();
        keep_phrase(&self.inner.keys, &mut batch, phrase, &mut |buffer| self.world().fill(buffer));
        Ok(self.store().commit(batch)?)
    }

    /// Takes the phrase off this device: from then on it is on other holders, and on paper.
    ///
    /// # Errors
    /// [`Error::NotHolder`].
    pub fn forget_phrase(&self) -> Result<(), Error> {
        self.phrase()?.ok_or(Error::NotHolder)?;
        let mut batch = Batch::new();
        KeyStore::forget_into(&mut batch, PHRASE);
        Ok(self.store().commit(batch)?)
    }

    /// The identity's secret.
    pub(crate) fn identity_secret(&self) -> Result<SecretKey, Error> {
        Ok(self.phrase()?.ok_or(Error::NotHolder)?.key(Purpose::Identity))
    }

    /// Takes on the name that the owner's other devices know; seen when the database is opened again.
    pub(crate) fn take_name(&self, name: &str) -> Result<(), Error> {
        let mut batch = Batch::new();
        batch.put(PROFILE, SELF_ROW, Profile { name: name.to_owned(), ..self.profile().clone() }.to_row());
        Ok(self.store().commit(batch)?)
    }

    /// The party of the owner's devices. See [`crate::identity_party`].
    pub fn identity_party(&self) -> Party {
        let identity = self.profile().identity;
        self.open_state(&identity)
            .map(|state| Party::new(self.clone(), identity, state))
            .expect("the identity party is open as long as the database is")
    }
}
