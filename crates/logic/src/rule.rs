//! Clauses with their names resolved: what the checks, the stratifier and the compiler to PomoRA read.
//!
//! Resolving makes every clause simple. The arguments of an atom become constants and variables only: a term such as
//! `X + 1` becomes a fresh variable and the condition that the variable equals the term. Wildcards are left out.
//! Parameters become the values they were given; terms without variables become their value.

use std::collections::{BTreeMap, BTreeSet};

use motet_algebra::{Column, Comparison, Function, RelationName, Term};
use motet_fact::{Kind, Value};

use crate::ast::{self, Atom, Clause, Literal, LiteralKind, Measure, TermKind};
use crate::diagnostic::{Report, Span};
use crate::relations::Relations;
use crate::{controls, lift};
use motet_algebra::text::edit::as_written;

/// The name of a variable. As a column of a table it stands for the variable's values.
pub(crate) type Variable = Column;

/// A clause.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) head: RelationName,
    /// What each column of the head holds, in the declared order of the columns.
    pub(crate) terms: Vec<HeadTerm>,
    pub(crate) goals: Vec<Goal>,
    /// Whether the head holds in the next epoch.
    pub(crate) next: bool,
    pub(crate) span: Span,
    /// Variables that stand for something that was reported already: taken as bound.
    pub(crate) assumed: BTreeSet<Variable>,
    /// Every variable as written: where it stands first, and how often.
    pub(crate) occurrences: BTreeMap<Variable, (Span, usize)>,
}

/// A column of a head.
#[derive(Clone, Debug)]
pub(crate) struct HeadTerm {
    pub(crate) column: Column,
    pub(crate) term: Term,
    pub(crate) span: Span,
}

/// A condition.
#[derive(Clone, Debug)]
pub(crate) struct Goal {
    pub(crate) kind: GoalKind,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum GoalKind {
    /// Some row of the relation matches.
    Scan(Scan),
    /// No row does.
    Not(Scan),
    /// The aggregate of the rows that match.
    Aggregate {
        result: Variable,
        measure: Measure,
        over: Option<Variable>,
        to: Option<Variable>,
        by: Vec<Variable>,
        scan: Scan,
    },
    /// A comparison; `variable == term` binds the variable if nothing else does.
    Compare(Comparison, Term, Term),
}

/// An atom: the rows of a relation with some columns fixed and some named.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    pub(crate) relation: RelationName,
    pub(crate) cid: Option<(Variable, Span)>,
    pub(crate) constants: Vec<(Column, Value, Span)>,
    /// A variable may stand in several columns.
    pub(crate) variables: Vec<(Column, Variable, Span)>,
}

impl Scan {
    fn binds(&self, name: &str) -> bool {
        self.variables.iter().any(|(_, variable, _)| &**variable == name)
    }

    /// Its variables, each once, in the order of its columns, the CID last.
    pub(crate) fn all_variables(&self) -> Vec<Variable> {
        let mut seen = BTreeSet::new();
        let named = self.variables.iter().map(|(_, variable, _)| variable);
        let cid = self.cid.iter().map(|(variable, _)| variable);
        named.chain(cid).filter(|variable| seen.insert(*variable)).cloned().collect()
    }
}

impl Goal {
    pub(crate) fn scan(&self) -> Option<&Scan> {
        match &self.kind {
            GoalKind::Scan(scan) | GoalKind::Not(scan) | GoalKind::Aggregate { scan, .. } => Some(scan),
            GoalKind::Compare(..) => None,
        }
    }

    /// The variables that an aggregate ranges over: what it aggregates, what it moves that to, what it compares by.
    pub(crate) fn own_variables(&self) -> Vec<Variable> {
        match &self.kind {
            GoalKind::Aggregate { over, to, by, .. } => over.iter().chain(to).chain(by).cloned().collect(),
            _ => vec![],
        }
    }

    /// The variable that leaves the aggregated atom, to stand beside the result: what is ranked, what is moved.
    pub(crate) fn escaping(&self) -> Option<&Variable> {
        match &self.kind {
            GoalKind::Aggregate { measure: Measure::Rank | Measure::FoldMoves, over, .. } => over.as_ref(),
            _ => None,
        }
    }

    /// The variables that an aggregate gives values to.
    pub(crate) fn results(&self) -> impl Iterator<Item = &Variable> {
        let result = match &self.kind {
            GoalKind::Aggregate { result, .. } => Some(result),
            _ => None,
        };
        self.escaping().into_iter().chain(result)
    }

    /// Every variable it names.
    pub(crate) fn variables(&self) -> BTreeSet<Variable> {
        let mut all: BTreeSet<_> = self.scan().map(Scan::all_variables).into_iter().flatten().collect();
        match &self.kind {
            GoalKind::Aggregate { result, .. } => all.extend([result.clone()]),
            GoalKind::Compare(_, left, right) => {
                all.extend(term_variables(left));
                all.extend(term_variables(right));
            }
            GoalKind::Scan(_) | GoalKind::Not(_) => {}
        }
        all
    }
}

/// The variables of a term.
pub(crate) fn term_variables(term: &Term) -> BTreeSet<Variable> {
    let mut variables = BTreeSet::new();
    term.each_column(&mut |column| variables.extend([column.clone()]));
    variables
}

impl Rule {
    /// Gives the head of a `forbid` rule the variables that the body binds, as columns in the order of the text. One
    /// that begins with `_` is of no interest.
    pub(crate) fn show_all(&mut self) {
        let bound = crate::binding::bindable(self);
        let shown = |variable: &Variable| bound.contains(variable) && !variable.starts_with('_');
        let mut written: Vec<_> = self.occurrences.iter().filter(|(variable, _)| shown(variable)).collect();
        written.sort_by_key(|(_, (span, _))| *span);
        let term = |(variable, (span, _)): (&Variable, &(Span, usize))| HeadTerm {
            column: variable.clone(),
            term: Term::Column(variable.clone()),
            span: *span,
        };
        self.terms = written.into_iter().map(term).collect();
    }
}

/// Resolves clauses.
pub(crate) struct Resolver<'a> {
    pub(crate) relations: &'a Relations,
    pub(crate) parameters: Given<'a>,
    pub(crate) report: &'a mut Report,
}

/// What is known of the parameters.
#[derive(Clone, Copy)]
pub(crate) enum Given<'a> {
    /// Their values: a parameter is its value.
    Values(&'a BTreeMap<String, Value>),
    /// Their kinds: a parameter is a variable ([`crate::lift`]).
    Kinds(&'a BTreeMap<String, Kind>),
}

impl Given<'_> {
    fn term(self, name: &str) -> Option<Term> {
        match self {
            Given::Values(values) => values.get(name).cloned().map(Term::Constant),
            Given::Kinds(kinds) => kinds.contains_key(name).then(|| Term::Column(lift::variable(name))),
        }
    }

    fn names(self) -> Vec<String> {
        match self {
            Given::Values(values) => values.keys().cloned().collect(),
            Given::Kinds(kinds) => kinds.keys().cloned().collect(),
        }
    }
}

/// One clause being resolved.
struct Draft {
    rule: Rule,
    /// Conditions that came out of the arguments of atoms.
    extra: Vec<Goal>,
    fresh: usize,
}

impl Draft {
    fn fresh_variable(&mut self) -> Variable {
        self.fresh += 1;
        format!("~{}", self.fresh).into()
    }

    /// A variable for something that was reported.
    fn assume(&mut self) -> Term {
        let variable = self.fresh_variable();
        self.rule.assumed.insert(variable.clone());
        Term::Column(variable)
    }
}

impl Resolver<'_> {
    /// Resolves a clause; what is wrong with it is reported. `written` is the clause before types were taken out of it.
    pub(crate) fn rule(&mut self, clause: &Clause, written: &Clause) -> Rule {
        let rule = Rule {
            head: clause.head.relation.text.clone(),
            terms: Vec::new(),
            goals: Vec::new(),
            next: clause.next,
            span: clause.span,
            assumed: BTreeSet::new(),
            occurrences: occurrences(written),
        };
        let mut draft = Draft { rule, extra: Vec::new(), fresh: 0 };
        for literal in &clause.body {
            let kind = self.goal(literal, &mut draft);
            draft.rule.goals.push(Goal { kind, span: literal.span });
            draft.rule.goals.append(&mut draft.extra);
        }
        self.head(&clause.head, &mut draft);
        draft.rule
    }

    fn goal(&mut self, literal: &Literal, draft: &mut Draft) -> GoalKind {
        match &literal.kind {
            LiteralKind::Atom { atom, cid } => {
                let mut scan = self.scan(atom, draft);
                scan.cid = cid.as_ref().map(|name| (name.text.clone(), name.span));
                GoalKind::Scan(scan)
            }
            LiteralKind::Not(atom) => GoalKind::Not(self.scan(atom, draft)),
            LiteralKind::Aggregate { result, measure, over, to, by, atom } => GoalKind::Aggregate {
                result: result.text.clone(),
                measure: measure.clone(),
                over: over.as_ref().map(|name| name.text.clone()),
                to: to.as_ref().map(|name| name.text.clone()),
                by: by.iter().map(|name| name.text.clone()).collect(),
                scan: self.scan(atom, draft),
            },
            LiteralKind::Compare(comparison, left, right) => {
                GoalKind::Compare(*comparison, self.term(left, draft), self.term(right, draft))
            }
        }
    }

    fn scan(&mut self, atom: &Atom, draft: &mut Draft) -> Scan {
        self.check_columns(atom);
        let relation = atom.relation.text.clone();
        let mut scan = Scan { relation, cid: None, constants: Vec::new(), variables: Vec::new() };
        for (column, argument) in &atom.arguments {
            if matches!(argument.kind, TermKind::Wildcard) {
                continue;
            }
            let (column, span) = (column.text.clone(), argument.span);
            match self.term(argument, draft) {
                Term::Constant(value) => scan.constants.push((column, value, span)),
                Term::Column(variable) => scan.variables.push((column, variable, span)),
                term @ Term::Apply(..) => {
                    let variable = draft.fresh_variable();
                    scan.variables.push((column, variable.clone(), span));
                    let kind = GoalKind::Compare(Comparison::Equal, Term::Column(variable), term);
                    draft.extra.push(Goal { kind, span });
                }
            }
        }
        scan
    }

    /// Whether the relation is known and has the columns, each named once.
    fn check_columns(&mut self, atom: &Atom) {
        named_once(atom, self.report);
        let Some(known) = self.relations.get(&atom.relation.text) else {
            return self.relations.unknown(&atom.relation, self.report);
        };
        for (column, _) in &atom.arguments {
            if known.has_column(&column.text) || known.controls.contains(&column.text) {
                continue;
            }
            if controls::is_control(&column.text) {
                controls::refuse(column, &atom.relation.text, &known.controls, self.report);
            } else {
                let message = format!("`{}` has no column `{}`", atom.relation.text, column.text);
                self.report.error("L021", column.span, message).suggest(&column.text, known.column_names());
            }
        }
    }

    fn head(&mut self, head: &Atom, draft: &mut Draft) {
        self.check_columns(head);
        let Some(known) = self.relations.get(&head.relation.text) else { return };
        let named = |column: &str| head.arguments.iter().find(|(name, _)| &*name.text == column);
        let missing: Vec<_> = known.column_names().filter(|column| named(column).is_none()).collect();
        if !missing.is_empty() {
            let message = format!("the head does not say what `{}` holds", missing.join("`, `"));
            let remedy = format!("all heads of `{}` name the same columns", head.relation.text);
            let item = self.report.error("L032", head.span, message).remedy(remedy);
            if let Some(columns) = completed(head, &missing, &draft.rule) {
                let place = Span { start: head.span.end - 1, end: head.span.end - 1 };
                let label = format!("add {}", columns.trim_start_matches(", "));
                item.edit(place, columns, label);
            }
        }
        for (column, _) in &known.columns {
            if let Some((_, term)) = named(column) {
                let (column, span) = (column.clone(), term.span);
                let term = self.term(term, draft);
                draft.rule.terms.push(HeadTerm { column, term, span });
            }
        }
    }

    fn term(&mut self, term: &ast::Term, draft: &mut Draft) -> Term {
        match &term.kind {
            TermKind::Variable(name) => Term::Column(name.clone()),
            TermKind::Constant(value) => Term::Constant(value.clone()),
            TermKind::Parameter(name) => self.parameter(name, term.span, draft),
            TermKind::Wildcard => {
                self.report
                    .error("L053", term.span, "`_` stands for no value here")
                    .remedy("use a variable that the body binds");
                draft.assume()
            }
            TermKind::Apply(function, terms) => {
                let terms = terms.iter().map(|term| self.term(term, draft)).collect();
                self.fold(function.clone(), terms, term.span)
            }
        }
    }

    fn parameter(&mut self, name: &str, span: Span, draft: &mut Draft) -> Term {
        if let Some(term) = self.parameters.term(name) {
            return term;
        }
        if name.is_empty() {
            // The lexer has reported it.
            return draft.assume();
        }
        self.report
            .error("L024", span, format!("there is no parameter `${name}`"))
            .remedy(format!("give it: --param {name}=VALUE"))
            .suggest_with("$", name, self.parameters.names().iter().map(String::as_str));
        draft.assume()
    }

    /// A term without variables is its value.
    fn fold(&mut self, function: Function, terms: Vec<Term>, span: Span) -> Term {
        let constant = |term: &Term| match term {
            Term::Constant(value) => Some(value.clone()),
            Term::Column(_) | Term::Apply(..) => None,
        };
        let Some(values) = terms.iter().map(constant).collect::<Option<Vec<_>>>() else {
            return Term::Apply(function, terms);
        };
        match function.apply(&values) {
            Some(value) => Term::Constant(value),
            None => {
                self.report
                    .warning("L072", span, "this has no value, so the clause derives nothing")
                    .label("overflow, division by zero, or the wrong kind");
                Term::Apply(function, terms)
            }
        }
    }
}

/// Reports columns that an atom names more than once.
pub(crate) fn named_once(atom: &Atom, report: &mut Report) {
    let mut before: BTreeMap<&str, &ast::Term> = BTreeMap::new();
    let mut end = atom.relation.span.end;
    for (column, term) in &atom.arguments {
        if let Some(first) = before.insert(&column.text, term) {
            let message = format!("the column `{}` is named twice", column.text);
            let remedy = "to say two things of a column, use a variable and ==";
            let item = report.error("L031", column.span, message).remedy(remedy);
            if first.is_same(term) {
                item.edit(Span { start: end, end: term.span.end }, "", "remove the second");
            }
        }
        end = term.span.end;
    }
}

/// The columns that a head lacks, each with the variable of the body that has its name, if there is one for each.
fn completed(head: &Atom, missing: &[&str], rule: &Rule) -> Option<String> {
    let mut columns = String::new();
    for column in missing {
        let mut letters = column.chars();
        let variable: String = letters.next()?.to_uppercase().chain(letters).collect();
        let bound = |goal: &Goal| matches!(&goal.kind, GoalKind::Scan(scan) if scan.binds(&variable));
        rule.goals.iter().any(bound).then_some(())?;
        columns += &format!(", {}: {variable}", as_written(column));
    }
    let first = head.arguments.is_empty();
    Some(if first { columns.split_off(2) } else { columns })
}

fn occurrences(clause: &Clause) -> BTreeMap<Variable, (Span, usize)> {
    let mut all: BTreeMap<Variable, (Span, usize)> = BTreeMap::new();
    let mut note = |name: &Variable, span: Span| all.entry(name.clone()).or_insert((span, 0)).1 += 1;
    for literal in &clause.body {
        if let LiteralKind::Atom { cid: Some(name), .. } = &literal.kind {
            note(&name.text, name.span);
        }
        if let LiteralKind::Aggregate { result, over, to, by, .. } = &literal.kind {
            let names = std::iter::once(result).chain(over).chain(to).chain(by);
            names.for_each(|name| note(&name.text, name.span));
        }
        if let LiteralKind::Compare(_, left, right) = &literal.kind {
            [left, right].into_iter().for_each(|term| term.each_variable(&mut note));
        }
        let arguments = crate::relations::atom_of(&literal.kind).map(|atom| &atom.arguments);
        arguments.into_iter().flatten().for_each(|(_, term)| term.each_variable(&mut note));
    }
    clause.head.arguments.iter().for_each(|(_, term)| term.each_variable(&mut note));
    all
}
