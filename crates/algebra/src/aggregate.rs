//! Aggregates: count, sum, min, max (PL-22), by the rules of Q2, Q3 and Q9.
//!
//! No result depends on the order of the values, so that two machines, or one machine twice, agree to the last bit.

use motet_fact::Value;

use crate::exact::FloatSum;
use crate::term::query_order;

/// What is computed over a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
}

impl Aggregate {
    /// The word for it in programs.
    pub fn name(self) -> &'static str {
        match self {
            Aggregate::Count => "count",
            Aggregate::Sum => "sum",
            Aggregate::Min => "min",
            Aggregate::Max => "max",
        }
    }

    /// The aggregate of some values, in any order. Which values those are is the caller's affair: one for each
    /// distinct row, and for `count` over a column one for each distinct value. Undefined (`None`): min and max of
    /// nothing, a sum that no value of its kind holds, and a sum of other kinds than int or float, or of both. The sum
    /// of nothing is the int 0.
    pub fn fold(self, values: &mut dyn Iterator<Item = Value>) -> Option<Value> {
        match self {
            Aggregate::Count => i64::try_from(values.count()).ok().map(Value::Int),
            Aggregate::Sum => sum(values),
            // `min_by` keeps the first and `max_by` the last of equals; equals are identical here.
            Aggregate::Min => values.min_by(query_order),
            Aggregate::Max => values.max_by(query_order),
        }
    }
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
}
