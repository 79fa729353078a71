//! Drives a turmoil simulation through a run: one step after the other, and between two of them
//! what only the owner of the simulation can do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use journal::{Ended, Latency, Recording};
use runs::{
    federation::OBSERVER,
    world::{Play, Simulation, Universe},
};
use scenarios::Scenario;
use sim::WorldConfig;
use turmoil::Sim;

use crate::{
    obstacles::obstacles,
    world::{Changed, Command, Shared},
};

/// Simulated time of one step. Shorter ones are broken (tokio counts milliseconds), longer ones
/// round every delay up.
const TICK: Duration = Duration::from_millis(1);

/// SYNs that may wait at one listener; turmoil panics when there are more.
const TCP_CAPACITY: usize = 4096;

/// Makes turmoil simulations. Two things of a scenario's network are turmoil's own: delays in a
/// range are distributed as turmoil does it, and segments are never lost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turmoil;

impl Universe for Turmoil {
    fn obstacles(&self, scenario: &Scenario) -> Vec<String> {
        obstacles(scenario)
    }

    fn run(&self, config: WorldConfig, play: Play) -> Simulation {
        let (least, most) = match config.link.latency {
            Latency::Fixed(delay) => (delay, delay),
            Latency::Uniform(least, most) => (least, most),
        };
        let limit = config.limit;
        let mut sim = turmoil::Builder::new()
            .epoch(config.epoch)
            // The limit is this driver's own affair.
            .simulation_duration(Duration::MAX)
            .tick_duration(TICK)
            .tcp_capacity(TCP_CAPACITY)
            .min_message_latency(least)
            .max_message_latency(most)
            .rng_seed(config.seed)
            .build();
        let shared = Shared::new(config);
        let is_over = Arc::new(AtomicBool::new(false));
        // The play's timers are the observer's: each turmoil host has a clock of its own.
        sim.client(OBSERVER, {
            let (shared, is_over) = (shared.clone(), Arc::clone(&is_over));
            async move {
                play(Arc::new(shared)).await;
                is_over.store(true, Ordering::Relaxed);
                std::future::pending().await
            }
        });
        let ended = drive(&mut sim, &shared, &is_over, limit);
        let recording = conclude(sim, &shared, ended);
        Simulation { recording, journal_time: Duration::ZERO }
    }
}

fn drive(sim: &mut Sim<'_>, shared: &Shared, is_over: &AtomicBool, limit: Duration) -> Ended {
    loop {
        obey(sim, shared);
        if let Some((machine, message)) = shared.lock().panicked.clone() {
            return Ended::Panicked { machine, message };
        }
        if is_over.load(Ordering::Relaxed) {
            return Ended::Finished;
        }
        if sim.elapsed() >= limit {
            return Ended::Limit;
        }
        {
            let mut state = shared.lock();
            state.now = sim.elapsed();
            state.restart_all();
        }
        turn(sim, shared);
        if let Err(error) = sim.step() {
            return Ended::Panicked { machine: OBSERVER.to_owned(), message: error.to_string() };
        }
    }
}

/// Does what was asked for since the last step.
fn obey(sim: &mut Sim<'_>, shared: &Shared) {
    loop {
        let Some(command) = shared.lock().commands.pop_front() else { return };
        match command {
            Command::Add(name) if &*name == OBSERVER => {
                // It is there: the play runs on it.
            }
            Command::Add(name) => {
                let shared = shared.clone();
                sim.host(&*name.clone(), move || {
                    let (shared, name) = (shared.clone(), Arc::clone(&name));
                    async move {
                        shared.run(name).await;
                        Ok(())
                    }
                });
            }
            Command::Crash { machine, silently: false } => sim.crash(&*machine),
            Command::Crash { machine, silently: true } => lose_power(sim, shared, &machine),
            // Unless another fault has taken it down meanwhile.
            Command::Bounce(machine) if shared.lock().place_mut(&machine).downed_by.is_empty() => {
                sim.bounce(&*machine);
            }
            Command::Bounce(_) => {}
        }
    }
}

/// Takes the steps of swizzles that are due.
fn turn(sim: &Sim<'_>, shared: &Shared) {
    let mut state = shared.lock();
    let Changed { held, released } = state.turn_all();
    // Whoever has something to write over a mended link waits in its tap.
    let waiting = if released.is_empty() { Vec::new() } else { std::mem::take(&mut state.waiting) };
    drop(state);
    for (a, b) in released {
        sim.release(&*a, &*b);
    }
    for (a, b) in held {
        sim.hold(&*a, &*b);
    }
    for task in waiting {
        task.wake();
    }
}

/// Turmoil's crash closes every connection politely, unless nobody can hear it.
fn lose_power(sim: &mut Sim<'_>, shared: &Shared, machine: &Arc<str>) {
    let names = shared.lock().places.keys().cloned().collect::<Vec<_>>();
    let others: Vec<_> = names.into_iter().filter(|name| name != machine).collect();
    for other in &others {
        sim.partition(&**machine, &**other);
    }
    sim.crash(&**machine);
    for other in &others {
        sim.repair(&**machine, &**other);
        if shared.lock().is_held(machine, other) {
            sim.hold(&**machine, &**other);
        }
    }
}

fn conclude(sim: Sim<'_>, shared: &Shared, ended: Ended) -> Recording {
    let (at, journal, faults) = {
        let mut state = shared.lock();
        state.recorder.close();
        (sim.elapsed(), state.recorder.take_journal(), state.recorder.reports())
    };
    drop(sim);
    // What is left refers to itself through its hosts and triggers.
    let left = {
        let mut state = shared.lock();
        (std::mem::take(&mut state.places), std::mem::take(&mut state.recorder.watches))
    };
    drop(left);
    Recording { journal, faults, ended, at }
}
