//! A recording as a file: written when a run ends, read back by whoever judges it again.
//!
//! One JSON object a line: a [`Header`], each entry with the bodies that it carries, how the run
//! ended and what its faults did, and last a hash over all lines before it. Compressed with zstd
//! where a run writes it; what somebody else's tool recorded may come as plain text, and without
//! the hash. `docs/journal.md` describes it for others; [`schema`] is generated from the types
//! here.
//!
//! - `lines`: the lines as types.
//! - [`write()`]: a recording to lines.
//! - [`read`](read()): lines to a recording, or
//!   [`Malformed`], with the line and the field.

mod lines;
mod read;
mod validate;
mod write;

pub use self::{
    lines::schema,
    read::{Malformed, read},
    write::write,
};
use crate::Recording;

/// What the first line of every kept journal names.
pub const FORMAT: &str = "fedsim-journal";

/// The version of the format that is written, and the only one that is read.
pub const VERSION: u32 = 1;

/// What a recording is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The program whose federation was played, as its vocabulary names it.
    pub program: String,
    /// Its version.
    pub version: String,
    /// The scenario that was played, as text in the scenario language.
    pub scenario: String,
    /// The file that it came from, as it was named.
    pub file: Option<String>,
    /// What the run was repeated from.
    pub seed: u64,
}

/// A recording that was read back.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What it is of.
    pub header: Header,
    /// What the world wrote down.
    pub recording: Recording,
}

#[cfg(test)]
mod tests;
