//! Websocket upgrades on a host's own tasks (axum's would call `tokio::spawn`).

use std::future::Future;

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderName, Method, StatusCode, header, request::Parts};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::{
    handshake::derive_accept_key,
    protocol::{Role, WebSocketConfig},
};

use crate::{error::MatrixError, host::Host};

/// Bytes of one websocket message that a server takes.
const MAX_MESSAGE: usize = 1 << 20;

/// Bytes that are read at once: devices say little.
const READ_BUFFER: usize = 4 << 10;

/// Bytes of answers that wait for a slow client; one more fails.
const MAX_UNSENT: usize = 4 << 20;

/// An open websocket, server side.
pub type WebSocket = tokio_tungstenite::WebSocketStream<TokioIo<Upgraded>>;

/// Answers a websocket handshake with 101 and runs `session` on the socket in the background.
///
/// # Errors
/// 426 when the request is not a websocket handshake of version 13.
pub fn upgrade<F>(
    host: &Host,
    request: &mut Parts,
    session: impl FnOnce(WebSocket) -> F + Send + 'static,
) -> Result<Response, MatrixError>
where
    F: Future<Output = ()> + Send + 'static,
{
    let accept_key = accept_key(request)?;
    let upgrading = request
        .extensions
        .remove::<OnUpgrade>()
        .ok_or_else(|| not_a_handshake("the connection cannot be upgraded"))?;
    host.spawn(async move {
        match upgrading.await {
            Ok(upgraded) => session(server_side(upgraded).await).await,
            Err(error) => tracing::debug!(%error, "a websocket handshake was not completed"),
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, http::HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, http::HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept_key);
    Ok(response)
}

async fn server_side(upgraded: Upgraded) -> WebSocket {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
        .max_write_buffer_size(MAX_UNSENT);
    WebSocket::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await
}

/// Checks the handshake (RFC 6455, section 4.2.1) and answers its key.
fn accept_key(request: &Parts) -> Result<http::HeaderValue, MatrixError> {
    let headers = &request.headers;
    if request.method != Method::GET {
        return Err(not_a_handshake("a websocket handshake is a GET"));
    }
    if !has_token(headers, &header::CONNECTION, "upgrade") {
        return Err(not_a_handshake("the Connection header does not name Upgrade"));
    }
    if !has_token(headers, &header::UPGRADE, "websocket") {
        return Err(not_a_handshake("the Upgrade header does not name websocket"));
    }
    if !has_token(headers, &header::SEC_WEBSOCKET_VERSION, "13") {
        return Err(not_a_handshake("the websocket version is not 13"));
    }
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .ok_or_else(|| not_a_handshake("the Sec-WebSocket-Key header is missing"))?;
    http::HeaderValue::try_from(derive_accept_key(key.as_bytes()))
        .map_err(|error| MatrixError::internal(error.to_string()))
}

/// Returns whether one of the comma-separated values of header `name` is `token`, in any case.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().eq_ignore_ascii_case(token))
}

fn not_a_handshake(reason: &str) -> MatrixError {
    let mut message = String::from("this endpoint takes websocket handshakes of version 13: ");
    message.push_str(reason);
    MatrixError::new(StatusCode::UPGRADE_REQUIRED, "M_UNRECOGNIZED", message)
}
