//! Why a source or a sink fails, and what is said about it.

use std::error::Error;
use std::fmt;
use std::io;

use motet_algebra::{RelationName, RuntimeError};

/// Why a source has no batch, or a sink does not have its delivery.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// A file that can't be read. May be otherwise later.
    #[error("cannot read {place}: {error}")]
    Read {
        /// The file.
        place: String,
        /// What the system says.
        error: io::Error,
    },
    /// A file that can't be written. May be otherwise later.
    #[error("cannot write {place}: {error}")]
    Write {
        /// The file.
        place: String,
        /// What the system says.
        error: io::Error,
    },
    /// A file of an input that is not there.
    #[error("there is no file {place} for `input {relation}.`")]
    Missing {
        /// The file.
        place: String,
        /// The input.
        relation: RelationName,
        /// What to do.
        remedy: String,
    },
    /// Something outside that is not as it should be; it is the same when it is read again.
    #[error("{place}: {what}")]
    Malformed {
        /// Where: a file and a line, or a file and a byte.
        place: String,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: Option<String>,
    },
    /// Rows that do not fit the relations of the program.
    #[error("its batch does not fit the program: {0}")]
    Misfit(#[from] RuntimeError),
    /// Nobody is there at the other end of a channel, or a delivery was thrown away there.
    #[error("the other end of the channel has gone")]
    Closed,
    /// What an application's own source or sink says.
    #[error("{0}")]
    Other(Box<dyn Error + Send + Sync>),
}

impl StreamError {
    /// Something that is wrong at some place.
    pub(crate) fn malformed(place: impl fmt::Display, what: impl fmt::Display) -> Self {
        StreamError::Malformed { place: place.to_string(), what: what.to_string(), remedy: None }
    }

    /// What to do about it, if that can be said.
    pub fn remedy(&self) -> Option<&str> {
        match self {
            StreamError::Malformed { remedy, .. } => remedy.as_deref(),
            StreamError::Missing { remedy, .. } => Some(remedy),
            StreamError::Read { .. }
            | StreamError::Write { .. }
            | StreamError::Misfit(_)
            | StreamError::Closed
            | StreamError::Other(_) => None,
        }
    }

    /// The same, with what to do about it.
    pub(crate) fn help(mut self, text: impl fmt::Display) -> Self {
        if let StreamError::Malformed { remedy, .. } = &mut self {
            *remedy = Some(text.to_string());
        }
        self
    }
}

/// A failure of a source or a sink, as it is reported.
#[derive(Debug, thiserror::Error)]
#[error("{end} `{name}` failed in epoch {epoch}{}: {error}", fate(*.detached))]
pub struct Fault {
    /// Whether a source or a sink.
    pub end: End,
    /// Its name.
    pub name: String,
    /// The epoch that was to begin, or was run last.
    pub epoch: u64,
    /// Why.
    #[source]
    pub error: StreamError,
    /// Whether it has failed too often, and is not asked any more until it is attached again.
    pub detached: bool,
}

fn fate(detached: bool) -> &'static str {
    if detached { " and is detached" } else { "" }
}

/// An end of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where rows come from.
    Source,
    /// Where rows go.
    Sink,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            End::Source => "source",
            End::Sink => "sink",
        })
    }
}

/// Why a source or a sink can't be attached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttachError {
    /// The name is another's.
    #[error("there is a {0} `{1}` already: give it another name, or detach that one")]
    Taken(End, String),
    /// Nothing has the name.
    #[error("there is no {0} `{1}`")]
    Unknown(End, String),
    /// A source of what takes no rows from outside.
    #[error("`{0}` is not an input of this program: `input {0}.` makes it one")]
    NotAnInput(RelationName),
    /// A sink of what is not reported.
    #[error("`{0}` is not an output of this program: `output {0}.` makes it one")]
    NotAnOutput(RelationName),
}
