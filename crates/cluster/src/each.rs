//! Row-wise work: the [`Step`]s of a plan, done to one row.
//!
//! Tests of identity compare numbers. Everything else decodes the columns it reads, and only those; a term's result is
//! interned while the dataflow runs.

use motet_algebra::dictionary::{Dictionary, Id};
use motet_algebra::{Column, RelationName};
use motet_fact::Value;
use motet_fact::codec::tuple_cid;

use crate::plan::Step;
use crate::row::{PackedRow, pick};
use crate::task::Task;

/// Why a row does not go on.
pub(crate) enum Dropped<W> {
    /// A test does not hold of it.
    Unfit,
    /// What the step computes of it has no value.
    Undefined(W),
}

/// What is left of a row after all steps, or the step that drops it, and why.
pub(crate) fn apply<W: PackedRow>(row: W, steps: &[Step], task: &Task) -> Result<W, (usize, Dropped<W>)> {
    let mut numbered = steps.iter().enumerate();
    numbered
        .try_fold(row, |row, (number, step)| apply_one(row, step, task).map_err(|dropped| (number, dropped)))
}

fn apply_one<W: PackedRow>(row: W, step: &Step, task: &Task) -> Result<W, Dropped<W>> {
    let fit = |fits: bool, row: W| if fits { Ok(row) } else { Err(Dropped::Unfit) };
    match step {
        Step::Same(left, right) => fit(row.at(*left) == row.at(*right), row),
        Step::Is(place, id) => fit(row.at(*place) == *id, row),
        Step::Filter(formula, _) => {
            let truth = task.look_up(|dictionary| formula.truth(&decoded(&row, dictionary)));
            match truth {
                Some(truth) => fit(truth, row),
                None => Err(Dropped::Undefined(row)),
            }
        }
        Step::Extend(width, term, _) => {
            let value = task.look_up(|dictionary| term.evaluate(&decoded(&row, dictionary)));
            let Some(value) = value else { return Err(Dropped::Undefined(row)) };
            Ok(lengthen(&row, *width, task.intern(&value)))
        }
        Step::Cid(relation, columns) => {
            let value = task.look_up(|dictionary| cid(&row, relation, columns, dictionary));
            Ok(lengthen(&row, columns.len(), task.intern(&value)))
        }
        Step::Keep { places, .. } => Ok(pick(&row, places)),
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
