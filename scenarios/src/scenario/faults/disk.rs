//! Faults of a machine's disk.

use std::{fmt, time::Duration};

/// How a disk misbehaves: in one way at least, or in several at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DiskFault {
    /// The machine.
    pub node: String,
    /// Probability that a read fails.
    pub read_fails: Option<f64>,
    /// Probability that a write fails.
    pub write_fails: Option<f64>,
    /// Probability that a sync fails.
    pub sync_fails: Option<f64>,
    /// Everything that grows a file fails.
    pub full: bool,
    /// Bytes that all files together may take; what grows one beyond that fails.
    pub capacity: Option<u64>,
    /// Probability that a sync answers that all is well, and syncs nothing.
    pub lies: Option<f64>,
    /// Time that each write takes.
    pub write_time: Option<Duration>,
    /// Time that each sync takes.
    pub sync_time: Option<Duration>,
    /// The machine loses power right after so many further writes, syncs, cuts and deletions.
    pub dies_after: Option<u64>,
    /// Bits of synced sectors that flip when the fault begins. They stay flipped.
    pub rots: Option<u32>,
}

impl DiskFault {
    #[expect(clippy::unused_self, reason = "the families of faults are asked alike")]
    pub(super) fn key(&self) -> &'static str {
        "disk"
    }

    /// A disk of this machine that has nothing yet.
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
