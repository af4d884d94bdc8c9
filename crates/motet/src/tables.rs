//! The tables of a database and the layout of their keys (design §7).
//!
//! | table | key | value |
//! |---|---|---|
//! | `profile` | `self`, or `party/` and the party | protocol buffers of `motet.proto` |
//! | `entries` | party, position | a linked entry's signed header; in key order, causes come first |
//! | `pending` | party, id | the signed header of an entry that waits, and who sent it |
//! | `held` | party, id | an entry from a later version of Motet |
//! | `withdrawals` | party, feed | how far the entries of a feed were withdrawn |
//! | `rescued` | party, id | the entry that restates what a withdrawn one of our own said |
//! | `refused` | party, id | why an entry is refused for ever |
//! | `parts` | CID | a body part, put once, whole |
//! | `item_parts` | party, tag, position, index | the CID of a part; so an item's parts are read in causal order (H27) |
//! | `invitations` | party, invitation | what this device has issued |
//! | `authors` | party, name | the feeds of an author that an import enrolled |
//!
//! A position is depth (8 bytes, big-endian), feed (32), id (36).

use motet_fact::{Cid, PublicKey};
use motet_feed::{Position, Tag};
use motet_store::Table;

pub(crate) const PROFILE: Table = Table("profile");
pub(crate) const ENTRIES: Table = Table("entries");
pub(crate) const PENDING: Table = Table("pending");
pub(crate) const HELD: Table = Table("held");
pub(crate) const REFUSED: Table = Table("refused");
pub(crate) const WITHDRAWALS: Table = Table("withdrawals");
pub(crate) const RESCUED: Table = Table("rescued");
pub(crate) const PARTS: Table = Table("parts");
pub(crate) const ITEM_PARTS: Table = Table("item_parts");
pub(crate) const INVITATIONS: Table = Table("invitations");
pub(crate) const AUTHORS: Table = Table("authors");

pub(crate) const SELF_ROW: &[u8] = b"self";
pub(crate) const PARTY_ROWS: &[u8] = b"party/";

pub(crate) fn party_row(party: &PublicKey) -> Vec<u8> {
    [PARTY_ROWS, party.as_bytes()].concat()
}

pub(crate) fn under_party(party: &PublicKey, rest: &[u8]) -> Vec<u8> {
    [party.as_bytes(), rest].concat()
}

pub(crate) fn position_key(party: &PublicKey, position: &Position) -> Vec<u8> {
    let mut key = Vec::with_capacity(108);
    key.extend(party.as_bytes());
    write_position(position, &mut key);
    key
}

pub(crate) fn item_part_key(party: &PublicKey, tag: &Tag, position: &Position, index: u16) -> Vec<u8> {
    let mut key = Vec::with_capacity(142);
    key.extend(party.as_bytes());
    key.extend(tag.0);
    write_position(position, &mut key);
    key.extend(index.to_be_bytes());
    key
}

/// Reads the position out of a row of `item_parts`.
pub(crate) fn position_in_item_part_key(key: &[u8]) -> Option<Position> {
    let rest = key.get(64..140)?;
    let (depth, rest) = rest.split_first_chunk::<8>()?;
    let (feed, id) = rest.split_at(32);
    Some(Position {
        depth: u64::from_be_bytes(*depth),
        feed: PublicKey::from_bytes(feed).ok()?,
        id: Cid::from_bytes(id).ok()?,
    })
}

fn write_position(position: &Position, key: &mut Vec<u8>) {
    key.extend(position.depth.to_be_bytes());
    key.extend(position.feed.as_bytes());
    key.extend(position.id.as_bytes());
}
