//! Every message by every device: who saw what, and when.

use std::collections::BTreeSet;

use ::checks::record::{Copy, Message, OpOutcome, Presence};
use maud::{Markup, html};

use super::Run;
use crate::{
    time::exact,
    words::{grouped, names, outcome},
};

/// The most messages that are shown.
const MESSAGES: usize = 200;
/// Up to this many messages, the table is not scrolled by itself.
const FEW: usize = 24;
/// The most devices that get a column of their own.
const DEVICES: usize = 24;
/// The most devices that are named where there are no columns.
const NAMED: usize = 6;

pub(super) fn section(run: &Run<'_>) -> Option<Markup> {
    let all = &run.record.messages;
    if all.is_empty() && run.record.skipped.is_empty() {
        return None;
    }
    let devices: BTreeSet<(&str, &str)> =
        all.iter().flat_map(|it| &it.copies).map(|it| (&*it.backend, &*it.device)).collect();
    let columns: Vec<_> =
        if devices.len() <= DEVICES { devices.into_iter().collect() } else { Vec::new() };
    let mut shown: Vec<&Message> = all.iter().collect();
    if all.len() > MESSAGES {
        shown.sort_by_key(|message| is_ordinary(message));
        shown.truncate(MESSAGES);
    }
    Some(html! {
        div.scroll.tall[shown.len() > FEW] tabindex="0" role="region" aria-label="Messages by device" {
            table.matrix {
                thead {
                    tr {
                        th { "message" } th { "from" } th.num { "sent" } th { "outcome" }
                        @for (backend, device) in &columns { th.num { (device) span.of { "@" (backend) } } }
                        @if columns.is_empty() { th { "devices" } }
                    }
                }
                tbody { @for message in &shown { (row(message, &columns)) } }
            }
        }
        @if shown.len() < all.len() {
            p.hint { "and " (grouped((all.len() - shown.len()) as u64)) " more messages; those that did not arrive everywhere once come first" }
        }
        @if !run.record.skipped.is_empty() { (skipped(run)) }
    })
}

fn row(message: &Message, columns: &[(&str, &str)]) -> Markup {
    html! {
        tr {
            th scope="row" { a.focus href="#diagram" data-focus=(message.id) title="follow this message" { (message.id) } }
            td { (message.from) " → " (message.conversation) }
            td.num { (exact(message.sent_ns)) }
            td { (outcome_of(message)) }
            @for (_, device) in columns {
                @match message.copies.iter().find(|copy| copy.device == *device) {
                    Some(copy) => (cell(message, copy)),
                    None => td.num {},
                }
            }
            @if columns.is_empty() { td { (arrival(message)) } }
        }
    }
}

fn outcome_of(message: &Message) -> Markup {
    let class = match message.outcome {
        OpOutcome::Ok => "result",
        OpOutcome::Refused => "doubtful",
        OpOutcome::Indefinite => "bad",
    };
    let lists =
        [("unreachable", &message.unreachable), ("failed_to_send", &message.failed_to_send)];
    html! {
        span.(class) { (outcome(message.outcome)) }
        @for (word, backends) in lists.iter().filter(|(_, backends)| !backends.is_empty()) {
            ", " (word) " " (names(backends.iter().map(String::as_str), NAMED))
        }
    }
}

fn cell(message: &Message, copy: &Copy) -> Markup {
    let Some(at) = copy.seen_ns else {
        return match (copy.presence, message.outcome) {
            (Presence::Left, _) => html! { td.num.quiet { "left" } },
            (Presence::Later, _) => html! { td.num.quiet { "joined later" } },
            (Presence::Member, OpOutcome::Refused) => html! { td.num.quiet { "not shown" } },
            (Presence::Member, _) => html! { td.num.never { "✕ never" } },
        };
    };
    let class = if message.from == copy.device { "own" } else { "seen" };
    html! {
        td.num.(class) {
            (exact(at))
            @if copy.times > 1 { b.bad { " ×" (copy.times) } }
            span.after { "+" (exact(at.saturating_sub(message.sent_ns))) }
        }
    }
}

fn counts(copy: &Copy) -> bool {
    copy.presence == Presence::Member || copy.seen_ns.is_some()
}

/// Returns whether everybody who should have seen a message saw it, once.
fn is_ordinary(message: &Message) -> bool {
    let once = |copy: &Copy| copy.seen_ns.is_some() && copy.times <= 1;
    message.outcome == OpOutcome::Ok && message.copies.iter().filter(|it| counts(it)).all(once)
}

fn arrival(message: &Message) -> Markup {
    let meant: Vec<&Copy> = message.copies.iter().filter(|copy| counts(copy)).collect();
    let seen = meant.iter().filter(|copy| copy.seen_ns.is_some()).count();
    let unseen: Vec<&str> =
        meant.iter().filter(|copy| copy.seen_ns.is_none()).map(|copy| &*copy.device).collect();
    html! {
        "seen by " (seen) " of " (meant.len())
        @if !unseen.is_empty() && message.outcome != OpOutcome::Refused {
            span.bad { "; ✕ never by " (names(unseen.iter().copied(), NAMED)) }
        }
    }
}

fn skipped(run: &Run<'_>) -> Markup {
    html! {
        p { "Operations that never happened:" }
        ul {
            @for it in run.record.skipped.iter().take(MESSAGES) {
                li { code { (it.operation) } " at " (exact(it.at_ns)) ", because " (it.reason()) }
            }
        }
    }
}
