//! What a user may do in a room by its power levels, for what is not decided by an event.

use ruma::{RoomId, UserId};
use rusqlite::Connection;
use serde_json::Value;

use crate::{
    event::{Membership, Pdu, rules},
    store::{StoreError, events, memberships, rooms},
};

/// Returns whether a user who is in the room may send state of that kind.
///
/// # Errors
/// The store refuses.
pub(crate) fn may_send_state(
    connection: &Connection,
    room: &RoomId,
    user: &UserId,
    kind: &str,
) -> Result<bool, StoreError> {
    let Some(row) = rooms::find(connection, room)? else { return Ok(false) };
    if memberships::find(connection, room, user)? != Some(Membership::Join) {
        return Ok(false);
    }
    let entry = |kind: &str| -> Result<Option<Pdu>, StoreError> {
        let id = rooms::current_entry(connection, room, kind, "")?;
        let found = id.map(|id| events::find(connection, &id)).transpose()?;
        Ok(found.flatten().map(|found| found.pdu))
    };
    let creation = entry("m.room.create")?;
    let is_creator = creation.as_ref().is_some_and(|creation| {
        let others = creation.content["additional_creators"].as_array();
        creation.sender == user
            || others.is_some_and(|others| others.iter().any(|other| other == user.as_str()))
    });
    let above_all = rules::of(&row.version)
        .is_some_and(|rules| rules.authorization.explicitly_privilege_room_creators);
    if is_creator && above_all {
        return Ok(true);
    }
    let Some(levels) = entry("m.room.power_levels")? else { return Ok(is_creator) };
    let levels = &levels.content;
    let number = |value: &Value, otherwise: i64| value.as_i64().unwrap_or(otherwise);
    let own = number(&levels["users"][user.as_str()], number(&levels["users_default"], 0));
    let needed = number(&levels["events"][kind], number(&levels["state_default"], 50));
    Ok(own >= needed)
}
