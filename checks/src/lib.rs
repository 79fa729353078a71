//! What a federation promises its users, judged on what a world wrote down, and on nothing else.
//!
//! Reading order:
//! - [`history`]: what happened, read from a [`journal::Journal`] in one pass; [`history::Note`]
//!   is the vocabulary in which whoever plays a scenario writes down what clients saw.
//! - [`promises`]: the checks, one file each. A [`judgment`] is what one of them finds; [`judge`]
//!   runs all that a scenario names. `reachability` tells what was possible at all.
//! - [`record`]: a run as one value, from which every report is made and every replay starts;
//!   [`judged`] makes it, and [`rejudged`] makes it from a journal that was kept.
//! - [`price`]: what a delivery policy gives and costs, over many runs.
//!
//! Invariants:
//! - A journal is enough: no world, server, socket or database is known here, so that a run in any
//!   world, of anybody's servers, is judged the same way, even long after it was played.
//! - This crate decides; `reports` only shows.

pub mod history;
pub mod judgment;
pub mod price;
pub mod promises;
pub mod record;

mod kept;
mod reachability;
mod recording;
mod selection;

pub use self::{
    judgment::{Finding, Judgment},
    kept::{Unjudged, header, rejudged},
    promises::{CHECKS, Check, HOMESERVERS, MAX_PDUS, Promises, about, find, names},
    record::Record,
    recording::{Played, Run, Verdicts, judged, verdicts},
    selection::judge,
};
