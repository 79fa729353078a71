//! The fault schedule: begins each fault at its time or at its trigger, and ends it.

mod disk;
mod node;
mod peer;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

pub use self::disk::disk_faults;
use checks::history::Note;
use scenarios::{
    Scenario, endpoint,
    scenario::{FaultKind, NodeFault, When},
    vocabulary::Endpoint,
};
use sim::fault::FaultId;
use tokio::{sync::watch, time::Instant};
use transport::Host;

use crate::{
    federation::{OBSERVER, Stage},
    world::{Backup, DiskWatch, Watch},
};

/// The faults of one run.
pub(crate) struct Schedule {
    shared: Arc<Shared>,
    unfinished: watch::Receiver<usize>,
}

struct Shared {
    stage: Arc<Stage>,
    /// The endpoints that triggers name.
    endpoints: &'static [Endpoint],
    /// Whether no fault begins any more.
    is_closed: AtomicBool,
    /// How many faults have not begun yet, or are still to end by themselves.
    unfinished: watch::Sender<usize>,
    /// The harness's seat, on which the timers of faults run.
    seat: Host,
    /// The backups taken so far, by the index of the fault that restores them.
    backups: Mutex<BTreeMap<usize, Backup>>,
}

impl Schedule {
    /// Starts the timer of every fault that begins at a time, and watches for the triggers of the
    /// others; what begins after another fault waits for that one.
    pub(crate) fn start(stage: &Arc<Stage>, endpoints: &'static [Endpoint]) -> Self {
        let faults = &stage.scenario().faults;
        let (sender, unfinished) = watch::channel(faults.len());
        let shared = Arc::new(Shared {
            stage: Arc::clone(stage),
            endpoints,
            is_closed: AtomicBool::new(false),
            unfinished: sender,
            seat: stage.observer().clone(),
            backups: Mutex::default(),
        });
        let ready = Instant::now();
        for (index, fault) in faults.iter().enumerate() {
            if let FaultKind::Node(NodeFault::Restore { node, taken }) = &fault.kind {
                let (backs_up, node) = (Arc::clone(&shared), node.clone());
                shared.when(&taken.0, ready, move |_| backs_up.back_up(index, &node));
            }
        }
        shared.schedule(None);
        Self { shared, unfinished }
    }

    /// Resolves once every fault has begun, and has ended unless it lasts until everything is
    /// repaired.
    pub(crate) async fn finished(&self) {
        let mut unfinished = self.unfinished.clone();
        // The sender lives as long as `self`.
        drop(unfinished.wait_for(|unfinished| *unfinished == 0).await);
    }

    /// Lets no fault begin from now on.
    pub(crate) fn close(&self) {
        self.shared.is_closed.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    /// Starts the timer of every fault that is counted from the beginning of the one called `after`, or
    /// from now if that is none, and watches for the triggers of the others.
    fn schedule(self: &Arc<Self>, after: Option<&str>) {
        let now = Instant::now();
        for (index, fault) in self.stage.scenario().faults.iter().enumerate() {
            if fault.after.as_deref() == after {
                let shared = Arc::clone(self);
                self.when(&fault.when, now, move |cause| shared.begin(index, cause));
            }
        }
    }

    /// Calls `act` once, at a time or at a trigger, with the number of the entry that fired the
    /// trigger.
    fn when(&self, when: &When, ready: Instant, act: impl FnOnce(Option<u64>) + Send + 'static) {
        match when {
            When::At(at) => {
                let at = ready + *at;
                self.seat.spawn(async move {
                    tokio::time::sleep_until(at).await;
                    act(None);
                });
            }
            When::Exchange { moment, endpoints, from, to, nth } => {
                let (known, wanted) = (self.endpoints, endpoints.clone());
                self.stage.world().on_exchange(Watch {
                    moment: *moment,
                    from: from.clone(),
                    to: to.clone(),
                    matches: Arc::new(move |method, target| {
                        let name = endpoint::name(known, method, target);
                        name.is_some_and(|name| wanted.iter().any(|wanted| wanted == name))
                    }),
                    nth: *nth,
                    action: Box::new(move |entry| act(Some(entry))),
                });
            }
            When::Disk { operation, node, nth } => self.stage.world().on_disk(DiskWatch {
                machine: node.clone(),
                operation: *operation,
                nth: *nth,
                action: Box::new(move |entry| act(Some(entry))),
            }),
        }
    }

    fn back_up(&self, index: usize, node: &str) {
        let image = self.stage.world().image(node);
        self.backups.lock().expect("nothing panics while it holds it").insert(index, image);
    }

    fn begin(self: &Arc<Self>, index: usize, cause: Option<u64>) {
        if self.is_closed.load(Ordering::Relaxed) {
            return;
        }
        let fault = &self.stage.scenario().faults[index];
        let Some(id) = self.set(index, cause) else { return self.finish_one() };
        #[cfg(feature = "homeservers")]
        match &fault.kind {
            FaultKind::Peer(fault) => self.stage.wrong(id, fault),
            FaultKind::Node(NodeFault::RotateKey { node }) => self.stage.keys().rotate(node),
            _ => {}
        }
        let (topic, body) = Note::FaultSet { index, fault: id.number() }.to_parts();
        self.stage.world().note(OBSERVER, cause, &topic, body);
        if let Some(id) = &fault.id {
            self.schedule(Some(id));
        }
        match fault.lasts() {
            Some(lasts) => self.end_after(id, lasts),
            None => self.finish_one(),
        }
    }

    /// Begins a fault in the world, and returns its id; none if it restores a backup that has not
    /// been taken.
    fn set(&self, index: usize, cause: Option<u64>) -> Option<FaultId> {
        let (world, scenario) = (self.stage.world(), self.stage.scenario());
        let kind = &scenario.faults[index].kind;
        let FaultKind::Node(NodeFault::Restore { node, .. }) = kind else {
            return Some(world.begin(scenario, kind, cause));
        };
        let backups = self.backups.lock().expect("nothing panics while it holds it");
        let image = backups.get(&index).cloned();
        drop(backups);
        Some(world.restore(node, image?, cause))
    }

    fn end_after(self: &Arc<Self>, id: FaultId, lasts: Duration) {
        let shared = Arc::clone(self);
        self.seat.spawn(async move {
            tokio::time::sleep(lasts).await;
            shared.stage.world().repair(id);
            shared.finish_one();
        });
    }

    fn finish_one(&self) {
        self.unfinished.send_modify(|unfinished| *unfinished = unfinished.saturating_sub(1));
    }
}

/// Begins a fault in the simulated world. On a machine that is already down or paused, it may touch
/// nothing.
pub(crate) fn set(
    world: &sim::World,
    scenario: &Scenario,
    kind: &FaultKind,
    cause: Option<u64>,
) -> FaultId {
    match kind {
        FaultKind::Network(fault) => {
            world.break_network(fault, &scenario.meant_by_links(fault), cause)
        }
        FaultKind::Node(fault) => node::set(world, fault, cause),
        FaultKind::Disk(fault) => disk::set(world, fault, cause),
        FaultKind::Peer(fault) => peer::set(world, fault, cause),
    }
}
