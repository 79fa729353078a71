//! Misdeeds of a member backend in rooms that deliver by `m1`: it says that it never voted, meddles in
//! the votes of others, and brings messages past the owner.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter,
};

use checks::MAX_PDUS;
use ruma::CanonicalJsonObject;
use scenarios::scenario::Misdeed;
use serde_json::{Value, json};
use sim::tamper::{Aside, Dealing, Fate, HttpMessage};

use super::{
    events::made_up,
    tamperer::Meeting,
    wire::{arguments, signed},
};

/// The most votes and messages that are remembered.
const MAX_REMEMBERED: usize = 1000;

/// The most rooms by way of which one thing is said.
const MAX_ROOMS: usize = 3;

/// What a dishonest member has heard of votes.
#[derive(Default)]
pub(super) struct Overheard {
    /// The targets of the requests to vote, with who asked.
    votes: BTreeSet<(String, String)>,
    /// Of which of them it has spoken to whom.
    spoken_of: BTreeSet<(String, String)>,
    /// The rooms that it owns, as paths have them.
    own_rooms: BTreeSet<String>,
    /// Its own messages by the targets under which it handed them to their owners, and to whom they
    /// were brought.
    own: BTreeMap<String, (CanonicalJsonObject, BTreeSet<String>)>,
}

impl Overheard {
    /// Learns of a vote that `from` asks for.
    pub(super) fn watch_answer(&mut self, from: &str, request: &HttpMessage) {
        if arguments("prepare", request).is_some() && self.votes.len() < MAX_REMEMBERED {
            self.votes.insert((from.to_owned(), request.target().to_owned()));
        }
    }

    /// Learns of a message of the server's own that it hands to an owner, and of a room that it owns.
    pub(super) fn watch_request(&mut self, request: &HttpMessage) {
        if arguments("prepare", request).is_some() && self.own_rooms.len() < MAX_REMEMBERED {
            self.own_rooms.extend(room_in(request.target()).map(str::to_owned));
        }
        if arguments("send_message", request).is_none() || self.own.len() >= MAX_REMEMBERED {
            return;
        }
        let body: Option<Value> = serde_json::from_slice(&request.body).ok();
        let event = body.and_then(|mut body| serde_json::from_value(body["event"].take()).ok());
        if let Some(event) = event {
            self.own.entry(request.target().to_owned()).or_insert((event, BTreeSet::new()));
        }
    }

    /// Decides what becomes of a request of the server.
    pub(super) fn request(
        &mut self,
        misdeed: &Misdeed,
        meeting: &Meeting<'_>,
        request: &HttpMessage,
    ) -> Option<Dealing> {
        match misdeed {
            Misdeed::MeddleInVotes => self.meddling(meeting, request),
            Misdeed::PassByTheOwner => self
                .passing_by(meeting, request)
                .or_else(|| self.by_way_of_another_room(meeting, request)),
            _ => None,
        }
    }

    /// Asks the owner for the outcome of each vote that it was asked for, and tells everybody else, who
    /// is not to believe it, both decisions; also by way of rooms of its own, in which it decides.
    fn meddling(&mut self, meeting: &Meeting<'_>, carrier: &HttpMessage) -> Option<Dealing> {
        let identity = meeting.identity?;
        let mut asides = Vec::new();
        for (owner, target) in self.votes.clone() {
            if !self.spoken_of.insert((meeting.other.to_owned(), target.clone())) {
                continue;
            }
            let lies = if meeting.other == owner {
                vec![said(carrier, ("GET", "outcome"), &target, "{}".to_owned())]
            } else {
                let rooms = self.own_rooms.iter().take(MAX_ROOMS);
                let elsewhere = rooms.filter_map(|room| in_room(&target, room));
                let targets: Vec<String> = iter::once(target.clone()).chain(elsewhere).collect();
                let decisions = ["commit", "abort"].map(|it| json!({ "decision": it }).to_string());
                let in_each = targets.iter().flat_map(|target| {
                    let of_each = decisions.iter().cloned();
                    of_each.map(|it| said(carrier, ("PUT", "decision"), target, it))
                });
                in_each.collect()
            };
            let lies = lies.iter().filter_map(|lie| {
                signed(lie, &identity.server_name, meeting.other, &identity.key_pair)
            });
            asides.extend(lies.map(|request| Aside { request, after_answer: false, pause: None }));
        }
        (!asides.is_empty()).then_some(Dealing { fate: Fate::Pass, asides })
    }

    /// Adds to a transaction messages of the server's own that it made up and no owner has heard of.
    fn passing_by(&mut self, meeting: &Meeting<'_>, request: &HttpMessage) -> Option<Dealing> {
        arguments("send", request)?;
        let identity = meeting.identity?;
        let mut transaction: Value = serde_json::from_slice(&request.body).ok()?;
        let pdus = transaction.get_mut("pdus")?.as_array_mut()?;
        let mut any = false;
        for (event, brought_to) in self.own.values_mut() {
            if pdus.len() >= MAX_PDUS || !brought_to.insert(meeting.other.to_owned()) {
                continue;
            }
            let forged = made_up(identity, event.clone())?.pop()?;
            pdus.push(ruma::CanonicalJsonValue::Object(forged).into());
            any = true;
        }
        let altered = any.then(|| request.clone().with_body(transaction.to_string()))?;
        let altered = signed(&altered, &identity.server_name, meeting.other, &identity.key_pair)?;
        Some(Fate::Replace(altered).into())
    }
}

impl Overheard {
    /// Hands the owner, beside a message of the server's own, one that it made up, in the paths of rooms
    /// that the message is not of.
    fn by_way_of_another_room(
        &self,
        meeting: &Meeting<'_>,
        request: &HttpMessage,
    ) -> Option<Dealing> {
        arguments("send_message", request)?;
        let identity = meeting.identity?;
        let mut body: Value = serde_json::from_slice(&request.body).ok()?;
        let event = serde_json::from_value(body["event"].take()).ok()?;
        let forged = made_up(identity, event)?.pop()?;
        body["event"] = ruma::CanonicalJsonValue::Object(forged).into();
        let target = request.target();
        let asked_in = self.votes.iter().filter_map(|(_, target)| room_in(target));
        let rooms: BTreeSet<&str> =
            asked_in.chain(self.own_rooms.iter().map(String::as_str)).collect();
        let others = rooms.into_iter().filter(|room| room_in(target) != Some(room));
        let lies = others.take(MAX_ROOMS).filter_map(|room| {
            let lie =
                said(request, ("PUT", "send_message"), &in_room(target, room)?, body.to_string());
            signed(&lie, &identity.server_name, meeting.other, &identity.key_pair)
        });
        let asides: Vec<Aside> =
            lies.map(|request| Aside { request, after_answer: false, pause: None }).collect();
        (!asides.is_empty()).then_some(Dealing { fate: Fate::Pass, asides })
    }
}

/// Returns the room of a target that ends with a room and something in it.
fn room_in(target: &str) -> Option<&str> {
    target.rsplit('/').nth(1)
}

/// Returns the same target in another room.
fn in_room(target: &str, room: &str) -> Option<String> {
    let mut parts: Vec<&str> = target.split('/').collect();
    let place = parts.len().checked_sub(2)?;
    parts[place] = room;
    Some(parts.join("/"))
}

/// Decides what becomes of an answer: no commit is ever acknowledged.
pub(super) fn answer(misdeed: &Misdeed, request: &HttpMessage) -> Option<Dealing> {
    if *misdeed != Misdeed::DenyVotes || arguments("decision", request).is_none() {
        return None;
    }
    let body = json!({ "errcode": "M_NOT_FOUND", "error": "the event was never prepared here" });
    let answer = HttpMessage::answer("404 Not Found", body.to_string());
    Some(Fate::Replace(answer.with_header("content-type", "application/json")).into())
}

/// Returns a request about the vote with that target, addressed as `carrier` is.
fn said(
    carrier: &HttpMessage,
    (method, endpoint): (&str, &str),
    target: &str,
    body: String,
) -> HttpMessage {
    let target = target.replacen("/prepare/", &format!("/{endpoint}/"), 1);
    let first_line = format!("{method} {target} HTTP/1.1");
    HttpMessage { first_line, headers: carrier.headers.clone(), body: body.into() }
}
