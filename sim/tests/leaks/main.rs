//! Nothing of a world is left when it is over, however it ends, and however many have been before.
#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod busy;
mod endings;
mod process;
