//! The answers to messages, so that one that is sent again gets the same.

use ruma::{OwnedEventId, OwnedServerName, ServerName};
use rusqlite::{Connection, OptionalExtension};
use transport::{Transaction, endpoints::m1::Sent};

use crate::store::StoreError;

/// Returns the answer to the message that `origin` calls `message_id`, if it was given.
pub(crate) fn answer(
    connection: &Connection,
    origin: &ServerName,
    message_id: &str,
) -> Result<Option<Sent>, StoreError> {
    let found: Option<String> = connection
        .prepare_cached("SELECT answer FROM m1_answers WHERE origin = ?1 AND message_id = ?2")?
        .query_row((origin.as_str(), message_id), |row| row.get(0))
        .optional()?;
    found.map(|answer| serde_json::from_str(&answer).map_err(StoreError::corrupt)).transpose()
}

/// Which message an answer is to.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) origin: OwnedServerName,
    pub(crate) id: String,
    pub(crate) event_id: OwnedEventId,
}

/// Keeps the answer to a message.
pub(crate) fn keep_answer(
    tx: &Transaction<'_>,
    message: &Message,
    sent: &Sent,
    now_ms: i64,
) -> Result<(), StoreError> {
    let answer = serde_json::to_string(sent).expect("an answer is JSON");
    tx.prepare_cached(
        "INSERT INTO m1_answers (origin, message_id, event_id, answer, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
    )?
    .execute((
        message.origin.as_str(),
        &message.id,
        message.event_id.as_str(),
        answer,
        now_ms,
    ))?;
    Ok(())
}
