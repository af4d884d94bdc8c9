//! The identity party: what the devices of one owner keep together.
//!
//! A party like any other, with three things of its own: its key is the identity's, its one member is the identity, and
//! its devices are the owner's devices. Every one of them holds it, always open. In it lie the *contacts* (whom the
//! owner knows, under which name), the *preferences* (for all devices, or for one), the names of the devices, and the
//! parties that the owner has *joined*, which the devices keep to (see [`crate::steward`]).
//!
//! All of that is registers of the root item, about an entity whose name both sides of a concurrent change derive: a
//! contact is its identity key, a party its key, a device its key, and what is for all devices is about the root
//! itself. So two devices that add one contact at once have written to one register, and nothing is there twice.
//!
//! | about | register | value |
//! |---|---|---|
//! | a contact | `contact/name` | text; anything else: no contact any more |
//! | the root, or a device | `preference/NAME` | any; `false` where it was unset |
//! | a device | `device/name` | text |
//! | a party | `party/standing` | `active`, `inactive` or `left` |
//! | a party | `party/standing/DEVICE` | `active`, `inactive`, or `as everywhere` |
//! | a party | `party/title` | text: the title as it was last seen |

use std::collections::BTreeMap;

use motet_fact::{Attribute, Cid, Entity, PublicKey, Value};
use motet_item::BaseRelation;

use crate::{Cut, Database, Error, Party, Transaction};

const CONTACT_NAME: &str = "contact/name";
const DEVICE_NAME: &str = "device/name";
const PREFERENCE: &str = "preference/";
const TITLE: &str = "party/title";
const STANDING: &str = "party/standing";
const AS_EVERYWHERE: &str = "as everywhere";

/// How a joined party stands with its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartyStanding {
    /// It is kept open.
    Active,
    /// It is kept closed.
    Inactive,
    /// The owner has left it.
    Left,
}

impl PartyStanding {
    /// The word for people, and in the register.
    pub fn name(self) -> &'static str {
        match self {
            PartyStanding::Active => "active",
            PartyStanding::Inactive => "inactive",
            PartyStanding::Left => "left",
        }
    }

    fn read(value: &Value) -> Option<Self> {
        let text = value.as_text()?;
        [PartyStanding::Active, PartyStanding::Inactive, PartyStanding::Left]
            .into_iter()
            .find(|known| known.name() == text)
    }
}

/// What the identity party says of a party.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// On every device that has none of its own.
    pub everywhere: Option<PartyStanding>,
    /// On single devices.
    pub on_device: BTreeMap<PublicKey, PartyStanding>,
    /// The title as it was last seen by a device that has the party open.
    pub title: Option<String>,
}

impl Joined {
    /// How the party stands on a device. What is said of the device alone goes before what is said of all; a party that
    /// was left is left on every device.
    pub fn standing(&self, device: &PublicKey) -> PartyStanding {
        match self.everywhere {
            Some(PartyStanding::Left) => PartyStanding::Left,
            everywhere => self.on_device.get(device).copied().or(everywhere).unwrap_or(PartyStanding::Active),
        }
    }
}

/// Everything the identity party says, read at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Household {
    pub(crate) contacts: BTreeMap<PublicKey, Option<String>>,
    pub(crate) parties: BTreeMap<PublicKey, Joined>,
    device_names: BTreeMap<PublicKey, String>,
    preferences: BTreeMap<(Entity, String), Value>,
}

impl Household {
    fn take(&mut self, entity: &Entity, name: &str, value: Value) {
        if let Some(preference) = name.strip_prefix(PREFERENCE) {
            self.preferences.insert((entity.clone(), preference.to_owned()), value);
            return;
        }
        let Ok(key) = PublicKey::from_bytes(entity.as_bytes()) else { return };
        let text = value.as_text().map(str::to_owned);
        match name {
            CONTACT_NAME => {
                self.contacts.insert(key, text);
            }
            DEVICE_NAME => self.device_names.extend(text.map(|text| (key, text))),
            TITLE => self.parties.entry(key).or_default().title = text,
            STANDING => self.parties.entry(key).or_default().everywhere = PartyStanding::read(&value),
            _ => self.take_of_device(key, name, &value),
        }
    }

    /// What is said of a party and a device.
    fn take_of_device(&mut self, party: PublicKey, name: &str, value: &Value) {
        let device = name.strip_prefix(STANDING).and_then(|rest| rest.strip_prefix('/'));
        if let Some(device) = device.and_then(|device| device.parse().ok()) {
            let standing = PartyStanding::read(value).filter(|standing| *standing != PartyStanding::Left);
            self.parties.entry(party).or_default().on_device.extend(standing.map(|it| (device, it)));
        }
    }
}

fn about(key: &PublicKey) -> Entity {
    Entity::from(*key.as_bytes())
}

/// Changes of what the identity party says, committed together.
pub(crate) struct Notes {
    home: Party,
    transaction: Transaction,
}

impl Notes {
    fn set(&mut self, key: &PublicKey, name: impl Into<Attribute>, value: impl Into<Value>) {
        self.transaction.set_about(self.home.root(), about(key), name, value);
    }

    pub(crate) fn contact(&mut self, contact: &PublicKey, name: &str) {
        self.set(contact, CONTACT_NAME, name);
    }

    pub(crate) fn title(&mut self, party: &PublicKey, title: &str) {
        self.set(party, TITLE, title);
    }

    pub(crate) fn standing(&mut self, party: &PublicKey, standing: PartyStanding) {
        self.set(party, STANDING, standing.name());
    }

    /// `None`: as everywhere.
    pub(crate) fn standing_on(
        &mut self,
        party: &PublicKey,
        device: &PublicKey,
        standing: Option<PartyStanding>,
    ) {
        let word = standing.map_or(AS_EVERYWHERE, PartyStanding::name);
        self.set(party, format!("{STANDING}/{device}"), word);
    }

    /// Writes them; nothing if there are none.
    pub(crate) fn commit(self) -> Result<bool, Error> {
        let news = !self.transaction.is_empty();
        if news {
            self.transaction.commit()?;
        }
        Ok(news)
    }
}

impl Database {
    pub(crate) fn notes(&self) -> Notes {
        let home = self.identity_party();
        Notes { transaction: home.transaction(), home }
    }

    pub(crate) fn household(&self) -> Result<Household, Error> {
        let mut household = Household::default();
        let home = self.identity_party();
        home.item(home.root(), |item| {
            item.rows(&mut |relation, row| {
                let [entity, attribute, value] = row.as_slice() else { return };
                let entity = entity.as_bytes().and_then(|bytes| Entity::new(bytes).ok());
                if let (BaseRelation::Attr, Some(entity), Some(name)) =
                    (relation, entity, attribute.as_text())
                {
                    household.take(&entity, name, value.clone());
                }
            });
        })?;
        Ok(household)
    }

    /// Whom the owner knows: their identities, and under which names.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn contacts(&self) -> Result<BTreeMap<PublicKey, String>, Error> {
        let contacts = self.household()?.contacts;
        Ok(contacts.into_iter().filter_map(|(key, name)| Some((key, name?))).collect())
    }

    /// Adds a contact, or gives it another name.
    ///
    /// # Errors
    /// As [`Transaction::commit`].
    pub fn name_contact(&self, contact: &PublicKey, name: &str) -> Result<(), Error> {
        let mut notes = self.notes();
        notes.contact(contact, name);
        notes.commit().map(|_| ())
    }

    /// Takes a contact off the list. It does not come back by itself, though a party is shared with it.
    ///
    /// # Errors
    /// As [`Transaction::commit`].
    pub fn remove_contact(&self, contact: &PublicKey) -> Result<(), Error> {
        let mut notes = self.notes();
        notes.set(contact, CONTACT_NAME, false);
        notes.commit().map(|_| ())
    }

    /// The owner's devices, by key, with their names; and whether each counts, or was removed.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn own_devices(&self) -> Result<BTreeMap<PublicKey, OwnDevice>, Error> {
        let names = self.household()?.device_names;
        let device = |(key, device): (PublicKey, motet_party::Device)| {
            let name = names.get(&key).cloned().unwrap_or_default();
            (key, OwnDevice { name, counted: device.counted && device.until.is_none() })
        };
        Ok(self.identity_party().devices().into_iter().map(device).collect())
    }

    /// Whether a device is one of the owner's, by what the identity party says.
    pub(crate) fn is_own_device(&self, device: &PublicKey) -> bool {
        let home = self.identity_party();
        home.with(|state| state.authority.role_of_device(device, &state.graph).is_some())
    }

    /// Removes another of the owner's devices: from the identity party, and from every party in which it stands. In
    /// those that are not open here the next device does it that has them open, cut at what is there. Gives the
    /// entries, by party.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] if it is this device, or none of the owner's, or this one was removed itself;
    /// [`Error::Store`].
    pub fn remove_own_device(
        &self,
        device: &PublicKey,
        cut: &Cut,
    ) -> Result<BTreeMap<PublicKey, Cid>, Error> {
        let (home, profile) = (self.identity_party(), self.profile());
        if *device == profile.device {
            let why = "a device is removed on another one of its owner".to_owned();
            return Err(Error::NotAllowed { party: home.key(), why });
        }
        let mut removals = BTreeMap::from([(home.key(), home.remove_device(device, cut)?)]);
        for party in self.parties() {
            let known = party.devices().remove(device).filter(|known| known.counted && known.until.is_none());
            let is_own = known.is_some_and(|known| known.member == profile.identity);
            if is_own && party.own_role().is_some() && !party.is_paused() {
                removals.insert(party.key(), party.remove_device(device, cut)?);
            }
        }
        Ok(removals)
    }

    /// Names one of the owner's devices.
    ///
    /// # Errors
    /// As [`Transaction::commit`].
    pub fn name_device(&self, device: &PublicKey, name: &str) -> Result<(), Error> {
        let mut notes = self.notes();
        notes.set(device, DEVICE_NAME, name);
        notes.commit().map(|_| ())
    }

    /// A preference as it holds on this device: its own, or else that for all.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn preference(&self, name: &str) -> Result<Option<Value>, Error> {
        let (own, all) = self.preferences()?;
        Ok(own.get(name).or_else(|| all.get(name)).cloned())
    }

    /// The preferences of this device, and those of all devices, by name.
    ///
    /// # Errors
    /// [`Error::Store`].
    #[expect(clippy::type_complexity, reason = "two maps of the same kind")]
    pub fn preferences(&self) -> Result<(BTreeMap<String, Value>, BTreeMap<String, Value>), Error> {
        let (home, household) = (self.identity_party(), self.household()?);
        let of = |entity: Entity| {
            let unset = Value::Bool(false);
            let own = household.preferences.iter().filter(|((about, _), _)| *about == entity);
            own.filter(|(_, value)| **value != unset)
                .map(|((_, name), value)| (name.clone(), value.clone()))
                .collect()
        };
        Ok((of(about(&self.profile().device)), of(home.root().entity())))
    }

    /// Sets a preference, for this device alone or for all. `None` unsets it.
    ///
    /// # Errors
    /// As [`Transaction::commit`].
    pub fn set_preference(&self, name: &str, value: Option<Value>, here_only: bool) -> Result<(), Error> {
        let mut notes = self.notes();
        let root = notes.home.root();
        let entity = if here_only { about(&self.profile().device) } else { root.entity() };
        let value = value.unwrap_or(Value::Bool(false));
        notes.transaction.set_about(root, entity, format!("{PREFERENCE}{name}"), value);
        notes.commit().map(|_| ())
    }
}

/// One of the owner's devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnDevice {
    /// What its owner calls it; empty if nothing.
    pub name: String,
    /// Whether it is one still.
    pub counted: bool,
}
