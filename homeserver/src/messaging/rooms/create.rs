//! Creating a room: the events that every room begins with, in one transaction.

use std::collections::BTreeSet;

use ruma::{
    OwnedRoomId, OwnedUserId, RoomId, RoomVersionId, UserId,
    room_version_rules::RoomIdFormatVersion,
};
use serde_json::{Value, json};
use transport::Transaction;

use super::{CreateRoom, Draft, InitialState, RoomError, Rooms};
use crate::{
    event::{
        Delivery, Membership, Pdu,
        rules::{self, Rules},
    },
    messaging::profiles::{self, with_profile},
    pdu::{Spot, template},
    store::{
        rooms::{self, RoomRow},
        state,
    },
};

/// Bytes of entropy in a room id.
const ROOM_ID_BYTES: usize = 18;

/// The room versions that this server speaks, the one it prefers first.
pub(crate) const VERSIONS: [RoomVersionId; 3] =
    [RoomVersionId::V11, RoomVersionId::V12, RoomVersionId::V10];

impl Rooms {
    /// Creates a room of the local user `creator`, then invites.
    ///
    /// # Errors
    /// The version is not one of this server's, the initial state is not allowed, or the store
    /// refuses: no room then. Who cannot be invited is left out.
    pub async fn create(
        &self,
        creator: &UserId,
        options: CreateRoom,
    ) -> Result<OwnedRoomId, RoomError> {
        let version = options.version.clone();
        let rules = rules::of(&version)
            .filter(|_| VERSIONS.contains(&version))
            .ok_or_else(|| RoomError::UnsupportedVersion(version.to_string()))?;
        let (invited, is_direct) = (options.invite.clone(), options.is_direct);
        let (rooms, user) = (self.clone(), creator.to_owned());
        let room: OwnedRoomId = self
            .database()
            .transaction(move |tx| rooms.create_in(tx, &user, &options, rules))
            .await?;
        self.invite_all(creator, &room, &invited, is_direct).await?;
        Ok(room)
    }

    /// Invites those who can be. The room exists: a client that is told of a failure makes another one
    /// at each retry. A server that does not answer is not waited for twice.
    async fn invite_all(
        &self,
        creator: &UserId,
        room: &RoomId,
        invited: &[OwnedUserId],
        is_direct: bool,
    ) -> Result<(), RoomError> {
        let mut silent = BTreeSet::new();
        for user in invited {
            if silent.contains(user.server_name()) {
                continue;
            }
            let mut draft = Draft::membership(creator, user, Membership::Invite);
            if is_direct {
                draft.content["is_direct"] = true.into();
            }
            match self.invite_by(room, draft).await {
                Ok(()) => {}
                Err(error @ RoomError::Store(_)) => return Err(error),
                Err(error) => {
                    tracing::warn!(%room, %user, %error, "a new room's user was not invited");
                    if matches!(error, RoomError::Unavailable(_)) {
                        silent.insert(user.server_name().to_owned());
                    }
                }
            }
        }
        Ok(())
    }

    fn create_in(
        &self,
        tx: &Transaction<'_>,
        creator: &UserId,
        options: &CreateRoom,
        rules: Rules,
    ) -> Result<OwnedRoomId, RoomError> {
        let creation = self.creation(creator, options, rules)?;
        let room = creation.room_id.clone();
        let row = RoomRow {
            version: options.version.clone(),
            create_event_id: creation.event_id.clone(),
            owner: self.core().owned_server_name(),
            delivery: options.delivery,
            current_group: state::EMPTY,
        };
        rooms::put(tx, &room, &row)?;
        self.insert(tx, &self.trusted(creation))?;
        let join = Draft::membership(creator, creator, Membership::Join);
        let profile = profiles::of_local(tx, creator)?;
        self.add(tx, &room, &with_profile(profile.as_ref(), join))?;
        for (kind, content) in beginning(creator, options, rules) {
            self.add(tx, &room, &Draft::state(creator, kind, "", content))?;
        }
        for InitialState { kind, state_key, content } in &options.initial_state {
            self.add(tx, &room, &Draft::state(creator, kind, state_key, content.clone()))?;
        }
        Ok(room)
    }

    /// Adds a state event. Nobody else is in the room, so that it is queued for nobody.
    fn add(&self, tx: &Transaction<'_>, room: &RoomId, draft: &Draft) -> Result<(), RoomError> {
        let pdu = self.graph.build(tx, room, draft)??;
        self.insert(tx, &self.trusted(pdu))?;
        Ok(())
    }

    fn creation(
        &self,
        creator: &UserId,
        options: &CreateRoom,
        rules: Rules,
    ) -> Result<Pdu, RoomError> {
        let mut content = Value::Object(options.creation_content.clone());
        content["room_version"] = options.version.as_str().into();
        if let Value::Object(content) = &mut content {
            content.remove("creator");
        }
        content[Delivery::KEY] = options.delivery.as_str().into();
        if !rules.authorization.use_room_create_sender {
            content["creator"] = creator.as_str().into();
        }
        let room = match rules.room_id_format {
            RoomIdFormatVersion::V2 => None,
            _ => Some(self.new_room_id()?),
        };
        let draft = Draft::state(creator, "m.room.create", "", content);
        let spot = Spot { depth: 1, ..Spot::default() };
        Ok(self.graph.sign(template(room.as_deref(), &draft, &spot), rules)?)
    }

    fn new_room_id(&self) -> Result<OwnedRoomId, RoomError> {
        let core = self.core();
        let id = format!("!{}:{}", core.host.random_token(ROOM_ID_BYTES), core.server_name());
        OwnedRoomId::try_from(id).map_err(|error| RoomError::Invalid(error.to_string()))
    }
}

/// Returns the state after creation and the creator's join (client-server API, `POST /createRoom`).
fn beginning(creator: &UserId, options: &CreateRoom, rules: Rules) -> Vec<(&'static str, Value)> {
    // Since room version 12 the creator stands above all power levels.
    let above_all = rules.authorization.explicitly_privilege_room_creators;
    let mut users = if above_all { json!({}) } else { json!({ creator.as_str(): 100 }) };
    if options.trusts_invited {
        for user in options.invite.iter().filter(|user| *user != creator) {
            users[user.as_str()] = 100.into();
        }
    }
    let mut power_levels = json!({
        "users": users, "users_default": 0, "events": {}, "events_default": 0,
        "state_default": 50, "ban": 50, "kick": 50, "redact": 50, "invite": 0,
    });
    for (name, value) in &options.power_levels {
        power_levels[name] = value.clone();
    }
    let mut events = vec![("m.room.power_levels", power_levels)];
    if let Some(alias) = &options.alias {
        events.push(("m.room.canonical_alias", json!({ "alias": alias })));
    }
    events.extend([
        ("m.room.join_rules", json!({ "join_rule": options.join_rule.as_str() })),
        ("m.room.history_visibility", json!({ "history_visibility": "shared" })),
    ]);
    if let Some(name) = &options.name {
        events.push(("m.room.name", json!({ "name": name })));
    }
    if let Some(topic) = &options.topic {
        events.push(("m.room.topic", json!({ "topic": topic })));
    }
    events
}
