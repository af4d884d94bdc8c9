//! All tests of the crate in one program: one link instead of many.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;
mod contract;
mod formula;
mod formulas;
mod naive;
mod optimiser;
mod registry;
mod seen;
mod text;
mod twin;
