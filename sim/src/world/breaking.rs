//! Breaking and repairing: every fault that a world knows.

use std::{collections::BTreeSet, sync::Arc};

use super::{FaultKind, FaultState, World};
use crate::{
    disk::DiskFaults,
    fault::{Cut, DiskFate, FaultId, FaultReport, LinkChange},
    journal::Event,
    machine::current::Current,
    network::{connection::Side, link::Path},
};

/// The name under which faults of links stand in the journal.
const NETWORK: &str = "network";

impl World {
    fn begin(
        &self,
        kind: FaultKind,
        machine: Arc<str>,
        what: String,
        cause: Option<u64>,
    ) -> FaultId {
        let mut state = self.shared.lock();
        let from = state.now();
        let report = FaultReport { what: what.clone(), from, ..FaultReport::default() };
        state.faults.push(FaultState { report, kind, machine: machine.clone() });
        let fault = state.faults.len() as u64;
        state.write_as(machine, cause, Event::FaultBegan { fault, what });
        FaultId(fault)
    }

    fn begin_on(
        &self,
        machine: &str,
        kind: impl FnOnce(usize) -> FaultKind,
        what: &str,
        cause: Option<u64>,
    ) -> (FaultId, usize) {
        let (index, name) = {
            let state = self.shared.lock();
            let index = state.machine(machine);
            (index, state.machines[index].name.clone())
        };
        (self.begin(kind(index), name, format!("{what} {machine}"), cause), index)
    }

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
            let count = world.cut_power(index, "crashed");
            let disk = Arc::clone(&world.shared.lock().machines[index].disk);
            match fate {
                DiskFate::LoseUnsynced => disk.power_loss(),
                DiskFate::Keep => disk.kill(),
            }
            count
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
            machine.paused_by = None;
            machine.waiting.clear();
            let incarnation = machine.incarnation;
            let current = Current { machine: index, incarnation, cause: None, serving: false };
            (std::mem::take(&mut machine.tasks), current, Arc::clone(&machine.disk))
        };
        // First the disk: a dropped connection must not shut its database down politely.
        disk.kill();
        let count = tasks.len() as u64;
        for task in tasks.into_values() {
            task.slot.end(current);
            task.abort.abort();
        }
        self.shared.lock().machines[index].running = false;
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

    /// Cuts links. Ended by [`World::repair`].
    pub fn partition(&self, cut: &Cut, cause: Option<u64>) -> FaultId {
        let (paths, what) = match cut {
            Cut::Between(one, other) => {
                let mut paths = self.paths(one, other);
                paths.extend(self.paths(other, one));
                (paths, format!("partition {} | {}", list(one), list(other)))
            }
            Cut::OneWay(from, to) => {
                (self.paths(from, to), format!("partition {} -> {}", list(from), list(to)))
            }
            Cut::Groups(groups) => (self.paths_between(groups), {
                let names: Vec<_> = groups.iter().map(|group| list(group)).collect();
                format!("partition {}", names.join(" | "))
            }),
        };
        let fault = self.begin(FaultKind::Links, NETWORK.into(), what, cause);
        let mut state = self.shared.lock();
        for path in paths {
            state.links.cut(path, fault.0);
        }
        fault
    }

    /// Changes links. Ended by [`World::repair`].
    pub fn change_links(&self, change: &LinkChange, cause: Option<u64>) -> FaultId {
        let mut paths = self.paths(&change.from, &change.to);
        if change.both_ways {
            paths.extend(self.paths(&change.to, &change.from));
        }
        let arrow = if change.both_ways { "<->" } else { "->" };
        let what = format!("link {} {arrow} {}", list(&change.from), list(&change.to));
        let fault = self.begin(FaultKind::Links, NETWORK.into(), what, cause);
        let mut state = self.shared.lock();
        for path in paths {
            state.links.change(path, fault.0, change.link);
        }
        fault
    }

    /// Makes a machine's disk misbehave. Ended by [`World::repair`].
    pub fn break_disk(&self, machine: &str, faults: DiskFaults, cause: Option<u64>) -> FaultId {
        let (fault, index) =
            self.begin_on(machine, FaultKind::Disk, &format!("{faults} disk of"), cause);
        let disk = Arc::clone(&self.shared.lock().machines[index].disk);
        disk.set_faults(faults);
        fault
    }

    /// Ends a fault: links as before, a paused machine goes on, a crashed or killed one boots.
    /// Does nothing if it has ended.
    pub fn repair(&self, fault: FaultId) {
        let index = usize::try_from(fault.0 - 1).expect("faults are counted from 1");
        let kind = {
            let mut state = self.shared.lock();
            let now = state.now();
            let FaultState { report, kind, machine } = &mut state.faults[index];
            if report.until.is_some() {
                return;
            }
            report.until = Some(now);
            let (kind, machine, what) = (*kind, machine.clone(), report.what.clone());
            state.write_as(machine, None, Event::FaultEnded { fault: fault.0, what });
            kind
        };
        match kind {
            FaultKind::Links => self.shared.lock().links.repair(fault.0),
            FaultKind::Down(machine) => self.bring_back(fault, machine),
            FaultKind::Paused(machine) => self.resume(fault, machine),
            FaultKind::Disk(machine) => {
                let disk = Arc::clone(&self.shared.lock().machines[machine].disk);
                disk.set_faults(DiskFaults::default());
            }
        }
    }

    fn bring_back(&self, fault: FaultId, index: usize) {
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

    fn resume(&self, fault: FaultId, index: usize) {
        let mut state = self.shared.lock();
        let machine = &mut state.machines[index];
        if machine.paused_by == Some(fault.0) {
            machine.paused_by = None;
            for waker in std::mem::take(&mut machine.waiting) {
                waker.wake();
            }
        }
    }

    /// Ends every fault in force, oldest first.
    pub fn repair_all(&self) {
        let count = self.shared.lock().faults.len() as u64;
        for fault in 1..=count {
            self.repair(FaultId(fault));
        }
    }

    /// What a fault has done so far.
    pub fn fault(&self, fault: FaultId) -> FaultReport {
        let index = usize::try_from(fault.0 - 1).expect("faults are counted from 1");
        self.shared.lock().faults[index].report.clone()
    }

    fn indices(&self, names: &[String]) -> BTreeSet<usize> {
        let state = self.shared.lock();
        names.iter().map(|name| state.machine(name)).collect()
    }

    fn paths(&self, from: &[String], to: &[String]) -> BTreeSet<Path> {
        let (from, to) = (self.indices(from), self.indices(to));
        let pairs = from.iter().flat_map(|a| to.iter().map(move |b| (*a, *b)));
        pairs.filter(|(a, b)| a != b).collect()
    }

    fn paths_between(&self, groups: &[Vec<String>]) -> BTreeSet<Path> {
        let mut paths = BTreeSet::new();
        for (at, one) in groups.iter().enumerate() {
            for (other_at, other) in groups.iter().enumerate() {
                if at != other_at {
                    paths.extend(self.paths(one, other));
                }
            }
        }
        paths
    }
}

/// Machine names as a report shows them: as many as leave room for the other side of a cut, and at
/// least one.
fn list(names: &[String]) -> String {
    const ROOM: usize = 22;
    let short = |shown: usize| match names.len() - shown {
        0 => names.join(", "),
        left => format!("{} and {left} more", names[..shown].join(", ")),
    };
    let fits = |shown: &usize| short(*shown).chars().count() <= ROOM;
    let shown = (1..=names.len()).rev().find(fits).unwrap_or(names.len().min(1));
    short(shown)
}

#[cfg(test)]
mod tests {
    use super::list;

    #[test]
    fn a_few_machines_are_named_and_many_are_counted_so_that_both_sides_fit() {
        let names = |n: usize| (1..=n).map(|n| format!("b{n:02}")).collect::<Vec<_>>();
        assert_eq!(list(&names(4)), "b01, b02, b03, b04");
        assert_eq!(list(&names(10)), "b01, b02 and 8 more");
        assert_eq!(list(&["a-name-that-leaves-no-room".to_owned()]), "a-name-that-leaves-no-room");
        assert_eq!(list(&[]), "");
    }
}
