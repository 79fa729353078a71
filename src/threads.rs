//! How many runs go on at once, and what there is to say if a thread cannot be begun.

use std::{io, thread};

use crate::exit::{Exit, Stop};

/// Returns the number of threads that `--jobs` asks for; without it, that of the processors.
pub(crate) fn count(wanted: Option<u16>) -> usize {
    let processors = || thread::available_parallelism().map_or(1, usize::from);
    wanted.map_or_else(processors, usize::from)
}

/// Returns what threads that were begun came to; the error ends the command.
pub(crate) fn begun<T>(result: io::Result<T>) -> Result<T, Stop> {
    result.map_err(|error| Stop::because(Exit::Internal, format!("cannot begin a thread: {error}")))
}
