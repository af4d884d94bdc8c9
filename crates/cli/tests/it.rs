//! All tests of the crate in one program: one link instead of many.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod check;
mod common;
mod console;
mod demo;
mod git;
mod household;
mod import;
mod inc;
mod items;
mod models;
mod network;
mod plan;
mod query;
mod run;
mod sequences;
mod snapshot;
mod time;
