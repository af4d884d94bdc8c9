//! All tests of the crate in one program: one link instead of many.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod crash;
mod damage;
mod keys;
mod mirror;
mod postings;
mod processes;
