//! Row-wise work: the [`Step`]s of a plan, done to one row.
//!
//! Tests of identity compare numbers. Everything else decodes the columns it reads, and only those; a term's result is
//! interned while the dataflow runs.

use motet_algebra::{Column, RelationName};
use motet_fact::Value;
use motet_fact::codec::tuple_cid;

use crate::dictionary::{Dictionary, Id, SharedDictionary};
use crate::plan::Step;
use crate::row::{PackedRow, pick};

/// What is left of a row after all steps; nothing if one of them drops it.
pub(crate) fn apply<W: PackedRow>(row: W, steps: &[Step], dictionary: &SharedDictionary) -> Option<W> {
    steps.iter().try_fold(row, |row, step| apply_one(row, step, dictionary))
}

fn apply_one<W: PackedRow>(row: W, step: &Step, dictionary: &SharedDictionary) -> Option<W> {
    match step {
        Step::Same(left, right) => (row.at(*left) == row.at(*right)).then_some(row),
        Step::Is(place, id) => (row.at(*place) == *id).then_some(row),
        Step::Filter(formula) => {
            let holds = formula.holds(&decoded(&row, &dictionary.borrow()));
            holds.then_some(row)
        }
        Step::Extend(width, term) => {
            let value = term.evaluate(&decoded(&row, &dictionary.borrow()))?;
            Some(lengthen(&row, *width, dictionary.borrow_mut().intern(&value)))
        }
        Step::Cid(relation, columns) => {
            let value = cid(&row, relation, columns, &dictionary.borrow());
            Some(lengthen(&row, columns.len(), dictionary.borrow_mut().intern(&value)))
        }
        Step::Keep { places, .. } => Some(pick(&row, places)),
    }
}

fn decoded<W: PackedRow>(row: &W, dictionary: &Dictionary) -> impl Fn(usize) -> Value {
    move |place| dictionary.value(row.at(place))
}

fn cid<W: PackedRow>(row: &W, relation: &RelationName, columns: &[Column], dictionary: &Dictionary) -> Value {
    let values: Vec<Value> = (0..columns.len()).map(decoded(row, dictionary)).collect();
    let names = columns.iter().map(|column| &**column);
    Value::Link(tuple_cid(relation, names.zip(&values)))
}

/// A row of this width with one more column.
pub(crate) fn lengthen<W: PackedRow>(row: &W, width: usize, added: Id) -> W {
    W::collect((0..=width).map(|place| if place < width { row.at(place) } else { added }))
}
