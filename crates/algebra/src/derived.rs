//! Operators that others define.
//!
//! A product, a theta join and an equijoin say more than a natural join over renamed columns does, and are kept as
//! they are written. [`crate::naive`] has a definition of its own for each; what runs programs otherwise takes the
//! expression that [`Expression::definition`] gives, and the tests hold the two against each other.

use crate::{Column, Comparison, Expression, Formula, Program, Statement, Term};

impl Expression {
    /// What the operator stands for, in terms of others:
    ///
    /// | operator | definition |
    /// |---|---|
    /// | `cartesian_product(a, b)` | `natural_join(a, b)`: they share no columns |
    /// | `theta_join(f, a, b)` | `selection(f, natural_join(a, b))` |
    /// | `equijoin(x = y, a, b)` | `extend(y := x, natural_join(a, rename([y: x], b)))` |
    ///
    /// Of an equijoin's pairs of columns, one with a column of an earlier pair is a selection above that. Nothing for
    /// the operators that define the others. The columns may come in another order.
    pub fn definition(&self) -> Option<Expression> {
        match self {
            Expression::Product(left, right) => Some(Expression::Join(left.clone(), right.clone())),
            Expression::ThetaJoin { left, right, formula } => {
                let input = Box::new(Expression::Join(left.clone(), right.clone()));
                Some(Expression::Select { input, formula: formula.clone() })
            }
            Expression::EquiJoin { left, right, pairs } => Some(equijoin(left, right, pairs)),
            Expression::Relation { .. }
            | Expression::Constant { .. }
            | Expression::Select { .. }
            | Expression::Project { .. }
            | Expression::Rename { .. }
            | Expression::Extend { .. }
            | Expression::Union(_)
            | Expression::Difference(..)
            | Expression::Join(..)
            | Expression::SemiJoin(..)
            | Expression::AntiJoin(..)
            | Expression::GroupBy { .. }
            | Expression::Rank { .. }
            | Expression::FoldMoves { .. } => None,
        }
    }

    /// The expression with every operator that has a definition replaced by it.
    pub fn defined(&self) -> Expression {
        let mut defined = self.definition().unwrap_or_else(|| self.clone());
        for input in defined.inputs_mut() {
            *input = input.defined();
        }
        defined
    }
}

fn equijoin(left: &Expression, right: &Expression, pairs: &[(Column, Column)]) -> Expression {
    let (mut renamed, mut rest): (Vec<(Column, Column)>, Vec<Formula>) = (Vec::new(), Vec::new());
    for (of_left, of_right) in pairs {
        if renamed.iter().any(|(right, left)| left == of_left || right == of_right) {
            let equal = Term::Column(of_right.clone());
            rest.push(Formula::Compare(Comparison::Equal, Term::Column(of_left.clone()), equal));
        } else {
            renamed.push((of_right.clone(), of_left.clone()));
        }
    }
    let right = Expression::Rename { input: Box::new(right.clone()), pairs: renamed.clone() };
    let joined = Expression::Join(Box::new(left.clone()), Box::new(right));
    let extended = renamed.into_iter().fold(joined, |input, (of_right, of_left)| Expression::Extend {
        input: Box::new(input),
        column: of_right,
        term: Term::Column(of_left),
    });
    Expression::Select { input: Box::new(extended), formula: Formula::And(rest) }
}

impl Program {
    /// The program with every operator that has a definition replaced by it.
    pub fn defined(&self) -> Program {
        let mut program = self.clone();
        program.statements.iter_mut().for_each(define);
        program
    }
}

fn define(statement: &mut Statement) {
    match statement {
        Statement::Assign { expression, .. } | Statement::Next { expression, .. } => {
            *expression = expression.defined();
        }
        Statement::Loop { body, .. } => body.iter_mut().for_each(define),
    }
}
