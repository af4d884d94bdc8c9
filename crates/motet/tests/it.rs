//! All tests of the crate in one program: one link instead of many.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod authority;
mod bound;
mod checkpoints;
mod common;
mod contract;
mod crash;
mod examples;
mod functions;
mod histories;
mod household;
mod invitations;
mod items;
mod kept;
mod language;
mod lies;
mod materialise;
mod models;
mod parallel;
mod restart;
mod resume;
mod rules;
mod rules_twins;
mod scopes;
mod sequences;
mod shared;
mod time;
mod windows;
mod withdrawals;
