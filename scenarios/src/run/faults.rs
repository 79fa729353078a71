//! The fault schedule: begins each fault at its time or exchange, and ends it.

mod disk;
mod network;
mod node;
mod peer;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

pub use self::disk::disk_faults;
use sim::fault::FaultId;
use tokio::{sync::watch, time::Instant};
use transport::Host;

use crate::{
    Scenario,
    federation::{OBSERVER, Stage},
    history::{Note, endpoint},
    scenario::{self, Endpoint, Fault, FaultKind, When},
    world::Watch,
};

/// The faults of one run.
pub(super) struct Schedule {
    shared: Arc<Shared>,
    unfinished: watch::Receiver<usize>,
}

struct Shared {
    stage: Arc<Stage>,
    /// The endpoints that triggers name.
    endpoints: &'static [Endpoint],
    /// Nothing begins any more.
    is_closed: AtomicBool,
    /// Faults that have not begun, or will still end by themselves.
    unfinished: watch::Sender<usize>,
    /// Ends faults, at the harness's seat.
    seat: Host,
}

impl Schedule {
    /// Starts every fault's clock, and watches for its exchange.
    pub(super) fn start(stage: &Arc<Stage>, endpoints: &'static [Endpoint]) -> Self {
        let faults = &stage.scenario().faults;
        let (sender, unfinished) = watch::channel(faults.len());
        let shared = Arc::new(Shared {
            stage: Arc::clone(stage),
            endpoints,
            is_closed: AtomicBool::new(false),
            unfinished: sender,
            seat: stage.observer().clone(),
        });
        let ready = Instant::now();
        for (index, fault) in faults.iter().enumerate() {
            shared.schedule(index, fault, ready);
        }
        Self { shared, unfinished }
    }

    /// Resolves when every fault has begun, and ended unless it lasts until everything is repaired.
    pub(super) async fn finished(&self) {
        let mut unfinished = self.unfinished.clone();
        // The sender lives as long as `self`.
        drop(unfinished.wait_for(|unfinished| *unfinished == 0).await);
    }

    /// No fault begins from now on.
    pub(super) fn close(&self) {
        self.shared.is_closed.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn schedule(self: &Arc<Self>, index: usize, fault: &Fault, ready: Instant) {
        let shared = Arc::clone(self);
        match &fault.when {
            When::At(at) => {
                let at = ready + *at;
                self.seat.spawn(async move {
                    tokio::time::sleep_until(at).await;
                    shared.begin(index, None);
                });
            }
            When::Exchange { moment, endpoints, from, to, nth } => {
                let (known, wanted) = (self.endpoints, endpoints.clone());
                self.stage.world().on_exchange(Watch {
                    moment: moment_of(*moment),
                    from: from.clone(),
                    to: to.clone(),
                    matches: Arc::new(move |method, target| {
                        let name = endpoint::name(known, method, target);
                        name.is_some_and(|name| wanted.iter().any(|wanted| wanted == name))
                    }),
                    nth: *nth,
                    action: Box::new(move |entry| shared.begin(index, Some(entry))),
                });
            }
        }
    }

    fn begin(self: &Arc<Self>, index: usize, cause: Option<u64>) {
        if self.is_closed.load(Ordering::Relaxed) {
            return;
        }
        let (world, scenario) = (self.stage.world(), self.stage.scenario());
        let fault = &scenario.faults[index];
        let id = world.begin(scenario, &fault.kind, cause);
        if let FaultKind::Peer(fault) = &fault.kind {
            self.stage.wrong(id, fault);
        }
        let (topic, body) = Note::FaultSet { index, fault: id.number() }.to_parts();
        world.note(OBSERVER, cause, &topic, body);
        match fault.lasts() {
            Some(lasts) => self.end_after(id, lasts),
            None => self.finish_one(),
        }
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

fn moment_of(moment: scenario::Moment) -> sim::fault::Moment {
    match moment {
        scenario::Moment::Sent => sim::fault::Moment::Sent,
        scenario::Moment::Arrived => sim::fault::Moment::Arrived,
        scenario::Moment::Answered => sim::fault::Moment::Answered,
    }
}

/// Sets a fault in the simulated world. On a machine that is down or paused already it may touch nothing.
pub(crate) fn set(
    world: &sim::World,
    scenario: &Scenario,
    kind: &FaultKind,
    cause: Option<u64>,
) -> FaultId {
    match kind {
        FaultKind::Network(fault) => network::set(world, scenario, fault, cause),
        FaultKind::Node(fault) => node::set(world, fault, cause),
        FaultKind::Disk(fault) => disk::set(world, fault, cause),
        FaultKind::Peer(fault) => peer::set(world, fault, cause),
    }
}
