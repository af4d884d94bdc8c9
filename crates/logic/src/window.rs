//! The rows of an output as they are shown, kept right: in its order, and no more than its limit (Q21).
//!
//! All rows stand in one order, cut in two: those that are shown, and those behind the limit. A row that comes or goes
//! moves the cut by one row at most, so a change costs what it changes, and not what is shown.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use motet_algebra::{Row, query_order};

use crate::{Direction, Interface};

/// Places of columns, and which way they order rows.
pub(crate) type Keys = Vec<(usize, Direction)>;

/// How two rows stand in an order of columns: each compares as `<` does, and rows that no column tells apart are in
/// value order.
pub(crate) fn compare(keys: &Keys, left: &Row, right: &Row) -> Ordering {
    let by_key = keys.iter().map(|(place, direction)| {
        let order = query_order(&left[*place], &right[*place]);
        if *direction == Direction::Descending { order.reverse() } else { order }
    });
    by_key.fold(Ordering::Equal, Ordering::then).then_with(|| left.cmp(right))
}

/// A row that knows its place in an order.
#[derive(Clone, Debug)]
struct Placed {
    row: Row,
    keys: Arc<Keys>,
}

impl Ord for Placed {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.keys, &self.row, &other.row)
    }
}

impl PartialOrd for Placed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Placed {
    fn eq(&self, other: &Self) -> bool {
        self.row == other.row
    }
}

impl Eq for Placed {}

/// The shown rows of an output, and those behind its limit.
#[derive(Clone, Debug)]
pub struct Window {
    keys: Arc<Keys>,
    limit: usize,
    shown: BTreeSet<Placed>,
    behind: BTreeSet<Placed>,
}

impl Window {
    /// The window of an output without rows.
    pub fn new(output: &Interface) -> Self {
        Window {
            keys: Arc::new(output.keys()),
            limit: output.limit.unwrap_or(usize::MAX),
            shown: BTreeSet::new(),
            behind: BTreeSet::new(),
        }
    }

    /// The rows that are shown, in their order.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.shown.iter().map(|placed| &placed.row)
    }

    /// Takes in net changes of the output, and gives those of what is shown, in its order: each row once, with +1 if it
    /// is shown now and was not, and with -1 if it was and is not.
    pub fn step(&mut self, changes: &[(Row, i64)]) -> Vec<(Row, i64)> {
        let mut net = BTreeMap::new();
        for (row, weight) in changes {
            let placed = Placed { row: row.clone(), keys: Arc::clone(&self.keys) };
            if *weight > 0 { self.enter(placed, &mut net) } else { self.leave(placed, &mut net) }
        }
        net.into_iter()
            .filter(|(_, weight)| *weight != 0)
            .map(|(placed, weight)| (placed.row, weight))
            .collect()
    }

    fn enter(&mut self, placed: Placed, net: &mut BTreeMap<Placed, i64>) {
        if self.shown.len() == self.limit && self.shown.last().is_none_or(|last| *last < placed) {
            self.behind.insert(placed);
            return;
        }
        *net.entry(placed.clone()).or_default() += 1;
        self.shown.insert(placed);
        if self.shown.len() > self.limit {
            let last = self.shown.pop_last().expect("one was just inserted");
            *net.entry(last.clone()).or_default() -= 1;
            self.behind.insert(last);
        }
    }

    fn leave(&mut self, placed: Placed, net: &mut BTreeMap<Placed, i64>) {
        if !self.shown.remove(&placed) {
            self.behind.remove(&placed);
            return;
        }
        *net.entry(placed).or_default() -= 1;
        if let Some(next) = self.behind.pop_first() {
            *net.entry(next.clone()).or_default() += 1;
            self.shown.insert(next);
        }
    }
}
