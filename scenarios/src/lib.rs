//! Scenarios: an experiment on a federation as data.
//!
//! Reading order:
//! - [`scenario`]: the data: network, backends, relays, users, conversations, operations, faults,
//!   expectations. [`builder`] writes it in Rust, [`language`] reads it from TOML.
//! - [`duration`]: how times are written.
//! - [`vocabulary`]: what the scenarios of a federation can name: its endpoints and its checks.
//!   [`endpoint`]: which endpoint a request is for.
//!
//! Invariants:
//! - Nothing here plays a scenario or judges one: no world, server or check is known here.
//! - All mistakes of a file are reported at once, each with its place and a remedy.

pub mod builder;
pub mod endpoint;
pub mod language;
pub mod scenario;
pub mod vocabulary;

pub use journal::duration;

pub use self::{scenario::Scenario, vocabulary::Vocabulary};
