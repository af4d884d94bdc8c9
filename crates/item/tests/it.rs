//! All tests of the crate in one program: one link instead of many.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;
mod draft;
mod list;
mod models;
mod part;
mod place;
mod scale;
mod text;
mod twin;
