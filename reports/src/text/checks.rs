//! The checks: what was promised, and what became of it.

use checks::record::{CheckKind, CheckRecord, CheckVerdict};

use crate::{
    table::{Table, bound, left, right},
    time::exact,
    words::{check_verdict, count, kind},
};

/// The most lines of the table.
const MOST: usize = 24;
/// Up to this many checks, a long sentence is shown whole.
const FEW: usize = 12;

pub(super) fn lines(checks: &[CheckRecord]) -> Vec<String> {
    if checks.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new(vec![left(10), left(30), left(8), right(16), left(usize::MAX)])
        .wrapping(if checks.len() > FEW { 2 } else { 4 });
    let checks = in_order(checks);
    for check in &checks {
        table.push(&[
            kind(check.kind).to_owned(),
            check.name.clone(),
            check_verdict(check.verdict, check.must_break).to_owned(),
            check.at_ns.map_or_else(String::new, exact),
            found(check),
        ]);
    }
    let mut lines = vec!["checks".to_owned()];
    lines.extend(bound(table.lines(), MOST, |left| more(&checks, left)));
    lines
}

/// Puts the checks in the record's order. When there are too many to show, violations come first,
/// so that none of them is left out.
fn in_order(checks: &[CheckRecord]) -> Vec<&CheckRecord> {
    let mut order: Vec<&CheckRecord> = checks.iter().collect();
    if checks.len() > FEW {
        order.sort_by_key(|check| is_quiet(check));
    }
    order
}

fn is_quiet(check: &CheckRecord) -> bool {
    let quiet = matches!(check.verdict, CheckVerdict::Holds | CheckVerdict::Reached);
    quiet && !check.must_break
}

fn more(checks: &[&CheckRecord], left: usize) -> String {
    let rest = &checks[checks.len() - left..];
    match rest.iter().filter(|check| !is_quiet(check)).count() {
        0 => format!("and {left} more that hold"),
        loud => format!("and {left} more, {loud} of which do not hold"),
    }
}

fn found(check: &CheckRecord) -> String {
    let judged = match (check.judged, check.kind) {
        (0, CheckKind::Always | CheckKind::Eventually) => {
            format!("vacuous: there were no {}", check.of)
        }
        (0, CheckKind::Sometimes) => format!("0 {}", check.of),
        (judged, _) => count(judged, &check.of),
    };
    let text = check.sentence.as_ref().unwrap_or(&judged);
    if check.must_break { format!("(must break) {text}") } else { text.clone() }
}
