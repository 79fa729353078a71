//! What a disk tells the world as it works.

use std::sync::Weak;

use super::Shared;
use crate::{disk::DiskObserver, journal::Event, machine::current};

/// Tells the world what a disk does.
pub(crate) struct Observer {
    pub(crate) world: Weak<Shared>,
    /// Index of the disk's machine.
    pub(crate) machine: usize,
}

impl DiskObserver for Observer {
    fn synced(&self, file: &str, bytes: u64) {
        let Some(world) = self.world.upgrade() else { return };
        let event = Event::DiskSynced { file: file.to_owned(), bytes };
        world.lock().write(self.machine, current::cause(), event);
    }

    fn injected(&self) {
        let Some(world) = self.world.upgrade() else { return };
        let mut state = world.lock();
        if let Some(fault) = state.disk_fault(self.machine) {
            state.hit(fault, current::cause());
        }
    }

    fn died(&self) {
        let Some(world) = self.world.upgrade() else { return };
        let mut state = world.lock();
        // From this instant nothing that the process still does has any effect.
        state.machines[self.machine].powered = false;
        state.dying.push_back(self.machine);
        state.wake_driver();
    }
}
