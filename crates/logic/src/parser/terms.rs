//! Terms: operators by their strength, then values, variables, parameters and calls.

use motet_algebra::Function;
use motet_fact::{Cid, Value};

use super::{Failed, MAX_DEPTH, Parsed, Parser, is_variable};
use crate::ast::{Term, TermKind};
use crate::diagnostic::Span;
use motet_algebra::text::lexer::Token;

impl Parser<'_> {
    pub(super) fn term(&mut self) -> Parsed<Term> {
        self.nested(|parser| {
            parser.chain(&[("+", Function::Add), ("-", Function::Subtract)], |parser| {
                let signs = [("*", Function::Multiply), ("/", Function::Divide), ("%", Function::Remainder)];
                parser.chain(&signs, Self::factor)
            })
        })
    }

    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_DEPTH {
            return Err(self.too_deep(self.span()));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    pub(super) fn too_deep(&mut self, span: Span) -> Failed {
        let message = format!("a term nested deeper than {MAX_DEPTH}");
        self.report.error("L012", span, message).remedy("compute a part of it with X == …");
        Failed
    }

    /// Operands between operators of one strength, grouped from the left.
    fn chain(
        &mut self,
        signs: &[(&'static str, Function)],
        operand: impl Fn(&mut Self) -> Parsed<Term>,
    ) -> Parsed<Term> {
        let mut left = operand(self)?;
        while let Some((_, function)) = signs.iter().find(|(sign, _)| self.is(sign)) {
            self.advance();
            let right = operand(self)?;
            left = self.apply(function.clone(), vec![left, right])?;
        }
        Ok(left)
    }

    fn factor(&mut self) -> Parsed<Term> {
        let span = self.span();
        if self.is("-") && !matches!(self.token_after(1), Token::Int(_) | Token::Float(_)) {
            self.advance();
            let inner = self.nested(Self::factor)?;
            let mut term = self.apply(Function::Negate, vec![inner])?;
            term.span = self.span_from(span);
            return Ok(term);
        }
        if self.accept("(") {
            let mut term = self.term()?;
            self.expect(")", "after the term in parentheses")?;
            term.span = self.span_from(span);
            return Ok(term);
        }
        let kind = self.simple()?;
        if let Some(kind) = kind {
            return Ok(Term { kind, span: self.span_from(span), depth: 1 });
        }
        let mut call = self.call()?;
        call.span = self.span_from(span);
        Ok(call)
    }

    /// A variable, a value, a parameter; nothing if a function stands here.
    pub(super) fn simple(&mut self) -> Parsed<Option<TermKind>> {
        let kind = match self.token().clone() {
            Token::Name(_) if self.is_after(1, "(") => return Ok(None),
            Token::Name(name) if &*name == "_" => TermKind::Wildcard,
            Token::Name(name) if is_variable(&name) => TermKind::Variable(name),
            Token::Parameter(name) => TermKind::Parameter(name),
            Token::Sign("-") => {
                self.advance();
                TermKind::Constant(self.number(true))
            }
            Token::Int(_) | Token::Float(_) => TermKind::Constant(self.number(false)),
            Token::Text(text) => TermKind::Constant(Value::Text(text)),
            Token::Bytes(bytes) => TermKind::Constant(Value::Bytes(bytes)),
            Token::Link(cid) => TermKind::Constant(Value::Link(cid)),
            Token::Name(name) => TermKind::Constant(self.word(&name)?),
            Token::Quoted(_) | Token::Sign(_) | Token::End => {
                return Err(self.unexpected("a variable, a value or a term"));
            }
        };
        self.advance();
        Ok(Some(kind))
    }

    fn number(&mut self, negative: bool) -> Value {
        let span = self.span();
        let value = match *self.token() {
            Token::Float(number) => Value::float(if negative { -number } else { number }).ok(),
            Token::Int(int) if negative => 0_i64.checked_sub_unsigned(int).map(Value::Int),
            Token::Int(int) => i64::try_from(int).ok().map(Value::Int),
            _ => unreachable!("only called at a number"),
        };
        value.unwrap_or_else(|| {
            self.report
                .error("L003", span, "this int does not fit 64 bits")
                .remedy("ints go from -9223372036854775808 to 9223372036854775807");
            Value::Int(0)
        })
    }

    /// A word that is a value: `true`, `false`, a CID.
    fn word(&mut self, name: &str) -> Parsed<Value> {
        match name {
            "true" => return Ok(Value::Bool(true)),
            "false" => return Ok(Value::Bool(false)),
            _ => {}
        }
        if let Ok(cid) = name.parse::<Cid>() {
            return Ok(Value::Link(cid));
        }
        let span = self.span();
        let message = format!("`{name}` is neither a variable nor a value");
        let remedy =
            format!("a text stands in quotes, \"{name}\"; a variable begins with an upper-case letter");
        let item = self.report.error("L010", span, message);
        item.remedy(remedy).edit(span, format!("\"{name}\""), format!("write the text \"{name}\""));
        Ok(Value::text(name))
    }
}
