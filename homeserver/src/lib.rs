//! A Matrix homeserver with M1 delivery: a message reaches every backend of a conversation, or none.
//!
//! Four layers, each calling only the one below, and speaking upwards through a handler it is given:
//! - transport (the crate of that name): HTTP, signatures, keys;
//! - [`transaction`]: idempotent transactions in, one in flight out, back-off, relays;
//! - [`pdu`]: the receipt checks, the graph of each room and its state, missing events;
//! - [`messaging`]: rooms and membership, sending by the room's delivery policy, notifications.
//!
//! Beside them: [`core`] (what they share), [`store`] (the one database), the `federation_api`, the
//! `client_api` and the `admin` API, and the configuration. Read [`Homeserver::start`] first: it
//! puts everything together.
//!
//! Invariants:
//! - Nothing is acknowledged before it is durable; nothing is sent before it is stored.
//! - At most one transaction is in flight per destination.
//! - Every event that becomes part of a room went through all receipt checks.
//! - The outside world is reached through [`transport::Host`] only.

mod admin;
mod client_api;
mod config;
pub mod core;
pub mod event;
mod federation_api;
pub mod messaging;
pub mod pdu;
mod start;
pub mod store;
pub mod transaction;

pub use self::{
    config::Config,
    start::{Homeserver, StartError, install},
};
