//! Seconds since 1970, as people read and write them: in UTC, by the Gregorian calendar.

use motet::AsOf;
use motet::fact::Cid;

use crate::failure::Failure;

const DAY: i64 = 86_400;

/// `2024-03-01 12:30:00`.
pub(crate) fn show(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Reads seconds, `2024-03-01`, `2024-03-01T12:30:00` with or without a `Z`, or with a space for the `T`. A day alone
/// is its end.
pub(crate) fn read(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let [year, month, day] = numbers(date, '-')?;
    let days = days(year, month, day);
    if civil(days) != (year, month, day) {
        return None; // there is no such day
    }
    let Some(time) = time else { return Some(days * DAY + DAY - 1) };
    let [hour, minute, second] = numbers(time, ':')?;
    let fits = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second);
    fits.then_some(days * DAY + hour * 3600 + minute * 60 + second)
}

/// Reads what `--as-of` says: entries, or a time.
pub(crate) fn as_of(text: &str) -> Result<AsOf, Failure> {
    let heads: Result<Vec<Cid>, _> = text.split(',').map(str::trim).map(str::parse).collect();
    match (heads, read(text)) {
        (Ok(heads), _) => Ok(AsOf::Heads(heads)),
        (_, Some(time)) => Ok(AsOf::Time(time)),
        _ => Err(Failure::Usage(format!("--as-of {text}: neither entries nor a time")).help(
            "give CIDs of entries (`motet item history` shows them), seconds since 1970, or a date such as \
             2024-03-01",
        )),
    }
}

fn numbers(text: &str, between: char) -> Option<[i64; 3]> {
    let numbers: Option<Vec<i64>> = text
        .split(between)
        .map(|number| number.bytes().all(|digit| digit.is_ascii_digit()).then(|| number.parse().ok())?)
        .collect();
    numbers?.try_into().ok()
}

/// Days since 1970 of a date. Years are taken to begin in March, so that the odd day is the last of one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let of_year = (153 * month + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 719_468
}

fn civil(days: i64) -> (i64, i64, i64) {
    // An era is 400 years, and all of them have the same days.
    let (era, day) = ((days + 719_468).div_euclid(146_097), (days + 719_468).rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = (month + 2) % 12 + 1;
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_back() {
        for (text, seconds) in [
            ("1970-01-01 00:00:00", 0),
            ("2000-02-29 23:59:59", 951_868_799),
            ("2024-03-01 12:30:05", 1_709_296_205),
            ("1969-12-31 23:59:59", -1),
            ("2100-03-01 00:00:00", 4_107_542_400),
        ] {
            assert_eq!(show(seconds), text);
            assert_eq!(read(text), Some(seconds));
        }
        assert_eq!(read("2024-03-01"), Some(1_709_337_599), "a day is its end");
        assert_eq!(read("1709296205"), Some(1_709_296_205));
        for wrong in ["2023-02-29", "2024-13-01", "2024-03", "noon", "2024-03-01T25:00:00", "2024-03-01T1:2"]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert!((-1_000_000..1_000_000).step_by(97).all(|day| {
            let (year, month, of_month) = civil(day);
            days(year, month, of_month) == day
        }));
    }
}
