//! Makes worlds of processes: their folder, their addresses, their certificates; plays a run in one;
//! and clears everything away, whatever happened.

use std::{
    collections::BTreeMap,
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use checks::history::Note;
use journal::{Ended, Event, Journal, MAX_BYTES, Recording};
use runs::{
    federation::OBSERVER,
    homeservers::STRANGER,
    world::{Play, Simulation, Universe},
};
use scenarios::Scenario;
use sim::{LogLine, WorldConfig};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::{
    ServerKind, Servers,
    addresses::Addresses,
    authority::Authority,
    gateway,
    obstacles::obstacles,
    process::{Keeper, end_all},
    world::{LiveWorld, Parts},
};

/// The wait between two looks whether the run is to be ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How many worlds this process has made: each has a marker of its own.
static WORLDS: AtomicU64 = AtomicU64::new(0);

/// The world of one scenario, of these servers.
pub struct Live {
    scenario: Arc<Scenario>,
    kinds: BTreeMap<String, ServerKind>,
    obstacles: Vec<String>,
    is_interrupted: fn() -> bool,
}

impl Live {
    /// Returns the world in which `scenario`, and no other, can be played on `servers`. Once
    /// `is_interrupted` says so, the run ends early.
    pub fn new(scenario: &Scenario, servers: &Servers, is_interrupted: fn() -> bool) -> Self {
        Self {
            scenario: Arc::new(scenario.clone()),
            kinds: servers.of(scenario),
            obstacles: obstacles(scenario, servers),
            is_interrupted,
        }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("scenario", &self.scenario.name).finish_non_exhaustive()
    }
}

impl Universe for Live {
    fn obstacles(&self, _: &Scenario) -> Vec<String> {
        self.obstacles.clone()
    }

    /// Returns false: programs install themselves.
    fn takes_disks(&self) -> bool {
        false
    }

    fn run(&self, config: WorldConfig, play: Play) -> Simulation {
        let played = match Premises::take() {
            Ok(premises) => self.run_in(&premises, config, play),
            Err(error) => Err(error),
        };
        let (recording, logs) = played.unwrap_or_else(|error| {
            let why = format!("the world of processes could not be made: {error}");
            (not_begun(why), Vec::new())
        });
        Simulation { recording, journal_time: Duration::ZERO, logs }
    }
}

impl Live {
    fn run_in(
        &self,
        premises: &Premises,
        config: WorldConfig,
        play: Play,
    ) -> io::Result<(Recording, Vec<LogLine>)> {
        // One thread: what is recorded, and what is done on that, needs no order beyond its own. Programs
        // die with the thread that has started them.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let played = runtime.block_on(async {
            let limits = (config.limit, config.max_entries);
            let world = self.open(premises, config).await?;
            let playing = play(Arc::new(world.clone()));
            let ended = self.watched(&world, playing, limits).await;
            let logs = world.take_logs();
            Ok((world.conclude(ended), logs))
        });
        runtime.shutdown_background();
        played
    }

    async fn open(&self, premises: &Premises, config: WorldConfig) -> io::Result<LiveWorld> {
        let mut servers: Vec<Arc<str>> =
            self.kinds.keys().map(|name| name.as_str().into()).collect();
        servers.push(STRANGER.into());
        let mut machines = servers.clone();
        machines.push(OBSERVER.into());
        let known = self.scenario.machines().into_iter().filter(|name| name.contains('/'));
        machines.extend(known.map(Arc::from));
        let names = servers.iter().map(ToString::to_string).collect();
        let world = LiveWorld::new(Parts {
            config,
            scenario: Arc::clone(&self.scenario),
            kinds: self.kinds.clone(),
            servers: servers.clone(),
            addresses: Addresses::claim(machines)?,
            authority: Authority::new(names)?,
            folder: premises.folder.path().to_owned(),
            marker: premises.marker.clone(),
        });
        for from in self.kinds.keys() {
            gateway::open(&world, &from.as_str().into(), &servers).await?;
        }
        Ok(world)
    }

    /// Plays to the end, or to whatever ends it early.
    async fn watched(
        &self,
        world: &LiveWorld,
        playing: impl Future<Output = ()>,
        (limit, max_entries): (Duration, u64),
    ) -> Ended {
        let looking = async {
            loop {
                sleep(LOOK_EVERY).await;
                if (self.is_interrupted)() {
                    world.give_up("the run was interrupted".to_owned());
                }
                if world.entries() >= max_entries {
                    return Ended::EntryLimit(max_entries);
                }
                if world.bytes() >= MAX_BYTES {
                    return Ended::ByteLimit(MAX_BYTES);
                }
            }
        };
        tokio::select! {
            biased;
            why = world.given_up() => {
                world.note_not_ready(why);
                Ended::Finished
            }
            ended = looking => ended,
            () = sleep(limit) => Ended::Limit,
            () = playing => Ended::Finished,
        }
    }
}

/// The folder of a run, and what clears it away. Dropped, nothing is left of the run.
struct Premises {
    folder: TempDir,
    marker: String,
    _keeper: Keeper,
}

impl Premises {
    fn take() -> io::Result<Self> {
        let number = WORLDS.fetch_add(1, Ordering::Relaxed) + 1;
        let folder = tempfile::Builder::new().prefix("fedsim-live-").tempdir()?;
        // Its name is like no other's.
        let name = folder.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let marker = format!("{name}-{number}");
        let keeper = Keeper::start(&marker, folder.path())?;
        Ok(Self { folder, marker, _keeper: keeper })
    }
}

impl Drop for Premises {
    fn drop(&mut self) {
        end_all(&self.marker);
    }
}

/// Returns what is recorded of a run that could not begin.
fn not_begun(why: String) -> Recording {
    let (topic, body) = Note::NotReady { why }.to_parts();
    let mut journal = Journal::default();
    journal.push(Duration::ZERO, OBSERVER.into(), None, Event::Note { topic, body });
    Recording { journal, faults: Vec::new(), ended: Ended::Finished, at: Duration::ZERO }
}
