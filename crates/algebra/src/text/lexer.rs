//! Characters to tokens (Q1), for PomoLogic and for the text form of PomoRA.
//!
//! `//` starts a comment anywhere outside a text. `%` starts one only as the first non-blank of a line or after the `.`
//! that ends a clause; elsewhere it is the remainder. Names are kept as written: whether one is a variable (upper-case
//! or `_` first), a relation or a column is seen from where it stands. Odd names stand in backticks, in which a
//! backslash means what it means in a text. A link is written `link"bafy…"`, and a parameter `$name`.
//!
//! Lexing never stops: what is wrong is reported and skipped.

use std::sync::Arc;

use motet_fact::Cid;

use super::diagnostic::{Report, Span};

/// The smallest piece of a program.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A name as written: relation, column, variable, keyword.
    Name(Arc<str>),
    /// A name in backticks: never a variable or a keyword.
    Quoted(Arc<str>),
    /// `$name`
    Parameter(Arc<str>),
    /// Digits; a sign is not part of it.
    Int(u64),
    /// A finite number with `.` or `e`.
    Float(f64),
    /// `"…"`
    Text(Arc<str>),
    /// `0x…`
    Bytes(Arc<[u8]>),
    /// `link"…"`
    Link(Cid),
    /// Everything else.
    Sign(&'static str),
    /// After the last.
    End,
}

impl Token {
    /// The token in words, for messages.
    pub fn describe(&self) -> String {
        match self {
            Token::Name(name) => format!("`{name}`"),
            Token::Quoted(name) => format!("`{name}` in backticks"),
            Token::Parameter(name) => format!("`${name}`"),
            Token::Sign(sign) => format!("`{sign}`"),
            Token::Int(_) | Token::Float(_) => "a number".into(),
            Token::Text(_) => "a text".into(),
            Token::Bytes(_) => "bytes".into(),
            Token::Link(_) => "a link".into(),
            Token::End => "the end of the program".into(),
        }
    }
}

/// A token and where it stands.
#[derive(Clone, Debug)]
pub struct Lexeme {
    /// The token.
    pub token: Token,
    /// Its place.
    pub span: Span,
}

/// Longer signs before their prefixes.
const SIGNS: [&str; 28] = [
    ":-", ":=", "::", "==", "!=", "<=", ">=", "??", "(", ")", ",", ".", ":", "!", "<", ">", "+", "-", "*",
    "/", "%", "@", "=", ";", "[", "]", "&", "|",
];

/// Characters that word processors and keyboards give for signs of the language.
const LOOKALIKES: [(char, &str); 12] = [
    ('≤', "<="),
    ('≥', ">="),
    ('≠', "!="),
    ('←', ":-"),
    ('¬', "!"),
    ('∧', ","),
    ('×', "*"),
    ('÷', "/"),
    ('−', "-"),
    ('–', "-"),
    ('，', ","),
    ('：', ":"),
];

/// All tokens of a text; the last is [`Token::End`].
pub fn lex(text: &str, report: &mut Report) -> Vec<Lexeme> {
    // Some editors mark a text as Unicode.
    let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut lexer = Lexer { text, at, tokens: Vec::new(), line_is_blank: true, report };
    while lexer.at < text.len() {
        lexer.step();
    }
    lexer.push(Token::End, lexer.at);
    lexer.tokens
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Lexeme>,
    line_is_blank: bool,
    report: &'a mut Report,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn push(&mut self, token: Token, start: usize) {
        self.tokens.push(Lexeme { token, span: Span { start, end: self.at } });
        self.line_is_blank = false;
    }

    fn span_from(&self, start: usize) -> Span {
        Span { start, end: self.at }
    }

    /// Moves past the characters that satisfy a condition, and gives them.
    fn take_while(&mut self, condition: impl Fn(char) -> bool) -> &str {
        let start = self.at;
        let length = self.rest().find(|c| !condition(c)).unwrap_or(self.rest().len());
        self.at += length;
        &self.text[start..self.at]
    }

    fn step(&mut self) {
        let Some(first) = self.rest().chars().next() else { return };
        match first {
            '\n' => {
                self.at += 1;
                self.line_is_blank = true;
            }
            _ if first.is_whitespace() => self.at += first.len_utf8(),
            _ if self.at_comment() => {
                self.take_while(|c| c != '\n');
            }
            '"' => self.text_literal(self.at),
            '\'' | '“' | '”' | '‘' | '’' => self.foreign_text(first),
            '#' if self.line_is_blank => self.foreign_comment("#"),
            '-' if self.line_is_blank && self.rest().starts_with("--") => self.foreign_comment("--"),
            '/' if self.rest().starts_with("/*") => self.block_comment(),
            '`' => self.quoted_name(),
            '$' => self.parameter(),
            '0'..='9' => self.number(),
            _ if is_name_start(first) => self.name(),
            _ => self.sign(first),
        }
    }

    fn at_comment(&self) -> bool {
        let after_end = self.tokens.last().is_some_and(|last| last.token == Token::Sign("."));
        self.rest().starts_with("//") || (self.rest().starts_with('%') && (self.line_is_blank || after_end))
    }

    fn name(&mut self) {
        let start = self.at;
        let name: Arc<str> = self.take_while(is_name_part).into();
        if &*name == "link" && self.rest().starts_with('"') {
            return self.link(start);
        }
        self.push(Token::Name(name), start);
    }

    fn link(&mut self, start: usize) {
        self.text_literal(start);
        let Some(Lexeme { token: Token::Text(text), .. }) = self.tokens.pop() else {
            unreachable!("a text literal pushes a text")
        };
        match text.parse::<Cid>() {
            Ok(cid) => self.push(Token::Link(cid), start),
            Err(error) => {
                self.report
                    .error("L004", self.span_from(start), error.to_string())
                    .label("not a link")
                    .remedy("a link is written link\"bafy…\", with a CIDv1 of dag-cbor or raw and sha2-256");
                self.push(Token::Link(Cid::of(motet_fact::Codec::Raw, &[])), start);
            }
        }
    }

    fn parameter(&mut self) {
        let start = self.at;
        self.at += 1;
        let name: Arc<str> = self.take_while(is_name_part).into();
        if name.is_empty() {
            self.report
                .error("L001", self.span_from(start), "`$` without the name of a parameter")
                .remedy("write its name behind it, as in $who");
        }
        self.push(Token::Parameter(name), start);
    }

    fn quoted_name(&mut self) {
        let start = self.at;
        self.at += 1;
        let name = self.quoted('`').unwrap_or_else(|content| {
            // It most likely ends before the next sign.
            let line = &self.text[content..self.at];
            self.at = content + line.find(['(', ')', ',', '.', ':']).unwrap_or(line.len());
            self.unended(start, "a name in backticks does not end on its line", '`');
            self.text[content..self.at].to_owned()
        });
        if name.is_empty() {
            self.report.error("L001", self.span_from(start), "an empty name").remedy("give it a name");
        }
        self.push(Token::Quoted(name.into()), start);
    }

    fn number(&mut self) {
        let start = self.at;
        if self.rest().starts_with("0x") {
            return self.bytes();
        }
        self.take_while(|c| c.is_ascii_digit());
        let mut whole = true;
        if self.rest().starts_with('.') && self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) {
            whole = false;
            self.at += 1;
            self.take_while(|c| c.is_ascii_digit());
        }
        if let Some(length) = exponent_length(self.rest()) {
            whole = false;
            self.at += length;
        }
        let token = if whole { self.int(start) } else { self.float(start) };
        self.push(token, start);
    }

    fn int(&mut self, start: usize) -> Token {
        match self.text[start..self.at].parse() {
            Ok(int) => Token::Int(int),
            Err(_) => {
                self.report
                    .error("L003", self.span_from(start), "this int does not fit 64 bits")
                    .remedy("ints go from -9223372036854775808 to 9223372036854775807");
                Token::Int(0)
            }
        }
    }

    fn float(&mut self, start: usize) -> Token {
        let number: f64 = self.text[start..self.at].parse().expect("digits, a point and an exponent");
        if number.is_finite() {
            return Token::Float(number);
        }
        self.report
            .error("L003", self.span_from(start), "this float is too large for 64 bits")
            .remedy("floats go up to about 1.8e308");
        Token::Float(0.0)
    }

    fn bytes(&mut self) {
        let start = self.at;
        self.at += 2;
        let digits = self.take_while(|c| c.is_ascii_alphanumeric());
        let bytes = parse_hex(digits);
        if bytes.is_none() {
            self.report
                .error("L004", self.span_from(start), "these are not bytes")
                .remedy("write 0x and two hexadecimal digits for each byte");
        }
        self.push(Token::Bytes(bytes.unwrap_or_default().into()), start);
    }

    /// A text that began at `start`; the opening quote is next.
    fn text_literal(&mut self, start: usize) {
        self.at += 1;
        let text = self.quoted('"').unwrap_or_else(|content| {
            // What it ends with was most likely meant to stand behind it.
            let line = &self.text[content..self.at];
            self.at = content + line.trim_end_matches([')', '.', ',', ' ', '\t', '\r']).len();
            self.unended(start, "a text does not end on its line", '"');
            self.text[content..self.at].to_owned()
        });
        self.push(Token::Text(text.into()), start);
    }

    /// What stands up to a quote; if the line ends first, where that began.
    fn quoted(&mut self, quote: char) -> Result<String, usize> {
        let start = self.at;
        let mut text = String::new();
        loop {
            text.push_str(self.take_while(|c| c != quote && c != '\\' && c != '\n'));
            match self.rest().chars().next() {
                Some(c) if c == quote => {
                    self.at += 1;
                    return Ok(text);
                }
                Some('\\') => text.extend(self.escape()),
                _ => return Err(start),
            }
        }
    }

    /// Reports a text or a name without its end, which is taken to be here.
    fn unended(&mut self, start: usize, message: &str, mark: char) {
        let here = Span { start: self.at, end: self.at };
        let name = if mark == '"' { "\"; a line end in a text is written \\n" } else { "a backtick" };
        self.report
            .error("L002", self.span_from(start), message)
            .label("it starts here")
            .remedy(format!("end it with {name}"))
            .edit(here, mark, format!("end it with {mark}"));
    }

    /// A text in other quotation marks.
    fn foreign_text(&mut self, open: char) {
        let start = self.at;
        let close = match open {
            '“' | '”' => ['”', '“'],
            '‘' | '’' => ['’', '‘'],
            other => [other, other],
        };
        self.at += open.len_utf8();
        let text = self.take_while(|c| !close.contains(&c) && c != '\n' && c != '"').to_owned();
        let Some(end) = self.rest().chars().next().filter(|c| close.contains(c)) else {
            self.at = start + open.len_utf8();
            return self.meaningless(start, open);
        };
        self.at += end.len_utf8();
        let (span, right) = (self.span_from(start), format!("\"{text}\""));
        self.report.error("L001", span, "a text stands in double quotes").replace(&right);
        self.push(Token::Text(text.into()), start);
    }

    /// A comment as other languages write it, to the end of the line.
    fn foreign_comment(&mut self, mark: &'static str) {
        let start = self.at;
        self.at += mark.len();
        let span = self.span_from(start);
        self.report.error("L001", span, format!("`{mark}` does not begin a comment")).replace("//");
        self.take_while(|c| c != '\n');
    }

    fn block_comment(&mut self) {
        let start = self.at;
        let length = self.rest().find("*/").map_or(self.rest().len(), |end| end + 2);
        self.at += 2;
        let span = self.span_from(start);
        self.report
            .error("L001", span, "there are no comments over several lines")
            .remedy("begin each line of it with `//`");
        self.at = start + length;
    }

    /// The character that a backslash and what follows stand for.
    fn escape(&mut self) -> Option<char> {
        let start = self.at;
        self.at += 1;
        let letter = self.rest().chars().next().filter(|c| *c != '\n');
        self.at += letter.map_or(0, char::len_utf8);
        let character = match letter {
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            Some('0') => Some('\0'),
            Some('\\') => Some('\\'),
            Some('"') => Some('"'),
            Some('`') => Some('`'),
            Some('u') => self.unicode_escape(),
            _ => None,
        };
        if character.is_none() {
            self.report
                .error("L002", self.span_from(start), "an escape that means nothing")
                .remedy("there are \\\" \\` \\\\ \\n \\r \\t \\0 and \\u{hex}")
                .edit(Span { start, end: start }, "\\", "write \\\\ for the backslash itself");
        }
        character
    }

    fn unicode_escape(&mut self) -> Option<char> {
        let rest = self.rest().strip_prefix('{')?;
        let digits = &rest[..rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len())];
        let closed = rest[digits.len()..].starts_with('}');
        let character = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
        self.at += 1 + digits.len() + usize::from(closed);
        character.filter(|_| closed)
    }

    fn sign(&mut self, first: char) {
        let start = self.at;
        if let Some(sign) = SIGNS.into_iter().find(|sign| self.rest().starts_with(sign)) {
            self.at += sign.len();
            return self.push(Token::Sign(sign), start);
        }
        self.at += first.len_utf8();
        self.meaningless(start, first);
    }

    fn meaningless(&mut self, start: usize, character: char) {
        let span = self.span_from(start);
        let item = self.report.error("L001", span, format!("{character:?} means nothing here"));
        match LOOKALIKES.into_iter().find(|(one, _)| *one == character) {
            Some((_, sign)) => {
                item.replace(sign);
                self.push(Token::Sign(sign), start);
            }
            None => {
                item.remedy("leave it out, or put the text it is part of in quotes");
            }
        }
    }
}

/// Whether a name may begin so.
pub fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

/// Whether a name may go on so.
pub fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of `e`, a sign and digits at the start of a text.
fn exponent_length(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix(['e', 'E'])?;
    let digits = after.strip_prefix(['+', '-']).unwrap_or(after);
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    (count > 0).then_some(rest.len() - digits.len() + count)
}

/// The bytes that pairs of hexadecimal digits stand for.
pub fn parse_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}
