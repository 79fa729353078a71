//! Cutting the power of a machine: its tasks and sockets end at once.

use super::{State, World};
use crate::{
    machine::current::Current,
    network::connection::{Side, Waiting},
};

impl World {
    /// Ends every process without a word, so that nothing keeps the world alive.
    pub(crate) fn tear_down(&self) {
        let machines = {
            let mut state = self.shared.lock();
            state.over = true;
            state.machines.len()
        };
        for index in 0..machines {
            self.cut_power(index, "over");
        }
        let mut state = self.shared.lock();
        let nodes: Vec<_> =
            state.machines.iter_mut().filter_map(|machine| machine.node.take()).collect();
        drop(state);
        drop(nodes);
    }

    /// Packets, tasks and sockets of a machine end at once; the disk is left to the caller.
    /// Returns how many tasks and connections that were.
    pub(crate) fn cut_power(&self, index: usize, why: &'static str) -> u64 {
        let (tasks, current, sockets) = {
            let mut state = self.shared.lock();
            let sockets = state.drop_sockets(index, why);
            let machine = &mut state.machines[index];
            machine.powered = false;
            machine.running = false;
            machine.paused_by = None;
            machine.listeners.clear();
            machine.waiting.clear();
            let incarnation = machine.incarnation;
            let current = Current { machine: index, incarnation, cause: None, serving: false };
            (std::mem::take(&mut machine.tasks), current, sockets)
        };
        let count = sockets + tasks.len() as u64;
        self.shared.end_all(tasks, current);
        count
    }
}

impl State {
    /// Every socket of machine `index` vanishes, with what it had on the way.
    fn drop_sockets(&mut self, index: usize, why: &'static str) -> u64 {
        let mut count = 0;
        for id in self.connections.keys().copied().collect::<Vec<_>>() {
            let Some(mut connection) = self.connections.remove(&id) else { continue };
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
