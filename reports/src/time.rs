//! How simulated times are written.

const NS_PER_MS: u64 = 1_000_000;
const MS_PER_MINUTE: u64 = 60_000;
const MINUTES_PER_HOUR: u64 = 60;

/// Returns a time to the millisecond, rounded down: `1.042s`, `2m 57.080s`, `1h 48m 3.500s`.
pub fn exact(ns: u64) -> String {
    let ms = ns / NS_PER_MS;
    let (minutes, rest) = (ms / MS_PER_MINUTE, ms % MS_PER_MINUTE);
    let seconds = format!("{}.{:03}s", rest / 1000, rest % 1000);
    match (minutes / MINUTES_PER_HOUR, minutes % MINUTES_PER_HOUR) {
        (0, 0) => seconds,
        (0, minutes) => format!("{minutes}m {seconds}"),
        (hours, minutes) => format!("{hours}h {minutes}m {seconds}"),
    }
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
    fn an_exact_time_keeps_its_milliseconds() {
        assert_eq!(exact(1_042_999_999), "1.042s");
        assert_eq!(exact(177 * SECOND + 80 * NS_PER_MS), "2m 57.080s");
        assert_eq!(exact(6_483 * SECOND), "1h 48m 3.000s");
    }

    #[test]
    fn a_coarse_time_keeps_two_units() {
        assert_eq!(coarse(12_345 * NS_PER_MS), "12.3s");
        assert_eq!(coarse(177 * SECOND), "2m 57s");
        assert_eq!(coarse(6_483 * SECOND), "1h 48m");
    }
}
