//! What comes in: every PDU goes through the receipt checks, and what it lacks is fetched.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use defects::{Defect, planted};
use ruma::{OwnedEventId, OwnedRoomId, ServerName};
use serde_json::value::RawValue;
use transport::{BoxFuture, Transaction};

use super::{
    Checked, Graph, Refusal, Standing, Unavailable,
    insert::known_room,
    judge::{Judged, Missing, judge, judge_again},
};
use crate::{
    event::Pdu,
    store::{StoreError, events},
    transaction::{Answer, PduHandler, RecordAnswer},
};

/// Rounds of judging an event and fetching what it lacks; what lacks something even then is put off.
const MAX_ROUNDS: usize = 3;

/// State events that are judged in one transaction: each may have to bring forks of its room together.
const MAX_STATE_EVENTS: usize = 2;

/// What became of one PDU: shown or known, or refused for good.
type Taken = Result<(), Refusal>;

/// The outcomes by event id, what cannot be judged now and why, and what lacks something that was
/// not asked for yet.
#[derive(Default)]
struct Round {
    outcomes: BTreeMap<OwnedEventId, Taken>,
    put_off: BTreeMap<OwnedEventId, String>,
    /// What builds on something that nobody who was asked has, and why.
    parked: BTreeMap<OwnedEventId, String>,
    lacking: Vec<(Pdu, Missing)>,
}

impl Round {
    fn answer(&self) -> Answer {
        let text = |outcome: &Taken| outcome.as_ref().map_err(ToString::to_string).copied();
        let pdus = self.outcomes.iter().map(|(id, outcome)| (id.clone(), text(outcome))).collect();
        Answer { pdus, put_off: self.put_off.clone(), parked: self.parked.clone() }
    }
}

impl PduHandler for Graph {
    fn receive<'a>(
        &'a self,
        origin: &'a ServerName,
        pdus: &'a [Box<RawValue>],
        record: RecordAnswer,
    ) -> BoxFuture<'a, Result<Answer, StoreError>> {
        Box::pin(self.receive_all(origin, pdus, record))
    }
}

impl Graph {
    async fn receive_all(
        &self,
        origin: &ServerName,
        raw: &[Box<RawValue>],
        record: RecordAnswer,
    ) -> Result<Answer, StoreError> {
        let mut round = Round::default();
        let mut pending = self.admit_all(origin, raw, &mut round).await?;
        for number in 0.. {
            let batch = std::mem::take(&mut pending);
            let last = number == MAX_ROUNDS;
            round = self.judge_all(batch, round, last, Arc::clone(&record)).await?;
            if round.lacking.is_empty() {
                break;
            }
            pending = self.fetch_all(origin, &mut round).await?;
        }
        Ok(round.answer())
    }

    /// Returns the PDUs that can be judged; what became of the others is noted in `round`.
    async fn admit_all(
        &self,
        origin: &ServerName,
        raw: &[Box<RawValue>],
        round: &mut Round,
    ) -> Result<Vec<Pdu>, StoreError> {
        let mut admitted = Vec::new();
        for raw in raw {
            match self.admit(origin, raw).await {
                Ok(Ok(pdu)) => admitted.push(pdu),
                Ok(Err((id, refusal @ Refusal::UnknownRoom(_)))) => {
                    let (id, taken) = match self.take_back_invite(origin, raw).await {
                        Ok(Some(taken)) => (Some(taken), Ok(())),
                        Ok(None) | Err(Unavailable::Elsewhere(_) | Unavailable::Lacking(_)) => {
                            (id, Err(refusal))
                        }
                        Err(Unavailable::Store(error)) => return Err(error),
                    };
                    round.outcomes.extend(id.map(|id| (id, taken)));
                }
                // One of the two clocks is wrong. If it is this one, that will be set right. What builds on the
                // event does not wait for it.
                Ok(Err((Some(id), Refusal::TooFarAhead(reason)))) => {
                    round.put_off.insert(id, reason);
                }
                Ok(Err((Some(id), refusal))) => drop(round.outcomes.insert(id, Err(refusal))),
                Ok(Err((None, refusal))) => tracing::info!(%origin, %refusal, "dropped a PDU"),
                Err(Unavailable::Elsewhere(reason) | Unavailable::Lacking(reason)) => {
                    round.put_off.extend(self.id_of(raw).await?.map(|id| (id, reason)));
                }
                Err(Unavailable::Store(error)) => return Err(error),
            }
        }
        Ok(admitted)
    }

    /// Fetches what the lacking PDUs of `round` build on: those that can be judged now.
    async fn fetch_all(
        &self,
        origin: &ServerName,
        round: &mut Round,
    ) -> Result<Vec<Pdu>, StoreError> {
        let mut ready = Vec::new();
        // Where one event could not be helped, the next is not waited for as long once more.
        let mut silent: BTreeMap<OwnedRoomId, String> = BTreeMap::new();
        for (pdu, missing) in std::mem::take(&mut round.lacking) {
            if let Some(reason) = silent.get(&pdu.room_id) {
                round.put_off.insert(pdu.event_id.clone(), reason.clone());
                continue;
            }
            match self.fetch_or_adopt(origin, &pdu, missing).await {
                Ok(Ok(())) => ready.push(pdu),
                Ok(Err(refusal)) => drop(round.outcomes.insert(pdu.event_id.clone(), Err(refusal))),
                Err(Unavailable::Lacking(reason)) => {
                    round.parked.insert(pdu.event_id.clone(), reason);
                }
                Err(Unavailable::Elsewhere(reason)) => {
                    silent.insert(pdu.room_id.clone(), reason.clone());
                    round.put_off.insert(pdu.event_id.clone(), reason);
                }
                Err(Unavailable::Store(error)) => return Err(error),
            }
        }
        Ok(ready)
    }

    /// Judges and inserts the events in one transaction, and in the same one, when nothing is
    /// lacking (or on the `last` round), records the answer. Of many state events some come in
    /// transactions before: whoever else wants to write does not wait for all of them.
    async fn judge_all(
        &self,
        batch: Vec<Pdu>,
        mut round: Round,
        last: bool,
        record: RecordAnswer,
    ) -> Result<Round, StoreError> {
        let (mut parts, mut lacking) = (parts(batch), Vec::new());
        let mut batch = parts.pop().unwrap_or_default();
        for part in parts {
            let graph = self.clone();
            let judged = self.core.database.transaction(move |tx| {
                graph.judge_repeatedly(tx, part, &mut round)?;
                Ok::<_, StoreError>(round)
            });
            round = judged.await?;
            lacking.extend(std::mem::take(&mut round.lacking).into_iter().map(|(pdu, _)| pdu));
        }
        batch.splice(0..0, lacking);
        let graph = self.clone();
        self.core
            .database
            .transaction(move |tx| {
                graph.judge_repeatedly(tx, batch, &mut round)?;
                if last {
                    for (pdu, missing) in std::mem::take(&mut round.lacking) {
                        let reason = Refusal::from(missing).to_string();
                        round.put_off.insert(pdu.event_id.clone(), reason);
                    }
                }
                if round.lacking.is_empty() {
                    record(tx, &round.answer())?;
                }
                Ok(round)
            })
            .await
    }

    /// Judges events until none of those that lack something can be helped by another.
    fn judge_repeatedly(
        &self,
        tx: &Transaction<'_>,
        mut batch: Vec<Pdu>,
        round: &mut Round,
    ) -> Result<(), StoreError> {
        loop {
            let before = batch.len();
            round.lacking.clear();
            for pdu in batch {
                match self.judge_and_insert(tx, &pdu)? {
                    Ok(outcome) => drop(round.outcomes.insert(pdu.event_id.clone(), outcome)),
                    Err(missing) => round.lacking.push((pdu, missing)),
                }
            }
            if round.lacking.is_empty() || round.lacking.len() == before {
                return Ok(());
            }
            batch = round.lacking.iter().map(|(pdu, _)| pdu.clone()).collect();
        }
    }

    fn judge_and_insert(
        &self,
        tx: &Transaction<'_>,
        pdu: &Pdu,
    ) -> Result<Result<Taken, Missing>, StoreError> {
        let room = known_room(tx, &pdu.room_id)?;
        Ok(match judge(tx, &room, pdu)? {
            Judged::Known { accepted: true }
                if planted(Defect::RedeliveredEventIsNotifiedAgain) =>
            {
                let position = events::append(tx, pdu)?;
                self.tell(tx, pdu, position)?;
                Ok(Ok(()))
            }
            Judged::Known { accepted } => {
                if accepted {
                    self.show_if_late(tx, &room, pdu)?;
                }
                Ok(Ok(()))
            }
            _ if !room.row.delivery.is_transacted(pdu.state_key.is_some()) => {
                let reason = "the room's owner decides what is shown".to_owned();
                Ok(Err(Refusal::NotAllowed(reason)))
            }
            Judged::Missing(missing) => Err(missing),
            Judged::Checked(checked, before) => {
                self.insert_received(tx, &room, &checked, before)?;
                Ok(match checked.standing {
                    Standing::Rejected(reason) => Err(Refusal::NotAllowed(reason)),
                    // The specification has it that the sender is not told of soft failure.
                    Standing::Accepted | Standing::SoftFailed(_) => Ok(()),
                })
            }
        })
    }

    /// As [`Graph::fetch_for`]; where nobody has what the event builds on, it becomes part of the graph
    /// after the state before it, if somebody can tell that: its sender may have joined later than
    /// what it builds on, or have lost it.
    async fn fetch_or_adopt(
        &self,
        origin: &ServerName,
        pdu: &Pdu,
        missing: Missing,
    ) -> Result<Taken, Unavailable> {
        match self.fetch_for(origin, pdu, missing).await? {
            Err(Refusal::MissingEvents(reason)) => {
                let adopted = self.adopt_for(origin, pdu).await?;
                Ok(adopted.map_err(|_| Refusal::MissingEvents(reason)))
            }
            fetched => Ok(fetched),
        }
    }

    async fn adopt_for(&self, origin: &ServerName, pdu: &Pdu) -> Result<Taken, Unavailable> {
        let Some((_, rules)) = self.rules_of(&pdu.room_id).await? else {
            return Ok(Err(Refusal::UnknownRoom(pdu.room_id.clone())));
        };
        let sender = Some(pdu.sender.server_name());
        let source = self.source(&pdu.room_id, rules, origin, sender).await?;
        self.adopt_known(&source, pdu.clone()).await
    }

    async fn fetch_for(
        &self,
        origin: &ServerName,
        pdu: &Pdu,
        missing: Missing,
    ) -> Result<Taken, Unavailable> {
        let Some((_, rules)) = self.rules_of(&pdu.room_id).await? else {
            return Ok(Err(Refusal::UnknownRoom(pdu.room_id.clone())));
        };
        let sender = Some(pdu.sender.server_name());
        let source = self.source(&pdu.room_id, rules, origin, sender).await?;
        self.fetch_missing(&source, pdu, missing).await
    }

    /// Does all receipt checks of one event and returns what came of them. What it builds on is
    /// fetched and stored; the event itself is not.
    pub(crate) async fn check(
        &self,
        raw: &RawValue,
        origin: &ServerName,
    ) -> Result<Result<Checked, Refusal>, Unavailable> {
        let pdu = match self.admit(origin, raw).await? {
            Ok(pdu) => pdu,
            Err((_, refusal)) => return Ok(Err(refusal)),
        };
        for _ in 0..=MAX_ROUNDS {
            let event = pdu.clone();
            let judged: Judged = self
                .core
                .database
                .transaction(move |tx| judge_to_decide(tx, &event))
                .await
                .map_err(Unavailable::Store)?;
            let missing = match judged {
                Judged::Known { accepted: true } => {
                    return Ok(Ok(Checked { pdu, standing: Standing::Accepted }));
                }
                Judged::Known { accepted: false } => {
                    return Ok(Err(Refusal::NotAllowed("it was refused before".to_owned())));
                }
                Judged::Checked(checked, _) => return Ok(acceptable(*checked)),
                Judged::Missing(missing) => missing,
            };
            let fetched = self.fetch_for(origin, &pdu, missing).await?;
            if let Err(refusal) = fetched {
                return Ok(Err(refusal));
            }
        }
        Ok(Err(Refusal::MissingEvents(pdu.event_id.to_string())))
    }
}

/// Judges an event; one that came past the owner of its room before, who may be about to decide on
/// it, as if it had not. What the rules forbid where it stands stays refused, whoever decides.
fn judge_to_decide(tx: &Transaction<'_>, event: &Pdu) -> Result<Judged, StoreError> {
    let room = known_room(tx, &event.room_id)?;
    let judged = judge(tx, &room, event)?;
    if !matches!(judged, Judged::Known { accepted: false })
        || room.row.delivery.is_transacted(event.state_key.is_some())
        || events::place(tx, &event.event_id)?.is_some_and(|place| place.rejected)
    {
        return Ok(judged);
    }
    let again = judge_again(tx, &room, event)?;
    Ok(again.map_or(judged, |checked| Judged::Checked(Box::new(checked), room.row.current_group)))
}

pub(super) fn acceptable(checked: Checked) -> Result<Checked, Refusal> {
    match checked.standing {
        Standing::Accepted => Ok(checked),
        Standing::SoftFailed(reason) => Err(Refusal::NoLongerAllowed(reason)),
        Standing::Rejected(reason) => Err(Refusal::NotAllowed(reason)),
    }
}

impl From<Missing> for Refusal {
    fn from(missing: Missing) -> Self {
        let ids: BTreeSet<_> = missing
            .prev_events
            .iter()
            .chain(&missing.auth_events)
            .map(ToString::to_string)
            .collect();
        Self::MissingEvents(ids.into_iter().collect::<Vec<_>>().join(", "))
    }
}

/// Returns the events in parts with so many state events at most.
fn parts(batch: Vec<Pdu>) -> Vec<Vec<Pdu>> {
    let (mut parts, mut part, mut state_events) = (Vec::new(), Vec::new(), 0);
    for pdu in batch {
        if pdu.state_key.is_some() {
            if state_events == MAX_STATE_EVENTS {
                parts.push(std::mem::take(&mut part));
                state_events = 0;
            }
            state_events += 1;
        }
        part.push(pdu);
    }
    parts.push(part);
    parts
}
