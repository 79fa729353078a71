//! What a disk reports to the world as it works.

use std::sync::{Arc, Weak};

use journal::Event;

use super::{
    LockedWorld, WorldState,
    state::{Death, Dying},
};
use crate::{
    disk::DiskObserver,
    fault::{Action, Operation},
    machine::current,
};

/// Tells the world what a disk does.
pub(crate) struct Observer {
    pub(crate) world: Weak<LockedWorld>,
    /// Index of the disk's machine.
    pub(crate) machine: usize,
}

impl Observer {
    fn write(&self, state: &mut WorldState, event: Event) -> u64 {
        state.write(self.machine, current::cause(), event)
    }
}

impl Observer {
    fn fire(&self, state: &mut WorldState, operation: Operation) -> Vec<Action> {
        let name = &state.machines[self.machine].name;
        state.recorder.watches.fire_disk(name, operation)
    }

    fn awaits_writes(&self, state: &WorldState) -> bool {
        state.recorder.watches.awaits_writes(&state.machines[self.machine].name)
    }
}

impl DiskObserver for Observer {
    fn synced(&self, file: &str, bytes: u64) {
        let Some(world) = self.world.upgrade() else { return };
        let mut state = world.lock();
        let entry = self.write(&mut state, Event::DiskSynced { file: file.to_owned(), bytes });
        let actions = self.fire(&mut state, Operation::Synced);
        drop(state);
        act(actions, entry);
    }

    fn wrote(&self, file: &str, bytes: u64) {
        let Some(world) = self.world.upgrade() else { return };
        let mut state = world.lock();
        let actions = self.fire(&mut state, Operation::Written);
        if actions.is_empty() {
            return;
        }
        let entry = self.write(&mut state, Event::DiskWritten { file: file.to_owned(), bytes });
        let disk = Arc::clone(&state.machines[self.machine].disk);
        let goes_on = self.awaits_writes(&state);
        drop(state);
        disk.watch_writes(goes_on);
        act(actions, entry);
    }

    fn injected(&self, fault: u64) {
        let Some(world) = self.world.upgrade() else { return };
        let mut state = world.lock();
        let request = state.recorder.request_behind(current::cause());
        state.hit(fault, request);
    }

    fn died(&self, faults: &[u64]) {
        let Some(world) = self.world.upgrade() else { return };
        let death = Death::Disk(faults.to_vec());
        world.lock().doom(Dying { machine: self.machine, death });
    }

    fn holds(&self) -> bool {
        let Some(world) = self.world.upgrade() else { return false };
        let state = world.lock();
        let machine = &state.machines[self.machine];
        machine.doomed || !machine.paused_by.is_empty()
    }
}

/// Runs what triggers do, here and now: the operation has not returned yet.
fn act(actions: Vec<Action>, entry: u64) {
    for action in actions {
        action(entry);
    }
}
