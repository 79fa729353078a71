//! Forwarding: what another server did not send to everybody in the room. What it sent before it had
//! heard of a join goes to the newcomer from the server that let the newcomer in; what it sent after
//! a removal that did not hold, as `undone` has it.

use std::collections::BTreeSet;

use ruma::OwnedServerName;
use transport::Transaction;

use super::{Checked, Graph, Standing, insert::KnownRoom};
use crate::{
    event::Pdu,
    store::{
        StoreError, events,
        guests::{self, Guest},
        m1, memberships,
        state::{self, GroupId},
    },
};

/// Events of a room that came past its owner, which is asked about them: as many as a server misses
/// whose disk is a day old. Nobody is asked about what is beyond.
const MAX_ASKED_ABOUT: i64 = 5_000;

impl Graph {
    /// As [`Graph::insert_with_state`], of an event that came from another server: it goes on to the
    /// servers in the room that its sender left out. What the owner of the room
    /// decides about becomes part of the graph, and is not shown before it has.
    pub(super) fn insert_received(
        &self,
        tx: &Transaction<'_>,
        room: &KnownRoom,
        checked: &Checked,
        before: GroupId,
    ) -> Result<(), StoreError> {
        if !room.row.delivery.is_transacted(checked.pdu.state_key.is_some()) {
            let hidden = Checked { standing: undecided(&checked.standing), ..checked.clone() };
            self.insert_with_state(tx, room, &hidden, before)?;
            return self.have_decided(tx, room, checked);
        }
        self.insert_with_state(tx, room, checked, before)?;
        self.tell_left_out(tx, room, checked, before)
    }

    /// Sends an event of another server on to the servers in the room that its sender left out.
    pub(super) fn tell_left_out(
        &self,
        tx: &Transaction<'_>,
        room: &KnownRoom,
        checked: &Checked,
        before: GroupId,
    ) -> Result<(), StoreError> {
        // Who built on the present has heard of everybody in it.
        if checked.standing != Standing::Accepted
            || before == room.row.current_group
            || self.core.is_local(&checked.pdu.sender)
        {
            return Ok(());
        }
        let mut left_out = unheard_of(tx, &checked.pdu, before)?;
        left_out.append(&mut self.taken_to_be_gone(tx, room, &checked.pdu, before)?);
        left_out.append(&mut self.gone_after_all(tx, room, &checked.pdu)?);
        self.outgoing.enqueue(tx, &left_out, &checked.pdu.event_id)
    }

    /// Has the owner of the room asked whether an event is shown that came past it, if it is another
    /// server: the event may have been decided while this server was away, or lost with its disk.
    fn have_decided(
        &self,
        tx: &Transaction<'_>,
        room: &KnownRoom,
        checked: &Checked,
    ) -> Result<(), StoreError> {
        let (pdu, owner) = (&checked.pdu, &room.row.owner);
        if checked.standing != Standing::Accepted
            || owner == self.core.server_name()
            || m1::count_asked_about(tx, &pdu.room_id)? >= MAX_ASKED_ABOUT
        {
            return Ok(());
        }
        m1::hide(tx, pdu, owner, self.core.ages.now_ms())?;
        self.undecided.notify_one();
        Ok(())
    }
}

/// Returns the servers that this one let in and of whose joins the sender of `pdu` had not
/// heard, given the state before it.
fn unheard_of(
    tx: &Transaction<'_>,
    pdu: &Pdu,
    before: GroupId,
) -> Result<BTreeSet<OwnedServerName>, StoreError> {
    let mut servers = BTreeSet::new();
    for guest in guests::of_room(tx, &pdu.room_id)? {
        if guest.server != pdu.sender.server_name()
            && memberships::is_member_server(tx, &pdu.room_id, &guest.server)?
            && !shows(tx, before, &guest)?
        {
            servers.insert(guest.server);
        }
    }
    Ok(servers)
}

/// Returns what an event is that others build on, and whose owner has not decided that it is shown.
fn undecided(standing: &Standing) -> Standing {
    match standing {
        Standing::Accepted => {
            Standing::SoftFailed("the room's owner decides what is shown".to_owned())
        }
        refused => refused.clone(),
    }
}

/// Returns whether the state of `group` knows of the guest's join: it holds the join, or what
/// became of the user later.
fn shows(tx: &Transaction<'_>, group: GroupId, guest: &Guest) -> Result<bool, StoreError> {
    let Some(id) = state::entry(tx, group, "m.room.member", &guest.user_id)? else {
        return Ok(false);
    };
    Ok(id == guest.event_id || events::depth(tx, &id)? > guest.depth)
}
