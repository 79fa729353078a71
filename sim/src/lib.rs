//! The simulated world: machines on a network, each with a disk, a clock and entropy, driven event
//! by event on one thread, so that the same seed gives the same journal, byte for byte.
//!
//! Reading order:
//! - [`World`]: build machines, boot nodes, break things. [`run`] drives it.
//! - [`Node`]: what runs on a machine: anybody's server, written against `transport::Host`.
//! - [`fault`]: what can be broken, each fault with one written meaning, and what it touched.
//! - [`journal`] (the crate): everything that the network saw, decoded, and every fault, disk sync
//!   and note.
//! - `runner`: the thread of a run, and the watch over it (`pulse`): nothing that a node does hangs
//!   it.
//! - `machine`: tasks of a machine, each poll of which makes that machine current; crash and kill.
//! - `scheduler`: a task order that is drawn from the seed, where a run asks for one.
//! - `network`: streams over links that delay and never lose for good.
//! - `logs`: what programs log, for those who ask for it.
//! - [`disk`]: the SQLite VFS, with an undo log per sector.
//! - [`tamper`]: an honest node whose messages are rewritten, withheld, or sent twice.
//!
//! Invariants:
//! - It knows machines and bytes, never homeservers or relays.
//! - Only the driver moves packets; only the executive polls a machine's tasks.
//! - A dead incarnation's sockets, tasks and disk handles can do nothing.

pub mod disk;
pub mod fault;
pub mod tamper;

mod executive;
mod host;
mod logs;
mod machine;
mod network;
mod pulse;
mod runner;
mod scheduler;
mod world;

pub use journal::{Ended, Latency, Misbehavior, Schedule};

pub use self::{
    executive::{Outcome, run},
    logs::LogLine,
    network::LinkConfig,
    world::{MAX_ENTRIES, MachineState, Node, World, WorldConfig},
};
