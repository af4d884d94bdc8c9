//! Evaluation of terms and comparisons (Q2, Q3).
//!
//! A [`Term`] names columns; a [`BoundTerm`] knows where they stand in a row, so that evaluation looks nothing up by
//! name. A term without a value is *undefined* (`None`): overflow, division by zero, a result that is not finite, or a
//! value of the wrong kind in a column of type `any`. Formulas are three-valued for that reason (Kleene's logic): a
//! comparison with an undefined side is neither true nor false, its negation is neither too, and a row is selected
//! only by what is true. So `!(X / 0 == 1)` holds for no row, as Q3 demands.
//!
//! There are two relations between values, and they are kept apart: *identity* (`==`, `!=`, joins, sets) is [`Value`]'s
//! `Eq`, in which 1 and 1.0 differ; the *order of `<`* is [`query_order`], which compares ints with floats by exact
//! value.

use std::cmp::Ordering;

use motet_fact::{Float, Value};

use crate::schema::{SchemaError, position};
use crate::{Column, Comparison, Formula, Function, Term, texts, times};

/// The order of `<`, `min` and `max` (Q2): ints and floats by exact value, the int first in a tie; values of other
/// kinds by kind rank, and in a kind by storage order. Total, and equal only for identical values.
pub fn query_order(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Int(int), Value::Float(float)) => int_with_float(*int, *float),
        (Value::Float(float), Value::Int(int)) => int_with_float(*int, *float).reverse(),
        _ => left.cmp(right),
    }
}

/// Never equal: in a tie the int comes first.
fn int_with_float(int: i64, float: Float) -> Ordering {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    let float = float.get();
    if float >= TWO_TO_63 {
        return Ordering::Less;
    }
    if float < -TWO_TO_63 {
        return Ordering::Greater;
    }
    #[expect(clippy::cast_possible_truncation, reason = "a whole number in the range of i64")]
    let whole = float.trunc() as i64;
    let rest_is_negative = float.fract() < 0.0;
    int.cmp(&whole).then(if rest_is_negative { Ordering::Greater } else { Ordering::Less })
}

impl Comparison {
    /// Every comparison.
    pub const ALL: [Comparison; 6] = [
        Comparison::Equal,
        Comparison::Unequal,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ];

    /// Whether two values compare so.
    pub fn holds(self, left: &Value, right: &Value) -> bool {
        match self {
            Comparison::Equal => left == right,
            Comparison::Unequal => left != right,
            Comparison::Less => query_order(left, right).is_lt(),
            Comparison::LessOrEqual => query_order(left, right).is_le(),
            Comparison::Greater => query_order(left, right).is_gt(),
            Comparison::GreaterOrEqual => query_order(left, right).is_ge(),
        }
    }

    /// How it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Comparison::Equal => "==",
            Comparison::Unequal => "!=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        }
    }
}

impl Function {
    /// Every function that is built in.
    pub const ALL: [Function; 35] = [
        Function::Add,
        Function::Subtract,
        Function::Multiply,
        Function::Divide,
        Function::Remainder,
        Function::Negate,
        Function::ToFloat,
        Function::ToInt,
        Function::Abs,
        Function::Min2,
        Function::Max2,
        Function::Length,
        Function::Concat,
        Function::Contains,
        Function::StartsWith,
        Function::Lower,
        Function::Upper,
        Function::Trim,
        Function::Split,
        Function::Parts,
        Function::Slice,
        Function::IndexOf,
        Function::Replace,
        Function::Text,
        Function::Kind,
        Function::Time,
        Function::Iso,
        Function::Floor,
        Function::Ceil,
        Function::Round,
        Function::Sqrt,
        Function::Pow,
        Function::BitAnd,
        Function::BitOr,
        Function::BitXor,
    ];

    /// How many arguments it takes.
    pub fn arity(&self) -> usize {
        match self {
            Function::Negate
            | Function::ToFloat
            | Function::ToInt
            | Function::Abs
            | Function::Length
            | Function::Lower
            | Function::Upper
            | Function::Trim
            | Function::Text
            | Function::Kind
            | Function::Time
            | Function::Iso
            | Function::Floor
            | Function::Ceil
            | Function::Round
            | Function::Sqrt => 1,
            Function::Add
            | Function::Subtract
            | Function::Multiply
            | Function::Divide
            | Function::Remainder
            | Function::Min2
            | Function::Max2
            | Function::Concat
            | Function::Contains
            | Function::StartsWith
            | Function::Parts
            | Function::IndexOf
            | Function::Pow
            | Function::BitAnd
            | Function::BitOr
            | Function::BitXor => 2,
            Function::Split | Function::Slice | Function::Replace => 3,
            Function::User(function) => function.parameters().len(),
        }
    }

    /// Its name in programs, or the sign of an operator.
    pub fn name(&self) -> &str {
        match self {
            Function::Add => "+",
            Function::Subtract | Function::Negate => "-",
            Function::Multiply => "*",
            Function::Divide => "/",
            Function::Remainder => "%",
            Function::ToFloat => "float",
            Function::ToInt => "int",
            Function::Abs => "abs",
            Function::Min2 => "min2",
            Function::Max2 => "max2",
            Function::Length => "length",
            Function::Concat => "concat",
            Function::Contains => "contains",
            Function::StartsWith => "starts_with",
            Function::Lower => "lower",
            Function::Upper => "upper",
            Function::Trim => "trim",
            Function::Split => "split",
            Function::Parts => "parts",
            Function::Slice => "slice",
            Function::IndexOf => "index_of",
            Function::Replace => "replace",
            Function::Text => "text",
            Function::Kind => "kind",
            Function::Time => "time",
            Function::Iso => "iso",
            Function::Floor => "floor",
            Function::Ceil => "ceil",
            Function::Round => "round",
            Function::Sqrt => "sqrt",
            Function::Pow => "pow",
            Function::BitAnd => "bit_and",
            Function::BitOr => "bit_or",
            Function::BitXor => "bit_xor",
            Function::User(function) => function.name(),
        }
    }

    /// The function's value, or nothing where it is undefined (Q3).
    ///
    /// # Panics
    /// If the number of arguments is not [`Function::arity`]: binding checks it.
    pub fn apply(&self, arguments: &[Value]) -> Option<Value> {
        match arguments {
            _ if let Function::User(function) = self => function.apply(arguments),
            [only] => self.apply_to_one(only),
            [left, right] => self.apply_to_two(left, right),
            [first, second, third] => self.apply_to_three(first, second, third),
            _ => panic!("{self:?} applied to {} arguments", arguments.len()),
        }
    }

    fn apply_to_one(&self, value: &Value) -> Option<Value> {
        match (self, value) {
            (Function::Negate, Value::Int(int)) => int.checked_neg().map(Value::Int),
            (Function::Negate, Value::Float(float)) => Value::float(-float.get()).ok(),
            (Function::Abs, Value::Int(int)) => int.checked_abs().map(Value::Int),
            (Function::Abs, Value::Float(float)) => Value::float(float.get().abs()).ok(),
            (Function::ToFloat, Value::Int(int)) => Value::float(nearest_float(*int)).ok(),
            (Function::ToInt, Value::Float(float)) => truncate(float.get()).map(Value::Int),
            (Function::ToFloat, Value::Float(_)) | (Function::ToInt, Value::Int(_)) => Some(value.clone()),
            (Function::Length, Value::Text(text)) => count(text.chars().count()),
            (Function::Length, Value::Bytes(bytes)) => count(bytes.len()),
            (Function::Lower, Value::Text(text)) => Some(Value::text(text.to_lowercase())),
            (Function::Upper, Value::Text(text)) => Some(Value::text(text.to_uppercase())),
            (Function::Trim, Value::Text(text)) => Some(text.trim().into()),
            (Function::Text, Value::Text(_)) => Some(value.clone()),
            (Function::Text, _) => Some(Value::text(value.to_string())),
            (Function::Kind, _) => Some(value.kind().name().into()),
            (Function::Time, Value::Text(text)) => times::parse(text).map(Value::Int),
            (Function::Iso, Value::Int(time)) => times::format(*time).map(Value::text),
            (Function::Floor | Function::Ceil | Function::Round, Value::Int(_)) => Some(value.clone()),
            (_, Value::Float(float)) => self.of_float(float.get()),
            _ => None,
        }
    }

    fn of_float(&self, float: f64) -> Option<Value> {
        let result = match self {
            Function::Floor => float.floor(),
            Function::Ceil => float.ceil(),
            Function::Round => float.round(),
            Function::Sqrt => float.sqrt(),
            _ => return None,
        };
        Value::float(result).ok()
    }

    fn apply_to_three(&self, first: &Value, second: &Value, third: &Value) -> Option<Value> {
        match (self, first, second, third) {
            (Function::Split, Value::Text(text), Value::Text(separator), Value::Int(place)) => {
                texts::part(text, separator, *place).map(Value::from)
            }
            (Function::Slice, Value::Text(text), Value::Int(from), Value::Int(to)) => {
                Some(Value::text(texts::slice(text, *from, *to)))
            }
            (Function::Slice, Value::Bytes(bytes), Value::Int(from), Value::Int(to)) => {
                Some(Value::bytes(&bytes[texts::range(bytes.len(), *from, *to)]))
            }
            (Function::Replace, Value::Text(text), Value::Text(part), Value::Text(by)) => {
                texts::replace(text, part, by).map(Value::text)
            }
            _ => None,
        }
    }

    fn apply_to_two(&self, left: &Value, right: &Value) -> Option<Value> {
        match (self, left, right) {
            (Function::Min2, ..) => Some(if query_order(left, right).is_le() { left } else { right }.clone()),
            (Function::Max2, ..) => Some(if query_order(left, right).is_ge() { left } else { right }.clone()),
            (_, Value::Int(left), Value::Int(right)) => self.of_ints(*left, *right).map(Value::Int),
            (_, Value::Float(left), Value::Float(right)) => self.of_floats(left.get(), right.get()),
            (Function::Pow, Value::Float(base), Value::Int(exponent)) => {
                texts::power_of_float(base.get(), *exponent).and_then(|power| Value::float(power).ok())
            }
            (_, Value::Text(left), Value::Text(right)) => self.of_texts(left, right),
            _ => None,
        }
    }

    fn of_ints(&self, left: i64, right: i64) -> Option<i64> {
        match self {
            Function::Add => left.checked_add(right),
            Function::Subtract => left.checked_sub(right),
            Function::Multiply => left.checked_mul(right),
            Function::Divide => left.checked_div(right),
            Function::Remainder if right == 0 => None,
            // The least int by -1 leaves no rest, though the quotient would overflow.
            Function::Remainder => Some(left.wrapping_rem(right)),
            Function::Pow => texts::power_of_int(left, right),
            Function::BitAnd => Some(left & right),
            Function::BitOr => Some(left | right),
            Function::BitXor => Some(left ^ right),
            _ => None,
        }
    }

    fn of_floats(&self, left: f64, right: f64) -> Option<Value> {
        let result = match self {
            Function::Add => left + right,
            Function::Subtract => left - right,
            Function::Multiply => left * right,
            Function::Divide => left / right,
            Function::Remainder => left % right,
            _ => return None,
        };
        Value::float(result).ok()
    }

    fn of_texts(&self, left: &str, right: &str) -> Option<Value> {
        match self {
            Function::Concat => texts::concat(left, right).map(Value::text),
            Function::Parts => texts::count_parts(left, right).and_then(count),
            Function::IndexOf => texts::index_of(left, right).and_then(count),
            Function::Contains => Some(left.contains(right).into()),
            Function::StartsWith => Some(left.starts_with(right).into()),
            _ => None,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "float(X) rounds to nearest, as documented")]
fn nearest_float(int: i64) -> f64 {
    int as f64
}

/// The whole part, if an int holds it.
fn truncate(float: f64) -> Option<i64> {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    #[expect(clippy::cast_possible_truncation, reason = "in the range of i64 by the check")]
    (-TWO_TO_63..TWO_TO_63).contains(&float).then_some(float.trunc() as i64)
}

fn count(length: usize) -> Option<Value> {
    i64::try_from(length).ok().map(Value::Int)
}

/// A term that knows where its columns stand in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoundTerm {
    /// The value at a place of the row.
    Column(usize),
    /// A constant.
    Constant(Value),
    /// A function of terms, as many as it takes.
    Apply(Function, Vec<BoundTerm>),
}

impl Term {
    /// Finds the term's columns in a row with these columns.
    ///
    /// # Errors
    /// [`SchemaError::UnknownColumn`], [`SchemaError::Arguments`].
    pub fn bind(&self, columns: &[Column]) -> Result<BoundTerm, SchemaError> {
        Ok(match self {
            Term::Column(column) => BoundTerm::Column(position(columns, column)?),
            Term::Constant(value) => BoundTerm::Constant(value.clone()),
            Term::Apply(function, terms) if terms.len() != function.arity() => {
                return Err(SchemaError::Arguments {
                    function: function.name().into(),
                    want: function.arity(),
                    got: terms.len(),
                });
            }
            Term::Apply(function, terms) => {
                let bound = terms.iter().map(|term| term.bind(columns)).collect::<Result<_, _>>()?;
                BoundTerm::Apply(function.clone(), bound)
            }
        })
    }

    /// Calls `visit` for every column the term names.
    pub fn each_column<'a>(&'a self, visit: &mut dyn FnMut(&'a Column)) {
        match self {
            Term::Column(column) => visit(column),
            Term::Constant(_) => {}
            Term::Apply(_, terms) => terms.iter().for_each(|term| term.each_column(visit)),
        }
    }
}

impl BoundTerm {
    /// The term's value for a row, given as a function from places to values; nothing where it is undefined (Q3).
    pub fn evaluate(&self, at: &dyn Fn(usize) -> Value) -> Option<Value> {
        match self {
            BoundTerm::Column(place) => Some(at(*place)),
            BoundTerm::Constant(value) => Some(value.clone()),
            BoundTerm::Apply(function, terms) => {
                let arguments = terms.iter().map(|term| term.evaluate(at)).collect::<Option<Vec<_>>>()?;
                function.apply(&arguments)
            }
        }
    }
}

/// A formula that knows where its columns stand in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoundFormula {
    /// Holds for every row.
    True,
    /// A comparison of two terms.
    Compare(Comparison, BoundTerm, BoundTerm),
    /// All of these hold.
    And(Vec<BoundFormula>),
    /// One of these holds.
    Or(Vec<BoundFormula>),
    /// This is false.
    Not(Box<BoundFormula>),
}

impl Formula {
    /// Finds the formula's columns in a row with these columns.
    ///
    /// # Errors
    /// [`SchemaError::UnknownColumn`], [`SchemaError::Arguments`].
    pub fn bind(&self, columns: &[Column]) -> Result<BoundFormula, SchemaError> {
        let bind_all = |formulas: &[Formula]| {
            formulas.iter().map(|one| one.bind(columns)).collect::<Result<Vec<_>, _>>()
        };
        Ok(match self {
            Formula::True => BoundFormula::True,
            Formula::Compare(comparison, left, right) => {
                BoundFormula::Compare(*comparison, left.bind(columns)?, right.bind(columns)?)
            }
            Formula::And(formulas) => BoundFormula::And(bind_all(formulas)?),
            Formula::Or(formulas) => BoundFormula::Or(bind_all(formulas)?),
            Formula::Not(formula) => BoundFormula::Not(Box::new(formula.bind(columns)?)),
        })
    }
}

impl BoundFormula {
    /// Whether the formula is true of a row. What is undefined is not true, and neither is its negation.
    pub fn holds(&self, at: &dyn Fn(usize) -> Value) -> bool {
        self.truth(at) == Some(true)
    }

    /// Whether the formula is true or false of a row; nothing where it is undefined.
    pub fn truth(&self, at: &dyn Fn(usize) -> Value) -> Option<bool> {
        match self {
            BoundFormula::True => Some(true),
            BoundFormula::Compare(comparison, left, right) => {
                Some(comparison.holds(&left.evaluate(at)?, &right.evaluate(at)?))
            }
            BoundFormula::And(formulas) => settle(formulas, at, false),
            BoundFormula::Or(formulas) => settle(formulas, at, true),
            BoundFormula::Not(formula) => formula.truth(at).map(|truth| !truth),
        }
    }
}

/// One formula with the truth `decisive` settles it; else one that is undefined leaves it undefined.
fn settle(formulas: &[BoundFormula], at: &dyn Fn(usize) -> Value, decisive: bool) -> Option<bool> {
    let mut result = Some(!decisive);
    for formula in formulas {
        match formula.truth(at) {
            Some(truth) if truth == decisive => return Some(decisive),
            Some(_) => {}
            None => result = None,
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn float(number: f64) -> Value {
        Value::float(number).unwrap()
    }

    fn apply(function: Function, arguments: &[Value]) -> Option<Value> {
        function.apply(arguments)
    }

    #[test]
    fn numbers_compare_by_exact_value_and_the_int_comes_first() {
        let ordered = [
            Value::Bool(true),
            float(-1e300),
            Value::Int(i64::MIN),
            float(-9_223_372_036_854_775_808.0),
            float(-1.5),
            Value::Int(-1),
            float(-1.0),
            float(-0.5),
            Value::Int(0),
            float(0.5),
            Value::Int((1 << 53) + 1),
            float(9_007_199_254_740_994.0),
            Value::Int(i64::MAX),
            float(9_223_372_036_854_775_808.0),
            Value::text(""),
            Value::bytes(vec![]),
        ];
        for (left_place, left) in ordered.iter().enumerate() {
            for (right_place, right) in ordered.iter().enumerate() {
                assert_eq!(query_order(left, right), left_place.cmp(&right_place), "{left} and {right}");
            }
        }
        assert!(Comparison::Unequal.holds(&Value::Int(1), &float(1.0)), "identity tells 1 from 1.0");
    }

    #[test]
    fn what_fails_is_undefined() {
        let [one, zero, max, min] = [1, 0, i64::MAX, i64::MIN].map(Value::Int);
        assert_eq!(apply(Function::Add, &[max.clone(), one.clone()]), None);
        assert_eq!(apply(Function::Subtract, &[min.clone(), one.clone()]), None);
        assert_eq!(apply(Function::Divide, &[one.clone(), zero.clone()]), None);
        assert_eq!(apply(Function::Divide, &[min.clone(), Value::Int(-1)]), None);
        assert_eq!(apply(Function::Remainder, &[one.clone(), zero.clone()]), None);
        assert_eq!(apply(Function::Remainder, &[min.clone(), Value::Int(-1)]), Some(zero.clone()));
        assert_eq!(apply(Function::Negate, std::slice::from_ref(&min)), None);
        assert_eq!(apply(Function::Abs, &[min]), None);
        assert_eq!(apply(Function::Divide, &[float(1.0), float(0.0)]), None);
        assert_eq!(apply(Function::Multiply, &[float(1e300), float(1e300)]), None);
        assert_eq!(apply(Function::Add, &[one.clone(), float(1.0)]), None, "kinds do not mix");
        assert_eq!(apply(Function::ToInt, &[float(9.3e18)]), None);
        assert_eq!(apply(Function::Length, &[one]), None);
    }

    #[test]
    fn functions_give_what_their_names_say() {
        let int = Value::Int;
        assert_eq!(apply(Function::Divide, &[int(-7), int(2)]), Some(int(-3)));
        assert_eq!(apply(Function::Remainder, &[int(-7), int(2)]), Some(int(-1)));
        assert_eq!(apply(Function::Remainder, &[float(-7.5), float(2.0)]), Some(float(-1.5)));
        assert_eq!(apply(Function::ToInt, &[float(-2.9)]), Some(int(-2)));
        assert_eq!(apply(Function::ToFloat, &[int(3)]), Some(float(3.0)));
        assert_eq!(apply(Function::Min2, &[int(1), float(1.0)]), Some(int(1)));
        assert_eq!(apply(Function::Max2, &[int(1), float(1.0)]), Some(float(1.0)));
        assert_eq!(apply(Function::Length, &["añ".into()]), Some(int(2)));
        assert_eq!(apply(Function::Concat, &["a".into(), "b".into()]), Some("ab".into()));
        assert_eq!(apply(Function::Contains, &["abc".into(), "bc".into()]), Some(true.into()));
        assert_eq!(apply(Function::StartsWith, &["abc".into(), "bc".into()]), Some(false.into()));
        assert_eq!(apply(Function::Lower, &["ÄB".into()]), Some("äb".into()));
    }

    #[test]
    fn texts_are_cut_and_made() {
        let (int, text) = (Value::Int, |text: &str| Value::from(text));
        let split = |place| apply(Function::Split, &[text("a,b,,d"), text(","), int(place)]);
        assert_eq!([split(0), split(2), split(-1)], [Some(text("a")), Some(text("")), Some(text("d"))]);
        assert_eq!([split(4), split(-5), split(i64::MIN)], [None, None, None]);
        assert_eq!(apply(Function::Split, &[text("a"), text(""), int(0)]), None);
        assert_eq!(apply(Function::Split, &[text("aaa"), text("aa"), int(-1)]), Some(text("a")));
        assert_eq!(apply(Function::Parts, &[text("a,b,,d"), text(",")]), Some(int(4)));
        assert_eq!(apply(Function::Parts, &[text(""), text(",")]), Some(int(1)));
        let slice = |from, to| apply(Function::Slice, &[text("héllo"), int(from), int(to)]);
        assert_eq!([slice(1, 3), slice(-2, 99)], [Some(text("él")), Some(text("lo"))]);
        assert_eq!([slice(3, 1), slice(i64::MIN, i64::MAX)], [Some(text("")), Some(text("héllo"))]);
        let bytes = Value::bytes([1, 2, 3].as_slice());
        assert_eq!(apply(Function::Slice, &[bytes, int(1), int(-1)]), Some(Value::bytes([2].as_slice())));
        assert_eq!(apply(Function::IndexOf, &[text("héllo"), text("l")]), Some(int(2)));
        assert_eq!(apply(Function::IndexOf, &[text("héllo"), text("x")]), None);
        let replace = |part, by| apply(Function::Replace, &[text("banana"), text(part), text(by)]);
        assert_eq!([replace("an", "o"), replace("x", "o")], [Some(text("booa")), Some(text("banana"))]);
        assert_eq!(replace("", "o"), None);
        let long = text(&"a".repeat(1 << 16));
        assert_eq!(apply(Function::Replace, &[long.clone(), text("a"), long.clone()]), None, "too long");
        assert_eq!(apply(Function::Trim, &[text(" a b\n")]), Some(text("a b")));
        assert_eq!(apply(Function::Upper, &[text("ß")]), Some(text("SS")));
        assert_eq!(apply(Function::Text, &[float(2.0)]), Some(text("2.0")));
        assert_eq!(apply(Function::Text, &[text("2")]), Some(text("2")));
        assert_eq!(apply(Function::Kind, &[float(2.0)]), Some(text("float")));
        assert_eq!(apply(Function::Iso, &[int(1500)]), Some(text("1970-01-01T00:00:01.500Z")));
        assert_eq!(apply(Function::Time, &[text("1970-01-01")]), None);
    }

    #[test]
    fn numbers_are_rounded_and_raised() {
        let int = Value::Int;
        assert_eq!(apply(Function::Floor, &[float(-1.5)]), Some(float(-2.0)));
        assert_eq!(apply(Function::Ceil, &[float(-1.5)]), Some(float(-1.0)));
        assert_eq!(apply(Function::Round, &[float(-2.5)]), Some(float(-3.0)));
        assert_eq!(apply(Function::Round, &[int(3)]), Some(int(3)));
        assert_eq!(apply(Function::Sqrt, &[float(2.25)]), Some(float(1.5)));
        assert_eq!(apply(Function::Sqrt, &[float(-1.0)]), None);
        assert_eq!(apply(Function::Sqrt, &[int(4)]), None, "kinds do not mix");
        let pow = |base, exponent| apply(Function::Pow, &[int(base), int(exponent)]);
        assert_eq!([pow(2, 62), pow(2, 63), pow(-2, 63)], [Some(int(1 << 62)), None, Some(int(i64::MIN))]);
        assert_eq!([pow(0, 0), pow(-1, i64::MAX), pow(2, -1)], [Some(int(1)), Some(int(-1)), None]);
        assert_eq!(apply(Function::Pow, &[float(2.0), int(-2)]), Some(float(0.25)));
        assert_eq!(apply(Function::Pow, &[float(10.0), int(400)]), None);
        assert_eq!(apply(Function::Pow, &[float(0.0), int(-1)]), None);
        assert_eq!(apply(Function::BitXor, &[int(6), int(3)]), Some(int(5)));
        assert_eq!(apply(Function::BitAnd, &[int(6), int(3)]), Some(int(2)));
        assert_eq!(apply(Function::BitOr, &[int(6), int(3)]), Some(int(7)));
    }

    #[test]
    fn the_undefined_holds_for_no_row_and_neither_does_its_negation() {
        let by_zero =
            Term::Apply(Function::Divide, vec![Term::Constant(Value::Int(1)), Term::Constant(Value::Int(0))]);
        let undefined = Formula::Compare(Comparison::Equal, by_zero, Term::Constant(Value::Int(1)));
        let holds = |formula: &Formula| formula.bind(&[]).unwrap().holds(&|_| unreachable!("no columns"));
        assert!(!holds(&undefined));
        assert!(!holds(&Formula::Not(Box::new(undefined.clone()))));
        assert!(!holds(&Formula::And(vec![Formula::True, undefined.clone()])));
        assert!(holds(&Formula::Or(vec![undefined, Formula::True])));
    }

    #[test]
    fn binding_finds_columns_and_counts_arguments() {
        let column = Term::Column("b".into());
        assert_eq!(column.bind(&["a".into(), "b".into()]), Ok(BoundTerm::Column(1)));
        assert!(matches!(column.bind(&["a".into()]), Err(SchemaError::UnknownColumn { .. })));
        let short = Term::Apply(Function::Add, vec![column]);
        assert!(matches!(short.bind(&["b".into()]), Err(SchemaError::Arguments { want: 2, got: 1, .. })));
    }

    proptest! {
        /// The stupid twin: i128 for whole floats.
        #[test]
        fn ints_compare_with_whole_floats_as_wide_ints_do(int: i64, near in -3i64..3) {
            let number = nearest_float(int.saturating_add(near));
            #[expect(clippy::cast_possible_truncation, reason = "at most 2^63 in size")]
            let wide = number as i128;
            let expected = i128::from(int).cmp(&wide).then(Ordering::Less);
            prop_assert_eq!(query_order(&Value::Int(int), &float(number)), expected);
        }
    }
}
