//! Faults of a machine's disk.

use std::{fmt, time::Duration};

/// How a disk misbehaves, in one way or in several at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DiskFault {
    /// The machine.
    pub node: String,
    /// The probability that a read fails.
    pub read_fails: Option<f64>,
    /// The probability that a write fails.
    pub write_fails: Option<f64>,
    /// The probability that a sync fails.
    pub sync_fails: Option<f64>,
    /// Whether every operation that grows a file fails.
    pub full: bool,
    /// The bytes that all files together may take. An operation that would exceed this fails.
    pub capacity: Option<u64>,
    /// The probability that a sync reports success and syncs nothing.
    pub lies: Option<f64>,
    /// The time that each write takes.
    pub write_time: Option<Duration>,
    /// The time that each sync takes.
    pub sync_time: Option<Duration>,
    /// After how many more writes, syncs, truncations and deletions the machine loses power.
    pub dies_after: Option<u64>,
    /// How many bits of synced sectors flip when the fault begins. They stay flipped.
    pub rots: Option<u32>,
}

impl DiskFault {
    #[expect(clippy::unused_self, reason = "every family of faults has this method")]
    pub(super) fn key(&self) -> &'static str {
        "disk"
    }

    /// Returns a fault of this machine's disk in which nothing is wrong yet.
    pub fn of(node: &str) -> Self {
        Self { node: node.to_owned(), ..Self::default() }
    }
}

impl fmt::Display for DiskFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fails = [self.read_fails, self.write_fails, self.sync_fails];
        let words = [
            (self.full || self.capacity.is_some(), "full"),
            (fails.iter().any(Option::is_some), "failing"),
            (self.lies.is_some(), "lying"),
            (self.write_time.is_some() || self.sync_time.is_some(), "slow"),
            (self.dies_after.is_some(), "dying"),
            (self.rots.is_some(), "rotting"),
        ];
        let words = words.into_iter().filter(|(is_so, _)| *is_so).map(|(_, word)| word);
        write!(f, "{} disk of {}", words.collect::<Vec<_>>().join(", "), self.node)
    }
}

#[cfg(test)]
mod tests {
    use super::DiskFault;

    #[test]
    fn a_disk_that_never_broke_says_how_it_was_to() {
        let full = DiskFault { full: true, ..DiskFault::of("a") };
        assert_eq!(full.to_string(), "full disk of a");
        let sync_time = Some(std::time::Duration::from_secs(1));
        let both = DiskFault { write_fails: Some(1.0), sync_time, ..DiskFault::of("a") };
        assert_eq!(both.to_string(), "failing, slow disk of a");
    }
}
