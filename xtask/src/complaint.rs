//! What is wrong, where, and what to do about it.

use std::fmt;

/// One broken law.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Complaint {
    /// The file, from the root of the workspace.
    pub(crate) file: String,
    /// The line, from 1.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) what: String,
    /// What to do.
    pub(crate) remedy: &'static str,
}

impl Complaint {
    pub(crate) fn new(file: &str, line: usize, what: impl Into<String>, remedy: &'static str) -> Self {
        Complaint { file: file.to_owned(), line, what: what.into(), remedy }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}\n    {}", self.file, self.line, self.what, self.remedy)
    }
}
