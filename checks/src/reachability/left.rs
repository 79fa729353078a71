//! Whether everybody who has a message has left its room, without having heard of those whom it did not
//! reach.
//!
//! Whoever hears of a newcomer hands on what the newcomer has missed. A backend that is out of the room
//! takes nothing of it any more, and so hears of nobody (server-server API, "Transactions": a receiver
//! discards what is of a room that it is not in).

use std::collections::BTreeSet;

use super::soft_failed::taken;
use crate::history::{History, Message, transacted};

/// Returns in words that a message did not come to `backend`, because those who have it left the room
/// before they heard that anybody of the backend had joined. None if somebody who is in the room has it,
/// if somebody who has it knew of the backend, or if the backend was in the room from the beginning.
pub(crate) fn left_unaware(
    history: &History<'_>,
    message: &Message,
    backend: &str,
) -> Option<String> {
    let event = message.ended.as_ref()?.event.as_ref()?;
    let conversation = history.scenario.conversations.get(&message.conversation)?;
    let of = |user: &str| history.backend_of(user) == backend;
    if of(&conversation.creator) || conversation.members.iter().any(|user| of(user)) {
        return None;
    }
    let members = history.known_members(&message.conversation, u64::MAX);
    let inside: BTreeSet<&str> = members.into_iter().map(|user| history.backend_of(user)).collect();
    let timelines = history.finals.timelines.iter();
    let holders =
        timelines.filter(|((_, of), shown)| *of == message.conversation && shown.contains(event));
    // Of a backend that is out, the timeline may not have been read.
    let origin = history.backend_of(&message.device);
    let holders: BTreeSet<&str> =
        holders.map(|((holder, _), _)| holder.as_str()).chain([origin]).collect();
    let pdus = transacted(history);
    let room = &history.sightings_of(&message.name).next()?.room;
    let joins = pdus.values().filter(|pdu| {
        pdu.what.starts_with("the join of ") && pdu.origin == backend && pdu.room == *room
    });
    let joins: Vec<&str> = joins.map(|pdu| pdu.event.as_str()).collect();
    let let_in = |holder: &str| {
        history.exchanges_of("send_join").any(|it| it.from == backend && it.to == holder)
    };
    let knew = |holder: &str| {
        let_in(holder) || joins.iter().any(|join| taken(history, holder, join).is_some())
    };
    let is_excused =
        !joins.is_empty() && holders.iter().all(|holder| !inside.contains(holder) && !knew(holder));
    is_excused.then(|| {
        let name = &message.name;
        let who = holders.into_iter().collect::<Vec<_>>().join(" and ");
        format!("{who} left with {name} before hearing that anybody of {backend} had joined")
    })
}
