//! Whether a message could reach somebody, by the faults that were in force: what is impossible is
//! excused, and what was possible is owed.
//!
//! Whether one machine can hand something to another changes with time, and whoever has something
//! keeps it until the other can be reached: a way from one to another is a path through time. The
//! questions asked of it need opposite caution. To excuse that nothing came, there must certainly
//! have been no way ([`path`]); to blame somebody for it, a way must certainly have been open
//! ([`Troubles::calm`]). What is in doubt neither excuses nor blames.
//!
//! - `outages`: when machines and links could not be used, and whose disks were lost, read from the
//!   journal's faults.
//! - `forgotten`: whether a backend may know no more what it knew once.
//! - `shown`: whether a device cannot have been shown what was promised to it, because a disk was lost.
//! - `expired`: what is kept for a while only, and for how long.
//! - `doubts`: what is pending for ever, because the only one who could end it has lost its disk.
//! - `last_copies`: whether the only copy of something that was on its way was lost.
//! - `left`: whether those who could tell a backend had left without having heard of it.
//! - `two_leaves`: whether two backends hold two leaves of one user that say the same.
//! - `disputed`: whether backends may judge an event by another power of its sender.
//! - `soft_failed`: whether a backend knew of the removal of an event's sender before the event came.
//! - `withheld`: whether a lying backend told others of an event and not this one, or hid its key.
//! - `path`: whether there may have been a path through time, and if not, what cut it.

mod disputed;
mod doubts;
mod expired;
mod forgotten;
mod last_copies;
mod left;
mod outages;
mod path;
mod shown;
mod soft_failed;
mod two_leaves;
mod withheld;

pub(crate) use self::{
    disputed::{disputed, is_disputed, judged_beside},
    doubts::{never_done, still_pending},
    expired::{expired, gone},
    forgotten::{forgotten_memberships, had_forgotten, is_forgotten},
    last_copies::lost_on_its_way,
    left::{left_unaware, left_untold},
    outages::{DiskLoss, Outages, Troubles},
    path::{Reach, reach},
    shown::{excuse, forgotten_before_refusal, lost_join, untold_decision},
    soft_failed::soft_failed,
    two_leaves::two_leaves,
    withheld::{unverified, withheld},
};
