//! The ground floor of every world: what it writes down of a run, which is all that checks read.
//!
//! Reading order:
//! - [`Entry`]: a number, a moment, a machine, a cause, and an [`Event`].
//! - [`Journal`]: the entries of one run, in order; [`hash`] tells two runs apart.
//! - [`Recording`]: that journal, with how the run [`Ended`] and what its faults did.
//! - [`recorder`]: writes all of it; every world has one.
//! - [`kept`]: a recording as a file, and back.
//! - [`fault`]: what triggers wait for, which links are meant; and the ledger of faults: when each
//!   was in force, and what it touched.
//! - [`http`]: HTTP messages read off the bytes of a connection, as a network sees them.
//! - [`duration`]: how times are written, and read.
//! - [`Supervisor`]: when a world starts a program again that has failed.
//! - [`random`]: one named stream per (seed, purpose), from which everything by chance is drawn.
//!
//! Invariants:
//! - A world writes the journal, never a node under test.
//! - Nothing here knows a world, a server, or a check.

pub mod duration;
mod ending;
mod entries;
mod entry;
pub mod fault;
pub mod http;
pub mod kept;
mod latency;
pub mod random;
pub mod recorder;
mod recording;
mod schedule;
mod supervisor;

pub use self::{
    ending::{Ended, Misbehavior},
    entries::{Journal, MAX_BYTES, hash},
    entry::{Answer, ConnectFailed, Entry, Event, Loss, Request, nanoseconds},
    latency::Latency,
    recording::Recording,
    schedule::{MOST_PRIORITIES, Schedule},
    supervisor::{FIRST_RESTART, LONGEST_RESTART, Supervisor},
};
