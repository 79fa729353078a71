//! Reads what clients do.

use std::time::Duration;

use toml::de::{DeInteger, DeValue};

use super::{expect, one_kind};
use crate::{
    language::{
        mistake::{Code, Mistake},
        ops,
        reader::Reader,
        table::{Item, Table},
    },
    scenario::{Op, OpKind, Repeat},
};

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
    let jitter = table.take("jitter", reader).and_then(|jitter| reader.duration(&jitter));
    let outcome = table.take("outcome", reader);
    let outcome = outcome.and_then(|item| expect::outcome(&item, reader));
    let kind = one_kind(&mut table, &ops::keys(), "operation", reader);
    let at = at.and_then(|at| reader.duration(&at)).unwrap_or_default();
    let (kind, body) = kind?;
    let mut body = reader.table(&body)?;
    let kind = match kind {
        "send" => send(&mut body, reader),
        "redact" => OpKind::Redact {
            message: needed(&mut body, "message", reader),
            by: needed(&mut body, "by", reader),
        },
        "typing" => OpKind::Typing {
            user: needed(&mut body, "user", reader),
            conversation: needed(&mut body, "conversation", reader),
        },
        "logout" => OpKind::Logout { device: needed(&mut body, "device", reader) },
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
        "state" => state(&mut body, reader),
        "invite" => OpKind::Invite {
            user: needed(&mut body, "user", reader),
            by: needed(&mut body, "by", reader),
            conversation: needed(&mut body, "conversation", reader),
        },
        _ => OpKind::Trespass {
            relay: needed(&mut body, "relay", reader),
            victim: needed(&mut body, "victim", reader),
        },
    };
    body.done(reader);
    Some(Op { at, kind, repeat, jitter: jitter.unwrap_or(Duration::ZERO), outcome })
}

fn repeat(table: &mut Table<'_>, reader: &mut Reader) -> Repeat {
    let times = table.take("times", reader).and_then(|times| reader.whole(&times));
    let every = table.take("every", reader).and_then(|every| reader.duration(&every));
    Repeat { times: times.unwrap_or(1), every: every.unwrap_or_default() }
}

fn send(body: &mut Table<'_>, reader: &mut Reader) -> OpKind {
    let id = needed(body, "id", reader);
    let text = body.take("text", reader).and_then(|text| reader.text(&text));
    let content = body.take("content", reader).and_then(|item| content(&item, reader));
    let retries = body.take("retries", reader).and_then(|retries| reader.whole(&retries));
    OpKind::Send {
        // What a message says rarely matters; its name is enough to tell it from others.
        text: text.unwrap_or_else(|| id.clone()),
        id,
        from: needed(body, "from", reader),
        to: needed(body, "to", reader),
        content: content.unwrap_or_default(),
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

fn state(body: &mut Table<'_>, reader: &mut Reader) -> OpKind {
    let key = body.take("key", reader).and_then(|key| reader.text(&key));
    let content = body.need("content", reader).and_then(|item| content(&item, reader));
    OpKind::State {
        kind: needed(body, "type", reader),
        key: key.unwrap_or_default(),
        content: content.unwrap_or_default(),
        by: needed(body, "by", reader),
        conversation: needed(body, "conversation", reader),
    }
}

/// Reads the content of an event.
fn content(item: &Item<'_>, reader: &mut Reader) -> Option<toml::Table> {
    reader.table(item)?;
    match json(item, reader)? {
        toml::Value::Table(content) => Some(content),
        _ => None,
    }
}

/// The largest whole number that an event can hold, and with the other sign the smallest (Matrix
/// specification, appendix "Canonical JSON").
const LARGEST: i64 = (1 << 53) - 1;

/// Reads a value that an event can hold: no fraction, no date, no number beyond [`LARGEST`].
fn json(item: &Item<'_>, reader: &mut Reader) -> Option<toml::Value> {
    let within = |at: String, value| Item::new(at, value);
    match item.value {
        DeValue::String(text) => Some(toml::Value::String(text.clone().into_owned())),
        DeValue::Boolean(flag) => Some(toml::Value::Boolean(*flag)),
        DeValue::Integer(integer) => {
            let number = signed(integer).filter(|it| (-LARGEST..=LARGEST).contains(it));
            if number.is_none() {
                let mistake =
                    Mistake::new(Code::BadValue, format!("`{}` is out of range", item.at))
                        .label("an event cannot hold this number")
                        .help(format!("write a whole number from -{LARGEST} to {LARGEST}"));
                reader.broken(item, mistake);
            }
            number.map(toml::Value::Integer)
        }
        DeValue::Array(values) => {
            let values = values.iter().enumerate();
            let items = values.map(|(n, value)| within(format!("{}[{n}]", item.at), value));
            // All of them are read, for all of their mistakes.
            let values: Vec<_> = items.map(|item| json(&item, reader)).collect();
            values.into_iter().collect::<Option<_>>().map(toml::Value::Array)
        }
        DeValue::Table(entries) => {
            let mut table = Vec::new();
            for (key, value) in entries {
                let key = key.get_ref().to_string();
                let value = json(&within(format!("{}.{key}", item.at), value), reader);
                table.push(value.map(|value| (key, value)));
            }
            table.into_iter().collect::<Option<_>>().map(toml::Value::Table)
        }
        DeValue::Float(_) | DeValue::Datetime(_) => reader.wrong_type(
            item,
            "what an event can hold",
            "write a text, a whole number, true or false, a list, or a table",
        ),
    }
}

fn signed(integer: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// Reads a text that must be there; if it is not, its replacement is marked as broken.
fn needed(table: &mut Table<'_>, key: &'static str, reader: &mut Reader) -> String {
    table.need(key, reader).and_then(|item| reader.text(&item)).unwrap_or_default()
}
