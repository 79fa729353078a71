//! Durations as text: `500ms`, `1s`, `1h 5m`.

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
pub(crate) const LONGEST: Duration = Duration::from_hours(24 * 365);

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

/// Returns the text that `parse` reads back: as few parts as possible, the longest unit first.
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
