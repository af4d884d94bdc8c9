//! From text to a program that a runtime can run: the passes in order.

use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::text::sources::Sources;
use motet_algebra::{
    CID_COLUMN, Column, ColumnType, Expression, Program, Relation, RelationName, Row, Statement, Term,
};
use motet_fact::{Kind, Value};

use crate::demand;
use crate::diagnostic::{Diagnostics, Report, Source, Span};
use crate::lower::{Helper, lower};
use crate::relations::Relations;
use crate::rule::{Goal, Resolver, Rule};
use crate::stratify::{self, Component, Edge, Reading};
use crate::{Catalog, check, item_types, modules, time, types, window};

/// A program ready to run.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// What a runtime runs. Its inputs are the relations of [`Compiled::inputs`] and [`Compiled::bases`].
    pub program: Program,
    /// The same outputs from rules that derive only what the outputs ask for (Q16); `program` where there
    /// is nothing to gain. Other relations may hold less.
    pub demanded: Program,
    /// What is computed together, dependencies first.
    pub strata: Vec<Stratum>,
    /// The relations of `output R.` declarations, in the order of their names.
    pub outputs: Vec<Interface>,
    /// The rules of what must not be. A runtime reports their relations' rows as it does those of outputs.
    pub violations: Vec<Violation>,
    /// The relations of `input R.` declarations, in the order of their names.
    pub inputs: Vec<Interface>,
    /// The base relations that the outputs depend on.
    pub bases: Vec<Interface>,
    /// How each output behaves as facts come in.
    pub classes: BTreeMap<RelationName, Monotonicity>,
    /// Ground facts of *input* relations, in the order of the declared columns. They are stored rows, which may be
    /// deleted later (Q12), so they are no part of the program: the caller puts them into the first epoch. Facts of other
    /// relations are in the program.
    pub facts: BTreeMap<RelationName, BTreeSet<Row>>,
    /// What is likely not meant.
    pub warnings: Diagnostics,
    /// What it was made from, for explanations.
    pub(crate) rules: Vec<Rule>,
    pub(crate) components: Vec<Component>,
}

impl Compiled {
    /// The values that rules name in a column of a relation: those that they ask for by name.
    pub fn named(&self, relation: &str, column: &str) -> BTreeSet<Value> {
        let goals = self.rules.iter().flat_map(|rule| &rule.goals);
        let scans = goals.filter_map(Goal::scan).filter(|scan| &*scan.relation == relation);
        let constants = scans.flat_map(|scan| &scan.constants).filter(|(of, ..)| &**of == column);
        constants.map(|(_, value, _)| value.clone()).collect()
    }
}

/// A relation as seen from outside: its name and its columns in declared order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The name.
    pub name: RelationName,
    /// The columns; for a base relation whose rows carry a CID without the column `$cid` that its rows end with.
    pub columns: Vec<(Column, ColumnType)>,
    /// Whether rows end with a further value, their CID.
    pub has_cid: bool,
    /// Of an input: whether its rows hold for one epoch.
    pub event: bool,
    /// Of an output: the columns that its rows are shown in the order of, the first first.
    pub order: Vec<(Column, Direction)>,
    /// Of an output: how many rows are shown at most.
    pub limit: Option<usize>,
}

impl Interface {
    /// The rows of an output as they are to be shown: in its order, and no more than its limit. Columns compare as `<`
    /// does; rows that the order does not tell apart are in value order.
    ///
    /// # Panics
    /// If a row has fewer values than there are columns.
    pub fn arrange(&self, mut rows: Vec<Row>) -> Vec<Row> {
        let keys = self.keys();
        rows.sort_by(|left, right| window::compare(&keys, left, right));
        rows.truncate(self.limit.unwrap_or(usize::MAX));
        rows
    }

    /// The places of the columns that it is shown in the order of.
    pub(crate) fn keys(&self) -> window::Keys {
        let place = |column: &Column| self.columns.iter().position(|(name, _)| name == column);
        let key = |(column, direction): &(Column, Direction)| {
            (place(column).expect("the order was checked against the columns"), *direction)
        };
        self.order.iter().map(key).collect()
    }
}

/// Which way a column orders rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// The least first.
    Ascending,
    /// The greatest first.
    Descending,
}

/// A rule of what must not be: `forbid :- body.`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The relation of what breaks it: one row for each way, with a column for each variable that the body binds.
    pub relation: Interface,
    /// The text of the rule.
    pub rule: String,
    /// Where it stands.
    pub span: Span,
}

/// Relations that are computed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stratum {
    /// The relations.
    pub relations: Vec<RelationName>,
    /// Whether they depend on themselves.
    pub recursive: bool,
    /// Whether it is what holds in the next epoch: the last stratum (PL-9).
    pub next: bool,
    /// The text of their rules.
    pub rules: Vec<String>,
}

/// How an output behaves as facts come in (PL-10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Monotonicity {
    /// Rows are only ever added: no negation and no aggregate on the way. Needs no coordination (CALM).
    Monotone,
    /// The same facts give the same rows, but a new fact may take rows away.
    Convergent,
    /// It depends on events or on earlier epochs: on how the facts came here, and not on the facts alone.
    Local,
}

/// Compiles a program.
///
/// # Errors
/// Everything that is wrong with it, and the warnings.
pub fn compile(
    source: &Source,
    catalog: &Catalog,
    parameters: &BTreeMap<String, Value>,
) -> Result<Compiled, Diagnostics> {
    let mut report = Report::default();
    let (written, sources) = modules::assemble(source, catalog, &mut report);
    let module = item_types::expand(&written, catalog, &mut report);
    let mut relations = Relations::of(&module, catalog, &mut report);
    let mut resolver = Resolver { relations: &relations, parameters, report: &mut report };
    let mut rules: Vec<Rule> = {
        // What was made for types was written by nobody.
        let made = &module.clauses[written.clauses.len()..];
        let pairs = module.clauses.iter().zip(written.clauses.iter().chain(made));
        pairs.map(|(clause, written)| resolver.rule(clause, written)).collect()
    };
    for (rule, _) in rules.iter_mut().zip(&module.clauses).filter(|(_, clause)| clause.forbids) {
        rule.show_all();
        relations.forbid(&rule.head, rule.terms.iter().map(|head| head.column.clone()));
    }
    types::infer(&rules, &mut relations);
    rules.iter().for_each(|rule| check::check(rule, &relations, &mut report));
    check::check_filled(&rules, &relations, &mut report);
    let edges = stratify::edges(&rules);
    time::check(&rules, &relations, &mut report);
    let components = stratify::stratify(&edges, &relations, &mut report);
    if report.has_errors() {
        return Err(report.finish(sources));
    }
    let compiler = Compiler { sources: &sources, relations: &relations, rules: &rules, edges: &edges };
    Ok(compiler.assemble(&components, report))
}

struct Compiler<'a> {
    sources: &'a Sources,
    relations: &'a Relations,
    rules: &'a [Rule],
    edges: &'a [Edge],
}

impl Compiler<'_> {
    fn assemble(&self, components: &[Component], report: Report) -> Compiled {
        let needed = self.needed();
        let program = self.program(components, &needed);
        let demanded = self.demanded(&needed).unwrap_or_else(|| program.clone());
        let strata = components.iter().filter(|one| !one.relations.is_disjoint(&needed));
        Compiled {
            program,
            demanded,
            strata: strata
                .filter_map(|component| self.stratum(component))
                .chain(self.next_stratum(&needed))
                .collect(),
            outputs: self.interfaces(|known| known.output),
            violations: self.violations(),
            inputs: self.interfaces(|known| known.input),
            bases: self
                .interfaces(|known| known.base.is_some())
                .into_iter()
                .filter(|one| needed.contains(&one.name))
                .collect(),
            classes: self.classes(),
            facts: self.input_facts(),
            warnings: report.finish(self.sources.clone()),
            rules: self.rules.to_vec(),
            components: components.to_vec(),
        }
    }

    /// The program of the rules that are needed.
    fn program(&self, components: &[Component], needed: &BTreeSet<RelationName>) -> Program {
        let mut program = Program::default();
        // An input that nobody reads takes rows all the same.
        let inputs = self.relations.known.iter().filter(|(_, known)| known.input).map(|(name, _)| name);
        for name in needed.iter().chain(inputs) {
            program.relations.insert(name.clone(), self.relation(name));
        }
        for component in components.iter().filter(|one| !one.relations.is_disjoint(needed)) {
            self.assign_component(component, &mut program);
        }
        self.assign_next(needed, &mut program);
        let checked = program.check();
        assert!(checked.is_ok(), "the compiler made an unsound program: {checked:?}\n{program}");
        program
    }

    /// The program under demands, if there are any and it can still be put in strata. What an epoch gives the next is
    /// not known to be asked for, so a program with time is as it is.
    fn demanded(&self, needed: &BTreeSet<RelationName>) -> Option<Program> {
        if self.rules.iter().any(|rule| rule.next) {
            return None;
        }
        let (rules, relations) = demand::rewrite(self.rules, self.relations, self.edges, needed)?;
        let edges = stratify::edges(&rules);
        let mut report = Report::default();
        let components = stratify::stratify(&edges, &relations, &mut report);
        let compiler =
            Compiler { sources: self.sources, relations: &relations, rules: &rules, edges: &edges };
        (!report.has_errors()).then(|| compiler.program(&components, &compiler.needed()))
    }

    /// What the outputs depend on; everything if there is no output.
    fn needed(&self) -> BTreeSet<RelationName> {
        let known = &self.relations.known;
        let has_output = known.values().any(|known| known.output);
        let wanted = known
            .iter()
            .filter(|(_, known)| known.output || known.forbidden || (!has_output && known.base.is_none()));
        self.reachable(wanted.map(|(name, _)| name.clone()))
    }

    /// Some relations and all they depend on.
    fn reachable(&self, from: impl Iterator<Item = RelationName>) -> BTreeSet<RelationName> {
        let mut reached = BTreeSet::new();
        let mut waiting: Vec<_> = from.collect();
        while let Some(name) = waiting.pop() {
            if reached.insert(name.clone()) {
                let read = self.edges.iter().filter(|edge| edge.from == name);
                waiting.extend(read.map(|edge| edge.to.clone()));
            }
        }
        reached
    }

    fn relation(&self, name: &RelationName) -> Relation {
        let known = &self.relations.known[name];
        let mut columns = known.typed_columns();
        if known.base.is_some_and(|base| base.has_cid) {
            columns.push((CID_COLUMN.into(), ColumnType::Kind(Kind::Link)));
        }
        Relation {
            columns,
            input: known.input || known.base.is_some(),
            event: known.event,
            output: known.output || known.forbidden,
        }
    }

    fn interfaces(&self, wanted: impl Fn(&crate::relations::Known) -> bool) -> Vec<Interface> {
        let wanted = self.relations.known.iter().filter(|(_, known)| wanted(known));
        let interface = |(name, known): (&RelationName, &crate::relations::Known)| Interface {
            name: name.clone(),
            columns: known.typed_columns(),
            has_cid: known.base.is_some_and(|base| base.has_cid),
            event: known.event,
            order: known.order.clone(),
            limit: known.limit,
        };
        wanted.map(interface).collect()
    }

    /// In the order of the text.
    fn violations(&self) -> Vec<Violation> {
        let relations = self.interfaces(|known| known.forbidden).into_iter();
        let of = |relation: Interface| {
            let rule = self.rules.iter().find(|rule| rule.head == relation.name);
            let span = rule.expect("each of these relations has its rule").span;
            Violation { relation, rule: self.sources.excerpt(span).to_owned(), span }
        };
        let mut violations: Vec<_> = relations.map(of).collect();
        violations.sort_by_key(|violation| violation.span);
        violations
    }

    fn stratum(&self, component: &Component) -> Option<Stratum> {
        let rules: Vec<String> = self
            .rules
            .iter()
            .filter(|rule| !rule.next && component.relations.contains(&rule.head))
            .map(|rule| self.sources.excerpt(rule.span).to_owned())
            .collect();
        let relations = component.relations.iter().cloned().collect();
        let recursive = component.recursive;
        (!rules.is_empty()).then_some(Stratum { relations, recursive, next: false, rules })
    }

    /// What the rules give the next epoch: assigned last, when this epoch is whole (PL-9).
    fn assign_next(&self, needed: &BTreeSet<RelationName>, program: &mut Program) {
        for (index, rule) in self.next_rules(needed) {
            let lowered = lower(rule, self.relations, &format!("{}~{index}", rule.head));
            let assigned = declare_helpers(lowered.helpers, program);
            program.statements.extend(assigned);
            let (relation, expression) = (rule.head.clone(), lowered.expression);
            program.statements.push(Statement::Next { relation, expression });
        }
    }

    fn next_rules(&self, needed: &BTreeSet<RelationName>) -> impl Iterator<Item = (usize, &Rule)> {
        self.rules.iter().enumerate().filter(|(_, rule)| rule.next && needed.contains(&rule.head))
    }

    fn next_stratum(&self, needed: &BTreeSet<RelationName>) -> Option<Stratum> {
        let relations: BTreeSet<_> = self.next_rules(needed).map(|(_, rule)| rule.head.clone()).collect();
        let rules = self.next_rules(needed).map(|(_, rule)| self.sources.excerpt(rule.span).to_owned());
        let (relations, rules): (_, Vec<_>) = (relations.into_iter().collect(), rules.collect());
        (!rules.is_empty()).then_some(Stratum { relations, recursive: false, next: true, rules })
    }

    /// First what does not depend on the component itself, then the loop over what does.
    fn assign_component(&self, component: &Component, program: &mut Program) {
        let mut body = Vec::new();
        for name in &component.relations {
            let (mut start, mut step) = (Vec::new(), Vec::new());
            start.extend(self.constant_rows(name));
            for (index, rule) in self.rules.iter().enumerate().filter(|(_, rule)| rule.head == *name) {
                if rule.goals.is_empty() || rule.next {
                    continue;
                }
                let lowered = lower(rule, self.relations, &format!("{name}~{index}"));
                let reads_itself = rule
                    .goals
                    .iter()
                    .filter_map(|goal| goal.scan())
                    .any(|scan| component.relations.contains(&scan.relation));
                let helpers = declare_helpers(lowered.helpers, program);
                let statements = if reads_itself { &mut body } else { &mut program.statements };
                statements.extend(helpers);
                if reads_itself { &mut step } else { &mut start }.push(lowered.expression);
            }
            program.statements.extend(union(name, start));
            body.extend(union(name, step));
        }
        if !body.is_empty() {
            let assigned: BTreeSet<_> = body.iter().filter_map(assigned).collect();
            let exports =
                component.relations.iter().filter(|name| assigned.contains(*name)).cloned().collect();
            program.statements.push(Statement::Loop { body, exports });
        }
    }

    /// The ground facts of a relation that is no input.
    fn constant_rows(&self, name: &RelationName) -> Option<Expression> {
        let known = &self.relations.known[name];
        let rows: BTreeSet<Row> =
            self.ground_facts().filter(|(head, _)| *head == name).map(|(_, row)| row).collect();
        if known.input || rows.is_empty() {
            return None;
        }
        let columns = known.columns.iter().map(|(column, _)| column.clone()).collect();
        Some(Expression::Constant { columns, rows: rows.into_iter().collect() })
    }

    fn input_facts(&self) -> BTreeMap<RelationName, BTreeSet<Row>> {
        let mut facts: BTreeMap<RelationName, BTreeSet<Row>> = BTreeMap::new();
        for (name, row) in self.ground_facts().filter(|(name, _)| self.relations.known[*name].input) {
            facts.entry(name.clone()).or_default().insert(row);
        }
        facts
    }

    /// Clauses without a body. One with a term that has no value states nothing.
    fn ground_facts(&self) -> impl Iterator<Item = (&RelationName, Row)> {
        let value = |term: &Term| if let Term::Constant(value) = term { Some(value.clone()) } else { None };
        self.rules.iter().filter(|rule| rule.goals.is_empty()).filter_map(move |rule| {
            let row = rule.terms.iter().map(|head| value(&head.term)).collect::<Option<Row>>()?;
            Some((&rule.head, row))
        })
    }

    fn classes(&self) -> BTreeMap<RelationName, Monotonicity> {
        let outputs = self.relations.known.iter().filter(|(_, known)| known.output);
        outputs.map(|(name, _)| (name.clone(), self.class(name))).collect()
    }

    fn class(&self, name: &RelationName) -> Monotonicity {
        let reached = self.reachable(std::iter::once(name.clone()));
        let delayed = self.edges.iter().any(|edge| edge.next && reached.contains(&edge.from));
        if delayed || reached.iter().any(|name| self.relations.known[name].event) {
            return Monotonicity::Local;
        }
        let strict =
            self.edges.iter().any(|edge| edge.reading == Reading::Strict && reached.contains(&edge.from));
        let shrinking =
            |name: &RelationName| self.relations.known[name].base.is_some_and(|base| !base.monotone);
        if strict || reached.iter().any(shrinking) {
            Monotonicity::Convergent
        } else {
            Monotonicity::Monotone
        }
    }
}

fn assigned(statement: &Statement) -> Option<RelationName> {
    match statement {
        Statement::Assign { relation, .. } => Some(relation.clone()),
        Statement::Loop { .. } | Statement::Next { .. } => None,
    }
}

/// Declares relations made on the way, and gives the statements that compute them.
fn declare_helpers(helpers: Vec<Helper>, program: &mut Program) -> Vec<Statement> {
    let declare = |helper: Helper| {
        let Helper { name, columns, expression } = helper;
        let relation = Relation { columns, input: false, event: false, output: false };
        program.relations.insert(name.clone(), relation);
        Statement::Assign { relation: name, expression }
    };
    helpers.into_iter().map(declare).collect()
}

/// One assignment of all that defines a relation; none if nothing does.
fn union(relation: &RelationName, mut expressions: Vec<Expression>) -> Option<Statement> {
    let expression = match expressions.len() {
        0 => return None,
        1 => expressions.remove(0),
        _ => Expression::Union(expressions),
    };
    Some(Statement::Assign { relation: relation.clone(), expression })
}
