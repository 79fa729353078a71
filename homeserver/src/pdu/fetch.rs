//! Asking other servers for events, and for the state before one.

use std::{collections::BTreeSet, future::Future};

use ruma::{
    EventId, OwnedEventId, OwnedServerName, RoomId, ServerName, UInt,
    api::federation::{
        backfill::get_backfill,
        event::{get_event, get_missing_events, get_room_state, get_room_state_ids},
    },
    room_version_rules::RoomVersionRules,
};
use serde_json::value::RawValue;
use transport::federation::CallError;

use super::{Graph, Pdu, Unavailable, verify::parse_and_verify};
use crate::store::rooms;

/// Servers asked for one thing, the origin of the event in question first.
const MAX_SERVERS_ASKED: usize = 3;

/// Events taken from one answer; the rest is not looked at.
const MAX_EVENTS_TAKEN: usize = 1000;

/// Events asked for at once in a gap.
const GAP_LIMIT: u32 = 20;

/// Whom to ask about a room, and how its events read.
pub(crate) struct Source<'a> {
    pub(crate) room: &'a RoomId,
    pub(crate) rules: &'a RoomVersionRules,
    pub(crate) servers: Vec<OwnedServerName>,
}

/// What came of asking several servers.
pub(crate) enum Found<T> {
    /// One of them has it.
    Here(T),
    /// None of them has it, as they say.
    Nowhere,
    /// One of them did not answer, and might have it.
    Unknown(String),
}

impl Graph {
    /// Whom to ask about `room`: `origin`, then other members.
    pub(crate) async fn source<'a>(
        &self,
        room: &'a RoomId,
        rules: &'a RoomVersionRules,
        origin: &ServerName,
    ) -> Result<Source<'a>, Unavailable> {
        let id = room.to_owned();
        let members: BTreeSet<OwnedServerName> =
            self.core.database.call(move |db| rooms::member_servers(db, &id)).await?;
        let others = members.into_iter().filter(|server| server != origin);
        let servers = std::iter::once(origin.to_owned())
            .chain(others)
            .filter(|server| server != self.core.server_name())
            .take(MAX_SERVERS_ASKED)
            .collect();
        Ok(Source { room, rules, servers })
    }

    /// The events between what is known here (`earliest`) and `latest`.
    pub(crate) async fn ask_missing_events(
        &self,
        source: &Source<'_>,
        earliest: &[OwnedEventId],
        latest: &[OwnedEventId],
    ) -> Result<Found<Vec<Pdu>>, Unavailable> {
        let ask = |server: OwnedServerName| async move {
            let mut request = get_missing_events::v1::Request::new(
                source.room.to_owned(),
                earliest.to_vec(),
                latest.to_vec(),
            );
            request.limit = UInt::from(GAP_LIMIT);
            let deadline = self.core.config.request_timeout;
            let answer = self.core.federation.call(&server, request, deadline).await?;
            Ok(Some(answer.events).filter(|events| !events.is_empty()))
        };
        self.ask_for_events(source, ask).await
    }

    /// History up to and including `latest`, newest first.
    pub(crate) async fn ask_backfill(
        &self,
        source: &Source<'_>,
        latest: &[OwnedEventId],
        limit: u32,
    ) -> Result<Found<Vec<Pdu>>, Unavailable> {
        let ask = |server: OwnedServerName| async move {
            let request = get_backfill::v1::Request::new(
                source.room.to_owned(),
                latest.to_vec(),
                UInt::from(limit),
            );
            let deadline = self.core.config.request_timeout;
            let answer = self.core.federation.call(&server, request, deadline).await?;
            Ok(Some(answer.pdus).filter(|events| !events.is_empty()))
        };
        self.ask_for_events(source, ask).await
    }

    /// One event by its id.
    pub(crate) async fn ask_event(
        &self,
        source: &Source<'_>,
        id: &EventId,
    ) -> Result<Found<Pdu>, Unavailable> {
        let ask = |server: OwnedServerName| async move {
            let request = get_event::v1::Request::new(id.to_owned());
            let deadline = self.core.config.request_timeout;
            let answer = self.core.federation.call(&server, request, deadline).await?;
            Ok(Some(vec![answer.pdu]))
        };
        Ok(match self.ask_for_events(source, ask).await? {
            Found::Here(events) => events
                .into_iter()
                .find(|event| event.event_id == id)
                .map_or(Found::Nowhere, Found::Here),
            Found::Nowhere => Found::Nowhere,
            Found::Unknown(reason) => Found::Unknown(reason),
        })
    }

    /// The ids of the state before an event, and of what authorizes that state.
    pub(crate) async fn ask_state_ids(
        &self,
        source: &Source<'_>,
        id: &EventId,
    ) -> Found<get_room_state_ids::v1::Response> {
        first_answer(&source.servers, |server: OwnedServerName| async move {
            let request =
                get_room_state_ids::v1::Request::new(id.to_owned(), source.room.to_owned());
            let deadline = self.core.config.request_timeout;
            self.core.federation.call(&server, request, deadline).await.map(Some)
        })
        .await
    }

    /// The state before an event, and what authorizes that state.
    pub(crate) async fn ask_state(
        &self,
        source: &Source<'_>,
        id: &EventId,
    ) -> Result<Found<Vec<Pdu>>, Unavailable> {
        let ask = |server: OwnedServerName| async move {
            let request = get_room_state::v1::Request::new(id.to_owned(), source.room.to_owned());
            let deadline = self.core.config.request_timeout;
            let answer = self.core.federation.call(&server, request, deadline).await?;
            Ok(Some(answer.pdus.into_iter().chain(answer.auth_chain).collect::<Vec<_>>()))
        };
        self.ask_for_events(source, ask).await
    }

    async fn ask_for_events<F>(
        &self,
        source: &Source<'_>,
        ask: impl Fn(OwnedServerName) -> F,
    ) -> Result<Found<Vec<Pdu>>, Unavailable>
    where
        F: Future<Output = Result<Option<Vec<Box<RawValue>>>, CallError>> + Send,
    {
        Ok(match first_answer(&source.servers, ask).await {
            Found::Here(raw) => self.verified(source, &raw).await?,
            Found::Nowhere => Found::Nowhere,
            Found::Unknown(reason) => Found::Unknown(reason),
        })
    }

    /// Those of the events that are well-formed, properly signed, and of this room.
    async fn verified(
        &self,
        source: &Source<'_>,
        raw: &[Box<RawValue>],
    ) -> Result<Found<Vec<Pdu>>, Unavailable> {
        let mut events = Vec::new();
        for raw in raw.iter().take(MAX_EVENTS_TAKEN) {
            match parse_and_verify(&self.core.keys, raw, source.rules).await {
                Ok(Ok(pdu)) if pdu.room_id == source.room => events.push(pdu),
                Ok(Ok(pdu)) => tracing::info!(event_id = %pdu.event_id, "of another room"),
                Ok(Err(refusal)) => tracing::info!(%refusal, "fetched something unacceptable"),
                Err(Unavailable::Elsewhere(reason)) => return Ok(Found::Unknown(reason)),
                Err(error) => return Err(error),
            }
        }
        Ok(Found::Here(events))
    }
}

/// The first answer of `servers` that has what is asked for.
async fn first_answer<T, F>(
    servers: &[OwnedServerName],
    ask: impl Fn(OwnedServerName) -> F,
) -> Found<T>
where
    F: Future<Output = Result<Option<T>, CallError>> + Send,
{
    let mut silent = None;
    for server in servers {
        match ask(server.clone()).await {
            Ok(Some(answer)) => return Found::Here(answer),
            Ok(None) => {}
            Err(error) if is_no(&error) => tracing::info!(%server, %error, "refused to tell"),
            Err(error) => silent = Some(format!("{server}: {error}")),
        }
    }
    silent.map_or(Found::Nowhere, Found::Unknown)
}

/// Whether the server has said no, and would say so again.
fn is_no(error: &CallError) -> bool {
    matches!(error, CallError::Refused(error)
        if error.status.is_client_error() && error.status.as_u16() != 429)
}
