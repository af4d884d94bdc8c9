//! The attributes that Motet itself reads.
//!
//! ECHO tags the messages that are about an item, and not for its model, with a *system label*. Here the label is the
//! attribute's prefix `motet/`: on the item's own entity the attributes below have a meaning; on any other entity, and
//! under any other name with the prefix, a system fact is kept and means nothing yet, so that later versions may add
//! names.
//!
//! But for [`GENESIS`], [`MODEL`], [`VERSION`] and [`PURGED`], each is a register (H18): a fact that cites the ones it
//! replaces, and of concurrent ones the greatest (height, CID) wins.
//!
//! *Operations* are labelled too, and are for models ([`crate::object`] says what they do): a fact that adds,
//! increments or removes is about a property, and no value of it. *Moves* ([`PARENT`]) are facts of the tree
//! ([`crate::tree`]), which is an item of its own.

use motet_fact::Attribute;

/// What every attribute begins with that is not for users to choose.
pub const PREFIX: &str = "motet/";
/// Brings an item into being; the value is the nonce, 16 bytes (H15). Not a register: of several the first in the
/// order H6 is the genesis.
pub const GENESIS: &str = "motet/genesis";
/// The name of the item's model, text; read in the genesis entry only.
pub const MODEL: &str = "motet/model";
/// The version of the model, int; 1 if nothing is said. Read in the genesis entry only.
pub const VERSION: &str = "motet/version";
/// The type of the item, text.
pub const TYPE: &str = "motet/type";
/// Whether the item is deleted, bool: `true` deletes, `false` restores.
pub const DELETED: &str = "motet/deleted";
/// `true`: the item is gone for good. Not a register: nothing takes it back.
pub const PURGED: &str = "motet/purged";
/// The item that goes on in this one's stead, under another model: 32 bytes.
pub const SUCCESSOR: &str = "motet/successor";
/// Says that the entry takes back what another said about the item: the link names that entry.
pub const UNDO: &str = "motet/undo";
/// Says that the entry takes an undoing back: the link names the entry that undid.
pub const REDO: &str = "motet/redo";

/// In the tree: the entity comes under an item (32 bytes), or at a place among its children (bytes after those).
pub const PARENT: &str = "motet/parent";

/// Removes from a property what the fact cites; the value is the property's attribute.
pub const REMOVE: &str = "motet/remove";
/// Before a property: adds the value to the set that it is.
pub const ADD: &str = "motet/add/";
/// Before a property: adds the value to the number that it is.
pub const INCREMENT: &str = "motet/increment/";

/// The type of a party's root item.
pub const PARTY_TYPE: &str = "motet/party";

/// Whether the attribute is Motet's own: no name for a property.
pub fn is_reserved(attribute: &Attribute) -> bool {
    attribute.as_text().is_some_and(|name| name.starts_with(PREFIX))
}

/// Whether the attribute is that of an operation on a property.
pub fn is_operation(attribute: &Attribute) -> bool {
    let is = |name: &str| name == REMOVE || name.starts_with(ADD) || name.starts_with(INCREMENT);
    attribute.as_text().is_some_and(is)
}

/// Whether the attribute is read by the item layer, and reaches no model.
pub fn is_system(attribute: &Attribute) -> bool {
    is_reserved(attribute) && !is_operation(attribute)
}
