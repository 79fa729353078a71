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
        federation::authentication::{ServerSignatures, XMatrix},
    },
    serde::Base64,
    signatures::verify_canonical_json_bytes,
};

use crate::{
    bounds::{MAX_REQUEST_DEPTH, is_within_depth},
    error::MatrixError,
    federation::{
        Identity, KeyError, KeyRing, about_request::AboutRequest, claim::claims, keys::Asker,
    },
    http::Peer,
    object::read_object,
    rates::Rates,
};

/// What the [`Signed`] extractor needs of a router's state (through `axum::extract::FromRef`).
#[derive(Clone)]
pub struct Authenticated {
    /// Who we are: requests to another destination are refused.
    pub identity: Identity,
    /// Whose keys we know.
    pub keys: KeyRing,
    /// Called with the origin of every request whose signature is valid and which does not come too often;
    /// a homeserver clears the origin's back-off here.
    pub heard_from: Arc<dyn Fn(&ServerName) + Send + Sync>,
    /// How often each server may make a request; unset is without a bound.
    pub rates: Option<Arc<Rates<OwnedServerName>>>,
}

/// A request to one of ruma's endpoints, from the server that signed it.
///
/// Refuses with 401 `M_UNAUTHORIZED` what is unsigned, wrongly signed, or meant for another
/// destination (the signature is checked over the raw request target), with 429 `M_LIMIT_EXCEEDED` what
/// its server asks too often, with 400 `M_NOT_JSON` or `M_BAD_JSON` what is not the endpoint's body.
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
        let Verified { origin, parts, path, body } =
            Verified::from_request(request, state, MAX_REQUEST_DEPTH).await?;
        let path_arguments: Vec<&str> = arguments(path.as_ref()).collect();
        let request = R::try_from_http_request(Request::from_parts(parts, &*body), &path_arguments)
            .map_err(not_the_endpoints)?;
        Ok(Self { origin, request })
    }
}

/// A request to one of our own endpoints, from the server that signed it; the body is not decoded.
/// Refuses as [`Signed`] does, and what is nested deeper than `DEPTH` levels.
#[derive(Debug)]
pub struct SignedBytes<const DEPTH: usize = MAX_REQUEST_DEPTH> {
    /// The server that signed.
    pub origin: OwnedServerName,
    /// The path arguments, percent-decoded, in the order of the route's braces.
    pub path_arguments: Vec<String>,
    /// The body, valid UTF-8 JSON or empty.
    pub body: Bytes,
}

impl<const DEPTH: usize> SignedBytes<DEPTH> {
    /// Decodes the body.
    ///
    /// # Errors
    /// 400 `M_BAD_JSON` naming what is wrong and where.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, MatrixError> {
        read_object(&self.body).map_err(|error| MatrixError::bad_json(error.to_string()))
    }
}

impl<S, const DEPTH: usize> FromRequest<S> for SignedBytes<DEPTH>
where
    Authenticated: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = MatrixError;

    async fn from_request(request: Request<Body>, state: &S) -> Result<Self, MatrixError> {
        let verified = Verified::from_request(request, state, DEPTH).await?;
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
    async fn from_request<S>(
        request: Request<Body>,
        state: &S,
        max_depth: usize,
    ) -> Result<Self, MatrixError>
    where
        Authenticated: FromRef<S>,
        S: Send + Sync,
    {
        let (mut parts, body) = request.into_parts();
        let claims = claims(&parts.headers)?;
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
        let claims = authenticated.with_keys(claims, peer.as_ref()).await?;
        let body = whole_body(&mut parts, body, state).await?;
        if !is_within_depth(&body, max_depth) {
            return Err(MatrixError::bad_json(format!(
                "the body is nested deeper than {max_depth} levels"
            )));
        }
        let signed = Request::from_parts(parts, body);
        let origin = authenticated.verify(&claims, &signed)?;
        authenticated.count(&origin)?;
        (authenticated.heard_from)(&origin);
        let (parts, body) = signed.into_parts();
        Ok(Self { origin, parts, path, body })
    }
}

/// Credentials of a request, and the public key that they name.
struct Claim {
    credentials: XMatrix,
    key: Base64,
}

impl Authenticated {
    /// Returns those of `claims` that name a key of their origin that is valid now, one at least, if
    /// they name us. `peer` makes them.
    async fn with_keys(
        &self,
        claims: Vec<XMatrix>,
        peer: Option<&Peer>,
    ) -> Result<Vec<Claim>, MatrixError> {
        let us = &self.identity.server_name;
        // Checked before any key is fetched; the signature alone would tell too.
        if claims.iter().filter_map(|it| it.destination.as_ref()).any(|it| it != us) {
            return Err(MatrixError::unauthorized(format!("this server is {us}")));
        }
        let mut found = Vec::new();
        let mut unknown = None;
        for credentials in claims {
            match self.key_of(&credentials, peer).await? {
                Some(key) => found.push(Claim { credentials, key }),
                None => unknown = Some(unknown_key(&credentials)),
            }
        }
        match unknown {
            Some(unknown) if found.is_empty() => Err(unknown),
            _ => Ok(found),
        }
    }

    async fn key_of(
        &self,
        claim: &XMatrix,
        peer: Option<&Peer>,
    ) -> Result<Option<Base64>, MatrixError> {
        let (now_ms, asker) = (self.keys.now_ms(), peer.map_or(Asker::Own, Asker::Claim));
        let key_id = Some(claim.key.as_str());
        let keys = self.keys.shared_keys_of(&claim.origin, key_id, now_ms, asker).await;
        match keys {
            Ok(keys) => {
                let of_origin = keys.get(claim.origin.as_str());
                Ok(of_origin.and_then(|keys| keys.get(claim.key.as_str())).cloned())
            }
            Err(KeyError::Database(error)) => Err(error.into()),
            // What was found where the claim pointed is not for whoever made it.
            Err(error @ KeyError::Unavailable { .. }) => {
                tracing::debug!(%error, "a request cannot be verified");
                Ok(None)
            }
        }
    }

    /// Counts a request of `origin`, which signed it: nobody can use up what is somebody else's.
    fn count(&self, origin: &OwnedServerName) -> Result<(), MatrixError> {
        let counted = self.rates.as_ref().map_or(Ok(()), |rates| rates.take(origin));
        counted.map_err(|wait| {
            MatrixError::limit_exceeded(format!("{origin} makes too many requests"), wait)
        })
    }

    /// Returns the origin, if one of `claims` is its signature under `request` for us.
    fn verify(
        &self,
        claims: &[Claim],
        request: &Request<Bytes>,
    ) -> Result<OwnedServerName, MatrixError> {
        let unsigned = || MatrixError::unauthorized("this is not the signature of the request");
        let origin = &claims.first().ok_or_else(unsigned)?.credentials.origin;
        let about = AboutRequest::new(request, origin, &self.identity.server_name);
        let proof = |claim: &Claim| about.signed(&claim.credentials, claim.key.as_bytes());
        if claims.iter().any(|claim| proof(claim).is_known()) {
            return Ok(origin.clone());
        }
        let text = about.text(request.body()).map_err(not_json)?;
        let signs = |claim: &&Claim| {
            let XMatrix { key, sig, .. } = &claim.credentials;
            let (algorithm, key) = (key.algorithm(), claim.key.as_bytes());
            verify_canonical_json_bytes(&algorithm, key, sig.as_bytes(), &text).is_ok()
        };
        let signed = claims.iter().find(signs).ok_or_else(unsigned)?;
        proof(signed).learn();
        Ok(origin.clone())
    }
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
