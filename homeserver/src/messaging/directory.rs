//! The directory: names of rooms, here and at other servers, and the rooms that are listed.

use ruma::{
    OwnedRoomAliasId, OwnedRoomId, OwnedServerName, RoomAliasId, RoomId, ServerName, UserId,
    api::federation::{
        directory::get_public_rooms_filtered::v1 as get_public_rooms,
        query::get_room_information::v1 as get_room_information,
    },
};
use rusqlite::Connection;
use serde_json::{Value, json};

use super::{rooms::RoomError, summaries};
use crate::{
    core::Core,
    event::Membership,
    store::{StoreError, aliases, memberships},
};

/// Servers that an alias names for joining.
const MAX_SERVERS: usize = 20;

/// Rooms of a page of the list.
pub(crate) const MAX_PAGE: usize = 100;

/// Rooms that are looked through for one page.
const MAX_LOOKED_AT: usize = 2000;

/// The directory of this server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Directory {
    core: Core,
}

/// What is wanted of the list of public rooms.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    pub(crate) limit: Option<usize>,
    pub(crate) since: Option<String>,
    /// What a room's name, topic or alias contains.
    pub(crate) term: Option<String>,
}

impl Directory {
    pub(crate) fn new(core: &Core) -> Self {
        Self { core: core.clone() }
    }

    /// Names a room in which `user` is, here. False if the alias is taken.
    ///
    /// # Errors
    /// The alias is another server's, the user is not in the room, or the store refuses.
    pub(crate) async fn name(
        &self,
        user: &UserId,
        alias: OwnedRoomAliasId,
        room: OwnedRoomId,
    ) -> Result<bool, RoomError> {
        self.must_be_own(&alias)?;
        let user = user.to_owned();
        self.core
            .database
            .transaction(move |tx| {
                if memberships::find(tx, &room, &user)? != Some(Membership::Join) {
                    return Err(RoomError::Forbidden(format!("{user} is not in {room}")));
                }
                Ok(aliases::put(tx, alias.as_str(), &room, user.as_str())?)
            })
            .await
    }

    /// Takes a name back, in the name of whoever made it, or of one with power in the room.
    ///
    /// # Errors
    /// There is no such name, it is not the user's to take back, or the store refuses.
    pub(crate) async fn remove(
        &self,
        alias: OwnedRoomAliasId,
        may: impl Fn(&Connection, &aliases::Alias) -> Result<bool, StoreError> + Send + 'static,
    ) -> Result<bool, RoomError> {
        self.core
            .database
            .transaction(move |tx| {
                let Some(found) = aliases::find(tx, alias.as_str())? else { return Ok(false) };
                if !may(tx, &found)? {
                    return Err(RoomError::Forbidden(format!("{alias} is not the user's")));
                }
                aliases::remove(tx, alias.as_str())?;
                Ok(true)
            })
            .await
    }

    /// Returns the room that an alias names and servers that are in it, asking the alias's server if it
    /// is another one.
    ///
    /// # Errors
    /// That server does not answer, or the store refuses.
    pub(crate) async fn resolve(
        &self,
        alias: &RoomAliasId,
    ) -> Result<Option<(OwnedRoomId, Vec<OwnedServerName>)>, RoomError> {
        if alias.server_name() == self.core.server_name() {
            return self.resolve_here(alias).await;
        }
        let request = get_room_information::Request::new(alias.to_owned());
        let deadline = self.core.config.request_timeout;
        match self.core.federation.call(alias.server_name(), request, deadline).await {
            Ok(mut found) => {
                found.servers.truncate(MAX_SERVERS);
                Ok(Some((found.room_id, found.servers)))
            }
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the room that an alias of this server names, and servers that are in it.
    ///
    /// # Errors
    /// The store refuses.
    pub(crate) async fn resolve_here(
        &self,
        alias: &RoomAliasId,
    ) -> Result<Option<(OwnedRoomId, Vec<OwnedServerName>)>, RoomError> {
        let alias = alias.to_owned();
        let found = self.core.database.call(move |db| {
            let Some(found) = aliases::find(db, alias.as_str())? else { return Ok(None) };
            let servers = memberships::member_servers(db, &found.room_id)?;
            Ok::<_, StoreError>(Some((found.room_id, servers)))
        });
        let found = found.await?;
        let own = self.core.server_name();
        Ok(found.map(|(room, servers)| {
            let (mut first, others): (Vec<_>, Vec<_>) =
                servers.into_iter().partition(|server| server == own);
            first.extend(others);
            first.truncate(MAX_SERVERS);
            (room, first)
        }))
    }

    /// Returns a page of the rooms that this server lists.
    ///
    /// # Errors
    /// The store refuses.
    pub(crate) async fn page(&self, page: Page) -> Result<Value, StoreError> {
        self.core.database.call(move |db| listed(db, &page)).await
    }

    /// Returns a page of the rooms that another server lists.
    ///
    /// # Errors
    /// It does not answer.
    pub(crate) async fn page_of(
        &self,
        server: &ServerName,
        page: Page,
    ) -> Result<Value, RoomError> {
        let mut request = get_public_rooms::Request::new();
        request.limit = page.limit.and_then(|limit| u32::try_from(limit).ok()).map(Into::into);
        request.since = page.since;
        request.filter.generic_search_term = page.term;
        let deadline = self.core.config.request_timeout;
        Ok(self.core.federation.call_for_json(server, request, deadline).await?)
    }

    fn must_be_own(&self, alias: &RoomAliasId) -> Result<(), RoomError> {
        if alias.server_name() == self.core.server_name() {
            return Ok(());
        }
        Err(RoomError::Invalid(format!("{alias} is another server's")))
    }
}

fn listed(connection: &Connection, page: &Page) -> Result<Value, StoreError> {
    let limit = page.limit.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
    let mut after = page.since.clone().unwrap_or_default();
    let (mut chunk, mut more) = (Vec::new(), false);
    for room in aliases::listed(connection, &after, MAX_LOOKED_AT)? {
        if chunk.len() == limit {
            more = true;
            break;
        }
        room.as_str().clone_into(&mut after);
        let summary = summaries::summary(connection, &room)?;
        chunk.extend(summary.filter(|room| matches(room, page.term.as_deref())));
    }
    let mut answer =
        json!({ "chunk": chunk, "total_room_count_estimate": aliases::count_listed(connection)? });
    if more {
        answer["next_batch"] = after.into();
    }
    Ok(answer)
}

fn matches(room: &Value, term: Option<&str>) -> bool {
    let Some(term) = term.map(str::to_lowercase) else { return true };
    let fields = ["name", "topic", "canonical_alias"];
    fields
        .iter()
        .any(|field| room[field].as_str().is_some_and(|text| text.to_lowercase().contains(&term)))
}

/// Returns whether a room of this server is listed.
pub(crate) fn is_listed(connection: &Connection, room: &RoomId) -> Result<bool, StoreError> {
    aliases::is_listed(connection, room)
}
