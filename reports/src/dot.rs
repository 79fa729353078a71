//! The rooms of a run as graphs, in DOT: which event follows which, as the servers told each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    time::Duration,
};

use ::journal::{Event, Recording};
use checks::{Record, history::PduFacts};
use serde_json::Value;

use crate::{File, Kind, Renderer, time::signed, words::clean};

/// The graphs.
pub const RENDERER: Renderer = Renderer {
    name: "dot",
    file: "rooms.dot",
    about: "the graph of each room's events, for Graphviz; needs the journal",
    kind: Kind::OfJournal(render),
};

/// The most events that are drawn.
const MOST: usize = 2_000;
/// How deep bodies are searched for events.
const DEPTH: usize = 6;

/// An event, and when it was first on the wire.
struct Known {
    pdu: PduFacts,
    at_ns: i64,
}

/// Returns one file with a cluster for each room.
fn render(record: &Record, recording: &Recording) -> Vec<File> {
    let known = known(record, recording);
    let mut rooms: BTreeMap<&str, Vec<&Known>> = BTreeMap::new();
    for event in known.values() {
        rooms.entry(&event.pdu.room).or_default().push(event);
    }
    let mut text = format!(
        "digraph rooms {{\n  label = {}\n  rankdir = BT\n  node [shape = box, style = rounded, fontname = \"sans-serif\", fontsize = 11]\n",
        quoted(&format!("{} (seed {})", record.scenario.name, record.seed))
    );
    for (n, (room, events)) in rooms.iter().enumerate() {
        writeln!(text, "  subgraph cluster_{n} {{\n    label = {}", quoted(room))
            .expect("a String takes all text");
        for event in events {
            let at = signed(event.at_ns);
            let label = format!(
                "{}\n{} · depth {} · {at}",
                event.pdu.what, event.pdu.origin, event.pdu.depth
            );
            let bold = if event.pdu.message.is_some() { ", penwidth = 2" } else { "" };
            writeln!(text, "    {} [label = {}{bold}]", quoted(&event.pdu.event), quoted(&label))
                .expect("a String takes all text");
        }
        text.push_str(&edges(events, &known));
        text.push_str("  }\n");
    }
    text.push_str("}\n");
    vec![File { name: RENDERER.file.to_owned(), bytes: text.into_bytes() }]
}

fn edges(events: &[&Known], known: &BTreeMap<String, Known>) -> String {
    let mut text = String::new();
    let mut unseen: BTreeSet<&str> = BTreeSet::new();
    for event in events {
        for parent in &event.pdu.parents {
            if !known.contains_key(parent) {
                unseen.insert(parent);
            }
            writeln!(text, "    {} -> {}", quoted(&event.pdu.event), quoted(parent))
                .expect("a String takes all text");
        }
    }
    for event in unseen {
        writeln!(text, "    {} [label = \"not seen on the wire\", style = dashed]", quoted(event))
            .expect("a String takes all text");
    }
    text
}

/// Returns every event that a request or an answer carried, by its id.
fn known(record: &Record, recording: &Recording) -> BTreeMap<String, Known> {
    let mut known = BTreeMap::new();
    for entry in recording.journal.entries() {
        let body = match &entry.event {
            Event::RequestSent(request) => &request.body,
            Event::AnswerSent(answer) => &answer.body,
            _ => continue,
        };
        let Ok(body) = serde_json::from_slice::<Value>(body) else { continue };
        let ready = Duration::from_nanos(record.ready_ns);
        let before = ready.saturating_sub(entry.at);
        let at_ns = signed_ns(entry.at.saturating_sub(ready)) - signed_ns(before);
        visit(&body, DEPTH, &mut |pdu| {
            if known.len() < MOST {
                known.entry(pdu.event.clone()).or_insert(Known { pdu, at_ns });
            }
        });
    }
    known
}

fn signed_ns(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

fn visit(value: &Value, depth: usize, take: &mut impl FnMut(PduFacts)) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match value {
        Value::Object(object)
            if object.contains_key("prev_events") && object.contains_key("auth_events") =>
        {
            PduFacts::of(value).into_iter().for_each(take);
        }
        Value::Object(object) => object.values().for_each(|it| visit(it, depth, take)),
        Value::Array(items) => items.iter().for_each(|it| visit(it, depth, take)),
        _ => {}
    }
}

fn quoted(text: &str) -> String {
    let lines: Vec<String> =
        text.lines().map(|line| clean(line).replace('\\', "\\\\").replace('"', "\\\"")).collect();
    format!("\"{}\"", lines.join("\\n"))
}
