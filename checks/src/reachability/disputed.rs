//! Whether backends may judge an event of a room's state by another power of whoever sent it.
//!
//! Somebody whose power is taken sends what his own backend still allows. To the others it comes when
//! he has none: they do not take it into their state (server-server API, "Soft failure"). Once he is
//! given power again, state resolution allows it where it is part of the room, and nobody else hears of
//! that until somebody builds on it.

use super::{
    forgotten::leading_to,
    last_copies::{is_led_to, teller},
};
use crate::history::{Exchange, History, PduFacts, has_its_power_changed, pdu::local_part};

/// Returns whether what a PDU says may be undone, and may hold again: somebody changes the power of its
/// sender or, if it is a membership, of the one whose it is.
pub(crate) fn is_disputed(history: &History<'_>, conversation: &str, pdu: &PduFacts) -> bool {
    let mut users = [Some(&pdu.sender), pdu.state_key.as_ref()].into_iter().flatten();
    users.any(|id| has_its_power_changed(history.scenario, conversation, local_part(id)))
}

/// Returns in words that a backend does not hold an event that others do because it is disputed; none
/// if it is not, or if somebody who has the event in the end has sent the backend something since.
pub(crate) fn disputed(
    history: &History<'_>,
    (backend, conversation): (&str, &str),
    event: &str,
) -> Option<String> {
    let mut pdus = history.exchanges.iter().flat_map(Exchange::pdus);
    let pdu = pdus.find(|pdu| pdu.event == event)?;
    let (_, from) = teller(history, event)?;
    let is_excused = is_disputed(history, conversation, pdu)
        && !is_led_to(history, (backend, conversation), event, from);
    is_excused.then(|| format!("{backend} had another power in mind for {}", pdu.what))
}

/// Returns in words that a backend judges a disputed event beside a message which the holder of the
/// event did not take: what the holder took to be over, state resolution undoes where both branches are
/// known. None if nothing is disputed, or if somebody has led the holder to that message since.
pub(crate) fn judged_beside(
    history: &History<'_>,
    (backend, conversation): (&str, &str),
    holder: &str,
    event: &str,
) -> Option<String> {
    let mut pdus = history.exchanges.iter().flat_map(Exchange::pdus);
    let pdu = pdus.find(|pdu| pdu.event == event)?;
    if !is_disputed(history, conversation, pdu) {
        return None;
    }
    let timeline = |backend: &str| {
        history.finals.timelines.get(&(backend.to_owned(), conversation.to_owned()))
    };
    let (known, held) = (timeline(backend)?, timeline(holder)?);
    let branch = history.messages.iter().find(|message| {
        let event = message.ended.as_ref().and_then(|ended| ended.event.as_deref());
        message.conversation == conversation
            && event.is_some_and(|event| known.contains(event) && !held.contains(event))
    })?;
    let later = branch.ended.as_ref()?.event.as_deref()?;
    let place = (holder, conversation);
    let is_led = leading_to(history, place, branch.began.at, later).next().is_some();
    let (name, what) = (&branch.name, &pdu.what);
    (!is_led).then(|| format!("{holder} did not take {name}, beside which {backend} judges {what}"))
}
