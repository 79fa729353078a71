//! The faults: when each was in force, and what it touched.

use checks::record::FaultRecord;

use crate::{
    table::{Table, bound, left, right},
    time::exact,
    words::count,
};

/// The most lines of the table.
const MOST: usize = 11;
/// Up to this many faults, a long trigger is shown whole.
const FEW: usize = 5;
/// The most characters of what a fault is.
const WHAT: usize = 60;
/// The most characters of what a fault touched.
const TOUCHED: usize = 26;

pub(super) fn lines(faults: &[FaultRecord]) -> Vec<String> {
    if faults.is_empty() {
        return Vec::new();
    }
    let mut table =
        Table::new(vec![right(usize::MAX), left(WHAT), left(TOUCHED), left(usize::MAX)])
            .wrapping(if faults.len() > FEW { 1 } else { 3 });
    let width = faults.iter().map(|fault| until(fault).chars().count()).max().unwrap_or(0);
    for fault in faults {
        let dash = if fault.from_ns.is_some() { '–' } else { ' ' };
        let lasted = format!("{} {dash} {:>width$}", began(fault), until(fault));
        table.push(&[lasted, fault.what.clone(), touched(fault), when(fault)]);
    }
    let mut lines = vec!["faults".to_owned()];
    lines.extend(bound(table.lines(), MOST, |left| more(faults, left)));
    lines
}

fn began(fault: &FaultRecord) -> String {
    fault.from_ns.map_or_else(|| "never".to_owned(), exact)
}

fn until(fault: &FaultRecord) -> String {
    match (fault.from_ns, fault.until_ns) {
        (None, _) => String::new(),
        (Some(_), Some(until)) => exact(until),
        (Some(_), None) => "the end".to_owned(),
    }
}

fn touched(fault: &FaultRecord) -> String {
    match (fault.requests, fault.hits) {
        (0, 0) => "inert".to_owned(),
        (0, hits) => format!("no request, {}", count(hits, "hits")),
        (requests, _) => format!("touched {}", count(requests, "requests")),
    }
}

/// Says when a fault was to begin, if that is worth saying: a trigger is, and so is a time that
/// never came; any other time is already in the first column.
fn when(fault: &FaultRecord) -> String {
    if fault.from_ns.is_some() && fault.when.starts_with("at ") {
        return String::new();
    }
    fault.when.clone()
}

fn more(faults: &[FaultRecord], left: usize) -> String {
    let rest = &faults[faults.len() - left..];
    let inert = rest.iter().filter(|fault| fault.hits == 0).count() as u64;
    let requests = rest.iter().map(|fault| fault.requests).sum();
    let touched = count(requests, "requests");
    format!("and {left} more: {inert} inert, the others touched {touched}")
}
