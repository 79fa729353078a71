//! Reads what clients do.

use super::one_kind;
use crate::{
    language::{
        reader::Reader,
        table::{Item, Table},
    },
    scenario::{Op, OpKind, Repeat},
};

/// The keys of which an operation has exactly one.
const KINDS: &[&str] = &["send", "fetch", "join", "leave", "kick", "ban", "power", "trespass"];

/// Reads all operations, and leaves out those without a kind.
pub(super) fn all(list: &Item<'_>, ops: &mut Vec<Op>, reader: &mut Reader) {
    for item in reader.list(list).unwrap_or_default() {
        // Indices are those of the scenario, not those of the file.
        let at = format!("ops[{}]", ops.len());
        reader.places.put(&at, item.span.clone());
        if let Some(op) = one(&Item { at: at.clone(), ..item }, reader) {
            ops.push(op);
        } else {
            reader.places.forget(&at);
            // Its message may be referred to elsewhere.
            reader.places.mark_broken("ops");
        }
    }
}

fn one(item: &Item<'_>, reader: &mut Reader) -> Option<Op> {
    let mut table = reader.table(item)?;
    let at = table.need("at", reader);
    let repeat = repeat(&mut table, reader);
    let kind = one_kind(&mut table, KINDS, "operation", reader);
    let at = at.and_then(|at| reader.duration(&at)).unwrap_or_default();
    let (kind, body) = kind?;
    let mut body = reader.table(&body)?;
    let kind = match kind {
        "send" => send(&mut body, reader),
        "fetch" => OpKind::Fetch { user: needed(&mut body, "user", reader) },
        "join" => OpKind::Join {
            user: needed(&mut body, "user", reader),
            conversation: needed(&mut body, "conversation", reader),
        },
        "leave" => OpKind::Leave {
            user: needed(&mut body, "user", reader),
            conversation: needed(&mut body, "conversation", reader),
        },
        "kick" => OpKind::Kick {
            user: needed(&mut body, "user", reader),
            by: needed(&mut body, "by", reader),
            conversation: needed(&mut body, "conversation", reader),
        },
        "ban" => OpKind::Ban {
            user: needed(&mut body, "user", reader),
            by: needed(&mut body, "by", reader),
            conversation: needed(&mut body, "conversation", reader),
        },
        "power" => power(&mut body, reader),
        _ => OpKind::Trespass {
            relay: needed(&mut body, "relay", reader),
            victim: needed(&mut body, "victim", reader),
        },
    };
    body.done(reader);
    Some(Op { at, kind, repeat })
}

fn repeat(table: &mut Table<'_>, reader: &mut Reader) -> Repeat {
    let times = table.take("times", reader).and_then(|times| reader.whole(&times));
    let every = table.take("every", reader).and_then(|every| reader.duration(&every));
    Repeat { times: times.unwrap_or(1), every: every.unwrap_or_default() }
}

fn send(body: &mut Table<'_>, reader: &mut Reader) -> OpKind {
    let id = needed(body, "id", reader);
    let text = body.take("text", reader).and_then(|text| reader.text(&text));
    let retries = body.take("retries", reader).and_then(|retries| reader.whole(&retries));
    OpKind::Send {
        // What a message says rarely matters; its name is enough to tell it from others.
        text: text.unwrap_or_else(|| id.clone()),
        id,
        from: needed(body, "from", reader),
        to: needed(body, "to", reader),
        retries: retries.unwrap_or(0),
    }
}

fn power(body: &mut Table<'_>, reader: &mut Reader) -> OpKind {
    let level = body.need("level", reader).and_then(|level| reader.whole(&level));
    OpKind::Power {
        user: needed(body, "user", reader),
        level: level.unwrap_or_default(),
        by: needed(body, "by", reader),
        conversation: needed(body, "conversation", reader),
    }
}

/// Reads a text that must be there; if it is not, its replacement is marked as broken.
fn needed(table: &mut Table<'_>, key: &'static str, reader: &mut Reader) -> String {
    table.need(key, reader).and_then(|item| reader.text(&item)).unwrap_or_default()
}
