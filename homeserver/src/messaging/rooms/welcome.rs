//! Both ends of a handover: accepting a room from another server, and letting another server in.

use std::collections::BTreeSet;

use defects::{Defect, planted};
use ruma::{OwnedEventId, RoomId, RoomVersionId, ServerName, UserId};
use serde_json::value::RawValue;
use transport::Transaction;

use super::{RoomError, Rooms, handover::Handover};
use crate::{
    event::{Delivery, Membership, Pdu, rules},
    pdu::{
        Checked, KnownRoom, Refusal, Standing, auth::Loader, judge, outliers::store_outliers,
        resolve, serve,
    },
    store::{
        StoreError, backward_extremities, events, guests, memberships, pending_joins,
        rooms::{self, RoomRow},
        state::{self, State},
    },
};

/// What a server that was let in needs to know.
pub(crate) struct Welcome {
    /// The state before its join.
    pub(crate) state: Vec<Box<RawValue>>,
    /// What authorizes that state.
    pub(crate) auth_chain: Vec<Box<RawValue>>,
    /// The join itself.
    pub(crate) event: Box<RawValue>,
}

impl Rooms {
    /// Stores a room that was handed over, unless its state or our join do not hold together.
    pub(super) async fn accept(&self, handover: Handover) -> Result<(), RoomError> {
        let rooms = self.clone();
        self.database().transaction(move |tx| rooms.accept_in(tx, handover)).await?;
        Ok(())
    }

    fn accept_in(&self, tx: &Transaction<'_>, handover: Handover) -> Result<(), RoomError> {
        let Handover { version, join, state: events, auth_chain } = handover;
        let room = join.room_id.clone();
        let rules = rules::of(&version)
            .ok_or_else(|| RoomError::UnsupportedVersion(version.to_string()))?;
        let ids: Vec<OwnedEventId> = events.iter().map(|pdu| pdu.event_id.clone()).collect();
        let missing = store_outliers(tx, rules, events.into_iter().chain(auth_chain).collect())?;
        if let Some(id) = missing.first() {
            return Err(invalid(&format!("event {id} is missing")));
        }
        let state = state_of(tx, &ids)?;
        let mut row = room_row(tx, &state, &version)?;
        let mut before = state::whole(tx, &state)?;
        row.current_group = before;
        let handed = KnownRoom { row, rules };
        // What this server knows of the room already is more than what was handed over, also when
        // it is from an earlier stay: a leave of its own may still be on its way. The join becomes
        // part of that like any other event, and state resolution tells what holds.
        let present = if let Some(present) = rooms::find(tx, &room)? {
            present
        } else {
            become_present(tx, &room, &handed.row)?;
            handed.row.clone()
        };
        let present = KnownRoom { row: present, rules };
        let mut judged_by = handed;
        let own = self.core().server_name();
        if memberships::is_member_server(tx, &room, own)? {
            // The present may lack what the join stands on, such as an invite that has yet to come.
            let both = BTreeSet::from([present.row.current_group, before]);
            judged_by.row.current_group = resolve(tx, rules, &both)?;
        } else {
            build_on_own_end(tx, &join, &ids, own)?;
        }
        let standing = judge::standing(&Loader::new(tx), &judged_by, &join, before)?;
        if let Standing::Rejected(reason) | Standing::SoftFailed(reason) = standing {
            return Err(invalid(&reason));
        }
        if planted(Defect::RejoinKeepsTheOldState) {
            before = present.row.current_group;
        }
        backward_extremities::add_parents_of(tx, &join)?;
        pending_joins::end(tx, &room, &join.sender, None)?;
        let checked = Checked { pdu: join, standing: Standing::Accepted };
        Ok(self.graph.insert_with_state(tx, &present, &checked, before)?)
    }

    /// Takes the join of another server's user, tells the other servers of it, and hands over the
    /// room. What this server has beside the join, and what it gets from servers that have not
    /// heard of the join, goes to the new one as well.
    pub(crate) async fn welcome(&self, checked: Checked) -> Result<Welcome, RoomError> {
        let rooms = self.clone();
        self.database()
            .transaction(move |tx| {
                if rooms.insert(tx, &checked)? {
                    rooms.enqueue(tx, &checked.pdu)?;
                    rooms.send_what_is_beside(tx, &checked.pdu)?;
                }
                must_have_let_in(tx, &checked.pdu)?;
                handed_over(tx, &checked.pdu)
            })
            .await
    }
}

/// Takes the end of an earlier stay off the room's extremities if what was handed over builds on it: that
/// the events in between are not known must not make a fork of it. A fork is resolved, and may come to
/// something else than what happened one after the other.
fn build_on_own_end(
    tx: &Transaction<'_>,
    join: &Pdu,
    handed: &[OwnedEventId],
    own: &ServerName,
) -> Result<(), StoreError> {
    let ends = rooms::extremities(tx, &join.room_id)?;
    // What authorizes an event comes before it (server-server API, "Auth events selection").
    let mut before: BTreeSet<OwnedEventId> =
        handed.iter().chain(&join.auth_events).cloned().collect();
    for event in events::find_all(tx, handed)? {
        before.extend(event.auth_events.iter().cloned());
    }
    let mut left = ends.clone();
    for end in events::find_all(tx, ends.intersection(&before))? {
        let is_own = end.state_key.as_deref().and_then(|user| UserId::parse(user).ok());
        let is_own = is_own.is_some_and(|user| user.server_name() == own);
        if is_own && matches!(end.membership(), Some("leave" | "ban")) {
            left.remove(&end.event_id);
        }
    }
    rooms::replace_extremities(tx, &join.room_id, &ends, &left)
}

/// Refuses a join that brings nobody in: since its template was made, its user was removed or
/// invited once more. Whoever is handed a room that it is not in cannot learn what it lacks of it.
fn must_have_let_in(tx: &Transaction<'_>, join: &Pdu) -> Result<(), RoomError> {
    if memberships::find(tx, &join.room_id, &join.sender)? == Some(Membership::Join) {
        return Ok(());
    }
    let message = format!(
        "the membership of {} has changed meanwhile: ask for another template",
        join.sender
    );
    Err(RoomError::Outdated(message))
}

impl Rooms {
    /// Queues for the server of the join what came here while it was made, and remembers the server
    /// as one to forward to.
    fn send_what_is_beside(&self, tx: &Transaction<'_>, join: &Pdu) -> Result<(), StoreError> {
        guests::put(tx, join)?;
        let server = BTreeSet::from([join.sender.server_name().to_owned()]);
        let newest = rooms::extremities(tx, &join.room_id)?;
        let beside = newest.iter().filter(|id| **id != join.event_id);
        beside.into_iter().try_for_each(|id| self.outgoing.enqueue(tx, &server, id))
    }
}

fn handed_over(tx: &Transaction<'_>, join: &Pdu) -> Result<Welcome, RoomError> {
    let (state, chain) = serve::state_before(tx, &join.room_id, &join.event_id)?
        .ok_or_else(|| Refusal::NotAllowed("the join was refused".to_owned()))?;
    let mut authorizing: BTreeSet<_> = chain;
    authorizing.extend(serve::chain_above(tx, &BTreeSet::from([join.event_id.clone()]))?);
    Ok(Welcome {
        state: serve::raw(tx, &state)?,
        auth_chain: serve::raw(tx, &authorizing)?,
        event: join.to_raw(),
    })
}

/// Makes what was handed over the present of a room that this server has never been in.
fn become_present(tx: &Transaction<'_>, room: &RoomId, row: &RoomRow) -> Result<(), StoreError> {
    rooms::put(tx, room, row)?;
    rooms::set_current_state(tx, room, row.current_group, 0)
}

/// Returns the state made of stored events, each of which must stand.
fn state_of(tx: &Transaction<'_>, ids: &[OwnedEventId]) -> Result<State, RoomError> {
    let mut state = State::new();
    for id in ids {
        let found = events::get(tx, id)?;
        if let Some(reason) = found.rejected {
            return Err(invalid(&format!("event {id} is not allowed: {reason}")));
        }
        let key = found
            .pdu
            .state_key
            .clone()
            .ok_or_else(|| invalid(&format!("{id} is not a state event")))?;
        if state.insert((found.pdu.kind.clone(), key), id.clone()).is_some() {
            return Err(invalid(&format!(
                "event {id} is not the only one of its type and state key"
            )));
        }
    }
    Ok(state)
}

/// Returns what the creation event in `state` says of the room.
fn room_row(
    tx: &Transaction<'_>,
    state: &State,
    version: &RoomVersionId,
) -> Result<RoomRow, RoomError> {
    let id = state
        .get(&("m.room.create".to_owned(), String::new()))
        .ok_or_else(|| invalid("there is no creation event"))?;
    let creation = events::get(tx, id)?.pdu;
    if creation.content["room_version"].as_str() != Some(version.as_str()) {
        return Err(invalid("the room has another version"));
    }
    let delivery = creation.content.get(Delivery::KEY);
    Ok(RoomRow {
        version: version.clone(),
        create_event_id: id.clone(),
        owner: creation.sender.server_name().to_owned(),
        delivery: delivery
            .map_or(Some(Delivery::default()), |name| name.as_str().and_then(Delivery::parse))
            .ok_or_else(|| {
                RoomError::Invalid("the delivery policy of the room is unknown".to_owned())
            })?,
        current_group: state::EMPTY,
    })
}

fn invalid(reason: &str) -> RoomError {
    RoomError::Unavailable(format!("the room was not handed over properly: {reason}"))
}

/// Returns the room's current state and extremities, for comparing servers.
pub(crate) fn summary(
    connection: &rusqlite::Connection,
    room: &RoomId,
) -> Result<(BTreeSet<OwnedEventId>, BTreeSet<OwnedEventId>), StoreError> {
    let state = rooms::current_state(connection, room)?.into_values().collect();
    Ok((state, rooms::extremities(connection, room)?))
}
