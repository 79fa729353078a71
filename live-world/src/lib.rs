//! A third world: scenarios against real processes on this machine, in real time. Backends and
//! relays are programs of any kind; clients run in this process; all that they say to each other
//! passes through a gateway, which records, cuts, holds, delays, repeats and answers.
//!
//! Reading order:
//! - [`Live`]: the world of one scenario; [`obstacles`] says what processes cannot have.
//! - [`Servers`] and [`ServerKind`]: which program each backend and relay is, and how it is started.
//! - `addresses`: how an address on loopback tells who calls whom.
//! - `process`: programs, their namespaces, and what ends them, whatever becomes of this program.
//! - `gateway`: connections; `world`: machines, faults, the journal.
//!
//! Invariants:
//! - Nothing outside of loopback is ever addressed.
//! - What a process began is gone when the world is: processes, sockets, folders.
//! - `docs/live.md` tells what is the same as in the simulated world, and what is not.

mod addresses;
mod authority;
mod gateway;
mod kinds;
mod obstacles;
mod process;
mod servers;
mod universe;
mod world;

pub use self::{
    kinds::{Feature, ServerKind},
    obstacles::{LONGEST, MOST_MACHINES, caveats, duration, obstacles},
    servers::Servers,
    universe::Live,
};
