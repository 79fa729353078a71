//! Redactions: what an event says is taken away from everybody, by an event that may come before or
//! after it (room version 11, "Redactions"; room version 3, "Handling redactions"). The event keeps its
//! place, its id and its signatures.

use ruma::{EventId, OwnedEventId};
use rusqlite::Connection;
use serde_json::Value;
use transport::Transaction;

use super::verify::redacted;
use crate::{
    event::{Pdu, rules::Rules},
    store::{StoreError, events, redactions},
};

const KIND: &str = "m.room.redaction";

/// The power that redacting another server's event takes, where the room does not say.
const DEFAULT_POWER: i64 = 50;

/// Has a new event that the room shows redact what it says, or keeps that until the target comes.
pub(super) fn apply(tx: &Transaction<'_>, rules: Rules, pdu: &Pdu) -> Result<(), StoreError> {
    let Some(target) = target(rules, pdu) else { return Ok(()) };
    redactions::put(tx, &pdu.room_id, &target, &pdu.event_id)?;
    let Some(known) = events::find(tx, &target)? else { return Ok(()) };
    redact_by(tx, rules, &known.pdu, pdu).map(drop)
}

/// Returns what is left of an event that was stored just now, if it was redacted before it came.
pub(super) fn apply_earlier(
    tx: &Transaction<'_>,
    rules: Rules,
    pdu: &Pdu,
) -> Result<Option<Pdu>, StoreError> {
    for id in redactions::of(tx, &pdu.room_id, &pdu.event_id)? {
        let Some(redaction) = events::find(tx, &id)? else { continue };
        if let Some(left) = redact_by(tx, rules, pdu, &redaction.pdu)? {
            return Ok(Some(left));
        }
    }
    Ok(None)
}

/// Returns why an event may not redact what it says; `None` if it may, redacts nothing, or redacts what
/// is not here.
pub(super) fn objection(
    connection: &Connection,
    rules: Rules,
    pdu: &Pdu,
) -> Result<Option<String>, StoreError> {
    let Some(target) = target(rules, pdu) else { return Ok(None) };
    let Some(known) = events::find(connection, &target)? else { return Ok(None) };
    let may = may_redact(connection, rules, &known.pdu, pdu)?;
    Ok((!may).then(|| format!("{} may not redact {target}", pdu.sender)))
}

fn redact_by(
    tx: &Transaction<'_>,
    rules: Rules,
    pdu: &Pdu,
    redaction: &Pdu,
) -> Result<Option<Pdu>, StoreError> {
    if !may_redact(tx, rules, pdu, redaction)? {
        return Ok(None);
    }
    match redacted(pdu, rules) {
        Ok(left) => {
            redactions::replace(tx, &left, redaction)?;
            Ok(Some(left))
        }
        Err(refusal) => {
            tracing::error!(event_id = %pdu.event_id, %refusal, "failed to redact an event");
            Ok(None)
        }
    }
}

/// Returns the event that `pdu` says it redacts.
fn target(rules: Rules, pdu: &Pdu) -> Option<OwnedEventId> {
    if pdu.kind != KIND || pdu.state_key.is_some() {
        return None;
    }
    let named = if rules.redaction.content_field_redacts {
        pdu.content.get("redacts").and_then(Value::as_str)
    } else {
        pdu.json.get("redacts").and_then(|redacts| redacts.as_str())
    };
    named.and_then(|named| EventId::parse(named).ok())
}

/// Returns whether one event may redact another: both are of one room, and their senders of one
/// server, or the redaction's sender has the power. What a room was created as stays: in it stands how
/// the room delivers.
fn may_redact(
    connection: &Connection,
    rules: Rules,
    pdu: &Pdu,
    redaction: &Pdu,
) -> Result<bool, StoreError> {
    if pdu.room_id != redaction.room_id || pdu.kind == "m.room.create" {
        return Ok(false);
    }
    if pdu.sender.server_name() == redaction.sender.server_name() {
        return Ok(true);
    }
    let (mut levels, mut creation) = (None, None);
    for id in &redaction.auth_events {
        match events::find(connection, id)?.map(|found| found.pdu) {
            Some(event) if event.kind == "m.room.power_levels" => levels = Some(event),
            Some(event) if event.kind == "m.room.create" => creation = Some(event),
            _ => {}
        }
    }
    if rules.authorization.room_create_event_id_as_room_id
        && let Ok(id) = EventId::parse(format!("${}", redaction.room_id.strip_sigil()))
    {
        creation = events::find(connection, &id)?.map(|found| found.pdu);
    }
    let is_creator = creation.is_some_and(|creation| creation.sender == redaction.sender);
    let Some(levels) = levels else { return Ok(is_creator) };
    if is_creator && rules.authorization.explicitly_privilege_room_creators {
        return Ok(true);
    }
    let of_user = levels.content["users"].get(redaction.sender.as_str());
    let power = level(of_user.or(levels.content.get("users_default")), 0);
    Ok(power >= level(levels.content.get("redact"), DEFAULT_POWER))
}

fn level(value: Option<&Value>, otherwise: i64) -> i64 {
    match value {
        Some(Value::Number(number)) => number.as_i64().unwrap_or(otherwise),
        Some(Value::String(text)) => text.trim().parse().unwrap_or(otherwise),
        _ => otherwise,
    }
}
