//! Text to programs.
//!
//! ```text
//! program     = { declaration | statement | end } .
//! declaration = "relation" name "(" [ name ":" type { "," name ":" type } ] ")" { "input" | "event" | "output" } ";" .
//! type        = "int" | "float" | "text" | "bool" | "bytes" | "link" | "any" .
//! statement   = name [ "@" "next" ] ":-" expression ";"
//!             | "while" "change" "do" { statement } "end" [ "exports" names ] ";" .
//! expression  = name | operator "(" … ")" .
//! names       = "[" [ name { "," name } ] "]" .
//! ```
//!
//! The operators stand in [`super::operator`], conditions and terms in [`super::condition`], sources and sinks in
//! [`super::ends`]. A statement that cannot
//! be read is reported once and skipped up to its `;`. Expressions are read without recursion, since plans may be deep;
//! how deep is limited all the same, because others do recurse.

use std::collections::BTreeMap;
use std::sync::Arc;

use motet_fact::Kind;

use super::cursor::{Cursor, Failed, Parsed};
use super::diagnostic::{Diagnostics, Report, Source, Span};
use super::ends::EndPlace;
use super::lexer::{Token, lex};
use super::operator::Open;
use crate::plan::Plan;
use crate::rule::Rules;
use crate::{Column, ColumnType, Expression, Program, Registry, Relation, RelationName, Statement};

const TYPES: [(&str, ColumnType); 7] = [
    ("bool", ColumnType::Kind(Kind::Bool)),
    ("int", ColumnType::Kind(Kind::Int)),
    ("float", ColumnType::Kind(Kind::Float)),
    ("text", ColumnType::Kind(Kind::Text)),
    ("bytes", ColumnType::Kind(Kind::Bytes)),
    ("link", ColumnType::Kind(Kind::Link)),
    ("any", ColumnType::Any),
];

/// How many loops may stand in each other. A sound program has none inside another.
const MAX_LOOPS: usize = 20;

/// Reads a plan. Its program may be unsound: that is what [`Program::check`](crate::Program::check) says.
///
/// # Errors
/// All that cannot be read.
pub fn parse_plan(source: &Source, registry: &Registry) -> Result<Plan, Diagnostics> {
    let mut report = Report::default();
    let parsed = read(source, registry, &mut report);
    if report.has_errors() { Err(report.finish(source)) } else { Ok(parsed.plan) }
}

/// Reads the program of a plan; sources and sinks that it names are left out.
///
/// # Errors
/// As [`parse_plan`].
pub fn parse(source: &Source, registry: &Registry) -> Result<Program, Diagnostics> {
    parse_plan(source, registry).map(|plan| plan.program)
}

/// A program and where its parts stand.
#[derive(Default)]
pub(super) struct Placed {
    pub(super) plan: Plan,
    pub(super) relations: BTreeMap<RelationName, Span>,
    /// Of each statement in the order of the text, a loop before its body.
    pub(super) statements: Vec<Place>,
    /// Of each source and sink in the order of the text.
    pub(super) ends: Vec<EndPlace>,
}

/// Where a statement stands.
pub(super) struct Place {
    /// The statement up to its expression or body.
    pub(super) head: Span,
    /// The operators of its expression, inputs before what is made of them.
    pub(super) operators: Vec<Span>,
}

/// Reads as much as can be read, and reports the rest.
pub(super) fn read(source: &Source, registry: &Registry, report: &mut Report) -> Placed {
    let lexemes = lex(&source.text, report);
    let mut cursor = Cursor { lexemes, at: 0, rules: Rules::of(source), registry, report };
    let mut placed = Placed::default();
    while *cursor.token() != Token::End {
        let start = cursor.at;
        let item = cursor.item(&mut placed);
        item.unwrap_or_else(|Failed| cursor.skip(start, ["relation", "while"]));
    }
    placed
}

impl Cursor<'_> {
    fn item(&mut self, placed: &mut Placed) -> Parsed<()> {
        if self.is_word("relation") {
            return self.declaration(placed);
        }
        if self.is_end() {
            return self.end(placed);
        }
        let statement = self.statement(&mut placed.statements, 0)?;
        placed.plan.program.statements.push(statement);
        Ok(())
    }

    /// Moves from what failed past the next `;`, or to a word with which something else begins.
    fn skip(&mut self, start: usize, words: [&str; 2]) {
        let begins = |cursor: &Self| words.into_iter().any(|word| cursor.is_word(word));
        while *self.token() != Token::End && !self.accept(";") && (self.at == start || !begins(self)) {
            self.advance();
        }
    }

    fn declaration(&mut self, placed: &mut Placed) -> Parsed<()> {
        self.advance();
        let span = self.span();
        let name = self.name("the name of a relation")?;
        self.expect("(", "before the columns")?;
        let columns = self.list(")", Self::typed_column)?;
        let mut relation = Relation { columns, input: false, event: false, output: false };
        while !self.accept(";") {
            let mark = match () {
                () if self.is_word("input") => &mut relation.input,
                () if self.is_word("event") => &mut relation.event,
                () if self.is_word("output") => &mut relation.output,
                () => return Err(self.unexpected("`input`, `event`, `output` or `;` after the columns")),
            };
            *mark = true;
            self.advance();
        }
        if placed.relations.insert(name.clone(), span).is_some() {
            let message = format!("`{name}` is declared twice");
            self.report.error("R020", span, message).remedy("keep one of the declarations");
        }
        placed.plan.program.relations.insert(name, relation);
        Ok(())
    }

    fn typed_column(&mut self) -> Parsed<(Column, ColumnType)> {
        let column = self.name("the name of a column")?;
        self.expect(":", "before the type of the column")?;
        let span = self.span();
        let word = self.name("a type")?;
        let known = TYPES.into_iter().find(|(name, _)| *name == &*word);
        let (_, kind) =
            known.ok_or_else(|| self.unknown("type", &word, span, TYPES.map(|(name, _)| name)))?;
        Ok((column, kind))
    }

    /// A statement, inside of some loops.
    fn statement(&mut self, places: &mut Vec<Place>, loops: usize) -> Parsed<Statement> {
        let start = self.span();
        if self.is_word("while") {
            return self.repeated(places, loops + 1);
        }
        let relation = self.name("a statement: `relation …`, `name :- …` or `while change do …`")?;
        let next = self.accept("@");
        if next {
            self.expect_word("next", "after `@`")?;
        }
        self.expect(":-", "after the relation that is assigned")?;
        let head = self.span_from(start);
        let mut operators = Vec::new();
        let expression = self.expression(&mut operators)?;
        let rule = self.rules.at(self.span_from(start)).into();
        self.expect(";", "after the statement")?;
        places.push(Place { head, operators });
        Ok(match next {
            true => Statement::Next { relation, expression, rule },
            false => Statement::Assign { relation, expression, rule },
        })
    }

    /// `while change do … end exports […];` Without exports a loop exports all it assigns.
    fn repeated(&mut self, places: &mut Vec<Place>, loops: usize) -> Parsed<Statement> {
        let start = self.span();
        if loops > MAX_LOOPS {
            self.report.error("R012", start, format!("more than {MAX_LOOPS} loops in each other"));
            self.at = self.lexemes.len() - 1;
            return Err(Failed);
        }
        self.advance();
        self.expect_word("change", "after `while`")?;
        self.expect_word("do", "after `while change`")?;
        places.push(Place { head: self.span_from(start), operators: Vec::new() });
        let mut body = Vec::new();
        while !self.accept_word("end") {
            if *self.token() == Token::End {
                return Err(self.unexpected("`end` of the loop"));
            }
            let start = self.at;
            match self.statement(places, loops) {
                Ok(statement) => body.push(statement),
                Err(Failed) => self.skip(start, ["end", "while"]),
            }
        }
        let exports =
            if self.accept_word("exports") { self.names("the exported relations")? } else { assigned(&body) };
        self.expect(";", "after the loop")?;
        Ok(Statement::Loop { body, exports })
    }

    /// An expression; where its operators stand is added to a list, inputs before what is made of them.
    fn expression(&mut self, places: &mut Vec<Span>) -> Parsed<Expression> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            let mut start = self.span();
            let mut done = self.operand(&mut open)?;
            if done.is_none() && !self.is(")") {
                continue;
            }
            loop {
                if let Some(expression) = done {
                    places.push(self.span_from(start));
                    let Some(operator) = open.last_mut() else { return Ok(expression) };
                    operator.inputs.push(expression);
                    if self.accept(",") {
                        break;
                    }
                }
                self.expect(")", "or `,` after an input")?;
                let operator = open.pop().expect("an operator was opened, or an expression would be done");
                start = operator.start;
                done = Some(self.close(operator)?);
            }
        }
    }
}

/// What the statements assign, each once and in order.
fn assigned(body: &[Statement]) -> Vec<RelationName> {
    let mut names: Vec<Arc<str>> = Vec::new();
    for statement in body {
        if let Statement::Assign { relation, .. } = statement
            && !names.contains(relation)
        {
            names.push(relation.clone());
        }
    }
    names
}
