//! Faults in a simulation: how each begins and ends.

use std::sync::Arc;

use journal::{Event, Loss, Supervisor};
use runs::disk_faults;
use scenarios::{
    Scenario,
    scenario::{AfterCrash, FaultKind, NetworkFault, NodeFault},
};
use sim::{
    disk::{Disk, DiskImage, DiskObserver},
    fault::{FaultId, OnLinks, Swizzle},
};

use super::{TurmoilState, TurmoilWorld, state::Command, swizzle};

/// The name under which faults of links appear in the journal.
pub(super) const NETWORK: &str = "network";

/// A way from one machine to another.
pub(super) type Path = (Arc<str>, Arc<str>);

/// What ends a fault.
#[derive(Clone, Debug)]
pub(crate) enum Remedy {
    /// These paths are mended.
    Paths(Vec<Path>),
    /// The machine boots.
    Down(Arc<str>),
    /// The machine's disk works again.
    Disk(Arc<str>),
}

/// Begins a fault. For a fault of links, call it inside a turmoil host.
///
/// # Panics
/// The fault is one that [`crate::obstacles`] lists.
pub(super) fn begin(
    world: &TurmoilWorld,
    scenario: &Scenario,
    fault: &FaultKind,
    cause: Option<u64>,
) -> FaultId {
    let what = fault.to_string();
    match fault {
        FaultKind::Network(fault) => match links(scenario, fault) {
            Some(LinkFault::Cut(paths)) => cut(world, what, cause, paths),
            Some(LinkFault::Turn(swizzle)) => swizzle::begin(world, what, cause, &swizzle),
            None => panic!("turmoil cannot {what}"),
        },
        FaultKind::Node(NodeFault::Crash { node, disk: AfterCrash::Keep }) => {
            take_down(world, (what, cause), node, Way::PowerLoss, Disk::kill)
        }
        FaultKind::Node(NodeFault::Crash { node, .. }) => {
            take_down(world, (what, cause), node, Way::PowerLoss, Disk::power_loss)
        }
        FaultKind::Node(NodeFault::Kill { node }) => {
            take_down(world, (what, cause), node, Way::Kill, Disk::kill)
        }
        FaultKind::Node(NodeFault::Wipe { node }) => {
            let empty = DiskImage::default();
            take_down(world, (what, cause), node, Way::PowerLoss, |disk| disk.restore(&empty))
        }
        FaultKind::Disk(fault) => {
            let node: Arc<str> = fault.node.as_str().into();
            let id = world.lock().begin(Remedy::Disk(Arc::clone(&node)), &node, what, cause);
            let machine = Arc::clone(&world.lock().place_mut(&node).machine);
            machine.disk().add_fault(id, disk_faults(fault));
            FaultId::numbered(id)
        }
        FaultKind::Node(_) | FaultKind::Peer(_) => panic!("turmoil cannot {what}"),
    }
}

/// What a fault of the network does to links.
pub(crate) enum LinkFault {
    /// It cuts these, or holds them, which is one thing in turmoil.
    Cut(Vec<Path>),
    /// It cuts some now and others later.
    Turn(Swizzle),
}

/// Returns what a fault of the network does to links; none if it does something else, for which
/// turmoil has no equivalent.
pub(crate) fn links(scenario: &Scenario, fault: &NetworkFault) -> Option<LinkFault> {
    Some(match fault.on_links(&scenario.meant_by_links(fault))? {
        OnLinks::Turn(swizzle) => LinkFault::Turn(swizzle),
        OnLinks::Cut(cut) | OnLinks::Hold(cut) => {
            let paths = cut.links().into_iter().map(|(from, to)| (from.into(), to.into()));
            LinkFault::Cut(paths.collect())
        }
    })
}

fn cut(world: &TurmoilWorld, what: String, cause: Option<u64>, paths: Vec<Path>) -> FaultId {
    let mut state = world.lock();
    let id = state.begin(Remedy::Paths(paths.clone()), NETWORK, what, cause);
    let held = state.cut(id, paths);
    drop(state);
    hold(held);
    FaultId::numbered(id)
}

/// Holds these links. Call it inside a turmoil host.
pub(super) fn hold(links: Vec<Path>) {
    for (a, b) in links {
        // Not `turmoil::partition`: that loses bytes for good, and with them the stream.
        turmoil::hold(&*a, &*b);
    }
}

/// How a machine goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Nobody hears of it.
    PowerLoss,
    /// Its connections are closed.
    Kill,
}

/// Takes a machine down, unless it is down already: its process is gone, or its power too. `disk`
/// is what then becomes of its disk.
fn take_down(
    world: &TurmoilWorld,
    what: (String, Option<u64>),
    node: &str,
    way: Way,
    disk: impl FnOnce(&Disk),
) -> FaultId {
    let node: Arc<str> = node.into();
    let mut state = world.lock();
    let fault = state.begin(Remedy::Down(Arc::clone(&node)), &node, what.0, what.1);
    let (now, place) = (state.now, state.place_mut(&node));
    let has_power = place.downed_by.oldest(|way| *way == Way::PowerLoss).is_none();
    let was_up = std::mem::take(&mut place.is_up);
    place.downed_by.add(fault, way, now);
    place.supervisor = Supervisor::default();
    place.restart = None;
    let machine = Arc::clone(&place.machine);
    // A machine that was killed can still lose its power, and what it had not synced with that.
    let strikes = was_up || (has_power && way == Way::PowerLoss);
    if strikes {
        state.recorder.hit(fault, []);
    }
    if was_up {
        let silently = way == Way::PowerLoss;
        if silently {
            state.lose_lines_of(&node, fault);
        }
        state.commands.push_back(Command::Crash { machine: node, silently });
    }
    drop(state);
    if strikes {
        // Before turmoil drops anything: a dropped connection must not shut its database down
        // politely.
        disk(machine.disk());
    }
    FaultId::numbered(fault)
}

/// Takes away a machine's power, and puts in a disk with these files.
pub(super) fn restore(
    world: &TurmoilWorld,
    node: &str,
    image: &DiskImage,
    cause: Option<u64>,
) -> FaultId {
    let what = (format!("restore {node}"), cause);
    take_down(world, what, node, Way::PowerLoss, |disk| disk.restore(image))
}

/// Ends a fault. Does nothing if it has ended.
pub(super) fn repair(world: &TurmoilWorld, id: u64) {
    let mut state = world.lock();
    let now = state.now;
    if !state.recorder.end_fault(now, FaultId::numbered(id)) {
        return;
    }
    let index = usize::try_from(id - 1).expect("faults are counted from 1");
    let remedy = state.remedies[index].clone();
    match remedy {
        Remedy::Paths(paths) => {
            state.swizzles.remove(&id);
            let released = state.mend(id, paths);
            let waiting = std::mem::take(&mut state.waiting);
            drop(state);
            for (a, b) in released {
                turmoil::release(&*a, &*b);
            }
            for task in waiting {
                task.wake();
            }
        }
        Remedy::Down(node) => {
            let place = state.place_mut(&node);
            let led = place.downed_by.remove(id, now);
            if place.downed_by.is_empty() {
                state.commands.push_back(Command::Bounce(node));
            }
            if led == Some(true) {
                state.recorder.hit_if_inert(id);
            }
        }
        Remedy::Disk(node) => {
            let machine = Arc::clone(&state.place_mut(&node).machine);
            drop(state);
            machine.disk().remove_fault(id);
        }
    }
}

impl TurmoilState {
    pub(super) fn begin(
        &mut self,
        remedy: Remedy,
        machine: &str,
        what: String,
        cause: Option<u64>,
    ) -> u64 {
        self.remedies.push(remedy);
        self.recorder.begin_fault(self.now, machine.into(), what, cause).number()
    }

    /// Returns whether nothing passes between two machines, in either direction.
    pub(crate) fn is_held(&self, a: &Arc<str>, b: &Arc<str>) -> bool {
        let is_cut = |from: &Arc<str>, to: &Arc<str>| {
            let path = (Arc::clone(from), Arc::clone(to));
            self.cuts.get(&path).is_some_and(|faults| !faults.is_empty())
        };
        is_cut(a, b) && is_cut(b, a)
    }

    /// Cuts the paths for `fault`. Returns the links that are held now, and were not before.
    pub(super) fn cut(&mut self, fault: u64, paths: Vec<Path>) -> Vec<Path> {
        let mut held = Vec::new();
        for (from, to) in paths {
            let was_held = self.is_held(&from, &to);
            self.cuts.entry((Arc::clone(&from), Arc::clone(&to))).or_default().insert(fault);
            if !was_held && self.is_held(&from, &to) {
                held.push((from, to));
            }
        }
        held
    }

    /// Stops cutting the paths for `fault`. Returns the links that are no longer held, and were
    /// before.
    pub(super) fn mend(&mut self, fault: u64, paths: Vec<Path>) -> Vec<Path> {
        let mut released = Vec::new();
        for (from, to) in paths {
            let was_held = self.is_held(&from, &to);
            if let Some(faults) = self.cuts.get_mut(&(Arc::clone(&from), Arc::clone(&to))) {
                faults.remove(&fault);
            }
            if was_held && !self.is_held(&from, &to) {
                released.push((from, to));
            }
        }
        released
    }

    /// Notes that a machine lost its power: its own requests are lost, and those of others are
    /// touched.
    fn lose_lines_of(&mut self, node: &Arc<str>, fault: u64) {
        let of_node = |side: &Arc<str>| side == node;
        let numbers: Vec<u64> = self.lines.keys().copied().collect();
        for n in numbers {
            let line = &self.lines[&n];
            if of_node(&line.client) || of_node(&line.server) {
                let requests: Vec<u64> = line.exchanges.outstanding.iter().copied().collect();
                let is_own = of_node(&line.client);
                self.recorder.hit(fault, requests);
                if is_own {
                    self.lose(n, Loss::Crashed);
                }
            }
        }
    }
}

/// Writes into the journal what a disk does.
pub(super) struct Observer {
    pub(super) world: TurmoilWorld,
    pub(super) machine: Arc<str>,
}

impl DiskObserver for Observer {
    fn synced(&self, file: &str, bytes: u64) {
        let event = Event::DiskSynced { file: file.to_owned(), bytes };
        self.world.lock().write(Arc::clone(&self.machine), None, event);
    }

    fn injected(&self, fault: u64) {
        self.world.lock().recorder.hit(fault, []);
    }

    // A disk that takes its machine down in the middle of an operation is among the obstacles.
    fn died(&self, _faults: &[u64]) {}
}
