//! What lets pages of other origins use the client-server API (client-server API, "Web Browser
//! Clients").

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use super::ClientApi;
use crate::edge::unless_unrecognized;

/// What a browser may do, whatever the page that asks.
const ALLOWED: [(HeaderName, HeaderValue); 3] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    (
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, PUT, DELETE, OPTIONS"),
    ),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("X-Requested-With, Content-Type, Authorization"),
    ),
];

/// What the paths of the API begin with, and those of what goes with it.
const OURS: [&str; 5] =
    ["/_matrix/client/", "/_matrix/media/", "/notifications", "/await", "/health"];

/// Returns the routes of a server with an answer for every other request, with what browsers ask for,
/// and with what the handlers of the client-server API share, if they are among the routes. This goes
/// around all of them at once: around each it would take a third of a start.
pub(crate) fn for_browsers(routes: Router, api: Option<ClientApi>) -> Router {
    Router::new().fallback_service(routes).layer(from_fn_with_state(api, allow))
}

/// Adds what browsers ask for to every answer of the API, and answers their questions beforehand
/// (`OPTIONS`) without anybody being logged in.
async fn allow(State(api): State<Option<ClientApi>>, mut request: Request, next: Next) -> Response {
    if let Some(api) = api {
        request.extensions_mut().insert(api);
    }
    let path = request.uri().path();
    if !OURS.iter().any(|start| path.starts_with(start)) {
        return unless_unrecognized(next.run(request).await);
    }
    let mut response = if request.method() == Method::OPTIONS {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    } else {
        unless_unrecognized(next.run(request).await)
    };
    response.headers_mut().extend(ALLOWED);
    response
}
