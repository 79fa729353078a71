//! The axum side of signed requests.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{FromRef, FromRequest, FromRequestParts, OriginalUri, RawPathParams},
    response::{IntoResponse, Response},
};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, StatusCode, header, request::Parts};
use ruma::{
    OwnedServerName, ServerName,
    api::{
        IncomingRequest, IncomingRequestExt, OutgoingResponse, OutgoingResponseExt,
        error::{DeserializationError, FromHttpRequestError},
        federation::authentication::{
            ServerSignatures, XMatrix, XMatrixVerificationError as VerificationError,
        },
    },
    serde::Base64,
    signatures::PublicKeyMap,
};

use crate::{
    bounds::{MAX_REQUEST_DEPTH, is_within_depth},
    error::MatrixError,
    federation::{Identity, KeyError, KeyRing, about_request::AboutRequest},
    http::Peer,
};

/// What the [`Signed`] extractor needs of a router's state (through `axum::extract::FromRef`).
#[derive(Clone)]
pub struct Authenticated {
    /// Who we are: requests to another destination are refused.
    pub identity: Identity,
    /// Whose keys we know.
    pub keys: KeyRing,
    /// Called with the origin of every request whose signature is valid; a homeserver clears the
    /// origin's back-off here.
    pub heard_from: Arc<dyn Fn(&ServerName) + Send + Sync>,
}

/// A request to one of ruma's endpoints, from the server that signed it.
///
/// Refuses with 401 `M_UNAUTHORIZED` what is unsigned, wrongly signed, or meant for another
/// destination (the signature is checked over the raw request target), with 400 `M_NOT_JSON` or
/// `M_BAD_JSON` what is not the endpoint's body.
#[derive(Debug)]
pub struct Signed<R> {
    /// The server that signed.
    pub origin: OwnedServerName,
    /// What it asks.
    pub request: R,
}

impl<R, S> FromRequest<S> for Signed<R>
where
    R: IncomingRequest<Authentication = ServerSignatures> + Send,
    Authenticated: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = MatrixError;

    async fn from_request(request: Request<Body>, state: &S) -> Result<Self, MatrixError> {
        let Verified { origin, parts, path, body } = Verified::from_request(request, state).await?;
        let path_arguments: Vec<&str> = arguments(path.as_ref()).collect();
        let request = R::try_from_http_request(Request::from_parts(parts, &*body), &path_arguments)
            .map_err(not_the_endpoints)?;
        Ok(Self { origin, request })
    }
}

/// A request to one of our own endpoints, from the server that signed it; the body is not decoded.
/// Refuses as [`Signed`] does.
#[derive(Debug)]
pub struct SignedBytes {
    /// The server that signed.
    pub origin: OwnedServerName,
    /// The path arguments, percent-decoded, in the order of the route's braces.
    pub path_arguments: Vec<String>,
    /// The body, valid UTF-8 JSON or empty.
    pub body: Bytes,
}

impl SignedBytes {
    /// Decodes the body.
    ///
    /// # Errors
    /// 400 `M_BAD_JSON` naming what is wrong and where.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, MatrixError> {
        serde_json::from_slice(&self.body).map_err(|error| MatrixError::bad_json(error.to_string()))
    }
}

impl<S> FromRequest<S> for SignedBytes
where
    Authenticated: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = MatrixError;

    async fn from_request(request: Request<Body>, state: &S) -> Result<Self, MatrixError> {
        let verified = Verified::from_request(request, state).await?;
        let path_arguments = arguments(verified.path.as_ref()).map(str::to_owned).collect();
        Ok(Self { origin: verified.origin, path_arguments, body: verified.body })
    }
}

/// A request whose signature is valid, not decoded yet.
struct Verified {
    origin: OwnedServerName,
    parts: Parts,
    path: Option<RawPathParams>,
    body: Bytes,
}

impl Verified {
    async fn from_request<S>(request: Request<Body>, state: &S) -> Result<Self, MatrixError>
    where
        Authenticated: FromRef<S>,
        S: Send + Sync,
    {
        let (mut parts, body) = request.into_parts();
        let claim = XMatrix::extract_from_http_headers(&parts.headers)
            .map_err(|error| MatrixError::unauthorized(error.to_string()))?;
        let path = path_arguments(&mut parts).await?;
        // The origin signed the target as it wrote it, before a router cut a prefix off.
        if let Some(OriginalUri(raw_target)) = parts.extensions.remove() {
            parts.uri = raw_target;
        }
        if parts.uri.path_and_query().is_none() {
            return Err(MatrixError::unauthorized("the request has no target to sign"));
        }
        // Nothing of the body is taken before it is known whose signature it must have.
        let authenticated = Authenticated::from_ref(state);
        let peer = parts.extensions.get::<Peer>().cloned();
        let keys = authenticated.keys_of(&claim, peer.as_ref()).await?;
        let body = whole_body(&mut parts, body, state).await?;
        if !is_within_depth(&body, MAX_REQUEST_DEPTH) {
            return Err(MatrixError::bad_json(format!(
                "the body is nested deeper than {MAX_REQUEST_DEPTH} levels"
            )));
        }
        let signed = Request::from_parts(parts, body);
        authenticated.verify(&claim, &keys, &signed)?;
        (authenticated.heard_from)(&claim.origin);
        let (parts, body) = signed.into_parts();
        Ok(Self { origin: claim.origin, parts, path, body })
    }
}

impl Authenticated {
    /// Returns the keys of `claim`'s origin that are valid now, if the one that it names is among
    /// them and it names us. `peer` makes the claim.
    async fn keys_of(
        &self,
        claim: &XMatrix,
        peer: Option<&Peer>,
    ) -> Result<Arc<PublicKeyMap>, MatrixError> {
        let us = &self.identity.server_name;
        // Checked before any key is fetched; the signature alone would tell too.
        if claim.destination.as_ref().is_some_and(|destination| destination != us) {
            return Err(MatrixError::unauthorized(format!("this server is {us}")));
        }
        let keys = self
            .keys
            .shared_keys_of(&claim.origin, Some(claim.key.as_str()), self.keys.now_ms(), peer)
            .await
            .map_err(|error| match error {
                KeyError::Database(error) => error.into(),
                // What was found where the claim pointed is not for whoever made it.
                error @ KeyError::Unavailable { .. } => {
                    tracing::debug!(%error, "a request cannot be verified");
                    unknown_key(claim)
                }
            })?;
        if key_of(claim, &keys).is_none() {
            return Err(unknown_key(claim));
        }
        Ok(keys)
    }

    /// Checks that `claim`'s origin signed `request` for us, with one of its keys.
    fn verify(
        &self,
        claim: &XMatrix,
        keys: &PublicKeyMap,
        request: &Request<Bytes>,
    ) -> Result<(), MatrixError> {
        let us = &self.identity.server_name;
        let key = key_of(claim, keys);
        let about = AboutRequest::new(request, &claim.origin, us);
        let proof = key.map(|key| about.signed(claim, key.as_bytes()));
        if proof.is_some_and(|proof| proof.is_known()) {
            return Ok(());
        }
        claim.verify_http_request(request, us, keys).map_err(|error| match error {
            VerificationError::Signature(ruma::signatures::VerificationError::Json(error)) => {
                not_json(error)
            }
            error => MatrixError::unauthorized(error.to_string()),
        })?;
        if let Some(proof) = proof {
            proof.learn();
        }
        Ok(())
    }
}

fn key_of<'k>(claim: &XMatrix, keys: &'k PublicKeyMap) -> Option<&'k Base64> {
    keys.get(claim.origin.as_str()).and_then(|keys| keys.get(claim.key.as_str()))
}

/// Returns the error for a request whose signature nobody can check: the same sentence whatever the
/// reason, so that nobody learns what listens where.
fn unknown_key(claim: &XMatrix) -> MatrixError {
    MatrixError::unauthorized(format!(
        "no key {} of {} could be had that is valid now",
        claim.key, claim.origin
    ))
}

fn arguments(path: Option<&RawPathParams>) -> impl Iterator<Item = &str> {
    path.into_iter().flatten().map(|(_, argument)| argument)
}

/// Returns the path arguments; none for a route without braces.
async fn path_arguments(parts: &mut Parts) -> Result<Option<RawPathParams>, MatrixError> {
    use axum::extract::rejection::RawPathParamsRejection::InvalidUtf8InPathParam;
    match RawPathParams::from_request_parts(parts, &()).await {
        Ok(path) => Ok(Some(path)),
        Err(InvalidUtf8InPathParam(error)) => Err(MatrixError::invalid_param(error.body_text())),
        Err(_) => Ok(None),
    }
}

/// Returns the body read whole, within the server's limit. Takes the request's extensions, where
/// axum keeps the limit.
async fn whole_body<S: Send + Sync>(
    parts: &mut Parts,
    body: Body,
    state: &S,
) -> Result<Bytes, MatrixError> {
    let mut request = Request::new(body);
    *request.extensions_mut() = std::mem::take(&mut parts.extensions);
    Bytes::from_request(request, state).await.map_err(|error| {
        let errcode = match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => "M_TOO_LARGE",
            _ => "M_UNKNOWN",
        };
        MatrixError::new(error.status(), errcode, error.body_text())
    })
}

fn not_json(error: impl std::fmt::Display) -> MatrixError {
    MatrixError::new(StatusCode::BAD_REQUEST, "M_NOT_JSON", error.to_string())
}

/// Returns the error for a request that is signed, but not what its endpoint takes.
fn not_the_endpoints(error: FromHttpRequestError) -> MatrixError {
    match error {
        FromHttpRequestError::Deserialization(DeserializationError::Json(error)) => {
            MatrixError::bad_json(error.to_string())
        }
        error => MatrixError::invalid_param(error.to_string()),
    }
}

/// Turns one of ruma's responses into an HTTP response.
pub fn ruma_answer(response: impl OutgoingResponse) -> Response {
    match response.try_into_http_response::<BytesMut>() {
        Ok(response) => response.map(|body| Body::from(body.freeze())),
        Err(error) => MatrixError::internal(error.to_string()).into_response(),
    }
}

/// Turns a value into a 200 with a JSON body.
pub fn json_answer(value: &impl serde::Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => {
            let mut response = Response::new(Body::from(body));
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            response
        }
        Err(error) => MatrixError::internal(error.to_string()).into_response(),
    }
}
