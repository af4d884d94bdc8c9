//! Exact sums of floats.
//!
//! Adding floats one by one rounds at every step, so the result depends on the order, and what was added cannot be
//! taken away again. [`FloatSum`] instead keeps the exact sum as one long fixed-point number: every finite f64 is a
//! whole multiple of 2^-1074 below 2^1024, so 2098 bits hold any of them and a few words more hold the carries of any
//! number of additions. Reading it rounds once, to nearest with ties to even. Sets of values give the same sum in any
//! order, and a value taken away leaves no trace (Q3).

/// Words of 32 bits, least first; each kept in 64 so that carries may wait.
const WORDS: usize = 70;
/// Additions after which the waiting carries are moved on; a word grows by less than 2^32 with each.
const PATIENCE: u32 = 1 << 28;

/// The exact sum of any number of finite floats.
#[derive(Clone, Debug)]
pub struct FloatSum {
    words: [i64; WORDS],
    waiting: u32,
}

impl Default for FloatSum {
    fn default() -> Self {
        FloatSum { words: [0; WORDS], waiting: 0 }
    }
}

impl FloatSum {
    /// Adds a number.
    ///
    /// # Panics
    /// If it is not finite.
    pub fn add(&mut self, number: f64) {
        assert!(number.is_finite(), "only finite floats are values");
        let bits = number.to_bits();
        let exponent = (bits >> 52) & 0x7ff;
        let fraction = bits & ((1 << 52) - 1);
        let (mantissa, place) =
            if exponent == 0 { (fraction, 0) } else { (fraction | 1 << 52, exponent - 1) };
        self.add_at(mantissa, place, number.is_sign_negative());
    }

    /// Adds an int, whole.
    pub fn add_int(&mut self, int: i64) {
        const TWO_TO_32: f64 = 4_294_967_296.0;
        let high = i32::try_from(int >> 32).expect("the upper half of 64 bits");
        let low = u32::try_from(int & 0xffff_ffff).expect("the lower half of 64 bits");
        self.add(f64::from(high) * TWO_TO_32);
        self.add(f64::from(low));
    }

    /// Takes a number away.
    pub fn subtract(&mut self, number: f64) {
        self.add(-number);
    }

    /// Adds `mantissa` times 2^`place` units.
    fn add_at(&mut self, mantissa: u64, place: u64, negative: bool) {
        let shifted = u128::from(mantissa) << (place % 32);
        let first = usize::try_from(place / 32).expect("a place is below 2046");
        for (index, word) in self.words[first..first + 3].iter_mut().enumerate() {
            let part = i64::try_from((shifted >> (32 * index)) & 0xffff_ffff).expect("32 bits");
            *word += if negative { -part } else { part };
        }
        self.waiting += 1;
        if self.waiting == PATIENCE {
            carry(&mut self.words);
            self.waiting = 0;
        }
    }

    /// The sum, rounded once; nothing if it is too large for a float.
    pub fn round(&self) -> Option<f64> {
        let (negative, words) = self.magnitude();
        let magnitude = round_magnitude(&words, 0, false)?;
        Some(if negative { -magnitude } else { magnitude })
    }

    /// The sum divided by a count, rounded once; nothing if it is too large for a float. (The mean of floats never is.)
    ///
    /// # Panics
    /// If the count is 0.
    pub fn mean(&self, count: u64) -> Option<f64> {
        assert!(count > 0, "there is no mean of nothing");
        let (negative, words) = self.magnitude();
        // One word more, below the units: 32 bits and whether anything is left say how to round.
        let mut quotient = [0; WORDS + 1];
        quotient[1..].copy_from_slice(&words);
        let rest = divide(&mut quotient, count);
        let magnitude = round_magnitude(&quotient, 32, rest > 0)?;
        Some(if negative { -magnitude } else { magnitude })
    }

    /// Whether the sum is negative, and its size.
    fn magnitude(&self) -> (bool, [i64; WORDS]) {
        let mut words = self.words;
        carry(&mut words);
        let negative = words[WORDS - 1] < 0;
        if negative {
            words.iter_mut().for_each(|word| *word = -*word);
            carry(&mut words);
        }
        (negative, words)
    }
}

/// Divides a number as at school, from the greatest word down, and gives the rest.
fn divide(words: &mut [i64], by: u64) -> u128 {
    let by = u128::from(by);
    let mut rest = 0;
    for word in words.iter_mut().rev() {
        let part = rest << 32 | u128::try_from(*word).expect("a size has no negative words");
        *word = i64::try_from(part / by).expect("a word that is not greater than before, or 32 bits");
        rest = part % by;
    }
    rest
}

/// Moves carries on, so that every word but the last is in 0 … 2^32-1 and the last has the sign of the whole.
fn carry(words: &mut [i64; WORDS]) {
    let mut carried = 0;
    for word in words[..WORDS - 1].iter_mut() {
        let whole = *word + carried;
        *word = whole & 0xffff_ffff;
        carried = whole >> 32;
    }
    words[WORDS - 1] += carried;
}

fn bit(words: &[i64], place: usize) -> u64 {
    u64::try_from((words[place / 32] >> (place % 32)) & 1).expect("one bit")
}

/// Units of 2^-1074 have the bit pattern of the float they are, and so do 53 bits under an exponent: adding the
/// exponent to the pattern of the mantissa carries its top bit into the exponent field. The lowest `below` bits are
/// parts of a unit, and `more` says that there is a little more than the words hold.
fn round_magnitude(words: &[i64], below: usize, more: bool) -> Option<f64> {
    let top = (0..words.len() * 32).rev().find(|place| bit(words, *place) == 1).unwrap_or(0);
    let last = top.saturating_sub(52).max(below);
    let mantissa = (last..=top).rev().fold(0, |mantissa, place| mantissa << 1 | bit(words, place));
    let half = last > 0 && bit(words, last - 1) == 1;
    let more = more || (0..last.saturating_sub(1)).any(|place| bit(words, place) == 1);
    let up = half && (more || mantissa & 1 == 1);
    let exponent = u64::try_from(last - below).expect("below 2240");
    let pattern = (exponent << 52).checked_add(mantissa + u64::from(up))?;
    let number = f64::from_bits(pattern);
    (exponent < 2047 && number.is_finite()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(numbers: &[f64]) -> Option<f64> {
        let mut sum = FloatSum::default();
        numbers.iter().for_each(|number| sum.add(*number));
        sum.round()
    }

    #[test]
    fn sums_round_once() {
        assert_eq!(sum(&[]), Some(0.0));
        assert_eq!(sum(&[0.1; 10]), Some(1.0));
        assert_eq!(sum(&[1e16, 1.0, -1e16]), Some(1.0));
        assert_eq!(sum(&[f64::MAX, f64::MAX, -f64::MAX]), Some(f64::MAX));
        assert_eq!(sum(&[f64::MAX, f64::MAX]), None);
        assert_eq!(sum(&[f64::from_bits(1), f64::from_bits(1)]), Some(f64::from_bits(2)));
        // A tie goes to the even neighbour, and the smallest thing beyond it breaks the tie.
        assert_eq!(sum(&[9_007_199_254_740_992.0, 1.0]), Some(9_007_199_254_740_992.0));
        assert_eq!(sum(&[9_007_199_254_740_992.0, 1.0, 5e-324]), Some(9_007_199_254_740_994.0));
        assert_eq!(sum(&[-9_007_199_254_740_994.0, -1.0]), Some(-9_007_199_254_740_996.0));
    }

    #[test]
    fn means_round_once() {
        let mean = |numbers: &[f64]| {
            let mut sum = FloatSum::default();
            numbers.iter().for_each(|number| sum.add(*number));
            sum.mean(u64::try_from(numbers.len()).unwrap())
        };
        assert_eq!(mean(&[1.0, 2.0]), Some(1.5));
        assert_eq!(mean(&[f64::MAX, f64::MAX, f64::MAX]), Some(f64::MAX), "though the sum is no float");
        assert_eq!(mean(&[-1.0, 0.0, 0.0]), Some(-1.0 / 3.0));
        let smallest = f64::from_bits(1);
        assert_eq!(mean(&[smallest, 0.0]), Some(0.0), "a tie goes to the even neighbour");
        assert_eq!(mean(&[smallest, smallest, 0.0]), Some(smallest));
        assert_eq!(mean(&[smallest, smallest, smallest, 0.0, 0.0]), Some(smallest));
    }

    proptest! {
        /// The stupid twin: whole numbers below 2^53 divide exactly rounded on the machine.
        #[test]
        fn means_of_ints_are_the_quotient(ints in prop::collection::vec(-(1i64 << 45)..(1i64 << 45), 1..40)) {
            let mut sum = FloatSum::default();
            ints.iter().for_each(|int| sum.add_int(*int));
            let total: i64 = ints.iter().sum();
            let count = u32::try_from(ints.len()).unwrap();
            #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
            let expected = total as f64 / f64::from(count);
            prop_assert_eq!(sum.mean(count.into()), Some(expected));
        }

        #[test]
        fn ints_are_added_whole(ints in prop::collection::vec(any::<i64>(), 0..8)) {
            let mut sum = FloatSum::default();
            ints.iter().for_each(|int| sum.add_int(*int));
            let total: i128 = ints.iter().map(|int| i128::from(*int)).sum();
            #[expect(clippy::cast_precision_loss, reason = "rounded to nearest, as the sum is")]
            let expected = total as f64;
            prop_assert_eq!(sum.round(), Some(expected));
        }

        /// The stupid twin: two floats added by the machine are rounded once too.
        #[test]
        fn two_floats_add_as_the_machine_adds_them(left in prop::num::f64::ANY, right in prop::num::f64::ANY) {
            prop_assume!(left.is_finite() && right.is_finite());
            let expected = Some(left + right).filter(|sum| sum.is_finite());
            prop_assert_eq!(sum(&[left, right]), expected);
        }

        #[test]
        fn order_does_not_matter_and_nothing_stays_behind(
            numbers in prop::collection::vec(prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL, 0..20),
            extra in prop::num::f64::NORMAL,
        ) {
            let mut backwards = numbers.clone();
            backwards.reverse();
            let mut there_and_back = FloatSum::default();
            there_and_back.add(extra);
            numbers.iter().for_each(|number| there_and_back.add(*number));
            there_and_back.subtract(extra);
            prop_assert_eq!(sum(&numbers), sum(&backwards));
            prop_assert_eq!(sum(&numbers), there_and_back.round());
        }
    }
}
