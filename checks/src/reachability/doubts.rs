//! What a homeserver has pending for ever, because the only one who could end it has lost its disk.

use std::collections::BTreeSet;

use crate::history::{Exchange, History, Moment};

/// Returns what was pending when the time to settle was over and is not pending for ever; none if that
/// time was not over.
pub(crate) fn still_pending<'h>(history: &'h History<'_>) -> Option<Vec<&'h String>> {
    let (_, pending) = history.settled.as_ref()?;
    if pending.is_empty() || history.losses.is_empty() {
        return Some(pending.iter().collect());
    }
    let queues = history.finals.queues.iter();
    let queued =
        queues.flat_map(|(backend, left)| left.iter().map(move |(what, n)| (backend, what, *n)));
    let for_ever: BTreeSet<String> = queued
        .filter(|(backend, what, count)| never_done(history, backend, (what, *count)).is_some())
        .map(|(backend, what, count)| format!("{backend} has {count} pending: {what}"))
        .collect();
    Some(pending.iter().filter(|it| !for_ever.contains(*it)).collect())
}

/// Returns why nobody can ever help a backend out of what it has pending; none if somebody can.
pub(crate) fn never_done(
    history: &History<'_>,
    backend: &str,
    (what, count): (&str, u64),
) -> Option<String> {
    let (verb, lost, votes) = if let Some(owner) = what.strip_prefix("in doubt about ") {
        ("stays", owner, lost_votes(history, (owner, backend), owner))
    } else if let Some(server) = what.strip_prefix("joins through ") {
        ("keeps", server, lost_joins(history, backend, server))
    } else {
        let member = what.strip_prefix("commits for ")?;
        ("keeps", member, lost_votes(history, (backend, member), member))
    };
    let loss = history.losses.iter().find(|loss| loss.machine == lost)?;
    let at = history.since_ready(loss.at);
    (count <= votes).then(|| format!("{backend} {verb} {what}, which lost its disk at {at}"))
}

/// Returns how many joins a backend asked a server for that has lost its disk since: it does not know the
/// room any more, and cannot be told otherwise before somebody leads it back.
fn lost_joins(history: &History<'_>, backend: &str, server: &str) -> u64 {
    let joins = history.exchanges_of("send_join").filter(|join| {
        (join.from, join.to) == (backend, server)
            && history.losses.iter().any(|loss| loss.loses(server, join.sent.at))
    });
    joins.count() as u64
}

/// Returns how many messages a member has voted for whose vote, or decision, was lost with the disk of
/// one of the two, and which the member was not told to show or to forget, or was told, which nobody heard
/// before it forgot that, too.
fn lost_votes(history: &History<'_>, (owner, member): (&str, &str), lost: &str) -> u64 {
    let is_lost = |answered: &Moment| {
        lost == member && history.losses.iter().any(|loss| loss.loses(lost, answered.at))
    };
    // An answer that comes while a process hangs may be too late for it: it asks again.
    let is_heard = |told: &Exchange<'_>| {
        let asks_again = |heard: Moment| {
            history.exchanges_of("decision").any(|again| {
                again.sent > heard
                    && (again.from, again.to) == (told.from, told.to)
                    && again.arguments() == told.arguments()
            })
        };
        told.answer_arrived.is_some_and(|heard| !asks_again(heard))
    };
    let is_told = |prepared: &Exchange<'_>| {
        history.exchanges.iter().any(|exchange| {
            let is_decision = exchange.endpoint == "decision"
                && (exchange.from, exchange.to) == (owner, member)
                && exchange.is_accepted();
            let is_outcome = exchange.endpoint == "outcome"
                && (exchange.from, exchange.to) == (member, owner)
                && exchange.answer_json().is_some_and(|body| body["decision"].is_string());
            let is_kept = exchange.answer.is_some_and(|answer| !is_lost(&answer.sent));
            let is_heard = is_decision && is_heard(exchange);
            (is_decision || is_outcome)
                && (is_kept || is_heard)
                && exchange.arguments() == prepared.arguments()
        })
    };
    let votes = history.exchanges_of("prepare").filter(|exchange| {
        (exchange.from, exchange.to) == (owner, member)
            && exchange.is_accepted()
            && exchange.answer_json().is_some_and(|body| body["vote"] == "yes")
            && exchange.answer.is_some_and(|answer| {
                history.losses.iter().any(|loss| loss.loses(lost, answer.sent.at))
            })
            && !is_told(exchange)
    });
    let mut messages: Vec<_> = votes.map(Exchange::arguments).collect();
    messages.sort_unstable();
    messages.dedup();
    messages.len() as u64
}
