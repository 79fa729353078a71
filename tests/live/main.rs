//! The live world: scenarios on real processes come to the verdicts of the simulated world, servers
//! that do not do their part are named, and nothing is left of a run, however it ends.
#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod agreement;
mod command;
mod leftovers;
mod trouble;
