//! What is kept for a while only, or as long as a relay has its disk, and is gone when it is asked for
//! after that.

use std::time::Duration;

use scenarios::duration;

use super::forgotten::leading;
use crate::history::{
    History, Message,
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

/// Returns in words that the relays that had a message for a backend have it no more, none of which
/// handed it out: it expired, or they lost their disks. A sender is rid of what one relay has taken.
/// None if a relay has it, or if somebody led the backend back to it.
pub(super) fn mail_that_is_gone(
    history: &History<'_>,
    message: &Message,
    backend: &str,
) -> Option<String> {
    if !history.carriers_of(&message.name).any(|exchange| exchange.endpoint == "send_relay") {
        return None;
    }
    let mail = Mail::read(history);
    let is_it = |store: &&Store<'_>| {
        let mut pdus = store.exchange.pdus().iter();
        store.destination == backend
            && pdus.any(|pdu| pdu.message.as_deref() == Some(message.name.as_str()))
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
    let place = (backend, message.conversation.as_str());
    if leading(history, place, message.began.at).next().is_some() {
        return None;
    }
    if let Some(at) = lost(first) {
        let (relay, at, name) = (first.relay, history.since_ready(at), &message.name);
        return Some(format!("{relay} lost its disk at {at}, and {name} for {backend} with it"));
    }
    let time = in_words(time_to_live(history, first.relay));
    Some(format!("{} kept {} for {backend} for {time}", first.relay, message.name))
}
