//! The head of the page: which run it shows, the verdict in a sentence, and what to do next.

use ::checks::record::{Record, Verdict};
use maud::{Markup, html};

use super::Run;
use crate::{
    line::{self, Status},
    text::header,
    words::program,
};

/// The most faults that are named beside the verdict.
const FAULTS: usize = 3;

pub(super) fn header(run: &Run<'_>) -> Markup {
    let record = run.record;
    html! {
        header.top {
            p.over { "fedsim run report" }
            h1 { (record.scenario.name) " " span.seed { "seed " (record.seed) } }
            p.about { (record.scenario.about) }
            p.facts {
                (header::size(record))
                @if let Some(schedule) = &record.scenario.schedule { "; schedule " (schedule) }
            }
        }
    }
}

pub(super) fn verdict(run: &Run<'_>) -> Markup {
    let record = run.record;
    let weaknesses = record.weaknesses();
    let status = Status::of(record, &weaknesses);
    let (class, sign) = sign(status);
    let sentence = line::sentence(record);
    html! {
        section.verdict.(class) id="verdict" aria-label="Verdict" {
            p.word { span aria-hidden="true" { (sign) } " " (status.word()) }
            p.sentence {
                @match &sentence {
                    Some(sentence) => (sentence),
                    None if weaknesses.is_empty() => "Everything that was promised was kept.",
                    None => "Everything that was promised was kept, but this proves less than it seems.",
                }
            }
            @if record.verdict == Verdict::Pass && !weaknesses.is_empty() {
                ul { @for weakness in &weaknesses { li { (weakness) } } }
            }
            @if record.verdict == Verdict::Fail { (faults(run)) }
            (commands(record))
        }
    }
}

/// Returns the class and the sign of a verdict: its color is never alone.
fn sign(status: Status) -> (&'static str, &'static str) {
    match status {
        Status::Pass => ("pass", "✓"),
        Status::Fail => ("fail", "✕"),
        Status::Warn => ("warn", "!"),
        Status::Unknown => ("unknown", "?"),
    }
}

fn faults(run: &Run<'_>) -> Markup {
    let touching: Vec<_> = run.record.faults.iter().filter(|fault| fault.hits > 0).collect();
    html! {
        @if !touching.is_empty() {
            ul.what {
                @for fault in touching.iter().take(FAULTS) {
                    li { b { (fault.what) } ", " (fault.when) }
                }
                @if touching.len() > FAULTS { li { "and " (touching.len() - FAULTS) " more" } }
            }
        }
    }
}

/// The commands name the folder of the page as the one in which the reader stands, because a page
/// can be moved with its folder; the script puts its path there where it knows it.
fn commands(record: &Record) -> Markup {
    let program = program(record);
    let is_of_real_time = record.is_of_real_time();
    html! {
        dl.commands {
            @if is_of_real_time {
                (command("judge it again", &format!("{program} judge .")))
            } @else {
                (command("run it again", &format!("{program} replay .")))
                @if record.verdict == Verdict::Fail {
                    (command("make it smaller", &format!("{program} shrink .")))
                }
            }
            (command("read its journal", &format!("{program} show .")))
        }
        p.hint { "In the folder of this page, which " code { (program) } " wrote." }
    }
}

fn command(what: &str, command: &str) -> Markup {
    html! { div { dt { (what) } dd { code.command { (command) } } } }
}
