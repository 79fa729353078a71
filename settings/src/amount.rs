//! Amounts with units: `28d`, `1m 30s`, `32MiB`. A number alone counts the smallest unit of such a
//! file, the millisecond or the byte.

use std::{fmt, time::Duration};

use serde::{Deserializer, de};

/// Units, and what each is in the smallest one.
pub(super) type Units = [(&'static str, u64)];

/// The units of durations.
pub(super) const DURATIONS: &Units =
    &[("d", 24 * 60 * 60 * 1000), ("h", 60 * 60 * 1000), ("m", 60 * 1000), ("s", 1000), ("ms", 1)];

/// The units of sizes.
pub(super) const SIZES: &Units = &[
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("B", 1),
];

/// Reads a duration: whole numbers with the units d, h, m, s, ms; or milliseconds.
///
/// # Errors
/// It is none.
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    sum_of(deserializer, DURATIONS).map(Duration::from_millis)
}

/// Returns the text of a duration as such a file has it, to the millisecond: `1m 30s`.
pub fn duration_text(duration: Duration) -> String {
    text(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), DURATIONS)
}

/// Reads a size: a whole number with one of the units B, KiB, MiB, GiB, kB, MB, GB; or bytes.
///
/// # Errors
/// It is none.
pub fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let bytes = sum_of(deserializer, SIZES)?;
    usize::try_from(bytes).map_err(|_| de::Error::custom("this machine has no such size"))
}

/// Reads a size of a key that may be missing.
///
/// # Errors
/// It is none.
pub fn some_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    bytes(deserializer).map(Some)
}

/// Reads amounts with these units; or a number of the smallest one.
pub(super) fn sum_of<'de, D: Deserializer<'de>>(
    deserializer: D,
    units: &'static Units,
) -> Result<u64, D::Error> {
    deserializer.deserialize_any(Amount { units })
}

/// Returns the text that is read as `amount`: of sizes the largest unit of which it is a multiple, and
/// of durations as many as it takes.
pub(super) fn text(amount: u64, units: &Units) -> String {
    let smallest = units.last().map_or("", |(unit, _)| *unit);
    if amount == 0 {
        return format!("0{smallest}");
    }
    let mut rest = amount;
    let mut parts = Vec::new();
    for (unit, size) in units {
        if rest >= *size && (units == DURATIONS || rest.is_multiple_of(*size)) {
            parts.push(format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    parts.join(" ")
}

/// What is expected of a text.
struct Amount {
    units: &'static Units,
}

impl de::Visitor<'_> for Amount {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units: Vec<_> = self.units.iter().map(|(unit, _)| *unit).collect();
        let example = match self.units {
            DURATIONS => "\"500ms\", \"1h 30m\" or \"28d\"",
            _ => "\"512KiB\" or \"32MiB\"",
        };
        let units = units.join(", ");
        write!(f, "whole numbers with units ({units}), such as {example}")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
        let unexpected = || E::invalid_value(de::Unexpected::Signed(number), &self);
        u64::try_from(number).map_err(|_| unexpected())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        let unexpected = || E::invalid_value(de::Unexpected::Str(text), &self);
        sum(text, self.units).ok_or_else(unexpected)
    }
}

/// Returns the sum of the amounts in `text`; none if that is not what it has.
pub(super) fn sum(text: &str, units: &Units) -> Option<u64> {
    let mut rest = text.trim();
    let mut sum: Option<u64> = None;
    while !rest.is_empty() {
        let (number, after) = split(rest, char::is_ascii_digit);
        let (unit, after) = split(after, char::is_ascii_alphabetic);
        let (_, size) = units.iter().find(|(known, _)| *known == unit)?;
        let amount = number.parse::<u64>().ok()?.checked_mul(*size)?;
        sum = Some(sum.unwrap_or(0).checked_add(amount)?);
        rest = after.trim_start();
    }
    sum
}

/// Returns the characters that `is_meant` and what follows them.
fn split(text: &str, is_meant: impl Fn(&char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !is_meant(&c)).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_whole_numbers_with_units() {
        assert_eq!(sum("28d", DURATIONS), Some(28 * 86_400_000));
        assert_eq!(sum(" 1m 30s500ms ", DURATIONS), Some(90_500));
        assert_eq!(sum("32MiB", SIZES), Some(32 << 20));
        for text in ["", "s", "5", "1.5s", "-1s", "1 s", "1parsec", "99999999999999999d"] {
            assert_eq!(sum(text, DURATIONS), None, "{text}");
        }
    }

    #[test]
    fn the_text_of_an_amount_is_read_as_that_amount() {
        for amount in [0, 1, 999, 30_000, 90_500, 86_400_000, u64::MAX] {
            assert_eq!(sum(&text(amount, DURATIONS), DURATIONS), Some(amount));
            assert_eq!(sum(&text(amount, SIZES), SIZES), Some(amount));
        }
        assert_eq!(text(28 * 86_400_000, DURATIONS), "28d");
        assert_eq!((text(32 << 20, SIZES), text(1001, SIZES)), ("32MiB".into(), "1001B".into()));
    }

    #[test]
    fn a_duration_is_told_as_a_file_has_it() {
        for (milliseconds, told) in [
            (0, "0ms"),
            (250, "250ms"),
            (60_000, "1m"),
            (90_500, "1m 30s 500ms"),
            (518_400_000, "6d"),
        ] {
            assert_eq!(duration_text(Duration::from_millis(milliseconds)), told);
        }
    }
}
