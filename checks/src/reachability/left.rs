//! Whether those who could tell a backend of an event had left its room, without having heard that
//! anybody of the backend had joined.
//!
//! Whoever hears of a newcomer hands on what the newcomer has missed. A backend that is out of the room
//! takes nothing of it any more, and so hears of nobody (server-server API, "Transactions": a receiver
//! discards what is of a room that it is not in).

use std::collections::BTreeSet;

use super::{
    last_copies::{is_led_to, teller},
    soft_failed::taken,
    two_leaves::came_to,
};
use crate::history::{Exchange, History, Message, pdu::local_part, transacted};

/// Returns in words that a message did not come to `backend`, because those who have it left the room
/// before they heard that anybody of the backend had joined. None if somebody who is in the room has it,
/// if somebody who has it knew of the backend, or if the backend was in the room from the beginning.
pub(crate) fn left_unaware(
    history: &History<'_>,
    message: &Message,
    backend: &str,
) -> Option<String> {
    let event = message.ended.as_ref()?.event.as_ref()?;
    let room = &history.sightings_of(&message.name).next()?.room;
    let newcomer = Newcomer::find(history, (backend, &message.conversation), room)?;
    let timelines = history.finals.timelines.iter();
    let holders =
        timelines.filter(|((_, of), shown)| *of == message.conversation && shown.contains(event));
    // The timeline of a backend that is out is not read: it counts if it took the message.
    let origin = history.backend_of(&message.device);
    let backends = history.scenario.backends.keys().map(String::as_str);
    let takers = backends.filter(|it| taken(history, it, event).is_some());
    let holders: BTreeSet<&str> =
        holders.map(|((holder, _), _)| holder.as_str()).chain(takers).chain([origin]).collect();
    holders.iter().all(|holder| newcomer.was_unknown_to(holder)).then(|| {
        let name = &message.name;
        let who = holders.into_iter().collect::<Vec<_>>().join(" and ");
        format!("{who} left with {name} before hearing that anybody of {backend} had joined")
    })
}

/// Returns in words that a backend lacks an event of the state, because its sender's backend left the room
/// before it heard that anybody of the backend had joined. None if it was told, or if somebody who has the
/// event has sent the backend something since, which leads it there: that is how the others hand it on.
pub(crate) fn left_untold(
    history: &History<'_>,
    place: (&str, &str),
    (event, what): (&str, &str),
) -> Option<String> {
    let (backend, _) = place;
    let pdus = transacted(history);
    let pdu = pdus.get(event)?;
    let (_, from) = teller(history, event)?;
    let newcomer = Newcomer::find(history, place, &pdu.room)?;
    let is_excused = newcomer.was_unknown_to(&pdu.origin)
        && !came_to(history, event, backend)
        && !is_led_to(history, place, event, from);
    is_excused.then(|| {
        let origin = &pdu.origin;
        format!("{origin} left before hearing that anybody of {backend} had joined, and so did not tell it {what}")
    })
}

/// A backend whose users joined a conversation in the course of a run.
struct Newcomer<'h> {
    history: &'h History<'h>,
    backend: &'h str,
    /// The backends with a member in the end.
    inside: BTreeSet<&'h str>,
    /// The joins of its users.
    joins: Vec<&'h str>,
}

impl<'h> Newcomer<'h> {
    /// Returns a backend that was not in the conversation from the beginning, and whose users joined it.
    fn find(
        history: &'h History<'h>,
        (backend, conversation): (&'h str, &str),
        room: &str,
    ) -> Option<Self> {
        let of = |user: &String| history.backend_of(user) == backend;
        let begun = history.scenario.conversations.get(conversation)?;
        if of(&begun.creator) || begun.members.iter().any(of) {
            return None;
        }
        let members = history.known_members(conversation, u64::MAX).into_iter();
        let inside = members.map(|user| history.backend_of(user)).collect();
        let pdus = transacted(history);
        let joins = pdus.values().filter(|pdu| {
            pdu.what.starts_with("the join of ") && pdu.origin == backend && pdu.room == room
        });
        let joins: Vec<&str> = joins.map(|pdu| pdu.event.as_str()).collect();
        (!joins.is_empty()).then_some(Self { history, backend, inside, joins })
    }

    /// Returns whether another backend is out of the room in the end, and never heard of this one's joins.
    fn was_unknown_to(&self, other: &str) -> bool {
        let mut asked = self.history.exchanges_of("send_join");
        !self.inside.contains(other)
            && !asked.any(|it| {
                (it.from == self.backend && it.to == other)
                    || (it.from == other && hands_over(it, self.history, self.backend))
            })
            && !self.joins.iter().any(|join| knows(self.history, other, join))
    }
}

/// Returns whether a backend took an event, or one that builds on it, or made one. What it was answered when
/// it asked for missing events it may not have been able to verify.
fn knows(history: &History<'_>, backend: &str, event: &str) -> bool {
    let graph = history.graph();
    history.exchanges.iter().any(|it| {
        let is_for_it = match it.endpoint {
            "send" => it.to == backend,
            "relay_txn" => it.from == backend,
            _ => false,
        };
        it.pdus().iter().any(|pdu| {
            let is_taken = is_for_it && it.is_accepted() && !it.refuses(&pdu.event);
            (is_taken || pdu.origin == backend) && graph.follows(&pdu.event, event)
        })
    })
}

/// Returns whether the answer to a join hands over a state in which a user of a backend is in the room.
fn hands_over(join: &Exchange<'_>, history: &History<'_>, backend: &str) -> bool {
    let answer = join.answer_json();
    let state = answer.and_then(|answer| answer["state"].as_array());
    state.into_iter().flatten().any(|event| {
        let user = event["state_key"].as_str().map(local_part);
        event["content"]["membership"] == "join"
            && user.is_some_and(|user| history.backend_of(user) == backend)
    })
}
