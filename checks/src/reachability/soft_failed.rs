//! Whether a backend knew of the removal of an event's sender before the event came, which knew nothing
//! of it.
//!
//! What comes after its sender was removed is not taken into the state, although it was allowed where
//! it stands (server-server API, "Soft failure"). Somebody to whom both come the other way around
//! resolves them, and may keep the event. The next event that builds on it makes them agree.

use super::last_copies::{is_led_to, teller};
use crate::history::{Exchange, History, PduFacts, transacted};

/// Returns in words that a backend lacks an event of the state because a removal of its sender, of which the event
/// knew nothing, came there before it. None if it came after it, or if somebody who has the event in the
/// end has sent the backend something since.
pub(crate) fn soft_failed(
    history: &History<'_>,
    place: (&str, &str),
    event: &str,
) -> Option<String> {
    let pdus = transacted(history);
    let pdu = pdus.get(event).filter(|pdu| pdu.state_key.is_some())?;
    let (_, from) = teller(history, event)?;
    let removal = pdus.values().find(|removal| {
        is_removal_of(removal, &pdu.sender)
            && removal.room == pdu.room
            && stands_beside(history, removal, pdu)
            && came_first(history, place, removal, pdu)
    })?;
    let is_led = is_led_to(history, place, event, from);
    let (backend, _) = place;
    (!is_led).then(|| format!("{backend} knew of {} before {} came", removal.what, pdu.what))
}

fn is_removal_of(pdu: &PduFacts, user: &str) -> bool {
    let is_removal = ["the leave of ", "the ban of "].iter().any(|what| pdu.what.starts_with(what));
    is_removal && pdu.state_key.as_deref() == Some(user) && pdu.sender != user
}

fn stands_beside(history: &History<'_>, one: &PduFacts, other: &PduFacts) -> bool {
    let graph = history.graph();
    !graph.follows(&one.event, &other.event) && !graph.follows(&other.event, &one.event)
}

/// Returns whether a backend took a removal, and before an event came there.
fn came_first(
    history: &History<'_>,
    (backend, conversation): (&str, &str),
    removal: &PduFacts,
    pdu: &PduFacts,
) -> bool {
    let place = (backend.to_owned(), conversation.to_owned());
    let holds = history.finals.timelines.get(&place);
    let came = |event: &str| {
        let carries = |it: &&Exchange<'_>| it.pdus().iter().any(|pdu| pdu.event == event);
        let carriers = history.exchanges.iter().filter(carries);
        carriers.filter_map(|exchange| exchange.came_to(backend)).min()
    };
    let is_before = removal.origin == backend
        || came(&removal.event).zip(came(&pdu.event)).is_some_and(|(first, then)| first < then);
    is_before && holds.is_some_and(|timeline| timeline.contains(&removal.event))
}
