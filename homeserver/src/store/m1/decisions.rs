//! The decisions of an owner. Where none is recorded after the votes, an abort stands.

use ruma::{EventId, RoomId, ServerName};
use rusqlite::{Connection, OptionalExtension};
use transport::{Transaction, endpoints::m1::Decision};

use crate::{event::Pdu, store::StoreError};

/// Aborts recorded because one server asked; about more it gets no decision until they are old.
const MAX_ABORTS_PER_ASKER: i64 = 1000;

/// Returns what was decided about an event of a room; `None`: nothing, which after the votes means an abort.
pub(crate) fn decision(
    connection: &Connection,
    room_id: &RoomId,
    event_id: &EventId,
) -> Result<Option<Decision>, StoreError> {
    // What was recorded before rooms were counts in whatever room.
    let found: Option<String> = connection
        .prepare_cached(
            "SELECT decision FROM m1_decisions WHERE event_id = ?1 AND room_id IN (?2, '')",
        )?
        .query_row([event_id.as_str(), room_id.as_str()], |row| row.get(0))
        .optional()?;
    Ok(found.map(|text| if text == "commit" { Decision::Commit } else { Decision::Abort }))
}

/// Records a decision unless there is one, and returns the one that stands.
pub(crate) fn decide(
    tx: &Transaction<'_>,
    event: &Pdu,
    decision: Decision,
    now_ms: i64,
) -> Result<Decision, StoreError> {
    if let Some(standing) = self::decision(tx, &event.room_id, &event.event_id)? {
        return Ok(standing);
    }
    let text = match decision {
        Decision::Commit => "commit",
        Decision::Abort => "abort",
    };
    tx.prepare_cached(
        "INSERT INTO m1_decisions (room_id, event_id, decision, created_ms)
         VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute((event.room_id.as_str(), event.event_id.as_str(), text, now_ms))?;
    Ok(decision)
}

/// Records an abort, as [`decide`] does, because `asker` asks about an event of which there is no
/// record. Returns `None` if too much is recorded for this server already, so that nothing can be
/// promised.
pub(crate) fn abort_for(
    tx: &Transaction<'_>,
    room_id: &RoomId,
    event_id: &EventId,
    asker: &ServerName,
    now_ms: i64,
) -> Result<Option<Decision>, StoreError> {
    if let Some(standing) = decision(tx, room_id, event_id)? {
        return Ok(Some(standing));
    }
    let recorded: i64 = tx
        .prepare_cached("SELECT count(*) FROM m1_decisions WHERE asked_by = ?1")?
        .query_row([asker.as_str()], |row| row.get(0))?;
    if recorded >= MAX_ABORTS_PER_ASKER {
        return Ok(None);
    }
    tx.prepare_cached(
        "INSERT INTO m1_decisions (room_id, event_id, decision, created_ms, asked_by)
         VALUES (?1, ?2, 'abort', ?3, ?4)",
    )?
    .execute((room_id.as_str(), event_id.as_str(), now_ms, asker.as_str()))?;
    Ok(Some(Decision::Abort))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::m1::tables;

    #[test]
    fn who_asks_about_ever_more_events_is_promised_no_more_than_the_limit() {
        let mut connection = tables();
        let tx = Transaction::begin(&mut connection).expect("a transaction");
        let (curious, other) = (ruma::server_name!("b.test"), ruma::server_name!("c.test"));
        let ask = |number: i64, server| {
            let event_id = EventId::parse(format!("${number}")).expect("an id");
            abort_for(&tx, ruma::room_id!("!room"), &event_id, server, 0).expect("an answer")
        };
        for number in 0..MAX_ABORTS_PER_ASKER {
            assert_eq!(ask(number, curious), Some(Decision::Abort));
        }
        assert_eq!(ask(MAX_ABORTS_PER_ASKER, curious), None);
        assert_eq!(ask(0, curious), Some(Decision::Abort));
        assert_eq!(ask(MAX_ABORTS_PER_ASKER, other), Some(Decision::Abort));
    }
}
