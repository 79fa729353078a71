//! fedsim's own federation: homeservers with their relays, and the devices of Matrix users.
//!
//! Reading order: `cluster` (machines), [`installation`] (what is on their disks before) and `keys` (new
//! ones), `device` and `client` (a user's device and its calls), `setup` and `prepared` (what runs begin
//! with), `reading` and `awaiting` (how devices learn of messages), `operations`, `stranger`, `queues`,
//! `finals`.

mod awaiting;
mod client;
mod cluster;
mod device;
mod finals;
pub mod installation;
mod keys;
mod operations;
mod prepared;
mod queues;
mod reading;
mod setup;
mod stranger;

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use checks::{HOMESERVERS, Promises};
use scenarios::Scenario;
use transport::BoxFuture;

pub use self::cluster::{ADMIN_TOKEN, CLIENT_PORT, FEDERATION_PORT, STRANGER};
pub(crate) use self::keys::Keys;
use self::{cluster::Cluster, prepared::Prepared, queues::Queues};
use crate::{
    Federation,
    federation::{Rooms, Stage},
    run::settling,
    world::Universe,
};

/// How many probes, of a second each, must find the network quiet where a homeserver tells nobody what
/// it has pending: more than it waits between two attempts.
const QUIET_PROBES: u32 = 20;

/// The homeservers, relays and devices of one run.
#[derive(Default)]
pub struct Homeservers {
    /// What the run begins with, where its world takes disks; or why there is nothing.
    prepared: OnceLock<Result<Arc<Prepared>, String>>,
    cluster: OnceLock<Arc<Cluster>>,
    /// What servers had pending when they were last asked.
    queues: Mutex<Queues>,
    /// How often in a row nothing was seen to be pending.
    quiet: AtomicU32,
}

impl Homeservers {
    /// Listens whether homeservers that tell nobody what they have pending still say something; a
    /// sentence until they have been quiet for long enough.
    fn listen(&self, stage: &Stage, pending: &[String]) -> Option<String> {
        let is_quiet =
            pending.is_empty() && settling::in_flight(stage, HOMESERVERS.vocabulary).is_empty();
        let quiet = if is_quiet { self.quiet.load(Ordering::Relaxed) + 1 } else { 0 };
        self.quiet.store(quiet, Ordering::Relaxed);
        let sentence = "a homeserver that tells nobody may still have something to send";
        (quiet < QUIET_PROBES).then(|| sentence.to_owned())
    }

    fn cluster(&self) -> &Arc<Cluster> {
        self.cluster.get().expect("a run begins with `boot`")
    }
}

impl std::fmt::Debug for Homeservers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Homeservers").finish_non_exhaustive()
    }
}

impl Federation for Homeservers {
    fn promises(&self) -> &'static Promises {
        &HOMESERVERS
    }

    fn install(&self, universe: &dyn Universe, scenario: &Scenario) -> Duration {
        if !universe.takes_disks() {
            return Duration::ZERO;
        }
        let prepared = self.prepared.get_or_init(|| prepared::of(scenario));
        prepared.as_ref().map_or(Duration::ZERO, |prepared| prepared.age)
    }

    fn boot(&self, stage: &Arc<Stage>) {
        let prepared = self.prepared.get().and_then(|prepared| prepared.as_deref().ok());
        self.cluster.get_or_init(|| Arc::new(Cluster::boot(stage, prepared)));
    }

    fn prepare<'s>(&'s self, _: &'s Arc<Stage>) -> BoxFuture<'s, Result<Rooms, String>> {
        Box::pin(async {
            let rooms = match self.prepared.get() {
                Some(prepared) => {
                    let rooms = prepared.as_ref()?.rooms.clone();
                    setup::resume(self.cluster()).await?;
                    rooms
                }
                None => setup::prepare(self.cluster()).await?,
            };
            setup::read_all(self.cluster()).await?;
            self.cluster().set_rooms(rooms.clone());
            Ok(rooms)
        })
    }

    fn work<'s>(&'s self, _: &'s Arc<Stage>) -> BoxFuture<'s, ()> {
        self.cluster().devices.values().for_each(reading::start);
        Box::pin(operations::start(self.cluster()))
    }

    fn pending<'s>(&'s self, stage: &'s Arc<Stage>) -> BoxFuture<'s, Vec<String>> {
        Box::pin(async {
            let queues = Queues::ask(self.cluster()).await;
            let pending = queues.in_words().into_iter().chain(queues::detached(self.cluster()));
            let mut pending: Vec<String> = pending.collect();
            pending.extend(queues.are_incomplete().then(|| self.listen(stage, &pending)).flatten());
            *self.queues.lock().unwrap_or_else(PoisonError::into_inner) = queues;
            pending
        })
    }

    fn finish<'s>(&'s self, _: &'s Arc<Stage>) -> BoxFuture<'s, ()> {
        // What was still pending after all that time is left over, even if reading it sets it in
        // motion.
        let left = self.queues.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move {
            left.note(self.cluster());
            finals::read(self.cluster()).await;
        })
    }
}
