//! From text to a program that a runtime can run: the passes in order.

use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::rule::Rules;
use motet_algebra::text::sources::Sources;
use motet_algebra::{
    CID_COLUMN, Column, ColumnType, Expression, Program, Provenance, Relation, RelationName, Row, Statement,
    Term,
};
use motet_fact::{Kind, Value};

use crate::demand;
use crate::diagnostic::{Diagnostics, Report, Source, Span};
use crate::lift::{self, Lifted};
use crate::lower::{Helper, lower};
use crate::relations::Relations;
use crate::rule::{Given, Resolver, Rule, Variable};
use crate::stratify::{self, Component, Edge, Reading};
use crate::{Catalog, check, controls, item_types, modules, time, types, window};

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
    /// deleted later (Q12), so they are no part of the program: the caller puts them into the first epoch. Facts of
    /// other relations are in the program.
    pub facts: BTreeMap<RelationName, BTreeSet<Row>>,
    /// What is likely not meant.
    pub warnings: Diagnostics,
    /// The base relations whose rows may go away as facts come in.
    pub(crate) shrinking: BTreeSet<RelationName>,
    /// What it was made from, for explanations.
    pub(crate) rules: Vec<Rule>,
    pub(crate) components: Vec<Component>,
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
    /// Of a base relation: its name in the catalog. One that is read with control columns is a relation of its own,
    /// `fact($item)`, in which they come after the others (Q6).
    pub fn base(&self) -> &str {
        controls::base_of(&self.name)
    }

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

/// A program for all values of its parameters at once (Q16): who asks is a row of an input, and what is told of an
/// output says of whom it is.
#[derive(Clone, Debug)]
pub struct Parameterised {
    /// The program. Rows of outputs that depend on parameters begin with these.
    pub compiled: Compiled,
    /// The input that takes the values, one row for each binding; none if the program asks for no parameter.
    pub input: Option<RelationName>,
    /// The parameters that the program asks for, in the order of the input's columns.
    pub parameters: Vec<String>,
    /// For each output and violation the parameters that its rows begin with, as places in `parameters`.
    pub bound: BTreeMap<RelationName, Vec<usize>>,
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
    let outcome = compile_given(source, catalog, Given::Values(parameters))?;
    Ok(outcome.expect("only parameters without values may be too little to go by").0)
}

/// Compiles a program for all values of its parameters, of which only the kinds are known. Nothing if the program does
/// not allow that: it has time, it asks for the CID of a row that depends on a parameter, or a stored row has one in
/// it.
///
/// # Errors
/// Everything that is wrong with it, and the warnings.
pub fn compile_parameterised(
    source: &Source,
    catalog: &Catalog,
    kinds: &BTreeMap<String, Kind>,
) -> Result<Option<Parameterised>, Diagnostics> {
    let outcome = compile_given(source, catalog, Given::Kinds(kinds))?;
    let Some((compiled, input, Lifted { parameters, bound })) = outcome else { return Ok(None) };
    let place = |one: &Variable| parameters.iter().position(|other| other == one);
    let places = |own: &BTreeSet<Variable>| own.iter().filter_map(place).collect();
    let reported = |name: &RelationName| compiled.program.relations.get(name).is_some_and(|one| one.output);
    let bound = bound.iter().filter(|(name, _)| reported(name));
    let bound = bound.map(|(name, own)| (name.clone(), places(own))).collect();
    let parameters = parameters.iter().map(|one| lift::parameter(one).to_owned()).collect();
    Ok(Some(Parameterised { compiled, input, parameters, bound }))
}

/// A program, and if its parameters are variables the input for their values, and what depends on them.
type Outcome = (Compiled, Option<RelationName>, Lifted);

/// Nothing if its parameters can't be variables.
fn compile_given(
    source: &Source,
    catalog: &Catalog,
    parameters: Given<'_>,
) -> Result<Option<Outcome>, Diagnostics> {
    let mut report = Report::default();
    let (written, sources) = modules::assemble(source, catalog, &mut report);
    let mut module = item_types::expand(&written, catalog, &mut report);
    let bases = controls::resolve(&mut module, catalog, &mut report);
    let mut relations = Relations::of(&module, &bases, &mut report);
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
    let mut lifted = Lifted::default();
    if let Given::Kinds(kinds) = parameters
        && !report.has_errors()
    {
        let Some(parameters) = lift::lift(&mut rules, &mut relations, kinds) else { return Ok(None) };
        lifted = parameters;
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
    let places = Rules::of_all(&sources);
    let compiler =
        Compiler { sources: &sources, places: &places, relations: &relations, rules: &rules, edges: &edges };
    let compiled = compiler.assemble(&components, report);
    Ok(Some((compiled, relations.parameters, lifted)))
}

struct Compiler<'a> {
    sources: &'a Sources,
    places: &'a Rules<'a>,
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
            shrinking: self.shrinking(),
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
        let compiler = Compiler { relations: &relations, rules: &rules, edges: &edges, ..*self };
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
            let from = self.provenance(rule);
            let assigned = declare_helpers(lowered.helpers, &from, program);
            program.statements.extend(assigned);
            let (relation, expression) = (rule.head.clone(), lowered.expression);
            program.statements.push(Statement::Next { relation, expression, rule: from });
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
            program.statements.extend(self.constant_rows(name));
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
                let from = self.provenance(rule);
                let helpers = declare_helpers(lowered.helpers, &from, program);
                let statements = if reads_itself { &mut body } else { &mut program.statements };
                statements.extend(helpers);
                let (relation, expression) = (name.clone(), lowered.expression);
                statements.push(Statement::Assign { relation, expression, rule: from });
            }
        }
        if !body.is_empty() {
            let assigned: BTreeSet<_> = body.iter().filter_map(assigned).collect();
            let exports =
                component.relations.iter().filter(|name| assigned.contains(*name)).cloned().collect();
            program.statements.push(Statement::Loop { body, exports });
        }
    }

    /// The ground facts of a relation that is no input, as one assignment; the first stands for all.
    fn constant_rows(&self, name: &RelationName) -> Option<Statement> {
        let known = &self.relations.known[name];
        let facts = || self.ground_facts().filter(|(rule, _)| rule.head == *name);
        let (first, _) = facts().next().filter(|_| !known.input)?;
        let rows: BTreeSet<Row> = facts().map(|(_, row)| row).collect();
        let columns = known.columns.iter().map(|(column, _)| column.clone()).collect();
        let expression = Expression::Constant { columns, rows: rows.into_iter().collect() };
        Some(Statement::Assign { relation: name.clone(), expression, rule: self.provenance(first) })
    }

    fn provenance(&self, rule: &Rule) -> Provenance {
        self.places.at(rule.span).into()
    }

    fn input_facts(&self) -> BTreeMap<RelationName, BTreeSet<Row>> {
        let mut facts: BTreeMap<RelationName, BTreeSet<Row>> = BTreeMap::new();
        for (rule, row) in self.ground_facts().filter(|(rule, _)| self.relations.known[&rule.head].input) {
            facts.entry(rule.head.clone()).or_default().insert(row);
        }
        facts
    }

    /// Clauses without a body. One with a term that has no value states nothing.
    fn ground_facts(&self) -> impl Iterator<Item = (&Rule, Row)> {
        let value = |term: &Term| if let Term::Constant(value) = term { Some(value.clone()) } else { None };
        self.rules.iter().filter(|rule| rule.goals.is_empty()).filter_map(move |rule| {
            let row = rule.terms.iter().map(|head| value(&head.term)).collect::<Option<Row>>()?;
            Some((rule, row))
        })
    }

    fn shrinking(&self) -> BTreeSet<RelationName> {
        let shrinks = |known: &crate::relations::Known| known.base.is_some_and(|base| !base.monotone);
        let shrinking = self.relations.known.iter().filter(|(_, known)| shrinks(known));
        shrinking.map(|(name, _)| name.clone()).collect()
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
        if strict || !reached.is_disjoint(&self.shrinking()) {
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
fn declare_helpers(helpers: Vec<Helper>, from: &Provenance, program: &mut Program) -> Vec<Statement> {
    let declare = |helper: Helper| {
        let Helper { name, columns, expression } = helper;
        let relation = Relation { columns, input: false, event: false, output: false };
        program.relations.insert(name.clone(), relation);
        Statement::Assign { relation: name, expression, rule: from.clone() }
    };
    helpers.into_iter().map(declare).collect()
}
