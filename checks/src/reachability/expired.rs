//! What is kept for a while only, or as long as a relay has its disk, and is gone when it is asked for
//! after that.

use std::time::Duration;

use scenarios::duration;

use super::{forgotten::leading_to, last_copies::teller, two_leaves::came_to};
use crate::history::{
    History, Message, PduFacts,
    mail::{Mail, Store},
};

/// Returns for how long a homeserver keeps a notification.
pub(super) fn notification_time_to_live(history: &History<'_>, backend: &str) -> Duration {
    let backend = history.scenario.backends.get(backend).cloned().unwrap_or_default();
    backend.duration("notification_time_to_live")
}

/// Returns for how long a relay keeps what it has accepted.
fn time_to_live(history: &History<'_>, relay: &str) -> Duration {
    history.scenario.relays.get(relay).cloned().unwrap_or_default().duration("time_to_live")
}

/// Returns a time to live in words.
pub(super) fn in_words(time: Duration) -> String {
    const DAY: u64 = 24 * 60 * 60;
    match (time.as_secs() / DAY, time.subsec_nanos(), time.as_secs() % DAY) {
        (days @ 2.., 0, 0) => format!("{days} days"),
        _ => duration::text(time),
    }
}

/// Returns when what a relay accepted had expired, if that was before the end.
pub(crate) fn expired(history: &History<'_>, store: &Store<'_>) -> Option<Duration> {
    let end = history.journal.entries().last().map_or(Duration::ZERO, |entry| entry.at);
    Some(store.accepted.at.saturating_add(time_to_live(history, store.relay)))
        .filter(|expired| *expired <= end)
}

/// Returns in words that the relays that had a message for a backend have it no more ([`gone`]).
pub(super) fn mail_that_is_gone(
    history: &History<'_>,
    message: &Message,
    backend: &str,
) -> Option<String> {
    let is_it = |pdu: &&PduFacts| pdu.message.as_deref() == Some(message.name.as_str());
    let mut deposits = history.carriers_of(&message.name).filter(|it| it.endpoint == "send_relay");
    let pdu = deposits.find_map(|it| it.pdus().iter().find(is_it))?;
    let place = (backend, message.conversation.as_str());
    gone(history, place, (&pdu.event, &message.name))
}

/// Returns in words that the relays that had an event for a backend have it no more, none of which
/// handed it out: it expired, or they lost their disks. A sender is rid of what one relay has taken.
/// None if a relay has it, if it came to the backend, or if somebody led that back to it. `what` says
/// what the event is.
pub(crate) fn gone(
    history: &History<'_>,
    place: (&str, &str),
    (event, what): (&str, &str),
) -> Option<String> {
    let (backend, _) = place;
    let mail = Mail::read(history);
    let is_it = |store: &&Store<'_>| {
        let mut pdus = store.exchange.pdus().iter();
        store.destination == backend && pdus.any(|pdu| pdu.event == event)
    };
    let stores: Vec<_> = mail.stores.iter().filter(is_it).collect();
    let lost = |store: &Store<'_>| {
        let loss = history.losses.iter().find(|loss| loss.loses(store.relay, store.accepted.at));
        loss.map(|loss| loss.at)
    };
    let is_gone = |store: &&Store<'_>| {
        let gone = expired(history, store).into_iter().chain(lost(store)).min();
        gone.is_some_and(|gone| {
            mail.handouts_of(store).all(|handout| handout.arrived.is_none_or(|at| at.at > gone))
        })
    };
    let first = stores.first().filter(|_| stores.iter().all(is_gone))?;
    // What leads there may have been sent before a relay took the event.
    let from = teller(history, event).map_or(first.exchange.sent.at, |(_, from)| from);
    if came_to(history, event, backend) || leading_to(history, place, from, event).next().is_some()
    {
        return None;
    }
    if let Some(at) = lost(first) {
        let (relay, at) = (first.relay, history.since_ready(at));
        return Some(format!("{relay} lost its disk at {at}, and {what} for {backend} with it"));
    }
    let time = in_words(time_to_live(history, first.relay));
    Some(format!("{} kept {what} for {backend} for {time}", first.relay))
}
