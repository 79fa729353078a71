//! The supervisor of a machine, as operators have one: it starts a program that failed again, later
//! and later.

use std::time::Duration;

/// How long after its first failure a program is started again. The wait doubles with each further
/// failure.
pub const FIRST_RESTART: Duration = Duration::from_secs(1);

/// The longest wait. A program that has run for so long is thought to be well: its next failure is
/// a first one.
pub const LONGEST_RESTART: Duration = Duration::from_secs(60);

/// What the supervisor of one machine remembers. A world does what it says while the machine has
/// power and no fault holds it down; what takes a machine down by force makes it forget.
#[derive(Clone, Copy, Debug, Default)]
pub struct Supervisor {
    started: Duration,
    failures: u32,
}

impl Supervisor {
    /// Takes note that the program was started.
    pub fn started(&mut self, now: Duration) {
        self.started = now;
    }

    /// Takes note that the program has ended with an error. Returns how long to wait before it is
    /// started again.
    pub fn failed(&mut self, now: Duration) -> Duration {
        if now.saturating_sub(self.started) >= LONGEST_RESTART {
            self.failures = 0;
        }
        let wait = FIRST_RESTART.saturating_mul(1 << self.failures.min(16)).min(LONGEST_RESTART);
        self.failures += 1;
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_RESTART, Supervisor};
    use std::time::Duration;

    #[test]
    fn a_program_that_fails_at_once_waits_longer_each_time_and_one_that_ran_for_long_does_not() {
        let mut supervisor = Supervisor::default();
        let now = Duration::from_secs(1000);
        supervisor.started(now);
        let waits: Vec<u64> = (0..8).map(|_| supervisor.failed(now).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(supervisor.failed(now + LONGEST_RESTART).as_secs(), 1);
    }
}
