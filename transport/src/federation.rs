//! Signed requests between servers: who we are, whose keys we know, calls out and calls in.
//!
//! - [`Identity`]: this server's name and signing key.
//! - [`KeyRing`]: this and other servers' public keys, fetched from `/_matrix/key/v2/server`, kept
//!   in the node's database, with their validity respected.
//! - [`Federation`]: typed calls to other servers, each signed with `X-Matrix`.
//! - [`Proof`]: signatures that are known to be valid and are not verified again.
//! - [`Signed`]: the axum extractor that lets a handler see only requests whose `X-Matrix`
//!   signature is valid.

mod call;
mod identity;
mod keys;
mod proven;
mod signed;

pub use self::{
    call::{CallError, Federation, address_of},
    identity::{Identity, SEED_BYTES},
    keys::{KeyError, KeyRing},
    proven::Proof,
    signed::{Authenticated, Signed, SignedBytes, json_answer, ruma_answer},
};
