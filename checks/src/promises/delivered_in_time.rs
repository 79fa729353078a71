//! `delivered-in-time`: an `eventual` message comes to each backend within a bound, over any way that
//! is open, also while other ways are not, and not only once everything is repaired.
//!
//! Blamed is who did not do its part although it surely could: the sender's backend, if it hands a
//! message neither to the recipient's backend nor to a relay of that; and the recipient's, if it does
//! not ask a relay that has mail for it. (What a relay keeps from it is `relay-keeps`.) What was in
//! doubt is not judged, so that no run on sound servers is late. Meant for what heals once everything
//! is repaired or started again: `relays-share-the-time-of-the-direct-attempt`,
//! `relay-sync-ends-once-empty` where a restart follows, and `back-off-outlives-the-outage`.

use std::time::Duration;

use scenarios::scenario::{Delivery, Latency, Scenario};

use crate::{
    Finding, Judgment,
    history::{Exchange, History, Membership, Message, mail::Mail},
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
    end: Duration,
}

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("copies");
    let settled = history.settled.as_ref().map(|(settled, _)| settled.at);
    let last = history.journal.entries().last().map(|entry| entry.at);
    let outages = Outages::read(history);
    let judging = Judging {
        history,
        everywhere: outages.among(&history.scenario.backends.keys().map(String::as_str).collect()),
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
    judgment
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
    let carried = history.carriers_of(&message.name).filter_map(|carrier| {
        if carrier.to == backend {
            carrier.arrived
        } else if carrier.from == backend {
            carrier.answer_arrived
        } else {
            None
        }
    });
    let seen = history.sightings_of(&message.name);
    let seen = seen.filter(|it| history.backend_of(&it.device) == backend).map(|it| it.at);
    carried.chain(seen).map(|moment| moment.at).min()
}

impl Judging<'_> {
    /// Judges that a message came directly, if all backends could reach each other for long enough:
    /// what is queued before it may need any of them.
    fn direct(&self, way: &Way<'_>) -> Option<(Duration, String)> {
        let called = self.called_back(way);
        let bound = |begin| self.handing_on(&self.everywhere, begin);
        let calm = self.everywhere.calm(way.accepted, bound);
        let (begin, deadline) = called.into_iter().chain(calm).min_by_key(|(_, end)| *end)?;
        if deadline > self.end || way.reached.is_some_and(|reached| reached <= deadline) {
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

    /// Returns the first stretch in which the origin must have called the destination back.
    fn called_back(&self, way: &Way<'_>) -> Option<(Duration, Duration)> {
        let is_call = |exchange: &&Exchange<'_>| {
            exchange.from == way.destination && exchange.to == way.origin && exchange.is_accepted()
        };
        let calls = self.history.exchanges_of("send").filter(is_call);
        let mut calls = calls.filter_map(|call| Some(call.arrived?.at));
        calls.find_map(|call| {
            let calm = self.everywhere.calm(call, |_| CALLING_BACK)?;
            (call >= way.accepted && calm.0 == call).then_some(calm)
        })
    }

    /// Judges that a message came to the destination or to one of its relays, if a relay could be
    /// reached for long enough.
    fn by_relay(&self, way: &Way<'_>) -> Option<(Duration, String)> {
        let scenario = self.history.scenario;
        let attempts = scenario.backends.get(way.origin)?.attempts_before_relay;
        let relays = &scenario.backends.get(way.destination)?.relays;
        if attempts.is_some_and(|attempts| attempts > 3) {
            return None;
        }
        let stores = self.mail.stores.iter().filter(|store| self.is_of(store.exchange, way));
        let stored = stores.map(|store| store.accepted.at).chain(way.reached).min();
        relays.iter().find_map(|relay| {
            let known = scenario.relays.get(relay)?;
            if known.quota.is_some() {
                return None;
            }
            let between = self.outages.among(&[way.origin, relay.as_str()].into());
            let bound = |begin| self.handing_on(&between, begin);
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
        let stores = self.mail.stores.iter().filter(|store| self.is_of(store.exchange, way));
        let mut stores = stores.filter(|store| relays.iter().any(|relay| relay == store.relay));
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

    /// Returns the time that handing on may take from `begin` on, between machines with these
    /// `troubles`. Who never had any is not waiting; the others may wait because of anybody.
    fn handing_on(&self, troubles: &Troubles, begin: Duration) -> Duration {
        let first = troubles
            .first_before(begin)
            .map(|own| self.everywhere.first_before(begin).map_or(own, |others| own.min(others)));
        let waits = first.map(|first| (begin - first).saturating_mul(BACK_OFF));
        let messages = u32::try_from(self.history.messages.len()).unwrap_or(u32::MAX);
        HANDING_ON + QUEUED.saturating_mul(messages) + waits.unwrap_or_default()
    }

    fn is_of(&self, exchange: &Exchange<'_>, way: &Way<'_>) -> bool {
        let mut carriers = self.history.carriers_of(&way.message.name);
        let user = format!(":{}", way.destination);
        exchange.arguments().pop().is_some_and(|to| to.ends_with(&user))
            && carriers.any(|carrier| carrier.sent.n == exchange.sent.n)
    }

    /// Returns a time in words, counted from when the cluster was ready.
    fn time(&self, at: Duration) -> String {
        super::since_ready(self.history, at)
    }
}

#[cfg(test)]
mod tests {
    use journal::Event;
    use scenarios::scenario::{
        AfterCrash, Delivery, Fault, FaultKind, NetworkFault, NodeFault, Scenario, When,
    };
    use serde_json::{Value, json};

    use super::judge;
    use crate::{
        Judgment,
        history::{
            Note,
            fake::{Fake, scenario, transaction},
        },
    };

    const STORE: &str = "PUT /_matrix/federation/v1/send_relay/t1/@user:b";
    const RETRIEVE: &str = "GET /_matrix/federation/v1/relay_txn/@user:b";

    /// Returns a scenario of `a` and `b` alone, with these faults.
    fn two(kinds: &[FaultKind]) -> Scenario {
        let mut scenario = scenario(Delivery::Eventual);
        scenario.backends.remove("c");
        scenario.users.remove("carol");
        for conversation in scenario.conversations.values_mut() {
            conversation.members.retain(|member| member != "carol");
        }
        let fault = |kind: &FaultKind| Fault {
            when: When::At(std::time::Duration::ZERO),
            lasts: None,
            kind: kind.clone(),
        };
        scenario.faults = kinds.iter().map(fault).collect();
        scenario
    }

    fn crash(node: &str) -> FaultKind {
        NodeFault::Crash { node: node.to_owned(), disk: AfterCrash::default() }.into()
    }

    fn partition() -> FaultKind {
        let (between, and) = (vec!["a".to_owned()], vec!["b".to_owned()]);
        NetworkFault::Partition { between, and, one_way: false }.into()
    }

    fn begins(fake: &mut Fake, index: usize) {
        let fault = index as u64 + 1;
        fake.push("", Event::FaultBegan { fault, what: String::new() });
        fake.note(&Note::FaultSet { index, fault });
    }

    fn ends(fake: &mut Fake, index: usize) {
        fake.push("", Event::FaultEnded { fault: index as u64 + 1, what: String::new() });
    }

    fn judged(scenario: &Scenario, happens: impl FnOnce(&mut Fake)) -> Judgment {
        let mut fake = Fake::ready();
        happens(&mut fake);
        fake.note(&Note::Settled { pending: Vec::new() });
        fake.judged_in(scenario, judge)
    }

    fn sentence(judgment: Judgment) -> String {
        judgment.finding.expect("a violation").sentence
    }

    #[test]
    fn what_nothing_is_in_the_way_of_comes_within_the_bound() {
        let sent = |wait: u64, arrives: bool| {
            judged(&two(&[]), |fake| {
                fake.sent_ok("alice/1", "m1");
                if arrives {
                    let what = "PUT /_matrix/federation/v1/send/1";
                    fake.exchange(("a", "b"), what, &transaction("m1"), &json!({}));
                }
                fake.waits(wait);
            })
        };
        assert_eq!((sent(200, true).judged, sent(200, true).finding), (1, None));
        assert_eq!(sent(20, false).finding, None);
        let late = sentence(sent(200, false));
        assert!(late.starts_with("b did not have m1 by 90."), "{late}");
        assert!(late.contains("a could have reached it from"), "{late}");
    }

    #[test]
    fn after_an_outage_it_may_take_as_long_as_the_back_off() {
        let healed = |wait: u64| {
            judged(&two(&[partition()]), |fake| {
                begins(fake, 0);
                fake.sent_ok("alice/1", "m1");
                // A relay has it, so that only the direct way is judged.
                fake.exchange(("a", "r1"), STORE, &transaction("m1"), &Value::Null);
                fake.exchange(("b", "r1"), RETRIEVE, &json!({}), &json!({}));
                fake.waits(100);
                ends(fake, 0);
                fake.exchange(("b", "r1"), RETRIEVE, &json!({}), &json!({}));
                fake.waits(wait);
            })
        };
        assert!(healed(80).finding.is_none() || sentence(healed(80)).contains("did not ask"));
        assert!(healed(700).finding.is_some());
    }

    #[test]
    fn a_destination_that_calls_is_called_back_whatever_the_back_off() {
        let late = judged(&two(&[partition()]), |fake| {
            begins(fake, 0);
            fake.sent_ok("alice/1", "m1");
            fake.exchange(("a", "r1"), STORE, &transaction("m1"), &Value::Null);
            fake.waits(60);
            fake.exchange(("b", "r1"), RETRIEVE, &json!({}), &json!({}));
            ends(fake, 0);
            fake.waits(30);
            let what = "PUT /_matrix/federation/v1/send/9";
            fake.exchange(("b", "a"), what, &json!({"pdus": []}), &json!({}));
            fake.waits(40);
        });
        assert!(sentence(late).starts_with("b did not have m1 by 120."));
    }

    #[test]
    fn while_a_destination_is_down_its_mail_goes_to_the_relay() {
        let down = |is_stored: bool| {
            judged(&two(&[crash("b")]), |fake| {
                begins(fake, 0);
                fake.sent_ok("alice/1", "m1");
                if is_stored {
                    fake.exchange(("a", "r1"), STORE, &transaction("m1"), &Value::Null);
                }
                fake.waits(200);
            })
        };
        assert_eq!(down(true).finding, None);
        let late = sentence(down(false));
        assert!(late.starts_with("a gave m1 neither to b nor to r1 by 90."), "{late}");
    }

    #[test]
    fn who_can_reach_its_relay_asks_it() {
        let partitioned = |asks: bool| {
            judged(&two(&[partition()]), |fake| {
                begins(fake, 0);
                fake.sent_ok("alice/1", "m1");
                fake.exchange(("a", "r1"), STORE, &transaction("m1"), &Value::Null);
                fake.waits(30);
                if asks {
                    fake.exchange(("b", "r1"), RETRIEVE, &json!({}), &json!({}));
                }
                fake.waits(100);
            })
        };
        assert_eq!(partitioned(true).finding, None);
        let late = sentence(partitioned(false));
        assert!(late.starts_with("b did not ask r1, which had m1 for it, from"), "{late}");
    }

    #[test]
    fn nobody_is_blamed_who_was_out_himself() {
        let out = judged(&two(&[crash("a"), crash("r1"), partition()]), |fake| {
            fake.sent_ok("alice/1", "m1");
            begins(fake, 0);
            begins(fake, 1);
            fake.waits(2000);
        });
        assert_eq!((out.judged, out.finding), (1, None));
    }
}
