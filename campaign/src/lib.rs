//! A search that many machines share, of which nothing is lost when one of them dies.
//!
//! Reading order:
//! - [`plan`]: what a campaign is: scenarios, how many runs, of which build. [`block`]: a scenario and
//!   a range of seeds, which one worker plays in about a second, and what came of it.
//! - [`key`]: everything that is written down, each thing under a name of its own.
//! - [`queue`]: the seam: hands out items of work for a time, and keeps what is written down.
//!   [`folder`] is one for the threads and processes of a machine, without any service, and for a
//!   part of a campaign that nobody shares; `nats` (feature `nats`) one for many machines.
//! - [`picture`]: what is known of a campaign, made of what was written down, in any order.
//! - [`desk`]: a queue and the picture of it. [`feeder`]: which block comes next.
//! - `clock`: how long something lasts.
//! - [`worker`]: the threads of a process. `work` does one item: claims it, then `play`s a block, or
//!   plays it once more, shrinks a finding, looks for the canary.
//! - [`summary`]: what a campaign came to, and which figures reports show.
//!
//! Invariants:
//! - What is written down once never changes: a block is decided once, and the first result counts.
//! - A result is written down before its item is done with. So whoever dies between any two lines
//!   loses nothing, and what is played twice counts once.
//! - Nothing that comes from the queue is executed: a block is the text of a scenario file, read and
//!   checked as any file, with limits, and its text must have the hash that names it.
//! - Every block is played by the build that the campaign names, or refused.
//! - No credential is ever part of a message or of what is written down.

pub mod alone;
pub mod block;
mod clock;
pub mod desk;
pub mod feeder;
pub mod folder;
pub mod key;
#[cfg(feature = "nats")]
pub mod nats;
pub mod picture;
pub mod plan;
mod play;
pub mod queue;
pub mod server;
pub mod summary;
mod work;
pub mod worker;

pub use self::{
    desk::Desk,
    folder::Folder,
    key::{Item, Key},
    picture::Picture,
    plan::Plan,
    queue::{Queue, Trouble},
};

/// Whether this build can reach a NATS server.
pub const HAS_NATS: bool = cfg!(feature = "nats");

/// Returns the milliseconds since 1970, by the clock of this machine.
pub fn now_ms() -> u64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
