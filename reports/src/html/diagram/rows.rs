//! Which entry stands in which row: rows follow the order of the journal, not the clock.

use std::collections::BTreeMap;

use ::checks::record::EventRecord;
use maud::{Markup, html};

use super::lanes::MARGIN;
use crate::{
    html::Run,
    time::{coarse, exact, signed},
};

/// Idle time longer than this is folded: 1 s.
const FOLDED: u64 = 1_000_000_000;
/// The least distance between two times in the margin.
const APART: i32 = 14;
/// The row that says what was violated.
const VIOLATION: i32 = 34;

/// The rows of a picture.
pub(super) struct Rows<'r> {
    /// Where each entry stands.
    y: BTreeMap<u64, i32>,
    /// The time of each row that has another one than the row before.
    times: Vec<(i32, String)>,
    /// Where idle time is folded, and how much.
    idle: Vec<(i32, String)>,
    /// Where the violation is told.
    violation: Option<(i32, &'r str)>,
    height: i32,
}

impl<'r> Rows<'r> {
    pub(super) fn of(run: &Run<'r>, events: &[&'r EventRecord]) -> Self {
        let mut rows = Self {
            y: BTreeMap::new(),
            times: Vec::new(),
            idle: Vec::new(),
            violation: None,
            height: 0,
        };
        let (mut y, mut before, mut labelled) = (6, None, i32::MIN / 2);
        let mut below = 0;
        let mut written = String::new();
        for event in events {
            let passed = before.map_or(0, |before| event.since(before));
            if passed > FOLDED {
                rows.idle.push((y + 25, format!("⋮ {} idle", coarse(passed))));
                y += 32;
            }
            before = Some(*event);
            y += above(event) + below;
            below = self::below(event);
            let time = signed(event.at_ns);
            if time != written {
                y = y.max(labelled + APART);
                rows.times.push((y, time.clone()));
                (written, labelled) = (time, y);
            }
            rows.y.insert(event.n, y);
            if run.violation.is_some_and(|it| it.n == event.n) {
                y += VIOLATION;
                let sentence = run.check.and_then(|check| check.sentence.as_deref());
                rows.violation = Some((y - 12, sentence.unwrap_or("violated")));
            }
        }
        rows.height = y + 24;
        rows
    }

    pub(super) fn y(&self, n: u64) -> Option<i32> {
        self.y.get(&n).copied()
    }

    /// Returns the first row that is not before entry `n`, or the end.
    pub(super) fn from(&self, n: u64) -> i32 {
        self.y.range(n..).next().map_or(self.height, |(_, y)| *y)
    }

    pub(super) fn height(&self) -> i32 {
        self.height
    }

    /// Draws the times, the folds, and the violation.
    pub(super) fn margin(&self, width: i32) -> Markup {
        let line = |(y, _): &(i32, _)| format!("M{} {y}H{width}", MARGIN - 6);
        // One path, since a large run has a thousand of them.
        let lines: String = self.times.iter().map(line).collect();
        html! {
            path.row d=(lines) {}
            g text-anchor="end" {
                @for (y, time) in &self.times { text.time x=(MARGIN - 12) y=(y + 4) { (time) } }
            }
            @for (y, text) in &self.idle {
                rect.idle x="0" y=(y - 13) width=(width) height="18" {}
                text.idle x=(MARGIN + 8) y=(y) { (text) }
            }
            @if let Some((y, sentence)) = self.violation {
                rect.violated x="0" y=(y - 15) width=(width) height="22" {}
                text.violation x="10" y=(y) { "✕ " (sentence) }
            }
        }
    }
}

/// Returns the room above an entry: for the words that stand there.
fn above(event: &EventRecord) -> i32 {
    match &*event.kind {
        "request_arrived" | "answer_arrived" => 9,
        "disk_synced" | "disk_written" => 6,
        "fault_began" | "fault_ended" => 24,
        _ => 18,
    }
}

/// Returns the room below an entry whose words stand beside it, and not above.
fn below(event: &EventRecord) -> i32 {
    let is_beside = matches!(
        &*event.kind,
        "note" | "booted" | "exited" | "request_lost" | "request_dropped" | "connect_failed"
    );
    if is_beside { 7 } else { 0 }
}

/// Returns how much later than usual something came, in words.
pub(super) fn later(ns: u64) -> String {
    format!("+{}", exact(ns))
}
