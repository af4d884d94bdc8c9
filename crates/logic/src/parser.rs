//! Tokens to a syntax tree.
//!
//! ```text
//! program     = { declaration | clause } .
//! declaration = "relation" name "(" [ name ":" type { "," name ":" type } ] ")" "."
//!             | "input" name "." | "use" name "."
//!             | "event" name [ "(" [ name ":" type { "," name ":" type } ] ")" ] "."
//!             | "output" name [ "order" "by" key { "," key } ] [ "limit" int ] "." .
//! key         = name [ "asc" | "desc" ] .
//! clause      = "forbid" ":-" literal { "," literal } "." | head [ ":-" literal { "," literal } ] "." .
//! head        = atom [ "@" "next" ] .
//! literal     = [ variable ":=" ] atom | "!" atom | term comparison term
//!             | variable ":=" aggregate [ variable [ "to" variable ] [ "by" variable { "," variable } ] ] ":" atom .
//! atom        = [ "type" "::" ] name "(" [ argument { "," argument } ] ")" .
//! argument    = ( name | "$" name ) ":" term [ "??" ( value | "$" name ) ] .
//! term        = product { ( "+" | "-" ) product } .
//! product     = factor { ( "*" | "/" | "%" ) factor } .
//! factor      = "-" factor | value | variable | "_" | "$" name | function "(" term { "," term } ")" | "(" term ")" .
//! ```
//!
//! A clause that cannot be read is reported once and skipped up to its `.`; its names are kept, so that what it may
//! have defined is not reported as missing. Nesting is limited, so that no text can exhaust the stack. Terms are read
//! in `terms`, and what other languages write otherwise in `habits`.

mod habits;
mod terms;

use std::sync::Arc;

use motet_algebra::{Aggregate, ColumnType, Comparison, Function, Registry};
use motet_fact::Kind;

use crate::ast::{
    Atom, Clause, Declaration, DeclarationKind, Literal, LiteralKind, Measure, Module, Name, Term, TermKind,
};
use crate::diagnostic::{Diagnostic, Report, Span};
use crate::{Direction, controls, item_types};
use motet_algebra::text::lexer::{Lexeme, Token, lex};

/// How deep terms may nest.
const MAX_DEPTH: usize = 100;
/// How many conditions a body may have.
pub(crate) const MAX_LITERALS: usize = 200;

/// How the names of the relations of `forbid` rules begin.
pub(crate) const FORBID: &str = "forbid~";

/// What could not be read has been reported.
struct Failed;
type Parsed<T> = Result<T, Failed>;

/// Reads a program; what can't be read is reported and left out. Its text begins at a place behind others, and there
/// were so many `forbid` rules before.
pub(crate) fn parse(
    text: &str,
    begin: usize,
    forbidden: usize,
    registry: &Registry,
    report: &mut Report,
) -> Module {
    let reported = report.count();
    let mut lexemes = lex(text, report);
    report.shift(reported, begin);
    lexemes.iter_mut().for_each(|lexeme| lexeme.span = lexeme.span.shifted(begin));
    let mut parser = Parser { text, begin, lexemes, at: 0, depth: 0, open: 0, forbidden, registry, report };
    let mut module = Module::default();
    while *parser.token() != Token::End {
        let start = parser.at;
        (parser.depth, parser.open) = (0, 0);
        if parser.item(&mut module).is_err() {
            parser.skip_clause();
            module.unread.extend(parser.lexemes[start..parser.at].iter().filter_map(name_of));
        }
    }
    module
}

/// Reports a body of too many conditions.
pub(crate) fn too_long(conditions: usize, span: Span, report: &mut Report) {
    let message = format!("a body of {conditions} conditions; at most {MAX_LITERALS} are allowed");
    report.error("L012", span, message).remedy("split it with a relation in between");
}

fn name_of(lexeme: &Lexeme) -> Option<Arc<str>> {
    match &lexeme.token {
        Token::Name(name) | Token::Quoted(name) => Some(name.clone()),
        _ => None,
    }
}

pub(crate) fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_uppercase() || c == '_')
}

struct Parser<'a> {
    text: &'a str,
    /// Where the text begins among others.
    begin: usize,
    lexemes: Vec<Lexeme>,
    at: usize,
    depth: usize,
    /// How many parentheses are open.
    open: usize,
    /// How many `forbid` rules there were.
    forbidden: usize,
    registry: &'a Registry,
    report: &'a mut Report,
}

impl Parser<'_> {
    fn token(&self) -> &Token {
        self.token_after(0)
    }

    fn token_after(&self, count: usize) -> &Token {
        &self.lexemes[(self.at + count).min(self.lexemes.len() - 1)].token
    }

    fn span(&self) -> Span {
        self.lexemes[self.at].span
    }

    fn span_from(&self, start: Span) -> Span {
        start.to(self.lexemes[self.at.saturating_sub(1)].span)
    }

    fn advance(&mut self) {
        self.at = (self.at + 1).min(self.lexemes.len() - 1);
    }

    fn is(&self, sign: &'static str) -> bool {
        *self.token() == Token::Sign(sign)
    }

    fn is_after(&self, count: usize, sign: &'static str) -> bool {
        *self.token_after(count) == Token::Sign(sign)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.token(), Token::Name(name) if &**name == word)
    }

    /// Moves past a sign, if it is next.
    fn accept(&mut self, sign: &'static str) -> bool {
        let found = self.is(sign);
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, sign: &'static str, place: &str) -> Parsed<()> {
        if self.accept(sign) { Ok(()) } else { Err(self.missing(sign, &format!("`{sign}` {place}"))) }
    }

    /// Reports that a sign is missing, and offers to insert it where that is likely all that is wrong.
    fn missing(&mut self, sign: &'static str, want: &str) -> Failed {
        let failed = self.unexpected(want);
        let before = self.lexemes[self.at.saturating_sub(1)].span.end;
        let insert = match sign {
            ")" if self.ends_condition() => ")".repeat(self.open.max(1)),
            ":" if self.is_value() => ":".to_owned(),
            "(" if self.ends_condition() || self.is(",") => "()".to_owned(),
            "," if matches!(self.token(), Token::Name(_)) && self.is_after(1, ":") => ",".to_owned(),
            _ => return failed,
        };
        let remedy = format!("write `{insert}` here");
        let place = Span { start: before, end: before };
        self.last_report().remedy(&remedy).edit(place, insert, remedy);
        failed
    }

    /// Whether what is next can only stand behind a closed parenthesis.
    fn ends_condition(&self) -> bool {
        [":-", "."].into_iter().any(|sign| self.is(sign))
    }

    fn is_value(&self) -> bool {
        !matches!(self.token(), Token::Sign(_) | Token::End)
    }

    fn unexpected(&mut self, want: &str) -> Failed {
        let (got, span) = (self.token().describe(), self.span());
        let before = self.at.checked_sub(1).map_or(0, |before| self.lexemes[before].span.end);
        // What could not be read between the last token and this one may well be what is missing.
        if !self.report.has_between(before, span.start) {
            let item = self.report.error("L010", span, format!("wanted {want}, found {got}"));
            item.label("not expected here");
        }
        Failed
    }

    /// Moves past the next `.`, or to the end.
    fn skip_clause(&mut self) {
        while *self.token() != Token::End && !self.accept(".") {
            self.advance();
        }
    }

    fn item(&mut self, module: &mut Module) -> Parsed<()> {
        let declares = matches!(self.token(), Token::Name(_))
            && matches!(self.token_after(1), Token::Name(_) | Token::Quoted(_) | Token::Text(_));
        if self.is(".") {
            self.habit(1, "L010", "a `.` without a clause before it", "");
        } else if declares {
            let start = self.span();
            let kind = self.declaration()?;
            module.declarations.push(Declaration { kind, span: self.span_from(start) });
        } else {
            module.clauses.push(self.clause()?);
        }
        Ok(())
    }

    fn declaration(&mut self) -> Parsed<DeclarationKind> {
        let Token::Name(word) = self.token().clone() else {
            unreachable!("a declaration starts with a name")
        };
        let span = self.span();
        self.advance();
        let declaration = match &*word {
            "relation" => {
                let name = self.name("the name of a relation")?;
                DeclarationKind::Relation { name, columns: self.column_list()? }
            }
            "input" => DeclarationKind::Input(self.name("the name of a relation")?),
            "event" => {
                let name = self.name("the name of a relation")?;
                let columns = if self.is("(") { Some(self.column_list()?) } else { None };
                DeclarationKind::Event { name, columns }
            }
            "output" => self.output()?,
            "forbid" => return Err(self.unexpected("`:-` and a body after `forbid`")),
            "use" => DeclarationKind::Use(self.name("the name of saved rules")?),
            _ => {
                let message = format!("`{word}` does not begin a declaration");
                let item = self.report.error("L010", span, message);
                match habits::usual_declaration(&word) {
                    Some(ours) => item.replace(ours),
                    None => item.suggest(&word, ["relation", "input", "event", "output", "forbid", "use"]),
                };
                return Err(Failed);
            }
        };
        self.end_of("the declaration")?;
        Ok(declaration)
    }

    fn output(&mut self) -> Parsed<DeclarationKind> {
        let name = self.name("the name of a relation")?;
        let mut order = Vec::new();
        if self.accept_word("order") {
            if !self.accept_word("by") {
                return Err(self.unexpected("`by` after `order`"));
            }
            order.push(self.key()?);
            while self.accept(",") {
                order.push(self.key()?);
            }
        }
        let limit = if self.accept_word("limit") { Some(self.limit()?) } else { None };
        Ok(DeclarationKind::Output { name, order, limit })
    }

    /// A column, and which way it orders.
    fn key(&mut self) -> Parsed<(Name, Direction)> {
        let column = self.name("the name of a column")?;
        let descending = self.accept_word("desc");
        if !descending {
            self.accept_word("asc");
        }
        Ok((column, if descending { Direction::Descending } else { Direction::Ascending }))
    }

    fn limit(&mut self) -> Parsed<usize> {
        if let Token::Int(count) = *self.token()
            && let Ok(count) = usize::try_from(count)
        {
            self.advance();
            return Ok(count);
        }
        Err(self.unexpected("a number of rows after `limit`"))
    }

    /// Moves past a word, if it is next.
    fn accept_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.advance();
        }
        found
    }

    fn end_of(&mut self, what: &str) -> Parsed<()> {
        if self.accept(".") {
            return Ok(());
        }
        let last = self.lexemes[self.at.saturating_sub(1)].span;
        let got = self.token().describe();
        self.report
            .error("L010", last, format!("wanted `.` at the end of {what}, found {got}"))
            .label("after this")
            .remedy("end it with `.`")
            .edit(Span { start: last.end, end: last.end }, ".", "end it with `.`");
        // What follows may well be the next clause.
        let next = matches!(self.token(), Token::Name(_) | Token::Quoted(_) | Token::End);
        if next { Ok(()) } else { Err(Failed) }
    }

    fn name(&mut self, want: &str) -> Parsed<Name> {
        let span = self.span();
        match self.token().clone() {
            Token::Quoted(text) if text.starts_with(FORBID) || text.starts_with(item_types::PREFIX) => {
                let message = format!("names like `{text}` are made by the compiler");
                self.report.error("L010", span, message).remedy("take another name");
                Err(Failed)
            }
            Token::Name(text) | Token::Quoted(text) => {
                self.advance();
                Ok(Name { text, span })
            }
            _ => Err(self.unexpected(want)),
        }
    }

    fn column_list(&mut self) -> Parsed<Vec<(Name, ColumnType)>> {
        if !self.accept("(") {
            return Err(self.unexpected("`(` and the columns, as in (x: int, y: text)"));
        }
        self.list(")", |parser| {
            let name = parser.name("the name of a column")?;
            parser.expect(":", "and a type after the name of a column, as in `x: int`")?;
            Ok((name, parser.column_type()?))
        })
    }

    fn column_type(&mut self) -> Parsed<ColumnType> {
        const TYPES: [&str; 7] = ["int", "float", "text", "bool", "bytes", "link", "any"];
        let name = self.name("a type")?;
        Ok(match &*name.text {
            "int" => ColumnType::Kind(Kind::Int),
            "float" => ColumnType::Kind(Kind::Float),
            "text" => ColumnType::Kind(Kind::Text),
            "bool" => ColumnType::Kind(Kind::Bool),
            "bytes" => ColumnType::Kind(Kind::Bytes),
            "link" => ColumnType::Kind(Kind::Link),
            "any" => ColumnType::Any,
            other => {
                let item = self.report.error("L022", name.span, format!("there is no type `{other}`"));
                match habits::usual_type(other) {
                    Some(ours) => item.replace(ours),
                    None => item.suggest(other, TYPES),
                };
                ColumnType::Any
            }
        })
    }

    /// Items between commas, up to a closing sign.
    fn list<T>(
        &mut self,
        close: &'static str,
        mut item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        let mut items = Vec::new();
        self.open += 1;
        while !self.accept(close) {
            items.push(item(self)?);
            if !self.accept(",") && !self.is(close) {
                let sign = if self.ends_condition() { close } else { "," };
                return Err(self.missing(sign, &format!("`,` or `{close}`")));
            }
        }
        self.open -= 1;
        Ok(items)
    }

    fn clause(&mut self) -> Parsed<Clause> {
        let start = self.span();
        self.refuse_headless()?;
        if self.is_word("forbid") && self.is_after(1, ".") {
            self.advance();
            return Err(self.unexpected("`:-` and a body after `forbid`"));
        }
        let forbids = self.is_word("forbid") && self.is_after(1, ":-");
        let (head, next) = if forbids { (self.forbidden(), false) } else { self.head()? };
        let mut body = Vec::new();
        if self.accept(":-") || self.arrow() {
            body.push(self.literal()?);
            while self.accept(",") || self.conjunction() || self.forgotten_comma() {
                body.push(self.literal()?);
            }
        }
        if self.is("@") {
            return Err(self.misplaced_next());
        }
        if !self.is(".") && !matches!(self.token(), Token::Name(_) | Token::Quoted(_) | Token::End) {
            let want = if body.is_empty() { "`:-` and a body, or `.`" } else { "`,` or `.`" };
            return Err(self.unexpected(want));
        }
        self.end_of("the clause")?;
        let span = self.span_from(start);
        if body.len() > MAX_LITERALS {
            too_long(body.len(), span, self.report);
            return Err(Failed);
        }
        Ok(Clause { head, body, forbids, next, span })
    }

    /// An atom, and whether it holds in the next epoch. `relation@next(…)` is read too.
    fn head(&mut self) -> Parsed<(Atom, bool)> {
        let start = self.span();
        let (mut atom, next) = if self.is_after(1, "@") {
            let relation = self.name("the name of a relation")?;
            let next = self.accept_next()?;
            (self.arguments(relation, false, start)?, next)
        } else {
            let atom = self.atom()?;
            (atom, self.accept_next()?)
        };
        for (column, _) in &mut atom.arguments {
            // In backticks it is a name like any other.
            let signed = self.text[column.span.start - self.begin..].starts_with(controls::SIGN);
            if signed && controls::is_control(&column.text) {
                controls::refuse_in_head(column, self.report);
            }
        }
        Ok((atom, next))
    }

    /// Moves past `@next`, if it is next.
    fn accept_next(&mut self) -> Parsed<bool> {
        if !self.accept("@") {
            return Ok(false);
        }
        if self.accept_word("next") { Ok(true) } else { Err(self.unexpected("`next` after `@`")) }
    }

    fn misplaced_next(&mut self) -> Failed {
        self.report
            .error("L010", self.span(), "`@next` says of a head that it holds in the next epoch")
            .label("not a head")
            .remedy("write it after the head: lit(id: X)@next :- lit(id: X), !off(id: X)");
        Failed
    }

    /// The name of the relation that holds what breaks the rule.
    fn forbidden(&mut self) -> Atom {
        let span = self.span();
        self.advance();
        self.forbidden += 1;
        let relation = Name { text: format!("{FORBID}{}", self.forbidden).into(), span };
        Atom { relation, arguments: Vec::new(), defaults: Vec::new(), is_type: false, span }
    }

    fn atom(&mut self) -> Parsed<Atom> {
        let start = self.span();
        let is_type = self.is_word("type") && self.is_after(1, "::");
        if is_type {
            self.advance();
            self.advance();
        }
        let relation = self.name("the name of a relation")?;
        self.arguments(relation, is_type, start)
    }

    /// What stands after the relation's name.
    fn arguments(&mut self, relation: Name, is_type: bool, start: Span) -> Parsed<Atom> {
        self.expect("(", &format!("after the relation `{}`", relation.text))?;
        let mut defaults = Vec::new();
        let arguments = self.list(")", |parser| {
            let (column, term, default) = parser.argument()?;
            defaults.extend(default.map(|default| (column.text.clone(), default)));
            Ok((column, term))
        })?;
        let span = self.span_from(start);
        Ok(Atom { relation, arguments, defaults, is_type, span })
    }

    fn argument(&mut self) -> Parsed<(Name, Term, Option<Term>)> {
        let column = if let Some(control) = self.control_column() {
            control
        } else if self.is_after(1, ":") || self.lacks_colon() {
            let column = self.name("the name of a column")?;
            self.expect(":", "after the name of a column")?;
            column
        } else {
            // A mistake of the whole atom, which is reported when all declarations are known.
            Name { text: "".into(), span: self.span() }
        };
        let term = self.term()?;
        let default = if self.accept("??") { Some(self.default()?) } else { None };
        Ok((column, term, default))
    }

    /// `$name` before a `:`, which is not the parameter of that name.
    fn control_column(&mut self) -> Option<Name> {
        let Token::Parameter(name) = self.token().clone() else { return None };
        if name.is_empty() || !self.is_after(1, ":") {
            return None; // without a name the lexer has reported it
        }
        let span = self.span();
        self.advance();
        self.advance();
        Some(Name { text: format!("{}{name}", controls::SIGN).into(), span })
    }

    /// A value or a parameter.
    fn default(&mut self) -> Parsed<Term> {
        let span = self.span();
        let kind = self.simple()?;
        match kind {
            Some(kind @ (TermKind::Constant(_) | TermKind::Parameter(_))) => {
                Ok(Term { kind, span: self.span_from(span), depth: 1 })
            }
            _ => {
                self.report
                    .error("L010", span, "a default is a value or a parameter")
                    .remedy("write it so: title: T ?? \"\"");
                Err(Failed)
            }
        }
    }

    /// Whether the name of a column stands before its value.
    fn lacks_colon(&self) -> bool {
        let value =
            matches!(self.token_after(1), Token::Int(_) | Token::Float(_) | Token::Text(_) | Token::Name(_));
        matches!(self.token(), Token::Name(name) if !is_variable(name)) && value
    }

    fn literal(&mut self) -> Parsed<Literal> {
        let start = self.span();
        self.expect_condition()?;
        let kind = if self.accept("!") || self.negation() {
            LiteralKind::Not(self.atom()?)
        } else if self.is_after(1, ":=") {
            self.binding()?
        } else if self.starts_atom() {
            LiteralKind::Atom { atom: self.atom()?, cid: None }
        } else {
            self.comparison()?
        };
        Ok(Literal { kind, span: self.span_from(start) })
    }

    /// A name with `()` or with a named argument; else it is a function, or a mistake that `atom` explains better.
    fn starts_atom(&self) -> bool {
        match (self.token(), self.token_after(1)) {
            (Token::Quoted(_), _) | (Token::Name(_), Token::Sign("::")) => true,
            (Token::Name(name), Token::Sign("(")) => {
                let named = self.is_after(2, ")") || self.is_after(3, ":");
                named || self.function(name).is_none()
            }
            _ => false,
        }
    }

    /// `C := atom`, or an aggregate.
    fn binding(&mut self) -> Parsed<LiteralKind> {
        let result = self.variable("a variable before `:=`")?;
        if self.assigns_term() {
            self.habit(1, "L013", "`:=` is for CIDs and aggregates", "==");
            let variable = Term { kind: TermKind::Variable(result.text), span: result.span, depth: 1 };
            return Ok(LiteralKind::Compare(Comparison::Equal, variable, self.term()?));
        }
        self.expect(":=", "after the variable")?;
        if self.is_after(1, "(") || self.is_after(1, "::") || matches!(self.token(), Token::Quoted(_)) {
            return Ok(LiteralKind::Atom { atom: self.atom()?, cid: Some(result) });
        }
        let word = self.name("an atom or an aggregate after `:=`")?;
        let measure = self.measure(&word)?;
        let at_atom = self.is(":") || self.is_after(1, "(") || self.is_after(1, "::");
        let over = if at_atom { None } else { Some(self.variable("a variable to aggregate, or `:`")?) };
        if over.is_none() && measure != Measure::Of(Aggregate::Count) {
            let message = format!("`{}` of what?", word.text);
            let remedy = format!("name a variable of the atom, as in S := {}", measure.example());
            self.report.error("L010", word.span, message).remedy(remedy);
        }
        let to = if measure == Measure::FoldMoves { Some(self.moved_to(&measure)?) } else { None };
        let by = self.compared_by(&word, &measure)?;
        self.expect(":", "before the atom that is aggregated")?;
        Ok(LiteralKind::Aggregate { result, measure, over, to, by, atom: self.atom()? })
    }

    /// `to Q`
    fn moved_to(&mut self, measure: &Measure) -> Parsed<Name> {
        if !self.accept_word("to") {
            let failed = self.unexpected("`to` and the variable of the parent");
            self.last_report().remedy(format!("write it so: P := {}", measure.example()));
            return Err(failed);
        }
        self.variable("the variable of the parent after `to`")
    }

    /// `by K, L`
    fn compared_by(&mut self, word: &Name, measure: &Measure) -> Parsed<Vec<Name>> {
        let mut by = Vec::new();
        let span = self.span();
        if self.is_word("by") {
            self.advance();
            by.push(self.variable("a variable after `by`")?);
            while self.accept(",") {
                by.push(self.variable("a variable after `,`")?);
            }
        }
        if by.is_empty() && measure.goes_by() {
            let message = format!("`{}` by what?", word.text);
            let remedy = format!("name what it compares: {}", measure.example());
            self.report.error("L010", word.span, message).remedy(remedy);
        } else if !by.is_empty() && !measure.goes_by() {
            let message = format!("`{}` compares nothing but what it aggregates", word.text);
            self.report.error("L010", span, message).remedy("leave `by` out, or use arg_min or arg_max");
        }
        Ok(by)
    }

    fn measure(&mut self, word: &Name) -> Parsed<Measure> {
        if let Some(measure) = self.known_measure(&word.text) {
            return Ok(measure);
        }
        let built_in: Vec<_> = named_measures().collect();
        let known = built_in.iter().map(Measure::name).chain(self.registry.aggregate_names());
        let message = format!("there is no aggregate `{}`", word.text);
        let item = self.report.error("L025", word.span, message);
        match habits::usual_aggregate(&word.text) {
            Some(ours) => item.replace(ours),
            None => item.suggest(&word.text, known),
        };
        Err(Failed)
    }

    fn known_measure(&self, name: &str) -> Option<Measure> {
        let built_in = named_measures().find(|measure| measure.name() == name);
        built_in.or_else(|| self.registry.aggregate(name).map(Measure::Of))
    }

    fn variable(&mut self, want: &str) -> Parsed<Name> {
        let is_one = matches!(self.token(), Token::Name(name) if is_variable(name) && &**name != "_");
        if !is_one {
            let failed = self.unexpected(want);
            self.last_report().remedy("variables begin with an upper-case letter");
            return Err(failed);
        }
        self.name(want)
    }

    fn last_report(&mut self) -> &mut Diagnostic {
        self.report.last().expect("something was just reported")
    }

    fn comparison(&mut self) -> Parsed<LiteralKind> {
        let left = self.term()?;
        let comparison = match self.comparison_sign() {
            Token::Sign("==") => Comparison::Equal,
            Token::Sign("!=") => Comparison::Unequal,
            Token::Sign("<") => Comparison::Less,
            Token::Sign("<=") => Comparison::LessOrEqual,
            Token::Sign(">") => Comparison::Greater,
            Token::Sign(">=") => Comparison::GreaterOrEqual,
            _ => return Err(self.unexpected("an atom, or a comparison such as X < 3")),
        };
        self.advance();
        Ok(LiteralKind::Compare(comparison, left, self.term()?))
    }

    fn apply(&mut self, function: Function, terms: Vec<Term>) -> Parsed<Term> {
        let first = terms.first().map_or(self.span(), |term| term.span);
        let span = self.span_from(first);
        let depth = 1 + terms.iter().map(|term| term.depth).max().unwrap_or(0);
        if depth > MAX_DEPTH {
            return Err(self.too_deep(span));
        }
        Ok(Term { kind: TermKind::Apply(function, terms), span, depth })
    }

    /// `function(term, …)`
    fn call(&mut self) -> Parsed<Term> {
        let name = self.name("the name of a function")?;
        self.expect("(", "before the arguments")?;
        let terms = self.list(")", Self::term)?;
        let Some(function) = self.function(&name.text) else {
            let message = format!("there is no function `{}`", name.text);
            let built_in: Vec<_> = named_functions().collect();
            let known = built_in.iter().map(Function::name).chain(self.registry.function_names());
            let measure = self.known_measure(&name.text);
            let item = self.report.error("L023", name.span, message);
            match measure {
                Some(measure) => item.remedy(format!("it is an aggregate: write Y := {}", measure.example())),
                None => item.suggest(&name.text, known),
            };
            return Err(Failed);
        };
        if terms.len() != function.arity() {
            let (got, want) = (terms.len(), function.arity());
            let arguments = if want == 1 { "argument" } else { "arguments" };
            let message = format!("`{}` wants {want} {arguments} and gets {got}", name.text);
            let example = ["a", "b", "c", "d"].into_iter().take(want).collect::<Vec<_>>().join(", ");
            let remedy = format!("write {}({example})", name.text);
            self.report.error("L034", self.span_from(name.span), message).remedy(remedy);
            return Err(Failed);
        }
        self.apply(function, terms)
    }

    fn function(&self, name: &str) -> Option<Function> {
        let built_in = named_functions().find(|function| function.name() == name);
        built_in.or_else(|| self.registry.function(name))
    }
}

fn named_measures() -> impl Iterator<Item = Measure> {
    Aggregate::ALL.into_iter().map(Measure::Of).chain([Measure::Rank, Measure::FoldMoves])
}

fn named_functions() -> impl Iterator<Item = Function> {
    Function::ALL.into_iter().filter(|function| function.name().starts_with(|c: char| c.is_alphabetic()))
}
