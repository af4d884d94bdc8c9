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
use motet_algebra::{RelationName, Site};
use timely::dataflow::operators::probe::Handle;
use timely::dataflow::operators::vec::ToStream;
use timely::dataflow::scope::{Iterative, Scope};
use timely::order::Product;

use crate::plan::{self, Plan};
use crate::row::PackedRow;
use crate::scope::{Epoch, Flow, Round, Rows, Stage};
use crate::task::{Shared, Task};
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
    shared: &Shared,
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
        let context = Context { root, unit: unit.clone(), relations: &relations, shared, ledger };
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
    shared: &'a Shared,
    ledger: &'a Rc<Ledger<W>>,
}

impl<'r, W: PackedRow> Context<'_, 'r, W> {
    /// Builds a stage and gives the relations it assigns, as they are after it.
    fn stage(&self, stage: &plan::Stage) -> Vec<(RelationName, Relation<'r, W>)> {
        self.root.scoped("Stage", |scope: Iterative<'_, Epoch, Round>| {
            let unit = self.unit.clone().enter(scope);
            let mut builder = Stage::new(scope, unit, self.shared.clone(), Rc::clone(self.ledger));
            for name in stage.reads() {
                if let Some(rows) = self.relations.get(name) {
                    builder.relations.insert(name.clone(), rows.clone().enter(scope));
                }
            }
            if stage.recursive { self.repeat(&mut builder, stage) } else { self.once(&mut builder, stage) }
        })
    }

    /// The assignments, one after the other.
    fn once(&self, builder: &mut Stage<'_, W>, stage: &plan::Stage) -> Vec<(RelationName, Relation<'r, W>)> {
        let mut all = Vec::new();
        for (name, assigned) in &stage.targets {
            let before = builder.relations.remove(name);
            let (flow, task) = contents(builder, before, name, assigned);
            let rows = builder.set(flow).inspect_batch(move |_, changes| task.count_changes(changes.len()));
            builder.relations.insert(name.clone(), rows.clone());
            all.push((name.clone(), rows.leave(self.root)));
        }
        all
    }

    /// The assignments, until nothing changes.
    fn repeat(
        &self,
        builder: &mut Stage<'_, W>,
        stage: &plan::Stage,
    ) -> Vec<(RelationName, Relation<'r, W>)> {
        let mut variables = Vec::new();
        for (name, _) in &stage.targets {
            let (variable, rows) = Variable::new(builder.scope, Product::new(Epoch::default(), 1));
            let before = builder.relations.insert(name.clone(), rows);
            variables.push((variable, before));
        }
        let mut all = Vec::new();
        for ((name, assigned), (variable, before)) in stage.targets.iter().zip(variables) {
            let (flow, task) = contents(builder, before, name, assigned);
            // Always a reduction, even of what is a set already: it settles each round before the next begins.
            let rows = builder.distinct(flow.rows).inspect_batch(move |_, changes| {
                task.count_changes(changes.len());
                let last = changes.iter().map(|(_, time, _)| time.inner).max();
                last.into_iter().for_each(|round| task.count_round(u64::from(round) + 1));
            });
            variable.set(rows.clone());
            all.push((name.clone(), rows.leave(self.root)));
        }
        all
    }
}

/// What a relation was before, and what its rules give; and the task that the rules have together, for which operators
/// are made from then on.
fn contents<'s, W: PackedRow>(
    builder: &mut Stage<'s, W>,
    before: Option<Rows<'s, W>>,
    name: &RelationName,
    assigned: &[plan::Assigned],
) -> (Flow<'s, W>, Task) {
    let task = builder.task(assigned.iter().map(|(_, rule)| Site::new(name, rule)).collect());
    let mut flows: Vec<Flow<'s, W>> = Vec::new();
    for (rule, (node, _)) in assigned.iter().enumerate() {
        let of_rule = task.of_rule(rule);
        builder.work_for(of_rule.clone());
        let mut flow = builder.node(node);
        // Where no operator works for a rule, somebody has to say that rows are its.
        if assigned.len() > 1 && matches!(node, plan::Node::Read(_) | plan::Node::Rows(_)) {
            flow.rows = flow.rows.inspect_batch(move |_, _| of_rule.note());
        }
        flows.push(flow);
    }
    builder.work_for(task.clone());
    flows.extend(before.map(|rows| Flow { rows, degree: 0 }));
    (builder.sum(flows), task)
}
