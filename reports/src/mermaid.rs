//! One run as Markdown with a Mermaid diagram: for pull requests, issues and the summaries of CI.

use std::fmt::Write as _;

use checks::{
    Record,
    record::{CheckVerdict, EventRecord, MachineKind},
};

use crate::{
    Kind, Renderer, evidence, line,
    text::{self, header},
    time::exact,
    words::{clean, cut},
};

/// The text that a code host shows.
pub const RENDERER: Renderer = Renderer {
    name: "markdown",
    file: "report.md",
    about: "Markdown with a Mermaid diagram: for pull requests, issues, CI",
    kind: Kind::OfRecord(render),
};

/// The most entries of the diagram: more of them is no picture.
const MOST: usize = 60;
/// The most characters of an arrow's words.
const WORDS: usize = 60;

/// Returns the Markdown.
pub fn render(record: &Record) -> String {
    let sentence = line::sentence(record);
    let word = crate::words::verdict(record.verdict);
    let mut text =
        format!("## {word}: {} (seed {})\n\n", plain(&record.scenario.name), record.seed);
    if let Some(sentence) = sentence {
        add(&mut text, &format!("**{}**\n\n", plain(&sentence)));
    }
    add(&mut text, &format!("{}\n\n{}\n\n", plain(&record.scenario.about), header::size(record)));
    add(&mut text, &faults(record));
    add(&mut text, &checks(record));
    if let Some(diagram) = diagram(record) {
        add(&mut text, &format!("```mermaid\n{diagram}```\n\n"));
    }
    let report = text::render(record);
    let fence = "`".repeat(longest_run(&report, '`').max(2) + 1);
    add(
        &mut text,
        &format!(
            "<details><summary>The whole report</summary>\n\n{fence}text\n{report}{fence}\n\n</details>\n"
        ),
    );
    text
}

fn add(text: &mut String, more: &str) {
    text.push_str(more);
}

fn faults(record: &Record) -> String {
    let mut text = String::new();
    for fault in record.faults.iter().filter(|fault| fault.hits > 0).take(MOST) {
        let from = fault.from_ns.map(exact).unwrap_or_default();
        let until = fault.until_ns.map_or_else(|| "the end".to_owned(), exact);
        writeln!(text, "- `{}`, {from} to {until}, {}", code(&fault.what), plain(&fault.when))
            .expect("a String takes all text");
    }
    if text.is_empty() { text } else { text + "\n" }
}

fn checks(record: &Record) -> String {
    let loud = |verdict| !matches!(verdict, CheckVerdict::Holds | CheckVerdict::Reached);
    let loud: Vec<_> = record.checks.iter().filter(|check| loud(check.verdict)).collect();
    let mut text = String::new();
    if loud.is_empty() {
        return text;
    }
    text.push_str("| check | verdict | at | found |\n|---|---|---|---|\n");
    for check in loud {
        let at = check.at_ns.map(exact).unwrap_or_default();
        let verdict = crate::words::check_verdict(check.verdict, check.must_break);
        let found = plain(check.sentence.as_deref().unwrap_or_default());
        writeln!(text, "| {} | {verdict} | {at} | {found} |", plain(&check.name))
            .expect("a String takes all text");
    }
    text + "\n"
}

/// Returns the evidence of a violation as a sequence diagram; none without evidence.
fn diagram(record: &Record) -> Option<String> {
    let check = evidence::shown(record).filter(|check| !check.evidence.is_empty())?;
    let events = check.evidence.iter().filter_map(|n| evidence::find(&record.events, *n));
    let events: Vec<&EventRecord> = events.take(MOST).collect();
    let taking_part = |name: &str| {
        events.iter().any(|event| event.node == name || event.to.as_deref() == Some(name))
    };
    let there: Vec<_> = record.nodes.iter().filter(|node| taking_part(&node.name)).collect();
    let first = there.first()?;
    // Names of machines can be words of Mermaid's: each takes part under a number.
    let alias =
        |name: &str| there.iter().position(|node| node.name == name).map(|n| format!("p{n}"));
    let mut text = "sequenceDiagram\n".to_owned();
    for (n, node) in there.iter().enumerate() {
        let kind = if node.kind == MachineKind::Device { "actor" } else { "participant" };
        writeln!(text, "  {kind} p{n} as {}", words(&node.name)).expect("a String takes all text");
    }
    let last = there.last().unwrap_or(first);
    let violation = evidence::violation(record);
    for event in events {
        let what = words(&evidence::what(event));
        let all = || Some(format!("{},{}", alias(&first.name)?, alias(&last.name)?));
        let line = match (alias(&event.node), event.to.as_deref().and_then(alias)) {
            (Some(from), Some(to)) => format!("{from}{}{to}: {what}", arrow(event)),
            (Some(at), None) => format!("Note over {at}: {what}"),
            (None, _) => format!("Note over {}: {what}", all()?),
        };
        writeln!(text, "  {line}").expect("a String takes all text");
        if violation.is_some_and(|it| it.n == event.n) {
            let sentence = words(check.sentence.as_deref().unwrap_or("violated"));
            writeln!(text, "  Note over {}: ✕ {sentence}", all()?)
                .expect("a String takes all text");
        }
    }
    Some(text)
}

fn arrow(event: &EventRecord) -> &'static str {
    match (&*event.kind, evidence::is_loss(event)) {
        (_, true) => "-x",
        ("answer_sent", _) => "-->>",
        _ => "->>",
    }
}

/// Returns text as Mermaid takes it beside an arrow: what it would read as its own is written as a
/// number.
fn words(text: &str) -> String {
    let mut words = String::new();
    for c in cut(&clean(text), WORDS).chars() {
        match c {
            '#' | ';' | ':' | '<' | '>' | '{' | '}' | '[' | ']' | '"' | '%' | '\\' | '`' | '&'
            | '$' => {
                write!(words, "#{};", u32::from(c)).expect("a String takes all text");
            }
            c => words.push(c),
        }
    }
    words
}

/// Returns text as Markdown shows it as it is.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in clean(text).chars() {
        if "\\`*_{}[]<>#|~!@".contains(c) {
            plain.push('\\');
        }
        plain.push(c);
    }
    plain
}

/// Returns text as it stands between two backticks.
fn code(text: &str) -> String {
    clean(text).replace('`', "'")
}

fn longest_run(text: &str, of: char) -> usize {
    text.split(|c| c != of).map(str::len).max().unwrap_or(0)
}
