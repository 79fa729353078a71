//! Whether a backend lacks an event only because a lying one told others of it and not this backend.

use super::{
    last_copies::{is_led_to, teller},
    two_leaves::came_to,
};
use crate::history::History;

/// Returns in words why an event of a conversation's state did not come to a backend: it was for a
/// lying one to tell, which did not, and nobody who has the event in the end has sent the backend
/// something since, which leads it there. Whatever a liar sends, some may get alone (server-server API:
/// each event names those before it, and that is how the others find it).
pub(crate) fn withheld(
    history: &History<'_>,
    (backend, conversation): (&str, &str),
    (event, what): (&str, &str),
) -> Option<String> {
    let (teller, from) = teller(history, event)?;
    let is_told = came_to(history, event, backend);
    if history.is_honest(teller)
        || is_told
        || is_led_to(history, (backend, conversation), event, from)
    {
        return None;
    }
    Some(format!("{teller} misbehaves, and did not tell {backend} {what}"))
}
