//! Faults in Rust: `partition(["a"], ["b"])`, `isolate("a")`, `crash("a")`,
//! `wrongs("a", Misdeed::Truncate)`.

use std::{num::NonZeroU64, time::Duration};

use super::Begin;
use crate::scenario::{
    After, AfterCrash, BodyReset, Change, DiskFault, Duplication, LinkChange, Misdeed,
    NetworkFault, NodeFault, Part, PeerFault, ProxyAnswer, Refusal, Shape, Taken,
};

/// Cuts the links between two groups, both ways.
pub fn partition<'n>(
    between: impl IntoIterator<Item = &'n str>,
    and: impl IntoIterator<Item = &'n str>,
) -> NetworkFault {
    NetworkFault::Partition { between: names(between), and: names(and), one_way: false }
}

/// Keeps what is sent between two groups, both ways, and delivers it in order in the end.
pub fn hold<'n>(
    between: impl IntoIterator<Item = &'n str>,
    and: impl IntoIterator<Item = &'n str>,
) -> NetworkFault {
    NetworkFault::Hold { between: names(between), and: names(and), one_way: false }
}

/// Makes the links from one group to another carry so many bytes a second.
pub fn slow_link<'n>(
    from: impl IntoIterator<Item = &'n str>,
    to: impl IntoIterator<Item = &'n str>,
    bandwidth: u64,
) -> NetworkFault {
    let change = Change { bandwidth: NonZeroU64::new(bandwidth), ..Change::default() };
    NetworkFault::Link(LinkChange { from: names(from), to: names(to), both_ways: false, change })
}

/// Resets the connection in the middle of the body of the next request from one group to another.
pub fn reset_request<'n>(
    from: impl IntoIterator<Item = &'n str>,
    to: impl IntoIterator<Item = &'n str>,
) -> NetworkFault {
    NetworkFault::Reset(reset(names(from), names(to), Part::Request))
}

/// Resets the connection in the middle of the body of the next answer to a request from one group
/// to another.
pub fn reset_answer<'n>(
    from: impl IntoIterator<Item = &'n str>,
    to: impl IntoIterator<Item = &'n str>,
) -> NetworkFault {
    NetworkFault::Reset(reset(names(from), names(to), Part::Answer))
}

fn reset(from: Vec<String>, to: Vec<String>, part: Part) -> BodyReset {
    BodyReset { from, to, part, after: After::Share(0.5) }
}

/// Delivers the next request from one group to another a second time, so much later.
pub fn duplicate<'n>(
    from: impl IntoIterator<Item = &'n str>,
    to: impl IntoIterator<Item = &'n str>,
    after: Duration,
) -> NetworkFault {
    let (from, to) = (names(from), names(to));
    NetworkFault::Duplicate(Duplication { from, to, probability: None, after })
}

/// A front proxy that answers every request to a machine with a status.
pub fn answers(node: &str, status: u16) -> NetworkFault {
    let (machine, to) = (node.to_owned(), Vec::new());
    NetworkFault::Answers(ProxyAnswer { machine, to, status, retry_after: None, share: 1.0 })
}

/// A machine that refuses connections.
pub fn refuse(node: &str) -> NetworkFault {
    NetworkFault::Refuse(Refusal { machine: node.to_owned(), port: None })
}

/// A machine that takes connections and hands nothing on.
pub fn hang(node: &str) -> NetworkFault {
    NetworkFault::Hang { node: node.to_owned() }
}

/// Cuts a backend off from every other.
pub fn isolate(one: &str) -> NetworkFault {
    NetworkFault::Shape(Shape::Isolate { one: one.to_owned(), of: Vec::new() })
}

/// Cuts a list in the middle.
pub fn halves<'n>(of: impl IntoIterator<Item = &'n str>) -> NetworkFault {
    NetworkFault::Shape(Shape::Halves { of: names(of) })
}

/// Cuts all links but those between neighbors.
pub fn ring<'n>(of: impl IntoIterator<Item = &'n str>) -> NetworkFault {
    NetworkFault::Shape(Shape::Ring { of: names(of) })
}

/// Cuts all other backends in the middle; one reaches both halves.
pub fn bridge(over: &str) -> NetworkFault {
    NetworkFault::Shape(Shape::Bridge { over: over.to_owned(), of: Vec::new() })
}

/// Cuts machines off one by one, and mends them one by one in another order.
pub fn swizzle<'n>(of: impl IntoIterator<Item = &'n str>, every: Duration) -> NetworkFault {
    NetworkFault::Shape(Shape::Swizzle { of: names(of), every })
}

fn names<'n>(group: impl IntoIterator<Item = &'n str>) -> Vec<String> {
    group.into_iter().map(str::to_owned).collect()
}

/// Power loss that loses what was not synced.
pub fn crash(node: &str) -> NodeFault {
    NodeFault::Crash { node: node.to_owned(), disk: AfterCrash::default() }
}

/// The end of the process; the kernel lives.
pub fn kill(node: &str) -> NodeFault {
    NodeFault::Kill { node: node.to_owned() }
}

/// A machine that is not scheduled.
pub fn pause(node: &str) -> NodeFault {
    NodeFault::Pause { node: node.to_owned() }
}

/// A dishonest homeserver or relay that wrongs everybody, with every message.
pub fn wrongs(node: &str, misdeed: Misdeed) -> PeerFault {
    PeerFault { node: node.to_owned(), to: Vec::new(), share: 1.0, misdeed }
}

/// Power loss in the middle of writing: sectors that were not synced may be torn.
pub fn tear(node: &str) -> NodeFault {
    NodeFault::Crash { node: node.to_owned(), disk: AfterCrash::Torn }
}

/// Power loss and boot, `times` times, `up` apart, for `down` each.
pub fn storm(node: &str, times: u32, up: Duration, down: Duration) -> NodeFault {
    NodeFault::Storm { node: node.to_owned(), times, up, down, kill: false }
}

/// Power loss, and the disk with it.
pub fn wipe(node: &str) -> NodeFault {
    NodeFault::Wipe { node: node.to_owned() }
}

/// Power loss, and the disk with it; there is a backup, taken at a time or at a trigger.
pub fn restore(node: &str, taken: impl Into<Begin>) -> NodeFault {
    NodeFault::Restore { node: node.to_owned(), taken: Taken(Box::new(taken.into().0)) }
}

/// A wall clock that is ahead while the fault lasts.
pub fn clock_ahead(node: &str, by: Duration) -> NodeFault {
    NodeFault::ClockSkew { node: node.to_owned(), by, behind: false }
}

/// A wall clock that is behind while the fault lasts.
pub fn clock_behind(node: &str, by: Duration) -> NodeFault {
    NodeFault::ClockSkew { node: node.to_owned(), by, behind: true }
}

/// A wall clock that somebody sets ahead.
pub fn clock_set_ahead(node: &str, by: Duration) -> NodeFault {
    NodeFault::ClockJump { node: node.to_owned(), by, back: false }
}

/// A wall clock that somebody sets back.
pub fn clock_set_back(node: &str, by: Duration) -> NodeFault {
    NodeFault::ClockJump { node: node.to_owned(), by, back: true }
}

/// A wall clock that runs `rate` times as fast.
pub fn clock_drift(node: &str, rate: f64) -> NodeFault {
    NodeFault::ClockDrift { node: node.to_owned(), rate }
}

/// A disk, healthy so far: give it what is wrong, as `DiskFault { full: true, ..disk("a") }`.
pub fn disk(node: &str) -> DiskFault {
    DiskFault::of(node)
}
