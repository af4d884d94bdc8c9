//! What is said, and its wire form (`proto/sync.proto`).
//!
//! Decoding is where sizes are checked: what comes out of it is bounded, every id is a CID of ours and every party a
//! key. What it means in the course of the talk is the session's to judge.

use motet_fact::{Cid, PublicKey};
use motet_feed::EntryError;
use prost::Message as _;

use crate::proto;
use crate::{Bundle, Heads};

/// The longest message, in bytes. A transport may refuse longer ones unread.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;
/// The most ids in one list of heads; further ones are not told.
pub const MAX_HEADS: usize = 32 * 1024;
/// The most ids in one offer.
pub const MAX_OFFER: usize = 2048;
/// The most ids wanted and not yet received at any moment, per party.
pub const MAX_WINDOW: usize = 1024;
/// The most blocks asked for at a time, per party.
pub const MAX_FETCH: usize = 16;
/// The most bytes of a block.
pub const MAX_BLOCK_BYTES: usize = 64 * 1024;
/// The most messages of entries under way without credit.
pub const MAX_CREDIT: usize = 4;

/// Why a peer is not to be talked to any more. None of these says anything about the database here, and a new
/// connection may go well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// Longer than any message is.
    #[error("the peer sent a message of {0} bytes; at most {MAX_MESSAGE_BYTES} are allowed")]
    TooLong(usize),
    /// Not the protocol buffer.
    #[error("the peer sent something that is not a sync message: {0}")]
    Malformed(String),
    /// Not a key or an id, or too many of them.
    #[error("the peer sent a malformed {message} message: {what}")]
    Field {
        /// The kind of message.
        message: &'static str,
        /// What is wrong.
        what: &'static str,
    },
    /// Said when nothing called for it.
    #[error("the peer sent {message} for party {party:?} that nothing called for: {what}")]
    Unasked {
        /// The kind of message.
        message: &'static str,
        /// The party.
        party: PublicKey,
        /// What was missing.
        what: &'static str,
    },
    /// Credit for messages that were never sent.
    #[error("the peer gave credit for entries it was not sent")]
    Credit,
    /// Wants more at a time than the window lets it.
    #[error("the peer wants {wanted} entries of party {party:?} at a time; at most {MAX_WINDOW} are allowed")]
    Window {
        /// The party.
        party: PublicKey,
        /// How many.
        wanted: usize,
    },
    /// Bytes that are no entry were sent for one.
    #[error("the peer sent bytes that are no entry for party {party:?}: {source}")]
    NotAnEntry {
        /// The party.
        party: PublicKey,
        /// What is wrong with them.
        source: EntryError,
    },
    /// Other bytes than those that were asked for by their hash.
    #[error("the peer sent bytes that are not block {id} of party {party:?}")]
    NotTheBlock {
        /// The party.
        party: PublicKey,
        /// What was asked for.
        id: Cid,
    },
    /// An entry of another party.
    #[error("the peer sent entry {id}, which is not of party {party:?}")]
    WrongParty {
        /// The party it was sent for.
        party: PublicKey,
        /// The entry.
        id: Cid,
    },
    /// Too many entries that the database refused.
    #[error(
        "the peer sent {count} entries of party {party:?} that were refused: it is lying, or its program is newer"
    )]
    TooManyRefused {
        /// The party.
        party: PublicKey,
        /// How many.
        count: usize,
    },
}

/// One message about one party (see `proto/sync.proto` for the course of the talk).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// "I hold everything up to here."
    Heads {
        /// The party.
        party: PublicKey,
        /// The heads of its feeds.
        heads: Heads,
    },
    /// "Your heads came."
    Heard {
        /// The party.
        party: PublicKey,
    },
    /// "What lies in the past of `want`, and not of `have`?"
    Ask {
        /// The party.
        party: PublicKey,
        /// Heads and ids to reach.
        want: Vec<Cid>,
        /// Heads that are here already.
        have: Vec<Cid>,
        /// Only control entries.
        control_only: bool,
    },
    /// "These", in causal order.
    Offer {
        /// The party.
        party: PublicKey,
        /// At most [`MAX_OFFER`] ids.
        ids: Vec<Cid>,
        /// The list goes on: say [`Message::More`].
        more: bool,
    },
    /// "Go on offering."
    More {
        /// The party.
        party: PublicKey,
    },
    /// "Send me these."
    Want {
        /// The party.
        party: PublicKey,
        /// At most [`MAX_WINDOW`] ids.
        ids: Vec<Cid>,
    },
    /// Wanted entries.
    Entries {
        /// The party.
        party: PublicKey,
        /// The entries.
        bundles: Vec<Bundle>,
    },
    /// "I can't send you these."
    Absent {
        /// The party.
        party: PublicKey,
        /// The ids.
        ids: Vec<Cid>,
    },
    /// "I am done with one message of entries."
    Credit,
    /// "Send me these blocks."
    Fetch {
        /// The party.
        party: PublicKey,
        /// At most [`MAX_FETCH`] ids.
        ids: Vec<Cid>,
    },
    /// The blocks that were asked for.
    Blocks {
        /// The party.
        party: PublicKey,
        /// In the order of the ids; empty where one is not here.
        blocks: Vec<Vec<u8>>,
    },
    /// "Something came that I was asked for and had not."
    Stocked {
        /// The party.
        party: PublicKey,
    },
}

impl Message {
    /// The kind of message, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Message::Heads { .. } => "heads",
            Message::Heard { .. } => "heard",
            Message::Ask { .. } => "ask",
            Message::Offer { .. } => "offer",
            Message::More { .. } => "more",
            Message::Want { .. } => "want",
            Message::Entries { .. } => "entries",
            Message::Absent { .. } => "absent",
            Message::Credit => "credit",
            Message::Fetch { .. } => "fetch",
            Message::Blocks { .. } => "blocks",
            Message::Stocked { .. } => "stocked",
        }
    }

    /// The wire form.
    ///
    /// # Panics
    /// If it is over [`MAX_MESSAGE_BYTES`]: a session makes no such message.
    pub fn encode(&self) -> Vec<u8> {
        let bytes = proto::Message { kind: Some(to_proto(self)) }.encode_to_vec();
        assert!(
            bytes.len() <= MAX_MESSAGE_BYTES,
            "a {} message of {} bytes was made",
            self.name(),
            bytes.len()
        );
        bytes
    }

    /// Reads the wire form; `None` is a message of a kind that this program doesn't know, to be passed over.
    ///
    /// # Errors
    /// [`ProtocolError`] saying what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, ProtocolError> {
        if bytes.len() > MAX_MESSAGE_BYTES {
            return Err(ProtocolError::TooLong(bytes.len()));
        }
        let message =
            proto::Message::decode(bytes).map_err(|error| ProtocolError::Malformed(error.to_string()))?;
        message.kind.map(from_proto).transpose()
    }
}

fn to_proto(message: &Message) -> proto::message::Kind {
    use proto::message::Kind;
    let key = |party: &PublicKey| party.as_bytes().to_vec();
    let ids = |ids: &[Cid]| ids.iter().map(|id| id.as_bytes().to_vec()).collect();
    match message {
        Message::Heads { party, heads } => Kind::Heads(proto::Heads {
            party: key(party),
            control: ids(&heads.control),
            data: ids(&heads.data),
        }),
        Message::Heard { party } => Kind::Heard(proto::Heard { party: key(party) }),
        Message::Ask { party, want, have, control_only } => Kind::Ask(proto::Ask {
            party: key(party),
            want: ids(want),
            have: ids(have),
            control_only: *control_only,
        }),
        Message::Offer { party, ids: offered, more } => {
            Kind::Offer(proto::Offer { party: key(party), ids: ids(offered), more: *more })
        }
        Message::More { party } => Kind::More(proto::More { party: key(party) }),
        Message::Want { party, ids: wanted } => {
            Kind::Want(proto::Want { party: key(party), ids: ids(wanted) })
        }
        Message::Entries { party, bundles } => Kind::Entries(proto::Entries {
            party: key(party),
            bundles: bundles.iter().map(bundle_to_proto).collect(),
        }),
        Message::Absent { party, ids: absent } => {
            Kind::Absent(proto::Absent { party: key(party), ids: ids(absent) })
        }
        Message::Credit => Kind::Credit(proto::Credit {}),
        Message::Fetch { party, ids: fetched } => {
            Kind::Fetch(proto::Fetch { party: key(party), ids: ids(fetched) })
        }
        Message::Blocks { party, blocks } => {
            Kind::Blocks(proto::Blocks { party: key(party), blocks: blocks.clone() })
        }
        Message::Stocked { party } => Kind::Stocked(proto::Stocked { party: key(party) }),
    }
}

fn bundle_to_proto(bundle: &Bundle) -> proto::Bundle {
    proto::Bundle { entry: bundle.entry.clone(), parts: bundle.parts.clone() }
}

fn from_proto(kind: proto::message::Kind) -> Result<Message, ProtocolError> {
    use proto::message::Kind;
    Ok(match kind {
        Kind::Heads(heads) => {
            let fields = Fields("heads");
            Message::Heads {
                party: fields.party(&heads.party)?,
                heads: Heads {
                    control: fields.ids(&heads.control, MAX_HEADS)?,
                    data: fields.ids(&heads.data, MAX_HEADS)?,
                },
            }
        }
        Kind::Heard(heard) => Message::Heard { party: Fields("heard").party(&heard.party)? },
        Kind::Ask(ask) => {
            let fields = Fields("ask");
            Message::Ask {
                party: fields.party(&ask.party)?,
                want: fields.ids(&ask.want, MAX_HEADS)?,
                have: fields.ids(&ask.have, 2 * MAX_HEADS)?,
                control_only: ask.control_only,
            }
        }
        Kind::Offer(offer) => {
            let fields = Fields("offer");
            Message::Offer {
                party: fields.party(&offer.party)?,
                ids: fields.ids(&offer.ids, MAX_OFFER)?,
                more: offer.more,
            }
        }
        Kind::More(more) => Message::More { party: Fields("more").party(&more.party)? },
        Kind::Want(want) => {
            let fields = Fields("want");
            Message::Want { party: fields.party(&want.party)?, ids: fields.ids(&want.ids, MAX_WINDOW)? }
        }
        Kind::Entries(entries) => Message::Entries {
            party: Fields("entries").party(&entries.party)?,
            bundles: entries
                .bundles
                .into_iter()
                .map(|bundle| Bundle { entry: bundle.entry, parts: bundle.parts })
                .collect(),
        },
        Kind::Absent(absent) => {
            let fields = Fields("absent");
            Message::Absent { party: fields.party(&absent.party)?, ids: fields.ids(&absent.ids, MAX_WINDOW)? }
        }
        Kind::Credit(proto::Credit {}) => Message::Credit,
        Kind::Fetch(fetch) => {
            let fields = Fields("fetch");
            Message::Fetch { party: fields.party(&fetch.party)?, ids: fields.ids(&fetch.ids, MAX_FETCH)? }
        }
        Kind::Blocks(blocks) => {
            let fields = Fields("blocks");
            let party = fields.party(&blocks.party)?;
            if blocks.blocks.len() > MAX_FETCH
                || blocks.blocks.iter().any(|block| block.len() > MAX_BLOCK_BYTES)
            {
                return Err(fields.fault("a block is too long, or there are too many"));
            }
            Message::Blocks { party, blocks: blocks.blocks }
        }
        Kind::Stocked(stocked) => Message::Stocked { party: Fields("stocked").party(&stocked.party)? },
    })
}

/// Reads the fields of one kind of message.
struct Fields(&'static str);

impl Fields {
    fn fault(&self, what: &'static str) -> ProtocolError {
        ProtocolError::Field { message: self.0, what }
    }

    fn party(&self, bytes: &[u8]) -> Result<PublicKey, ProtocolError> {
        PublicKey::from_bytes(bytes).map_err(|_| self.fault("its party is not a key"))
    }

    fn ids(&self, ids: &[Vec<u8>], limit: usize) -> Result<Vec<Cid>, ProtocolError> {
        if ids.len() > limit {
            return Err(self.fault("it has too many ids"));
        }
        ids.iter()
            .map(|id| Cid::from_bytes(id).map_err(|_| self.fault("an id is not a CID of ours")))
            .collect()
    }
}
