//! Sums and means of floats and ints, rounded once: whole numbers of any size, and a search for the nearest float.
//!
//! Every finite float is a whole multiple of 2^-1074, so sums are whole numbers in that unit. What is positive and what
//! is negative is added up apart.

use std::cmp::Ordering;

/// A whole number, in digits of 32 bits, the least first, without zeros at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Natural(Vec<u32>);

impl Natural {
    fn digits(&self, at: usize) -> u64 {
        u64::from(self.0.get(at).copied().unwrap_or(0))
    }

    fn of(digits: impl Iterator<Item = u32>) -> Self {
        let mut digits: Vec<u32> = digits.collect();
        while digits.last() == Some(&0) {
            digits.pop();
        }
        Natural(digits)
    }

    fn plus(&self, other: &Natural) -> Natural {
        let mut carry = 0;
        let places = 0..=self.0.len().max(other.0.len());
        Natural::of(places.map(|at| {
            carry += self.digits(at) + other.digits(at);
            let digit = carry & 0xffff_ffff;
            carry >>= 32;
            u32::try_from(digit).unwrap()
        }))
    }

    /// The difference to a smaller number.
    fn minus(&self, other: &Natural) -> Natural {
        let mut borrow = 0;
        Natural::of((0..self.0.len()).map(|at| {
            let digit = (1 << 32) + self.digits(at) - other.digits(at) - borrow;
            borrow = 1 - (digit >> 32);
            u32::try_from(digit & 0xffff_ffff).unwrap()
        }))
    }

    fn times(&self, factor: u64) -> Natural {
        let mut carry: u128 = 0;
        Natural::of((0..self.0.len() + 3).map(|at| {
            carry += u128::from(self.digits(at)) * u128::from(factor);
            let digit = carry & 0xffff_ffff;
            carry >>= 32;
            u32::try_from(digit).unwrap()
        }))
    }

    /// A number times a power of two.
    fn shifted(number: u64, by: usize) -> Natural {
        let wide = u128::from(number) << (by % 32);
        let zeros = std::iter::repeat_n(0, by / 32);
        let part = |at: usize| u32::try_from((wide >> (32 * at)) & 0xffff_ffff).unwrap();
        Natural::of(zeros.chain((0..3).map(part)))
    }
}

impl Ord for Natural {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_length = self.0.len().cmp(&other.0.len());
        by_length.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}

impl PartialOrd for Natural {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The magnitude of a float in units of 2^-1074; of what comes after the greatest float, 2^1024.
fn units(bits: u64) -> Natural {
    let (exponent, fraction) = (usize::try_from(bits >> 52).unwrap(), bits & ((1 << 52) - 1));
    if exponent == 0 {
        Natural::shifted(fraction, 0)
    } else {
        Natural::shifted(fraction | 1 << 52, exponent - 1)
    }
}

const INFINITY: u64 = 0x7ff << 52;

/// The float nearest to a number of units divided by a count, the even one of two; none if it is out of range.
fn nearest(units_of: &Natural, count: u64) -> Option<f64> {
    let (mut least, mut above) = (0, INFINITY);
    while above - least > 1 {
        let middle = least + (above - least) / 2;
        if units(middle).times(count) <= *units_of { least = middle } else { above = middle }
    }
    let twice = units_of.times(2);
    let middle = units(least).plus(&units(least + 1)).times(count);
    let bits = match twice.cmp(&middle) {
        Ordering::Less => least,
        Ordering::Greater => least + 1,
        Ordering::Equal => least + least % 2,
    };
    (bits < INFINITY).then(|| f64::from_bits(bits))
}

/// The sum of some floats divided by a count, exact before it is rounded.
pub(super) fn sum_of_floats(all: &[f64], count: u64) -> Option<f64> {
    let (mut above, mut below) = (Natural::default(), Natural::default());
    for number in all {
        let side = if *number < 0.0 { &mut below } else { &mut above };
        *side = side.plus(&units(number.abs().to_bits()));
    }
    signed(&above, &below, count)
}

/// The mean of some ints.
pub(super) fn mean_of_ints(all: &[i64]) -> Option<f64> {
    let (mut above, mut below) = (Natural::default(), Natural::default());
    for number in all {
        let side = if *number < 0 { &mut below } else { &mut above };
        *side = side.plus(&Natural::shifted(number.unsigned_abs(), 1074));
    }
    signed(&above, &below, u64::try_from(all.len()).unwrap())
}

fn signed(above: &Natural, below: &Natural, count: u64) -> Option<f64> {
    match above.cmp(below) {
        Ordering::Less => nearest(&below.minus(above), count).map(|number| 0.0 - number),
        _ => nearest(&above.minus(below), count),
    }
}

#[test]
fn rounding_is_to_the_nearest_float() {
    assert_eq!(sum_of_floats(&[0.1, 0.2], 1), Some(0.1 + 0.2));
    assert_eq!(sum_of_floats(&[1e300, 1.0, -1e300], 1), Some(1.0));
    assert_eq!(sum_of_floats(&[f64::MAX, f64::MAX], 1), None);
    assert_eq!(sum_of_floats(&[f64::MAX, f64::MAX], 2), Some(f64::MAX));
    assert_eq!(sum_of_floats(&[5e-324, 5e-324, 5e-324], 2), Some(1e-323));
    assert_eq!(sum_of_floats(&[5e-324], 2), Some(0.0));
    assert_eq!(sum_of_floats(&[-1.5, 0.25], 2), Some(-0.625));
    assert_eq!(mean_of_ints(&[i64::MAX, i64::MAX - 1]), Some(9_223_372_036_854_775_807.0));
    assert_eq!(mean_of_ints(&[1, 1, 2]), Some(4.0 / 3.0));
    assert_eq!(mean_of_ints(&[-7, 2]), Some(-2.5));
}
