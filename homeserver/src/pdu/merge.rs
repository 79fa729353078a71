//! Bringing the forks of a room together. A member, or a partition, may leave a room with any number
//! of ends; as each new event is judged by all of them, that would cost everybody more and more. When
//! there are too many, a member of this server says nothing on top of them, as Synapse has it ("dummy
//! events").

use std::collections::BTreeSet;

use ruma::OwnedServerName;
use serde_json::json;
use transport::Transaction;

use super::{Checked, Draft, Graph, Standing, insert::KnownRoom, restricted::strongest_member};
use crate::{
    event::{Delivery, Pdu},
    store::{StoreError, memberships, rooms},
};

/// The type of an event that says nothing, and is shown to no client.
const DUMMY: &str = "org.matrix.dummy_event";

/// Ends that a room may have before they are brought together by the server that created the room; as
/// many as an event may have parents. Each other server waits for as many more, in the order of names,
/// so that not all of them do it at once, and each for the others' events.
const MAX_FORKS: usize = 20;

/// Servers that wait for one another.
const MAX_RANK: usize = 4;

/// Returns whether an event says nothing.
pub(crate) fn is_dummy(event: &Pdu) -> bool {
    event.kind == DUMMY && event.state_key.is_none()
}

impl Graph {
    /// Brings the forks of a room together if it has too many `ends`, of which `newest` is one.
    pub(super) fn merge_forks(
        &self,
        tx: &Transaction<'_>,
        room: &KnownRoom,
        newest: &Pdu,
        ends: usize,
    ) -> Result<(), StoreError> {
        // Under `m1` nobody says anything on their own.
        if ends <= MAX_FORKS || is_dummy(newest) || room.row.delivery == Delivery::M1 {
            return Ok(());
        }
        let (id, own) = (&newest.room_id, self.core.server_name());
        let mut servers = memberships::member_servers(tx, id)?;
        servers.remove(own);
        let rank = if room.row.owner == own { 0 } else { 1 + rank(&servers, own) };
        if ends <= MAX_FORKS * (1 + rank.min(MAX_RANK)) {
            return Ok(());
        }
        let Some(current) = rooms::find(tx, id)?.map(|row| row.current_group) else {
            return Ok(());
        };
        let Some(user) = strongest_member(tx, own, id, current)? else { return Ok(()) };
        let pdu = match self.build(tx, id, &Draft::message(&user, DUMMY, json!({})))? {
            Ok(pdu) => pdu,
            Err(refusal) => {
                tracing::info!(%refusal, room = %id, "the forks of a room stay apart");
                return Ok(());
            }
        };
        let checked = Checked { pdu, standing: Standing::Accepted };
        self.insert(tx, &checked)?;
        self.outgoing.enqueue(tx, &servers, &checked.pdu.event_id)
    }
}

/// Returns how many of `servers` come before `own`.
fn rank(servers: &BTreeSet<OwnedServerName>, own: &ruma::ServerName) -> usize {
    servers.iter().filter(|server| server.as_str() < own.as_str()).count()
}
