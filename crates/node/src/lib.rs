//! Sockets for sync: TCP and Noise, both device keys authenticated.
//!
//! The protocol itself is a value, in `motet-sync`; this crate gives it wires. A [`Channel`] is one encrypted TCP
//! connection between two devices that proved their keys. A [`Node`] keeps such connections: it listens, dials and
//! redials, runs a session over each, and hands what comes to its [`Host`], the database. [`join`] is the first talk of
//! a newcomer with a device that may let it in.
//!
//! Threads and blocking sockets, no async runtime: a device talks to a handful of peers, at most 64 here, and two
//! threads each are cheap and easy to follow. What this crate does not do: find peers, cross NATs, know what greetings
//! mean, or decide who may have what.
//!
//! | module | noun |
//! |---|---|
//! | [`channel`] | an authenticated, encrypted connection |
//! | [`host`] | what a node asks of the database, and what it tells |
//! | [`node`] | the connections of a device |
//! | [`mod@join`] | a guest on its way in |

pub mod channel;
pub mod host;
pub mod join;
pub mod node;

mod connection;
mod database;
mod envelope;
mod registry;

pub use channel::{Channel, ChannelError};
pub use host::{Door, Host, NodeConfig, NodeEvent, PeerStatus};
pub use join::{JoinError, join};
pub use node::{Node, NodeError};
