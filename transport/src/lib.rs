//! The bottom layer, shared by homeserver, relay and simulator: the machine a node runs on, HTTP
//! in and out, signed requests, and server keys.
//!
//! Reading order:
//! - [`host`]: everything a node may touch. The seam between a node and the simulator.
//! - [`real`]: that machine made of sockets, files, threads and the system clock.
//! - [`database`]: schema migrations, and what SQLite is told when a database is opened.
//! - [`http`]: a server loop for an `axum::Router`, and a client with deadlines and limits.
//! - [`error`]: the Matrix error, as every node answers it.
//! - [`bounds`]: how deep JSON may be that comes from outside. [`object`]: what of it is an object.
//! - [`federation`]: `X-Matrix` signing and verification, own and remote server keys, typed calls.
//! - [`endpoints`]: the wire types that ruma lacks: Dendrite's relay endpoints, and M1.
//! - [`rates`]: how often something may be done. [`metrics`]: figures for Prometheus.
//! - [`settings`]: files by which operators set a server. [`logged`]: which records of a log are written.
//! - [`Lock`]: what every node locks with.
//!
//! The feature `federation` has what is Matrix's: [`federation`] and [`endpoints`].
//!
//! Invariant: nothing here knows of rooms, relays' mailboxes, or the simulator.

pub mod bounds;
pub mod database;
#[cfg(feature = "federation")]
pub mod endpoints;
pub mod error;
#[cfg(feature = "federation")]
pub mod federation;
pub mod host;
pub mod http;
mod lock;
pub mod logged;
pub mod metrics;
pub mod object;
pub mod rates;
pub mod real;
pub mod settings;

pub use self::{
    error::MatrixError,
    host::{BoxFuture, Database, DatabaseError, Host, Transaction},
    lock::Lock,
};
