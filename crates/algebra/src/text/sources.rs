//! Several texts that make one program.
//!
//! A program may bring in saved rules, and a problem of theirs is to be shown in their own text. So that a [`Span`]
//! need not say which text it is of, the texts stand one behind the other: a span is a place in all of them
//! together, and [`Sources::locate`] finds the text and the place in it. The program itself comes first, so its spans
//! are its own.

use crate::text::diagnostic::{Source, Span};

/// A program and the texts that it brought in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    program: Source,
    /// Each with where it begins.
    others: Vec<(usize, Source)>,
}

impl Sources {
    /// The program itself.
    pub fn program(&self) -> &Source {
        &self.program
    }

    /// Puts a text behind the others, and gives where it begins.
    pub fn add(&mut self, source: Source) -> usize {
        let (start, last) = self.others.last().map_or((0, &self.program), |(start, last)| (*start, last));
        // A place at the very end of a text is none of the next.
        let begin = start + last.text.len() + 1;
        self.others.push((begin, source));
        begin
    }

    /// All texts, each with where it begins.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (usize, &Source)> {
        let others = self.others.iter().map(|(begin, source)| (*begin, source));
        std::iter::once((0, &self.program)).chain(others)
    }

    /// The text that a span is of, and the span in it.
    pub fn locate(&self, span: Span) -> (&Source, Span) {
        let other = self.others.iter().rfind(|(begin, _)| *begin <= span.start);
        let (begin, source) = other.map_or((0, &self.program), |(begin, source)| (*begin, source));
        (source, Span { start: span.start - begin, end: span.end - begin })
    }

    /// The text of a span.
    pub fn excerpt(&self, span: Span) -> &str {
        let (source, span) = self.locate(span);
        source.excerpt(span)
    }
}

impl From<&Source> for Sources {
    fn from(program: &Source) -> Self {
        Sources { program: program.clone(), others: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_of_one_text() {
        let mut sources = Sources::from(&Source::new("a", "abc"));
        let (first, second) = (sources.add(Source::new("b", "")), sources.add(Source::new("c", "xyz")));
        let at = |start, end| Span { start, end };
        assert_eq!(sources.excerpt(at(0, 3)), "abc");
        assert_eq!(sources.excerpt(at(second + 1, second + 3)), "yz");
        let place = |span| (sources.locate(span).0.name.as_str(), sources.locate(span).1.start);
        assert_eq!(place(at(3, 3)), ("a", 3), "the end of a text");
        assert_eq!(place(at(first, first)), ("b", 0), "an empty text");
        assert_eq!(place(at(second, second)), ("c", 0));
    }
}
