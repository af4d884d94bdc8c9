//! Sources and sinks (RA-X4).
//!
//! ```text
//! end = "source" name "from" format text { "follow" | "retries" int } ";"
//!     | "sink" name "to" format text { "changes" | "retries" int } ";" .
//! format = "csv" | "lines" | "car" .
//! ```
//!
//! `source` and `sink` are no words of the language: a relation may have these names. An assignment goes on with `:-`
//! or `@`, and an end with a name.

use std::fmt::{self, Display, Formatter};

use super::cursor::{Cursor, Parsed};
use super::diagnostic::{Report, Span};
use super::lexer::Token;
use super::parse::Placed;
use super::print::{write_name, write_value};
use crate::plan::{End, Format, Plan};

/// The words of a kind of end: what it is, what stands before its place, and what makes it live.
pub(super) struct Words {
    kind: &'static str,
    before: &'static str,
    live: &'static str,
}

const SOURCE: Words = Words { kind: "source", before: "from", live: "follow" };
const SINK: Words = Words { kind: "sink", before: "to", live: "changes" };

/// Where an end stands.
pub(super) struct EndPlace {
    is_source: bool,
    name: Span,
    whole: Span,
}

impl Cursor<'_> {
    /// Whether an end is next.
    pub(super) fn is_end(&self) -> bool {
        let named = matches!(self.token_after(1), Token::Name(_) | Token::Quoted(_));
        named && (self.is_word(SOURCE.kind) || self.is_word(SINK.kind))
    }

    /// Reads an end.
    pub(super) fn end(&mut self, placed: &mut Placed) -> Parsed<()> {
        let start = self.span();
        let is_source = self.is_word(SOURCE.kind);
        self.advance();
        let words = if is_source { SOURCE } else { SINK };
        let name = self.span();
        let relation = self.name("the name of a relation")?;
        self.expect_word(words.before, &format!("before where the {} is", words.kind))?;
        let format = self.format()?;
        let location = match self.token() {
            Token::Text(location) => location.clone(),
            _ => return Err(self.unexpected("a text: the path of a file, or \"-\"")),
        };
        self.advance();
        let mut end = End { relation, format, location, live: false, retries: None };
        while !self.accept(";") {
            self.option(&mut end, &words)?;
        }
        placed.ends.push(EndPlace { is_source, name, whole: self.span_from(start) });
        let plan = &mut placed.plan;
        if is_source { &mut plan.sources } else { &mut plan.sinks }.push(end);
        Ok(())
    }

    fn format(&mut self) -> Parsed<Format> {
        let span = self.span();
        let word = self.name("a format: csv, lines or car")?;
        let known = Format::ALL.into_iter().find(|format| format.name() == &*word);
        known.ok_or_else(|| self.unknown("format", &word, span, Format::ALL.map(Format::name)))
    }

    fn option(&mut self, end: &mut End, words: &Words) -> Parsed<()> {
        if self.accept_word(words.live) {
            end.live = true;
            return Ok(());
        }
        if !self.accept_word("retries") {
            return Err(self.unexpected(&format!("`{}`, `retries` or `;`", words.live)));
        }
        let retries = match self.token() {
            Token::Int(number) => u32::try_from(*number).ok(),
            _ => None,
        };
        end.retries = Some(retries.ok_or_else(|| self.unexpected("how often it may fail in a row"))?);
        self.advance();
        Ok(())
    }
}

/// Reports ends of relations that have none, and options that do not fit.
pub(super) fn check(placed: &Placed, report: &mut Report) {
    let Plan { program, sources, sinks } = &placed.plan;
    let (mut sources, mut sinks) = (sources.iter(), sinks.iter());
    for EndPlace { is_source, name: span, whole } in &placed.ends {
        let (end, words) = match is_source {
            true => (sources.next(), SOURCE),
            false => (sinks.next(), SINK),
        };
        let end = end.expect("each end has its place");
        let name = &end.relation;
        let Some(relation) = program.relations.get(name) else {
            report
                .error("R030", *span, format!("the program has no relation `{name}`"))
                .suggest(name, program.relations.keys().map(|name| &**name));
            continue;
        };
        let mark = if *is_source { "input" } else { "output" };
        if !(if *is_source { relation.input } else { relation.output }) {
            report
                .error("R045", *span, format!("`{name}` has a {} and is no {mark}", words.kind))
                .remedy(format!("write `{mark}` after the columns of its declaration"));
        }
        if end.live && end.format != Format::Lines {
            let message = format!("`{}` is for lines, and this is {}", words.live, end.format.name());
            report.error("R046", *whole, message).remedy("leave it out, or write lines");
        }
        if &*end.location == "-" && !(end.live && end.format == Format::Lines) {
            let message = "standard input and output are streams of lines";
            report.error("R046", *whole, message).remedy(format!("write lines \"-\" {}", words.live));
        }
    }
}

fn write_end(f: &mut Formatter<'_>, end: &End, words: &Words) -> fmt::Result {
    write!(f, "{} ", words.kind)?;
    write_name(f, &end.relation)?;
    write!(f, " {} {} ", words.before, end.format.name())?;
    write_value(f, &(*end.location).into())?;
    if end.live {
        write!(f, " {}", words.live)?;
    }
    if let Some(retries) = end.retries {
        write!(f, " retries {retries}")?;
    }
    f.write_str(";\n")
}

/// The program between its sources and its sinks.
impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Plan { program, sources, sinks } = self;
        program.write_relations(f)?;
        sources.iter().try_for_each(|end| write_end(f, end, &SOURCE))?;
        program.write_statements(f)?;
        sinks.iter().try_for_each(|end| write_end(f, end, &SINK))
    }
}
