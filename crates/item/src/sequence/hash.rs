//! The hash of a sequence, put together from the hashes of its pieces.
//!
//! A polynomial modulo the Mersenne prime 2^61 - 1: the hash of `a` followed by `b` is that of `a` times the base to
//! the length of `b`, plus that of `b`. So a tree can keep the hash of what is below each node, whatever its shape, and
//! the hash of any run of elements follows from the hashes of two beginnings of all elements.
//!
//! It is there to notice that two replicas made different things of the same facts. It is not there to withstand
//! somebody who looks for two texts with one hash: the facts themselves are hashed for that (H21).

const PRIME: u64 = (1 << 61) - 1;
const BASE: u64 = 0x1d3f_84a5_0b67_c1e9;

/// The base to the powers 1, 2, 4, 8 …
const POWERS: [u64; 32] = {
    let mut powers = [BASE; 32];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = times(powers[at - 1], powers[at - 1]);
        at += 1;
    }
    powers
};

/// The letters of the elements, by the elements' numbers.
pub(crate) trait Letters {
    /// The hash of the first `count` elements, in the order of their numbers.
    fn beginning(&self, count: u32) -> u64;
}

/// The hash of a sequence of `length` elements, whose hash is `end`, after one whose hash is `start`.
pub(crate) const fn join(start: u64, end: u64, length: u32) -> u64 {
    plus(times(start, power(length)), end)
}

/// The hash of a sequence and one more letter.
pub(crate) const fn push(start: u64, letter: u64) -> u64 {
    plus(times(start, BASE), letter % PRIME)
}

/// The hash of the elements `from..to`.
pub(crate) fn of_run(letters: &dyn Letters, from: u32, to: u32) -> u64 {
    let before = times(letters.beginning(from), power(to - from));
    plus(letters.beginning(to), PRIME - before)
}

const fn power(mut exponent: u32) -> u64 {
    let (mut power, mut at) = (1, 0);
    while exponent > 0 {
        if exponent & 1 == 1 {
            power = times(power, POWERS[at]);
        }
        exponent >>= 1;
        at += 1;
    }
    power
}

const fn times(one: u64, other: u64) -> u64 {
    let product = one as u128 * other as u128;
    plus((product & PRIME as u128) as u64, (product >> 61) as u64)
}

/// Both at most the prime.
const fn plus(one: u64, other: u64) -> u64 {
    let sum = one + other;
    if sum >= PRIME { sum - PRIME } else { sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_has_one_hash_however_it_is_cut() {
        let letters: Vec<u64> = (0..40).map(|at| at * at + u64::MAX / 3).collect();
        let hash = |letters: &[u64]| letters.iter().fold(0, |hash, letter| push(hash, *letter));
        for cut in 0..=letters.len() {
            let (start, end) = letters.split_at(cut);
            assert_eq!(join(hash(start), hash(end), end.len() as u32), hash(&letters));
        }
        struct All(Vec<u64>);
        impl Letters for All {
            fn beginning(&self, count: u32) -> u64 {
                self.0[..count as usize].iter().fold(0, |hash, letter| push(hash, *letter))
            }
        }
        assert_eq!(of_run(&All(letters.clone()), 7, 31), hash(&letters[7..31]));
        assert_ne!(hash(&letters[1..]), hash(&letters[..39]));
    }

    #[test]
    fn arithmetic_is_modulo_the_prime() {
        for (one, other) in [(PRIME - 1, PRIME - 1), (PRIME - 1, 2), (BASE, BASE), (0, 5)] {
            let product = u128::from(one) * u128::from(other) % u128::from(PRIME);
            assert_eq!(u128::from(times(one, other)), product);
        }
        assert_eq!(power(5), times(times(times(times(BASE, BASE), BASE), BASE), BASE));
    }
}
