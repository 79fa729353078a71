//! Faults of machines: crash, kill, pause; and how a machine comes back.

use std::sync::Arc;

use crate::{
    World,
    fault::{DiskFate, FaultId},
    machine::current::Current,
    network::connection::Side,
    world::FaultKind,
};

impl World {
    /// Power loss: packets stop at once in both directions, every task is dropped, the disk meets
    /// its fate. Peers learn by timeout, or by reset after the next boot. Inert on a machine that
    /// is down.
    pub fn crash(&self, machine: &str, disk: DiskFate, cause: Option<u64>) -> FaultId {
        let (fault, index) = self.begin_on(machine, FaultKind::Down, "crash", cause);
        self.lose_power(fault, index, disk);
        fault
    }

    /// Takes a machine down by `fault` as a power loss does, unless it is down already.
    fn lose_power(&self, fault: FaultId, index: usize, fate: DiskFate) {
        self.go_down(fault, index, |world| {
            world.count_requests(fault, index);
            // First the disk: a dropped connection must not shut its database down politely.
            let disk = Arc::clone(&world.shared.lock().machines[index].disk);
            match fate {
                DiskFate::LoseUnsynced => disk.power_loss(),
                DiskFate::Keep => disk.kill(),
            }
            world.cut_power(index, "crashed")
        });
    }

    /// The process dies, the kernel lives: sockets are closed (FIN, or RST where data was unread),
    /// the page cache is kept. Inert on a machine that is down.
    pub fn kill(&self, machine: &str, cause: Option<u64>) -> FaultId {
        let (fault, index) = self.begin_on(machine, FaultKind::Down, "kill", cause);
        self.go_down(fault, index, |world| {
            world.count_requests(fault, index);
            world.end_process(index)
        });
        fault
    }

    /// Drops every task while the kernel lives, so that sockets close as programs close them.
    fn end_process(&self, index: usize) -> u64 {
        let (tasks, current, disk) = {
            let mut state = self.shared.lock();
            let machine = &mut state.machines[index];
            // From here on nothing is spawned and no socket is used, but those that there are are
            // closed as their owners are dropped.
            machine.running = false;
            machine.paused_by = None;
            machine.waiting.clear();
            let incarnation = machine.incarnation;
            let current = Current { machine: index, incarnation, cause: None, serving: false };
            (std::mem::take(&mut machine.tasks), current, Arc::clone(&machine.disk))
        };
        // First the disk: a dropped connection must not shut its database down politely.
        disk.kill();
        let count = tasks.len() as u64;
        self.shared.end_all(tasks, current);
        let mut state = self.shared.lock();
        state.close_all(index);
        state.assert_down(index);
        count
    }

    /// Takes a machine down by `fault`, unless it is down already.
    fn go_down(&self, fault: FaultId, index: usize, down: impl FnOnce(&Self) -> u64) {
        if !self.shared.lock().machines[index].running {
            return;
        }
        let count = down(self);
        let mut state = self.shared.lock();
        state.machines[index].downed_by = Some(fault.0);
        for _ in 0..count {
            state.hit(fault.0, []);
        }
    }

    /// The requests that are in flight to or from machine `index` are touched by `fault`.
    fn count_requests(&self, fault: FaultId, index: usize) {
        let mut state = self.shared.lock();
        let touched: Vec<u64> = state
            .connections
            .values()
            .filter(|connection| {
                [Side::Client, Side::Server]
                    .map(|side| connection.end(side).machine)
                    .contains(&index)
            })
            .flat_map(|connection| connection.outstanding.iter().copied())
            .collect();
        for request in touched {
            state.hit(fault.0, [request]);
        }
    }

    /// Loses power because its disk said so, in the middle of an operation.
    pub(crate) fn die(&self, index: usize) {
        let (name, fault) = {
            let state = self.shared.lock();
            (state.machines[index].name.clone(), state.disk_fault(index))
        };
        let what = format!("power loss {name}, in a disk operation");
        let death = self.begin(FaultKind::Down(index), name, what, None);
        self.lose_power(death, index, DiskFate::LoseUnsynced);
        if let Some(fault) = fault {
            self.shared.lock().hit(fault, []);
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
            machine.paused_by = Some(fault.0);
        }
        fault
    }

    pub(super) fn bring_back(&self, fault: FaultId, index: usize) {
        let name = {
            let state = self.shared.lock();
            let machine = &state.machines[index];
            if machine.downed_by != Some(fault.0) {
                return;
            }
            machine.name.clone()
        };
        self.boot(&name);
    }

    pub(super) fn resume(&self, fault: FaultId, index: usize) {
        let mut state = self.shared.lock();
        let machine = &mut state.machines[index];
        if machine.paused_by == Some(fault.0) {
            machine.paused_by = None;
            for waker in std::mem::take(&mut machine.waiting) {
                waker.wake();
            }
        }
    }
}
