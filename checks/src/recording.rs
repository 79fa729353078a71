//! Judges a run and makes its record, from what its world wrote down.

mod events;
mod reason;
mod verdict;
mod wording;

use std::{collections::BTreeMap, time::Duration};

use journal::{Event, Recording, fault::FaultReport, hash, nanoseconds};
use scenarios::{Scenario, language};

use self::{events::events, wording::when};
use crate::{
    Promises, Record,
    history::{History, Membership, Message},
    reachability::still_pending,
    record::{
        CheckRecord, Copy, Deeds, Ended, FaultRecord, Machine, MachineKind,
        Message as MessageRecord, Meta, Presence, Program, ScenarioRecord, Skipped, Verdict, Why,
    },
    selection::judge,
};

/// Version of the record's format.
const SCHEMA: u32 = 2;

/// What was played.
#[derive(Clone, Copy, Debug)]
pub struct Played<'p> {
    /// The scenario.
    pub scenario: &'p Scenario,
    /// The seed of the run.
    pub seed: u64,
    /// The file that the scenario came from, as it was named.
    pub file: Option<&'p str>,
}

/// What a run leaves behind, judged.
#[derive(Debug)]
pub struct Run {
    /// The run as one value.
    pub record: Record,
    /// Everything that its world wrote down.
    pub recording: Recording,
}

/// A run's verdict, with the results of its checks.
#[derive(Clone, Debug)]
pub struct Verdicts {
    /// How the run ended.
    pub ended: Ended,
    /// What each check found.
    pub checks: Vec<CheckRecord>,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in a sentence, unless it is a pass.
    pub sentence: Option<String>,
}

/// Judges a run by what its federation promises, and makes its record.
pub fn judged(promises: &'static Promises, played: Played<'_>, recording: Recording) -> Run {
    let Played { scenario, seed, file } = played;
    let vocabulary = promises.vocabulary;
    let history = History::read_in(vocabulary, scenario, &recording.journal);
    let Verdicts { ended, checks, verdict, sentence } = verdicts(promises, &history, &recording);
    let lines: Vec<String> = recording.journal.to_lines().collect();
    let record = Record {
        schema: SCHEMA,
        program: Program {
            name: vocabulary.program.to_owned(),
            version: vocabulary.version.to_owned(),
        },
        scenario: ScenarioRecord {
            name: scenario.name.clone(),
            about: scenario.about.clone(),
            file: file.map(str::to_owned),
            schedule: (!scenario.schedule.is_fixed()).then(|| scenario.schedule.to_string()),
            text: language::to_toml(scenario),
        },
        seed,
        ready_ns: nanoseconds(history.ready.map_or(Duration::ZERO, |ready| ready.at)),
        verdict,
        sentence,
        ended,
        nodes: nodes(scenario),
        faults: faults(&history, &recording.faults),
        messages: history
            .messages
            .iter()
            .map(|message| message_record(&history, message))
            .collect(),
        deeds: deeds(&history),
        skipped: skipped(&history),
        checks,
        log_hash: hash(&lines),
        events: events(&history, &recording.faults, lines),
        meta: Meta::default(),
    };
    Run { record, recording }
}

/// Judges a run whose journal has been read. Its record would say the same; it is not made here,
/// because most of it is the journal in words, and whoever judges thousands of runs reads none of
/// that.
pub fn verdicts(promises: &Promises, history: &History<'_>, recording: &Recording) -> Verdicts {
    let not_ready = match &history.not_ready {
        Some(why) => Some(why.as_str()),
        None if history.ready.is_some() => None,
        None if matches!(recording.ended, journal::Ended::EntryLimit(_)) => {
            Some("the cluster was not ready when the journal reached its limit of entries")
        }
        None if matches!(recording.ended, journal::Ended::ByteLimit(_)) => {
            Some("the cluster was not ready when the journal reached its limit of bytes")
        }
        None => Some("the cluster was not ready within the limit"),
    };
    let checks = if not_ready.is_none() { judge(promises, history) } else { Vec::new() };
    let ended = ended(history, recording, not_ready);
    let (verdict, sentence) = verdict::verdict(&ended, &checks, not_ready);
    Verdicts { ended, checks, verdict, sentence }
}

fn ended(history: &History<'_>, recording: &Recording, not_ready: Option<&str>) -> Ended {
    let settled = history.settled.as_ref();
    let end = settled.map_or(recording.at, |(settled, _)| settled.at);
    let pending = still_pending(history).unwrap_or_default();
    let (why, detail) = match &recording.ended {
        journal::Ended::Panicked { machine, message } => {
            (Why::Panic, Some(format!("{machine} panicked: {message}")))
        }
        journal::Ended::Misbehaved { machine, how } => {
            (Why::Misbehavior, Some(format!("{machine} {how}")))
        }
        journal::Ended::EntryLimit(entries) => {
            (Why::Limit, Some(format!("its journal reached the limit of {entries} entries")))
        }
        journal::Ended::ByteLimit(bytes) => {
            (Why::Limit, Some(format!("its journal reached the limit of {bytes} bytes of bodies")))
        }
        _ if not_ready.is_some() => (Why::Limit, not_ready.map(str::to_owned)),
        journal::Ended::Limit => (Why::Limit, Some("the world's limit was reached".to_owned())),
        journal::Ended::Finished if !pending.is_empty() => {
            let pending = exits(history).into_iter().chain(pending.into_iter().cloned());
            (Why::Limit, Some(pending.collect::<Vec<_>>().join("; ")))
        }
        journal::Ended::Finished => (Why::Settled, None),
    };
    Ended { at_ns: since_ready(history, end), why, detail }
}

/// Returns the programs that failed and were not started again, in sentences.
fn exits(history: &History<'_>) -> Vec<String> {
    let mut exits = BTreeMap::new();
    for entry in history.journal.entries() {
        match &entry.event {
            Event::Exited { error } if !error.is_empty() => {
                exits.insert(&entry.machine, error);
            }
            Event::Booted { .. } => {
                exits.remove(&entry.machine);
            }
            _ => {}
        }
    }
    exits.into_iter().map(|(machine, error)| format!("{machine} exited: {error}")).collect()
}

fn since_ready(history: &History<'_>, at: Duration) -> u64 {
    let ready = history.ready.map_or(Duration::ZERO, |ready| ready.at);
    nanoseconds(at.saturating_sub(ready))
}

fn nodes(scenario: &Scenario) -> Vec<Machine> {
    let node = |name: &str, kind| Machine { name: name.to_owned(), kind };
    let backends = scenario.backends.keys().map(|name| node(name, MachineKind::Backend));
    let relays = scenario.relays.keys().map(|name| node(name, MachineKind::Relay));
    let devices = scenario.users.iter().flat_map(|(name, user)| {
        (1..=user.devices).map(move |device| node(&format!("{name}/{device}"), MachineKind::Device))
    });
    backends.chain(relays).chain(devices).collect()
}

fn faults(history: &History<'_>, reports: &[FaultReport]) -> Vec<FaultRecord> {
    let faults = history.scenario.faults.iter().enumerate();
    faults
        .map(|(index, fault)| {
            let begun = history.faults.iter().find(|(_, known, _)| *known == index);
            let number = begun.and_then(|(_, _, number)| usize::try_from(*number).ok());
            let report = number.and_then(|number| reports.get(number.checked_sub(1)?));
            let trigger = begun.and_then(|(moment, ..)| history.journal.get(moment.n)?.cause);
            FaultRecord {
                what: report.map_or_else(|| fault.kind.to_string(), |it| it.what.clone()),
                when: when(history.scenario, fault),
                from_ns: report.map(|report| since_ready(history, report.from)),
                until_ns: report.and_then(|it| Some(since_ready(history, it.until?))),
                requests: report.map_or(0, |report| report.requests.len() as u64),
                hits: report.map_or(0, |report| report.hits),
                trigger,
            }
        })
        .collect()
}

/// Counts what clients did, if it is not to send messages.
fn deeds(history: &History<'_>) -> Option<Deeds> {
    let (topic, word) = history.vocabulary.deeds?;
    Some(Deeds { count: history.notes(topic).count() as u64, word: word.to_owned() })
}

fn skipped(history: &History<'_>) -> Vec<Skipped> {
    let skipped = history.skipped.iter();
    skipped
        .map(|(moment, skipped)| Skipped {
            operation: skipped.operation.clone(),
            device: skipped.device.clone(),
            at_ns: since_ready(history, moment.at),
            why: skipped.why.clone(),
        })
        .collect()
}

/// Returns everybody who was ever a member of a message's conversation, and whether in time for it.
fn audience<'h>(history: &'h History<'_>, message: &Message) -> BTreeMap<&'h str, Presence> {
    let presence = |known: &Membership| match known.certain_from {
        Some(from) if from <= message.began.n && known.certain_until.is_none() => Presence::Member,
        _ if known.possible_from <= message.began.n => Presence::Left,
        _ => Presence::Later,
    };
    let mut audience = BTreeMap::new();
    for known in history.memberships.iter().filter(|it| it.conversation == message.conversation) {
        let presence = presence(known);
        // Somebody who left and came back after the send has missed it, and is there now.
        audience
            .entry(known.user.as_str())
            .and_modify(|best| {
                if presence != Presence::Left {
                    *best = presence;
                }
            })
            .or_insert(presence);
    }
    audience
}

fn message_record(history: &History<'_>, message: &Message) -> MessageRecord {
    let ended = message.ended.as_ref();
    let users = audience(history, message).into_iter();
    let devices = users.flat_map(|(user, presence)| {
        history.devices_of(user).into_iter().map(move |device| (device, presence))
    });
    let copies = devices.map(|(device, presence)| {
        let presence =
            if history.logouts.contains_key(&device) { Presence::Left } else { presence };
        let sightings = history.sightings_of(&message.name);
        let unjudged = history.unjudged_sightings.iter();
        let unjudged = unjudged.filter(|it| it.message.as_ref() == Some(&message.name));
        let mut sightings = sightings.chain(unjudged).filter(|it| it.device == device);
        let first = sightings.next();
        Copy {
            backend: history.backend_of(&device).to_owned(),
            seen_ns: first.map(|sighting| since_ready(history, sighting.at.at)),
            times: u32::from(first.is_some())
                + u32::try_from(sightings.count()).unwrap_or(u32::MAX),
            device,
            presence,
        }
    });
    MessageRecord {
        id: message.name.clone(),
        from: message.device.clone(),
        backend: history.backend_of(&message.device).to_owned(),
        conversation: message.conversation.clone(),
        sent_ns: since_ready(history, message.began.at),
        answered_ns: ended.map(|ended| since_ready(history, ended.at.at)),
        outcome: message.outcome(),
        unreachable: ended.map(|ended| ended.unreachable.clone()).unwrap_or_default(),
        failed_to_send: ended.map(|ended| ended.failed_to_send.clone()).unwrap_or_default(),
        copies: copies.collect(),
    }
}
