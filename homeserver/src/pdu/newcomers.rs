//! Newcomers: what this server's users said before it had heard that somebody of another server is in
//! the room goes to that server too. Nobody else may be left to hand it on: the server that let the
//! newcomer in may have left the room itself by the time that it arrives there, or be lost.

use std::collections::{BTreeMap, BTreeSet};

use ruma::{OwnedEventId, OwnedServerName, ServerName};
use transport::Transaction;

use super::{Graph, insert::KnownRoom};
use crate::{
    event::Pdu,
    store::{StoreError, events, memberships},
};

/// Events at the end of a room among which those of this server are looked for.
const MOST_LOOKED_AT: usize = 100;

/// Events that are walked over to see what a join builds on. What lies further back is old: whoever
/// builds on what is new finds it missing, and asks for it.
const MOST_STEPS: usize = 1_000;

impl Graph {
    /// Queues for each server that has come into the room since `before` were its servers what this
    /// server's users said that the newcomer's joins do not build on.
    pub(super) fn tell_newcomers(
        &self,
        tx: &Transaction<'_>,
        room: &KnownRoom,
        pdu: &Pdu,
        before: &BTreeSet<OwnedServerName>,
    ) -> Result<(), StoreError> {
        let us = self.core.server_name();
        // Whoever comes into the room itself has said nothing there.
        if !before.contains(us) {
            return Ok(());
        }
        let now = memberships::member_servers(tx, &pdu.room_id)?;
        for newcomer in now.difference(before) {
            let to = BTreeSet::from([newcomer.clone()]);
            for event_id in self.said_beside(tx, room, pdu, newcomer)? {
                self.outgoing.enqueue(tx, &to, &event_id)?;
            }
        }
        Ok(())
    }

    /// Returns what this server's users said in the room that no join of `newcomer` builds on, in the
    /// order in which they said it.
    fn said_beside(
        &self,
        tx: &Transaction<'_>,
        room: &KnownRoom,
        pdu: &Pdu,
        newcomer: &ServerName,
    ) -> Result<Vec<OwnedEventId>, StoreError> {
        let joins = memberships::joins_of(tx, &pdu.room_id, newcomer)?;
        let mut heard = Heard::of(tx, &joins)?;
        let newest = events::timeline_backwards(tx, &pdu.room_id, 0..i64::MAX, MOST_LOOKED_AT)?;
        let mut unheard = Vec::new();
        for (_, event) in newest {
            let event = event.pdu;
            let is_told = room.row.delivery.is_transacted(event.state_key.is_some());
            if !is_told || !self.core.is_local(&event.sender) {
                continue;
            }
            // What a server says builds on what it said before.
            if heard.has(tx, &event)? {
                break;
            }
            unheard.push(event.event_id.clone());
        }
        unheard.reverse();
        Ok(unheard)
    }
}

/// What some events build on, the deepest first.
struct Heard {
    frontier: BTreeMap<(u64, OwnedEventId), Vec<OwnedEventId>>,
    steps: usize,
}

impl Heard {
    fn of(tx: &Transaction<'_>, events: &[OwnedEventId]) -> Result<Self, StoreError> {
        let mut heard = Self { frontier: BTreeMap::new(), steps: 0 };
        for id in events {
            heard.put(tx, id)?;
        }
        Ok(heard)
    }

    fn put(&mut self, tx: &Transaction<'_>, id: &OwnedEventId) -> Result<(), StoreError> {
        if let Some(event) = events::find(tx, id)? {
            let pdu = event.pdu;
            self.frontier.insert((pdu.depth, id.clone()), pdu.prev_events.clone());
        }
        Ok(())
    }

    /// Returns whether they build on `event`, or nobody can tell any more. Asked of one after the
    /// other, none deeper than the one before.
    fn has(&mut self, tx: &Transaction<'_>, event: &Pdu) -> Result<bool, StoreError> {
        let place = (event.depth, event.event_id.clone());
        while let Some(deepest) = self.frontier.last_entry().filter(|it| *it.key() > place) {
            self.steps += 1;
            if self.steps > MOST_STEPS {
                return Ok(true);
            }
            for parent in deepest.remove() {
                self.put(tx, &parent)?;
            }
        }
        Ok(self.frontier.contains_key(&place))
    }
}
