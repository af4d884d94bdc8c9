//! A program of PomoLogic as data, with its stream of changes; and its text.
//!
//! This is what the generator makes, what the translator to clingo reads and what gets smaller when a case fails. The
//! product and the second evaluator see the text alone.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

use motet_algebra::{ColumnType, Row};
use motet_fact::Value;

use crate::common::replay::Contents;

/// What a term, an atom's argument, may be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Term {
    Variable(String),
    /// `_`
    Anything,
    Constant(Value),
    /// An operator between two terms, a sign before one, or a function.
    Apply(&'static str, Vec<Term>),
}

/// A relation with some of its columns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Atom {
    pub(crate) relation: String,
    pub(crate) arguments: Vec<(String, Term)>,
}

/// `result := function over to … by … : atom`
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Aggregate {
    pub(crate) result: String,
    pub(crate) function: &'static str,
    pub(crate) over: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) by: Vec<String>,
    /// The variables of the atom that the rest of the body binds.
    pub(crate) keys: BTreeSet<String>,
    pub(crate) atom: Atom,
}

/// A condition of a body.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    Holds { cid: Option<String>, atom: Atom },
    Not(Atom),
    Compare(&'static str, Term, Term),
    Aggregate(Aggregate),
}

/// A clause; without conditions it is a fact.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    pub(crate) head: Atom,
    /// Whether the head holds in the next epoch.
    pub(crate) next: bool,
    pub(crate) body: Vec<Condition>,
}

/// A relation, and how it is declared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Relation {
    pub(crate) name: String,
    pub(crate) columns: Vec<(String, ColumnType)>,
    /// Whether the text has a declaration of its columns.
    pub(crate) declared: bool,
    pub(crate) input: bool,
    /// Of an input: whether its rows hold for one epoch.
    pub(crate) event: bool,
    pub(crate) output: bool,
}

/// A row that comes or goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) relation: String,
    pub(crate) row: Row,
    pub(crate) insert: bool,
}

/// A program and what happens to its inputs, epoch by epoch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Case {
    pub(crate) relations: Vec<Relation>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) stream: Vec<Vec<Change>>,
    /// Whether the program comes to rest after each epoch of the stream, and not only after the last.
    pub(crate) rests: bool,
}

impl Rule {
    /// The atoms that must hold.
    fn holds(&self) -> impl Iterator<Item = &Atom> {
        self.body.iter().filter_map(|condition| match condition {
            Condition::Holds { atom, .. } => Some(atom),
            Condition::Not(_) | Condition::Compare(..) | Condition::Aggregate(_) => None,
        })
    }
}

impl Case {
    pub(crate) fn relation(&self, name: &str) -> &Relation {
        self.relations.iter().find(|one| one.name == name).expect("atoms name relations of the case")
    }

    /// Whether it has all relations that its rules and its stream name.
    pub(crate) fn is_whole(&self) -> bool {
        let has = |name: &String| self.relations.iter().any(|one| one.name == *name);
        let heads = self.rules.iter().map(|rule| &rule.head.relation);
        heads.chain(self.stream.iter().flatten().map(|change| &change.relation)).all(has)
    }

    /// The first rule for the next epoch that might go on for ever (PL-7).
    pub(crate) fn restless(&self) -> Option<usize> {
        let instantaneous = self.instantaneous();
        let ends = |rule: &Rule| {
            let kept = |atom: &Atom| {
                let has = |one| atom.arguments.contains(one);
                atom.relation == rule.head.relation && rule.head.arguments.iter().all(has)
            };
            rule.holds().any(|atom| instantaneous.contains(&atom.relation) || kept(atom))
        };
        self.rules.iter().position(|rule| rule.next && !ends(rule))
    }

    /// Events, and the relations to which nothing else from outside gives rows and each of whose rules reads one of
    /// them; of a rule for the next epoch, one that is known before.
    pub(crate) fn instantaneous(&self) -> BTreeSet<String> {
        let mut known = BTreeSet::new();
        loop {
            let lasts = |one: &&Relation| one.input && !one.event;
            let mut all: BTreeSet<String> =
                self.relations.iter().filter(|one| !lasts(one)).map(|one| one.name.clone()).collect();
            let stated = |rule: &&Rule| rule.body.is_empty() && self.relation(&rule.head.relation).event;
            while let Some(lasting) = self.rules.iter().filter(|rule| !stated(rule)).find(|rule| {
                let of = if rule.next { &known } else { &all };
                all.contains(&rule.head.relation) && !rule.holds().any(|atom| of.contains(&atom.relation))
            }) {
                all.remove(&lasting.head.relation);
            }
            if all == known {
                return known;
            }
            known = all;
        }
    }

    /// What of the language it uses, as far as that is not in every case.
    pub(crate) fn uses(&self) -> BTreeSet<&'static str> {
        let of_rule = |rule: &Rule| if rule.next { "@next" } else { "deductive rules" };
        let of_condition = |condition: &Condition| match condition {
            Condition::Holds { cid: None, .. } => "atoms",
            Condition::Holds { cid: Some(_), .. } => "CIDs",
            Condition::Not(_) => "negation",
            Condition::Compare(..) => "comparisons",
            Condition::Aggregate(aggregate) => aggregate.function,
        };
        let of_relation = |relation: &Relation| if relation.event { "events" } else { "relations" };
        let conditions = self.rules.iter().flat_map(|rule| &rule.body).map(of_condition);
        let rules = self.rules.iter().map(of_rule).chain(self.relations.iter().map(of_relation));
        let mut uses: BTreeSet<&str> = conditions.chain(rules).collect();
        uses.retain(|what| !["atoms", "deductive rules", "relations"].contains(what));
        uses
    }

    /// Takes an epoch's changes into what the inputs hold: first the events of the epoch before end.
    pub(crate) fn advance(&self, contents: &mut Contents, epoch: &[Change]) {
        for event in self.relations.iter().filter(|one| one.event) {
            contents.remove(&*event.name);
        }
        for change in epoch {
            let rows = contents.entry(change.relation.as_str().into()).or_default();
            if change.insert {
                rows.insert(change.row.clone())
            } else {
                rows.remove(&change.row)
            };
        }
    }

    /// What the inputs hold as the program states it: they are stored, and may go later.
    pub(crate) fn stated(&self) -> Vec<Change> {
        let stated = self.rules.iter().filter(|rule| rule.body.is_empty());
        let stated = stated.map(|rule| (rule, self.relation(&rule.head.relation)));
        let row = |head: &Atom, of: &Relation| {
            let cell = |(column, _): &(String, ColumnType)| {
                let argument = head.arguments.iter().find(|(one, _)| one == column);
                match argument.expect("a head names all columns") {
                    (_, Term::Constant(value)) => value.clone(),
                    (_, other) => panic!("{other} in a fact"),
                }
            };
            of.columns.iter().map(cell).collect()
        };
        stated
            .filter(|(_, of)| of.input)
            .map(|(rule, of)| Change { relation: of.name.clone(), row: row(&rule.head, of), insert: true })
            .collect()
    }
}

/// The word of a column's type.
fn word(column_type: ColumnType) -> &'static str {
    match column_type {
        ColumnType::Kind(kind) => kind.name(),
        ColumnType::Any => "any",
    }
}

/// A value as a literal of the language.
pub(crate) fn literal(value: &Value) -> String {
    if let Value::Link(cid) = value { format!("link\"{cid}\"") } else { value.to_string() }
}

impl Display for Term {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Term::Variable(name) => f.write_str(name),
            Term::Anything => f.write_str("_"),
            Term::Constant(value) => f.write_str(&literal(value)),
            Term::Apply("-", of) if of.len() == 1 => write!(f, "(-{})", of[0]),
            Term::Apply(operator @ ("+" | "-" | "*" | "/" | "%"), of) => {
                write!(f, "({} {operator} {})", of[0], of[1])
            }
            Term::Apply(function, of) => {
                let of: Vec<String> = of.iter().map(ToString::to_string).collect();
                write!(f, "{function}({})", of.join(", "))
            }
        }
    }
}

impl Display for Atom {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let arguments: Vec<String> =
            self.arguments.iter().map(|(column, term)| format!("{column}: {term}")).collect();
        write!(f, "{}({})", self.relation, arguments.join(", "))
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Holds { cid: None, atom } => write!(f, "{atom}"),
            Condition::Holds { cid: Some(cid), atom } => write!(f, "{cid} := {atom}"),
            Condition::Not(atom) => write!(f, "!{atom}"),
            Condition::Compare(operator, left, right) => write!(f, "{left} {operator} {right}"),
            Condition::Aggregate(Aggregate { result, function, over, to, by, atom, .. }) => {
                write!(f, "{result} := {function}")?;
                over.iter().try_for_each(|over| write!(f, " {over}"))?;
                to.iter().try_for_each(|to| write!(f, " to {to}"))?;
                if !by.is_empty() {
                    write!(f, " by {}", by.join(", "))?;
                }
                write!(f, " : {atom}")
            }
        }
    }
}

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let body: Vec<String> = self.body.iter().map(ToString::to_string).collect();
        let so = if body.is_empty() { "" } else { " :- " };
        let next = if self.next { "@next" } else { "" };
        write!(f, "{}{next}{so}{}.", self.head, body.join(", "))
    }
}

impl Display for Relation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let columns: Vec<String> =
            self.columns.iter().map(|(name, of)| format!("{name}: {}", word(*of))).collect();
        let (name, columns) = (&self.name, columns.join(", "));
        // An event with a capital is declared in parts, any other at once.
        match (self.event, name.starts_with(char::is_uppercase)) {
            (true, false) => writeln!(f, "event {name}({columns}).")?,
            (true, true) => writeln!(f, "relation {name}({columns}).\nevent {name}.\ninput {name}.")?,
            (false, _) => {
                if self.declared {
                    writeln!(f, "relation {name}({columns}).")?;
                }
                if self.input {
                    writeln!(f, "input {name}.")?;
                }
            }
        }
        if self.output { writeln!(f, "output {name}.") } else { Ok(()) }
    }
}

impl Display for Case {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.relations.iter().try_for_each(|relation| write!(f, "{relation}"))?;
        self.rules.iter().try_for_each(|rule| writeln!(f, "{rule}"))
    }
}
