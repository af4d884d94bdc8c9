//! Two peers compare what they have and exchange what is missing: messages in, messages out, no socket.
//!
//! A [`Session`] is one end of one connection to one peer whose device key is known to be true; it carries all parties.
//! It asks its questions of a [`Replica`], which the database implements, and never decodes a body. The course of
//! things, per party:
//!
//! 1. Each side tells its *heads*: the linked entries that nothing of their feed follows. Equal heads, equal histories.
//! 2. Who hears of a head it lacks *asks* for its past, and says what it has itself. The answer is an *offer*: ids in
//!    causal order, in bounded pieces. Ids that waiting entries wait for are asked for in the same breath.
//! 3. Of what was offered it *wants* what it still lacks, in bounded windows, and the *entries* come in that order: so
//!    each can be linked when it arrives, and a cut connection loses nothing that was taken.
//! 4. When the round is over it has new heads, and tells them. The same goes for what is written meanwhile: a change
//!    anywhere wanders from session to session as heads. There is no other live mode.
//!
//! **Resuming** needs nothing but the databases: what was taken is among the heads next time.
//!
//! **Who gets what.** A device that is not a counted member's gets nothing, not even heads. But when *it* tells the
//! heads of a party that is here, it is asked for its control entries: those prove themselves, and among them may be
//! its own admission. Access is looked up anew at every message, so a newcomer is served as soon as it is known, and a
//! removed device no longer: but for the *notices*, the control entries up to those that tell it that it is removed, or
//! that its member is admitted again.
//!
//! **Flow control.** All that is kept is bounded: ids asked for (window), ids offered and not yet asked for (piece by
//! piece), entry bytes under way (credit), heads told and not yet heard (one). A peer that
//! breaks the bounds gets a [`ProtocolError`], and its connection is to be closed; one that merely lies (heads of
//! nothing, offers of nothing) is asked again only after it told new heads.
//!
//! What this crate does not do: check signatures and hashes (the database does, and what it refuses is not asked for
//! again), encrypt (the channel does), choose bodies by scope, and tell two strangers of each other: of two devices
//! that never heard of each other's admission, one must hear of it elsewhere.
//!
//! | module | noun |
//! |---|---|
//! | [`message`] | what is said, and its wire form |
//! | [`replica`] | what a session asks of the database |
//! | [`session`] | one end of a connection |
//! | [`progress`] | how far it has come |

pub mod message;
pub mod progress;
pub mod replica;
pub mod session;

mod asking;
mod serving;

mod proto {
    #![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
    include!(concat!(env!("OUT_DIR"), "/motet.sync.rs"));
}

pub use message::{MAX_MESSAGE_BYTES, Message, ProtocolError};
pub use progress::{PartyProgress, Progress};
pub use replica::{Access, Bundle, Heads, Replica, ReplicaError};
pub use session::{Delivery, Limits, Received, Session};
