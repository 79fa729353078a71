//! Local users and their devices.

use ruma::{OwnedDeviceId, OwnedUserId, ServerName, UserId};
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use transport::{Transaction, endpoints::m1::Devices};

use super::{StoreError, events, stays};

/// A logged-in device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device {
    /// Whose it is.
    pub user_id: OwnedUserId,
    /// Its id, unique per user.
    pub device_id: OwnedDeviceId,
}

/// What is stored of an access token.
pub type TokenHash = [u8; 32];

/// A device by the very token that it was given: another token of the same device is no longer it.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The device.
    pub device: Device,
    /// Its token.
    pub token: TokenHash,
}

/// Returns whether the token is still that of the device.
///
/// # Errors
/// The store refuses.
pub fn holds(connection: &Connection, authority: &Authority) -> Result<bool, StoreError> {
    let Authority { device, token } = authority;
    Ok(connection
        .prepare_cached(
            "SELECT 1 FROM devices WHERE user_id = ?1 AND device_id = ?2 AND token_hash = ?3",
        )?
        .exists((device.user_id.as_str(), device.device_id.as_str(), token.as_slice()))?)
}

/// The tables with rows of devices.
const TABLES_OF_DEVICES: [&str; 8] = [
    "devices",
    "notifications",
    "client_transactions",
    "pushers",
    "device_keys",
    "one_time_keys",
    "fallback_keys",
    "to_device",
];

/// Adds a user, and returns whether the name was free.
///
/// # Errors
/// The store refuses.
pub fn add(
    tx: &Transaction<'_>,
    user: &UserId,
    password_hash: &str,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let added = tx
        .prepare_cached(
            "INSERT INTO users (user_id, password_hash, created_ms) VALUES (?1, ?2, ?3)
         ON CONFLICT (user_id) DO NOTHING",
        )?
        .execute((user.as_str(), password_hash, now_ms))?;
    if added == 1 {
        stays::take_up(tx, user)?;
    }
    Ok(added == 1)
}

/// Returns the hash of a user's password; `None` for nobody here.
///
/// # Errors
/// The store refuses.
pub fn password_hash(connection: &Connection, user: &UserId) -> Result<Option<String>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT password_hash FROM users WHERE user_id = ?1")?
        .query_row([user.as_str()], |row| row.get(0))
        .optional()?)
}

/// Sets the hash of a user's password, and makes the account active again if it was not; returns
/// whether there is one.
///
/// # Errors
/// The store refuses.
pub fn set_password_hash(
    tx: &Transaction<'_>,
    user: &UserId,
    password_hash: &str,
) -> Result<bool, StoreError> {
    let set = tx
        .prepare_cached("UPDATE users SET password_hash = ?2 WHERE user_id = ?1")?
        .execute((user.as_str(), password_hash))?;
    tx.prepare_cached("DELETE FROM deactivated_users WHERE user_id = ?1")?
        .execute([user.as_str()])?;
    Ok(set == 1)
}

/// Ends an account; returns whether there is one.
///
/// # Errors
/// The store refuses.
pub fn deactivate(tx: &Transaction<'_>, user: &UserId) -> Result<bool, StoreError> {
    if password_hash(tx, user)?.is_none() {
        return Ok(false);
    }
    tx.prepare_cached("INSERT OR IGNORE INTO deactivated_users (user_id) VALUES (?1)")?
        .execute([user.as_str()])?;
    Ok(true)
}

/// Returns whether an account was ended.
///
/// # Errors
/// The store refuses.
pub fn is_deactivated(connection: &Connection, user: &UserId) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM deactivated_users WHERE user_id = ?1")?
        .exists([user.as_str()])?)
}

/// An account, for the operator.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UserRow {
    /// Whose.
    pub user_id: OwnedUserId,
    /// When it was made, milliseconds since the epoch.
    pub created_ms: i64,
    /// Devices that are logged in.
    pub devices: i64,
    /// Whether it was ended.
    pub deactivated: bool,
}

/// Returns at most `limit` accounts after `after`, ordered by their ids.
///
/// # Errors
/// The store refuses.
pub fn list(
    connection: &Connection,
    after: Option<&UserId>,
    limit: usize,
) -> Result<Vec<UserRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT user_id, created_ms,
             (SELECT count(*) FROM devices WHERE devices.user_id = users.user_id),
             EXISTS (SELECT 1 FROM deactivated_users d WHERE d.user_id = users.user_id)
         FROM users WHERE user_id > ?1 ORDER BY user_id LIMIT ?2",
    )?;
    let after = after.map_or("", UserId::as_str);
    let mut rows = statement.query((after, i64::try_from(limit).unwrap_or(i64::MAX)))?;
    let mut users = Vec::new();
    while let Some(row) = rows.next()? {
        let user_id: String = row.get(0)?;
        users.push(UserRow {
            user_id: user_id.try_into().map_err(StoreError::corrupt)?,
            created_ms: row.get(1)?,
            devices: row.get(2)?,
            deactivated: row.get(3)?,
        });
    }
    Ok(users)
}

/// Adds a device, or gives the device of that id a new token.
///
/// # Errors
/// The store refuses.
pub fn put_device(
    tx: &Transaction<'_>,
    device: &Device,
    display_name: Option<&str>,
    token: &TokenHash,
    now_ms: i64,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO devices
             (user_id, device_id, display_name, token_hash, created_ms, first_position)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (user_id, device_id) DO UPDATE SET token_hash = excluded.token_hash",
    )?
    .execute((
        device.user_id.as_str(),
        device.device_id.as_str(),
        display_name,
        token.as_slice(),
        now_ms,
        events::newest_position(tx)?,
    ))?;
    Ok(())
}

/// Returns how many devices the user of `device` has beside it.
///
/// # Errors
/// The store refuses.
pub fn count_others(connection: &Connection, device: &Device) -> Result<i64, StoreError> {
    Ok(connection
        .prepare_cached("SELECT COUNT(*) FROM devices WHERE user_id = ?1 AND device_id <> ?2")?
        .query_row((device.user_id.as_str(), device.device_id.as_str()), |row| row.get(0))?)
}

/// Returns the device with that access token, if it is anybody's.
///
/// # Errors
/// The store refuses.
pub fn device_with(
    connection: &Connection,
    token: &TokenHash,
) -> Result<Option<Device>, StoreError> {
    let found: Option<(String, String)> = connection
        .prepare_cached("SELECT user_id, device_id FROM devices WHERE token_hash = ?1")?
        .query_row([token.as_slice()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(found.and_then(|(user_id, device_id)| {
        Some(Device { user_id: user_id.try_into().ok()?, device_id: device_id.into() })
    }))
}

/// Forgets a device, with what is stored for it.
///
/// # Errors
/// The store refuses.
pub fn forget_device(tx: &Transaction<'_>, device: &Device) -> Result<(), StoreError> {
    for table in TABLES_OF_DEVICES {
        let sql = format!("DELETE FROM {table} WHERE user_id = ?1 AND device_id = ?2");
        tx.prepare_cached(&sql)?.execute((device.user_id.as_str(), device.device_id.as_str()))?;
    }
    Ok(())
}

/// Forgets every device of a user, with what is stored for them.
///
/// # Errors
/// The store refuses.
pub fn forget_devices(tx: &Transaction<'_>, user: &UserId) -> Result<(), StoreError> {
    for table in TABLES_OF_DEVICES {
        let sql = format!("DELETE FROM {table} WHERE user_id = ?1");
        tx.prepare_cached(&sql)?.execute([user.as_str()])?;
    }
    Ok(())
}

/// Returns the devices of those of `users` who are of the server `own`, in the order of their ids.
///
/// # Errors
/// The store refuses.
pub fn devices_of<'a>(
    connection: &Connection,
    own: &ServerName,
    users: impl IntoIterator<Item = &'a UserId>,
) -> Result<Devices, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT device_id FROM devices WHERE user_id = ?1 ORDER BY device_id")?;
    let mut devices = Devices::new();
    for user in users.into_iter().filter(|user| user.server_name() == own) {
        let of_user = statement.query_map([user.as_str()], |row| row.get(0))?;
        devices.insert(user.to_string(), of_user.collect::<rusqlite::Result<_>>()?);
    }
    Ok(devices)
}

/// What other people see of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// What people call the user, if the user has said.
    pub display_name: Option<String>,
    /// The address of the user's picture.
    pub avatar_url: Option<String>,
}

/// Returns the profile of a local user; `None` for nobody here.
///
/// # Errors
/// The store refuses.
pub fn profile(connection: &Connection, user: &UserId) -> Result<Option<Profile>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT display_name, avatar_url FROM users WHERE user_id = ?1")?
        .query_row([user.as_str()], |row| {
            Ok(Profile { display_name: row.get(0)?, avatar_url: row.get(1)? })
        })
        .optional()?)
}

/// Changes what people call a user.
///
/// # Errors
/// The store refuses.
pub fn set_display_name(
    tx: &Transaction<'_>,
    user: &UserId,
    name: Option<&str>,
) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE users SET display_name = ?2 WHERE user_id = ?1")?
        .execute((user.as_str(), name))?;
    Ok(())
}

/// Changes the address of a user's picture.
///
/// # Errors
/// The store refuses.
pub fn set_avatar_url(
    tx: &Transaction<'_>,
    user: &UserId,
    url: Option<&str>,
) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE users SET avatar_url = ?2 WHERE user_id = ?1")?
        .execute((user.as_str(), url))?;
    Ok(())
}

/// A device, for its user.
#[derive(Clone, Debug)]
pub struct DeviceRow {
    /// Its id.
    pub device_id: OwnedDeviceId,
    /// What people call it.
    pub display_name: Option<String>,
}

/// Returns the devices of a user, in the order of their ids.
///
/// # Errors
/// The store refuses.
pub fn device_rows(connection: &Connection, user: &UserId) -> Result<Vec<DeviceRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT device_id, display_name FROM devices WHERE user_id = ?1 ORDER BY device_id",
    )?;
    let rows = statement.query_map([user.as_str()], |row| {
        let device_id = row.get::<_, String>(0)?.into();
        Ok(DeviceRow { device_id, display_name: row.get(1)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Changes what people call a device; returns whether there is one.
///
/// # Errors
/// The store refuses.
pub fn rename_device(
    tx: &Transaction<'_>,
    device: &Device,
    name: Option<&str>,
) -> Result<bool, StoreError> {
    let renamed = tx
        .prepare_cached(
            "UPDATE devices SET display_name = ?3 WHERE user_id = ?1 AND device_id = ?2",
        )?
        .execute((device.user_id.as_str(), device.device_id.as_str(), name))?;
    Ok(renamed == 1)
}

/// A user that was found: id, name and picture.
pub type FoundUser = (String, Option<String>, Option<String>);

/// Returns at most `limit` users of this server, or in a room with `user`, in whose id or name `term` is.
///
/// # Errors
/// The store refuses.
pub fn search(
    connection: &Connection,
    user: &UserId,
    term: &str,
    limit: usize,
) -> Result<Vec<FoundUser>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT user_id, display_name, avatar_url FROM users
         WHERE NOT EXISTS (SELECT 1 FROM deactivated_users d WHERE d.user_id = users.user_id)
             AND instr(lower(user_id || ' ' || coalesce(display_name, '')), lower(?2))
         UNION
         SELECT theirs.user_id,
             json_extract(e.json, '$.content.displayname'),
             json_extract(e.json, '$.content.avatar_url')
         FROM room_memberships mine JOIN room_memberships theirs USING (room_id)
             JOIN events e ON e.event_id = theirs.event_id
         WHERE mine.user_id = ?1 AND mine.membership = 'join' AND theirs.membership = 'join'
             AND theirs.user_id NOT IN (SELECT user_id FROM users)
             AND instr(lower(theirs.user_id || ' '
                 || coalesce(json_extract(e.json, '$.content.displayname'), '')), lower(?2))
         ORDER BY 1 LIMIT ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map((user.as_str(), term, limit), |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
