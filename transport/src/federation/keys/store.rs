//! The tables of other servers' keys, and of their contacts, in the node's database.

use ruma::serde::Base64;
use rusqlite::{Connection, OptionalExtension};

use super::document::{KnownKey, KnownKeys, Published};
use crate::{
    database::migrate,
    federation::{Contact, MAX_KEYS, MAX_VALIDITY_MS},
    host::{Database, DatabaseError},
};

/// Keys kept of all servers together, some megabytes of them.
const MAX_STORED: i64 = 100_000;

const SCHEMA: &[&str] = &[
    "CREATE TABLE server_keys (
    server_name TEXT NOT NULL,
    key_id TEXT NOT NULL,
    public_key BLOB NOT NULL,
    valid_until_ms INTEGER NOT NULL,
    PRIMARY KEY (server_name, key_id)
) STRICT, WITHOUT ROWID",
    // Of servers whose keys are known alone.
    "CREATE TABLE server_contacts (
    server_name TEXT PRIMARY KEY,
    relays TEXT NOT NULL,
    sealing_key BLOB,
    learned_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID",
];

/// Brings the table up to date.
pub(in crate::federation) async fn install(database: &Database) -> Result<(), DatabaseError> {
    migrate(database, "server_keys", SCHEMA).await
}

/// Returns the keys of `server` that were stored.
pub(super) async fn load(database: &Database, server: String) -> Result<KnownKeys, DatabaseError> {
    database.call(move |connection| Ok(read_keys(connection, &server)?)).await
}

/// Stores what `server` published. A key that it publishes no longer keeps the validity it had. If this
/// `trims`, there are [`MAX_STORED`] keys of all servers at most afterwards.
pub(super) async fn save(
    database: &Database,
    server: String,
    published: Published,
    now_ms: u64,
    trims: bool,
) -> Result<KnownKeys, DatabaseError> {
    // No key is believed for longer, whatever was stored of it.
    let believed_until = now_ms.saturating_add(MAX_VALIDITY_MS);
    let believed_until = i64::try_from(believed_until).unwrap_or(i64::MAX);
    database
        .transaction(move |transaction| {
            if trims {
                trim_all(transaction, MAX_STORED, believed_until)?;
            }
            write_keys(transaction, &server, &published.keys)?;
            write_contact(transaction, &server, &published.contact, now_ms)?;
            let stored = read_keys(transaction, &server)?;
            if stored.len() <= MAX_KEYS {
                return Ok(stored);
            }
            trim(transaction, &server, believed_until)?;
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

/// Returns when `server` was asked last what it publishes, in milliseconds since the epoch.
pub(super) fn contact_learned(
    connection: &Connection,
    server: &str,
) -> rusqlite::Result<Option<u64>> {
    let found: Option<i64> = connection
        .prepare_cached("SELECT learned_ms FROM server_contacts WHERE server_name = ?1")?
        .query_row([server], |row| row.get(0))
        .optional()?;
    Ok(found.and_then(|learned| u64::try_from(learned).ok()))
}

/// Returns what `server` published of how mail reaches it; nothing, of one whose keys are not known.
pub(super) fn read_contact(connection: &Connection, server: &str) -> rusqlite::Result<Contact> {
    let found = connection
        .prepare_cached("SELECT relays, sealing_key FROM server_contacts WHERE server_name = ?1")?
        .query_row([server], |row| {
            let relays: String = row.get(0)?;
            // What is stored malformed is learned anew with the next document.
            let relays = serde_json::from_str(&relays).unwrap_or_default();
            Ok(Contact { relays, sealing_key: row.get(1)? })
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// Stores the contact that a server published last, in the place of the one before.
fn write_contact(
    connection: &Connection,
    server: &str,
    contact: &Contact,
    now_ms: u64,
) -> rusqlite::Result<()> {
    let relays: Vec<&str> = contact.relays.iter().map(|relay| relay.as_str()).collect();
    let put =
        "INSERT OR REPLACE INTO server_contacts (server_name, relays, sealing_key, learned_ms)
         VALUES (?1, ?2, ?3, ?4)";
    let relays = serde_json::to_string(&relays).expect("a list of strings is JSON");
    let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
    connection.prepare_cached(put)?.execute((server, relays, contact.sealing_key, now_ms)).map(drop)
}

/// Forgets servers whose keys are valid no longer, or not as long as the others', until there are `most`
/// keys: whoever has a name for each of ever more servers must not fill our disk. Who is forgotten is asked
/// again.
fn trim_all(connection: &Connection, most: i64, believed_until: i64) -> rusqlite::Result<()> {
    let count = "SELECT count(*) FROM server_keys";
    if connection.query_row(count, [], |row| row.get::<_, i64>(0))? <= most {
        return Ok(());
    }
    // The sum of keys up to and with each server, those valid longest first.
    let sql = "DELETE FROM server_keys WHERE server_name IN (
             SELECT server_name FROM (
                 SELECT server_name, sum(keys) OVER (ORDER BY valid DESC, server_name) AS so_far FROM (
                     SELECT server_name, count(*) AS keys, max(min(valid_until_ms, ?2)) AS valid
                     FROM server_keys GROUP BY server_name))
             WHERE so_far > ?1)";
    connection.execute(sql, [most, believed_until])?;
    let orphans = "DELETE FROM server_contacts
         WHERE server_name NOT IN (SELECT server_name FROM server_keys)";
    connection.execute(orphans, []).map(drop)
}

/// Keeps the [`MAX_KEYS`] valid longest: a server that rotates its keys without end must not fill our disk.
fn trim(connection: &Connection, server: &str, believed_until: i64) -> rusqlite::Result<()> {
    let sql = "DELETE FROM server_keys WHERE server_name = ?1 AND key_id NOT IN (
             SELECT key_id FROM server_keys WHERE server_name = ?1
             ORDER BY min(valid_until_ms, ?3) DESC, key_id LIMIT ?2)";
    let most = i64::try_from(MAX_KEYS).unwrap_or(i64::MAX);
    connection.execute(sql, (server, most, believed_until)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_without_end_are_forgotten_those_first_whose_keys_end_first() {
        let connection = Connection::open_in_memory().unwrap();
        for step in SCHEMA {
            connection.execute_batch(step).unwrap();
        }
        let insert = "INSERT INTO server_keys VALUES (?1, ?2, x'00', ?3)";
        for server in 0..100 {
            for key in ["old", "new"] {
                let valid_until = if key == "new" { 1000 + server } else { server };
                connection.execute(insert, (server.to_string(), key, valid_until)).unwrap();
            }
        }
        trim_all(&connection, 200, 1050).unwrap();
        let count = "SELECT count(*) FROM server_keys WHERE CAST(server_name AS INTEGER) >= ?1";
        let of =
            |from: i64| connection.query_row(count, [from], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(of(0), 200);
        // Those beyond what is believed are as good as one another.
        trim_all(&connection, 100, 2000).unwrap();
        assert_eq!((of(0), of(50)), (100, 100));
        for server in ["49", "50"] {
            let contact = Contact { relays: Vec::new(), sealing_key: Some([1; 32]) };
            write_contact(&connection, server, &contact, 0).unwrap();
        }
        trim_all(&connection, 2, 1050).unwrap();
        assert_eq!((of(0), of(50), of(51)), (2, 2, 0));
        assert!(read_contact(&connection, "49").unwrap().is_empty());
        assert!(!read_contact(&connection, "50").unwrap().is_empty());
    }
}
