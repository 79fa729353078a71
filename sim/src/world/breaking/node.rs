//! Faults of machines: crash, kill, restart storm, pause; and how a machine comes back.

use std::{sync::Arc, time::Duration};

use journal::{Loss, Supervisor};
use tokio::time::sleep;

use crate::{
    World,
    disk::{Disk, DiskImage},
    fault::{DiskFate, FaultId, Storm},
    machine::current::{self, Current},
    world::{
        Remedy,
        state::{Death, Dying, Way},
    },
};

impl World {
    /// Power loss: packets stop at once in both directions, every task is dropped, the disk meets
    /// its fate. Peers learn by timeout, or by reset after the next boot. A machine that was killed
    /// loses its kernel and what was not synced; one without power loses nothing more, but a disk
    /// that is wiped or restored is replaced all the same. It has power again when no fault takes
    /// it, and boots when no fault holds it down.
    pub fn crash(&self, machine: &str, disk: DiskFate, cause: Option<u64>) -> FaultId {
        let what = match disk {
            DiskFate::LoseUnsynced | DiskFate::LoseAll | DiskFate::Keep => "crash",
            DiskFate::Torn => "tear",
            DiskFate::Wiped => "wipe",
            DiskFate::Restored(_) => "restore",
        };
        let (fault, index) = self.begin_on(machine, Remedy::Down, what, cause);
        self.lose_power(fault, index, disk);
        fault
    }

    /// The process dies, the kernel lives: sockets are closed (FIN, or RST where data was unread),
    /// the page cache is kept. A machine that is down stays down until both are over.
    pub fn kill(&self, machine: &str, cause: Option<u64>) -> FaultId {
        self.kill_for(machine, "kill", cause)
    }

    /// Does the same for a fault that is called `what`, which does something else besides.
    pub fn kill_for(&self, machine: &str, what: &str, cause: Option<u64>) -> FaultId {
        let (fault, index) = self.begin_on(machine, Remedy::Down, what, cause);
        self.go_down(fault, index, Way::Kill, kill_process);
        fault
    }

    /// Takes away a machine's power for `fault`.
    fn lose_power(&self, fault: FaultId, index: usize, fate: DiskFate) {
        self.go_down(fault, index, Way::PowerLoss, |disk, was_powered| match fate {
            DiskFate::Wiped => replace(disk, &DiskImage::default()),
            DiskFate::Restored(image) => replace(disk, &image),
            // Without power there is nothing left to lose.
            _ if !was_powered => false,
            DiskFate::LoseUnsynced => lose(|| disk.power_loss()),
            DiskFate::LoseAll => lose(|| disk.power_loss_of_all()),
            DiskFate::Keep => lose(|| disk.kill()),
            DiskFate::Torn => lose(|| disk.power_loss_torn()),
        });
    }

    /// Holds a machine down for `fault`, and takes down what is still up: its process, or its
    /// kernel too. First the disk: a connection that is dropped must not shut its database down
    /// politely. From that instant nothing that the processes still do has any effect on it. `disk`
    /// is told whether there was power, and returns whether it changed anything.
    fn go_down(
        &self,
        fault: FaultId,
        index: usize,
        way: Way,
        disk: impl FnOnce(&Disk, bool) -> bool,
    ) {
        let (own, was_powered, goes_down) = {
            let mut state = self.shared.lock();
            let now = state.now();
            let machine = &mut state.machines[index];
            machine.downed_by.add(fault.number(), way, now);
            machine.supervisor = Supervisor::default();
            let runs = machine.running && !machine.doomed;
            let goes_down = runs || (way == Way::PowerLoss && machine.powered);
            (Arc::clone(&machine.disk), machine.powered, goes_down)
        };
        let has_changed = disk(&own, was_powered);
        if !goes_down {
            if has_changed && way == Way::PowerLoss {
                self.shared.lock().hit(fault.number(), []);
            }
        } else if current::get().is_some_and(|current| current.machine == index) {
            // A task of its own is being polled: it broke at an operation of its disk.
            self.shared.lock().doom(Dying { machine: index, death: Death::Fault(fault, way) });
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
        state.let_go();
        // That it went down counts as well, even where nothing ran.
        for _ in 0..count.max(1) {
            state.hit(fault.number(), []);
        }
    }

    /// Drops every task while the kernel lives, so that sockets close as programs close them; if the
    /// power was lost in the same instant, nothing closes them. Returns how many tasks there were.
    fn end_process(&self, index: usize) -> u64 {
        let (tasks, current) = {
            let mut state = self.shared.lock();
            let machine = &mut state.machines[index];
            if !machine.powered {
                drop(state);
                return self.cut_power(index, Loss::Crashed);
            }
            // From here on nothing is spawned and no socket is used, but the open ones are closed
            // as their owners are dropped.
            machine.running = false;
            machine.doomed = false;
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
    /// last boot, or earlier by [`World::repair`]. While another fault holds the machine down as
    /// well, it does not boot in between.
    pub fn storm(&self, machine: &str, storm: Storm, cause: Option<u64>) -> FaultId {
        let (fault, index) = self.begin_on(machine, Remedy::Storm, "restart storm", cause);
        let world = self.clone();
        self.spawn(async move {
            for round in 1..=storm.times {
                if world.fault(fault).until.is_some() {
                    return;
                }
                if storm.is_kill {
                    world.go_down(fault, index, Way::Kill, kill_process);
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

    /// Counts the requests in flight to or from machine `index` as touched by `fault`.
    fn count_requests(&self, fault: FaultId, index: usize) {
        let mut state = self.shared.lock();
        let connections = state.connections.of(index);
        let touched: Vec<u64> = connections
            .iter()
            .filter_map(|id| state.connections.get(*id))
            .flat_map(|connection| connection.exchanges.outstanding.iter().copied())
            .collect();
        for request in touched {
            state.hit(fault.number(), [request]);
        }
    }

    /// Ends a machine that went down in the middle of an operation of its disk: because a fault
    /// struck there, or because the disk said so.
    pub(crate) fn die(&self, Dying { machine, death }: Dying) {
        match death {
            Death::Fault(fault, way) => self.finish(fault, machine, way),
            Death::Disk(faults) => self.die_of_disk(machine, &faults),
            Death::Exit => return self.supervise(machine),
        }
        self.return_power(machine);
        self.start_if_free(machine);
    }

    /// Ends what is left of a program that has failed, as a kill does, and starts it again when its
    /// supervisor says so, unless a fault holds the machine down by then: it then boots when that
    /// fault ends.
    fn supervise(&self, index: usize) {
        let (disk, is_alone) = {
            let state = self.shared.lock();
            let machine = &state.machines[index];
            (Arc::clone(&machine.disk), machine.running)
        };
        if !is_alone {
            // A fault has struck at the same moment.
            return;
        }
        disk.kill();
        self.end_process(index);
        let (wait, incarnation) = {
            let mut state = self.shared.lock();
            state.let_go();
            let now = state.now();
            let machine = &mut state.machines[index];
            (machine.supervisor.failed(now), machine.incarnation)
        };
        self.start_if_free_after(wait, index, incarnation);
    }

    /// Starts a machine after `wait`, unless it has booted since its incarnation `incarnation`.
    fn start_if_free_after(&self, wait: Duration, index: usize, incarnation: u64) {
        let world = self.clone();
        self.spawn(async move {
            sleep(wait).await;
            if world.shared.lock().machines[index].incarnation == incarnation {
                world.start_if_free(index);
            }
        });
    }

    /// Ends a machine that its disk took down. The faults of the disk that are still in force hold
    /// it down; if there is none, its death itself does.
    fn die_of_disk(&self, index: usize, faults: &[u64]) {
        let (name, disk) = {
            let mut state = self.shared.lock();
            let machine = &mut state.machines[index];
            machine.doomed = false;
            (machine.name.clone(), Arc::clone(&machine.disk))
        };
        let what = format!("power loss {name}, in a disk operation");
        let death = self.begin(Remedy::Down(index), name, what, None);
        disk.power_loss();
        {
            let mut state = self.shared.lock();
            let now = state.now();
            let in_force = |fault: &u64| state.recorder.is_in_force(*fault);
            let mut holders: Vec<u64> = faults.iter().copied().filter(in_force).collect();
            if holders.is_empty() {
                holders.push(death.number());
            }
            let machine = &mut state.machines[index];
            machine.deaths.push(death.number());
            for fault in &holders {
                machine.downed_by.add(*fault, Way::PowerLoss, now);
            }
            if let Some(fault) = faults.first().filter(|fault| **fault != 0) {
                state.hit(*fault, []);
            }
        }
        self.finish(death, index, Way::PowerLoss);
    }

    /// Ends the fault `crash` or `kill`, and boots the machine.
    pub fn restart(&self, fault: FaultId) {
        self.repair(fault);
    }

    /// Stops scheduling the machine; its kernel goes on acknowledging. A machine that is down and
    /// boots meanwhile is not scheduled either. Ended by [`World::repair`]. Counts tasks that
    /// wanted to run. Inert on a machine that is down or paused the whole time.
    pub fn pause(&self, machine: &str, cause: Option<u64>) -> FaultId {
        let (fault, index) = self.begin_on(machine, Remedy::Paused, "pause", cause);
        let mut state = self.shared.lock();
        let now = state.now();
        state.machines[index].paused_by.add(fault.number(), (), now);
        fault
    }

    /// Stops holding the machine down for `fault`: it boots unless another fault holds it down.
    pub(super) fn bring_back(&self, fault: FaultId, index: usize) {
        {
            let mut state = self.shared.lock();
            let now = state.now();
            let Some(led) = state.machines[index].downed_by.remove(fault.number(), now) else {
                return;
            };
            if led {
                state.recorder.hit_if_inert(fault.number());
            }
            if state.machines[index].doomed {
                return;
            }
        }
        self.return_power(index);
        self.start_if_free(index);
    }

    /// Gives a machine its kernel back once nothing takes its power any more, even while a kill
    /// keeps its process from starting.
    fn return_power(&self, index: usize) {
        let deaths = {
            let mut state = self.shared.lock();
            let machine = &mut state.machines[index];
            if machine.unpowered_by().is_some() || machine.doomed {
                return;
            }
            machine.powered |= machine.is_wanted;
            std::mem::take(&mut machine.deaths)
        };
        for death in deaths {
            self.repair(FaultId::numbered(death));
        }
    }

    pub(super) fn resume(&self, fault: FaultId, index: usize) {
        let mut state = self.shared.lock();
        let now = state.now();
        let machine = &mut state.machines[index];
        let led = machine.paused_by.remove(fault.number(), now);
        if led == Some(true) && !machine.waiting.is_empty() {
            state.recorder.hit_if_inert(fault.number());
        }
        let machine = &mut state.machines[index];
        if machine.paused_by.is_empty() {
            for waker in std::mem::take(&mut machine.waiting) {
                waker.wake();
            }
        }
    }
}

/// Kills the process, if one lives; what it wrote stays. Returns whether the disk has changed.
fn kill_process(disk: &Disk, _: bool) -> bool {
    disk.kill();
    false
}

/// Loses what a power loss takes. Returns that the disk has changed.
fn lose(act: impl FnOnce()) -> bool {
    act();
    true
}

/// Puts in a disk with the files of `image`. Returns whether they differ from those before.
fn replace(disk: &Disk, image: &DiskImage) -> bool {
    let is_other = disk.snapshot() != *image;
    disk.restore(image);
    is_other
}
