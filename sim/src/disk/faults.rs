//! What goes wrong in an operation: drawn from a stream of its own, counted, and reported.

use std::{collections::BTreeMap, time::Duration};

use libsqlite3_sys as ffi;
use rand::RngExt;
use rand_chacha::ChaCha12Rng;

use super::{
    DiskFaults,
    directory::FileRef,
    volume::{Answer, Notice, VolumeState, lock},
};

/// The faults in force, by number. Of each kind of trouble only the worst counts; among equals,
/// that of the oldest fault.
pub(super) struct Trouble {
    faults: BTreeMap<u64, DiskFaults>,
    stream: ChaCha12Rng,
}

/// How bad a kind of trouble is, and the fault that makes it so; none if no fault has it.
type Worst<T> = Option<(T, u64)>;

impl Trouble {
    pub(super) fn new(stream: ChaCha12Rng) -> Self {
        Self { faults: BTreeMap::new(), stream }
    }

    pub(super) fn add(&mut self, fault: u64, faults: DiskFaults) {
        self.faults.insert(fault, faults);
    }

    pub(super) fn remove(&mut self, fault: u64) {
        self.faults.remove(&fault);
    }

    pub(super) fn clear(&mut self) {
        self.faults.clear();
    }

    /// Returns the worst of what `of` says of each fault, where `is_worse` compares it with an
    /// older one's.
    fn worst<T>(
        &self,
        of: impl Fn(&DiskFaults) -> Option<T>,
        is_worse: impl Fn(&T, &T) -> bool,
    ) -> Worst<T> {
        let all = self.faults.iter().filter_map(|(fault, it)| Some((of(it)?, *fault)));
        all.reduce(|worst, next| if is_worse(&next.0, &worst.0) { next } else { worst })
    }

    /// Returns the greatest chance.
    fn chance(&self, of: impl Fn(&DiskFaults) -> f64) -> Worst<f64> {
        self.worst(|it| Some(of(it)).filter(|chance| *chance > 0.0), |next, worst| next > worst)
    }

    /// Returns the longest time.
    fn time(&self, of: impl Fn(&DiskFaults) -> Duration) -> Worst<Duration> {
        self.worst(|it| Some(of(it)).filter(|time| !time.is_zero()), |next, worst| next > worst)
    }

    fn capacity(&self) -> Worst<u64> {
        self.worst(|it| it.capacity, |next, worst| next < worst)
    }

    /// Counts an operation for each fault that makes the machine die. Returns whether one has
    /// counted down to its end.
    pub(super) fn count_down(&mut self) -> bool {
        for left in self.faults.values_mut().filter_map(|it| it.die_after.as_mut()) {
            *left = left.saturating_sub(1);
        }
        self.faults.values().any(|it| it.die_after == Some(0))
    }

    /// Takes the faults that make the machine die now. Each does so once.
    pub(super) fn take_deadly(&mut self) -> Vec<u64> {
        let deadly = self.faults.iter_mut().filter(|(_, it)| it.die_after == Some(0));
        deadly
            .map(|(fault, it)| {
                it.die_after = None;
                *fault
            })
            .collect()
    }

    /// Draws nothing where nothing can happen, so that healthy operations do not shift the others.
    fn strikes(&mut self, chance: f64) -> bool {
        chance > 0.0 && self.stream.random_bool(chance.min(1.0))
    }
}

impl VolumeState {
    /// Fails with `code`, without effect, with the probability that `of` gives.
    pub(super) fn may_fail(&mut self, of: impl Fn(&DiskFaults) -> f64, code: i32) -> Answer<()> {
        if self.strikes(of) { Err(code) } else { Ok(()) }
    }

    fn strikes(&mut self, of: impl Fn(&DiskFaults) -> f64) -> bool {
        let Some((chance, fault)) = self.trouble.chance(of) else { return false };
        let strikes = self.trouble.strikes(chance);
        if strikes {
            self.injected(fault);
        }
        strikes
    }

    /// Returns whether a sync is to answer ok and do nothing.
    pub(super) fn lies(&mut self) -> bool {
        self.strikes(|it| it.lying_sync)
    }

    /// Charges the time that `of` gives to whoever waits for the disk.
    pub(super) fn take_time(&mut self, of: impl Fn(&DiskFaults) -> Duration) {
        if let Some((time, fault)) = self.trouble.time(of) {
            self.busy = self.busy.saturating_add(time);
            self.injected(fault);
        }
    }

    /// Refuses to let `file` become `len` bytes long if the disk is too small for that.
    pub(super) fn make_room(&mut self, file: &FileRef, len: usize) -> Answer<()> {
        let Some((capacity, fault)) = self.trouble.capacity() else { return Ok(()) };
        let growth = len.saturating_sub(lock(file).len());
        if growth > 0 && (self.directory.bytes() + growth) as u64 > capacity {
            self.injected(fault);
            return Err(ffi::SQLITE_FULL);
        }
        Ok(())
    }

    fn injected(&mut self, fault: u64) {
        self.stats.injected += 1;
        self.notices.push(Notice::Injected(fault));
    }
}
