//! What a disk tells the world as it works.

use std::sync::{Arc, Weak};

use journal::Event;

use super::{
    Shared, State, World,
    state::{Death, Dying},
};
use crate::{
    disk::DiskObserver,
    fault::{Action, Operation},
    machine::current,
};

/// Tells the world what a disk does.
pub(crate) struct Observer {
    pub(crate) world: Weak<Shared>,
    /// Index of the disk's machine.
    pub(crate) machine: usize,
}

impl Observer {
    fn write(&self, state: &mut State, event: Event) -> u64 {
        state.write(self.machine, current::cause(), event)
    }
}

impl DiskObserver for Observer {
    fn synced(&self, file: &str, bytes: u64) {
        let Some(world) = self.world.upgrade() else { return };
        let mut state = world.lock();
        let entry = self.write(&mut state, Event::DiskSynced { file: file.to_owned(), bytes });
        let actions = state.fire_disk(self.machine, Operation::Synced);
        drop(state);
        act(world, actions, entry);
    }

    fn wrote(&self, file: &str, bytes: u64) {
        let Some(world) = self.world.upgrade() else { return };
        let mut state = world.lock();
        let actions = state.fire_disk(self.machine, Operation::Written);
        if actions.is_empty() {
            return;
        }
        let entry = self.write(&mut state, Event::DiskWritten { file: file.to_owned(), bytes });
        let disk = Arc::clone(&state.machines[self.machine].disk);
        let goes_on = state.awaits_writes(self.machine);
        drop(state);
        disk.watch_writes(goes_on);
        act(world, actions, entry);
    }

    fn injected(&self, fault: u64) {
        let Some(world) = self.world.upgrade() else { return };
        let mut state = world.lock();
        let request = state.request_behind(current::cause());
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
fn act(shared: Arc<Shared>, actions: Vec<Action>, entry: u64) {
    let world = World { shared };
    for action in actions {
        action(&world, entry);
    }
}
