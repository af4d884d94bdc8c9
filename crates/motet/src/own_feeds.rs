//! The feeds that this device writes to, and how it stands in a party.
//!
//! A device stands in a party by a stint of its member that is open, a stint of its own in it, and feeds. When a
//! removal, a change of role or an admission anew has closed what it wrote to, it begins new feeds in the best stint
//! that its member has, and brings them in itself (H8, H10): nobody needs to be asked, and nobody may be there. The
//! same goes for a feed that was written to in two places (H5). A device that was removed by itself cannot do that.

use motet_fact::{Cid, PublicKey, SecretKey};
use motet_feed::EntryKind;
use motet_party::{Credential, CredentialId, OpenStint, Role, certify_feed};
use motet_store::{Batch, KeyStore};

use crate::database::{put_record, secret_label};
use crate::state::PartyState;
use crate::{Error, Party};

/// How this device stands in a party.
enum Standing {
    /// It has what it needs, or nobody here knows of it yet.
    Good,
    /// Its member has a stint in which it has not all of its feeds.
    Lacking(OpenStint),
    /// It may not write any more; why.
    Ended(String),
}

impl Party {
    /// The key of the control feed that this device writes to.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] if it may not write any more.
    pub(crate) fn control_secret(&self) -> Result<SecretKey, Error> {
        self.stand()?;
        let feed = self.with(|state| PublicKey::from_bytes(&state.record.control_feed));
        self.database().own_secret(&feed.map_err(unreadable_record)?)
    }

    /// The feed that this device writes data to. If a peer has shown a longer one than ours (a restored backup, a
    /// clone), a new feed is begun, so that nothing forks (H5).
    ///
    /// # Errors
    /// [`Error::NotAllowed`] if it may not write data.
    pub(crate) fn data_feed(&self) -> Result<PublicKey, Error> {
        self.stand()?;
        let feed = self.with(|state| PublicKey::from_bytes(&state.record.data_feed));
        let feed = feed.map_err(unreadable_record)?;
        let best = self.with(|state| state.best_stint(&self.identity(), &self.device()));
        // Without one nobody here knows of it yet, and what it writes is judged.
        let Some(best) = best else { return Ok(feed) };
        if best.role < Role::Writer {
            let why = "you are a reader, and readers write no data".to_owned();
            return Err(Error::NotAllowed { party: self.key(), why });
        }
        let retired = self.with(|state| state.record.data_feed_retired || state.graph.is_forked(&feed));
        if retired || !best.feeds.contains(&feed) { self.begin_data_feed(&best) } else { Ok(feed) }
    }

    /// Comes to stand again, if this device's member has a stint in which it does not. For whoever has just learnt
    /// something: who only reads must be known to its peers as well.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub(crate) fn stand_again(&self) -> Result<(), Error> {
        if self.database().identity_party().removal_of(&self.identity(), &self.device()).is_some() {
            return Ok(());
        }
        match self.with(|state| state.own_standing(&self.identity(), &self.device())) {
            Standing::Lacking(stint) => match self.begin_feeds(&stint) {
                Err(Error::NotAllowed { .. }) => Ok(()), // whoever writes next is told why
                outcome => outcome,
            },
            Standing::Good | Standing::Ended(_) => Ok(()),
        }
    }

    /// The entry that removed a device of a member by itself, while it does not stand for it.
    pub(crate) fn removal_of(&self, member: &PublicKey, device: &PublicKey) -> Option<Cid> {
        self.with(|state| state.authority.removal_of_device(member, device, &state.graph))
    }

    fn stand(&self) -> Result<(), Error> {
        match self.with(|state| state.own_standing(&self.identity(), &self.device())) {
            Standing::Good => Ok(()),
            Standing::Lacking(stint) => self.begin_feeds(&stint),
            Standing::Ended(why) => Err(Error::NotAllowed { party: self.key(), why }),
        }
    }

    fn identity(&self) -> PublicKey {
        self.database().profile().identity
    }

    fn device(&self) -> PublicKey {
        self.database().profile().device
    }

    /// Begins feeds in a stint, with the admission of the control feed in its own first entry.
    fn begin_feeds(&self, stint: &OpenStint) -> Result<(), Error> {
        let mut batch = Batch::new();
        let mut record = self.with(|state| state.record.clone());
        let control = self.database().new_key(&mut batch);
        let mut credentials = Vec::new();
        let device = match stint.device {
            Some(device) => device,
            None => {
                credentials.push(self.own_device(stint.id));
                CredentialId::here(0)
            }
        };
        let under = CredentialId::here(credentials.len() as u32);
        credentials.push(self.own_feed(device, &control, EntryKind::Control));
        self.forget_unused(&record.control_feed, &mut batch);
        record.control_feed = control.public().as_bytes().to_vec();
        record.control_feed_retired = false;
        let keeps = |feed: &PublicKey| feed.as_bytes().as_slice() == record.data_feed;
        if stint.role >= Role::Writer && !stint.feeds.iter().any(keeps) {
            let data = self.database().new_key(&mut batch);
            credentials.push(self.own_feed(device, &data, EntryKind::Data));
            self.forget_unused(&record.data_feed, &mut batch);
            record.data_feed = data.public().as_bytes().to_vec();
            record.data_feed_retired = false;
        }
        put_record(&mut batch, &record);
        let admission = stint.device.unwrap_or(stint.id).entry;
        self.write_first(&control, under, admission, credentials, batch)?;
        self.with(|state| state.record = record);
        Ok(())
    }

    /// Forgets the key of a feed that nobody ever admitted.
    fn forget_unused(&self, feed: &[u8], batch: &mut Batch) {
        let Ok(feed) = PublicKey::from_bytes(feed) else { return };
        if self.with(|state| state.authority.feed(&feed, &state.graph).is_none()) {
            KeyStore::forget_into(batch, &secret_label(&feed));
        }
    }

    fn begin_data_feed(&self, stint: &OpenStint) -> Result<PublicKey, Error> {
        let mut batch = Batch::new();
        let (feed, control) = (self.database().new_key(&mut batch), self.control_secret()?);
        let device = stint.device.expect("a device that stands has a stint");
        let credential = self.own_feed(device, &feed, EntryKind::Data);
        let mut record = self.with(|state| state.record.clone());
        record.data_feed = feed.public().as_bytes().to_vec();
        record.data_feed_retired = false;
        put_record(&mut batch, &record);
        self.write_control(&control, vec![credential], batch)?;
        self.with(|state| state.record = record);
        Ok(feed.public())
    }

    /// The credential that this device is its member's, in a stint.
    pub(crate) fn own_device(&self, under: CredentialId) -> Credential {
        let (member, device) = (self.identity(), self.device());
        Credential::Device { under, member, device, certificate: self.database().profile().certificate }
    }

    /// The credential that a feed is this device's.
    pub(crate) fn own_feed(&self, under: CredentialId, feed: &SecretKey, kind: EntryKind) -> Credential {
        let member = self.identity();
        let certificate = certify_feed(feed, self.database().device_key(), &self.key(), &member, kind);
        Credential::Feed { under, member, device: self.device(), feed: feed.public(), kind, certificate }
    }
}

impl PartyState {
    fn own_standing(&self, identity: &PublicKey, device: &PublicKey) -> Standing {
        let Ok(control) = PublicKey::from_bytes(&self.record.control_feed) else { return Standing::Good };
        let Some(best) = self.best_stint(identity, device) else { return self.without_stint(identity) };
        let forked = self.record.control_feed_retired || self.graph.is_forked(&control);
        if best.feeds.contains(&control) && !forked {
            return Standing::Good;
        }
        match self.authority.removal_of_device(identity, device, &self.graph) {
            Some(by) => Standing::Ended(format!("entry {by} removed this device")),
            None => Standing::Lacking(best),
        }
    }

    /// The stint of a member in which its device may do most; of several the one it is in.
    fn best_stint(&self, identity: &PublicKey, device: &PublicKey) -> Option<OpenStint> {
        let stints = self.authority.standing_of(identity, device, &self.graph);
        let is_current = |stint: &OpenStint| {
            stint.feeds.iter().any(|feed| feed.as_bytes().as_slice() == self.record.control_feed)
        };
        stints.into_iter().rev().max_by_key(|stint| (stint.role, is_current(stint)))
    }

    fn without_stint(&self, identity: &PublicKey) -> Standing {
        let members = self.authority.members(&self.graph);
        match members.get(identity).and_then(|member| member.until) {
            Some(by) => Standing::Ended(format!("entry {by} ended your membership")),
            None => Standing::Good,
        }
    }

    /// Whether entries of a feed of this device's arrive that were not written here: it has a clone.
    pub(crate) fn is_cloned<'a>(
        &self,
        feed: &[u8],
        arrivals: impl Iterator<Item = (&'a PublicKey, Cid)>,
    ) -> bool {
        let mut strange = arrivals.filter(|(of, _)| of.as_bytes().as_slice() == feed).map(|(_, id)| id);
        strange.any(|id| !self.graph.contains(&id) && !self.pending.contains(&id))
    }
}

/// The ids of some arrivals with their feeds.
pub(crate) fn fed(arrivals: &[crate::pipeline::Arrival]) -> impl Iterator<Item = (&PublicKey, Cid)> {
    arrivals.iter().map(|arrival| (&arrival.entry.header().feed, arrival.entry.id()))
}

fn unreadable_record(error: motet_fact::KeyError) -> Error {
    Error::unreadable("the record of a party", error)
}
