//! The admin API, below `/_fedsim/admin/v1/`, for whoever has the token of the configuration: users,
//! relays per destination, outgoing queues and their back-off, whether another server can be reached,
//! and a room's state for comparing servers.

mod queues;
mod reach;
mod relays;
mod rooms;
mod users;

use axum::{
    Router,
    extract::FromRequestParts,
    http::{StatusCode, header::AUTHORIZATION, request::Parts},
    routing::{delete, get, post, put},
};
use transport::MatrixError;

pub use self::{
    queues::{Changed, Queue, Queues},
    reach::Reach,
    relays::Relays,
    users::{Deactivated, NewPassword, NewUser, User, Users},
};
pub use crate::store::queues::{AsideRow, QueueRow};
use crate::{
    core::Core, delivery::Policies, edge::is_same_secret, messaging::Messaging,
    transaction::Outgoing,
};

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) core: Core,
    pub(crate) messaging: Messaging,
    pub(crate) outgoing: Outgoing,
    pub(crate) policies: Policies,
}

/// Returns the routes, for a server with an admin token; one without has none of them.
pub(crate) fn routes() -> Router {
    let routes = Router::new()
        .route("/users", get(users::list).post(users::create))
        .route("/users/{user}/password", put(users::reset_password))
        .route("/users/{user}/deactivate", post(users::deactivate))
        .route("/relays/{destination}", get(relays::show).put(relays::put))
        .route("/reach/{destination}", get(reach::ask))
        .route("/queues", get(queues::all))
        .route("/queues/{destination}", get(queues::one).delete(queues::drop_all))
        .route("/queues/{destination}/retry", post(queues::retry))
        .route("/queues/{destination}/set-aside", delete(queues::drop_set_aside))
        .route("/back-off/{destination}", delete(queues::reset_back_off))
        .route("/rooms/{room_id}/state", get(rooms::state));
    Router::new().nest("/_fedsim/admin/v1", routes)
}

/// Proof that a request carries the token.
struct Operator;

impl<S: Sync> FromRequestParts<S> for Operator {
    type Rejection = MatrixError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, MatrixError> {
        let admin = Admin::from_request_parts(parts, state).await?;
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(given) = header.and_then(|value| value.strip_prefix("Bearer ")) else {
            let code = "M_MISSING_TOKEN";
            return Err(MatrixError::new(
                StatusCode::UNAUTHORIZED,
                code,
                "the request has no bearer token",
            ));
        };
        match admin.core.config.admin_token.as_deref() {
            Some(token) if is_same_secret(given, token) => Ok(Self),
            Some(_) => Err(MatrixError::forbidden("this is not the admin token")),
            None => Err(MatrixError::forbidden("no admin token is configured")),
        }
    }
}
