//! Asking one backend for its vote.

use std::{collections::BTreeSet, time::Duration};

use ruma::{OwnedServerName, OwnedUserId, RoomId, ServerName};
use transport::{
    endpoints::m1::{Devices, Prepare, PrepareRequest, Vote},
    federation::CallError,
};

use super::commits::Commits;
use crate::{
    core::Core,
    event::Pdu,
    store::{StoreError, m1, memberships},
};

/// How often a backend is asked within one vote: a stale device list is corrected once.
const MAX_ASKS: usize = 2;

/// What came of asking a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ballot {
    /// It has the event, hidden and durable.
    Yes,
    /// It does not accept the event.
    No(String),
    /// It gave no vote in time.
    Unreachable,
}

/// Asks `member` to vote on `event`, within the vote timeout in all.
pub(super) async fn ballot_of(
    core: Core,
    commits: Commits,
    member: OwnedServerName,
    event: Pdu,
) -> Ballot {
    let timeout = core.config.vote_timeout;
    let asking = ask(&core, &commits, &member, &event, timeout);
    match tokio::time::timeout(timeout, asking).await {
        Ok(Ok(ballot)) => ballot,
        Ok(Err(error)) => {
            tracing::warn!(%error, %member, "failed to ask for a vote");
            Ballot::Unreachable
        }
        Err(_) => Ballot::Unreachable,
    }
}

async fn ask(
    core: &Core,
    commits: &Commits,
    member: &ServerName,
    event: &Pdu,
    timeout: Duration,
) -> Result<Ballot, StoreError> {
    // The event may build on what was decided before it, so the member must have that first.
    commits.drained(member).await?;
    ask_at_once(core, member, event, timeout).await
}

/// As [`ballot_of`], without regard to the commits that `member` is still owed.
pub(super) async fn ask_at_once(
    core: &Core,
    member: &ServerName,
    event: &Pdu,
    timeout: Duration,
) -> Result<Ballot, StoreError> {
    let mut devices = load_devices(core, &event.room_id, member).await?;
    let arguments = [event.room_id.as_str(), event.event_id.as_str()];
    for _ in 0..MAX_ASKS {
        let request = PrepareRequest { event: event.to_raw(), devices };
        let vote =
            core.federation.call_endpoint::<Prepare>(member, &arguments, &request, timeout).await;
        match vote {
            Ok(Vote::Yes) => return Ok(Ballot::Yes),
            Ok(Vote::No { reason }) => return Ok(Ballot::No(reason)),
            Ok(Vote::StaleDevices { devices: fresh }) => {
                if !same_members(core, event, member, &fresh).await? {
                    return Ok(Ballot::No(format!("{member} sees other members of the room")));
                }
                store_devices(core, &event.room_id, member, fresh.clone()).await?;
                devices = fresh;
            }
            Err(error) => return Ok(without_vote(member, &error)),
        }
    }
    Ok(Ballot::No(format!("{member} keeps calling its own device list stale")))
}

/// Whether `member` lists just those of its users who are in the room as this server sees it: who
/// would be left out silently is a reason to refuse.
async fn same_members(
    core: &Core,
    event: &Pdu,
    member: &ServerName,
    devices: &Devices,
) -> Result<bool, StoreError> {
    let room_id = event.room_id.clone();
    let members: BTreeSet<OwnedUserId> =
        core.database.call(move |db| memberships::joined_members(db, &room_id)).await?;
    let mut members = members.iter().filter(|user| user.server_name() == member);
    Ok(devices.keys().all(|user| members.next().is_some_and(|member| member == user))
        && members.next().is_none())
}

fn without_vote(member: &ServerName, error: &CallError) -> Ballot {
    tracing::info!(%error, %member, "a backend gave no vote");
    match error {
        CallError::Refused(refusal) if error.surely_not_done() => {
            Ballot::No(format!("{member}: {}", refusal.message))
        }
        _ => Ballot::Unreachable,
    }
}

async fn load_devices(
    core: &Core,
    room_id: &RoomId,
    member: &ServerName,
) -> Result<Devices, StoreError> {
    let (room_id, member) = (room_id.to_owned(), member.to_owned());
    core.database.call(move |db| m1::known_devices(db, &room_id, &member)).await
}

async fn store_devices(
    core: &Core,
    room_id: &RoomId,
    member: &ServerName,
    devices: Devices,
) -> Result<(), StoreError> {
    let (room_id, member) = (room_id.to_owned(), member.to_owned());
    core.database.transaction(move |tx| m1::learn_devices(tx, &room_id, &member, &devices)).await
}
