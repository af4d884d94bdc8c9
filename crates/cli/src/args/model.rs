//! The commands about models that are data.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use motet::ModelLimits;

/// Models.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// List the models that items can have: those built in, and those published in the party
    List,
    /// Publish a model for all members of the party, over the one that has the name; prints the CID of its block
    Publish {
        /// What `item new --model NAME` calls it
        name: String,
        /// The program; if left out, the one of that name that comes with Motet
        file: Option<PathBuf>,
        /// What an item of it may come to
        #[command(flatten)]
        limits: LimitArgs,
    },
    /// Print the program of a model, and its limits
    Show {
        /// The name it is published under, the CID of its block, or the name of one that comes with Motet
        name: String,
    },
    /// Check a model's program; publishes nothing
    Check {
        /// The program
        file: PathBuf,
    },
}

/// The limits of a model.
#[derive(Debug, Args)]
pub(crate) struct LimitArgs {
    /// The most rows that the relations of one stratum have for one item
    #[arg(long, value_name = "N", default_value_t = ModelLimits::default().rows)]
    pub(crate) rows: usize,
    /// The most bytes of a text or of bytes in a row
    #[arg(long, value_name = "N", default_value_t = ModelLimits::default().value_bytes)]
    pub(crate) value_bytes: usize,
}

impl From<LimitArgs> for ModelLimits {
    fn from(limits: LimitArgs) -> Self {
        ModelLimits { rows: limits.rows, value_bytes: limits.value_bytes }
    }
}
