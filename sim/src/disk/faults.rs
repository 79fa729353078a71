//! What goes wrong in an operation: drawn from a stream of its own, counted, and told.

use std::time::Duration;

use libsqlite3_sys as ffi;
use rand::RngExt;
use rand_chacha::ChaCha12Rng;

use super::{
    DiskFaults,
    directory::FileRef,
    volume::{Answer, Notice, State, lock},
};

/// The faults in force.
pub(super) struct Trouble {
    pub(super) faults: DiskFaults,
    stream: ChaCha12Rng,
}

impl Trouble {
    pub(super) fn new(stream: ChaCha12Rng) -> Self {
        Self { faults: DiskFaults::default(), stream }
    }

    /// Nothing is drawn where nothing can happen, so that healthy operations shift no other.
    fn strikes(&mut self, chance: f64) -> bool {
        chance > 0.0 && self.stream.random_bool(chance.min(1.0))
    }
}

impl State {
    /// Fails with `code`, without effect, by `chance`.
    pub(super) fn may_fail(&mut self, chance: f64, code: i32) -> Answer<()> {
        if self.trouble.strikes(chance) {
            self.injected();
            return Err(code);
        }
        Ok(())
    }

    /// Whether a sync is to answer ok and to do nothing.
    pub(super) fn lies(&mut self) -> bool {
        let lies = self.trouble.strikes(self.trouble.faults.lying_sync);
        if lies {
            self.injected();
        }
        lies
    }

    /// Charges `time` to whoever waits for the disk.
    pub(super) fn take_time(&mut self, time: Duration) {
        if !time.is_zero() {
            self.busy = self.busy.saturating_add(time);
            self.injected();
        }
    }

    /// Refuses to let `file` become `len` bytes long if the disk is too small for that.
    pub(super) fn make_room(&mut self, file: &FileRef, len: usize) -> Answer<()> {
        let Some(capacity) = self.trouble.faults.capacity else { return Ok(()) };
        let growth = len.saturating_sub(lock(file).len());
        if growth > 0 && (self.directory.bytes() + growth) as u64 > capacity {
            self.injected();
            return Err(ffi::SQLITE_FULL);
        }
        Ok(())
    }

    fn injected(&mut self) {
        self.stats.injected += 1;
        self.notices.push(Notice::Injected);
    }
}
