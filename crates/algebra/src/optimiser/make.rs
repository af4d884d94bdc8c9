//! Operators that leave themselves out where they would change nothing.

use std::collections::BTreeSet;

use crate::{Column, Comparison, Expression, Formula, Term};

/// The one row without columns.
pub(crate) fn unit() -> Expression {
    Expression::Constant { columns: vec![], rows: vec![vec![]] }
}

/// That a column is what a term gives.
pub(crate) fn equal(column: &Column, term: Term) -> Formula {
    Formula::Compare(Comparison::Equal, Term::Column(column.clone()), term)
}

/// One selection for all formulas.
pub(crate) fn select(input: Expression, mut formulas: Vec<Formula>) -> Expression {
    let formula = match formulas.len() {
        0 => return input,
        1 => formulas.remove(0),
        _ => Formula::And(formulas),
    };
    Expression::Select { input: Box::new(input), formula }
}

pub(crate) fn extend(input: Expression, column: Column, term: Term) -> Expression {
    Expression::Extend { input: Box::new(input), column, term }
}

/// One projection; of two the outer.
pub(crate) fn project(input: Expression, columns: Vec<Column>) -> Expression {
    let input = match input {
        Expression::Project { input, .. } => input,
        input => Box::new(input),
    };
    Expression::Project { input, columns }
}

/// An expression with these columns, cut to those of the pairs and under their new names. No column stands in two
/// pairs.
pub(crate) fn named(input: Expression, columns: &[Column], pairs: &[(Column, Column)]) -> Expression {
    let kept: Vec<_> =
        columns.iter().filter(|column| pairs.iter().any(|(old, _)| old == *column)).cloned().collect();
    let input = if kept.len() < columns.len() { project(input, kept) } else { input };
    let changed: Vec<_> = pairs.iter().filter(|(old, new)| old != new).cloned().collect();
    if changed.is_empty() { input } else { Expression::Rename { input: Box::new(input), pairs: changed } }
}

/// A name that is not among these, like another.
pub(crate) fn unlike(column: &Column, taken: &[Column]) -> Column {
    let mut name = column.clone();
    while taken.contains(&name) {
        name = format!("{name}'").into();
    }
    name
}

impl Term {
    /// The columns it names.
    pub(crate) fn columns(&self) -> BTreeSet<Column> {
        let mut columns = BTreeSet::new();
        self.each_column(&mut |column| {
            columns.insert(column.clone());
        });
        columns
    }

    /// The term over other columns.
    pub(crate) fn renamed(&self, of: &dyn Fn(&Column) -> Column) -> Term {
        match self {
            Term::Column(column) => Term::Column(of(column)),
            Term::Constant(value) => Term::Constant(value.clone()),
            Term::Apply(function, terms) => {
                Term::Apply(function.clone(), terms.iter().map(|term| term.renamed(of)).collect())
            }
        }
    }
}

impl Formula {
    /// The columns it names.
    pub(crate) fn columns(&self) -> BTreeSet<Column> {
        match self {
            Formula::True => BTreeSet::new(),
            Formula::Compare(_, left, right) => left.columns().into_iter().chain(right.columns()).collect(),
            Formula::And(all) | Formula::Or(all) => all.iter().flat_map(Formula::columns).collect(),
            Formula::Not(formula) => formula.columns(),
        }
    }

    /// The formula over other columns.
    pub(crate) fn renamed(&self, of: &dyn Fn(&Column) -> Column) -> Formula {
        let all = |formulas: &[Formula]| formulas.iter().map(|one| one.renamed(of)).collect();
        match self {
            Formula::True => Formula::True,
            Formula::Compare(comparison, left, right) => {
                Formula::Compare(*comparison, left.renamed(of), right.renamed(of))
            }
            Formula::And(formulas) => Formula::And(all(formulas)),
            Formula::Or(formulas) => Formula::Or(all(formulas)),
            Formula::Not(formula) => Formula::Not(Box::new(formula.renamed(of))),
        }
    }
}
