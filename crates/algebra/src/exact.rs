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
        let mut words = self.words;
        carry(&mut words);
        let negative = words[WORDS - 1] < 0;
        if negative {
            words.iter_mut().for_each(|word| *word = -*word);
            carry(&mut words);
        }
        let magnitude = round_magnitude(&words)?;
        Some(if negative { -magnitude } else { magnitude })
    }
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

fn bit(words: &[i64; WORDS], place: usize) -> u64 {
    u64::try_from((words[place / 32] >> (place % 32)) & 1).expect("one bit")
}

/// Units of 2^-1074 have the bit pattern of the float they are, and so do 53 bits under an exponent: adding the
/// exponent to the pattern of the mantissa carries its top bit into the exponent field.
fn round_magnitude(words: &[i64; WORDS]) -> Option<f64> {
    let top = (0..WORDS * 32).rev().find(|place| bit(words, *place) == 1).unwrap_or(0);
    let drop = top.saturating_sub(52);
    let mantissa = (drop..=top).rev().fold(0, |mantissa, place| mantissa << 1 | bit(words, place));
    let half = drop > 0 && bit(words, drop - 1) == 1;
    let more = (0..drop.saturating_sub(1)).any(|place| bit(words, place) == 1);
    let up = half && (more || mantissa & 1 == 1);
    let drop = u64::try_from(drop).expect("below 2240");
    let pattern = (drop << 52).checked_add(mantissa + u64::from(up))?;
    let number = f64::from_bits(pattern);
    (drop < 2047 && number.is_finite()).then_some(number)
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

    proptest! {
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
