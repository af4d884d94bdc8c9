//! What is wrong with a program: where, why, and what to do.
//!
//! A compilation collects every problem it finds and gives them all at once, in the order of the text. Each has a code
//! that does not change between versions, a message, the piece of text it is about, a few words about that piece, and
//! usually a remedy; where that is mechanical, as an [`Edit`] too.
//!
//! The codes: L00x characters and literals, L01x syntax, L02x unknown names, L03x declarations and heads, L04x types,
//! L05x variables, L06x strata, L07x warnings.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

use crate::text::edit::Edit;
use crate::text::sources::Sources;

/// A program and what to call it in messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// A file name, or another word for where the text is from.
    pub name: String,
    /// The program.
    pub text: String,
}

impl Source {
    /// Names a text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Source { name: name.into(), text: text.into() }
    }

    /// The line and column of a byte, both counted from 1, columns in characters.
    pub fn place(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..offset.min(self.text.len())];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// The text of a span.
    pub fn excerpt(&self, span: Span) -> &str {
        &self.text[span.start..span.end]
    }
}

/// A text that knows where its lines begin, so that a place in it is found at the cost of its line.
pub(crate) struct Lines<'a> {
    pub(crate) source: &'a Source,
    begins: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(crate) fn of(source: &'a Source) -> Self {
        let after = source.text.match_indices('\n').map(|(at, _)| at + 1);
        Lines { source, begins: std::iter::once(0).chain(after).collect() }
    }

    /// As [`Source::place`].
    pub(crate) fn place(&self, offset: usize) -> (usize, usize) {
        let line = self.begins.partition_point(|begin| *begin <= offset);
        let before = &self.source.text[self.begins[line - 1]..offset.min(self.source.text.len())];
        (line, before.chars().count() + 1)
    }

    /// A line without its end.
    fn text(&self, line: usize) -> &'a str {
        let end = self.begins.get(line).map_or(self.source.text.len(), |next| next - 1);
        &self.source.text[self.begins[line - 1]..end]
    }
}

/// A piece of a program: a range of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    /// From the start of this to the end of another.
    pub fn to(self, end: Span) -> Span {
        Span { start: self.start, end: end.end.max(self.start) }
    }

    /// The same piece of a text that begins at a place behind others.
    #[must_use]
    pub fn shifted(self, begin: usize) -> Span {
        Span { start: self.start + begin, end: self.end + begin }
    }
}

/// Whether a program can run all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but something is likely not meant.
    Warning,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it stops the program.
    pub severity: Severity,
    /// Its stable code, `L` and three digits.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// Where.
    pub span: Span,
    /// A few words to stand under that place; may be empty.
    pub label: String,
    /// What to do, if that can be said.
    pub remedy: Option<String>,
    /// Changes of the text that do it, each of which is enough.
    pub edits: Vec<Edit>,
}

impl Diagnostic {
    /// Adds the words under the place.
    pub fn label(&mut self, label: impl Into<String>) -> &mut Self {
        self.label = label.into();
        self
    }

    /// Adds what to do.
    pub fn remedy(&mut self, remedy: impl Into<String>) -> &mut Self {
        self.remedy = Some(remedy.into());
        self
    }
}

/// All problems of a program, in the order of its text. Prints them with the lines they are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    sources: Sources,
    items: Vec<Diagnostic>,
}

impl Diagnostics {
    /// The problems.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.items.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The program they are about.
    pub fn source(&self) -> &Source {
        self.sources.program()
    }

    /// The program with the texts that it brought in.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The text that one of them is about, which may be one that the program brought in, and where in it.
    pub fn locate(&self, span: Span) -> (&Source, Span) {
        self.sources.locate(span)
    }
}

impl std::error::Error for Diagnostics {}

impl Display for Diagnostics {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let texts: Vec<Lines<'_>> = self.sources.texts().map(|(_, source)| Lines::of(source)).collect();
        for (index, item) in self.items.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            let (source, span) = self.locate(item.span);
            let text = texts.iter().find(|text| std::ptr::eq(text.source, source));
            write_item(f, text.expect("a problem is of one of the texts"), span, item)?;
        }
        Ok(())
    }
}

fn write_item(f: &mut Formatter<'_>, text: &Lines<'_>, span: Span, item: &Diagnostic) -> fmt::Result {
    let (line, column) = text.place(span.start);
    let severity = match item.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    writeln!(f, "{severity}[{}]: {}", item.code, cut(&item.message))?;
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    writeln!(f, "{margin}--> {}:{line}:{column}", text.source.name)?;
    let (shown, column) = window(text.text(line), column);
    writeln!(f, "{}", format!("{margin} |\n{number} | {shown}").trim_end())?;
    let carets = "^".repeat(caret_count(text.source, span, column, &shown));
    let under = format!("{margin} | {}{carets} {}", " ".repeat(column - 1), cut(&item.label));
    writeln!(f, "{}", under.trim_end())?;
    match &item.remedy {
        Some(remedy) => writeln!(f, "{margin} = {}", cut(remedy)),
        None => Ok(()),
    }
}

/// How many characters of what is said are shown: it may repeat names of any length.
const SAID: usize = 400;

fn cut(said: &str) -> Cow<'_, str> {
    match said.char_indices().nth(SAID) {
        Some((end, _)) => format!("{}…", &said[..end]).into(),
        None => said.into(),
    }
}

/// How many characters of a line are shown, and how many of them before the place.
const WINDOW: (usize, usize) = (120, 40);

/// What is shown of a line, without characters that move the cursor; and the column of the place in it. Of a long line
/// that is the surroundings of the place.
fn window(line: &str, column: usize) -> (String, usize) {
    let skipped = if line.chars().count() > WINDOW.0 { column.saturating_sub(WINDOW.1 + 1) } else { 0 };
    let shown = line.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut text: String = shown.skip(skipped).take(WINDOW.0).collect();
    if line.chars().count() > skipped + WINDOW.0 {
        text.push('…');
    }
    if skipped > 0 {
        text.insert_str(0, "… ");
    }
    (text, column - skipped + if skipped > 0 { 2 } else { 0 })
}

/// As many as the span has characters, but not past the line's end, and at least one.
fn caret_count(source: &Source, span: Span, column: usize, line: &str) -> usize {
    let rest = line.chars().count().saturating_sub(column - 1);
    source.excerpt(span).chars().take(rest).count().max(1)
}

/// Where a compilation writes its problems down.
#[derive(Debug, Default)]
pub struct Report {
    items: Vec<Diagnostic>,
}

impl Report {
    /// Notes what stops the program.
    pub fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.add(Severity::Error, code, span, message.into())
    }

    /// Notes what is likely not meant.
    pub fn warning(&mut self, code: &'static str, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.add(Severity::Warning, code, span, message.into())
    }

    fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        span: Span,
        message: String,
    ) -> &mut Diagnostic {
        let (label, remedy, edits) = (String::new(), None, Vec::new());
        let item = Diagnostic { severity, code, message, span, label, remedy, edits };
        self.items.push(item);
        self.items.last_mut().expect("one was just pushed")
    }

    /// What was noted last.
    pub fn last(&mut self) -> Option<&mut Diagnostic> {
        self.items.last_mut()
    }

    /// Whether something was noted that lies between two places.
    pub fn has_between(&self, start: usize, end: usize) -> bool {
        self.items.iter().any(|item| start <= item.span.start && item.span.end <= end)
    }

    /// How much was noted.
    pub fn count(&self) -> usize {
        self.items.len()
    }

    /// Whether anything stops the program.
    pub fn has_errors(&self) -> bool {
        self.items.iter().any(|item| item.severity == Severity::Error)
    }

    /// Says that all but the first so many are about a text that begins at a place behind others ([`Sources`]).
    pub fn shift(&mut self, first: usize, begin: usize) {
        for item in &mut self.items[first..] {
            item.span = item.span.shifted(begin);
            item.edits.iter_mut().for_each(|edit| edit.span = edit.span.shifted(begin));
        }
    }

    /// All of them, in the order of the text; what was said twice is said once.
    pub fn finish(mut self, sources: impl Into<Sources>) -> Diagnostics {
        self.items.sort_by_key(|item| (item.span, item.severity, item.code));
        self.items.dedup();
        let sources = sources.into();
        // What was saved is for others too: it is not changed for the sake of one program.
        let length = sources.program().text.len();
        self.items.iter_mut().for_each(|item| item.edits.retain(|edit| edit.span.end <= length));
        Diagnostics { sources, items: self.items }
    }
}

/// The name most like one that is not known, if any is like it.
pub fn most_like<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A name of one letter is like none but itself.
    let limit = name.chars().count().saturating_sub(1).min(name.chars().count().div_ceil(3)).min(3);
    let distance = |one: &&str| edit_distance(&name.to_lowercase(), &one.to_lowercase());
    known.into_iter().map(|one| (distance(&one), one)).filter(|(d, _)| *d <= limit).min().map(|(_, one)| one)
}

/// `did you mean …`, or what there is to choose from.
pub fn suggest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<_> = known.into_iter().collect();
    if let Some(like) = most_like(name, known.iter().copied()) {
        return Some(format!("did you mean `{like}`?"));
    }
    (!known.is_empty() && known.len() <= 12).then(|| format!("there are: {}", known.join(", ")))
}

/// The fewest insertions, removals, replacements and swaps of neighbours that make one text the other.
fn edit_distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows = vec![(0..=right.len()).collect::<Vec<usize>>()];
    for (i, one) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, other) in right.iter().enumerate() {
            let replace = rows[i][j] + usize::from(one != other);
            let mut best = replace.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && left[i - 1] == *other && right[j - 1] == *one {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}
