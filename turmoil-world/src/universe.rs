//! Drives a turmoil simulation through a run: step by step, and between two steps it does what only
//! the owner of the simulation can do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use journal::{Ended, Latency, MAX_BYTES, Recording};
use runs::{
    federation::OBSERVER,
    world::{Play, Simulation, Universe},
};
use scenarios::Scenario;
use sim::WorldConfig;
use turmoil::Sim;

use crate::{
    obstacles::obstacles,
    world::{ChangedLinks, Command, TurmoilWorld},
};

/// Simulated time of one step. Shorter ones are broken (tokio counts milliseconds), and longer ones
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
        let limits = Limits { time: config.limit, entries: config.max_entries };
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
        let world = TurmoilWorld::new(config);
        let is_over = Arc::new(AtomicBool::new(false));
        // The play's timers are the observer's: each turmoil host has a clock of its own.
        sim.client(OBSERVER, {
            let (world, is_over) = (world.clone(), Arc::clone(&is_over));
            async move {
                play(Arc::new(world)).await;
                is_over.store(true, Ordering::Relaxed);
                std::future::pending().await
            }
        });
        let ended = drive(&mut sim, &world, &is_over, limits);
        let recording = conclude(sim, &world, ended);
        Simulation { recording, journal_time: Duration::ZERO, logs: Vec::new() }
    }
}

/// What ends a run that does not end by itself.
#[derive(Clone, Copy)]
struct Limits {
    time: Duration,
    entries: u64,
}

fn drive(sim: &mut Sim<'_>, world: &TurmoilWorld, is_over: &AtomicBool, limits: Limits) -> Ended {
    loop {
        obey(sim, world);
        if let Some((machine, message)) = world.lock().panicked.clone() {
            return Ended::Panicked { machine, message };
        }
        if is_over.load(Ordering::Relaxed) {
            return Ended::Finished;
        }
        if sim.elapsed() >= limits.time {
            return Ended::Limit;
        }
        if world.lock().recorder.journal().entries().len() as u64 >= limits.entries {
            return Ended::EntryLimit(limits.entries);
        }
        if world.lock().recorder.journal().bytes() >= MAX_BYTES {
            return Ended::ByteLimit(MAX_BYTES);
        }
        {
            let mut state = world.lock();
            state.now = sim.elapsed();
            state.restart_all();
        }
        turn(sim, world);
        if let Err(error) = sim.step() {
            return Ended::Panicked { machine: OBSERVER.to_owned(), message: error.to_string() };
        }
    }
}

/// Does what was asked for since the last step.
fn obey(sim: &mut Sim<'_>, world: &TurmoilWorld) {
    loop {
        let Some(command) = world.lock().commands.pop_front() else { return };
        match command {
            Command::Add(name) if &*name == OBSERVER => {
                // It is there already: the play runs on it.
            }
            Command::Add(name) => {
                let world = world.clone();
                sim.host(&*name.clone(), move || {
                    let (world, name) = (world.clone(), Arc::clone(&name));
                    async move {
                        world.run(name).await;
                        Ok(())
                    }
                });
            }
            Command::Crash { machine, silently: false } => sim.crash(&*machine),
            Command::Crash { machine, silently: true } => lose_power(sim, world, &machine),
            // Unless another fault has taken it down in the meantime.
            Command::Bounce(machine) if world.lock().place_mut(&machine).downed_by.is_empty() => {
                sim.bounce(&*machine);
            }
            Command::Bounce(_) => {}
        }
    }
}

/// Takes the steps of swizzles that are due.
fn turn(sim: &Sim<'_>, world: &TurmoilWorld) {
    let mut state = world.lock();
    let ChangedLinks { held, released } = state.turn_all();
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
fn lose_power(sim: &mut Sim<'_>, world: &TurmoilWorld, machine: &Arc<str>) {
    let names = world.lock().places.keys().cloned().collect::<Vec<_>>();
    let others: Vec<_> = names.into_iter().filter(|name| name != machine).collect();
    for other in &others {
        sim.partition(&**machine, &**other);
    }
    sim.crash(&**machine);
    for other in &others {
        sim.repair(&**machine, &**other);
        if world.lock().is_held(machine, other) {
            sim.hold(&**machine, &**other);
        }
    }
}

fn conclude(sim: Sim<'_>, world: &TurmoilWorld, ended: Ended) -> Recording {
    let (at, journal, faults) = {
        let mut state = world.lock();
        state.recorder.close();
        (sim.elapsed(), state.recorder.take_journal(), state.recorder.reports())
    };
    drop(sim);
    // What is left holds itself alive through its hosts and triggers.
    let left = {
        let mut state = world.lock();
        (std::mem::take(&mut state.places), std::mem::take(&mut state.recorder.watches))
    };
    drop(left);
    Recording { journal, faults, ended, at }
}
