//! One party as this replica knows it: what is linked, who may write, what waits, which items are loaded.
//!
//! All of it is a function of the entries in the store. When the database opens, who may write is judged again from
//! the control entries, and the rest goes on from where the last [checkpoint](crate::checkpoint) left it. Bodies are
//! not read: an item is folded when somebody asks for it, from its own parts alone (H27), and let go when others need
//! the room. So opening costs what changed lately, and a bulk import that nobody watches costs no folding.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Weak};

use motet_algebra::{RelationName, Row};
use motet_fact::{Attribute, Cid, Digest, PublicKey, SetHash, Value};
use motet_feed::{Entry, EntryKind, Graph, Linkage, Pending, Position, Quotas, Waiter};
use motet_item::{Assertion, BaseRelation, Change, Item, ItemId, PartBody, Registry};
use motet_party::{Authority, ControlBody, decode_body};
use motet_store::{Batch, ScanRange, Store, get_block};

use crate::bound::Sought;
use crate::checkpoint::{Opening, PartyShelf};
use crate::circuit::Contents;
use crate::fact_index::FactIndex;
use crate::held::Held;
use crate::journal::Journal;
use crate::limits::Limits;
use crate::model::{Models, Programs, RulesState};
use crate::proto::PartyRecord;
use crate::queue::Queue;
use crate::relations::{self, SystemRows, Wanted};
use crate::roster::Roster;
use crate::tables::{ENTRIES, PARTS, PENDING, REFUSED, SAVED_ITEMS, STALLED, position_key, under_party};
use crate::withdrawal::Withdrawal;
use crate::working_set::WorkingSet;
use crate::{Error, outline, pipeline};

/// Is given rows of base relations, as wide as they can be, with the item that they are of.
pub(crate) type RowVisitor<'a> = dyn FnMut(&'static str, Option<ItemId>, Vec<Value>) + 'a;

/// The most bytes of a saved item that are in a row: about a page of the store.
const SAVED_PIECE: usize = 3500;
/// How much may wait (H13).
const QUOTAS: Quotas = Quotas { per_feed: 1_000_000, per_peer: 100_000, bytes_per_peer: 256 << 20 };

pub(crate) struct PartyState {
    pub(crate) party: PublicKey,
    pub(crate) record: PartyRecord,
    /// Whether the party was closed: what still holds it only reads.
    pub(crate) closed: bool,
    /// What came while the party was paused, and waits on disk.
    pub(crate) stalled: BTreeSet<Cid>,
    /// Whether its title may have become another since somebody looked.
    pub(crate) is_title_new: bool,
    pub(crate) graph: Graph,
    pub(crate) authority: Authority,
    pub(crate) pending: Pending,
    pub(crate) refused: BTreeMap<Cid, String>,
    /// Entries from later versions of Motet (H7).
    pub(crate) held: Held,
    /// Parts that can't be read, and why: kept, shown, and never in anybody's way.
    pub(crate) unreadable: BTreeMap<Cid, String>,
    /// The items that have parts here.
    pub(crate) roster: Roster,
    /// Those of them that are folded and in memory.
    pub(crate) items: WorkingSet,
    /// Entries that are linked, and of which no item and no view has heard yet.
    pub(crate) untold: BTreeSet<Cid>,
    /// The models of the database.
    pub(crate) models: Models,
    /// The models that are data, of which the blocks are here.
    pub(crate) programs: Programs,
    /// Both.
    pub(crate) registry: Registry,
    /// The attributes that somebody named: models say on demand what there is of them.
    asked: BTreeSet<Attribute>,
    /// The hash of the set of linked entries that are folded as counted. The graph marks them.
    pub(crate) counted: SetHash,
    /// Where its graph lies, if it is on disk.
    pub(crate) shelf: Option<Arc<PartyShelf>>,
    /// Which entries say what, if it is on disk.
    pub(crate) fact_index: FactIndex,
    pub(crate) limits: Limits,
    /// What opening it took.
    pub(crate) opening: Opening,
    /// Of feeds of which not all counts, what counts and nothing follows that does.
    pub(crate) told_heads: BTreeMap<PublicKey, Vec<Cid>>,
    /// Feeds of which entries count otherwise than they are folded (H13).
    pub(crate) withdrawals: BTreeMap<PublicKey, Withdrawal>,
    pub(crate) queues: Vec<Weak<Queue>>,
    pub(crate) system: SystemRows,
    /// The epochs that kept views have yet to take in.
    pub(crate) journal: Journal,
}

impl PartyState {
    /// Reads a party from the store.
    pub(crate) fn open(store: &Arc<dyn Store>, record: PartyRecord, models: Models) -> Result<Self, Error> {
        let mut state = Self::nothing(&**store, record, models, true)?;
        state.read_withdrawals(&**store)?;
        state.read_linked(store)?;
        let store = &**store;
        state.rewait(store)?;
        state.read_held(store)?;
        let party = state.party;
        visit_rows(store, REFUSED, party.as_bytes(), |key, reason| {
            let id = Cid::from_bytes(&key[32..]).map_err(|error| Error::unreadable("a refused id", error))?;
            state.refused.insert(id, String::from_utf8_lossy(reason).into_owned());
            Ok(())
        })?;
        visit_rows(store, STALLED, party.as_bytes(), |_, value| {
            let bundle = crate::parties::read_stalled(value);
            let entry = bundle.and_then(|bundle| Entry::decode_stored(&bundle.entry).ok());
            state.stalled.extend(entry.map(|entry| entry.id()));
            Ok(())
        })?;
        state.journal = Journal::open(store, &party)?;
        Ok(state)
    }

    /// A party as a replica has it that has some of the entries here and no others, made from them. With each it has
    /// its causes.
    pub(crate) fn with(
        store: &dyn Store,
        record: PartyRecord,
        models: Models,
        has: &dyn Fn(&Cid) -> bool,
    ) -> Result<Self, Error> {
        let mut state = Self::nothing(store, record, models, false)?;
        state.relink(store, has)?;
        Ok(state)
    }

    /// A party of which nothing is linked yet.
    fn nothing(
        store: &dyn Store,
        record: PartyRecord,
        models: Models,
        is_shelved: bool,
    ) -> Result<Self, Error> {
        let party = PublicKey::from_bytes(&record.party)
            .map_err(|error| Error::unreadable("the record of a party", error))?;
        let programs = Programs::open(store, &party, &models.budget)?;
        let registry = programs.add_to(&models.registry);
        Ok(PartyState {
            party,
            record,
            closed: false,
            stalled: BTreeSet::new(),
            is_title_new: false,
            graph: Graph::default(),
            authority: Authority::new(party),
            pending: Pending::new(QUOTAS),
            refused: BTreeMap::new(),
            held: Held::default(),
            unreadable: BTreeMap::new(),
            roster: Roster::new(party, is_shelved),
            items: WorkingSet::new(ItemId::tree(&party)),
            untold: BTreeSet::new(),
            models,
            programs,
            registry,
            asked: BTreeSet::new(),
            counted: SetHash::default(),
            shelf: None,
            fact_index: FactIndex::default(),
            limits: Limits::default(),
            opening: Opening::default(),
            withdrawals: BTreeMap::new(),
            told_heads: BTreeMap::new(),
            queues: Vec::new(),
            system: SystemRows::default(),
            journal: Journal::default(),
        })
    }

    /// Forgets all that is linked.
    pub(crate) fn forget_linked(&mut self) {
        self.graph = Graph::default();
        self.authority = Authority::new(self.party);
        self.counted = SetHash::default();
    }

    pub(crate) fn relink(&mut self, store: &dyn Store, has: &dyn Fn(&Cid) -> bool) -> Result<(), Error> {
        let party = self.party;
        visit_rows(store, ENTRIES, party.as_bytes(), |_, bytes| {
            let entry =
                Entry::decode_stored(bytes).map_err(|error| Error::unreadable("a stored entry", error))?;
            if !has(&entry.id()) {
                return Ok(());
            }
            if self.graph.linkage(&entry) != Linkage::Ready {
                return Err(Error::unreadable(format!("entry {}", entry.id()), "a cause of it is missing"));
            }
            self.take_in_stored(&entry, || load_parts(store, &entry))?;
            Ok(())
        })?;
        for id in self.graph.ids().collect::<Vec<_>>() {
            self.note_counted(&id);
        }
        Ok(())
    }

    fn rewait(&mut self, store: &dyn Store) -> Result<(), Error> {
        let party = self.party;
        visit_rows(store, PENDING, party.as_bytes(), |_, bytes| {
            let (entry, peer) = pipeline::read_waiting(bytes)?;
            if let Linkage::Missing(missing) = self.graph.linkage(&entry) {
                // Over quota: the row stays, and the entry is asked for again by its descendants.
                let _ = self.pending.wait(waiter(&entry, peer), missing);
            }
            Ok(())
        })
    }

    /// Judges and links an entry that was linked before. Its parts are read if it is a control entry.
    pub(crate) fn take_in_stored(
        &mut self,
        entry: &Entry,
        parts: impl FnOnce() -> Result<Vec<Vec<u8>>, Error>,
    ) -> Result<TakenIn, Error> {
        let body = match entry.header().kind {
            EntryKind::Control => {
                let body = control_body(entry, &parts()?);
                Some(body.map_err(|fault| Error::unreadable("a stored entry", fault.words()))?)
            }
            EntryKind::Data => None,
        };
        Ok(self.take_in(entry, body.as_ref()))
    }

    /// Judges and links an entry whose causes are linked. A control entry comes with its body.
    pub(crate) fn take_in(&mut self, entry: &Entry, body: Option<&ControlBody>) -> TakenIn {
        let header = entry.header();
        let mut taken = TakenIn::default();
        let verdict = match body {
            Some(body) => self.authority.admit(entry, body, &self.graph).map(|effect| {
                taken.feeds = effect.feeds;
            }),
            None => self.authority.judge(entry, &self.graph),
        };
        if let Err(refusal) = &verdict {
            self.authority.refuse(refusal);
            taken.unauthorised = Some(refusal.to_string());
        }
        self.graph.link(entry, verdict.is_ok());
        self.untold.insert(entry.id());
        self.told_heads.remove(&header.feed);
        if header.kind == EntryKind::Data {
            header.parts.iter().for_each(|part| self.roster.add(ItemId(part.tag.0)));
            self.fact_index.bytes_due += header.parts.iter().map(|part| u64::from(part.length)).sum::<u64>();
            taken.feeds.extend(self.authority.feeds_cut_at(&entry.id()));
        }
        taken
    }

    /// Whether views were told of a data entry as one that counts. When nothing is on its way to them, that is whether
    /// it counts, and for that no page of the graph need be read.
    pub(crate) fn is_told_as_counted(&self, position: &Position) -> bool {
        match self.withdrawals.is_empty() && self.untold.is_empty() {
            true => self.authority.counts_data(position, &self.graph),
            false => self.is_folded_as_counted(&position.id),
        }
    }

    /// Whether a linked entry counts (H9).
    pub(crate) fn counts(&self, id: &Cid) -> bool {
        self.authority.counts(id, &self.graph)
    }

    /// Folds an item from its parts, unless it is loaded. Others may have to go to make room for it, but not the tree.
    pub(crate) fn load_item(&mut self, store: &dyn Store, id: ItemId) -> Result<&mut Item, Error> {
        self.load_besides(store, id)?;
        self.make_room(&id);
        Ok(self.items.get_mut(&id).expect("it was just put there"))
    }

    /// Lets items go if there are too many, but not this one. Whether an item of a model that is rules is computed may
    /// depend on how its facts came (H20): while views hear of it, it stays as it is.
    fn make_room(&mut self, but: &ItemId) {
        let room = self.limits.facts_in_memory;
        if self.items.is_over(room) {
            let is_watched = self.is_watched();
            let stays = |item: &Item| is_watched && item.state::<RulesState>().is_some();
            self.items.make_room(room, but, stays);
        }
    }

    /// The same, and nothing has to go.
    fn load_besides(&mut self, store: &dyn Store, id: ItemId) -> Result<(), Error> {
        if !self.items.contains(&id) {
            let item = self.fold(store, id)?;
            self.note_model(&item);
            self.items.insert(id, item);
        }
        Ok(())
    }

    /// Loads what is about to change if views are to hear of it: they are told what changes, and for that an item must
    /// be known as it was. A large one is folded whole for that, whatever the views can see of it.
    pub(crate) fn load_for_views(
        &mut self,
        store: &dyn Store,
        ids: impl IntoIterator<Item = ItemId>,
    ) -> Result<(), Error> {
        match self.is_watched() {
            true => ids.into_iter().try_for_each(|id| self.load_besides(store, id)),
            false => Ok(()),
        }
    }

    /// Whether a view reads what items say.
    pub(crate) fn is_watched(&self) -> bool {
        let reads = |queue: &Weak<Queue>| queue.upgrade().is_some_and(|queue| queue.reads_items());
        self.queues.iter().any(reads)
    }

    /// An item folded from its parts, those left out that it was saved with. What it says is what views were told: it
    /// has not heard of entries that are being taken in, and those count that are folded as counted.
    pub(crate) fn fold(&mut self, store: &dyn Store, id: ItemId) -> Result<Item, Error> {
        let mut item = self.saved_item(store, id)?;
        let mut parts = self.parts_of(store, id)?;
        parts.retain(|(position, _)| !item.has_heard(&position.id) && !self.untold.contains(&position.id));
        let mut is_to_save = self.shelf.is_some() && parts.len() >= self.limits.parts_unsaved;
        for (position, cid) in parts {
            match PartBody::decode(&load_part(store, &cid)?) {
                Ok(body) => {
                    let counted = self.is_told_as_counted(&position);
                    assert_part(&mut item, position, counted, &body, &self.graph);
                }
                Err(error) => {
                    self.unreadable.insert(cid, unreadable_part(&position, &self.graph, &error));
                    is_to_save = false; // a later version of this program may read it
                }
            }
        }
        if is_to_save {
            self.sound()?;
            self.save_item(store, id, &item.save())?;
        }
        Ok(item)
    }

    /// An item as it was: without some entries, and with others counted than now.
    pub(crate) fn fold_past(
        &self,
        store: &dyn Store,
        id: ItemId,
        counted: &dyn Fn(&Cid) -> Option<bool>,
    ) -> Result<Item, Error> {
        let mut item = self.saved_item(store, id)?;
        if item.heard().any(|(position, _)| counted(&position.id).is_none()) {
            item = self.new_item(id);
        }
        let other =
            |(position, is): (Position, bool)| (counted(&position.id)? != is).then_some((position.id, !is));
        let others = item.heard().filter_map(other).collect();
        item.recount(&others);
        for (position, cid) in self.parts_of(store, id)? {
            if let Some(counted) = counted(&position.id)
                && !item.has_heard(&position.id)
                && let Ok(body) = PartBody::decode(&load_part(store, &cid)?)
            {
                assert_part(&mut item, position, counted, &body, &self.graph);
            }
        }
        Ok(item)
    }

    /// Saves an item, in pieces: a row that is long is read whole by whoever looks for its neighbours.
    fn save_item(&self, store: &dyn Store, id: ItemId, saved: &[u8]) -> Result<(), Error> {
        let (mut batch, prefix) = (Batch::new(), under_party(&self.party, &id.0));
        visit_rows(store, SAVED_ITEMS, &prefix, |key, _| {
            batch.delete(SAVED_ITEMS, key);
            Ok(())
        })?;
        for (number, piece) in (0_u32..).zip(saved.chunks(SAVED_PIECE)) {
            batch.put(SAVED_ITEMS, [prefix.as_slice(), &number.to_be_bytes()].concat(), piece);
        }
        Ok(store.commit(batch)?)
    }

    /// An item as it was saved last, with what is folded as counted now; a new one if it was not.
    fn saved_item(&self, store: &dyn Store, id: ItemId) -> Result<Item, Error> {
        let mut saved = Vec::new();
        if self.shelf.is_some() {
            visit_rows(store, SAVED_ITEMS, &under_party(&self.party, &id.0), |_, piece| {
                saved.extend_from_slice(piece);
                Ok(())
            })?;
        }
        let restored = Item::restore(self.party, id, &self.registry, &saved);
        let Some(mut item) = restored else { return Ok(self.new_item(id)) };
        let counts = |position: &Position| self.is_told_as_counted(position);
        let others = item.heard().filter(|(position, counted)| counts(position) != *counted);
        let others = others.map(|(position, counted)| (position.id, !counted)).collect();
        item.recount(&others);
        self.asked.iter().for_each(|attribute| drop(item.ask(attribute)));
        Ok(item)
    }

    /// The hash of the party's state (H21): the control state, the counted entries, and every item.
    pub(crate) fn state_hash(&mut self, store: &dyn Store) -> Result<Digest, Error> {
        while self.withdraw_some(store)? {}
        let mut parts: Vec<[u8; 32]> = vec![self.authority.state_hash().0, self.counted.digest().0];
        for id in self.roster.ids(store)? {
            let item = self.load_item(store, id)?;
            // What does not count is not everywhere, so an item of which nothing counts must not show.
            if item.counts_anything() {
                parts.push(id.0);
                parts.push(item.state_hash().0);
            }
        }
        let parts: Vec<&[u8]> = parts.iter().map(<[u8; 32]>::as_slice).collect();
        Ok(Digest::derive("motet party state v1", &parts))
    }

    /// The rows that some base relations hold now, as wide as they can be, with the item they are of. Where the fact
    /// index says which items have the rows that are wanted, there may be others, and not all of them.
    fn rows(
        &mut self,
        store: &dyn Store,
        wanted: &[Wanted],
        visit: &mut RowVisitor<'_>,
    ) -> Result<(), Error> {
        let sources: BTreeSet<&'static str> = wanted.iter().flat_map(Wanted::sources).collect();
        if wanted.iter().any(|one| relations::is_of_items(one.base)) {
            match Sought::by(wanted).filter(|_| self.shelf.is_some()) {
                Some(sought) => self.bound_rows(store, &sought, &sources, visit)?,
                None => {
                    self.tree(store)?;
                    for id in self.roster.ids(store)? {
                        self.load_item(store, id)?;
                        self.rows_of(id, &sources, visit);
                    }
                }
            }
        }
        for relation in relations::SYSTEM {
            if sources.contains(relation) {
                for row in relations::system_rows(self, relation) {
                    visit(relation, None, row);
                }
            }
        }
        Ok(())
    }

    /// The rows of one item, which is loaded, as the tree is if rows of `item` are wanted.
    pub(crate) fn rows_of(&self, id: ItemId, wanted: &BTreeSet<&'static str>, visit: &mut RowVisitor<'_>) {
        let item = self.items.get(&id).expect("it was just loaded");
        item.rows(&mut |relation: BaseRelation, mut row| {
            if !wanted.contains(relation.name()) {
                return;
            }
            if relation == BaseRelation::Item {
                self.put_parent(id, &mut row);
            }
            visit(relation.name(), Some(id), row);
        });
    }

    /// Puts into a row of `item` where the item hangs. The tree is loaded.
    pub(crate) fn put_parent(&self, id: ItemId, row: &mut [Value]) {
        let tree = self.loaded_tree().expect("the tree is never let go");
        outline::put_parent(row, tree.parent(id));
    }
}

impl PartyState {
    /// Lets a queue have every change from now on, and gives the rows that are there, as it wants them.
    pub(crate) fn attach(
        &mut self,
        store: &dyn Store,
        queue: &Arc<Queue>,
        net: &mut relations::Net,
    ) -> Result<(), Error> {
        self.wanted_rows(store, queue.wanted(), &mut |relation, row| net.add(relation, row, 1))?;
        self.register(queue);
        Ok(())
    }

    /// Adds the rows that there are now, as somebody wants them.
    pub(crate) fn add_rows(
        &mut self,
        store: &dyn Store,
        wanted: &[Wanted],
        rows: &mut Contents,
    ) -> Result<(), Error> {
        self.wanted_rows(store, wanted, &mut |relation, row| {
            rows.entry(relation.clone()).or_default().insert(row);
        })
    }

    fn wanted_rows(
        &mut self,
        store: &dyn Store,
        wanted: &[Wanted],
        visit: &mut dyn FnMut(&RelationName, Row),
    ) -> Result<(), Error> {
        self.ask(wanted.iter().flat_map(Wanted::asked));
        let party = self.party;
        self.rows(store, wanted, &mut |source, item, row| {
            for one in wanted.iter().filter(|one| one.takes(source, &row)) {
                visit(&one.relation, one.row(&party, item, &row));
            }
        })
    }

    /// From now on somebody wants what models say of these attributes on demand.
    pub(crate) fn ask<'a>(&mut self, attributes: impl Iterator<Item = &'a Value>) {
        for attribute in attributes.filter_map(|value| Attribute::new(value.clone()).ok()) {
            if self.asked.insert(attribute.clone()) {
                // Those who asked before don't hear of it: what is there is read, and not told.
                self.items.iter_mut().for_each(|(_, item)| drop(item.ask(&attribute)));
            }
        }
    }

    /// An item that nothing is known of yet.
    pub(crate) fn new_item(&self, id: ItemId) -> Item {
        let mut item = Item::new(self.party, id, &self.registry);
        self.asked.iter().for_each(|attribute| drop(item.ask(attribute)));
        item
    }

    /// Lets a queue have every change from now on.
    pub(crate) fn register(&mut self, queue: &Arc<Queue>) {
        self.ask(queue.wanted().iter().flat_map(Wanted::asked));
        for relation in relations::SMALL {
            if queue.wants(relation) {
                let now = relations::system_rows(self, relation);
                self.system.remember(relation, now);
            }
        }
        self.queues.push(Arc::downgrade(queue));
    }
}

/// Gives an item the facts of one part.
pub(crate) fn assert_part(
    item: &mut Item,
    entry: Position,
    counted: bool,
    body: &PartBody,
    graph: &Graph,
) -> Vec<Change> {
    let facts = body.facts.iter();
    let assertions: Vec<Assertion<'_>> = facts.map(|fact| Assertion { fact, entry, counted }).collect();
    item.assert(&assertions, graph)
}

/// An entry as one that waits.
pub(crate) fn waiter(entry: &Entry, peer: Option<PublicKey>) -> Waiter {
    let header = entry.header();
    let bytes = header.parts.iter().map(|part| u64::from(part.length)).sum();
    Waiter { id: entry.id(), feed: header.feed, peer, bytes }
}

/// What taking in an entry did.
#[derive(Debug, Default)]
pub(crate) struct TakenIn {
    /// Why the entry has no authority, if it has none.
    pub(crate) unauthorised: Option<String>,
    /// Feeds of which other entries may count than before.
    pub(crate) feeds: BTreeSet<PublicKey>,
}

/// Why a control entry's body can't be read.
#[derive(Debug)]
pub(crate) enum BodyFault {
    /// It is from a later version, and to be held (H7).
    Later(String),
    /// Nobody can read it.
    Wrong(String),
}

impl BodyFault {
    pub(crate) fn words(self) -> String {
        let (BodyFault::Later(words) | BodyFault::Wrong(words)) = self;
        words
    }
}

/// What a control entry says.
pub(crate) fn control_body(entry: &Entry, parts: &[Vec<u8>]) -> Result<ControlBody, BodyFault> {
    let place = format!("the body of control entry {}", entry.id());
    let [part] = parts else {
        return Err(BodyFault::Wrong(format!("{place} has {} parts, and not one", parts.len())));
    };
    decode_body(part).map_err(|error| match error.is_later() {
        true => BodyFault::Later(format!("{place}: {error}")),
        false => BodyFault::Wrong(format!("{place}: {error}")),
    })
}

/// Reads a linked entry.
pub(crate) fn load_entry(store: &dyn Store, party: &PublicKey, position: &Position) -> Result<Entry, Error> {
    let what = || format!("entry {}", position.id);
    let row = store.get(ENTRIES, &position_key(party, position))?;
    let row = row.ok_or_else(|| Error::unreadable(what(), "it is missing"))?;
    Entry::decode_stored(&row).map_err(|error| Error::unreadable(what(), error))
}

/// Reads the parts of an entry.
pub(crate) fn load_parts(store: &dyn Store, entry: &Entry) -> Result<Vec<Vec<u8>>, Error> {
    entry.header().parts.iter().map(|part| load_part(store, &part.cid)).collect()
}

pub(crate) fn unreadable_part(entry: &Position, graph: &Graph, error: &motet_item::PartError) -> String {
    let seq = graph.seq(&entry.id).unwrap_or_default();
    format!("entry {} (feed {}, seq {seq}): {error}", entry.id, entry.feed)
}

/// Reads a part and checks its hash.
pub(crate) fn load_part(store: &dyn Store, cid: &Cid) -> Result<Vec<u8>, Error> {
    get_block(store, PARTS, cid)?.ok_or_else(|| Error::unreadable(format!("part {cid}"), "it is missing"))
}

/// Visits rows until the visitor fails.
pub(crate) fn visit_rows(
    store: &dyn Store,
    table: motet_store::Table,
    prefix: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut failure = None;
    store.scan(table, ScanRange::prefix(prefix), &mut |key, value| match visit(key, value) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failure = Some(error);
            ControlFlow::Break(())
        }
    })?;
    failure.map_or(Ok(()), Err)
}
