//! Operators, formulas and terms: PomoRA expressions as data.
//!
//! Columns are named and have no order (PDB-1); relations are sets. Every operator takes sets to sets.

use std::sync::Arc;

use motet_fact::Value;

use crate::program::RelationName;
use crate::{Aggregate, UserFunction};

/// The name of a column.
pub type Column = Arc<str>;

/// A relational expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// The contents of a relation. `cid`, if given, is a further column with the CID of each row (PL-11): for a
    /// *stored* relation that carries CIDs (its declared schema has the column `$cid`) that column under a new name;
    /// for any other relation the hash of requirements §3.6 over the relation's name and all its columns.
    Relation {
        /// Which relation.
        name: RelationName,
        /// The column to hold each row's CID, if the row's CID is wanted.
        cid: Option<Column>,
    },
    /// Rows that stand in the program.
    Constant {
        /// The columns, in the order of each row's values.
        columns: Vec<Column>,
        /// The rows.
        rows: Vec<Vec<Value>>,
    },
    /// The rows for which a formula holds (RA selection).
    Select {
        /// From these rows.
        input: Box<Expression>,
        /// What must hold. A comparison with an undefined side holds for no row (Q3).
        formula: Formula,
    },
    /// The rows cut to some columns.
    Project {
        /// Of these rows.
        input: Box<Expression>,
        /// The columns kept.
        columns: Vec<Column>,
    },
    /// The rows with columns renamed, all at once (RA-7).
    Rename {
        /// Of these rows.
        input: Box<Expression>,
        /// Pairs of old and new name.
        pairs: Vec<(Column, Column)>,
    },
    /// The rows with one more column, computed from the others (RA-X1). A row whose term is undefined is dropped (Q3).
    Extend {
        /// Of these rows.
        input: Box<Expression>,
        /// The new column.
        column: Column,
        /// What it holds.
        term: Term,
    },
    /// The rows of any of the inputs, which have the same columns. Never empty.
    Union(Vec<Expression>),
    /// The rows of the first that are not in the second; the same columns.
    Difference(Box<Expression>, Box<Expression>),
    /// The natural join: pairs of rows that agree on all shared columns. Without shared columns, the product.
    Join(Box<Expression>, Box<Expression>),
    /// All pairs of rows. The inputs share no columns (RA-9).
    Product(Box<Expression>, Box<Expression>),
    /// The pairs of rows for which a formula holds. The inputs share no columns (RA-10).
    ThetaJoin {
        /// Gives the first of each pair.
        left: Box<Expression>,
        /// Gives the second.
        right: Box<Expression>,
        /// What must hold of both together.
        formula: Formula,
    },
    /// The pairs of rows that have the same in certain columns. The inputs share no columns (RA-11).
    EquiJoin {
        /// Gives the first of each pair.
        left: Box<Expression>,
        /// Gives the second.
        right: Box<Expression>,
        /// Pairs of a column of the left and one of the right.
        pairs: Vec<(Column, Column)>,
    },
    /// The rows of the first that agree with some row of the second on all shared columns.
    SemiJoin(Box<Expression>, Box<Expression>),
    /// The rows of the first that agree with no row of the second on all shared columns. Without shared columns:
    /// the first if the second is empty, else nothing (PL-33).
    AntiJoin(Box<Expression>, Box<Expression>),
    /// One row per group: the key columns and one aggregate over the group's distinct rows (PL-24). A group is
    /// there only if it has rows; what an empty group gives is the compiler's affair (PL-25). A group whose aggregate
    /// is undefined (an int sum that leaves i64, Q3) is dropped.
    GroupBy {
        /// Of these rows.
        input: Box<Expression>,
        /// The columns that make the groups; may be empty.
        keys: Vec<Column>,
        /// What is computed.
        aggregate: Aggregate,
        /// The column it is computed over; none for a count of rows. `count` over a column counts its distinct values.
        over: Option<Column>,
        /// The columns that `arg_max` and `arg_min` compare rows by, one after the other; for others none.
        by: Vec<Column>,
        /// The column that holds the result.
        result: Column,
    },
    /// The rows with one more column: the place of each in its group, by the order of `<` on some columns. Rows that
    /// agree on these have the same rank; the least has 1, the next 2 (Q9).
    Rank {
        /// Of these rows.
        input: Box<Expression>,
        /// The columns that make the groups; may be empty.
        keys: Vec<Column>,
        /// The columns that make the order, one after the other; at least one.
        by: Vec<Column>,
        /// The new column.
        result: Column,
    },
    /// One row per group and node: the key columns, the node, and the parent it has after all moves of the group, of
    /// which each row is one (H19, [`crate::moves::fold_moves`]). Moves are made in the order of `<` on some columns,
    /// then on the node, then on the parent.
    FoldMoves {
        /// Of these rows.
        input: Box<Expression>,
        /// The columns that make the groups; may be empty.
        keys: Vec<Column>,
        /// The column of what is moved.
        node: Column,
        /// The column of what it is moved under.
        parent: Column,
        /// The columns that make the order, one after the other; at least one.
        by: Vec<Column>,
        /// The column that holds the parent in the end.
        result: Column,
    },
}

impl Expression {
    /// The expressions an operator takes its rows from, in order.
    pub fn inputs(&self) -> Vec<&Expression> {
        match self {
            Expression::Relation { .. } | Expression::Constant { .. } => vec![],
            Expression::Select { input, .. }
            | Expression::Project { input, .. }
            | Expression::Rename { input, .. }
            | Expression::Extend { input, .. }
            | Expression::GroupBy { input, .. }
            | Expression::Rank { input, .. }
            | Expression::FoldMoves { input, .. } => vec![input],
            Expression::Union(inputs) => inputs.iter().collect(),
            Expression::Difference(left, right)
            | Expression::Join(left, right)
            | Expression::Product(left, right)
            | Expression::ThetaJoin { left, right, .. }
            | Expression::EquiJoin { left, right, .. }
            | Expression::SemiJoin(left, right)
            | Expression::AntiJoin(left, right) => vec![left, right],
        }
    }

    /// The same, to be changed.
    pub fn inputs_mut(&mut self) -> Vec<&mut Expression> {
        match self {
            Expression::Relation { .. } | Expression::Constant { .. } => vec![],
            Expression::Select { input, .. }
            | Expression::Project { input, .. }
            | Expression::Rename { input, .. }
            | Expression::Extend { input, .. }
            | Expression::GroupBy { input, .. }
            | Expression::Rank { input, .. }
            | Expression::FoldMoves { input, .. } => vec![input],
            Expression::Union(inputs) => inputs.iter_mut().collect(),
            Expression::Difference(left, right)
            | Expression::Join(left, right)
            | Expression::Product(left, right)
            | Expression::ThetaJoin { left, right, .. }
            | Expression::EquiJoin { left, right, .. }
            | Expression::SemiJoin(left, right)
            | Expression::AntiJoin(left, right) => vec![left, right],
        }
    }
}

/// A condition on one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Formula {
    /// Holds for every row.
    True,
    /// A comparison of two terms (Q2).
    Compare(Comparison, Term, Term),
    /// All of these hold.
    And(Vec<Formula>),
    /// One of these holds.
    Or(Vec<Formula>),
    /// This does not hold.
    Not(Box<Formula>),
}

/// A comparison. `Equal` and `Unequal` compare identity; the others compare int with float by exact value (Q2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// A term over the columns of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// The value of a column.
    Column(Column),
    /// A constant.
    Constant(Value),
    /// A function of terms; undefined where it fails (Q3).
    Apply(Function, Vec<Term>),
}

/// A function. All are pure. Arithmetic never mixes kinds (Q2); overflow, division by zero and results that are not
/// finite are undefined (Q3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// `a + b`
    Add,
    /// `a - b`
    Subtract,
    /// `a * b`
    Multiply,
    /// `a / b`, truncating for ints.
    Divide,
    /// `a % b`, with the dividend's sign.
    Remainder,
    /// `-a`
    Negate,
    /// `float(a)`
    ToFloat,
    /// `int(a)`, truncating.
    ToInt,
    /// `abs(a)`
    Abs,
    /// `min2(a, b)` by the order of `<`.
    Min2,
    /// `max2(a, b)` by the order of `<`.
    Max2,
    /// `length(text)` in characters, or of bytes in bytes.
    Length,
    /// `concat(a, b)` of two texts.
    Concat,
    /// `contains(text, part)`
    Contains,
    /// `starts_with(text, start)`
    StartsWith,
    /// `lower(text)`
    Lower,
    /// `upper(text)`
    Upper,
    /// `trim(text)`: without white space at both ends.
    Trim,
    /// `split(text, separator, n)`: the part at place n, from the end if that is negative.
    Split,
    /// `parts(text, separator)`: how many parts there are.
    Parts,
    /// `slice(text, from, to)`, of bytes too: what lies from one place to before another.
    Slice,
    /// `index_of(text, part)`: the place where the part begins first.
    IndexOf,
    /// `replace(text, part, by)`: everywhere.
    Replace,
    /// `text(a)`: a text as it is, any other value as a literal.
    Text,
    /// `kind(a)`: the name of its kind.
    Kind,
    /// `time(text)`: a text of RFC 3339 as milliseconds since 1970.
    Time,
    /// `iso(a)`: milliseconds since 1970 as a text of RFC 3339, in UTC.
    Iso,
    /// `floor(a)`: the greatest whole number that is not greater.
    Floor,
    /// `ceil(a)`: the least whole number that is not less.
    Ceil,
    /// `round(a)`: the nearest whole number; of two the one further from 0.
    Round,
    /// `sqrt(a)` of a float.
    Sqrt,
    /// `pow(a, n)`: to the power of an int.
    Pow,
    /// `bit_and(a, b)` of ints.
    BitAnd,
    /// `bit_or(a, b)` of ints.
    BitOr,
    /// `bit_xor(a, b)` of ints.
    BitXor,
    /// One that the application registered.
    User(Arc<UserFunction>),
}
