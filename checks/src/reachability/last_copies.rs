//! Whether the only copy of an event that was on its way was lost.

use std::time::Duration;

use super::{
    outages::Outages,
    path::{Reach, reach},
};
use crate::history::{Exchange, History, PduFacts, carried};

/// Returns in words why an event of a conversation's state did not come to a backend: whoever was to
/// tell it lost its disk, and the event's place in its queue with it, while certainly nothing could
/// pass from it to the backend, or what was to bring the event was under way. None if it could have
/// come, if it came, or if somebody who has the event in the end has sent the backend something since,
/// which leads it back. `what` says what the event tells.
pub(crate) fn lost_on_its_way(
    history: &History<'_>,
    (backend, conversation): (&str, &str),
    (event, what): (&str, &str),
) -> Option<String> {
    let (teller, from) = teller(history, event)?;
    let loss = history.losses.iter().find(|loss| loss.loses(teller, from))?;
    let outages = Outages::read(history);
    let way = reach(&outages, (teller, from), backend, loss.at, &[]);
    let tells = |it: &&Exchange<'_>| {
        (it.endpoint, it.from, it.to) == ("send", teller, backend)
            && it.sent.at <= loss.at
            && it.pdus().iter().any(|pdu| pdu.event == event)
    };
    let attempts: Vec<_> = history.exchanges.iter().filter(tells).collect();
    let was_tried = !attempts.is_empty()
        && was_on_its_way(&outages, &attempts, (teller, from, backend), loss.at);
    let never_came = was_tried || matches!(way, Reach::Cut { .. });
    if teller == backend || !never_came || is_led_to(history, (backend, conversation), event, from)
    {
        return None;
    }
    let at = history.since_ready(loss.at);
    Some(format!("{teller} lost its disk at {at}, before it could tell {backend} {what}"))
}

/// A server whose request got no answer tries again within this time, if it can.
const TRIED_AGAIN: Duration = Duration::from_secs(60);

/// Returns whether what a server had from a moment on was on its way to a backend when the server's disk
/// was lost: none of its `attempts` until then had brought it, and another one was due, or nothing could
/// pass.
pub(super) fn was_on_its_way(
    outages: &Outages,
    attempts: &[&Exchange<'_>],
    (server, from, backend): (&str, Duration, &str),
    lost: Duration,
) -> bool {
    // What a front proxy answered in the place of the backend never arrived there. An error that the
    // backend answered later was for nobody: whoever would have tried again for it had lost it by then.
    let never_came = |it: &Exchange<'_>| {
        it.arrived.is_none() || it.answer.is_none_or(|it| it.status >= 500 && it.sent.at > lost)
    };
    let was_unable = |attempt: &Exchange<'_>| {
        let mut outages = outages.of_machine(backend).iter();
        attempt.answer.is_some_and(|answer| {
            answer.status >= 500
                && outages.any(|it| {
                    it.from <= answer.sent.at && it.until.is_none_or(|it| it >= answer.sent.at)
                })
        })
    };
    // Without any, the first was still waiting for a connection, or for what came before.
    let last = attempts.iter().map(|attempt| attempt.sent.at).max().unwrap_or(from);
    let again = last + TRIED_AGAIN;
    let is_cut = || {
        let way = reach(outages, (server, again), backend, lost, &[]);
        matches!(way, Reach::Cut { .. })
    };
    // What was answered with an error of its own, or not tried again for long, was not lost on its way.
    attempts.iter().all(|it| never_came(it) || was_unable(it)) && (again >= lost || is_cut())
}

/// Returns the server that was to tell the others of an event, and from when on: the one through which
/// a user joined, or else the first that told anybody, or a relay, of its own accord or when asked.
pub(super) fn teller<'h>(history: &'h History<'_>, event: &str) -> Option<(&'h str, Duration)> {
    let is_join = |exchange: &&Exchange<'_>| {
        exchange.endpoint == "send_join" && exchange.arguments().pop().as_deref() == Some(event)
    };
    let join = history.exchanges.iter().find(is_join);
    let joined = join.and_then(|join| Some((join.to, join.arrived?.at)));
    let tells = |it: &Exchange<'h>| match it.endpoint {
        "send" | "send_relay" => {
            it.pdus().iter().any(|pdu| pdu.event == event).then_some((it.from, it.sent.at))
        }
        "backfill" | "event" | "get_missing_events" => {
            let answered = it.answer?.sent.at;
            // Whoever else has it was told of it.
            let is_its_own = |pdu: PduFacts| pdu.event == event && pdu.origin == it.to;
            carried(it).any(is_its_own).then_some((it.to, answered))
        }
        _ => None,
    };
    joined.or_else(|| history.exchanges.iter().filter_map(tells).min_by_key(|(_, from)| *from))
}

/// Returns whether a backend has a message that was sent later by a backend that has the event in the
/// end as part of the state.
pub(super) fn is_led_to(
    history: &History<'_>,
    (backend, conversation): (&str, &str),
    event: &str,
    from: Duration,
) -> bool {
    let states = history.finals.states.get(conversation);
    super::forgotten::leading_to(history, (backend, conversation), from, event).any(|message| {
        let state = states.and_then(|states| states.get(history.backend_of(&message.device)));
        state.is_some_and(|state| state.values().any(|known| known == event))
    })
}
