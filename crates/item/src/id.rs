//! The name of an item, and who may bring it into being (H15).
//!
//! An item's id is a hash of the party, the feed that creates the item, and a nonce. So a genesis can be checked with
//! nothing but the entry that carries it: the fact `(id, "motet/genesis", nonce)` on feed `f` is one only if `f`,
//! the party and the nonce hash to the id, and nobody else can write it. The id of a party's root item derives from
//! the party alone: it needs no genesis. Something of which a party has one for a given name is a *singleton*: its
//! nonce derives from the name.

use std::fmt;
use std::str::FromStr;

use motet_fact::{Digest, Entity, PublicKey, Value};
use motet_feed::Tag;

/// Bytes of a genesis nonce.
pub const NONCE_BYTES: usize = 16;

/// The id of an item: an entity of 32 bytes. Ordered by its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(pub [u8; 32]);

/// Not the text of an item id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an item id (32 bytes, as 64 hexadecimal digits)")]
pub struct NotAnItemId;

impl ItemId {
    /// The id of the item that this feed creates with this nonce.
    pub fn derive(party: &PublicKey, feed: &PublicKey, nonce: &[u8; NONCE_BYTES]) -> Self {
        ItemId(Digest::derive("motet item id v1", &[party.as_bytes(), feed.as_bytes(), nonce]).0)
    }

    /// The id of the party's root item.
    pub fn root(party: &PublicKey) -> Self {
        ItemId(Digest::derive("motet root item id v1", &[party.as_bytes()]).0)
    }

    /// The id of the party's tree: the item that says where all others hang.
    pub fn tree(party: &PublicKey) -> Self {
        ItemId(Digest::derive("motet tree item id v1", &[party.as_bytes()]).0)
    }

    /// The id that a value holds, if it is 32 bytes.
    pub fn from_value(value: &Value) -> Option<Self> {
        value.as_bytes()?.try_into().ok().map(ItemId)
    }

    /// The tag of body parts about the item.
    pub fn tag(self) -> Tag {
        Tag(self.0)
    }

    /// The item as an entity.
    pub fn entity(self) -> Entity {
        Entity::from(self.0)
    }
}

impl From<Tag> for ItemId {
    fn from(tag: Tag) -> Self {
        ItemId(tag.0)
    }
}

impl From<ItemId> for Value {
    fn from(id: ItemId) -> Self {
        Value::bytes(id.0.as_slice())
    }
}

/// 64 hexadecimal digits.
impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Digest(self.0).fmt(f)
    }
}

impl fmt::Debug for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ItemId {
    type Err = NotAnItemId;

    fn from_str(text: &str) -> Result<Self, NotAnItemId> {
        let key: PublicKey = text.parse().map_err(|_| NotAnItemId)?; // 32 bytes in hexadecimal are read in one place
        Ok(ItemId(*key.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_belongs_to_one_party_feed_and_nonce() {
        let key = |byte| PublicKey::from_bytes(&[byte; 32]).unwrap();
        let id = ItemId::derive(&key(1), &key(2), &[3; 16]);
        assert_eq!(id, ItemId::derive(&key(1), &key(2), &[3; 16]));
        assert_ne!(id, ItemId::derive(&key(2), &key(1), &[3; 16]));
        assert_ne!(id, ItemId::derive(&key(1), &key(2), &[4; 16]));
        assert_ne!(ItemId::root(&key(1)), ItemId::root(&key(2)));
    }

    #[test]
    fn an_id_reads_back_from_text_tag_and_value() {
        let id = ItemId([0xab; 32]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("xyz".parse::<ItemId>(), Err(NotAnItemId));
        assert_eq!(ItemId::from(id.tag()), id);
        assert_eq!(ItemId::from_value(&Value::from(id)), Some(id));
        assert_eq!(id.entity().as_bytes(), &id.0);
    }
}
