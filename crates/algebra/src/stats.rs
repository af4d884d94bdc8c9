//! What is known of the contents of relations: what the optimiser goes by (Q18).
//!
//! Numbers, and no rows: they say how big a relation is and how many different values its columns have. They may be
//! old or wrong; a plan made from wrong numbers is slower, never wrong.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, BuildHasherDefault};

use motet_fact::Value;
use rustc_hash::{FxHashSet, FxHasher};

use crate::{Changes, Program, RelationName, Row};

/// Knowledge of the contents of relations, by their names and those of their columns. `None` where nothing is known.
pub trait Stats {
    /// How many rows a relation has.
    fn rows(&self, relation: &str) -> Option<u64>;

    /// How many different values a column of a relation has.
    fn distinct(&self, relation: &str, column: &str) -> Option<u64>;
}

/// Nothing is known of any relation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unknown;

impl Stats for Unknown {
    fn rows(&self, _relation: &str) -> Option<u64> {
        None
    }

    fn distinct(&self, _relation: &str, _column: &str) -> Option<u64> {
        None
    }
}

/// Rows that were counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    relations: BTreeMap<RelationName, Counts>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counts {
    rows: u64,
    distinct: BTreeMap<String, u64>,
}

impl Counted {
    /// Counts the rows that enter, and the values of each column. A relation that the program does not know is left
    /// out, and so is one that is not among the changes.
    pub fn of(program: &Program, changes: &Changes) -> Self {
        let known =
            changes.iter().filter_map(|(name, rows)| Some((name, program.relations.get(name)?, rows)));
        let relations = known.map(|(name, relation, changes)| {
            let rows = || changes.iter().filter(|(_, weight)| *weight > 0).map(|(row, _)| row);
            let distinct = relation.names().enumerate();
            let distinct = distinct.map(|(place, column)| (column.to_string(), values_at(rows(), place)));
            (name.clone(), Counts { rows: length(rows().count()), distinct: distinct.collect() })
        });
        Counted { relations: relations.collect() }
    }
}

impl Stats for Counted {
    fn rows(&self, relation: &str) -> Option<u64> {
        Some(self.relations.get(relation)?.rows)
    }

    fn distinct(&self, relation: &str, column: &str) -> Option<u64> {
        self.relations.get(relation)?.distinct.get(column).copied()
    }
}

/// How many different values rows have at a place: of 64-bit hashes, so that no value is copied.
fn values_at<'a>(rows: impl Iterator<Item = &'a Row>, place: usize) -> u64 {
    let hasher = BuildHasherDefault::<FxHasher>::default();
    let hash = |value: &Value| hasher.hash_one(value);
    let hashes: FxHashSet<u64> = rows.filter_map(|row| row.get(place)).map(hash).collect();
    length(hashes.len())
}

fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ColumnType, Relation};

    #[test]
    fn rows_and_values_are_counted_that_enter() {
        let any = |name: &str| (name.into(), ColumnType::Any);
        let edge = Relation { columns: vec![any("x"), any("y")], input: true, event: false, output: false };
        let program = Program { relations: [("Edge".into(), edge)].into(), statements: vec![] };
        let row = |x: i64, y: i64, weight| (vec![Value::Int(x), Value::Int(y)], weight);
        let rows = vec![row(1, 1, 1), row(1, 2, 1), row(1, 3, -1)];
        let stats = Counted::of(&program, &[("Edge".into(), rows)].into());
        assert_eq!(stats.rows("Edge"), Some(2));
        assert_eq!((stats.distinct("Edge", "x"), stats.distinct("Edge", "y")), (Some(1), Some(2)));
        assert_eq!((stats.rows("Node"), stats.distinct("Edge", "z")), (None, None));
    }
}
