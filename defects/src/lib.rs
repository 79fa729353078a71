//! Known defects of real systems, and some of our own, each a named switch: what a harness that
//! looks for defects is measured by.
//!
//! Reading order:
//! - [`Defect`]: the closed set; what each one does wrong, and where it was seen.
//! - [`planted`]: what a server asks, at the one place where the defect would be.
//! - [`plant`]: turns one on for this thread, and so for the simulated world that runs on it.
//!
//! Invariants:
//! - Without the feature `planted` nothing can be turned on: [`planted`] is a constant then, and
//!   what it guards is not compiled into a server.
//! - At most one defect is planted at a time, and on one thread: worlds that run on other threads
//!   know nothing of it.
//! - What finds a defect is not said here: whoever searches must not be able to look it up.

mod defect;
mod switch;

pub use self::{
    defect::{Defect, Source, System},
    switch::{CAN_PLANT, Planted, plant, planted},
};
