//! Two faults in one world, one way.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use sim::{Latency, LinkConfig, MachineState, World, WorldConfig, fault::FaultId};
use tokio::time::{Instant, sleep, sleep_until};
use transport::Host;

use crate::{
    desk::{self, Answer, ask},
    kinds::{Doing, InForce, Kind, doing, writes},
};

/// How two faults overlap. The first begins first, also where they begin at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Overlap {
    /// The second begins and ends while the first lasts.
    Within,
    /// The second outlasts the first.
    Beyond,
    /// Both last equally long.
    Same,
}

pub(crate) const WAYS: [Overlap; 3] = [Overlap::Within, Overlap::Beyond, Overlap::Same];

type Interval = (u64, u64);

impl Overlap {
    /// From when until when each lasts, in seconds.
    pub(crate) fn intervals(self) -> [Interval; 2] {
        match self {
            Self::Within => [(2, 11), (5, 8)],
            Self::Beyond => [(2, 8), (5, 11)],
            Self::Same => [(2, 5), (2, 5)],
        }
    }

    /// When a phase begins: a time at which a fault begins or ends, but for the last.
    fn phases(self) -> &'static [u64] {
        match self {
            Self::Within | Self::Beyond => &[2, 5, 8],
            Self::Same => &[2],
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Played {
    /// What the machine was doing in each phase, and what it ought to.
    pub(crate) phases: Vec<(Doing, Doing)>,
    /// What it did when both were over.
    pub(crate) after: Doing,
    /// What the reports say, in seconds.
    pub(crate) intervals: [Interval; 2],
    /// Whether each touched nothing.
    pub(crate) inert: [bool; 2],
}

/// How far into a phase one looks.
const LOOK: Duration = Duration::from_millis(1400);

pub(crate) fn play(one: Kind, other: Kind, way: Overlap) -> Played {
    let link =
        LinkConfig { latency: Latency::Fixed(Duration::from_millis(5)), ..LinkConfig::default() };
    let config = WorldConfig { seed: 3, link, ..WorldConfig::default() };
    let outcome = sim::run(config, move |world| async move {
        let seat = world.add_seat("a");
        world.add_machine("b", Arc::new(desk::server));
        world.boot("b");
        seat.spawn(keep_asking(seat.clone()));
        let faults = Arc::new(Mutex::new([None; 2]));
        schedule(&world, [one, other], way, &faults);
        let began = Instant::now();
        let mut seen = Vec::new();
        for phase in way.phases() {
            sleep_until(began + Duration::from_secs(*phase) + LOOK).await;
            seen.push(look(&world, &seat).await);
        }
        sleep_until(began + Duration::from_secs(11) + LOOK).await;
        let after = look(&world, &seat).await;
        let faults = faults.lock().unwrap().map(|fault: Option<FaultId>| fault.expect("it began"));
        let reports = faults.map(|fault| world.fault(fault));
        let until = |until: Option<Duration>| until.map_or(0, |until| until.as_secs());
        let intervals = reports.clone().map(|it| (it.from.as_secs(), until(it.until)));
        (seen, after, intervals, reports.map(|report| report.hits == 0))
    });
    let (seen, after, intervals, inert) = outcome.value.expect("it was played to its end");
    let phases = seen.into_iter().zip(expected([one, other], way)).collect();
    Played { phases, after, intervals, inert }
}

/// There is always a request on its way.
async fn keep_asking(host: Host) {
    loop {
        host.spawn(drop_answer(host.clone()));
        sleep(Duration::from_millis(200)).await;
    }
}

async fn drop_answer(host: Host) {
    ask(host).await;
}

/// Begins and ends both; where that falls together, the first goes first.
fn schedule(
    world: &World,
    kinds: [Kind; 2],
    way: Overlap,
    faults: &Arc<Mutex<[Option<FaultId>; 2]>>,
) {
    let mut steps: Vec<(u64, usize, bool)> = Vec::new();
    for (at, (from, until)) in way.intervals().into_iter().enumerate() {
        steps.extend([(from, at, true), (until, at, false)]);
    }
    steps.sort_by_key(|(time, at, begins)| (*time, !begins, *at));
    let (world, faults, began) = (world.clone(), Arc::clone(faults), Instant::now());
    world.clone().spawn(async move {
        sleep_until(began + Duration::from_secs(1)).await;
        let backup = world.image("b");
        for (time, at, begins) in steps {
            sleep_until(began + Duration::from_secs(time)).await;
            let fault = faults.lock().unwrap()[at];
            match (begins, fault) {
                (true, _) => {
                    let fault = kinds[at].begin(&world, &backup);
                    faults.lock().unwrap()[at] = Some(fault);
                }
                (false, Some(fault)) => world.repair(fault),
                (false, None) => {}
            }
        }
    });
}

async fn look(world: &World, seat: &Host) -> Doing {
    let (sender, answer) = tokio::sync::oneshot::channel();
    let asking = ask(seat.clone());
    seat.spawn(async move {
        // Whoever asked waits for it.
        // Nobody waits for it any more if the world is over.
        let _is_heard = sender.send(asking.await).is_ok();
    });
    let answer = answer.await.expect("the seat stays up");
    match (world.state("b"), answer) {
        (MachineState::Down, Answer::Refused) => Doing::Killed,
        (MachineState::Down, _) => Doing::Off,
        (MachineState::Paused, _) => Doing::Paused,
        (MachineState::Up, Answer::Yes) => Doing::Serves,
        (MachineState::Up, Answer::No) => Doing::Fails,
        (MachineState::Up, Answer::Refused) => Doing::Refuses,
        (MachineState::Up, Answer::None | Answer::Broken) => Doing::Silent,
    }
}

/// What the machine ought to be doing when one looks.
fn expected(kinds: [Kind; 2], way: Overlap) -> Vec<Doing> {
    let mut struck = [false; 2];
    let phases = way.phases().iter().map(|phase| {
        let lasts = way.intervals().map(|(from, until)| (from..until).contains(phase));
        let in_force = |struck: [bool; 2]| -> Vec<(Kind, Duration, bool)> {
            let all = (0..2).filter(|at| lasts[*at]);
            let age = |at: usize| Duration::from_secs(phase - way.intervals()[at].0) + LOOK;
            all.map(|at| (kinds[at], age(at), struck[at])).collect()
        };
        for at in 0..2 {
            struck[at] &= lasts[at];
        }
        if writes(&in_force(struck)) {
            let dies = |at: usize| lasts[at] && kinds[at] == Kind::Dying;
            struck = [dies(0), dies(1)];
        }
        let in_force: InForce<'_> = &in_force(struck);
        doing(in_force)
    });
    phases.collect()
}
