//! The dataflow of a plan: inputs, stages one below the other, outputs.
//!
//! Between stages there are only collections of finished relations, at times that are epochs. A stage takes in the
//! relations it uses, and gives back those it assigns. In a stage that loops, each relation it assigns is a *variable*:
//! in round 0 it is empty, and in round n + 1 what the relation was before the loop and what the rules give from the
//! variables of round n, each row once. Differences circulate until there are none; what leaves is their sum over all
//! rounds, the fixed point. A later change of an input is a difference like any other, so a retraction passes through
//! the rounds as the insertion did.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use differential_dataflow::VecCollection;
use differential_dataflow::input::{Input, InputSession};
use differential_dataflow::operators::iterate::Variable;
use motet_algebra::RelationName;
use timely::dataflow::operators::probe::Handle;
use timely::dataflow::operators::vec::ToStream;
use timely::dataflow::scope::{Iterative, Scope};
use timely::order::Product;

use motet_algebra::dictionary::SharedDictionary;
use crate::meter::Meter;
use crate::plan::{self, Plan};
use crate::row::PackedRow;
use crate::scope::{Epoch, Flow, Round, Stage, distinct};
use crate::undefined::Ledger;

/// Rows with the changes of their weights.
pub(crate) type Batch<W> = Vec<(W, i64)>;

/// The ends of a dataflow.
pub(crate) struct Ends<W: PackedRow> {
    /// Where changes go in.
    pub(crate) inputs: BTreeMap<RelationName, InputSession<Epoch, W, i64>>,
    /// Where changes come out, not yet summed up.
    pub(crate) outputs: BTreeMap<RelationName, Rc<RefCell<Batch<W>>>>,
    /// How far the whole dataflow is.
    pub(crate) probe: Handle<Epoch>,
}

type Relation<'r, W> = VecCollection<'r, Epoch, W, i64>;
type Relations<'r, W> = BTreeMap<RelationName, Relation<'r, W>>;

/// Builds all operators of a plan.
pub(crate) fn build<W: PackedRow>(
    root: Scope<'_, Epoch>,
    plan: &Plan,
    dictionary: &SharedDictionary,
    meter: &Rc<Meter>,
    ledger: &Rc<Ledger<W>>,
) -> Ends<W> {
    let mut ends = Ends { inputs: BTreeMap::new(), outputs: BTreeMap::new(), probe: Handle::new() };
    let mut relations = Relations::new();
    for name in plan.inputs.keys() {
        let (session, rows) = root.new_collection();
        ends.inputs.insert(name.clone(), session);
        relations.insert(name.clone(), rows);
    }
    let nothing = W::collect(std::iter::empty());
    let unit = VecCollection::new([(nothing, 0, 1)].to_stream(root));
    for stage in &plan.stages {
        let context = Context { root, unit: unit.clone(), relations: &relations, dictionary, meter, ledger };
        let assigned = context.stage(stage);
        relations.extend(assigned);
    }
    for (name, rows) in relations {
        let rows = if plan.outputs.contains_key(&name) { capture(name, rows, &mut ends) } else { rows };
        rows.probe_with(&ends.probe);
    }
    ends
}

/// Keeps the changes of an output until they are fetched.
fn capture<'r, W: PackedRow>(
    name: RelationName,
    rows: Relation<'r, W>,
    ends: &mut Ends<W>,
) -> Relation<'r, W> {
    let kept: Rc<RefCell<Batch<W>>> = Rc::default();
    ends.outputs.insert(name, Rc::clone(&kept));
    rows.inspect_batch(move |_, changes| {
        kept.borrow_mut().extend(changes.iter().map(|(row, _, weight)| (row.clone(), *weight)));
    })
}

/// What a stage is built from.
struct Context<'a, 'r, W: PackedRow> {
    root: Scope<'r, Epoch>,
    unit: Relation<'r, W>,
    relations: &'a Relations<'r, W>,
    dictionary: &'a SharedDictionary,
    meter: &'a Rc<Meter>,
    ledger: &'a Rc<Ledger<W>>,
}

impl<'r, W: PackedRow> Context<'_, 'r, W> {
    /// Builds a stage and gives the relations it assigns, as they are after it.
    fn stage(&self, stage: &plan::Stage) -> Vec<(RelationName, Relation<'r, W>)> {
        self.root.scoped("Stage", |scope: Iterative<'_, Epoch, Round>| {
            let unit = self.unit.clone().enter(scope);
            let (meter, ledger) = (Rc::clone(self.meter), Rc::clone(self.ledger));
            let mut builder = Stage::new(scope, unit, Rc::clone(self.dictionary), meter, ledger);
            for name in stage.reads() {
                if let Some(rows) = self.relations.get(name) {
                    builder.relations.insert(name.clone(), rows.clone().enter(scope));
                }
            }
            if stage.recursive { self.repeat(&mut builder, stage) } else { self.once(&mut builder, stage) }
        })
    }

    /// The rules, one after the other.
    fn once(&self, builder: &mut Stage<'_, W>, stage: &plan::Stage) -> Vec<(RelationName, Relation<'r, W>)> {
        let mut assigned = Vec::new();
        for (name, nodes) in &stage.rules {
            builder.target = name.clone();
            let before = builder.relations.remove(name);
            let flow = contents(builder, before.map(|rows| Flow { rows, degree: 0 }), nodes);
            let rows = self.metered(builder.set(flow), name);
            builder.relations.insert(name.clone(), rows.clone());
            assigned.push((name.clone(), rows.leave(self.root)));
        }
        assigned
    }

    /// The rules, until nothing changes.
    fn repeat(
        &self,
        builder: &mut Stage<'_, W>,
        stage: &plan::Stage,
    ) -> Vec<(RelationName, Relation<'r, W>)> {
        let mut variables = Vec::new();
        for (name, _) in &stage.rules {
            let (variable, rows) = Variable::new(builder.scope, Product::new(Epoch::default(), 1));
            let before = builder.relations.insert(name.clone(), rows);
            variables.push((variable, before));
        }
        let mut assigned = Vec::new();
        for ((name, nodes), (variable, before)) in stage.rules.iter().zip(variables) {
            builder.target = name.clone();
            let flow = contents(builder, before.map(|rows| Flow { rows, degree: 0 }), nodes);
            // Always a reduction, even of what is a set already: it settles each round before the next begins.
            let rows = self.metered(distinct(flow.rows), name);
            variable.set(rows.clone());
            assigned.push((name.clone(), rows.leave(self.root)));
        }
        assigned
    }

    /// Counts the changes of a relation, and the rounds in which they happen.
    fn metered<'s>(&self, rows: crate::scope::Rows<'s, W>, name: &RelationName) -> crate::scope::Rows<'s, W> {
        let (meter, name) = (Rc::clone(self.meter), name.clone());
        rows.inspect_batch(move |_, changes| {
            meter.rows(changes.len(), &name);
            let last = changes.iter().map(|(_, time, _)| time.inner).max();
            if let Some(round) = last {
                meter.round(u64::from(round) + 1, &name);
            }
        })
    }
}

/// What a relation was before, and what its rules give.
fn contents<'s, W: PackedRow>(
    builder: &mut Stage<'s, W>,
    before: Option<Flow<'s, W>>,
    nodes: &[plan::Node],
) -> Flow<'s, W> {
    let mut flows: Vec<_> = nodes.iter().map(|node| builder.node(node)).collect();
    flows.extend(before);
    builder.sum(flows)
}
