//! A program of PomoLogic as data, with its stream of changes; and its text.
//!
//! This is what the generator makes, what the translator to clingo reads and what gets smaller when a case fails. The
//! product and the second evaluator see the text alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};

use motet_algebra::{Changes, ColumnType, Row};
use motet_fact::Value;

use crate::streams::Seen;

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

/// `result := function over by … : atom`
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Aggregate {
    pub(crate) result: String,
    pub(crate) function: &'static str,
    pub(crate) over: Option<String>,
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
}

/// What the inputs hold.
pub(crate) type Contents = BTreeMap<String, BTreeSet<Row>>;

impl Case {
    pub(crate) fn relation(&self, name: &str) -> &Relation {
        self.relations.iter().find(|one| one.name == name).expect("atoms name relations of the case")
    }

    /// The rows of outputs with their values in the order of the case's columns.
    pub(crate) fn in_order(&self, seen: Seen) -> Contents {
        let mut ordered = Contents::new();
        for (name, rows) in seen.results {
            let has = &seen.columns[&name];
            let wanted = self.relation(&name).columns.iter();
            let places: Vec<usize> =
                wanted.map(|(column, _)| has.iter().position(|one| one == column).unwrap()).collect();
            let row = |row: Row| places.iter().map(|place| row[*place].clone()).collect();
            ordered.insert(name, rows.into_iter().map(row).collect());
        }
        ordered
    }

    /// Takes an epoch's changes into the contents, and gives those that change something, as a runtime wants them.
    pub(crate) fn advance(contents: &mut Contents, epoch: &[Change]) -> Changes {
        let before = contents.clone();
        for change in epoch {
            let rows = contents.entry(change.relation.clone()).or_default();
            if change.insert {
                rows.insert(change.row.clone())
            } else {
                rows.remove(&change.row)
            };
        }
        difference(&before, contents)
    }
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
            changes.insert(name.as_str().into(), rows);
        }
    }
    changes
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
            Condition::Aggregate(Aggregate { result, function, over, by, atom, .. }) => {
                write!(f, "{result} := {function}")?;
                over.iter().try_for_each(|over| write!(f, " {over}"))?;
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
        write!(f, "{}{so}{}.", self.head, body.join(", "))
    }
}

impl Display for Relation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.declared {
            let columns: Vec<String> =
                self.columns.iter().map(|(name, of)| format!("{name}: {}", word(*of))).collect();
            writeln!(f, "relation {}({}).", self.name, columns.join(", "))?;
        }
        if self.input {
            writeln!(f, "input {}.", self.name)?;
        }
        if self.output {
            writeln!(f, "output {}.", self.name)?;
        }
        Ok(())
    }
}

impl Display for Case {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.relations.iter().try_for_each(|relation| write!(f, "{relation}"))?;
        self.rules.iter().try_for_each(|rule| writeln!(f, "{rule}"))
    }
}
