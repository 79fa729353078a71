//! Faults: how each begins and ends. What ends one takes back whatever it did, wherever that is.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use journal::{
    Supervisor,
    fault::{Cut, NetworkFault, OnLinks, Swizzle},
};
use runs::world::Backup;
use scenarios::{
    Scenario,
    scenario::{FaultKind, NodeFault},
};
use sim::fault::{FaultId, Storm};
use tokio::time::sleep;

use super::{
    LiveWorld, Path,
    links::Obstruction,
    machine::Way,
    state::{ArmedDuplication, ArmedReset},
};

/// The name under which faults of links appear in the journal.
const NETWORK: &str = "network";

/// What becomes of a machine's data while it is down.
enum Data {
    /// Nothing.
    Stays,
    /// It is lost.
    Lost,
    /// A backup takes its place.
    Replaced(PathBuf),
}

/// What a fault is, and the number of the entry that triggered it.
type Told = (String, Option<u64>);

/// Begins a fault.
///
/// # Panics
/// The fault is one that [`crate::obstacles`] lists.
pub(super) fn begin(
    world: &LiveWorld,
    scenario: &Scenario,
    fault: &FaultKind,
    cause: Option<u64>,
) -> FaultId {
    let told = (fault.to_string(), cause);
    let id = match fault {
        FaultKind::Network(fault) => {
            let meant = scenario.meant_by_links(fault);
            break_network(world, told, fault, &meant)
        }
        FaultKind::Node(fault) => break_machine(world, told, fault),
        FaultKind::Disk(_) | FaultKind::Peer(_) => panic!("no process can {}", told.0),
    };
    world.tell();
    id
}

fn break_network(world: &LiveWorld, told: Told, fault: &NetworkFault, meant: &[String]) -> FaultId {
    let on = match fault {
        NetworkFault::Hang { node } => node.as_str(),
        NetworkFault::Refuse(refusal) => refusal.machine.as_str(),
        NetworkFault::Answers(answer) => answer.machine.as_str(),
        _ => NETWORK,
    };
    let id = world.begin_fault(on, told);
    let n = id.number();
    match fault.on_links(meant) {
        Some(OnLinks::Cut(cut)) => world.obstruct(n, &cut, Obstruction::Cut),
        Some(OnLinks::Hold(cut)) => world.obstruct(n, &cut, Obstruction::Hold),
        Some(OnLinks::Turn(swizzle)) => turn(world, id, &swizzle),
        None => break_messages(world, n, fault),
    }
    id
}

/// Begins what a fault does to links or to what they carry.
fn break_messages(world: &LiveWorld, fault: u64, what: &NetworkFault) {
    let mut state = world.lock();
    match what {
        NetworkFault::Link(link) => {
            let mut paths = paths(&link.from, &link.to);
            if link.both_ways {
                paths.extend(self::paths(&link.to, &link.from));
            }
            state.changes.push((fault, paths, link.change));
        }
        NetworkFault::Reset(reset) => {
            let paths = paths(&reset.from, &reset.to);
            let (part, after) = (reset.part, reset.after);
            state.resets.push(ArmedReset { fault, paths, part, after });
        }
        NetworkFault::Duplicate(twice) => {
            let paths = paths(&twice.from, &twice.to);
            let (probability, after) = (twice.probability, twice.after);
            state.duplications.push(ArmedDuplication { fault, paths, probability, after });
        }
        NetworkFault::Answers(answer) => state.proxies.push((fault, answer.clone())),
        NetworkFault::Refuse(refusal) => state.refusals.push((fault, refusal.clone())),
        NetworkFault::Hang { node } => {
            state.hangs.entry(node.as_str().into()).or_default().insert(fault);
        }
        NetworkFault::Partition { .. }
        | NetworkFault::Split { .. }
        | NetworkFault::Shape(_)
        | NetworkFault::Hold { .. } => unreachable!("these are faults of whole links"),
    }
}

fn paths(from: &[String], to: &[String]) -> BTreeSet<Path> {
    let pairs = from.iter().flat_map(|a| to.iter().map(move |b| (a, b)));
    pairs.filter(|(a, b)| a != b).map(|(a, b)| (a.as_str().into(), b.as_str().into())).collect()
}

/// Cuts links one after another, and mends them one after another.
fn turn(world: &LiveWorld, fault: FaultId, swizzle: &Swizzle) {
    let mut steps = swizzle.steps(world.0.parts.config.seed, fault);
    let machines: Vec<Arc<str>> = swizzle.machines.iter().map(|it| it.as_str().into()).collect();
    let (world, every) = (world.clone(), swizzle.every);
    let mut step = move |world: &LiveWorld| {
        let links = steps.next()?;
        let machine = |place: usize| Arc::clone(&machines[place]);
        let cut = links.into_iter().map(|(from, to)| (machine(from), machine(to))).collect();
        world.obstruct_only(fault.number(), cut);
        Some(())
    };
    step(&world);
    world.clone().spawn(async move {
        loop {
            sleep(every).await;
            let is_over = !world.lock().recorder.is_in_force(fault.number());
            if is_over || step(&world).is_none() {
                return;
            }
        }
    });
}

fn break_machine(world: &LiveWorld, told: Told, fault: &NodeFault) -> FaultId {
    let node = fault.node();
    let id = world.begin_fault(node, told);
    let n = id.number();
    match fault {
        NodeFault::Crash { .. } => take_down(world, n, node, Way::PowerLoss, &Data::Stays),
        NodeFault::Kill { .. } => take_down(world, n, node, Way::Kill, &Data::Stays),
        NodeFault::Wipe { .. } | NodeFault::Restore { .. } => {
            take_down(world, n, node, Way::PowerLoss, &Data::Lost);
        }
        NodeFault::Pause { .. } => {
            let now = world.now();
            let mut state = world.lock();
            let place = state.place_mut(node);
            let is_up = place.is_up;
            place.paused_by.add(n, (), now);
            if is_up {
                state.recorder.hit(n, []);
            }
            drop(state);
            world.pause(node, true);
        }
        NodeFault::Storm { times, up, down, kill, .. } => {
            let storm = Storm { times: *times, up: *up, down: *down, is_kill: *kill };
            rage(world, id, node, storm);
        }
        NodeFault::ClockSkew { .. }
        | NodeFault::ClockJump { .. }
        | NodeFault::ClockDrift { .. } => {
            panic!("no process has a clock of its own")
        }
        NodeFault::RotateKey { .. } => panic!("nobody knows how a process takes a new key"),
    }
    id
}

/// Takes a machine down again and again.
fn rage(world: &LiveWorld, fault: FaultId, node: &str, storm: Storm) {
    let way = if storm.is_kill { Way::Kill } else { Way::PowerLoss };
    let (world, node) = (world.clone(), node.to_owned());
    let n = fault.number();
    take_down(&world, n, &node, way, &Data::Stays);
    world.clone().spawn(async move {
        for round in 1..=storm.times {
            if round > 1 {
                take_down(&world, n, &node, way, &Data::Stays);
            }
            sleep(storm.down).await;
            bring_back(&world, n, &node);
            if round < storm.times {
                sleep(storm.up).await;
            }
            if !world.lock().recorder.is_in_force(n) {
                return;
            }
        }
        repair(&world, n);
    });
}

/// Takes a machine down, unless it is down already: its process is gone, or its power too.
fn take_down(world: &LiveWorld, fault: u64, node: &str, way: Way, data: &Data) {
    let now = world.now();
    let was_up = {
        let mut state = world.lock();
        let place = state.place_mut(node);
        let had_power = place.downed_by.oldest(|way| *way == Way::PowerLoss).is_none();
        let was_up = std::mem::take(&mut place.is_up);
        place.downed_by.add(fault, way, now);
        place.supervisor = Supervisor::default();
        // A machine that was killed can still lose its power.
        if was_up || (had_power && way == Way::PowerLoss) {
            state.recorder.hit(fault, []);
        }
        was_up
    };
    if was_up {
        if way == Way::PowerLoss {
            world.lose_lines_of(node, fault);
        }
        world.stop(node);
    }
    match data {
        Data::Stays => {}
        Data::Lost => world.replace_data(node, None),
        Data::Replaced(with) => world.replace_data(node, Some(with)),
    }
    world.tell();
}

/// Stops holding a machine down; it boots if nothing else does.
fn bring_back(world: &LiveWorld, fault: u64, node: &str) {
    let now = world.now();
    let mut state = world.lock();
    let led = state.place_mut(node).downed_by.remove(fault, now);
    if led == Some(true) {
        state.recorder.hit_if_inert(fault);
    }
    drop(state);
    if led.is_some() {
        world.boot(&node.into());
    }
}

/// Takes away a machine's power, and puts a backup in the place of its data.
pub(super) fn restore(
    world: &LiveWorld,
    node: &str,
    backup: Backup,
    cause: Option<u64>,
) -> FaultId {
    let id = world.begin_fault(node, (format!("restore {node}"), cause));
    let data = match backup {
        Backup::Folder(folder) => Data::Replaced(folder),
        Backup::Disk(_) => Data::Lost,
    };
    take_down(world, id.number(), node, Way::PowerLoss, &data);
    id
}

/// Ends a fault. Does nothing if it has ended.
pub(super) fn repair(world: &LiveWorld, fault: u64) {
    let now = world.now();
    let mut state = world.lock();
    if !state.recorder.end_fault(now, FaultId::numbered(fault)) {
        return;
    }
    for faults in state.obstructions.values_mut() {
        faults.remove(&fault);
    }
    for faults in state.hangs.values_mut() {
        faults.remove(&fault);
    }
    state.changes.retain(|(other, ..)| *other != fault);
    state.resets.retain(|armed| armed.fault != fault);
    state.duplications.retain(|armed| armed.fault != fault);
    state.proxies.retain(|(other, _)| *other != fault);
    state.refusals.retain(|(other, _)| *other != fault);
    let (mut resumed, mut downed) = (Vec::new(), Vec::new());
    for (name, place) in &mut state.places {
        if place.paused_by.remove(fault, now).is_some() && place.paused_by.is_empty() {
            resumed.push(Arc::clone(name));
        }
        let is_downed = place.downed_by.oldest(|_| true).is_some();
        downed.extend(is_downed.then(|| Arc::clone(name)));
    }
    drop(state);
    for name in &resumed {
        world.pause(name, false);
    }
    for name in &downed {
        bring_back(world, fault, name);
    }
    world.tell();
}

impl LiveWorld {
    fn begin_fault(&self, machine: &str, (what, cause): Told) -> FaultId {
        let now = self.now();
        self.lock().recorder.begin_fault(now, machine.into(), what, cause)
    }

    fn obstruct(&self, fault: u64, cut: &Cut, how: Obstruction) {
        let mut state = self.lock();
        for (from, to) in cut.links() {
            state.obstructions.entry((from.into(), to.into())).or_default().insert(fault, how);
        }
    }

    /// Has a fault cut these ways, and no others.
    fn obstruct_only(&self, fault: u64, cut: BTreeSet<Path>) {
        let mut state = self.lock();
        for (path, faults) in &mut state.obstructions {
            if !cut.contains(path) {
                faults.remove(&fault);
            }
        }
        for path in cut {
            state.obstructions.entry(path).or_default().insert(fault, Obstruction::Cut);
        }
        drop(state);
        self.tell();
    }
}
