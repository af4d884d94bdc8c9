//! The tables of a database and the layout of their keys (design §7).
//!
//! | table | key | value |
//! |---|---|---|
//! | `profile` | `self`, `linking`, or `party/` and the party | protocol buffers of `motet.proto` |
//! | `entries` | party, position | a linked entry's signed header; in key order, causes come first |
//! | `linked` | party, number (4 bytes, big-endian) | the position of an entry linked since the checkpoint |
//! | `checkpoints` | party | protocol buffers: what opening the party goes on from |
//! | `graph` | party, list and page (4 bytes each, big-endian) | a page of the graph |
//! | `numbers` | party, id | the number of an entry in the graph (4 bytes, big-endian) |
//! | `fact_index` | party; or party, run, last pair | [postings](motet_store::Postings): which entries say what |
//! | `pending` | party, id | the signed header of an entry that waits, and who sent it |
//! | `held` | party, id | an entry from a later version of Motet |
//! | `withdrawals` | party, feed | how far the entries of a feed were withdrawn |
//! | `rescued` | party, id | the entry that restates what a withdrawn one of our own said |
//! | `refused` | party, id | why an entry is refused for ever |
//! | `parts` | CID | a body part, put once, whole |
//! | `item_parts` | party, tag, position, index | a part's CID; so an item's parts are read in causal order (H27) |
//! | `saved_items` | party, item, number (4 bytes, big-endian) | a piece of the item as it was when last folded |
//! | `models` | party, CID | the block of a model that is data, put once, whole |
//! | `invitations` | party, invitation | what this device has issued |
//! | `views` | party, name | protocol buffers: the query of a view that is kept |
//! | `views_progress` | party, name | protocol buffers: which epochs that view is past |
//! | `view_checkpoints` | party, name | protocol buffers: what opening that view goes on from |
//! | `view_blocks` | party, name (after its length, 4 bytes), generation and number (4 each) | a block of that |
//! | `views_given` | party, name, relation (each after its length, 4 bytes), row | nothing: what an epoch gave the next |
//! | `epochs` | party, number (8 bytes, big-endian) | what a batch linked and withdrew, for kept views |
//! | `joining` | a hash of a code | that this device has shown the code, and to whom |
//! | `stalled` | party, number | a bundle that came while the party was paused |
//! | `authors` | party, name | the feeds of an author that an import enrolled |
//!
//! A position is depth (8 bytes, big-endian), feed (32), id (36).

use motet_fact::{Cid, PublicKey, Value};
use motet_feed::{Position, Tag};
use motet_store::Table;

use crate::Error;

pub(crate) const PROFILE: Table = Table("profile");
pub(crate) const ENTRIES: Table = Table("entries");
pub(crate) const LINKED: Table = Table("linked");
pub(crate) const CHECKPOINTS: Table = Table("checkpoints");
pub(crate) const GRAPH: Table = Table("graph");
pub(crate) const NUMBERS: Table = Table("numbers");
pub(crate) const FACT_INDEX: Table = Table("fact_index");
pub(crate) const PENDING: Table = Table("pending");
pub(crate) const HELD: Table = Table("held");
pub(crate) const REFUSED: Table = Table("refused");
pub(crate) const WITHDRAWALS: Table = Table("withdrawals");
pub(crate) const RESCUED: Table = Table("rescued");
pub(crate) const PARTS: Table = Table("parts");
pub(crate) const ITEM_PARTS: Table = Table("item_parts");
pub(crate) const SAVED_ITEMS: Table = Table("saved_items");
pub(crate) const MODELS: Table = Table("models");
pub(crate) const INVITATIONS: Table = Table("invitations");
pub(crate) const JOINING: Table = Table("joining");
pub(crate) const STALLED: Table = Table("stalled");
pub(crate) const AUTHORS: Table = Table("authors");
pub(crate) const VIEWS: Table = Table("views");
pub(crate) const VIEWS_PROGRESS: Table = Table("views_progress");
pub(crate) const VIEWS_GIVEN: Table = Table("views_given");
pub(crate) const VIEW_CHECKPOINTS: Table = Table("view_checkpoints");
pub(crate) const VIEW_BLOCKS: Table = Table("view_blocks");
pub(crate) const EPOCHS: Table = Table("epochs");

pub(crate) const SELF_ROW: &[u8] = b"self";
pub(crate) const LINKING_ROW: &[u8] = b"linking";
pub(crate) const PARTY_ROWS: &[u8] = b"party/";

/// The tables whose keys begin with the party: what is to go with it.
pub(crate) const OF_PARTIES: [Table; 23] = [
    ENTRIES,
    LINKED,
    CHECKPOINTS,
    GRAPH,
    NUMBERS,
    FACT_INDEX,
    PENDING,
    HELD,
    REFUSED,
    WITHDRAWALS,
    RESCUED,
    ITEM_PARTS,
    SAVED_ITEMS,
    MODELS,
    INVITATIONS,
    AUTHORS,
    STALLED,
    VIEWS,
    VIEWS_PROGRESS,
    VIEWS_GIVEN,
    VIEW_CHECKPOINTS,
    VIEW_BLOCKS,
    EPOCHS,
];

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

/// Bytes of a position.
const POSITION_BYTES: usize = 8 + 32 + Cid::LENGTH;

/// Reads the position out of a row of `item_parts`.
pub(crate) fn position_in_item_part_key(key: &[u8]) -> Option<Position> {
    read_position(key.get(64..64 + POSITION_BYTES)?)
}

fn read_position(bytes: &[u8]) -> Option<Position> {
    let (depth, rest) = bytes.split_first_chunk::<8>()?;
    let (feed, id) = rest.split_at_checked(32)?;
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

/// The name in a row of `views`.
pub(crate) fn name_in_view_key(key: &[u8]) -> Result<String, Error> {
    let name = key.get(32..).and_then(|name| std::str::from_utf8(name).ok());
    name.map(str::to_owned).ok_or_else(|| Error::unreadable("a row of `views`", "its key holds no name"))
}

pub(crate) fn epoch_key(party: &PublicKey, number: u64) -> Vec<u8> {
    under_party(party, &number.to_be_bytes())
}

pub(crate) fn number_in_epoch_key(key: &[u8]) -> Result<u64, Error> {
    let number = key.get(32..).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
    number
        .map(u64::from_be_bytes)
        .ok_or_else(|| Error::unreadable("a row of `epochs`", "its key has another length"))
}

pub(crate) fn write_positions<'a>(positions: impl Iterator<Item = &'a Position>) -> Vec<u8> {
    let mut bytes = Vec::new();
    positions.for_each(|position| write_position(position, &mut bytes));
    bytes
}

pub(crate) fn read_positions(bytes: &[u8]) -> Result<Vec<Position>, Error> {
    let positions = bytes.chunks(POSITION_BYTES).map(read_position).collect::<Option<_>>();
    positions.ok_or_else(|| Error::unreadable("a row of entries", "it holds no positions"))
}

/// What a batch linked, after their number (4 bytes, big-endian), and which other entries began or ceased to count.
pub(crate) fn write_epoch<'a>(
    linked: impl ExactSizeIterator<Item = &'a Position>,
    changed: &[Cid],
) -> Vec<u8> {
    let count = u32::try_from(linked.len()).expect("a batch has fewer than 2^32 entries");
    let mut bytes = count.to_be_bytes().to_vec();
    bytes.extend(write_positions(linked));
    changed.iter().for_each(|id| bytes.extend(id.as_bytes()));
    bytes
}

pub(crate) fn read_epoch(bytes: &[u8]) -> Result<(Vec<Position>, Vec<Cid>), Error> {
    let cids =
        |bytes: &[u8]| bytes.chunks(Cid::LENGTH).map(|cid| Cid::from_bytes(cid).ok()).collect::<Option<_>>();
    let read = || {
        let (count, rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*count)).ok()?.checked_mul(POSITION_BYTES)?;
        let (linked, changed) = rest.split_at_checked(length)?;
        Some((read_positions(linked).ok()?, cids(changed)?))
    };
    read().ok_or_else(|| Error::unreadable("a row of `epochs`", "it holds no entries"))
}

/// The key of a block of a view's checkpoint; without a number, what the blocks of a generation have in common.
pub(crate) fn block_key(party: &PublicKey, view: &str, generation: u32, number: Option<u32>) -> Vec<u8> {
    let mut key = given_prefix(party, view, None);
    [Some(generation), number].into_iter().flatten().for_each(|part| key.extend(part.to_be_bytes()));
    key
}

/// What the rows begin with that a kept view was given; with a relation, those of that one.
pub(crate) fn given_prefix(party: &PublicKey, view: &str, relation: Option<&str>) -> Vec<u8> {
    let mut key = party.as_bytes().to_vec();
    for name in [Some(view), relation].into_iter().flatten() {
        let length = u32::try_from(name.len()).expect("a name is shorter than 4 GiB");
        key.extend(length.to_be_bytes());
        key.extend(name.as_bytes());
    }
    key
}

pub(crate) fn given_key(party: &PublicKey, view: &str, relation: &str, row: &[Value]) -> Vec<u8> {
    let mut key = given_prefix(party, view, Some(relation));
    row.iter().for_each(|value| motet_fact::order::write_key(value, &mut key));
    key
}

/// The relation and the row in what follows the prefix of a view.
pub(crate) fn read_given(rest: &[u8]) -> Option<(&str, Vec<Value>)> {
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (relation, mut rest) = rest.split_at_checked(length)?;
    let mut row = Vec::new();
    while !rest.is_empty() {
        row.push(motet_fact::order::read_key(&mut rest)?);
    }
    Some((std::str::from_utf8(relation).ok()?, row))
}
