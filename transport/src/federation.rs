//! Signed requests between servers: who we are, whose keys we know, calls out and calls in.
//!
//! - [`Identity`]: this server's name and keys.
//! - [`KeyRing`]: this and other servers' public keys, fetched from `/_matrix/key/v2/server`, kept
//!   in the node's database, with their validity respected; and the [`Contact`] that a server
//!   publishes with them.
//! - [`SealingKey`]: seals what only its recipient reads.
//! - [`Federation`]: typed calls to other servers, each signed with `X-Matrix`.
//! - [`Proof`]: signatures that are known to be valid and are not verified again.
//! - [`claims`]: whose a request says that it is; [`canonical_json`]: what is signed of its body.
//! - [`Signed`]: the axum extractor that lets a handler see only requests whose `X-Matrix`
//!   signature is valid.

mod about_request;
mod call;
mod canonical;
mod claim;
mod contact;
mod identity;
mod keys;
mod proven;
mod sealed;
mod signed;

use crate::host::{Database, DatabaseError};

pub use self::{
    call::{CallError, Federation, address_of},
    canonical::{NotCanonical, canonical_json},
    claim::claims,
    contact::{Contact, MAX_PUBLISHED_RELAYS},
    identity::{Identity, MAX_KEYS, OldKeys, Opening, Record, SEED_BYTES},
    keys::{KeyError, KeyRing, MAX_VALIDITY_MS},
    proven::Proof,
    sealed::{SEALING_KEY_BYTES, SealError, Sealed, SealingKey},
    signed::{Authenticated, Signed, SignedBytes, json_answer, ruma_answer},
};

/// Brings the tables of this layer up to date, in the database of a node. [`Identity::open`] and
/// [`KeyRing::open`] do so too.
///
/// # Errors
/// The disk refuses, or the database was written by a newer program.
pub async fn install(database: &Database) -> Result<(), DatabaseError> {
    identity::install(database).await?;
    keys::store::install(database).await
}
