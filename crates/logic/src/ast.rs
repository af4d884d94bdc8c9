//! A program as written: what the parser gives, with the place of every part.

use std::sync::Arc;

use motet_algebra::{Aggregate, ColumnType, Comparison, Function};
use motet_fact::Value;

use crate::Direction;
use crate::diagnostic::Span;

/// A name and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) text: Arc<str>,
    pub(crate) span: Span,
}

/// Something that stands for a value.
#[derive(Clone, Debug)]
pub(crate) struct Term {
    pub(crate) kind: TermKind,
    pub(crate) span: Span,
    /// How deep it is nested: 1 without parts.
    pub(crate) depth: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum TermKind {
    Variable(Arc<str>),
    /// `_`
    Wildcard,
    Constant(Value),
    Parameter(Arc<str>),
    Apply(Function, Vec<Term>),
}

impl Term {
    /// Whether it is the same variable or the same value.
    pub(crate) fn is_same(&self, other: &Term) -> bool {
        match (&self.kind, &other.kind) {
            (TermKind::Variable(one), TermKind::Variable(other)) => one == other,
            (TermKind::Constant(one), TermKind::Constant(other)) => one == other,
            (TermKind::Wildcard, TermKind::Wildcard) => true,
            _ => false,
        }
    }

    /// Calls `visit` for every variable in it, as often as it occurs.
    pub(crate) fn each_variable<'a>(&'a self, visit: &mut dyn FnMut(&'a Arc<str>, Span)) {
        match &self.kind {
            TermKind::Variable(name) => visit(name, self.span),
            TermKind::Apply(_, terms) => terms.iter().for_each(|term| term.each_variable(visit)),
            TermKind::Wildcard | TermKind::Constant(_) | TermKind::Parameter(_) => {}
        }
    }
}

/// `relation(column: term, …)`, or `type::name(column: term ?? default, …)`. A column without a name is a mistake that
/// [`crate::positional`] reports and takes away.
#[derive(Clone, Debug)]
pub(crate) struct Atom {
    pub(crate) relation: Name,
    pub(crate) arguments: Vec<(Name, Term)>,
    /// What stands for a column that is missing: values and parameters only.
    pub(crate) defaults: Vec<(Arc<str>, Term)>,
    /// Whether it is written as a type.
    pub(crate) is_type: bool,
    pub(crate) span: Span,
}

/// One condition of a body.
#[derive(Clone, Debug)]
pub(crate) struct Literal {
    pub(crate) kind: LiteralKind,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum LiteralKind {
    /// `atom` or `C := atom`
    Atom {
        atom: Atom,
        cid: Option<Name>,
    },
    /// `!atom`
    Not(Atom),
    /// `N := count : atom`, `S := sum X : atom`, `V := arg_max X by H : atom`, `R := rank X by K : atom`,
    /// `P := fold_moves N to Q by H : atom`
    Aggregate {
        result: Name,
        measure: Measure,
        over: Option<Name>,
        to: Option<Name>,
        by: Vec<Name>,
        atom: Atom,
    },
    Compare(Comparison, Term, Term),
}

/// What is found out about the rows of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// One value for the group.
    Of(Aggregate),
    /// The place of each of its rows.
    Rank,
    /// The parent of each node that its rows move.
    FoldMoves,
}

impl Measure {
    /// The word for it in programs.
    pub(crate) fn name(&self) -> &str {
        match self {
            Measure::Of(aggregate) => aggregate.name(),
            Measure::Rank => "rank",
            Measure::FoldMoves => "fold_moves",
        }
    }

    /// How it is written, with everything that it needs.
    pub(crate) fn example(&self) -> String {
        match self {
            Measure::FoldMoves => "fold_moves N to Q by H : move(node: N, parent: Q, height: H)".into(),
            _ if self.goes_by() => format!("{} X by K : score(name: X, points: K)", self.name()),
            _ => format!("{} X : price(amount: X)", self.name()),
        }
    }

    /// Whether rows are compared by variables that stand after `by`.
    pub(crate) fn goes_by(&self) -> bool {
        match self {
            Measure::Of(aggregate) => aggregate.goes_by_columns(),
            Measure::Rank | Measure::FoldMoves => true,
        }
    }
}

/// `head :- body.` or `head.`, `head@next :- body.`, or `forbid :- body.`
#[derive(Clone, Debug)]
pub(crate) struct Clause {
    pub(crate) head: Atom,
    pub(crate) body: Vec<Literal>,
    /// Whether it says what must not be; its head then only has a name.
    pub(crate) forbids: bool,
    /// Whether the head holds in the next epoch, and not in that of the body.
    pub(crate) next: bool,
    pub(crate) span: Span,
}

/// One declaration.
#[derive(Clone, Debug)]
pub(crate) struct Declaration {
    pub(crate) kind: DeclarationKind,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum DeclarationKind {
    Relation {
        name: Name,
        columns: Vec<(Name, ColumnType)>,
    },
    Input(Name),
    /// An input whose rows hold for one epoch, with its columns if they are declared here.
    Event {
        name: Name,
        columns: Option<Vec<(Name, ColumnType)>>,
    },
    Output {
        name: Name,
        order: Vec<(Name, Direction)>,
        limit: Option<usize>,
    },
    /// Brings in saved rules.
    Use(Name),
}

/// A whole program.
#[derive(Clone, Debug, Default)]
pub(crate) struct Module {
    pub(crate) declarations: Vec<Declaration>,
    pub(crate) clauses: Vec<Clause>,
    /// The names in clauses that could not be read: they may be defined there.
    pub(crate) unread: std::collections::BTreeSet<Arc<str>>,
}
