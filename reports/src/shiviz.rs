//! One run as a log with vector clocks, for `ShiViz` (`bestchai.bitbucket.io/shiviz`): two lines for
//! each entry, read by its usual expression `(?<event>.*)\n(?<host>\S*) (?<clock>{.*})`.

use std::{collections::BTreeMap, fmt::Write as _};

use checks::Record;

use crate::{Kind, Renderer, evidence, time::signed, words::clean};

/// The log.
pub const RENDERER: Renderer = Renderer {
    name: "shiviz",
    file: "shiviz.log",
    about: "a log with vector clocks, for ShiViz, which also compares two runs",
    kind: Kind::OfRecord(render),
};

/// The most entries: each carries a clock with a count for every machine that it knows of.
const MOST: usize = 20_000;

type Clock<'r> = BTreeMap<&'r str, u64>;

/// Returns the log.
pub fn render(record: &Record) -> String {
    let mut clocks: BTreeMap<&str, Clock<'_>> = BTreeMap::new();
    let mut at_entry: BTreeMap<u64, Clock<'_>> = BTreeMap::new();
    let mut text = String::new();
    for event in record.events.iter().take(MOST) {
        let clock = clocks.entry(&event.node).or_default();
        *clock.entry(&event.node).or_default() += 1;
        let cause = event.cause.and_then(|n| at_entry.get(&n));
        for (machine, count) in cause.into_iter().flatten() {
            let known = clock.entry(machine).or_default();
            *known = (*known).max(*count);
        }
        at_entry.insert(event.n, clock.clone());
        let clock = serde_json::to_string(clock).expect("a clock has only string keys");
        let what = clean(&evidence::what(event));
        let result = evidence::result(event).as_deref().map(clean).unwrap_or_default();
        let at = signed(event.at_ns);
        let line = format!("#{} {at} {what} {result}", event.n);
        let host: String = event.node.split_whitespace().collect();
        writeln!(text, "{}\n{host} {clock}", line.trim_end()).expect("a String takes all text");
    }
    text
}
