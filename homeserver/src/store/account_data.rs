//! What clients keep with their account, or with a room of theirs.

use std::collections::BTreeMap;

use ruma::{OwnedRoomId, RoomId, UserId};
use rusqlite::{Connection, OptionalExtension};
use serde_json::{Value, json};
use transport::Transaction;

use super::{StoreError, side};

/// Kinds that one user keeps, of the account and of all rooms.
const MAX_OF_USER: i64 = 20_000;

fn text(room: Option<&RoomId>) -> &str {
    room.map_or("", RoomId::as_str)
}

/// Keeps data of an account, or of a room. False if the user has too much.
pub(crate) fn put(
    tx: &Transaction<'_>,
    user: &UserId,
    room: Option<&RoomId>,
    kind: &str,
    content: &Value,
) -> Result<bool, StoreError> {
    let count: i64 = tx
        .prepare_cached("SELECT count(*) FROM account_data WHERE user_id = ?1")?
        .query_row([user.as_str()], |row| row.get(0))?;
    if count >= MAX_OF_USER {
        return Ok(false);
    }
    tx.prepare_cached(
        "INSERT OR REPLACE INTO account_data (user_id, room_id, kind, content, sequence)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((user.as_str(), text(room), kind, content.to_string(), side::next(tx)?))?;
    Ok(true)
}

/// Returns data of an account, or of a room.
pub(crate) fn find(
    connection: &Connection,
    user: &UserId,
    room: Option<&RoomId>,
    kind: &str,
) -> Result<Option<Value>, StoreError> {
    let found: Option<String> = connection
        .prepare_cached(
            "SELECT content FROM account_data WHERE user_id = ?1 AND room_id = ?2 AND kind = ?3",
        )?
        .query_row((user.as_str(), text(room), kind), |row| row.get(0))
        .optional()?;
    found.map(|json| serde_json::from_str(&json).map_err(StoreError::corrupt)).transpose()
}

/// What changed, as events: of the account, and by room.
pub(crate) type News = (Vec<Value>, BTreeMap<OwnedRoomId, Vec<Value>>);

/// Returns what of a user's data changed after `since`.
pub(crate) fn since(
    connection: &Connection,
    user: &UserId,
    since: i64,
) -> Result<News, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT room_id, kind, content FROM account_data WHERE user_id = ?1 AND sequence > ?2
         ORDER BY sequence",
    )?;
    let mut rows = statement.query((user.as_str(), since))?;
    let mut news = News::default();
    while let Some(row) = rows.next()? {
        let [room, kind, content]: [String; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
        let content: Value = serde_json::from_str(&content).map_err(StoreError::corrupt)?;
        let event = json!({ "type": kind, "content": content });
        if room.is_empty() {
            news.0.push(event);
        } else {
            let room = room.try_into().map_err(StoreError::corrupt)?;
            news.1.entry(room).or_default().push(event);
        }
    }
    Ok(news)
}
