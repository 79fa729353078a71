//! Whom an owner asks for a vote, and the device lists that they told it.

use ruma::{OwnedServerName, RoomId, ServerName};
use rusqlite::{Connection, OptionalExtension};
use transport::{Transaction, endpoints::m1::Devices};

use super::commits::last_commit;
use crate::store::{StoreError, memberships};

/// A member backend of a room, as its owner knows it before it asks for a vote.
#[derive(Clone, Debug)]
pub(crate) struct Voter {
    pub(crate) name: OwnedServerName,
    /// The newest commit of the room that it has not acknowledged.
    pub(crate) owed: Option<i64>,
    /// The devices of its users that it told last.
    pub(crate) devices: Devices,
}

/// Returns the member backends of a room but for its owner, `own`.
pub(crate) fn voters(
    connection: &Connection,
    room_id: &RoomId,
    own: &ServerName,
) -> Result<Vec<Voter>, StoreError> {
    let members = memberships::member_servers(connection, room_id)?;
    let others = members.into_iter().filter(|member| member != own);
    others
        .map(|name| {
            let owed = last_commit(connection, &name, room_id)?;
            let devices = known_devices(connection, room_id, &name)?;
            Ok(Voter { name, owed, devices })
        })
        .collect()
}

/// Returns the device list that `backend` told last in a room; empty if it never told one.
pub(crate) fn known_devices(
    connection: &Connection,
    room_id: &RoomId,
    backend: &ServerName,
) -> Result<Devices, StoreError> {
    let found: Option<String> = connection
        .prepare_cached("SELECT devices FROM m1_devices WHERE room_id = ?1 AND backend = ?2")?
        .query_row((room_id.as_str(), backend.as_str()), |row| row.get(0))
        .optional()?;
    found.map_or(Ok(Devices::new()), |devices| {
        serde_json::from_str(&devices).map_err(StoreError::corrupt)
    })
}

/// Remembers the device list that `backend` told.
pub(crate) fn learn_devices(
    tx: &Transaction<'_>,
    room_id: &RoomId,
    backend: &ServerName,
    devices: &Devices,
) -> Result<(), StoreError> {
    let devices = serde_json::to_string(devices).expect("a device list is JSON");
    tx.prepare_cached(
        "INSERT INTO m1_devices (room_id, backend, devices) VALUES (?1, ?2, ?3)
         ON CONFLICT (room_id, backend) DO UPDATE SET devices = excluded.devices",
    )?
    .execute((room_id.as_str(), backend.as_str(), devices))?;
    Ok(())
}
