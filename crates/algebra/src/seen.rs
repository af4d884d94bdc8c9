//! Which rows of a relation a program can see.
//!
//! A program that reads `fact` only where the entity is a certain one gives the same outputs whatever else is in
//! `fact`. So whoever brings rows into a program may leave out those that it cannot see. It is looked for from both
//! ends: from above comes what is asked of an expression (a selection by a constant), from below what its rows are
//! known to hold (a row that stands in the program, joined with what is read).
//!
//! What is found is sure, and not all that could be found: where in doubt, all rows can be seen.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::Value;

use crate::program::{Program, RelationName, Statement};
use crate::{CID_COLUMN, Column, Comparison, Expression, Formula, Term};

/// More values of a column, or more patterns, are not told apart: then all rows can be seen.
const MOST: usize = 64;

/// Rows that agree with a pattern have at each of these places one of these values.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(pub BTreeMap<usize, BTreeSet<Value>>);

impl Pattern {
    /// Whether a row agrees with it.
    pub fn takes(&self, row: &[Value]) -> bool {
        self.0.iter().all(|(place, values)| row.get(*place).is_some_and(|value| values.contains(value)))
    }
}

/// Columns that hold one of a few values each.
type Known = BTreeMap<Column, BTreeSet<Value>>;

impl Program {
    /// The rows of a relation that the statements can see, whatever the rows of the others are: those that agree with
    /// at least one of these patterns. Nothing if all can be seen.
    pub fn seen(&self, relation: &str) -> Option<Vec<Pattern>> {
        if self.relations.get(relation).is_none_or(|relation| relation.output) {
            return None;
        }
        let mut looking = Looking { program: self, relation, held: BTreeMap::new(), seen: Some(Vec::new()) };
        self.each_expression(&mut |_, expression| looking.look(expression, &Known::new()));
        looking.seen
    }

    fn each_expression<'a>(&'a self, visit: &mut dyn FnMut(&'a RelationName, &'a Expression)) {
        fn within<'a>(statement: &'a Statement, visit: &mut dyn FnMut(&'a RelationName, &'a Expression)) {
            match statement {
                Statement::Assign { relation, expression, .. }
                | Statement::Next { relation, expression, .. } => visit(relation, expression),
                Statement::Loop { body, .. } => body.iter().for_each(|statement| within(statement, visit)),
            }
        }
        self.statements.iter().for_each(|statement| within(statement, visit));
    }
}

struct Looking<'a> {
    program: &'a Program,
    relation: &'a str,
    /// What the columns of derived relations hold, as far as it was looked for. Of one that is being looked at nothing.
    held: BTreeMap<RelationName, Known>,
    /// The patterns found so far; nothing if all rows can be seen.
    seen: Option<Vec<Pattern>>,
}

impl Looking<'_> {
    /// Looks for uses of the relation in an expression of which only rows are of interest that hold what is known.
    fn look(&mut self, expression: &Expression, known: &Known) {
        if self.seen.is_none() {
            return;
        }
        let columns = self.program.columns(expression).unwrap_or_default();
        let mut known = known.clone();
        known.retain(|column, _| columns.contains(column));
        match expression {
            Expression::Relation { name, cid } => {
                if **name == *self.relation {
                    self.note(name, cid.as_ref(), known);
                }
            }
            Expression::Constant { .. } => {}
            Expression::Select { input, formula } => self.look(input, &meet(known, &of_formula(formula))),
            Expression::Project { input, .. } => self.look(input, &known),
            Expression::Rename { input, pairs } => self.look(input, &renamed_back(known, pairs)),
            Expression::Extend { input, column, term } => {
                let values = known.remove(column);
                if let (Some(values), Term::Column(from)) = (values, term) {
                    known = meet(known, &Known::from([(from.clone(), values)]));
                }
                self.look(input, &known);
            }
            Expression::Union(inputs) => inputs.iter().for_each(|input| self.look(input, &known)),
            Expression::ThetaJoin { left, right, formula } => {
                known = meet(known, &of_formula(formula));
                self.look_at_both(left, right, known, true);
            }
            Expression::EquiJoin { left, right, pairs } => self.look_at_pairs(left, right, pairs, known),
            Expression::Join(left, right)
            | Expression::Product(left, right)
            | Expression::SemiJoin(left, right) => self.look_at_both(left, right, known, true),
            Expression::AntiJoin(left, right) | Expression::Difference(left, right) => {
                self.look_at_both(left, right, known, false);
            }
            Expression::GroupBy { input, keys, .. }
            | Expression::Rank { input, keys, .. }
            | Expression::FoldMoves { input, keys, .. } => {
                // What a group comes to depends on all its rows.
                known.retain(|column, _| keys.contains(column));
                self.look(input, &known);
            }
        }
    }

    /// Two expressions whose rows meet where they agree on the columns that they share. If a row of the left is also
    /// there without one of the right, then what the right holds says nothing of the left.
    fn look_at_both(&mut self, left: &Expression, right: &Expression, known: Known, needs_right: bool) {
        let of_left = meet(known.clone(), &self.held(left));
        let of_right = if needs_right { self.held(right) } else { Known::new() };
        self.look(left, &meet(known, &of_right));
        self.look(right, &of_left);
    }

    fn look_at_pairs(
        &mut self,
        left: &Expression,
        right: &Expression,
        pairs: &[(Column, Column)],
        mut known: Known,
    ) {
        known = meet(meet(known, &self.held(left)), &self.held(right));
        for (one, other) in pairs {
            for (from, to) in [(one, other), (other, one)] {
                if let Some(values) = known.get(from).cloned() {
                    known = meet(known, &Known::from([(to.clone(), values)]));
                }
            }
        }
        self.look(left, &known);
        self.look(right, &known);
    }

    fn note(&mut self, name: &RelationName, cid: Option<&Column>, known: Known) {
        let declared: Vec<&Column> = self.program.relations[name].names().collect();
        let place = |column: &Column| {
            let named: &str = if Some(column) == cid { CID_COLUMN } else { column };
            declared.iter().position(|one| ***one == *named)
        };
        let places = known.into_iter().filter_map(|(column, values)| Some((place(&column)?, values)));
        let pattern = Pattern(places.collect());
        let Some(seen) = &mut self.seen else { return };
        if pattern.0.is_empty() || seen.len() == MOST {
            self.seen = None;
        } else if !seen.contains(&pattern) {
            seen.push(pattern);
        }
    }

    /// What the rows of an expression are known to hold, whatever the rows of the inputs are.
    fn held(&mut self, expression: &Expression) -> Known {
        match expression {
            Expression::Relation { name, .. } => self.held_by(name),
            Expression::Constant { columns, rows } => {
                let values = |place: usize| rows.iter().map(|row| row[place].clone()).collect();
                let all = columns.iter().enumerate().map(|(place, column)| (column.clone(), values(place)));
                few(all.collect())
            }
            Expression::Select { input, formula } => meet(self.held(input), &of_formula(formula)),
            Expression::Project { input, columns } => {
                let mut held = self.held(input);
                held.retain(|column, _| columns.contains(column));
                held
            }
            Expression::Rename { input, pairs } => {
                let new = |column: Column| {
                    let pair = pairs.iter().find(|(old, _)| *old == column);
                    pair.map_or(column, |(_, new)| new.clone())
                };
                self.held(input).into_iter().map(|(column, values)| (new(column), values)).collect()
            }
            Expression::Extend { input, column, term } => {
                let mut held = self.held(input);
                let values = match term {
                    Term::Column(from) => held.get(from).cloned(),
                    Term::Constant(value) => Some(BTreeSet::from([value.clone()])),
                    Term::Apply(..) => None,
                };
                held.extend(values.map(|values| (column.clone(), values)));
                held
            }
            Expression::Union(inputs) => {
                let held: Vec<Known> = inputs.iter().map(|input| self.held(input)).collect();
                held.into_iter().reduce(either).unwrap_or_default()
            }
            Expression::Join(left, right) | Expression::Product(left, right) => {
                meet(self.held(left), &self.held(right))
            }
            Expression::ThetaJoin { left, right, .. } | Expression::EquiJoin { left, right, .. } => {
                meet(self.held(left), &self.held(right))
            }
            Expression::Difference(left, _)
            | Expression::SemiJoin(left, _)
            | Expression::AntiJoin(left, _) => self.held(left),
            Expression::Rank { input, .. } => self.held(input),
            Expression::GroupBy { input, keys, .. } | Expression::FoldMoves { input, keys, .. } => {
                let mut held = self.held(input);
                held.retain(|column, _| keys.contains(column));
                held
            }
        }
    }

    /// The same of a relation: what all that is assigned to it holds.
    fn held_by(&mut self, name: &RelationName) -> Known {
        if let Some(held) = self.held.get(name) {
            return held.clone();
        }
        self.held.insert(name.clone(), Known::new());
        if self.program.relations.get(name).is_none_or(|relation| relation.input) {
            return Known::new();
        }
        let mut assigned = Vec::new();
        self.program.each_expression(&mut |relation, expression| {
            if relation == name {
                assigned.push(expression);
            }
        });
        let held: Vec<Known> = assigned.into_iter().map(|expression| self.held(expression)).collect();
        let held = held.into_iter().reduce(either).unwrap_or_default();
        self.held.insert(name.clone(), held.clone());
        held
    }
}

/// What a row for which the formula holds is known to hold.
fn of_formula(formula: &Formula) -> Known {
    match formula {
        Formula::Compare(Comparison::Equal, Term::Column(column), Term::Constant(value))
        | Formula::Compare(Comparison::Equal, Term::Constant(value), Term::Column(column)) => {
            Known::from([(column.clone(), BTreeSet::from([value.clone()]))])
        }
        Formula::And(all) => all.iter().map(of_formula).fold(Known::new(), |known, one| meet(known, &one)),
        Formula::Or(any) => any.iter().map(of_formula).reduce(either).unwrap_or_default(),
        Formula::True | Formula::Compare(..) | Formula::Not(_) => Known::new(),
    }
}

/// What is known of the columns of an input, if this is known of them under their new names.
fn renamed_back(known: Known, pairs: &[(Column, Column)]) -> Known {
    let old = |column: Column| {
        let pair = pairs.iter().find(|(_, new)| *new == column);
        pair.map_or(column, |(old, _)| old.clone())
    };
    known.into_iter().map(|(column, values)| (old(column), values)).collect()
}

/// What a row holds of which both are known.
fn meet(mut one: Known, other: &Known) -> Known {
    for (column, values) in other {
        let known = one.entry(column.clone()).or_insert_with(|| values.clone());
        known.retain(|value| values.contains(value));
    }
    one
}

/// What a row holds of which one of both is known.
fn either(mut one: Known, other: Known) -> Known {
    one.retain(|column, _| other.contains_key(column));
    for (column, values) in other {
        one.entry(column).and_modify(|known| known.extend(values));
    }
    few(one)
}

fn few(mut known: Known) -> Known {
    known.retain(|_, values| values.len() <= MOST);
    known
}
