//! Searches for the scenario that breaks a promise, and makes it small enough to read.
//!
//! Reading order:
//! - [`trial`]: plays one scenario and says what came of it.
//! - [`places`] and [`ways`]: where a run can be broken, how, and what clients can do meanwhile.
//! - [`sources`]: where scenarios to try come from: one file for each way of searching.
//! - [`situations`] and [`coverage`]: which situations of the protocol a run reached, and what that
//!   says about those that no run has reached yet.
//! - [`campaign`]: the loop that draws, plays, judges, counts and keeps. [`failure`] groups what it
//!   found.
//! - [`mod@shrink`]: makes a scenario that fails small, and says why what is left is needed.
//! - [`hunt`]: how fast a known defect is found, which is what a search is measured by.
//! - [`offspring`]: what is made of one scenario and a seed alone, for machines that search together.
//! - [`workers`]: several runs at once, with their results in order.
//!
//! The feature `homeservers` has [`hunt`], and what explores our own homeservers.
//!
//! Invariants:
//! - The same scenarios, seed and number of runs give the same campaign, on any number of threads.
//! - This crate chooses what to play. `runs` plays it, and `checks` alone says whether a promise was
//!   broken.

pub mod campaign;
pub mod coverage;
pub mod failure;
#[cfg(feature = "homeservers")]
pub mod hunt;
pub mod offspring;
pub mod places;
pub mod shrink;
pub mod situations;
pub mod sources;
pub mod trial;
pub mod ways;
pub mod workers;

pub use self::{
    campaign::{Campaign, Exploration},
    coverage::Coverage,
    failure::Failure,
    shrink::{Shrunk, shrink},
    sources::{Candidate, Method},
    trial::{Subject, Trial, Violation},
};
