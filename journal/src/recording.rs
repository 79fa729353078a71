//! Everything that a world wrote down of one run.

use std::time::Duration;

use crate::{Ended, Journal, fault::FaultReport};

/// Everything that a world wrote down of one run: all that is needed to judge it, today or later,
/// here or elsewhere.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Everything that happened.
    pub journal: Journal,
    /// Every fault, by its number from 1.
    pub faults: Vec<FaultReport>,
    /// Why the run ended.
    pub ended: Ended,
    /// When, in simulated time.
    pub at: Duration,
}
