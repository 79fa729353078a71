//! Cutting the power of a machine: its tasks and sockets end at once.

use std::sync::Arc;

use journal::Loss;

use super::{
    World, WorldState,
    state::{Death, Dying, Way},
};
use crate::{
    machine::current::Current,
    network::connection::{Side, Waiting},
};

impl World {
    /// Ends every process without a word, so that nothing keeps the world alive.
    pub(crate) fn tear_down(&self) {
        let disks: Vec<_> = {
            let mut state = self.shared.lock();
            state.recorder.close();
            state.machines.iter().map(|machine| Arc::clone(&machine.disk)).collect()
        };
        for (index, disk) in disks.into_iter().enumerate() {
            disk.kill();
            self.cut_power(index, Loss::Over);
        }
        let mut state = self.shared.lock();
        let nodes: Vec<_> =
            state.machines.iter_mut().filter_map(|machine| machine.node.take()).collect();
        let watches = std::mem::take(&mut state.recorder.watches);
        drop(state);
        drop((nodes, watches));
    }

    /// Ends the packets, tasks and sockets of a machine at once; its disk has to be dead by then.
    /// Returns how many tasks and connections those were.
    pub(crate) fn cut_power(&self, index: usize, why: Loss) -> u64 {
        let (tasks, current, sockets) = {
            let mut state = self.shared.lock();
            let sockets = state.drop_sockets(index, why);
            let machine = &mut state.machines[index];
            machine.powered = false;
            machine.running = false;
            machine.doomed = false;
            machine.listeners.clear();
            machine.waiting.clear();
            let incarnation = machine.incarnation;
            let current = Current { machine: index, incarnation, cause: None, serving: false };
            (std::mem::take(&mut machine.tasks), current, sockets)
        };
        let count = sockets + tasks.len() as u64;
        self.shared.end_all(&tasks, current);
        self.shared.lock().assert_down(index);
        count
    }
}

impl WorldState {
    /// Asserts that nothing is left of the process that ran on machine `index`: no task, no port,
    /// no socket. A simulator that let something live on would find failures that do not exist, and
    /// miss others.
    ///
    /// # Panics
    /// If something is.
    pub(crate) fn assert_down(&self, index: usize) {
        let machine = &self.machines[index];
        let sides = [Side::Client, Side::Server];
        let connections = self.connections.of(index);
        let connections = connections.iter().filter_map(|id| self.connections.get(*id));
        let sockets = connections.flat_map(|connection| {
            sides.into_iter().filter(|side| connection.belongs(*side, index)).filter(|side| {
                let end = connection.end(*side);
                end.held || (end.alive && !machine.powered)
            })
        });
        let left = [
            ("tasks", machine.tasks.len()),
            ("waiting tasks", machine.waiting.len()),
            ("bound ports", machine.listeners.len()),
            ("sockets", sockets.count()),
        ];
        for (what, count) in left {
            assert_eq!(
                count, 0,
                "{what} of machine `{}` are alive although it is down",
                machine.name
            );
        }
    }

    /// Marks a machine that goes down within a poll of its own: nothing of it runs any more, and
    /// the driver ends it before anything else moves.
    pub(crate) fn doom(&mut self, dying: Dying) {
        let machine = &mut self.machines[dying.machine];
        machine.doomed = true;
        machine.powered &= matches!(dying.death, Death::Fault(_, Way::Kill) | Death::Exit);
        self.dying.push_back(dying);
        self.wake_driver();
    }

    /// Drops every socket of machine `index`, with what it had on the way. Returns how many there
    /// were.
    fn drop_sockets(&mut self, index: usize, why: Loss) -> u64 {
        let mut count = 0;
        for id in self.connections.of(index) {
            let Some(mut connection) = self.connections.take(id) else { continue };
            for side in [Side::Client, Side::Server] {
                if !connection.belongs(side, index) {
                    continue;
                }
                count += u64::from(connection.end(side).alive);
                let end = connection.end_mut(side);
                end.alive = false;
                end.held = false;
                if side == Side::Server {
                    connection.waiting = Waiting::No;
                }
                connection.pipe_mut(side).clear();
                if side == Side::Client {
                    self.lose_outstanding(&mut connection, why);
                }
            }
            self.keep(id, connection);
        }
        count
    }
}
