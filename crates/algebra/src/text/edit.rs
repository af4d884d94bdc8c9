//! Remedies as edits: changes of a program's text that put a problem right.
//!
//! A problem has an edit where its remedy is mechanical: a misspelt name, a missing `.`, a value of the wrong kind. If
//! it has several, each is enough, and only a person knows which is meant. An edit is one piece of text in place of
//! another, so two edits can be made together unless they touch.

use std::fmt::{self, Display, Formatter};

use crate::text::diagnostic::{Diagnostic, Diagnostics, Source, Span, most_like, suggest};
use crate::text::lexer::{is_name_part, is_name_start};

/// A change of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced; if it is empty, the replacement is inserted there.
    pub span: Span,
    /// What stands there afterwards.
    pub replacement: String,
    /// What the edit does, in a few words.
    pub label: String,
}

impl Edit {
    fn touches(&self, other: &Edit) -> bool {
        self.span.start <= other.span.end && other.span.start <= self.span.end
    }
}

/// As in `write `==``.
impl Display for Edit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)
    }
}

impl Source {
    /// The text after some edits, none of which touches another.
    ///
    /// # Panics
    /// If an edit is not inside the text, or two overlap.
    pub fn edited<'a>(&self, edits: impl IntoIterator<Item = &'a Edit>) -> Source {
        let mut edits: Vec<_> = edits.into_iter().collect();
        edits.sort_by_key(|edit| edit.span);
        let mut text = self.text.clone();
        for edit in edits.into_iter().rev() {
            text.replace_range(edit.span.start..edit.span.end, &edit.replacement);
        }
        Source { name: self.name.clone(), text }
    }
}

impl Diagnostics {
    /// The edits that need nobody's choice, none touching another: those of problems that have exactly one. With each
    /// its problem, in the order of the text.
    pub fn certain_edits(&self) -> Vec<(&Diagnostic, &Edit)> {
        let mut chosen: Vec<(&Diagnostic, &Edit)> = Vec::new();
        for item in self.iter() {
            if let [only] = item.edits.as_slice()
                && !chosen.iter().any(|(_, other)| only.touches(other))
            {
                chosen.push((item, only));
            }
        }
        chosen
    }
}

impl Diagnostic {
    /// Adds an edit.
    pub fn edit(
        &mut self,
        span: Span,
        replacement: impl Into<String>,
        label: impl Into<String>,
    ) -> &mut Self {
        self.edits.push(Edit { span, replacement: replacement.into(), label: label.into() });
        self
    }

    /// Adds an edit of what the problem is about, which is its remedy too.
    pub fn replace(&mut self, replacement: &str) -> &mut Self {
        let (span, remedy) = (self.span, format!("write `{replacement}`"));
        self.remedy(&remedy).edit(span, replacement, remedy)
    }

    /// Says which name may be meant instead of the one the problem is about, or what there is to choose from.
    pub fn suggest<'a>(&mut self, name: &str, known: impl IntoIterator<Item = &'a str>) -> &mut Self {
        self.suggest_with("", name, known)
    }

    /// The same of a name that a sign belongs to.
    pub fn suggest_with<'a>(
        &mut self,
        sign: &str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> &mut Self {
        let known: Vec<_> = known.into_iter().collect();
        if let Some(like) = most_like(name, known.iter().copied()) {
            let written = format!("{sign}{}", as_written(like));
            self.remedy(format!("did you mean `{sign}{like}`?"));
            return self.edit(self.span, &written, format!("write `{sign}{like}`"));
        }
        if let Some(choices) = suggest(name, known) {
            self.remedy(choices);
        }
        self
    }
}

/// A name as a program writes it: in backticks if it has odd characters.
pub fn as_written(name: &str) -> String {
    let plain = name.starts_with(is_name_start) && name.chars().all(is_name_part);
    if plain { name.to_owned() } else { format!("`{name}`") }
}
