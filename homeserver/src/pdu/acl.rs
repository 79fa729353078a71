//! Which servers a room lets take part (client-server API, `m.room.server_acl`): what a denied one
//! sends into the room, asks of it or invites to it is refused.

use ruma::{RoomId, ServerName, events::room::server_acl::RoomServerAclEventContent};
use rusqlite::Connection;

use crate::store::{StoreError, events, rooms};

/// Returns whether the current state of `room` lets `server` take part. A room that is not known here,
/// or has no such list, or none that can be read, lets everybody.
///
/// # Errors
/// The store refuses.
pub(crate) fn allows(
    connection: &Connection,
    room: &RoomId,
    server: &ServerName,
) -> Result<bool, StoreError> {
    let id = rooms::current_entry(connection, room, "m.room.server_acl", "")?;
    let Some(id) = id else { return Ok(true) };
    let Some(list) = events::find(connection, &id)? else { return Ok(true) };
    let list = serde_json::from_str::<RoomServerAclEventContent>(list.pdu.raw_content().get());
    Ok(list.map_or(true, |list| list.is_allowed(server)))
}
