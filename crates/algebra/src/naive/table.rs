//! Rows with the columns of their places, and what the operators of the algebra mean for them.

use std::collections::{BTreeMap, BTreeSet};

use motet_fact::Value;

use super::{CHECKED, Rows};
use crate::aggregate::{dense_ranks, row_order};
use crate::moves::fold_moves;
use crate::schema::position;
use crate::{Aggregate, Column, Row};

/// The rows of an expression, and the column of each place in them.
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Rows,
}

impl Table {
    /// Each row cut to some columns.
    pub(super) fn project<'a>(&'a self, columns: &'a [Column]) -> impl Iterator<Item = Row> + use<'a> {
        let places = self.places(columns.iter());
        self.rows.iter().map(move |row| pick(row, &places))
    }

    /// The left rows that agree with some right row on the shared columns, or those that agree with none.
    pub(super) fn matching(&self, right: &Table, wanted: bool) -> impl Iterator<Item = Row> {
        let (left_key, right_key) = self.shared(right);
        let keys: BTreeSet<Row> = right.rows.iter().map(|row| pick(row, &right_key)).collect();
        self.rows.iter().filter(move |row| keys.contains(&pick(row, &left_key)) == wanted).cloned()
    }

    /// An aggregate over the given columns, in groups, and the keys of those where it has no value.
    pub(super) fn group<'a>(
        &self,
        keys: &[Column],
        aggregate: &Aggregate,
        over: impl Iterator<Item = &'a Column>,
    ) -> (Vec<Row>, Vec<Row>) {
        let over = self.places(over);
        let (mut grouped, mut undefined) = (Vec::new(), Vec::new());
        for (mut key, rows) in self.groups(keys) {
            let mut values: Vec<Row> = rows.into_iter().map(|row| pick(row, &over)).collect();
            if *aggregate == Aggregate::Count && !over.is_empty() {
                values.sort_unstable();
                values.dedup();
            }
            match aggregate.fold_rows(&mut values.into_iter()) {
                None => undefined.push(key),
                Some(value) => {
                    key.push(value);
                    grouped.push(key);
                }
            }
        }
        (grouped, undefined)
    }

    /// Each row with its place in its group.
    pub(super) fn rank(&self, keys: &[Column], by: &[Column]) -> impl Iterator<Item = Row> {
        let by = self.places(by.iter());
        let ranked = move |rows: Vec<&Row>| {
            let ranks = dense_ranks(&rows.iter().map(|row| pick(row, &by)).collect::<Vec<_>>());
            let row = |(row, rank): (&Row, i64)| [row.as_slice(), &[Value::Int(rank)]].concat();
            rows.into_iter().zip(ranks).map(row).collect::<Vec<_>>()
        };
        self.groups(keys).into_values().flat_map(ranked)
    }

    /// Where the moves of each group leave its nodes. The last two columns given say what is moved under what, and all
    /// of them in which order.
    pub(super) fn replay<'a>(
        &self,
        keys: &[Column],
        ordered: impl Iterator<Item = &'a Column>,
    ) -> impl Iterator<Item = Row> {
        let places = self.places(ordered);
        let placed = move |(key, rows): (Row, Vec<&Row>)| {
            let mut moves: Vec<Row> = rows.into_iter().map(|row| pick(row, &places)).collect();
            moves.sort_unstable_by(|left, right| row_order(left, right));
            let moved = |mut row: Row| row.pop().zip(row.pop()).map(|(parent, node)| (node, parent));
            let parents = fold_moves(moves.into_iter().filter_map(moved));
            parents.into_iter().map(move |(node, parent)| [key.as_slice(), &[node, parent]].concat())
        };
        self.groups(keys).into_iter().flat_map(placed)
    }

    /// The rows by what they hold in some columns.
    fn groups(&self, keys: &[Column]) -> BTreeMap<Row, Vec<&Row>> {
        let keys = self.places(keys.iter());
        let mut groups: BTreeMap<Row, Vec<&Row>> = BTreeMap::new();
        for row in self.rows.iter() {
            groups.entry(pick(row, &keys)).or_default().push(row);
        }
        groups
    }

    fn places<'a>(&self, columns: impl Iterator<Item = &'a Column>) -> Vec<usize> {
        columns.map(|column| position(&self.columns, column).expect(CHECKED)).collect()
    }

    /// The places of the columns that another table does not have.
    pub(super) fn places_without(&self, other: &Table) -> Vec<usize> {
        self.places_of(|column| !other.columns.contains(column))
    }

    fn places_of(&self, wanted: impl Fn(&Column) -> bool) -> Vec<usize> {
        (0..self.columns.len()).filter(|place| wanted(&self.columns[*place])).collect()
    }

    /// Where the shared columns stand in each of two tables, in the order of the first.
    pub(super) fn shared(&self, other: &Table) -> (Vec<usize>, Vec<usize>) {
        let here = self.places_of(|column| other.columns.contains(column));
        let there = here
            .iter()
            .map(|place| position(&other.columns, &self.columns[*place]).expect("a shared column"))
            .collect();
        (here, there)
    }

    /// The columns of a join: those of the left, and those that only the right has.
    pub(super) fn joined_columns(&self, right: &Table) -> Vec<Column> {
        let added = right.columns.iter().filter(|column| !self.columns.contains(column));
        self.columns.iter().chain(added).cloned().collect()
    }
}

/// A row of what another has at some places.
pub(super) fn pick(row: &Row, places: &[usize]) -> Row {
    places.iter().map(|place| row[*place].clone()).collect()
}
