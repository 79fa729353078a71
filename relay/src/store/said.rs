//! What an operator has said at run time, over the configuration.

use std::collections::{BTreeMap, BTreeSet};

use ruma::OwnedServerName;
use rusqlite::Connection;

use super::{from_sql, to_sql};
use crate::{admin::Block, policy::Quota};

/// The setting that says that the destinations served are those of the table.
const SAYS_DESTINATIONS: &str = "destinations";

/// All of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    /// Quotas.
    pub(crate) quotas: BTreeMap<Quota, u64>,
    /// Destinations served, none for all; unset if nothing was said.
    pub(crate) destinations: Option<BTreeSet<OwnedServerName>>,
    /// Hosts that may leave nothing.
    pub(crate) blocks: BTreeMap<String, Block>,
}

pub(super) fn read(connection: &Connection) -> rusqlite::Result<Said> {
    let mut said = Said::default();
    let mut says_destinations = false;
    let mut settings = connection.prepare_cached("SELECT name, value FROM settings")?;
    let rows = settings
        .query_map([], |row| Ok((row.get::<_, String>(0)?, from_sql(row.get(1)?))))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for (name, value) in rows {
        says_destinations |= name == SAYS_DESTINATIONS;
        said.quotas.extend(Quota::of_key(&name).map(|quota| (quota, value)));
    }
    if says_destinations {
        let mut served = connection.prepare_cached("SELECT destination FROM served")?;
        let names = served.query_map([], |row| row.get::<_, String>(0))?;
        let names = names.collect::<rusqlite::Result<Vec<_>>>()?;
        said.destinations =
            Some(names.into_iter().filter_map(|name| name.try_into().ok()).collect());
    }
    let mut blocks = connection.prepare_cached("SELECT host, reason, since_ms FROM blocks")?;
    let rows = blocks.query_map([], |row| {
        let block = Block { reason: row.get(1)?, since_ms: from_sql(row.get(2)?) };
        Ok((row.get(0)?, block))
    })?;
    said.blocks = rows.collect::<rusqlite::Result<_>>()?;
    Ok(said)
}

pub(super) fn set(
    transaction: &transport::Transaction<'_>,
    name: &str,
    value: Option<i64>,
) -> rusqlite::Result<()> {
    match value {
        Some(value) => transaction
            .prepare_cached(
                "INSERT INTO settings VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            )?
            .execute((name, value)),
        None => transaction.prepare_cached("DELETE FROM settings WHERE name = ?1")?.execute([name]),
    }
    .map(drop)
}

pub(super) fn destinations(
    transaction: &transport::Transaction<'_>,
    destinations: Option<&BTreeSet<OwnedServerName>>,
) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM served", [])?;
    for destination in destinations.into_iter().flatten() {
        transaction
            .prepare_cached("INSERT INTO served VALUES (?1)")?
            .execute([destination.as_str()])?;
    }
    set(transaction, SAYS_DESTINATIONS, destinations.map(|_| 1))
}

pub(super) fn block(
    transaction: &transport::Transaction<'_>,
    host: &str,
    block: Option<&Block>,
) -> rusqlite::Result<()> {
    match block {
        Some(block) => transaction
            .prepare_cached("INSERT OR REPLACE INTO blocks VALUES (?1, ?2, ?3)")?
            .execute((host, &block.reason, to_sql(block.since_ms))),
        None => transaction.prepare_cached("DELETE FROM blocks WHERE host = ?1")?.execute([host]),
    }
    .map(drop)
}
