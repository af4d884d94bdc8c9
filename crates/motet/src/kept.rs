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
//! So no epoch is lost, and none happens twice. To run an epoch of the journal, the party is read as it was before it,
//! without the entries that came later; that costs what opening the party costs, and only a view that was left behind
//! pays it.
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

use crate::circuit::{Circuit, Contents};
use crate::circuits::{Origin, alone};
use crate::journal::Journal;
use crate::pipeline::Arrival;
use crate::proto::{self, ViewProgress};
use crate::relations::{self, Net};
use crate::state::{PartyState, load_entry, load_parts, visit_rows};
use crate::tables::{self, VIEWS, VIEWS_GIVEN, VIEWS_PROGRESS};
use crate::view::View;
use crate::{Error, Parameters, Party, Query, RuntimeKind, rules};

/// A kept view notes that it is past epochs which did not concern it when there are so many.
const PROGRESS_EPOCHS: u64 = 256;
/// The longest name of a view, in bytes.
const NAME_BYTES: usize = 200;

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
        self.commit(circuit.taken().unwrap_or(self.cursor), epochs, batch)?;
        self.definition = None;
        self.due = circuit.runtime().due();
        Ok(())
    }

    /// Saves that epochs have passed which did not concern the view, now and then.
    pub(crate) fn save_progress(&mut self, circuit: &Circuit, epochs: u64) -> Result<(), Error> {
        match circuit.taken().filter(|taken| *taken >= self.cursor + PROGRESS_EPOCHS) {
            Some(taken) => self.commit(taken, epochs, Batch::new()),
            None => Ok(()),
        }
    }

    fn commit(&mut self, cursor: u64, epochs: u64, mut batch: Batch) -> Result<(), Error> {
        let (key, store) = (self.party.key(), self.party.database().store());
        Progress { cursor, epochs }.put(&key, &self.name, &mut batch);
        self.party.with(|state| {
            state.journal.pass(&key, &self.name, cursor, &mut batch);
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
        let keeper = Keeper { party, name, definition, due: Changes::new(), cursor: epoch };
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
        let mut circuit = begin(&compiled, runtime, &given(store, &key, name)?)?;
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
        let (party, name) = (self.clone(), name.to_owned());
        let (due, cursor) = (circuit.runtime().due(), progress.cursor);
        let keeper = Keeper { party, name, definition: None, due, cursor };
        let origin = Origin::new(self.database(), &[key], runtime)?;
        let mut view = View::reading(compiled, Rc::new(RefCell::new(circuit)), inbox, origin, query.budget);
        view.begin_with(contents);
        view.keep(keeper, progress.epochs);
        Ok(view)
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
            epochs.iter().flat_map(|(_, entries)| entries).map(|entry| entry.id).collect();
        let mut past =
            PartyState::with(store, self.record.clone(), self.models.clone(), &|id| !later.contains(id))?;
        past.attach(store, queue, net)?;
        for (number, entries) in epochs {
            past.replay(store, number, &entries)?;
        }
        self.register(queue);
        Ok(())
    }

    /// Links entries that are on disk, as one batch.
    fn replay(&mut self, store: &dyn Store, epoch: u64, entries: &[Position]) -> Result<(), Error> {
        let (mut linked, mut feeds) = (Vec::new(), BTreeSet::new());
        for position in entries {
            let arrival = load_linked(store, &self.party, position)?;
            feeds.extend(self.take_in_stored(&arrival.entry, || Ok(arrival.parts.clone()))?.feeds);
            linked.push((*position, arrival));
        }
        let new = entries.iter().map(|entry| entry.id).collect();
        let stale = self.plan_at_once(store, &feeds, &new);
        self.load_changing(store, &linked, &stale);
        self.take_effect(store, &linked, &stale, Some(epoch));
        Ok(())
    }
}

/// Reads a linked entry with its parts.
fn load_linked(store: &dyn Store, party: &PublicKey, position: &Position) -> Result<Arrival, Error> {
    let entry = load_entry(store, party, position)?;
    let parts = load_parts(store, &entry)?;
    Ok(Arrival { entry, parts, peer: None })
}
