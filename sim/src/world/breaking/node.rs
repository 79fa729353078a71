//! Faults of machines: crash, kill, restart storm, pause; and how a machine comes back.

use std::sync::Arc;

use journal::Loss;
use tokio::time::sleep;

use crate::{
    World,
    disk::{Disk, DiskImage},
    fault::{DiskFate, FaultId, Storm},
    machine::current::{self, Current},
    world::{
        FaultKind,
        state::{Dying, Way},
    },
};

impl World {
    /// Power loss: packets stop at once in both directions, every task is dropped, the disk meets
    /// its fate. Peers learn by timeout, or by reset after the next boot. Inert on a machine that
    /// is down.
    pub fn crash(&self, machine: &str, disk: DiskFate, cause: Option<u64>) -> FaultId {
        let what = match disk {
            DiskFate::LoseUnsynced | DiskFate::LoseAll | DiskFate::Keep => "crash",
            DiskFate::Torn => "tear",
            DiskFate::Wiped => "wipe",
            DiskFate::Restored(_) => "restore",
        };
        let (fault, index) = self.begin_on(machine, FaultKind::Down, what, cause);
        self.lose_power(fault, index, disk);
        fault
    }

    /// The process dies, the kernel lives: sockets are closed (FIN, or RST where data was unread),
    /// the page cache is kept. Inert on a machine that is down.
    pub fn kill(&self, machine: &str, cause: Option<u64>) -> FaultId {
        let (fault, index) = self.begin_on(machine, FaultKind::Down, "kill", cause);
        self.go_down(fault, index, Way::Kill, Disk::kill);
        fault
    }

    /// Takes a machine down by `fault` as a power loss does, unless it is down already.
    fn lose_power(&self, fault: FaultId, index: usize, fate: DiskFate) {
        self.go_down(fault, index, Way::PowerLoss, |disk| match fate {
            DiskFate::LoseUnsynced => disk.power_loss(),
            DiskFate::LoseAll => disk.power_loss_of_all(),
            DiskFate::Keep => disk.kill(),
            DiskFate::Torn => disk.power_loss_torn(),
            DiskFate::Wiped => disk.restore(&DiskImage::default()),
            DiskFate::Restored(image) => disk.restore(&image),
        });
    }

    /// Takes a machine down by `fault`, unless it is down already. First the disk: a connection
    /// that is dropped must not shut its database down politely. From that instant nothing that
    /// the processes still do has any effect on it.
    fn go_down(&self, fault: FaultId, index: usize, way: Way, disk: impl FnOnce(&Disk)) {
        let own = {
            let state = self.shared.lock();
            let machine = &state.machines[index];
            if !machine.running || machine.doomed {
                return;
            }
            Arc::clone(&machine.disk)
        };
        disk(&own);
        if current::get().is_some_and(|current| current.machine == index) {
            // A task of its own is being polled: it broke at an operation of its disk.
            self.shared.lock().doom(Dying { machine: index, fault: Some((fault, way)) });
        } else {
            self.finish(fault, index, way);
        }
    }

    /// Ends every task of a machine whose disk is dead already.
    fn finish(&self, fault: FaultId, index: usize, way: Way) {
        self.count_requests(fault, index);
        let count = match way {
            Way::PowerLoss => self.cut_power(index, Loss::Crashed),
            Way::Kill => self.end_process(index),
        };
        let mut state = self.shared.lock();
        state.machines[index].downed_by = Some(fault.number());
        // That it went down is something too, even where nothing ran.
        for _ in 0..count.max(1) {
            state.hit(fault.number(), []);
        }
    }

    /// Drops every task while the kernel lives, so that sockets close as programs close them.
    fn end_process(&self, index: usize) -> u64 {
        let (tasks, current) = {
            let mut state = self.shared.lock();
            let machine = &mut state.machines[index];
            // From here on nothing is spawned and no socket is used, but those that there are are
            // closed as their owners are dropped.
            machine.running = false;
            machine.doomed = false;
            machine.paused_by = None;
            machine.waiting.clear();
            let incarnation = machine.incarnation;
            let current = Current { machine: index, incarnation, cause: None, serving: false };
            (std::mem::take(&mut machine.tasks), current)
        };
        let count = tasks.len() as u64;
        self.shared.end_all(&tasks, current);
        let mut state = self.shared.lock();
        state.close_all(index);
        state.assert_down(index);
        count
    }

    /// Takes a machine down again and again, and lets it boot each time. Ends by itself after the
    /// last boot, or earlier by [`World::repair`]. Rounds that find the machine down, through
    /// another fault, do nothing.
    pub fn storm(&self, machine: &str, storm: Storm, cause: Option<u64>) -> FaultId {
        let (fault, index) = self.begin_on(machine, FaultKind::Storm, "restart storm", cause);
        let world = self.clone();
        self.spawn(async move {
            for round in 1..=storm.times {
                if world.fault(fault).until.is_some() {
                    return;
                }
                if storm.is_kill {
                    world.go_down(fault, index, Way::Kill, Disk::kill);
                } else {
                    world.lose_power(fault, index, DiskFate::LoseUnsynced);
                }
                sleep(storm.down).await;
                world.bring_back(fault, index);
                if round < storm.times {
                    sleep(storm.up).await;
                }
            }
            world.repair(fault);
        });
        fault
    }

    /// The requests that are in flight to or from machine `index` are touched by `fault`.
    fn count_requests(&self, fault: FaultId, index: usize) {
        let mut state = self.shared.lock();
        let connections = state.connections.of(index);
        let touched: Vec<u64> = connections
            .iter()
            .filter_map(|id| state.connections.get(*id))
            .flat_map(|connection| connection.outstanding.iter().copied())
            .collect();
        for request in touched {
            state.hit(fault.number(), [request]);
        }
    }

    /// Ends a machine that went down in the middle of an operation of its disk: because a fault
    /// struck there, or because the disk said so.
    pub(crate) fn die(&self, Dying { machine, fault }: Dying) {
        let Some((fault, way)) = fault else { return self.die_of_disk(machine) };
        self.finish(fault, machine, way);
        if self.fault(fault).until.is_some() {
            self.bring_back(fault, machine);
        }
    }

    fn die_of_disk(&self, index: usize) {
        let (name, disk, broken) = {
            let mut state = self.shared.lock();
            let broken = state.disk_fault(index);
            let machine = &mut state.machines[index];
            machine.doomed = false;
            (machine.name.clone(), Arc::clone(&machine.disk), broken)
        };
        let what = format!("power loss {name}, in a disk operation");
        let death = self.begin(FaultKind::Down(index), name, what, None);
        disk.power_loss();
        self.finish(death, index, Way::PowerLoss);
        if let Some(fault) = broken {
            let mut state = self.shared.lock();
            state.hit(fault, []);
            state.machines[index].downed_by = Some(fault);
        }
    }

    /// Ends the fault `crash` or `kill`, and boots the machine.
    pub fn restart(&self, fault: FaultId) {
        self.repair(fault);
    }

    /// Stops scheduling the machine; its kernel goes on acknowledging. Ended by [`World::repair`].
    /// Inert on a machine that is down or paused.
    pub fn pause(&self, machine: &str, cause: Option<u64>) -> FaultId {
        let (fault, index) = self.begin_on(machine, FaultKind::Paused, "pause", cause);
        let mut state = self.shared.lock();
        let machine = &mut state.machines[index];
        if machine.running && machine.paused_by.is_none() {
            machine.paused_by = Some(fault.number());
        }
        fault
    }

    pub(super) fn bring_back(&self, fault: FaultId, index: usize) {
        let name = {
            let state = self.shared.lock();
            let machine = &state.machines[index];
            if machine.downed_by != Some(fault.number()) {
                return;
            }
            machine.name.clone()
        };
        self.boot(&name);
    }

    pub(super) fn resume(&self, fault: FaultId, index: usize) {
        let mut state = self.shared.lock();
        let machine = &mut state.machines[index];
        if machine.paused_by == Some(fault.number()) {
            machine.paused_by = None;
            for waker in std::mem::take(&mut machine.waiting) {
                waker.wake();
            }
        }
    }
}
