//! The one way in: local and remote entries walk the same corridor (design §2, law 6).
//!
//! A batch of arrivals goes through these steps, and is one epoch of every view (Q11):
//!
//! 1. *shape*: the entry belongs to this party, its parts are the ones its header names. A fault here is the sender's.
//! 2. *link* (H7): an entry whose causes are missing waits on disk, and each wait names what it waits for; one that
//!    lies about its causes is refused for ever; one from a later version of Motet is held.
//! 3. *authorise* (H8): judged by the control entries in its own past.
//! 4. *commit*: entries, parts, index rows, waits, what is to be withdrawn, and the journal's row if a view is kept:
//!    all
//!    in one atomic commit. That return is the promise.
//! 5. *count* (H9) and *fold*: loaded items take the facts in, and take back those that no longer count; if those are
//!    many, little by little afterwards ([`crate::withdrawal`], H13). If a view reads items, those that change were
//!    loaded before step 4, as they were.
//! 6. *publish*: the net changes of the base relations go to the queues of the views.
//!
//! Steps 2 to 4 change memory and disk together: if the commit fails, memory is ahead of the disk, so the store is
//! poisoned and stays so until the database is opened again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Weak;

use motet_fact::{Cid, PublicKey};
use motet_feed::{Entry, EntryKind, Linkage, Position};
use motet_item::{Change, Item, ItemId, PartBody, Registry};
use motet_store::{Batch, Store};
use prost::Message as _;

use crate::checkpoint;
use crate::model::Models;
use crate::proto::WaitingEntry;
use crate::queue::Queue;
use crate::state::{self, BodyFault, PartyState};
use crate::tables::{self, ENTRIES, ITEM_PARTS, PARTS, PENDING, REFUSED};
use crate::withdrawal::Batched;
use crate::{Error, relations};

/// An entry with its body, before anything is known of it but that it is well formed.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The entry.
    pub entry: Entry,
    /// The bytes of its parts, in the header's order.
    pub parts: Vec<Vec<u8>>,
    /// The device that sent it; `None`: it was written here, or brought by other means.
    pub peer: Option<PublicKey>,
}

/// What became of an arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is linked, and authorised.
    Linked,
    /// It is linked, but its writer had no authority; it reaches no view.
    Unauthorised(String),
    /// It was here before.
    Known,
    /// It waits for these.
    Waiting(Vec<Cid>),
    /// The party is paused: it waits until that is over.
    Stalled,
    /// It is from a later version of Motet, and held until this program is updated.
    Held(String),
    /// It lies about its causes: refused for ever.
    Refused(String),
    /// The sender's fault: the bytes are not what they should be. Nothing is said about the feed.
    Rejected(String),
}

/// What became of a batch.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Each arrival's outcome, in the order they came.
    pub outcomes: Vec<(Cid, Outcome)>,
    /// Entries that waited before and are linked now.
    pub released: Vec<Cid>,
}

impl Report {
    /// How many entries this batch linked.
    pub fn linked(&self) -> usize {
        let now =
            |(_, outcome): &&(Cid, Outcome)| matches!(outcome, Outcome::Linked | Outcome::Unauthorised(_));
        self.outcomes.iter().filter(now).count() + self.released.len()
    }
}

/// Gives the next arrival, if there is one.
pub(crate) type Source<'a> = dyn FnMut(&mut PartyState) -> Result<Option<Arrival>, Error> + 'a;

/// One run of the corridor.
struct Run<'a> {
    state: &'a mut PartyState,
    store: &'a dyn Store,
    batch: Batch,
    /// Waiting arrivals of this very run, which are not on disk yet.
    staged: BTreeMap<Cid, Arrival>,
    linked: Vec<(Position, Arrival)>,
    /// Feeds of which other entries may count than before.
    feeds: BTreeSet<PublicKey>,
}

impl PartyState {
    /// Sends arrivals down the corridor, unless the party is closed or paused: `next` gives them one by one, each when
    /// the ones before are linked, so that a local writer can cite what it has just written. `extra` is committed with
    /// them.
    pub(crate) fn run(
        &mut self,
        store: &dyn Store,
        extra: Batch,
        next: &mut Source<'_>,
    ) -> Result<Report, Error> {
        if self.closed {
            return Err(Error::PartyClosed(self.party));
        }
        if self.record.paused {
            return Err(Error::PartyPaused(self.party));
        }
        let (staged, linked, feeds) = (BTreeMap::new(), Vec::new(), BTreeSet::new());
        let mut run = Run { state: self, store, batch: extra, staged, linked, feeds };
        let mut report = Report::default();
        let walked = run.walk(next, &mut report);
        let (mut batch, linked, feeds) = (run.batch, run.linked, run.feeds);
        let new: BTreeSet<Cid> = linked.iter().map(|(position, _)| position.id).collect();
        let stale = self.plan_withdrawal(store, &feeds, &new, &mut batch);
        // A writer who may not write leaves nothing behind: no used invitation, no key, no author.
        let in_vain = walked.is_err() && linked.is_empty() && report.outcomes.is_empty();
        let epoch = self.journal.put_epoch(&self.party, &linked, &stale.entries, &mut batch);
        self.load_changing(store, &linked, &stale);
        if !batch.is_empty() && !in_vain {
            self.sound()?;
            store.commit(batch)?;
        }
        if !linked.is_empty() {
            self.journal.advance(epoch);
            self.take_effect(store, &linked, &stale, epoch);
            self.checkpoint_if_due(store)?;
        }
        walked.map(|()| report)
    }

    /// Loads the items that a batch changes, if a view is to hear of it.
    pub(crate) fn load_changing(
        &mut self,
        store: &dyn Store,
        linked: &[(Position, Arrival)],
        stale: &Batched,
    ) {
        let data = linked.iter().map(|(_, arrival)| arrival.entry.header());
        let data = data.filter(|header| header.kind == EntryKind::Data);
        let ids: BTreeSet<ItemId> = data
            .flat_map(|header| &header.parts)
            .map(|part| ItemId(part.tag.0))
            .chain(stale.items())
            .collect();
        if let Err(error) = self.load_for_views(store, ids) {
            self.fail_views(&error);
        }
    }

    /// Steps 5 and 6: what the linked entries change, and others that begin or cease to count, goes to the views.
    /// `epoch` is the number under which the batch is in the journal, if somebody keeps one.
    pub(crate) fn take_effect(
        &mut self,
        store: &dyn Store,
        linked: &[(Position, Arrival)],
        stale: &Batched,
        epoch: Option<u64>,
    ) {
        let mut changes = self.change_counted(stale);
        changes.extend(self.fold_in(linked));
        let new: Vec<Cid> = linked.iter().map(|(position, _)| position.id).collect();
        if stale.is_blind {
            self.fail_views("an entry that no longer counts, or counts again, can't be read");
        }
        self.tell(store, changes, (&new, &stale.entries), epoch);
    }

    /// Tells the views what changed: what items give, entries that were linked, and others that were folded anew.
    pub(crate) fn tell(
        &mut self,
        store: &dyn Store,
        changes: Vec<(ItemId, Change)>,
        (linked, changed): (&[Cid], &[Cid]),
        epoch: Option<u64>,
    ) {
        let reads_outline = |queue: &Weak<Queue>| queue.upgrade().is_some_and(|queue| queue.reads_outline());
        let hung = match self.queues.iter().any(reads_outline) {
            true => self.hang(store, changes),
            false => Ok(changes),
        };
        match hung {
            Ok(changes) => self.publish(changes, linked, changed, epoch),
            Err(error) => self.fail_views(&error),
        }
    }

    /// What changed can't be told: whoever reads a view of this party is told that, and may open it again.
    fn fail_views(&mut self, why: impl std::fmt::Display) {
        let queues = self.queues.drain(..).filter_map(|queue| queue.upgrade());
        queues.for_each(|queue| queue.fail(why.to_string()));
    }

    /// What the linked entries change, but for where items hang.
    fn fold_in(&mut self, linked: &[(Position, Arrival)]) -> Vec<(ItemId, Change)> {
        let mut changes = Vec::new();
        for (position, arrival) in linked {
            self.note_counted(&position.id);
            if arrival.entry.header().kind == EntryKind::Data {
                changes.extend(self.fold_entry(*position, arrival));
            }
        }
        changes
    }

    fn fold_entry(&mut self, position: Position, arrival: &Arrival) -> Vec<(ItemId, Change)> {
        let (mut changes, counted) = (Vec::new(), self.counts(&position.id));
        for (reference, bytes) in arrival.entry.header().parts.iter().zip(&arrival.parts) {
            let id = ItemId(reference.tag.0);
            let Some(item) = self.items.get_mut(&id) else { continue };
            match PartBody::decode(bytes) {
                Ok(body) => {
                    let of_item = state::assert_part(item, position, counted, &body, &self.graph);
                    changes.extend(of_item.into_iter().map(|change| (id, change)));
                }
                Err(error) => {
                    let why = state::unreadable_part(&position, &self.graph, &error);
                    self.unreadable.insert(reference.cid, why);
                }
            }
        }
        changes
    }

    /// Other models are known: items may come alive.
    pub(crate) fn revive(&mut self, store: &dyn Store, models: &Models) {
        let registry = self.programs.add_to(&models.registry);
        let mut changes = Vec::new();
        if self.is_watched() {
            match self.revived(store, &registry) {
                Ok(unloaded) => changes = unloaded,
                Err(error) => self.fail_views(&error),
            }
        }
        let revive = |(id, item): (ItemId, &mut Item)| {
            item.revive(&registry).into_iter().map(move |change| (id, change)).collect::<Vec<_>>()
        };
        changes.extend(self.items.iter_mut().flat_map(revive));
        (self.models, self.registry) = (models.clone(), registry);
        self.tell(store, changes, (&[], &[]), None);
    }

    /// What changes of the items that are not loaded when they know these models.
    fn revived(&mut self, store: &dyn Store, registry: &Registry) -> Result<Vec<(ItemId, Change)>, Error> {
        let mut changes = Vec::new();
        let mut ids = self.roster.ids(store)?;
        ids.retain(|id| !self.items.contains(id));
        for id in ids {
            let revived = self.fold(store, id)?.revive(registry);
            changes.extend(revived.into_iter().map(|change| (id, change)));
        }
        Ok(changes)
    }

    /// Step 6. `linked` are entries that were linked, `changed` others that were folded anew.
    fn publish(
        &mut self,
        changes: Vec<(ItemId, Change)>,
        linked: &[Cid],
        changed: &[Cid],
        epoch: Option<u64>,
    ) {
        self.queues.retain(|queue| queue.strong_count() > 0);
        if self.queues.is_empty() {
            return;
        }
        let mut all = relations::PartyChanges::new();
        for (item, change) in changes {
            all.entry(change.relation.name()).or_default().push((Some(item), change.row, change.weight));
        }
        let queues: Vec<_> = self.queues.iter().filter_map(Weak::upgrade).collect();
        for relation in relations::SMALL {
            if queues.iter().any(|queue| queue.wants(relation)) {
                relations::system_changes(self, relation, &mut all);
            }
        }
        if queues.iter().any(|queue| queue.wants(relations::ENTRY)) {
            relations::entry_changes(self, linked, changed, &mut all);
        }
        for queue in queues {
            queue.push(&self.party, &all, epoch);
        }
    }
}

impl Run<'_> {
    fn walk(&mut self, next: &mut Source<'_>, report: &mut Report) -> Result<(), Error> {
        while let Some(arrival) = next(self.state)? {
            let id = arrival.entry.id();
            let outcome = self.arrive(arrival, &mut report.released)?;
            report.outcomes.push((id, outcome));
        }
        Ok(())
    }

    fn arrive(&mut self, arrival: Arrival, released: &mut Vec<Cid>) -> Result<Outcome, Error> {
        if let Err(fault) = self.shape(&arrival) {
            return Ok(Outcome::Rejected(fault));
        }
        let id = arrival.entry.id();
        if let Some(reason) = self.state.refused.get(&id) {
            return Ok(Outcome::Refused(reason.clone()));
        }
        if self.state.held.contains(&id) {
            // It is read again, by a program that may know more.
            self.state.release_held(&id, &mut self.batch);
        }
        match self.state.graph.linkage(&arrival.entry) {
            Linkage::Known => Ok(Outcome::Known),
            Linkage::Missing(missing) => Ok(self.wait(arrival, missing)),
            Linkage::Ready => {
                let outcome = self.link(arrival)?;
                if matches!(outcome, Outcome::Linked | Outcome::Unauthorised(_)) {
                    self.release(id, released)?; // what waits for a refused or held entry waits on
                }
                Ok(outcome)
            }
        }
    }

    /// Step 1.
    fn shape(&self, arrival: &Arrival) -> Result<(), String> {
        let header = arrival.entry.header();
        let place = || format!("entry {} (feed {}, seq {})", arrival.entry.id(), header.feed, header.seq);
        if header.party != self.state.party {
            return Err(format!("{} belongs to party {}, not to this one", place(), header.party));
        }
        if header.parts.len() != arrival.parts.len() {
            return Err(format!(
                "{} came with {} of its {} parts",
                place(),
                arrival.parts.len(),
                header.parts.len()
            ));
        }
        let wrong = header.parts.iter().zip(&arrival.parts).find(|(part, bytes)| !part.names(bytes));
        match wrong {
            Some((part, _)) => {
                Err(format!("{} came with a part that does not hash to {}", place(), part.cid))
            }
            None => Ok(()),
        }
    }

    fn wait(&mut self, arrival: Arrival, missing: Vec<Cid>) -> Outcome {
        let id = arrival.entry.id();
        if self.state.pending.contains(&id) {
            return Outcome::Known;
        }
        let waiter = state::waiter(&arrival.entry, arrival.peer);
        if let Err(quota) = self.state.pending.wait(waiter, missing.iter().copied()) {
            return Outcome::Rejected(quota.to_string());
        }
        let peer = arrival.peer.map(|peer| peer.as_bytes().to_vec()).unwrap_or_default();
        let row = WaitingEntry { entry: arrival.entry.encode(), peer }.encode_to_vec();
        self.batch.put(PENDING, tables::under_party(&self.state.party, id.as_bytes()), row);
        self.put_parts(&arrival);
        self.staged.insert(id, arrival);
        Outcome::Waiting(missing)
    }

    /// Steps 2 and 3, for an entry whose causes are linked.
    fn link(&mut self, arrival: Arrival) -> Result<Outcome, Error> {
        let entry = &arrival.entry;
        let id = entry.id();
        if let Err(lie) = self.state.graph.check(entry) {
            return Ok(self.refuse(id, lie.to_string()));
        }
        let body = match entry.header().kind {
            EntryKind::Data => None,
            EntryKind::Control => match state::control_body(entry, &arrival.parts) {
                Ok(body) => Some(body),
                Err(BodyFault::Later(why)) => return Ok(self.hold(&arrival, why)),
                Err(BodyFault::Wrong(why)) => return Ok(self.refuse(id, why)),
            },
        };
        let taken = self.state.take_in(entry, body.as_ref());
        self.feeds.extend(taken.feeds);
        self.put_rows(&arrival);
        self.linked.push((entry.position(), arrival));
        Ok(taken.unauthorised.map_or(Outcome::Linked, Outcome::Unauthorised))
    }

    fn hold(&mut self, arrival: &Arrival, why: String) -> Outcome {
        let (id, entry) = (arrival.entry.id(), arrival.entry.encode());
        match self.state.hold(id, entry, arrival.parts.clone(), &mut self.batch) {
            Ok(()) => Outcome::Held(why),
            Err(full) => Outcome::Rejected(full),
        }
    }

    fn refuse(&mut self, id: Cid, reason: String) -> Outcome {
        let row = tables::under_party(&self.state.party, id.as_bytes());
        self.batch.put(REFUSED, row, reason.clone());
        self.state.refused.insert(id, reason.clone());
        Outcome::Refused(reason)
    }

    /// Lets what waited for this entry walk on, and what waited for that.
    fn release(&mut self, arrived: Cid, released: &mut Vec<Cid>) -> Result<(), Error> {
        let mut arrived = VecDeque::from([arrived]);
        while let Some(cid) = arrived.pop_front() {
            for id in self.state.pending.arrived(&cid) {
                let arrival = self.unstage(&id)?;
                self.batch.delete(PENDING, tables::under_party(&self.state.party, id.as_bytes()));
                if let Outcome::Linked | Outcome::Unauthorised(_) = self.link(arrival)? {
                    released.push(id);
                    arrived.push_back(id);
                }
            }
        }
        Ok(())
    }

    fn unstage(&mut self, id: &Cid) -> Result<Arrival, Error> {
        if let Some(arrival) = self.staged.remove(id) {
            return Ok(arrival);
        }
        load_waiting(self.store, &self.state.party, id)?
            .ok_or_else(|| Error::unreadable(format!("waiting entry {id}"), "it is missing"))
    }

    fn put_parts(&mut self, arrival: &Arrival) {
        for (part, bytes) in arrival.entry.header().parts.iter().zip(&arrival.parts) {
            self.batch.put(PARTS, part.cid.as_bytes().as_slice(), bytes.as_slice());
        }
    }

    fn put_rows(&mut self, arrival: &Arrival) {
        let party = self.state.party;
        let (entry, position) = (&arrival.entry, arrival.entry.position());
        self.batch.put(ENTRIES, tables::position_key(&party, &position), entry.encode());
        let number = self.state.graph.number_of(&position.id).expect("it was just linked");
        checkpoint::put_linked(&mut self.batch, &party, number, &position);
        self.put_parts(arrival);
        if entry.header().kind == EntryKind::Data {
            for (index, part) in entry.header().parts.iter().enumerate() {
                let index = u16::try_from(index).expect("an entry has at most 1,024 parts");
                let key = tables::item_part_key(&party, &part.tag, &position, index);
                self.batch.put(ITEM_PARTS, key, part.cid.as_bytes().as_slice());
                self.state.is_title_new |= part.tag == ItemId::root(&party).tag();
            }
        }
    }
}

/// Reads a row of `pending`: the entry, and who sent it.
pub(crate) fn read_waiting(row: &[u8]) -> Result<(Entry, Option<PublicKey>), Error> {
    let unreadable = |error: &dyn std::fmt::Display| Error::unreadable("a waiting entry", error);
    let row = WaitingEntry::decode(row).map_err(|error| unreadable(&error))?;
    let entry = Entry::decode_stored(&row.entry).map_err(|error| unreadable(&error))?;
    let peer = match row.peer.as_slice() {
        [] => None,
        key => Some(PublicKey::from_bytes(key).map_err(|error| unreadable(&error))?),
    };
    Ok((entry, peer))
}

/// Reads a waiting entry from disk.
pub(crate) fn load_waiting(store: &dyn Store, party: &PublicKey, id: &Cid) -> Result<Option<Arrival>, Error> {
    let Some(row) = store.get(PENDING, &tables::under_party(party, id.as_bytes()))? else {
        return Ok(None);
    };
    let (entry, peer) = read_waiting(&row)?;
    let parts = state::load_parts(store, &entry)?;
    Ok(Some(Arrival { entry, parts, peer }))
}
