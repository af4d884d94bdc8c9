//! Which row is asked about: `Reach(x: 1, y: _)`, or `Reach(1, _)` in the order of the columns.

use motet_algebra::text::lexer::{Lexeme, Token, lex};
use motet_algebra::{Column, ColumnType, RelationName, Row};
use motet_fact::Value;

use super::Account;
use crate::diagnostic::{Diagnostics, Report, Source, Span};
use crate::literal::value_of;

/// A relation and what is known of a row's columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The relation.
    pub relation: RelationName,
    /// For each column its value, if it is given.
    pub values: Vec<Option<Value>>,
}

impl Pattern {
    /// Whether a row has the values that are given.
    pub fn fits(&self, row: &Row) -> bool {
        self.values
            .iter()
            .zip(row)
            .all(|(wanted, value)| wanted.as_ref().is_none_or(|wanted| wanted == value))
    }
}

/// What could not be read has been reported.
struct Failed;

impl Account<'_> {
    /// Reads a pattern over the program's relations.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn pattern(&self, text: &str) -> Result<Pattern, Diagnostics> {
        let source = Source::new("row", text);
        let mut report = Report::default();
        let lexemes = lex(text, &mut report);
        let mut reader = Reader { lexemes: &lexemes, account: self, report: &mut report };
        match reader.pattern() {
            Ok(pattern) if !report.has_errors() => Ok(pattern),
            _ => Err(report.finish(&source)),
        }
    }
}

struct Reader<'r> {
    lexemes: &'r [Lexeme],
    account: &'r Account<'r>,
    report: &'r mut Report,
}

impl Reader<'_> {
    fn span(&self) -> Span {
        self.lexemes.first().map(|lexeme| lexeme.span).unwrap_or_default()
    }

    fn advance(&mut self, count: usize) {
        self.lexemes = &self.lexemes[count.min(self.lexemes.len() - 1)..];
    }

    fn is_after(&self, count: usize, sign: &'static str) -> bool {
        self.lexemes.get(count).is_some_and(|lexeme| lexeme.token == Token::Sign(sign))
    }

    fn accept(&mut self, sign: &'static str) -> bool {
        let found = self.is_after(0, sign);
        if found {
            self.advance(1);
        }
        found
    }

    fn name(&mut self) -> Option<(RelationName, Span)> {
        let Lexeme { token: Token::Name(name) | Token::Quoted(name), span } = self.lexemes.first()? else {
            return None;
        };
        let found = (name.clone(), *span);
        self.advance(1);
        Some(found)
    }

    fn unexpected(&mut self) -> Failed {
        self.report
            .error("L010", self.span(), "this is no row")
            .remedy("write it as in Reach(x: 1, y: _), or in the order of the columns: Reach(1, _)");
        Failed
    }

    fn pattern(&mut self) -> Result<Pattern, Failed> {
        let (relation, span) = self.name().ok_or_else(|| self.unexpected())?;
        let account = self.account;
        let Some(known) = account.compiled.program.relations.get(&relation) else {
            let names = account.compiled.program.relations.keys().map(|name| &**name);
            self.report
                .error("L020", span, format!("no output depends on a relation `{relation}`"))
                .remedy(format!("if there is one, declare `output {relation}.`"))
                .suggest(&relation, names.filter(|name| !name.contains('~')));
            return Err(Failed);
        };
        let mut pattern = Pattern { relation, values: vec![None; known.columns.len()] };
        if !self.accept("(") {
            return Err(self.unexpected());
        }
        let columns = known.tuple_columns();
        let mut place = 0;
        while !self.accept(")") {
            self.argument(&mut pattern, &columns, place)?;
            place += 1;
            if !self.accept(",") && !self.is_after(0, ")") {
                return Err(self.unexpected());
            }
        }
        self.accept(".");
        if self.lexemes[0].token == Token::End { Ok(pattern) } else { Err(self.unexpected()) }
    }

    fn argument(&mut self, pattern: &mut Pattern, columns: &[Column], place: usize) -> Result<(), Failed> {
        let mut place = place;
        if self.is_after(1, ":") {
            let (column, span) = self.name().ok_or_else(|| self.unexpected())?;
            self.advance(1);
            place = columns.iter().position(|one| *one == column).ok_or_else(|| {
                let message = format!("`{}` has no column `{column}`", pattern.relation);
                self.report.error("L021", span, message).suggest(&column, columns.iter().map(|one| &**one));
                Failed
            })?;
        }
        let (span, relation) = (self.span(), pattern.relation.clone());
        if place >= columns.len() {
            let message = format!("`{relation}` has {} columns", columns.len());
            self.report.error("L034", span, message).remedy(format!("they are: {}", columns.join(", ")));
            return Err(Failed);
        }
        let anything =
            matches!(self.lexemes.first(), Some(Lexeme { token: Token::Name(name), .. }) if &**name == "_");
        if anything {
            self.advance(1);
            return Ok(());
        }
        let (value, used) = value_of(self.lexemes).ok_or_else(|| self.unexpected())?;
        self.advance(used);
        let (_, column_type) = &self.account.compiled.program.relations[&relation].columns[place];
        if let (false, ColumnType::Kind(kind)) = (column_type.takes(&value), column_type) {
            let message = format!(
                "`{relation}.{}` is {} and this is {}",
                columns[place],
                kind.name(),
                value.kind().name()
            );
            self.report.error("L040", span, message).remedy(format!("write a value of kind {}", kind.name()));
        }
        pattern.values[place] = Some(value);
        Ok(())
    }
}
