//! The server loop: accepts connections and serves an `axum::Router` on each.
//!
//! Not `axum::serve`: that one spawns outside the host's tasks and stamps the wall clock into a
//! `Date` header.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    future, io,
    net::IpAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::DefaultBodyLimit,
    response::{IntoResponse, Response},
};
use http::{Request, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::Instant;
use tower_service::Service;

use super::{
    drain::Drain,
    held::HeldStream,
    metered::{Metered, Remains},
    peer::Peer,
    places::{Place, Places},
    room::{self, AnswerRoom},
    traffic::Traffic,
};
use crate::{
    error::MatrixError,
    host::{Host, Listener},
    settings::duration_text,
};

/// The pause after a failure to accept a connection (out of descriptors, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bytes of one connection that are read ahead of whoever wants them, and that the headers of a request
/// may have. Of a body that nobody takes, so much waits here and the rest with its sender.
const MAX_READ_AHEAD: usize = 64 << 10;

/// Bounds of one server.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Connections served at once, open websockets among them. For any more, those give way that have
    /// kept the server waiting longest, for a request or for the rest of one; if there are none, the
    /// newcomers wait. At least 1.
    pub max_connections: usize,
    /// Of these, connections of one address (see [`crate::http::Peer`]). For any more, the address's own
    /// give way; if the server is answering all of them, the newcomer is refused. At least 1.
    pub max_of_one_address: usize,
    /// Bytes that the bodies of all requests may take up together until they are answered, beyond the
    /// first 32 KiB of each, and the answers for which a handler takes room ([`super::AnswerRoom`]). When
    /// there are none left, the one gives way that has kept the server waiting longest.
    pub max_buffered: usize,
    /// Bytes of a request body; more is refused with 413 `M_TOO_LARGE`.
    pub max_body: usize,
    /// Bytes of a body that are taken and thrown away after its request was refused, so that its sender
    /// reads why. Whoever sends more finds the connection broken.
    pub max_discarded: usize,
    /// Time for a request's headers to arrive whole, and for which an idle connection is kept.
    /// Longer than [`crate::http::ClientLimits::idle_timeout`], so that a client does not reuse a
    /// connection at the instant at which its server closes it.
    pub header_timeout: Duration,
    /// Time for the headers of the first request on a connection to arrive whole; for any other one,
    /// `header_timeout` is the bound.
    pub first_header_timeout: Duration,
    /// Time for a request's body to arrive and its answer to be made; when it has passed, the
    /// answer is 408 if there is more of the body to come, and 504 otherwise. Long polls and
    /// websockets end before it by themselves.
    pub request_timeout: Duration,
    /// How long a client, of a websocket too, may leave unread what was written to it: when nothing
    /// more could be written for this long, its connection is closed.
    pub write_timeout: Duration,
    /// Whether answers say when they were made, by the host's clock.
    pub dates: bool,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_of_one_address: 512,
            max_buffered: 32 << 20,
            max_body: 8 << 20,
            max_discarded: 0,
            header_timeout: Duration::from_secs(75),
            first_header_timeout: Duration::from_secs(75),
            request_timeout: Duration::from_mins(2),
            write_timeout: Duration::from_secs(30),
            dates: false,
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
    serve_watched(host, port, router, limits, Watch::default()).await
}

/// Who ends a server, who watches it, and who stands before it.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// Ends it.
    pub drain: Drain,
    /// Counts what it does.
    pub traffic: Traffic,
    /// Proxies: they may have all connections, and are believed about for whom they make a request
    /// (`X-Forwarded-For`, what stands last).
    pub proxies: Arc<[IpAddr]>,
}

/// Does the same until `drain` has it end.
///
/// # Errors
/// The port cannot be bound.
pub async fn serve_until(
    host: &Host,
    port: u16,
    router: Router,
    limits: ServerLimits,
    drain: Drain,
) -> io::Result<u16> {
    serve_watched(host, port, router, limits, Watch { drain, ..Watch::default() }).await
}

/// Does the same, and counts what it does.
///
/// # Errors
/// The port cannot be bound.
pub async fn serve_watched(
    host: &Host,
    port: u16,
    router: Router,
    limits: ServerLimits,
    watch: Watch,
) -> io::Result<u16> {
    let listener = host.listen(port).await?;
    let port = listener.port();
    let (accepting, spawning) = (watch.drain.clone(), host.clone());
    host.spawn(async move {
        tokio::select! {
            biased;
            () = accepting.begun() => {}
            () = accept_loop(spawning, listener, router, limits, watch) => {}
        }
    });
    Ok(port)
}

async fn accept_loop(
    host: Host,
    mut listener: Box<dyn Listener>,
    router: Router,
    limits: ServerLimits,
    watch: Watch,
) {
    let mut connections = http1::Builder::new();
    connections
        .auto_date_header(false)
        .max_buf_size(MAX_READ_AHEAD)
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout);
    // One body always finds room.
    let buffered = limits.max_buffered.max(limits.max_body.saturating_mul(2));
    let places = Places::new(limits.max_connections, limits.max_of_one_address, buffered);
    let proxies: BTreeSet<Peer> = watch.proxies.iter().map(|proxy| Peer::at(*proxy)).collect();
    let spawning = host.clone();
    loop {
        match listener.accept().await {
            Ok((stream, name)) => {
                let peer = Peer::of(&name);
                let is_proxy = proxies.contains(&peer);
                let Some(place) = places.take(Some(&peer).filter(|_| !is_proxy)).await else {
                    watch.traffic.gave_way();
                    continue;
                };
                let place = Arc::new(place);
                let stream = HeldStream::new(stream, Arc::clone(&place), limits.write_timeout);
                let (router, watch) = (router.clone(), watch.clone());
                let (host, has_asked) = (host.clone(), Arc::default());
                let served =
                    Served { host, router, place, peer, is_proxy, limits, watch, has_asked };
                let task = connection(connections.clone(), stream, served);
                spawning.spawn(end_with_log(task));
            }
            Err(error) => {
                tracing::warn!(%error, port = listener.port(), "failed to accept a connection");
                // If this machine has no descriptors left, one of ours may make room.
                places.make_room();
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Names no peer: a relay's logs have no address, at whatever level.
async fn end_with_log(connection: impl Future<Output = hyper::Result<()>>) {
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection broke");
    }
}

async fn connection(
    connections: http1::Builder,
    stream: HeldStream,
    served: Served,
) -> hyper::Result<()> {
    let answering = served.clone();
    let service = service_fn(move |request| {
        let served = answering.clone();
        served.has_asked.store(true, Ordering::Relaxed);
        async move { Ok::<_, Infallible>(answer(served, request).await) }
    });
    let serving = connections.serve_connection(TokioIo::new(stream), service).with_upgrades();
    let mut serving = pin!(serving);
    let _open = served.watch.traffic.opened();
    tokio::select! {
        biased;
        ended = &mut serving => return ended,
        () = served.place.gives_way() => {
            served.watch.traffic.gave_way();
            return Ok(());
        }
        () = served.asks_too_late() => return Ok(()),
        () = served.watch.drain.begun() => {}
    }
    // An answer that is made is not written yet.
    let _ending = served.watch.drain.ending();
    serving.as_mut().graceful_shutdown();
    serving.await
}

/// What the requests of one connection are answered with.
#[derive(Clone)]
struct Served {
    host: Host,
    router: Router,
    place: Arc<Place>,
    /// Whose connection it is.
    peer: Peer,
    is_proxy: bool,
    limits: ServerLimits,
    watch: Watch,
    /// Whether a request has come.
    has_asked: Arc<AtomicBool>,
}

impl Served {
    /// Resolves when the first request has not come in its time; never, once it has.
    async fn asks_too_late(&self) {
        let ServerLimits { first_header_timeout, header_timeout, .. } = self.limits;
        if first_header_timeout < header_timeout {
            tokio::time::sleep(first_header_timeout).await;
            if !self.has_asked.load(Ordering::Relaxed) {
                return;
            }
        }
        future::pending::<()>().await;
    }
}

/// Returns the answer to one request, within the limits.
async fn answer(served: Served, request: Request<Incoming>) -> Response {
    let Served { host, router, place, peer, is_proxy, limits, watch, .. } = served;
    let _busy = watch.drain.busy();
    let began = Instant::now();
    let (mut parts, body) = request.into_parts();
    let peer = if is_proxy { peer.behind(&parts.headers) } else { peer };
    parts.extensions.insert(peer);
    parts.extensions.insert(AnswerRoom::at(Arc::clone(&place)));
    let waits_for_leave = parts.headers.contains_key(header::EXPECT);
    let body = Metered::new(body, limits.max_body, Arc::clone(&place));
    let remains = body.remains();
    let mut response = if remains.is_too_large() {
        drop(body);
        too_large(limits.max_body).into_response()
    } else {
        let request = Request::from_parts(parts, Body::new(body));
        routed(router, request, limits, &remains).await
    };
    // What the body takes up was held until the answer was made.
    remains.release();
    let is_late = response.status() == StatusCode::REQUEST_TIMEOUT;
    if limits.max_discarded > 0 && !waits_for_leave && !is_late {
        remains.discard(limits.max_discarded).await;
    }
    if limits.dates {
        let date = httpdate::fmt_http_date(host.now());
        response.headers_mut().extend(date.parse().ok().map(|date| (header::DATE, date)));
    }
    watch.traffic.answered(response.status(), began.elapsed());
    let has_bytes = room::held(&mut response);
    // Whoever has a websocket keeps the server waiting by design.
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        place.turn();
    } else {
        place.wait_for(has_bytes);
    }
    response
}

/// Returns what the router answers, within the limits.
async fn routed(
    mut router: Router,
    mut request: Request<Body>,
    limits: ServerLimits,
    remains: &Remains,
) -> Response {
    // This bound holds in whatever way a handler reads it. (As a layer of the router, this would
    // wrap every route anew at each start.)
    DefaultBodyLimit::disable().apply(&mut request);
    let answered = tokio::time::timeout(limits.request_timeout, router.call(request)).await;
    match answered {
        // Whatever the handler made of a body that broke off.
        _ if remains.is_too_large() => too_large(limits.max_body).into_response(),
        Ok(Ok(response)) => as_matrix_answer(response, limits),
        Err(_) if remains.has_more() => late(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body did not arrive within {}", duration_text(limits.request_timeout)),
        ),
        Err(_) => late(
            StatusCode::GATEWAY_TIMEOUT,
            format!("no answer within {}", duration_text(limits.request_timeout)),
        ),
    }
}

fn late(status: StatusCode, message: String) -> Response {
    MatrixError::new(status, "M_UNKNOWN", message).into_response()
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
