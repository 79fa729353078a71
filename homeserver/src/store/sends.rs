//! How each send of a device ended, kept so that a retry with the same transaction id is harmless.

use ruma::{EventId, OwnedEventId, OwnedRoomId};
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use transport::Transaction;

use super::{StoreError, accounts::Device};
use crate::event::Pdu;

/// What makes two sends the same one (client-server API, "Transaction identifiers").
#[derive(Clone, Debug)]
pub(crate) struct SendKey {
    /// Who sends.
    pub(crate) device: Device,
    /// Where to.
    pub(crate) room_id: OwnedRoomId,
    /// The event's type.
    pub(crate) kind: String,
    /// The device's own name for this send.
    pub(crate) transaction_id: String,
}

impl SendKey {
    /// Returns a name for this send that no other device's send has, here or elsewhere. The parts
    /// are hashed with their lengths, so that no two keys read the same.
    pub(crate) fn message_id(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for part in self.parts() {
            hasher.update(&(part.len() as u64).to_be_bytes()).update(part.as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }

    fn parts(&self) -> [&str; 5] {
        [
            self.device.user_id.as_str(),
            self.device.device_id.as_str(),
            self.room_id.as_str(),
            &self.kind,
            &self.transaction_id,
        ]
    }
}

/// How a send ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// Every backend of the room shows it, sooner or later; but for those left out (`m1-2021`).
    Delivered {
        event_id: OwnedEventId,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        failed_to_send: Vec<String>,
    },
    /// No backend shows it, ever: these could not be reached.
    Unreachable { backends: Vec<String> },
    /// No backend shows it, ever, for a reason other than reach.
    Refused { reason: String },
}

/// What is known of a send that was tried before.
#[derive(Debug)]
pub(crate) enum Earlier {
    /// It was handed on, or was about to be; how it ended is not known here.
    Pending {
        event_id: OwnedEventId,
        /// The PDU's JSON.
        event: String,
    },
    /// It ended.
    Ended(Outcome),
}

/// Returns what is known of the send called `key`.
pub(crate) fn earlier(
    connection: &Connection,
    key: &SendKey,
) -> Result<Option<Earlier>, StoreError> {
    let found: Option<(String, Option<String>, Option<String>)> = connection
        .prepare_cached(
            "SELECT event_id, event, outcome FROM client_transactions
             WHERE user_id = ?1 AND device_id = ?2 AND room_id = ?3 AND kind = ?4
                 AND transaction_id = ?5",
        )?
        .query_row(key.parts(), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    match found {
        None => Ok(None),
        Some((_, _, Some(outcome))) => serde_json::from_str(&outcome)
            .map(|ended| Some(Earlier::Ended(ended)))
            .map_err(StoreError::corrupt),
        Some((event_id, Some(event), None)) => {
            let event_id = event_id.try_into().map_err(StoreError::corrupt)?;
            Ok(Some(Earlier::Pending { event_id, event }))
        }
        Some((_, None, None)) => Err(StoreError::corrupt("a send without event and outcome")),
    }
}

/// Keeps what is about to be handed on.
pub(crate) fn keep_pending(
    tx: &Transaction<'_>,
    key: &SendKey,
    event_id: &EventId,
    event: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    let [user, device, room, kind, transaction] = key.parts();
    tx.prepare_cached(
        "INSERT INTO client_transactions
             (user_id, device_id, room_id, kind, transaction_id, event_id, event, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute((user, device, room, kind, transaction, event_id.as_str(), event, now_ms))?;
    Ok(())
}

/// Keeps how the send of the event `event_id` ended.
pub(crate) fn keep_outcome(
    tx: &Transaction<'_>,
    key: &SendKey,
    event_id: &EventId,
    outcome: &Outcome,
    now_ms: i64,
) -> Result<(), StoreError> {
    let [user, device, room, kind, transaction] = key.parts();
    let outcome = serde_json::to_string(outcome).expect("an outcome is JSON");
    // Two statements, not an upsert: SQLite keeps a journal of its own for each upsert.
    let is_new = tx
        .prepare_cached(
            "INSERT INTO client_transactions
                 (user_id, device_id, room_id, kind, transaction_id, event_id, outcome, created_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
        )?
        .execute((user, device, room, kind, transaction, event_id.as_str(), &outcome, now_ms))?
        == 1;
    if !is_new {
        tx.prepare_cached(
            "UPDATE client_transactions SET outcome = ?6, event = NULL
             WHERE user_id = ?1 AND device_id = ?2 AND room_id = ?3 AND kind = ?4
                 AND transaction_id = ?5",
        )?
        .execute((user, device, room, kind, transaction, outcome))?;
    }
    Ok(())
}

/// Returns the transaction id under which `device` sent the event, if it did.
fn transaction_id(
    connection: &Connection,
    event_id: &EventId,
    device: &Device,
) -> Result<Option<String>, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT transaction_id FROM client_transactions
             WHERE event_id = ?1 AND user_id = ?2 AND device_id = ?3",
        )?
        .query_row((event_id.as_str(), device.user_id.as_str(), device.device_id.as_str()), |row| {
            row.get(0)
        })
        .optional()?)
}

/// Returns the event as a device sees it: what it sent itself has its transaction id.
///
/// # Errors
/// The store refuses.
pub(crate) fn for_device(
    connection: &Connection,
    device: &Device,
    event: &Pdu,
) -> Result<Box<RawValue>, StoreError> {
    if event.sender == device.user_id
        && let Some(transaction_id) = transaction_id(connection, &event.event_id, device)?
    {
        return Ok(event.client_format_for_sender(&transaction_id));
    }
    Ok(event.client_format().to_owned())
}

/// Forgets every send that has ended.
pub(crate) fn forget_all(tx: &Transaction<'_>) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM client_transactions WHERE outcome IS NOT NULL")?.execute([])?;
    Ok(())
}
