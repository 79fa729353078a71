//! Pushers: while a device holds no websocket, its gateway is told of each notification that the user's
//! push rules let notify, one after another, and again until it takes it.
//!
//! How far it has been told is stored with the pusher. What a websocket pushed counts once the device
//! has answered a ping that followed it, and what the device has fetched counts when it asks for what
//! came after; so a connection that breaks at any point loses nothing.

mod gateway;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ruma::UserId;
use tokio::sync::Semaphore;
use transport::{
    Lock,
    host::TaskHandle,
    http::{Address, Client, ClientLimits},
    settings::duration_text,
};
use uuid::Uuid;

pub(crate) use self::gateway::Settings;
use self::gateway::Told;
use super::notifications::{Judged, Notifications, Waiting};
use crate::{
    core::{Core, guards::Guards},
    store::{
        StoreError,
        accounts::Device,
        pushers::{self, PusherKey, PusherRow},
    },
};

/// Pushers of one user.
pub(crate) const MAX_OF_USER: usize = 20;

/// Calls of gateways under way at once.
const MAX_CALLS: usize = 32;

/// Notifications read from the database at once.
const BATCH: usize = 20;

/// How long a pusher waits after the store refused.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// The pushers of this server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pushers(Arc<Fields>);

struct Fields {
    core: Core,
    notifications: Notifications,
    http: Client,
    /// The websockets that are open.
    sockets: Guards<Device>,
    running: Lock<Running>,
    calls: Semaphore,
}

/// The tasks of pushers.
#[derive(Default)]
struct Running {
    by_key: BTreeMap<PusherKey, (u64, TaskHandle)>,
    /// Counts the tasks, to tell one from that which took its place.
    begun: u64,
}

/// How a pusher goes on.
enum Step {
    /// At once.
    On,
    /// After a while: the gateway failed.
    After(Duration),
    /// Not at all.
    End,
}

/// What one pusher has to do.
enum Next {
    /// It is no more.
    Gone,
    /// It waits for news.
    Nothing,
    /// These are to be told, by these settings.
    Tell(PusherRow, Vec<Judged>),
}

impl Pushers {
    /// Returns the pushers of `known`, which run from now on.
    pub(crate) fn start(core: &Core, notifications: &Notifications, known: Vec<PusherRow>) -> Self {
        let http = Client::new(&core.host, ClientLimits::default());
        let pushers = Self(Arc::new(Fields {
            core: core.clone(),
            notifications: notifications.clone(),
            http,
            sockets: Guards::default(),
            running: Lock::default(),
            calls: Semaphore::new(MAX_CALLS),
        }));
        for pusher in known {
            pushers.run(pusher.key);
        }
        pushers
    }

    /// Returns the websockets that are open, by device: whoever opens one holds a guard of it.
    pub(crate) fn sockets(&self) -> &Guards<Device> {
        &self.0.sockets
    }

    /// Returns where the gateway of these settings listens.
    ///
    /// # Errors
    /// What is wrong with its URL.
    pub(crate) fn address(&self, settings: &Settings) -> Result<Address, String> {
        settings.address(&self.0.core.host)
    }

    /// Returns whether the device has a pusher.
    pub(crate) fn has(&self, device: &Device) -> bool {
        self.0.running.lock().by_key.keys().any(|key| key.device == *device)
    }

    /// Returns the pushers of a user.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn of_user(&self, user: &UserId) -> Result<Vec<PusherRow>, StoreError> {
        let user = user.to_owned();
        self.0.core.database.call(move |db| pushers::of_user(db, &user)).await
    }

    /// Sets a pusher, and returns whether the user may have one more.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn set(
        &self,
        key: PusherKey,
        settings: &Settings,
    ) -> Result<bool, StoreError> {
        let settings = serde_json::to_string(settings).map_err(StoreError::corrupt)?;
        let new = key.clone();
        let set = self.0.core.database.transaction(move |tx| {
            let others = pushers::of_user(tx, &new.device.user_id)?;
            let is_known = |row: &PusherRow| {
                (&row.key.app_id, &row.key.pushkey) == (&new.app_id, &new.pushkey)
            };
            if others.len() >= MAX_OF_USER && !others.iter().any(is_known) {
                return Ok(false);
            }
            pushers::put(tx, &new, &settings).map(|()| true)
        });
        let is_set = set.await?;
        if is_set {
            self.run(key);
        }
        Ok(is_set)
    }

    /// Ends a pusher.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn forget(&self, key: PusherKey) -> Result<(), StoreError> {
        let gone = key.clone();
        self.0.core.database.transaction(move |tx| pushers::forget(tx, &gone)).await?;
        self.end(&key);
        Ok(())
    }

    /// Says that a device, if it has a pusher, has every notification up to `id`.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn confirm(&self, device: &Device, id: Uuid) -> Result<(), StoreError> {
        if !self.has(device) {
            return Ok(());
        }
        let device = device.clone();
        let database = &self.0.core.database;
        database.transaction(move |tx| pushers::advance(tx, &device, None, id)).await
    }

    fn run(&self, key: PusherKey) {
        let mut running = self.0.running.lock();
        running.begun += 1;
        let number = running.begun;
        let task = self.clone().push_for_ever(key.clone(), number);
        let handle = self.0.core.host.spawn(task);
        if let Some((_, before)) = running.by_key.insert(key, (number, handle)) {
            before.abort();
        }
    }

    fn end(&self, key: &PusherKey) {
        if let Some((_, task)) = self.0.running.lock().by_key.remove(key) {
            task.abort();
        }
    }

    /// Tells a gateway of what its device misses, until the pusher is no more.
    async fn push_for_ever(self, key: PusherKey, number: u64) {
        let waiting = self.0.notifications.listen(&key.device.user_id);
        let mut failures = 0;
        loop {
            self.0.sockets.released(&key.device).await;
            match self.push_next(&key, &waiting, &mut failures).await {
                Ok(Step::On) => {}
                // Nothing is held meanwhile.
                Ok(Step::After(wait)) => tokio::time::sleep(wait).await,
                Ok(Step::End) => break,
                Err(error) => {
                    tracing::warn!(%error, "failed to read or write a pusher");
                    tokio::time::sleep(STORE_PAUSE).await;
                }
            }
        }
        let mut running = self.0.running.lock();
        if running.by_key.get(&key).is_some_and(|(of, _)| *of == number) {
            running.by_key.remove(&key);
        }
    }

    /// Does what is to be done next, and returns how the pusher goes on.
    async fn push_next(
        &self,
        key: &PusherKey,
        waiting: &Waiting,
        failures: &mut u32,
    ) -> Result<Step, StoreError> {
        let (pusher, missed) = match self.next(key, waiting).await? {
            Next::Gone => return Ok(Step::End),
            Next::Nothing => {
                waiting.rung().await;
                return Ok(Step::On);
            }
            Next::Tell(pusher, missed) => (pusher, missed),
        };
        for judged in missed {
            match self.tell(&pusher, &judged).await {
                Told::Taken => {
                    *failures = 0;
                    self.advance(key, judged.notification.id).await?;
                }
                Told::Gone => {
                    self.forget_row(key).await?;
                    return Ok(Step::End);
                }
                Told::Failed(reason) => {
                    *failures = failures.saturating_add(1);
                    let wait = self.back_off(*failures);
                    let app_id = &key.app_id;
                    let told = duration_text(wait);
                    tracing::info!(app_id, reason, failures, wait = told, "a push gateway failed");
                    return Ok(Step::After(wait));
                }
            }
            if self.0.sockets.is_held(&key.device) {
                return Ok(Step::On);
            }
        }
        Ok(Step::On)
    }

    async fn next(&self, key: &PusherKey, waiting: &Waiting) -> Result<Next, StoreError> {
        let found = self.0.notifications.missed_by(key, waiting, BATCH).await?;
        Ok(match found {
            None => Next::Gone,
            Some((_, missed)) if missed.is_empty() => Next::Nothing,
            Some((pusher, missed)) => Next::Tell(pusher, missed),
        })
    }

    async fn tell(&self, pusher: &PusherRow, judged: &Judged) -> Told {
        if !judged.verdict.notifies {
            return Told::Taken;
        }
        let settings: Settings = match serde_json::from_str(&pusher.settings) {
            Ok(settings) => settings,
            Err(error) => return Told::Failed(error.to_string()),
        };
        let address = match self.address(&settings) {
            Ok(address) => address,
            Err(reason) => return Told::Failed(reason),
        };
        let Ok(_call) = self.0.calls.acquire().await else { return Told::Gone };
        settings.tell(&self.0.http, &address, &pusher.key, judged).await
    }

    async fn advance(&self, key: &PusherKey, id: Uuid) -> Result<(), StoreError> {
        let key = key.clone();
        let advance = self
            .0
            .core
            .database
            .transaction(move |tx| pushers::advance(tx, &key.device, Some(&key.pushkey), id));
        advance.await
    }

    async fn forget_row(&self, key: &PusherKey) -> Result<(), StoreError> {
        let key = key.clone();
        self.0.core.database.transaction(move |tx| pushers::forget(tx, &key)).await
    }

    /// Returns the first wait of back-off, doubled with every further failure, up to the longest.
    fn back_off(&self, failures: u32) -> Duration {
        let config = &self.0.core.config;
        let doublings = failures.saturating_sub(1).min(31);
        config.backoff_first.saturating_mul(1 << doublings).min(config.backoff_max)
    }
}
