//! Scenarios: an experiment on a federation as data.
//!
//! Reading order:
//! - [`scenario`]: the data: network, backends, relays, users, conversations, operations, faults,
//!   expectations. [`builder`] writes it in Rust, [`language`] reads it from TOML.
//! - [`duration`]: how times are written.
//! - [`vocabulary`]: what scenarios on a federation can name: its endpoints and its checks.
//!   [`endpoint`]: which of them a request is for.
//!
//! Invariants:
//! - Nothing here plays a scenario or judges one: no world, no server, no check is known.
//! - A mistake of a file is told with its place and a remedy, all of them at once.

pub mod builder;
pub mod duration;
pub mod endpoint;
pub mod language;
pub mod scenario;
pub mod vocabulary;

pub use self::{scenario::Scenario, vocabulary::Vocabulary};
