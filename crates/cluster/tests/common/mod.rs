//! What several tests have in common.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

pub(crate) mod again;
pub(crate) mod replay;
