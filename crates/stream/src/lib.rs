//! Sources and sinks: how rows enter and leave a running program, epoch by epoch (PDB-12 … PDB-29, Q11).
//!
//! A [`Reactor`] owns a running program, the [`Source`]s of its inputs and the [`Sink`]s of its outputs. Each turn
//! it polls every source for its batch; the epoch begins when all have returned theirs (the *barrier*), and comes to
//! its fixed point; then each sink is given the net change of the relation it reads, or the relation whole if it
//! asks for that, and the next epoch waits until all have acknowledged. What a source feeds and a sink reads are
//! ordinary relations of the program.
//!
//! Nothing here blocks, starts a thread or reads a clock, but for files, which are read in slices: a source that has to
//! wait says so ([`Poll::Pending`]), and a sink that is not done says so ([`Acknowledgement::Pending`]). What waits
//! lives outside, behind a [`channel`]: a thread, or a task of any async runtime.
//!
//! Sources and sinks fail, and the program goes on. The batch of a source that fails is not taken. What a sink has not
//! acknowledged is kept, merged with what comes later, and given to it when it works again: a sink that has
//! acknowledged everything has seen exactly the relation.
//!
//! | module | noun |
//! |---|---|
//! | [`source`], [`sink`] | the traits, batches and deliveries |
//! | [`reactor`] | the epochs |
//! | `inputs` | what the sources say now, and what of it the runtime does not know yet |
//! | `outlet` | a sink, and what it is owed |
//! | [`csv`] | CSV, as files of facts are (Q4) |
//! | [`json`], [`lines`] | values as DAG-JSON; rows as JSON Lines |
//! | [`car`] | facts as blocks in a CAR file |
//! | [`channel`], [`callback`] | the ends of other people's programs |
//! | [`error`] | why a source or a sink fails |

pub mod callback;
pub mod car;
pub mod channel;
pub mod csv;
pub mod error;
mod file;
mod inputs;
pub mod json;
pub mod lines;
mod outlet;
pub mod reactor;
pub mod sink;
pub mod source;

pub use error::{AttachError, Fault, StreamError};
pub use reactor::{Progress, Reactor, Turn};
pub use sink::{Acknowledgement, Delivery, Mode, Rows, Sink};
pub use source::{Batch, Content, Poll, Source};

/// The examples of the guide are tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/streams.md")]
struct Guide;
