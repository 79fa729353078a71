//! Times as text: lengths, as `500ms`, `1s`, `1h 5m`, and moments, as `1m 2.500s`.

use std::{fmt::Write as _, time::Duration};

/// The units, longest first, in nanoseconds.
const UNITS: &[(&str, u128)] = &[
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// The longest duration that a scenario can name: a year. Sums of a few of them cannot overflow.
const LONGEST: Duration = Duration::from_hours(24 * 365);

/// Reads a duration: whole numbers with units `h`, `m`, `s`, `ms`, `us`, `ns`, one after another
/// with or without blanks between them. The error is the remedy.
pub fn parse(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("write a number and a unit, such as \"500ms\" or \"1h 5m\"".to_owned());
    }
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let (part, after) = part(rest)?;
        nanos = nanos.saturating_add(part);
        rest = after.trim_start();
    }
    if nanos > LONGEST.as_nanos() {
        return Err("write a year (\"8760h\") at most".to_owned());
    }
    Ok(Duration::from_nanos(u64::try_from(nanos).expect("a year of nanoseconds fits 64 bits")))
}

/// Reads the first number and unit; returns their nanoseconds, and what follows them.
fn part(text: &str) -> Result<(u128, &str), String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    if rest.starts_with('.') && digits > 0 {
        return Err("write whole numbers: \"1s 500ms\" rather than \"1.5s\"".to_owned());
    }
    if number.is_empty() {
        return Err("write a number and a unit, such as \"500ms\" or \"1h 5m\"".to_owned());
    }
    let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (unit, after) = rest.split_at(letters);
    let Some((_, nanos)) = UNITS.iter().find(|(known, _)| *known == unit) else {
        return Err("write a unit right after each number: h, m, s, ms, us or ns".to_owned());
    };
    let number: u128 = number.parse().unwrap_or(u128::MAX);
    Ok((number.saturating_mul(*nanos), after))
}

/// Returns the text that [`parse`] reads back: as few parts as possible, the longest unit first.
pub fn text(duration: Duration) -> String {
    let mut rest = duration.as_nanos();
    let mut text = String::new();
    for (unit, nanos) in UNITS {
        let count = rest / nanos;
        rest %= nanos;
        if count > 0 {
            let blank = if text.is_empty() { "" } else { " " };
            write!(text, "{blank}{count}{unit}").expect("a String takes all text");
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Returns the text of a length of time that was measured: whole milliseconds, rounded down.
pub fn rounded(duration: Duration) -> String {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    text(Duration::from_millis(milliseconds))
}

/// Returns a moment to the millisecond, rounded down: `1.042s`, `2m 57.080s`, `1h 48m 3.500s`.
pub fn moment(ns: u64) -> String {
    let ms = ns / 1_000_000;
    let (minutes, rest) = (ms / 60_000, ms % 60_000);
    let seconds = format!("{}.{:03}s", rest / 1000, rest % 1000);
    match (minutes / 60, minutes % 60) {
        (0, 0) => seconds,
        (0, minutes) => format!("{minutes}m {seconds}"),
        (hours, minutes) => format!("{hours}h {minutes}m {seconds}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{moment, rounded, text};

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_length_of_time_has_the_units_that_a_person_would_use() {
        assert_eq!(text(Duration::from_secs(518_400)), "144h");
        assert_eq!(text(Duration::from_millis(90_500)), "1m 30s 500ms");
        assert_eq!(rounded(Duration::from_nanos(3_250_999_999)), "3s 250ms");
        assert_eq!(
            (text(Duration::ZERO), rounded(Duration::from_nanos(9))),
            ("0s".into(), "0s".into())
        );
    }

    #[test]
    fn a_moment_keeps_its_milliseconds() {
        assert_eq!(moment(1_042_999_999), "1.042s");
        assert_eq!(moment(177 * SECOND + 80_000_000), "2m 57.080s");
        assert_eq!(moment(6_483 * SECOND), "1h 48m 3.000s");
    }
}
