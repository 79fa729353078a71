//! Plays scenarios: boots a federation in a world, lets clients work while faults happen, repairs
//! everything, lets the world settle, and hands what was written down to the checks.
//!
//! Reading order:
//! - [`run`] and [`run_on`]: one run, from a scenario and a seed.
//! - [`federation`]: what a scenario is played on: our nodes, or anybody's. [`homeservers`] is ours.
//! - [`world`]: where it is played; [`world::Simulated`] unless somebody says otherwise.
//! - `faults`: begins each fault at its time or trigger, and ends it.
//! - `byzantine`: seats whose node is honest and whose messages are not.
//!
//! Invariants:
//! - Whatever a run finds out it notes in the journal, where checks read it; nothing else is handed
//!   to them.
//! - This crate plays; `checks` decides.

mod byzantine;
mod faults;
pub mod federation;
pub mod homeservers;
mod run;
pub mod world;

pub use self::{
    faults::disk_faults,
    federation::Federation,
    homeservers::Homeservers,
    run::{Options, judge, run, run_on, simulate, verdict},
};
