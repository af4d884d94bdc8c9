//! Terms: variables and values of a type, and what is computed from them.

use std::collections::BTreeSet;

use motet_algebra::ColumnType;
use motet_fact::Value;

use super::rule::RuleMaker;
use super::{BOOL, FLOAT, INT, LINK, TEXT};
use crate::program::Term;

impl RuleMaker<'_> {
    /// A bound variable of a type, or a value of it.
    pub(super) fn simple(&mut self, of: ColumnType) -> Term {
        let fits = self.of_type(of);
        if fits.is_empty() || self.dice().percent(20) {
            return Term::Constant(self.maker.value(of));
        }
        Term::Variable(self.dice().pick(&fits))
    }

    /// A term of type int; in a recursive rule one with few values.
    pub(super) fn int_term(&mut self, depth: usize) -> Term {
        let operand = |maker: &mut Self| match depth {
            0 | 1 => maker.simple(INT),
            _ => maker.int_term(depth - 1),
        };
        let small = |maker: &mut Self| Term::Constant(Value::Int(maker.dice().pick(&[1, 2, 3, -2, 0])));
        if self.finite {
            let sum = Term::Apply("+", vec![self.simple(INT), Term::Constant(Value::Int(1))]);
            return Term::Apply("%", vec![sum, Term::Constant(Value::Int(5))]);
        }
        let choices = if self.plain() { 7 } else { 15 };
        match self.dice().below(choices) {
            0 | 1 => Term::Apply("+", vec![operand(self), operand(self)]),
            2 => Term::Apply("-", vec![operand(self), operand(self)]),
            3 => Term::Apply("*", vec![operand(self), small(self)]),
            4 => Term::Apply("/", vec![operand(self), small(self)]),
            5 => Term::Apply("%", vec![operand(self), small(self)]),
            6 => Term::Apply("-", vec![operand(self)]),
            7 => Term::Apply("abs", vec![operand(self)]),
            8 => {
                let function = self.dice().pick(&["min2", "max2"]);
                Term::Apply(function, vec![operand(self), operand(self)])
            }
            9 => Term::Apply("length", vec![self.simple(TEXT)]),
            10 => Term::Apply("int", vec![self.simple(FLOAT)]),
            11 => {
                let function = self.dice().pick(&["bit_and", "bit_or", "bit_xor"]);
                Term::Apply(function, vec![operand(self), operand(self)])
            }
            12 => Term::Apply("pow", vec![self.simple(INT), small(self)]),
            13 => {
                let function = self.dice().pick(&["index_of", "parts"]);
                Term::Apply(function, vec![self.simple(TEXT), self.simple(TEXT)])
            }
            _ => Term::Apply("time", vec![self.text_term()]),
        }
    }

    /// A term of a type, beyond variables and constants where there are functions for it.
    pub(super) fn term(&mut self, of: ColumnType) -> Term {
        if self.finite && of != INT {
            return self.simple(of);
        }
        let plain = self.plain();
        match of {
            INT => {
                let depth = 1 + self.dice().below(2);
                self.int_term(depth)
            }
            FLOAT => match self.dice().below(5) {
                0 => Term::Apply("float", vec![self.simple(INT)]),
                1 => {
                    let function = self.dice().pick(&["floor", "ceil", "round", "sqrt", "abs"]);
                    Term::Apply(function, vec![self.simple(FLOAT)])
                }
                2 => Term::Apply("/", vec![self.simple(FLOAT), self.simple(FLOAT)]),
                _ => {
                    let operator = self.dice().pick(&["+", "-", "*", "%", "min2", "max2"]);
                    Term::Apply(operator, vec![self.simple(FLOAT), self.simple(FLOAT)])
                }
            },
            TEXT if !plain => self.text_term(),
            BOOL => {
                let function = self.dice().pick(&["contains", "starts_with"]);
                Term::Apply(function, vec![self.simple(TEXT), self.simple(TEXT)])
            }
            ColumnType::Any if self.bound.is_empty() => self.simple(INT),
            ColumnType::Any => {
                let all: Vec<Term> = self.bound.iter().map(|one| Term::Variable(one.name.clone())).collect();
                let one = self.dice().pick(&all);
                if plain || self.dice().percent(70) {
                    return one;
                }
                let function = self.dice().pick(&["min2", "max2"]);
                Term::Apply(function, vec![one, self.dice().pick(&all)])
            }
            TEXT | ColumnType::Kind(_) => self.simple(of),
        }
    }

    fn text_term(&mut self) -> Term {
        let place = |maker: &mut Self| Term::Constant(Value::Int(maker.dice().pick(&[0, 1, 2, -1, -2, 5])));
        match self.dice().below(8) {
            0 | 1 => Term::Apply("concat", vec![self.simple(TEXT), self.simple(TEXT)]),
            2 => {
                let function = self.dice().pick(&["lower", "upper", "trim"]);
                Term::Apply(function, vec![self.simple(TEXT)])
            }
            3 => Term::Apply("split", vec![self.simple(TEXT), self.simple(TEXT), place(self)]),
            4 => Term::Apply("slice", vec![self.simple(TEXT), place(self), place(self)]),
            5 => Term::Apply("replace", vec![self.simple(TEXT), self.simple(TEXT), self.simple(TEXT)]),
            6 => Term::Apply("iso", vec![self.simple(INT)]),
            _ => {
                let function = self.dice().pick(&["text", "kind"]);
                let of = self.dice().pick(&[INT, FLOAT, BOOL, LINK, ColumnType::Any]);
                Term::Apply(function, vec![self.simple(of)])
            }
        }
    }
}

/// The variables of a term.
pub(super) fn variables(term: &Term) -> BTreeSet<String> {
    match term {
        Term::Variable(name) => BTreeSet::from([name.clone()]),
        Term::Anything | Term::Constant(_) => BTreeSet::new(),
        Term::Apply(_, of) => of.iter().flat_map(variables).collect(),
    }
}
