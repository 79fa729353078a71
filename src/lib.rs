//! The command `fedsim` as a library: runs the scenarios of a federation in the simulated world,
//! reports what they proved, and searches for the one that breaks a promise.
//!
//! [`cli`] is the whole command for any federation ([`runs::Federation`]): fedsim's own homeservers
//! and relays, or anybody's servers. `docs/your-own-server.md` walks through it. The crates that a
//! federation is written with are re-exported here, so that one dependency is enough.
//!
//! [`scenario_tests`] makes a test of each scenario file, and [`testing::passes`] of one.
//!
//! Reading order: [`program`] says whose command it is and begins it; `arguments` has the
//! subcommands and flags, `run` is the main subcommand; each other subcommand has a file of its own.
//! `exit` has the exit codes. `output` prints: results on standard output, progress and diagnostics
//! on standard error.

mod arguments;
#[cfg(feature = "homeservers")]
mod bench;
mod build;
mod campaign;
mod check;
#[cfg(feature = "homeservers")]
mod compare;
#[cfg(feature = "homeservers")]
mod defects;
mod divergence;
mod exit;
mod explain;
mod explore;
mod interrupt;
mod invocation;
mod judge;
mod kept;
mod list;
mod live;
mod new;
mod output;
mod part;
pub mod program;
pub mod reference;
mod replay;
mod report;
mod run;
mod schema;
mod seeds;
mod select;
mod serve;
mod show;
mod shrink;
mod stopwatch;
mod surface;
pub mod testing;
mod threads;
mod trial;

use std::process::ExitCode;

pub use ::{checks, journal, reports, runs, scenarios, sim, transport};

pub use self::program::Program;
use self::runs::Federation;

/// Runs the whole command, as its arguments say, for the federation that `found` makes: a fresh one
/// for each run. Returns the exit code of the process.
pub fn cli<F: Federation>(found: impl Fn() -> F + Send + Sync + 'static) -> ExitCode {
    Program::new(found).main()
}
