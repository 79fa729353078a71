//! The relays of destinations as set at run time, and those that this server has published as its own.

use std::collections::BTreeSet;

use ruma::{OwnedServerName, ServerName};
use rusqlite::{Connection, OptionalExtension};
use transport::Transaction;

use super::StoreError;

/// How long, in milliseconds, this server asks a relay of its own for mail after it published that last: as
/// long as a relay keeps mail, unless it is told otherwise.
pub const ASKED_AFTERWARDS_MS: i64 = 28 * 24 * 60 * 60 * 1000;

/// Returns the relays of a destination as set at run time; `None`: never set.
///
/// # Errors
/// The store refuses.
pub fn of_destination(
    connection: &Connection,
    destination: &ServerName,
) -> Result<Option<Vec<OwnedServerName>>, StoreError> {
    let found: Option<String> = connection
        .prepare_cached("SELECT relays FROM relay_lists WHERE destination = ?1")?
        .query_row([destination.as_str()], |row| row.get(0))
        .optional()?;
    found.map(|list| serde_json::from_str(&list).map_err(StoreError::corrupt)).transpose()
}

/// Sets the relays of a destination.
///
/// # Errors
/// The store refuses.
pub fn put_of_destination(
    tx: &Transaction<'_>,
    destination: &ServerName,
    relays: &[OwnedServerName],
) -> Result<(), StoreError> {
    let list = serde_json::to_string(relays).map_err(StoreError::corrupt)?;
    tx.prepare_cached("INSERT OR REPLACE INTO relay_lists (destination, relays) VALUES (?1, ?2)")?
        .execute((destination.as_str(), list))?;
    Ok(())
}

/// A relay that this server has published as its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnRelay {
    /// Its name.
    pub name: OwnedServerName,
    /// Since when it is published no longer, on the clock of ages; `None`: it still is.
    pub gone_ms: Option<i64>,
}

/// Returns the relays that this server publishes or has published; of the latter, those not forgotten.
///
/// # Errors
/// The store refuses.
pub fn own(connection: &Connection) -> Result<Vec<OwnRelay>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT relay, gone_ms FROM own_relays ORDER BY relay")?;
    let mut rows = statement.query([])?;
    let mut relays = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        match OwnedServerName::try_from(name) {
            Ok(name) => relays.push(OwnRelay { name, gone_ms: row.get(1)? }),
            Err(error) => tracing::error!(%error, "a relay of this server is stored malformed"),
        }
    }
    Ok(relays)
}

/// Records that this server publishes `current` from `now_ms` on the clock of ages on, and no other, and
/// forgets those that are asked no longer. Writes nothing if that is known.
///
/// # Errors
/// The store refuses.
pub fn put_own(
    tx: &Transaction<'_>,
    current: &[OwnedServerName],
    now_ms: i64,
) -> Result<(), StoreError> {
    let known = own(tx)?;
    let published: BTreeSet<_> =
        known.iter().filter(|relay| relay.gone_ms.is_none()).map(|relay| &relay.name).collect();
    if published == current.iter().collect() {
        return Ok(());
    }
    tx.execute("UPDATE own_relays SET gone_ms = ?1 WHERE gone_ms IS NULL", [now_ms])?;
    let mut put =
        tx.prepare_cached("INSERT OR REPLACE INTO own_relays (relay, gone_ms) VALUES (?1, NULL)")?;
    for relay in current {
        put.execute([relay.as_str()])?;
    }
    let oldest_ms = now_ms.saturating_sub(ASKED_AFTERWARDS_MS);
    tx.execute("DELETE FROM own_relays WHERE gone_ms < ?1", [oldest_ms])?;
    Ok(())
}
