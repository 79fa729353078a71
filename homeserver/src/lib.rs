//! A Matrix homeserver with M1 delivery: a message reaches every backend of a conversation, or
//! none.
//!
//! Four layers, each calling only the one below, and speaking upwards through a handler it is
//! given:
//! - transport (the crate of that name): HTTP, signatures, keys;
//! - [`transaction`]: idempotent transactions in, one in flight out, back-off, relays;
//! - [`pdu`]: the receipt checks, the graph of each room and its state, missing events;
//! - [`messaging`]: users, rooms and membership, notifications; and on top of it `delivery`, which
//!   sends by each room's policy.
//!
//! Below them: [`core`] (what they share), [`event`] (what an event is), [`store`] (the one
//! database). Above them the edge: the `federation_api`, the `client_api` and the [`admin`] API, and
//! what these share, `edge`; HTTP statuses are told there alone. Beside it `metrics`, for whoever
//! watches. Read [`Homeserver::start`] first: it puts everything together.
//!
//! Invariants:
//! - Nothing is acknowledged before it is durable; nothing is sent before it is stored.
//! - At most one transaction is in flight per destination.
//! - Every event that becomes part of a room went through all receipt checks.
//! - The outside world is reached through [`transport::Host`] only.

pub mod admin;
mod client_api;
mod config;
pub mod core;
mod delivery;
mod edge;
pub mod event;
mod federation_api;
pub mod messaging;
mod metrics;
pub mod pdu;
mod start;
pub mod store;
pub mod transaction;

/// The names of the databases on its disk.
pub const DATABASES: [&str; 2] = [store::DATABASE, store::media::DATABASE];

pub use self::{
    config::{Config, ConfigFile, Machine},
    start::{Homeserver, StartError, install},
};
