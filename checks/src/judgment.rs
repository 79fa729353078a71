//! What a check found.

use std::{collections::BTreeMap, time::Duration};

use journal::Event;
use scenarios::scenario::Reads;

use crate::{
    history::{History, Message},
    reachability::still_pending,
    record::OpOutcome,
};

/// The most journal entries that are shown for one finding.
const MAX_EVIDENCE: usize = 40;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgment {
    /// How many things it judged. A check that judged 0 is vacuous.
    pub judged: u64,
    /// What it counts, such as `copies` or `sends`.
    pub of: &'static str,
    /// The first violation, or for a situation the first time that it came about.
    pub finding: Option<Finding>,
    /// Why it could not be told, if nothing was found.
    pub unknown: Option<String>,
    /// What did not come about because it was impossible, each with what made it so, in a sentence
    /// without a period.
    pub excused: Vec<String>,
}

/// A violation, or a situation that came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// When it happened, since the world began.
    pub at: Duration,
    /// What happened, in a sentence without a period.
    pub sentence: String,
    /// The message that it is about.
    pub message: Option<String>,
    /// The journal entries that show it, in order.
    pub evidence: Vec<u64>,
}

impl Judgment {
    /// Returns a judgment that has judged nothing yet; `of` is what it counts.
    pub fn new(of: &'static str) -> Self {
        Self { judged: 0, of, finding: None, unknown: None, excused: Vec::new() }
    }

    /// Takes in a finding, and keeps the earliest.
    pub fn found(&mut self, finding: Finding) {
        if self.finding.as_ref().is_none_or(|known| finding.at < known.at) {
            self.finding = Some(finding);
        }
    }

    /// Takes out what is excused, and says why.
    pub(super) fn excuse(
        &mut self,
        missing: &mut Vec<String>,
        excuse: impl Fn(&str) -> Option<String>,
    ) {
        missing.retain(|it| match excuse(it) {
            Some(excuse) => {
                self.excused.push(excuse);
                false
            }
            None => true,
        });
    }

    /// Takes back what was found, where that rests on how long something took and time was real: a
    /// machine that is busy proves nothing.
    pub(super) fn doubt_times(&mut self, history: &History<'_>) {
        if history.is_real_time
            && let Some(finding) = self.finding.take()
        {
            self.cannot_tell(format!("{}, in real time", finding.sentence));
        }
    }

    /// Says that it cannot be told, unless something is found.
    pub fn cannot_tell(&mut self, why: impl Into<String>) {
        self.unknown.get_or_insert(why.into());
    }
}

impl Finding {
    /// Returns a finding that is not about a single message.
    pub fn new(at: Duration, sentence: impl Into<String>, evidence: Vec<u64>) -> Self {
        Self { at, sentence: sentence.into(), message: None, evidence }
    }

    /// Returns a finding about a message, shown by everything that carried it.
    pub fn about(
        history: &History<'_>,
        message: &Message,
        at: Duration,
        sentence: impl Into<String>,
    ) -> Self {
        Self {
            at,
            sentence: sentence.into(),
            message: Some(message.name.clone()),
            evidence: causal_slice(history, message),
        }
    }
}

/// Returns the journal entries that the message's fate depends on: its send, what carried it, the
/// faults meanwhile, connections that were to carry it, and each device's first sight.
fn causal_slice(history: &History<'_>, message: &Message) -> Vec<u64> {
    let mut entries = vec![message.began.n];
    entries.extend(message.ended.as_ref().map(|ended| ended.at.n));
    let polls = ["sync", "await", "notifications"];
    for exchange in history.carriers_of(&message.name).filter(|it| !polls.contains(&it.endpoint)) {
        entries.extend(exchange.evidence());
    }
    let mut devices: Vec<&str> = Vec::new();
    for sighting in history.sightings_of(&message.name) {
        if !devices.contains(&sighting.device.as_str()) {
            devices.push(&sighting.device);
            entries.push(sighting.at.n);
        }
    }
    let last = entries.iter().max().copied().unwrap_or_default();
    entries.extend(faults_between(history, message.began.n, last));
    entries.extend(failed_connects(history, message));
    entries.sort_unstable();
    entries.dedup();
    entries.truncate(MAX_EVIDENCE);
    entries
}

/// Returns, for each server that the message has not come to, the first and the last connection to it
/// that did not come about: from where the message was sent, or from who decides about it.
fn failed_connects(history: &History<'_>, message: &Message) -> Vec<u64> {
    let owner = history.owner_of(&message.conversation);
    let senders = [history.backend_of(&message.device), owner];
    let servers = &history.scenario.backends;
    let mut failed: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
    for entry in history.journal.entries() {
        let Event::ConnectFailed(connect) = &entry.event else { continue };
        let is_of_interest = entry.n > message.began.n
            && senders.contains(&&*entry.machine)
            && (servers.contains_key(&*connect.to)
                || history.scenario.relays.contains_key(&*connect.to))
            && !has_come(history, message, &connect.to, entry.n);
        if is_of_interest {
            let ends = failed.entry((&entry.machine, &connect.to)).or_insert((entry.n, entry.n));
            ends.1 = entry.n;
        }
    }
    failed.into_values().flat_map(|(first, last)| [first, last]).collect()
}

/// Returns whether a request that carries the message has arrived at `server` before entry `n`.
fn has_come(history: &History<'_>, message: &Message, server: &str, n: u64) -> bool {
    let mut carriers = history.carriers_of(&message.name);
    carriers.any(|it| it.to == server && it.arrived.is_some_and(|arrived| arrived.n < n))
}

fn faults_between(history: &History<'_>, from: u64, to: u64) -> impl Iterator<Item = u64> {
    use journal::Event::{Booted, FaultBegan, FaultEnded};
    let of_interest =
        |event: &_| matches!(event, Booted { .. } | FaultBegan { .. } | FaultEnded { .. });
    let entries = history.journal.entries().iter();
    entries
        .filter(move |entry| (from..=to).contains(&entry.n) && of_interest(&entry.event))
        .map(|entry| entry.n)
}

/// Returns the devices that must see a message that is promised to all: every device of everybody
/// who has been a member since it was sent. Left out are devices that log out, the sending device, where its stream does
/// not repeat to it what it sent itself, and devices of dishonest backends, which are promised
/// nothing.
pub(super) fn expected_devices(history: &History<'_>, message: &Message) -> Vec<String> {
    expected_devices_since(history, message, message.began.n)
}

/// Does the same for a message that is promised to everybody who has been a member since entry `n`,
/// and whose backend has not forgotten that by then.
pub(super) fn expected_devices_since(
    history: &History<'_>,
    message: &Message,
    n: u64,
) -> Vec<String> {
    let users = history.known_members(&message.conversation, n);
    let devices = users.into_iter().flat_map(|user| history.lasting_devices_of(user));
    let devices = devices.filter(|device| history.has_honest_backend(device));
    devices.filter(|device| *device != message.device || repeats_own(history, device)).collect()
}

fn repeats_own(history: &History<'_>, device: &str) -> bool {
    let user = history.scenario.users.get(crate::history::user_of(device));
    user.is_some_and(|user| user.reads == Reads::Sync)
}

/// Returns whether what has not happened by now never will: the world settled, but for what is pending
/// for ever, and everything was read.
pub(super) fn is_final(history: &History<'_>) -> bool {
    let settled = still_pending(history).is_some_and(|pending| pending.is_empty());
    settled && history.finals.complete
}

/// Returns the devices that should have seen the message and have not. The backends that the answer
/// to an `m1-2021` send listed as left out are promised nothing.
pub(super) fn missing_devices(history: &History<'_>, message: &Message) -> Vec<String> {
    let left_out = message.ended.as_ref().filter(|ended| ended.outcome == OpOutcome::Ok);
    let left_out = left_out.map(|ended| ended.failed_to_send.as_slice()).unwrap_or_default();
    let is_left_out = |device: &str| left_out.iter().any(|it| it == history.backend_of(device));
    let mut devices = expected_devices(history, message);
    devices.retain(|device| {
        !is_left_out(device) && history.first_sight(&message.name, device).is_none()
    });
    devices
}
