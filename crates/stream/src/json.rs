//! Values as JSON, in the forms of DAG-JSON.
//!
//! `true`, `1`, `1.0`, `"text"`, `{"/": {"bytes": "AP8"}}` (base64 without padding) and `{"/": "bafy…"}`. An int and a
//! float are told apart by `.` or `e`, in reading and in writing, as in the query language; so numbers are read as they
//! are written, and an int that is too large is an error and never a float.

use std::fmt;

use data_encoding::BASE64_NOPAD;
use motet_algebra::{Column, ColumnType, Row};
use motet_fact::{Cid, Kind, Value};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Number, Value as Json, json};

/// The JSON form of a value.
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Float(value) => json!(value.get()),
        Value::Text(text) => json!(&**text),
        Value::Bytes(bytes) => json!({"/": {"bytes": BASE64_NOPAD.encode(bytes)}}),
        Value::Link(cid) => json!({"/": cid.to_string()}),
    }
}

/// The value that a JSON form stands for; nothing is `null`.
///
/// # Errors
/// What is wrong with it, for an array, an object that is neither bytes nor a link, or a number out of range.
pub fn from_json(json: &Json) -> Result<Option<Value>, String> {
    Ok(Some(match json {
        Json::Null => return Ok(None),
        Json::Bool(value) => Value::Bool(*value),
        Json::String(text) => Value::text(text.as_str()),
        Json::Number(number) => from_number(number)?,
        Json::Array(_) => return Err("an array has no place in a fact: write one fact per element".into()),
        Json::Object(fields) => from_object(fields)?,
    }))
}

fn from_number(number: &Number) -> Result<Value, String> {
    let text = number.as_str();
    if text.contains(['.', 'e', 'E']) {
        let float: f64 = text.parse().map_err(|error| format!("{text}: {error}"))?;
        return Value::float(float).map_err(|_| format!("{text} is too large for a float"));
    }
    let int = text.parse().map_err(|_| format!("{text} does not fit an int: they end at {}", i64::MAX))?;
    Ok(Value::Int(int))
}

fn from_object(fields: &Map<String, Json>) -> Result<Value, String> {
    let other =
        || "a nested object has no place in a fact: give its keys to the row, as in \"address.city\"".into();
    match (fields.len(), fields.get("/")) {
        (1, Some(Json::String(cid))) => {
            cid.parse::<Cid>().map(Value::Link).map_err(|error| error.to_string())
        }
        (1, Some(Json::Object(inner))) => match (inner.len(), inner.get("bytes")) {
            (1, Some(Json::String(text))) => {
                let bytes = BASE64_NOPAD.decode(text.as_bytes());
                bytes.map(Value::bytes).map_err(|error| format!("not base64 without padding: {error}"))
            }
            _ => Err(other()),
        },
        _ => Err(other()),
    }
}

/// A row as an object: a key for each column.
///
/// # Panics
/// If the row does not have a value for each column.
pub fn object(columns: &[(Column, ColumnType)], row: &[Value]) -> Map<String, Json> {
    assert_eq!(columns.len(), row.len(), "a row has a value for each column");
    columns.iter().zip(row).map(|((name, _), value)| (name.to_string(), to_json(value))).collect()
}

/// The row that an object stands for: a key for each column, and no other.
///
/// # Errors
/// What is wrong with it.
pub fn row(columns: &[(Column, ColumnType)], fields: &Fields) -> Result<Row, String> {
    let Fields(fields) = fields;
    let is_column = |key: &str| columns.iter().any(|(name, _)| **name == *key);
    if let Some((other, _)) = fields.iter().find(|(key, _)| !is_column(key)) {
        return Err(format!("there is no column `{other}`"));
    }
    let cell = |(name, column_type): &(Column, ColumnType)| {
        let json = fields.iter().find(|(key, _)| **key == **name).map(|(_, json)| json);
        let json = json.ok_or_else(|| format!("column `{name}` is missing"))?;
        cell(*column_type, json).map_err(|what| format!("column `{name}`: {what}"))
    };
    columns.iter().map(cell).collect()
}

/// The value of a cell of a column of this type.
///
/// # Errors
/// What is wrong with it.
pub fn cell(column_type: ColumnType, json: &Json) -> Result<Value, String> {
    let value = from_json(json)?.ok_or("null is not a value")?;
    match column_type {
        ColumnType::Kind(want) if want != value.kind() => {
            Err(format!("it takes {want}, and {value} is {}{}", value.kind(), hint(want, &value)))
        }
        _ => Ok(value),
    }
}

/// The slip that people make most.
fn hint(want: Kind, value: &Value) -> String {
    match value {
        Value::Int(int) if want == Kind::Float => format!(": write {int}.0"),
        _ => String::new(),
    }
}

/// The keys and values of an object, in their order. A key that stands twice is an error: JSON leaves open what it
/// means.
#[derive(Clone, Debug, PartialEq)]
pub struct Fields(pub Vec<(String, Json)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields, M::Error> {
        let mut fields: Vec<(String, Json)> = Vec::with_capacity(map.size_hint().unwrap_or(8));
        while let Some((name, value)) = map.next_entry::<String, Json>()? {
            if fields.iter().any(|(other, _)| *other == name) {
                return Err(M::Error::custom(format_args!("the key \"{name}\" stands twice")));
            }
            fields.push((name, value));
        }
        Ok(Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_reads_back_as_the_same_value() {
        let link = Cid::of(motet_fact::Codec::Raw, b"x");
        let float = |number| Value::float(number).unwrap();
        for value in [
            true.into(),
            i64::MIN.into(),
            i64::MAX.into(),
            float(-0.5),
            float(1e300),
            float(f64::MIN_POSITIVE),
            float(3.0),
            "ä\n".into(),
            Value::bytes(vec![1, 2]),
            Value::bytes(vec![]),
            link.into(),
        ] {
            let text = to_json(&value).to_string();
            let read = serde_json::from_str(&text).unwrap();
            assert_eq!(from_json(&read), Ok(Some(value)), "{text}");
        }
    }

    #[test]
    fn numbers_are_what_they_are_written_as() {
        let read = |text: &str| from_json(&serde_json::from_str(text).unwrap());
        assert_eq!(read("-0"), Ok(Some(Value::Int(0))));
        assert_eq!(read("-0.0"), Ok(Some(Value::float(0.0).unwrap())));
        assert_eq!(read("1E2"), Ok(Some(Value::float(100.0).unwrap())));
        assert_eq!(read("9223372036854775807"), Ok(Some(Value::Int(i64::MAX))));
        for text in ["9223372036854775808", "18446744073709551616", "-9223372036854775809"] {
            let want = format!("{text} does not fit an int: they end at 9223372036854775807");
            assert_eq!(read(text), Err(want));
        }
        assert_eq!(read("1e999"), Err("1e+999 is too large for a float".to_owned()));
    }

    #[test]
    fn what_is_no_value_says_why() {
        for (text, part) in [
            ("[1]", "array"),
            (r#"{"a":1}"#, "nested object"),
            (r#"{"/":{"bytes":"*"}}"#, "base64"),
            (r#"{"/":"bafy"}"#, "CID"),
        ] {
            let error = from_json(&serde_json::from_str(text).unwrap()).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert_eq!(from_json(&Json::Null), Ok(None));
    }
}
