//! One run as a trace for Perfetto (`ui.perfetto.dev`) and `chrome://tracing`: the Trace Event Format,
//! as JSON.
//!
//! A machine is a process. Slices of one thread must nest, so what overlaps goes to further threads
//! of the same process.

use std::collections::BTreeMap;

use checks::{
    Record,
    record::{EventRecord, MachineKind},
};
use serde_json::{Value, json};

use crate::{
    Kind, Renderer, evidence,
    exchange::{Exchange, exchanges},
};

/// The trace.
pub const RENDERER: Renderer = Renderer {
    name: "perfetto",
    file: "trace.json",
    about: "a trace for ui.perfetto.dev and chrome://tracing, however long the run",
    kind: Kind::OfRecord(render),
};

/// The process of faults and of the run itself.
const WORLD: u64 = 0;
/// The first thread of what a machine serves; below it is what it asks.
const SERVES: u64 = 1_000;

/// Returns the trace, an event a line.
pub fn render(record: &Record) -> String {
    let mut trace = Trace::of(record);
    trace.faults(record);
    for exchange in exchanges(&record.events) {
        trace.exchange(record, &exchange);
    }
    for event in &record.events {
        trace.instant(record, event);
    }
    trace.violation(record);
    let other = json!({
        "scenario": record.scenario.name, "seed": record.seed.to_string(),
        "verdict": record.verdict, "log_hash": record.log_hash,
    });
    let events: Vec<String> = trace.events.iter().map(Value::to_string).collect();
    format!(
        "{{\"displayTimeUnit\": \"ms\", \"otherData\": {other}, \"traceEvents\": [\n{}\n]}}\n",
        events.join(",\n")
    )
}

struct Trace<'r> {
    processes: BTreeMap<&'r str, u64>,
    /// When each thread of a process is free again, by process and first thread.
    threads: BTreeMap<(u64, u64), Vec<u64>>,
    events: Vec<Value>,
}

impl<'r> Trace<'r> {
    fn of(record: &'r Record) -> Self {
        let mut processes: BTreeMap<&str, u64> = BTreeMap::new();
        let machines = record.nodes.iter().map(|node| &*node.name);
        for name in machines.chain(record.events.iter().map(|event| &*event.node)) {
            let next = processes.len() as u64 + 1;
            processes.entry(name).or_insert(next);
        }
        let mut events = vec![named(WORLD, "faults"), sorted(WORLD)];
        let mut by_number: Vec<_> = processes.iter().collect();
        by_number.sort_by_key(|(_, pid)| **pid);
        for (name, pid) in by_number {
            let kind = record.nodes.iter().find(|node| node.name == *name).map(|node| node.kind);
            let kind = match kind {
                Some(MachineKind::Backend) => "backend ",
                Some(MachineKind::Relay) => "relay ",
                Some(MachineKind::Device) => "device ",
                None => "",
            };
            events.extend([named(*pid, &format!("{kind}{name}")), sorted(*pid)]);
        }
        Self { processes, threads: BTreeMap::new(), events }
    }

    fn pid(&self, machine: &str) -> u64 {
        self.processes.get(machine).copied().unwrap_or(WORLD)
    }

    /// Returns a thread that is free from `from` to `until`.
    fn thread(&mut self, pid: u64, first: u64, from: u64, until: u64) -> u64 {
        let threads = self.threads.entry((pid, first)).or_default();
        let free = threads.iter().position(|busy| *busy <= from);
        let place = free.unwrap_or_else(|| {
            threads.push(0);
            threads.len() - 1
        });
        threads[place] = until.max(from + 1);
        first + place as u64
    }

    fn faults(&mut self, record: &Record) {
        for fault in &record.faults {
            let Some(from) = fault.from_ns else { continue };
            let from = us(from + record.ready_ns);
            let until = us(fault.until_ns.unwrap_or(record.ended.at_ns) + record.ready_ns);
            let tid = self.thread(WORLD, 1, from, until);
            let args = json!({"when": fault.when, "requests": fault.requests, "hits": fault.hits});
            self.events.push(slice((WORLD, tid), (from, until), (&fault.what, "fault"), &args));
        }
    }

    fn exchange(&mut self, record: &Record, exchange: &Exchange<'_>) {
        let time = |event: &EventRecord| us(event.world_ns(record));
        let sent = exchange.sent;
        let message = exchange.message().map(|it| format!(" {it}")).unwrap_or_default();
        let name = format!("{}{message}", sent.what);
        let args = json!({
            "entry": sent.n, "message": exchange.message(), "to": exchange.to(),
            "status": exchange.status(), "lost": exchange.loss(), "cause": sent.cause,
        });
        let (pid, from, until) = (self.pid(&sent.node), time(sent), time(exchange.end()));
        let tid = self.thread(pid, 1, from, until);
        let title = format!("{name} → {}", exchange.to());
        self.events.push(slice((pid, tid), (from, until), (&title, "request"), &args));
        let Some(arrived) = exchange.arrived else { return };
        let served = self.pid(exchange.to());
        let begun = time(arrived);
        let done = exchange.answer.map_or(begun + 1, time);
        let thread = self.thread(served, SERVES, begun, done);
        let args = json!({"entry": arrived.n, "from": sent.node, "status": exchange.status()});
        self.events.push(slice((served, thread), (begun, done), (&name, "serve"), &args));
        let flow = |phase: &str, pid: u64, tid: u64, ts: u64| {
            json!({"ph": phase, "id": sent.n, "pid": pid, "tid": tid, "ts": ts,
                   "name": "request", "cat": "request", "bp": "e"})
        };
        self.events.extend([flow("s", pid, tid, from), flow("f", served, thread, begun)]);
    }

    fn instant(&mut self, record: &Record, event: &EventRecord) {
        let name = match &*event.kind {
            "note" | "booted" | "exited" | "disk_synced" | "request_lost" | "request_dropped" => {
                evidence::what(event)
            }
            "connect_failed" => {
                format!("no connection to {}", event.to.as_deref().unwrap_or_default())
            }
            _ => return,
        };
        let (pid, ts) = (self.pid(&event.node), us(event.world_ns(record)));
        self.events.push(json!({
            "ph": "i", "s": "p", "pid": pid, "tid": 1, "ts": ts, "name": name, "cat": event.kind,
            "args": {"entry": event.n, "message": event.message, "result": evidence::result(event)},
        }));
    }

    fn violation(&mut self, record: &Record) {
        let (Some(event), Some(check)) = (evidence::violation(record), evidence::shown(record))
        else {
            return;
        };
        let sentence = check.sentence.as_deref().unwrap_or_default();
        self.events.push(json!({
            "ph": "i", "s": "g", "pid": self.pid(&event.node), "tid": 1, "ts": us(event.world_ns(record)),
            "name": format!("violated: {}: {sentence}", check.name), "cat": "violation",
        }));
    }
}

fn named(pid: u64, name: &str) -> Value {
    json!({"ph": "M", "pid": pid, "name": "process_name", "args": {"name": name}})
}

fn sorted(pid: u64) -> Value {
    json!({"ph": "M", "pid": pid, "name": "process_sort_index", "args": {"sort_index": pid}})
}

/// Returns a slice on a thread of a process; it is at least a microsecond long, so that it can be
/// seen.
fn slice(
    (pid, tid): (u64, u64),
    (from, until): (u64, u64),
    (name, category): (&str, &str),
    args: &Value,
) -> Value {
    let duration = until.saturating_sub(from).max(1);
    json!({"ph": "X", "pid": pid, "tid": tid, "ts": from, "dur": duration, "name": name,
           "cat": category, "args": args})
}

/// Returns whole microseconds, the unit of the format.
fn us(ns: u64) -> u64 {
    ns / 1_000
}
