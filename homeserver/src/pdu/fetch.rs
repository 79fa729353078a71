//! Asking other servers for events, and for the state before one.

use std::{collections::BTreeSet, future::Future};

use defects::{Defect, planted};
use ruma::{
    EventId, OwnedEventId, OwnedServerName, RoomId, ServerName, UInt,
    api::federation::{
        backfill::get_backfill,
        event::{get_event, get_missing_events, get_room_state, get_room_state_ids},
    },
};
use serde_json::value::RawValue;
use transport::federation::CallError;

use super::{Graph, Unavailable, verify::parse_and_verify};
use crate::{
    event::{Pdu, rules::Rules},
    store::{memberships, rooms},
};

/// Servers asked for one thing.
const MAX_SERVERS_ASKED: usize = 4;

/// Events taken from one answer; the rest is not looked at.
const MAX_EVENTS_TAKEN: usize = 1000;

/// Events asked for at once in a gap.
const GAP_LIMIT: u32 = 20;

/// Whom to ask about a room, and by which rules its events are parsed.
pub(crate) struct Source<'a> {
    pub(crate) room: &'a RoomId,
    pub(crate) rules: Rules,
    pub(crate) servers: Vec<OwnedServerName>,
    /// The server of the user who sent the event in question. It must have had all that its event
    /// builds on.
    pub(crate) sender: Option<OwnedServerName>,
}

impl Source<'_> {
    /// Returns the same servers for what the sender of the event in question need not have had.
    pub(crate) fn whoever_sent_it(&self) -> Self {
        Self { room: self.room, rules: self.rules, servers: self.servers.clone(), sender: None }
    }
}

/// What came of asking several servers.
pub(crate) enum Found<T> {
    /// One of them has it.
    Here(T),
    /// None of them has it: all of them say so, or the one that must have had it does.
    Nowhere,
    /// None of them hands it out, and one that refuses to may have it.
    Withheld,
    /// One of them did not answer, and might have it.
    Unknown(String),
}

impl Graph {
    /// Returns whom to ask about history of `room`, and about it alone: anybody; where the owner of
    /// the room decides what is shown, nobody but it, and nobody if that is this server.
    pub(crate) async fn source_of_history<'a>(
        &self,
        room: &'a RoomId,
        rules: Rules,
    ) -> Result<Source<'a>, Unavailable> {
        let id = room.to_owned();
        let row = self.core.database.call(move |db| rooms::find(db, &id)).await;
        let row = row.map_err(Unavailable::Store)?;
        match row.filter(|row| !row.delivery.is_transacted(false)) {
            Some(row) => {
                let own = self.core.server_name();
                let servers = Some(row.owner).filter(|owner| owner != own).into_iter().collect();
                Ok(Source { room, rules, servers, sender: None })
            }
            None => self.source(room, rules, self.core.server_name(), None).await,
        }
    }

    /// Returns whom to ask about what lies before `event`, which is history: those who told of it, unless
    /// the owner of the room decides whether it is shown.
    pub(super) async fn source_of_older<'a>(
        &self,
        told: &Source<'a>,
        event: &Pdu,
    ) -> Result<Source<'a>, Unavailable> {
        let (id, is_state) = (told.room.to_owned(), event.state_key.is_some());
        let row = self.core.database.call(move |db| rooms::find(db, &id)).await;
        match row.map_err(Unavailable::Store)? {
            Some(row) if !row.delivery.is_transacted(is_state) => {
                self.source_of_history(told.room, told.rules).await
            }
            _ => Ok(told.whoever_sent_it()),
        }
    }

    /// Returns whom to ask about `room`: `origin` if it is a member, the server of the sender of
    /// the event in question, then other members.
    pub(crate) async fn source<'a>(
        &self,
        room: &'a RoomId,
        rules: Rules,
        origin: &ServerName,
        sender: Option<&ServerName>,
    ) -> Result<Source<'a>, Unavailable> {
        let id = room.to_owned();
        let members: BTreeSet<OwnedServerName> =
            self.core.database.call(move |db| memberships::member_servers(db, &id)).await?;
        let origin = Some(origin).filter(|origin| members.contains(*origin));
        let mut servers: Vec<OwnedServerName> = Vec::new();
        let first = origin.into_iter().chain(sender).map(ToOwned::to_owned);
        for server in first.chain(members) {
            if servers.len() < MAX_SERVERS_ASKED
                && server != *self.core.server_name()
                && !servers.contains(&server)
            {
                servers.push(server);
            }
        }
        Ok(Source { room, rules, servers, sender: sender.map(ToOwned::to_owned) })
    }

    /// Returns the events between what is known here (`earliest`) and `latest`.
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
        self.ask_for_events(source, None, as_usize(GAP_LIMIT), ask).await
    }

    /// Returns history up to and including `latest`, newest first.
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
        self.ask_for_events(source, None, as_usize(limit), ask).await
    }

    /// Returns one event by its id.
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
        Ok(match self.ask_for_events(source, Some(id), 1, ask).await? {
            Found::Here(events) => events.into_iter().next().map_or(Found::Nowhere, Found::Here),
            Found::Nowhere => Found::Nowhere,
            Found::Withheld => Found::Withheld,
            Found::Unknown(reason) => Found::Unknown(reason),
        })
    }

    /// Returns the ids of the state before an event, and of what authorizes that state.
    pub(crate) async fn ask_state_ids(
        &self,
        source: &Source<'_>,
        id: &EventId,
    ) -> Found<get_room_state_ids::v1::Response> {
        let mut asked = Asked::new(source);
        for server in &source.servers {
            let request =
                get_room_state_ids::v1::Request::new(id.to_owned(), source.room.to_owned());
            let deadline = self.core.config.request_timeout;
            match self.core.federation.call(server, request, deadline).await {
                Ok(answer) => return Found::Here(answer),
                Err(error) => asked.failed(server, &error),
            }
        }
        asked.in_vain()
    }

    /// Returns the state before an event, and what authorizes that state.
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
        self.ask_for_events(source, None, MAX_EVENTS_TAKEN, ask).await
    }

    /// Returns the first answer of the servers that has usable events: `wanted`, or any, `limit` at
    /// most.
    async fn ask_for_events<F>(
        &self,
        source: &Source<'_>,
        wanted: Option<&EventId>,
        limit: usize,
        ask: impl Fn(OwnedServerName) -> F,
    ) -> Result<Found<Vec<Pdu>>, Unavailable>
    where
        F: Future<Output = Result<Option<Vec<Box<RawValue>>>, CallError>> + Send,
    {
        let mut asked = Asked::new(source);
        for server in &source.servers {
            let raw = match ask(server.clone()).await {
                Ok(Some(raw)) => raw,
                Ok(None) => {
                    asked.said_no(server);
                    continue;
                }
                Err(error) => {
                    asked.failed(server, &error);
                    continue;
                }
            };
            match self.verified(source, &raw[..raw.len().min(limit)]).await? {
                Ok(mut events) => {
                    events.retain(|event| wanted.is_none_or(|id| event.event_id == id));
                    if !events.is_empty() {
                        return Ok(Found::Here(events));
                    }
                    tracing::info!(%server, "a server answered with nothing that was asked for");
                }
                Err(reason) => asked.silent = Some(reason),
            }
        }
        Ok(asked.in_vain())
    }

    /// Returns those of the events that are well-formed, properly signed, and of this room; or why
    /// that cannot be told.
    async fn verified(
        &self,
        source: &Source<'_>,
        raw: &[Box<RawValue>],
    ) -> Result<Result<Vec<Pdu>, String>, Unavailable> {
        let mut events = Vec::new();
        for raw in raw {
            match parse_and_verify(&self.core.keys, raw, source.rules).await {
                Ok(Ok(pdu)) if pdu.room_id == source.room => events.push(pdu),
                Ok(Ok(pdu)) => {
                    let event_id = &pdu.event_id;
                    tracing::info!(%event_id, "skipped a fetched event of another room");
                }
                Ok(Err(refusal)) => {
                    tracing::info!(%refusal, "skipped a bad event that was fetched");
                }
                Err(Unavailable::Elsewhere(reason) | Unavailable::Lacking(reason)) => {
                    return Ok(Err(reason));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Ok(events))
    }
}

/// How the servers that do not have what is asked for answered.
struct Asked<'a> {
    sender: Option<&'a ServerName>,
    /// Why one of them might have it all the same.
    silent: Option<String>,
    /// Whether one of them refused to tell.
    refused: bool,
    /// Whether the server that must have had it said that it does not have it.
    sender_has_not: bool,
}

impl<'a> Asked<'a> {
    fn new(source: &'a Source<'_>) -> Self {
        Self {
            sender: source.sender.as_deref(),
            silent: None,
            refused: false,
            sender_has_not: false,
        }
    }

    fn said_no(&mut self, server: &ServerName) {
        self.sender_has_not |= self.sender == Some(server);
    }

    fn failed(&mut self, server: &ServerName, error: &CallError) {
        match error {
            error if error.is_not_found() => self.said_no(server),
            // It may not be allowed to tell; that says nothing about what it has.
            error if error.is_final() && !error.is_unauthenticated() => {
                tracing::info!(%server, %error, "a server refused to answer");
                self.refused = true;
            }
            error => self.silent = Some(format!("{server}: {error}")),
        }
    }

    fn in_vain<T>(self) -> Found<T> {
        match self.silent {
            Some(reason) if !self.sender_has_not && !planted(Defect::SilenceCountsAsMissing) => {
                Found::Unknown(reason)
            }
            _ if self.refused && !self.sender_has_not => Found::Withheld,
            _ => Found::Nowhere,
        }
    }
}

fn as_usize(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
