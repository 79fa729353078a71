//! The text report: header, faults, messages, checks, evidence.
//!
//! At most [`crate::COLUMNS`] wide and [`crate::LINES`] long, whatever the run, and without any
//! wall-clock value.

mod checks;
mod evidence;
mod faults;
pub(crate) mod header;
mod messages;

use ::checks::Record;

use crate::{Kind, LINES, Renderer};

/// The report that people read.
pub const RENDERER: Renderer = Renderer {
    name: "text",
    file: "report.txt",
    about: "a page of text: for terminals, mails and snapshots",
    kind: Kind::OfRecord(render),
};

/// Returns the report of a run, ending in a line feed.
pub fn render(record: &Record) -> String {
    let mut lines = header::lines(record);
    let sections = [
        faults::lines(&record.faults),
        messages::lines(&record.messages, &record.skipped),
        checks::lines(&record.checks),
        evidence::lines(record),
    ];
    for section in sections.into_iter().filter(|section| !section.is_empty()) {
        lines.push(String::new());
        lines.extend(section);
    }
    // Each section has a limit of its own, and together they stay below this one.
    assert!(lines.len() <= LINES, "a report of {} lines", lines.len());
    lines.join("\n") + "\n"
}
