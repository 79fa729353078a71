//! The client: pooled connections per address, a deadline for every request, a bound on every
//! answer.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Uri, uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper_util::{client::legacy, rt::TokioTimer};
use tokio::time::Instant;

use super::connector::Connector;
use crate::{
    Lock,
    host::{Executor, Host},
    settings::duration_text,
};

/// Addresses whose connections are pooled at once; the one unused longest makes room.
const MAX_POOLED_ADDRESSES: usize = 1024;

/// Where a server listens: a name and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// A DNS name or an IP literal.
    pub name: String,
    /// The TCP port.
    pub port: u16,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A bare IPv6 literal is put in brackets before a port.
        if self.name.contains(':') && !self.name.starts_with('[') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

/// Bounds of one client.
#[derive(Clone, Copy, Debug)]
pub struct ClientLimits {
    /// Bytes of an answer's body; more is [`RequestError::TooLarge`].
    pub max_body: usize,
    /// Idle connections kept per address.
    pub max_idle_per_address: usize,
    /// How long an idle connection is kept. Longer than a homeserver waits between two looks into
    /// its mailbox, so that it does not connect anew for each. Shorter than
    /// [`crate::http::ServerLimits::header_timeout`], after which its server closes it.
    pub idle_timeout: Duration,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self { max_body: 32 << 20, max_idle_per_address: 4, idle_timeout: Duration::from_secs(60) }
    }
}

/// Why a request got no answer. Whether the server processed it is unknown, except after
/// [`RequestError::Connect`].
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// No connection could be made; the server has seen nothing.
    #[error("failed to connect to {address}: {reason}")]
    Connect {
        /// `name:port`.
        address: String,
        /// What the network said.
        reason: String,
    },
    /// The deadline passed first.
    #[error("no answer from {address} within {}", duration_text(*deadline))]
    Deadline {
        /// `name:port`.
        address: String,
        /// The deadline given.
        deadline: Duration,
    },
    /// The connection broke before the answer was whole.
    #[error("the connection to {address} broke: {reason}")]
    Broken {
        /// `name:port`.
        address: String,
        /// What the network said.
        reason: String,
    },
    /// The answer is larger than [`ClientLimits::max_body`].
    #[error("the answer from {address} is larger than {limit} bytes")]
    TooLarge {
        /// `name:port`.
        address: String,
        /// The limit in bytes.
        limit: usize,
    },
}

/// An HTTP/1.1 client over a host's sockets. Cheap to clone; clones share the pool.
#[derive(Clone)]
pub struct Client {
    host: Host,
    limits: ClientLimits,
    pools: Arc<Lock<Pools>>,
}

/// One pool per address: hyper-util's own map of them is hashed with OS randomness, and closes the
/// idle connections of several addresses in an order that no seed repeats.
#[derive(Default)]
struct Pools {
    by_address: BTreeMap<Address, Pool>,
    /// Counts requests, to find the pool unused longest.
    requests: u64,
}

#[derive(Clone)]
struct Pool {
    authority: uri::Authority,
    client: legacy::Client<Connector, Full<Bytes>>,
    /// How many connections it has asked for.
    connects: Arc<AtomicU64>,
    last_request: u64,
}

impl Client {
    /// Returns a client that connects through `host`.
    pub fn new(host: &Host, limits: ClientLimits) -> Self {
        Self { host: host.clone(), limits, pools: Arc::default() }
    }

    /// Sends `request` (whose URI is a path and query; `Host` and `Content-Length` are set here) to
    /// `address` and reads the whole answer, within `deadline` in all. Any status is `Ok`.
    ///
    /// A request is sent once: nothing here sends again what a server may have seen, unless it is asked
    /// to ([`Client::send_idempotent`]). (When a pooled connection turns out to have been closed before
    /// the first byte of the request was written to it, another connection is taken; no server has seen
    /// anything then.)
    ///
    /// # Errors
    /// See [`RequestError`].
    pub async fn send(
        &self,
        address: &Address,
        request: Request<Bytes>,
        deadline: Duration,
    ) -> Result<Response<Bytes>, RequestError> {
        self.send_at_most(address, request, deadline, self.limits.max_body).await
    }

    /// Does the same, but reads at most `max_body` bytes of the answer's body.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub async fn send_at_most(
        &self,
        address: &Address,
        request: Request<Bytes>,
        deadline: Duration,
        max_body: usize,
    ) -> Result<Response<Bytes>, RequestError> {
        let exchange = async {
            let response = self.exchange(address, request).await.map_err(|(error, _)| error)?;
            whole(address, response, max_body).await
        };
        within(address, deadline, exchange).await
    }

    /// Does what [`Client::send`] does with a request that does no more when it is done twice. If it
    /// breaks on a connection of an earlier request, before anything of an answer came, it is sent
    /// once more on a new one: the server may have been started anew since (RFC 9110, section 9.2.2).
    ///
    /// # Errors
    /// See [`RequestError`].
    pub async fn send_idempotent(
        &self,
        address: &Address,
        request: Request<Bytes>,
        deadline: Duration,
    ) -> Result<Response<Bytes>, RequestError> {
        let exchange = async {
            let response = self.exchange_idempotent(address, request).await?;
            whole(address, response, self.limits.max_body).await
        };
        within(address, deadline, exchange).await
    }

    /// Does the same, but gives an answer that says its length more time than `deadline`: a second for
    /// each `slowest` bytes. So a large answer arrives over a slow link, too.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub async fn send_patiently(
        &self,
        address: &Address,
        request: Request<Bytes>,
        deadline: Duration,
        slowest: usize,
    ) -> Result<Response<Bytes>, RequestError> {
        let began = Instant::now();
        let response =
            within(address, deadline, self.exchange_idempotent(address, request)).await?;
        let length = response.body().size_hint().lower() / slowest.max(1) as u64;
        let left = (deadline + Duration::from_secs(length)).saturating_sub(began.elapsed());
        within(address, left, whole(address, response, self.limits.max_body)).await
    }

    /// Sends a request, once more if it broke on a connection that was there before.
    async fn exchange_idempotent(
        &self,
        address: &Address,
        request: Request<Bytes>,
    ) -> Result<Response<Incoming>, RequestError> {
        let first = match self.exchange(address, request.clone()).await {
            Err((error, Connection::Used)) => error,
            answered => return answered.map_err(|(error, _)| error),
        };
        // That nobody is there for the second says nothing of what became of the first.
        self.exchange(address, request).await.map_err(|(second, _)| match second {
            RequestError::Connect { .. } => first,
            second => second,
        })
    }

    /// Sends a request, and returns the head of its answer; the error says what it broke on.
    async fn exchange(
        &self,
        address: &Address,
        request: Request<Bytes>,
    ) -> Result<Response<Incoming>, (RequestError, Connection)> {
        let unsent = |error| (error, Connection::New);
        let pool = self.pool(address).map_err(unsent)?;
        let request = absolute(request, pool.authority.clone())
            .map_err(|error| unsent(connect_error(address, &error)))?;
        let connects = pool.connects.load(Ordering::Relaxed);
        pool.client.request(request).await.map_err(|error| {
            if error.is_connect() {
                return unsent(connect_error(address, &error));
            }
            // The other connections are as old as this one.
            self.pools.lock().forget(address, &pool);
            let is_new = pool.connects.load(Ordering::Relaxed) != connects;
            let connection = if is_new { Connection::New } else { Connection::Used };
            (broken(address, &error), connection)
        })
    }

    fn pool(&self, address: &Address) -> Result<Pool, RequestError> {
        let mut pools = self.pools.lock();
        pools.requests += 1;
        let last_request = pools.requests;
        if let Some(pool) = pools.by_address.get_mut(address) {
            pool.last_request = last_request;
            return Ok(pool.clone());
        }
        let authority =
            address.to_string().parse().map_err(|error| connect_error(address, &error))?;
        let connects = Arc::<AtomicU64>::default();
        let client = self.pooled_client(address, Arc::clone(&connects));
        let pool = Pool { authority, client, connects, last_request };
        if pools.by_address.len() >= MAX_POOLED_ADDRESSES {
            pools.forget_oldest();
        }
        pools.by_address.insert(address.clone(), pool.clone());
        Ok(pool)
    }

    fn pooled_client(
        &self,
        address: &Address,
        connects: Arc<AtomicU64>,
    ) -> legacy::Client<Connector, Full<Bytes>> {
        let connector = Connector { host: self.host.clone(), address: address.clone(), connects };
        legacy::Client::builder(Executor(Arc::clone(&self.host.tasks)))
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(self.limits.idle_timeout)
            .pool_max_idle_per_host(self.limits.max_idle_per_address)
            .build(connector)
    }
}

/// What a request broke on.
enum Connection {
    /// A connection that was made for it, or for another request at the same time.
    New,
    /// One that was there before.
    Used,
}

/// Waits for an answer for so long.
async fn within<T>(
    address: &Address,
    deadline: Duration,
    answer: impl Future<Output = Result<T, RequestError>>,
) -> Result<T, RequestError> {
    match tokio::time::timeout(deadline, answer).await {
        Ok(answered) => answered,
        Err(_) => Err(RequestError::Deadline { address: address.to_string(), deadline }),
    }
}

impl Pools {
    /// Forgets a pool, unless another one has taken its place.
    fn forget(&mut self, address: &Address, pool: &Pool) {
        let known = self.by_address.get(address);
        if known.is_some_and(|known| Arc::ptr_eq(&known.connects, &pool.connects)) {
            self.by_address.remove(address);
        }
    }

    fn forget_oldest(&mut self) {
        let oldest = self.by_address.iter().min_by_key(|(_, pool)| pool.last_request);
        if let Some(address) = oldest.map(|(address, _)| address.clone()) {
            self.by_address.remove(&address);
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Returns the answer with its body read whole, `limit` bytes of it at most.
async fn whole(
    address: &Address,
    response: Response<Incoming>,
    limit: usize,
) -> Result<Response<Bytes>, RequestError> {
    let (parts, body) = response.into_parts();
    let too_large = || RequestError::TooLarge { address: address.to_string(), limit };
    // An answer that says that it is too large is not read at all.
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(Response::from_parts(parts, body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(broken(address, error.as_ref())),
    }
}

/// Returns the request as hyper-util asks for it: with a whole URI, and a body with a known length.
fn absolute(
    request: Request<Bytes>,
    authority: uri::Authority,
) -> Result<Request<Full<Bytes>>, http::Error> {
    let (mut parts, body) = request.into_parts();
    let path_and_query =
        parts.uri.path_and_query().cloned().unwrap_or(uri::PathAndQuery::from_static("/"));
    parts.uri = Uri::builder()
        .scheme(uri::Scheme::HTTP)
        .authority(authority)
        .path_and_query(path_and_query)
        .build()?;
    Ok(Request::from_parts(parts, Full::new(body)))
}

fn connect_error(address: &Address, error: &(dyn std::error::Error + 'static)) -> RequestError {
    RequestError::Connect { address: address.to_string(), reason: causes(error) }
}

fn broken(address: &Address, error: &(dyn std::error::Error + 'static)) -> RequestError {
    RequestError::Broken { address: address.to_string(), reason: causes(error) }
}

/// Returns an error and its causes in one line; hyper keeps what matters in the cause.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
