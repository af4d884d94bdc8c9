//! All tests of the crate in one program: one link instead of many.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;
mod entry;
mod graph;
mod pending;
mod shelf;
