//! The functions of texts, bytes, bits and times, each as the table of the language page says. `None` is undefined.

use motet_fact::Value;

/// What is longer than this is undefined.
const LONGEST: usize = 16 << 20;

pub(super) fn apply(function: &str, of: &[Value]) -> Option<Value> {
    match (function, of) {
        ("floor" | "ceil" | "round", [one @ Value::Int(_)]) => Some(one.clone()),
        ("floor", [Value::Float(one)]) => whole(one.get(), |below, _| below),
        ("ceil", [Value::Float(one)]) => {
            whole(one.get(), |below, rest| if rest > 0.0 { below + 1.0 } else { below })
        }
        ("round", [Value::Float(one)]) => whole(one.get(), |below, rest| {
            let up = rest > 0.5 || (rest == 0.5 && below >= 0.0);
            if up { below + 1.0 } else { below }
        }),
        ("sqrt", [Value::Float(one)]) => Value::float(one.get().sqrt()).ok(),
        ("length", [Value::Text(text)]) => int(text.chars().count()),
        ("length", [Value::Bytes(bytes)]) => int(bytes.len()),
        ("lower", [Value::Text(text)]) => Some(Value::text(text.to_lowercase())),
        ("upper", [Value::Text(text)]) => Some(Value::text(text.to_uppercase())),
        ("trim", [Value::Text(text)]) => Some(Value::text(trimmed(text))),
        ("concat", [Value::Text(left), Value::Text(right)]) => short(format!("{left}{right}")),
        ("contains", [Value::Text(text), Value::Text(part)]) => {
            Some(Value::Bool(found(&letters(text), &letters(part)).is_some()))
        }
        ("starts_with", [Value::Text(text), Value::Text(part)]) => {
            Some(Value::Bool(found(&letters(text), &letters(part)) == Some(0)))
        }
        ("split", [Value::Text(text), Value::Text(separator), Value::Int(place)]) => {
            let parts = parts(&letters(text), &letters(separator))?;
            let place =
                if *place < 0 { place.checked_add(i64::try_from(parts.len()).ok()?)? } else { *place };
            parts.into_iter().nth(usize::try_from(place).ok()?).map(Value::text)
        }
        ("parts", [Value::Text(text), Value::Text(separator)]) => {
            int(parts(&letters(text), &letters(separator))?.len())
        }
        ("slice", [Value::Text(text), Value::Int(from), Value::Int(before)]) => {
            Some(Value::text(slice(&letters(text), *from, *before).iter().collect::<String>()))
        }
        ("slice", [Value::Bytes(bytes), Value::Int(from), Value::Int(before)]) => {
            Some(Value::bytes(slice(bytes, *from, *before).to_vec()))
        }
        ("index_of", [Value::Text(text), Value::Text(part)]) => int(found(&letters(text), &letters(part))?),
        ("replace", [Value::Text(text), Value::Text(from), Value::Text(to)]) => {
            short(parts(&letters(text), &letters(from))?.join(to))
        }
        ("text", [text @ Value::Text(_)]) => Some(text.clone()),
        ("text", [Value::Link(cid)]) => Some(Value::text(cid.to_string())),
        ("text", [other]) => Some(Value::text(other.to_string())),
        ("kind", [one]) => Some(Value::text(one.kind().name().to_owned())),
        ("time", [Value::Text(text)]) => time(&letters(text)).map(Value::Int),
        ("iso", [Value::Int(time)]) => iso(i128::from(*time)).map(Value::text),
        _ => None,
    }
}

/// A function of two ints that no operator stands for.
pub(super) fn of_ints(function: &str, left: i64, right: i64) -> Option<i64> {
    match function {
        // One power after the other; those of 0, 1 and -1 never leave the range.
        "pow" if right < 0 => None,
        "pow" if right == 0 => Some(1),
        "pow" if (-1..=1).contains(&left) => Some(if right % 2 == 0 { left * left } else { left }),
        "pow" => (0..right).try_fold(1_i64, |power, _| power.checked_mul(left)),
        "bit_and" => Some(bits(left, right, |one, other| one && other)),
        "bit_or" => Some(bits(left, right, |one, other| one || other)),
        "bit_xor" => Some(bits(left, right, |one, other| one != other)),
        _ => None,
    }
}

fn bits(left: i64, right: i64, of: impl Fn(bool, bool) -> bool) -> i64 {
    let bit = |number: i64, at: u32| (number >> at) & 1 == 1;
    (0..64).map(|at| i64::from(of(bit(left, at), bit(right, at))) << at).fold(0, |sum, one| sum | one)
}

fn int(count: usize) -> Option<Value> {
    i64::try_from(count).ok().map(Value::Int)
}

fn short(text: String) -> Option<Value> {
    (text.len() <= LONGEST).then(|| Value::text(text))
}

/// Of the whole number below and what is left over.
fn whole(number: f64, of: impl Fn(f64, f64) -> f64) -> Option<Value> {
    let cut = number.trunc();
    let below = if cut > number { cut - 1.0 } else { cut };
    Value::float(of(below, number - below)).ok()
}

fn letters(text: &str) -> Vec<char> {
    text.chars().collect()
}

fn trimmed(text: &str) -> String {
    let mut letters = letters(text);
    while letters.last().is_some_and(|one| one.is_whitespace()) {
        letters.pop();
    }
    letters.into_iter().skip_while(|one| one.is_whitespace()).collect()
}

/// Where something begins first.
fn found(all: &[char], part: &[char]) -> Option<usize> {
    (0..=all.len()).find(|at| all[*at..].starts_with(part))
}

/// What lies between separators.
fn parts(mut all: &[char], separator: &[char]) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    if separator.is_empty() {
        return None;
    }
    while let Some(at) = found(all, separator) {
        parts.push(all[..at].iter().collect());
        all = &all[at + separator.len()..];
    }
    parts.push(all.iter().collect());
    Some(parts)
}

/// What lies from one place to before another; negative ones count from the end.
fn slice<T>(all: &[T], from: i64, before: i64) -> &[T] {
    let length = i128::try_from(all.len()).expect("a length");
    let place = |place: i64| {
        let place = i128::from(place) + if place < 0 { length } else { 0 };
        usize::try_from(place.clamp(0, length)).expect("it is at most the length")
    };
    if place(from) < place(before) { &all[place(from)..place(before)] } else { &[] }
}

/// The days of each month of a year.
fn months(year: i128) -> [i128; 12] {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

/// The days from the year 0 to the beginning of another.
fn days(year: i128) -> i128 {
    (0..year).map(|year| months(year).iter().sum::<i128>()).sum()
}

/// The milliseconds of `2026-11-22T10:00:00.123+01:00`.
fn time(letters: &[char]) -> Option<i64> {
    let digits = |from: usize, to: usize| -> Option<i128> {
        letters
            .get(from..to)?
            .iter()
            .try_fold(0, |number, digit| Some(number * 10 + i128::from(digit.to_digit(10)?)))
    };
    let sign = |at: usize, of: &str| letters.get(at).is_some_and(|one| of.contains(*one));
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let (hour, minute, second) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?);
    let signs = sign(4, "-") && sign(7, "-") && sign(10, "Tt") && sign(13, ":") && sign(16, ":");
    let month = usize::try_from(month).ok()?.checked_sub(1)?;
    let months = months(year);
    if !signs || day < 1 || day > *months.get(month)? || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut zone = 19;
    let mut thousandths = 0;
    if sign(19, ".") {
        zone = 20 + letters[20..].iter().take_while(|one| one.is_ascii_digit()).count();
        if zone == 20 {
            return None;
        }
        let digit =
            |at: usize| letters.get(at).filter(|_| at < zone).and_then(|one| one.to_digit(10)).unwrap_or(0);
        thousandths = i128::from(digit(20) * 100 + digit(21) * 10 + digit(22));
    }
    let ahead = if sign(zone, "Zz") && letters.len() == zone + 1 {
        0
    } else if sign(zone, "+-") && sign(zone + 3, ":") && letters.len() == zone + 6 {
        let (hours, minutes) = (digits(zone + 1, zone + 3)?, digits(zone + 4, zone + 6)?);
        if hours > 23 || minutes > 59 {
            return None;
        }
        (hours * 60 + minutes) * if sign(zone, "-") { -1 } else { 1 }
    } else {
        return None;
    };
    let days = days(year) - days(1970) + months[..month].iter().sum::<i128>() + day - 1;
    let seconds = ((days * 24 + hour) * 60 + minute - ahead) * 60 + second;
    i64::try_from(seconds * 1000 + thousandths).ok()
}

fn iso(time: i128) -> Option<String> {
    let of_day = time.rem_euclid(86_400_000);
    let mut left = time.div_euclid(86_400_000) + days(1970);
    if left < 0 {
        return None;
    }
    let mut year = 0;
    while year < 10_000 && left >= months(year).iter().sum() {
        left -= months(year).iter().sum::<i128>();
        year += 1;
    }
    if year == 10_000 {
        return None;
    }
    let mut month = 0;
    while left >= months(year)[month] {
        left -= months(year)[month];
        month += 1;
    }
    let (seconds, rest) = (of_day / 1000, of_day % 1000);
    let fraction = if rest == 0 { String::new() } else { format!(".{rest:03}") };
    let clock = format!("{:02}:{:02}:{:02}{fraction}Z", seconds / 3600, seconds / 60 % 60, seconds % 60);
    Some(format!("{year:04}-{:02}-{:02}T{clock}", month + 1, left + 1))
}
