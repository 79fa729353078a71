//! One run as OpenTelemetry traces, in OTLP's JSON: for Jaeger, Tempo, and every collector.
//!
//! A trace for each message, and for each request that carries none a trace with all that it led
//! to. The sender of a request has a client span, and whoever served it a server span below that.

use std::{collections::BTreeMap, fmt::Write as _};

use checks::{Record, record::EventRecord};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    Kind, Renderer, evidence,
    exchange::{Exchange, exchanges},
};

/// The traces.
pub const RENDERER: Renderer = Renderer {
    name: "otlp",
    file: "otlp.json",
    about: "OpenTelemetry traces, one for each message: for any collector",
    kind: Kind::OfRecord(render),
};

/// When simulated time begins, because a trace needs a date: 2000-01-01T00:00:00Z, in nanoseconds
/// since 1970.
pub(crate) const EPOCH: u64 = 946_684_800_000_000_000;

/// The numbers of OTLP's enums.
const CLIENT: u8 = 3;
const SERVER: u8 = 2;
const ERROR: u8 = 2;

/// Returns the traces as one export request.
pub fn render(record: &Record) -> String {
    let exchanges = exchanges(&record.events);
    let traces = Traces::of(record, &exchanges);
    let mut spans: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for exchange in &exchanges {
        spans.entry(&exchange.sent.node).or_default().push(traces.client(exchange));
        if let Some(served) = traces.server(exchange) {
            spans.entry(exchange.to()).or_default().push(served);
        }
    }
    let resources: Vec<Value> =
        spans.into_iter().map(|(name, spans)| resource(record, name, &spans)).collect();
    let mut text = json!({ "resourceSpans": resources }).to_string();
    text.push('\n');
    text
}

fn resource(record: &Record, machine: &str, spans: &[Value]) -> Value {
    json!({
        "resource": { "attributes": [
            text("service.name", machine),
            text("service.namespace", &record.scenario.name),
            text("fedsim.seed", &record.seed.to_string()),
        ]},
        "scopeSpans": [{
            "scope": { "name": record.program.name, "version": record.program.version },
            "spans": spans,
        }],
    })
}

struct Traces<'r> {
    record: &'r Record,
    /// The exchange in whose serving each request was made, by the number of the request.
    parents: BTreeMap<u64, u64>,
    by_request: BTreeMap<u64, &'r Exchange<'r>>,
}

impl<'r> Traces<'r> {
    fn of(record: &'r Record, exchanges: &'r [Exchange<'r>]) -> Self {
        let arrivals: BTreeMap<u64, u64> =
            exchanges.iter().filter_map(|it| Some((it.arrived?.n, it.sent.n))).collect();
        let parent = |it: &Exchange<'_>| Some((it.sent.n, *arrivals.get(&it.sent.cause?)?));
        Self {
            record,
            parents: exchanges.iter().filter_map(parent).collect(),
            by_request: exchanges.iter().map(|it| (it.sent.n, it)).collect(),
        }
    }

    /// Returns the trace of an exchange.
    fn trace(&self, exchange: &Exchange<'_>) -> String {
        let mut root = exchange.sent.n;
        let mut message = exchange.message();
        while let (None, Some(parent)) = (message, self.parents.get(&root)) {
            root = *parent;
            message = self.by_request.get(&root).and_then(|it| it.message());
        }
        id(16, &message.map_or_else(|| format!("request {root}"), |it| format!("message {it}")))
    }

    fn client(&self, exchange: &Exchange<'_>) -> Value {
        let sent = exchange.sent;
        let mut span = self.span(exchange, sent, exchange.end());
        span["kind"] = json!(CLIENT);
        span["spanId"] = json!(id(8, &format!("client {}", sent.n)));
        let parent = self.parents.get(&sent.n).and_then(|n| self.by_request.get(n));
        if let Some(parent) = parent.filter(|it| self.trace(it) == self.trace(exchange)) {
            span["parentSpanId"] = json!(id(8, &format!("server {}", parent.sent.n)));
        }
        if let Some(lost) = exchange.loss() {
            span["status"] = json!({ "code": ERROR, "message": lost });
        }
        span
    }

    fn server(&self, exchange: &Exchange<'_>) -> Option<Value> {
        let arrived = exchange.arrived?;
        let until = exchange.answer.unwrap_or(arrived);
        let mut span = self.span(exchange, arrived, until);
        span["kind"] = json!(SERVER);
        span["spanId"] = json!(id(8, &format!("server {}", exchange.sent.n)));
        span["parentSpanId"] = json!(id(8, &format!("client {}", exchange.sent.n)));
        Some(span)
    }

    fn span(&self, exchange: &Exchange<'_>, from: &EventRecord, until: &EventRecord) -> Value {
        let time = |event: &EventRecord| (EPOCH + event.world_ns(self.record)).to_string();
        let mut attributes = vec![
            text("fedsim.entry", &from.n.to_string()),
            text("server.address", exchange.to()),
            text("client.address", &exchange.sent.node),
        ];
        attributes.extend(exchange.message().map(|message| text("fedsim.message", message)));
        let status = exchange.status().and_then(|status| status.parse::<u16>().ok());
        attributes.extend(status.map(|status| {
            json!({ "key": "http.response.status_code", "value": { "intValue": status.to_string() } })
        }));
        let code = if status.is_some_and(|status| status >= 500) { ERROR } else { 0 };
        json!({
            "traceId": self.trace(exchange),
            "name": evidence::what(exchange.sent).trim_start_matches("request_sent "),
            "startTimeUnixNano": time(from),
            "endTimeUnixNano": time(until),
            "attributes": attributes,
            "status": { "code": code },
        })
    }
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// Returns an id of so many bytes, in hexadecimal, as OTLP's JSON has them.
fn id(bytes: usize, of: &str) -> String {
    let mut id = String::new();
    for byte in Sha256::digest(of.as_bytes()).iter().take(bytes) {
        write!(id, "{byte:02x}").expect("a String takes all text");
    }
    id
}
