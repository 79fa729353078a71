//! Calls to other servers, signed.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ruma::{
    ServerName,
    api::{
        IncomingResponseExt, OutgoingBody, OutgoingRequest,
        error::IntoHttpError,
        federation::authentication::{
            ServerSignatures, XMatrix, XMatrixFromRequestError, XMatrixSigningInput,
        },
        path_builder::SinglePath,
    },
};

use crate::{
    bounds::{MAX_ANSWER_DEPTH, is_within_depth},
    endpoints::Endpoint,
    error::MatrixError,
    federation::{Identity, about_request::AboutRequest},
    http::{Address, Client, RequestError},
};

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No answer came.
    #[error(transparent)]
    NoAnswer(#[from] RequestError),
    /// The server refused, with a Matrix error (one is made up for an answer that has none).
    #[error("refused with {0}")]
    Refused(MatrixError),
    /// The server answered 2xx with something that is no answer of the endpoint's.
    #[error("malformed answer: {0}")]
    Malformed(String),
    /// The request cannot be written: its body or one of its path arguments has no form on the
    /// wire. Nothing was sent.
    #[error("cannot be sent: {0}")]
    Unsendable(String),
}

impl CallError {
    /// Returns whether the server surely did not act on the request: it was refused with a 4xx, or
    /// never reached. A 429 says nothing of that: a request that broke on an older connection is sent
    /// once more, and the first may have been taken.
    pub fn surely_not_done(&self) -> bool {
        match self {
            Self::NoAnswer(RequestError::Connect { .. }) | Self::Unsendable(_) => true,
            Self::Refused(_) => self.is_final(),
            Self::NoAnswer(_) | Self::Malformed(_) => false,
        }
    }

    /// Returns whether the server could not tell who asks (401), as where it could not have the asker's
    /// key: that says nothing about what was asked for.
    pub fn is_unauthenticated(&self) -> bool {
        self.status() == Some(StatusCode::UNAUTHORIZED)
    }

    /// Returns whether the server said that this is forbidden (403).
    pub fn is_forbidden(&self) -> bool {
        self.status() == Some(StatusCode::FORBIDDEN)
    }

    /// Returns whether the server said that there is no such thing (404).
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(StatusCode::NOT_FOUND)
    }

    /// Returns whether the server said that what was asked for does not fit what is so by now (409).
    pub fn is_conflict(&self) -> bool {
        self.status() == Some(StatusCode::CONFLICT)
    }

    /// Returns whether the server said that it takes no body as large (413).
    pub fn is_too_large(&self) -> bool {
        self.status() == Some(StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// Returns whether the server refused and would refuse again: with a 4xx other than 429.
    pub fn is_final(&self) -> bool {
        self.status().is_some_and(|status| {
            status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS
        })
    }

    /// Returns whether the same body could not be taken at any time: it has no form on the wire, or
    /// was refused for what it says, or as too large. What is said to be no JSON at all was so when it
    /// was sent, and was spoilt on its way.
    pub fn is_about_the_body(&self) -> bool {
        match self {
            Self::Unsendable(_) => true,
            Self::Refused(error) if error.status == StatusCode::PAYLOAD_TOO_LARGE => true,
            Self::Refused(error) => {
                error.status == StatusCode::BAD_REQUEST
                    && matches!(&*error.errcode, "M_BAD_JSON" | "M_INVALID_PARAM" | "M_TOO_LARGE")
            }
            Self::NoAnswer(_) | Self::Malformed(_) => false,
        }
    }

    /// Returns the status of a refusal.
    fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused(error) => Some(error.status),
            Self::NoAnswer(_) | Self::Malformed(_) | Self::Unsendable(_) => None,
        }
    }
}

/// Returns where `server` listens for federation: the port in its name, or 8448 (server-server API,
/// "Resolving server names", steps 1, 2 and 6).
pub fn address_of(server: &ServerName) -> Address {
    Address { name: server.host().to_owned(), port: server.port().unwrap_or(8448) }
}

/// Bytes of what a server says of its version.
const MAX_VERSION: usize = 16 * 1024;

/// Makes signed calls on behalf of one server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Federation {
    /// On whose behalf.
    pub identity: Identity,
    http: Client,
}

/// How long an answer is waited for.
#[derive(Clone, Copy)]
struct Patience {
    /// Until when it must have come.
    deadline: Duration,
    /// If it may be long: at how many bytes a second it must come after that.
    slowest: Option<usize>,
}

impl Federation {
    /// Returns a caller on behalf of `identity`, through `http`.
    pub fn new(identity: Identity, http: Client) -> Self {
        Self { identity, http }
    }

    /// Calls one of ruma's federation endpoints at `destination`, within `deadline` in all.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call<R>(
        &self,
        destination: &ServerName,
        request: R,
        deadline: Duration,
    ) -> Result<R::IncomingResponse, CallError>
    where
        R: OutgoingRequest<Authentication = ServerSignatures, PathBuilder = SinglePath> + Send,
    {
        let request = written(destination, request)?;
        let answer = self
            .answer(destination, request, Patience { deadline, slowest: None }, MAX_ANSWER_DEPTH)
            .await?;
        let (parts, body) = answer.into_parts();
        R::IncomingResponse::try_from_http_response(Response::from_parts(parts, &*body))
            .map_err(|error| CallError::Malformed(error.to_string()))
    }

    /// As [`Federation::call`], for answers of which servers leave out what they must say: any JSON will
    /// do.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call_for_json<R>(
        &self,
        destination: &ServerName,
        request: R,
        deadline: Duration,
    ) -> Result<serde_json::Value, CallError>
    where
        R: OutgoingRequest<Authentication = ServerSignatures, PathBuilder = SinglePath> + Send,
    {
        let request = written(destination, request)?;
        let answer = self
            .answer(destination, request, Patience { deadline, slowest: None }, MAX_ANSWER_DEPTH)
            .await?;
        serde_json::from_slice(answer.body())
            .map_err(|error| CallError::Malformed(error.to_string()))
    }

    /// Calls one of our own endpoints at `destination`, within `deadline` in all. `path_arguments`
    /// fill the braces of [`Endpoint::PATH`] in order; there must be as many of them.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call_endpoint<E: Endpoint>(
        &self,
        destination: &ServerName,
        path_arguments: &[&str],
        request: &E::Request,
        deadline: Duration,
    ) -> Result<E::Response, CallError> {
        let body = serde_json::to_vec(request).map_err(unsendable)?;
        let request = Request::builder()
            .method(E::METHOD)
            .uri(filled_path(E::PATH, path_arguments))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Bytes::from(body))
            .map_err(unsendable)?;
        let patience = Patience { deadline, slowest: E::SLOWEST_ANSWER };
        let answer = self.answer(destination, request, patience, E::MAX_ANSWER_DEPTH).await?;
        serde_json::from_slice(answer.body())
            .map_err(|error| CallError::Malformed(error.to_string()))
    }

    /// Asks `destination` which program it is, within `deadline` in all, and returns what it answers
    /// (server-server API, `GET /_matrix/federation/v1/version`). The request has no signature, so that
    /// it tells only whether the server can be reached.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn version_of(
        &self,
        destination: &ServerName,
        deadline: Duration,
    ) -> Result<serde_json::Value, CallError> {
        let request = Request::get("/_matrix/federation/v1/version").body(Bytes::new());
        let request = request.map_err(unsendable)?;
        let address = address_of(destination);
        let answer = self.http.send_at_most(&address, request, deadline, MAX_VERSION).await?;
        if !answer.status().is_success() {
            return Err(CallError::Refused(MatrixError::from_answer(
                answer.status(),
                answer.body(),
            )));
        }
        serde_json::from_slice(answer.body())
            .map_err(|error| CallError::Malformed(error.to_string()))
    }

    /// Signs a request, and sends it.
    async fn answer(
        &self,
        destination: &ServerName,
        mut request: Request<Bytes>,
        patience: Patience,
        max_depth: usize,
    ) -> Result<Response<Bytes>, CallError> {
        let Patience { deadline, slowest } = patience;
        let authorization = self.authorization(destination, &request).map_err(unsendable)?;
        request.headers_mut().insert(header::AUTHORIZATION, authorization);
        let address = address_of(destination);
        let answer = if let Some(slowest) = slowest {
            self.http.send_patiently(&address, request, deadline, slowest).await?
        } else if request.method().is_idempotent() {
            self.http.send_idempotent(&address, request, deadline).await?
        } else {
            self.http.send(&address, request, deadline).await?
        };
        if !answer.status().is_success() {
            let refusal = MatrixError::from_answer(answer.status(), answer.body());
            return Err(CallError::Refused(refusal));
        }
        if !is_within_depth(answer.body(), max_depth) {
            return Err(CallError::Malformed(format!("deeper than {max_depth} levels")));
        }
        Ok(answer)
    }

    /// Returns the signature under `request`, which need not be verified on this thread.
    fn authorization(
        &self,
        destination: &ServerName,
        request: &Request<Bytes>,
    ) -> Result<HeaderValue, XMatrixFromRequestError> {
        let Identity { server_name, key_pair, .. } = &self.identity;
        let about = AboutRequest::new(request, server_name, destination);
        about.unsigned(key_pair).authorization(|| {
            let (origin, destination) = (server_name.clone(), destination.to_owned());
            let input = XMatrixSigningInput::new(origin, destination, key_pair);
            let signature = XMatrix::sign_http_request(request, input)?;
            about.signed(&signature, &key_pair.public_key()).learn();
            Ok((&signature).into())
        })
    }
}

/// Returns one of ruma's requests as it goes to `destination`.
fn written<R>(destination: &ServerName, request: R) -> Result<Request<Bytes>, CallError>
where
    R: OutgoingRequest<Authentication = ServerSignatures, PathBuilder = SinglePath>,
{
    let base_url = format!("https://{destination}");
    let request = request.try_into_http_request_inner(&base_url, ()).map_err(unsendable)?;
    with_body(request).map_err(unsendable)
}

/// Returns the request with its body written out.
fn with_body<B: OutgoingBody>(request: Request<B>) -> Result<Request<Bytes>, IntoHttpError> {
    let (mut parts, body) = request.into_parts();
    if let Some(content_type) = body.content_type() {
        parts.headers.entry(header::CONTENT_TYPE).or_insert(content_type);
    }
    let body = body.try_into_buf::<BytesMut>().map_err(Into::into)?;
    Ok(Request::from_parts(parts, body.freeze()))
}

fn unsendable(error: impl std::fmt::Display) -> CallError {
    CallError::Unsendable(error.to_string())
}

/// What is percent-encoded in a path segment. What Matrix ids are made of (`@`, `:`, `$`, `!`) stays
/// as it is: the signature covers the spelling, and Dendrite spells them so.
const ENCODED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'@')
    .remove(b':')
    .remove(b'$')
    .remove(b'!')
    .remove(b'+')
    .remove(b'=');

/// Returns the path with its braces filled.
fn filled_path(route: &str, arguments: &[&str]) -> String {
    let mut path = String::with_capacity(route.len() + 64);
    let mut arguments = arguments.iter();
    for segment in route.split('/').skip(1) {
        path.push('/');
        if segment.starts_with('{') {
            let argument = arguments.next().expect("an argument for every brace of the route");
            path.extend(utf8_percent_encode(argument, &ENCODED));
        } else {
            path.push_str(segment);
        }
    }
    assert!(arguments.next().is_none(), "more arguments than braces in {route}");
    path
}
