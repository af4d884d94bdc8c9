//! The commands about items.

use clap::{Args, Subcommand, ValueEnum};

/// Items.
#[derive(Debug, Subcommand)]
pub(crate) enum ItemCommand {
    /// Make an item
    New {
        /// Its model
        #[arg(long, value_name = "MODEL", default_value = "object")]
        model: String,
        /// Its type
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<String>,
        /// The item it hangs under; the party's root if left out
        #[arg(long, value_name = "ITEM")]
        parent: Option<String>,
        /// First properties: NAME=LITERAL (text in quotes, or plain words)
        #[arg(value_name = "NAME=LITERAL")]
        set: Vec<String>,
    },
    /// Set properties of an item, together
    Set {
        /// The item, or the beginning of its id
        item: String,
        /// NAME=LITERAL (text in quotes, or plain words); a.b.c names a property in maps
        #[arg(required = true, value_name = "NAME=LITERAL")]
        set: Vec<String>,
    },
    /// Remove properties, and what lies in them
    Unset {
        /// The item, or the beginning of its id
        item: String,
        /// Their names
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Add values to properties that are sets
    Add {
        /// The item, or the beginning of its id
        item: String,
        /// NAME=LITERAL (text in quotes, or plain words)
        #[arg(required = true, value_name = "NAME=LITERAL")]
        values: Vec<String>,
    },
    /// Take values out of properties that are sets
    Remove {
        /// The item, or the beginning of its id
        item: String,
        /// NAME=LITERAL (text in quotes, or plain words)
        #[arg(required = true, value_name = "NAME=LITERAL")]
        values: Vec<String>,
    },
    /// Add to properties that are numbers; what is counted in several places adds up
    Increment {
        /// The item, or the beginning of its id
        item: String,
        /// NAME, to add 1, or NAME=INT
        #[arg(required = true, value_name = "NAME[=INT]")]
        counts: Vec<String>,
    },
    /// Let a property point at an item
    Link {
        /// The item, or the beginning of its id
        item: String,
        /// The property
        name: String,
        /// The item to point at, or PARTY/ITEM for one of another party
        to: String,
        /// Beside those that it points at already
        #[arg(long)]
        also: bool,
    },
    /// Show what an item points at, what points at it, and whether it is there
    Links {
        /// The item, or the beginning of its id
        item: String,
    },
    /// Say a line in a log
    Say {
        /// The log, or the beginning of its id
        item: String,
        /// What to say: one value, or NAME=LITERAL for several
        #[arg(required = true, value_name = "TEXT | NAME=LITERAL")]
        line: Vec<String>,
    },
    /// Show an item: properties, with all candidates where writers disagree, and the lines of a log
    Get {
        /// The item, or the beginning of its id
        item: String,
        /// As it was: after entries (CIDs, with commas between), or at a time (seconds since 1970, or YYYY-MM-DD, or
        /// YYYY-MM-DDTHH:MM:SSZ)
        #[arg(long, value_name = "ENTRIES|TIME")]
        as_of: Option<String>,
    },
    /// List items
    List {
        /// Only items of this type
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<String>,
        /// Whether deleted items are listed
        #[arg(long, value_name = "MODE", default_value = "hide")]
        deleted: DeletedArg,
    },
    /// Show what hangs under an item, in order
    Tree {
        /// The item, or the beginning of its id; the party's root if left out
        #[arg(default_value = "root")]
        item: String,
        /// Whether deleted items are shown
        #[arg(long, value_name = "MODE", default_value = "hide")]
        deleted: DeletedArg,
    },
    /// Move an item under another
    Move {
        /// The item
        item: String,
        /// Its new parent
        parent: String,
        /// Where among the children; last if left out
        #[command(flatten)]
        stand: StandArgs,
    },
    /// Delete an item: it is hidden until it is restored
    Delete {
        /// The item, or the beginning of its id
        item: String,
        /// What becomes of the items under it
        #[arg(long, value_name = "WHAT", default_value = "refuse")]
        children: CascadeArg,
    },
    /// Restore a deleted item
    Restore {
        /// The item, or the beginning of its id
        item: String,
        /// And all that is deleted under it
        #[arg(long)]
        along: bool,
    },
    /// Let an item go for good
    Purge {
        /// The item, or the beginning of its id
        item: String,
        /// What becomes of the items under it
        #[arg(long, value_name = "WHAT", default_value = "refuse")]
        children: CascadeArg,
    },
    /// Show what was said about an item, by whom and when
    History {
        /// The item, or the beginning of its id
        item: String,
    },
    /// Take back what you said last about an item
    Undo {
        /// The item, or the beginning of its id
        item: String,
    },
    /// Say again what you took back last
    Redo {
        /// The item, or the beginning of its id
        item: String,
    },
    /// Let an item go on under another model: a new one says the same, and the old one is deleted
    Remodel {
        /// The item, or the beginning of its id
        item: String,
        /// The model
        model: String,
    },
    /// Say again what you wrote and what does not count any more (`motet status` tells of it)
    Rescue {
        /// Only what is about this item; all of it if left out
        item: Option<String>,
    },
}

/// Where among the children of a parent.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct StandArgs {
    /// Before all others
    #[arg(long)]
    pub(crate) first: bool,
    /// Right before this one
    #[arg(long, value_name = "ITEM")]
    pub(crate) before: Option<String>,
    /// Right after this one
    #[arg(long, value_name = "ITEM")]
    pub(crate) after: Option<String>,
}

/// What becomes of the items under one that is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CascadeArg {
    /// While there are any, nothing is done
    Refuse,
    /// Its children come under the root
    Orphan,
    /// All of them go, too
    Along,
}

impl From<CascadeArg> for motet::Cascade {
    fn from(cascade: CascadeArg) -> Self {
        match cascade {
            CascadeArg::Refuse => motet::Cascade::Refuse,
            CascadeArg::Orphan => motet::Cascade::Orphan,
            CascadeArg::Along => motet::Cascade::Along,
        }
    }
}

/// Whether deleted items are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeletedArg {
    /// They are not
    Hide,
    /// They are, too
    Show,
    /// Only they are
    Only,
}

impl DeletedArg {
    /// Whether an item is shown.
    pub(crate) fn shows(self, deleted: bool) -> bool {
        match self {
            DeletedArg::Hide => !deleted,
            DeletedArg::Show => true,
            DeletedArg::Only => deleted,
        }
    }
}
