//! Canonical dag-cbor of facts and derived tuples, and strict decoding (requirements §3.3, §3.4).
//!
//! A fact is the array `[entity bytes, attribute, value, causes]`. Encoding is the `serde_ipld_dagcbor` crate's;
//! decoding goes through its data model, then through our kinds and limits, and then *back*: the bytes are accepted
//! only if the fact we read encodes to the same bytes. So nothing that the codec may be lax about can give a fact a
//! second name.

use std::collections::BTreeMap;

use ipld_core::ipld::Ipld;
use serde::Serialize;
use serde::ser::{SerializeTuple, Serializer};

use crate::{Attribute, Cid, CidError, Codec, Entity, Fact, FactError, MAX_FACT_BYTES, Value, ValueError};

/// Why bytes are not a fact.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than any fact may be.
    #[error("the block has {0} bytes; a fact has at most {MAX_FACT_BYTES}")]
    TooLong(usize),
    /// Not strict dag-cbor.
    #[error("not dag-cbor: {0}")]
    NotDagCbor(String),
    /// Not an array of four of the right kinds.
    #[error("not a fact: {0}")]
    Shape(&'static str),
    /// An integer that i64 doesn't hold.
    #[error("the integer {0} does not fit 64 bits")]
    IntRange(i128),
    /// A link outside the profile.
    #[error(transparent)]
    Cid(#[from] CidError),
    /// A part outside its limits.
    #[error(transparent)]
    Fact(#[from] FactError),
    /// The same fact has other bytes.
    #[error("the encoding is not canonical (causes unsorted or repeated, or a number in a longer form)")]
    NotCanonical,
}

impl From<ValueError> for DecodeError {
    fn from(error: ValueError) -> Self {
        DecodeError::Fact(error.into())
    }
}

/// The canonical bytes of a fact.
pub(crate) fn encode(fact: &Fact) -> Vec<u8> {
    serde_ipld_dagcbor::to_vec(fact).expect("every fact has an encoding: its floats are finite")
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Fact, DecodeError> {
    if bytes.len() > MAX_FACT_BYTES {
        return Err(DecodeError::TooLong(bytes.len()));
    }
    let fields = match parse(bytes)? {
        Ipld::List(fields) => fields,
        _ => return Err(DecodeError::Shape("want an array")),
    };
    let [entity, attribute, value, causes] = <[Ipld; 4]>::try_from(fields)
        .map_err(|_| DecodeError::Shape("want an array of four: entity, attribute, value, causes"))?;
    let Ipld::Bytes(entity) = entity else { return Err(DecodeError::Shape("the entity must be bytes")) };
    let Ipld::List(causes) = causes else { return Err(DecodeError::Shape("the causes must be an array")) };
    let causes = causes.into_iter().map(cause).collect::<Result<_, _>>()?;
    let attribute = Attribute::new(to_value(attribute)?)?;
    let fact = Fact::new(Entity::new(entity)?, attribute, to_value(value)?, causes)?;
    if encode(&fact) == bytes { Ok(fact) } else { Err(DecodeError::NotCanonical) }
}

fn parse(bytes: &[u8]) -> Result<Ipld, DecodeError> {
    serde_ipld_dagcbor::from_slice(bytes).map_err(|error| DecodeError::NotDagCbor(error.to_string()))
}

fn cause(ipld: Ipld) -> Result<Cid, DecodeError> {
    match ipld {
        Ipld::Link(link) => Ok(Cid::from_bytes(&link.to_bytes())?),
        _ => Err(DecodeError::Shape("a cause must be a link")),
    }
}

fn to_value(ipld: Ipld) -> Result<Value, DecodeError> {
    Ok(match ipld {
        Ipld::Bool(value) => Value::Bool(value),
        Ipld::Integer(value) => Value::Int(i64::try_from(value).map_err(|_| DecodeError::IntRange(value))?),
        Ipld::Float(value) => Value::float(value)?,
        Ipld::String(text) => Value::Text(text.into()),
        Ipld::Bytes(bytes) => Value::Bytes(bytes.into()),
        Ipld::Link(link) => Value::Link(Cid::from_bytes(&link.to_bytes())?),
        Ipld::Null => return Err(DecodeError::Shape("there is no null")),
        Ipld::List(_) | Ipld::Map(_) => return Err(DecodeError::Shape("a value is not a list or a map")),
    })
}

/// The content id of a derived tuple: dag-cbor of `{"r": relation, "t": {column: value}}` (requirements §3.6, Q8).
pub fn tuple_cid<'a>(relation: &str, columns: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Cid {
    #[derive(Serialize)]
    struct Tuple<'a> {
        r: &'a str,
        t: BTreeMap<&'a str, &'a Value>,
    }
    let tuple = Tuple { r: relation, t: columns.into_iter().collect() };
    let bytes = serde_ipld_dagcbor::to_vec(&tuple).expect("every tuple has an encoding");
    Cid::of(Codec::DagCbor, &bytes)
}

/// Prints any strict dag-cbor block in a readable form, for people who debug.
///
/// # Errors
/// [`DecodeError::NotDagCbor`] if it is none.
pub fn describe(bytes: &[u8]) -> Result<String, DecodeError> {
    Ok(format!("{:#?}", parse(bytes)?))
}

impl Serialize for Fact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut quad = serializer.serialize_tuple(4)?;
        quad.serialize_element(serde_bytes::Bytes::new(self.entity().as_bytes()))?;
        quad.serialize_element(self.attribute().value())?;
        quad.serialize_element(self.value())?;
        let causes: Vec<cid::Cid> = self.causes().iter().map(foreign).collect();
        quad.serialize_element(&causes)?;
        quad.end()
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i64(*value),
            Value::Float(value) => serializer.serialize_f64(value.get()),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Value::Link(cid) => foreign(cid).serialize(serializer),
        }
    }
}

fn foreign(cid: &Cid) -> cid::Cid {
    cid::Cid::try_from(cid.as_bytes().as_slice()).expect("a Cid holds the bytes of a CID")
}
