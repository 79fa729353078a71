//! Reads a journal, entry by entry, into a [`History`].

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
};

use journal::{Entry, Event, Journal};
use scenarios::{
    scenario::{Outcome, Scenario},
    vocabulary::Vocabulary,
};

use crate::{reachability::Outages, record::OpOutcome};

use super::{
    Answer, Answered, Exchange, Finals, Forgery, History, Joining, Membership, Message, Moment,
    Note, Operation, Redaction, SendEnded, Sighting, Trespass, Typing, TypingSeen, Unperformed,
    membership::Memberships, pdu::messages_in,
};

/// Reads the journal of a run of `scenario` on the federation that has this vocabulary.
pub(super) fn read<'j>(
    vocabulary: &'static Vocabulary,
    scenario: &'j Scenario,
    journal: &'j Journal,
) -> History<'j> {
    let mut history = empty(vocabulary, scenario, journal);
    for entry in journal.entries() {
        take(&mut history, entry);
    }
    history.losses = Outages::read(&history).losses;
    history.memberships = memberships(&history);
    index(&mut history);
    history
}

fn empty<'j>(
    vocabulary: &'static Vocabulary,
    scenario: &'j Scenario,
    journal: &'j Journal,
) -> History<'j> {
    History {
        vocabulary,
        scenario,
        journal,
        ready: None,
        not_ready: None,
        is_real_time: false,
        rooms: BTreeMap::new(),
        exchanges: Vec::new(),
        messages: Vec::new(),
        sightings: Vec::new(),
        unjudged_sightings: Vec::new(),
        forgeries: Vec::new(),
        removals_seen: Vec::new(),
        joins: Vec::new(),
        memberships: Vec::new(),
        faults: Vec::new(),
        trespasses: Vec::new(),
        catch_ups: Vec::new(),
        skipped: Vec::new(),
        redactions: Vec::new(),
        typing: Vec::new(),
        typing_seen: Vec::new(),
        logouts: BTreeMap::new(),
        operations: Vec::new(),
        repaired: None,
        settled: None,
        finals: Finals::default(),
        losses: Vec::new(),
        boots: BTreeMap::new(),
        syncs: BTreeMap::new(),
        by_name: BTreeMap::new(),
        names: BTreeMap::new(),
        seen: BTreeMap::new(),
        carriers: BTreeMap::new(),
        by_request: BTreeMap::new(),
        graph: OnceCell::new(),
    }
}

/// Reads who was a member when, now that it is known which disks were lost.
fn memberships(history: &History<'_>) -> Vec<Membership> {
    let mut memberships = Memberships::initial(history.scenario);
    let mut losses = history.losses.iter().peekable();
    for entry in history.journal.entries() {
        let moment = Moment { n: entry.n, at: entry.at };
        while let Some(loss) = losses.next_if(|loss| loss.at <= entry.at) {
            memberships.lose(moment, loss);
        }
        if let Event::Note { topic, body } = &entry.event
            && let Some(note) = Note::from_parts(topic, body)
        {
            memberships.take(moment, &note);
        }
    }
    memberships.finish()
}

fn take<'j>(history: &mut History<'j>, entry: &'j Entry) {
    let moment = Moment { n: entry.n, at: entry.at };
    let machine: &'j str = &entry.machine;
    match &entry.event {
        Event::Booted { .. } => history.boots.entry(machine).or_default().push(moment),
        Event::DiskSynced { .. } => history.syncs.entry(machine).or_default().push(moment),
        Event::RequestSent(request) => {
            let endpoints = history.vocabulary.endpoints;
            history.by_request.insert(entry.n, history.exchanges.len());
            history.exchanges.push(Exchange::new(endpoints, moment, machine, request));
        }
        Event::RequestArrived { request } => {
            on(history, *request, |exchange| exchange.arrived = Some(moment));
        }
        Event::AnswerSent(answer) => {
            on(history, answer.request, |exchange| {
                exchange.answer = Some(answered(moment, answer));
            });
        }
        Event::AnswerArrived { request, .. } => {
            // What arrives after its request was given up reaches a socket that nobody reads.
            on(history, *request, |exchange| {
                exchange.answer_arrived = Some(moment).filter(|_| exchange.lost.is_none());
            });
        }
        Event::RequestLost { request, why } => {
            on(history, *request, |exchange| exchange.lost = Some((moment, *why)));
        }
        Event::RequestDropped { request, .. } => {
            on(history, *request, |exchange| exchange.dropped = Some(moment));
        }
        Event::Note { topic, body } => {
            if let Some(note) = Note::from_parts(topic, body) {
                take_note(history, moment, note);
            }
        }
        Event::DiskWritten { .. }
        | Event::ConnectFailed(_)
        | Event::Exited { .. }
        | Event::FaultBegan { .. }
        | Event::FaultEnded { .. } => {}
    }
}

fn answered(sent: Moment, answer: &journal::Answer) -> Answered<'_> {
    Answered { sent, status: answer.status, body: &answer.body }
}

fn on<'j>(history: &mut History<'j>, request: u64, change: impl FnOnce(&mut Exchange<'j>)) {
    let place = history.by_request.get(&request);
    if let Some(exchange) = place.and_then(|place| history.exchanges.get_mut(*place)) {
        change(exchange);
    }
}

fn take_note(history: &mut History<'_>, at: Moment, note: Note) {
    match note {
        Note::Ready { rooms } => {
            history.ready = Some(at);
            history.rooms = rooms;
        }
        Note::NotReady { why } => history.not_ready = Some(why),
        Note::RealTime {} => history.is_real_time = true,
        Note::SendBegan { message, device, conversation } => {
            history.by_name.insert(message.clone(), history.messages.len());
            let name = message;
            history.messages.push(Message { name, device, conversation, began: at, ended: None });
        }
        // What was answered only after everything had come to rest, nobody had the time to hear of.
        Note::SendEnded { .. } if history.settled.is_some() => {}
        Note::SendEnded { message, outcome, event, unreachable, failed_to_send, error, .. } => {
            let code = error.as_deref().and_then(code_of);
            let ended = SendEnded { at, outcome, event, code, unreachable, failed_to_send };
            let place = history.by_name.get(&message);
            if let Some(known) = place.and_then(|place| history.messages.get_mut(*place)) {
                known.ended = Some(ended);
            }
        }
        Note::Seen { device, message, event, room, via } => {
            let is_judged = history.has_honest_backend(&device);
            let sighting = Sighting { at, device, message, event, room, via };
            if is_judged {
                history.sightings.push(sighting);
            } else {
                history.unjudged_sightings.push(sighting);
            }
        }
        Note::CaughtUp { device, fresh } => history.catch_ups.push((at, device, fresh)),
        Note::FaultSet { index, fault } => history.faults.push((at, index, fault)),
        Note::Trespassed { relay, victim, entry_id, status } => {
            history.trespasses.push((at, Trespass { relay, victim, entry_id, status }));
        }
        Note::Forged { peer, to, target } => {
            history.forgeries.push((at, Forgery { peer, to, target }));
        }
        Note::Repaired {} => history.repaired = Some(at),
        Note::Settled { pending } => history.settled = Some((at, pending)),
        Note::JoinBegan { .. }
        | Note::JoinEnded { .. }
        | Note::RedactionBegan { .. }
        | Note::RedactionEnded { .. }
        | Note::TypingBegan { .. }
        | Note::TypingSeen { .. }
        | Note::LogoutBegan { .. }
        | Note::LogoutEnded { .. }
        | Note::OperationBegan { .. }
        | Note::OperationEnded { .. } => take_operation(history, at, note),
        Note::TypingEnded { .. }
        | Note::LeaveBegan { .. }
        | Note::LeaveEnded { .. }
        | Note::RemovalBegan { .. }
        | Note::RemovalEnded { .. } => {}
        Note::RemovalSeen { user, room } => history.removals_seen.push((at, user, room)),
        Note::Skipped { operation, device, why } => {
            history.skipped.push((at, Unperformed { operation, device, why }));
        }
        Note::FinalTimeline { .. }
        | Note::FinalState { .. }
        | Note::FinalQueues { .. }
        | Note::Untold { .. }
        | Note::FinalMail { .. }
        | Note::Finished {} => history.finals.take(note),
    }
}

/// Returns the code in what a client notes of an error: `403 M_FORBIDDEN ..`.
fn code_of(error: &str) -> Option<String> {
    let code = error.split(' ').nth(1)?;
    Outcome::is_code(code).then(|| code.to_owned())
}

/// Takes in what a client did besides sending and fetching.
fn take_operation(history: &mut History<'_>, at: Moment, note: Note) {
    match note {
        Note::JoinBegan { user, conversation } => {
            history.joins.push(Joining { user, conversation, began: at.n, ended: None });
        }
        Note::JoinEnded { user, conversation, outcome } => {
            let is_it = |it: &&mut Joining| {
                it.user == user && it.conversation == conversation && it.ended.is_none()
            };
            if outcome != OpOutcome::Indefinite
                && let Some(join) = history.joins.iter_mut().find(is_it)
            {
                join.ended = Some(at.n);
            }
        }
        Note::RedactionBegan { message, by } => {
            let (began, ended, event) = (at, None, None);
            history.redactions.push(Redaction { message, by, began, ended, event });
        }
        Note::RedactionEnded { message, by, outcome, event } => {
            let mut begun = history.redactions.iter_mut();
            let is_it =
                |it: &&mut Redaction| it.message == message && it.by == by && it.ended.is_none();
            if let Some(redaction) = begun.find(is_it) {
                (redaction.ended, redaction.event) = (Some((at, outcome)), event);
            }
        }
        Note::TypingBegan { user, conversation } => {
            history.typing.push((at, Typing { user, conversation }));
        }
        Note::TypingSeen { device, user, room } => {
            history.typing_seen.push((at, TypingSeen { device, user, room }));
        }
        Note::LogoutBegan { device } => _ = history.logouts.insert(device, (at, None)),
        Note::LogoutEnded { device, outcome } => {
            if let Some((_, ended)) = history.logouts.get_mut(&device) {
                *ended = Some(at).filter(|_| outcome == OpOutcome::Ok);
            }
        }
        Note::OperationBegan { operation, device } => {
            history.operations.push(Operation { operation, device, began: at, ended: None });
        }
        Note::OperationEnded { operation, outcome, status, code, .. } => {
            let mut begun = history.operations.iter_mut();
            let is_it = |it: &&mut Operation| it.operation == operation && it.ended.is_none();
            if let Some(begun) = begun.find(is_it) {
                begun.ended = Some((at, Answer { outcome, status, code }));
            }
        }
        _ => {}
    }
}

/// Names events after their messages, and finds what carried them.
fn index(history: &mut History<'_>) {
    for sighting in &history.sightings {
        if let Some(name) = &sighting.message {
            history.names.insert(sighting.event.clone(), name.clone());
        }
    }
    for message in &history.messages {
        let event = message.ended.as_ref().and_then(|ended| ended.event.clone());
        history.names.extend(event.map(|event| (event, message.name.clone())));
    }
    for exchange in &history.exchanges {
        if matches!(exchange.endpoint, "prepare" | "on_message_sent")
            && let [name] = messages_in(&exchange.request.body)[..]
            && let Some(event) = exchange.arguments().pop()
        {
            history.names.insert(event, name.to_owned());
        }
    }
    // What somebody took away says nothing any more, not even its name.
    let redactions = history.redactions.iter();
    let redacted: BTreeSet<&str> = redactions.map(|it| it.message.as_str()).collect();
    let names = history.names.iter().filter(|(_, name)| redacted.contains(name.as_str()));
    let redacted: BTreeMap<String, String> =
        names.map(|(event, name)| (event.clone(), name.clone())).collect();
    if !redacted.is_empty() {
        history.exchanges.iter_mut().for_each(|exchange| exchange.name_redacted(&redacted));
    }
    for (place, sighting) in history.sightings.iter_mut().enumerate() {
        if sighting.message.is_none() {
            sighting.message = redacted.get(&sighting.event).cloned();
        }
        if let Some(name) = &sighting.message {
            history.seen.entry(name.clone()).or_default().push(place);
        }
    }
    for (place, exchange) in history.exchanges.iter().enumerate() {
        let mut names = carried(history, exchange);
        if !redacted.is_empty() {
            names.extend(exchange.pdus().iter().filter_map(|pdu| pdu.message.clone()));
            names.sort_unstable();
            names.dedup();
        }
        for name in names {
            history.carriers.entry(name).or_default().push(place);
        }
    }
}

/// Returns the names of the messages that an exchange carried or referred to.
fn carried(history: &History<'_>, exchange: &Exchange<'_>) -> Vec<String> {
    if matches!(exchange.endpoint, "sync" | "") {
        return Vec::new();
    }
    if matches!(exchange.endpoint, "decision" | "outcome" | "event") {
        let event = exchange.arguments().pop().unwrap_or_default();
        return history.name_of(&event).map(str::to_owned).into_iter().collect();
    }
    let mut names = messages_in(&exchange.request.body);
    if let Some(answer) = exchange.answer {
        names.extend(messages_in(answer.body));
    }
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(str::to_owned).collect()
}
