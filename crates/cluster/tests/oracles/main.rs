//! Random programs as text, and who else says what they mean.
//!
//! [`generate`] makes stratified programs of PomoLogic with streams of changes. Who judges them:
//!
//! | module | oracle |
//! |---|---|
//! | [`streams`] | the naive evaluator from scratch: each epoch's changes are the difference of two results |
//! | [`second`] | an evaluator written from docs/language.md alone |
//! | [`clingo`] | an answer set solver, for what it means the same by |
//! | [`budgets`] | what is refused, and what is told of the rules: for want of a budget, for want of a value |
//!
//! docs/oracles.md says how to run them at length, and what they said.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod budgets;
mod clingo;
#[path = "../common/mod.rs"]
mod common;
mod dice;
mod generate;
mod program;
mod second;
mod shrink;
mod streams;

/// How many cases to try: `MOTET_CASES`, or a few.
fn cases(few: u64) -> u64 {
    number("MOTET_CASES").unwrap_or(few)
}

/// The seed of the first case: `MOTET_SEED`, or 0.
fn first_seed() -> u64 {
    number("MOTET_SEED").unwrap_or(0)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}
