//! What the snippets in the pages of `docs` take for granted, and the snippets themselves, which
//! `cargo test` compiles (and does not run).

use std::path::Path;
pub use std::sync::Arc;

pub use checks::record::Verdict;
pub use runs::{Homeservers, Homeservers as Echo, Options, run_on, world::Simulated};
pub use scenarios::{Scenario, language, vocabulary::HOMESERVERS as ECHO};
pub use transport::Host;
pub use turmoil_world::{Machine, Turmoil};

/// The values that the pages use. (In the pages, `ECHO` and `Echo` are the vocabulary and the
/// federation of the example; ours, which stand in for them here, have the same types.)
#[expect(missing_debug_implementations, reason = "a turmoil simulation has none")]
pub struct Given<'a> {
    /// A simulation that is being set up.
    pub sim: turmoil::Sim<'a>,
    /// A machine in it.
    pub machine: Arc<Machine>,
    /// A scenario that was read.
    pub scenario: Scenario,
    /// A seed to run it with.
    pub seed: u64,
    /// The file to read a scenario from.
    pub path: &'a Path,
}

/// Runs a node.
pub async fn bank(host: Host) -> Result<(), String> {
    host.open("bank").await.map(drop).map_err(|error| error.to_string())
}

#[cfg(doctest)]
include!(concat!(env!("OUT_DIR"), "/snippets.rs"));
