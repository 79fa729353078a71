//! What was promised, and what became of it.

use ::checks::record::{CheckKind, CheckRecord, CheckVerdict};
use maud::{Markup, html};

use super::Run;
use crate::{
    evidence::find,
    time::exact,
    words::{check_verdict, count, kind},
};

pub(super) fn section(run: &Run<'_>) -> Option<Markup> {
    let checks = &run.record.checks;
    let (quiet, loud): (Vec<&CheckRecord>, Vec<&CheckRecord>) =
        checks.iter().partition(|check| is_quiet(check));
    (!checks.is_empty()).then(|| {
        html! {
            @if !loud.is_empty() { (table(run, &loud)) }
            @if !quiet.is_empty() {
                ul.held {
                    @for check in quiet {
                        li { b.good { "✓ " (check.name) } " " span.quiet { (kind(check.kind)) ", " (found(check)) } }
                    }
                }
            }
        }
    })
}

fn table(run: &Run<'_>, checks: &[&CheckRecord]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Checks" {
            table.checks {
                thead { tr { th { "verdict" } th { "check" } th { "promised" } th.num { "at" } th { "found" } } }
                tbody { @for check in checks { (row(run, check)) } }
            }
        }
    }
}

fn is_quiet(check: &CheckRecord) -> bool {
    matches!(check.verdict, CheckVerdict::Holds | CheckVerdict::Reached)
        && !check.must_break
        && !is_vacuous(check)
}

fn row(run: &Run<'_>, check: &CheckRecord) -> Markup {
    let (class, sign) = match (check.verdict, check.must_break) {
        (CheckVerdict::Violated, false) | (CheckVerdict::Holds, true) => ("bad", "✕"),
        (CheckVerdict::Violated, true) => ("doubtful", "✓"),
        (CheckVerdict::Holds, false) if is_vacuous(check) => ("doubtful", "!"),
        (CheckVerdict::Holds | CheckVerdict::Reached, _) => ("good", "✓"),
        (CheckVerdict::Never, _) => ("doubtful", "!"),
        (CheckVerdict::Unknown, _) => ("doubtful", "?"),
    };
    html! {
        tr {
            td.(class) { span aria-hidden="true" { (sign) } " " (check_verdict(check.verdict, check.must_break)) }
            td { b { (check.name) } }
            td { (kind(check.kind)) }
            td.num {
                @if let Some(at) = check.at_ns {
                    @match entry(run, check, at) {
                        Some(n) => a href={ "#j" (n) } { (exact(at)) },
                        None => (exact(at)),
                    }
                }
            }
            td { (found(check)) }
        }
    }
}

/// Returns the evidence of that time, or else the first of it.
fn entry(run: &Run<'_>, check: &CheckRecord, at_ns: u64) -> Option<u64> {
    let is_then = |n: &&u64| {
        find(&run.record.events, **n).is_some_and(|it| u64::try_from(it.at_ns) == Ok(at_ns))
    };
    // What shows it comes after what led to it.
    check.evidence.iter().rfind(is_then).or(check.evidence.first()).copied()
}

fn is_vacuous(check: &CheckRecord) -> bool {
    check.judged == 0 && check.kind != CheckKind::Sometimes
}

fn found(check: &CheckRecord) -> String {
    let judged = if is_vacuous(check) {
        format!("vacuous: there were no {}", check.of)
    } else {
        count(check.judged, &check.of)
    };
    let found = check.sentence.clone().unwrap_or(judged);
    if check.must_break { format!("(must break) {found}") } else { found }
}
