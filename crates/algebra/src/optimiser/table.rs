//! A plan for a conjunction, growing atom by atom.
//!
//! A [`Table`] is the expression so far with its estimate, and the goals that wait. Joining an atom brings variables;
//! then every goal whose variables are there is applied at once, and columns that nothing needs any more are dropped.
//! The cost of a table is the number of rows that its joins are expected to make. A join without a shared column, a
//! product, comes only where there is nothing else to do: where an estimate is too low, nothing else costs as much.
//!
//! An atom that brings no variable that is still needed is a *semijoin*: it only tells which rows stay. And if the
//! table has no column but those of the atom, it is the atom that is cut down by the table.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::conjunction::{Conjunction, Variable};
use super::estimate::Estimate;
use super::make;
use crate::{Column, Expression, Formula, Term};

/// An atom that is ready to be joined: its columns are variables, and only those that something needs.
pub(crate) struct Operand {
    pub(crate) expression: Expression,
    pub(crate) columns: Vec<Variable>,
    pub(crate) estimate: Estimate,
}

/// A plan so far.
#[derive(Clone)]
pub(crate) struct Table<'a> {
    atoms: &'a [Operand],
    negations: &'a [Operand],
    shown: &'a [(Column, Variable)],
    /// Nothing stands for the one row without columns.
    expression: Option<Expression>,
    columns: Vec<Variable>,
    estimate: Estimate,
    /// How many joins share no column.
    products: usize,
    cost: f64,
    /// The atoms that were joined, in order.
    order: Vec<usize>,
    filters: Vec<Formula>,
    computed: Vec<(Variable, Term)>,
    negated: Vec<usize>,
}

impl<'a> Table<'a> {
    /// No atom is joined yet.
    pub(crate) fn new(conjunction: &'a Conjunction, atoms: &'a [Operand], negations: &'a [Operand]) -> Self {
        let mut table = Table {
            atoms,
            negations,
            shown: &conjunction.shown,
            expression: None,
            columns: Vec::new(),
            estimate: Estimate::unit(),
            products: 0,
            cost: 0.0,
            order: Vec::new(),
            filters: conjunction.filters.clone(),
            computed: conjunction.computed.clone(),
            negated: (0..negations.len()).collect(),
        };
        if atoms.is_empty() {
            table.apply();
        }
        table
    }

    /// Which atoms are not joined yet.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = usize> {
        (0..self.atoms.len()).filter(|place| !self.order.contains(place))
    }

    /// The one with fewer products first, then the cheaper; of equals the one that keeps to the order as written.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        let products = self.products.cmp(&other.products);
        products.then(self.cost.total_cmp(&other.cost)).then_with(|| self.order.cmp(&other.order))
    }

    /// The table with an atom more.
    pub(crate) fn with(&self, place: usize) -> Self {
        let mut table = self.clone();
        table.order.push(place);
        table.join(&self.atoms[place]);
        table.apply();
        table.drop_columns();
        table
    }

    fn join(&mut self, atom: &Operand) {
        let Some(table) = self.expression.take() else {
            self.expression = Some(atom.expression.clone());
            self.columns.clone_from(&atom.columns);
            self.estimate = atom.estimate.clone();
            return;
        };
        let needed = self.needed();
        let adds = |variable: &Variable| !self.columns.contains(variable) && needed.contains(variable);
        let (table, right) = (Box::new(table), Box::new(atom.expression.clone()));
        if !atom.columns.iter().any(adds) {
            self.expression = Some(Expression::SemiJoin(table, right));
            self.estimate = self.estimate.clone().semijoin(&atom.estimate);
        } else if self.columns.iter().all(|column| atom.columns.contains(column)) {
            self.expression = Some(Expression::SemiJoin(right, table));
            self.estimate = atom.estimate.clone().semijoin(&self.estimate);
            self.columns.clone_from(&atom.columns);
        } else {
            let shares = atom.columns.iter().any(|column| self.columns.contains(column));
            self.products += usize::from(!shares);
            self.expression = Some(Expression::Join(table, right));
            self.estimate = self.estimate.join(&atom.estimate);
            let added: Vec<_> =
                atom.columns.iter().filter(|column| !self.columns.contains(column)).cloned().collect();
            self.columns.extend(added);
        }
        self.cost += self.estimate.rows;
    }

    /// Applies all goals whose variables are there.
    fn apply(&mut self) {
        while self.compute() {}
        let (ready, wait) =
            std::mem::take(&mut self.filters).into_iter().partition(|filter| self.knows(&filter.columns()));
        self.filters = wait;
        self.select(ready);
        let (ready, wait): (Vec<usize>, _) = std::mem::take(&mut self.negated)
            .into_iter()
            .partition(|place| self.negations[*place].columns.iter().all(|one| self.columns.contains(one)));
        self.negated = wait;
        ready.into_iter().for_each(|place| self.negate(&self.negations[place]));
    }

    fn knows(&self, columns: &BTreeSet<Column>) -> bool {
        columns.iter().all(|column| self.columns.contains(column))
    }

    /// Computes a column, or if it is there compares it with its term; false if none can be.
    fn compute(&mut self) -> bool {
        let ready = |(_, term): &(Variable, Term)| self.knows(&term.columns());
        let Some(place) = self.computed.iter().position(ready) else { return false };
        let (variable, term) = self.computed.remove(place);
        if self.columns.contains(&variable) {
            self.filters.push(make::equal(&variable, term));
        } else {
            self.estimate = self.estimate.clone().extend(&variable, &term);
            self.expression = Some(make::extend(self.take(), variable.clone(), term));
            self.columns.push(variable);
        }
        true
    }

    fn take(&mut self) -> Expression {
        self.expression.take().unwrap_or_else(make::unit)
    }

    fn select(&mut self, filters: Vec<Formula>) {
        for filter in &filters {
            self.estimate = self.estimate.clone().select(filter);
        }
        if !filters.is_empty() {
            self.expression = Some(make::select(self.take(), filters));
        }
    }

    fn negate(&mut self, negation: &Operand) {
        let (left, right) = (Box::new(self.take()), Box::new(negation.expression.clone()));
        self.expression = Some(Expression::AntiJoin(left, right));
        self.estimate = self.estimate.clone().antijoin(&negation.estimate);
    }

    /// The variables that are shown or that a goal still waiting names.
    fn needed(&self) -> BTreeSet<Variable> {
        let mut needed: BTreeSet<_> = self.shown.iter().map(|(_, variable)| variable.clone()).collect();
        needed.extend(self.filters.iter().flat_map(Formula::columns));
        for (variable, term) in &self.computed {
            needed.insert(variable.clone());
            needed.extend(term.columns());
        }
        let operands = self.negated.iter().map(|place| &self.negations[*place]);
        let operands = operands.chain(self.waiting().map(|place| &self.atoms[place]));
        needed.extend(operands.flat_map(|operand| operand.columns.iter().cloned()));
        needed
    }

    fn drop_columns(&mut self) {
        let needed = self.needed();
        if self.columns.iter().all(|column| needed.contains(column)) {
            return;
        }
        self.columns.retain(|column| needed.contains(column));
        self.estimate = self.estimate.clone().project(&self.columns);
        self.expression = Some(make::project(self.take(), self.columns.clone()));
    }

    /// The plan, when all atoms are joined: what is shown, under its names.
    pub(crate) fn finish(mut self) -> Expression {
        let goals = self.filters.len() + self.computed.len() + self.negated.len();
        assert!(goals == 0, "every variable of a goal is bound by an atom or computed from such");
        let mut pairs: Vec<(Variable, Column)> = Vec::new();
        for (column, variable) in self.shown {
            let mut from = variable.clone();
            if pairs.iter().any(|(used, _)| *used == from) {
                from = make::unlike(column, &self.columns);
                let copy = Term::Column(variable.clone());
                self.expression = Some(make::extend(self.take(), from.clone(), copy));
                self.columns.push(from.clone());
            }
            pairs.push((from, column.clone()));
        }
        make::named(self.take(), &self.columns, &pairs)
    }
}
