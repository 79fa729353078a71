//! Pushers: the gateways of devices, and how far each has been told.

use rusqlite::{Connection, OptionalExtension, Row};
use transport::Transaction;
use uuid::Uuid;

use super::{StoreError, accounts::Device, notifications};

/// What tells a pusher from every other one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PusherKey {
    pub(crate) device: Device,
    /// The application.
    pub(crate) app_id: String,
    /// What the gateway knows the device by.
    pub(crate) pushkey: String,
}

/// A pusher.
#[derive(Clone, Debug)]
pub(crate) struct PusherRow {
    pub(crate) key: PusherKey,
    /// As the device set it: JSON.
    pub(crate) settings: String,
    /// The last notification that the device or its gateway has.
    pub(crate) pushed_id: Uuid,
}

const COLUMNS: &str = "user_id, device_id, app_id, pushkey, settings, pushed_id";

fn row(row: &Row<'_>) -> Result<PusherRow, StoreError> {
    let (user_id, device_id): (String, String) = (row.get(0)?, row.get(1)?);
    let user_id = user_id.try_into().map_err(StoreError::corrupt)?;
    let device = Device { user_id, device_id: device_id.into() };
    let key = PusherKey { device, app_id: row.get(2)?, pushkey: row.get(3)? };
    Ok(PusherRow { key, settings: row.get(4)?, pushed_id: Uuid::from_bytes(row.get(5)?) })
}

/// Sets a pusher; a new one is told of what comes from now on. Another device of the user that had it
/// loses it.
pub(crate) fn put(tx: &Transaction<'_>, key: &PusherKey, settings: &str) -> Result<(), StoreError> {
    let newest = notifications::last_id(tx)?.unwrap_or(Uuid::nil());
    let Device { user_id, device_id } = &key.device;
    tx.prepare_cached(
        "INSERT INTO pushers (user_id, device_id, app_id, pushkey, settings, pushed_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET device_id = excluded.device_id, settings = excluded.settings",
    )?
    .execute((
        user_id.as_str(),
        device_id.as_str(),
        &key.app_id,
        &key.pushkey,
        settings,
        newest.as_bytes().as_slice(),
    ))?;
    Ok(())
}

/// Forgets a pusher, whichever device of its user has it.
pub(crate) fn forget(tx: &Transaction<'_>, key: &PusherKey) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM pushers WHERE user_id = ?1 AND app_id = ?2 AND pushkey = ?3")?
        .execute((key.device.user_id.as_str(), &key.app_id, &key.pushkey))?;
    Ok(())
}

/// Returns a pusher, if the device still has it.
pub(crate) fn find(
    connection: &Connection,
    key: &PusherKey,
) -> Result<Option<PusherRow>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM pushers
         WHERE user_id = ?1 AND app_id = ?2 AND pushkey = ?3 AND device_id = ?4"
    );
    let Device { user_id, device_id } = &key.device;
    let key = (user_id.as_str(), &key.app_id, &key.pushkey, device_id.as_str());
    let found = connection.prepare_cached(&sql)?.query_row(key, |it| Ok(row(it))).optional()?;
    found.transpose()
}

/// Returns the pushers of a user.
pub(crate) fn of_user(
    connection: &Connection,
    user: &ruma::UserId,
) -> Result<Vec<PusherRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM pushers WHERE user_id = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_map([user.as_str()], |it| Ok(row(it)))?;
    found.map(|row| row?).collect()
}

/// Returns every pusher.
pub(crate) fn all(connection: &Connection) -> Result<Vec<PusherRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM pushers");
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_map([], |it| Ok(row(it)))?;
    found.map(|row| row?).collect()
}

/// Records that the device, or the gateway of `pushkey` alone, has everything up to `id`.
pub(crate) fn advance(
    tx: &Transaction<'_>,
    device: &Device,
    pushkey: Option<&str>,
    id: Uuid,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "UPDATE pushers SET pushed_id = ?4
         WHERE user_id = ?1 AND device_id = ?2 AND (?3 IS NULL OR pushkey = ?3) AND pushed_id < ?4",
    )?
    .execute((
        device.user_id.as_str(),
        device.device_id.as_str(),
        pushkey,
        id.as_bytes().as_slice(),
    ))?;
    Ok(())
}
