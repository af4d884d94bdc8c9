//! Aggregates: count, sum, min, max, mean, arg_max, arg_min (PL-22), by the rules of Q2, Q3 and Q9.
//!
//! No result depends on the order of the values, so that two machines, or one machine twice, agree to the last bit.

use std::cmp::Ordering;
use std::sync::Arc;

use motet_fact::Value;

use crate::UserAggregate;
use crate::exact::FloatSum;
use crate::runtime::Row;
use crate::term::query_order;

/// What is computed over a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aggregate {
    /// The number of distinct rows, or of distinct values of a column.
    Count,
    /// The sum of a column over distinct rows: ints in a wide accumulator, undefined if the result leaves i64; floats
    /// exactly, rounded once; undefined for other kinds and for a mix.
    Sum,
    /// The least value by the order of `<` (int and float by exact value, the int first in a tie; other kinds by rank).
    Min,
    /// The greatest value by the same order.
    Max,
    /// The sum of a column over distinct rows, divided by their number: always a float, exact before it is rounded
    /// once; undefined for other kinds than int and float and for a mix.
    Mean,
    /// The value of a column in the row that is greatest by other columns, compared one after the other in the order of
    /// `<`; of several such rows the greatest value.
    ArgMax,
    /// The value of a column in the row that is least by other columns; of several such rows the least value.
    ArgMin,
    /// One that the application registered.
    User(Arc<UserAggregate>),
}

impl Aggregate {
    /// Every aggregate that is built in.
    pub const ALL: [Aggregate; 7] = [
        Aggregate::Count,
        Aggregate::Sum,
        Aggregate::Min,
        Aggregate::Max,
        Aggregate::Mean,
        Aggregate::ArgMax,
        Aggregate::ArgMin,
    ];

    /// The word for it in programs.
    pub fn name(&self) -> &str {
        match self {
            Aggregate::Count => "count",
            Aggregate::Sum => "sum",
            Aggregate::Min => "min",
            Aggregate::Max => "max",
            Aggregate::Mean => "mean",
            Aggregate::ArgMax => "arg_max",
            Aggregate::ArgMin => "arg_min",
            Aggregate::User(aggregate) => aggregate.name(),
        }
    }

    /// Whether rows with the same value count as often as there are; otherwise each value counts once.
    pub fn counts_rows(&self) -> bool {
        matches!(self, Aggregate::Sum | Aggregate::Mean | Aggregate::User(_))
    }

    /// Whether it compares rows by further columns: these have to be named.
    pub fn goes_by_columns(&self) -> bool {
        matches!(self, Aggregate::ArgMax | Aggregate::ArgMin)
    }

    /// The aggregate of some rows, in any order: each the columns it is compared by, and then the column it is computed
    /// over, if there is one. Otherwise as [`Aggregate::fold`].
    pub fn fold_rows(&self, rows: &mut dyn Iterator<Item = Row>) -> Option<Value> {
        let best = match self {
            Aggregate::ArgMax => rows.max_by(|left, right| row_order(left, right))?,
            Aggregate::ArgMin => rows.min_by(|left, right| row_order(left, right))?,
            _ => return self.fold(&mut rows.map(|mut row| row.pop().unwrap_or(Value::Bool(true)))),
        };
        best.last().cloned()
    }

    /// The aggregate of some values, in any order. Which values those are is the caller's affair: one for each
    /// distinct row, and for `count` over a column one for each distinct value. Undefined (`None`): all but count and
    /// sum of nothing, a sum that no value of its kind holds, and a sum or mean of other kinds than int or float, or of
    /// both. The sum of nothing is the int 0. Rows of a single value are all alike to `arg_max` and `arg_min`, so these
    /// give the greatest and the least.
    pub fn fold(&self, values: &mut dyn Iterator<Item = Value>) -> Option<Value> {
        match self {
            Aggregate::Count => i64::try_from(values.count()).ok().map(Value::Int),
            Aggregate::Sum => sum(values),
            // `min_by` keeps the first and `max_by` the last of equals; equals are identical here.
            Aggregate::Min | Aggregate::ArgMin => values.min_by(query_order),
            Aggregate::Max | Aggregate::ArgMax => values.max_by(query_order),
            Aggregate::Mean => mean(values),
            Aggregate::User(aggregate) => aggregate.fold(values.collect()),
        }
    }
}

/// The order of `<` on rows: the first column that differs decides.
pub fn row_order(left: &[Value], right: &[Value]) -> Ordering {
    let mut columns = left.iter().zip(right).map(|(left, right)| query_order(left, right));
    columns.find(|order| order.is_ne()).unwrap_or_else(|| left.len().cmp(&right.len()))
}

/// Ranks from 1 without gaps, for rows that are given as what they are compared by: equal rows have one rank, and the
/// least the rank 1.
pub fn dense_ranks(rows: &[Row]) -> Vec<i64> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|left, right| row_order(&rows[*left], &rows[*right]));
    let mut ranks = vec![0; rows.len()];
    let mut before: Option<usize> = None;
    let mut rank = 0;
    for place in order {
        rank += i64::from(before.is_none_or(|before| rows[before] != rows[place]));
        ranks[place] = rank;
        before = Some(place);
    }
    ranks
}

fn mean(values: &mut dyn Iterator<Item = Value>) -> Option<Value> {
    let mut sum = FloatSum::default();
    let (mut ints, mut floats) = (0, 0);
    for value in values {
        match value {
            Value::Int(int) => {
                sum.add_int(int);
                ints += 1;
            }
            Value::Float(float) => {
                sum.add(float.get());
                floats += 1;
            }
            _ => return None,
        }
    }
    let count = if ints == 0 { floats } else { ints };
    let defined = count > 0 && ints.min(floats) == 0;
    defined.then(|| sum.mean(count)).flatten().and_then(|mean| Value::float(mean).ok())
}

fn sum(values: &mut dyn Iterator<Item = Value>) -> Option<Value> {
    let mut ints: Option<i128> = None;
    let mut floats: Option<FloatSum> = None;
    for value in values {
        match value {
            // 2^64 rows of 2^63 would be needed to leave an i128.
            Value::Int(int) => *ints.get_or_insert_default() += i128::from(int),
            Value::Float(float) => floats.get_or_insert_default().add(float.get()),
            _ => return None,
        }
    }
    match (ints, floats) {
        (Some(_), Some(_)) => None,
        (None, Some(floats)) => floats.round().and_then(|sum| Value::float(sum).ok()),
        (ints, None) => i64::try_from(ints.unwrap_or(0)).ok().map(Value::Int),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(aggregate: Aggregate, values: &[Value]) -> Option<Value> {
        let backwards = aggregate.fold(&mut values.iter().rev().cloned());
        let forwards = aggregate.fold(&mut values.iter().cloned());
        assert_eq!(forwards, backwards, "the order of values must not matter");
        forwards
    }

    #[test]
    fn sums_are_exact_and_stay_in_their_kind() {
        let int = Value::Int;
        let float = |number| Value::float(number).unwrap();
        assert_eq!(fold(Aggregate::Sum, &[int(5), int(5)]), Some(int(10)));
        assert_eq!(fold(Aggregate::Sum, &[int(i64::MAX), int(1), int(-1)]), Some(int(i64::MAX)));
        assert_eq!(fold(Aggregate::Sum, &[int(i64::MAX), int(1)]), None);
        assert_eq!(fold(Aggregate::Sum, &[float(1e16), float(1.0), float(-1e16)]), Some(float(1.0)));
        assert_eq!(fold(Aggregate::Sum, &[int(1), float(1.0)]), None);
        assert_eq!(fold(Aggregate::Sum, &["a".into()]), None);
        assert_eq!(fold(Aggregate::Sum, &[]), Some(int(0)));
    }

    #[test]
    fn extremes_follow_the_order_of_less() {
        let values = ["a".into(), Value::Int(1), Value::float(1.0).unwrap(), Value::float(0.5).unwrap()];
        assert_eq!(fold(Aggregate::Min, &values), Some(Value::float(0.5).unwrap()));
        assert_eq!(fold(Aggregate::Max, &values[1..]), Some(Value::float(1.0).unwrap()));
        assert_eq!(fold(Aggregate::Min, &[]), None);
        assert_eq!(fold(Aggregate::Count, &values), Some(Value::Int(4)));
    }

    #[test]
    fn means_are_floats_of_one_kind_of_number() {
        let (int, float) = (Value::Int, |number| Value::float(number).unwrap());
        assert_eq!(fold(Aggregate::Mean, &[int(1), int(2)]), Some(float(1.5)));
        assert_eq!(
            fold(Aggregate::Mean, &[int(i64::MAX), int(i64::MAX)]),
            Some(float(9_223_372_036_854_775_807.0))
        );
        assert_eq!(
            fold(Aggregate::Mean, &[float(1e16), float(1.0), float(-1e16), float(0.0)]),
            Some(float(0.25))
        );
        assert_eq!(fold(Aggregate::Mean, &[int(1), float(1.0)]), None);
        assert_eq!(fold(Aggregate::Mean, &["a".into()]), None);
        assert_eq!(fold(Aggregate::Mean, &[]), None);
    }

    #[test]
    fn the_best_row_is_found_column_by_column() {
        let row =
            |by: i64, then: f64, value: &str| vec![Value::Int(by), Value::float(then).unwrap(), value.into()];
        let rows =
            [row(1, 9.0, "a"), row(2, 0.5, "b"), row(2, 0.5, "c"), row(2, 0.25, "d"), row(1, 1.0, "e")];
        let fold = |aggregate: Aggregate, rows: &[Row]| {
            let backwards = aggregate.fold_rows(&mut rows.iter().rev().cloned());
            assert_eq!(aggregate.fold_rows(&mut rows.iter().cloned()), backwards);
            backwards
        };
        assert_eq!(fold(Aggregate::ArgMax, &rows), Some("c".into()), "of equals the greatest");
        assert_eq!(fold(Aggregate::ArgMin, &rows), Some("e".into()));
        assert_eq!(fold(Aggregate::ArgMin, &rows[1..4]), Some("d".into()));
        assert_eq!(fold(Aggregate::ArgMin, &rows[1..3]), Some("b".into()), "of equals the least");
        assert_eq!(fold(Aggregate::ArgMax, &[]), None);
    }

    #[test]
    fn ranks_have_no_gaps() {
        let rows = [3, 1, 3, 2, 1].map(|number| vec![Value::Int(number)]);
        assert_eq!(dense_ranks(&rows), [3, 1, 3, 2, 1]);
        let numbers = [vec![Value::float(1.0).unwrap()], vec![Value::Int(1)]];
        assert_eq!(dense_ranks(&numbers), [2, 1], "the int comes first");
        assert!(dense_ranks(&[]).is_empty());
    }
}
