//! How many rows an expression will have, by rule of thumb.
//!
//! An [`Estimate`] is a number of rows and, for each column, a number of different values. The rules are those of the
//! textbooks: values are spread evenly, columns know nothing of each other, and the smaller set of values of a join's
//! column lies within the larger. They are wrong in known ways, but wrong alike for the plans that are compared.
//! Only the four operations of arithmetic are used, so that every machine gets the same numbers.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Column, Comparison, Expression, Formula, Program, RelationName, Statement, Stats, Term};

/// The rows of a relation of which nothing is known.
const ROWS: f64 = 1000.0;
/// The part of rows that differ in a column of which nothing is known.
const VARIETY: f64 = 0.1;
/// The part of rows of which an order between two things holds.
const RANGE: f64 = 1.0 / 3.0;
/// The part of rows that a negation leaves at least.
const LEFT_OVER: f64 = 0.1;
/// How often the body of a loop is gone through.
const ROUNDS: usize = 4;

/// How many rows there are, and how many different values in each column. Neither is ever less than nothing, and no
/// column has more values than there are rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Estimate {
    /// The rows.
    pub(crate) rows: f64,
    distinct: BTreeMap<Column, f64>,
}

impl Estimate {
    /// So many rows, and so many values in each column.
    fn new(rows: f64, distinct: BTreeMap<Column, f64>) -> Self {
        let distinct = distinct.into_iter().map(|(column, values)| (column, values.clamp(0.0, rows)));
        Estimate { rows, distinct: distinct.collect() }
    }

    /// The one row without columns.
    pub(crate) fn unit() -> Self {
        Estimate::new(1.0, BTreeMap::new())
    }

    fn values(&self, column: &Column) -> f64 {
        self.distinct.get(column).copied().unwrap_or(self.rows).max(1.0)
    }

    /// The columns of both.
    fn shared<'a>(&'a self, other: &'a Estimate) -> impl Iterator<Item = &'a Column> {
        self.distinct.keys().filter(|column| other.distinct.contains_key(*column))
    }

    /// How many combinations of values some columns can have, at most the rows.
    fn combinations<'a>(&self, columns: impl Iterator<Item = &'a Column>) -> f64 {
        columns.map(|column| self.values(column)).product::<f64>().min(self.rows)
    }

    /// The part of the rows, with as many values as fit.
    fn part(mut self, part: f64) -> Self {
        self.rows *= part;
        Estimate::new(self.rows, self.distinct)
    }

    /// Of the rows those for which a formula holds.
    pub(crate) fn select(self, formula: &Formula) -> Self {
        match formula {
            Formula::And(all) => all.iter().fold(self, Estimate::select),
            Formula::Compare(Comparison::Equal, Term::Column(column), Term::Constant(_))
            | Formula::Compare(Comparison::Equal, Term::Constant(_), Term::Column(column)) => {
                let part = 1.0 / self.values(column);
                let mut selected = self.part(part);
                selected.distinct.insert(column.clone(), 1.0_f64.min(selected.rows));
                selected
            }
            _ => {
                let part = self.selectivity(formula);
                self.part(part)
            }
        }
    }

    /// The part of the rows for which a formula holds.
    fn selectivity(&self, formula: &Formula) -> f64 {
        match formula {
            Formula::True => 1.0,
            Formula::Compare(comparison, left, right) => self.comparison(*comparison, left, right),
            Formula::And(all) => all.iter().map(|one| self.selectivity(one)).product(),
            Formula::Or(all) => 1.0 - all.iter().map(|one| 1.0 - self.selectivity(one)).product::<f64>(),
            Formula::Not(formula) => 1.0 - self.selectivity(formula),
        }
    }

    fn comparison(&self, comparison: Comparison, left: &Term, right: &Term) -> f64 {
        let values = |term: &Term| match term {
            Term::Column(column) => self.values(column),
            Term::Constant(_) => 1.0,
            Term::Apply(..) => (self.rows * VARIETY).max(1.0),
        };
        let equal = 1.0 / values(left).max(values(right));
        match comparison {
            Comparison::Equal => equal,
            Comparison::Unequal => 1.0 - equal,
            Comparison::Less | Comparison::LessOrEqual | Comparison::Greater | Comparison::GreaterOrEqual => {
                RANGE
            }
        }
    }

    /// The rows cut to some columns.
    pub(crate) fn project(self, columns: &[Column]) -> Self {
        let rows = self.combinations(columns.iter());
        let kept = self.distinct.into_iter().filter(|(column, _)| columns.contains(column));
        Estimate::new(rows, kept.collect())
    }

    /// The rows with columns renamed.
    pub(crate) fn rename(self, pairs: &[(Column, Column)]) -> Self {
        let renamed = |column: Column| {
            let pair = pairs.iter().find(|(old, _)| *old == column);
            pair.map_or(column, |(_, new)| new.clone())
        };
        let distinct = self.distinct.into_iter().map(|(column, values)| (renamed(column), values));
        Estimate { rows: self.rows, distinct: distinct.collect() }
    }

    /// The rows with a column more.
    pub(crate) fn extend(mut self, column: &Column, term: &Term) -> Self {
        let mut columns = BTreeSet::new();
        term.each_column(&mut |column| {
            columns.insert(column.clone());
        });
        let values = self.combinations(columns.iter());
        self.distinct.insert(column.clone(), values.min(self.rows));
        self
    }

    /// The pairs that agree on all shared columns.
    pub(crate) fn join(&self, other: &Estimate) -> Self {
        let apart: f64 =
            self.shared(other).map(|column| self.values(column).max(other.values(column))).product();
        let mut distinct = self.distinct.clone();
        for (column, values) in &other.distinct {
            let least = distinct.get(column).map_or(*values, |mine| mine.min(*values));
            distinct.insert(column.clone(), least);
        }
        Estimate::new(self.rows * other.rows / apart, distinct)
    }

    /// The rows that agree with some row of the other.
    pub(crate) fn semijoin(self, other: &Estimate) -> Self {
        let part = self.agreeing(other);
        self.part(part)
    }

    /// The rows that agree with no row of the other.
    pub(crate) fn antijoin(self, other: &Estimate) -> Self {
        let part = (1.0 - self.agreeing(other)).max(LEFT_OVER);
        self.part(part)
    }

    /// The part of the rows that find another.
    fn agreeing(&self, other: &Estimate) -> f64 {
        let found = |column: &Column| (other.values(column) / self.values(column)).min(1.0);
        self.shared(other).map(found).product::<f64>().min(other.rows).min(1.0)
    }

    /// A loop that computes new values goes on for as long as nobody can tell from its start: at least as much is there
    /// as is expected of a relation of which nothing is known.
    fn raise_to_unknown(&mut self) {
        self.rows = self.rows.max(ROWS);
        let least = self.rows * VARIETY;
        self.distinct.values_mut().for_each(|values| *values = values.max(least));
    }

    fn union(self, other: &Estimate) -> Self {
        let rows = self.rows + other.rows;
        let greater = |(column, values): (Column, f64)| {
            let others = other.distinct.get(&column).copied().unwrap_or(0.0);
            (column, values.max(others))
        };
        Estimate::new(rows, self.distinct.into_iter().map(greater).collect())
    }

    fn group(self, keys: &[Column], result: &Column) -> Self {
        let rows = if self.rows > 0.0 { self.combinations(keys.iter()) } else { 0.0 };
        let kept = self.distinct.into_iter().filter(|(column, _)| keys.contains(column));
        Estimate::new(rows, kept.chain([(result.clone(), rows)]).collect())
    }

    fn rank(mut self, by: &[Column], result: &Column) -> Self {
        let values = self.combinations(by.iter());
        self.distinct.insert(result.clone(), values);
        self
    }
}

/// Estimates the expressions of a program, statement by statement.
pub(crate) struct Estimator<'a> {
    program: &'a Program,
    stats: &'a dyn Stats,
    /// The relations assigned so far.
    assigned: BTreeMap<RelationName, Estimate>,
}

impl<'a> Estimator<'a> {
    /// Nothing is assigned yet.
    pub(crate) fn new(program: &'a Program, stats: &'a dyn Stats) -> Self {
        Estimator { program, stats, assigned: BTreeMap::new() }
    }

    /// Notes what a statement makes of its relations. A loop is gone through a few times from what there was before.
    pub(crate) fn run(&mut self, statement: &Statement) {
        match statement {
            Statement::Assign { relation, expression, .. } => self.assign(relation, expression),
            Statement::Loop { body, .. } => self.enter(body),
            // What holds in the next epoch is nothing in this one.
            Statement::Next { .. } => {}
        }
    }

    /// Notes what the relations of a loop will be.
    pub(crate) fn enter(&mut self, body: &[Statement]) {
        let assigns = body.iter().flat_map(|statement| match statement {
            Statement::Assign { relation, .. } => Some(relation),
            Statement::Loop { .. } | Statement::Next { .. } => None,
        });
        for relation in assigns {
            let before = self.before(relation).unwrap_or_else(|| self.empty(relation));
            self.assigned.insert(relation.clone(), before);
        }
        for _ in 0..ROUNDS {
            body.iter().for_each(|statement| self.run(statement));
        }
        for statement in body {
            if let Statement::Assign { relation, expression, .. } = statement
                && computes(expression)
                && let Some(estimate) = self.assigned.get_mut(relation)
            {
                estimate.raise_to_unknown();
            }
        }
    }

    fn assign(&mut self, relation: &RelationName, expression: &Expression) {
        let mut estimate = self.expression(expression);
        if let Some(before) = self.before(relation) {
            // What is derived again is there once: no more than the columns' values can make.
            estimate = estimate.union(&before);
            estimate.rows =
                estimate.distinct.values().map(|values| values.max(1.0)).product::<f64>().min(estimate.rows);
        }
        self.assigned.insert(relation.clone(), estimate);
    }

    /// What a relation has already: from outside, or by earlier statements.
    fn before(&self, relation: &RelationName) -> Option<Estimate> {
        let stored = || self.program.relations[relation].input.then(|| self.relation(relation, None));
        self.assigned.get(relation).cloned().or_else(stored)
    }

    fn empty(&self, relation: &RelationName) -> Estimate {
        let columns = self.program.relations[relation].names();
        Estimate::new(0.0, columns.map(|column| (column.clone(), 0.0)).collect())
    }

    /// How many rows an expression has.
    pub(crate) fn expression(&self, expression: &Expression) -> Estimate {
        let of = |expression| self.expression(expression);
        match expression {
            Expression::Relation { name, cid } => self.relation(name, cid.as_ref()),
            Expression::Constant { columns, rows } => constant(columns, rows),
            Expression::Select { input, formula } => of(input).select(formula),
            Expression::Project { input, columns } => of(input).project(columns),
            Expression::Rename { input, pairs } => of(input).rename(pairs),
            Expression::Extend { input, column, term } => of(input).extend(column, term),
            Expression::Union(inputs) => {
                let mut estimates = inputs.iter().map(of);
                let first = estimates.next().expect("a union is never empty");
                estimates.fold(first, |all, one| all.union(&one))
            }
            Expression::Join(left, right) => of(left).join(&of(right)),
            Expression::Product(..) | Expression::ThetaJoin { .. } | Expression::EquiJoin { .. } => {
                of(&expression.defined())
            }
            Expression::SemiJoin(left, right) => of(left).semijoin(&of(right)),
            Expression::Difference(left, right) | Expression::AntiJoin(left, right) => {
                of(left).antijoin(&of(right))
            }
            Expression::GroupBy { input, keys, result, .. } => of(input).group(keys, result),
            Expression::Rank { input, by, result, .. } => of(input).rank(by, result),
            Expression::FoldMoves { input, keys, node, result, .. } => {
                of(input).group(&[keys.as_slice(), std::slice::from_ref(node)].concat(), result)
            }
        }
    }

    fn relation(&self, name: &RelationName, cid: Option<&Column>) -> Estimate {
        let relation = &self.program.relations[name];
        let assigned = self.assigned.get(name);
        // Of a relation that is stored and derived the statistics may know what is stored only; one that is empty yet
        // says nothing of what it will be.
        let known = |number: &u64| *number > 0 && (!relation.input || assigned.is_none());
        let counted = |number: Option<u64>| number.filter(known).map(to_float);
        let derived = assigned.map_or(ROWS, |estimate| estimate.rows);
        let rows = counted(self.stats.rows(name)).unwrap_or(derived);
        let values = |column: &Column| {
            let derived = || assigned.map_or(rows * VARIETY, |estimate| estimate.values(column));
            counted(self.stats.distinct(name, column)).unwrap_or_else(derived)
        };
        let columns = relation.tuple_columns();
        let distinct = columns.into_iter().map(|column| (column.clone(), values(&column)));
        Estimate::new(rows, distinct.chain(cid.map(|cid| (cid.clone(), rows))).collect())
    }
}

/// Whether an expression makes values that were not there.
fn computes(expression: &Expression) -> bool {
    matches!(expression, Expression::Extend { term: Term::Apply(..), .. })
        || expression.inputs().into_iter().any(computes)
}

fn constant(columns: &[Column], rows: &[crate::Row]) -> Estimate {
    let values = |place: usize| rows.iter().map(|row| &row[place]).collect::<BTreeSet<_>>().len();
    let distinct = columns.iter().enumerate().map(|(place, column)| (column.clone(), length(values(place))));
    Estimate::new(length(rows.iter().collect::<BTreeSet<_>>().len()), distinct.collect())
}

fn length(length: usize) -> f64 {
    to_float(u64::try_from(length).unwrap_or(u64::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "an estimate need not be exact")]
fn to_float(number: u64) -> f64 {
    number as f64
}
