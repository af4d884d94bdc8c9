//! Terms, comparisons and aggregates over values. `None` is undefined.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use motet_fact::{Kind, Value};

use super::{exact, functions};

/// A function or an operator.
pub(super) fn apply(function: &str, of: &[Value]) -> Option<Value> {
    let float = |number: f64| Value::float(number).ok();
    match (function, of) {
        ("-", [Value::Int(one)]) => one.checked_neg().map(Value::Int),
        ("-", [Value::Float(one)]) => float(-one.get()),
        ("abs", [Value::Int(one)]) => one.checked_abs().map(Value::Int),
        ("abs", [Value::Float(one)]) => float(one.get().abs()),
        ("float", [Value::Int(one)]) => exact::mean_of_ints(&[*one]).and_then(float),
        ("float", [one @ Value::Float(_)]) | ("int", [one @ Value::Int(_)]) => Some(one.clone()),
        ("int", [Value::Float(one)]) => {
            let whole = one.get().trunc();
            let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&whole);
            fits.then_some(Value::Int(whole as i64))
        }
        ("min2", [left, right]) => Some(if order(right, left).is_lt() { right } else { left }.clone()),
        ("max2", [left, right]) => Some(if order(left, right).is_lt() { right } else { left }.clone()),
        ("+" | "-" | "*" | "/" | "%", [Value::Int(left), Value::Int(right)]) => {
            ints(function, i128::from(*left), i128::from(*right))
        }
        (_, [Value::Int(left), Value::Int(right)]) => {
            functions::of_ints(function, *left, *right).map(Value::Int)
        }
        (_, [Value::Float(left), Value::Float(right)]) => floats(function, left.get(), right.get()),
        _ => functions::apply(function, of),
    }
}

fn ints(operator: &str, left: i128, right: i128) -> Option<Value> {
    let exact = match operator {
        "+" => left + right,
        "-" => left - right,
        "*" => left * right,
        "/" => left.checked_div(right)?,
        "%" => left.checked_rem(right)?,
        _ => return None,
    };
    i64::try_from(exact).ok().map(Value::Int)
}

fn floats(operator: &str, left: f64, right: f64) -> Option<Value> {
    let number = match operator {
        "+" => left + right,
        "-" => left - right,
        "*" => left * right,
        "/" => left / right,
        "%" => left % right,
        _ => return None,
    };
    Value::float(number).ok()
}

/// Where a kind stands among the kinds; numbers stand together.
fn rank(value: &Value) -> u8 {
    match value.kind() {
        Kind::Bool => 0,
        Kind::Int | Kind::Float => 1,
        Kind::Text => 2,
        Kind::Bytes => 3,
        Kind::Link => 4,
    }
}

/// The order of `<`: an int and a float by what they are, and if that is the same the int first.
pub(super) fn order(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Int(int), Value::Float(float)) => int_and_float(*int, float.get()).then(Ordering::Less),
        (Value::Float(float), Value::Int(int)) => {
            int_and_float(*int, float.get()).reverse().then(Ordering::Greater)
        }
        _ if rank(left) == rank(right) => left.cmp(right),
        _ => rank(left).cmp(&rank(right)),
    }
}

fn int_and_float(int: i64, float: f64) -> Ordering {
    if float >= 1e19 {
        return Ordering::Less;
    }
    if float <= -1e19 {
        return Ordering::Greater;
    }
    let whole = float.trunc();
    let rest = if float > whole { Ordering::Less } else { Ordering::Greater };
    let rest = if float == whole { Ordering::Equal } else { rest };
    i128::from(int).cmp(&(whole as i128)).then(rest)
}

pub(super) fn holds(operator: &str, left: &Value, right: &Value) -> bool {
    match operator {
        "==" => left == right,
        "!=" => left != right,
        "<" => order(left, right).is_lt(),
        "<=" => order(left, right).is_le(),
        ">" => order(left, right).is_gt(),
        ">=" => order(left, right).is_ge(),
        _ => panic!("no comparison {operator}"),
    }
}

/// What an aggregate looks at in one row: the variable it is over, the one it moves to, and those it goes by.
pub(super) struct Looked {
    pub(super) over: Value,
    pub(super) to: Option<Value>,
    pub(super) by: Vec<Value>,
}

/// One after the other, in the order of `<`.
pub(super) fn order_all(left: &[Value], right: &[Value]) -> Ordering {
    left.iter().zip(right).map(|(left, right)| order(left, right)).fold(Ordering::Equal, Ordering::then)
}

/// The value of an aggregate, but for those that give several, over what it looks at in each row. `zero` is the sum of
/// nothing.
pub(super) fn fold(function: &str, rows: &[Looked], counted: bool, zero: &Value) -> Option<Value> {
    let int = |count: usize| i64::try_from(count).ok().map(Value::Int);
    let values = || rows.iter().map(|row| &row.over);
    let key = |row: &Looked| [&row.by[..], std::slice::from_ref(&row.over)].concat();
    match function {
        "count" if counted => int(values().collect::<BTreeSet<_>>().len()),
        "count" => int(rows.len()),
        "sum" if rows.is_empty() => Some(zero.clone()),
        "sum" | "mean" => added(function, &values().cloned().collect::<Vec<_>>()),
        "min" => values().min_by(|left, right| order(left, right)).cloned(),
        "max" => values().max_by(|left, right| order(left, right)).cloned(),
        "arg_max" => {
            rows.iter().max_by(|left, right| order_all(&key(left), &key(right))).map(|row| row.over.clone())
        }
        "arg_min" => {
            rows.iter().min_by(|left, right| order_all(&key(left), &key(right))).map(|row| row.over.clone())
        }
        _ => panic!("no aggregate {function}"),
    }
}

/// Each of what is ranked with its place.
pub(super) fn ranks(rows: &[Looked]) -> BTreeSet<(Value, Value)> {
    let mut places: Vec<&[Value]> = rows.iter().map(|row| &row.by[..]).collect();
    places.sort_by(|left, right| order_all(left, right));
    places.dedup();
    let place =
        |row: &Looked| places.iter().position(|one| *one == &row.by[..]).expect("it is one of them") + 1;
    let int = |place: usize| Value::Int(i64::try_from(place).expect("few rows"));
    rows.iter().map(|row| (row.over.clone(), int(place(row)))).collect()
}

/// Each node that was ever placed with its parent after all moves.
pub(super) fn parents(rows: Vec<Looked>) -> BTreeSet<(Value, Value)> {
    let (mut moves, mut parent) = (rows, BTreeMap::new());
    let key = |one: &Looked| [&one.by[..], std::slice::from_ref(&one.over), one.to.as_slice()].concat();
    moves.sort_by(|left, right| order_all(&key(left), &key(right)));
    for Looked { over: node, to, .. } in moves {
        let to = to.expect("a move goes somewhere");
        let mut above = Some(&to);
        while above.is_some_and(|one| *one != node) {
            above = parent.get(above.expect("there is one"));
        }
        if above.is_none() {
            parent.insert(node, to);
        }
    }
    parent.into_iter().collect()
}

/// The sum or mean of ints, or of floats.
fn added(function: &str, all: &[Value]) -> Option<Value> {
    let ints: Vec<i64> = all.iter().filter_map(Value::as_int).collect();
    let float = |one: &Value| if let Value::Float(float) = one { Some(float.get()) } else { None };
    let floats: Vec<f64> = all.iter().filter_map(float).collect();
    let count = u64::try_from(all.len()).ok()?;
    match (function, ints.len() == all.len(), floats.len() == all.len()) {
        (_, true, true) => None,
        ("sum", true, _) => {
            i64::try_from(ints.iter().map(|one| i128::from(*one)).sum::<i128>()).ok().map(Value::Int)
        }
        ("sum", _, true) => Value::float(exact::sum_of_floats(&floats, 1)?).ok(),
        ("mean", true, _) => Value::float(exact::mean_of_ints(&ints)?).ok(),
        ("mean", _, true) => Value::float(exact::sum_of_floats(&floats, count)?).ok(),
        _ => None,
    }
}
