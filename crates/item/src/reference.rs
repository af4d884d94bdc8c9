//! A soft reference: a value that points at an item, of the same party or of another.
//!
//! Whether the item is there is not the reference's business: it may be missing, deleted, or of a party that this
//! database does not hold. As a value a reference is bytes: `motet/item/`, then the item's id, or the other party's key
//! and the item's id. Queries see the id alone (or the key and the id), which joins with `item`; `refers` has a row for
//! each reference that a property holds.

use std::fmt;

use motet_fact::{PublicKey, Value};

use crate::register::Name;
use crate::{BaseRelation, ItemId};

const MARK: &[u8] = b"motet/item/";

/// Points at an item.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// The party of the item, if it is not the one of the reference.
    pub party: Option<PublicKey>,
    /// The item.
    pub item: ItemId,
}

impl Reference {
    /// A reference to an item of the same party.
    pub fn here(item: ItemId) -> Self {
        Reference { party: None, item }
    }

    /// A reference to an item of another party.
    pub fn there(party: PublicKey, item: ItemId) -> Self {
        Reference { party: Some(party), item }
    }

    /// The reference that a value is, if it is one.
    pub fn of(value: &Value) -> Option<Self> {
        let rest = value.as_bytes()?.strip_prefix(MARK)?;
        let (party, item) = if rest.len() == 64 { rest.split_at(32) } else { (&[][..], rest) };
        let item = ItemId(item.try_into().ok()?);
        let party = if party.is_empty() { None } else { Some(PublicKey::from_bytes(party).ok()?) };
        Some(Reference { party, item })
    }

    /// What queries see of it: the item's id, after the other party's key if it has one.
    pub fn target(&self) -> Value {
        let party = self.party.map(|party| party.as_bytes().to_vec()).unwrap_or_default();
        Value::bytes([party.as_slice(), &self.item.0].concat())
    }
}

/// What queries see of a value: of a reference its target, of others the value.
pub(crate) fn shown(value: &Value) -> Value {
    Reference::of(value).map_or_else(|| value.clone(), |reference| reference.target())
}

/// The rows that show that an attribute of an entity is a value: one of `attr`, and one of `refers` if the value is a
/// reference.
pub(crate) fn attr_rows(name: &Name, value: &Value) -> impl Iterator<Item = (BaseRelation, Vec<Value>)> {
    let row = vec![name.0.clone().into(), name.1.clone().into(), shown(value)];
    let refers = Reference::of(value).map(|_| (BaseRelation::Refers, row.clone()));
    std::iter::once((BaseRelation::Attr, row)).chain(refers)
}

impl From<Reference> for Value {
    fn from(reference: Reference) -> Self {
        let party = reference.party.map(|party| party.as_bytes().to_vec()).unwrap_or_default();
        Value::bytes([MARK, &party, &reference.item.0].concat())
    }
}

/// The item's id in hexadecimal digits; the other party's key and a slash before it.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.party {
            Some(party) => write!(f, "{party}/{}", self.item),
            None => write!(f, "{}", self.item),
        }
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_reads_back_from_its_value_and_other_bytes_are_none() {
        let (item, party) = (ItemId([7; 32]), PublicKey::from_bytes(&[3; 32]).unwrap());
        for reference in [Reference::here(item), Reference::there(party, item)] {
            assert_eq!(Reference::of(&reference.into()), Some(reference));
        }
        assert_eq!(Reference::here(item).target(), Value::from(item));
        assert_eq!(Reference::there(party, item).target(), Value::bytes([[3; 32], [7; 32]].concat()));
        for other in [Value::from(item), Value::text("motet/item/"), Value::bytes(MARK), Value::Int(7)] {
            assert_eq!(Reference::of(&other), None);
        }
    }
}
