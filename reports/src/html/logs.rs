//! What the programs logged, machine by machine, with the violation in its place.

use std::collections::BTreeMap;

use ::checks::record::LogLine;
use maud::{Markup, html};

use super::Run;
use crate::time::signed;

/// The most lines that are shown of a machine until the violation: the last ones.
const MOST: usize = 100;

/// The most that are shown after it: the first ones.
const MOST_AFTER: usize = 50;

/// The most machines that are shown.
const MOST_MACHINES: usize = 40;

pub(super) fn section(run: &Run<'_>) -> Option<Markup> {
    let violation = run.violation.map(|event| event.at_ns);
    let mut by_machine: BTreeMap<&str, Vec<&LogLine>> = BTreeMap::new();
    for line in &run.record.meta.logs {
        by_machine.entry(&line.node).or_default().push(line);
    }
    if by_machine.is_empty() {
        return None;
    }
    let left_out = by_machine.len().saturating_sub(MOST_MACHINES);
    Some(html! {
        p {
            "What the programs logged, the last " (MOST) " lines of each until "
            @if violation.is_some() { "the violation, and the first " (MOST_AFTER) " after it." }
            @else { "the end." }
        }
        @for (machine, lines) in by_machine.iter().take(MOST_MACHINES) {
            @let word = if lines.len() == 1 { "line" } else { "lines" };
            details {
                summary { (machine) span.of { " " (lines.len()) " " (word) } }
                pre tabindex="0" role="region" aria-label={ "Log of " (machine) } {
                    (log(lines, violation))
                }
            }
        }
        @if left_out > 0 { p.hint { "and " (left_out) " more machines" } }
    })
}

fn log(lines: &[&LogLine], violation: Option<i64>) -> Markup {
    let until = violation.unwrap_or(i64::MAX);
    let (before, after) = lines.split_at(lines.partition_point(|line| line.at_ns <= until));
    let earlier = before.len().saturating_sub(MOST);
    let later = after.len().saturating_sub(MOST_AFTER);
    html! {
        @if earlier > 0 { "… " (earlier) " earlier …\n" }
        @for line in &before[earlier..] { (told(line)) }
        @if let Some(at) = violation {
            span.bad { (format!("{:>12}  ✕ the violation\n", signed(at))) }
        }
        @for line in after.iter().take(MOST_AFTER) { (told(line)) }
        @if later > 0 { "… " (later) " later …\n" }
    }
}

fn told(line: &LogLine) -> Markup {
    let text = format!("{:>12}  {:<5}  {}\n", signed(line.at_ns), line.level, line.text);
    html! { @if line.level == "INFO" { (text) } @else { span.bad { (text) } } }
}
