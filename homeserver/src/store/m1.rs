//! The tables of `m1`: answers, decisions, commits, device lists, and what is hidden.

use ruma::{EventId, OwnedEventId, OwnedRoomId, OwnedServerName, RoomId, ServerName};
use rusqlite::{Connection, OptionalExtension};
use serde_json::value::RawValue;
use transport::{
    Transaction,
    endpoints::m1::{Decision, Devices, Sent},
};

use super::{StoreError, memberships};
use crate::event::Pdu;

/// Aborts recorded because one server asked; about more it gets no decision until they are old.
const MAX_ABORTS_PER_ASKER: i64 = 1000;

/// Returns JSON that was stored as text.
pub(crate) fn raw(text: String) -> Result<Box<RawValue>, StoreError> {
    RawValue::from_string(text).map_err(StoreError::corrupt)
}

/// Returns the answer to the message that `origin` calls `message_id`, if it was given.
pub(crate) fn answer(
    connection: &Connection,
    origin: &ServerName,
    message_id: &str,
) -> Result<Option<Sent>, StoreError> {
    let found: Option<String> = connection
        .prepare_cached("SELECT answer FROM m1_answers WHERE origin = ?1 AND message_id = ?2")?
        .query_row((origin.as_str(), message_id), |row| row.get(0))
        .optional()?;
    found.map(|answer| serde_json::from_str(&answer).map_err(StoreError::corrupt)).transpose()
}

/// Which message an answer is to.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) origin: OwnedServerName,
    pub(crate) id: String,
    pub(crate) event_id: OwnedEventId,
}

/// Keeps the answer to a message.
pub(crate) fn keep_answer(
    tx: &Transaction<'_>,
    message: &Message,
    sent: &Sent,
    now_ms: i64,
) -> Result<(), StoreError> {
    let answer = serde_json::to_string(sent).expect("an answer is JSON");
    tx.prepare_cached(
        "INSERT INTO m1_answers (origin, message_id, event_id, answer, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
    )?
    .execute((
        message.origin.as_str(),
        &message.id,
        message.event_id.as_str(),
        answer,
        now_ms,
    ))?;
    Ok(())
}

/// Returns what was decided about an event; `None`: nothing, which after the votes means an abort.
pub(crate) fn decision(
    connection: &Connection,
    event_id: &EventId,
) -> Result<Option<Decision>, StoreError> {
    let found: Option<String> = connection
        .prepare_cached("SELECT decision FROM m1_decisions WHERE event_id = ?1")?
        .query_row([event_id.as_str()], |row| row.get(0))
        .optional()?;
    Ok(found.map(|text| if text == "commit" { Decision::Commit } else { Decision::Abort }))
}

/// Records a decision unless there is one, and returns the one that stands.
pub(crate) fn decide(
    tx: &Transaction<'_>,
    event_id: &EventId,
    decision: Decision,
    now_ms: i64,
) -> Result<Decision, StoreError> {
    if let Some(standing) = self::decision(tx, event_id)? {
        return Ok(standing);
    }
    let text = match decision {
        Decision::Commit => "commit",
        Decision::Abort => "abort",
    };
    tx.prepare_cached(
        "INSERT INTO m1_decisions (event_id, decision, created_ms) VALUES (?1, ?2, ?3)",
    )?
    .execute((event_id.as_str(), text, now_ms))?;
    Ok(decision)
}

/// Records an abort, as [`decide`] does, because `asker` asks about an event of which there is no
/// record. Returns `None` if too much is recorded for this server already, so that nothing can be
/// promised.
pub(crate) fn abort_for(
    tx: &Transaction<'_>,
    event_id: &EventId,
    asker: &ServerName,
    now_ms: i64,
) -> Result<Option<Decision>, StoreError> {
    if let Some(standing) = decision(tx, event_id)? {
        return Ok(Some(standing));
    }
    let recorded: i64 = tx
        .prepare_cached("SELECT count(*) FROM m1_decisions WHERE asked_by = ?1")?
        .query_row([asker.as_str()], |row| row.get(0))?;
    if recorded >= MAX_ABORTS_PER_ASKER {
        return Ok(None);
    }
    tx.prepare_cached(
        "INSERT INTO m1_decisions (event_id, decision, created_ms, asked_by)
         VALUES (?1, 'abort', ?2, ?3)",
    )?
    .execute((event_id.as_str(), now_ms, asker.as_str()))?;
    Ok(Some(Decision::Abort))
}

/// A commit that a destination has not acknowledged.
pub(crate) struct Commit {
    pub(crate) sequence: i64,
    pub(crate) room_id: String,
    pub(crate) event_id: String,
}

/// Records that this server owes `destination` the commit of `event`.
pub(crate) fn oblige(
    tx: &Transaction<'_>,
    destination: &ServerName,
    event: &Pdu,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO m1_commits (destination, room_id, event_id) VALUES (?1, ?2, ?3)",
    )?
    .execute((destination.as_str(), event.room_id.as_str(), event.event_id.as_str()))?;
    Ok(())
}

/// Returns the oldest commit that `destination` has not acknowledged.
pub(crate) fn first_commit(
    connection: &Connection,
    destination: &ServerName,
) -> Result<Option<Commit>, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT sequence, room_id, event_id FROM m1_commits
             WHERE destination = ?1 ORDER BY sequence LIMIT 1",
        )?
        .query_row([destination.as_str()], |row| {
            Ok(Commit { sequence: row.get(0)?, room_id: row.get(1)?, event_id: row.get(2)? })
        })
        .optional()?)
}

/// Returns the newest commit that `destination` has not acknowledged.
fn last_commit(
    connection: &Connection,
    destination: &ServerName,
) -> Result<Option<i64>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT MAX(sequence) FROM m1_commits WHERE destination = ?1")?
        .query_row([destination.as_str()], |row| row.get(0))?)
}

/// Returns every destination that has not acknowledged some commit.
pub(crate) fn owed(connection: &Connection) -> Result<Vec<OwnedServerName>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT DISTINCT destination FROM m1_commits ORDER BY destination")?;
    let mut rows = statement.query([])?;
    let mut destinations = Vec::new();
    while let Some(row) = rows.next()? {
        destinations.push(row.get::<_, String>(0)?.try_into().map_err(StoreError::corrupt)?);
    }
    Ok(destinations)
}

/// Strikes a commit that `destination` has acknowledged, and returns what it is owed next.
pub(crate) fn strike(
    tx: &Transaction<'_>,
    destination: &ServerName,
    commit: &Commit,
) -> Result<Option<Commit>, StoreError> {
    tx.prepare_cached("DELETE FROM m1_commits WHERE sequence = ?1")?.execute([commit.sequence])?;
    first_commit(tx, destination)
}

/// A member backend of a room, as its owner knows it before it asks for a vote.
#[derive(Clone, Debug)]
pub(crate) struct Voter {
    pub(crate) name: OwnedServerName,
    /// The newest commit that it has not acknowledged.
    pub(crate) owed: Option<i64>,
    /// The devices of its users that it told last.
    pub(crate) devices: Devices,
}

/// Returns the member backends of a room but for its owner, `own`.
pub(crate) fn voters(
    connection: &Connection,
    room_id: &RoomId,
    own: &ServerName,
) -> Result<Vec<Voter>, StoreError> {
    let members = memberships::member_servers(connection, room_id)?;
    let others = members.into_iter().filter(|member| member != own);
    others
        .map(|name| {
            let owed = last_commit(connection, &name)?;
            let devices = known_devices(connection, room_id, &name)?;
            Ok(Voter { name, owed, devices })
        })
        .collect()
}

/// Returns the device list that `backend` told last in a room; empty if it never told one.
pub(crate) fn known_devices(
    connection: &Connection,
    room_id: &RoomId,
    backend: &ServerName,
) -> Result<Devices, StoreError> {
    let found: Option<String> = connection
        .prepare_cached("SELECT devices FROM m1_devices WHERE room_id = ?1 AND backend = ?2")?
        .query_row((room_id.as_str(), backend.as_str()), |row| row.get(0))
        .optional()?;
    found.map_or(Ok(Devices::new()), |devices| {
        serde_json::from_str(&devices).map_err(StoreError::corrupt)
    })
}

/// Remembers the device list that `backend` told.
pub(crate) fn learn_devices(
    tx: &Transaction<'_>,
    room_id: &RoomId,
    backend: &ServerName,
    devices: &Devices,
) -> Result<(), StoreError> {
    let devices = serde_json::to_string(devices).expect("a device list is JSON");
    tx.prepare_cached(
        "INSERT INTO m1_devices (room_id, backend, devices) VALUES (?1, ?2, ?3)
         ON CONFLICT (room_id, backend) DO UPDATE SET devices = excluded.devices",
    )?
    .execute((room_id.as_str(), backend.as_str(), devices))?;
    Ok(())
}

/// An event that is voted for and hidden.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) event_id: OwnedEventId,
    pub(crate) room_id: OwnedRoomId,
    pub(crate) owner: OwnedServerName,
}

/// Hides an event that this server is about to vote for.
pub(crate) fn hide(
    tx: &Transaction<'_>,
    event: &Pdu,
    owner: &ServerName,
    now_ms: i64,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO m1_prepared (event_id, room_id, owner, event, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
    )?
    .execute((
        event.event_id.as_str(),
        event.room_id.as_str(),
        owner.as_str(),
        event.raw.get(),
        now_ms,
    ))?;
    Ok(())
}

/// Returns a hidden event of the room `room_id`.
pub(crate) fn hidden(
    connection: &Connection,
    room_id: &RoomId,
    event_id: &EventId,
) -> Result<Option<Pdu>, StoreError> {
    let found: Option<String> = connection
        .prepare_cached("SELECT event FROM m1_prepared WHERE event_id = ?1 AND room_id = ?2")?
        .query_row((event_id.as_str(), room_id.as_str()), |row| row.get(0))
        .optional()?;
    found
        .map(|json| Pdu::from_store(event_id.as_str(), room_id.as_str(), &json))
        .transpose()
        .map_err(StoreError::corrupt)
}

/// Forgets a hidden event of a room: it is visible now, or aborted. Returns whether it was hidden:
/// an event of another room is not, whoever names it.
pub(crate) fn unhide(
    tx: &Transaction<'_>,
    room_id: &RoomId,
    event_id: &EventId,
) -> Result<bool, StoreError> {
    let forgotten = tx
        .prepare_cached("DELETE FROM m1_prepared WHERE event_id = ?1 AND room_id = ?2")?
        .execute([event_id.as_str(), room_id.as_str()])?;
    Ok(forgotten > 0)
}

/// Returns how many events of a room are hidden.
pub(crate) fn count_hidden(connection: &Connection, room_id: &RoomId) -> Result<i64, StoreError> {
    Ok(connection
        .prepare_cached("SELECT count(*) FROM m1_prepared WHERE room_id = ?1")?
        .query_row([room_id.as_str()], |row| row.get(0))?)
}

/// Returns every hidden event, oldest first.
pub(crate) fn all_hidden(connection: &Connection) -> Result<Vec<Prepared>, StoreError> {
    let rows: Vec<(String, String, String)> = connection
        .prepare_cached(
            "SELECT event_id, room_id, owner FROM m1_prepared ORDER BY created_ms, event_id",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    rows.into_iter()
        .map(|(event_id, room_id, owner)| {
            Ok(Prepared {
                event_id: event_id.try_into().map_err(StoreError::corrupt)?,
                room_id: room_id.try_into().map_err(StoreError::corrupt)?,
                owner: owner.try_into().map_err(StoreError::corrupt)?,
            })
        })
        .collect()
}

/// What the policy has not finished here, by server; no count is 0.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Unfinished {
    /// Commits that a destination has not acknowledged.
    commits: std::collections::BTreeMap<String, i64>,
    /// Votes whose decision an owner has not told.
    in_doubt: std::collections::BTreeMap<String, i64>,
}

/// Counts what is not finished.
pub(crate) fn unfinished(connection: &Connection) -> Result<Unfinished, StoreError> {
    let counts = |sql: &str| {
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok::<_, StoreError>(rows.collect::<rusqlite::Result<_>>()?)
    };
    Ok(Unfinished {
        commits: counts("SELECT destination, count(*) FROM m1_commits GROUP BY destination")?,
        in_doubt: counts("SELECT owner, count(*) FROM m1_prepared GROUP BY owner")?,
    })
}

/// Forgets every decision and every commit that is owed.
pub(crate) fn forget_decisions(tx: &Transaction<'_>) -> Result<(), StoreError> {
    tx.execute_batch("DELETE FROM m1_decisions; DELETE FROM m1_commits")?;
    Ok(())
}

/// Forgets answers and decisions made before `oldest_ms`. A decision to commit stays until every
/// destination has acknowledged it; no record at all is an abort, which is what forgotten ones
/// were.
pub(crate) fn prune(tx: &Transaction<'_>, oldest_ms: i64) -> Result<(), StoreError> {
    tx.execute("DELETE FROM m1_answers WHERE created_ms <= ?1", [oldest_ms])?;
    tx.execute(
        "DELETE FROM m1_decisions WHERE created_ms <= ?1
             AND event_id NOT IN (SELECT event_id FROM m1_commits)",
        [oldest_ms],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> Connection {
        let connection = Connection::open_in_memory().expect("memory");
        for step in [include_str!("02_client.sql"), include_str!("04_m1.sql")] {
            connection.execute_batch(step).expect("tables");
        }
        connection
    }

    #[test]
    fn the_owner_of_another_room_cannot_undo_a_vote() {
        let mut connection = tables();
        let tx = Transaction::begin(&mut connection).expect("a transaction");
        tx.execute(
            "INSERT INTO m1_prepared (event_id, room_id, owner, event, created_ms)
             VALUES ('$voted', '!asked', 'a.test', '{}', 0)",
            [],
        )
        .expect("hidden");
        let event_id = ruma::event_id!("$voted");
        assert!(!unhide(&tx, ruma::room_id!("!other"), event_id).expect("an answer"));
        assert_eq!(count_hidden(&tx, ruma::room_id!("!asked")).expect("a count"), 1);
        assert!(unhide(&tx, ruma::room_id!("!asked"), event_id).expect("an answer"));
        assert_eq!(count_hidden(&tx, ruma::room_id!("!asked")).expect("a count"), 0);
    }

    #[test]
    fn who_asks_about_ever_more_events_is_promised_no_more_than_the_limit() {
        let mut connection = tables();
        let tx = Transaction::begin(&mut connection).expect("a transaction");
        let (curious, other) = (ruma::server_name!("b.test"), ruma::server_name!("c.test"));
        let ask = |number: i64, server| {
            let event_id = EventId::parse(format!("${number}")).expect("an id");
            abort_for(&tx, &event_id, server, 0).expect("an answer")
        };
        for number in 0..MAX_ABORTS_PER_ASKER {
            assert_eq!(ask(number, curious), Some(Decision::Abort));
        }
        assert_eq!(ask(MAX_ABORTS_PER_ASKER, curious), None);
        assert_eq!(ask(0, curious), Some(Decision::Abort));
        assert_eq!(ask(MAX_ABORTS_PER_ASKER, other), Some(Decision::Abort));
    }
}
