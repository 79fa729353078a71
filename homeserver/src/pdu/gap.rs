//! Filling the gap between what is known and an event that came: `get_missing_events` first, as
//! often as it takes. Where this server's history of the room ends, the last event before that end
//! is fetched as history; beyond what nobody tells, single events with the state before them. `walk`:
//! the way back, and what on it may be history.

mod walk;

use std::collections::{BTreeMap, BTreeSet};

use defects::{Defect, planted};
use ruma::OwnedEventId;

use self::walk::{Gap, Walk};
use super::{
    Graph, Refusal, Unavailable,
    fetch::{Found, Source},
    insert::known_room,
    judge::{Judged, Missing, judge},
};
use crate::{
    event::Pdu,
    store::{
        StoreError, backward_extremities, gap_events,
        rooms::{self, RoomRow},
    },
};

/// How often missing events are asked for in one try, some twenty each time. What was fetched of a
/// longer gap is kept, and the next try goes on from there.
const MAX_GAP_ROUNDS: usize = 500;

/// Parents fetched one by one, with the state before them, for one event.
const MAX_ADOPTED: usize = 20;

/// How often history is fetched to find out whether what came is part of it. What is still older than
/// that is taken for history.
const MAX_HISTORY_ROUNDS: usize = 5;

/// Rounds of fetching what one event builds on.
const MAX_FETCHES: usize = 3;

impl Graph {
    /// Makes everything that `pdu` builds on part of the graph.
    pub(crate) async fn fetch_missing(
        &self,
        source: &Source<'_>,
        pdu: &Pdu,
        missing: Missing,
    ) -> Result<Result<(), Refusal>, Unavailable> {
        if !missing.prev_events.is_empty()
            && let Err(refusal) = self.fill_gap(source, pdu).await?
        {
            return Ok(Err(refusal));
        }
        let named = pdu.auth_events.clone();
        let absent: Vec<OwnedEventId> =
            self.core.database.call(move |db| super::outliers::absent(db, &named)).await?;
        if absent.is_empty() {
            return Ok(Ok(()));
        }
        self.fetch_outliers(source, absent).await
    }

    async fn fill_gap(
        &self,
        source: &Source<'_>,
        pdu: &Pdu,
    ) -> Result<Result<(), Refusal>, Unavailable> {
        let mut walk = self.walk_beside_history(source, pdu).await?;
        // The sender of the event must have had what it names itself, not what that builds on.
        let anyone = source.whoever_sent_it();
        let history = self.source_of_history(source.room, source.rules).await?;
        for end in walk.ends.iter().take(MAX_ADOPTED) {
            if let Err(refusal) = self.place_end(&history, end).await? {
                return Ok(Err(refusal));
            }
        }
        for event in walk.older.values().take(MAX_ADOPTED) {
            let asked = self.source_of_older(&anyone, event).await?;
            if let Err(refusal) = self.place_at_end(&asked, event.clone()).await? {
                return Ok(Err(refusal));
            }
        }
        for (parent, children) in walk.wanted.iter().take(MAX_ADOPTED) {
            let is_named_by_it = children.contains(&walk.from);
            let asked = if is_named_by_it { source } else { &anyone };
            let Err(refusal) = self.adopt(asked, parent).await? else { continue };
            if is_named_by_it {
                return Ok(Err(refusal));
            }
            self.adopt_all(&anyone, &mut walk.gap, children).await?;
        }
        let most = walk.ends.len().max(walk.older.len()).max(walk.wanted.len());
        let left = most.saturating_sub(MAX_ADOPTED);
        if left > 0 {
            // What was adopted is known the next time, which goes on from there.
            self.keep_gap(walk).await?;
            return Err(Unavailable::Lacking(format!("{left} events are missing, and more")));
        }
        self.insert_gap(&anyone, walk.gap).await
    }

    /// Adopts those events of a gap whose parents nobody has, and takes them out of the gap.
    async fn adopt_all(
        &self,
        source: &Source<'_>,
        gap: &mut Gap,
        children: &BTreeSet<OwnedEventId>,
    ) -> Result<(), Unavailable> {
        for child in children {
            let Some(event) = gap.get(child).cloned() else { continue };
            if let Err(refusal) = self.adopt_known(source, event).await? {
                return Err(Unavailable::Lacking(refusal.to_string()));
            }
            gap.remove(child);
        }
        Ok(())
    }

    /// As [`Self::walk_back`]. What may be history is told from what was made beside the join here by
    /// fetching the history that is as deep: until it is known, or nobody has more of it.
    async fn walk_beside_history(
        &self,
        source: &Source<'_>,
        pdu: &Pdu,
    ) -> Result<Walk, Unavailable> {
        let mut walk = self.walk_back(source, pdu, BTreeSet::new()).await?;
        if walk.older.is_empty() || self.is_told_of_history(pdu).await? {
            return Ok(walk);
        }
        for _ in 0..MAX_HISTORY_ROUNDS {
            if walk.older.is_empty() {
                break;
            }
            match self.extend_history(source).await {
                Ok(true) => {}
                Ok(false) => break,
                // Where nobody answers now, what is news would be shown after what builds on it.
                Err(Unavailable::Elsewhere(reason)) => return self.put_off(walk, reason).await,
                // A message is not held up by history that nobody has: what turns out to be news all
                // the same is shown when somebody sends it.
                Err(Unavailable::Lacking(reason)) => {
                    tracing::info!(reason, "could not extend the history");
                    break;
                }
                Err(error) => return Err(error),
            }
            let mut doubtful = std::mem::take(&mut walk.doubtful);
            doubtful.extend(walk.older.keys().cloned());
            self.keep_gap(walk).await?;
            walk = self.walk_back(source, pdu, doubtful).await?;
        }
        Ok(walk)
    }

    /// Returns whether an event is shown although it may be history: the known history ends at it, or the
    /// owner of its room has it shown. Fetching history would make it part of that, and hide it.
    async fn is_told_of_history(&self, pdu: &Pdu) -> Result<bool, Unavailable> {
        let event = pdu.clone();
        let is_told = self.core.database.call(move |db| {
            let row = rooms::find(db, &event.room_id)?;
            let is_decided = |row: RoomRow| !row.delivery.is_transacted(event.state_key.is_some());
            Ok::<_, StoreError>(
                row.is_some_and(is_decided)
                    || backward_extremities::is_one(db, &event.room_id, &event.event_id)?,
            )
        });
        is_told.await.map_err(Unavailable::Store)
    }

    /// Goes back from `pdu` until everything that it builds on is known or on the way, or nobody
    /// tells more.
    async fn walk_back(
        &self,
        source: &Source<'_>,
        pdu: &Pdu,
        doubtful: BTreeSet<OwnedEventId>,
    ) -> Result<Walk, Unavailable> {
        let (mut walk, event) = (Walk::new(pdu, doubtful), pdu.clone());
        walk = self
            .core
            .database
            .call(move |db| {
                walk.want_parents(db, &event)?;
                walk.go_over(db, Gap::new()).map(|()| walk)
            })
            .await
            .map_err(Unavailable::Store)?;
        // Where nobody knows the event that the way begins at, such as one that is not decided yet,
        // nobody can tell what lies before it; but single events lead on. If they lead nowhere
        // either, the way ends where it did without them.
        let mut without_single_events = None;
        for round in 0..MAX_GAP_ROUNDS {
            let is_dropped = round > 0 && planted(Defect::GapBeyondOneAnswerIsDropped);
            if walk.wanted.is_empty() || is_dropped {
                return Ok(walk);
            }
            let found = match self.next_gap_events(source, &walk).await? {
                Found::Here(events) => events,
                Found::Nowhere | Found::Withheld => {
                    match self.next_single_events(source, &walk).await? {
                        Found::Here(events) => {
                            without_single_events.get_or_insert_with(|| walk.clone());
                            events
                        }
                        // Asking for them once more says why.
                        Found::Nowhere | Found::Withheld => {
                            return Ok(without_single_events.unwrap_or(walk));
                        }
                        Found::Unknown(reason) => return self.put_off(walk, reason).await,
                    }
                }
                Found::Unknown(reason) => return self.put_off(walk, reason).await,
            };
            let known = walk.len();
            let found = found.into_iter().map(|event| (event.event_id.clone(), event)).collect();
            walk = self
                .core
                .database
                .call(move |db| walk.go_over(db, found).map(|()| walk))
                .await
                .map_err(Unavailable::Store)?;
            if walk.len() == known {
                return Ok(without_single_events.unwrap_or(walk));
            }
        }
        let reason = format!("{} events are missing, and more", walk.gap.len());
        self.put_off(walk, reason).await
    }

    /// Keeps what was fetched of a gap, so that the next try goes on from there.
    async fn put_off(&self, walk: Walk, reason: String) -> Result<Walk, Unavailable> {
        self.keep_gap(walk).await?;
        Err(Unavailable::Elsewhere(reason))
    }

    async fn keep_gap(&self, walk: Walk) -> Result<(), Unavailable> {
        self.core
            .database
            .transaction(move |tx| {
                gap_events::keep(tx, walk.gap.values().chain(walk.older.values()))
            })
            .await
            .map_err(Unavailable::Store)
    }

    async fn next_gap_events(
        &self,
        source: &Source<'_>,
        walk: &Walk,
    ) -> Result<Found<Vec<Pdu>>, Unavailable> {
        let room = source.room.to_owned();
        let earliest: Vec<OwnedEventId> = self
            .core
            .database
            .call(move |db| rooms::extremities(db, &room))
            .await
            .map_err(Unavailable::Store)?
            .into_iter()
            .collect();
        let latest: BTreeSet<_> = walk.wanted.values().flatten().cloned().collect();
        let latest: Vec<_> = latest.into_iter().collect();
        self.ask_missing_events(source, &earliest, &latest).await
    }

    /// Returns those of the next events that can be had one by one.
    async fn next_single_events(
        &self,
        source: &Source<'_>,
        walk: &Walk,
    ) -> Result<Found<Vec<Pdu>>, Unavailable> {
        let anyone = source.whoever_sent_it();
        let mut found = Vec::new();
        for (parent, children) in walk.wanted.iter().take(MAX_ADOPTED) {
            let asked = if children.contains(&walk.from) { source } else { &anyone };
            match self.ask_event(asked, parent).await? {
                Found::Here(event) => found.push(event),
                Found::Nowhere | Found::Withheld => {}
                Found::Unknown(reason) => return Ok(Found::Unknown(reason)),
            }
        }
        Ok(if found.is_empty() { Found::Nowhere } else { Found::Here(found) })
    }

    /// Inserts the events of a gap, parents first.
    async fn insert_gap(
        &self,
        source: &Source<'_>,
        gap: Gap,
    ) -> Result<Result<(), Refusal>, Unavailable> {
        for event in parents_first(gap) {
            if let Err(refusal) = self.insert_gap_event(source, &event).await? {
                return Ok(Err(refusal));
            }
        }
        Ok(Ok(()))
    }

    async fn insert_gap_event(
        &self,
        source: &Source<'_>,
        event: &Pdu,
    ) -> Result<Result<(), Refusal>, Unavailable> {
        for _ in 0..MAX_FETCHES {
            let (graph, pdu) = (self.clone(), event.clone());
            let lacking: Option<Missing> = self
                .core
                .database
                .transaction(move |tx| {
                    let room = known_room(tx, &pdu.room_id)?;
                    match judge(tx, &room, &pdu)? {
                        Judged::Known { .. } => Ok(None),
                        Judged::Missing(missing) => Ok(Some(missing)),
                        Judged::Checked(checked, before) => {
                            graph.insert_received(tx, &room, &checked, before).map(|()| None)
                        }
                    }
                })
                .await
                .map_err(Unavailable::Store)?;
            let Some(lacking) = lacking else { return Ok(Ok(())) };
            if let Some(parent) = lacking.prev_events.first() {
                return Ok(Err(Refusal::MissingEvents(parent.to_string())));
            }
            if let Err(refusal) = self.fetch_outliers(source, lacking.auth_events).await? {
                return Ok(Err(refusal));
            }
        }
        Ok(Err(Refusal::MissingEvents(event.event_id.to_string())))
    }
}

/// Returns the events, each after those of its parents that are among them, otherwise by depth.
/// Depths are claims; what counts is what the events themselves name.
fn parents_first(mut gap: Gap) -> Vec<Pdu> {
    let mut children: BTreeMap<OwnedEventId, Vec<OwnedEventId>> = BTreeMap::new();
    let mut waits_for: BTreeMap<OwnedEventId, usize> = BTreeMap::new();
    let mut ready: BTreeSet<(u64, OwnedEventId)> = BTreeSet::new();
    for (id, event) in &gap {
        let parents: BTreeSet<_> =
            event.prev_events.iter().filter(|parent| gap.contains_key(*parent)).collect();
        if parents.is_empty() {
            ready.insert((event.depth, id.clone()));
        }
        waits_for.insert(id.clone(), parents.len());
        for parent in parents {
            children.entry(parent.clone()).or_default().push(id.clone());
        }
    }
    let mut ordered = Vec::new();
    while let Some((_, id)) = ready.pop_first() {
        for child in children.remove(&id).unwrap_or_default() {
            let left = waits_for.get_mut(&child).map_or(0, |left| {
                *left -= 1;
                *left
            });
            if let Some(event) = gap.get(&child).filter(|_| left == 0) {
                ready.insert((event.depth, child));
            }
        }
        ordered.extend(gap.remove(&id));
    }
    // An event whose id is its hash cannot be its own ancestor, so nothing is left.
    ordered
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn id(name: &str) -> OwnedEventId {
        OwnedEventId::try_from(format!("${name}")).expect("a dollar makes an event id")
    }

    fn event(name: &str, depth: u64, parents: &[&str]) -> (OwnedEventId, Pdu) {
        let parents: Vec<_> = parents.iter().map(|name| id(name)).collect();
        let text = json!({
            "sender": "@user:a", "type": "m.room.message", "content": {}, "origin_server_ts": 0,
            "depth": depth, "prev_events": parents, "auth_events": [],
        });
        let pdu = Pdu::from_store(id(name).as_str(), "!room:a", &text.to_string());
        (id(name), pdu.expect("it is an event"))
    }

    #[test]
    fn parents_come_before_their_children_whatever_depth_they_claim() {
        let gap = Gap::from([
            event("child", 1, &["left", "right", "right", "known"]),
            event("left", 9, &["root"]),
            event("right", 8, &["root", "known"]),
            event("root", 10, &["known"]),
            event("other", 11, &[]),
        ]);
        let order: Vec<_> =
            parents_first(gap).into_iter().map(|event| event.event_id.clone()).collect();
        assert_eq!(order, ["root", "right", "left", "child", "other"].map(id));
    }
}
