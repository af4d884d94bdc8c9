//! Values of six kinds, and the one total order over all of them.
//!
//! The kinds are bool, int (i64), float (f64), text, bytes and link (a CID). There is no null: absence is the absence
//! of a fact (V2-2). Floats are never NaN or infinite and `-0.0` is folded to `0.0`, so that equality is identity and
//! one value has one encoding. `1` and `1.0` are different values.
//!
//! The order ([`Ord`]) is *storage order* (requirements §3.5): by kind rank first, then inside the kind: false before
//! true, numbers by size, text and bytes bytewise, links by raw CID bytes. It is the order of [`crate::order`] keys,
//! of sets, and of everything that is printed. What `<` means in a query is another matter (Q2) and lives with the
//! query language.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::Cid;

/// The kind of a [`Value`], in rank order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A signed integer of 64 bits.
    Int,
    /// A finite IEEE 754 number of 64 bits.
    Float,
    /// UTF-8 text; no normalisation is performed.
    Text,
    /// Any bytes.
    Bytes,
    /// The content id of something.
    Link,
}

impl Kind {
    /// The word for this kind in programs and messages.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Bool => "bool",
            Kind::Int => "int",
            Kind::Float => "float",
            Kind::Text => "text",
            Kind::Bytes => "bytes",
            Kind::Link => "link",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why something is not a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// NaN or an infinity.
    #[error("a float must be finite: NaN and infinities have no place in a fact")]
    NotFinite,
    /// An attribute of a kind that attributes don't have.
    #[error("an attribute is an int, a float, text or bytes, not a {0}")]
    NotAnAttribute(Kind),
    /// An entity id over 64 bytes.
    #[error("an entity id has {0} bytes; at most {MAX_ENTITY_BYTES} are allowed")]
    LongEntity(usize),
}

/// The longest entity id, in bytes.
pub const MAX_ENTITY_BYTES: usize = 64;

/// A finite float whose zero is positive, so that equal numbers have equal bits.
#[derive(Clone, Copy, Debug)]
pub struct Float(f64);

impl Float {
    /// Wraps a number; `-0.0` becomes `0.0`.
    ///
    /// # Errors
    /// [`ValueError::NotFinite`] for NaN and infinities.
    pub fn new(number: f64) -> Result<Self, ValueError> {
        if number.is_finite() { Ok(Float(number + 0.0)) } else { Err(ValueError::NotFinite) }
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl PartialEq for Float {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Float {}
impl PartialOrd for Float {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Float {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}
impl Hash for Float {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// One value. Cheap to clone. [`Ord`] is storage order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A finite number.
    Float(Float),
    /// Text.
    Text(Arc<str>),
    /// Bytes; entity ids are bytes too.
    Bytes(Arc<[u8]>),
    /// A content id.
    Link(Cid),
}

impl Value {
    /// The kind.
    pub fn kind(&self) -> Kind {
        match self {
            Value::Bool(_) => Kind::Bool,
            Value::Int(_) => Kind::Int,
            Value::Float(_) => Kind::Float,
            Value::Text(_) => Kind::Text,
            Value::Bytes(_) => Kind::Bytes,
            Value::Link(_) => Kind::Link,
        }
    }

    /// Text, from anything that reads as a string.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Value::Text(text.into())
    }

    /// Bytes.
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        Value::Bytes(bytes.into())
    }

    /// A finite float.
    ///
    /// # Errors
    /// [`ValueError::NotFinite`] for NaN and infinities.
    pub fn float(number: f64) -> Result<Self, ValueError> {
        Float::new(number).map(Value::Float)
    }

    /// The text, if this is text.
    pub fn as_text(&self) -> Option<&str> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }

    /// The integer, if this is one.
    pub fn as_int(&self) -> Option<i64> {
        if let Value::Int(int) = self { Some(*int) } else { None }
    }

    /// The bytes, if this is bytes.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if let Value::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    /// The link, if this is one.
    pub fn as_link(&self) -> Option<Cid> {
        if let Value::Link(cid) = self { Some(*cid) } else { None }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}
impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}
impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::Text(value.into())
    }
}
impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::Text(value.into())
    }
}
impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Value::Bytes(value.into())
    }
}
impl From<Cid> for Value {
    fn from(value: Cid) -> Self {
        Value::Link(value)
    }
}
impl From<Entity> for Value {
    fn from(value: Entity) -> Self {
        Value::Bytes(value.0)
    }
}
impl From<Attribute> for Value {
    fn from(value: Attribute) -> Self {
        value.0
    }
}

/// Prints a value as a literal of the query language: text quoted, bytes as `0x…`, a float always with `.` or `e`,
/// a link as its CID (Q4).
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Float(value) => write!(f, "{value}"),
            Value::Text(text) => write_quoted(f, text),
            Value::Bytes(bytes) => write_hex(f, bytes),
            Value::Link(cid) => write!(f, "{cid}"),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Float {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `{:?}` prints the shortest digits that read back as the same number, always with `.` or `e`.
        write!(f, "{:?}", self.0)
    }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for character in text.chars() {
        match character {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            other if other.is_control() => write!(f, "\\u{{{:x}}}", u32::from(other))?,
            other => write!(f, "{other}")?,
        }
    }
    f.write_str("\"")
}

pub(crate) fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    f.write_str("0x")?;
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// The id of an entity: up to 64 bytes, by convention 16 random ones or 32 hashed ones (PDB-33). A typed view of
/// [`Value::Bytes`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entity(Arc<[u8]>);

impl Entity {
    /// Wraps an id.
    ///
    /// # Errors
    /// [`ValueError::LongEntity`] over 64 bytes.
    pub fn new(id: impl Into<Arc<[u8]>>) -> Result<Self, ValueError> {
        let id = id.into();
        if id.len() <= MAX_ENTITY_BYTES { Ok(Entity(id)) } else { Err(ValueError::LongEntity(id.len())) }
    }

    /// The id's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; 32]> for Entity {
    fn from(id: [u8; 32]) -> Self {
        Entity(Arc::from(id.as_slice()))
    }
}
impl From<[u8; 16]> for Entity {
    fn from(id: [u8; 16]) -> Self {
        Entity(Arc::from(id.as_slice()))
    }
}
impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}
impl fmt::Debug for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The name of a property: an int, a float, text or bytes (PDB-34). A typed view of [`Value`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attribute(Value);

impl Attribute {
    /// Wraps a value.
    ///
    /// # Errors
    /// [`ValueError::NotAnAttribute`] for a bool or a link.
    pub fn new(value: Value) -> Result<Self, ValueError> {
        match value.kind() {
            Kind::Bool | Kind::Link => Err(ValueError::NotAnAttribute(value.kind())),
            Kind::Int | Kind::Float | Kind::Text | Kind::Bytes => Ok(Attribute(value)),
        }
    }

    /// The attribute as a value.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// The attribute's text, if it is text.
    pub fn as_text(&self) -> Option<&str> {
        self.0.as_text()
    }
}

impl From<&str> for Attribute {
    fn from(name: &str) -> Self {
        Attribute(name.into())
    }
}
impl From<String> for Attribute {
    fn from(name: String) -> Self {
        Attribute(name.into())
    }
}
impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_rank_before_contents() {
        let ordered = [
            Value::Bool(false),
            Value::Bool(true),
            Value::Int(i64::MIN),
            Value::Int(7),
            Value::float(-1.5).unwrap(),
            Value::float(0.0).unwrap(),
            Value::text("a"),
            Value::text("ab"),
            Value::bytes(vec![0]),
        ];
        assert!(ordered.is_sorted());
        assert!(ordered.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn floats_are_finite_and_have_one_zero() {
        assert_eq!(Float::new(f64::NAN), Err(ValueError::NotFinite));
        assert_eq!(Float::new(f64::INFINITY), Err(ValueError::NotFinite));
        assert_eq!(Float::new(-0.0).unwrap().get().to_bits(), 0);
    }

    #[test]
    fn values_print_as_literals() {
        assert_eq!(Value::text("a\"\n\u{1}").to_string(), r#""a\"\n\u{1}""#);
        assert_eq!(Value::bytes(vec![0, 255]).to_string(), "0x00ff");
        assert_eq!(Value::float(1.0).unwrap().to_string(), "1.0");
        assert_eq!(Value::float(1e300).unwrap().to_string(), "1e300");
    }
}
