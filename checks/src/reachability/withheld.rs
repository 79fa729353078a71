//! Whether a backend lacks an event only because of a lying one: it told others of it and not this
//! backend, or it did not publish the key that it had signed the event with when this backend asked. Nor
//! can it be checked what is dated so far ahead that no key is believed for then.

use std::time::Duration;

use scenarios::scenario::{FaultKind, Misdeed, NodeFault};

use super::{
    last_copies::{is_led_to, teller},
    two_leaves::came_to,
};
use crate::history::History;

/// How far ahead of its own clock a backend believes a key (server-server API, "Publishing keys").
const BELIEVED: Duration = Duration::from_hours(7 * 24);

/// Returns in words why an event of a conversation's state did not come to a backend: it was for a
/// lying one to tell, which did not, and nobody who has the event in the end has sent the backend
/// something since, which leads it there. Whatever a liar sends, some may get alone (server-server API:
/// each event names those before it, and that is how the others find it).
pub(crate) fn withheld(
    history: &History<'_>,
    (backend, conversation): (&str, &str),
    (event, what): (&str, &str),
) -> Option<String> {
    let (teller, from) = teller(history, event)?;
    let is_told = came_to(history, event, backend);
    if history.is_honest(teller)
        || is_told
        || is_led_to(history, (backend, conversation), event, from)
    {
        return None;
    }
    Some(format!("{teller} misbehaves, and did not tell {backend} {what}"))
}

/// Returns in words why a backend refused an event of a conversation's state: while whoever signed it
/// published another key, or because the clocks of the two were too far apart. Whether a signature holds is asked of its server, when the event comes
/// (server-server API, "Validating hashes and signatures on received events"); others had asked before.
/// None if somebody who has the event has led the backend to it since.
pub(crate) fn unverified(
    history: &History<'_>,
    (backend, conversation): (&str, &str),
    (event, what): (&str, &str),
) -> Option<String> {
    let (exchange, pdu) = history.exchanges_of("send").find_map(|exchange| {
        let pdu = exchange.pdus().iter().find(|pdu| pdu.event == event)?;
        (exchange.to == backend && exchange.refuses(event)).then_some((exchange, pdu))
    })?;
    let refused = exchange.answer?.sent;
    let hides_its_key = history.faults.iter().any(|(began, index, _)| {
        let fault = history.scenario.faults.get(*index).map(|fault| &fault.kind);
        let misdeed = match fault {
            Some(FaultKind::Peer(fault)) if fault.node == pdu.origin => &fault.misdeed,
            _ => return false,
        };
        *began < refused && *misdeed == Misdeed::ExpiredKey
    });
    let origin = &pdu.origin;
    let is_ahead = off(history, origin, true) + off(history, backend, false) >= BELIEVED;
    if !(hides_its_key || is_ahead)
        || is_led_to(history, (backend, conversation), event, refused.at)
    {
        return None;
    }
    if is_ahead {
        return Some(format!("by the clock of {backend}, {origin} signed {what} in a far future"));
    }
    Some(format!("{origin} misbehaves, and {backend} could not check what it had signed {what}"))
}

/// Returns how far the faults of the scenario set a machine's clock ahead, or behind, all together.
fn off(history: &History<'_>, machine: &str, ahead: bool) -> Duration {
    let by = |kind: &FaultKind| match kind {
        FaultKind::Node(NodeFault::ClockSkew { node, by, behind })
            if node == machine && *behind != ahead =>
        {
            *by
        }
        FaultKind::Node(NodeFault::ClockJump { node, by, back })
            if node == machine && *back != ahead =>
        {
            *by
        }
        _ => Duration::ZERO,
    };
    history.scenario.faults.iter().map(|fault| by(&fault.kind)).sum()
}
