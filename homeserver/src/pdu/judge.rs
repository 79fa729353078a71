//! The receipt checks that need the room, in the specification's order (server-server API, "Checks
//! performed on receipt of a PDU", steps 4 to 6); format, signatures and hash were checked before.

use std::{borrow::Cow, collections::BTreeSet};

use ruma::OwnedEventId;
use rusqlite::Connection;
use transport::Transaction;

use super::{
    Checked, Standing,
    auth::{Asking, Loader},
    insert::KnownRoom,
    redact,
    resolve::resolve,
};
use crate::{
    event::{Pdu, rules::Rules},
    store::{StoreError, events, m1, state::GroupId},
};

/// What came of judging an event.
#[derive(Debug)]
pub(crate) enum Judged {
    /// It is part of the graph already; whether it is shown.
    Known {
        /// Whether it was accepted.
        accepted: bool,
    },
    /// It builds on events that are not here.
    Missing(Missing),
    /// It can become part of the graph, after this state.
    Checked(Box<Checked>, GroupId),
}

/// Events that another one builds on and that are not here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Missing {
    /// Parents that are not part of the graph.
    pub(crate) prev_events: Vec<OwnedEventId>,
    /// Authorization events that are not stored at all.
    pub(crate) auth_events: Vec<OwnedEventId>,
}

impl Missing {
    pub(crate) fn is_empty(&self) -> bool {
        self.prev_events.is_empty() && self.auth_events.is_empty()
    }
}

/// Judges an event of `room`. Stores nothing but what state resolution found.
pub(crate) fn judge(
    tx: &Transaction<'_>,
    room: &KnownRoom,
    pdu: &Pdu,
) -> Result<Judged, StoreError> {
    if let Some(place) = events::place(tx, &pdu.event_id)?
        && place.state_after.is_some()
    {
        return Ok(Judged::Known { accepted: place.accepted });
    }
    let loader = Loader::new(tx);
    let (missing, after_parents) = built_on(&loader, pdu)?;
    if !missing.is_empty() {
        return Ok(Judged::Missing(missing));
    }
    let before = resolve(tx, room.rules, &after_parents)?;
    let present = present_for(tx, room, pdu)?;
    let standing = standing(&loader, &present, pdu, before)?;
    Ok(Judged::Checked(Box::new(Checked { pdu: pdu.clone(), standing }), before))
}

/// Judges an event of the graph once more, by the state of the room as it is now; `None` if it is
/// not part of the graph.
pub(crate) fn judge_again(
    tx: &Transaction<'_>,
    room: &KnownRoom,
    pdu: &Pdu,
) -> Result<Option<Checked>, StoreError> {
    let states = events::find(tx, &pdu.event_id)?.and_then(|known| known.states);
    let Some(states) = states else { return Ok(None) };
    let present = present_for(tx, room, pdu)?;
    let standing = standing(&Loader::new(tx), &present, pdu, states.before)?;
    Ok(Some(Checked { pdu: pdu.clone(), standing }))
}

/// Returns the room with the present state by which `pdu` is judged. An event that it builds on may be
/// hidden here until the room's owner has decided about it. Whoever made `pdu` had seen that event, and
/// so what lies behind it, such as a leave: that is part of the present, too. Without it an invite of
/// the user who left would be refused here for good.
pub(super) fn present_for<'a>(
    tx: &Transaction<'_>,
    room: &'a KnownRoom,
    pdu: &Pdu,
) -> Result<Cow<'a, KnownRoom>, StoreError> {
    let mut groups = BTreeSet::from([room.row.current_group]);
    if !room.row.delivery.is_transacted(false) {
        for id in &pdu.prev_events {
            if m1::hidden(tx, &pdu.room_id, id)?.is_some() {
                groups.extend(events::place(tx, id)?.and_then(|place| place.state_after));
            }
        }
    }
    if groups.len() == 1 {
        return Ok(Cow::Borrowed(room));
    }
    let mut present = room.clone();
    present.row.current_group = resolve(tx, room.rules, &groups)?;
    Ok(Cow::Owned(present))
}

/// Returns what the event builds on and is not here. A parent in another room is no parent.
pub(crate) fn missing(connection: &Connection, pdu: &Pdu) -> Result<Missing, StoreError> {
    built_on(&Loader::new(connection), pdu).map(|(missing, _)| missing)
}

/// Returns what the event builds on and is not here, and the states after those parents that are.
fn built_on(loader: &Loader<'_>, pdu: &Pdu) -> Result<(Missing, BTreeSet<GroupId>), StoreError> {
    let (mut missing, mut after_parents) = (Missing::default(), BTreeSet::new());
    for id in &pdu.prev_events {
        let place = events::place(loader.connection, id)?;
        let place = place.filter(|place| place.room_id == pdu.room_id.as_str());
        match place.and_then(|place| place.state_after) {
            Some(after) => drop(after_parents.insert(after)),
            None => missing.prev_events.push(id.clone()),
        }
    }
    for id in &pdu.auth_events {
        if loader.event(id).is_none() {
            missing.auth_events.push(id.clone());
        }
    }
    loader.finish((missing, after_parents))
}

/// Returns the state before an event all of whose parents are part of the graph.
pub(crate) fn state_before(
    tx: &Transaction<'_>,
    rules: Rules,
    pdu: &Pdu,
) -> Result<GroupId, StoreError> {
    let mut groups = BTreeSet::new();
    for id in &pdu.prev_events {
        let place = events::place(tx, id)?;
        let after = place.and_then(|place| place.state_after);
        groups.insert(after.ok_or_else(|| {
            StoreError::corrupt(format!("{} was checked without its parent {id}", pdu.event_id))
        })?);
    }
    resolve(tx, rules, &groups)
}

/// Returns what the rules make of an event, given the state before it.
pub(crate) fn standing(
    loader: &Loader<'_>,
    room: &KnownRoom,
    pdu: &Pdu,
    before: GroupId,
) -> Result<Standing, StoreError> {
    let KnownRoom { row: room, rules } = room;
    let rules = *rules;
    if pdu.kind == "m.room.create" && pdu.event_id != room.create_event_id {
        return Ok(Standing::Rejected("the room was created by another event".to_owned()));
    }
    if pdu.prev_events.is_empty() && pdu.event_id != room.create_event_id {
        return Ok(Standing::Rejected(
            "only the creation event of a room has no parents".to_owned(),
        ));
    }
    if let Err(reason) = loader.allowed_by_auth_events(rules, pdu)? {
        return Ok(Standing::Rejected(reason));
    }
    if let Some(reason) = redact::objection(loader.connection, rules, pdu)? {
        return Ok(Standing::SoftFailed(reason));
    }
    let mut named = pdu.auth_events.clone();
    named.sort();
    if !same_authorization(loader, rules, pdu, &named, before)?
        && let Err(reason) = loader.allowed_by_state(rules, pdu, before)?
    {
        return Ok(Standing::Rejected(reason));
    }
    if room.current_group != before
        && !same_authorization(loader, rules, pdu, &named, room.current_group)?
        && let Err(reason) = loader.allowed_by_state(rules, pdu, room.current_group)?
    {
        return Ok(Standing::SoftFailed(reason));
    }
    Ok(Standing::Accepted)
}

/// Returns whether the state of `group` holds the very events that `pdu` names: the rules look at
/// nothing else, so that they need not be asked again.
fn same_authorization(
    loader: &Loader<'_>,
    rules: Rules,
    pdu: &Pdu,
    named: &[OwnedEventId],
    group: GroupId,
) -> Result<bool, StoreError> {
    let selected = loader.selection(rules, &Asking::from(pdu), group)?;
    Ok(selected.is_ok_and(|selected| selected == named))
}
