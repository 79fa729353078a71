//! One run of a scenario: boots the cluster, sets up the conversations, lets clients work while
//! faults happen, repairs everything, lets the world settle, and has what is left read.

pub(crate) mod settling;

use std::{sync::Arc, time::Duration};

#[cfg(feature = "homeservers")]
use checks::{HOMESERVERS, history::History, record::Verdict};
use checks::{
    Played, Run,
    history::Note,
    record::{LogLine, since_ready},
};
use defects::Defect;
use journal::{Ended, Event, Journal, Recording};
use scenarios::Scenario;
use sim::{LinkConfig, WorldConfig};
use transport::BoxFuture;

use crate::{
    Federation,
    faults::Schedule,
    federation::{OBSERVER, Rooms, Stage},
    world::{Simulation, Universe, World},
};
#[cfg(feature = "homeservers")]
use crate::{Homeservers, world::Simulated};

/// The simulated time within which a cluster must be ready.
pub(crate) const SETUP_LIMIT: Duration = Duration::from_mins(10);

/// The simulated time for reading what is left at the end.
const FINALS_LIMIT: Duration = Duration::from_mins(10);

/// What a run needs besides a scenario and a seed.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The file that the scenario came from, as it was named.
    pub file: Option<String>,
    /// Whether to measure how long the journal takes; changes nothing in the run.
    pub time_journal: bool,
    /// Whether the record is to hold what the programs logged; changes nothing in the run.
    pub keep_logs: bool,
    /// Entries of the journal after which the run is ended; [`sim::MAX_ENTRIES`] if unset.
    pub max_entries: Option<u64>,
    /// A known defect that the nodes of this run have. Only a build with the feature `planted` of
    /// the crate `defects` can play it.
    pub defect: Option<Defect>,
}

/// Runs a scenario on fedsim's own homeservers and relays in the simulated world, and judges it.
/// This is deterministic: the same scenario and seed give the same journal and record.
#[cfg(feature = "homeservers")]
pub fn run(scenario: &Scenario, seed: u64, options: &Options) -> Run {
    run_on(&Simulated, Arc::new(Homeservers::default()), scenario, seed, options)
}

/// Does the same on any federation, in any world. A scenario that this world cannot play is not
/// played: its verdict is unknown, and the reasons are told.
pub fn run_on(
    universe: &dyn Universe,
    federation: Arc<dyn Federation>,
    scenario: &Scenario,
    seed: u64,
    options: &Options,
) -> Run {
    let promises = federation.promises();
    let played = Played { scenario, seed, file: options.file.as_deref() };
    let Simulation { recording, logs, .. } =
        simulate_on(universe, federation, scenario, seed, options);
    let mut run = checks::judged(promises, played, recording);
    let logged = logs.into_iter().map(|line| LogLine {
        at_ns: since_ready(line.at, run.record.ready_ns),
        node: line.machine.to_string(),
        level: line.level.to_owned(),
        text: line.text,
    });
    run.record.meta.logs = logged.collect();
    run
}

/// Returns the verdict of [`run`] without making its record ([`checks::verdicts`]).
#[cfg(feature = "homeservers")]
pub fn verdict(scenario: &Scenario, seed: u64) -> (Verdict, Option<String>) {
    let recording = simulate(scenario, seed, &Options::default()).recording;
    let history = History::read(scenario, &recording.journal);
    let verdicts = checks::verdicts(&HOMESERVERS, &history, &recording);
    (verdicts.verdict, verdicts.sentence)
}

/// Does the first half of [`run`]: returns what the world leaves behind, not judged yet.
#[cfg(feature = "homeservers")]
pub fn simulate(scenario: &Scenario, seed: u64, options: &Options) -> Simulation {
    simulate_on(&Simulated, Arc::new(Homeservers::default()), scenario, seed, options)
}

/// Does the second half of [`run`]: reads the journal, judges it, and makes the record.
#[cfg(feature = "homeservers")]
pub fn judge(scenario: &Scenario, seed: u64, options: &Options, recording: Recording) -> Run {
    let played = Played { scenario, seed, file: options.file.as_deref() };
    checks::judged(&HOMESERVERS, played, recording)
}

/// Does the first half of [`run_on`].
pub fn simulate_on(
    universe: &dyn Universe,
    federation: Arc<dyn Federation>,
    scenario: &Scenario,
    seed: u64,
    options: &Options,
) -> Simulation {
    let obstacles = universe.obstacles(scenario);
    if !obstacles.is_empty() {
        return refused(&obstacles);
    }
    let shared = Arc::new(Scenario { seed, ..scenario.clone() });
    let age = federation.install(universe, scenario);
    let config = WorldConfig {
        seed,
        epoch: WorldConfig::default().epoch + age,
        link: LinkConfig {
            latency: scenario.network.latency,
            loss: scenario.network.loss,
            bandwidth: None,
        },
        schedule: scenario.schedule,
        max_entries: options.max_entries.unwrap_or(sim::MAX_ENTRIES),
        time_journal: options.time_journal,
        keep_logs: options.keep_logs,
        limit: SETUP_LIMIT + scenario.limit + scenario.settle + FINALS_LIMIT,
        ..WorldConfig::default()
    };
    let defect = options.defect;
    let play = move |world| -> BoxFuture<'static, ()> {
        // Here, because this is the thread of the world; its nodes are not booted yet.
        let planted = defects::plant(defect);
        Box::pin(async move {
            let _planted = planted;
            conduct(world, shared, federation).await;
        })
    };
    universe.run(config, Box::new(play))
}

/// Returns a run that was not begun: its journal says why.
fn refused(obstacles: &[String]) -> Simulation {
    let why = format!("this world cannot play it: {}", obstacles.join("; "));
    let (topic, body) = Note::NotReady { why }.to_parts();
    let mut journal = Journal::default();
    journal.push(Duration::ZERO, OBSERVER.into(), None, Event::Note { topic, body });
    let recording =
        Recording { journal, faults: Vec::new(), ended: Ended::Finished, at: Duration::ZERO };
    Simulation { recording, journal_time: Duration::ZERO, logs: Vec::new() }
}

/// Conducts the run itself. Everything that it finds out, it notes in the journal.
async fn conduct(world: Arc<dyn World>, scenario: Arc<Scenario>, federation: Arc<dyn Federation>) {
    let stage = Arc::new(Stage::new(Arc::clone(&scenario), world));
    federation.boot(&stage);
    let rooms = match prepared(&stage, &*federation).await {
        Ok(rooms) => rooms,
        Err(why) => {
            stage.tell(&Note::NotReady { why });
            return;
        }
    };
    stage.tell(&Note::Ready { rooms });
    let end_of_operations = tokio::time::Instant::now() + scenario.limit;
    let schedule = Schedule::start(&stage, federation.promises().vocabulary.endpoints);
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
}

/// Returns the rooms of a cluster that is ready, or else why it is not, in a sentence.
async fn prepared(stage: &Arc<Stage>, federation: &dyn Federation) -> Result<Rooms, String> {
    let prepared = tokio::time::timeout(SETUP_LIMIT, federation.prepare(stage)).await;
    prepared.map_err(|_| format!("the cluster was not ready within {SETUP_LIMIT:?}"))?
}
