//! Whether a user left twice, and two backends hold another one of the leaves each.
//!
//! A server that withdraws a join which it could not finish leaves by way of another one, which may not
//! know yet that the user is out. So there are two leaves, neither of which knows of the other. Whoever
//! hears of the second one takes it for a leave of somebody who is out, and keeps the first (server-server
//! API, "Soft failure"). It says the same, and the next event of the room makes them agree.

use std::collections::BTreeMap;

use crate::history::{Exchange, History, PduFacts};

/// A backend, and the event that it holds in the end.
pub(crate) type Held<'h> = (&'h str, &'h str);

/// Returns in words that two backends hold two leaves of one user, of which neither knew of the other
/// and each came to whoever holds the other one.
pub(crate) fn two_leaves(
    history: &History<'_>,
    (first, one): Held<'_>,
    (other, another): Held<'_>,
) -> Option<String> {
    let pdus = pdus(history);
    let (leave, same) = (pdus.get(one)?, pdus.get(another)?);
    let is_leave = leave.what.starts_with("the leave of ");
    let is_same = (&leave.what, &leave.origin) == (&same.what, &same.origin);
    let is_crossed = !follows(&pdus, one, another) && !follows(&pdus, another, one);
    let are_told = came_to(history, another, first) && came_to(history, one, other);
    (is_leave && is_same && is_crossed && are_told)
        .then(|| format!("{first} and {other} each heard of another one first of {}", leave.what))
}

/// Returns every PDU that was on the wire, by its event id.
fn pdus<'h>(history: &'h History<'_>) -> BTreeMap<&'h str, &'h PduFacts> {
    let pdus = history.exchanges.iter().flat_map(Exchange::pdus);
    pdus.map(|pdu| (pdu.event.as_str(), pdu)).collect()
}

/// Returns whether an event follows another one, as far as what was on the wire tells.
fn follows(pdus: &BTreeMap<&str, &PduFacts>, later: &str, earlier: &str) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    let mut waiting = vec![later];
    while let Some(event) = waiting.pop() {
        if event == earlier {
            return true;
        }
        if seen.insert(event)
            && let Some(pdu) = pdus.get(event)
        {
            waiting.extend(pdu.parents.iter().map(String::as_str));
        }
    }
    false
}

/// Returns whether a backend was handed an event, and took it.
pub(super) fn came_to(history: &History<'_>, event: &str, backend: &str) -> bool {
    history.exchanges.iter().any(|exchange| {
        let is_for_it = match exchange.endpoint {
            "send" => exchange.to == backend,
            "relay_txn" => exchange.from == backend,
            _ => false,
        };
        is_for_it && exchange.is_accepted() && exchange.pdus().iter().any(|it| it.event == event)
    })
}
