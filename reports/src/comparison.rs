//! Delivery policies side by side: a table for a terminal.

mod plot;

use checks::price::Price;

pub use self::plot::svg;
use crate::time;

/// A policy by its name in a scenario file, with the figures of its runs.
pub type Compared = (&'static str, Price);

/// The percentiles of the delay that are shown.
const PERCENTILES: [u64; 3] = [50, 90, 99];

/// Returns a table: a row for each policy, at most [`crate::COLUMNS`] wide.
pub fn text(policies: &[Compared]) -> Vec<String> {
    let head = [
        "policy",
        "sent",
        "accepted",
        "refused",
        "unanswered",
        "delivered",
        "partial",
        "p50",
        "p90",
        "p99",
        "requests",
        "kB sent",
        "kB stored",
    ];
    let rows = policies.iter().map(|(name, price)| row(name, price));
    let cells: Vec<Vec<String>> =
        std::iter::once(head.map(str::to_owned).to_vec()).chain(rows).collect();
    let widths: Vec<usize> = (0..head.len())
        .map(|column| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join(" ")
    };
    cells.iter().map(line).collect()
}

/// Returns what a row says, per message where that is what somebody pays for.
fn row(name: &str, price: &Price) -> Vec<String> {
    let share = |count: u64| percent(count, price.sent);
    let each = |count: u64| per(count, price.sent);
    let delays =
        PERCENTILES.map(|percent| price.delay(percent).map_or_else(|| "-".to_owned(), short));
    let mut cells = vec![
        name.to_owned(),
        price.sent.to_string(),
        share(price.accepted),
        share(price.refused),
        share(price.unanswered),
        share(price.delivered),
        share(price.partial),
    ];
    cells.extend(delays);
    cells.push(each(price.requests));
    cells.extend([price.bytes, price.durable_bytes].map(|bytes| each(bytes / 1000)));
    cells
}

/// Returns a delay in few characters: `85ms`, `12.3s`, `2m 57s`.
fn short(ns: u64) -> String {
    const MS: u64 = 1_000_000;
    if ns < 1_000 * MS { format!("{}ms", ns / MS) } else { time::coarse(ns) }
}

/// Returns a share of a whole with one decimal: `99.5%`.
fn percent(count: u64, of: u64) -> String {
    let tenths = (count * 1000 + of / 2).checked_div(of).unwrap_or(0);
    format!("{}.{}%", tenths / 10, tenths % 10)
}

fn per(count: u64, of: u64) -> String {
    let tenths = (count * 10 + of / 2).checked_div(of).unwrap_or(0);
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::{per, percent, short, svg, text};
    use checks::price::Price;

    #[test]
    fn shares_are_rounded_and_nothing_is_divided_by_nothing() {
        assert_eq!((percent(1, 3), percent(0, 0)), ("33.3%".to_owned(), "0.0%".to_owned()));
        assert_eq!((per(7, 2), per(1, 0)), ("3.5".to_owned(), "0.0".to_owned()));
        assert_eq!(
            (short(85_999_999), short(12_300_000_000)),
            ("85ms".to_owned(), "12.3s".to_owned())
        );
    }

    #[test]
    fn every_policy_has_a_row_that_fits_a_terminal_and_a_place_in_the_plot() {
        let mut price = Price::default();
        (price.sent, price.accepted) = (123_456, 123_000);
        let policies = [("m1-2021", price.clone()), ("eventual", price)];
        let table = text(&policies);
        assert_eq!(table.len(), 3);
        assert!(table.iter().all(|line| line.chars().count() <= crate::COLUMNS), "{table:#?}");
        let plot = svg("a-name", &policies);
        assert!(
            policies.iter().all(|(name, _)| plot.contains(&format!(">{name}</text>"))),
            "{plot}"
        );
    }
}
