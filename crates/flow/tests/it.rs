//! All tests of the crate in one program: one link instead of many.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod circuits;
mod engine;
mod operators;

/// How properties are tested.
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
