//! What clients keep with their account, or with a room of theirs.

use std::collections::BTreeMap;

use ruma::{OwnedRoomId, RoomId, UserId};
use rusqlite::{Connection, OptionalExtension};
use serde_json::{Value, json};
use transport::Transaction;

use super::{StoreError, side};

/// Kinds that one user keeps, of the account and of all rooms.
const MAX_OF_USER: i64 = 20_000;

/// Bytes of them together: each initial sync has all of them in it.
const MAX_BYTES_OF_USER: i64 = 8 << 20;

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
    let content = content.to_string();
    let (count, bytes, replaced): (i64, i64, i64) = tx
        .prepare_cached(
            "SELECT count(*) FILTER (WHERE NOT (room_id = ?2 AND kind = ?3)),
                 coalesce(sum(octet_length(content)), 0),
                 coalesce(sum(octet_length(content)) FILTER (WHERE room_id = ?2 AND kind = ?3), 0)
             FROM account_data WHERE user_id = ?1",
        )?
        .query_row((user.as_str(), text(room), kind), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let length = i64::try_from(content.len()).unwrap_or(i64::MAX);
    let after = (bytes - replaced).saturating_add(length);
    // Who has too much, from before there was a limit, may have less.
    let is_less = length <= replaced;
    if !is_less && (count >= MAX_OF_USER || after > MAX_BYTES_OF_USER) {
        return Ok(false);
    }
    tx.prepare_cached(
        "INSERT OR REPLACE INTO account_data (user_id, room_id, kind, content, sequence)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((user.as_str(), text(room), kind, content, side::next(tx)?))?;
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

/// Returns when data of an account was kept last, in the sequence of what changes beside events; 0 if it
/// never was.
pub(crate) fn sequence(
    connection: &Connection,
    user: &UserId,
    kind: &str,
) -> Result<i64, StoreError> {
    let found: Option<i64> = connection
        .prepare_cached(
            "SELECT sequence FROM account_data WHERE user_id = ?1 AND room_id = '' AND kind = ?2",
        )?
        .query_row((user.as_str(), kind), |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(0))
}

/// What changed, as events: of the account, and by room.
pub(crate) type News = (Vec<Value>, BTreeMap<OwnedRoomId, Vec<Value>>);

/// Returns what of a user's data changed after `since`, without what is stored malformed.
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
        let content: Value = match serde_json::from_str(&content) {
            Ok(content) => content,
            Err(error) => {
                tracing::error!(%error, kind, "account data is stored malformed");
                continue;
            }
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_keeps_so_many_bytes_and_may_always_keep_less() {
        let mut connection = crate::store::in_memory();
        let tx = Transaction::begin(&mut connection).unwrap();
        let user = ruma::user_id!("@alice:a.test");
        let keep = |kind: &str, bytes: usize| {
            put(&tx, user, None, kind, &json!({ "x": "y".repeat(bytes) })).unwrap()
        };
        let kept = (0..200).filter(|number| keep(&number.to_string(), 60_000)).count();
        assert_eq!(kept, 139);
        assert!(!keep("another", 60_000) && keep("7", 10) && keep("another", 50_000));
        let large = "UPDATE account_data SET content = hex(zeroblob(4500000)) WHERE kind = '8'";
        tx.execute(large, []).unwrap();
        assert!(keep("8", 5_000_000) && keep("9", 100) && !keep("9", 60_000));
        assert!(keep("8", 60_000));
        tx.execute("UPDATE account_data SET content = '{' WHERE kind = '7'", []).unwrap();
        assert_eq!(since(&tx, user, 0).unwrap().0.len(), 139);
    }
}
