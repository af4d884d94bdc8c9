//! The attributes that Motet itself reads.
//!
//! ECHO tags the messages that are about an item, and not for its model, with a *system label*. Here the label is the
//! attribute's prefix `motet/`: a fact with such an attribute is read by the item layer and reaches no model. On the
//! item's own entity the attributes below have a meaning; on any other entity, and under any other name with the
//! prefix, a system fact is kept and means nothing yet, so that later versions may add names.
//!
//! But for [`GENESIS`] and [`MODEL`], each is a register (H18): a fact that cites the ones it replaces, and of
//! concurrent ones the greatest (height, CID) wins.

use motet_fact::Attribute;

/// What every system attribute begins with.
pub const PREFIX: &str = "motet/";
/// Brings an item into being; the value is the nonce, 16 bytes (H15). Not a register: of several the first in the
/// order H6 is the genesis.
pub const GENESIS: &str = "motet/genesis";
/// The name of the item's model, text; read in the genesis entry only.
pub const MODEL: &str = "motet/model";
/// The type of the item, text.
pub const TYPE: &str = "motet/type";
/// The item's parent: the id of an item, 32 bytes; any other value: none.
pub const PARENT: &str = "motet/parent";
/// Whether the item is deleted, bool: `true` deletes, `false` restores.
pub const DELETED: &str = "motet/deleted";

/// The type of a party's root item.
pub const PARTY_TYPE: &str = "motet/party";

/// Whether the attribute bears the system label.
pub fn is_system(attribute: &Attribute) -> bool {
    attribute.as_text().is_some_and(|name| name.starts_with(PREFIX))
}
