//! Plays scenarios: boots a federation in a world, lets clients work while faults happen, repairs
//! everything, lets the world settle, and hands the journal to the checks.
//!
//! Reading order:
//! - [`run`] and [`run_on`]: one run, from a scenario and a seed.
//! - [`federation`]: what a scenario is played on: our nodes or anybody else's. [`homeservers`] is
//!   ours.
//! - [`world`]: where it is played; [`world::Simulated`] unless somebody says otherwise.
//! - `faults`: begins each fault at its time or trigger, and ends it.
//! - `byzantine`: what makes the messages of an honest node dishonest.
//!
//! The feature `homeservers` has what knows our own homeservers: `homeservers`, `byzantine`, and the
//! functions that play a scenario on them.
//!
//! Invariants:
//! - Whatever a run finds out, it notes in the journal, where checks read it; nothing else is
//!   handed to them.
//! - This crate plays; `checks` decides.

#[cfg(feature = "homeservers")]
mod byzantine;
mod faults;
pub mod federation;
#[cfg(feature = "homeservers")]
pub mod homeservers;
mod run;
pub mod world;

pub use self::{
    faults::disk_faults,
    federation::Federation,
    run::{Options, run_on, simulate_on},
};
#[cfg(feature = "homeservers")]
pub use self::{
    homeservers::Homeservers,
    run::{judge, run, simulate, verdict},
};
