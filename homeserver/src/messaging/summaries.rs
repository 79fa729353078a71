//! Rooms as people see them who are not in them: in the list of public rooms, and in spaces.

use ruma::{OwnedEventId, RoomId, ServerName, UserId};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::{
    event::{Membership, Pdu},
    store::{StoreError, events, memberships, neighbors, rooms},
};

/// Who looks at a room.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Onlooker<'a> {
    /// A user of this server.
    User(&'a UserId),
    /// Another server, for any of its users.
    Server(&'a ServerName),
}

fn entry(connection: &Connection, room: &RoomId, kind: &str) -> Result<Option<Pdu>, StoreError> {
    let id: Option<OwnedEventId> = rooms::current_entry(connection, room, kind, "")?;
    let found = id.map(|id| events::find(connection, &id)).transpose()?;
    Ok(found.flatten().map(|found| found.pdu))
}

/// Returns what a room is called, how many are in it, and who may join; `None` of one that is not known.
pub(crate) fn summary(connection: &Connection, room: &RoomId) -> Result<Option<Value>, StoreError> {
    let Some(row) = rooms::find(connection, room)? else { return Ok(None) };
    let content = |kind: &str, field: &str| -> Result<Value, StoreError> {
        Ok(entry(connection, room, kind)?
            .map(|event| event.content[field].clone())
            .unwrap_or_default())
    };
    let (joined, _) = neighbors::counts(connection, room)?;
    let visibility = content("m.room.history_visibility", "history_visibility")?;
    let mut summary = json!({
        "room_id": room,
        "num_joined_members": joined,
        "world_readable": visibility == "world_readable",
        "guest_can_join": content("m.room.guest_access", "guest_access")? == "can_join",
        "join_rule": content("m.room.join_rules", "join_rule")?.as_str().unwrap_or("invite"),
        "room_version": row.version.as_str(),
    });
    let optional = [
        ("name", "m.room.name", "name"),
        ("topic", "m.room.topic", "topic"),
        ("avatar_url", "m.room.avatar", "url"),
        ("canonical_alias", "m.room.canonical_alias", "alias"),
        ("room_type", "m.room.create", "type"),
        ("encryption", "m.room.encryption", "algorithm"),
    ];
    for (name, kind, field) in optional {
        let value = content(kind, field)?;
        if value.is_string() {
            summary[name] = value;
        }
    }
    if matches!(summary["join_rule"].as_str(), Some("restricted" | "knock_restricted")) {
        let allow = content("m.room.join_rules", "allow")?;
        let ids: Vec<_> = allow.as_array().into_iter().flatten().map(|it| &it["room_id"]).collect();
        summary["allowed_room_ids"] = json!(ids);
    }
    Ok(Some(summary))
}

/// Returns whether an onlooker may know of a room: it may be joined or read by everybody, or the
/// onlooker is in it, invited, or in a room whose members may join.
pub(crate) fn may_look(
    connection: &Connection,
    room: &RoomId,
    onlooker: Onlooker<'_>,
) -> Result<bool, StoreError> {
    let Some(summary) = summary(connection, room)? else { return Ok(false) };
    let open = ["public", "knock", "knock_restricted"];
    if summary["world_readable"] == true
        || summary["join_rule"].as_str().is_some_and(|rule| open.contains(&rule))
        || is_of(connection, room, onlooker)?
    {
        return Ok(true);
    }
    for gate in summary["allowed_room_ids"].as_array().into_iter().flatten() {
        let gate = gate.as_str().and_then(|gate| RoomId::parse(gate).ok());
        if let Some(gate) = gate
            && is_of(connection, &gate, onlooker)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_of(
    connection: &Connection,
    room: &RoomId,
    onlooker: Onlooker<'_>,
) -> Result<bool, StoreError> {
    match onlooker {
        Onlooker::User(user) => {
            let standing = memberships::find(connection, room, user)?;
            Ok(matches!(standing, Some(Membership::Join | Membership::Invite)))
        }
        Onlooker::Server(server) => memberships::is_member_server(connection, room, server),
    }
}

/// Returns the children of a space, as stripped events in their order, `limit` at most.
pub(crate) fn children(
    connection: &Connection,
    space: &RoomId,
    suggested_only: bool,
    limit: usize,
) -> Result<Vec<Value>, StoreError> {
    let state = rooms::current_state(connection, space)?;
    let ids: Vec<_> = state
        .into_iter()
        .filter(|((kind, _), _)| kind == "m.space.child")
        .map(|(_, id)| id)
        .collect();
    let mut found = events::find_all(connection, &ids)?;
    found.retain(|child| {
        child.content["via"].as_array().is_some_and(|via| !via.is_empty())
            && (!suggested_only || child.content["suggested"] == true)
    });
    // By the order that is set, then by age (client-server API, "Ordering of children").
    found.sort_by_key(|child| {
        let order = child.content["order"].as_str().map(str::to_owned);
        (order.is_none(), order, child.origin_server_ts, child.state_key.clone())
    });
    found.truncate(limit);
    let stripped = found.iter().map(|child| {
        json!({
            "type": child.kind,
            "state_key": child.state_key,
            "sender": child.sender,
            "content": child.content,
            "origin_server_ts": child.origin_server_ts,
        })
    });
    Ok(stripped.collect())
}
