//! Commits on their way: each destination is told what was decided, in the order of decision, one
//! at a time, until it acknowledges.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use defects::{Defect, planted};
use ruma::{EventId, OwnedServerName, RoomId, ServerName};
use tokio::{sync::Notify, time::Instant};
use transport::{
    Lock, Transaction,
    endpoints::m1::{Decide, Decision, DecisionBody, Empty},
    federation::CallError,
};

use super::votes::{Ballot, ask};
use crate::{
    core::Core,
    core::bell::Bell,
    event::Pdu,
    store::{
        StoreError, events,
        m1::{self, Commit, Voter},
        memberships,
    },
};

/// The commits that this server owes. Cheap to clone.
#[derive(Clone)]
pub(super) struct Commits {
    core: Core,
    /// A task per destination that was ever owed a commit, and what wakes it.
    couriers: Arc<Lock<BTreeMap<OwnedServerName, Arc<Notify>>>>,
    /// By destination: the rooms whose commits it cannot take.
    set_back: Arc<Lock<BTreeMap<OwnedServerName, BTreeMap<String, SetBack>>>>,
    /// Rings at every acknowledgment.
    acknowledged: Bell,
}

/// A room whose commits a destination that is up cannot take: it is not in the room, as one whose
/// disk is new. They are told again and again, and hold up those of no other room.
#[derive(Clone, Copy)]
struct SetBack {
    due: Instant,
    wait: Duration,
}

impl Commits {
    pub(super) fn new(core: &Core) -> Self {
        Self {
            core: core.clone(),
            couriers: Arc::default(),
            set_back: Arc::default(),
            acknowledged: Bell::default(),
        }
    }

    /// Starts telling what was owed when the process ended.
    pub(super) async fn resume(&self) -> Result<(), StoreError> {
        if planted(Defect::M1OwnerForgetsDecisions) {
            // As if they had been in memory.
            self.core.database.transaction(m1::forget_decisions).await?;
        }
        for destination in self.core.database.call(|db| m1::owed(db)).await? {
            self.tell_now(&destination);
        }
        Ok(())
    }

    /// Tells `destination` what it is owed, now rather than after the back-off.
    pub(super) fn tell_now(&self, destination: &ServerName) {
        let mut couriers = self.couriers.lock();
        if let Some(wake) = couriers.get(destination) {
            wake.notify_one();
            return;
        }
        let wake = Arc::new(Notify::new());
        couriers.insert(destination.to_owned(), Arc::clone(&wake));
        self.core.host.spawn(self.clone().courier(destination.to_owned(), wake));
    }

    /// As [`Commits::tell_now`], for a server that may not be owed anything.
    pub(super) fn heard_from(&self, server: &ServerName) {
        let couriers = self.couriers.lock();
        if let Some(wake) = couriers.get(server) {
            wake.notify_one();
        }
    }

    /// Waits until `destination` has acknowledged the commits of `room` that it is owed up to `last`.
    /// What is asked of it afterwards builds on events that it then has. What it cannot take is not
    /// waited for: it is asked all the same, and says so, or has joined again since.
    pub(super) async fn drained(
        &self,
        destination: &ServerName,
        room: &RoomId,
        last: i64,
    ) -> Result<(), StoreError> {
        let mut acknowledged = self.acknowledged.listen();
        self.tell_now(destination);
        while !self.is_set_back(destination, room) {
            let (name, id) = (destination.to_owned(), room.to_owned());
            let told = self.core.database.call(move |db| m1::is_told(db, &name, &id, last));
            if told.await? {
                break;
            }
            acknowledged.rung().await;
        }
        Ok(())
    }

    fn is_set_back(&self, destination: &ServerName, room: &RoomId) -> bool {
        let set_back = self.set_back.lock();
        set_back.get(destination).is_some_and(|rooms| rooms.contains_key(room.as_str()))
    }

    /// Has the commits of a room wait, longer each time.
    fn set_back(&self, destination: &ServerName, room: String) {
        let (first, longest) = (self.core.config.backoff_first, self.core.config.backoff_max);
        let mut set_back = self.set_back.lock();
        let rooms = set_back.entry(destination.to_owned()).or_default();
        let wait = rooms.get(&room).map_or(first, |before| (before.wait * 2).min(longest));
        rooms.insert(room, SetBack { due: Instant::now() + wait, wait });
        drop(set_back);
        // Whoever waits for them need not.
        self.acknowledged.ring();
    }

    /// Tells `destination` what it is owed of `room` now if that was set back: it votes there, so that it
    /// is in the room again. What it votes on was decided later, and must not come first.
    pub(super) fn takes_again(&self, destination: &ServerName, room: &RoomId) {
        let was_set_back = {
            let mut set_back = self.set_back.lock();
            let rooms = set_back.get_mut(destination);
            let waiting = rooms.and_then(|rooms| rooms.get_mut(room.as_str()));
            // If it refuses once more, it waits for as long as it would have.
            waiting.map(|waiting| waiting.due = Instant::now()).is_some()
        };
        if was_set_back {
            self.tell_now(destination);
        }
    }

    /// Returns the rooms whose commits wait, and when the first of them is due.
    fn waiting(&self, destination: &ServerName) -> (BTreeSet<String>, Option<Instant>) {
        let (now, set_back) = (Instant::now(), self.set_back.lock());
        let waiting = set_back.get(destination).into_iter().flatten();
        let waiting: Vec<_> = waiting.filter(|(_, room)| room.due > now).collect();
        let due = waiting.iter().map(|(_, room)| room.due).min();
        (waiting.into_iter().map(|(id, _)| id.clone()).collect(), due)
    }

    /// Tells one destination what it is owed, for as long as the process lives.
    async fn courier(self, destination: OwnedServerName, wake: Arc<Notify>) {
        let (first, longest) = (self.core.config.backoff_first, self.core.config.backoff_max);
        let (mut backoff, mut next) = (first, None);
        loop {
            match self.tell_next(&destination, next.take()).await {
                Step::Last { due } => {
                    backoff = first;
                    wait_until(due, &wake).await;
                }
                Step::Acknowledged(following) => (backoff, next) = (first, Some(following)),
                Step::Nothing { due } => wait_until(due, &wake).await,
                Step::SetBack => {}
                Step::Failed => {
                    // If it was woken early, the next wait need not be longer.
                    if !wait_or_wake(backoff, &wake).await {
                        backoff = (backoff * 2).min(longest);
                    }
                }
                // This server itself cannot go on, and waking the courier does not help its disk.
                Step::NotKept => tokio::time::sleep(first).await,
            }
        }
    }

    /// Tells the commit `next`, or if that is not known the first that is owed.
    async fn tell_next(&self, destination: &ServerName, next: Option<Commit>) -> Step {
        let owed = match next {
            Some(commit) => Ok((Some(commit), None)),
            None => self.first(destination).await,
        };
        let commit = match owed {
            Ok((Some(commit), _)) => commit,
            Ok((None, due)) => return Step::Nothing { due },
            Err(error) => {
                tracing::warn!(%error, "failed to read the commits that are owed");
                return Step::NotKept;
            }
        };
        let mut told = self.tell(destination, &commit).await;
        if is_unprepared(&told) && self.prepare_again(destination, &commit).await {
            told = self.tell(destination, &commit).await;
        }
        if let Err(error) = told {
            let event_id = &commit.event_id;
            tracing::warn!(%error, %destination, event_id, "failed to tell a backend of a commit");
            if !error.is_final() {
                return Step::Failed;
            }
            if !self.has_left(destination, &commit.room_id).await {
                self.set_back(destination, commit.room_id);
                return Step::SetBack;
            }
            // Who is in the room no more, and lost what it had of it, need not be told.
        }
        match self.strike(destination, commit).await {
            Ok((following, due)) => following.map_or(Step::Last { due }, Step::Acknowledged),
            Err(error) => {
                tracing::warn!(%error, "failed to record that a commit was acknowledged");
                Step::NotKept
            }
        }
    }

    /// Returns whether nobody of a server is in the room any more.
    async fn has_left(&self, destination: &ServerName, room: &str) -> bool {
        let (destination, room) = (destination.to_owned(), room.to_owned());
        let is_in = self.core.database.call(move |db| {
            let room = RoomId::parse(room).map_err(StoreError::corrupt)?;
            memberships::is_member_server(db, &room, &destination)
        });
        is_in.await.is_ok_and(|is_in| !is_in)
    }

    async fn tell(&self, destination: &ServerName, commit: &Commit) -> Result<Empty, CallError> {
        let arguments = [&*commit.room_id, &*commit.event_id];
        let body = DecisionBody { decision: Decision::Commit };
        let deadline = self.core.config.request_timeout;
        self.core.federation.call_endpoint::<Decide>(destination, &arguments, &body, deadline).await
    }

    /// Tells a commit that is not recorded, once.
    pub(super) async fn tell_undecided(&self, destination: &ServerName, event: &Pdu) {
        let (room_id, event_id) = (event.room_id.to_string(), event.event_id.to_string());
        drop(self.tell(destination, &Commit { sequence: 0, room_id, event_id }).await);
    }

    /// Hands a committed event once more to a backend that has voted for it and lost it since;
    /// returns whether the backend has it now.
    async fn prepare_again(&self, destination: &ServerName, commit: &Commit) -> bool {
        let event_id = &commit.event_id;
        tracing::error!(%destination, event_id, "a backend lost an event that it voted for");
        let (event_id, name) = (commit.event_id.clone(), destination.to_owned());
        let stored = self.core.database.call(move |db| {
            let event_id = EventId::parse(event_id).map_err(StoreError::corrupt)?;
            let event = events::get(db, &event_id)?.pdu;
            let devices = m1::known_devices(db, &event.room_id, &name)?;
            Ok((event, Voter { name, owed: None, devices }))
        });
        let ballot = match stored.await {
            Ok((event, voter)) => ask(&self.core, &voter, &event).await,
            Err(error) => Err(error),
        };
        match ballot {
            Ok(ballot) => ballot == Ballot::Yes,
            Err(error) => {
                tracing::warn!(%error, "failed to prepare a committed event again");
                false
            }
        }
    }

    /// Returns what a destination is owed first, of the rooms whose commits do not wait, and when the
    /// first of those that do is due. Both are of one moment: what comes due while the store is read
    /// would be waited for by nobody otherwise.
    async fn first(&self, destination: &ServerName) -> Result<Owed, StoreError> {
        let (destination, (waiting, due)) = (destination.to_owned(), self.waiting(destination));
        let first = move |db: &mut _| m1::first_commit(db, &destination, &waiting);
        Ok((self.core.database.call(first).await?, due))
    }

    /// Strikes a commit that was told, and returns what the same destination is owed next.
    async fn strike(&self, destination: &ServerName, commit: Commit) -> Result<Owed, StoreError> {
        if let Some(rooms) = self.set_back.lock().get_mut(destination) {
            rooms.remove(&commit.room_id);
        }
        let (destination, (waiting, due)) = (destination.to_owned(), self.waiting(destination));
        let strike = move |tx: &Transaction<'_>| m1::strike(tx, &destination, &commit, &waiting);
        let struck = self.core.database.transaction(strike).await?;
        self.acknowledged.ring();
        Ok((struck, due))
    }
}

/// What a destination is owed next, and when the first of what waits for it is due.
type Owed = (Option<Commit>, Option<Instant>);

/// Returns whether the destination says that it has nothing to show.
fn is_unprepared<T>(told: &Result<T, CallError>) -> bool {
    told.as_ref().is_err_and(CallError::is_not_found)
}

/// What became of one step of a courier.
enum Step {
    /// The destination has it, and is owed this one next.
    Acknowledged(Commit),
    /// The destination has it, and is owed nothing else but what is due at that time, if anything is.
    /// Whoever owes it more wakes the courier.
    Last { due: Option<Instant> },
    /// Nothing is owed but what is due at that time, if anything is.
    Nothing { due: Option<Instant> },
    /// The destination is up and cannot take it; the commits of other rooms come first.
    SetBack,
    /// The destination has not taken it; to be tried again.
    Failed,
    /// This server's own store is in trouble; to be tried again.
    NotKept,
}

/// Waits to be woken, or until something is due.
async fn wait_until(due: Option<Instant>, wake: &Notify) {
    match due {
        Some(due) => {
            wait_or_wake(due.saturating_duration_since(Instant::now()), wake).await;
        }
        None => wake.notified().await,
    }
}

/// Waits, and returns whether it was woken before the wait was over.
async fn wait_or_wake(wait: Duration, wake: &Notify) -> bool {
    tokio::select! {
        biased;
        () = wake.notified() => true,
        () = tokio::time::sleep(wait) => false,
    }
}
