//! Where an entry states a fact: its place in the one order (H6), down to the fact.
//!
//! Entries are ordered by depth, feed and CID; the facts of one entry about one item, as they were written. So the
//! lines of one transaction stand in a log as they were said, and its moves are replayed as they were made.

use motet_feed::Position;

/// The place of a fact. Ordered as the facts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The entry that states it.
    pub entry: Position,
    /// How many valid facts about the item stand before it in the entry.
    pub index: u32,
}

/// How long a place's key is, in bytes.
pub const PLACE_KEY_BYTES: usize = 80;

impl Place {
    /// Bytes that sort as places do.
    pub fn key(&self) -> [u8; PLACE_KEY_BYTES] {
        let Position { depth, feed, id } = &self.entry;
        let mut key = [0; PLACE_KEY_BYTES];
        key[..8].copy_from_slice(&depth.to_be_bytes());
        key[8..40].copy_from_slice(feed.as_bytes());
        key[40..76].copy_from_slice(id.as_bytes());
        key[76..].copy_from_slice(&self.index.to_be_bytes());
        key
    }

    /// Reads a key.
    pub fn read(key: &[u8]) -> Option<Self> {
        let key: &[u8; PLACE_KEY_BYTES] = key.try_into().ok()?;
        let depth = u64::from_be_bytes(key[..8].try_into().ok()?);
        let feed = motet_fact::PublicKey::from_bytes(&key[8..40]).ok()?;
        let id = motet_fact::Cid::from_bytes(&key[40..76]).ok()?;
        let index = u32::from_be_bytes(key[76..].try_into().ok()?);
        Some(Place { entry: Position { depth, feed, id }, index })
    }
}

#[cfg(test)]
mod tests {
    use motet_fact::{Cid, Codec, PublicKey};

    use super::*;

    #[test]
    fn keys_sort_as_places_do_and_read_back() {
        let feed = |byte| PublicKey::from_bytes(&[byte; 32]).unwrap();
        let ids = [b"one", b"two"].map(|bytes| Cid::of(Codec::Raw, bytes));
        let mut places = Vec::new();
        for depth in [0, 1, 256, u64::MAX] {
            for feed in [feed(1), feed(2)] {
                for id in ids {
                    let entry = Position { depth, feed, id };
                    places.extend([0, 1, 256].map(|index| Place { entry, index }));
                }
            }
        }
        places.sort_unstable();
        assert!(places.is_sorted_by_key(Place::key));
        assert!(places.iter().all(|place| Place::read(&place.key()) == Some(*place)));
        assert_eq!(Place::read(&[0; 7]), None);
    }
}
