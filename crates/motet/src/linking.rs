//! A device that is being linked: not yet anybody's.
//!
//! A database begins with an identity, and a device that is linked by a code learns only on the way whose it is. Until
//! then there is a store with the device's key and its feeds in the identity party, and nothing else. The identity's
//! word that the device is its own comes with the welcome, and one commit makes a database of the store. A linking that
//! was cut short goes on from its store, with the same keys.

use std::path::Path;
use std::sync::Arc;

use motet_fact::seal::SealKey;
use motet_fact::{Digest, PublicKey, SecretKey};
use motet_party::greeting::OfferKind;
use motet_party::{Denial, InvitationCode, Offer, Papers, Request, Welcome, verify_device};
use motet_store::{Batch, KeyStore, Store};
use prost::Message as _;

use crate::database::{Ask, FILE_NAME, existing_store, new_store, own_secret, put_record, secret_label};
use crate::guest::{Guest, Sender};
use crate::identity::Profile;
use crate::proto;
use crate::tables::{LINKING_ROW, PROFILE, SELF_ROW};
use crate::world::SystemWorld;
use crate::write::record_of;
use crate::{Database, Error, Protection, World};

/// A device that is being linked.
pub struct Linking {
    store: Arc<dyn Store>,
    keys: KeyStore,
    world: Arc<dyn World>,
    device: SecretKey,
    control: SecretKey,
    data: SecretKey,
    name: String,
}

impl Linking {
    /// Begins in a directory, or goes on with what was begun there. `name` is what the device is to be called; `ask`
    /// asks for the passphrase if one protects what was begun.
    ///
    /// # Errors
    /// [`Error::DatabaseExists`] if there is a database already; [`Error::Store`].
    pub fn begin(
        directory: &Path,
        name: &str,
        protection: &Protection,
        ask: &mut Ask<'_>,
    ) -> Result<Self, Error> {
        let world: Arc<dyn World> = Arc::new(SystemWorld);
        if !directory.join(FILE_NAME).exists() {
            let (store, keys) = new_store(directory, protection, &*world)?;
            return Self::begin_with(store, keys, name, world);
        }
        let (store, keys) = existing_store(directory, ask)?;
        if store.get(PROFILE, SELF_ROW)?.is_some() {
            return Err(Error::DatabaseExists(directory.display().to_string()));
        }
        Self::begin_with(store, keys, name, world)
    }

    /// The same on a store of the caller's, who also keeps the key that seals its secrets.
    ///
    /// # Errors
    /// [`Error::DatabaseExists`]; [`Error::Store`].
    pub fn begin_on(
        store: Arc<dyn Store>,
        key: SealKey,
        name: &str,
        world: Arc<dyn World>,
    ) -> Result<Self, Error> {
        Self::begin_with(store, KeyStore::with_key(key), name, world)
    }

    fn begin_with(
        store: Arc<dyn Store>,
        keys: KeyStore,
        name: &str,
        world: Arc<dyn World>,
    ) -> Result<Self, Error> {
        if store.get(PROFILE, SELF_ROW)?.is_some() {
            return Err(Error::DatabaseExists("this store".to_owned()));
        }
        if store.get(PROFILE, LINKING_ROW)?.is_none() {
            let secrets = [(); 3].map(|()| SecretKey::from_bytes(world.bytes()));
            let mut batch = Batch::new();
            for secret in &secrets {
                let label = secret_label(&secret.public());
                keys.seal_into(&mut batch, &label, &secret.to_bytes(), &mut |buffer| world.fill(buffer));
            }
            let [device, control_feed, data_feed] = secrets.map(|secret| secret.public().as_bytes().to_vec());
            let row = proto::Linking { device, control_feed, data_feed, shown: Vec::new() };
            batch.put(PROFILE, LINKING_ROW, row.encode_to_vec());
            store.commit(batch)?;
        }
        let row = read_row(&*store)?;
        let secret = |key: &[u8]| {
            let key = PublicKey::from_bytes(key).map_err(|error| Error::unreadable("the linking", error))?;
            own_secret(&keys, &*store, &key)
        };
        let (device, control, data) =
            (secret(&row.device)?, secret(&row.control_feed)?, secret(&row.data_feed)?);
        Ok(Linking { store, keys, world, device, control, data, name: name.to_owned() })
    }

    /// The device's key, for transports that authenticate it.
    pub fn device_key(&self) -> &SecretKey {
        &self.device
    }

    /// Comes with a code that a holder of the identity gave out. See [`Guest`].
    pub fn join<'a>(&'a self, code: &InvitationCode) -> Guest<'a> {
        Guest::with_code(self, code)
    }

    /// The device is linked: the database, which fills by sync.
    ///
    /// # Errors
    /// [`Error::Invitation`] if the device was not admitted; [`Error::Store`].
    pub fn finish(self) -> Result<Database, Error> {
        if self.store.get(PROFILE, SELF_ROW)?.is_none() {
            return Err(Error::Invitation("this device was not linked".to_owned()));
        }
        Database::resume(self.store, self.keys, self.world)
    }

    /// Becomes a database: the profile and the identity party's record take the place of the linking.
    fn become_device(&self, identity: PublicKey, welcome: &Welcome) -> Result<(), Error> {
        let device = self.device.public();
        let (Some(certificate), Some(recovery)) = (welcome.certificate, welcome.recovery) else {
            return Err(Denial::Malformed("a welcome without certificate or recovery key".to_owned()).into());
        };
        verify_device(&identity, &device, &certificate).map_err(|_| Denial::BadCertificate)?;
        let profile = Profile { name: welcome.name.clone(), identity, device, certificate, recovery };
        let mut batch = Batch::new();
        batch.put(PROFILE, SELF_ROW, profile.to_row());
        put_record(&mut batch, &record_of(&identity, &self.control, &self.data));
        batch.delete(PROFILE, LINKING_ROW);
        Ok(self.store.commit(batch)?)
    }
}

fn read_row(store: &dyn Store) -> Result<proto::Linking, Error> {
    let row = store.get(PROFILE, LINKING_ROW)?;
    let row = row.ok_or_else(|| Error::unreadable("the linking", "it is missing"))?;
    proto::Linking::decode(row.as_slice()).map_err(|error| Error::unreadable("the linking", error))
}

impl Sender for &Linking {
    fn entropy(&self) -> [u8; 32] {
        self.world.bytes()
    }

    fn device(&self) -> PublicKey {
        self.device.public()
    }

    fn has_shown(&self, code: &Digest, host: &PublicKey) -> Result<bool, Error> {
        Ok(read_row(&*self.store)?.shown == shown(code, host))
    }

    fn note_shown(&self, code: &Digest, host: Option<&PublicKey>) -> Result<(), Error> {
        let mut row = read_row(&*self.store)?;
        row.shown = host.map(|host| shown(code, host)).unwrap_or_default();
        let mut batch = Batch::new();
        batch.put(PROFILE, LINKING_ROW, row.encode_to_vec());
        Ok(self.store.commit(batch)?)
    }

    fn take(&mut self, offer: &Offer) -> Result<Option<Request>, Error> {
        if offer.kind != OfferKind::OwnDevice {
            let what =
                "that code invites to a party: `motet init` makes a database, and then `motet join CODE`";
            return Err(Error::Invitation(what.to_owned()));
        }
        if offer.party != offer.host {
            return Err(Denial::Malformed("an identity party that is not the identity's".to_owned()).into());
        }
        Ok(Some(Request {
            kind: offer.kind,
            party: offer.party,
            invitation: offer.invitation,
            identity: offer.host,
            name: self.name.clone(),
            certificate: None,
            papers: Papers::make(&offer.party, &offer.host, &self.device, &self.control, &self.data),
        }))
    }

    fn enter(&mut self, offer: &Offer, welcome: &Welcome) -> Result<(), Error> {
        self.become_device(offer.host, welcome)
    }
}

fn shown(code: &Digest, host: &PublicKey) -> Vec<u8> {
    Digest::derive("motet linking v1", &[&code.0, host.as_bytes()]).0.to_vec()
}
