//! The owner's side: collects the votes, decides, and answers what it decided.

use std::collections::{BTreeMap, BTreeSet};

use defects::{Defect, planted};
use futures_util::future::join_all;
use ruma::{EventId, OwnedEventId, OwnedRoomId, OwnedServerName, RoomId, ServerName};
use serde_json::value::RawValue;
use transport::{
    Transaction,
    endpoints::m1::{Decide, Decision, DecisionBody, Sent},
};

use super::{
    super::Handed,
    commits::Commits,
    ensure_owner, outcome,
    protocol::{Conclusion, Record, conclude, on_question},
    refusals::{ABORTED_BEFORE, objection, refusal},
    refused,
    votes::{Ballot, ballot_of},
};
use crate::{
    core::guards::{Bounds, Guard, Guards},
    event::Pdu,
    messaging::rooms::{RoomError, Rooms},
    pdu::Checked,
    store::{
        StoreError, events,
        m1::{self, Message, Voter},
        memberships,
        sends::{SendKey, keep_outcome},
    },
};

/// How often the votes are collected anew because another backend has joined meanwhile.
const MAX_ROUNDS: usize = 3;

/// Events whose votes are collected at the same time; a further one is not begun.
const COLLECTING: Bounds = Bounds { per_key: 1, keys: 1000 };

/// What this server does for rooms that it owns. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Coordinator {
    pub(super) rooms: Rooms,
    commits: Commits,
    pub(super) messages: Guards<(OwnedServerName, String)>,
    /// Events whose votes are being collected, by room.
    collecting: Guards<(OwnedRoomId, OwnedEventId)>,
}

/// The votes of the backends asked so far.
pub(super) type Ballots = BTreeMap<OwnedServerName, Ballot>;

impl Coordinator {
    pub(super) fn new(rooms: Rooms, commits: Commits) -> Self {
        Self { rooms, commits, messages: Guards::default(), collecting: Guards::default() }
    }

    /// Returns what was decided about an event, for `asker`, a backend that is or was in the room;
    /// `None` while its votes are being collected. Whoever asks about an event that is neither
    /// decided nor being voted on is told that it is aborted, and so it stays: that is durable
    /// before this returns. `None` also if `asker` asks about too many.
    ///
    /// # Errors
    /// This server does not own the room, `asker` was never in it, or the store refuses.
    pub(crate) async fn outcome(
        &self,
        asker: &ServerName,
        room_id: &RoomId,
        event_id: &EventId,
    ) -> Result<Option<Decision>, RoomError> {
        let (core, now) = (self.rooms.core().clone(), self.rooms.core().ages.now_ms());
        let (asker, room_id, event_id) =
            (asker.to_owned(), room_id.to_owned(), event_id.to_owned());
        // Looked up first: what is decided meanwhile is found in the tables.
        let is_collecting = self.collecting.is_held(&(room_id.clone(), event_id.clone()));
        self.rooms
            .database()
            .transaction(move |tx| {
                ensure_owner(tx, &room_id, core.server_name())?;
                // A backend that has left since it voted is in doubt like any other.
                if !memberships::was_ever_in(tx, &room_id, &asker)? {
                    let message = "the requesting server was never in the room".to_owned();
                    return Err(RoomError::Forbidden(message));
                }
                // What was decided long ago is recorded no more, but shown.
                let shown = is_shown(tx, &room_id, &event_id)?.then_some(Decision::Commit);
                let record = m1::decision(tx, &room_id, &event_id)?.or(shown).into();
                match on_question(record, is_collecting) {
                    Some(Decision::Abort) if record == Record::None => {
                        Ok(m1::abort_for(tx, &room_id, &event_id, &asker, now)?)
                    }
                    answer => Ok(answer),
                }
            })
            .await
    }

    /// Delivers a message that a backend of the room hands over to every other one, or to none. The
    /// same message again gets the same answer.
    ///
    /// # Errors
    /// Nothing is decided: the store refused, or what the event builds on could not be fetched.
    pub(crate) async fn send(&self, handed: Handed) -> Result<Sent, RoomError> {
        let Handed { origin, room_id, message_id, event } = handed;
        let _alone = self.messages.alone((origin.clone(), message_id.clone())).await;
        let (of, id) = (origin.clone(), message_id.clone());
        let answered = self.rooms.database().call(move |db| m1::answer(db, &of, &id));
        if let Some(sent) = answered.await? {
            return Ok(sent);
        }
        let checked = match self.rooms.check(&event, &origin).await? {
            Ok(checked) => checked,
            Err(refusal) => {
                let reason = refusal.to_string();
                // What is no event at all was not tried before, and will not be.
                let Some(event) = self.parsed(&room_id, &event).await? else {
                    return Ok(refused(reason));
                };
                let message = Message { origin, id: message_id, event_id: event.event_id.clone() };
                return self.refuse(message, event, reason).await;
            }
        };
        let message = Message { origin, id: message_id, event_id: checked.pdu.event_id.clone() };
        match objection(&message, &room_id, &checked) {
            Some(reason) => self.refuse(message, checked.pdu, reason).await,
            None => self.attempt(message, checked).await,
        }
    }

    /// Delivers a message that this server has just built in a room of its own, and that nobody
    /// else has heard of, so that it needs no check; its `voters` were read with it. How the send
    /// of the device ended is recorded with the decision.
    ///
    /// # Errors
    /// Nothing is decided: the store refused.
    pub(super) async fn send_new(
        &self,
        key: SendKey,
        event: Pdu,
        voters: Vec<Voter>,
    ) -> Result<Sent, RoomError> {
        let _collecting = self.collect_for(&event)?;
        let message = Message {
            origin: self.rooms.core().owned_server_name(),
            id: key.message_id(),
            event_id: event.event_id.clone(),
        };
        let motion = Motion { message, key: Some(key), event };
        self.vote(motion, voters).await
    }

    /// Returns the event, unless it is malformed.
    pub(super) async fn parsed(
        &self,
        room_id: &RoomId,
        raw: &RawValue,
    ) -> Result<Option<Pdu>, RoomError> {
        let rules = self.rooms.graph.rules_of(room_id).await?;
        Ok(rules.and_then(|(_, rules)| Pdu::parse(raw, rules).ok()))
    }

    /// Records a refusal before it is told: an older try of the same message may still be on its
    /// way, and must not be a commit then.
    async fn refuse(
        &self,
        message: Message,
        event: Pdu,
        reason: String,
    ) -> Result<Sent, RoomError> {
        if event.sender.server_name() == message.origin {
            let motion = Motion { message, key: None, event };
            return self.abort(motion, refused(reason), Ballots::new()).await;
        }
        // Nobody can have another server's event aborted; that it was refused is kept all the same.
        let (sent, now) = (refused(reason), self.rooms.core().ages.now_ms());
        let answer = sent.clone();
        self.rooms
            .database()
            .transaction(move |tx| m1::keep_answer(tx, &message, &answer, now))
            .await?;
        Ok(sent)
    }

    /// Tries a message that may have been tried before; returns its answer.
    async fn attempt(&self, message: Message, checked: Checked) -> Result<Sent, RoomError> {
        let motion = Motion { message, key: None, event: checked.pdu };
        let _collecting = self.collect_for(&motion.event)?;
        // From here on nobody is told an abort that is not recorded; what was told before is here.
        let (event, own) = (motion.event.clone(), self.rooms.core().owned_server_name());
        let read = self.rooms.database().call(move |db| {
            let decision = m1::decision(db, &event.room_id, &event.event_id)?;
            Ok::<_, StoreError>((decision, m1::voters(db, &event.room_id, &own)?))
        });
        let (decision, voters) = read.await?;
        if decision == Some(Decision::Abort) {
            return self.abort(motion, refused(ABORTED_BEFORE.to_owned()), Ballots::new()).await;
        }
        self.vote(motion, voters).await
    }

    fn collect_for(&self, event: &Pdu) -> Result<Guard<(OwnedRoomId, OwnedEventId)>, RoomError> {
        let key = (event.room_id.clone(), event.event_id.clone());
        let collecting = self.collecting.try_hold(key, COLLECTING);
        collecting
            .ok_or_else(|| RoomError::Unavailable("too many votes are in progress".to_owned()))
    }

    /// Collects the votes, and decides.
    async fn vote(&self, motion: Motion, mut voters: Vec<Voter>) -> Result<Sent, RoomError> {
        let mut ballots = Ballots::new();
        let mut round = 1;
        // Bounded: the last round decides, whoever has joined meanwhile.
        loop {
            ballots.extend(self.ask_all(&motion.event, voters).await);
            if let Some(sent) = refusal(&ballots) {
                return self.abort(motion, sent, ballots).await;
            }
            match self.decide(motion.clone(), &ballots, round == MAX_ROUNDS).await? {
                Decided::Now(sent) => return Ok(sent),
                Decided::NotYet(newcomers) => voters = newcomers,
            }
            round += 1;
        }
    }

    /// Asks these backends, all at the same time.
    async fn ask_all(&self, event: &Pdu, voters: Vec<Voter>) -> Vec<(OwnedServerName, Ballot)> {
        let asked = voters.into_iter().map(|voter| async move {
            let name = voter.name.clone();
            let (core, commits) = (self.rooms.core().clone(), self.commits.clone());
            (name, ballot_of(core, commits, voter, event.clone()).await)
        });
        join_all(asked).await
    }

    /// Records the commit that all ballots allow, shows the event here, and owes it to everybody
    /// who voted; all in the one transaction that is the decision. Decides nothing if backends have
    /// joined that have not voted, unless this was the `last` round: that is an abort then.
    async fn decide(
        &self,
        motion: Motion,
        ballots: &Ballots,
        last: bool,
    ) -> Result<Decided, RoomError> {
        let (rooms, now) = (self.rooms.clone(), self.rooms.core().ages.now_ms());
        let voted: BTreeSet<OwnedServerName> = ballots.keys().cloned().collect();
        let (destinations, room) = (voted.clone(), motion.event.room_id.clone());
        if planted(Defect::M1CommitToldBeforeItIsRecorded) {
            let told = voted.iter().map(|voter| self.commits.tell_undecided(voter, &motion.event));
            join_all(told).await;
        }
        let decided = self
            .rooms
            .database()
            .transaction(move |tx| {
                let event = &motion.event;
                let newcomers = newcomers(tx, &rooms, event, &voted)?;
                let record = m1::decision(tx, &event.room_id, &event.event_id)?.into();
                let sent = match conclude(record, !newcomers.is_empty(), last) {
                    Conclusion::AskNewcomers => return Ok(Decided::NotYet(newcomers)),
                    Conclusion::Abort => {
                        m1::decide(tx, event, Decision::Abort, now)?;
                        refused(newcomers.first().map_or_else(
                            || ABORTED_BEFORE.to_owned(),
                            |voter| format!("{} joined during the vote", voter.name),
                        ))
                    }
                    Conclusion::Commit => {
                        m1::decide(tx, event, Decision::Commit, now)?;
                        if !rooms.insert(tx, &rooms.trusted(event.clone()))? {
                            // Somebody brought it past the vote, and it was not shown then.
                            rooms.graph.reinstate(tx, event)?;
                        }
                        voted.iter().try_for_each(|voter| m1::oblige(tx, voter, event))?;
                        delivered()
                    }
                };
                motion.record(tx, &sent, now)?;
                Ok::<_, RoomError>(Decided::Now(sent))
            })
            .await;
        // Also after an error: a disk that failed late may have kept the decision.
        for destination in &destinations {
            self.commits.tell_now(destination);
        }
        if let Ok(Decided::Now(Sent { delivered: true, .. })) = &decided
            && planted(Defect::M1LateCommitCountsAsFailure)
        {
            return Ok(Decided::Now(self.only_if_told(&room, destinations).await));
        }
        decided
    }

    /// Returns what is told to a sender who is told of the backends that do not show it yet.
    async fn only_if_told(&self, room: &RoomId, destinations: BTreeSet<OwnedServerName>) -> Sent {
        let timeout = self.rooms.core().config.vote_timeout;
        let told = destinations.into_iter().map(|destination| async move {
            let drained = self.commits.drained(&destination, room, i64::MAX);
            let in_time = tokio::time::timeout(timeout, drained).await.is_ok();
            (!in_time).then(|| destination.to_string())
        });
        let late: Vec<_> = join_all(told).await.into_iter().flatten().collect();
        Sent { delivered: late.is_empty(), unreachable_backends: late, ..delivered() }
    }

    /// Records the abort and its answer, then tells those who may have voted yes; once, because
    /// whoever does not hear it asks.
    async fn abort(&self, motion: Motion, sent: Sent, ballots: Ballots) -> Result<Sent, RoomError> {
        let (event, now) = (motion.event.clone(), self.rooms.core().ages.now_ms());
        let answer = sent.clone();
        self.rooms
            .database()
            .transaction(move |tx| {
                m1::decide(tx, &motion.event, Decision::Abort, now)?;
                motion.record(tx, &answer, now)
            })
            .await?;
        for (member, ballot) in ballots {
            if !matches!(ballot, Ballot::No(_)) {
                self.rooms.core().host.spawn(self.clone().tell_abort(member, event.clone()));
            }
        }
        Ok(sent)
    }

    async fn tell_abort(self, member: OwnedServerName, event: Pdu) {
        let core = self.rooms.core();
        let told = core
            .federation
            .call_endpoint::<Decide>(
                &member,
                &[event.room_id.as_str(), event.event_id.as_str()],
                &DecisionBody { decision: Decision::Abort },
                core.config.request_timeout,
            )
            .await;
        if let Err(error) = told {
            tracing::debug!(%error, %member, "failed to tell a backend of an abort; it will ask");
        }
    }
}

/// Returns whether users here see the event in that room.
pub(super) fn is_shown(
    tx: &Transaction<'_>,
    room: &RoomId,
    event: &EventId,
) -> Result<bool, StoreError> {
    let place = events::place(tx, event)?;
    let is_of_room = place.is_some_and(|place| place.accepted && place.room_id == room.as_str());
    Ok(is_of_room && events::is_visible(tx, event)?)
}

/// What is voted on.
#[derive(Clone)]
struct Motion {
    message: Message,
    /// The send of a device here that it is, whose outcome is recorded with the decision.
    key: Option<SendKey>,
    event: Pdu,
}

impl Motion {
    /// Records the answer to the message, in the transaction that decides.
    fn record(&self, tx: &Transaction<'_>, sent: &Sent, now_ms: i64) -> Result<(), StoreError> {
        m1::keep_answer(tx, &self.message, sent, now_ms)?;
        let Some(key) = &self.key else { return Ok(()) };
        let outcome = outcome(self.event.event_id.clone(), sent.clone());
        keep_outcome(tx, key, &self.event.event_id, &outcome, now_ms)
    }
}

/// What came of trying to decide.
enum Decided {
    /// It is decided, and so answered.
    Now(Sent),
    /// These have joined meanwhile, and have to be asked first.
    NotYet(Vec<Voter>),
}

/// Returns the member backends that have not voted, as the transaction that would decide sees them.
fn newcomers(
    tx: &Transaction<'_>,
    rooms: &Rooms,
    event: &Pdu,
    voted: &BTreeSet<OwnedServerName>,
) -> Result<Vec<Voter>, StoreError> {
    if planted(Defect::M1NewcomerIsLeftOut) {
        return Ok(Vec::new());
    }
    let mut voters = m1::voters(tx, &event.room_id, rooms.core().server_name())?;
    voters.retain(|voter| !voted.contains(&voter.name));
    Ok(voters)
}

pub(super) fn delivered() -> Sent {
    Sent {
        delivered: true,
        unreachable_backends: Vec::new(),
        failed_to_send: Vec::new(),
        reason: None,
    }
}
