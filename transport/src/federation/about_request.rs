//! What decides whether a signature under a request is valid, hashed.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Request;
use ruma::{ServerName, api::federation::authentication::XMatrix, signatures::Ed25519KeyPair};

use super::{
    Proof,
    canonical::{self, NotCanonical},
};

/// A request and the two servers that it is between. Its body is hashed once, however many
/// signatures are asked about.
pub(super) struct AboutRequest<'r> {
    method: &'r str,
    target: &'r str,
    origin: &'r ServerName,
    destination: &'r ServerName,
    body: blake3::Hash,
}

impl<'r> AboutRequest<'r> {
    pub(super) fn new(
        request: &'r Request<Bytes>,
        origin: &'r ServerName,
        destination: &'r ServerName,
    ) -> Self {
        let target = request.uri().path_and_query().map_or("", |target| target.as_str());
        let body = blake3::hash(request.body());
        Self { method: request.method().as_str(), target, origin, destination, body }
    }

    /// Returns what is signed: the request as canonical JSON, whatever numbers its `body` has
    /// (server-server API, "Request Authentication").
    pub(super) fn text(&self, body: &[u8]) -> Result<Vec<u8>, NotCanonical> {
        let mut text = Vec::with_capacity(body.len() + 512);
        text.push(b'{');
        if !body.is_empty() {
            text.extend_from_slice(b"\"content\":");
            canonical::append(body, &mut text)?;
            text.push(b',');
        }
        let about = BTreeMap::from([
            ("destination", self.destination.as_str()),
            ("method", self.method),
            ("origin", self.origin.as_str()),
            ("uri", self.target),
        ]);
        let about = serde_json::to_string(&about)?;
        text.extend_from_slice(about.trim_start_matches('{').as_bytes());
        Ok(text)
    }

    /// Returns what stands for the statement that `claim` is the signature by `public_key`.
    pub(super) fn signed(&self, claim: &XMatrix, public_key: &[u8]) -> Proof {
        self.proof("request", [claim.key.as_str().as_bytes(), public_key, claim.sig.as_bytes()])
    }

    /// Returns what stands for everything that decides what the signature by `key` will be.
    pub(super) fn unsigned(&self, key: &Ed25519KeyPair) -> Proof {
        let parts = [key.version().as_bytes(), &key.public_key()];
        self.proof("unsigned request", parts)
    }

    fn proof<const N: usize>(&self, kind: &str, key: [&[u8]; N]) -> Proof {
        let texts = [self.origin.as_str(), self.destination.as_str(), self.method, self.target];
        let parts = texts.into_iter().map(str::as_bytes).chain(key);
        Proof::of(kind, parts.chain([self.body.as_bytes().as_slice()]))
    }
}
