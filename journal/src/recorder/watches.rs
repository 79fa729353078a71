//! What waits for an exchange, or for an operation of a disk.

use super::Recorder;
use crate::{
    Event,
    fault::{Action, DiskWatch, Moment, Operation, Watch},
};

/// A watch that fires: what to do, and the entry that fired it.
pub struct Fired {
    /// What to do.
    pub action: Action,
    /// The entry.
    pub entry: u64,
}

impl std::fmt::Debug for Fired {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fired").field("entry", &self.entry).finish_non_exhaustive()
    }
}

/// All that waits, each with how many matches it has seen.
#[derive(Debug, Default)]
pub struct Watches {
    exchanges: Vec<(Watch, u64)>,
    disks: Vec<(DiskWatch, u64)>,
}

impl Watches {
    /// Waits for an exchange.
    pub fn on_exchange(&mut self, watch: Watch) {
        self.exchanges.push((watch, 0));
    }

    /// Waits for an operation of a disk.
    pub fn on_disk(&mut self, watch: DiskWatch) {
        self.disks.push((watch, 0));
    }

    /// Returns whether something waits for writes of a machine's disk.
    pub fn awaits_writes(&self, machine: &str) -> bool {
        let mut disks = self.disks.iter();
        disks.any(|(it, _)| it.machine == machine && it.operation == Operation::Written)
    }

    /// Counts an operation of a machine's disk; returns the actions that it fires.
    pub fn fire_disk(&mut self, machine: &str, operation: Operation) -> Vec<Action> {
        for (watch, seen) in &mut self.disks {
            *seen += u64::from(watch.machine == machine && watch.operation == operation);
        }
        let due = self.disks.extract_if(.., |(watch, seen)| *seen >= watch.nth);
        due.map(|(watch, _)| watch.action).collect()
    }
}

impl Recorder {
    /// Finds the watches that fire when request number `request` reaches `moment`, as entry `entry`
    /// says.
    pub fn fire(&mut self, moment: Moment, request: u64, entry: u64) -> Vec<Fired> {
        if self.watches.exchanges.is_empty() {
            return Vec::new();
        }
        let Some(sent) = self.journal.get(request) else { return Vec::new() };
        let Event::RequestSent(what) = &sent.event else { return Vec::new() };
        let is = |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|w| w == name);
        let due = self.watches.exchanges.extract_if(.., |(watch, seen)| {
            let is_meant = watch.moment == moment
                && is(&watch.from, &sent.machine)
                && is(&watch.to, &what.to)
                && (watch.matches)(&what.method, &what.target);
            *seen += u64::from(is_meant);
            is_meant && *seen == watch.nth
        });
        due.map(|(watch, _)| Fired { action: watch.action, entry }).collect()
    }
}
