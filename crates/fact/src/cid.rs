//! Content ids: CIDv1, SHA-256, 36 bytes.
//!
//! Motet's canonical profile has one hash and two codecs: dag-cbor for facts and derived tuples, raw for everything
//! else we name by content (entry headers, body parts). Both make 36 bytes, so a [`Cid`] is a small `Copy` value.
//! Whatever comes from outside is parsed by the `cid` crate and refused if it is outside the profile: the identity
//! hash and CIDv0 among others (requirements §3.2, §3.4).

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// What the named bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// dag-cbor: facts and tuples.
    DagCbor,
    /// Uninterpreted bytes: entry headers and body parts.
    Raw,
}

impl Codec {
    const fn byte(self) -> u8 {
        match self {
            Codec::DagCbor => 0x71,
            Codec::Raw => 0x55,
        }
    }
}

/// Why something is not a content id of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CidError {
    /// Not a content id at all.
    #[error("not a CID: {0}")]
    Malformed(String),
    /// A content id that the canonical profile doesn't have.
    #[error("CID outside the profile (want CIDv1, dag-cbor or raw, sha2-256): {0}")]
    OutsideProfile(String),
}

/// A content id. Ordered by its raw bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cid([u8; Cid::LENGTH]);

impl Cid {
    /// Bytes of a content id.
    pub const LENGTH: usize = 36;

    /// The content id of some bytes.
    pub fn of(codec: Codec, bytes: &[u8]) -> Self {
        Self::of_hash(codec, Sha256::digest(bytes).into())
    }

    /// The content id of the bytes that have this SHA-256.
    pub fn of_hash(codec: Codec, hash: [u8; 32]) -> Self {
        let mut id = [0; Self::LENGTH];
        id[..4].copy_from_slice(&[0x01, codec.byte(), 0x12, 0x20]);
        id[4..].copy_from_slice(&hash);
        Cid(id)
    }

    /// The SHA-256 of the named bytes.
    pub fn hash(&self) -> [u8; 32] {
        self.0[4..].try_into().expect("a content id ends with 32 bytes of hash")
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// What the named bytes are.
    pub fn codec(&self) -> Codec {
        if self.0[1] == Codec::DagCbor.byte() { Codec::DagCbor } else { Codec::Raw }
    }

    /// Reads the raw bytes.
    ///
    /// # Errors
    /// [`CidError`] if they are no CID, or one outside the profile.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CidError> {
        let outside: cid::Cid =
            cid::Cid::try_from(bytes).map_err(|error| CidError::Malformed(error.to_string()))?;
        Self::from_foreign(&outside)
    }

    /// Whether the bytes are the ones this id names.
    pub fn names(&self, bytes: &[u8]) -> bool {
        Cid::of(self.codec(), bytes) == *self
    }

    /// The first characters of the text form that tell ids apart, for people.
    pub fn short(&self) -> String {
        let text = self.to_string();
        format!("…{}", &text[text.len() - 8..])
    }

    fn from_foreign(foreign: &cid::Cid) -> Result<Self, CidError> {
        let bytes = foreign.to_bytes();
        match <[u8; Self::LENGTH]>::try_from(bytes.as_slice()) {
            Ok(id) if matches!(id[..4], [0x01, 0x71 | 0x55, 0x12, 0x20]) => Ok(Cid(id)),
            _ => Err(CidError::OutsideProfile(foreign.to_string())),
        }
    }

    fn to_foreign(self) -> cid::Cid {
        cid::Cid::try_from(self.0.as_slice()).expect("a Cid holds the bytes of a CID")
    }
}

impl FromStr for Cid {
    type Err = CidError;

    fn from_str(text: &str) -> Result<Self, CidError> {
        let foreign = cid::Cid::from_str(text).map_err(|error| CidError::Malformed(error.to_string()))?;
        Self::from_foreign(&foreign)
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_foreign(), f)
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_read_back() {
        for codec in [Codec::DagCbor, Codec::Raw] {
            let id = Cid::of(codec, b"motet");
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(Cid::from_bytes(id.as_bytes()), Ok(id));
            assert_eq!(id.codec(), codec);
            assert!(id.names(b"motet") && !id.names(b"motets"));
        }
    }

    #[test]
    fn ids_outside_the_profile_are_refused() {
        let identity_hash = [0x01, 0x55, 0x00, 0x01, 0x61];
        assert!(matches!(Cid::from_bytes(&identity_hash), Err(CidError::OutsideProfile(_))));
        assert!(matches!(Cid::from_bytes(&[1, 2]), Err(CidError::Malformed(_))));
        let version_zero = "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n";
        assert!(matches!(version_zero.parse::<Cid>(), Err(CidError::OutsideProfile(_))));
    }
}
