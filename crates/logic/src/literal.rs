//! Single values as text: for CSV cells, parameters and JSON (Q4).
//!
//! In a column with a type a cell is plain: text as it is, `true`, `-3`, `1.5`, `0x00ff`, `bafy…`. In a column of type
//! `any` it is a literal of the language, so that its kind can be seen: text stands in quotes.

use motet_algebra::ColumnType;
use motet_fact::{Cid, Kind, Value};

use crate::diagnostic::Report;
use motet_algebra::text::lexer::{Lexeme, Token, lex, parse_hex};

/// Why a text is not a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {want}")]
pub struct LiteralError {
    /// The text.
    pub text: String,
    /// What was wanted, and how that is written.
    pub want: &'static str,
}

/// Reads a literal of the language: `true`, `-3`, `1.5`, `"text"`, `0x00ff`, `link"bafy…"` or a bare CID.
///
/// # Errors
/// [`LiteralError`] if the text is not one literal and nothing else.
pub fn parse_value(text: &str) -> Result<Value, LiteralError> {
    let want = "a value: write true, -3, 1.5, \"text\", 0x00ff or a CID";
    let error = || LiteralError { text: text.into(), want };
    let mut report = Report::default();
    let lexemes = lex(text, &mut report);
    let clean = !report.has_errors() && text.trim().len() == text.len();
    let (value, used) = value_of(&lexemes).filter(|_| clean).ok_or_else(error)?;
    // Whatever stands behind the value, a comment even, makes it something else.
    let ends = lexemes[used].token == Token::End && lexemes[used - 1].span.end == text.len();
    if ends { Ok(value) } else { Err(error()) }
}

/// The value at the start of some tokens, and how many tokens it takes.
pub(crate) fn value_of(lexemes: &[Lexeme]) -> Option<(Value, usize)> {
    let value = match &lexemes.first()?.token {
        Token::Sign("-") => return Some((negative(&lexemes.get(1)?.token)?, 2)),
        Token::Int(int) => Value::Int(i64::try_from(*int).ok()?),
        Token::Float(float) => Value::float(*float).ok()?,
        Token::Text(text) => Value::Text(text.clone()),
        Token::Bytes(bytes) => Value::Bytes(bytes.clone()),
        Token::Link(cid) => Value::Link(*cid),
        Token::Name(name) => match &**name {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            name => Value::Link(name.parse::<Cid>().ok()?),
        },
        Token::Quoted(_) | Token::Parameter(_) | Token::Sign(_) | Token::End => return None,
    };
    Some((value, 1))
}

fn negative(token: &Token) -> Option<Value> {
    match token {
        Token::Int(int) => 0_i64.checked_sub_unsigned(*int).map(Value::Int),
        Token::Float(float) => Value::float(-float).ok(),
        _ => None,
    }
}

/// Reads a cell of a column.
///
/// # Errors
/// [`LiteralError`] if the text is not of the column's type.
pub fn parse_typed(text: &str, column_type: ColumnType) -> Result<Value, LiteralError> {
    let ColumnType::Kind(kind) = column_type else { return parse_value(text) };
    let (value, want) = match kind {
        Kind::Text => (Some(text.into()), "a text"),
        Kind::Bool => (parse_bool(text), "a bool: write true or false"),
        Kind::Int => {
            (parse_int(text), "an int: write digits, from -9223372036854775808 to 9223372036854775807")
        }
        Kind::Float => (parse_float(text), "a float: write it with `.` or `e`, as in 1.0 or 2e10"),
        Kind::Bytes => (parse_bytes(text), "bytes: write 0x and two hexadecimal digits for each byte"),
        Kind::Link => (text.parse().ok().map(Value::Link), "a link: write a CID, as in bafyrei…"),
    };
    value.ok_or_else(|| LiteralError { text: text.into(), want })
}

/// Writes a cell of a column: what [`parse_typed`] reads back as the same value.
pub fn format_typed(value: &Value, column_type: ColumnType) -> String {
    match (value, column_type) {
        (Value::Text(text), ColumnType::Kind(_)) => text.to_string(),
        _ => value.to_string(),
    }
}

fn parse_bool(text: &str) -> Option<Value> {
    match text {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        _ => None,
    }
}

fn parse_int(text: &str) -> Option<Value> {
    (!text.starts_with('+')).then(|| text.parse().ok().map(Value::Int))?
}

/// No `inf` or `nan`, and not an int.
fn parse_float(text: &str) -> Option<Value> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let looks_right = digits.starts_with(|c: char| c.is_ascii_digit()) && digits.contains(['.', 'e', 'E']);
    looks_right.then(|| text.parse().ok().and_then(|number| Value::float(number).ok()))?
}

fn parse_bytes(text: &str) -> Option<Value> {
    text.strip_prefix("0x").and_then(parse_hex).map(Value::bytes)
}
