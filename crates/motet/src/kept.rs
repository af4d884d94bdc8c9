//! Views that outlive the process (Q11).
//!
//! A view of a party can be *kept* under a name. What it carries from epoch to epoch is then in the store: the rows
//! that its last epoch was given by the one before, and how far it is. An epoch is saved before anybody hears of its
//! changes. When the view is opened again, that last epoch is run once more, with everything as it was then; and then
//! come the epochs that were committed since, each as it was, whether the view was open or the process was killed.
//!
//! | a crash | finds | and so |
//! |---|---|---|
//! | before a batch is committed | nothing of it | there is no such epoch |
//! | after that, before the view has saved it | the batch in the [`journal`](crate::journal) | the epoch is run again |
//! | after the view has saved it | what the epoch was given | the epoch is run again only to know what it left |
//!
//! So no epoch is lost, and none happens twice. From time to time the view makes a *checkpoint* of its circuit
//! ([`crate::view_checkpoint`]); opening it goes on from there, and the epochs since are run again
//! ([`crate::replay`]). So opening costs what happened since. Where that can't be, the party is read as it was before
//! the epochs of the journal, without the entries that came later: that costs what reading all of the party costs.
//!
//! A kept view belongs to this database: neither its query nor its state is told to other members.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use motet_algebra::{Budget, Changes};
use motet_fact::PublicKey;
use motet_feed::Position;
use motet_logic::{Catalog, Compiled, Source};
use motet_store::{Batch, Store};
use prost::Message as _;

use crate::circuit::{Circuit, Contents, Inbox};
use crate::circuits::{Origin, alone};
use crate::journal::{Epoch, Journal};
use crate::pipeline::Arrival;
use crate::proto::{self, ViewProgress};
use crate::queue::Waiting;
use crate::relations::{self, Net};
use crate::replay::Replayed;
use crate::state::{PartyState, load_entry, load_parts, visit_rows};
use crate::tables::{self, VIEWS, VIEWS_GIVEN, VIEWS_PROGRESS};
use crate::view::View;
use crate::view_checkpoint::ViewCheckpoint;
use crate::{Error, Parameters, Party, Query, RuntimeKind, rules};

/// So many bytes of a checkpoint are written for each row that comes or goes and each epoch, on average.
const BYTES_PER_CHANGE: u64 = 1024;
/// The longest name of a view, in bytes.
const NAME_BYTES: usize = 200;

/// A circuit, what waits for its one reader, and what its outputs hold.
type Opened = (Circuit, Rc<Inbox>, Contents);

/// What is known of a kept view without opening it.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptView {
    /// Its name.
    pub name: String,
    /// Its query, in PomoLogic.
    pub text: String,
    /// The values of the query's parameters.
    pub parameters: Parameters,
    /// How many epochs it has taken in.
    pub epochs: u64,
    /// How many batches were committed since.
    pub behind: u64,
}

/// How far a kept view is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// The epoch of the journal that it is past.
    pub(crate) cursor: u64,
    /// How many epochs it has taken in.
    pub(crate) epochs: u64,
}

impl Progress {
    pub(crate) fn read(store: &dyn Store, party: &PublicKey, name: &str) -> Result<Self, Error> {
        let row = store.get(VIEWS_PROGRESS, &tables::under_party(party, name.as_bytes()))?;
        let row =
            row.ok_or_else(|| Error::unreadable(format!("the kept view `{name}`"), "it has no progress"))?;
        let ViewProgress { cursor, epochs } = ViewProgress::decode(row.as_slice())
            .map_err(|error| Error::unreadable(format!("the progress of the kept view `{name}`"), error))?;
        Ok(Progress { cursor, epochs })
    }

    fn put(self, party: &PublicKey, name: &str, batch: &mut Batch) {
        let row = ViewProgress { cursor: self.cursor, epochs: self.epochs };
        batch.put(VIEWS_PROGRESS, tables::under_party(party, name.as_bytes()), row.encode_to_vec());
    }
}

/// Saves what a kept view takes in.
pub(crate) struct Keeper {
    party: Party,
    name: String,
    /// The row of its query, until that is saved.
    definition: Option<Vec<u8>>,
    /// What the next epoch is given that the last one was not.
    due: Changes,
    cursor: u64,
    saved: Option<ViewCheckpoint>,
    /// How much has happened since it was made: rows of the inputs that came and went, and epochs.
    happened: u64,
    /// The rows that had come and gone when that was last counted.
    rows: u64,
}

impl Keeper {
    /// Saves an epoch that the circuit has run, the view's so many-th.
    pub(crate) fn save(&mut self, circuit: &Circuit, epochs: u64) -> Result<(), Error> {
        let (party, mut batch) = (self.party.key(), Batch::new());
        if let Some(definition) = &self.definition {
            batch.put(VIEWS, tables::under_party(&party, self.name.as_bytes()), definition.clone());
        }
        for (relation, rows) in &self.due {
            for (row, weight) in rows {
                let key = tables::given_key(&party, &self.name, relation, row);
                if *weight > 0 { batch.put(VIEWS_GIVEN, key, []) } else { batch.delete(VIEWS_GIVEN, key) }
            }
        }
        let cursor = circuit.taken().unwrap_or(self.cursor);
        let rows = std::mem::replace(&mut self.rows, circuit.rows());
        self.happened += 1 + circuit.rows() - rows;
        if self.is_checkpoint_due() {
            self.checkpoint(circuit, (cursor, epochs), &mut batch)?;
        }
        self.commit(cursor, epochs, batch)?;
        self.definition = None;
        self.due = circuit.runtime().due();
        Ok(())
    }

    /// What is written for a change is bounded on average, and so is what is run again when the view is opened.
    fn is_checkpoint_due(&self) -> bool {
        let written = self.saved.as_ref().map_or(0, |saved| saved.bytes() / BYTES_PER_CHANGE);
        self.happened >= written.max(self.party.database().limits().view_changes)
    }

    /// Makes a checkpoint; if there can be none, the one before goes, for it would hold on to the journal.
    fn checkpoint(&mut self, circuit: &Circuit, place: (u64, u64), batch: &mut Batch) -> Result<(), Error> {
        let (name, before) = (&self.name, self.saved.as_ref());
        let made = ViewCheckpoint::make(&self.party, name, circuit, before, place, batch)?;
        if made.is_none() && before.is_some() {
            ViewCheckpoint::forget(self.party.database().store(), &self.party.key(), name, batch)?;
        }
        // What waits in the queue is in the way of it, and will not be for long.
        self.happened = if made.is_none() && !circuit.queue().is_empty() { self.happened } else { 0 };
        self.saved = made;
        Ok(())
    }

    /// Makes a checkpoint of a circuit that was made anew.
    fn save_anew(&mut self, circuit: &Circuit, epochs: u64) -> Result<(), Error> {
        let mut batch = Batch::new();
        self.checkpoint(circuit, (self.cursor, epochs), &mut batch)?;
        if batch.is_empty() { Ok(()) } else { self.commit(self.cursor, epochs, batch) }
    }

    /// Saves that epochs have passed which did not concern the view, now and then.
    pub(crate) fn save_progress(&mut self, circuit: &Circuit, epochs: u64) -> Result<(), Error> {
        let many = self.party.database().limits().view_changes;
        let Some(taken) = circuit.taken().filter(|taken| *taken >= self.cursor.saturating_add(many)) else {
            return Ok(());
        };
        let mut batch = Batch::new();
        match &mut self.saved {
            // What it says is still so.
            Some(saved) if saved.epochs() == epochs => {
                saved.pass(&self.party.key(), &self.name, taken, &mut batch);
            }
            _ => {
                self.happened += taken - self.cursor;
                if self.is_checkpoint_due() {
                    self.checkpoint(circuit, (taken, epochs), &mut batch)?;
                }
            }
        }
        self.commit(taken, epochs, batch)
    }

    fn commit(&mut self, cursor: u64, epochs: u64, mut batch: Batch) -> Result<(), Error> {
        let (key, store) = (self.party.key(), self.party.database().store());
        Progress { cursor, epochs }.put(&key, &self.name, &mut batch);
        let needed_from = self.saved.as_ref().map_or(cursor, ViewCheckpoint::cursor);
        self.party.with(|state| {
            state.journal.pass(&key, &self.name, needed_from, &mut batch);
            store.commit(batch)
        })?;
        self.cursor = cursor;
        Ok(())
    }
}

impl Party {
    /// Opens a live view, and keeps it under a name: what it carries from epoch to epoch outlives the process, and
    /// every batch that the party takes in from now on will be an epoch of it. [`Party::open_view`] goes on with it.
    ///
    /// # Errors
    /// [`Error::ViewName`], [`Error::ViewExists`]; otherwise as [`Party::watch`]: then nothing is kept.
    pub fn keep_view(&self, name: &str, query: &Query) -> Result<View, Error> {
        if name.is_empty() || name.len() > NAME_BYTES || name.contains(char::is_control) {
            return Err(Error::ViewName(name.to_owned()));
        }
        let catalog = self.catalog()?;
        let compiled = query.compile(&catalog)?;
        let facts = compiled.facts.clone();
        let mut circuit = begin(&compiled, query.runtime, &Contents::new())?;
        let (mut net, store) = (Net::default(), self.database().store());
        let epoch = self.ask(|state| {
            if state.journal.keeps(name) {
                return Err(Error::ViewExists(name.to_owned()));
            }
            while state.withdraw_some(store)? {}
            state.attach(store, circuit.queue(), &mut net)?;
            let epoch = state.journal.last();
            state.journal.watch(name, epoch, circuit.queue());
            Ok(epoch)
        })?;
        circuit.begin(net.into_changes(), &facts, Some(epoch));
        let definition = Some(definition(query, &catalog).encode_to_vec());
        let (party, name) = (self.clone(), name.to_owned());
        let (due, happened) = (Changes::new(), u64::MAX / 2); // the first epoch makes a checkpoint
        let keeper = Keeper { party, name, definition, due, cursor: epoch, saved: None, happened, rows: 0 };
        let inbox = circuit.join_first(Vec::new());
        let origin = Origin::new(self.database(), &[self.key()], query.runtime)?;
        let mut view =
            View::reading(compiled, Rc::new(RefCell::new(circuit)), inbox, origin, query.budget.clone());
        let name = keeper.name.clone();
        view.keep(keeper, 0);
        view.poll().inspect_err(|_| self.with(|state| state.journal.forget(&name)))?;
        Ok(view)
    }

    /// Opens a view that is kept. It holds what it held when it last took an epoch in; what the batches since then
    /// change, it tells when it is polled. It computes with the saved rules that there were when it was first opened,
    /// and with the application's functions of now.
    ///
    /// # Errors
    /// [`Error::NoSuchView`]; [`Error::ViewOpen`]; [`Error::Query`] if the query needs functions that are not there.
    pub fn open_view(&self, name: &str, runtime: RuntimeKind, budget: Budget) -> Result<View, Error> {
        let (key, store) = (self.key(), self.database().store());
        let kept = read(store, &key, name)?;
        let query = query_of(name, &kept)?.on(runtime).within(budget);
        let mut catalog = relations::catalog();
        catalog.register(&self.database().functions());
        for module in &kept.modules {
            catalog.add_module(&module.name, rules::source(&module.name, &module.text));
        }
        let compiled = query.compile(&catalog)?;
        let progress = Progress::read(store, &key, name)?;
        let saved = ViewCheckpoint::read(store, &key, name)?;
        let going_on = match &saved {
            Some(saved) => self.go_on(name, &compiled, runtime, saved, progress)?,
            None => None,
        };
        let is_anew = going_on.is_none();
        let happened = if is_anew { u64::MAX / 2 } else { 0 };
        let (circuit, inbox, contents) = match going_on {
            Some(opened) => opened,
            None => self.make_anew(name, &compiled, runtime, progress)?,
        };
        let (party, name, rows) = (self.clone(), name.to_owned(), circuit.rows());
        let (due, cursor) = (circuit.runtime().due(), progress.cursor);
        let mut keeper = Keeper { party, name, definition: None, due, cursor, saved, happened, rows };
        if is_anew {
            keeper.save_anew(&circuit, progress.epochs)?;
        }
        let origin = Origin::new(self.database(), &[key], runtime)?;
        let mut view = View::reading(compiled, Rc::new(RefCell::new(circuit)), inbox, origin, query.budget);
        view.begin_with(contents);
        view.keep(keeper, progress.epochs);
        Ok(view)
    }

    /// Opens a kept view from its checkpoint: the circuit as it was after the view's last epoch, with all that came
    /// later in its queue. Nothing if that can't be.
    fn go_on(
        &self,
        name: &str,
        compiled: &Compiled,
        runtime: RuntimeKind,
        saved: &ViewCheckpoint,
        progress: Progress,
    ) -> Result<Option<Opened>, Error> {
        let (key, store) = (self.key(), self.database().store());
        if saved.cursor() > progress.cursor || saved.epochs() > progress.epochs {
            return Ok(None);
        }
        let mut blocks = saved.blocks(store, &key, name);
        let restored = Circuit::restore(alone(compiled), runtime, &mut blocks, saved.cursor())?;
        let Some((mut circuit, mut contents)) = restored else { return Ok(None) };
        let early = self.ask(|state| {
            if state.journal.is_open(name) {
                return Err(Error::ViewOpen(name.to_owned()));
            }
            if !state.models_of_views(&circuit).is_some_and(|models| saved.is_of(&models)) {
                return Ok(None);
            }
            let queue = circuit.queue();
            let Some(mut early) = state.replay(store, saved.cursor(), queue)? else { return Ok(None) };
            let late = early.split_off(early.partition_point(|one| one.number <= progress.cursor));
            for Replayed { number, changes } in late {
                queue.push(&key, &changes, Some(number));
            }
            state.register(queue);
            state.journal.watch(name, saved.cursor(), queue);
            Ok(Some(early))
        })?;
        let Some(early) = early else { return Ok(None) };
        let queue = circuit.queue().clone();
        let batch = |Replayed { number, changes }| Waiting {
            changes: queue.taken(&key, &changes),
            epoch: Some(number),
        };
        let epochs = progress.epochs - saved.epochs();
        circuit.run_again(early.into_iter().map(batch), epochs, &mut contents)?;
        let inbox = circuit.join_again();
        Ok(Some((circuit, inbox, contents)))
    }

    /// Opens a kept view by making its circuit from the party, as it was before the view's last epoch.
    fn make_anew(
        &self,
        name: &str,
        compiled: &Compiled,
        runtime: RuntimeKind,
        progress: Progress,
    ) -> Result<Opened, Error> {
        let (key, store) = (self.key(), self.database().store());
        let mut circuit = begin(compiled, runtime, &given(store, &key, name)?)?;
        let mut net = Net::default();
        self.with(|state| {
            if state.journal.is_open(name) {
                return Err(Error::ViewOpen(name.to_owned()));
            }
            state.attach_behind(store, &circuit, progress.cursor, &mut net)?;
            state.journal.watch(name, progress.cursor, circuit.queue());
            Ok(())
        })?;
        // An event held in the first epoch only.
        let held = |(name, _): &(&_, &_)| progress.epochs == 1 || !compiled.program.relations[*name].event;
        let facts = compiled.facts.iter().filter(held).map(|(name, rows)| (name.clone(), rows.clone()));
        circuit.begin(net.into_changes(), &facts.collect(), Some(progress.cursor));
        let inbox = circuit.join_first(Vec::new());
        let contents = circuit.repeat()?;
        Ok((circuit, inbox, contents))
    }

    /// The views that are kept, by name.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn kept_views(&self) -> Result<Vec<KeptView>, Error> {
        let (key, store) = (self.key(), self.database().store());
        let mut names = Vec::new();
        visit_rows(store, VIEWS, key.as_bytes(), |key, _| {
            names.push(tables::name_in_view_key(key)?);
            Ok(())
        })?;
        let last = self.with(|state| state.journal.last());
        let view = |name: String| {
            let Query { text, parameters, .. } = query_of(&name, &read(store, &key, &name)?)?;
            let Progress { cursor, epochs } = Progress::read(store, &key, &name)?;
            Ok(KeptView { name, text, parameters, epochs, behind: last.saturating_sub(cursor) })
        };
        names.into_iter().map(view).collect()
    }

    /// Keeps a view no longer: its query and what it carries are forgotten.
    ///
    /// # Errors
    /// [`Error::NoSuchView`]; [`Error::ViewOpen`]; [`Error::Store`].
    pub fn forget_view(&self, name: &str) -> Result<(), Error> {
        let (key, store) = (self.key(), self.database().store());
        self.with(|state| {
            if state.journal.is_open(name) {
                return Err(Error::ViewOpen(name.to_owned()));
            }
            read(store, &key, name)?;
            let mut batch = Batch::new();
            for table in [VIEWS, VIEWS_PROGRESS] {
                batch.delete(table, tables::under_party(&key, name.as_bytes()));
            }
            ViewCheckpoint::forget(store, &key, name, &mut batch)?;
            visit_rows(store, VIEWS_GIVEN, &tables::given_prefix(&key, name, None), |row, _| {
                batch.delete(VIEWS_GIVEN, row);
                Ok(())
            })?;
            state.journal.forget(name);
            state.journal.clear(&key, &mut batch);
            Ok(store.commit(batch)?)
        })
    }
}

/// A circuit for a view that is kept: if its program has time, each batch is an epoch.
fn begin(compiled: &Compiled, runtime: RuntimeKind, given: &Contents) -> Result<Circuit, Error> {
    Circuit::new(alone(compiled), runtime, !compiled.program.is_timed(), given)
}

fn definition(query: &Query, catalog: &Catalog) -> proto::KeptView {
    let parameter = |(name, value): (&String, &motet_fact::Value)| {
        let mut bytes = Vec::new();
        motet_fact::order::write_key(value, &mut bytes);
        proto::Parameter { name: name.clone(), value: bytes }
    };
    let module = |(name, source): (String, Source)| proto::Module { name, text: source.text };
    proto::KeptView {
        text: query.text.clone(),
        parameters: query.parameters.iter().map(parameter).collect(),
        modules: rules::used(&query.source(), catalog).into_iter().map(module).collect(),
    }
}

fn read(store: &dyn Store, party: &PublicKey, name: &str) -> Result<proto::KeptView, Error> {
    let row = store.get(VIEWS, &tables::under_party(party, name.as_bytes()))?;
    let row = row.ok_or_else(|| Error::NoSuchView(name.to_owned()))?;
    proto::KeptView::decode(row.as_slice())
        .map_err(|error| Error::unreadable(format!("the kept view `{name}`"), error))
}

fn query_of(name: &str, kept: &proto::KeptView) -> Result<Query, Error> {
    let mut query = Query { name: format!("view {name}"), ..Query::new(kept.text.clone()) };
    for parameter in &kept.parameters {
        let value = motet_fact::order::read_key(&mut parameter.value.as_slice());
        let value = value.ok_or_else(|| {
            Error::unreadable(format!("the kept view `{name}`"), format!("${} has no value", parameter.name))
        })?;
        query.parameters.insert(parameter.name.clone(), value);
    }
    Ok(query)
}

/// The rows that the last epoch of a view was given.
fn given(store: &dyn Store, party: &PublicKey, name: &str) -> Result<Contents, Error> {
    let prefix = tables::given_prefix(party, name, None);
    let mut given = Contents::new();
    visit_rows(store, VIEWS_GIVEN, &prefix, |key, _| {
        let (relation, row) = tables::read_given(&key[prefix.len()..])
            .ok_or_else(|| Error::unreadable("a row of `views_given`", "its key holds no row"))?;
        given.entry(relation.into()).or_default().insert(row);
        Ok(())
    })?;
    Ok(given)
}

impl PartyState {
    /// Lets a circuit have every change since an epoch of the journal, and gives the rows that were there then.
    fn attach_behind(
        &mut self,
        store: &dyn Store,
        circuit: &Circuit,
        epoch: u64,
        net: &mut Net,
    ) -> Result<(), Error> {
        let queue = circuit.queue();
        let epochs = Journal::after(store, &self.party, epoch)?;
        if epochs.is_empty() {
            return self.attach(store, queue, net);
        }
        let later: BTreeSet<_> =
            epochs.iter().flat_map(|epoch| &epoch.linked).map(|entry| entry.id).collect();
        let mut past =
            PartyState::with(store, self.record.clone(), self.models.clone(), &|id| !later.contains(id))?;
        past.attach(store, queue, net)?;
        for epoch in epochs {
            past.repeat(store, &epoch)?;
        }
        self.register(queue);
        Ok(())
    }

    /// Links entries that are on disk, as one batch.
    fn repeat(&mut self, store: &dyn Store, epoch: &Epoch) -> Result<(), Error> {
        let (mut linked, mut feeds) = (Vec::new(), BTreeSet::new());
        for position in &epoch.linked {
            let arrival = load_linked(store, &self.party, position)?;
            feeds.extend(self.take_in_stored(&arrival.entry, || Ok(arrival.parts.clone()))?.feeds);
            linked.push((*position, arrival));
        }
        let new = epoch.linked.iter().map(|entry| entry.id).collect();
        let stale = self.plan_at_once(store, &feeds, &new);
        self.load_changing(store, &linked, &stale);
        self.take_effect(store, &linked, &stale, Some(epoch.number));
        Ok(())
    }
}

/// Reads a linked entry with its parts.
fn load_linked(store: &dyn Store, party: &PublicKey, position: &Position) -> Result<Arrival, Error> {
    let entry = load_entry(store, party, position)?;
    let parts = load_parts(store, &entry)?;
    Ok(Arrival { entry, parts, peer: None })
}
