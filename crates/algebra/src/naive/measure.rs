//! How many rows each operator of a program really has: what an explanation shows beside what was expected.

use super::{Contents, Cost, Evaluation, Naive, Table, apply_changes};
use crate::{Budget, Changes, Expression, Program, RuntimeError, SchemaError, Site, Statement};

/// Why rows can't be counted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MeasureError {
    /// The program can't be built.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The rows don't fit the program, or the budget ran out.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

/// The rows of each operator, over the contents that the program comes to from these rows of its inputs: a list for
/// each assignment, in the order of the program, and in it an operator before its inputs. In a loop that is what the
/// operators would have in a round after the last.
///
/// # Errors
/// [`MeasureError`].
pub fn measure(program: &Program, inputs: &Changes, budget: Budget) -> Result<Vec<Vec<u64>>, MeasureError> {
    let naive = Naive::new(program.clone())?;
    let mut stored = Contents::new();
    for (name, rows) in inputs {
        apply_changes(program, &mut stored, name, rows)?;
    }
    let (contents, _) = naive.evaluate(stored, Cost::new(budget.clone()))?;
    let mut evaluation = Evaluation::new(program, contents, Cost::new(budget));
    let mut counted = Vec::new();
    for statement in &program.statements {
        evaluation.measure(statement, &mut counted)?;
    }
    Ok(counted)
}

impl Evaluation<'_> {
    fn measure(&mut self, statement: &Statement, counted: &mut Vec<Vec<u64>>) -> Result<(), RuntimeError> {
        match statement {
            Statement::Assign { relation, expression, rule }
            | Statement::Next { relation, expression, rule } => {
                self.begin(Site::new(relation, rule))?;
                let mut counts = Vec::new();
                self.count(expression, &mut counts)?;
                counted.push(counts);
                Ok(())
            }
            Statement::Loop { body, .. } => body.iter().try_for_each(|one| self.measure(one, counted)),
        }
    }

    fn count(&mut self, expression: &Expression, counts: &mut Vec<u64>) -> Result<Table, RuntimeError> {
        let place = counts.len();
        counts.push(0);
        let inputs = expression.inputs().into_iter().map(|input| self.count(input, counts));
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        let table = self.combine(expression, inputs)?;
        counts[place] = u64::try_from(table.rows.len()).unwrap_or(u64::MAX);
        Ok(table)
    }
}
