//! What a backend cannot know any more: its disk lost it, and nobody led it back, or nobody has it.

use std::time::Duration;

use crate::history::{History, Message, Moment};

/// Returns whether `backend` may have forgotten the event that it had of a conversation at a time, or
/// anything at any time if unset: its disk was emptied or set back since, and no message that another
/// backend sent after that came to it, which would have led it back to what it lacks. It is led back
/// to an event only by a backend that still had it.
pub(crate) fn is_forgotten(
    history: &History<'_>,
    place: (&str, &str),
    known: Option<(Duration, &str)>,
) -> bool {
    let (backend, _) = place;
    let mut losses = history.losses.iter().filter(|loss| match known {
        Some((at, _)) => loss.loses(backend, at),
        None => loss.machine == backend,
    });
    losses.any(|loss| match known {
        Some((_, event)) => !leading_to(history, place, loss.at, event)
            .any(|message| may_be_had(history, place, event, message)),
        None => leading(history, place, loss.at).next().is_none(),
    })
}

/// Returns whether `backend` did not know at `then` what it had known of a conversation at `had`: its
/// disk was emptied or set back in between, and by then no message of another backend had come to it
/// that was sent after that, and would have led it back.
pub(crate) fn had_forgotten(
    history: &History<'_>,
    place: (&str, &str),
    had: Duration,
    then: Moment,
) -> bool {
    let (backend, _) = place;
    let losses = history.losses.iter();
    let mut losses = losses.filter(|loss| loss.loses(backend, had) && loss.at <= then.at);
    losses.any(|loss| !is_led_back(history, place, loss.at, then))
}

/// Returns whether a message that another backend sent after `lost` had come to `backend` by `then`.
pub(super) fn is_led_back(
    history: &History<'_>,
    place: (&str, &str),
    lost: Duration,
    then: Moment,
) -> bool {
    let mut leading = leading(history, place, lost);
    leading.any(|it| it.ended.as_ref().is_some_and(|ended| ended.at.n <= then.n))
}

/// Returns the messages of a conversation that other backends sent after `lost` and that came to
/// `backend`: each leads it back to what it lacked.
pub(super) fn leading<'h>(
    history: &'h History<'_>,
    (backend, conversation): (&str, &str),
    lost: Duration,
) -> impl Iterator<Item = &'h Message> {
    let timeline = history.finals.timelines.get(&(backend.to_owned(), conversation.to_owned()));
    let (backend, conversation) = (backend.to_owned(), conversation.to_owned());
    history.messages.iter().filter(move |message| {
        let sender = history.backend_of(&message.device);
        let event = message.ended.as_ref().and_then(|ended| ended.event.as_ref());
        message.conversation == conversation
            && message.began.at > lost
            && sender != backend
            && history.is_honest(sender)
            && event.zip(timeline).is_some_and(|(event, timeline)| timeline.contains(event))
    })
}

/// Returns those of [`leading`] that may lead to an event: as far as the wire tells, they build on it.
pub(super) fn leading_to<'h>(
    history: &'h History<'_>,
    place: (&str, &str),
    lost: Duration,
    event: &'h str,
) -> impl Iterator<Item = &'h Message> {
    leading(history, place, lost).filter(move |message| {
        let ended = message.ended.as_ref().and_then(|ended| ended.event.as_deref());
        ended.is_some_and(|later| history.graph().may_follow(later, event))
    })
}

/// Returns whether the backend that sent a message may have had an event then: whoever has it not
/// leads nobody to it.
fn may_be_had(
    history: &History<'_>,
    (_, conversation): (&str, &str),
    event: &str,
    message: &Message,
) -> bool {
    let sender = history.backend_of(&message.device);
    let place = (sender.to_owned(), conversation.to_owned());
    match history.finals.timelines.get(&place) {
        Some(timeline) => timeline.contains(event) || had(history, sender, event, message.began.at),
        None => is_member(history, sender, conversation),
    }
}

/// Returns whether a backend showed an event before a time, and its disk kept it until then.
fn had(history: &History<'_>, backend: &str, event: &str, at: Duration) -> bool {
    let of_it = history.sightings.iter().filter(|sighting| sighting.event == event);
    let mut of_it = of_it.filter(|it| history.backend_of(&it.device) == backend && it.at.at <= at);
    of_it.any(|seen| {
        !history.losses.iter().any(|loss| loss.at <= at && loss.loses(backend, seen.at.at))
    })
}

/// Returns whether a backend has a user in a conversation to the end, and knows it.
fn is_member(history: &History<'_>, backend: &str, conversation: &str) -> bool {
    let members = history.known_members(conversation, u64::MAX);
    members.into_iter().any(|user| history.backend_of(user) == backend)
}

/// Returns in words, for each user whose own backend forgot a conversation with its disk and has not
/// been told of it again, what became of the membership.
pub(crate) fn forgotten_memberships(history: &History<'_>) -> Vec<String> {
    let forgotten = history.memberships.iter().filter(|stay| stay.forgotten_until.is_none());
    let forgotten = forgotten.filter_map(|stay| Some((stay, stay.forgotten_from?)));
    forgotten
        .map(|(stay, from)| {
            let (backend, user, room) =
                (history.backend_of(&stay.user), &stay.user, &stay.conversation);
            let at = history.since_ready(history.time_of(from));
            format!("{backend} lost its disk at {at}, and does not know that {user} is in {room}")
        })
        .collect()
}
