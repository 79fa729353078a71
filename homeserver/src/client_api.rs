//! The client-server API: thin handlers over the messaging layer, with Matrix errors.
//!
//! Reading order: `extract` (what a request carries); `attempts`, `registration` and `session` (login,
//! logout);
//! `interactive` (what takes the password too); `account` (whoami, filters, what is answered
//! and never changes), `profile`, `account_data` and `devices`; `keys`, `backups` and `to_device` (end-to-end
//! encryption); `receipts` (and typing, and presence); `membership` and
//! `create_room`; `send`, `state`, `messages`, `context` and `relations`;
//! `directory` and `spaces`; `media`; `token` and `sync`; then the Wire pair,
//! `notifications`, `await_socket`, `push_rules` and `pushers`; `cors` lets browsers in.

mod account;
mod account_data;
mod account_end;
mod attempts;
mod await_socket;
mod backups;
mod context;
pub(crate) mod cors;
mod create_room;
mod devices;
mod directory;
mod extract;
mod filter;
mod interactive;
mod keys;
mod media;
mod membership;
mod messages;
mod notifications;
mod profile;
mod push_rules;
mod pushers;
mod receipts;
mod registration;
mod relations;
mod send;
mod session;
mod spaces;
mod state;
mod sync;
mod to_device;
mod token;

use std::{
    ops::Deref,
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRequestParts},
    http::request::Parts,
    routing::{get, post, put},
};
use transport::{Lock, MatrixError};

use self::attempts::Attempts;
pub(crate) use self::{extract::BodyOf, media::MAX_MEDIUM, session::check_password};
use crate::{
    admin::{self, Admin},
    core::{
        Core,
        guards::{Bounds, Guards},
    },
    delivery::Policies,
    edge::to_the_end,
    messaging::{Messaging, stream::Told, unread::Counts},
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

/// What the handlers share. Each request brings it (one reference): if the routes had it, as the state
/// of their router, starting a server would copy two hundred of them, and ending it drop them.
#[derive(Clone)]
pub(crate) struct ClientApi(Arc<ClientApiFields>);

/// What is behind a [`ClientApi`].
pub(crate) struct ClientApiFields {
    core: Core,
    messaging: Messaging,
    policies: Policies,
    polls: Guards<Device>,
    attempts: Attempts,
    /// Which members of rooms devices were told of.
    told: Arc<Lock<Told>>,
    /// How much they have not read.
    counts: Arc<Lock<Counts>>,
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

impl<S: Sync> FromRequestParts<S> for ClientApi {
    type Rejection = MatrixError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, MatrixError> {
        let api = parts.extensions.get::<Self>().cloned();
        api.ok_or_else(|| MatrixError::internal("the request came to routes without a server"))
    }
}

impl<S: Sync> FromRequestParts<S> for Admin {
    type Rejection = MatrixError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, MatrixError> {
        let api = ClientApi::from_request_parts(parts, state).await?;
        Ok(Self {
            core: api.core.clone(),
            messaging: api.messaging.clone(),
            outgoing: api.messaging.rooms.outgoing.clone(),
            policies: api.policies.clone(),
        })
    }
}

/// Returns what the handlers share.
pub(crate) fn shared(core: Core, messaging: Messaging, policies: Policies) -> ClientApi {
    let polls = Guards::default();
    let attempts = Attempts::new(&core.config);
    let (told, counts) = (Arc::default(), Arc::default());
    let api = ClientApiFields { core, messaging, policies, polls, attempts, told, counts };
    ClientApi(Arc::new(api))
}

/// Returns the routes of the client-server API, and of the admin API if there `is_admin`.
pub(crate) fn router(is_admin: bool) -> Router {
    Router::clone(if is_admin { &ROUTES_AND_ADMIN } else { &ROUTES })
}

/// The routes without a server behind them. Sorting them by path took a third of a start, so it is
/// done once per process, however many servers run in it.
static ROUTES: LazyLock<Router> = LazyLock::new(routes);

/// The same, with those of the admin API.
static ROUTES_AND_ADMIN: LazyLock<Router> = LazyLock::new(|| ROUTES.clone().merge(admin::routes()));

fn routes() -> Router {
    Router::new()
        .route("/_matrix/client/versions", get(account::versions))
        .nest("/_matrix/client/v1", version_1())
        .nest("/_matrix/media/v3", media_routes())
        .nest("/_matrix/client/v3", version_3())
        // Clients of older versions of the specification.
        .nest("/_matrix/client/r0", version_3())
        .route("/notifications", get(notifications::page))
        .route("/notifications/last", get(notifications::last))
        .route("/await", get(await_socket::open))
        .route("/health", get(account::health))
}

/// What came in later versions, under the first version's path.
fn version_1() -> Router {
    Router::new()
        .route("/rooms/{room_id}/relations/{event_id}", get(relations::relations))
        .route("/rooms/{room_id}/relations/{event_id}/{relation}", get(relations::relations))
        .route("/rooms/{room_id}/relations/{event_id}/{relation}/{kind}", get(relations::relations))
        .route("/rooms/{room_id}/threads", get(relations::threads))
        .route("/rooms/{room_id}/timestamp_to_event", get(relations::timestamp_to_event))
        .route("/rooms/{room_id}/hierarchy", get(spaces::hierarchy))
        .route("/media/config", get(media::config))
        .route("/media/download/{server}/{media_id}", get(media::download))
        .route("/media/download/{server}/{media_id}/{name}", get(media::download))
        .route("/media/thumbnail/{server}/{media_id}", get(media::download))
}

fn media_routes() -> Router {
    Router::new()
        .route("/upload", post(media::upload).layer(DefaultBodyLimit::max(MAX_MEDIUM)))
        .route("/config", get(media::config))
}

fn version_3() -> Router {
    account_routes().merge(key_routes()).merge(room_routes()).layer(DefaultBodyLimit::max(MAX_BODY))
}

fn account_routes() -> Router {
    Router::new()
        .route("/register", post(registration::register))
        .route("/register/available", get(registration::available))
        .route("/login", get(session::login_flows).post(session::login))
        .route("/logout", post(session::logout))
        .route("/logout/all", post(session::logout_all))
        .route("/account/whoami", get(account::whoami))
        .route("/account/password", post(account_end::password))
        .route("/account/deactivate", post(account_end::deactivate))
        .route("/account/3pid", get(account_end::addresses))
        .route("/voip/turnServer", get(account_end::turn_server))
        .route("/user_directory/search", post(spaces::users))
        .route("/search", post(relations::search))
        .route("/capabilities", get(account::capabilities))
        .route("/pushers", get(pushers::list))
        .route("/pushers/set", post(pushers::set))
        .merge(push_rule_routes())
        .route("/devices", get(devices::list))
        .route(
            "/devices/{device_id}",
            get(devices::find).put(devices::rename).delete(devices::remove),
        )
        .route("/delete_devices", post(devices::remove_all))
        .route("/profile/{user_id}", get(profile::profile))
        .route("/profile/{user_id}/{field}", get(profile::field).put(profile::set_field))
        .route("/user/{user_id}/filter", post(filter::store))
        .route("/user/{user_id}/filter/{filter_id}", get(filter::load))
        .route("/user/{user_id}/account_data/{kind}", get(account_data::get).put(account_data::put))
        .route(
            "/user/{user_id}/rooms/{room_id}/account_data/{kind}",
            get(account_data::get).put(account_data::put),
        )
        .route("/user/{user_id}/rooms/{room_id}/tags", get(account_data::tags))
        .route(
            "/user/{user_id}/rooms/{room_id}/tags/{tag}",
            put(account_data::put_tag).delete(account_data::remove_tag),
        )
        .route("/presence/{user_id}/status", get(receipts::presence).put(receipts::set_presence))
        .route("/sync", get(sync::sync))
}

fn push_rule_routes() -> Router {
    Router::new()
        .route("/pushrules/", get(push_rules::all))
        .route("/pushrules/global/", get(push_rules::global))
        .route(
            "/pushrules/global/{kind}/{rule_id}",
            get(push_rules::get).put(push_rules::put).delete(push_rules::remove),
        )
        .route(
            "/pushrules/global/{kind}/{rule_id}/enabled",
            get(push_rules::enabled).put(push_rules::set_enabled),
        )
        .route(
            "/pushrules/global/{kind}/{rule_id}/actions",
            get(push_rules::actions).put(push_rules::set_actions),
        )
}

fn key_routes() -> Router {
    let backed_up = || get(backups::get).put(backups::put).delete(backups::remove);
    Router::new()
        .route("/keys/upload", post(keys::upload))
        .route("/keys/query", post(keys::query))
        .route("/keys/claim", post(keys::claim))
        .route("/keys/changes", get(keys::changes))
        .route("/keys/device_signing/upload", post(keys::upload_cross_signing))
        .route("/keys/signatures/upload", post(keys::upload_signatures))
        .route("/sendToDevice/{kind}/{transaction_id}", put(to_device::send))
        .route("/room_keys/version", get(backups::current).post(backups::create))
        .route(
            "/room_keys/version/{version}",
            get(backups::find).put(backups::update).delete(backups::delete),
        )
        .route("/room_keys/keys", backed_up())
        .route("/room_keys/keys/{room_id}", backed_up())
        .route("/room_keys/keys/{room_id}/{session_id}", backed_up())
}

fn room_routes() -> Router {
    Router::new()
        .route("/createRoom", post(create_room::create_room))
        .route(
            "/directory/room/{alias}",
            get(directory::resolve).put(directory::name).delete(directory::remove),
        )
        .route(
            "/directory/list/room/{room_id}",
            get(directory::visibility).put(directory::set_visibility),
        )
        .route("/rooms/{room_id}/aliases", get(directory::of_room))
        .route("/publicRooms", get(directory::public_rooms).post(directory::search_public_rooms))
        .route("/joined_rooms", get(membership::joined_rooms))
        .route("/join/{room}", post(membership::join_by_id_or_alias))
        .route("/rooms/{room_id}/join", post(membership::join))
        .route("/rooms/{room_id}/invite", post(membership::invite))
        .route("/rooms/{room_id}/leave", post(membership::leave))
        .route("/rooms/{room_id}/forget", post(spaces::forget))
        .route("/rooms/{room_id}/upgrade", post(spaces::upgrade))
        .route("/knock/{room}", post(spaces::knock))
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
        .route("/rooms/{room_id}/receipt/{kind}/{event_id}", post(receipts::receipt))
        .route("/rooms/{room_id}/read_markers", post(receipts::read_markers))
        .route("/rooms/{room_id}/typing/{user_id}", put(receipts::typing))
}
