//! Whether a user left twice, and two backends hold another one of the leaves each.
//!
//! A server that withdraws a join which it could not finish leaves by way of another one, which may not
//! know yet that the user is out. So there are two leaves, neither of which knows of the other. Whoever
//! hears of the second one takes it for a leave of somebody who is out, and keeps the first (server-server
//! API, "Soft failure"). It says the same, and the next event of the room makes them agree.

use crate::history::{History, transacted};

/// A backend, and the event that it holds in the end.
pub(crate) type Held<'h> = (&'h str, &'h str);

/// Returns in words that two backends hold two leaves of one user, of which neither knew of the other
/// and each came to whoever holds the other one.
pub(crate) fn two_leaves(
    history: &History<'_>,
    (first, one): Held<'_>,
    (other, another): Held<'_>,
) -> Option<String> {
    let pdus = transacted(history);
    let (leave, same) = (pdus.get(one)?, pdus.get(another)?);
    let is_leave = leave.what.starts_with("the leave of ");
    let is_same = (&leave.what, &leave.origin) == (&same.what, &same.origin);
    let graph = history.graph();
    let is_crossed = !graph.follows(one, another) && !graph.follows(another, one);
    let are_told = came_to(history, another, first) && came_to(history, one, other);
    (is_leave && is_same && is_crossed && are_told)
        .then(|| format!("{first} and {other} each heard of another one first of {}", leave.what))
}

/// Returns whether a backend was handed an event, and took it.
pub(super) fn came_to(history: &History<'_>, event: &str, backend: &str) -> bool {
    history.exchanges.iter().any(|exchange| {
        let is_for_it = match exchange.endpoint {
            "send" => exchange.to == backend,
            "relay_txn" => exchange.from == backend && exchange.answer_arrived.is_some(),
            _ => false,
        };
        is_for_it && exchange.is_accepted() && exchange.pdus().iter().any(|it| it.event == event)
    })
}
