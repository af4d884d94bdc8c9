//! Aggregates: count, sum, min, max (PL-22), by the rules of Q2, Q3 and Q9.

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
