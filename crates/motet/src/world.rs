//! Entropy and time, as arguments.
//!
//! Nothing in the database draws randomness or reads a clock by itself: a [`World`] is handed to it when it opens. The
//! system's world is the default; tests and simulations bring their own and replay from a seed.

use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where entropy and time come from.
pub trait World: Send + Sync {
    /// Fills a buffer with entropy fit for keys.
    fn fill(&self, buffer: &mut [u8]);

    /// Now, in seconds since 1970. Informative (`written_at`), and for the issuer's own check of an invitation's expiry
    /// (H12); no rule that replicas must agree on reads it.
    fn now(&self) -> i64;
}

impl dyn World + '_ {
    pub(crate) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

/// The operating system's entropy and clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemWorld;

impl World for SystemWorld {
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the operating system has entropy");
    }

    fn now(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    }
}

/// A world that replays from a seed; its clock goes one second further at each look. For tests and simulations: its
/// keys are no secrets.
#[derive(Debug)]
pub struct SeededWorld {
    seed: u64,
    drawn: Mutex<(u64, i64)>,
}

impl SeededWorld {
    /// The world of a seed.
    pub fn new(seed: u64) -> Self {
        SeededWorld { seed, drawn: Mutex::new((0, 1_700_000_000)) }
    }
}

impl World for SeededWorld {
    fn fill(&self, buffer: &mut [u8]) {
        let mut drawn = self.drawn.lock().expect("nobody panics while drawing");
        for chunk in buffer.chunks_mut(32) {
            drawn.0 += 1;
            let parts: [&[u8]; 2] = [&self.seed.to_le_bytes(), &drawn.0.to_le_bytes()];
            let digest = motet_fact::Digest::derive("motet seeded world v1", &parts);
            chunk.copy_from_slice(&digest.0[..chunk.len()]);
        }
    }

    fn now(&self) -> i64 {
        let mut drawn = self.drawn.lock().expect("nobody panics while looking");
        drawn.1 += 1;
        drawn.1
    }
}
