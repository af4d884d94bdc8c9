//! All tests of the crate in one program: one link instead of many.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod carried;
mod controls;
mod demand;
mod diagnostics;
mod ebnf;
mod functions;
mod grammar;
mod lift;
mod mistaken_types;
mod modules;
mod plans;
mod programs;
mod soup;
mod time;
mod why;
mod window;
mod worked_examples;
mod wrong;
