//! The table of other servers' keys in the node's database.

use ruma::serde::Base64;
use rusqlite::Connection;

use super::document::{KnownKey, KnownKeys};
use crate::{
    database::migrate,
    host::{Database, DatabaseError},
};

/// Keys kept of one server; those valid longest stay.
const MAX_KEYS: u32 = 64;

const SCHEMA: &[&str] = &["CREATE TABLE server_keys (
    server_name TEXT NOT NULL,
    key_id TEXT NOT NULL,
    public_key BLOB NOT NULL,
    valid_until_ms INTEGER NOT NULL,
    PRIMARY KEY (server_name, key_id)
) STRICT, WITHOUT ROWID"];

/// Brings the table up to date.
pub(in crate::federation) async fn install(database: &Database) -> Result<(), DatabaseError> {
    migrate(database, "server_keys", SCHEMA).await
}

/// Returns the keys of `server` that were stored.
pub(super) async fn load(database: &Database, server: String) -> Result<KnownKeys, DatabaseError> {
    database.call(move |connection| Ok(read_keys(connection, &server)?)).await
}

/// Stores what `server` published. A key that it publishes no longer keeps the validity it had.
pub(super) async fn save(
    database: &Database,
    server: String,
    published: KnownKeys,
) -> Result<KnownKeys, DatabaseError> {
    database
        .transaction(move |transaction| {
            write_keys(transaction, &server, &published)?;
            let stored = read_keys(transaction, &server)?;
            if stored.len() <= MAX_KEYS as usize {
                return Ok(stored);
            }
            trim(transaction, &server)?;
            Ok(read_keys(transaction, &server)?)
        })
        .await
}

fn read_keys(connection: &Connection, server: &str) -> rusqlite::Result<KnownKeys> {
    let mut statement = connection.prepare_cached(
        "SELECT key_id, public_key, valid_until_ms FROM server_keys WHERE server_name = ?1",
    )?;
    let rows = statement.query_map([server], |row| {
        let known = KnownKey {
            public_key: Base64::new(row.get(1)?),
            valid_until_ms: u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0),
        };
        Ok((row.get(0)?, known))
    })?;
    rows.collect()
}

fn write_keys(connection: &Connection, server: &str, keys: &KnownKeys) -> rusqlite::Result<()> {
    let mut upsert = connection.prepare_cached(
        "INSERT INTO server_keys (server_name, key_id, public_key, valid_until_ms)
         VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (server_name, key_id) DO UPDATE
         SET public_key = excluded.public_key, valid_until_ms = excluded.valid_until_ms",
    )?;
    for (key_id, known) in keys {
        let valid_until = i64::try_from(known.valid_until_ms).unwrap_or(i64::MAX);
        upsert.execute((server, key_id, known.public_key.as_bytes(), valid_until))?;
    }
    Ok(())
}

/// Keeps the keys valid longest: a server that rotates its keys without end must not fill our disk.
fn trim(connection: &Connection, server: &str) -> rusqlite::Result<()> {
    let sql = "DELETE FROM server_keys WHERE server_name = ?1 AND key_id NOT IN (
             SELECT key_id FROM server_keys WHERE server_name = ?1
             ORDER BY valid_until_ms DESC, key_id LIMIT ?2)";
    connection.execute(sql, (server, MAX_KEYS)).map(drop)
}
