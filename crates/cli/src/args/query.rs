//! The arguments of questions: `motet query` and `motet view`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::args::RuntimeArg;
use crate::limits::Limits;

/// A query's text and its parameters.
#[derive(Debug, Args)]
pub(crate) struct TextArgs {
    /// The query; or a file with --file
    #[arg(value_name = "TEXT", required_unless_present = "file")]
    pub(crate) text: Option<String>,
    /// Read the query from a file
    #[arg(long, short, value_name = "FILE", conflicts_with = "text")]
    pub(crate) file: Option<PathBuf>,
    /// A parameter's value: NAME=LITERAL, for `$NAME` in the query (text in quotes)
    #[arg(long, short = 'P', value_name = "NAME=LITERAL")]
    pub(crate) param: Vec<String>,
}

/// A question, and what is wanted of it.
#[derive(Debug, Args)]
pub(crate) struct QueryArgs {
    #[command(flatten)]
    pub(crate) text: TextArgs,
    /// The evaluator
    #[arg(long, value_name = "NAME", default_value = "cluster")]
    pub(crate) runtime: RuntimeArg,
    /// Stay, and print changes as they happen: from `motet sync` or writes in other processes' feeds
    #[arg(long)]
    pub(crate) watch: bool,
    /// Also connect to these peers while watching
    #[arg(long, value_name = "HOST:PORT", requires = "watch")]
    pub(crate) peer: Vec<String>,
    /// Ask the party as it was: after entries (CIDs, with commas between), or at a time (seconds since 1970, or
    /// YYYY-MM-DD, or YYYY-MM-DDTHH:MM:SSZ) by the clocks of those who wrote
    #[arg(long, value_name = "ENTRIES|TIME", conflicts_with_all = ["watch", "Instead"])]
    pub(crate) as_of: Option<String>,
    #[command(flatten)]
    pub(crate) instead: Instead,
    /// What an epoch may cost
    #[command(flatten)]
    pub(crate) limits: Limits,
}

/// What else than rows: at most one.
#[derive(Debug, Args)]
#[group(multiple = false, conflicts_with = "watch")]
pub(crate) struct Instead {
    /// Print strata, plan and meaning class instead of rows
    #[arg(long)]
    pub(crate) explain: bool,
    /// Print one derivation of a row, such as 'Reach(x: 1, y: _)', down to facts and the entries that state them
    #[arg(long, value_name = "ROW")]
    pub(crate) why: Option<String>,
    /// Print how far each rule gets towards a row that is not there
    #[arg(long, value_name = "ROW")]
    pub(crate) why_not: Option<String>,
    /// State the rows as facts of an item, under attributes that begin with the namespace: only of monotone outputs
    #[arg(long, value_name = "ITEM/NAMESPACE")]
    pub(crate) materialise: Option<String>,
    /// The same, and the facts of one derivation of each row are its causes
    #[arg(long, value_name = "ITEM/NAMESPACE")]
    pub(crate) materialise_with_causes: Option<String>,
    /// Print what names the query, the heads it was asked over, and the hash of the answer
    #[arg(long)]
    pub(crate) snapshot: bool,
    /// The same, and publish it in a namespace of an item
    #[arg(long, value_name = "ITEM/NAMESPACE")]
    pub(crate) publish: Option<String>,
}

/// Views that outlive the process.
#[derive(Debug, Subcommand)]
pub(crate) enum ViewCommand {
    /// Keep a view of a query under a name: every batch that the party takes in from now on is an epoch of it
    Keep {
        /// Its name
        name: String,
        #[command(flatten)]
        text: TextArgs,
    },
    /// List the views that are kept
    List,
    /// Take in what has come since, and print what a view holds
    Show {
        /// Its name
        name: String,
        /// Print the changes of each epoch first
        #[arg(long)]
        changes: bool,
        /// Stay, and print changes as they happen
        #[arg(long)]
        watch: bool,
        /// Also connect to these peers while watching
        #[arg(long, value_name = "HOST:PORT", requires = "watch")]
        peer: Vec<String>,
        /// The evaluator
        #[arg(long, value_name = "NAME", default_value = "cluster")]
        runtime: RuntimeArg,
    },
    /// Keep a view no longer
    Forget {
        /// Its name
        name: String,
    },
}
