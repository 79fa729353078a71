//! What a backend cannot know any more: its disk lost it, and nobody led it back.

use std::time::Duration;

use super::Outages;
use crate::history::History;

/// Returns whether `backend` may have forgotten what it had of a conversation at `known`, or at any
/// time if unset: its disk was emptied or set back since, and no message that another backend sent
/// after that came to it, which would have led it back to what it lacks.
pub(crate) fn is_forgotten(
    history: &History<'_>,
    (backend, conversation): (&str, &str),
    known: Option<Duration>,
) -> bool {
    if history.keeps_its_disk(backend) {
        return false;
    }
    let outages = Outages::read(history);
    let mut losses = outages.losses.iter().filter(|loss| match known {
        Some(known) => loss.loses(backend, known),
        None => loss.machine == backend,
    });
    losses.any(|loss| !is_led_back(history, (backend, conversation), loss.at))
}

fn is_led_back(
    history: &History<'_>,
    (backend, conversation): (&str, &str),
    lost: Duration,
) -> bool {
    let place = (backend.to_owned(), conversation.to_owned());
    let Some(timeline) = history.finals.timelines.get(&place) else { return false };
    history.messages.iter().any(|message| {
        let sender = history.backend_of(&message.device);
        let event = message.ended.as_ref().and_then(|ended| ended.event.as_ref());
        message.conversation == conversation
            && message.began.at > lost
            && sender != backend
            && history.is_honest(sender)
            && event.is_some_and(|event| timeline.contains(event))
    })
}
