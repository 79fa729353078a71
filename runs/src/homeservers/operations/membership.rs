//! Who is in a conversation, and what its state is: joins, leaves, removals, invitations, power.

use std::sync::Arc;

use checks::history::Note;
use http::Method;
use serde_json::json;

use super::{Ended, outcome};
use crate::homeservers::{
    device::{DEADLINE, Device, room_path},
    setup::join_path,
};

/// Lets the creator invite, and then the user join.
pub(super) async fn join(
    creator: &Arc<Device>,
    device: &Device,
    room: &str,
    conversation: String,
) -> Ended {
    let user = device.user.clone();
    let began = Note::JoinBegan { user: user.clone(), conversation: conversation.clone() };
    let began = device.note(None, &began);
    let ended = invite_and_join(creator, device, room).await;
    let outcome = outcome(&ended);
    device.note(Some(began), &Note::JoinEnded { user, conversation, outcome });
    ended
}

async fn invite_and_join(creator: &Arc<Device>, device: &Device, room: &str) -> Ended {
    let (inviter, target, invited) = (Arc::clone(creator), room.to_owned(), device.user_id.clone());
    let inviting = creator.on(async move { invite(&inviter, &target, &invited).await });
    // If the invitation failed, so will the join; that is what counts.
    drop(inviting.await);
    let target = join_path(room, &creator.backend);
    device.ask((Method::POST, &target), &json!({})).await
}

/// Invites a user, who does not join by this alone.
pub(super) async fn invite(inviter: &Device, room: &str, user_id: &str) -> Ended {
    let (target, body) = (room_path(room, "invite"), json!({"user_id": user_id}));
    inviter.ask((Method::POST, &target), &body).await
}

/// Leaves a room.
pub(super) async fn leave(device: &Device, room: &str, conversation: String) -> Ended {
    let user = device.user.clone();
    let began = Note::LeaveBegan { user: user.clone(), conversation: conversation.clone() };
    let began = device.note(None, &began);
    let ended = device.ask((Method::POST, &room_path(room, "leave")), &json!({})).await;
    let outcome = outcome(&ended);
    device.note(Some(began), &Note::LeaveEnded { user, conversation, outcome });
    ended
}

/// What one user does to another, by the endpoint's name.
pub(super) struct Removal {
    pub(super) verb: &'static str,
    pub(super) user: String,
    pub(super) user_id: String,
    pub(super) conversation: String,
    pub(super) room: String,
}

/// Removes a user from a room.
pub(super) async fn remove(device: &Device, removal: Removal) -> Ended {
    let Removal { verb, user, user_id, conversation, room } = removal;
    let by = device.user.clone();
    let (named, by_whom) = (user.clone(), by.clone());
    let began = Note::RemovalBegan { user: named, by: by_whom, conversation: conversation.clone() };
    let began = device.note(None, &began);
    let body = json!({"user_id": user_id});
    let ended = device.ask((Method::POST, &room_path(&room, verb)), &body).await;
    let outcome = outcome(&ended);
    device.note(Some(began), &Note::RemovalEnded { user, by, conversation, outcome });
    ended
}

/// Sets a power level as clients do: reads what is set, and writes it with the change. No check
/// depends on how that ends but on what everybody agrees on afterwards.
pub(super) async fn set_power(device: &Device, room: &str, user_id: &str, level: u32) -> Ended {
    let target = room_path(room, "state/m.room.power_levels/");
    let read = device.call((Method::GET, &target), None, DEADLINE, false).await;
    let read = read.map_err(|error| error.to_string())?;
    if read.status != 200 {
        return Ok(read);
    }
    let mut levels = read.body;
    levels["users"][user_id] = level.into();
    device.ask((Method::PUT, &target), &levels).await
}
