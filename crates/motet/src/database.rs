//! The parties of one identity on one device.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};

use motet_fact::seal::SealKey;
use motet_fact::{Phrase, PublicKey, Purpose, SecretKey};
use motet_item::Registry;
use motet_party::certify_device;
use motet_store::{Batch, DiskStore, KeyStore, Lock, MemoryStore, Options, Store, key_file_beside, keys};
use prost::Message as _;

use crate::identity::{Profile, keep_phrase};
use crate::limits::Limits;
use crate::model::Models;
use crate::proto::PartyRecord;
use crate::state::{self, PartyState};
use crate::tables::{LINKING_ROW, PARTY_ROWS, PROFILE, SELF_ROW, party_row};
use crate::world::SystemWorld;
use crate::{Error, Party, World};

/// The name of the database's file in its directory.
pub const FILE_NAME: &str = "motet.redb";

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: KeyStore,
    pub(crate) world: Arc<dyn World>,
    models: Mutex<Models>,
    pub(crate) profile: Profile,
    device: SecretKey,
    /// The parties that are open, the identity party among them.
    parties: Mutex<BTreeMap<PublicKey, Arc<Mutex<PartyState>>>>,
    /// The records of the others that are here.
    pub(crate) closed: Mutex<BTreeMap<PublicKey, PartyRecord>>,
    /// The parties that were left, for those who have yet to hear of it.
    leaving: Mutex<BTreeMap<PublicKey, Arc<Mutex<PartyState>>>>,
    listeners: Mutex<Vec<Sender<()>>>,
    limits: Mutex<Limits>,
    /// Held by whoever opens a party: of two who open one, each would write its checkpoint.
    adopting: Mutex<()>,
    /// How many threads wait for a party.
    pub(crate) waiting: AtomicUsize,
    /// Held by whoever does the device's chores, see [`crate::steward`]; and what went wrong with them last.
    pub(crate) chores: Mutex<Vec<String>>,
    /// What queries may use beyond what is built in.
    functions: Mutex<motet_algebra::Registry>,
}

/// A database. Cheap to clone: all clones are the same database.
#[derive(Clone)]
pub struct Database {
    pub(crate) inner: Arc<Inner>,
}

/// How the secrets of a new database are protected at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protection {
    /// By a key in a file of mode 0600 beside the database.
    KeyFile,
    /// By a passphrase, which is asked for whenever the database is opened.
    Passphrase(String),
}

/// Asks for the passphrase of a database that is protected by one.
pub type Ask<'a> = dyn FnMut() -> Result<String, Error> + 'a;

impl Database {
    /// Makes a database in a directory, with a new identity and device.
    ///
    /// # Errors
    /// [`Error::DatabaseExists`], [`Error::Store`].
    pub fn create(directory: &Path, name: &str, protection: &Protection) -> Result<Self, Error> {
        Self::create_in(directory, name, protection, Arc::new(SystemWorld))
    }

    /// The same in a given world.
    ///
    /// # Errors
    /// As [`Database::create`].
    pub fn create_in(
        directory: &Path,
        name: &str,
        protection: &Protection,
        world: Arc<dyn World>,
    ) -> Result<Self, Error> {
        Self::recover_in(directory, name, &fresh_phrase(&*world), protection, world)
    }

    /// Makes a database in a directory, of an identity that has its recovery phrase and perhaps other devices.
    ///
    /// # Errors
    /// As [`Database::create`].
    pub fn recover(
        directory: &Path,
        name: &str,
        phrase: &Phrase,
        protection: &Protection,
    ) -> Result<Self, Error> {
        Self::recover_in(directory, name, phrase, protection, Arc::new(SystemWorld))
    }

    /// The same in a given world.
    ///
    /// # Errors
    /// As [`Database::create`].
    pub fn recover_in(
        directory: &Path,
        name: &str,
        phrase: &Phrase,
        protection: &Protection,
        world: Arc<dyn World>,
    ) -> Result<Self, Error> {
        let (store, keys) = new_store(directory, protection, &*world)?;
        Self::found(store, keys, name, phrase, world)
    }

    /// Opens the database in a directory whose secrets a key file protects.
    ///
    /// # Errors
    /// [`Error::NoDatabase`]; [`Error::PassphraseNeeded`]; [`Error::Store`] if it is in use or damaged.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        Self::open_in(directory, &mut || Err(Error::PassphraseNeeded), Arc::new(SystemWorld))
    }

    /// Opens the database in a directory; asks for the passphrase if one protects it.
    ///
    /// # Errors
    /// As [`Database::open`], and whatever asking gives.
    pub fn open_asking(directory: &Path, ask: &mut Ask<'_>) -> Result<Self, Error> {
        Self::open_in(directory, ask, Arc::new(SystemWorld))
    }

    /// The same in a given world.
    ///
    /// # Errors
    /// As [`Database::open_asking`].
    pub fn open_in(directory: &Path, ask: &mut Ask<'_>, world: Arc<dyn World>) -> Result<Self, Error> {
        let (store, keys) = existing_store(directory, ask)?;
        if store.get(PROFILE, SELF_ROW)?.is_none() && store.get(PROFILE, LINKING_ROW)?.is_some() {
            return Err(Error::LinkingUnfinished(directory.display().to_string()));
        }
        Self::resume(store, keys, world)
    }

    /// A database that lives in memory and ends with the process.
    ///
    /// # Errors
    /// None in practice; the signature is that of its siblings.
    pub fn in_memory(name: &str) -> Result<Self, Error> {
        Self::in_memory_in(name, Arc::new(SystemWorld))
    }

    /// The same in a given world.
    ///
    /// # Errors
    /// As [`Database::in_memory`].
    pub fn in_memory_in(name: &str, world: Arc<dyn World>) -> Result<Self, Error> {
        let key = SealKey::from_bytes(world.bytes());
        Self::create_on(Arc::new(MemoryStore::default()), key, name, world)
    }

    /// Makes a database on a store of the caller's, who also keeps the key that seals its secrets.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn create_on(
        store: Arc<dyn Store>,
        key: SealKey,
        name: &str,
        world: Arc<dyn World>,
    ) -> Result<Self, Error> {
        let phrase = fresh_phrase(&*world);
        Self::found(store, KeyStore::with_key(key), name, &phrase, world)
    }

    /// Makes a database of an identity that has its recovery phrase, on a store of the caller's.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn recover_on(
        store: Arc<dyn Store>,
        key: SealKey,
        name: &str,
        phrase: &Phrase,
        world: Arc<dyn World>,
    ) -> Result<Self, Error> {
        Self::found(store, KeyStore::with_key(key), name, phrase, world)
    }

    /// Opens a database that [`Database::create_on`] made on the same store with the same key.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn open_on(store: Arc<dyn Store>, key: SealKey, world: Arc<dyn World>) -> Result<Self, Error> {
        Self::resume(store, KeyStore::with_key(key), world)
    }

    /// One commit makes the whole of it: the keys, the profile, and the genesis of the identity party.
    fn found(
        store: Arc<dyn Store>,
        keys: KeyStore,
        name: &str,
        phrase: &Phrase,
        world: Arc<dyn World>,
    ) -> Result<Self, Error> {
        let (identity, device) = (phrase.key(Purpose::Identity), SecretKey::from_bytes(world.bytes()));
        let profile = Profile {
            name: name.to_owned(),
            identity: identity.public(),
            device: device.public(),
            certificate: certify_device(&identity, &device.public()),
            recovery: phrase.key(Purpose::Recovery).public(),
        };
        let mut batch = Batch::new();
        keep_phrase(&keys, &mut batch, phrase, &mut |buffer| world.fill(buffer));
        batch.put(PROFILE, SELF_ROW, profile.to_row());
        let models = Models::of(Registry::builtin());
        let database =
            Self::assemble(store, keys, world, profile, device, models, BTreeMap::new(), BTreeMap::new());
        database.keep_key(&mut batch, database.device_key());
        database.found_party(&identity, "", batch)?;
        Ok(database)
    }

    /// Opens what a store holds.
    pub(crate) fn resume(
        store: Arc<dyn Store>,
        keys: KeyStore,
        world: Arc<dyn World>,
    ) -> Result<Self, Error> {
        let row = store
            .get(PROFILE, SELF_ROW)?
            .ok_or_else(|| Error::unreadable("the profile", "it is missing: `motet init` was cut short"))?;
        let profile = Profile::from_row(&row)?;
        let device = own_secret(&keys, &*store, &profile.device)?;
        let models = Models::of(Registry::builtin());
        let (mut parties, mut closed, mut leaving) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut records = Vec::new();
        state::visit_rows(&*store, PROFILE, PARTY_ROWS, |_, bytes| {
            let record = PartyRecord::decode(bytes)
                .map_err(|error| Error::unreadable("the record of a party", error))?;
            records.push(record);
            Ok(())
        })?;
        // What the identity party says of a party decides whether it is read, so it comes first.
        let home = profile.identity.as_bytes().as_slice();
        records.sort_by_key(|record| record.party != home);
        for record in records {
            let key = PublicKey::from_bytes(&record.party)
                .map_err(|error| Error::unreadable("the record of a party", error))?;
            if key == profile.identity {
                let party = PartyState::open(&store, record, models.clone())?;
                parties.insert(key, Arc::new(Mutex::new(party)));
            } else if record.left {
                let party = PartyState::open(&store, record, models.clone())?;
                leaving.insert(key, Arc::new(Mutex::new(party)));
            } else {
                closed.insert(key, record);
            }
        }
        if !parties.contains_key(&profile.identity) {
            return Err(Error::unreadable("the identity party", "it is missing"));
        }
        let database = Self::assemble(store, keys, world, profile, device, models, parties, closed);
        *database.lock_leaving() = leaving;
        database.identity_party().take_up()?;
        database.open_active()?;
        database.do_chores();
        Ok(database)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a database are as many")]
    fn assemble(
        store: Arc<dyn Store>,
        keys: KeyStore,
        world: Arc<dyn World>,
        profile: Profile,
        device: SecretKey,
        models: Models,
        parties: BTreeMap<PublicKey, Arc<Mutex<PartyState>>>,
        closed: BTreeMap<PublicKey, PartyRecord>,
    ) -> Self {
        let (parties, closed) = (Mutex::new(parties), Mutex::new(closed));
        let (listeners, functions, chores) = (Mutex::default(), Mutex::default(), Mutex::default());
        let (leaving, limits) = (Mutex::default(), Mutex::default());
        let inner = Inner {
            store,
            keys,
            world,
            models: Mutex::new(models),
            profile,
            device,
            parties,
            closed,
            leaving,
            limits,
            adopting: Mutex::default(),
            waiting: AtomicUsize::new(0),
            listeners,
            chores,
            functions,
        };
        Database { inner: Arc::new(inner) }
    }

    /// Lets queries use functions and aggregates of the application's own, from now on and in place of those that were
    /// given before; views that are open keep what they have. Nothing of them is stored: an application gives them
    /// whenever it opens the database.
    ///
    /// ```
    /// use motet::algebra::{ColumnType, Registry};
    /// use motet::fact::{Kind, Value};
    /// use motet::{Database, Parameters};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let database = Database::in_memory("Ada")?;
    /// let text = ColumnType::Kind(Kind::Text);
    /// let mut functions = Registry::default();
    /// functions.add_function("initial", &[text], text, |arguments| {
    ///     Some(Value::text(arguments[0].as_text()?.chars().next()?.to_string()))
    /// })?;
    /// database.set_functions(&functions);
    ///
    /// let party = database.create_party("Home")?;
    /// let note = party.create_item("object", Some("note"), None)?;
    /// party.set(note, "title", "Milk, eggs")?;
    /// let query = r#"output Initial. Initial(is: initial(T)) :- attr(attribute: "title", value: T)."#;
    /// let initials = party.watch(query, &Parameters::new())?;
    /// assert_eq!(initials.rows("Initial").next(), Some(&vec![Value::text("M")]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// If a thread panicked while it did the same.
    pub fn set_functions(&self, functions: &motet_algebra::Registry) {
        *self.inner.functions.lock().expect("nobody panics with the functions") = functions.clone();
    }

    /// Gives items of a model their meaning from now on, in place of the model of its name and version if there is one:
    /// those that are here come alive, in every view. Nothing of it is stored: an application registers its models
    /// whenever it opens the database.
    ///
    /// # Panics
    /// If a thread panicked while it did the same.
    pub fn register_model(&self, model: impl motet_item::Model + 'static) {
        let models = {
            let mut models = self.inner.models.lock().expect("nobody panics with the models");
            models.registry = models.registry.clone().with(model);
            models.clone()
        };
        let parties: Vec<_> = self.lock_parties().values().cloned().collect();
        parties.iter().for_each(|party| lock(party).revive(self.store(), &models));
        self.notify();
    }

    /// Gives the database other bounds on memory and on the time of opening, from now on.
    ///
    /// # Panics
    /// If a thread panicked while it did the same.
    pub fn set_limits(&self, limits: Limits) {
        *self.inner.limits.lock().expect("nobody panics with the limits") = limits;
        let parties: Vec<_> = self.lock_parties().values().cloned().collect();
        parties.iter().for_each(|party| lock(party).limits = limits);
    }

    pub(crate) fn limits(&self) -> Limits {
        *self.inner.limits.lock().expect("nobody panics with the limits")
    }

    /// The models that are known here.
    pub(crate) fn models(&self) -> Models {
        self.inner.models.lock().expect("nobody panics with the models").clone()
    }

    pub(crate) fn functions(&self) -> motet_algebra::Registry {
        self.inner.functions.lock().expect("nobody panics with the functions").clone()
    }

    /// Whose database this is.
    pub fn profile(&self) -> &Profile {
        &self.inner.profile
    }

    /// The parties that are open here, by key. The identity party is not among them.
    pub fn parties(&self) -> Vec<Party> {
        let (home, parties) = (self.profile().identity, self.lock_parties());
        let open = parties.iter().filter(|(key, _)| **key != home);
        open.map(|(key, state)| Party::new(self.clone(), *key, state.clone())).collect()
    }

    /// The handle to a party that is open.
    ///
    /// # Errors
    /// [`Error::PartyClosed`], [`Error::PartyInactive`], [`Error::NoSuchParty`].
    pub fn party(&self, key: &PublicKey) -> Result<Party, Error> {
        match self.open_state(key) {
            Some(state) => Ok(Party::new(self.clone(), *key, state)),
            None => Err(self.why_not_open(key)),
        }
    }

    /// A receiver that is told, with one unit, whenever something was linked. Many changes may come as one.
    pub fn listen(&self) -> Receiver<()> {
        let (sender, receiver) = channel();
        self.inner.listeners.lock().expect("no thread panics with the listeners").push(sender);
        receiver
    }

    pub(crate) fn notify(&self) {
        let mut listeners = self.inner.listeners.lock().expect("no thread panics with the listeners");
        listeners.retain(|listener| listener.send(()).is_ok());
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.inner.store
    }

    pub(crate) fn world(&self) -> &dyn World {
        &*self.inner.world
    }

    pub(crate) fn lock_parties(&self) -> MutexGuard<'_, BTreeMap<PublicKey, Arc<Mutex<PartyState>>>> {
        self.inner.parties.lock().expect("no thread panics with the parties")
    }

    pub(crate) fn lock_closed(&self) -> MutexGuard<'_, BTreeMap<PublicKey, PartyRecord>> {
        self.inner.closed.lock().expect("no thread panics with the closed parties")
    }

    pub(crate) fn lock_leaving(&self) -> MutexGuard<'_, BTreeMap<PublicKey, Arc<Mutex<PartyState>>>> {
        self.inner.leaving.lock().expect("no thread panics with the parties that were left")
    }

    /// The handle to a party that takes part in syncs: it is open, or was left and others are yet to hear of it.
    pub(crate) fn synced_party(&self, key: &PublicKey) -> Option<Party> {
        let state = self.open_state(key).or_else(|| self.lock_leaving().get(key).cloned())?;
        Some(Party::new(self.clone(), *key, state))
    }

    pub(crate) fn open_state(&self, party: &PublicKey) -> Option<Arc<Mutex<PartyState>>> {
        self.lock_parties().get(party).cloned()
    }

    /// Takes a party in, and reads what the store has of it.
    pub(crate) fn adopt(&self, record: PartyRecord) -> Result<Party, Error> {
        let party = self.open_one(record)?;
        party.take_up()?;
        self.notify();
        Ok(party)
    }

    fn open_one(&self, record: PartyRecord) -> Result<Party, Error> {
        let _one_at_a_time = self.inner.adopting.lock().expect("nobody panics while a party is opened");
        if let Ok(key) = PublicKey::from_bytes(&record.party)
            && let Some(state) = self.open_state(&key)
        {
            return Ok(Party::new(self.clone(), key, state));
        }
        let mut state = PartyState::open(&self.inner.store, record, self.models())?;
        state.limits = self.limits();
        let (key, state) = (state.party, Arc::new(Mutex::new(state)));
        self.lock_parties().insert(key, state.clone());
        self.lock_closed().remove(&key);
        self.lock_leaving().remove(&key);
        Ok(Party::new(self.clone(), key, state))
    }

    /// Makes a key and puts it under seal, to be committed with the batch.
    pub(crate) fn new_key(&self, batch: &mut Batch) -> SecretKey {
        let key = SecretKey::from_bytes(self.world().bytes());
        self.keep_key(batch, &key);
        key
    }

    pub(crate) fn keep_key(&self, batch: &mut Batch, key: &SecretKey) {
        self.keep_secret(batch, &secret_label(&key.public()), &key.to_bytes());
    }

    /// Puts a secret under seal, to be committed with the batch.
    pub(crate) fn keep_secret(&self, batch: &mut Batch, label: &str, secret: &[u8]) {
        self.inner.keys.seal_into(batch, label, secret, &mut |buffer| self.world().fill(buffer));
    }

    /// The secret half of a key, if it is here.
    pub(crate) fn secret(&self, key: &PublicKey) -> Result<Option<SecretKey>, Error> {
        let seed = self.inner.keys.get(self.store(), &secret_label(key))?;
        read_secret(seed.as_deref().map(Vec::as_slice))
    }

    pub(crate) fn own_secret(&self, key: &PublicKey) -> Result<SecretKey, Error> {
        own_secret(&self.inner.keys, self.store(), key)
    }

    /// This device's key, for transports that authenticate it.
    pub fn device_key(&self) -> &SecretKey {
        &self.inner.device
    }
}

pub(crate) fn own_secret(keys: &KeyStore, store: &dyn Store, key: &PublicKey) -> Result<SecretKey, Error> {
    let seed = keys.get(store, &secret_label(key))?;
    read_secret(seed.as_deref().map(Vec::as_slice))?
        .ok_or_else(|| Error::unreadable(format!("the secret of key {key}"), "it is missing"))
}

fn fresh_phrase(world: &dyn World) -> Phrase {
    Phrase::from_entropy(world.bytes())
}

/// Makes the store of a new database in a directory.
pub(crate) fn new_store(
    directory: &Path,
    protection: &Protection,
    world: &dyn World,
) -> Result<(Arc<dyn Store>, KeyStore), Error> {
    let file = directory.join(FILE_NAME);
    if file.exists() {
        return Err(Error::DatabaseExists(directory.display().to_string()));
    }
    let made = std::fs::create_dir_all(directory);
    made.map_err(|error| Error::unreadable(format!("directory {}", directory.display()), error))?;
    let store: Arc<dyn Store> = Arc::new(DiskStore::open(&file, Options::default())?);
    let key_file = key_file_beside(&file);
    let protection = match protection {
        Protection::KeyFile => keys::Protection::File(&key_file),
        Protection::Passphrase(passphrase) => keys::Protection::Passphrase(passphrase),
    };
    let keys = KeyStore::create(&*store, protection, &mut |buffer| world.fill(buffer))?;
    Ok((store, keys))
}

/// Opens the store in a directory; asks for the passphrase if one protects it.
pub(crate) fn existing_store(
    directory: &Path,
    ask: &mut Ask<'_>,
) -> Result<(Arc<dyn Store>, KeyStore), Error> {
    let file = directory.join(FILE_NAME);
    if !file.exists() {
        return Err(Error::NoDatabase(directory.display().to_string()));
    }
    let store: Arc<dyn Store> = Arc::new(DiskStore::open(&file, Options::default())?);
    let keys = if KeyStore::lock(&*store)? == Some(Lock::Passphrase) {
        KeyStore::open(&*store, keys::Protection::Passphrase(&ask()?))?
    } else {
        KeyStore::open(&*store, keys::Protection::File(&key_file_beside(&file)))?
    };
    Ok((store, keys))
}

fn read_secret(seed: Option<&[u8]>) -> Result<Option<SecretKey>, Error> {
    let read = |seed: &[u8]| {
        let seed = <[u8; 32]>::try_from(seed)
            .map_err(|_| Error::unreadable("a stored secret", "it is not 32 bytes"));
        seed.map(SecretKey::from_bytes)
    };
    seed.map(read).transpose()
}

pub(crate) fn secret_label(key: &PublicKey) -> String {
    format!("secret/{key}")
}

pub(crate) fn put_record(batch: &mut Batch, record: &PartyRecord) {
    let party = PublicKey::from_bytes(&record.party).expect("a record holds its party's key");
    batch.put(PROFILE, party_row(&party), record.encode_to_vec());
}

pub(crate) fn lock(state: &Arc<Mutex<PartyState>>) -> MutexGuard<'_, PartyState> {
    state.lock().expect("no thread panics with a party: its state would be half changed")
}
