//! A second world: the machine of a node, `transport::Host`, made of stock turmoil, so that the
//! same nodes run in a `turmoil::Sim`, and the same scenarios come to the same verdicts there.
//!
//! Reading order:
//! - [`Machine`]: for people who have turmoil tests. Its [`Machine::run`] is the software of a
//!   turmoil host; its disk loses what was not synced. [`host`] is the shortest way to try.
//! - `net`, `clock`, `tasks`: the parts of that host.
//! - [`Turmoil`]: whole scenarios of fedsim in a turmoil simulation; `world` behind it. Behind the
//!   feature `scenarios`, which is on by default.
//!
//! `docs/turmoil.md` tells how turmoil's model differs from that of fedsim's own world.

mod clock;
mod entropy;
mod machine;
mod net;
mod tasks;

#[cfg(feature = "scenarios")]
mod obstacles;
#[cfg(feature = "scenarios")]
mod universe;
#[cfg(feature = "scenarios")]
mod world;

pub use self::machine::{Machine, host};
#[cfg(feature = "scenarios")]
pub use self::{
    obstacles::{LONGEST, MOST_MACHINES, obstacles},
    universe::Turmoil,
};
