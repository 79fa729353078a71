//! Outgoing queues: one per destination, persisted, each emptied by a task of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use defects::{Defect, planted};
use ruma::{EventId, OwnedServerName, RoomId, ServerName};
use rusqlite::Connection;
use tokio::{sync::Notify, time::timeout};
use transport::{Lock, Transaction};

use super::sender;
use crate::{
    core::{Core, bell::Bell},
    store::{
        StoreError,
        edus::{self, OutgoingEdu},
        queues, relays,
    },
};

/// The outgoing queues of this server. Cheap to clone.
#[derive(Clone)]
pub struct Outgoing {
    pub(super) core: Core,
    destinations: Arc<Lock<BTreeMap<OwnedServerName, Arc<Destination>>>>,
    /// Destinations whose queues were written to and whose senders were not woken yet.
    touched: Arc<Lock<BTreeSet<OwnedServerName>>>,
    /// Rung when there are such.
    touch: Arc<Notify>,
    /// Rung when a server that had failed is back, so that this server may have been cut off.
    pub(super) reconnected: Arc<Notify>,
    /// Rung when a transaction was delivered.
    pub(super) delivered: Bell,
}

/// What wakes the sender of a destination.
#[derive(Debug, Default)]
pub(super) struct Destination {
    /// Rung when there may be something to do.
    pub(super) wake: Notify,
    /// Whether it failed and is not known to be back.
    pub(super) failing: AtomicBool,
    /// Whether it failed without an answer of its own: none came, or a proxy gave one. A server that
    /// refused is up, so hearing from it is no news: its back-off stays, or two servers that refuse each
    /// other would clear it again and again.
    pub(super) silent: AtomicBool,
    /// Whether it was heard from since it failed.
    pub(super) heard_from: AtomicBool,
    /// Whether the operator has it tried at once.
    pub(super) at_once: AtomicBool,
    /// Whether its relays were set since they were last asked.
    pub(super) relays_changed: AtomicBool,
    /// Whether the operator dropped its queue since its sender last looked.
    pub(super) dropped: AtomicBool,
}

impl Outgoing {
    /// Returns the queues in the store of `core`. `reconnected` is rung when a server that had
    /// failed is back.
    pub fn new(core: Core, reconnected: Arc<Notify>) -> Self {
        Self {
            core,
            destinations: Arc::default(),
            touched: Arc::default(),
            touch: Arc::default(),
            reconnected,
            delivered: Bell::default(),
        }
    }

    /// Starts the senders of queues that were left over, and of destinations that had failed.
    ///
    /// # Errors
    /// The store refuses.
    pub async fn start(&self) -> Result<(), StoreError> {
        let (waiting, failing) = self
            .core
            .database
            .call(|db| Ok::<_, StoreError>((queues::waiting(db)?, queues::failing(db)?)))
            .await?;
        for destination in waiting.union(&failing) {
            // Its sender may run at once, and must know of its back-off then.
            self.destination(destination, failing.contains(destination)).wake.notify_one();
        }
        self.core.host.spawn(self.clone().wake_senders());
        Ok(())
    }

    /// Queues an event for each of `destinations`, in `tx`, and has their senders woken. They look
    /// at their queues through the same database, and so after `tx` has ended: if it is rolled back
    /// they find nothing, and if the caller is gone when it commits, nothing is forgotten.
    ///
    /// # Errors
    /// The store refuses.
    pub fn enqueue(
        &self,
        tx: &Transaction<'_>,
        destinations: &BTreeSet<OwnedServerName>,
        event_id: &EventId,
    ) -> Result<(), StoreError> {
        for destination in destinations {
            if planted(Defect::QueueDropsMailForTheAbsent) && self.is_given_up(tx, destination)? {
                continue;
            }
            queues::push(tx, destination, event_id)?;
        }
        self.touched.lock().extend(destinations.iter().cloned());
        self.touch.notify_one();
        Ok(())
    }

    /// Queues an EDU for each of `destinations`, as [`Outgoing::enqueue`] does an event.
    ///
    /// # Errors
    /// The store refuses.
    pub fn enqueue_edu(
        &self,
        tx: &Transaction<'_>,
        destinations: &BTreeSet<OwnedServerName>,
        edu: &OutgoingEdu,
    ) -> Result<(), StoreError> {
        for destination in destinations {
            edus::push(tx, destination, edu)?;
        }
        self.touched.lock().extend(destinations.iter().cloned());
        self.touch.notify_one();
        Ok(())
    }

    /// Returns whether a destination without relays has failed so often that it counts as gone.
    fn is_given_up(
        &self,
        tx: &Transaction<'_>,
        destination: &ServerName,
    ) -> Result<bool, StoreError> {
        let relays = self.core.config.relays.get(destination);
        let failures = queues::back_off(tx, destination)?.failures;
        Ok(relays.is_none_or(Vec::is_empty) && failures >= self.core.config.attempts_before_relay)
    }

    /// Wakes the senders of the queues that are written to, for ever. A task of its own: queues are
    /// written to on the database's thread, where none can be started.
    async fn wake_senders(self) {
        loop {
            for destination in std::mem::take(&mut *self.touched.lock()) {
                self.destination(&destination, false).wake.notify_one();
            }
            self.touch.notified().await;
        }
    }

    /// Call this with the origin of every properly signed request. It clears the origin's back-off, if that
    /// is there because the server did not answer; if a proxy did, it only brings the next attempt forward,
    /// to the end of the first wait, since the proxy may know of no way to it still.
    pub fn heard_from(&self, server: &ServerName) {
        if planted(Defect::BackOffOutlivesTheOutage) {
            return;
        }
        let Some(known) = self.destinations.lock().get(server).cloned() else { return };
        let away = known.failing.load(Ordering::SeqCst) && known.silent.load(Ordering::SeqCst);
        if away && !known.heard_from.swap(true, Ordering::SeqCst) {
            known.wake.notify_one();
        }
    }

    /// Waits until nothing of `room` waits for `destination`, which has just been in reach, any more;
    /// until its request timeout at most. Returns whether that came about.
    ///
    /// # Errors
    /// The store refuses.
    pub async fn has_told(
        &self,
        destination: &ServerName,
        room: &RoomId,
    ) -> Result<bool, StoreError> {
        let (name, id) = (destination.to_owned(), room.to_owned());
        let waits = move |db: &Connection| queues::waits(db, &name, &id);
        self.told(waits, || self.heard_from(destination)).await
    }

    /// Waits until an event is delivered to `destination`, which may be out of reach, or to a relay of it;
    /// until its request timeout at most. Returns whether that came about.
    ///
    /// # Errors
    /// The store refuses.
    pub(crate) async fn is_told(
        &self,
        destination: &ServerName,
        event_id: &EventId,
    ) -> Result<bool, StoreError> {
        let (name, id) = (destination.to_owned(), event_id.to_owned());
        self.told(move |db: &Connection| queues::lacks(db, &name, &id), || {}).await
    }

    async fn told(
        &self,
        waits: impl Fn(&Connection) -> Result<bool, StoreError> + Clone + Send + 'static,
        while_it_waits: impl Fn(),
    ) -> Result<bool, StoreError> {
        let mut delivered = self.delivered.listen();
        let until_told = async {
            loop {
                let waits = waits.clone();
                if !self.core.database.call(move |db| waits(db)).await? {
                    return Ok(());
                }
                while_it_waits();
                delivered.rung().await;
            }
        };
        timeout(self.core.config.request_timeout, until_told)
            .await
            .map_or(Ok(false), |told| told.map(|()| true))
    }

    /// Returns the relays of `destination`: those set at run time, or else those of the
    /// configuration, or else those that it publishes itself.
    ///
    /// # Errors
    /// The store refuses.
    pub async fn relays(
        &self,
        destination: &ServerName,
    ) -> Result<Vec<OwnedServerName>, StoreError> {
        let name = destination.to_owned();
        let set = self.core.database.call(move |db| relays::of_destination(db, &name)).await?;
        let by_hand = set.or_else(|| self.core.config.relays.get(destination).cloned());
        let relays = match by_hand {
            Some(relays) => relays,
            None => self.core.keys.contact_of(destination).await?.relays,
        };
        let mut seen = BTreeSet::new();
        Ok(relays.into_iter().filter(|relay| seen.insert(relay.clone())).collect())
    }

    /// Call this when the relays of `destination` were set: its sender may turn to them, and this
    /// server asks them if they are its own.
    pub fn relays_changed(&self, destination: &ServerName) {
        if destination == self.core.server_name() {
            return self.reconnected.notify_one();
        }
        let known = self.destinations.lock().get(destination).cloned();
        if let Some(known) = known {
            known.relays_changed.store(true, Ordering::SeqCst);
            known.wake.notify_one();
        }
    }

    /// Has `destination` tried at once, as if it had never failed.
    pub fn reset_back_off(&self, destination: &ServerName) {
        let Some(known) = self.destinations.lock().get(destination).cloned() else { return };
        if known.failing.load(Ordering::SeqCst) {
            known.at_once.store(true, Ordering::SeqCst);
            known.heard_from.store(true, Ordering::SeqCst);
            known.wake.notify_one();
        }
    }

    /// Queues again what was set aside because it could not be sent; returns how many events.
    ///
    /// # Errors
    /// The store refuses.
    pub async fn queue_again(&self, destination: &ServerName) -> Result<usize, StoreError> {
        let name = destination.to_owned();
        let again = self.core.database.transaction(move |tx| queues::queue_again(tx, &name));
        let events = again.await?;
        self.destination(destination, false).wake.notify_one();
        Ok(events)
    }

    /// Forgets everything that waits for `destination`; returns how many events. One attempt may be
    /// under way; no other is made.
    ///
    /// # Errors
    /// The store refuses.
    pub async fn drop_queue(&self, destination: &ServerName) -> Result<usize, StoreError> {
        let name = destination.to_owned();
        let drop = self.core.database.transaction(move |tx| queues::drop_all(tx, &name));
        let events = drop.await?;
        let known = self.destinations.lock().get(destination).cloned();
        if let Some(known) = known {
            known.dropped.store(true, Ordering::SeqCst);
            known.wake.notify_one();
        }
        Ok(events)
    }

    /// Returns what the layers share.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Returns what wakes the sender of a destination, and starts that the first time. If the
    /// destination is `failing`, why is not known any more, and it counts as silent.
    fn destination(&self, name: &ServerName, failing: bool) -> Arc<Destination> {
        let mut destinations = self.destinations.lock();
        if let Some(known) = destinations.get(name) {
            return Arc::clone(known);
        }
        let new = Arc::new(Destination {
            failing: AtomicBool::new(failing),
            silent: AtomicBool::new(failing),
            ..Destination::default()
        });
        destinations.insert(name.to_owned(), Arc::clone(&new));
        drop(destinations);
        let task = sender::run(self.clone(), name.to_owned(), Arc::clone(&new));
        self.core.host.spawn(task);
        new
    }
}
