//! The values that stand in a program.

use motet_fact::Value;

use crate::{Expression, Formula, Program, Statement, Term};

impl Program {
    /// Visits every value that stands in a statement: what rules compare with, and what they state.
    pub fn each_value<'a>(&'a self, visit: &mut dyn FnMut(&'a Value)) {
        self.statements.iter().for_each(|statement| of_statement(statement, visit));
    }
}

fn of_statement<'a>(statement: &'a Statement, visit: &mut dyn FnMut(&'a Value)) {
    match statement {
        Statement::Assign { expression, .. } | Statement::Next { expression, .. } => {
            of_expression(expression, visit);
        }
        Statement::Loop { body, .. } => body.iter().for_each(|statement| of_statement(statement, visit)),
    }
}

fn of_expression<'a>(expression: &'a Expression, visit: &mut dyn FnMut(&'a Value)) {
    match expression {
        Expression::Constant { rows, .. } => rows.iter().flatten().for_each(&mut *visit),
        Expression::Select { formula, .. } | Expression::ThetaJoin { formula, .. } => {
            of_formula(formula, visit);
        }
        Expression::Extend { term, .. } => of_term(term, visit),
        _ => {}
    }
    expression.inputs().into_iter().for_each(|input| of_expression(input, visit));
}

fn of_formula<'a>(formula: &'a Formula, visit: &mut dyn FnMut(&'a Value)) {
    match formula {
        Formula::True => {}
        Formula::Compare(_, left, right) => [left, right].into_iter().for_each(|term| of_term(term, visit)),
        Formula::And(formulas) | Formula::Or(formulas) => {
            formulas.iter().for_each(|formula| of_formula(formula, visit));
        }
        Formula::Not(formula) => of_formula(formula, visit),
    }
}

fn of_term<'a>(term: &'a Term, visit: &mut dyn FnMut(&'a Value)) {
    match term {
        Term::Constant(value) => visit(value),
        Term::Column(_) => {}
        Term::Apply(_, terms) => terms.iter().for_each(|term| of_term(term, visit)),
    }
}
