//! Faults in Rust: `partition(["a"], ["b"])`, `crash("a")`.

use crate::scenario::{NetworkFault, NodeFault};

/// Cuts the links between two groups, both ways.
pub fn partition<'n>(
    between: impl IntoIterator<Item = &'n str>,
    and: impl IntoIterator<Item = &'n str>,
) -> NetworkFault {
    NetworkFault::Partition { between: names(between), and: names(and), one_way: false }
}

fn names<'n>(group: impl IntoIterator<Item = &'n str>) -> Vec<String> {
    group.into_iter().map(str::to_owned).collect()
}

/// Power loss that loses what was not synced.
pub fn crash(node: &str) -> NodeFault {
    NodeFault::Crash { node: node.to_owned(), keep_disk: false }
}

/// The end of the process; the kernel lives.
pub fn kill(node: &str) -> NodeFault {
    NodeFault::Kill { node: node.to_owned() }
}

/// A machine that is not scheduled.
pub fn pause(node: &str) -> NodeFault {
    NodeFault::Pause { node: node.to_owned() }
}
