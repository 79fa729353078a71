//! Doubt: a member backend that has voted yes and does not hear the decision asks the owner, again
//! and again. It never decides alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use defects::{Defect, planted};
use futures_util::future::join_all;
use ruma::{EventId, OwnedEventId, OwnedRoomId, OwnedServerName, RoomId, ServerName};
use tokio::{sync::Notify, time::Instant};
use transport::{
    Lock,
    endpoints::m1::{Decision, Empty, GetOutcome},
};

use super::participant::Participant;
use crate::{
    core::Core,
    store::{
        StoreError,
        m1::{self, Prepared},
    },
};

/// Questions put to one owner in a row, before others get their turn.
const MAX_QUESTIONS: usize = 50;

/// What this server has voted for and not heard of since. Cheap to clone.
#[derive(Clone)]
pub(super) struct Doubts {
    core: Core,
    waiting: Arc<Lock<Waiting>>,
    wake: Arc<Notify>,
    /// Rung when something is hidden here that was not voted for: it came past its owner.
    undecided: Arc<Notify>,
}

/// A vote, by room and event.
type Key = (OwnedRoomId, OwnedEventId);

#[derive(Default)]
struct Waiting {
    doubts: BTreeMap<Key, Doubt>,
    /// How many there have been.
    count: u64,
}

struct Doubt {
    prepared: Prepared,
    /// Its place among all there have been: decisions are asked for in this order.
    place: u64,
    /// When the owner is asked next.
    due: Instant,
    /// Whether the owner was asked and did not answer.
    asked_in_vain: bool,
}

impl Doubts {
    pub(super) fn new(core: &Core, undecided: Arc<Notify>) -> Self {
        Self { core: core.clone(), waiting: Arc::default(), wake: Arc::default(), undecided }
    }

    /// Starts asking, at once about what was hidden when the process ended.
    pub(super) async fn resume(&self, participant: Participant) -> Result<(), StoreError> {
        let hidden = match self.core.database.call(|db| m1::all_hidden(db)).await {
            Ok(hidden) => hidden,
            Err(error @ StoreError::Database(_)) => return Err(error),
            Err(error @ StoreError::Corrupt(_)) => {
                tracing::error!(%error, "failed to read the events that are in doubt");
                Vec::new()
            }
        };
        for prepared in hidden {
            self.wait(prepared, Duration::ZERO);
        }
        self.core.host.spawn(self.clone().ask_for_ever(participant));
        self.core.host.spawn(self.clone().take_up_undecided());
        Ok(())
    }

    /// Awaits the decision about what came past its owner, for ever.
    async fn take_up_undecided(self) {
        loop {
            self.undecided.notified().await;
            match self.core.database.call(|db| m1::all_hidden(db)).await {
                Ok(hidden) => {
                    let known: BTreeSet<Key> = self.waiting.lock().doubts.keys().cloned().collect();
                    let new = hidden.into_iter().filter(|one| !known.contains(&key(one)));
                    new.for_each(|prepared| self.expect(prepared));
                }
                Err(error) => {
                    tracing::warn!(%error, "failed to read what is undecided");
                    tokio::time::sleep(self.core.config.backoff_first).await;
                    self.undecided.notify_one();
                }
            }
        }
    }

    /// The decision about `prepared` is awaited from now on.
    pub(super) fn expect(&self, prepared: Prepared) {
        if planted(Defect::M1DoubtIsNeverAsked) {
            return;
        }
        self.wait(prepared, self.core.config.doubt_after);
    }

    /// Asks the owner of a room, which is about to hear this server's vote, about what came past it, as
    /// long as it answers: what is decided earlier is shown earlier.
    pub(super) async fn settle(
        &self,
        participant: &Participant,
        owner: &ServerName,
        room_id: &RoomId,
    ) -> Result<(), StoreError> {
        let room = room_id.to_owned();
        let read = self.core.database.call(move |db| m1::asked_about(db, &room, MAX_QUESTIONS));
        for prepared in read.await? {
            if prepared.owner != owner {
                continue;
            }
            match self.ask(owner, &prepared).await {
                Reply::Decided(decision) => self.carry_out(participant, &prepared, decision).await,
                Reply::Undecided => {}
                Reply::None => break,
            }
        }
        Ok(())
    }

    /// The decision about an event is carried out.
    pub(super) fn resolved(&self, room_id: &RoomId, event_id: &EventId) {
        self.waiting.lock().doubts.remove(&(room_id.to_owned(), event_id.to_owned()));
    }

    /// `server` is up: questions that it did not answer before are put again now.
    pub(super) fn heard_from(&self, server: &ServerName) {
        let mut waiting = self.waiting.lock();
        let mut any = false;
        for doubt in waiting.doubts.values_mut() {
            if doubt.asked_in_vain && doubt.prepared.owner == server {
                doubt.asked_in_vain = false;
                doubt.due = Instant::now();
                any = true;
            }
        }
        if any {
            self.wake.notify_one();
        }
    }

    fn wait(&self, prepared: Prepared, time: Duration) {
        let due = Instant::now() + time;
        let mut waiting = self.waiting.lock();
        waiting.count += 1;
        let doubt = Doubt { prepared, place: waiting.count, due, asked_in_vain: false };
        waiting.doubts.insert(key(&doubt.prepared), doubt);
        self.wake.notify_one();
    }

    async fn ask_for_ever(self, participant: Participant) {
        loop {
            let next = {
                let waiting = self.waiting.lock();
                waiting.doubts.values().map(|doubt| doubt.due).min()
            };
            match next {
                None => self.wake.notified().await,
                Some(due) if due > Instant::now() => {
                    tokio::select! {
                        biased;
                        () = self.wake.notified() => {}
                        () = tokio::time::sleep_until(due) => {}
                    }
                }
                Some(_) => {
                    let asked = self
                        .due_by_owner()
                        .into_iter()
                        .map(|(owner, events)| self.ask_owner(&participant, owner, events));
                    join_all(asked).await;
                }
            }
        }
    }

    /// Returns what is due, per owner; due again later, unless it is resolved until then.
    fn due_by_owner(&self) -> BTreeMap<OwnedServerName, Vec<Prepared>> {
        let now = Instant::now();
        let mut due = BTreeMap::<OwnedServerName, Vec<Prepared>>::new();
        let mut waiting = self.waiting.lock();
        let mut all: Vec<&mut Doubt> =
            waiting.doubts.values_mut().filter(|doubt| doubt.due <= now).collect();
        all.sort_by_key(|doubt| doubt.place);
        for doubt in all {
            let of_owner = due.entry(doubt.prepared.owner.clone()).or_default();
            if of_owner.len() < MAX_QUESTIONS {
                of_owner.push(doubt.prepared.clone());
                doubt.due = now + self.core.config.doubt_after;
            }
        }
        due
    }

    /// Asks `owner` about each of `events`; stops at the first that it does not answer.
    async fn ask_owner(
        &self,
        participant: &Participant,
        owner: OwnedServerName,
        events: Vec<Prepared>,
    ) {
        let mut events = events.into_iter();
        for prepared in events.by_ref() {
            match self.ask(&owner, &prepared).await {
                Reply::Decided(decision) => self.carry_out(participant, &prepared, decision).await,
                Reply::Undecided => {}
                Reply::None => {
                    if planted(Defect::M1DoubtTimesOut) {
                        participant.give_up(&prepared).await;
                    }
                    self.in_vain(&prepared);
                    break;
                }
            }
        }
        events.for_each(|prepared| self.in_vain(&prepared));
    }

    async fn ask(&self, owner: &ServerName, prepared: &Prepared) -> Reply {
        let arguments = [prepared.room_id.as_str(), prepared.event_id.as_str()];
        let deadline = self.core.config.request_timeout;
        let answer = self.core.federation.call_endpoint::<GetOutcome>(
            owner,
            &arguments,
            &Empty {},
            deadline,
        );
        match answer.await {
            Ok(outcome) => outcome.decision.map_or(Reply::Undecided, Reply::Decided),
            Err(error) => {
                let event_id = &prepared.event_id;
                tracing::warn!(%error, %owner, %event_id, "an event is still in doubt");
                Reply::None
            }
        }
    }

    async fn carry_out(&self, participant: &Participant, prepared: &Prepared, decision: Decision) {
        let Prepared { event_id, room_id, owner } = prepared;
        let done = participant.decided(owner, room_id, event_id, decision).await;
        if let Err(error) = done {
            tracing::warn!(%error, %event_id, "failed to carry out a decision");
        }
    }

    fn in_vain(&self, prepared: &Prepared) {
        let mut waiting = self.waiting.lock();
        if let Some(doubt) = waiting.doubts.get_mut(&key(prepared)) {
            doubt.asked_in_vain = true;
        }
    }
}

fn key(prepared: &Prepared) -> Key {
    (prepared.room_id.clone(), prepared.event_id.clone())
}

/// What the owner said.
enum Reply {
    Decided(Decision),
    /// The votes are still being collected.
    Undecided,
    /// Nothing.
    None,
}
