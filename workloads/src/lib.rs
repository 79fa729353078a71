//! What is measured, by `fedsim bench` and by the benchmarks in `benches/` alike.
//!
//! Reading order:
//! - [`plain`]: a plain axum program; [`simulated`], [`stock_turmoil`] and [`loopback`] run it,
//!   each in a world of its own, so that only the worlds differ.
//! - [`commits`]: one row after another into a database, on two disks.
//! - [`servers`]: homeservers and relays to which nothing happens.
//! - [`load`]: clients and a hostile member of a real homeserver.
//! - [`federations`]: whole scenarios, boot to verdict.
//! - [`yardstick`]: fixed work of nobody's that is here, to measure machines by.
//! - [`clock`]: how long something took.
//!
//! A workload says what it did, or that it did not do it: one that does nothing is quick. What that
//! took is for the caller to measure, except where setting it up must not count.

pub mod clock;
pub mod commits;
pub mod federations;
pub mod load;
pub mod loopback;
pub mod plain;
pub mod servers;
pub mod simulated;
pub mod stock_turmoil;
pub mod yardstick;
