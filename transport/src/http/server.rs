//! The server loop: accepts connections and serves an `axum::Router` on each.
//!
//! Not `axum::serve`: that one spawns outside the host's tasks and stamps the wall clock into a
//! `Date` header.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::DefaultBodyLimit,
    response::{IntoResponse, Response},
};
use http::{Request, StatusCode, header};
use http_body_util::Limited;
use hyper::{
    body::{Body as _, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;
use tower_service::Service;

use super::held::HeldStream;
use crate::{
    error::MatrixError,
    host::{Host, Listener},
};

/// The pause after a failure to accept a connection (out of descriptors, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bounds of one server.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Connections served at once, open websockets among them; any more wait in the listener's
    /// backlog. At least 1.
    pub max_connections: usize,
    /// Bytes of a request body; more is refused with 413 `M_TOO_LARGE`.
    pub max_body: usize,
    /// Time for a request's headers to arrive whole, and for which an idle connection is kept.
    /// Longer than [`crate::http::ClientLimits::idle_timeout`], so that a client does not reuse a
    /// connection at the instant at which its server closes it.
    pub header_timeout: Duration,
    /// Time for a request's body to arrive and its answer to be made; when it has passed, the
    /// answer is 504. Long polls and websockets end before it by themselves.
    pub request_timeout: Duration,
    /// How long a client, of a websocket too, may leave unread what was written to it: when nothing
    /// more could be written for this long, its connection is closed.
    pub write_timeout: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_body: 8 << 20,
            header_timeout: Duration::from_secs(75),
            request_timeout: Duration::from_mins(2),
            write_timeout: Duration::from_secs(30),
        }
    }
}

/// Binds `port`, then serves `router` on it in the background until the process ends. Returns the
/// bound port.
///
/// A panic of a handler ends its connection's task; what that means is the host's affair (a real
/// process reports it, the simulator fails the run).
///
/// # Errors
/// The port cannot be bound.
pub async fn serve(
    host: &Host,
    port: u16,
    router: Router,
    limits: ServerLimits,
) -> io::Result<u16> {
    let listener = host.listen(port).await?;
    let port = listener.port();
    host.spawn(accept_loop(host.clone(), listener, router, limits));
    Ok(port)
}

async fn accept_loop(
    host: Host,
    mut listener: Box<dyn Listener>,
    router: Router,
    limits: ServerLimits,
) {
    let mut connections = http1::Builder::new();
    connections
        .auto_date_header(false)
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout);
    let free = Arc::new(Semaphore::new(limits.max_connections.max(1)));
    loop {
        let permit = Arc::clone(&free).acquire_owned().await.expect("the semaphore stays open");
        match listener.accept().await {
            Ok((stream, peer)) => {
                let stream = HeldStream::new(stream, permit, limits.write_timeout);
                let task = connection(connections.clone(), stream, router.clone(), limits);
                host.spawn(end_with_log(task, peer));
            }
            Err(error) => {
                tracing::warn!(%error, port = listener.port(), "failed to accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn end_with_log(connection: impl Future<Output = hyper::Result<()>>, peer: String) {
    if let Err(error) = connection.await {
        tracing::debug!(%error, peer, "a connection broke");
    }
}

async fn connection(
    connections: http1::Builder,
    stream: HeldStream,
    router: Router,
    limits: ServerLimits,
) -> hyper::Result<()> {
    let service = service_fn(move |request| {
        let router = router.clone();
        async move { Ok::<_, Infallible>(answer(router, request, limits).await) }
    });
    connections.serve_connection(TokioIo::new(stream), service).with_upgrades().await
}

/// Returns the answer to one request, within the limits.
async fn answer(mut router: Router, request: Request<Incoming>, limits: ServerLimits) -> Response {
    if request.body().size_hint().lower() > limits.max_body as u64 {
        return too_large(limits.max_body).into_response();
    }
    let mut request = request.map(|body| Body::new(Limited::new(body, limits.max_body)));
    // This bound holds in whatever way a handler reads it. (As a layer of the router, this would
    // wrap every route anew at each start.)
    DefaultBodyLimit::disable().apply(&mut request);
    match tokio::time::timeout(limits.request_timeout, router.call(request)).await {
        Ok(Ok(response)) => as_matrix_answer(response, limits),
        Err(_) => MatrixError::new(
            StatusCode::GATEWAY_TIMEOUT,
            "M_UNKNOWN",
            format!("no answer within {:?}", limits.request_timeout),
        )
        .into_response(),
    }
}

/// Returns the router's own refusals (no such path, no such method, body too large) as Matrix
/// errors; an answer that is JSON already is a handler's, and stays.
fn as_matrix_answer(response: Response, limits: ServerLimits) -> Response {
    let error = match response.status() {
        StatusCode::NOT_FOUND => {
            MatrixError::new(StatusCode::NOT_FOUND, "M_UNRECOGNIZED", "no such endpoint")
        }
        StatusCode::METHOD_NOT_ALLOWED => MatrixError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "M_UNRECOGNIZED",
            "this endpoint does not take that method",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => too_large(limits.max_body),
        _ => return response,
    };
    if is_json(&response) {
        return response;
    }
    let mut answer = error.into_response();
    if let Some(allowed) = response.headers().get(header::ALLOW) {
        answer.headers_mut().insert(header::ALLOW, allowed.clone());
    }
    answer
}

fn is_json(response: &Response) -> bool {
    let content_type = response.headers().get(header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

fn too_large(limit: usize) -> MatrixError {
    MatrixError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "M_TOO_LARGE",
        format!("the body is larger than {limit} bytes"),
    )
}
