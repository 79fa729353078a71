//! Asking one backend for its vote.

use defects::{Defect, planted};
use ruma::ServerName;
use transport::{
    endpoints::m1::{Devices, GetUserClients, Prepare, PrepareRequest, Users, Vote},
    federation::CallError,
};

use super::commits::Commits;
use crate::{
    core::Core,
    event::Pdu,
    store::{
        StoreError,
        m1::{self, Voter},
        memberships,
    },
};

/// How often a backend is asked within one vote: a stale device list is corrected once.
const MAX_ASKS: usize = 2;

/// Devices of one user in a list of another server.
const MAX_DEVICES: usize = 1000;

/// Bytes of a device's id in such a list.
const MAX_DEVICE_ID: usize = 255;

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

/// Asks `voter` to vote on `event`, within the vote timeout in all.
pub(super) async fn ballot_of(core: Core, commits: Commits, voter: Voter, event: Pdu) -> Ballot {
    if planted(Defect::M1AsksWithoutStoring) {
        return ballot_without_storing(&core, &voter).await;
    }
    let asking = async {
        // The event may build on what was decided before it, so the voter must have that first.
        if let Some(last) = voter.owed {
            commits.drained(&voter.name, &event.room_id, last).await?;
        }
        let ballot = ask(&core, &voter, &event).await?;
        if ballot == Ballot::Yes {
            commits.takes_again(&voter.name, &event.room_id);
        }
        Ok::<_, StoreError>(ballot)
    };
    match tokio::time::timeout(core.config.vote_timeout, asking).await {
        Ok(Ok(ballot)) => ballot,
        Ok(Err(error)) => {
            tracing::warn!(%error, member = %voter.name, "failed to ask for a vote");
            Ballot::Unreachable
        }
        Err(_) => Ballot::Unreachable,
    }
}

/// As [`ballot_of`], without regard to the commits that `voter` is still owed.
pub(super) async fn ask(core: &Core, voter: &Voter, event: &Pdu) -> Result<Ballot, StoreError> {
    let Voter { name, .. } = voter;
    let (mut devices, timeout) = (voter.devices.clone(), core.config.vote_timeout);
    let arguments = [event.room_id.as_str(), event.event_id.as_str()];
    for _ in 0..MAX_ASKS {
        let request = PrepareRequest { event: event.to_raw(), devices };
        let vote =
            core.federation.call_endpoint::<Prepare>(name, &arguments, &request, timeout).await;
        match vote {
            Ok(Vote::Yes) => return Ok(Ballot::Yes),
            Ok(Vote::No { reason }) => return Ok(Ballot::No(reason)),
            Ok(Vote::StaleDevices { devices: fresh }) => {
                if !learn(core, event, name, fresh.clone()).await? {
                    return Ok(Ballot::No(format!(
                        "{name} sees a different set of members in the room"
                    )));
                }
                devices = fresh;
            }
            Err(error) => return Ok(without_vote(name, &error)),
        }
    }
    Ok(Ballot::No(format!("{name} keeps calling its own latest device list stale")))
}

/// Asks `voter` for device lists only, as Wire's backends of 2021 do; it has nothing of the event
/// afterwards.
async fn ballot_without_storing(core: &Core, voter: &Voter) -> Ballot {
    let (users, timeout) = (voter.devices.keys().cloned().collect(), core.config.vote_timeout);
    let request = Users { users };
    let told = core.federation.call_endpoint::<GetUserClients>(&voter.name, &[], &request, timeout);
    told.await.map_or_else(|error| without_vote(&voter.name, &error), |_| Ballot::Yes)
}

/// Remembers the devices that `member` tells, if it lists just those of its users who are in the
/// room as this server sees it: who would be left out silently is a reason to refuse. Whether it
/// does.
async fn learn(
    core: &Core,
    event: &Pdu,
    member: &ServerName,
    devices: Devices,
) -> Result<bool, StoreError> {
    let (room_id, member) = (event.room_id.clone(), member.to_owned());
    core.database
        .transaction(move |tx| {
            let joined = memberships::joined_members(tx, &room_id)?;
            let of_member = joined.iter().filter(|user| user.server_name() == member);
            // Both are sorted.
            let is_complete =
                is_bounded(&devices) && of_member.map(|user| user.as_str()).eq(devices.keys());
            if is_complete {
                m1::learn_devices(tx, &room_id, &member, &devices)?;
            }
            Ok(is_complete)
        })
        .await
}

/// Returns whether a device list of another server is one to be kept and sent back to it.
fn is_bounded(devices: &Devices) -> bool {
    let of_user = |devices: &Vec<String>| {
        devices.len() <= MAX_DEVICES && devices.iter().all(|id| id.len() <= MAX_DEVICE_ID)
    };
    devices.values().all(of_user)
}

fn without_vote(member: &ServerName, error: &CallError) -> Ballot {
    tracing::info!(%error, %member, "a backend did not vote");
    match error {
        CallError::Refused(refusal) if error.surely_not_done() => {
            Ballot::No(format!("{member}: {}", refusal.message))
        }
        _ => Ballot::Unreachable,
    }
}
