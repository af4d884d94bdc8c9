//! All tests of the crate in one program: one link instead of many.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod budgets;
mod clocked;
mod cluster;
mod common;
mod contract;
mod crdts;
mod moves;
mod plan_examples;
mod plans;
mod random;
mod undefined;
