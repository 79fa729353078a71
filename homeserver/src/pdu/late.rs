//! Late news: an event that something built on, which came first, so that it was fetched as history of
//! before this server's part in the room. It was made beside the join here, by a server that had not
//! heard of that, and whoever let this server in sends it on.

use std::collections::BTreeSet;

use transport::Transaction;

use super::{Graph, Standing, insert::KnownRoom, judge::judge_again};
use crate::{
    event::Pdu,
    store::{StoreError, events},
};

/// Events that are looked at to find out whether one is older than a join here. What is older than
/// so many of them is history.
const MAX_LOOKED_AT: usize = 1_000;

impl Graph {
    /// Shows an event that came in a transaction and is history here, if it was made beside the joins
    /// of this server's users, and not before one of them.
    pub(super) fn show_if_late(
        &self,
        tx: &Transaction<'_>,
        room: &KnownRoom,
        pdu: &Pdu,
    ) -> Result<(), StoreError> {
        let is_history = events::position(tx, &pdu.event_id)?.is_some_and(|position| position < 0);
        if !is_history
            || !room.row.delivery.is_transacted(pdu.state_key.is_some())
            || self.is_before_own_join(tx, pdu)?
        {
            return Ok(());
        }
        let Some(checked) = judge_again(tx, room, pdu)? else { return Ok(()) };
        let states = events::get(tx, &pdu.event_id)?.states;
        let Some(states) = states.filter(|_| checked.standing == Standing::Accepted) else {
            return Ok(());
        };
        events::take_off_timeline(tx, &pdu.event_id)?;
        self.show(tx, room, &checked.pdu, states)?;
        self.tell_left_out(tx, room, &checked, states.before)
    }

    /// Returns whether the join of a user of this server builds on `pdu`, as far as the history that is
    /// known here tells.
    fn is_before_own_join(&self, tx: &Transaction<'_>, pdu: &Pdu) -> Result<bool, StoreError> {
        let (mut seen, mut next) = (BTreeSet::new(), vec![pdu.event_id.clone()]);
        while let Some(id) = next.pop() {
            for child in events::children(tx, &id)? {
                if !seen.insert(child.clone()) {
                    continue;
                }
                if seen.len() > MAX_LOOKED_AT {
                    return Ok(true);
                }
                if events::position(tx, &child)?.is_none_or(|position| position < 0) {
                    next.push(child);
                } else if self.is_own_join(&events::get(tx, &child)?.pdu) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn is_own_join(&self, pdu: &Pdu) -> bool {
        pdu.membership() == Some("join") && self.core.is_local(&pdu.sender)
    }
}
