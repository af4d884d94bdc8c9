//! A place in a list of tokens, and the small steps that every rule of the grammar is made of.

use std::sync::Arc;

use super::diagnostic::{Diagnostic, Report, Span};
use super::lexer::{Lexeme, Token};
use super::words::RESERVED;
use crate::Registry;
use crate::rule::Rules;

/// What could not be read has been reported.
pub(super) struct Failed;
/// What a rule of the grammar gives.
pub(super) type Parsed<T> = Result<T, Failed>;

/// Where a parser is in its text.
pub(super) struct Cursor<'a> {
    pub(super) lexemes: Vec<Lexeme>,
    pub(super) at: usize,
    pub(super) rules: Rules<'a>,
    pub(super) registry: &'a Registry,
    pub(super) report: &'a mut Report,
}

impl Cursor<'_> {
    pub(super) fn token(&self) -> &Token {
        &self.lexemes[self.at].token
    }

    pub(super) fn token_after(&self, count: usize) -> &Token {
        &self.lexemes[(self.at + count).min(self.lexemes.len() - 1)].token
    }

    pub(super) fn span(&self) -> Span {
        self.lexemes[self.at].span
    }

    /// From a place up to what was read last.
    pub(super) fn span_from(&self, start: Span) -> Span {
        start.to(self.lexemes[self.at.saturating_sub(1)].span)
    }

    pub(super) fn advance(&mut self) {
        self.at = (self.at + 1).min(self.lexemes.len() - 1);
    }

    pub(super) fn is(&self, sign: &str) -> bool {
        matches!(self.token(), Token::Sign(found) if *found == sign)
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self.token(), Token::Name(name) if &**name == word)
    }

    /// Whether a word and an opening parenthesis are next.
    pub(super) fn calls(&self) -> bool {
        matches!(self.token(), Token::Name(_)) && *self.token_after(1) == Token::Sign("(")
    }

    /// Moves past a sign, if it is next.
    pub(super) fn accept(&mut self, sign: &str) -> bool {
        let found = self.is(sign);
        if found {
            self.advance();
        }
        found
    }

    /// Moves past a word, if it is next.
    pub(super) fn accept_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn expect(&mut self, sign: &str, place: &str) -> Parsed<()> {
        if self.accept(sign) { Ok(()) } else { Err(self.unexpected(&format!("`{sign}` {place}"))) }
    }

    pub(super) fn expect_word(&mut self, word: &str, place: &str) -> Parsed<()> {
        if self.accept_word(word) { Ok(()) } else { Err(self.unexpected(&format!("`{word}` {place}"))) }
    }

    pub(super) fn unexpected(&mut self, want: &str) -> Failed {
        self.wanted(want);
        Failed
    }

    /// Reports that something else stands here than was wanted.
    pub(super) fn wanted(&mut self, want: &str) -> &mut Diagnostic {
        let (got, span) = (self.token().describe(), self.span());
        let message = format!("wanted {want}, found {got}");
        self.report.error("R010", span, message).label("not expected here")
    }

    /// Reports a word that is not known, with what is most like it.
    pub(super) fn unknown<'w>(
        &mut self,
        what: &str,
        word: &str,
        span: Span,
        known: impl IntoIterator<Item = &'w str>,
    ) -> Failed {
        let item = self.report.error("R011", span, format!("there is no {what} `{word}`"));
        item.suggest(word, known);
        Failed
    }

    /// A name that is no word of the language, or any name in backticks.
    pub(super) fn name(&mut self, want: &str) -> Parsed<Arc<str>> {
        let name = match self.token() {
            Token::Quoted(name) => name.clone(),
            Token::Name(name) if !RESERVED.contains(&&**name) => name.clone(),
            Token::Name(word) => {
                let remedy = format!("a name that is a word of the language stands in backticks: `{word}`");
                self.wanted(want).remedy(remedy);
                return Err(Failed);
            }
            _ => return Err(self.unexpected(want)),
        };
        self.advance();
        Ok(name)
    }

    /// Items between commas, up to a closing sign that is passed too.
    pub(super) fn list<T>(
        &mut self,
        close: &str,
        mut item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        let mut items = Vec::new();
        while !self.accept(close) {
            if !items.is_empty() {
                self.expect(",", &format!("or `{close}`"))?;
            }
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// Names in brackets.
    pub(super) fn names(&mut self, of: &str) -> Parsed<Vec<Arc<str>>> {
        self.expect("[", &format!("before {of}"))?;
        self.list("]", |cursor| cursor.name("a name"))
    }
}
