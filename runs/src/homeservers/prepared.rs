//! Clusters that are ready: users registered, rooms made, everybody joined.
//!
//! Making one ready takes longer than most of what scenarios do with it, and is the same in every run:
//! no fault begins before that. So it is done once for each set of servers, users and conversations, in
//! a world of its own, without a defect; runs begin with the disks that its servers then have, with the
//! sessions of its devices, and at its time, as what is stored is dated.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use scenarios::{
    Scenario,
    scenario::{Expect, Latency, Network, Schedule},
};
use sim::{
    WorldConfig,
    disk::{DiskImage, ImageError},
};

use super::{cluster::Cluster, setup};
use crate::{
    federation::{Rooms, Stage},
    run::SETUP_LIMIT,
    world::{Simulated, Universe, World},
};

/// Clusters that are kept for later runs; the one that no run began with for longest goes first. Most
/// are smaller than a megabyte. As many as a search goes back and forth between.
const MAX_KEPT: usize = 128;

/// The seed of the world in which a cluster is made ready: no run's, whose random numbers, such as the
/// names of transactions, must not be those that were drawn here.
const SEED: u64 = 0x6d61_6465_2072_6479;

/// The one-way delay of its links.
const LATENCY: Duration = Duration::from_millis(5);

/// A cluster that is ready.
pub(super) struct Prepared {
    /// How long that took: what is stored is no younger.
    pub(super) age: Duration,
    /// The disks of homeservers and relays, by name; their databases are at rest.
    pub(super) disks: BTreeMap<String, DiskImage>,
    /// The room ids by conversation.
    pub(super) rooms: Rooms,
    /// The tokens of its devices' sessions, by name.
    pub(super) tokens: BTreeMap<String, String>,
}

/// A cluster that is made by whoever needs it first, while others wait; or why it is not ready, in a
/// sentence.
type Slot = Arc<OnceLock<Result<Arc<Prepared>, String>>>;

/// The clusters that are kept, that used last at the end.
static KEPT: Mutex<VecDeque<(Scenario, Slot)>> = Mutex::new(VecDeque::new());

/// Returns the cluster with which runs of a scenario begin.
///
/// # Errors
/// It could not be made ready; the error is a sentence.
pub(super) fn of(scenario: &Scenario) -> Result<Arc<Prepared>, String> {
    let premises = premises(scenario);
    let slot = slot(&premises);
    slot.get_or_init(|| prepare(premises).map(Arc::new)).clone()
}

fn slot(premises: &Scenario) -> Slot {
    let mut kept = kept();
    let known = kept.iter().position(|(known, _)| known == premises);
    let entry = known.and_then(|place| kept.remove(place));
    let entry = entry.unwrap_or_else(|| (premises.clone(), Slot::default()));
    let slot = Arc::clone(&entry.1);
    kept.push_back(entry);
    if kept.len() > MAX_KEPT {
        kept.pop_front();
    }
    slot
}

fn kept() -> MutexGuard<'static, VecDeque<(Scenario, Slot)>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns what of a scenario decides how its cluster is made ready: nothing is broken, and nobody does
/// anything yet.
fn premises(scenario: &Scenario) -> Scenario {
    Scenario {
        name: "prepared".to_owned(),
        about: String::new(),
        tags: Vec::new(),
        seed: SEED,
        limit: Duration::ZERO,
        settle: Duration::ZERO,
        schedule: Schedule::Fixed,
        network: Network { latency: Latency::Fixed(LATENCY), loss: 0.0 },
        backends: scenario.backends.clone(),
        relays: scenario.relays.clone(),
        users: scenario.users.clone(),
        conversations: scenario.conversations.clone(),
        ops: Vec::new(),
        faults: Vec::new(),
        expect: Expect::default(),
    }
}

fn prepare(premises: Scenario) -> Result<Prepared, String> {
    let config = WorldConfig { seed: SEED, limit: SETUP_LIMIT, ..WorldConfig::default() };
    let result = Arc::new(Mutex::new(Err("it took too long".to_owned())));
    let out = Arc::clone(&result);
    let play = move |world: Arc<dyn World>| -> transport::BoxFuture<'static, ()> {
        Box::pin(async move {
            let prepared = make_ready(world, Arc::new(premises)).await;
            *out.lock().unwrap_or_else(PoisonError::into_inner) = prepared;
        })
    };
    Simulated.run(config, Box::new(play));
    let mut result = result.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::replace(&mut *result, Err(String::new()))
}

async fn make_ready(world: Arc<dyn World>, premises: Arc<Scenario>) -> Result<Prepared, String> {
    let began = tokio::time::Instant::now();
    let stage = Arc::new(Stage::new(Arc::clone(&premises), world));
    let cluster = Arc::new(Cluster::boot(&stage, None));
    let rooms = setup::prepare(&cluster).await?;
    let servers = premises.backends.keys().chain(premises.relays.keys());
    let disks = servers.map(|name| {
        let image = stage.world().image(name).into_disk();
        at_rest(&image).map(|image| (name.clone(), image))
    });
    let disks = disks.collect::<Result<_, ImageError>>();
    let devices = cluster.devices.iter();
    Ok(Prepared {
        age: began.elapsed(),
        disks: disks.map_err(|error| format!("a prepared disk is unreadable: {error}"))?,
        rooms,
        tokens: devices.filter_map(|(name, it)| Some((name.clone(), it.token()?))).collect(),
    })
}

/// Returns a disk with what its databases' logs hold copied into the databases.
fn at_rest(image: &DiskImage) -> Result<DiskImage, ImageError> {
    image.at_rest(homeserver::DATABASES.into_iter().chain([relay::DATABASE]))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use scenarios::{Scenario, scenario::Delivery};

    use super::{of, premises, prepare};

    fn scenario(members: &[&str]) -> Scenario {
        let scenario = Scenario::build("x").backends(["a", "b"]).user("alice", "a");
        let scenario = scenario.user("bob", "b").user("carol", "b");
        let members = members.iter().copied();
        scenario.conversation("team", "alice", members, Delivery::M1).finish()
    }

    #[test]
    fn a_cluster_is_made_ready_in_the_same_way_every_time() {
        let premises = premises(&scenario(&["bob"]));
        let [one, other] = [0, 1].map(|_| prepare(premises.clone()).expect("it can be made ready"));
        assert_eq!((one.age, &one.rooms, &one.tokens), (other.age, &other.rooms, &other.tokens));
        assert!(one.disks == other.disks && one.disks.len() == 2);
        assert!(one.rooms.len() == 1 && one.tokens.len() == 3);
    }

    #[test]
    fn it_is_made_once_for_all_runs_that_begin_alike() {
        let plain = scenario(&["bob"]);
        let first = of(&plain).expect("it can be made ready");
        let other_run = Scenario { seed: 7, name: "y".to_owned(), ..plain };
        assert!(Arc::ptr_eq(&first, &of(&other_run).expect("it is ready")));
        let others = of(&scenario(&["bob", "carol"])).expect("it can be made ready");
        assert!(!Arc::ptr_eq(&first, &others));
    }
}
