//! How simulated times are written.

pub use journal::duration::moment as exact;

const NS_PER_MS: u64 = 1_000_000;
const MS_PER_MINUTE: u64 = 60_000;
const MINUTES_PER_HOUR: u64 = 60;

/// Returns the time of an event as reports write it; one before the cluster was ready is negative.
pub fn signed(ns: i64) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    format!("{sign}{}", exact(ns.unsigned_abs()))
}

/// Reads a time as [`exact`] and [`signed`] write it, in nanoseconds; a number alone is
/// seconds. None if it is no time.
pub fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let mut total: i64 = 0;
    let mut rest = text.trim_start();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let unit_end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        total = total.checked_add(part(number, unit)?)?;
        rest = after.trim_start();
    }
    Some(sign * total)
}

/// Returns the nanoseconds of a number with its unit.
fn part(number: &str, unit: &str) -> Option<i64> {
    let unit: i64 = match unit {
        "h" => 3_600_000_000_000,
        "m" => 60_000_000_000,
        "s" | "" => 1_000_000_000,
        "ms" => 1_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut nanoseconds = whole.parse::<i64>().ok()?.checked_mul(unit)?;
    let mut worth = unit;
    for digit in fraction.chars() {
        worth /= 10;
        nanoseconds = nanoseconds.checked_add(i64::from(digit.to_digit(10)?) * worth)?;
    }
    Some(nanoseconds)
}

/// Returns a length of time in its two largest units: `12.3s`, `2m 57s`, `1h 48m`.
pub fn coarse(ns: u64) -> String {
    let ms = ns / NS_PER_MS;
    let (minutes, rest) = (ms / MS_PER_MINUTE, ms % MS_PER_MINUTE);
    match (minutes / MINUTES_PER_HOUR, minutes % MINUTES_PER_HOUR) {
        (0, 0) => format!("{}.{}s", rest / 1000, rest % 1000 / 100),
        (0, minutes) => format!("{minutes}m {}s", rest / 1000),
        (hours, minutes) => format!("{hours}h {minutes}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_time_that_was_written_is_read() {
        for ns in [1_042 * NS_PER_MS, 177_080 * NS_PER_MS, 6_483_500 * NS_PER_MS] {
            assert_eq!(parse(&exact(ns)), i64::try_from(ns).ok());
        }
        assert_eq!(parse("-0.410s"), Some(-410_000_000));
        assert_eq!((parse("2"), parse("250ms")), (Some(2_000_000_000), Some(250_000_000)));
        assert!(["", "-", "s", "1x", "1.2.3s", "soon"].iter().all(|text| parse(text).is_none()));
    }

    #[test]
    fn a_coarse_time_keeps_two_units() {
        assert_eq!(coarse(12_345 * NS_PER_MS), "12.3s");
        assert_eq!(coarse(177 * SECOND), "2m 57s");
        assert_eq!(coarse(6_483 * SECOND), "1h 48m");
    }
}
