//! The live world: scenarios on real processes come to the verdicts of the simulated world, servers
//! that do not do their part are named, and nothing is left of a run, however it ends.
#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

/// Ends the test that begins with it where processes may have no namespaces, and says so.
macro_rules! needs_namespaces {
    () => {
        if crate::command::has_no_namespaces() {
            return;
        }
    };
}

mod agreement;
mod command;
mod leftovers;
mod trouble;
