//! What a device does by itself, so that the owner's devices are one.
//!
//! The identity party says which parties the owner has joined. Whenever that, or who is in a party, may have changed, a
//! device does its *chores*:
//!
//! 1. A party that is here and that the identity party does not list is listed.
//! 2. A party that is listed, active, and not here is *entered*: the device makes its feeds and asks, in the identity
//!    party, to be admitted with them. Its record is here from then on, and fills by sync.
//! 3. What another device of the owner asks for in this way is granted by whichever device is in the party already: a
//!    member's own devices admit each other (H10).
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
use motet_party::{Greeting, Papers, Request, Role};
use motet_store::Batch;

use crate::database::{lock, put_record};
use crate::identity_party::{Joined, Notes, Standing};
use crate::write::record_of;
use crate::{Database, Error, Party};

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
                Standing::Active => self.keep(key, joined),
                Standing::Inactive => {
                    self.database.shut(key);
                    Ok(())
                }
                Standing::Left => self.forget(key),
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
                self.notes.standing(&party.key(), Standing::Active);
            }
        }
    }

    /// Sees to a party that should be open here.
    fn keep(&mut self, key: &PublicKey, joined: &Joined) -> Result<(), Error> {
        let database = self.database;
        let closed = database.lock_closed().get(key).cloned();
        match (database.open_state(key), closed) {
            (Some(state), _) => {
                let record = lock(&state).record.clone();
                let stalled = !lock(&state).stalled.is_empty();
                let party = Party::new(database.clone(), *key, state);
                if stalled && !record.paused {
                    party.take_stalled()?; // its resuming was cut short
                }
                if party.is_admitted() {
                    return self.admit_all(&party, joined);
                }
                let asked = joined.requests.get(&database.profile().device).and_then(|it| read_request(it));
                let for_these =
                    |request: &Request| request.papers.control_feed.as_bytes() == &*record.control_feed;
                if record.requested && !asked.is_some_and(|request| for_these(&request)) {
                    self.request(key)?; // a crash came between
                }
                Ok(())
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

    /// Makes this device's feeds in a party that another device of the owner is in.
    fn enter(&mut self, key: &PublicKey) -> Result<(), Error> {
        let database = self.database;
        let mut batch = Batch::new();
        let (control, data) = (database.new_key(&mut batch), database.new_key(&mut batch));
        let mut record = record_of(key, &control, &data);
        record.requested = true;
        put_record(&mut batch, &record);
        database.store().commit(batch)?;
        database.adopt(record)?;
        self.request(key)
    }

    fn request(&mut self, key: &PublicKey) -> Result<(), Error> {
        let database = self.database;
        let party = database.party(key)?;
        let request = party.own_request(OfferKind::Device, None)?;
        self.notes.request(key, &database.profile().device, Greeting::Request(Box::new(request)).encode());
        Ok(())
    }

    /// Admits the owner's other devices to a party that this one is in.
    fn admit_all(&mut self, party: &Party, joined: &Joined) -> Result<(), Error> {
        let home = self.database.identity_party();
        for (device, request) in &joined.requests {
            if home.with(|state| state.authority.role_of_device(device).is_none()) {
                continue; // it was removed
            }
            let Some(request) = read_request(request) else {
                let what = format!("what device {device} asks for");
                return Err(Error::unreadable(what, "it is no request"));
            };
            let feed = request.papers.control_feed;
            if !party.with(|state| state.authority.feeds().contains_key(&feed)) {
                self.acted = true;
                self.admit(party, device, &request)?;
            }
        }
        Ok(())
    }

    fn admit(&self, party: &Party, device: &PublicKey, request: &Request) -> Result<(), Error> {
        let identity = self.database.profile().identity;
        request.verify(device)?;
        let meant = request.identity == identity && request.party == party.key();
        let (Some(certificate), true) = (request.certificate, meant) else {
            let what = format!("what device {device} asks for");
            return Err(Error::unreadable(what, "it is for something else"));
        };
        let role = party.with(|state| state.authority.role_of_member(&identity)).unwrap_or(Role::Reader);
        let credentials = request.papers.credentials(identity, certificate, role);
        party.write_control(&party.control_secret()?, &credentials, Batch::new()).map(|_| ())
    }

    /// Deletes a party that the owner has left.
    fn forget(&self, key: &PublicKey) -> Result<(), Error> {
        match self.database.erase(key) {
            Err(Error::NoSuchParty(_)) => Ok(()),
            done => done,
        }
    }

    fn note_title(&mut self, party: &Party, joined: Option<&Joined>) -> Result<(), Error> {
        // Before a title is set, the name it was founded under will do; readers of a closed party see either.
        let title = party.name();
        let known = joined.and_then(|joined| joined.title.as_deref()).unwrap_or_default();
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

fn read_request(bytes: &[u8]) -> Option<Request> {
    match Greeting::decode(bytes) {
        Ok(Greeting::Request(request)) => Some(*request),
        _ => None,
    }
}

impl Party {
    /// Whether this device's feeds are the party's.
    fn is_admitted(&self) -> bool {
        self.with(|state| {
            let feed = PublicKey::from_bytes(&state.record.control_feed);
            feed.is_ok_and(|feed| state.authority.counts(&feed))
        })
    }

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
