//! The simulated world, shown on plain programs: no homeserver, no relay.
#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod breaking;
mod determinism;
mod faults;
mod incarnations;
mod journal;
mod links;
mod misbehaving;
mod schedules;
mod sockets;
mod support;
mod tamper;
