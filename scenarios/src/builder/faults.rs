//! Faults in Rust: `partition(["a"], ["b"])`, `isolate("a")`, `crash("a")`,
//! `wrongs("a", Misdeed::Truncate)`.

use std::{num::NonZeroU64, time::Duration};

use super::Begin;
use crate::scenario::{
    After, AfterCrash, BodyReset, Change, DiskFault, Duplication, LinkChange, Misdeed,
    NetworkFault, NodeFault, Part, PeerFault, ProxyAnswer, Refusal, Shape, Taken,
};

/// Cuts the links between two groups, in both directions.
pub fn partition<'n>(
    between: impl IntoIterator<Item = &'n str>,
    and: impl IntoIterator<Item = &'n str>,
) -> NetworkFault {
    NetworkFault::Partition { between: names(between), and: names(and), one_way: false }
}

/// Holds back what is sent between two groups, in both directions, and delivers it in order in the
/// end.
pub fn hold<'n>(
    between: impl IntoIterator<Item = &'n str>,
    and: impl IntoIterator<Item = &'n str>,
) -> NetworkFault {
    NetworkFault::Hold { between: names(between), and: names(and), one_way: false }
}

/// Limits the links from one group to another to this many bytes per second.
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

/// Delivers the next request from one group to another a second time, this much later.
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

/// Makes a machine refuse connections.
pub fn refuse(node: &str) -> NetworkFault {
    NetworkFault::Refuse(Refusal { machine: node.to_owned(), port: None })
}

/// Makes a machine accept connections and pass nothing on that arrives.
pub fn hang(node: &str) -> NetworkFault {
    NetworkFault::Hang { node: node.to_owned() }
}

/// Cuts a server off from every other, relays too; its clients still reach it.
pub fn isolate(one: &str) -> NetworkFault {
    NetworkFault::Shape(Shape::Isolate { one: one.to_owned(), of: Vec::new() })
}

/// Cuts a list of machines into two halves.
pub fn halves<'n>(of: impl IntoIterator<Item = &'n str>) -> NetworkFault {
    NetworkFault::Shape(Shape::Halves { of: names(of) })
}

/// Cuts all links except those between neighbors.
pub fn ring<'n>(of: impl IntoIterator<Item = &'n str>) -> NetworkFault {
    NetworkFault::Shape(Shape::Ring { of: names(of) })
}

/// Cuts all other backends into two halves; this one reaches both.
pub fn bridge(over: &str) -> NetworkFault {
    NetworkFault::Shape(Shape::Bridge { over: over.to_owned(), of: Vec::new() })
}

/// Cuts machines off one by one, and repairs them one by one in another order.
pub fn swizzle<'n>(of: impl IntoIterator<Item = &'n str>, every: Duration) -> NetworkFault {
    NetworkFault::Shape(Shape::Swizzle { of: names(of), every })
}

fn names<'n>(group: impl IntoIterator<Item = &'n str>) -> Vec<String> {
    group.into_iter().map(str::to_owned).collect()
}

/// Takes a machine's power away, which loses what was not synced.
pub fn crash(node: &str) -> NodeFault {
    NodeFault::Crash { node: node.to_owned(), disk: AfterCrash::default() }
}

/// Ends a machine's process; its kernel lives on, and so does what the process wrote.
pub fn kill(node: &str) -> NodeFault {
    NodeFault::Kill { node: node.to_owned() }
}

/// Ends the process of a server, which starts again with a new signing key.
pub fn rotate_key(node: &str) -> NodeFault {
    NodeFault::RotateKey { node: node.to_owned() }
}

/// Stops a machine from being scheduled.
pub fn pause(node: &str) -> NodeFault {
    NodeFault::Pause { node: node.to_owned() }
}

/// Makes a homeserver or relay dishonest: it wrongs everybody, with every message.
pub fn wrongs(node: &str, misdeed: Misdeed) -> PeerFault {
    PeerFault { node: node.to_owned(), to: Vec::new(), share: 1.0, misdeed }
}

/// Takes a machine's power away in the middle of writing: sectors that were not synced may be torn.
pub fn tear(node: &str) -> NodeFault {
    NodeFault::Crash { node: node.to_owned(), disk: AfterCrash::Torn }
}

/// Takes a machine's power away `times` times, `up` apart, for `down` each.
pub fn storm(node: &str, times: u32, up: Duration, down: Duration) -> NodeFault {
    NodeFault::Storm { node: node.to_owned(), times, up, down, kill: false }
}

/// Takes a machine's power away, and its disk with it.
pub fn wipe(node: &str) -> NodeFault {
    NodeFault::Wipe { node: node.to_owned() }
}

/// Takes a machine's power away, and its disk with it; there is a backup, taken at a time or at a
/// trigger.
pub fn restore(node: &str, taken: impl Into<Begin>) -> NodeFault {
    NodeFault::Restore { node: node.to_owned(), taken: Taken(Box::new(taken.into().0)) }
}

/// Makes a wall clock run ahead while the fault lasts.
pub fn clock_ahead(node: &str, by: Duration) -> NodeFault {
    NodeFault::ClockSkew { node: node.to_owned(), by, behind: false }
}

/// Makes a wall clock run behind while the fault lasts.
pub fn clock_behind(node: &str, by: Duration) -> NodeFault {
    NodeFault::ClockSkew { node: node.to_owned(), by, behind: true }
}

/// Sets a wall clock ahead, for good.
pub fn clock_set_ahead(node: &str, by: Duration) -> NodeFault {
    NodeFault::ClockJump { node: node.to_owned(), by, back: false }
}

/// Sets a wall clock back, for good.
pub fn clock_set_back(node: &str, by: Duration) -> NodeFault {
    NodeFault::ClockJump { node: node.to_owned(), by, back: true }
}

/// Makes a wall clock run `rate` times as fast.
pub fn clock_drift(node: &str, rate: f64) -> NodeFault {
    NodeFault::ClockDrift { node: node.to_owned(), rate }
}

/// Returns a disk with nothing wrong; say what is, as in `DiskFault { full: true, ..disk("a") }`.
pub fn disk(node: &str) -> DiskFault {
    DiskFault::of(node)
}
