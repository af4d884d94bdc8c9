//! A signed header, its wire form, and what makes it well formed.
//!
//! The bytes that were signed are kept as received and never made again from the fields: protocol buffers have no
//! canonical form, and a name must not depend on who encodes. What an entry looks like alone is checked here, the same
//! way for everybody and for ever; what it claims about its causes is checked by [`crate::Graph`] when they are there.
//! A fault found here is charged to the *peer* that sent the bytes, never to the feed: anybody can send anything.

use motet_fact::{Cid, Codec, Domain, KeyError, PublicKey, SecretKey, Signature};
use prost::Message as _;

use crate::proto;

/// The one version of the entry format.
pub const VERSION: u32 = 1;
/// The longest header, in bytes.
pub const MAX_HEADER_BYTES: usize = 256 * 1024;
/// The longest body part, in bytes.
pub const MAX_PART_BYTES: usize = 256 * 1024;
/// The longest body, all parts together, in bytes: an entry travels in one message.
pub const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;
/// The most parts of one entry.
pub const MAX_PARTS: usize = 1024;
/// The most causes of one entry.
pub const MAX_CAUSES: usize = 4096;

/// Names the item a part is about; all zero for control parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub [u8; 32]);

/// Whether an entry says who may write, or what was written (H1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// Credentials.
    Control,
    /// Transactions over items.
    Data,
}

impl EntryKind {
    /// The word for people and queries.
    pub fn name(self) -> &'static str {
        match self {
            EntryKind::Control => "control",
            EntryKind::Data => "data",
        }
    }
}

/// A reference to one body part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartRef {
    /// The item it is about.
    pub tag: Tag,
    /// The CID of its bytes.
    pub cid: Cid,
    /// How many bytes.
    pub length: u32,
}

impl PartRef {
    /// The reference to some bytes.
    ///
    /// # Panics
    /// If they are longer than [`MAX_PART_BYTES`]: a writer splits what it writes.
    pub fn to(tag: Tag, bytes: &[u8]) -> Self {
        assert!(bytes.len() <= MAX_PART_BYTES, "a part of {} bytes was written", bytes.len());
        PartRef { tag, cid: Cid::of(Codec::Raw, bytes), length: bytes.len() as u32 }
    }

    /// Whether these are the bytes referred to.
    pub fn names(&self, bytes: &[u8]) -> bool {
        bytes.len() == self.length as usize && self.cid.names(bytes)
    }
}

/// What an entry says of itself (H2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The party it belongs to.
    pub party: PublicKey,
    /// The feed it is on.
    pub feed: PublicKey,
    /// How many entries of its feed stand before it on its branch.
    pub seq: u64,
    /// Control or data.
    pub kind: EntryKind,
    /// The entries its writer had processed, strictly ascending; the backlink is one of them.
    pub causes: Vec<Cid>,
    /// 1 + the depth of the deepest cause.
    pub depth: u64,
    /// The parts of its body.
    pub parts: Vec<PartRef>,
    /// Which key encrypts the parts; empty: none.
    pub key_name: Vec<u8>,
}

/// The place of an entry in the one deterministic order (H6): depth, then feed key, then CID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The entry's depth.
    pub depth: u64,
    /// Its feed.
    pub feed: PublicKey,
    /// Its id.
    pub id: Cid,
}

/// Why bytes are not an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Over the size limit.
    #[error("the entry's header has {0} bytes; at most {MAX_HEADER_BYTES} are allowed")]
    TooLong(usize),
    /// Not the protocol buffer.
    #[error("not an entry: {0}")]
    Malformed(String),
    /// From a later version: to be held until this program knows it, not refused (H7).
    #[error("entry {id} has format version {version}; this program knows {VERSION}: update it")]
    UnknownVersion {
        /// The entry.
        id: Cid,
        /// Its version.
        version: u32,
    },
    /// Of a kind this program doesn't know: to be held, not refused (H7).
    #[error("entry {id} is of kind {kind}, which this program does not know: update it")]
    UnknownKind {
        /// The entry.
        id: Cid,
        /// Its kind.
        kind: i32,
    },
    /// A field that no entry has like this.
    #[error("entry {id} is malformed: {what}")]
    Field {
        /// The entry.
        id: Cid,
        /// What is wrong.
        what: &'static str,
    },
    /// The signature is not the feed's.
    #[error("entry {id} of feed {feed} at seq {seq}: {source}")]
    Signature {
        /// The entry.
        id: Cid,
        /// The feed it claims to be on.
        feed: PublicKey,
        /// The seq it claims.
        seq: u64,
        /// What the check said.
        source: KeyError,
    },
}

/// What a writer fills in; signing makes it an [`Entry`].
pub type Draft = Header;

/// A well-formed, signed entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    header: Header,
    id: Cid,
    header_bytes: Vec<u8>,
    signature: Signature,
}

impl Entry {
    /// Signs a draft with the feed's key.
    ///
    /// # Panics
    /// If the key is not the feed's, or the draft is malformed (unsorted causes, too many parts).
    pub fn sign(draft: Draft, key: &SecretKey) -> Self {
        assert_eq!(key.public(), draft.feed, "an entry is signed by its feed's key");
        let header_bytes = to_proto(&draft).encode_to_vec();
        let id = Cid::of(Codec::Raw, &header_bytes);
        check_fields(&draft, id).expect("a draft is well formed");
        assert!(header_bytes.len() <= MAX_HEADER_BYTES, "a draft's header is within its limit");
        let signature = key.sign(Domain::Entry, &header_bytes);
        Entry { header: draft, id, header_bytes, signature }
    }

    /// Reads the wire form: form, fields, signature.
    ///
    /// # Errors
    /// [`EntryError`] saying what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        let entry = Self::decode_stored(bytes).map_err(|error| match error {
            // Its form is known, but for what its body means: whoever signed it can be told.
            EntryError::UnknownKind { id, .. } => verify_unknown(bytes, id).err().unwrap_or(error),
            error => error,
        })?;
        entry.verify()?;
        Ok(entry)
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// [`EntryError::Signature`] if it is not the feed's.
    pub fn verify(&self) -> Result<(), EntryError> {
        let Header { feed, seq, .. } = self.header;
        feed.verify(Domain::Entry, &self.header_bytes, &self.signature)
            .map_err(|source| EntryError::Signature { id: self.id, feed, seq, source })
    }

    /// Reads the wire form without checking the signature: for bytes from our own store, which were checked when they
    /// came in.
    ///
    /// # Errors
    /// [`EntryError`] saying what is wrong with the bytes.
    pub fn decode_stored(bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.len() > MAX_HEADER_BYTES + 128 {
            return Err(EntryError::TooLong(bytes.len()));
        }
        let signed = proto::SignedHeader::decode(bytes).map_err(malformed)?;
        if signed.header.len() > MAX_HEADER_BYTES {
            return Err(EntryError::TooLong(signed.header.len()));
        }
        let id = Cid::of(Codec::Raw, &signed.header);
        let header = from_proto(proto::Header::decode(signed.header.as_slice()).map_err(malformed)?, id)?;
        check_fields(&header, id)?;
        let signature = Signature::from_bytes(&signed.signature)
            .map_err(|_| EntryError::Field { id, what: "the signature is not 64 bytes" })?;
        Ok(Entry { header, id, header_bytes: signed.header, signature })
    }

    /// The wire form.
    pub fn encode(&self) -> Vec<u8> {
        let signature = self.signature.as_bytes().to_vec();
        proto::SignedHeader { header: self.header_bytes.clone(), signature }.encode_to_vec()
    }

    /// The entry's name: the CID of its header's bytes.
    pub fn id(&self) -> Cid {
        self.id
    }

    /// What it says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Its place in the one order (H6).
    pub fn position(&self) -> Position {
        Position { depth: self.header.depth, feed: self.header.feed, id: self.id }
    }
}

/// Checks the signature of an entry whose kind is not known.
fn verify_unknown(bytes: &[u8], id: Cid) -> Result<(), EntryError> {
    let fault = |what| EntryError::Field { id, what };
    let signed = proto::SignedHeader::decode(bytes).map_err(malformed)?;
    let header = proto::Header::decode(signed.header.as_slice()).map_err(malformed)?;
    let feed = PublicKey::from_bytes(&header.feed).map_err(|_| fault("its feed is not a key"))?;
    let signature =
        Signature::from_bytes(&signed.signature).map_err(|_| fault("the signature is not 64 bytes"))?;
    feed.verify(Domain::Entry, &signed.header, &signature).map_err(|source| EntryError::Signature {
        id,
        feed,
        seq: header.seq,
        source,
    })
}

fn malformed(error: prost::DecodeError) -> EntryError {
    EntryError::Malformed(error.to_string())
}

fn check_fields(header: &Header, id: Cid) -> Result<(), EntryError> {
    let fault = |what| Err(EntryError::Field { id, what });
    if header.causes.len() > MAX_CAUSES {
        return fault("too many causes");
    }
    if header.parts.len() > MAX_PARTS {
        return fault("too many parts");
    }
    if !header.causes.is_sorted_by(|one, next| one < next) {
        return fault("its causes are not strictly ascending");
    }
    if header.depth == 0 || (header.causes.is_empty() && header.depth != 1) {
        return fault("its depth is not 1 + the deepest cause");
    }
    if header.seq > 0 && header.causes.is_empty() {
        return fault("it has a seq but no backlink");
    }
    if header.parts.iter().any(|part| part.length as usize > MAX_PART_BYTES) {
        return fault("a part is over 256 KiB");
    }
    if header.parts.iter().map(|part| part.length as usize).sum::<usize>() > MAX_BODY_BYTES {
        return fault("its body is over 2 MiB");
    }
    if header.key_name.len() > 64 {
        return fault("its key name is over 64 bytes");
    }
    Ok(())
}

fn to_proto(header: &Header) -> proto::Header {
    let kind = match header.kind {
        EntryKind::Control => proto::Kind::Control,
        EntryKind::Data => proto::Kind::Data,
    };
    let part = |part: &PartRef| proto::Part {
        tag: part.tag.0.to_vec(),
        cid: part.cid.as_bytes().to_vec(),
        length: part.length,
    };
    proto::Header {
        version: VERSION,
        party: header.party.as_bytes().to_vec(),
        feed: header.feed.as_bytes().to_vec(),
        seq: header.seq,
        kind: kind.into(),
        causes: header.causes.iter().map(|cause| cause.as_bytes().to_vec()).collect(),
        depth: header.depth,
        parts: header.parts.iter().map(part).collect(),
        key_name: header.key_name.clone(),
    }
}

fn from_proto(header: proto::Header, id: Cid) -> Result<Header, EntryError> {
    if header.version != VERSION {
        return Err(EntryError::UnknownVersion { id, version: header.version });
    }
    let kind = match proto::Kind::try_from(header.kind) {
        Ok(proto::Kind::Control) => EntryKind::Control,
        Ok(proto::Kind::Data) => EntryKind::Data,
        Ok(proto::Kind::Unspecified) | Err(_) => {
            return Err(EntryError::UnknownKind { id, kind: header.kind });
        }
    };
    let fault = |what| EntryError::Field { id, what };
    let key = |bytes: &[u8], what| PublicKey::from_bytes(bytes).map_err(|_| fault(what));
    let cid = |bytes: &Vec<u8>, what| Cid::from_bytes(bytes).map_err(|_| fault(what));
    let part = |part: &proto::Part| {
        Ok(PartRef {
            tag: Tag(part.tag.as_slice().try_into().map_err(|_| fault("a part's tag is not 32 bytes"))?),
            cid: cid(&part.cid, "a part's CID is not one of ours")?,
            length: part.length,
        })
    };
    Ok(Header {
        party: key(&header.party, "its party is not a key")?,
        feed: key(&header.feed, "its feed is not a key")?,
        seq: header.seq,
        kind,
        causes: header
            .causes
            .iter()
            .map(|bytes| cid(bytes, "a cause is not a CID of ours"))
            .collect::<Result<_, _>>()?,
        depth: header.depth,
        parts: header.parts.iter().map(part).collect::<Result<_, _>>()?,
        key_name: header.key_name,
    })
}
