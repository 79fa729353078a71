//! `delivered-in-time`: an `eventual` message comes to each backend within a bound, over any way that
//! is open, also while other ways are not, and not only once everything is repaired.
//!
//! Blamed is who did not do its part although it surely could: the sender's backend, if it hands a
//! message neither to the recipient's backend nor to a relay of that; and the recipient's, if it does
//! not ask a relay that has mail for it. (What a relay keeps from it is `relay-keeps`.) What was in
//! doubt is not judged, so that no run on sound servers is late. Meant for what heals once everything
//! is repaired or started again: `relays-share-the-time-of-the-direct-attempt`,
//! `relay-sync-ends-once-empty` where a restart follows, `back-off-outlives-the-outage`, and
//! `back-off-comes-back-after-a-restart`.

use std::{collections::BTreeMap, time::Duration};

use scenarios::scenario::{Backend, Delivery, Latency, Scenario};

use crate::{
    Finding, Judgment,
    history::{
        History, Membership, Message,
        mail::{Mail, Store},
    },
    reachability::{Outages, Troubles},
    record::OpOutcome,
};

/// The time in which a homeserver that is not waiting hands a message on: three direct attempts of
/// 10 seconds, waits of 1 and 2 seconds between them, an attempt by relay of 10 seconds, and as much
/// again for a queue that stands before it.
const HANDING_ON: Duration = Duration::from_secs(90);

/// What each message of the scenario may add to that, if all of them stand in one queue.
const QUEUED: Duration = Duration::from_millis(200);

/// How many times as long as it has had trouble a homeserver may still wait, once it is over. Waits
/// double: the next is at most 1.5 times as long as all before it together (each is drawn from 0.8
/// to 1.2 of its length), and twice that if the attempt before it was under way when the trouble
/// ended.
const BACK_OFF: u32 = 4;

/// How long after a destination has answered its sender has surely noted that it is back.
const NOTING: Duration = Duration::from_secs(5);

/// The time within which a destination that calls is called back, whatever the back-off.
const CALLING_BACK: Duration = Duration::from_secs(30);

/// The time in which a homeserver asks each of its relays: every 30 seconds, and an attempt of 10
/// seconds that may be under way; doubled.
const ASKING: Duration = Duration::from_secs(80);

/// The deadline of one question to a relay: those asked before it may use it up.
const ONE_RELAY: Duration = Duration::from_secs(10);

/// How long what a relay handed out may occupy a homeserver that cannot reach others.
const TAKING_IN: Duration = Duration::from_secs(300);

/// The slowest links on which these times are enough.
const SLOWEST: Duration = Duration::from_millis(500);

/// Returns whether times mean something on the links of a scenario.
pub(super) fn has_sure_links(scenario: &Scenario) -> bool {
    let latency = match scenario.network.latency {
        Latency::Fixed(latency) => latency,
        Latency::Uniform(_, most) => most,
    };
    scenario.network.loss <= 0.0 && latency <= SLOWEST
}

/// Returns whether these times are enough for the homeservers of a scenario: none of them waits for
/// longer than it does by itself, or takes less from others; and what it leaves at a relay, which it is
/// told of, is seen there.
pub(super) fn has_usual_servers(scenario: &Scenario) -> bool {
    const NO_LONGER: [&str; 3] = ["relay_poll_interval", "backoff_first", "backoff_max"];
    const UNTOUCHED: [&str; 8] = [
        "request_timeout",
        "requests_per_peer",
        "max_connections",
        "connections_per_address",
        "max_buffered",
        "relay_copies",
        "relays_in_turn",
        "seal_mail",
    ];
    let usual = Backend::default();
    scenario.backends.values().all(|backend| {
        NO_LONGER.iter().all(|key| backend.amount(key) <= usual.amount(key))
            && UNTOUCHED.iter().all(|key| backend.settings.get(key).is_none())
            && !backend.relays_learned
    })
}

/// A message on its way to one backend.
struct Way<'h> {
    message: &'h Message,
    origin: &'h str,
    destination: &'h str,
    /// When its sender was told that it is sent.
    accepted: Duration,
    /// When it came to the destination's machine.
    reached: Option<Duration>,
}

/// What is needed to judge any way.
struct Judging<'h> {
    history: &'h History<'h>,
    outages: Outages,
    mail: Mail<'h>,
    /// When anything was wrong among the backends.
    everywhere: Troubles,
    /// When a backend had surely noted that another one is back, by both, in order of time.
    noted: BTreeMap<(&'h str, &'h str), Vec<Duration>>,
    /// When a backend got something from another one and took it, by both, in the order of sending.
    calls: BTreeMap<(&'h str, &'h str), Vec<Duration>>,
    end: Duration,
}

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("copies");
    let settled = history.settled.as_ref().map(|(settled, _)| settled.at);
    let last = history.journal.entries().last().map(|entry| entry.at);
    let outages = Outages::read(history);
    let everywhere = outages.among(&history.scenario.backends.keys().map(String::as_str).collect());
    let judging = Judging {
        history,
        noted: noted(history, &everywhere),
        calls: calls(history),
        everywhere,
        outages,
        mail: Mail::read(history),
        end: settled.or(last).unwrap_or_default(),
    };
    for (message, ended) in history.ended(OpOutcome::Ok) {
        if history.delivery(&message.conversation) != Delivery::Eventual {
            continue;
        }
        for way in ways(history, message, ended.at.at) {
            judgment.judged += 1;
            let late = judging.direct(&way).or_else(|| judging.by_relay(&way));
            let late = late.or_else(|| judging.unasked(&way));
            if let Some((at, sentence)) = late {
                judgment.found(Finding::about(history, message, at, sentence));
            }
        }
    }
    judgment.doubt_times(history);
    judgment
}

/// Returns when each backend had surely noted of each other one that it is back: it took something,
/// and nothing was out for long enough to note that for good.
fn noted<'h>(
    history: &'h History<'_>,
    everywhere: &Troubles,
) -> BTreeMap<(&'h str, &'h str), Vec<Duration>> {
    let mut noted: BTreeMap<(&str, &str), Vec<Duration>> = BTreeMap::new();
    for exchange in history.exchanges_of("send").filter(|exchange| exchange.is_accepted()) {
        let Some(answered) = exchange.answer_arrived else { continue };
        if everywhere.is_quiet(answered.at, NOTING) {
            noted.entry((exchange.from, exchange.to)).or_default().push(answered.at + NOTING);
        }
    }
    for times in noted.values_mut() {
        times.sort_unstable();
    }
    noted
}

/// Returns when each backend got something from each other one and took it.
fn calls<'h>(history: &'h History<'_>) -> BTreeMap<(&'h str, &'h str), Vec<Duration>> {
    let mut calls: BTreeMap<(&str, &str), Vec<Duration>> = BTreeMap::new();
    for call in history.exchanges_of("send").filter(|exchange| exchange.is_accepted()) {
        let arrived = call.arrived.map(|arrived| arrived.at);
        calls.entry((call.from, call.to)).or_default().extend(arrived);
    }
    calls
}

/// Returns the ways of a message to the backends that have been in its conversation all the time, as
/// has its sender: nobody is in doubt about these.
fn ways<'h>(history: &'h History<'_>, message: &'h Message, accepted: Duration) -> Vec<Way<'h>> {
    let is_lasting = |known: &&Membership| {
        known.conversation == message.conversation
            && known.certain_from == Some(0)
            && known.certain_until.is_none()
    };
    let lasting = || history.memberships.iter().filter(is_lasting).map(|it| it.user.as_str());
    if !lasting().any(|user| user == message.sender()) {
        return Vec::new();
    }
    let origin = history.backend_of(&message.device);
    let mut backends: Vec<&str> = lasting().map(|user| history.backend_of(user)).collect();
    backends.sort_unstable();
    backends.dedup();
    backends.retain(|backend| *backend != origin && history.is_honest(backend));
    let way = |destination| {
        let reached = reached(history, message, destination);
        Way { message, origin, destination, accepted, reached }
    };
    backends.into_iter().map(way).collect()
}

/// Returns when a message first came to a backend's machine.
fn reached(history: &History<'_>, message: &Message, backend: &str) -> Option<Duration> {
    let carried = history.carriers_of(&message.name).filter_map(|it| it.came_to(backend));
    let seen = history.sightings_of(&message.name);
    let seen = seen.filter(|it| history.backend_of(&it.device) == backend).map(|it| it.at);
    carried.chain(seen).map(|moment| moment.at).min()
}

impl Judging<'_> {
    /// Judges that a message came directly, if all backends could reach each other for long enough:
    /// what is queued before it may need any of them.
    fn direct(&self, way: &Way<'_>) -> Option<(Duration, String)> {
        let called = self.called_back(way);
        let bound = |begin| {
            let back_since = self.back_since(way, begin);
            self.handing_on(&self.everywhere, back_since, begin)
        };
        let calm = self.everywhere.calm(way.accepted, bound);
        let (begin, deadline) = called.into_iter().chain(calm).min_by_key(|(_, end)| *end)?;
        let is_reached = way.reached.is_some_and(|reached| reached <= deadline);
        if deadline > self.end || is_reached || self.is_kept_at_a_relay(way, (begin, deadline)) {
            return None;
        }
        let sentence = format!(
            "{} did not have {} by {}, {} could have reached it from {} on",
            way.destination,
            way.message.name,
            self.time(deadline),
            way.origin,
            self.time(begin)
        );
        Some((deadline, sentence))
    }

    /// Returns whether a relay took the message by the end of a stretch in which the destination may
    /// not have been able to fetch it there: a relay's acceptance counts as sent, so that nobody sends
    /// it directly any more.
    fn is_kept_at_a_relay(&self, way: &Way<'_>, (begin, end): (Duration, Duration)) -> bool {
        self.stores_of(way).any(|store| {
            let between = self.outages.among(&[way.destination, store.relay].into());
            store.accepted.at <= end && !between.is_quiet(begin, end - begin)
        })
    }

    /// Returns the first stretch in which the origin must have called the destination back: one that
    /// begins with a call, or later if traces of what was over by then may have kept the origin from
    /// it.
    fn called_back(&self, way: &Way<'_>) -> Option<(Duration, Duration)> {
        let calls = self.calls.get(&(way.destination, way.origin)).into_iter().flatten();
        calls.copied().filter(|call| *call >= way.accepted).find_map(|call| {
            let calm = self.everywhere.calm(call, |_| CALLING_BACK)?;
            self.everywhere.is_quiet(call, calm.0 - call).then_some(calm)
        })
    }

    /// Judges that a message came to the destination or to one of its relays, if a relay could be
    /// reached for long enough.
    fn by_relay(&self, way: &Way<'_>) -> Option<(Duration, String)> {
        let scenario = self.history.scenario;
        let attempts = scenario.backends.get(way.origin)?.amount("attempts_before_relay");
        let relays = &scenario.backends.get(way.destination)?.relays;
        if attempts > 3 {
            return None;
        }
        let stored = self.stores_of(way).map(|store| store.accepted.at).chain(way.reached).min();
        relays.iter().find_map(|relay| {
            let known = scenario.relays.get(relay)?;
            // One that is told to keep less may refuse it.
            if known.settings.iter().any(|(key, _)| *key != "forward") {
                return None;
            }
            let between = self.outages.among(&[way.origin, relay.as_str()].into());
            let bound = |begin| self.handing_on(&between, Duration::ZERO, begin);
            let (begin, deadline) = between.calm(way.accepted, bound)?;
            if deadline > self.end || stored.is_some_and(|stored| stored <= deadline) {
                return None;
            }
            let sentence = format!(
                "{} gave {} neither to {} nor to {relay} by {}, it could have reached {relay} from \
                 {} on",
                way.origin,
                way.message.name,
                way.destination,
                self.time(deadline),
                self.time(begin)
            );
            Some((deadline, sentence))
        })
    }

    /// Judges that the destination asks each relay that has the message for it.
    fn unasked(&self, way: &Way<'_>) -> Option<(Duration, String)> {
        let relays = &self.history.scenario.backends.get(way.destination)?.relays;
        let lasting = ASKING + ONE_RELAY * u32::try_from(relays.len()).unwrap_or(u32::MAX);
        let mut stores =
            self.stores_of(way).filter(|store| relays.iter().any(|relay| relay == store.relay));
        stores.find_map(|store| {
            let between = self.outages.among(&[way.destination, store.relay].into());
            let (begin, end) = between.calm(store.accepted.at, |_| lasting)?;
            let is_reached = way.reached.is_some_and(|reached| reached <= end);
            if end > self.end || is_reached || self.is_taking_in(way, (begin, end)) {
                return None;
            }
            let mut questions = self
                .history
                .exchanges_of("relay_txn")
                .filter(|question| question.from == way.destination && question.to == store.relay);
            let is_asked = questions.any(|it| (begin..=end).contains(&it.sent.at));
            let sentence = format!(
                "{} did not ask {}, which had {} for it, from {} to {}",
                way.destination,
                store.relay,
                way.message.name,
                self.time(begin),
                self.time(end)
            );
            (!is_asked).then_some((end, sentence))
        })
    }

    /// Returns whether the destination may be occupied by what it retrieved before, because others
    /// are out.
    fn is_taking_in(&self, way: &Way<'_>, (begin, end): (Duration, Duration)) -> bool {
        let recent = begin.saturating_sub(TAKING_IN)..=begin;
        let mut handouts = self.mail.handouts.iter().filter(|it| it.destination == way.destination);
        let calm = self.everywhere.calm(begin, |_| end - begin);
        calm.is_none_or(|calm| calm.0 != begin)
            && handouts.any(|handout| recent.contains(&handout.answered.at))
    }

    /// Returns since when a wait of the origin for the destination cannot have begun any more, as of
    /// `begin`. Zero if it never noted that it is back.
    fn back_since(&self, way: &Way<'_>, begin: Duration) -> Duration {
        let Some(noted) = self.noted.get(&(way.origin, way.destination)) else {
            return Duration::ZERO;
        };
        let by_then = noted.partition_point(|at| *at <= begin);
        by_then.checked_sub(1).map_or(Duration::ZERO, |last| noted[last] - NOTING)
    }

    /// Returns the time that handing on may take from `begin` on, between machines with these
    /// `troubles`, of which those that were over by `since` do not count. Who never had any is not
    /// waiting; the others may wait because of anybody.
    fn handing_on(&self, troubles: &Troubles, since: Duration, begin: Duration) -> Duration {
        let first = troubles.first_between(since, begin).map(|own| {
            self.everywhere.first_between(since, begin).map_or(own, |others| own.min(others))
        });
        let waits = first.map(|first| (begin - first).saturating_mul(BACK_OFF));
        let messages = u32::try_from(self.history.messages.len()).unwrap_or(u32::MAX);
        HANDING_ON + QUEUED.saturating_mul(messages) + waits.unwrap_or_default()
    }

    /// Returns what relays took of a message for its destination.
    fn stores_of<'w>(&'w self, way: &'w Way<'_>) -> impl Iterator<Item = &'w Store<'w>> {
        let is_of = |store: &&Store<'_>| {
            let mut carriers = self.history.carriers_of(&way.message.name);
            store.destination == way.destination
                && carriers.any(|carrier| carrier.sent.n == store.exchange.sent.n)
        };
        self.mail.stores.iter().filter(is_of)
    }

    /// Returns a time in words, counted from when the cluster was ready.
    fn time(&self, at: Duration) -> String {
        self.history.since_ready(at)
    }
}

#[cfg(test)]
mod tests;
