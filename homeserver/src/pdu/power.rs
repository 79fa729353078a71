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
    if memberships::find(connection, room, user)? != Some(Membership::Join) {
        return Ok(false);
    }
    Ok(match power(connection, room, user.as_str())? {
        Power::Unknown => false,
        Power::Unlimited => true,
        Power::Unset { is_creator } => is_creator,
        Power::Level { own, levels } => {
            own >= number(&levels["events"][kind], number(&levels["state_default"], 50))
        }
    })
}

/// Returns whether `sender` may notify all that `key` stands for, as `room` for everybody in the room.
///
/// # Errors
/// The store refuses.
pub(crate) fn may_notify(
    connection: &Connection,
    room: &RoomId,
    sender: &str,
    key: &str,
) -> Result<bool, StoreError> {
    Ok(match power(connection, room, sender)? {
        Power::Unknown => false,
        Power::Unlimited => true,
        Power::Unset { is_creator } => is_creator,
        Power::Level { own, levels } => own >= number(&levels["notifications"][key], 50),
    })
}

/// What a user may do in a room.
enum Power {
    /// The room is not known.
    Unknown,
    /// Everything: the rules of the room set its creators above all levels.
    Unlimited,
    /// The room has no levels; then its creator may do everything.
    Unset { is_creator: bool },
    /// What takes no more than this level, by these levels of the room.
    Level { own: i64, levels: Value },
}

fn power(connection: &Connection, room: &RoomId, user: &str) -> Result<Power, StoreError> {
    let Some(row) = rooms::find(connection, room)? else { return Ok(Power::Unknown) };
    let entry = |kind: &str| -> Result<Option<Pdu>, StoreError> {
        let id = rooms::current_entry(connection, room, kind, "")?;
        let found = id.map(|id| events::find(connection, &id)).transpose()?;
        Ok(found.flatten().map(|found| found.pdu))
    };
    let creation = entry("m.room.create")?;
    let is_creator = creation.as_ref().is_some_and(|creation| {
        let others = creation.content["additional_creators"].as_array();
        creation.sender == user
            || others.is_some_and(|others| others.iter().any(|other| other == user))
    });
    let above_all = rules::of(&row.version)
        .is_some_and(|rules| rules.authorization.explicitly_privilege_room_creators);
    if is_creator && above_all {
        return Ok(Power::Unlimited);
    }
    let Some(levels) = entry("m.room.power_levels")? else {
        return Ok(Power::Unset { is_creator });
    };
    let levels = levels.content.clone();
    let own = number(&levels["users"][user], number(&levels["users_default"], 0));
    Ok(Power::Level { own, levels })
}

fn number(value: &Value, otherwise: i64) -> i64 {
    value.as_i64().unwrap_or(otherwise)
}
