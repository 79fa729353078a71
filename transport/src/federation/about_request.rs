//! What decides whether a signature under a request is valid, hashed.

use bytes::Bytes;
use http::Request;
use ruma::{ServerName, api::federation::authentication::XMatrix, signatures::Ed25519KeyPair};

use super::Proof;

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
