//! The command `fedsim`: runs scenarios on fedsim's own homeservers and relays. All that it does is
//! in the library beside it, which gives the same command to any federation.

use std::process::ExitCode;

use fedsim::runs::Homeservers;

/// Runs of many machines make many small allocations. This allocator replaces C's `malloc` too, so
/// that SQLite uses it: with the system's, a third of a short run's time went into pages that were
/// given back to the kernel and taken again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    fedsim::cli(Homeservers::default)
}
