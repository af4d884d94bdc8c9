//! A program with its ends: where its rows come from and go to (RA-X4).
//!
//! A runtime runs the program, and knows nothing of files. Whoever drives it binds each end to a relation: a source to
//! an input, a sink to an output. An end is data, so that a plan can be written down whole, and read back as what it
//! is.

use std::sync::Arc;

use crate::{Program, RelationName};

/// A program with its ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What is computed.
    pub program: Program,
    /// Where rows come from: `source R from …`. A relation may have several; then it holds what any of them says.
    pub sources: Vec<End>,
    /// Where rows go to: `sink R to …`. A relation may have several, and each is given all of it.
    pub sinks: Vec<End>,
}

impl From<Program> for Plan {
    fn from(program: Program) -> Self {
        Plan { program, sources: Vec::new(), sinks: Vec::new() }
    }
}

/// A place outside that a relation is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The relation: an input at a source, an output at a sink.
    pub relation: RelationName,
    /// How rows are written there.
    pub format: Format,
    /// Where that is: the path of a file, or `-` for standard input and output.
    pub location: Arc<str>,
    /// Of a source whether it stays for what comes later, of a sink whether it is given changes instead of rows. Only
    /// lines can be.
    pub live: bool,
    /// How often in a row it may fail; if it is left out, that is for whoever binds it to say.
    pub retries: Option<u32>,
}

/// How rows are written outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Comma-separated values with a header.
    Csv,
    /// JSON Lines: an object for a row, or a list for a change.
    Lines,
    /// Facts as blocks of a CAR file.
    Car,
}

impl Format {
    /// All there are.
    pub const ALL: [Format; 3] = [Format::Csv, Format::Lines, Format::Car];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Lines => "lines",
            Format::Car => "car",
        }
    }
}
