//! Whether backends may judge an event of a room's state by another power of whoever sent it.
//!
//! Somebody whose power is taken sends what his own backend still allows. To the others it comes when
//! he has none: they do not take it into their state (server-server API, "Soft failure"). Once he is
//! given power again, state resolution allows it where it is part of the room, and nobody else hears of
//! that until somebody builds on it.

use super::last_copies::{is_led_to, teller};
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
