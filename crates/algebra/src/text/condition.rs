//! Formulas and terms from tokens.
//!
//! ```text
//! condition   = conjunction { "or" conjunction } .
//! conjunction = negation { "and" negation } .
//! negation    = "not" negation | comparison .
//! comparison  = sum [ ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) sum ] .
//! sum         = product { ( "+" | "-" ) product } .
//! product     = factor { ( "*" | "/" | "%" ) factor } .
//! factor      = "-" factor | value | name | function "(" [ sum { "," sum } ] ")" | "(" condition ")"
//!             | ( "and" | "or" ) "(" [ condition { "," condition } ] ")" .
//! ```
//!
//! Behind an opening parenthesis may stand a formula or a term, and what it was is known only at its end. So there is
//! one grammar for both, and what was read is asked for as one of the two where that matters.

use motet_fact::Value;

use super::cursor::{Cursor, Failed, Parsed};
use super::diagnostic::Span;
use super::lexer::Token;
use super::words::{comparison_sign, function_word};
use crate::{Comparison, Formula, Function, Term};

/// How deep formulas and terms may nest.
const MAX_DEPTH: usize = 200;

/// What was read, where, and how deep it nests.
struct Piece {
    kind: Kind,
    span: Span,
    depth: usize,
}

enum Kind {
    Formula(Formula),
    Term(Term),
}

impl Cursor<'_> {
    pub(super) fn formula(&mut self) -> Parsed<Formula> {
        let piece = self.condition(0)?;
        self.as_formula(piece)
    }

    pub(super) fn term(&mut self) -> Parsed<Term> {
        let piece = self.condition(0)?;
        self.as_term(piece)
    }

    /// A value, as in a row.
    pub(super) fn value(&mut self) -> Parsed<Value> {
        let start = self.span();
        match self.condition(0)? {
            Piece { kind: Kind::Term(Term::Constant(value)), .. } => Ok(value),
            piece => {
                self.report
                    .error("R013", start.to(piece.span), "wanted a value")
                    .remedy("values are true, -3, 1.5, \"text\", 0x00ff and link\"bafy…\"");
                Err(Failed)
            }
        }
    }

    /// `true` and `false` alone are formulas; no other term is.
    fn as_formula(&mut self, piece: Piece) -> Parsed<Formula> {
        match piece.kind {
            Kind::Formula(formula) => Ok(formula),
            Kind::Term(Term::Constant(Value::Bool(true))) => Ok(Formula::True),
            Kind::Term(Term::Constant(Value::Bool(false))) => Ok(Formula::Or(vec![])),
            Kind::Term(_) => {
                self.report
                    .error("R013", piece.span, "wanted a formula, found a term")
                    .remedy("compare it with something, as in `done = true`");
                Err(Failed)
            }
        }
    }

    fn as_term(&mut self, piece: Piece) -> Parsed<Term> {
        match piece.kind {
            Kind::Term(term) => Ok(term),
            Kind::Formula(_) => {
                self.report
                    .error("R013", piece.span, "wanted a term, found a formula")
                    .remedy("the truth of a formula is no value: select by it instead");
                Err(Failed)
            }
        }
    }

    /// Puts parts together to something one level deeper.
    fn piece(&mut self, kind: Kind, start: Span, depth: usize) -> Parsed<Piece> {
        let span = self.span_from(start);
        if depth <= MAX_DEPTH {
            return Ok(Piece { kind, span, depth });
        }
        let message = format!("a formula or term nested deeper than {MAX_DEPTH}");
        self.report.error("R012", span, message).remedy("compute a part of it with extend(column := …, …)");
        Err(Failed)
    }

    fn condition(&mut self, level: usize) -> Parsed<Piece> {
        self.connected("or", Formula::Or, |cursor| {
            cursor.connected("and", Formula::And, |cursor| cursor.negation(level))
        })
    }

    /// Formulas between words, all of one rank; one piece alone is itself.
    fn connected(
        &mut self,
        word: &str,
        connect: fn(Vec<Formula>) -> Formula,
        mut operand: impl FnMut(&mut Self) -> Parsed<Piece>,
    ) -> Parsed<Piece> {
        let start = self.span();
        let first = operand(self)?;
        if !self.is_word(word) {
            return Ok(first);
        }
        let mut depth = first.depth;
        let mut formulas = vec![self.as_formula(first)?];
        while self.accept_word(word) {
            let next = operand(self)?;
            depth = depth.max(next.depth);
            formulas.push(self.as_formula(next)?);
        }
        self.piece(Kind::Formula(connect(formulas)), start, depth + 1)
    }

    fn negation(&mut self, level: usize) -> Parsed<Piece> {
        let start = self.span();
        if !self.accept_word("not") {
            return self.comparison(level);
        }
        let inner = self.deeper(level, Self::negation)?;
        let depth = inner.depth + 1;
        let formula = self.as_formula(inner)?;
        self.piece(Kind::Formula(Formula::Not(Box::new(formula))), start, depth)
    }

    fn comparison(&mut self, level: usize) -> Parsed<Piece> {
        let start = self.span();
        let left = self.sum(level)?;
        if self.is("==") {
            self.wanted("`=`").remedy("equality is written `=` here");
            return Err(Failed);
        }
        let Some(comparison) = Comparison::ALL.into_iter().find(|one| self.is(comparison_sign(*one))) else {
            return Ok(left);
        };
        self.advance();
        let right = self.sum(level)?;
        let depth = left.depth.max(right.depth) + 1;
        let formula = Formula::Compare(comparison, self.as_term(left)?, self.as_term(right)?);
        self.piece(Kind::Formula(formula), start, depth)
    }

    fn sum(&mut self, level: usize) -> Parsed<Piece> {
        self.infix(&[Function::Add, Function::Subtract], |cursor| {
            let functions = [Function::Multiply, Function::Divide, Function::Remainder];
            cursor.infix(&functions, |cursor| cursor.factor(level))
        })
    }

    /// Operands between signs of one strength, grouped from the left.
    fn infix(
        &mut self,
        functions: &[Function],
        mut operand: impl FnMut(&mut Self) -> Parsed<Piece>,
    ) -> Parsed<Piece> {
        let start = self.span();
        let mut left = operand(self)?;
        while let Some(function) = functions.iter().find(|function| self.is(function.name())) {
            self.advance();
            let right = operand(self)?;
            let depth = left.depth.max(right.depth) + 1;
            let terms = vec![self.as_term(left)?, self.as_term(right)?];
            left = self.piece(Kind::Term(Term::Apply(function.clone(), terms)), start, depth)?;
        }
        Ok(left)
    }

    /// Something within something; how deep is known before it is read.
    fn deeper(
        &mut self,
        level: usize,
        read: impl FnOnce(&mut Self, usize) -> Parsed<Piece>,
    ) -> Parsed<Piece> {
        if level < MAX_DEPTH {
            return read(self, level + 1);
        }
        let start = self.span();
        self.piece(Kind::Formula(Formula::True), start, level + 1)
    }

    fn factor(&mut self, level: usize) -> Parsed<Piece> {
        let start = self.span();
        if self.is("(") {
            self.advance();
            let mut piece = self.deeper(level, Self::condition)?;
            self.expect(")", "after what stands in parentheses")?;
            piece.span = self.span_from(start);
            return Ok(piece);
        }
        if self.is("-") && !matches!(self.token_after(1), Token::Int(_) | Token::Float(_)) {
            self.advance();
            let inner = self.deeper(level, Self::factor)?;
            let depth = inner.depth + 1;
            let term = Term::Apply(Function::Negate, vec![self.as_term(inner)?]);
            return self.piece(Kind::Term(term), start, depth);
        }
        if self.calls() { self.call(level) } else { self.simple() }
    }

    /// A column or a value.
    fn simple(&mut self) -> Parsed<Piece> {
        let start = self.span();
        let term = match self.token().clone() {
            Token::Name(word) if matches!(&*word, "true" | "false") => {
                Term::Constant(Value::Bool(&*word == "true"))
            }
            Token::Name(_) | Token::Quoted(_) => {
                let column = self.name("a column, a value or a function")?;
                return self.piece(Kind::Term(Term::Column(column)), start, 1);
            }
            Token::Sign("-") => {
                self.advance();
                Term::Constant(self.number(true, start)?)
            }
            Token::Int(_) | Token::Float(_) => Term::Constant(self.number(false, start)?),
            Token::Text(text) => Term::Constant(Value::Text(text)),
            Token::Bytes(bytes) => Term::Constant(Value::Bytes(bytes)),
            Token::Link(cid) => Term::Constant(Value::Link(cid)),
            Token::Parameter(_) | Token::Sign(_) | Token::End => {
                return Err(self.unexpected("a column, a value or a function"));
            }
        };
        self.advance();
        self.piece(Kind::Term(term), start, 1)
    }

    /// The number that is next; it is not passed.
    fn number(&mut self, negative: bool, start: Span) -> Parsed<Value> {
        let value = match *self.token() {
            Token::Float(number) => Value::float(if negative { -number } else { number }).ok(),
            Token::Int(int) if negative => 0_i64.checked_sub_unsigned(int).map(Value::Int),
            Token::Int(int) => i64::try_from(int).ok().map(Value::Int),
            _ => unreachable!("only called at a number"),
        };
        value.ok_or_else(|| {
            let span = start.to(self.span());
            self.report
                .error("L003", span, "this int does not fit 64 bits")
                .remedy("ints go from -9223372036854775808 to 9223372036854775807");
            Failed
        })
    }

    /// `function(term, …)`, or the formulas `and(…)` and `or(…)`.
    fn call(&mut self, level: usize) -> Parsed<Piece> {
        let start = self.span();
        let Token::Name(word) = self.token().clone() else { unreachable!("only called at a word") };
        self.advance();
        self.advance();
        let pieces = self.list(")", |cursor| cursor.deeper(level, Self::condition))?;
        let depth = pieces.iter().map(|piece| piece.depth).max().unwrap_or(0) + 1;
        let kind = match &*word {
            "and" => Kind::Formula(Formula::And(self.each(pieces, Self::as_formula)?)),
            "or" => Kind::Formula(Formula::Or(self.each(pieces, Self::as_formula)?)),
            _ => {
                let function = self.function(&word, start)?;
                Kind::Term(Term::Apply(function, self.each(pieces, Self::as_term)?))
            }
        };
        self.piece(kind, start, depth)
    }

    fn function(&mut self, word: &str, span: Span) -> Parsed<Function> {
        let built_in = Function::ALL.into_iter().find(|function| function_word(function) == word);
        built_in.or_else(|| self.registry.function(word)).ok_or_else(|| {
            let built_in = Function::ALL.iter().map(function_word);
            self.unknown("function", word, span, built_in.chain(self.registry.function_names()))
        })
    }

    fn each<T>(
        &mut self,
        pieces: Vec<Piece>,
        mut of: impl FnMut(&mut Self, Piece) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        pieces.into_iter().map(|piece| of(self, piece)).collect()
    }
}
