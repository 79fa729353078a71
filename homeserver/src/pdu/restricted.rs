//! Restricted rooms: a user joins one through this server only if its join rule allows it, which this
//! server then answers for in the name of a member (room version 8, "Join rules").

use std::borrow::Cow;

use ruma::{OwnedUserId, RoomId, ServerName, UserId};
use rusqlite::Connection;
use serde_json::Value;

use super::{Draft, Refusal};
use crate::{
    event::{Membership, Pdu},
    store::{StoreError, events, memberships, rooms, state, state::GroupId},
};

/// The field of a join that names the member who lets the user in.
const AUTHORISED_VIA: &str = "join_authorised_via_users_server";

/// Returns the draft of a join as it may be built: into a restricted room, it names a member of this
/// server who lets the user in. Other drafts are as they were.
///
/// # Errors
/// The store refuses.
pub(crate) fn authorized<'d>(
    connection: &Connection,
    own: &ServerName,
    room: &RoomId,
    draft: &'d Draft,
) -> Result<Result<Cow<'d, Draft>, Refusal>, StoreError> {
    let is_join = draft.kind == "m.room.member" && draft.content["membership"] == "join";
    let Some(row) = rooms::find(connection, room)?.filter(|_| is_join) else {
        return Ok(Ok(Cow::Borrowed(draft)));
    };
    let rule = entry(connection, row.current_group, "m.room.join_rules")?;
    let rule = rule.filter(|rule| {
        matches!(rule.content["join_rule"].as_str(), Some("restricted" | "knock_restricted"))
    });
    let current = memberships::find(connection, room, &draft.sender)?;
    let is_let_in = matches!(current, Some(Membership::Join | Membership::Invite));
    let Some(rule) = rule.filter(|_| !is_let_in) else { return Ok(Ok(Cow::Borrowed(draft))) };
    if !is_allowed(connection, own, &rule.content["allow"], &draft.sender)? {
        let reason = "the user is in none of the rooms whose members may join".to_owned();
        return Ok(Err(Refusal::NotAllowed(reason)));
    }
    let strongest = strongest_member(connection, own, room, row.current_group)?;
    let mut draft = draft.clone();
    // Whether that member may is for the authorization rules to say.
    draft.content[AUTHORISED_VIA] = strongest.map_or(Value::Null, |member| member.as_str().into());
    Ok(Ok(Cow::Owned(draft)))
}

/// Returns that member of `own` who has the most power in the state of `group`.
pub(super) fn strongest_member(
    connection: &Connection,
    own: &ServerName,
    room: &RoomId,
    group: GroupId,
) -> Result<Option<OwnedUserId>, StoreError> {
    let levels = entry(connection, group, "m.room.power_levels")?;
    let mut strongest = None;
    for member in memberships::users_of(connection, room, own)? {
        let Ok(user) = OwnedUserId::try_from(member.as_str()) else { continue };
        if memberships::find(connection, room, &user)? == Some(Membership::Join) {
            strongest = strongest.max(Some((level(levels.as_ref(), &member), user)));
        }
    }
    Ok(strongest.map(|(_, user)| user))
}

/// Returns whether the user is in one of the rooms that `allow` names and that this server is in.
fn is_allowed(
    connection: &Connection,
    own: &ServerName,
    allow: &Value,
    user: &UserId,
) -> Result<bool, StoreError> {
    for condition in allow.as_array().into_iter().flatten() {
        let room = condition["room_id"].as_str().and_then(|room| RoomId::parse(room).ok());
        let Some(room) = room.filter(|_| condition["type"] == "m.room_membership") else {
            continue;
        };
        if memberships::is_member_server(connection, &room, own)?
            && memberships::find(connection, &room, user)? == Some(Membership::Join)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn entry(connection: &Connection, group: GroupId, kind: &str) -> Result<Option<Pdu>, StoreError> {
    let id = state::entry(connection, group, kind, "")?;
    let found = id.map(|id| events::find(connection, &id)).transpose()?;
    Ok(found.flatten().map(|found| found.pdu))
}

/// Returns a member's power as the room's power levels have it.
fn level(levels: Option<&Pdu>, member: &str) -> i64 {
    let Some(levels) = levels else { return 0 };
    let of_all = levels.content["users_default"].as_i64().unwrap_or(0);
    levels.content["users"][member].as_i64().unwrap_or(of_all)
}
