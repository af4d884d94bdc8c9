//! Where a part of a program is from: the rule that was written for it (Q3, Q17).
//!
//! A runtime computes relations, and people write rules. So each statement says which rule it computes, through
//! lowering and optimising; and whatever a runtime has to say of a statement, that it ran over the budget or that rows
//! of it have no value, it says of a [`Site`].

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use crate::program::RelationName;
use crate::text::diagnostic::{Lines, Source, Span};
use crate::text::sources::Sources;

/// A rule as it was written: where it stands, and what it says. In a plan that was written as such each statement is a
/// rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// The name of its text.
    pub source: Arc<str>,
    /// Its line, from 1.
    pub line: usize,
    /// Its column, from 1, in characters.
    pub column: usize,
    /// What it says, on one line, and cut if it is long.
    pub text: Arc<str>,
}

/// How many characters of a rule are shown.
const SHOWN: usize = 100;

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "rule at {} ({})", self.place(), self.text)
    }
}

impl Rule {
    /// Where it stands: text, line and column.
    pub fn place(&self) -> String {
        let Rule { source, line, column, .. } = self;
        format!("{source}:{line}:{column}")
    }
}

/// Makes the rules of a program. It knows where the lines of its texts begin, so that a rule costs no more than its
/// line.
pub struct Rules<'a> {
    /// Each text with where it begins.
    texts: Vec<(usize, Text<'a>)>,
}

struct Text<'a> {
    name: Arc<str>,
    lines: Lines<'a>,
}

impl<'a> Rules<'a> {
    /// The rules of one text.
    pub fn of(source: &'a Source) -> Self {
        Rules { texts: vec![(0, Text::new(source))] }
    }

    /// The rules of a program and of the texts that it brought in.
    pub fn of_all(sources: &'a Sources) -> Self {
        Rules { texts: sources.texts().map(|(begin, source)| (begin, Text::new(source))).collect() }
    }

    /// The rule that stands in a piece of the text, or of all texts together.
    pub fn at(&self, span: Span) -> Rule {
        let of = self.texts.partition_point(|(begin, _)| *begin <= span.start);
        let (begin, text) = &self.texts[of - 1];
        text.rule(Span { start: span.start - begin, end: span.end - begin })
    }
}

impl<'a> Text<'a> {
    fn new(source: &'a Source) -> Self {
        Text { name: source.name.as_str().into(), lines: Lines::of(source) }
    }

    fn rule(&self, span: Span) -> Rule {
        let (line, column) = self.lines.place(span.start);
        let text = one_line(self.lines.source.excerpt(span));
        Rule { source: self.name.clone(), line, column, text: text.into() }
    }
}

/// A text with its white space made single spaces, and without its end if it is long.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    for word in text.split(|letter: char| letter.is_whitespace() || letter.is_control()) {
        if line.len() > 4 * SHOWN {
            break;
        }
        let space = if line.is_empty() || word.is_empty() { "" } else { " " };
        line += space;
        line += word;
    }
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

/// The rule that a statement computes, if it is known. It is told to people, and is no part of what the statement says:
/// any two are equal.
#[derive(Clone, Debug, Default)]
pub struct Provenance(Option<Rule>);

impl Provenance {
    /// The rule.
    pub fn rule(&self) -> Option<&Rule> {
        self.0.as_ref()
    }
}

impl From<Rule> for Provenance {
    fn from(rule: Rule) -> Self {
        Provenance(Some(rule))
    }
}

impl PartialEq for Provenance {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Provenance {}

/// What a runtime is at: a relation, and the rule of it that is being computed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    /// The relation. It may be one that was made on the way, and that no rule names.
    pub relation: RelationName,
    /// The rule; nothing for rows that come in, and for programs that were put together by hand.
    pub rule: Option<Rule>,
}

impl Site {
    /// A relation, and where a statement that assigns it is from.
    pub fn new(relation: &RelationName, provenance: &Provenance) -> Self {
        Site { relation: relation.clone(), rule: provenance.0.clone() }
    }

    /// A relation as such.
    pub fn of(relation: &RelationName) -> Self {
        Site { relation: relation.clone(), rule: None }
    }
}

impl Display for Site {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.relation)?;
        self.rule.iter().try_for_each(|rule| write!(f, ", {rule}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_says_where_it_stands_and_what_it_says() {
        let text = "A(x: 1).\n  Bé(x: X) :-\n\tA(x: X),\r\n    X > 0.";
        let source = Source::new("a.pomo", text);
        let start = text.find("Bé").unwrap();
        let rule = Rules::of(&source).at(Span { start, end: text.len() });
        assert_eq!(rule.to_string(), "rule at a.pomo:2:3 (Bé(x: X) :- A(x: X), X > 0.)");
        let first = Rules::of(&source).at(Span { start: 0, end: 8 });
        assert_eq!((first.line, first.column, &*first.text), (1, 1, "A(x: 1)."));
    }

    #[test]
    fn a_rule_names_the_text_that_it_stands_in() {
        let mut sources = Sources::from(&Source::new("a", "A."));
        let begin = sources.add(Source::new("b", "\nB."));
        let rules = Rules::of_all(&sources);
        assert_eq!(rules.at(Span { start: 0, end: 2 }).to_string(), "rule at a:1:1 (A.)");
        let second = Span { start: begin + 1, end: begin + 3 };
        assert_eq!(rules.at(second).to_string(), "rule at b:2:1 (B.)");
    }

    #[test]
    fn places_are_those_of_diagnostics() {
        let source = Source::new("a", "\nä\n\n  öx\n");
        let rules = Rules::of(&source);
        for (at, _) in source.text.char_indices() {
            let rule = rules.at(Span { start: at, end: at });
            assert_eq!((rule.line, rule.column), source.place(at), "byte {at}");
        }
    }

    #[test]
    fn a_long_rule_is_cut() {
        let source = Source::new("a", "ä".repeat(1_000_000));
        let rule = Rules::of(&source).at(Span { start: 0, end: source.text.len() });
        assert_eq!(&*rule.text, format!("{}…", "ä".repeat(SHOWN)));
    }
}
