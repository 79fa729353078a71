//! The client-server API: thin handlers over the messaging layer, with Matrix errors.
//!
//! Reading order: `extract` (what a request carries); `attempts`, `registration` and `session` (login,
//! logout);
//! `account` (whoami, profile, filters, what is answered and never changes); `membership` and
//! `create_room`; `send`, `state`, `messages` and `context`; `token` and `sync`; then the Wire pair,
//! `notifications`, `await_socket` and `pushers`; `cors` lets browsers in.

mod account;
mod attempts;
mod await_socket;
mod context;
mod cors;
mod create_room;
mod extract;
mod filter;
mod membership;
mod messages;
mod notifications;
mod pushers;
mod registration;
mod send;
mod session;
mod state;
mod sync;
mod token;

use std::{
    ops::Deref,
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::{
    Router,
    extract::FromRef,
    routing::{get, post, put},
};
use transport::MatrixError;

use self::attempts::Attempts;
pub(crate) use self::{extract::BodyOf, session::check_password};
use crate::{
    admin::{self, Admin},
    core::{
        Core,
        guards::{Bounds, Guards},
    },
    delivery::Policies,
    edge::to_the_end,
    messaging::Messaging,
    store::accounts::Device,
};

/// Bytes of a request body; an event is at most a quarter of it.
pub(crate) const MAX_BODY: usize = 256 << 10;

/// How many sync requests of one device may wait at the same time.
const POLLS: Bounds = Bounds { per_key: 4, keys: usize::MAX };

/// How many websockets of one device may be open. A connection that broke unnoticed counts until
/// the server finds out.
const SOCKETS: Bounds = Bounds { per_key: 8, keys: usize::MAX };

/// After how long a device may try again that has as many of these as it may have.
const PLACE_PAUSE: Duration = Duration::from_secs(5);

/// What the handlers share. One reference, since every route has it and every request clones it.
#[derive(Clone)]
pub(crate) struct ClientApi(Arc<ClientApiFields>);

/// What is behind a [`ClientApi`].
pub(crate) struct ClientApiFields {
    core: Core,
    messaging: Messaging,
    policies: Policies,
    polls: Guards<Device>,
    attempts: Attempts,
}

impl Deref for ClientApi {
    type Target = ClientApiFields;

    fn deref(&self) -> &ClientApiFields {
        &self.0
    }
}

impl ClientApi {
    /// Does `work` even if the client hangs up.
    async fn finish<T: Send + 'static, E: Into<MatrixError> + Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, MatrixError> {
        to_the_end(&self.core.host, work).await
    }
}

impl FromRef<ClientApi> for Admin {
    fn from_ref(api: &ClientApi) -> Self {
        Self {
            core: api.core.clone(),
            messaging: api.messaging.clone(),
            outgoing: api.messaging.rooms.outgoing.clone(),
            policies: api.policies.clone(),
        }
    }
}

/// Returns the routes of the client-server API, and of the admin API when its token is configured.
pub(crate) fn router(core: Core, messaging: Messaging, policies: Policies) -> Router {
    let routes = if core.config.admin_token.is_some() { &ROUTES_AND_ADMIN } else { &ROUTES };
    let polls = Guards::default();
    let attempts = Attempts::new(&core.config);
    let api = ClientApiFields { core, messaging, policies, polls, attempts };
    Router::clone(routes).with_state(ClientApi(Arc::new(api)))
}

/// The routes without a server behind them. Sorting them by path took a third of a start, so it is
/// done once per process, however many servers run in it.
static ROUTES: LazyLock<Router<ClientApi>> = LazyLock::new(routes);

/// The same, with those of the admin API.
static ROUTES_AND_ADMIN: LazyLock<Router<ClientApi>> =
    LazyLock::new(|| ROUTES.clone().merge(admin::routes()));

fn routes() -> Router<ClientApi> {
    Router::new()
        .route("/_matrix/client/versions", get(account::versions))
        .nest("/_matrix/client/v3", version_3())
        // Clients of older versions of the specification.
        .nest("/_matrix/client/r0", version_3())
        .route("/notifications", get(notifications::page))
        .route("/notifications/last", get(notifications::last))
        .route("/await", get(await_socket::open))
        .route("/health", get(account::health))
        .layer(axum::middleware::from_fn(cors::allow))
}

fn version_3() -> Router<ClientApi> {
    account_routes().merge(room_routes())
}

fn account_routes() -> Router<ClientApi> {
    Router::new()
        .route("/register", post(registration::register))
        .route("/register/available", get(registration::available))
        .route("/login", get(session::login_flows).post(session::login))
        .route("/logout", post(session::logout))
        .route("/logout/all", post(session::logout_all))
        .route("/account/whoami", get(account::whoami))
        .route("/capabilities", get(account::capabilities))
        .route("/pushers", get(pushers::list))
        .route("/pushers/set", post(pushers::set))
        .route("/pushrules/", get(account::push_rules))
        .route("/keys/upload", post(account::keys_upload))
        .route("/keys/query", post(account::keys_query))
        .route("/profile/{user_id}", get(account::profile))
        .route(
            "/profile/{user_id}/displayname",
            get(account::display_name).put(account::set_display_name),
        )
        .route("/user/{user_id}/filter", post(filter::store))
        .route("/user/{user_id}/filter/{filter_id}", get(filter::load))
        .route("/sync", get(sync::sync))
}

fn room_routes() -> Router<ClientApi> {
    Router::new()
        .route("/createRoom", post(create_room::create_room))
        .route("/joined_rooms", get(membership::joined_rooms))
        .route("/join/{room}", post(membership::join_by_id_or_alias))
        .route("/rooms/{room_id}/join", post(membership::join))
        .route("/rooms/{room_id}/invite", post(membership::invite))
        .route("/rooms/{room_id}/leave", post(membership::leave))
        .route("/rooms/{room_id}/kick", post(membership::kick))
        .route("/rooms/{room_id}/ban", post(membership::ban))
        .route("/rooms/{room_id}/unban", post(membership::unban))
        .route("/rooms/{room_id}/members", get(membership::members))
        .route("/rooms/{room_id}/joined_members", get(membership::joined_members))
        .route("/rooms/{room_id}/send/{kind}/{transaction_id}", put(send::send))
        .route("/rooms/{room_id}/redact/{event_id}/{transaction_id}", put(send::redact))
        .route("/rooms/{room_id}/state", get(state::whole))
        .route("/rooms/{room_id}/state/{kind}", get(state::read).put(state::write))
        .route("/rooms/{room_id}/state/{kind}/", get(state::read).put(state::write))
        .route("/rooms/{room_id}/state/{kind}/{state_key}", get(state::read).put(state::write))
        .route("/rooms/{room_id}/messages", get(messages::messages))
        .route("/rooms/{room_id}/event/{event_id}", get(messages::event))
        .route("/rooms/{room_id}/context/{event_id}", get(context::context))
}
