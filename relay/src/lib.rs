//! A mailbox for homeservers: who cannot reach a destination leaves transactions here, and the
//! destination takes them when it is back.
//!
//! On the wire this is Dendrite's relay (`PUT send_relay`, `GET relay_txn`); beneath, a durable
//! store with one owner per entry. Reading order:
//! - [`Config`]: what an operator can set; `policy`: whom and how much the relay serves.
//! - `transaction`: what is kept of a transaction, and what of it goes stale; `refusal`: every way
//!   in which the relay says no.
//! - `forwarder`: accepts a transaction and stores it. `retriever`: hands out the oldest entry, and
//!   deletes what was acknowledged. Both stand on `store`, and ask `switch` whether relaying is on.
//! - `delivery`: the sender-side mode, which keeps trying to reach the destination itself.
//! - `rules`: the policy as it stands, with what an operator has said at run time; `reserve`: what is set
//!   aside of the disk for those who empty it.
//! - `events`: what happened, counted and told in one place; `metrics`: for whoever watches.
//! - `sweep`: expiry, which a jump of the clock does not bring forward. [`admin`]: what an operator
//!   can see and do.
//! - [`maintenance`]: what is done with the database of a relay that need not run.
//! - `api`: the routes, and the only place that knows of HTTP statuses. `relay`: the start.
//!
//! Invariants:
//! 1. A transaction is answered with 200 only after one commit that holds all of it.
//! 2. An entry leaves the store in five ways only: acknowledged by its destination after it was
//!    handed out to it, delivered by the relay itself, expired, purged by an operator, set aside
//!    into the quarantine. No entry makes room for another.
//! 3. Entry ids are never reused, and an entry has one destination, which alone sees it.
//! 4. What a PDU's bytes were when they came, they are when they go.

pub mod admin;
mod api;
mod config;
mod delivery;
mod events;
mod forwarder;
pub mod maintenance;
mod metrics;
mod policy;
mod refusal;
mod relay;
mod reserve;
mod retriever;
mod rules;
mod store;
mod sweep;
mod switch;
mod transaction;

pub use self::{
    config::{Config, ConfigFile, LEGAL_BODY_BYTES, Machine},
    events::TARGET as EVENTS,
    policy::ENTRY_OVERHEAD,
    relay::{DATABASE, Relay, StartError, install},
};
