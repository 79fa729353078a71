//! Reads what a tamperer sees, and signs what it sends.

use bytes::Bytes;
use http::HeaderValue;
use ruma::{
    ServerName,
    api::federation::authentication::{XMatrix, XMatrixSigningInput},
    signatures::Ed25519KeyPair,
};
use scenarios::{endpoint, vocabulary::ENDPOINTS};
use sim::tamper::HttpMessage;

/// The field that carries a request's signature.
pub(super) const AUTHORIZATION: &str = "authorization";

/// Returns the claim of a signed request; none if it is not signed.
pub(super) fn claim(request: &HttpMessage) -> Option<XMatrix> {
    XMatrix::parse(request.header(AUTHORIZATION)?).ok()
}

/// Returns the same request with this claim.
pub(super) fn claiming(request: &HttpMessage, claim: &XMatrix) -> Option<HttpMessage> {
    let value = HeaderValue::from(claim);
    Some(request.clone().with_header(AUTHORIZATION, value.to_str().ok()?))
}

/// Returns the same request, validly signed by `key` in the name of `origin`.
pub(super) fn signed(
    request: &HttpMessage,
    origin: &ServerName,
    to: &str,
    key: &Ed25519KeyPair,
) -> Option<HttpMessage> {
    let plain = http::Request::builder()
        .method(request.method())
        .uri(request.target())
        .body(Bytes::clone(&request.body))
        .ok()?;
    let to = ServerName::parse(to).ok()?;
    let input = XMatrixSigningInput::new(origin.to_owned(), to.clone(), key);
    let claim = XMatrix::sign_http_request(&plain, input).ok()?;
    claiming(request, &claim)
}

/// Returns what the target of a request has where the path of the endpoint called `name` has
/// braces; none if the request is to another endpoint.
pub(super) fn arguments(name: &str, request: &HttpMessage) -> Option<Vec<String>> {
    let found = endpoint::find(ENDPOINTS, request.method(), request.target());
    let (_, _, template) = found.filter(|(found, ..)| *found == name)?;
    Some(endpoint::arguments(template, request.target()))
}
