//! Requests and what became of them, put together from a record's events.

use std::collections::BTreeMap;

use checks::record::EventRecord;
use serde::Deserialize;

/// A request and its fate; each part is the event that tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'r> {
    /// The request left.
    pub sent: &'r EventRecord,
    /// It arrived.
    pub arrived: Option<&'r EventRecord>,
    /// The answer left.
    pub answer: Option<&'r EventRecord>,
    /// The answer arrived.
    pub answer_arrived: Option<&'r EventRecord>,
    /// Its connection died, or its sender gave it up.
    pub lost: Option<&'r EventRecord>,
    /// Whoever was asked let go of it without an answer.
    pub dropped: Option<&'r EventRecord>,
}

impl<'r> Exchange<'r> {
    /// Returns the machine that was asked.
    pub fn to(&self) -> &'r str {
        self.sent.to.as_deref().unwrap_or_default()
    }

    /// Returns the message that it carried or spoke of.
    pub fn message(&self) -> Option<&'r str> {
        self.sent.message.as_deref()
    }

    /// Returns the message that the request itself carried: one without a body, as a long poll,
    /// carries none, whatever its answer brings.
    pub fn asks_about(&self) -> Option<&'r str> {
        self.message().filter(|_| !self.sent.line.contains(r#""body":"0 bytes,"#))
    }

    /// Returns the event by which it was over for its sender, or else the last that happened of it.
    pub fn end(&self) -> &'r EventRecord {
        let ends = [self.answer_arrived, self.lost, self.answer, self.arrived];
        ends.into_iter().flatten().next().unwrap_or(self.sent)
    }

    /// Returns the answer's status, as text.
    pub fn status(&self) -> Option<&'r str> {
        self.answer.and_then(|answer| answer.result.as_deref())
    }

    /// Returns why its sender never had the answer: the fault that kept it from coming, or else how
    /// the request ended, as `given up after 10s`.
    pub fn loss(&self) -> Option<&'r str> {
        let lost = self.lost.filter(|_| self.answer_arrived.is_none())?;
        lost.why.as_deref().or(lost.result.as_deref()).or(Some("lost"))
    }
}

/// The part of a journal's line that says which request it is about.
#[derive(Deserialize)]
struct About {
    request: Option<u64>,
}

/// Returns the number of the request that an event is about; its own, if it is the request.
pub fn request_of(event: &EventRecord) -> Option<u64> {
    match &*event.kind {
        "request_sent" => Some(event.n),
        "request_arrived" | "answer_sent" | "answer_arrived" | "request_lost"
        | "request_dropped" => serde_json::from_str::<About>(&event.line).ok()?.request,
        _ => None,
    }
}

/// Returns every exchange, in the order in which their requests left.
pub fn exchanges(events: &[EventRecord]) -> Vec<Exchange<'_>> {
    let mut exchanges: Vec<Exchange<'_>> = Vec::new();
    let mut places: BTreeMap<u64, usize> = BTreeMap::new();
    for event in events {
        let Some(request) = request_of(event) else { continue };
        if event.kind == "request_sent" {
            places.insert(request, exchanges.len());
            let (arrived, answer, answer_arrived, lost, dropped) = (None, None, None, None, None);
            exchanges.push(Exchange {
                sent: event,
                arrived,
                answer,
                answer_arrived,
                lost,
                dropped,
            });
            continue;
        }
        let place = places.get(&request).and_then(|place| exchanges.get_mut(*place));
        let Some(exchange) = place else { continue };
        match &*event.kind {
            "request_arrived" => exchange.arrived = Some(event),
            "answer_sent" => exchange.answer = Some(event),
            "answer_arrived" => exchange.answer_arrived = Some(event),
            "request_dropped" => exchange.dropped = Some(event),
            _ => exchange.lost = Some(event),
        }
    }
    exchanges
}
