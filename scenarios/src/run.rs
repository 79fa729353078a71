//! One run of a scenario: boots the cluster, sets up the conversations, lets clients work while
//! faults happen, repairs everything, lets the world settle, reads what is left, and judges.
//!
//! Reading order: [`run`] and [`run_on`], which know no federation in particular; `faults`,
//! `settling`; then our own federation, [`Homeservers`]: `cluster` (machines), `device` and `client` (a user's device and
//! its calls), `setup`, `reading` and `awaiting` (how devices learn of messages), `operations`,
//! `queues`, `finals`; then `recording`, `events`, `wording` and `verdict` (the run as a record).

mod awaiting;
mod client;
mod cluster;
mod device;
mod events;
mod faults;
mod finals;
mod homeservers;
mod operations;
mod queues;
mod reading;
mod recording;
mod settling;
mod setup;
mod stranger;
mod verdict;
mod wording;

use std::{sync::Arc, time::Duration};

use sim::{LinkConfig, WorldConfig, journal::Journal};

use self::faults::Schedule;
pub(crate) use self::faults::set as set_fault;
pub use self::faults::{cut, disk_faults};
pub use self::homeservers::{HOMESERVERS, Homeservers};
use crate::{
    Federation, Record, Scenario,
    federation::Stage,
    history::{History, Note},
    record::Verdict,
    scenario::Latency,
    world::{Simulated, Universe, World},
};

/// Simulated time within which a cluster must be ready.
const SETUP_LIMIT: Duration = Duration::from_mins(10);

/// Simulated time for reading what is left at the end.
const FINALS_LIMIT: Duration = Duration::from_mins(10);

/// What a run needs beside a scenario and a seed.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The file that the scenario came from, as it was named.
    pub file: Option<String>,
    /// Whether to measure how long the journal takes; changes nothing in the run.
    pub time_journal: bool,
}

/// What a run leaves behind.
#[derive(Debug)]
pub struct Run {
    /// The run as one value.
    pub record: Record,
    /// Everything that happened.
    pub journal: Journal,
}

/// Runs a scenario on this thread, on fedsim's own homeservers and relays in the simulated world, and
/// judges it. Deterministic: the same scenario and seed give the same journal and record.
pub fn run(scenario: &Scenario, seed: u64, options: &Options) -> Run {
    run_on(&Simulated, Arc::new(Homeservers::default()), scenario, seed, options)
}

/// The same on any federation, in any world.
pub fn run_on(
    universe: &dyn Universe,
    federation: Arc<dyn Federation>,
    scenario: &Scenario,
    seed: u64,
    options: &Options,
) -> Run {
    let vocabulary = federation.vocabulary();
    let outcome = play(universe, federation, scenario, seed, options);
    recording::record(vocabulary, scenario, seed, options, outcome)
}

/// What [`run`] comes to, without its record: a journal told in words is most of that, and whoever
/// runs thousands of seeds reads none of them. The verdict, and the sentence that says why unless it
/// is a pass; the record has the very same.
pub fn verdict(scenario: &Scenario, seed: u64) -> (Verdict, Option<String>) {
    let outcome = simulate(scenario, seed, &Options::default());
    let judgment = recording::judge(&History::read(scenario, &outcome.journal), &outcome);
    (judgment.verdict, judgment.sentence)
}

/// The first half of [`run`]: what the world leaves behind, not judged yet.
pub fn simulate(
    scenario: &Scenario,
    seed: u64,
    options: &Options,
) -> sim::Outcome<Result<(), String>> {
    play(&Simulated, Arc::new(Homeservers::default()), scenario, seed, options)
}

/// The second half of [`run`]: reads the journal, judges it, and makes the record.
pub fn judge(
    scenario: &Scenario,
    seed: u64,
    options: &Options,
    outcome: sim::Outcome<Result<(), String>>,
) -> Run {
    recording::record(&HOMESERVERS, scenario, seed, options, outcome)
}

fn play(
    universe: &dyn Universe,
    federation: Arc<dyn Federation>,
    scenario: &Scenario,
    seed: u64,
    options: &Options,
) -> sim::Outcome<Result<(), String>> {
    let shared = Arc::new(scenario.clone());
    let config = WorldConfig {
        seed,
        link: LinkConfig {
            latency: sim_latency(scenario.network.latency),
            loss: scenario.network.loss,
            bandwidth: None,
        },
        time_journal: options.time_journal,
        limit: SETUP_LIMIT + scenario.limit + scenario.settle + FINALS_LIMIT,
        ..WorldConfig::default()
    };
    universe.run(config, Box::new(|world| Box::pin(conduct(world, shared, federation))))
}

/// The run itself. Everything that it finds out it notes in the journal.
///
/// # Errors
/// The cluster could not be made ready; a sentence.
async fn conduct(
    world: Arc<dyn World>,
    scenario: Arc<Scenario>,
    federation: Arc<dyn Federation>,
) -> Result<(), String> {
    let stage = Arc::new(Stage::new(Arc::clone(&scenario), world));
    federation.boot(&stage);
    let rooms = tokio::time::timeout(SETUP_LIMIT, federation.prepare(&stage))
        .await
        .map_err(|_| format!("the cluster was not ready within {SETUP_LIMIT:?}"))??;
    stage.tell(&Note::Ready { rooms });
    let end_of_operations = tokio::time::Instant::now() + scenario.limit;
    let schedule = Schedule::start(&stage, federation.vocabulary().endpoints);
    let finished = async {
        federation.work(&stage).await;
        schedule.finished().await;
    };
    // What has not ended by the limit is left to its own deadline.
    let _is_late = tokio::time::timeout_at(end_of_operations, finished).await.is_err();
    schedule.close();
    stage.world().repair_all();
    stage.tell(&Note::Repaired {});
    let pending = settling::settle(&stage, &*federation).await;
    stage.tell(&Note::Settled { pending });
    federation.finish(&stage).await;
    Ok(())
}

fn sim_latency(latency: Latency) -> sim::Latency {
    match latency {
        Latency::Fixed(delay) => sim::Latency::Fixed(delay),
        Latency::Uniform(least, most) => sim::Latency::Uniform(least, most),
    }
}
