//! Faults of a machine's disk.

use std::{fmt, time::Duration};

use super::Listed;

/// How a disk misbehaves: in one way at least, or in several at once.
#[derive(Clone, Debug, PartialEq)]
pub struct DiskFault {
    /// The machine.
    pub node: String,
    /// Everything that grows a file fails.
    pub full: bool,
    /// Every write and sync fails.
    pub failing: bool,
    /// Time that each sync takes.
    pub sync_time: Option<Duration>,
}

/// How it is written.
pub(super) const LISTED: &[Listed] = &[Listed {
    key: "disk",
    example: "{ node = \"a\", full = true }",
    means: "the disk is full, fails (failing = true), or is slow (sync = \"50ms\")",
}];

impl DiskFault {
    #[expect(clippy::unused_self, reason = "the families of faults are asked alike")]
    pub(super) fn key(&self) -> &'static str {
        "disk"
    }
}

impl fmt::Display for DiskFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words =
            [(self.full, "full"), (self.failing, "failing"), (self.sync_time.is_some(), "slow")];
        let words = words.into_iter().filter(|(is_so, _)| *is_so).map(|(_, word)| word);
        write!(f, "{} disk of {}", words.collect::<Vec<_>>().join(", "), self.node)
    }
}

#[cfg(test)]
mod tests {
    use super::DiskFault;

    #[test]
    fn a_disk_that_never_broke_says_how_it_was_to() {
        let disk = |full, failing, sync_time| {
            DiskFault { node: "a".to_owned(), full, failing, sync_time }.to_string()
        };
        assert_eq!(disk(true, false, None), "full disk of a");
        let slow = Some(std::time::Duration::from_secs(1));
        assert_eq!(disk(false, true, slow), "failing, slow disk of a");
    }
}
