//! Becoming part of a room: graph, state, extremities, timeline.

use std::collections::BTreeSet;

use defects::{Defect, planted};
use ruma::{EventId, OwnedEventId, RoomId};
use transport::Transaction;

use super::{
    Checked, Graph, Refusal, Standing,
    judge::{Judged, judge, state_before},
    receive::acceptable,
    redact,
    resolve::resolve,
};
use crate::{
    event::{Pdu, rules, rules::Rules},
    store::{
        StoreError, backward_extremities,
        events::{self, States, StoredEvent},
        memberships,
        rooms::{self, RoomRow},
        state::{self, Entry, GroupId},
    },
};

impl Graph {
    /// Makes a checked event part of its room; returns false if it was that already. What was
    /// rejected or soft-failed is kept in the graph, but neither shown nor built upon.
    ///
    /// # Errors
    /// The store refuses, or does not know the room.
    pub fn insert(&self, tx: &Transaction<'_>, checked: &Checked) -> Result<bool, StoreError> {
        let pdu = &checked.pdu;
        let room = known_room(tx, &pdu.room_id)?;
        let known = events::place(tx, &pdu.event_id)?;
        if known.is_some_and(|place| place.state_after.is_some()) {
            return Ok(false);
        }
        let before = state_before(tx, room.rules, pdu)?;
        self.insert_with_state(tx, &room, checked, before)?;
        Ok(true)
    }

    /// Makes an event of this server part of its room if the room allows it by now: it was built
    /// before something was asked of another server, and meanwhile its sender may have left.
    ///
    /// # Errors
    /// The store refuses, or does not know the room.
    pub(crate) fn insert_if_allowed(
        &self,
        tx: &Transaction<'_>,
        pdu: &Pdu,
    ) -> Result<Result<(), Refusal>, StoreError> {
        let room = known_room(tx, &pdu.room_id)?;
        match judge(tx, &room, pdu)? {
            Judged::Known { .. } => Ok(Ok(())),
            Judged::Missing(missing) => Ok(Err(missing.into())),
            Judged::Checked(checked, before) => match acceptable(*checked) {
                Ok(checked) => self.insert_with_state(tx, &room, &checked, before).map(Ok),
                Err(refusal) => Ok(Err(refusal)),
            },
        }
    }

    /// As [`Graph::insert`], of an event that is not part of the graph, with the state before it.
    pub(crate) fn insert_with_state(
        &self,
        tx: &Transaction<'_>,
        room: &KnownRoom,
        checked: &Checked,
        before: GroupId,
    ) -> Result<(), StoreError> {
        let pdu = &checked.pdu;
        let after = store(tx, checked, before)?;
        let left = redact::apply_earlier(tx, room.rules, pdu)?;
        let pdu = left.as_ref().unwrap_or(pdu);
        let is_shown = match checked.standing {
            Standing::Accepted => true,
            Standing::SoftFailed(_) => planted(Defect::SoftFailedEventIsShown),
            Standing::Rejected(_) => false,
        };
        if !is_shown {
            let (event_id, standing) = (&pdu.event_id, &checked.standing);
            tracing::info!(%event_id, ?standing, "an event is not shown to clients");
            return Ok(());
        }
        self.show(tx, room, pdu, States { before, after })
    }

    /// Shows an event of the graph that was refused when it came and whose owner has decided that
    /// it is shown all the same; false if it is shown already.
    ///
    /// # Errors
    /// The store refuses, or does not know the room.
    pub(crate) fn reinstate(&self, tx: &Transaction<'_>, pdu: &Pdu) -> Result<bool, StoreError> {
        if !events::reinstate(tx, &pdu.event_id)? {
            return Ok(false);
        }
        let room = known_room(tx, &pdu.room_id)?;
        let states = events::get(tx, &pdu.event_id)?.states;
        let states = states.ok_or_else(|| StoreError::corrupt("an outlier was reinstated"))?;
        self.show(tx, &room, pdu, states)?;
        Ok(true)
    }

    /// Shows an event of the graph to the users of this server.
    pub(super) fn show(
        &self,
        tx: &Transaction<'_>,
        room: &KnownRoom,
        pdu: &Pdu,
        States { before, after }: States,
    ) -> Result<(), StoreError> {
        let position = events::append(tx, pdu)?;
        redact::apply(tx, room.rules, pdu)?;
        let extremities = advance_extremities(tx, pdu)?;
        let groups = groups_after(tx, &extremities, &pdu.event_id, after)?;
        let current = resolve(tx, room.rules, &groups)?;
        let has_changed = current != room.row.current_group;
        let servers =
            if has_changed { Some(memberships::member_servers(tx, &pdu.room_id)?) } else { None };
        if current == after && before == room.row.current_group {
            // Most of the time a state event changes its own entry and nothing else.
            if after != before {
                rooms::advance_current_state(tx, pdu, current, position)?;
            }
        } else if has_changed {
            let before = room.row.current_group;
            rooms::change_current_state(tx, &pdu.room_id, before, current, position)?;
            self.handler.memberships_changed(tx, &pdu.room_id, position)?;
        }
        self.tell(tx, pdu, position)?;
        if let Some(servers) = servers {
            self.tell_newcomers(tx, room, pdu, &servers)?;
        }
        self.merge_forks(tx, room, pdu, extremities.len())
    }

    /// Tells the layer above of an event that gets its position in `tx`.
    pub(crate) fn tell(
        &self,
        tx: &Transaction<'_>,
        pdu: &Pdu,
        position: i64,
    ) -> Result<(), StoreError> {
        self.handler.persisted(tx, pdu, position)
    }
}

/// What is known of a room as a whole, and the rules of its version.
#[derive(Clone, Debug)]
pub(crate) struct KnownRoom {
    pub(crate) row: RoomRow,
    pub(crate) rules: Rules,
}

/// Returns a room that this server knows.
pub(crate) fn known_room(
    tx: &rusqlite::Connection,
    room: &RoomId,
) -> Result<KnownRoom, StoreError> {
    let row = rooms::find(tx, room)?
        .ok_or_else(|| StoreError::corrupt(format!("room {room} is not known")))?;
    let rules =
        rules::of(&row.version).ok_or_else(|| StoreError::corrupt("an unknown room version"))?;
    Ok(KnownRoom { row, rules })
}

/// Puts an event into the graph; the state after it.
pub(super) fn store(
    tx: &Transaction<'_>,
    checked: &Checked,
    before: GroupId,
) -> Result<GroupId, StoreError> {
    let pdu = &checked.pdu;
    let (rejected, soft_failed) = match &checked.standing {
        Standing::Accepted => (None, false),
        Standing::SoftFailed(_) => (None, true),
        Standing::Rejected(reason) => (Some(reason.clone()), false),
    };
    let after = match &pdu.state_key {
        Some(key) if rejected.is_none() => {
            let entry = Entry { kind: &pdu.kind, state_key: key, event_id: &pdu.event_id };
            state::with_entry(tx, before, entry)?
        }
        _ => before,
    };
    let states = Some(States { before, after });
    let record = StoredEvent { pdu: pdu.clone(), states, rejected, soft_failed };
    events::put(tx, &record)?;
    backward_extremities::remove(tx, pdu)?;
    Ok(after)
}

/// Takes what `pdu` builds on off the room's extremities, and puts it there unless something builds
/// on it already. The extremities now.
fn advance_extremities(
    tx: &Transaction<'_>,
    pdu: &Pdu,
) -> Result<BTreeSet<OwnedEventId>, StoreError> {
    let before = rooms::extremities(tx, &pdu.room_id)?;
    let mut after = before.clone();
    let mut seen = BTreeSet::new();
    let mut covered: Vec<OwnedEventId> = pdu.prev_events.clone();
    while let Some(id) = covered.pop() {
        after.remove(&id);
        // What is not shown is no extremity; what it builds on may be one, and is covered as well. Nor is
        // an outlier, such as the invite by which this server is back: it builds on what was here when
        // its users left.
        let hidden = events::place(tx, &id)?
            .is_some_and(|place| !place.accepted || place.state_after.is_none());
        if hidden && seen.insert(id.clone()) {
            let hidden = events::find(tx, &id)?;
            covered.extend(hidden.iter().flat_map(|hidden| hidden.pdu.prev_events.clone()));
        }
    }
    if after.is_empty() || !events::has_accepted_child(tx, &pdu.event_id)? {
        after.insert(pdu.event_id.clone());
    }
    if planted(Defect::ForkIsForgotten) {
        after = BTreeSet::from([pdu.event_id.clone()]);
    }
    rooms::replace_extremities(tx, &pdu.room_id, &before, &after)?;
    Ok(after)
}

/// Returns the states after these events, each once; that after the newest is known.
fn groups_after(
    tx: &Transaction<'_>,
    ids: &BTreeSet<OwnedEventId>,
    newest: &EventId,
    after: GroupId,
) -> Result<BTreeSet<GroupId>, StoreError> {
    let mut groups = BTreeSet::new();
    for id in ids {
        if id == newest {
            groups.insert(after);
            continue;
        }
        groups.extend(events::place(tx, id)?.and_then(|place| place.state_after));
    }
    Ok(groups)
}
