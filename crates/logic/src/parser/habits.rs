//! What other languages write otherwise: it is understood, reported with what to write instead, and read on.
//!
//! `not p(…)`, `=`, `=<`, `<>`, `<-`, `&`, a type `string`: whoever comes from Prolog, Souffle, clingo or SQL writes
//! them out of habit. One such word is one problem, with an edit, and the rest of its clause is checked all the same.

use super::{Failed, Parsed, Parser};
use crate::diagnostic::Span;
use motet_algebra::text::lexer::Token;

/// Signs that mean a comparison elsewhere: how they are lexed here, and what is meant.
const COMPARISONS: [(&[&str], &str); 6] = [
    (&["=", "<"], "<="),
    (&["=", ">"], ">="),
    (&["<", ">"], "!="),
    (&["!=", "="], "!="),
    (&["==", "="], "=="),
    (&["="], "=="),
];

/// The declaration that another language calls so.
pub(super) fn usual_declaration(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "decl" | "table" | "predicate" | "rel" => "relation",
        "printsize" | "show" | "query" => "output",
        _ => return None,
    })
}

/// The type that another language calls so.
pub(super) fn usual_type(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "integer" | "number" | "long" | "i64" | "unsigned" | "bigint" => "int",
        "double" | "real" | "f64" | "decimal" => "float",
        "string" | "symbol" | "str" | "varchar" => "text",
        "boolean" => "bool",
        "blob" | "binary" => "bytes",
        "cid" => "link",
        _ => return None,
    })
}

/// The aggregate that another language calls so.
pub(super) fn usual_aggregate(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "avg" | "average" => "mean",
        "minimum" => "min",
        "maximum" => "max",
        "total" => "sum",
        "argmax" => "arg_max",
        "argmin" => "arg_min",
        "dense_rank" => "rank",
        _ => return None,
    })
}

impl Parser<'_> {
    /// Reports the next tokens as one mistake, and moves past them.
    pub(super) fn habit(&mut self, tokens: usize, code: &'static str, message: &str, instead: &str) {
        let start = self.span();
        (0..tokens).for_each(|_| self.advance());
        let span = self.span_from(start);
        let item = self.report.error(code, span, message);
        if instead.is_empty() {
            item.remedy("leave it out").edit(span, "", "leave it out");
        } else {
            item.replace(instead);
        }
    }

    /// Reports a `,` or a `:-` with nothing behind it.
    pub(super) fn expect_condition(&mut self) -> Parsed<()> {
        if !(self.is(".") || *self.token() == Token::End) {
            return Ok(());
        }
        let failed = self.unexpected("a condition");
        let last = self.lexemes[self.at.saturating_sub(1)].span;
        if self.is(".") && self.report.last().is_some_and(|item| item.span == self.lexemes[self.at].span) {
            let sign = &self.text[last.start - self.begin..last.end - self.begin];
            self.last_report().remedy(format!("leave `{sign}` out")).edit(
                last,
                "",
                format!("leave `{sign}` out"),
            );
        }
        Err(failed)
    }

    /// Two conditions on one line without a comma between them. Where the second has a body it is a clause instead, and
    /// a `.` is missing.
    pub(super) fn forgotten_comma(&mut self) -> bool {
        let Some(before) = self.at.checked_sub(1).map(|before| self.lexemes[before].span) else {
            return false;
        };
        let gap = &self.text[before.end - self.begin..self.span().start - self.begin];
        let atom = matches!(self.token(), Token::Name(_) | Token::Quoted(_)) && self.is_after(1, "(");
        if !(atom || self.is("!")) || gap.contains('\n') {
            return false;
        }
        let close = (1..).find(|count| self.is_after(*count, ")") || *self.token_after(*count) == Token::End);
        if close.is_some_and(|close| self.is_after(close + 1, ":-")) {
            return false;
        }
        let place = Span { start: before.end, end: before.end };
        let item = self.report.error("L010", before, "wanted `,` between two conditions");
        item.label("after this").remedy("write `,` here").edit(place, ",", "write `,` here");
        true
    }

    /// Whether a term stands behind the `:=` that is next.
    pub(super) fn assigns_term(&self) -> bool {
        match self.token_after(1) {
            Token::Int(_) | Token::Float(_) | Token::Text(_) | Token::Bytes(_) | Token::Link(_) => true,
            Token::Parameter(_) | Token::Sign("-" | "(") => true,
            Token::Name(name) if self.is_after(2, "(") => {
                self.function(name).is_some() && !self.is_after(3, ")") && !self.is_after(4, ":")
            }
            Token::Name(name) => super::is_variable(name) && !self.is_after(2, "::"),
            Token::Quoted(_) | Token::Sign(_) | Token::End => false,
        }
    }

    /// `:- body` without a head: a constraint elsewhere.
    pub(super) fn refuse_headless(&mut self) -> Parsed<()> {
        if !self.is(":-") {
            return Ok(());
        }
        let span = self.span();
        let remedy = "write `forbid :- …` for what must not be";
        let item = self.report.error("L010", span, "a clause begins with its head");
        item.remedy(remedy).edit(span, "forbid :-", "write `forbid :-`");
        Err(Failed)
    }

    /// `<-` instead of `:-`.
    pub(super) fn arrow(&mut self) -> bool {
        let found = self.is("<") && self.is_after(1, "-");
        if found {
            self.habit(2, "L013", "`<-` does not begin a body", ":-");
        }
        found
    }

    /// `&` or `;` or `and` between conditions.
    pub(super) fn conjunction(&mut self) -> bool {
        if self.is_word("and") || self.is("&") {
            self.habit(1, "L013", "conditions stand between commas", ",");
            return true;
        }
        if self.is_word("or") || self.is(";") || self.is("|") {
            let span = self.span();
            self.report
                .error("L013", span, "there is no `or` between conditions")
                .remedy("write a clause with the same head for each case");
            self.advance();
            return true;
        }
        false
    }

    /// `not p(…)` instead of `!p(…)`.
    pub(super) fn negation(&mut self) -> bool {
        let found = self.is_word("not") && matches!(self.token_after(1), Token::Name(_) | Token::Quoted(_));
        if found {
            let start = self.span();
            self.advance();
            let end = self.span().start;
            let item = self.report.error("L013", start, "a negation is written with `!`");
            item.remedy("write `!`").edit(Span { start: start.start, end }, "!", "write `!`");
        }
        found
    }

    /// The next sign, if it is a comparison in other languages as what it is here. The last token of it is next then.
    pub(super) fn comparison_sign(&mut self) -> Token {
        let meant = COMPARISONS.into_iter().find(|(signs, _)| self.are(signs));
        let Some((signs, meant)) = meant else {
            return if self.is_word("is") { self.assignment() } else { self.token().clone() };
        };
        let message = format!("`{}` is no comparison", signs.concat());
        self.habit(signs.len(), "L013", &message, meant);
        self.at -= 1;
        Token::Sign(meant)
    }

    /// Whether these signs are next, without blanks between them.
    fn are(&self, signs: &[&'static str]) -> bool {
        let close = |place: usize| {
            place == 0
                || self.lexemes[self.at + place].span.start == self.lexemes[self.at + place - 1].span.end
        };
        signs.iter().enumerate().all(|(place, sign)| self.is_after(place, sign) && close(place))
    }

    /// `X is Y + 1`
    fn assignment(&mut self) -> Token {
        self.habit(1, "L013", "`is` is no comparison", "==");
        self.at -= 1;
        Token::Sign("==")
    }
}
