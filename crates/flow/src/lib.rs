//! PomoFlow: incremental computation as circuits over streams of weighted sets.
//!
//! The words and laws are those of the PomoFlow specification and of DBSP (Budiu, Chajed, McSherry, Ryzhyk, Tannen:
//! "DBSP: Automatic Incremental View Maintenance", VLDB 2023). A [`ZSet`] gives each element a weight; a stream carries
//! one Z-set per tick; an operator turns streams into streams. A circuit over *changes* whose operators are the
//! incremental forms computes the changes of what the same circuit over *contents* would compute: that is the law each
//! file under [`operator`] opens with, and what the tests check against the plain form.
//!
//! | module | noun |
//! |---|---|
//! | [`time`] | epochs and iterations, in the product order |
//! | [`zset`] | weighted sets, and indexed ones |
//! | [`trace`] | all changes so far, ordered by key, value and time |
//! | [`operator`] | the operators, each in its plain form and, where it has one, its incremental form |
//! | [`circuit`] | nodes, subcircuits that run to a fixed point, and the clock |
//! | [`engine`] | rules kept up over packed rows of ids: what circuits compute, fast |
//!
//! It has never heard of relations, facts or feeds. It runs on one thread, and needs no clock, randomness or allocator
//! of its own, so that it also runs in a browser.

pub mod circuit;
pub mod engine;
pub mod operator;
pub mod time;
pub mod trace;
pub mod zset;

pub use circuit::{Circuit, Fuel, Input, Stopped, Stream};
pub use engine::Engine;
pub use time::{Time, Timestamp};
pub use trace::Trace;
pub use zset::{IndexedZSet, Weight, ZSet};

/// How properties are tested.
#[cfg(test)]
mod testing {
    use proptest::test_runner::{Config, RngSeed};

    /// Another seed each time; where there is neither entropy nor a file, always the same.
    pub(crate) fn config() -> Config {
        let usual = Config::default();
        match cfg!(target_family = "wasm") {
            true => Config { rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..usual },
            false => usual,
        }
    }
}
