//! The handle to one party: reads, questions, status. Writing is in the module `write`.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use motet_algebra::Budget;
use motet_fact::{Cid, Digest, PublicKey};
use motet_item::{Item, ItemId, TreeState};
use motet_party::Role;
use motet_store::Store;

use crate::checkpoint::Opening;
use crate::database::lock;
use crate::losses::OwnLoss;
use crate::runtime_kind::RuntimeKind;
use crate::state::PartyState;
use crate::view::View;
use crate::withdrawal::Progress;
use crate::{Database, Error, Parameters, Query, Receipt, model};

/// The property of the root item that is the party's title.
pub const TITLE: &str = "title";

/// A handle to one party of a database. Cheap to clone. A handle from before the party was closed shows it as it was
/// then, and writes nothing: [`Database::party`] gives a new one.
#[derive(Clone)]
pub struct Party {
    database: Database,
    key: PublicKey,
    state: Arc<Mutex<PartyState>>,
}

/// What there is to know of an item at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemSummary {
    /// The item.
    pub id: ItemId,
    /// Its model, if its genesis is here.
    pub model: Option<String>,
    /// Its type, if it has one.
    pub kind: Option<String>,
    /// The item it hangs under.
    pub parent: Option<ItemId>,
    /// Whether it is deleted.
    pub deleted: bool,
}

/// How a party stands on this replica.
#[derive(Clone, Debug)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Linked entries.
    pub entries: usize,
    /// Feeds that have entries.
    pub feeds: usize,
    /// Feeds with more than one branch (H5).
    pub forked: Vec<PublicKey>,
    /// Entries that wait, each with what it waits for.
    pub waiting: Vec<(Cid, Vec<Cid>)>,
    /// Entries refused for ever, with the reason.
    pub refused: Vec<(Cid, String)>,
    /// Entries that are linked but whose writer had no authority.
    pub unauthorised: Vec<Cid>,
    /// Entries from later versions of Motet, held until this program is updated (H7).
    pub held: Vec<Cid>,
    /// How far a withdrawal has come, while there is one (H13).
    pub withdrawing: Option<Progress>,
    /// Own entries that do not count, by feed and reason (H26).
    pub own_uncounted: Vec<OwnLoss>,
    /// Body parts that can't be read, with the reason.
    pub unreadable: Vec<(Cid, String)>,
    /// Items that have parts here.
    pub items: usize,
    /// What opening it took.
    pub opening: Opening,
}

impl Party {
    pub(crate) fn new(database: Database, key: PublicKey, state: Arc<Mutex<PartyState>>) -> Self {
        Party { database, key, state }
    }

    /// The party's key: its name among all parties.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// The database it is in.
    pub fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) fn with<T>(&self, read: impl FnOnce(&mut PartyState) -> T) -> T {
        let waiting = &self.database.inner.waiting;
        waiting.fetch_add(1, Ordering::Relaxed);
        let mut state = lock(&self.state);
        waiting.fetch_sub(1, Ordering::Relaxed);
        read(&mut state)
    }

    /// Lets those in who wait for a party, before this thread goes on with long work: a lock that is given back and
    /// taken again at once is seldom anybody else's in between.
    pub(crate) fn let_others_in(&self) {
        for _ in 0..10_000 {
            if self.database.inner.waiting.load(Ordering::Relaxed) == 0 {
                return;
            }
            std::thread::yield_now();
        }
    }

    /// Reads what may have to be read from disk: an answer that can't be believed is an error.
    pub(crate) fn ask<T>(&self, read: impl FnOnce(&mut PartyState) -> Result<T, Error>) -> Result<T, Error> {
        self.with(|state| {
            let answer = read(state);
            state.sound().inspect_err(|_| state.drop_checkpoint(self.database.store()))?;
            answer
        })
    }

    /// The item that the party has from the start.
    pub fn root(&self) -> ItemId {
        ItemId::root(&self.key)
    }

    /// What people call it: its title, or, as long as nobody has set one, the name it was founded under; empty until
    /// its genesis has arrived.
    pub fn name(&self) -> String {
        self.title().ok().flatten().unwrap_or_else(|| self.founding_name())
    }

    /// Goes on with what was under way when the party was last open.
    pub(crate) fn take_up(&self) -> Result<(), Error> {
        self.finish_withdrawals()?;
        if self.is_paused() { Ok(()) } else { self.read_held_again() }
    }

    fn founding_name(&self) -> String {
        self.with(|state| state.authority.party_name().unwrap_or_default().to_owned())
    }

    /// The title that somebody set: a property of the root item.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn title(&self) -> Result<Option<String>, Error> {
        let root = self.root();
        let attributes = self.item(root, |item| item.attributes(&root.entity()))?;
        Ok(attributes.get(&TITLE.into()).and_then(|title| title.as_text()).map(str::to_owned))
    }

    /// Gives it a title, for all members.
    ///
    /// # Errors
    /// As [`crate::Transaction::commit`].
    pub fn set_title(&self, title: &str) -> Result<Receipt, Error> {
        let receipt = self.set(self.root(), TITLE, title)?;
        self.database.do_chores();
        Ok(receipt)
    }

    /// Its members, by identity.
    pub fn members(&self) -> BTreeMap<PublicKey, motet_party::Member> {
        self.with(|state| state.authority.members(&state.graph))
    }

    /// Its devices, by key.
    pub fn devices(&self) -> BTreeMap<PublicKey, motet_party::Device> {
        self.with(|state| state.authority.devices(&state.graph))
    }

    /// The feeds that somebody was granted, by key.
    pub fn feeds(&self) -> BTreeMap<PublicKey, motet_party::Feed> {
        self.with(|state| state.authority.feeds(&state.graph))
    }

    /// The hash of its state (H21): equal on every replica that has the same entries.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn state_hash(&self) -> Result<Digest, Error> {
        self.ask(|state| state.state_hash(self.database.store()))
    }

    /// How many entries are linked here.
    pub fn entries(&self) -> usize {
        self.with(|state| state.graph.len())
    }

    /// How many entries wait here.
    pub fn waiting(&self) -> usize {
        self.with(|state| state.pending.len())
    }

    /// How the party stands on this replica.
    pub fn status(&self) -> Status {
        let name = self.name();
        let (identity, rescued) = (self.database.profile().identity, &self.rescued());
        self.with(|state| {
            let ids: Vec<Cid> = state.pending.ids().collect();
            Status {
                name: name.clone(),
                entries: state.graph.len(),
                feeds: state.graph.feeds().count(),
                forked: state.graph.feeds().filter(|(.., forked)| *forked).map(|(feed, ..)| feed).collect(),
                waiting: ids.into_iter().map(|id| (id, state.pending.missing(&id).collect())).collect(),
                refused: state.refused.iter().map(|(id, why)| (*id, why.clone())).collect(),
                unauthorised: state.authority.refusals().filter(|id| state.graph.contains(id)).collect(),
                held: state.held.ids().collect(),
                withdrawing: state.withdrawing(),
                own_uncounted: state.own_losses(&identity, rescued),
                unreadable: state.unreadable.iter().map(|(cid, why)| (*cid, why.clone())).collect(),
                items: state.user_items(self.database.store()).map_or(0, |items| items.len()),
                opening: state.opening,
            }
        })
    }

    /// The ids of the items that have parts here, ascending. None is loaded.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn item_ids(&self) -> Result<Vec<ItemId>, Error> {
        self.ask(|state| state.user_items(self.database.store()))
    }

    /// The items that have parts here, by id.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn items(&self) -> Result<Vec<ItemSummary>, Error> {
        let store = self.database.store();
        self.ask(|state| state.summaries(store))
    }

    /// How many items are folded and in memory: those that somebody asked for, and with them the tree.
    pub fn loaded(&self) -> usize {
        self.with(|state| state.items.len())
    }

    /// Reads one item.
    ///
    /// # Errors
    /// [`Error::NoSuchItem`], [`Error::Store`].
    pub fn item<T>(&self, id: ItemId, read: impl FnOnce(&Item) -> T) -> Result<T, Error> {
        let store = self.database.store();
        let (waits, read) = self.ask(|state| {
            state.check_item(store, id)?;
            let item = state.load_item(store, id)?;
            Ok::<_, Error>((model::waits(item), read(item)))
        })?;
        if waits {
            self.database.notify(); // sessions ask for what it waits for
        }
        Ok(read)
    }

    /// One item at a glance.
    ///
    /// # Errors
    /// As [`Party::item`].
    pub fn item_summary(&self, id: ItemId) -> Result<ItemSummary, Error> {
        let store = self.database.store();
        self.ask(|state| {
            state.check_item(store, id)?;
            state.summary(store, id)
        })
    }

    /// Reads the party's tree: which item hangs under which, and in what order.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn tree<T>(&self, read: impl FnOnce(&TreeState) -> T) -> Result<T, Error> {
        let store = self.database.store();
        self.ask(|state| Ok(read(state.tree(store)?)))
    }

    /// The entries in the past of which, or which themselves, state the facts of an item: for imports that go on where
    /// they stopped. Visits each part's entry and facts, causes first.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn visit_parts(
        &self,
        item: ItemId,
        mut visit: impl FnMut(Cid, &[motet_fact::Fact]),
    ) -> Result<(), Error> {
        let store = self.database.store();
        let prefix = crate::tables::under_party(&self.key, &item.tag().0);
        crate::state::visit_rows(store, crate::tables::ITEM_PARTS, &prefix, |key, cid| {
            let position = crate::tables::position_in_item_part_key(key)
                .ok_or_else(|| Error::unreadable("a row of `item_parts`", "its key has another length"))?;
            let cid = Cid::from_bytes(cid).map_err(|error| Error::unreadable("a CID", error))?;
            let bytes = crate::state::load_part(store, &cid)?;
            if let Ok(body) = motet_item::PartBody::decode(&bytes) {
                visit(position.id, &body.facts);
            }
            Ok(())
        })
    }

    /// Opens a live view of a query, on the default runtime and budget.
    ///
    /// # Errors
    /// [`Error::Query`] with every diagnostic; [`Error::Runtime`] over budget.
    pub fn watch(&self, text: &str, parameters: &Parameters) -> Result<View, Error> {
        self.watch_on("query", text, parameters, RuntimeKind::default(), Budget::default())
    }

    /// Opens a live view of a query. Its first epoch, over everything there is, has run when this returns.
    ///
    /// # Errors
    /// As [`Party::watch`].
    pub fn watch_on(
        &self,
        name: &str,
        text: &str,
        parameters: &Parameters,
        runtime: RuntimeKind,
        budget: Budget,
    ) -> Result<View, Error> {
        let parameters = parameters.clone();
        let query = Query { name: name.to_owned(), text: text.to_owned(), parameters, runtime, budget };
        self.database.watch(&[self.key], &query)
    }

    /// How a query is computed: its strata and its plan, and what the optimiser makes of that for the rows there are
    /// now, with the rows that were expected of each operator and those that it has.
    ///
    /// # Errors
    /// As [`Party::watch`].
    pub fn explain(
        &self,
        name: &str,
        text: &str,
        parameters: &Parameters,
        budget: Budget,
    ) -> Result<String, Error> {
        let (name, parameters) = (name.to_owned(), parameters.clone());
        let query = Query { name, parameters, budget, ..Query::new(text) };
        self.database.explain(&[self.key], &query)
    }

    /// This device's role, if it is a member's.
    pub fn own_role(&self) -> Option<Role> {
        let device = self.database.profile().device;
        self.with(|state| state.authority.role_of_device(&device, &state.graph))
    }
}

impl PartyState {
    /// The items that have parts here, but for the tree, ascending.
    pub(crate) fn user_items(&self, store: &dyn Store) -> Result<Vec<ItemId>, Error> {
        let tree = ItemId::tree(&self.party);
        Ok(self.roster.ids(store)?.into_iter().filter(|id| *id != tree).collect())
    }

    pub(crate) fn check_item(&self, store: &dyn Store, id: ItemId) -> Result<(), Error> {
        let is_here = self.roster.contains(store, &id)?;
        is_here.then_some(()).ok_or_else(|| Error::NoSuchItem { party: self.party, item: id.to_string() })
    }

    pub(crate) fn summaries(&mut self, store: &dyn Store) -> Result<Vec<ItemSummary>, Error> {
        let ids = self.user_items(store)?;
        ids.into_iter().map(|id| self.summary(store, id)).collect()
    }

    fn summary(&mut self, store: &dyn Store, id: ItemId) -> Result<ItemSummary, Error> {
        let parent = self.tree(store)?.parent(id);
        let item = self.load_item(store, id)?;
        Ok(ItemSummary {
            id,
            model: item.model().map(str::to_owned),
            kind: item.kind().map(|kind| kind.to_string()),
            parent,
            deleted: item.is_deleted(),
        })
    }
}
