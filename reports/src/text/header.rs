//! The head of the report: which run it shows, the verdict, how large the run was.

use checks::record::{Ended, Machine, MachineKind, Record, Why};

use crate::{
    COLUMNS, line,
    time::exact,
    words::{clean, count, cut, verdict, wrap},
};

/// The column in which the values begin.
const MARGIN: usize = 10;
/// The most characters of the scenario's name.
const NAME: usize = 60;
/// The most lines of what the scenario shows.
const ABOUT_LINES: usize = 4;
/// The most lines of the sentence that says why a run did not pass.
const SENTENCE_LINES: usize = 4;

pub(super) fn lines(record: &Record) -> Vec<String> {
    let name = cut(&clean(&record.scenario.name), NAME);
    let seed = format!("seed {}", record.seed);
    let verdict = verdict(record.verdict);
    let mut lines = vec![format!("scenario  {name:<46}  {seed:<24}  {verdict}")];
    lines.extend(indented(&record.scenario.about, ABOUT_LINES));
    if let Some(schedule) = &record.scenario.schedule {
        lines.push(format!("{:<MARGIN$}{}", "schedule", clean(schedule)));
    }
    lines.extend(indented(&size(record), 2));
    if let Some(sentence) = line::sentence(record) {
        lines.push(String::new());
        lines.extend(bounded(&sentence, COLUMNS, SENTENCE_LINES));
    }
    lines
}

/// Says how large a run was, and how it ended.
pub(crate) fn size(record: &Record) -> String {
    let machines = [
        (MachineKind::Backend, "backends"),
        (MachineKind::Relay, "relays"),
        (MachineKind::Device, "devices"),
    ];
    let there = machines.map(|(kind, plural)| (of_kind(&record.nodes, kind), plural));
    let there = there.into_iter().filter(|(n, _)| *n > 0);
    let deeds = record.deeds.as_ref();
    let deeds =
        deeds.map(|deeds| (usize::try_from(deeds.count).unwrap_or(usize::MAX), &*deeds.word));
    let happened = [
        deeds.unwrap_or((record.messages.len(), "sends")),
        (record.faults.len(), "faults"),
        (record.events.len(), "events"),
    ];
    let skipped = Some((record.skipped.len(), "skipped operations")).filter(|(n, _)| *n > 0);
    let counted: Vec<String> =
        there.chain(happened).chain(skipped).map(|(n, plural)| count(n as u64, plural)).collect();
    format!("{}; {}", counted.join(", "), ended(&record.ended))
}

fn of_kind(nodes: &[Machine], kind: MachineKind) -> usize {
    nodes.iter().filter(|node| node.kind == kind).count()
}

fn ended(ended: &Ended) -> String {
    let at = exact(ended.at_ns);
    match ended.why {
        Why::Settled => format!("settled at {at}"),
        Why::Limit => format!("not settled when its time was over, at {at}"),
        Why::Panic => format!("ended by a panic at {at}"),
        Why::Misbehavior => format!("ended by what a node did at {at}"),
    }
}

fn indented(text: &str, most: usize) -> Vec<String> {
    let lines = bounded(text, COLUMNS - MARGIN, most);
    lines.into_iter().map(|line| format!("{}{line}", " ".repeat(MARGIN))).collect()
}

fn bounded(text: &str, width: usize, most: usize) -> Vec<String> {
    let mut lines = wrap(&clean(text), width);
    if lines.len() > most {
        lines.truncate(most);
        let cut_off = lines.pop().unwrap_or_default();
        lines.push(format!("{}…", cut(&cut_off, width - 1).trim_end_matches('…')));
    }
    lines
}
