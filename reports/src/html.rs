//! One run as a page that needs nothing else: no network, no script, no other file.
//!
//! Sections, in the order of the page:
//! - `head`: the verdict, in a sentence, and the commands that repeat it.
//! - `evidence`: the journal entries that show the violation, with what they carried.
//! - `checks`, `matrix` (messages by device), `faults` (when each was in force).
//! - `diagram`: who said what to whom, and what became of it.
//! - `delays`, `nodes` (each machine at the violation), `logs` (what they logged until then),
//!   `scenario`, `journal`.
//!
//! `frame` is what is around them: style, script, and the policy that forbids every request. Text
//! from outside comes onto the page through `maud` alone, which escapes it.

mod axis;
mod checks;
mod delays;
mod diagram;
mod evidence;
mod faults;
pub(crate) mod frame;
mod head;
mod journal;
mod logs;
mod matrix;
mod nodes;
mod scenario;

use ::checks::{
    Record,
    record::{CheckRecord, EventRecord, MachineKind},
};
use ::journal::Recording;
use maud::html;

use crate::{
    Kind, Renderer, Source, evidence as shown,
    exchange::{Exchange, exchanges},
    time::signed,
};

/// The page.
pub const RENDERER: Renderer = Renderer {
    name: "html",
    file: "report.html",
    about: "a page for browsers that needs nothing else: drawn, and to be searched",
    kind: Kind::OfSource(render),
};

/// A run, as far as several sections need it.
struct Run<'r> {
    record: &'r Record,
    recording: Option<&'r Recording>,
    shrunk: Option<&'r str>,
    exchanges: Vec<Exchange<'r>>,
    /// The check that the evidence is about.
    check: Option<&'r CheckRecord>,
    /// The event at which it was violated.
    violation: Option<&'r EventRecord>,
}

impl<'r> Run<'r> {
    fn of(source: &Source<'r>) -> Self {
        let record = source.record;
        Self {
            record,
            recording: source.recording,
            shrunk: source.shrunk,
            exchanges: exchanges(&record.events),
            check: shown::shown(record),
            violation: shown::violation(record),
        }
    }

    fn kind_of(&self, machine: &str) -> Option<MachineKind> {
        self.record.nodes.iter().find(|node| node.name == machine).map(|node| node.kind)
    }
}

/// Returns the time of an event as the page shows it.
fn time(event: &EventRecord) -> String {
    signed(event.at_ns)
}

/// Returns the page about a run. The same record and journal give the same page, byte for byte.
pub fn render(source: &Source<'_>) -> String {
    let run = Run::of(source);
    let sections = [
        ("evidence", "How it came about", evidence::section(&run)),
        ("checks", "Checks", checks::section(&run)),
        ("messages", "Messages", matrix::section(&run)),
        ("faults", "Faults", faults::section(&run)),
        ("diagram", "Space and time", diagram::section(&run)),
        ("delays", "Delays", delays::section(&run)),
        ("nodes", "Machines", nodes::section(&run)),
        ("logs", "Logs", logs::section(&run)),
        ("scenario", "Scenario", Some(scenario::section(&run))),
        ("journal", "Journal", journal::section(&run)),
    ];
    let there: Vec<_> =
        sections.iter().filter_map(|(id, title, it)| Some((*id, *title, it.as_ref()?))).collect();
    let body = html! {
        (head::header(&run))
        nav.sections aria-label="Sections" {
            @for (id, title, _) in &there { a href={ "#" (id) } { (title) } }
        }
        main {
            (head::verdict(&run))
            @for (id, title, content) in &there {
                details.section id=(id) open[*id != "journal" && *id != "scenario"] {
                    summary { h2 { (title) } }
                    (content)
                }
            }
        }
    };
    let word = crate::words::verdict(run.record.verdict);
    frame::page(&format!("{word} {} (seed {})", run.record.scenario.name, run.record.seed), &body)
}
