//! Plans with no program above them: a PomoRA text is run as if it had been compiled.
//!
//! And the other way round: a compiled program as a plan that says all of what it computes. The order and the limit in
//! which outputs are shown are no part of it, nor is it told from other outputs what a `forbid` rule finds.

use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::text::diagnostic::Report;
use motet_algebra::{Expression, Program, RelationName, Row, Statement};

use crate::{Compiled, Interface, Monotonicity, Source};

impl Compiled {
    /// A program that was written as a plan. Its inputs and outputs are what it declares as such.
    pub fn of_plan(source: &Source, program: Program) -> Compiled {
        let interfaces = |wanted: fn(&Interface, &Program) -> bool| {
            interfaces(&program).filter(|one| wanted(one, &program)).collect::<Vec<_>>()
        };
        let outputs = interfaces(|one, program| program.relations[&one.name].output);
        Compiled {
            classes: outputs
                .iter()
                .map(|output| (output.name.clone(), class(&program, &output.name)))
                .collect(),
            inputs: interfaces(|one, program| program.relations[&one.name].input),
            outputs,
            demanded: program.clone(),
            program,
            strata: Vec::new(),
            violations: Vec::new(),
            bases: Vec::new(),
            facts: BTreeMap::new(),
            warnings: Report::default().finish(source),
            shrinking: BTreeSet::new(),
            // A plan has no rules, so its rows cannot be explained.
            rules: Vec::new(),
            components: Vec::new(),
        }
    }

    /// The program with the facts of its inputs, which are no part of [`Compiled::program`], as its first assignments.
    pub fn plan(&self) -> Program {
        let mut program = self.program.clone();
        let facts = self.facts.iter().map(|(name, rows)| self.stated(name, rows));
        program.statements = facts.chain(program.statements).collect();
        program
    }

    fn stated(&self, name: &RelationName, rows: &BTreeSet<Row>) -> Statement {
        let columns = self.program.relations[name].names().cloned().collect();
        let expression = Expression::Constant { columns, rows: rows.iter().cloned().collect() };
        Statement::assign(name.clone(), expression)
    }
}

fn interfaces(program: &Program) -> impl Iterator<Item = Interface> {
    program.relations.iter().map(|(name, relation)| Interface {
        name: name.clone(),
        columns: relation.columns.clone(),
        event: relation.event,
        has_cid: false,
        order: Vec::new(),
        limit: None,
    })
}

/// Local, if the relation depends on time. Else monotone, unless something that it depends on is read where more rows
/// may mean fewer results.
fn class(program: &Program, name: &RelationName) -> Monotonicity {
    let (mut reached, mut strictly) = (BTreeSet::new(), false);
    let mut waiting = vec![name];
    while let Some(name) = waiting.pop() {
        if reached.insert(name) {
            for (read, strict) in reads(&program.statements, name) {
                strictly |= strict;
                waiting.push(read);
            }
        }
    }
    let delayed = |name: &RelationName| {
        let gives = |one: &Statement| matches!(one, Statement::Next { relation, .. } if relation == name);
        program.statements.iter().any(gives)
    };
    if reached.iter().any(|name| program.relations[*name].event || delayed(name)) {
        Monotonicity::Local
    } else if strictly {
        Monotonicity::Convergent
    } else {
        Monotonicity::Monotone
    }
}

/// What the assignments of a relation read, and whether strictly.
fn reads<'a>(statements: &'a [Statement], name: &RelationName) -> Vec<(&'a RelationName, bool)> {
    let of = |statement: &'a Statement| match statement {
        Statement::Assign { relation, expression, .. } | Statement::Next { relation, expression, .. }
            if relation == name =>
        {
            expression.reads().into_iter().collect()
        }
        Statement::Assign { .. } | Statement::Next { .. } => Vec::new(),
        Statement::Loop { body, .. } => reads(body, name),
    };
    statements.iter().flat_map(of).collect()
}
