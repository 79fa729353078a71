//! The way back from an event that came to what is known, and what on it may be history.

use std::collections::{BTreeMap, BTreeSet};

use ruma::OwnedEventId;
use rusqlite::Connection;

use crate::{
    event::Pdu,
    pdu::judge::missing,
    store::{StoreError, backward_extremities, gap_events},
};

/// Events by their ids.
pub(super) type Gap = BTreeMap<OwnedEventId, Pdu>;

/// The way back from an event to what is known.
#[derive(Clone)]
pub(super) struct Walk {
    /// The event that the way begins at.
    pub(super) from: OwnedEventId,
    /// The events on the way.
    pub(super) gap: Gap,
    /// Parents that are not had yet, each with its children.
    pub(super) wanted: BTreeMap<OwnedEventId, BTreeSet<OwnedEventId>>,
    /// Parents at which this server's history of the room ends: what is older is history.
    pub(super) ends: BTreeSet<OwnedEventId>,
    /// Parents of something deeper than what the known history ends at: they are news.
    pub(super) news: BTreeSet<OwnedEventId>,
    /// Events on the way that are so old that they may be history beyond those ends. They are not if
    /// they were made beside the join here, by a server that was behind and had not heard of it.
    pub(super) older: Gap,
    /// Those that have turned out to be so old before: they are news only once no history is left that
    /// they could be part of.
    pub(super) doubtful: BTreeSet<OwnedEventId>,
}

impl Walk {
    pub(super) fn new(pdu: &Pdu, doubtful: BTreeSet<OwnedEventId>) -> Self {
        Self {
            from: pdu.event_id.clone(),
            gap: Gap::new(),
            wanted: BTreeMap::new(),
            ends: BTreeSet::new(),
            news: BTreeSet::new(),
            older: Gap::new(),
            doubtful,
        }
    }

    /// Returns how many events are on the way.
    pub(super) fn len(&self) -> usize {
        self.gap.len() + self.older.len()
    }

    /// Goes back over `found`, and over what was kept of this gap before, as far as that leads from
    /// what is wanted. What else another server tells is not needed.
    pub(super) fn go_over(&mut self, db: &Connection, mut found: Gap) -> Result<(), StoreError> {
        let mut next: Vec<OwnedEventId> = self.wanted.keys().cloned().collect();
        while let Some(id) = next.pop() {
            let event = match found.remove(&id) {
                Some(event) => Some(event),
                None => gap_events::find(db, &id)?,
            };
            let Some(event) = event.filter(|_| self.wanted.remove(&id).is_some()) else { continue };
            if !self.news.contains(&id) && self.may_be_history(db, &event)? {
                self.older.insert(id, event);
                continue;
            }
            next.extend(self.want_parents(db, &event)?);
            self.gap.insert(id, event);
        }
        Ok(())
    }

    /// Wants the parents of an event that are missing, and returns them.
    pub(super) fn want_parents(
        &mut self,
        db: &Connection,
        event: &Pdu,
    ) -> Result<Vec<OwnedEventId>, StoreError> {
        let mut parents = missing(db, event)?.prev_events;
        parents.retain(|id| !self.gap.contains_key(id) && !self.older.contains_key(id));
        let depths = backward_extremities::depths(db, &event.room_id)?;
        let is_deep = depths.is_some_and(|depths| event.depth > *depths.start());
        let mut wanted = Vec::new();
        for parent in parents {
            if backward_extremities::is_one(db, &event.room_id, &parent)? {
                self.ends.insert(parent);
                continue;
            }
            // The more of the history is known, the less deep its ends: what may have been part of it
            // before may look deep now, and be part of it beyond another end.
            if is_deep && !self.doubtful.contains(&parent) {
                self.news.insert(parent.clone());
            }
            self.wanted.entry(parent.clone()).or_default().insert(event.event_id.clone());
            wanted.push(parent);
        }
        Ok(wanted)
    }

    /// Returns whether an event may be part of the history that is not known here. History is less deep
    /// than what an event builds on at which the known history ends, for that would be an end itself.
    fn may_be_history(&self, db: &Connection, event: &Pdu) -> Result<bool, StoreError> {
        let Some(depths) = backward_extremities::depths(db, &event.room_id)? else {
            return Ok(false);
        };
        let is_doubtful = self.doubtful.contains(&event.event_id);
        let limit = if is_doubtful { *depths.end() } else { *depths.start() };
        Ok(event.depth.saturating_add(1) < limit)
    }
}
