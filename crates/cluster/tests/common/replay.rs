//! Programs with time the stupid way: each epoch is computed from nothing.
//!
//! A replay knows nothing of hidden relations and changes: in each epoch it makes a new evaluator for the program in
//! which every `next` is an output of its own, and puts in whole sets of rows: what is stored, the events of the epoch,
//! and what the last epoch gave.

use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::{
    Budget, Changes, Naive, Program, Relation, RelationName, Row, Runtime, RuntimeError, Statement,
};

/// What relations hold.
pub(crate) type Contents = BTreeMap<RelationName, BTreeSet<Row>>;

/// A program that is replayed.
pub(crate) struct Replay {
    /// The program without time.
    program: Program,
    events: Vec<RelationName>,
    outputs: Vec<RelationName>,
    /// The relations that are given rows for the next epoch.
    targets: BTreeSet<RelationName>,
    /// What the last epoch gave this one.
    held: Contents,
}

/// What an epoch came to.
pub(crate) struct Epoch {
    /// What the outputs hold.
    pub(crate) outputs: Contents,
    /// The relations that make another epoch due.
    pub(crate) restless: Vec<RelationName>,
}

impl Replay {
    pub(crate) fn new(timed: &Program) -> Self {
        let mut program = timed.clone();
        let mut targets = BTreeSet::new();
        for statement in &mut program.statements {
            if let Statement::Next { relation, expression, .. } = statement {
                targets.insert(relation.clone());
                *statement = Statement::assign(then(relation), expression.clone());
            }
        }
        program.relations.values_mut().for_each(|relation| relation.event = false);
        for target in &targets {
            let relation = program.relations.get_mut(target).expect("statements assign what the program has");
            relation.input = true;
            let given = Relation { input: false, output: true, ..relation.clone() };
            program.relations.insert(then(target), given);
        }
        let names = |wanted: fn(&Relation) -> bool| {
            let wanted = timed.relations.iter().filter(|(_, relation)| wanted(relation));
            wanted.map(|(name, _)| name.clone()).collect()
        };
        let (events, outputs) = (names(|relation| relation.event), names(|relation| relation.output));
        Replay { program, events, outputs, targets, held: Contents::new() }
    }

    /// The next epoch, with all that the inputs hold in it, events as well.
    pub(crate) fn epoch(&mut self, inputs: &Contents, budget: Budget) -> Result<Epoch, RuntimeError> {
        let mut rows = self.held.clone();
        for (name, more) in inputs {
            rows.entry(name.clone()).or_default().extend(more.iter().cloned());
        }
        let mut naive = Naive::new(self.program.clone()).expect("a program without its time is as sound");
        naive.step(&difference(&Contents::new(), &rows), budget)?;
        let held = |name: &RelationName| (name.clone(), naive.output(&then(name)).cloned().collect());
        let held: Contents = self.targets.iter().map(held).collect();
        let changed =
            held.iter().filter(|(name, rows)| !same(self.held.get(*name), rows)).map(|(name, _)| name);
        let held_now = self.events.iter().filter(|name| !same(inputs.get(*name), &BTreeSet::new()));
        let restless: BTreeSet<RelationName> = changed.chain(held_now).cloned().collect();
        self.held = held;
        let output = |name: &RelationName| (name.clone(), naive.output(name).cloned().collect());
        let outputs = self.outputs.iter().map(output).collect();
        Ok(Epoch { outputs, restless: restless.into_iter().collect() })
    }
}

/// The name of what a relation is given for the next epoch.
fn then(relation: &RelationName) -> RelationName {
    format!("{relation} then").into()
}

fn same(rows: Option<&BTreeSet<Row>>, others: &BTreeSet<Row>) -> bool {
    rows.map_or(others.is_empty(), |rows| rows == others)
}

/// The net changes from one state to another, without relations that did not change.
pub(crate) fn difference(before: &Contents, after: &Contents) -> Changes {
    let none = BTreeSet::new();
    let mut changes = Changes::new();
    for name in before.keys().chain(after.keys()) {
        let (old, new) = (before.get(name).unwrap_or(&none), after.get(name).unwrap_or(&none));
        let gone = old.difference(new).map(|row| (row.clone(), -1));
        let mut rows: Vec<(Row, i64)> = gone.chain(new.difference(old).map(|row| (row.clone(), 1))).collect();
        rows.sort();
        if !rows.is_empty() {
            changes.insert(name.clone(), rows);
        }
    }
    changes
}
