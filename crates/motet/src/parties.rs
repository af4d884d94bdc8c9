//! The parties of a database: open or closed, active or not, paused, left, deleted.
//!
//! A party that is *open* is in memory, is synced, read and written. Whether it should be is decided in two places. The
//! identity party says whether it is *active*, everywhere or on single devices, and all the owner's devices keep to it.
//! The device itself may *close* one for as long as it likes, and nobody else is told. Of a closed party nothing is in
//! memory, but its title, which the identity party has.
//!
//! A *paused* party is open, and read; it takes nothing in. Sessions ask nothing for it, and what was under way already
//! waits on disk, in the order in which it came, until the party is resumed. A *deleted* party leaves the disk of this
//! device, with the keys of its feeds. A party that was *left* is deleted on every device of the
//! owner; the device on which it was left says so to the other members first.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use motet_fact::{Cid, PublicKey};
use motet_feed::Entry;
use motet_party::{Feed, Member};
use motet_store::{Batch, KeyStore, Table};
use motet_sync::Bundle;

use crate::database::{lock, put_record, secret_label};
use crate::identity_party::PartyStanding;
use crate::pipeline::{Arrival, Report, read_waiting};
use crate::proto::PartyRecord;
use crate::state::{PartyState, visit_rows};
use crate::tables::{ENTRIES, OF_PARTIES, PARTS, PENDING, PROFILE, STALLED, party_row, under_party};
use crate::{Cut, Database, Error, Party};

/// How a party stands on this device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartyInfo {
    /// The party.
    pub key: PublicKey,
    /// What it is called, as far as is known here.
    pub title: String,
    /// Whether it is open.
    pub open: bool,
    /// Whether it is paused.
    pub paused: bool,
    /// What the identity party says of it on this device.
    pub standing: PartyStanding,
    /// What the identity party says of it on devices of which it says nothing else.
    pub everywhere: PartyStanding,
    /// Whether anything of it is on this device.
    pub here: bool,
}

impl Database {
    /// All parties of the owner, by key: those that are here, open or closed, and those that only other devices have.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn party_list(&self) -> Result<Vec<PartyInfo>, Error> {
        let (device, joined) = (self.profile().device, self.household()?.parties);
        let open: Vec<Party> = self.parties();
        let leaving: BTreeSet<PublicKey> = self.lock_leaving().keys().copied().collect();
        let closed: Vec<(PublicKey, PartyRecord)> =
            self.lock_closed().iter().map(|(key, record)| (*key, record.clone())).collect();
        let mut keys: Vec<PublicKey> = open.iter().map(Party::key).collect();
        keys.extend(closed.iter().map(|(key, _)| *key).chain(joined.keys().copied()));
        keys.sort_unstable();
        keys.dedup();
        let info = |key: PublicKey| {
            let party = open.iter().find(|party| party.key() == key);
            let record = closed.iter().find(|(closed, _)| *closed == key).map(|(_, record)| record.paused);
            let wish = joined.get(&key).cloned().unwrap_or_default();
            let known = wish.title.clone().unwrap_or_default();
            PartyInfo {
                key,
                title: party.map_or(known, Party::name),
                open: party.is_some(),
                paused: party.map_or(record.unwrap_or_default(), Party::is_paused),
                standing: wish.standing(&device),
                everywhere: wish.everywhere.unwrap_or(PartyStanding::Active),
                here: party.is_some() || record.is_some() || leaving.contains(&key),
            }
        };
        Ok(keys.into_iter().map(info).collect())
    }

    /// The title of a party, whether it is open or not.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn title_of(&self, party: &PublicKey) -> Result<Option<String>, Error> {
        match self.party(party) {
            Ok(party) => party.title(),
            Err(_) => Ok(self.household()?.parties.remove(party).and_then(|joined| joined.title)),
        }
    }

    /// Opens a party that was closed on this device.
    ///
    /// # Errors
    /// [`Error::NoSuchParty`]; [`Error::PartyInactive`]; [`Error::Store`].
    pub fn open_party(&self, key: &PublicKey) -> Result<Party, Error> {
        if let Ok(party) = self.party(key) {
            return Ok(party);
        }
        let record = self.lock_closed().get(key).cloned();
        let mut record = record.ok_or(Error::NoSuchParty(*key))?;
        if self.standing_here(key)? != PartyStanding::Active {
            return Err(Error::PartyInactive(*key));
        }
        record.closed = false;
        self.put_party_record(&record)?;
        let party = self.adopt(record)?;
        self.do_chores();
        Ok(party)
    }

    /// Closes a party on this device, until it is opened again. Nothing of it is lost.
    ///
    /// # Errors
    /// [`Error::NoSuchParty`]; [`Error::IdentityParty`]; [`Error::Store`].
    pub fn close_party(&self, key: &PublicKey) -> Result<(), Error> {
        let mut record = self.any_party(key)?;
        self.do_chores(); // its title is told before it can't be read any more
        match self.open_state(key) {
            Some(state) => {
                let mut state = lock(&state);
                state.record.closed = true;
                self.put_party_record(&state.record)?;
            }
            None => {
                record.closed = true;
                self.put_party_record(&record)?;
                self.lock_closed().insert(*key, record);
            }
        }
        self.shut(key);
        Ok(())
    }

    /// Makes a party active on this device alone, or everywhere; and opens it.
    ///
    /// # Errors
    /// [`Error::NoSuchParty`]; [`Error::Store`].
    pub fn activate_party(&self, key: &PublicKey, everywhere: bool) -> Result<(), Error> {
        self.decide(key, PartyStanding::Active, everywhere)?;
        let record = self.lock_closed().get(key).cloned();
        if let Some(mut record) = record.filter(|record| record.closed) {
            record.closed = false;
            self.put_party_record(&record)?;
            self.lock_closed().insert(*key, record);
        }
        self.try_chores()
    }

    /// Makes a party inactive on this device alone, or everywhere; and closes it.
    ///
    /// # Errors
    /// [`Error::NoSuchParty`]; [`Error::IdentityParty`]; [`Error::Store`].
    pub fn deactivate_party(&self, key: &PublicKey, everywhere: bool) -> Result<(), Error> {
        self.do_chores(); // its title is told before it can't be read any more
        self.decide(key, PartyStanding::Inactive, everywhere)?;
        self.try_chores()
    }

    /// Takes a party off this device's disk, with the keys of its feeds here. On the owner's other devices it stays; to
    /// have it here again, activate it.
    ///
    /// # Errors
    /// [`Error::NoSuchParty`]; [`Error::IdentityParty`]; [`Error::Store`].
    pub fn delete_party(&self, key: &PublicKey) -> Result<(), Error> {
        self.do_chores();
        self.decide(key, PartyStanding::Inactive, false)?;
        self.try_chores()?;
        self.erase(key)
    }

    /// Leaves a party: its owner is no member any more, and it is deleted on every device of the owner, as soon as each
    /// hears of it. On this one it is kept, out of sight, until a device of another member has heard of it.
    ///
    /// # Errors
    /// [`Error::NoSuchParty`] if it is not on this device; [`Error::IdentityParty`]; [`Error::PartyPaused`];
    /// [`Error::Store`].
    pub fn leave_party(&self, key: &PublicKey) -> Result<(), Error> {
        self.do_chores();
        let record = self.any_party(key)?;
        let party = match self.open_state(key) {
            Some(state) => Party::new(self.clone(), *key, state),
            None => self.adopt(record)?,
        };
        let identity = self.profile().identity;
        let is_member = party.own_role().is_some();
        if is_member && party.has_others() {
            party.control_secret()?; // it may begin new feeds, and then the record is another
            let mut record = party.with(|state| state.record.clone());
            record.left = true;
            let mut batch = Batch::new();
            put_record(&mut batch, &record);
            party.remove_member_with(&identity, &Cut::Here, batch)?;
            self.hide(&party, record);
        } else if is_member {
            party.remove_member(&identity, &Cut::Here)?;
        }
        self.decide(key, PartyStanding::Left, true)?;
        self.try_chores()
    }

    /// Keeps a party for those who have yet to hear that it was left.
    fn hide(&self, party: &Party, record: PartyRecord) {
        let state = self.open_state(&party.key());
        party.with(|state| (state.closed, state.record) = (true, record));
        self.lock_parties().remove(&party.key());
        self.lock_leaving().extend(state.map(|state| (party.key(), state)));
        self.notify();
    }

    /// A peer has told its heads. Once a device of another member has heard that a party was left, it is deleted.
    pub(crate) fn note_told(&self, key: &PublicKey, peer: &PublicKey, heads: &[Cid]) {
        let Some(state) = self.lock_leaving().get(key).cloned() else { return };
        let identity = self.profile().identity;
        let heard = {
            let state = lock(&state);
            let member = state.authority.member_of_device(peer, &state.graph);
            let until = state.authority.members(&state.graph).remove(&identity).and_then(|own| own.until);
            let has = |until: Cid| heads.iter().any(|head| state.graph.reaches(head, &until));
            member.is_some_and(|member| member != identity) && until.is_none_or(has)
        };
        if heard {
            // If it can't be deleted now, the next one who has heard brings it up again.
            let _again = self.erase(key);
        }
    }

    /// Whoever joins a party anew wants to have it.
    pub(crate) fn want_party(&self, key: &PublicKey) -> Result<(), Error> {
        match self.standing_here(key)? {
            PartyStanding::Active => Ok(()),
            PartyStanding::Inactive => self.activate_party(key, false),
            PartyStanding::Left => self.activate_party(key, true),
        }
    }

    fn decide(&self, key: &PublicKey, standing: PartyStanding, everywhere: bool) -> Result<(), Error> {
        let (own, joined) = (self.profile().device, self.household()?.parties);
        if *key == self.profile().identity {
            return Err(Error::IdentityParty);
        }
        let known = self.any_party(key).is_ok();
        let wish = joined.get(key).cloned().unwrap_or_default();
        if !known && wish.everywhere.is_none() {
            return Err(Error::NoSuchParty(*key));
        }
        let mut notes = self.notes();
        if everywhere {
            notes.standing(key, standing);
            wish.on_device.keys().for_each(|device| notes.standing_on(key, device, None));
        } else {
            notes.standing_on(key, &own, Some(standing));
        }
        notes.commit().map(|_| ())
    }

    pub(crate) fn standing_here(&self, key: &PublicKey) -> Result<PartyStanding, Error> {
        let joined = self.household()?.parties.remove(key).unwrap_or_default();
        Ok(joined.standing(&self.profile().device))
    }

    /// The record of a party that is here, open or closed.
    fn any_party(&self, key: &PublicKey) -> Result<PartyRecord, Error> {
        if *key == self.profile().identity {
            return Err(Error::IdentityParty);
        }
        if let Some(state) = self.open_state(key) {
            return Ok(lock(&state).record.clone());
        }
        self.lock_closed().get(key).cloned().ok_or(Error::NoSuchParty(*key))
    }

    fn put_party_record(&self, record: &PartyRecord) -> Result<(), Error> {
        let mut batch = Batch::new();
        put_record(&mut batch, record);
        Ok(self.store().commit(batch)?)
    }

    pub(crate) fn why_not_open(&self, key: &PublicKey) -> Error {
        let closed = self.lock_closed().get(key).cloned();
        match (closed, self.standing_here(key)) {
            (None, _) => Error::NoSuchParty(*key),
            (Some(_), Ok(PartyStanding::Inactive | PartyStanding::Left)) => Error::PartyInactive(*key),
            (Some(_), _) => Error::PartyClosed(*key),
        }
    }

    /// Takes a party out of memory. Handles to it read on, and write no more.
    pub(crate) fn shut(&self, key: &PublicKey) {
        let Some(state) = self.open_state(key) else { return };
        let record = {
            let mut state = lock(&state);
            state.closed = true; // before anybody can open it anew
            state.record.clone()
        };
        self.lock_parties().remove(key);
        self.lock_closed().insert(*key, record);
        self.notify();
    }

    /// Opens what is here and should be open, when the database is.
    pub(crate) fn open_active(&self) -> Result<(), Error> {
        let (device, joined) = (self.profile().device, self.household()?.parties);
        let closed = self.lock_closed().clone();
        for (key, record) in closed {
            let standing = joined.get(&key).map_or(PartyStanding::Active, |wish| wish.standing(&device));
            if standing == PartyStanding::Active && !record.closed {
                self.adopt(record)?;
            }
        }
        Ok(())
    }

    /// Removes every row of a party, and the keys of this device's feeds in it.
    pub(crate) fn erase(&self, key: &PublicKey) -> Result<(), Error> {
        let leaving = self.lock_leaving().get(key).map(|state| lock(state).record.clone());
        let record = leaving.map_or_else(|| self.any_party(key), Ok)?;
        let feeds = self.own_feeds(key, &record);
        self.shut(key);
        let mut batch = Batch::new();
        let mut parts = BTreeSet::new();
        for table in OF_PARTIES {
            visit_rows(self.store(), table, key.as_bytes(), |row, value| {
                parts.extend(parts_of(table, value));
                batch.delete(table, row);
                Ok(())
            })?;
        }
        // A part is named by its bytes alone: another party may say the very same.
        for table in [ENTRIES, PENDING] {
            visit_rows(self.store(), table, &[], |row, value| {
                if !row.starts_with(key.as_bytes()) {
                    let theirs = parts_of(table, value);
                    parts.retain(|part| !theirs.contains(part));
                }
                Ok(())
            })?;
        }
        parts.iter().for_each(|part| batch.delete(PARTS, part.as_bytes().as_slice()));
        feeds.iter().for_each(|feed| KeyStore::forget_into(&mut batch, &secret_label(feed)));
        batch.delete(PROFILE, party_row(key));
        self.store().commit(batch)?;
        self.lock_closed().remove(key);
        self.lock_leaving().remove(key);
        Ok(())
    }
}

impl Database {
    /// The feeds of this device in a party, those of former stints among them.
    fn own_feeds(&self, key: &PublicKey, record: &PartyRecord) -> BTreeSet<PublicKey> {
        let state = self.open_state(key).or_else(|| self.lock_leaving().get(key).cloned()).or_else(|| {
            let state = PartyState::with(self.store(), record.clone(), self.models(), &|_| true);
            // What can't be read has no keys that are known.
            state.ok().map(|state| Arc::new(Mutex::new(state)))
        });
        let admitted = state.map(|state| {
            let state = lock(&state);
            state.authority.feeds(&state.graph)
        });
        let own = |(feed, known): (PublicKey, Feed)| (known.device == self.profile().device).then_some(feed);
        let now = [&record.control_feed, &record.data_feed].into_iter();
        let now = now.filter_map(|feed| PublicKey::from_bytes(feed).ok());
        now.chain(admitted.into_iter().flatten().filter_map(own)).collect()
    }
}

impl Party {
    /// Whether somebody else is a member.
    fn has_others(&self) -> bool {
        let identity = self.database().profile().identity;
        let is_other =
            |(key, member): (PublicKey, Member)| key != identity && member.counted && member.until.is_none();
        self.members().into_iter().any(is_other)
    }

    /// Whether it takes nothing in.
    pub fn is_paused(&self) -> bool {
        self.with(|state| state.record.paused)
    }

    /// Lets it take nothing in until it is resumed; that holds when the database is opened again, too.
    ///
    /// # Errors
    /// [`Error::IdentityParty`]; [`Error::Store`].
    pub fn pause(&self) -> Result<(), Error> {
        if self.key() == self.database().profile().identity {
            return Err(Error::IdentityParty);
        }
        self.set_paused(true)
    }

    /// Takes in what came meanwhile, and goes on.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn resume(&self) -> Result<(), Error> {
        if !self.is_paused() {
            return Ok(());
        }
        self.set_paused(false)?;
        self.take_stalled()?;
        self.read_held_again()?;
        self.database().do_chores();
        self.database().notify();
        Ok(())
    }

    /// Takes in what came while the party was paused. What can't be read any more, or is no good, is asked for again.
    pub(crate) fn take_stalled(&self) -> Result<(), Error> {
        let (mut stalled, mut done) = (Vec::new(), Batch::new());
        visit_rows(self.database().store(), STALLED, self.key().as_bytes(), |row, value| {
            stalled.extend(read_stalled(value));
            done.delete(STALLED, row);
            Ok(())
        })?;
        let arrival = |bundle: Bundle| {
            let entry = Entry::decode(&bundle.entry).ok()?;
            Some(Arrival { entry, parts: bundle.parts, peer: None })
        };
        self.ingest(stalled.into_iter().filter_map(arrival).collect())?;
        self.database().store().commit(done)?;
        self.with(|state| state.stalled.clear());
        Ok(())
    }

    fn set_paused(&self, paused: bool) -> Result<(), Error> {
        let store = self.database().store();
        self.with(|state| {
            if state.closed {
                return Err(Error::PartyClosed(state.party));
            }
            let record = PartyRecord { paused, ..state.record.clone() };
            let mut batch = Batch::new();
            put_record(&mut batch, &record);
            store.commit(batch)?;
            state.record = record;
            Ok(())
        })
    }

    /// Keeps what came while the party was paused.
    pub(crate) fn stall(&self, arrivals: Vec<Arrival>) -> Result<Report, Error> {
        let store = self.database().store();
        let mut report = Report::default();
        self.with(|state| {
            let mut batch = Batch::new();
            for arrival in arrivals {
                let id = arrival.entry.id();
                let number = state.stalled.len() as u64;
                if state.stalled.insert(id) {
                    let row = under_party(&state.party, &number.to_be_bytes());
                    batch.put(STALLED, row, write_stalled(&arrival));
                }
                report.outcomes.push((id, crate::Outcome::Stalled));
            }
            if batch.is_empty() { Ok(()) } else { store.commit(batch) }
        })?;
        Ok(report)
    }
}

/// The parts that a row of a table names as an entry's.
fn parts_of(table: Table, row: &[u8]) -> Vec<Cid> {
    let entry = match table {
        ENTRIES => Entry::decode_stored(row).ok(),
        PENDING => read_waiting(row).ok().map(|(entry, _)| entry),
        _ => None,
    };
    entry.map_or_else(Vec::new, |entry| entry.header().parts.iter().map(|part| part.cid).collect())
}

/// The entry, then each part, each after its length (4 bytes, little-endian).
fn write_stalled(arrival: &Arrival) -> Vec<u8> {
    let entry = arrival.entry.encode();
    let pieces = std::iter::once(&entry).chain(&arrival.parts);
    let framed = |piece: &Vec<u8>| {
        let length = u32::try_from(piece.len()).expect("a part is at most 256 KiB");
        [length.to_le_bytes().as_slice(), piece].concat()
    };
    pieces.flat_map(framed).collect()
}

pub(crate) fn read_stalled(mut bytes: &[u8]) -> Option<Bundle> {
    let mut pieces = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (piece, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        pieces.push(piece.to_vec());
        bytes = rest;
    }
    let mut pieces = pieces.into_iter();
    Some(Bundle { entry: pieces.next()?, parts: pieces.collect() })
}
