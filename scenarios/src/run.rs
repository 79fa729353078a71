//! One run of a scenario: boots the cluster, sets up the conversations, lets clients work while
//! faults happen, repairs everything, lets the world settle, reads what is left, and judges.
//!
//! Reading order: [`run`], then `cluster` (machines), `device` and `client` (a user's device and
//! its calls), `setup`, `reading` and `awaiting` (how devices learn of messages), `operations`,
//! `faults`, `settling`, `finals`; then `recording`, `events`, `wording` and
//! `verdict` (the run as a record).

mod awaiting;
mod client;
mod cluster;
mod device;
mod events;
mod faults;
mod finals;
mod operations;
mod reading;
mod recording;
mod settling;
mod setup;
mod stranger;
mod verdict;
mod wording;

use std::{sync::Arc, time::Duration};

use sim::{LinkConfig, World, WorldConfig, journal::Journal};

use self::{cluster::Cluster, faults::Schedule};
use crate::{Record, Scenario, history::Note, scenario::Latency};

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

/// Runs a scenario on this thread and judges it. Deterministic: the same scenario and seed give the
/// same journal and record.
pub fn run(scenario: &Scenario, seed: u64, options: &Options) -> Run {
    let outcome = simulate(scenario, seed, options);
    judge(scenario, seed, options, outcome)
}

/// The first half of [`run`]: what the world leaves behind, not judged yet.
pub fn simulate(
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
        },
        time_journal: options.time_journal,
        limit: SETUP_LIMIT + scenario.limit + scenario.settle + FINALS_LIMIT,
        ..WorldConfig::default()
    };
    sim::run(config, move |world| conduct(world, shared))
}

/// The second half of [`run`]: reads the journal, judges it, and makes the record.
pub fn judge(
    scenario: &Scenario,
    seed: u64,
    options: &Options,
    outcome: sim::Outcome<Result<(), String>>,
) -> Run {
    recording::record(scenario, seed, options, outcome)
}

/// The run itself. Everything that it finds out it notes in the journal.
///
/// # Errors
/// The cluster could not be made ready; a sentence.
async fn conduct(world: World, scenario: Arc<Scenario>) -> Result<(), String> {
    let cluster = Cluster::boot(&world, &scenario);
    let rooms = tokio::time::timeout(SETUP_LIMIT, setup::prepare(&cluster))
        .await
        .map_err(|_| format!("the cluster was not ready within {SETUP_LIMIT:?}"))??;
    cluster.note(&Note::Ready { rooms: rooms.clone() });
    let cluster = Arc::new(cluster.with_rooms(rooms));
    let end_of_operations = tokio::time::Instant::now() + scenario.limit;
    cluster.devices.values().for_each(reading::start);
    let schedule = Schedule::start(&cluster);
    let operations = operations::start(&cluster);
    let finished = async {
        operations.await;
        schedule.finished().await;
    };
    // What has not ended by the limit is left to its own deadline.
    let _is_late = tokio::time::timeout_at(end_of_operations, finished).await.is_err();
    schedule.close();
    world.repair_all();
    cluster.note(&Note::Repaired {});
    let left = settling::settle(&cluster).await;
    cluster.note(&Note::Settled { pending: left.sentences });
    // What stays pending all that time is left over, even if the reading below sets it in motion.
    for (backend, pending) in left.queues {
        cluster.note(&Note::FinalQueues { backend, pending });
    }
    for (relay, entries) in left.mail {
        cluster.note(&Note::FinalMail { relay, entries });
    }
    finals::read(&cluster).await;
    Ok(())
}

fn sim_latency(latency: Latency) -> sim::Latency {
    match latency {
        Latency::Fixed(delay) => sim::Latency::Fixed(delay),
        Latency::Uniform(least, most) => sim::Latency::Uniform(least, most),
    }
}
