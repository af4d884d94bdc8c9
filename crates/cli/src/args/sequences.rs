//! The commands about texts and lists.

use std::path::PathBuf;

use clap::Subcommand;

/// Texts.
#[derive(Debug, Subcommand)]
pub(crate) enum TextCommand {
    /// Print a text, exactly
    Show {
        /// The text, or the beginning of its id
        item: String,
    },
    /// Insert before the character at a position, or at the end
    Insert {
        /// The text, or the beginning of its id
        item: String,
        /// How many characters (Unicode scalar values) stand before
        position: usize,
        /// What is inserted
        text: String,
    },
    /// Insert at the end
    Append {
        /// The text, or the beginning of its id
        item: String,
        /// What is inserted
        text: String,
    },
    /// Delete characters
    Delete {
        /// The text, or the beginning of its id
        item: String,
        /// How many characters (Unicode scalar values) stand before
        position: usize,
        /// How many go
        #[arg(default_value_t = 1)]
        count: usize,
    },
    /// Make a text read like a file: what is alike stays, so that what others write elsewhere stays too
    Edit {
        /// The text, or the beginning of its id
        item: String,
        /// The file, or - for standard input
        #[arg(long, short, value_name = "FILE", default_value = "-")]
        file: PathBuf,
    },
}

/// Lists.
#[derive(Debug, Subcommand)]
pub(crate) enum ListCommand {
    /// Print the elements of a list
    Show {
        /// The list, or the beginning of its id
        item: String,
    },
    /// Put new elements at the end
    Push {
        /// The list, or the beginning of its id
        item: String,
        /// Their values: literals (text in quotes, or plain words)
        #[arg(required = true, value_name = "LITERAL")]
        values: Vec<String>,
    },
    /// Put new elements before the one at an index, or at the end
    Insert {
        /// The list, or the beginning of its id
        item: String,
        /// How many elements stand before
        index: usize,
        /// Their values: literals (text in quotes, or plain words)
        #[arg(required = true, value_name = "LITERAL")]
        values: Vec<String>,
    },
    /// Give an element another value
    Set {
        /// The list, or the beginning of its id
        item: String,
        /// How many elements stand before it
        index: usize,
        /// The value: a literal (text in quotes, or plain words)
        #[arg(value_name = "LITERAL")]
        value: String,
    },
    /// Move an element
    Move {
        /// The list, or the beginning of its id
        item: String,
        /// How many elements stand before it
        from: usize,
        /// How many are to stand before it
        to: usize,
    },
    /// Remove elements
    Remove {
        /// The list, or the beginning of its id
        item: String,
        /// How many elements stand before the first
        index: usize,
        /// How many go
        #[arg(default_value_t = 1)]
        count: usize,
    },
}
