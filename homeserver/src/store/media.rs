//! Media that users uploaded, in a database of their own beside the other.

use rusqlite::{Connection, OptionalExtension};
use transport::{Database, Transaction};

use super::StoreError;

/// The name of the database of media on a homeserver's disk.
pub(crate) const DATABASE: &str = "media";

const STEPS: &[&str] = &["CREATE TABLE media (
    media_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    content_type TEXT NOT NULL,
    file_name TEXT,
    created_ms INTEGER NOT NULL,
    content BLOB NOT NULL
) STRICT;
CREATE INDEX media_by_user ON media (user_id);"];

/// What was uploaded.
#[derive(Clone, Debug)]
pub(crate) struct Medium {
    pub(crate) content_type: String,
    pub(crate) file_name: Option<String>,
    pub(crate) content: Vec<u8>,
}

/// Brings the tables up to date.
pub(crate) async fn migrate(database: &Database) -> Result<(), transport::DatabaseError> {
    transport::database::migrate(database, "media", STEPS).await
}

/// Returns how many bytes a user has uploaded.
pub(crate) fn bytes_of(connection: &Connection, user: &str) -> Result<i64, StoreError> {
    Ok(connection
        .prepare_cached("SELECT coalesce(sum(length(content)), 0) FROM media WHERE user_id = ?1")?
        .query_row([user], |row| row.get(0))?)
}

/// Keeps what a user uploads.
pub(crate) fn put(
    tx: &Transaction<'_>,
    [media_id, user]: [&str; 2],
    medium: &Medium,
    now_ms: i64,
) -> Result<(), StoreError> {
    let Medium { content_type, file_name, content } = medium;
    tx.prepare_cached(
        "INSERT INTO media (media_id, user_id, content_type, file_name, created_ms, content)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute((media_id, user, content_type, file_name, now_ms, content))?;
    Ok(())
}

/// Returns what was uploaded under that id.
pub(crate) fn find(connection: &Connection, media_id: &str) -> Result<Option<Medium>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT content_type, file_name, content FROM media WHERE media_id = ?1")?
        .query_row([media_id], |row| {
            Ok(Medium { content_type: row.get(0)?, file_name: row.get(1)?, content: row.get(2)? })
        })
        .optional()?)
}
