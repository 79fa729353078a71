//! The messages: how each send ended, and who saw it when.
//!
//! A table has a column for each device, as long as they fit; otherwise there is a sentence for
//! each message; and for a large run there is a summary, with the messages that did not arrive
//! everywhere exactly once.

use std::collections::BTreeSet;

use checks::record::{Copy, Message, OpOutcome, Presence, Skipped};

use crate::{
    COLUMNS,
    table::{Column, Table, bound, left, right},
    time::exact,
    words::{clean, count, cut, grouped, names, outcome},
};

/// The section's title.
const TITLE: &str = "messages";
/// The most messages that are shown one by one, and the most lines of the table.
const MOST: usize = 12;
/// The most messages of a large run that are shown because something happened to them.
const MOST_REMARKABLE: usize = 8;
/// The most devices that one message's sentence names.
const DEVICES: usize = 3;

/// The most operations that are named because they never happened.
const MOST_SKIPPED: usize = 2;

pub(super) fn lines(messages: &[Message], skipped: &[Skipped]) -> Vec<String> {
    let mut lines = sent(messages);
    if lines.is_empty() && !skipped.is_empty() {
        lines.push(TITLE.to_owned());
    }
    lines.extend(never(skipped));
    lines
}

/// Says which operations never happened.
fn never(skipped: &[Skipped]) -> Option<String> {
    let each: Vec<String> =
        skipped.iter().map(|it| format!("{} ({})", it.operation, it.reason())).collect();
    let named = names(each.iter().map(String::as_str), MOST_SKIPPED);
    let counted = count(skipped.len() as u64, "operations");
    let line = format!("  {counted} never happened: {named}");
    (!skipped.is_empty()).then(|| cut(&clean(&line), COLUMNS))
}

fn sent(messages: &[Message]) -> Vec<String> {
    if messages.is_empty() {
        return Vec::new();
    }
    if messages.len() > MOST {
        return summary(messages);
    }
    let table = by_device(messages);
    let table = if table.width() <= COLUMNS { table } else { by_sentence(messages.iter()) };
    titled(bound(table.lines(), MOST + 1, |left| format!("and {left} more")))
}

/// Puts the section's title before the column heads, which leave room for it.
fn titled(mut lines: Vec<String>) -> Vec<String> {
    if let Some(rest) = lines.first().and_then(|head| head.strip_prefix(&" ".repeat(TITLE.len()))) {
        lines[0] = format!("{TITLE}{rest}");
    } else {
        lines.insert(0, TITLE.to_owned());
    }
    lines
}

fn by_device(messages: &[Message]) -> Table {
    let devices: BTreeSet<(&str, &str)> =
        messages.iter().flat_map(|m| &m.copies).map(|c| (&*c.backend, &*c.device)).collect();
    let mut columns = common();
    columns.extend(devices.iter().map(|_| right(24)));
    let mut table = Table::new(columns);

    let mut head = heads();
    head.extend(devices.iter().map(|(backend, device)| format!("{device}@{backend}")));
    table.push(&head);
    for message in messages {
        let mut row = common_cells(message);
        for (_, device) in &devices {
            let copy = message.copies.iter().find(|copy| copy.device == *device);
            row.push(copy.map_or_else(String::new, seen));
        }
        table.push(&row);
    }
    table
}

fn by_sentence<'a>(messages: impl Iterator<Item = &'a Message>) -> Table {
    let mut columns = common();
    columns.push(left(usize::MAX));
    let mut table = Table::new(columns).wrapping(2);
    let mut head = heads();
    head.push("devices".to_owned());
    table.push(&head);
    for message in messages {
        let mut row = common_cells(message);
        row.push(arrival(message));
        table.push(&row);
    }
    table
}

fn common() -> Vec<Column> {
    vec![left(16), left(28), right(16), left(28)]
}

fn heads() -> Vec<String> {
    ["", "", "sent", "outcome"].map(str::to_owned).to_vec()
}

fn common_cells(message: &Message) -> Vec<String> {
    vec![
        message.id.clone(),
        format!("{} → {}", message.from, message.conversation),
        exact(message.sent_ns),
        outcome_of(message),
    ]
}

fn outcome_of(message: &Message) -> String {
    let mut parts = vec![outcome(message.outcome).to_owned()];
    let lists =
        [("unreachable", &message.unreachable), ("failed_to_send", &message.failed_to_send)];
    for (word, backends) in lists.into_iter().filter(|(_, backends)| !backends.is_empty()) {
        let backends = names(backends.iter().map(String::as_str), DEVICES);
        parts.push(format!("{word} {backends}"));
    }
    parts.join(", ")
}

fn seen(copy: &Copy) -> String {
    match (copy.seen_ns, copy.times, copy.presence) {
        (None, _, Presence::Member) => "never".to_owned(),
        (None, _, Presence::Left) => "left".to_owned(),
        (None, _, Presence::Later) => "joined later".to_owned(),
        (Some(at), 0 | 1, _) => exact(at),
        (Some(at), times, _) => format!("{} ×{times}", exact(at)),
    }
}

/// Returns whether the message was meant for this device or reached it anyway.
fn counts(copy: &Copy) -> bool {
    copy.presence == Presence::Member || copy.seen_ns.is_some()
}

/// Returns whether the device should have seen the message and did not.
fn is_missing(copy: &Copy) -> bool {
    copy.presence == Presence::Member && copy.seen_ns.is_none()
}

fn arrival(message: &Message) -> String {
    let seen: Vec<u64> = message.copies.iter().filter_map(|copy| copy.seen_ns).collect();
    let of = count(message.copies.iter().filter(|copy| counts(copy)).count() as u64, "devices");
    let last = seen.iter().max().map(|last| format!(", last at {}", exact(*last)));
    let by = format!("seen by {} of {of}", grouped(seen.len() as u64));
    let mut parts = vec![by + &last.unwrap_or_default()];

    let unseen = message.copies.iter().filter(|copy| is_missing(copy));
    let unseen: Vec<&str> = unseen.map(|copy| copy.device.as_str()).collect();
    if !unseen.is_empty() && message.outcome != OpOutcome::Refused {
        parts.push(format!("not by {}", names(unseen, DEVICES)));
    }
    let twice: Vec<&str> = twice(message).map(|copy| copy.device.as_str()).collect();
    if !twice.is_empty() {
        parts.push(format!("more than once by {}", names(twice, DEVICES)));
    }
    parts.join("; ")
}

fn twice(message: &Message) -> impl Iterator<Item = &Copy> {
    message.copies.iter().filter(|copy| copy.times > 1)
}

/// Returns whether the message is unlike most: not certainly sent, seen although refused, not seen
/// by all, or seen twice.
fn remarkable(message: &Message) -> bool {
    let all = !message.copies.iter().any(is_missing);
    message.outcome != OpOutcome::Ok || !all || twice(message).next().is_some()
}

fn summary(messages: &[Message]) -> Vec<String> {
    let ended = |outcome| messages.iter().filter(|m| m.outcome == outcome).count() as u64;
    let copies = || messages.iter().flat_map(|m| &m.copies).filter(|copy| counts(copy));
    let seen = copies().filter(|copy| copy.seen_ns.is_some()).count() as u64;
    let mut lines = vec![
        TITLE.to_owned(),
        format!(
            "  {}: {} ok, {} refused, {} indefinite",
            count(messages.len() as u64, "messages"),
            grouped(ended(OpOutcome::Ok)),
            grouped(ended(OpOutcome::Refused)),
            grouped(ended(OpOutcome::Indefinite)),
        ),
        format!("  {} of {} seen", grouped(seen), count(copies().count() as u64, "copies")),
    ];
    lines.extend(delays(messages));
    let remarkable: Vec<&Message> = messages.iter().filter(|m| remarkable(m)).collect();
    if !remarkable.is_empty() {
        let table = by_sentence(remarkable.into_iter());
        lines.extend(bound(table.lines(), MOST_REMARKABLE + 1, |left| {
            format!("and {left} more that were not seen everywhere, once")
        }));
    }
    lines
}

/// Says how long copies took to others than the sender's own device, from the send.
fn delays(messages: &[Message]) -> Option<String> {
    let mut delays: Vec<(u64, &str, &str)> = Vec::new();
    for message in messages {
        let others = message.copies.iter().filter(|copy| copy.device != message.from);
        let seen = others.filter_map(|copy| Some((copy.seen_ns?, copy)));
        delays.extend(
            seen.map(|(at, copy)| {
                (at.saturating_sub(message.sent_ns), &*message.id, &*copy.device)
            }),
        );
    }
    delays.sort_unstable();
    let (longest, message, device) = *delays.last()?;
    let (median, ..) = delays[(delays.len() - 1) / 2];
    let text = format!(
        "  half of them within {}, the slowest after {}: {message} at {device}",
        exact(median),
        exact(longest)
    );
    Some(text)
}
