//! One party as this replica knows it: what is linked, who may write, what waits, which items are loaded.
//!
//! All of it is a function of the rows in the store, and is rebuilt from them when the database opens: headers are
//! read in the order of their positions, which is a causal order, and judged again. Bodies are not read: an item is
//! folded when somebody asks for it, from its own parts alone (H27). So opening costs what the headers cost, and a
//! bulk import that nobody watches costs no folding.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Weak};

use motet_algebra::{RelationName, Row};
use motet_fact::{Cid, Digest, PublicKey, SetHash};
use motet_feed::{Entry, EntryKind, Graph, Linkage, Pending, Position};
use motet_item::{Assertion, BaseRelation, Change, Item, ItemId, PartBody, Registry};
use motet_party::{Authority, Credential};
use motet_store::{ScanRange, Store, get_block};

use crate::Error;
use crate::circuit::Contents;
use crate::journal::Journal;
use crate::proto::PartyRecord;
use crate::queue::Queue;
use crate::relations::{self, SystemRows, Wanted};
use crate::tables::{self, ENTRIES, ITEM_PARTS, PARTS, PENDING, REFUSED, STALLED};

/// How many entries of one feed may wait (H13).
const PENDING_QUOTA: usize = 1_000_000;

pub(crate) struct PartyState {
    pub(crate) party: PublicKey,
    pub(crate) record: PartyRecord,
    /// Whether the party was closed: what still holds it only reads.
    pub(crate) closed: bool,
    /// What came while the party was paused, and waits on disk.
    pub(crate) stalled: BTreeSet<Cid>,
    pub(crate) graph: Graph,
    pub(crate) authority: Authority,
    pub(crate) pending: Pending,
    pub(crate) refused: BTreeMap<Cid, String>,
    /// Parts that can't be read, and why: kept, shown, and never in anybody's way.
    pub(crate) unreadable: BTreeMap<Cid, String>,
    /// The items that have parts here.
    pub(crate) tags: BTreeSet<ItemId>,
    pub(crate) items: BTreeMap<ItemId, Item>,
    /// Whether every item is loaded, and stays so: a view reads them all.
    pub(crate) all_loaded: bool,
    pub(crate) registry: Registry,
    /// The linked entries that count.
    pub(crate) counted: SetHash,
    pub(crate) queues: Vec<Weak<Queue>>,
    pub(crate) system: SystemRows,
    /// The epochs that kept views have yet to take in.
    pub(crate) journal: Journal,
}

impl PartyState {
    /// Reads a party from the store.
    pub(crate) fn open(store: &dyn Store, record: PartyRecord, registry: Registry) -> Result<Self, Error> {
        let mut state = Self::before(store, record, registry, &BTreeSet::new())?;
        state.rewait(store)?;
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

    /// A party as it was before some entries were linked, and all that come after them.
    pub(crate) fn before(
        store: &dyn Store,
        record: PartyRecord,
        registry: Registry,
        without: &BTreeSet<Cid>,
    ) -> Result<Self, Error> {
        let party = PublicKey::from_bytes(&record.party)
            .map_err(|error| Error::unreadable("the record of a party", error))?;
        let mut state = PartyState {
            party,
            record,
            closed: false,
            stalled: BTreeSet::new(),
            graph: Graph::default(),
            authority: Authority::new(party),
            pending: Pending::new(PENDING_QUOTA),
            refused: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            tags: BTreeSet::from([ItemId::root(&party)]),
            items: BTreeMap::new(),
            all_loaded: false,
            registry,
            counted: SetHash::default(),
            queues: Vec::new(),
            system: SystemRows::default(),
            journal: Journal::default(),
        };
        state.relink(store, without)?;
        Ok(state)
    }

    fn relink(&mut self, store: &dyn Store, without: &BTreeSet<Cid>) -> Result<(), Error> {
        let party = self.party;
        visit_rows(store, ENTRIES, party.as_bytes(), |_, bytes| {
            let entry =
                Entry::decode_stored(bytes).map_err(|error| Error::unreadable("a stored entry", error))?;
            if without.contains(&entry.id()) {
                return Ok(());
            }
            if self.graph.linkage(&entry) != Linkage::Ready {
                return Err(Error::unreadable(format!("entry {}", entry.id()), "a cause of it is missing"));
            }
            let body = self.control_body(&entry, |cid| load_part(store, cid))?;
            self.take_in(&entry, &body);
            Ok(())
        })?;
        self.recount_all();
        Ok(())
    }

    fn rewait(&mut self, store: &dyn Store) -> Result<(), Error> {
        let party = self.party;
        visit_rows(store, PENDING, party.as_bytes(), |_, bytes| {
            let entry =
                Entry::decode_stored(bytes).map_err(|error| Error::unreadable("a waiting entry", error))?;
            if let Linkage::Missing(missing) = self.graph.linkage(&entry) {
                let header = entry.header();
                // Over quota: the row stays, and the entry is asked for again by its descendants.
                let _ = self.pending.wait(entry.id(), header.feed, missing);
            }
            Ok(())
        })
    }

    /// The credentials of a control entry; none for data.
    pub(crate) fn control_body(
        &self,
        entry: &Entry,
        part: impl Fn(&Cid) -> Result<Vec<u8>, Error>,
    ) -> Result<Vec<Credential>, Error> {
        let header = entry.header();
        if header.kind == EntryKind::Data {
            return Ok(Vec::new());
        }
        let mut credentials = Vec::new();
        for reference in &header.parts {
            let body = motet_party::decode_body(&part(&reference.cid)?)
                .map_err(|error| Error::unreadable(format!("the body of entry {}", entry.id()), error))?;
            credentials.extend(body.credentials);
        }
        Ok(credentials)
    }

    /// Judges and links an entry whose causes are linked. Says which feeds began or ceased to count.
    pub(crate) fn take_in(&mut self, entry: &Entry, body: &[Credential]) -> TakenIn {
        let header = entry.header();
        let mut taken = TakenIn::default();
        let verdict = match header.kind {
            EntryKind::Control => self.authority.admit(entry, body, &self.graph).map(|effect| {
                taken.flipped = effect.counted.into_iter().chain(effect.uncounted).collect();
            }),
            EntryKind::Data => self.authority.judge(entry, &self.graph),
        };
        if let Err(refusal) = &verdict {
            self.authority.refuse(entry.id());
            taken.unauthorised = Some(refusal.to_string());
        }
        self.graph.link(entry, verdict.is_ok());
        if header.kind == EntryKind::Data {
            self.tags.extend(header.parts.iter().map(|part| ItemId(part.tag.0)));
        }
        taken
    }

    /// Whether a linked entry counts (H9).
    pub(crate) fn counts(&self, id: &Cid, feed: &PublicKey) -> bool {
        !self.authority.is_refused(id) && self.authority.counts(feed)
    }

    /// Makes the hash of the counted set anew.
    pub(crate) fn recount_all(&mut self) {
        let mut counted = SetHash::default();
        for id in self.graph.ids() {
            let position = self.graph.position(&id).expect("it is linked");
            if self.counts(&id, &position.feed) {
                counted.insert(id.as_bytes());
            }
        }
        self.counted = counted;
    }

    /// Folds an item from its parts, unless it is loaded.
    pub(crate) fn load_item(&mut self, store: &dyn Store, id: ItemId) -> Result<&mut Item, Error> {
        if !self.items.contains_key(&id) {
            let item = self.fold(store, id)?;
            self.items.insert(id, item);
        }
        Ok(self.items.get_mut(&id).expect("it was just put there"))
    }

    /// Folds every item, and keeps them loaded from now on.
    pub(crate) fn load_all(&mut self, store: &dyn Store) -> Result<(), Error> {
        if !self.all_loaded {
            for id in self.tags.clone() {
                self.load_item(store, id)?;
            }
            self.all_loaded = true;
        }
        Ok(())
    }

    /// An item folded from scratch.
    pub(crate) fn fold(&mut self, store: &dyn Store, id: ItemId) -> Result<Item, Error> {
        let mut item = Item::new(self.party, id, &self.registry);
        let prefix = tables::under_party(&self.party, &id.tag().0);
        let mut parts = Vec::new();
        visit_rows(store, ITEM_PARTS, &prefix, |key, cid| {
            let position = tables::position_in_item_part_key(key)
                .ok_or_else(|| Error::unreadable("a row of `item_parts`", "its key has another length"))?;
            parts.push((position, Cid::from_bytes(cid).map_err(|error| Error::unreadable("a CID", error))?));
            Ok(())
        })?;
        for (position, cid) in parts {
            if !self.graph.contains(&position.id) {
                continue; // it is on disk, and this is a party as it was before
            }
            match PartBody::decode(&load_part(store, &cid)?) {
                Ok(body) => {
                    self.assert(&mut item, position, &body);
                }
                Err(error) => {
                    self.unreadable.insert(cid, unreadable_part(&position, &self.graph, &error));
                }
            }
        }
        Ok(item)
    }

    /// Gives an item the facts of one part.
    pub(crate) fn assert(&self, item: &mut Item, entry: Position, body: &PartBody) -> Vec<Change> {
        let counted = self.counts(&entry.id, &entry.feed);
        let assertions: Vec<Assertion<'_>> =
            body.facts.iter().map(|fact| Assertion { fact, entry, counted }).collect();
        item.assert(&assertions, &self.graph)
    }

    /// The hash of the party's state (H21): the control state, the counted entries, and every item.
    pub(crate) fn state_hash(&mut self, store: &dyn Store) -> Result<Digest, Error> {
        let mut parts: Vec<[u8; 32]> = vec![self.authority.state_hash().0, self.counted.digest().0];
        for id in self.tags.clone() {
            let item = self.load_item(store, id)?;
            parts.push(id.0);
            parts.push(item.state_hash().0);
        }
        let parts: Vec<&[u8]> = parts.iter().map(<[u8; 32]>::as_slice).collect();
        Ok(Digest::derive("motet party state v1", &parts))
    }

    /// The rows that some base relations hold now, as wide as they can be, with the item they are of.
    pub(crate) fn rows(
        &mut self,
        store: &dyn Store,
        wanted: &BTreeSet<&'static str>,
        visit: &mut dyn FnMut(&'static str, Option<ItemId>, Vec<motet_fact::Value>),
    ) -> Result<(), Error> {
        if wanted.iter().any(|name| relations::is_of_items(name)) {
            self.load_all(store)?;
            for (id, item) in &self.items {
                item.rows(&mut |relation: BaseRelation, row| {
                    if wanted.contains(relation.name()) {
                        visit(relation.name(), Some(*id), row);
                    }
                });
            }
        }
        for relation in relations::SYSTEM {
            if wanted.contains(relation) {
                for row in relations::system_rows(self, relation) {
                    visit(relation, None, row);
                }
            }
        }
        Ok(())
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
        let (party, bases) = (self.party, wanted.iter().map(|one| one.base).collect());
        self.rows(store, &bases, &mut |base, item, row| {
            for one in wanted.iter().filter(|one| one.base == base) {
                visit(&one.relation, one.row(&party, item, &row));
            }
        })
    }

    /// Lets a queue have every change from now on.
    pub(crate) fn register(&mut self, queue: &Arc<Queue>) {
        for relation in relations::SYSTEM {
            if queue.wants(relation) {
                let now = relations::system_rows(self, relation);
                self.system.remember(relation, now);
            }
        }
        self.queues.push(Arc::downgrade(queue));
    }
}

/// What taking in an entry did.
#[derive(Debug, Default)]
pub(crate) struct TakenIn {
    /// Why the entry has no authority, if it has none.
    pub(crate) unauthorised: Option<String>,
    /// Feeds that began or ceased to count.
    pub(crate) flipped: BTreeSet<PublicKey>,
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
