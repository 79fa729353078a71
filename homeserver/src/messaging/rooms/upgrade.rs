//! Upgrading a room: another one of a newer version takes its place.

use ruma::{OwnedRoomId, RoomId, RoomVersionId, UserId};
use serde_json::json;

use super::{
    CreateRoom, Draft, InitialState, RoomError, Rooms, create::VERSIONS, reads::state_events,
};
use crate::event::{Pdu, rules};

/// State that the new room takes over (client-server API, "Room upgrades").
const TAKEN_OVER: [&str; 9] = [
    "m.room.join_rules",
    "m.room.history_visibility",
    "m.room.guest_access",
    "m.room.name",
    "m.room.topic",
    "m.room.avatar",
    "m.room.encryption",
    "m.room.server_acl",
    "m.space.child",
];

/// State events that the new room takes over.
const MAX_TAKEN_OVER: usize = 1000;

/// What the old room's power levels ask of whoever still wants to speak.
const SILENCED: i64 = 50;

impl Rooms {
    /// Makes a room of another version in the name of a local user, with what is set of the old room, and
    /// points the old room to it. Returns the new one.
    ///
    /// # Errors
    /// The user may not do that, the version is not one of this server's, or the store refuses.
    pub(crate) async fn upgrade(
        &self,
        user: &UserId,
        room: &RoomId,
        version: RoomVersionId,
    ) -> Result<OwnedRoomId, RoomError> {
        if !VERSIONS.contains(&version) {
            return Err(RoomError::UnsupportedVersion(version.to_string()));
        }
        let state = self.state_for(user, room, state_events).await?;
        let entry = |kind: &str| {
            state.iter().find(|event| event.kind == kind && event.state_key.as_deref() == Some(""))
        };
        // Whether the user may is known before anything is made.
        let tombstone = |replacement: &str| {
            let content =
                json!({ "body": "This room has been replaced", "replacement_room": replacement });
            Draft::state(user, "m.room.tombstone", "", content)
        };
        self.build(room, tombstone("!checked:example.org")).await?;
        let creation = entry("m.room.create");
        let mut options = CreateRoom { version, ..CreateRoom::default() };
        if let Some(creation) = creation {
            let kept = creation.content.as_object().cloned().unwrap_or_default();
            let dropped = ["room_version", "creator", "predecessor", "additional_creators"];
            options.creation_content =
                kept.into_iter().filter(|(name, _)| !dropped.contains(&&**name)).collect();
        }
        options.creation_content.insert("predecessor".to_owned(), json!({ "room_id": room }));
        options.initial_state = taken_over(&state);
        if let Some(levels) = entry("m.room.power_levels") {
            options.power_levels = levels.content.as_object().cloned().unwrap_or_default();
            let above_all = rules::of(&options.version)
                .is_some_and(|rules| rules.authorization.explicitly_privilege_room_creators);
            if above_all && let Some(users) = options.power_levels.get_mut("users") {
                // The creator stands above all levels there, and may not be in them.
                users.as_object_mut().map(|users| users.remove(user.as_str()));
            }
        }
        let (delivery, _) = self.delivery_and_owner(room).await?;
        options.delivery = delivery;
        let replacement = self.create(user, options).await?;
        self.put(room, tombstone(replacement.as_str())).await?;
        self.silence(user, room, entry("m.room.power_levels")).await;
        Ok(replacement)
    }

    /// Lets only those speak in the old room who may also set its state, if the user may say so.
    async fn silence(&self, user: &UserId, room: &RoomId, levels: Option<&Pdu>) {
        let Some(levels) = levels else { return };
        let mut content = levels.content.clone();
        let default = content["users_default"].as_i64().unwrap_or(0);
        let needed = SILENCED.max(default.saturating_add(1));
        for name in ["events_default", "invite"] {
            content[name] = needed.max(content[name].as_i64().unwrap_or(0)).into();
        }
        let draft = Draft::state(user, "m.room.power_levels", "", content);
        if let Err(error) = self.put(room, draft).await {
            tracing::info!(%room, %error, "an upgraded room goes on as before");
        }
    }
}

fn taken_over(state: &[Pdu]) -> Vec<InitialState> {
    let kept = state.iter().filter(|event| TAKEN_OVER.contains(&&*event.kind));
    kept.take(MAX_TAKEN_OVER)
        .map(|event| InitialState {
            kind: event.kind.clone(),
            state_key: event.state_key.clone().unwrap_or_default(),
            content: event.content.clone(),
        })
        .collect()
}
