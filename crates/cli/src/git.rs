//! Where commits come from: a git repository, or a small history that ships with the program.
//!
//! | module | noun |
//! |---|---|
//! | [`history`] | a commit, and a stream of commits |
//! | [`import`] | commits into a party |
//! | [`read`] | the history of a repository, read by running `git` |
//! | [`shipped`] | a made-up history, for machines without git |

pub(crate) mod history;
pub(crate) mod import;
pub(crate) mod read;
pub(crate) mod shipped;

pub(crate) use history::{Commit, CommitId, Kind, Touch};
pub(crate) use read::{GitError, Repository};
