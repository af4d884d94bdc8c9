//! Why a command ends without having done what it was asked, and the exit code that says so.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done; also when the reader of our output went away, as `head` does |
//! | 1 | it failed: the message says what, where, and what to do |
//! | 2 | the command line is wrong |
//! | 3 | it ran to its end and *found* something: faults in a store, replicas that differ, a signature that is forged |
//!
//! A message may have more lines than one. [`Failure::help`] adds what to do as a line of its own.

use std::fmt::{self, Display, Formatter};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;
use std::process::ExitCode;

use motet_stream::StreamError;

/// Why a command did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The command line is wrong. Exit code 2.
    Usage(String),
    /// It did not work. Exit code 1.
    Failed(String),
    /// It did not work, and the text is printed as it is, for it says itself that it is an error. Exit code 1.
    Diagnosed(String),
    /// It worked, and found what should not be. Exit code 3.
    Faults(String),
    /// Whoever read our output has gone. Nothing to say; exit code 0.
    ReaderGone,
}

impl Failure {
    /// The same with a line about what to do.
    pub(crate) fn help(self, remedy: impl Display) -> Self {
        let more = |message: String| format!("{message}\nhelp: {remedy}");
        match self {
            Failure::Usage(message) => Failure::Usage(more(message)),
            Failure::Failed(message) => Failure::Failed(more(message)),
            Failure::Diagnosed(message) => Failure::Diagnosed(more(message)),
            Failure::Faults(message) => Failure::Faults(more(message)),
            Failure::ReaderGone => Failure::ReaderGone,
        }
    }

    /// A file or directory could not be read.
    pub(crate) fn reading(path: &Path, error: &io::Error) -> Self {
        Failure::Failed(format!("cannot read {}: {error}", path.display()))
    }

    /// A file or directory could not be written.
    pub(crate) fn writing(path: &Path, error: &io::Error) -> Self {
        Failure::Failed(format!("cannot write {}: {error}", path.display()))
    }

    fn code(&self) -> u8 {
        match self {
            Failure::ReaderGone => 0,
            Failure::Failed(_) | Failure::Diagnosed(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Faults(_) => 3,
        }
    }

    /// Says it on standard error, and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        let text = self.to_string();
        if !text.is_empty() {
            // Where standard error itself is closed there is nobody left to tell.
            let _told = writeln!(io::stderr().lock(), "{}", text.trim_end());
        }
        ExitCode::from(self.code())
    }
}

/// As it is printed: `error: …`, then `help: …` if there is a remedy.
impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(message) | Failure::Failed(message) | Failure::Faults(message) => {
                write!(f, "error: {message}")
            }
            Failure::Diagnosed(message) => f.write_str(message),
            Failure::ReaderGone => Ok(()),
        }
    }
}

impl From<motet::Error> for Failure {
    fn from(error: motet::Error) -> Self {
        match error {
            motet::Error::Query(diagnostics) => Failure::Diagnosed(diagnostics.to_string()),
            error => Failure::Failed(error.to_string()),
        }
    }
}

impl From<&StreamError> for Failure {
    fn from(error: &StreamError) -> Self {
        if let StreamError::Write { error, .. } = error
            && error.kind() == ErrorKind::BrokenPipe
        {
            return Failure::ReaderGone;
        }
        let failure = Failure::Failed(error.to_string());
        error.remedy().map_or(failure.clone(), |remedy| failure.help(remedy))
    }
}

/// For standard output, where there is no path to name. Files use [`Failure::reading`] and [`Failure::writing`].
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Failure::ReaderGone,
            _ => Failure::Failed(format!("cannot write the output: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_is_a_line_of_its_own() {
        let failure = Failure::Failed("no file Edge.csv".into()).help("give --facts DIR");
        assert_eq!(failure.to_string(), "error: no file Edge.csv\nhelp: give --facts DIR");
        assert_eq!(failure.code(), 1);
    }

    #[test]
    fn a_reader_that_went_away_is_no_error() {
        let gone = Failure::from(io::Error::from(ErrorKind::BrokenPipe)).help("nothing");
        assert_eq!((gone.code(), gone.to_string()), (0, String::new()));
    }

    #[test]
    fn the_codes_tell_causes_apart() {
        let codes =
            [Failure::Usage(String::new()), Failure::Faults(String::new())].map(|failure| failure.code());
        assert_eq!(codes, [2, 3]);
    }
}
