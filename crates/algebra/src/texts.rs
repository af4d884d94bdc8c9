//! What the functions on texts and numbers give, where it takes more than a line (Q21).
//!
//! Places are counted in characters from 0, and from the end if they are negative: -1 is the last. Nothing depends on
//! the machine: powers are products, each rounded as every machine rounds it.

use std::ops::Range;

/// The longest text that a function makes, in bytes. One peer's fact must not exhaust a memory (Q3).
const LONGEST: usize = 1 << 24;

/// The text, if it is not too long.
pub(crate) fn concat(left: &str, right: &str) -> Option<String> {
    (left.len() + right.len() <= LONGEST).then(|| [left, right].concat())
}

/// The parts between separators; undefined for an empty separator.
fn parts<'a>(text: &'a str, separator: &'a str) -> Option<impl Iterator<Item = &'a str>> {
    (!separator.is_empty()).then(|| text.split(separator))
}

/// How many parts a text has: at least one.
pub(crate) fn count_parts(text: &str, separator: &str) -> Option<usize> {
    parts(text, separator).map(Iterator::count)
}

/// The part at a place; undefined outside.
pub(crate) fn part<'a>(text: &'a str, separator: &'a str, place: i64) -> Option<&'a str> {
    let mut parts = parts(text, separator)?;
    match usize::try_from(place) {
        Ok(place) => parts.nth(place),
        Err(_) => {
            let parts: Vec<_> = parts.collect();
            let back = usize::try_from(place.unsigned_abs()).ok()?;
            parts.len().checked_sub(back).map(|place| parts[place])
        }
    }
}

/// Which of so many places lie from one place to before another. What is outside is left out.
pub(crate) fn range(length: usize, from: i64, to: i64) -> Range<usize> {
    let place = |place: i64| {
        let distance = usize::try_from(place.unsigned_abs()).unwrap_or(usize::MAX);
        if place < 0 { length.saturating_sub(distance) } else { distance.min(length) }
    };
    let from = place(from);
    from..place(to).max(from)
}

/// The characters from one place to before another.
pub(crate) fn slice(text: &str, from: i64, to: i64) -> String {
    let range = range(text.chars().count(), from, to);
    text.chars().skip(range.start).take(range.len()).collect()
}

/// The place where a part begins for the first time; undefined if it is not there.
pub(crate) fn index_of(text: &str, part: &str) -> Option<usize> {
    text.find(part).map(|place| text[..place].chars().count())
}

/// The text with another in place of a part, wherever that stands; undefined for an empty part.
pub(crate) fn replace(text: &str, part: &str, by: &str) -> Option<String> {
    if part.is_empty() {
        return None;
    }
    let times = text.matches(part).count();
    let length = times.checked_mul(by.len())?.checked_add(text.len() - times * part.len())?;
    (length <= LONGEST).then(|| text.replace(part, by))
}

/// An int to the power of another; undefined if that is negative, or the result leaves i64.
pub(crate) fn power_of_int(base: i64, exponent: i64) -> Option<i64> {
    power(base, u64::try_from(exponent).ok()?, 1, i64::checked_mul)
}

/// A float to the power of an int.
pub(crate) fn power_of_float(base: f64, exponent: i64) -> Option<f64> {
    let size = power(base, exponent.unsigned_abs(), 1.0, |left, right| Some(left * right))?;
    Some(if exponent < 0 { 1.0 / size } else { size })
}

/// By squaring: as many steps as the exponent has bits.
fn power<N: Copy>(mut base: N, mut exponent: u64, one: N, multiply: impl Fn(N, N) -> Option<N>) -> Option<N> {
    let mut result = one;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = multiply(result, base)?;
        }
        exponent >>= 1;
        if exponent > 0 {
            base = multiply(base, base)?;
        }
    }
    Some(result)
}
