//! The circuits of one thread, which its views share (Q16).
//!
//! Views that ask the same of the same parties, on the same runtime, read one [`circuit`](crate::circuit), whatever
//! values they give its parameters. *The same* is what the program comes to once it is compiled: also saved rules and
//! functions of the application are the same then. Programs with time are never shared: what they carry on is a
//! function of the epochs that a view has seen, and a view that is opened later begins anew (Q11).
//!
//! An epoch over the budget of the view that runs it concerns that view alone: it parts, goes on with a circuit of its
//! own, and only if it is over its budget there too does it stop. So sharing stops nobody who would not have stopped
//! alone.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use motet_fact::{Attribute, PublicKey, Value};
use motet_logic::{Compiled, Parameterised};

use crate::circuit::{Circuit, Contents, once};
use crate::relations::{Net, Wanted};
use crate::state::PartyState;
use crate::view::View;
use crate::{Database, Error, Party, Query, RuntimeKind, rules};

/// Where views are opened that share circuits. It belongs to one thread, as its views do; clones share too.
#[derive(Clone)]
pub struct Circuits {
    database: Database,
    running: Rc<RefCell<Vec<Shared>>>,
}

/// A circuit that others may read too.
struct Shared {
    origin: Origin,
    circuit: Weak<RefCell<Circuit>>,
}

/// Where the rows of a circuit come from, and who computes.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) database: Database,
    /// In the order of their keys.
    pub(crate) parties: Vec<Party>,
    pub(crate) runtime: RuntimeKind,
}

impl Database {
    /// Opens a live view of a query over the base relations of some parties together (Q6). A row that several of them
    /// have is there once, unless the query asks for `$party`. The view's first epoch, over everything there is, has
    /// run when this returns. It shares nothing with others; those of [`Database::circuits`] do.
    ///
    /// # Errors
    /// [`Error::NoSuchParty`]; [`Error::Query`] with every diagnostic; [`Error::RulesDiffer`]; [`Error::Runtime`] over
    /// budget.
    pub fn watch(&self, parties: &[PublicKey], query: &Query) -> Result<View, Error> {
        let origin = Origin::new(self, parties, query.runtime)?;
        let compiled = query.compile(&rules::catalog_of(&origin, query)?)?;
        origin.open(alone(&compiled), compiled, Vec::new(), query)
    }

    /// How a query is computed: its strata and its plan, and what the optimiser makes of that for the rows there are
    /// now, with the rows that were expected of each operator and those that it has.
    ///
    /// # Errors
    /// As [`Database::watch`].
    pub fn explain(&self, parties: &[PublicKey], query: &Query) -> Result<String, Error> {
        let origin = Origin::new(self, parties, query.runtime)?;
        let compiled = query.compile(&rules::catalog_of(&origin, query)?)?;
        let inputs = origin.rows(&compiled)?.iter().map(|(name, rows)| (name.clone(), once(rows))).collect();
        let planned = motet_algebra::explain_over(&compiled.demanded, &inputs, query.budget.clone());
        let planned = planned.map_err(|error| Error::Plan(error.to_string()))?;
        Ok(compiled.explain_planned(&planned))
    }

    /// Where views of this thread are opened that share circuits.
    pub fn circuits(&self) -> Circuits {
        Circuits { database: self.clone(), running: Rc::default() }
    }
}

impl Circuits {
    /// Opens a live view as [`Database::watch`] does, on a circuit that other views read or will read.
    ///
    /// # Errors
    /// As [`Database::watch`].
    pub fn watch(&self, parties: &[PublicKey], query: &Query) -> Result<View, Error> {
        let origin = Origin::new(&self.database, parties, query.runtime)?;
        let catalog = rules::catalog_of(&origin, query)?;
        let compiled = query.compile(&catalog)?;
        let program = query.compile_parameterised(&catalog)?;
        let shares = |one: &Parameterised| !one.compiled.program.is_timed() && !self.names_on_demand(query);
        let Some(program) = program.filter(shares) else {
            return origin.open(alone(&compiled), compiled, Vec::new(), query);
        };
        let value = |name: &String| query.parameters[name].clone();
        let binding: Vec<Value> = program.parameters.iter().map(value).collect();
        if let Some(circuit) = self.running(&origin, &program) {
            let joined = circuit.borrow_mut().join(binding, &query.budget);
            return match joined {
                Ok((inbox, contents)) => {
                    let mut view = View::reading(compiled, circuit, inbox, origin, query.budget.clone());
                    view.begin_with(contents);
                    Ok(view)
                }
                // What all ask for together is over the budget of this one.
                Err(_) => origin.open(alone(&compiled), compiled, Vec::new(), query),
            };
        }
        let view = origin.clone().open(program, compiled, binding, query)?;
        self.running.borrow_mut().push(Shared { origin, circuit: Rc::downgrade(view.circuit()) });
        Ok(view)
    }

    /// Whether a parameter is an attribute of which models say something on demand: a circuit reads that for the
    /// attributes that its program names, and a parameter's value is no part of it.
    fn names_on_demand(&self, query: &Query) -> bool {
        let models = self.database.models().registry;
        let mut attributes = query.parameters.values().filter_map(|value| Attribute::new(value.clone()).ok());
        attributes.any(|attribute| models.models().any(|model| !model.publishes(&attribute)))
    }

    /// How many circuits run for the views that are open.
    pub fn count(&self) -> usize {
        self.running.borrow().iter().filter(|one| one.circuit.strong_count() > 0).count()
    }

    fn running(&self, origin: &Origin, program: &Parameterised) -> Option<Rc<RefCell<Circuit>>> {
        let mut running = self.running.borrow_mut();
        running.retain(|one| one.circuit.strong_count() > 0);
        let same = running.iter().filter(|one| one.origin.is_same(origin));
        same.filter_map(|one| one.circuit.upgrade()).find(|one| is_same(one.borrow().program(), program))
    }
}

/// Whether two programs are one but for the values of their parameters.
fn is_same(one: &Parameterised, other: &Parameterised) -> bool {
    one.compiled.program == other.compiled.program && one.compiled.facts == other.compiled.facts
}

/// A program that nobody shares.
pub(crate) fn alone(compiled: &Compiled) -> Parameterised {
    Parameterised {
        compiled: compiled.clone(),
        input: None,
        parameters: Vec::new(),
        bound: Default::default(),
    }
}

impl Origin {
    pub(crate) fn new(
        database: &Database,
        parties: &[PublicKey],
        runtime: RuntimeKind,
    ) -> Result<Self, Error> {
        let mut keys = parties.to_vec();
        keys.sort_unstable();
        keys.dedup();
        let parties = keys.iter().map(|key| database.party(key)).collect::<Result<_, _>>()?;
        Ok(Origin { database: database.clone(), parties, runtime })
    }

    fn is_same(&self, other: &Origin) -> bool {
        let keys = |origin: &Origin| origin.parties.iter().map(Party::key).collect::<Vec<_>>();
        self.runtime == other.runtime && keys(self) == keys(other)
    }

    /// The rows that there are now of the inputs of a program: base relations, and what it states itself.
    pub(crate) fn rows(&self, compiled: &Compiled) -> Result<Contents, Error> {
        let (mut rows, store) = (compiled.facts.clone(), self.database.store());
        let wanted = Wanted::all_of(compiled);
        for party in &self.parties {
            party.ask(|state| state.add_rows(store, &wanted, &mut rows))?;
        }
        Ok(rows)
    }

    /// A circuit of which the first epoch is prepared.
    pub(crate) fn prepare(&self, program: Parameterised) -> Result<Circuit, Error> {
        let facts = program.compiled.facts.clone();
        let mut circuit = Circuit::new(program, self.runtime, true, &Contents::new())?;
        let (mut net, store) = (Net::default(), self.database.store());
        for party in &self.parties {
            party.ask(|state| state.attach(store, circuit.queue(), &mut net))?;
        }
        circuit.begin(net.into_changes(), &facts, None);
        Ok(circuit)
    }

    /// A view of one party as a state has it; its first epoch has run, and no other will.
    pub(crate) fn open_over(
        self,
        state: &mut PartyState,
        compiled: Compiled,
        query: &Query,
    ) -> Result<View, Error> {
        let mut circuit = Circuit::new(alone(&compiled), self.runtime, true, &Contents::new())?;
        let mut net = Net::default();
        state.attach(self.database.store(), circuit.queue(), &mut net)?;
        circuit.begin(net.into_changes(), &compiled.facts, None);
        self.read(circuit, compiled, Vec::new(), query)
    }

    /// A view on a new circuit; its first epoch has run.
    fn open(
        self,
        program: Parameterised,
        compiled: Compiled,
        binding: Vec<Value>,
        query: &Query,
    ) -> Result<View, Error> {
        let circuit = self.prepare(program)?;
        self.read(circuit, compiled, binding, query)
    }

    fn read(
        self,
        mut circuit: Circuit,
        compiled: Compiled,
        binding: Vec<Value>,
        query: &Query,
    ) -> Result<View, Error> {
        let inbox = circuit.join_first(binding);
        let circuit = Rc::new(RefCell::new(circuit));
        let mut view = View::reading(compiled, circuit, inbox, self, query.budget.clone());
        view.poll()?;
        Ok(view)
    }
}
