//! The optimiser: programs to programs that mean the same and cost less (PL-15, PL-27).
//!
//! [`optimise`] rewrites each expression on its own, and then lets equal ones share. What it makes is a program like
//! any other: every runtime takes it, and [`crate::naive`] gives the same for it as for the one it was made from.
//! Only what happens where a budget runs out may differ.
//!
//! | part | what it does |
//! |---|---|
//! | `conjunction` | takes the order out of a tree of joins, conditions, computed columns and negations |
//! | `table` | puts the goals into an order again; conditions and cuts as early as can be; semijoins |
//! | `estimate` | says how many rows to expect, from [`Stats`] |
//! | `share` | makes a relation of what is computed more than once |
//!
//! Conditions go down to what they speak of: through unions, to the keys of groups and ranks, and into what is
//! negated. Columns that nobody reads are dropped at once, but never below an aggregate that tells rows apart by
//! them (Q9).
//!
//! The order of joins is found by *beam search*: of all sets of so many atoms the cheapest plans are kept and each is
//! joined with every atom that waits. With few atoms that is dynamic programming over all orders. Plans are chains: one
//! atom after the other is joined to what there is. So a rule of n atoms has n - 1 joins, and a runtime that feeds each
//! join's changes on has n ways in which a change can come, not 2ⁿ - 1 (B3).
//!
//! It does not: move goals from one relation's rules into another's, or look at a budget.

mod conjunction;
mod estimate;
mod make;
mod share;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use crate::{Column, Expression, Formula, Program, Statement, Stats};
use conjunction::{Atom, Conjunction, Variable};
pub(crate) use estimate::Estimator;
use table::{Operand, Table};

/// How many plans are kept for each number of atoms.
const BEAM: usize = 32;

/// A program that means the same, made for contents like those the statistics tell of. The same program and
/// statistics always give the same result. An unsound program is given back as it is.
pub fn optimise(program: &Program, stats: &dyn Stats) -> Program {
    if program.check().is_err() {
        return program.clone();
    }
    let program = &program.defined();
    let mut optimiser = Optimiser { program, estimator: Estimator::new(program, stats) };
    let statements = program.statements.iter().map(|statement| optimiser.statement(statement)).collect();
    let optimised = share::share(Program { relations: program.relations.clone(), statements });
    let checked = optimised.check();
    assert!(checked.is_ok(), "the optimiser made an unsound program: {checked:?}\n{optimised}");
    optimised
}

struct Optimiser<'a> {
    program: &'a Program,
    estimator: Estimator<'a>,
}

impl Optimiser<'_> {
    fn statement(&mut self, statement: &Statement) -> Statement {
        match statement {
            Statement::Assign { expression, .. } => {
                let optimised = self.with_expression(statement, expression);
                self.estimator.run(statement);
                optimised
            }
            Statement::Next { expression, .. } => self.with_expression(statement, expression),
            Statement::Loop { body, exports } => {
                self.estimator.run(statement);
                let assign = |statement: &Statement| match statement {
                    Statement::Assign { expression, .. } => self.with_expression(statement, expression),
                    Statement::Loop { .. } | Statement::Next { .. } => {
                        unreachable!("the program was checked: a loop has assignments only")
                    }
                };
                Statement::Loop { body: body.iter().map(assign).collect(), exports: exports.clone() }
            }
        }
    }

    /// A statement with its expression made anew.
    fn with_expression(&self, statement: &Statement, expression: &Expression) -> Statement {
        let made = self.expression(expression);
        let mut statement = statement.clone();
        if let Statement::Assign { expression, .. } | Statement::Next { expression, .. } = &mut statement {
            *expression = made;
        }
        statement
    }

    /// An expression for the same rows.
    fn expression(&self, expression: &Expression) -> Expression {
        let mut conjunction = Conjunction::of(self.program, expression);
        let local = take_local(&mut conjunction);
        let uses = uses(&conjunction);
        let needed = |variable: &Variable| uses.get(variable).is_some_and(|uses| *uses > 1);
        let atoms: Vec<_> =
            conjunction.atoms.iter().map(|atom| self.operand(atom, &local, &needed)).collect();
        let negations: Vec<_> =
            conjunction.negations.iter().map(|atom| self.operand(atom, &local, &|_| true)).collect();
        cheapest(Table::new(&conjunction, &atoms, &negations)).finish()
    }

    /// An atom under the conditions that speak of it alone, cut to the variables that are needed.
    fn operand(&self, atom: &Atom, local: &[Formula], needed: &dyn Fn(&Variable) -> bool) -> Operand {
        let mut places: BTreeMap<&Variable, &Column> = BTreeMap::new();
        let (mut kept, mut filters) = (Vec::new(), Vec::new());
        for (column, variable) in &atom.columns {
            if let Some(first) = places.get(variable) {
                filters.push(make::equal(first, crate::Term::Column(column.clone())));
                continue;
            }
            places.insert(variable, column);
            if needed(variable) {
                kept.push((column.clone(), variable.clone()));
            }
        }
        let speaks =
            |filter: &&Formula| filter.columns().iter().all(|variable| places.contains_key(variable));
        let own = |variable: &Variable| places[variable].clone();
        filters.extend(local.iter().filter(speaks).map(|filter| filter.renamed(&own)));
        let columns: Vec<_> = kept.iter().map(|(column, _)| column.clone()).collect();
        let expression = make::named(self.cut(&atom.expression, filters, &columns), &columns, &kept);
        let estimate = self.estimator.expression(&expression);
        Operand { expression, columns: kept.into_iter().map(|(_, variable)| variable).collect(), estimate }
    }

    /// The rows of an expression for which some conditions hold, cut to some columns.
    fn cut(&self, expression: &Expression, filters: Vec<Formula>, columns: &[Column]) -> Expression {
        match expression {
            Expression::Relation { name, cid } => {
                let named = |cid: &Column| {
                    columns.contains(cid) || filters.iter().any(|filter| filter.columns().contains(cid))
                };
                let cid = cid.clone().filter(named);
                self.selected(Expression::Relation { name: name.clone(), cid }, filters, columns)
            }
            Expression::Constant { .. } => self.selected(expression.clone(), filters, columns),
            Expression::Union(inputs) => {
                let cut = |input: &Expression| self.cut(input, filters.clone(), columns);
                Expression::Union(inputs.iter().map(cut).collect())
            }
            Expression::GroupBy { input, keys, aggregate, over, by, result } => {
                let (below, above) = split(filters, keys);
                let read = keys.iter().chain(by).chain(over);
                // An aggregate may tell rows apart by columns that it does not read: it takes each distinct row once.
                let whole_rows = aggregate.counts_rows() || over.is_none();
                let wanted = if whole_rows { self.columns(input) } else { once(read) };
                let input = Box::new(self.cut(input, below, &wanted));
                let (keys, by) = (keys.clone(), by.clone());
                let (over, result) = (over.clone(), result.clone());
                let grouped =
                    Expression::GroupBy { input, keys, aggregate: aggregate.clone(), over, by, result };
                self.selected(grouped, above, columns)
            }
            Expression::Rank { input, keys, by, result } => {
                let (below, above) = split(filters, keys);
                let input = Box::new(self.cut(input, below, &self.columns(input)));
                let (keys, by, result) = (keys.clone(), by.clone(), result.clone());
                self.selected(Expression::Rank { input, keys, by, result }, above, columns)
            }
            Expression::FoldMoves { input, keys, node, parent, by, result } => {
                let (below, above) = split(filters, keys);
                let read = once(keys.iter().chain([node, parent]).chain(by));
                let input = Box::new(self.cut(input, below, &read));
                let (node, parent, result) = (node.clone(), parent.clone(), result.clone());
                let (keys, by) = (keys.clone(), by.clone());
                let folded = Expression::FoldMoves { input, keys, node, parent, by, result };
                self.selected(folded, above, columns)
            }
            Expression::Select { .. }
            | Expression::Project { .. }
            | Expression::Rename { .. }
            | Expression::Extend { .. }
            | Expression::Difference(..)
            | Expression::Join(..)
            | Expression::Product(..)
            | Expression::ThetaJoin { .. }
            | Expression::EquiJoin { .. }
            | Expression::SemiJoin(..)
            | Expression::AntiJoin(..) => {
                let selected = make::select(expression.clone(), filters);
                self.expression(&make::project(selected, columns.to_vec()))
            }
        }
    }

    fn selected(&self, input: Expression, filters: Vec<Formula>, columns: &[Column]) -> Expression {
        let all = self.columns(&input);
        let pairs: Vec<_> = columns.iter().map(|column| (column.clone(), column.clone())).collect();
        make::named(make::select(input, filters), &all, &pairs)
    }

    fn columns(&self, expression: &Expression) -> Vec<Column> {
        self.program.columns(expression).expect("the program was checked")
    }
}

/// Takes out the conditions that speak of one atom alone. They hold of every atom that they speak of.
fn take_local(conjunction: &mut Conjunction) -> Vec<Formula> {
    let atoms = &conjunction.atoms;
    let is_local = |filter: &Formula| {
        let columns = filter.columns();
        !columns.is_empty() && atoms.iter().any(|atom| columns.iter().all(|column| atom.has(column)))
    };
    let (local, rest) = std::mem::take(&mut conjunction.filters).into_iter().partition(is_local);
    conjunction.filters = rest;
    local
}

/// By how many goals each variable is named; what is shown counts as a goal.
fn uses(conjunction: &Conjunction) -> BTreeMap<Variable, usize> {
    let of_atom = |atom: &Atom| atom.columns.iter().map(|(_, variable)| variable.clone()).collect();
    let mut named: Vec<BTreeSet<Variable>> =
        conjunction.atoms.iter().chain(&conjunction.negations).map(of_atom).collect();
    named.extend(conjunction.filters.iter().map(Formula::columns));
    for (variable, term) in &conjunction.computed {
        named.push(term.columns().into_iter().chain([variable.clone()]).collect());
    }
    named.push(conjunction.shown.iter().map(|(_, variable)| variable.clone()).collect());
    let mut uses = BTreeMap::new();
    for variable in named.into_iter().flatten() {
        *uses.entry(variable).or_default() += 1;
    }
    uses
}

/// The cheapest plan that the search finds.
fn cheapest(start: Table) -> Table {
    let rounds = start.waiting().count();
    let mut level = vec![start];
    for _ in 0..rounds {
        let mut best: BTreeMap<BTreeSet<usize>, Table> = BTreeMap::new();
        for grown in level.iter().flat_map(|table| table.waiting().map(|place| table.with(place))) {
            let rest = grown.waiting().collect();
            match best.get(&rest) {
                Some(known) if known.compare(&grown).is_le() => {}
                _ => drop(best.insert(rest, grown)),
            }
        }
        level = best.into_values().collect();
        level.sort_by(Table::compare);
        level.truncate(BEAM);
    }
    level.swap_remove(0)
}

/// The conditions that speak of nothing but these columns, and the others.
fn split(filters: Vec<Formula>, columns: &[Column]) -> (Vec<Formula>, Vec<Formula>) {
    filters.into_iter().partition(|filter| filter.columns().iter().all(|column| columns.contains(column)))
}

/// Each column once, in order.
fn once<'a>(columns: impl Iterator<Item = &'a Column>) -> Vec<Column> {
    let mut seen = BTreeSet::new();
    columns.filter(|column| seen.insert(*column)).cloned().collect()
}
