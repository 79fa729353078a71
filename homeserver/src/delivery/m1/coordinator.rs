//! The owner's side: collects the votes, decides, and answers what it decided.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use ruma::{EventId, OwnedEventId, OwnedServerName, RoomId, ServerName};
use serde_json::value::RawValue;
use transport::endpoints::m1::{Decide, Decision, DecisionBody, Sent};

use super::{
    super::Handed,
    commits::Commits,
    ensure_owner, refused,
    votes::{Ballot, ballot_of},
};
use crate::{
    core::{
        guards::{Bounds, Guard, Guards},
        moment::now_ms,
    },
    event::Pdu,
    messaging::rooms::{RoomError, Rooms},
    pdu::{Checked, Standing},
    store::{
        StoreError,
        m1::{self, Message},
        memberships,
    },
};

/// How often the votes are collected anew because another backend has joined meanwhile.
const MAX_ROUNDS: usize = 3;

/// Events whose votes are collected at the same time; a further one is not begun.
const COLLECTING: Bounds = Bounds { per_key: 1, keys: 1000 };

/// What this server does for rooms that it owns. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Coordinator {
    rooms: Rooms,
    commits: Commits,
    messages: Guards<(OwnedServerName, String)>,
    /// Events whose votes are being collected.
    collecting: Guards<OwnedEventId>,
}

/// The votes of the backends asked so far.
type Ballots = BTreeMap<OwnedServerName, Ballot>;

impl Coordinator {
    pub(super) fn new(rooms: Rooms, commits: Commits) -> Self {
        Self { rooms, commits, messages: Guards::default(), collecting: Guards::default() }
    }

    /// What was decided about an event; `None` while its votes are being collected. Whoever asks
    /// about an event that is neither decided nor being voted on is told that it is aborted, and so
    /// it stays: that is durable before this returns. `None` also if `asker` asks about too many.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn outcome(
        &self,
        asker: &ServerName,
        event_id: &EventId,
    ) -> Result<Option<Decision>, StoreError> {
        if self.collecting.is_held(event_id) {
            return Ok(None);
        }
        let (asker, event_id) = (asker.to_owned(), event_id.to_owned());
        let now = now_ms(&self.rooms.core().host);
        self.rooms.database().transaction(move |tx| m1::abort_for(tx, &event_id, &asker, now)).await
    }

    /// Delivers a message to every backend of its room, or to none. The same message again gets the
    /// same answer.
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
                return self.refuse(message, &event, reason).await;
            }
        };
        let message = Message { origin, id: message_id, event_id: checked.pdu.event_id.clone() };
        match self.objection(&message, &checked).await? {
            Some(reason) => self.refuse(message, &checked.pdu, reason).await,
            None => self.attempt(message, checked).await,
        }
    }

    /// The event, unless it is malformed.
    async fn parsed(&self, room_id: &RoomId, raw: &RawValue) -> Result<Option<Pdu>, RoomError> {
        let rules = self.rooms.graph.rules_of(room_id).await?;
        Ok(rules.and_then(|(_, rules)| Pdu::parse(raw, rules).ok()))
    }

    /// Records a refusal before it is told: an older try of the same message may still be on its
    /// way, and must not be a commit then.
    async fn refuse(
        &self,
        message: Message,
        event: &Pdu,
        reason: String,
    ) -> Result<Sent, RoomError> {
        if event.sender.server_name() == message.origin {
            return self.abort(message, event, refused(reason), Ballots::new()).await;
        }
        // Nobody can have another server's event aborted; that it was refused is kept all the same.
        let (sent, now) = (refused(reason), now_ms(&self.rooms.core().host));
        let answer = sent.clone();
        self.rooms
            .database()
            .transaction(move |tx| m1::keep_answer(tx, &message, &answer, now))
            .await?;
        Ok(sent)
    }

    /// Why the event is none that is sent in this way.
    async fn objection(
        &self,
        message: &Message,
        checked: &Checked,
    ) -> Result<Option<String>, RoomError> {
        let event = &checked.pdu;
        if let Standing::SoftFailed(reason) | Standing::Rejected(reason) = &checked.standing {
            return Ok(Some(reason.clone()));
        }
        if event.sender.server_name() != message.origin {
            return Ok(Some(format!("{} is not a user of {}", event.sender, message.origin)));
        }
        if event.state_key.is_some() {
            return Ok(Some("state is not sent as a message".to_owned()));
        }
        self.ensure_own(&event.room_id).await.map(|()| None)
    }

    /// Refuses rooms that this server does not coordinate.
    ///
    /// # Errors
    /// [`RoomError::Forbidden`], or the store's.
    pub(crate) async fn ensure_own(&self, room_id: &RoomId) -> Result<(), RoomError> {
        ensure_owner(&self.rooms, room_id, self.rooms.core().server_name()).await
    }

    /// One try: votes, then the decision.
    async fn attempt(&self, message: Message, checked: Checked) -> Result<Sent, RoomError> {
        let _collecting = self.collect_for(&checked.pdu.event_id)?;
        // From here on nobody is told an abort that is not recorded; what was told before is here.
        let event_id = checked.pdu.event_id.clone();
        let told = self.rooms.database().call(move |db| m1::decision(db, &event_id));
        if told.await? == Some(Decision::Abort) {
            let sent = refused("an earlier try of this message was aborted".to_owned());
            return self.abort(message, &checked.pdu, sent, Ballots::new()).await;
        }
        let mut ballots = Ballots::new();
        for _ in 0..MAX_ROUNDS {
            if !self.ask_the_rest(&checked.pdu, &mut ballots).await? {
                break;
            }
        }
        match refusal(&ballots) {
            Some(sent) => self.abort(message, &checked.pdu, sent, ballots).await,
            None => self.commit(message, checked, ballots).await,
        }
    }

    fn collect_for(&self, event_id: &EventId) -> Result<Guard<OwnedEventId>, RoomError> {
        let collecting = self.collecting.try_hold(event_id.to_owned(), COLLECTING);
        collecting.ok_or_else(|| RoomError::Unavailable("too many votes are under way".to_owned()))
    }

    /// Asks the member backends that were not asked yet, at the same time; false if there are none,
    /// or if one of them did not vote yes.
    async fn ask_the_rest(&self, event: &Pdu, ballots: &mut Ballots) -> Result<bool, RoomError> {
        let core = self.rooms.core();
        let mut members = self.rooms.member_servers(&event.room_id).await?;
        members.retain(|member| member != core.server_name() && !ballots.contains_key(member));
        if members.is_empty() {
            return Ok(false);
        }
        let asked = members.into_iter().map(|member| async move {
            let ballot =
                ballot_of(core.clone(), self.commits.clone(), member.clone(), event.clone()).await;
            (member, ballot)
        });
        ballots.extend(join_all(asked).await);
        Ok(ballots.values().all(|ballot| *ballot == Ballot::Yes))
    }

    /// Records the commit, shows the event here, and owes it to everybody who voted; all in the one
    /// transaction that is the decision.
    async fn commit(
        &self,
        message: Message,
        checked: Checked,
        ballots: Ballots,
    ) -> Result<Sent, RoomError> {
        let (rooms, now) = (self.rooms.clone(), now_ms(&self.rooms.core().host));
        let voters: BTreeSet<OwnedServerName> = ballots.into_keys().collect();
        let destinations = voters.clone();
        let decided = self
            .rooms
            .database()
            .transaction(move |tx| {
                let event = &checked.pdu;
                let sent = if let Some(reason) = obstacle(tx, &rooms, event, &voters)? {
                    m1::decide(tx, &event.event_id, Decision::Abort, now)?;
                    refused(reason)
                } else {
                    m1::decide(tx, &event.event_id, Decision::Commit, now)?;
                    rooms.insert(tx, &checked)?;
                    for voter in &voters {
                        m1::oblige(tx, voter, event)?;
                    }
                    delivered()
                };
                m1::keep_answer(tx, &message, &sent, now)?;
                Ok::<_, RoomError>(sent)
            })
            .await;
        // Also after an error: a disk that failed late may have kept the decision.
        for destination in &destinations {
            self.commits.hasten(destination);
        }
        decided
    }

    /// Records the abort and its answer, then tells those who may have voted yes; once, because
    /// whoever does not hear it asks.
    async fn abort(
        &self,
        message: Message,
        event: &Pdu,
        sent: Sent,
        ballots: Ballots,
    ) -> Result<Sent, RoomError> {
        let (event_id, now) = (event.event_id.clone(), now_ms(&self.rooms.core().host));
        let answer = sent.clone();
        self.rooms
            .database()
            .transaction(move |tx| {
                m1::decide(tx, &event_id, Decision::Abort, now)?;
                m1::keep_answer(tx, &message, &answer, now)
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
            tracing::debug!(%error, %member, "an abort was not told; the backend will ask");
        }
    }
}

/// Why the votes do not allow a commit, looked at in the transaction that would decide it.
fn obstacle(
    tx: &transport::Transaction<'_>,
    rooms: &Rooms,
    event: &Pdu,
    voters: &BTreeSet<OwnedServerName>,
) -> Result<Option<String>, StoreError> {
    if m1::decision(tx, &event.event_id)? == Some(Decision::Abort) {
        return Ok(Some("an earlier try of this message was aborted".to_owned()));
    }
    let own = rooms.core().server_name();
    let members = memberships::member_servers(tx, &event.room_id)?;
    let newcomer = members.into_iter().find(|member| member != own && !voters.contains(member));
    Ok(newcomer.map(|member| format!("{member} joined during the vote")))
}

/// The answer that the ballots make inevitable; `None`: all said yes.
fn refusal(ballots: &Ballots) -> Option<Sent> {
    let unreachable: Vec<String> = ballots
        .iter()
        .filter(|(_, ballot)| **ballot == Ballot::Unreachable)
        .map(|(member, _)| member.to_string())
        .collect();
    let reason = ballots.values().find_map(|ballot| match ballot {
        Ballot::No(reason) => Some(reason.clone()),
        Ballot::Yes | Ballot::Unreachable => None,
    });
    if unreachable.is_empty() && reason.is_none() {
        return None;
    }
    Some(Sent {
        delivered: false,
        unreachable_backends: unreachable,
        failed_to_send: Vec::new(),
        reason,
    })
}

fn delivered() -> Sent {
    Sent {
        delivered: true,
        unreachable_backends: Vec::new(),
        failed_to_send: Vec::new(),
        reason: None,
    }
}
