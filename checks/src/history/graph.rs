//! What follows what: the graph of events, as far as they were on the wire.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Exchange, History, PduFacts};

/// Endpoints that carry events of the timeline by themselves, and not in a transaction.
const CARRIERS: [&str; 6] =
    ["backfill", "event", "get_missing_events", "on_message_sent", "prepare", "send_message"];

/// Where these have them: each field is an event, or a list of events.
const FIELDS: [&str; 3] = ["event", "events", "pdus"];

/// The events that were on the wire, by their ids.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    events: BTreeMap<String, Place>,
}

/// Returns every event of a transaction, by its id.
pub(crate) fn transacted<'h>(history: &'h History<'_>) -> BTreeMap<&'h str, &'h PduFacts> {
    let pdus = history.exchanges.iter().flat_map(Exchange::pdus);
    pdus.map(|pdu| (pdu.event.as_str(), pdu)).collect()
}

/// Returns every event of the timeline that an exchange carried, in its request or its answer.
pub(crate) fn carried<'e>(exchange: &'e Exchange<'_>) -> impl Iterator<Item = PduFacts> + 'e {
    let bodies = CARRIERS.contains(&exchange.endpoint);
    let bodies = bodies.then(|| [exchange.request_json(), exchange.answer_json()]);
    let beside = bodies.into_iter().flatten().flatten().flat_map(fields);
    exchange.pdus().iter().cloned().chain(beside.filter_map(PduFacts::of))
}

/// Where an event stands in its graph.
#[derive(Debug)]
struct Place {
    parents: Vec<String>,
    depth: u64,
}

impl Graph {
    /// Reads the graph of everything that the exchanges carried.
    pub(super) fn read(exchanges: &[Exchange<'_>]) -> Self {
        let mut graph = Self::default();
        for pdu in exchanges.iter().flat_map(carried) {
            graph.put(pdu);
        }
        graph
    }

    fn put(&mut self, pdu: PduFacts) {
        let place = Place { parents: pdu.parents, depth: pdu.depth };
        self.events.insert(pdu.event, place);
    }

    /// Returns all that an event builds on; none if the event was never on the wire.
    pub(crate) fn past(&self, event: &str) -> Option<Past<'_>> {
        let mut past = Past { events: BTreeSet::new(), unknown: None };
        let mut open = vec![self.events.get(event)?];
        while let Some(child) = open.pop() {
            for parent in &child.parents {
                if !past.events.insert(parent) {
                    continue;
                }
                match self.events.get(parent) {
                    Some(parent) => open.push(parent),
                    None => past.unknown = past.unknown.max(Some(child.depth.saturating_sub(1))),
                }
            }
        }
        Some(past)
    }

    /// Returns whether an event certainly builds on another one.
    pub(crate) fn follows(&self, later: &str, earlier: &str) -> bool {
        later == earlier || self.past(later).is_some_and(|past| past.events.contains(earlier))
    }

    /// Returns whether an event may build on another one, for all that the wire tells: whoever gets the
    /// later one is led to the earlier one by it.
    pub(crate) fn may_follow(&self, later: &str, earlier: &str) -> bool {
        let Some(past) = self.past(later) else { return true };
        let lacks = match self.events.get(earlier) {
            Some(place) => past.certainly_lacks(earlier, place.depth),
            None => !past.events.contains(earlier) && past.unknown.is_none(),
        };
        !lacks
    }
}

/// Returns the events that stand in a body.
fn fields(body: &Value) -> impl Iterator<Item = &Value> {
    FIELDS.iter().filter_map(|field| body.get(field)).flat_map(|value| match value {
        Value::Array(values) => values.iter().collect(),
        value => vec![value],
    })
}

/// What an event builds on, as far as the wire tells.
pub(crate) struct Past<'g> {
    events: BTreeSet<&'g str>,
    /// The greatest depth that something of which only the id is known may have.
    unknown: Option<u64>,
}

impl Past<'_> {
    /// Returns whether an event of that depth is not in it, whatever is not known of it: that has only
    /// events of smaller depths above it.
    pub(crate) fn certainly_lacks(&self, event: &str, depth: u64) -> bool {
        !self.events.contains(event) && self.unknown.is_none_or(|unknown| unknown <= depth)
    }
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::Delivery;
    use serde_json::{Value, json};

    use crate::history::{PduFacts, fake::Fake, graph::Graph};

    fn event(name: &str, parents: &[&Value], depth: u64) -> Value {
        let parents: Vec<String> = parents.iter().map(|parent| id(parent)).collect();
        json!({"content": {"org.fedsim.message": name}, "depth": depth, "room_id": "!team",
               "hashes": {"sha256": name}, "sender": "@alice:a", "type": "m.room.message",
               "prev_events": parents})
    }

    fn id(event: &Value) -> String {
        PduFacts::of(event).expect("a PDU").event
    }

    /// Returns the graph of events that were proposed under `m1`.
    fn proposed(events: &[&Value]) -> Graph {
        let mut fake = Fake::ready();
        for event in events {
            let path = "/_matrix/federation/unstable/org.fedsim.m1/prepare/!team/$event";
            let body = json!({"event": event, "devices": {}});
            fake.exchange(("a", "b"), &format!("PUT {path}"), &body, &json!({"vote": "yes"}));
        }
        fake.judged(Delivery::M1, |history| Graph::read(&history.exchanges))
    }

    #[test]
    fn what_comes_after_leads_to_what_it_builds_on_and_to_nothing_beside_it() {
        let first = event("m1", &[], 5);
        let beside = event("m2", &[], 5);
        let second = event("m3", &[&first], 6);
        let third = event("m4", &[&second], 7);
        let graph = proposed(&[&first, &beside, &second, &third]);
        assert!(graph.follows(&id(&third), &id(&first)));
        assert!(graph.may_follow(&id(&third), &id(&first)));
        assert!(!graph.follows(&id(&third), &id(&beside)));
        assert!(!graph.may_follow(&id(&third), &id(&beside)));
        assert!(!graph.may_follow(&id(&first), &id(&third)));
    }

    #[test]
    fn what_was_never_on_the_wire_may_lead_to_whatever_is_less_deep() {
        let (low, high) = (event("m1", &[], 3), event("m2", &[], 9));
        let unknown = event("m3", &[], 7);
        let last = event("m4", &[&unknown], 8);
        let graph = proposed(&[&low, &high, &last]);
        assert!(graph.may_follow(&id(&last), &id(&low)));
        assert!(!graph.may_follow(&id(&last), &id(&high)));
        assert!(!graph.follows(&id(&last), &id(&low)));
    }
}
