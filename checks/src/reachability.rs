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
//! - `path`: whether there may have been a path through time, and if not, what cut it.

mod forgotten;
mod outages;
mod path;

pub(crate) use self::{
    forgotten::is_forgotten,
    outages::{Outages, Troubles},
    path::{Reach, reach},
};
