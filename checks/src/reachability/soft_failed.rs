//! Whether a backend knew of the removal of an event's sender, or of who had invited the sender, before
//! the event came, which knew nothing of it.
//!
//! What comes after its sender was removed is neither shown nor taken into the state, although it was
//! allowed where it stands (server-server API, "Soft failure"). Somebody to whom both come the other way
//! around resolves them, and may keep the event. The next event that builds on it makes them agree.

use super::last_copies::{is_led_to, teller};
use crate::history::{History, Moment, PduFacts, carried, transacted};

/// Returns in words that a backend lacks an event of the state because a removal of its sender, or of who
/// had invited the sender, of which the event certainly knew nothing, came there before it. None if it came after it, if the backend shows
/// the event, if the sender was back there by then, or if somebody who has the event in the end has sent
/// the backend something since.
pub(crate) fn soft_failed(
    history: &History<'_>,
    place: (&str, &str),
    event: &str,
) -> Option<String> {
    let pdus = transacted(history);
    let pdu = pdus.get(event).filter(|pdu| pdu.state_key.is_some())?;
    let (_, from) = teller(history, event)?;
    let (backend, conversation) = place;
    let timeline = (backend.to_owned(), conversation.to_owned());
    let shown = history.finals.timelines.get(&timeline)?;
    let graph = history.graph();
    let is_invite = |invite: &&PduFacts| {
        invite.what.starts_with("the invite of ")
            && invite.state_key.as_ref() == Some(&pdu.sender)
            && graph.follows(event, &invite.event)
    };
    let grounds: Vec<&PduFacts> =
        std::iter::once(*pdu).chain(pdus.values().copied().filter(is_invite)).collect();
    let undoes = |removal: &PduFacts, ground: &PduFacts| {
        is_removal_of(removal, &ground.sender)
            && removal.room == ground.room
            && shown.contains(&removal.event)
            && !graph.may_follow(event, &removal.event)
            && !graph.may_follow(&removal.event, &ground.event)
            && came_first(history, backend, removal, ground)
            && !pdus.values().any(|back| was_back(history, backend, (removal, back), ground))
    };
    let removal =
        pdus.values().find(|removal| grounds.iter().any(|ground| undoes(removal, ground)))?;
    let is_excused = !shown.contains(event) && !is_led_to(history, place, event, from);
    is_excused.then(|| format!("{backend} knew of {} before {} came", removal.what, pdu.what))
}

fn is_removal_of(pdu: &PduFacts, user: &str) -> bool {
    let is_removal = ["the leave of ", "the ban of "].iter().any(|what| pdu.what.starts_with(what));
    is_removal && pdu.state_key.as_deref() == Some(user) && pdu.sender != user
}

/// Returns whether a backend took a removal before an event came there.
fn came_first(history: &History<'_>, backend: &str, removal: &PduFacts, pdu: &PduFacts) -> bool {
    let taken = taken(history, backend, &removal.event);
    removal.origin == backend
        || taken.zip(came(history, backend, &pdu.event)).is_some_and(|(taken, came)| taken < came)
}

/// Returns whether a join that builds on a removal was taken by a backend before an event came there.
fn was_back(
    history: &History<'_>,
    backend: &str,
    (removal, back): (&PduFacts, &PduFacts),
    pdu: &PduFacts,
) -> bool {
    back.event != pdu.event
        && back.what.starts_with("the join of ")
        && back.sender == pdu.sender
        && history.graph().follows(&back.event, &removal.event)
        && came_first(history, backend, back, pdu)
}

/// Returns when an event first came to a backend, whether or not that took it.
fn came(history: &History<'_>, backend: &str, event: &str) -> Option<Moment> {
    let carriers = history.exchanges.iter().filter(|it| carried(it).any(|pdu| pdu.event == event));
    carriers.filter_map(|exchange| exchange.came_to(backend)).min()
}

/// Returns when a backend first took an event.
pub(super) fn taken(history: &History<'_>, backend: &str, event: &str) -> Option<Moment> {
    let carriers = history.exchanges.iter().filter(|exchange| {
        exchange.is_accepted()
            && !exchange.refuses(event)
            && carried(exchange).any(|pdu| pdu.event == event)
    });
    carriers.filter_map(|exchange| exchange.came_to(backend)).min()
}
