//! Scenarios: an experiment on a federation as data, run in the simulated world and judged.
//!
//! Reading order:
//! - [`scenario`]: the data: network, backends, relays, users, conversations, operations, faults,
//!   expectations. [`builder`] writes it in Rust, [`language`] reads it from TOML.
//! - [`federation`]: what a scenario is run on: our nodes, or anybody's. [`world`]: where it is run.
//! - [`run`]: one run: boots the cluster, lets clients work while faults happen, repairs, settles.
//!   [`installation`]: what is on its nodes' disks before.
//! - [`byzantine`]: seats whose node is honest and whose messages are not.
//! - [`history`]: what happened, read out of the journal: the only thing that checks see.
//! - [`checks`]: the promises, one file each, and their verdicts.
//! - [`record`]: a run as one value, from which every report is made and every replay starts.
//!
//! Invariants:
//! - Checks read the journal and public APIs only, never a node's memory.
//! - This crate decides; `reports` only shows.

pub mod builder;
pub mod byzantine;
pub mod checks;
pub mod federation;
pub mod history;
pub mod installation;
pub mod language;
pub mod record;
pub mod run;
pub mod scenario;
pub mod world;

pub use self::{federation::Federation, record::Record, scenario::Scenario};
