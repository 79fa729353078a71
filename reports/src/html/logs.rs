//! What the programs logged until the violation, machine by machine.

use std::collections::BTreeMap;

use ::checks::record::LogLine;
use maud::{Markup, html};

use super::Run;
use crate::time::signed;

/// The most lines that are shown of a machine: the last ones.
const MOST: usize = 100;

/// The most machines that are shown.
const MOST_MACHINES: usize = 40;

pub(super) fn section(run: &Run<'_>) -> Option<Markup> {
    let until = run.violation.map_or(i64::MAX, |event| event.at_ns);
    let mut by_machine: BTreeMap<&str, Vec<&LogLine>> = BTreeMap::new();
    for line in run.record.meta.logs.iter().filter(|line| line.at_ns <= until) {
        by_machine.entry(&line.node).or_default().push(line);
    }
    if by_machine.is_empty() {
        return None;
    }
    let left_out = by_machine.len().saturating_sub(MOST_MACHINES);
    let when = if run.violation.is_some() { "until the violation" } else { "until the end" };
    Some(html! {
        p { "What the programs logged " (when) ", the last " (MOST) " lines of each." }
        @for (machine, lines) in by_machine.iter().take(MOST_MACHINES) {
            @let earlier = lines.len().saturating_sub(MOST);
            @let word = if lines.len() == 1 { "line" } else { "lines" };
            details {
                summary { (machine) span.of { " " (lines.len()) " " (word) } }
                pre tabindex="0" role="region" aria-label={ "Log of " (machine) } {
                    @if earlier > 0 { "… " (earlier) " earlier …\n" }
                    @for line in &lines[earlier..] { (told(line)) }
                }
            }
        }
        @if left_out > 0 { p.hint { "and " (left_out) " more machines" } }
    })
}

fn told(line: &LogLine) -> Markup {
    let text = format!("{:>12}  {:<5}  {}\n", signed(line.at_ns), line.level, line.text);
    html! { @if line.level == "INFO" { (text) } @else { span.bad { (text) } } }
}
