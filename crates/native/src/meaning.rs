//! What the engine asks when a rule computes: tests, functions, folds.
//!
//! Numbers are decoded here and nowhere else, and only those that are asked about.

use std::cell::{Cell, RefCell};

use motet_algebra::aggregate::{dense_ranks, row_order};
use motet_algebra::dictionary::{Id, small_int};
use motet_algebra::moves::fold_moves;
use motet_algebra::{
    Aggregate, BoundFormula, BoundTerm, Cancel, Column, Comparison, Dictionary, RelationName, Row,
    SharedDictionary,
};
use motet_fact::Value;
use motet_fact::codec::tuple_cid;
use motet_flow::engine::row::Batch;
use motet_flow::engine::rule::Host;

/// A condition on some columns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    /// The first of two values compares so with the second.
    Compares(Comparison),
    /// It holds.
    Holds(BoundFormula),
    /// It has no truth (Q3).
    Undecided(BoundFormula),
    /// The term has no value (Q3).
    Lacks(BoundTerm),
}

/// A value of some columns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Function {
    /// That of a term.
    Term(BoundTerm),
    /// The CID of the tuple in a relation with these columns (requirements §3.6).
    Cid(RelationName, Vec<Column>),
}

/// What is computed of a group of rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fold {
    /// The key and an aggregate; or, as the second output, the key alone where that has no value.
    Group { keys: Vec<usize>, aggregate: Aggregate, over: Vec<usize> },
    /// Each row, as what it has at these places, and its rank.
    Rank { row: Vec<usize>, by: Vec<usize> },
    /// The key, and where the moves of the group leave each node.
    Moves { keys: Vec<usize>, ordered: Vec<usize> },
}

/// Tests, functions and folds by number, and the dictionary.
pub(crate) struct Meaning {
    pub(crate) dictionary: SharedDictionary,
    pub(crate) tests: Vec<Test>,
    pub(crate) functions: Vec<Function>,
    pub(crate) folds: Vec<Fold>,
    /// What the dictionary held before the epoch, in bytes.
    pub(crate) known: Cell<u64>,
    /// Whether the epoch that runs is still wanted.
    pub(crate) cancel: RefCell<Cancel>,
}

fn decoded(args: &[Id], dictionary: &Dictionary) -> impl Fn(usize) -> Value {
    move |place| dictionary.value(args[place])
}

impl Host for Meaning {
    fn held(&self) -> u64 {
        self.dictionary.borrow().bytes().saturating_sub(self.known.get())
    }

    fn is_wanted(&self) -> bool {
        self.cancel.borrow().poll().is_none()
    }

    fn test(&self, test: usize, args: &[Id]) -> bool {
        if let Test::Compares(comparison) = self.tests[test] {
            return self.compares(comparison, args[0], args[1]);
        }
        let dictionary = self.dictionary.borrow();
        let at = decoded(args, &dictionary);
        match &self.tests[test] {
            Test::Compares(_) => unreachable!("it was done above"),
            Test::Holds(formula) => formula.holds(&at),
            Test::Undecided(formula) => formula.truth(&at).is_none(),
            Test::Lacks(term) => term.evaluate(&at).is_none(),
        }
    }

    fn make(&self, function: usize, args: &[Id]) -> Option<Id> {
        let value = {
            let dictionary = self.dictionary.borrow();
            let at = decoded(args, &dictionary);
            match &self.functions[function] {
                Function::Term(term) => term.evaluate(&at)?,
                Function::Cid(relation, columns) => {
                    let values: Vec<Value> = (0..columns.len()).map(at).collect();
                    let names = columns.iter().map(|column| &**column);
                    Value::Link(tuple_cid(relation, names.zip(&values)))
                }
            }
        };
        Some(self.dictionary.borrow_mut().intern(&value))
    }

    fn fold(&self, fold: usize, group: &Batch, give: &mut dyn FnMut(usize, &[Id])) {
        match &self.folds[fold] {
            Fold::Group { keys, aggregate, over } => {
                let mut row = pick(group.row(0), keys);
                match self.aggregate(aggregate, over, group) {
                    Some(id) => {
                        row.push(id);
                        give(0, &row);
                    }
                    None => give(1, &row),
                }
            }
            Fold::Rank { row, by } => {
                let ranks = dense_ranks(&self.decode(group, by));
                for (of, rank) in group.rows().zip(ranks) {
                    let mut ranked = pick(of, row);
                    ranked.push(self.dictionary.borrow_mut().intern(&Value::Int(rank)));
                    give(0, &ranked);
                }
            }
            Fold::Moves { keys, ordered } => {
                let decoded = self.decode(group, ordered);
                let mut moves: Vec<(Row, &[Id])> = decoded.into_iter().zip(group.rows()).collect();
                moves.sort_by(|(left, _), (right, _)| row_order(left, right));
                let [.., node, parent] = ordered[..] else { unreachable!("a node and its parent come last") };
                let placed = fold_moves(moves.into_iter().map(|(_, row)| (row[node], row[parent])));
                for (node, parent) in placed {
                    let mut row = pick(group.row(0), keys);
                    row.extend([node, parent]);
                    give(0, &row);
                }
            }
        }
    }
}

fn pick(row: &[Id], places: &[usize]) -> Vec<Id> {
    places.iter().map(|place| row[*place]).collect()
}

impl Meaning {
    /// Compares two values, by their numbers where these tell.
    fn compares(&self, comparison: Comparison, left: Id, right: Id) -> bool {
        match (comparison, small_int(left), small_int(right)) {
            (Comparison::Equal, ..) => left == right,
            (Comparison::Unequal, ..) => left != right,
            (Comparison::Less, Some(left), Some(right)) => left < right,
            (Comparison::LessOrEqual, Some(left), Some(right)) => left <= right,
            (Comparison::Greater, Some(left), Some(right)) => left > right,
            (Comparison::GreaterOrEqual, Some(left), Some(right)) => left >= right,
            _ => {
                let dictionary = self.dictionary.borrow();
                comparison.holds(&dictionary.value(left), &dictionary.value(right))
            }
        }
    }

    /// The values that each row has at some places.
    fn decode(&self, group: &Batch, places: &[usize]) -> Vec<Row> {
        let dictionary = self.dictionary.borrow();
        let decode = |row: &[Id]| places.iter().map(|place| dictionary.value(row[*place])).collect();
        group.rows().map(decode).collect()
    }

    fn aggregate(&self, aggregate: &Aggregate, over: &[usize], group: &Batch) -> Option<Id> {
        let value = if *aggregate == Aggregate::Count {
            let mut values: Vec<Vec<Id>> = group.rows().map(|row| pick(row, over)).collect();
            if !over.is_empty() {
                values.sort_unstable();
                values.dedup();
            }
            Value::Int(i64::try_from(values.len()).ok()?)
        } else {
            aggregate.fold_rows(&mut self.decode(group, over).into_iter())?
        };
        Some(self.dictionary.borrow_mut().intern(&value))
    }
}
