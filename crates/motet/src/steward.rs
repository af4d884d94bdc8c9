//! What a device does by itself, so that the owner's devices are one.
//!
//! The identity party says which parties the owner has joined. Whenever that, or who is in a party, may have changed, a
//! device does its *chores*:
//!
//! 1. A party that is here and that the identity party does not list is listed.
//! 2. A party that is listed, active, and not here is *entered*: its record is here from then on. The owner's other
//!    devices give all they have of it, for they know the device from the identity party; and as soon as it hears of a
//!    stint of its owner in there, it brings itself in (H10, see `own_feeds`).
//! 3. A device of the owner that was removed from the identity party is removed from the parties where it still stands.
//! 4. Parties are opened and closed as the identity party says, and those that were left are deleted.
//! 5. Members of the open parties who came by an invitation, and founders, become contacts; titles are noted.
//!
//! All of it compares what is with what should be, so it may stop anywhere and be done again, by several devices at
//! once; what two of them write at once is the same. What fails is told by [`Database::troubles`] and tried again the
//! next time. Chores are done when a database opens, after its owner changed something of that kind, and after entries
//! came that may matter; never in the midst of a transaction.

use std::collections::BTreeMap;

use motet_fact::PublicKey;
use motet_party::greeting::OfferKind;
use motet_party::{Papers, Request};
use motet_store::Batch;

use crate::database::{lock, put_record};
use crate::identity_party::{Joined, Notes, PartyStanding};
use crate::write::record_of;
use crate::{Cut, Database, Error, Party};

/// How often chores are done again because they gave new ones.
const ROUNDS: usize = 8;

impl Database {
    /// What went wrong with the chores that this device did last.
    ///
    /// # Panics
    /// If a thread panicked while it did them.
    pub fn troubles(&self) -> Vec<String> {
        self.inner.chores.lock().expect("nobody panics with the chores").clone()
    }

    /// Does the chores; what goes wrong is told by [`Database::troubles`].
    pub(crate) fn do_chores(&self) {
        let _told = self.try_chores();
    }

    /// Does the chores. What goes wrong with one party does not keep the others from going on.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub(crate) fn try_chores(&self) -> Result<(), Error> {
        let mut troubles = self.inner.chores.lock().expect("nobody panics with the chores");
        troubles.clear();
        for _ in 0..ROUNDS {
            let mut chores =
                Chores { database: self, notes: self.notes(), troubles: &mut troubles, acted: false };
            chores.do_all()?;
            let acted = chores.acted;
            let news = match chores.notes.commit() {
                Err(error @ Error::Store(_)) => return Err(error),
                Err(error) => {
                    troubles.push(format!("the identity party: {error}"));
                    false
                }
                Ok(news) => news,
            };
            if !news && !acted {
                break;
            }
        }
        Ok(())
    }
}

struct Chores<'a> {
    database: &'a Database,
    notes: Notes,
    troubles: &'a mut Vec<String>,
    /// Whether something was done that may give new chores.
    acted: bool,
}

impl Chores<'_> {
    fn do_all(&mut self) -> Result<(), Error> {
        let database = self.database;
        let own = database.profile().device;
        let household = database.household()?;
        self.list(&household.parties);
        for (key, joined) in &household.parties {
            let done = match joined.standing(&own) {
                PartyStanding::Active => self.keep(key, joined),
                PartyStanding::Inactive => {
                    self.database.shut(key);
                    Ok(())
                }
                PartyStanding::Left => self.forget(key),
            };
            self.note_trouble(key, done)?;
        }
        for party in database.parties() {
            self.note_title(&party, household.parties.get(&party.key()))?;
            self.meet(&party, &household.contacts);
        }
        Ok(())
    }

    fn note_trouble(&mut self, party: &PublicKey, done: Result<(), Error>) -> Result<(), Error> {
        match done {
            Err(error @ Error::Store(_)) => Err(error),
            Err(error) => {
                self.troubles.push(format!("party {}: {error}", party.short()));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Lists what is here. A replica that this device merely follows is nobody else's business.
    fn list(&mut self, joined: &BTreeMap<PublicKey, Joined>) {
        let listed = |key: &PublicKey| joined.get(key).is_some_and(|joined| joined.everywhere.is_some());
        for party in self.database.parties() {
            if party.own_role().is_some() && !listed(&party.key()) {
                self.notes.standing(&party.key(), PartyStanding::Active);
            }
        }
        let left =
            |key: &PublicKey| joined.get(key).and_then(|it| it.everywhere) == Some(PartyStanding::Left);
        let leaving: Vec<PublicKey> = self.database.lock_leaving().keys().copied().collect();
        for key in leaving.iter().filter(|key| !left(key)) {
            self.notes.standing(key, PartyStanding::Left); // a crash came between
        }
    }

    /// Sees to a party that should be open here.
    fn keep(&mut self, key: &PublicKey, joined: &Joined) -> Result<(), Error> {
        let database = self.database;
        let closed = database.lock_closed().get(key).cloned();
        match (database.open_state(key), closed) {
            (Some(state), _) => {
                let paused = lock(&state).record.paused;
                let stalled = !lock(&state).stalled.is_empty();
                let party = Party::new(database.clone(), *key, state);
                if paused {
                    return Ok(());
                }
                if stalled {
                    party.take_stalled()?; // its resuming was cut short
                }
                party.stand_again()?;
                self.expel(&party)
            }
            (None, Some(record)) if !record.closed => {
                self.acted = true;
                database.adopt(record).map(|_| ())
            }
            (None, Some(_)) => Ok(()),
            (None, None) if joined.everywhere.is_some() => {
                self.acted = true;
                self.enter(key)
            }
            (None, None) => Ok(()),
        }
    }

    /// Begins a replica of a party that another device of the owner is in.
    fn enter(&self, key: &PublicKey) -> Result<(), Error> {
        let database = self.database;
        let mut batch = Batch::new();
        let (control, data) = (database.new_key(&mut batch), database.new_key(&mut batch));
        let record = record_of(key, &control, &data);
        put_record(&mut batch, &record);
        database.store().commit(batch)?;
        database.adopt(record).map(|_| ())
    }

    /// Removes devices from a party that were removed from the identity party.
    fn expel(&mut self, party: &Party) -> Result<(), Error> {
        if party.own_role().is_none() {
            return Ok(());
        }
        let (profile, home) = (self.database.profile(), self.database.identity_party());
        for (device, known) in party.devices() {
            let stands = known.member == profile.identity && known.counted && known.until.is_none();
            if stands && device != profile.device && home.removal_of(&profile.identity, &device).is_some() {
                self.acted = true;
                party.remove_device(&device, &Cut::Here)?;
            }
        }
        Ok(())
    }

    /// Deletes a party that the owner has left; not yet where it is to be told to others.
    fn forget(&self, key: &PublicKey) -> Result<(), Error> {
        if self.database.lock_leaving().contains_key(key) {
            return Ok(());
        }
        match self.database.erase(key) {
            Err(Error::NoSuchParty(_)) => Ok(()),
            done => done,
        }
    }

    fn note_title(&mut self, party: &Party, joined: Option<&Joined>) -> Result<(), Error> {
        let known = joined.and_then(|joined| joined.title.as_deref()).unwrap_or_default();
        let is_new = party.with(|state| std::mem::take(&mut state.is_title_new));
        if !known.is_empty() && !is_new {
            return Ok(()); // what was noted is still so: the root need not be loaded to see it
        }
        // Before a title is set, the name it was founded under will do; readers of a closed party see either.
        let title = party.name();
        if party.own_role().is_some() && !title.is_empty() && title != known {
            self.notes.title(&party.key(), &title);
        }
        Ok(())
    }

    /// Makes contacts of members. Authors that somebody enrolled are not met: they came by no invitation.
    fn meet(&mut self, party: &Party, contacts: &BTreeMap<PublicKey, Option<String>>) {
        let own = self.database.profile().identity;
        let founder = party.with(|state| state.authority.genesis().map(|(_, genesis)| genesis.founder));
        for (id, member) in party.members() {
            let came = member.invitation.is_some() || founder == Some(id);
            if came && member.counted && id != own && !contacts.contains_key(&id) {
                self.notes.contact(&id, &member.name);
            }
        }
    }
}

impl Party {
    /// What this device says to be admitted here with its feeds.
    pub(crate) fn own_request(
        &self,
        kind: OfferKind,
        invitation: Option<motet_party::InvitationId>,
    ) -> Result<Request, Error> {
        let (database, profile) = (self.database(), self.database().profile());
        let record = self.with(|state| state.record.clone());
        let secret = |feed: &[u8]| {
            let feed = PublicKey::from_bytes(feed);
            database.own_secret(&feed.map_err(|error| Error::unreadable("the record of a party", error))?)
        };
        let (control, data) = (secret(&record.control_feed)?, secret(&record.data_feed)?);
        Ok(Request {
            kind,
            party: self.key(),
            invitation,
            identity: profile.identity,
            name: crate::write::clipped(&profile.name).to_owned(),
            certificate: Some(profile.certificate),
            papers: Papers::make(&self.key(), &profile.identity, database.device_key(), &control, &data),
        })
    }
}
