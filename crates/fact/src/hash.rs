//! Derived ids, and a hash of a set that is kept while the set changes.
//!
//! [`Digest::derive`] is BLAKE3 in its key-derivation mode: one context string per use, and each part preceded by its
//! length, so that no two uses and no two splits of the same bytes can meet.
//!
//! [`SetHash`] is LtHash-16-1024 (Lewi et al., *Securing Update Propagation with Homomorphic Hashing*, 2019) with
//! BLAKE3 as the extendable hash: an element is stretched to 1,024 numbers of 16 bits, and the hash of a set is their
//! sum. Adding and removing an element cost the same and order doesn't matter, so the state hash of a party (H21) can
//! be kept and not recomputed, and still be checked against a fold from scratch.

use std::fmt;

/// A hash of 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The hash of some parts under a context, an application-wide constant such as `"motet item id v1"`.
    pub fn derive(context: &'static str, parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(context);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Digest(*hasher.finalize().as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const LANES: usize = 1024;

/// The hash of a set, kept under insertion and removal.
#[derive(Clone, PartialEq, Eq)]
pub struct SetHash(Box<[u16; LANES]>);

impl Default for SetHash {
    fn default() -> Self {
        SetHash(Box::new([0; LANES]))
    }
}

impl SetHash {
    /// Adds an element. The caller sees to it that no element is in twice.
    pub fn insert(&mut self, element: &[u8]) {
        self.combine(element, u16::wrapping_add);
    }

    /// Removes an element that was added before.
    pub fn remove(&mut self, element: &[u8]) {
        self.combine(element, u16::wrapping_sub);
    }

    /// The hash so far.
    pub fn digest(&self) -> Digest {
        Digest::derive("motet set hash v1", &[&self.to_bytes()])
    }

    /// The whole of it, to go on from later: 2 KiB.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|lane| lane.to_le_bytes()).collect()
    }

    /// What [`SetHash::to_bytes`] gave; `None` if the length is another.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (lanes, rest) = bytes.as_chunks::<2>();
        let mut hash = SetHash::default();
        if lanes.len() != LANES || !rest.is_empty() {
            return None;
        }
        hash.0.iter_mut().zip(lanes).for_each(|(lane, bytes)| *lane = u16::from_le_bytes(*bytes));
        Some(hash)
    }

    fn combine(&mut self, element: &[u8], with: fn(u16, u16) -> u16) {
        let mut stretched = [0; LANES * 2];
        let mut hasher = blake3::Hasher::new_derive_key("motet set element v1");
        hasher.update(element);
        hasher.finalize_xof().fill(&mut stretched);
        for (lane, bytes) in self.0.iter_mut().zip(stretched.chunks_exact(2)) {
            *lane = with(*lane, u16::from_le_bytes([bytes[0], bytes[1]]));
        }
    }
}

impl fmt::Debug for SetHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SetHash({})", self.digest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_hash_forgets_order_and_removed_elements() {
        let mut forwards = SetHash::default();
        let mut backwards = SetHash::default();
        for element in 0..20_u32 {
            forwards.insert(&element.to_le_bytes());
            backwards.insert(&(19 - element).to_le_bytes());
        }
        assert_eq!(forwards.digest(), backwards.digest());
        forwards.insert(b"guest");
        assert_ne!(forwards.digest(), backwards.digest());
        forwards.remove(b"guest");
        assert_eq!(forwards, backwards);
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(Digest::derive("test", &[b"ab", b"c"]), Digest::derive("test", &[b"a", b"bc"]));
    }
}
