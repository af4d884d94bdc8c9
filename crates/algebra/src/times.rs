//! Times as milliseconds since 1970-01-01T00:00:00Z, and as texts of RFC 3339 (Q21).
//!
//! No clock is read here and no time zone looked up: a text says its distance from UTC, and an int is in UTC. The years
//! are those that four digits can write, 0000 to 9999, in the calendar of today. A day has 86 400 seconds: a text with
//! a leap second is no time.

const DAY: i64 = 86_400_000;
const MONTHS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Reads `2026-11-22T10:00:00Z`, `2026-11-22T11:00:00.25+01:00`: milliseconds since 1970. What is finer is cut off.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't'])?;
    let (time, rest) = rest.split_at_checked(8)?;
    let (fraction, zone) = match rest.strip_prefix('.') {
        None => (0, rest),
        Some(rest) => milliseconds(rest)?,
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    if !(1..=12).contains(&month) || day < 1 || day > length(year, month) {
        return None;
    }
    let days = days_before_year(year) + days_before_month(year, month) + day - 1 - days_before_year(1970);
    let seconds = clock(hour, minute)? * 60 + second;
    (second < 60).then_some(days * DAY + seconds * 1000 + fraction - offset(zone)? * 60_000)
}

/// The text of a time, in UTC, with a fraction only if it has one; undefined outside of the years 0000 to 9999.
pub(crate) fn format(time: i64) -> Option<String> {
    let days = time.div_euclid(DAY) + days_before_year(1970);
    if !(0..days_before_year(10_000)).contains(&days) {
        return None;
    }
    // No year is longer than 366 days, so the first guess is at most a few years early.
    let mut year = days / 366;
    while days_before_year(year + 1) <= days {
        year += 1;
    }
    let of_year = days - days_before_year(year);
    let month = (1..=12).rev().find(|month| days_before_month(year, *month) <= of_year)?;
    let day = of_year - days_before_month(year, month) + 1;
    let of_day = time.rem_euclid(DAY);
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    let fraction = match of_day % 1000 {
        0 => String::new(),
        fraction => format!(".{fraction:03}"),
    };
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"))
}

/// Three numbers of so many digits, between signs.
fn numbers(text: &str, sign: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let parts: Vec<&str> = text.split(sign).collect();
    let parts: [&str; 3] = parts.try_into().ok()?;
    let number = |place: usize| number(parts[place]).filter(|_| parts[place].len() == digits[place]);
    Some([number(0)?, number(1)?, number(2)?])
}

/// Digits and nothing else.
fn number(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

/// The milliseconds at the start of a text that follows a point, and what follows their digits.
fn milliseconds(text: &str) -> Option<(i64, &str)> {
    let end = text.find(|letter: char| !letter.is_ascii_digit())?;
    let padded = format!("{}000", &text[..end]);
    (end > 0).then(|| Some((number(&padded[..3])?, &text[end..])))?
}

/// The minutes that a zone is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" || zone == "z" {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hour, minute) = zone.strip_prefix(['+', '-'])?.split_once(':')?;
    let two = |text: &str| number(text).filter(|_| text.len() == 2);
    Some(sign * clock(two(hour)?, two(minute)?)?)
}

/// The minutes of a day until then, if a day has that time.
fn clock(hour: i64, minute: i64) -> Option<i64> {
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn length(year: i64, month: i64) -> i64 {
    let index = usize::try_from(month - 1).expect("a month is from 1 to 12");
    MONTHS[index] + i64::from(month == 2 && is_leap(year))
}

/// The days from the first of the year 0 on: one more for each leap year, of which the year 0 is one.
fn days_before_year(year: i64) -> i64 {
    365 * year + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400
}

fn days_before_month(year: i64, month: i64) -> i64 {
    (1..month).map(|month| length(year, month)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_read_with_their_distance_from_utc() {
        let read = |text: &str| parse(text).unwrap();
        assert_eq!(read("1970-01-01T00:00:00Z"), 0);
        assert_eq!(read("2026-11-22T10:00:00Z"), 1_795_341_600_000);
        assert_eq!(read("2026-11-22t11:30:00.25+01:30"), 1_795_341_600_250);
        assert_eq!(read("2026-11-21T23:00:00.0019-11:00"), 1_795_341_600_001);
        assert_eq!(read("1969-12-31T23:59:59.999Z"), -1);
        assert_eq!(read("2000-02-29T00:00:00Z"), 951_782_400_000);
        assert_eq!(read("0000-01-01T00:00:00Z"), -62_167_219_200_000);
    }

    #[test]
    fn what_is_no_time_is_undefined() {
        let wrong = [
            "",
            "2026-11-22",
            "2026-11-22 10:00:00Z",
            "2026-11-22T10:00:00",
            "2026-11-22T10:00Z",
            "2026-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-12-31T23:59:60Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00+1:00",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00+01:00 ",
            "+026-01-01T00:00:00Z",
            "2026-1-001T00:00:00Z",
            "20é6-01-01T00:00:00Z",
            "2026-01-0é",
        ];
        for text in wrong {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(format(parse("9999-12-31T23:59:59.999Z").unwrap() + 1), None);
        assert_eq!(format(parse("0000-01-01T00:00:00Z").unwrap() - 1), None);
        assert_eq!((format(i64::MAX), format(i64::MIN)), (None, None));
    }

    /// The stupid twin: one day after the other.
    #[test]
    fn every_day_follows_the_one_before() {
        let mut time = parse("0000-01-01T00:00:00Z").unwrap();
        for year in 0..=9999 {
            for month in 1..=12 {
                let days = match month {
                    2 if (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 => 29,
                    2 => 28,
                    4 | 6 | 9 | 11 => 30,
                    _ => 31,
                };
                let text = format!("{year:04}-{month:02}-01T00:00:00Z");
                assert_eq!((parse(&text), format(time)), (Some(time), Some(text)));
                time += days * 86_400_000;
            }
        }
    }

    proptest! {
        #[test]
        fn times_read_back(time in -62_167_219_200_000_i64..253_402_300_800_000) {
            prop_assert_eq!(parse(&format(time).unwrap()), Some(time));
        }

        #[test]
        fn no_text_panics(text in any::<String>(), zone in ".{0,8}") {
            parse(&text);
            parse(&format!("2026-11-22T10:00:00{zone}"));
        }
    }
}
