//! Removals about which servers differed. One that did not hold: what the remover's server sends after
//! it goes from the others to the server that it leaves out, and that is in the room all the same. And
//! one that was refused, and that a merge let hold in the end: it is told to the server that it removes,
//! which has refused it, too.

use std::collections::{BTreeMap, BTreeSet};

use ruma::{OwnedServerName, UserId};
use transport::Transaction;

use super::{Graph, insert::KnownRoom};
use crate::{
    event::{Membership, Pdu},
    store::{
        StoreError, events, memberships, rooms,
        state::{self, Difference, GroupId},
    },
};

/// Members of the room that pass on such an event, the first by name. One would do if it were never
/// down; with all of them, whoever sends on an old state would have each event sent by everybody.
const MAX_FORWARDERS: usize = 3;

impl Graph {
    /// Returns the servers in the room that the sender of `pdu`, given the state before it, takes to
    /// be gone, if this server is one of those that pass it on to them. A removal that the others
    /// refused has that effect: it is part of the state in which its sender goes on.
    pub(super) fn taken_to_be_gone(
        &self,
        tx: &Transaction<'_>,
        room: &KnownRoom,
        pdu: &Pdu,
        before: GroupId,
    ) -> Result<BTreeSet<OwnedServerName>, StoreError> {
        let (own, sender) = (self.core.server_name(), pdu.sender.server_name());
        let mut gone = BTreeSet::new();
        // What has nothing in common with the present for hundreds of changes is not looked through.
        let Some(theirs) = state::difference(tx, room.row.current_group, before)? else {
            return Ok(gone);
        };
        for (server, removed) in removed(tx, pdu, &theirs)? {
            let in_room = memberships::joins_of(tx, &pdu.room_id, &server)?;
            if server != own && server != sender && removed == in_room.len() {
                gone.insert(server);
            }
        }
        Ok(if self.passes_on(tx, pdu, &gone)? { gone } else { BTreeSet::new() })
    }

    /// Returns the servers that are not in the room any more because `pdu` came, which removes nobody
    /// by itself, if this server is one of those that pass it on to them: state that was refused
    /// before is part of what it builds on.
    pub(super) fn gone_after_all(
        &self,
        tx: &Transaction<'_>,
        room: &KnownRoom,
        pdu: &Pdu,
    ) -> Result<BTreeSet<OwnedServerName>, StoreError> {
        let mut gone = BTreeSet::new();
        let Some(now) = rooms::find(tx, &pdu.room_id)?.map(|row| row.current_group) else {
            return Ok(gone);
        };
        if now == room.row.current_group {
            return Ok(gone);
        }
        let changes = state::difference(tx, room.row.current_group, now)?;
        for ((kind, user), id) in changes.into_iter().flatten() {
            let (true, Ok(user)) = (kind == "m.room.member", UserId::parse(user)) else { continue };
            let server = user.server_name();
            if id.is_some_and(|id| id != pdu.event_id)
                && server != self.core.server_name()
                && server != pdu.sender.server_name()
                && !memberships::is_member_server(tx, &pdu.room_id, server)?
            {
                gone.insert(server.to_owned());
            }
        }
        Ok(if self.passes_on(tx, pdu, &gone)? { gone } else { BTreeSet::new() })
    }

    /// Returns whether this server is one of those that pass an event on to the servers `left_out`.
    fn passes_on(
        &self,
        tx: &Transaction<'_>,
        pdu: &Pdu,
        left_out: &BTreeSet<OwnedServerName>,
    ) -> Result<bool, StoreError> {
        if left_out.is_empty() {
            return Ok(false);
        }
        let members = memberships::member_servers(tx, &pdu.room_id)?;
        let heard = |server: &&OwnedServerName| {
            *server != pdu.sender.server_name() && !left_out.contains(*server)
        };
        let mut forwarders = members.iter().filter(heard).take(MAX_FORWARDERS);
        Ok(forwarders.any(|server| server == self.core.server_name()))
    }
}

/// Returns how many users of each server are in the room, and removed from it since in the state
/// that differs from the room's by `theirs`.
fn removed(
    tx: &Transaction<'_>,
    pdu: &Pdu,
    theirs: &Difference,
) -> Result<BTreeMap<OwnedServerName, usize>, StoreError> {
    let mut removed = BTreeMap::new();
    for ((kind, user), id) in theirs {
        let (true, Some(id)) = (kind == "m.room.member", id) else { continue };
        let Ok(user) = UserId::parse(user) else { continue };
        if memberships::find(tx, &pdu.room_id, &user)? != Some(Membership::Join) {
            continue;
        }
        let Some(join) = rooms::current_entry(tx, &pdu.room_id, kind, user.as_str())? else {
            continue;
        };
        let Some(last) = events::find(tx, id)?.map(|found| found.pdu) else { continue };
        if last.membership() != Some("join") && last.depth > events::depth(tx, &join)? {
            *removed.entry(user.server_name().to_owned()).or_insert(0) += 1;
        }
    }
    Ok(removed)
}
