//! Random numbers that are the same everywhere and for ever.
//!
//! The Mersenne Twister, seeded and drawn from as CPython's `random.Random` does, so that a small script in Python
//! makes the same data and counts the same rows.

use rand_mt::Mt;

/// A seeded source.
#[derive(Clone, Debug)]
pub struct Random(Mt);

impl Random {
    /// `random.Random(seed)`.
    pub fn new(seed: u32) -> Self {
        Random(Mt::new_with_key([seed]))
    }

    /// `randrange(below)`: a number from 0 to before `below`.
    pub fn below(&mut self, below: u32) -> u32 {
        let bits = u32::BITS - below.leading_zeros();
        loop {
            let drawn = self.0.next_u32() >> (u32::BITS - bits);
            if drawn < below {
                return drawn;
            }
        }
    }

    /// `randint(from, to)`: a number from one to the other, both included.
    pub fn between(&mut self, from: u32, to: u32) -> u32 {
        from + self.below(to - from + 1)
    }

    /// `choice(these)`.
    pub fn choice<T: Copy>(&mut self, these: &[T]) -> T {
        these[self.below(u32::try_from(these.len()).expect("a short list")) as usize]
    }

    /// `random()`: a float from 0 to before 1, with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        let (high, low) = (self.0.next_u32() >> 5, self.0.next_u32() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }
}
