//! Amounts with units, as they are written on a command line: times and sizes.

use std::time::Duration;

/// Reads `500ms`, `90s`, `30m`, `12h`, `7d`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 5] =
        [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    amount(text, &UNITS).map(Duration::from_millis)
}

/// Reads a number of bytes: `65536`, `64K`, `500M`, `4G`. The units are powers of 1024.
pub(crate) fn size(text: &str) -> Option<u64> {
    amount(text, &[("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40), ("", 1)])
}

/// A whole number and the first unit that the text ends with.
fn amount(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let of = |(unit, factor): &(&str, u64)| Some((text.strip_suffix(unit)?, *factor));
    let (number, factor) = units.iter().find_map(of)?;
    let number: u64 =
        number.parse().ok().filter(|_| number.starts_with(|letter: char| letter.is_ascii_digit()))?;
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_units() {
        let seconds = |text| duration(text).map(|time| time.as_secs_f64());
        assert_eq!([seconds("500ms"), seconds("90s"), seconds("2m")], [Some(0.5), Some(90.0), Some(120.0)]);
        assert_eq!([seconds("1h"), seconds("1d")], [Some(3600.0), Some(86_400.0)]);
        assert_eq!([size("0"), size("64K"), size("4G")], [Some(0), Some(65_536), Some(1 << 32)]);
        for wrong in ["", "s", "-1s", "+1s", "1.5s", "1", "1 s", "1x", "18446744073709551615d", "é"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
        for wrong in ["", "K", "-1", "+1", "1.5G", "4g", "4GB", "18446744073709551615K", "é"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }
}
