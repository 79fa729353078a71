//! Profiles: what people see of a user, of this server or another, and in the user's rooms.

use ruma::{
    OwnedUserId, UserId, api::federation::query::get_profile_information::v1 as get_profile,
};
use serde_json::{Map, Value};

use super::rooms::{Draft, RoomError, Rooms};
use crate::{
    event::Membership,
    store::{
        StoreError,
        accounts::{self, Profile},
        memberships,
    },
};

/// Rooms in which a change of a profile is told; in any more, the next join tells it.
const MAX_ROOMS: usize = 1000;

/// Fields of another server's profile that are passed on.
const MAX_FIELDS: usize = 20;

/// Bytes of a field of it.
const MAX_FIELD: usize = 1024;

/// A change of a profile.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// What people call the user.
    DisplayName(Option<String>),
    /// The user's picture.
    AvatarUrl(Option<String>),
}

impl Rooms {
    /// Returns the profile of a user of another server, who is asked for it.
    ///
    /// # Errors
    /// The server does not answer.
    pub(crate) async fn remote_profile(
        &self,
        user: OwnedUserId,
    ) -> Result<Option<Map<String, Value>>, RoomError> {
        let core = self.core();
        let server = user.server_name().to_owned();
        let request = get_profile::Request::new(user);
        let deadline = core.config.request_timeout;
        match core.federation.call_for_json(&server, request, deadline).await {
            Ok(Value::Object(fields)) => {
                let short = fields.into_iter().filter(|(name, value)| {
                    value.is_string() && name.len() + value.to_string().len() <= MAX_FIELD
                });
                Ok(Some(short.take(MAX_FIELDS).collect()))
            }
            Ok(_) => Ok(None),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Changes the profile of a local user, and tells the rooms that the user is in.
    ///
    /// # Errors
    /// The store's. A room that does not take the change keeps the old profile.
    pub(crate) async fn change_profile(
        &self,
        user: OwnedUserId,
        change: Change,
    ) -> Result<(), RoomError> {
        let name = user.clone();
        let rooms = self
            .database()
            .transaction(move |tx| {
                match change {
                    Change::DisplayName(name) => {
                        accounts::set_display_name(tx, &user, name.as_deref())?;
                    }
                    Change::AvatarUrl(url) => {
                        accounts::set_avatar_url(tx, &user, url.as_deref())?;
                    }
                }
                memberships::joined_rooms(tx, &user)
            })
            .await?;
        for room in rooms.into_iter().take(MAX_ROOMS) {
            let draft = Draft::membership(&name, &name, Membership::Join);
            match self.put(&room, draft).await {
                Ok(_) => {}
                Err(error @ RoomError::Store(_)) => return Err(error),
                Err(error) => tracing::info!(%room, %error, "a room keeps an old profile"),
            }
        }
        Ok(())
    }
}

/// Returns a join of a local user with the user's profile in it.
pub(crate) fn with_profile(profile: Option<&Profile>, mut draft: Draft) -> Draft {
    let Some(Profile { display_name, avatar_url }) = profile else { return draft };
    if let Some(name) = display_name {
        draft.content["displayname"] = name.as_str().into();
    }
    if let Some(url) = avatar_url {
        draft.content["avatar_url"] = url.as_str().into();
    }
    draft
}

/// Returns whether a draft is the join of its own sender.
pub(crate) fn is_own_join(draft: &Draft) -> bool {
    draft.kind == "m.room.member"
        && draft.content["membership"] == "join"
        && draft.state_key.as_deref() == Some(draft.sender.as_str())
}

/// Returns the profile of a local user.
pub(crate) fn of_local(
    connection: &rusqlite::Connection,
    user: &UserId,
) -> Result<Option<Profile>, StoreError> {
    accounts::profile(connection, user)
}
