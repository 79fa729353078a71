//! A room as another server hands it over to one that joins: its events, properly signed, as far as
//! anybody can tell.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use ruma::{OwnedServerName, RoomId, RoomVersionId};
use serde_json::value::RawValue;

use super::{RoomError, Rooms};
use crate::{
    event::{Pdu, rules::Rules},
    pdu::{
        Refusal, Unavailable,
        verify::{verify, with_its_hash},
    },
};

/// Events taken from the answer to a join.
const MAX_JOIN_EVENTS: usize = 50_000;

/// A room as another server handed it over: its events are well-formed and properly signed.
pub(super) struct Handover {
    pub(super) version: RoomVersionId,
    pub(super) join: Pdu,
    pub(super) state: Vec<Pdu>,
    pub(super) auth_chain: Vec<Pdu>,
}

/// Reads the events, all of which are of `room`.
pub(super) fn parsed(
    raw: &[Box<RawValue>],
    room: &RoomId,
    rules: Rules,
) -> Result<Vec<Pdu>, RoomError> {
    if raw.len() > MAX_JOIN_EVENTS {
        return Err(RoomError::Unavailable("the room is too large".to_owned()));
    }
    let mut events = Vec::with_capacity(raw.len());
    for raw in raw {
        let pdu = Pdu::parse(raw, rules)?;
        if pdu.room_id != room {
            return Err(RoomError::Unavailable(
                "the answer contains events of another room".to_owned(),
            ));
        }
        events.push(pdu);
    }
    Ok(events)
}

impl Rooms {
    /// Returns the events, each once and properly signed. Where the keys of a server are not to be
    /// had, the word of the server that hands the room over must do, which vouches for the whole of it
    /// anyway: a bystander that is down cannot keep others out of the room.
    pub(super) async fn verified(
        &self,
        events: Vec<Pdu>,
        rules: Rules,
        silent: &mut BTreeSet<OwnedServerName>,
    ) -> Result<Vec<Pdu>, RoomError> {
        let mut verified = BTreeMap::new();
        for pdu in events {
            let pdu = self.verified_or_vouched(pdu, rules, silent).await?;
            verified.insert(pdu.event_id.clone(), pdu);
        }
        Ok(verified.into_values().collect())
    }

    /// Returns the signers of these events whose keys are not to be had. All are asked at once: whoever
    /// joins does not wait for one after the other.
    pub(super) async fn silent_among(
        &self,
        events: impl Iterator<Item = &Pdu>,
        rules: Rules,
    ) -> BTreeSet<OwnedServerName> {
        // One event of each suffices.
        let mut signers: BTreeMap<OwnedServerName, Pdu> = BTreeMap::new();
        for pdu in events {
            signers.entry(pdu.sender.server_name().to_owned()).or_insert_with(|| pdu.clone());
        }
        let asked = signers.into_iter().map(|(signer, pdu)| async move {
            match verify(&self.core().keys, pdu, rules, None).await {
                Err(Unavailable::Elsewhere(reason) | Unavailable::Lacking(reason)) => {
                    tracing::warn!(%signer, reason, "takes events of a silent server unverified");
                    Some(signer)
                }
                Ok(_) | Err(Unavailable::Store(_)) => None,
            }
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// Returns an event that is properly signed, or whose signer is one of `silent` or found to be, or
    /// has lost the key with which it signed.
    async fn verified_or_vouched(
        &self,
        pdu: Pdu,
        rules: Rules,
        silent: &mut BTreeSet<OwnedServerName>,
    ) -> Result<Pdu, RoomError> {
        let signer = pdu.sender.server_name().to_owned();
        if !silent.contains(&signer) {
            match verify(&self.core().keys, pdu.clone(), rules, None).await {
                Ok(Err(Refusal::UnknownKey(reason))) => {
                    tracing::warn!(%signer, reason, "took an event unverified");
                }
                Ok(verified) => return Ok(verified?),
                Err(Unavailable::Store(error)) => return Err(error.into()),
                Err(Unavailable::Elsewhere(reason) | Unavailable::Lacking(reason)) => {
                    tracing::warn!(%signer, reason, "took events of a silent server unverified");
                    silent.insert(signer);
                }
            }
        }
        Ok(with_its_hash(pdu, rules)?)
    }
}
