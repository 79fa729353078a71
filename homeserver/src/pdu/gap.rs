//! Filling the gap between what is known and an event that came: `get_missing_events` first, and
//! beyond what that yields, single events together with the state before them.

use std::collections::{BTreeMap, BTreeSet};

use defects::{Defect, planted};
use ruma::OwnedEventId;

use super::{
    Graph, Refusal, Unavailable,
    fetch::{Found, Source},
    insert::known_room,
    judge::{Judged, Missing, judge, missing},
};
use crate::{event::Pdu, store::rooms};

/// How often missing events are asked for, some twenty each time; what is older is left to
/// backfill.
const MAX_GAP_ROUNDS: usize = 10;

/// Parents adopted together with their state, for one event.
const MAX_ADOPTED: usize = 20;

/// Rounds of fetching what one event builds on.
const MAX_FETCHES: usize = 3;

type Gap = BTreeMap<OwnedEventId, Pdu>;

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
        let mut gap = Gap::new();
        let rounds = if planted(Defect::GapBeyondOneAnswerIsDropped) { 1 } else { MAX_GAP_ROUNDS };
        for _ in 0..rounds {
            let open = self.open_ends(pdu, &gap).await?;
            if open.is_empty() {
                break;
            }
            let more = self.next_gap_events(source, &open, &gap).await?;
            if more.is_empty() {
                break;
            }
            gap.extend(more.into_iter().map(|event| (event.event_id.clone(), event)));
        }
        let beyond = self.open_ends(pdu, &gap).await?;
        let parents: Vec<OwnedEventId> = beyond.into_values().flatten().collect();
        if parents.len() > MAX_ADOPTED {
            return Ok(Err(Refusal::MissingEvents("too many of them".to_owned())));
        }
        for parent in &parents {
            if let Err(refusal) = self.adopt(source, parent).await? {
                return Ok(Err(refusal));
            }
        }
        self.insert_gap(source, gap).await
    }

    /// Returns the events among `pdu` and `gap` with parents that are neither in the graph nor in
    /// `gap`, with those parents.
    async fn open_ends(
        &self,
        pdu: &Pdu,
        gap: &Gap,
    ) -> Result<BTreeMap<OwnedEventId, Vec<OwnedEventId>>, Unavailable> {
        let mut events: Vec<Pdu> = gap.values().cloned().collect();
        events.push(pdu.clone());
        let in_gap: Vec<OwnedEventId> = gap.keys().cloned().collect();
        self.core
            .database
            .call(move |db| {
                let mut open = BTreeMap::new();
                for event in events {
                    let mut parents = missing(db, &event)?.prev_events;
                    parents.retain(|id| in_gap.binary_search(id).is_err());
                    if !parents.is_empty() {
                        open.insert(event.event_id.clone(), parents);
                    }
                }
                Ok(open)
            })
            .await
    }

    async fn next_gap_events(
        &self,
        source: &Source<'_>,
        open: &BTreeMap<OwnedEventId, Vec<OwnedEventId>>,
        gap: &Gap,
    ) -> Result<Vec<Pdu>, Unavailable> {
        let room = source.room.to_owned();
        let earliest: Vec<OwnedEventId> = self
            .core
            .database
            .call(move |db| rooms::extremities(db, &room))
            .await
            .map_err(Unavailable::Store)?
            .into_iter()
            .collect();
        let latest: Vec<_> = open.keys().cloned().collect();
        let found = self.ask_missing_events(source, &earliest, &latest).await?;
        Ok(match found {
            Found::Here(events) => {
                events.into_iter().filter(|event| !gap.contains_key(&event.event_id)).collect()
            }
            // Single events may still be had; if not, asking for those says why.
            Found::Nowhere | Found::Unknown(_) => Vec::new(),
        })
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
                            graph.insert_with_state(tx, &room, &checked, before).map(|()| None)
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
