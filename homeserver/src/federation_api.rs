//! The server-server API: thin handlers over the layers, with Matrix errors. Every request but that
//! for the version is signed; only a server with a joined user is told of a room.

mod devices;
mod directory;
mod first_versions;
mod history;
mod invites;
mod m1;
mod memberships;
mod query;
mod spaces;
mod transactions;

use std::{
    ops::Deref,
    sync::{Arc, LazyLock},
};

use axum::{
    Router,
    extract::FromRef,
    routing::{get, post, put},
};
use ruma::{RoomId, ServerName};
use transport::{
    MatrixError,
    federation::{Authenticated, KeyRing},
};

use crate::{
    delivery::Policies,
    edge::to_the_end,
    messaging::{Messaging, rooms::Rooms},
    pdu::acl,
    store::{StoreError, memberships::is_member_server},
    transaction::Incoming,
};

/// What the handlers share. One reference, since every route has it and every request clones it.
#[derive(Clone)]
pub(crate) struct FederationApi(Arc<FederationApiFields>);

/// What is behind a [`FederationApi`].
pub(crate) struct FederationApiFields {
    pub(crate) authenticated: Authenticated,
    pub(crate) messaging: Messaging,
    pub(crate) policies: Policies,
    pub(crate) incoming: Incoming,
}

impl Deref for FederationApi {
    type Target = FederationApiFields;

    fn deref(&self) -> &FederationApiFields {
        &self.0
    }
}

impl FromRef<FederationApi> for Authenticated {
    fn from_ref(api: &FederationApi) -> Self {
        api.authenticated.clone()
    }
}

impl FromRef<FederationApi> for KeyRing {
    fn from_ref(api: &FederationApi) -> Self {
        api.authenticated.keys.clone()
    }
}

impl FederationApi {
    fn rooms(&self) -> &Rooms {
        &self.messaging.rooms
    }

    /// Does `work` even if the caller hangs up.
    async fn finish<T: Send + 'static, E: Into<MatrixError> + Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, MatrixError> {
        to_the_end(&self.rooms().core().host, work).await
    }

    /// Refuses a server that has no joined user in the room.
    async fn must_be_member(&self, server: &ServerName, room: &RoomId) -> Result<(), MatrixError> {
        let (name, id) = (server.to_owned(), room.to_owned());
        if self.read(move |db| is_member_server(db, &id, &name)).await? {
            return Ok(());
        }
        Err(MatrixError::forbidden(format!("{server} is not in room {room}")))
    }

    /// Refuses a server that the room does not let take part.
    async fn must_be_let_in(&self, server: &ServerName, room: &RoomId) -> Result<(), MatrixError> {
        let (name, id) = (server.to_owned(), room.to_owned());
        if self.read(move |db| acl::allows(db, &id, &name)).await? {
            return Ok(());
        }
        Err(MatrixError::forbidden(format!("{room} does not let {server} take part")))
    }

    /// Reads from the store.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, MatrixError> {
        Ok(self.rooms().database().call(move |db| work(db)).await?)
    }
}

/// Returns the routes.
pub(crate) fn router(fields: FederationApiFields) -> Router {
    ROUTES.clone().with_state(FederationApi(Arc::new(fields)))
}

/// The routes without a server behind them, sorted by path once per process.
static ROUTES: LazyLock<Router<FederationApi>> = LazyLock::new(routes);

fn routes() -> Router<FederationApi> {
    let version_1 = Router::new()
        .route("/version", get(query::version))
        .route("/query/profile", get(query::profile))
        .route("/query/directory", get(directory::resolve))
        .route("/publicRooms", get(directory::public_rooms).post(directory::search_public_rooms))
        .route("/user/devices/{user_id}", get(devices::devices))
        .route("/user/keys/query", post(devices::query))
        .route("/user/keys/claim", post(devices::claim))
        .route("/send/{transaction_id}", put(transactions::send))
        .route("/make_join/{room_id}/{user_id}", get(memberships::make_join))
        .route("/make_leave/{room_id}/{user_id}", get(memberships::make_leave))
        .route("/make_knock/{room_id}/{user_id}", get(memberships::make_knock))
        .route("/send_knock/{room_id}/{event_id}", put(memberships::send_knock))
        .route("/send_join/{room_id}/{event_id}", put(first_versions::send_join))
        .route("/send_leave/{room_id}/{event_id}", put(first_versions::send_leave))
        .route("/invite/{room_id}/{event_id}", put(first_versions::invite))
        .route("/hierarchy/{room_id}", get(spaces::hierarchy))
        .route("/timestamp_to_event/{room_id}", get(spaces::timestamp_to_event))
        .route("/get_missing_events/{room_id}", post(history::get_missing_events))
        .route("/backfill/{room_id}", get(history::backfill))
        .route("/state/{room_id}", get(history::state))
        .route("/state_ids/{room_id}", get(history::state_ids))
        .route("/event/{event_id}", get(history::event))
        .route("/event_auth/{room_id}/{event_id}", get(history::event_auth));
    let version_2 = Router::new()
        .route("/send_join/{room_id}/{event_id}", put(memberships::send_join))
        .route("/send_leave/{room_id}/{event_id}", put(memberships::send_leave))
        .route("/invite/{room_id}/{event_id}", put(invites::invite));
    Router::new()
        .nest("/_matrix/federation/v1", version_1)
        .nest("/_matrix/federation/v2", version_2)
        .merge(m1::routes())
        .merge(KeyRing::routes())
}
