//! `no-early-sight`: no device sees a message of an `m1` conversation before every member backend
//! has said that it keeps it, and the owner has its decision on disk. An owner whose disk was lost may
//! not know who has joined since its backup, and need not ask for them.

use std::collections::{BTreeMap, BTreeSet};

use scenarios::scenario::Delivery;

use super::promises_all_or_nothing;
use crate::{
    Finding, Judgment,
    history::{Exchange, History, Message, Sighting},
    reachability::lost_join,
    record::OpOutcome,
};

/// The entry at which a backend's yes first reached the owner, by event and backend.
type Votes<'h> = BTreeMap<(String, &'h str), u64>;

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("sightings");
    let votes = votes(history);
    for sighting in &history.sightings {
        let message = sighting.message.as_deref().and_then(|name| history.message(name));
        let Some(message) = message else { continue };
        let is_promised = promises_all_or_nothing(history.delivery(&message.conversation))
            && history.is_honest(history.owner_of(&message.conversation));
        if !is_promised {
            continue;
        }
        judgment.judged += 1;
        if let Some(why) = too_early(history, &votes, message, sighting) {
            let sentence = format!("{} saw {} before {why}", sighting.device, message.name);
            judgment.found(Finding::about(history, message, sighting.at.at, sentence));
        }
    }
    judgment
}

fn votes<'h>(history: &'h History<'_>) -> Votes<'h> {
    let mut votes = Votes::new();
    for exchange in history.exchanges.iter().filter(|exchange| is_yes(exchange)) {
        let event = exchange.arguments().pop().unwrap_or_default();
        if let Some(arrived) = exchange.answer_arrived {
            let first = votes.entry((event, exchange.to)).or_insert(arrived.n);
            *first = arrived.n.min(*first);
        }
    }
    votes
}

fn is_yes(exchange: &Exchange<'_>) -> bool {
    match exchange.endpoint {
        "prepare" => {
            exchange.is_accepted() && exchange.answer_json().is_some_and(|it| it["vote"] == "yes")
        }
        "on_message_sent" => exchange.is_accepted(),
        _ => false,
    }
}

/// Returns what had not yet happened when a device saw the message.
fn too_early(
    history: &History<'_>,
    votes: &Votes<'_>,
    message: &Message,
    sighting: &Sighting,
) -> Option<String> {
    let owner = history.owner_of(&message.conversation);
    let members = history.members_through(
        &message.conversation,
        message.began.n,
        decided_by(message, sighting),
    );
    let backends: BTreeSet<&str> = members.iter().map(|it| history.backend_of(it)).collect();
    let mut last_vote = message.began.n;
    for backend in backends.into_iter().filter(|backend| *backend != owner) {
        match votes.get(&(sighting.event.clone(), backend)) {
            Some(vote) if *vote < sighting.at.n => last_vote = last_vote.max(*vote),
            _ if is_unknown(history, message, &members, backend) => {}
            _ => return Some(format!("{backend} had told {owner} that it keeps it")),
        }
    }
    let is_decided = history.may_be_durable(owner, last_vote, sighting.at.n);
    let must_decide = history.delivery(&message.conversation) == Delivery::M1;
    (must_decide && !is_decided).then(|| format!("{owner} had its decision on disk"))
}

/// Returns whether the owner has lost every join of a backend's users with its disk.
fn is_unknown(history: &History<'_>, message: &Message, members: &[&str], backend: &str) -> bool {
    let mut of_it = members.iter().filter(|user| history.backend_of(user) == backend);
    of_it.all(|user| lost_join(history, message, user).is_some())
}

/// Returns the entry by which the owner must have decided, and so must have asked who is a member.
fn decided_by(message: &Message, sighting: &Sighting) -> u64 {
    let answered = message.ended.as_ref().filter(|ended| ended.outcome == OpOutcome::Ok);
    answered.map_or(sighting.at.n, |ended| ended.at.n.min(sighting.at.n))
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::Delivery;
    use serde_json::json;

    use super::judge;
    use crate::{
        Finding, Judgment,
        history::{
            Note,
            fake::{Fake, pdu, restored},
        },
        record::OpOutcome,
    };

    const PREPARE: &str = "PUT /_matrix/federation/unstable/org.fedsim.m1/prepare/!team/$m1";

    fn after_votes_of(backends: &[(&str, &str)], is_synced: bool) -> Option<Finding> {
        let mut fake = Fake::ready();
        // The world sees disks.
        fake.syncs("a");
        fake.sends("alice/1", "m1");
        for (backend, vote) in backends {
            let body = json!({"event": pdu("m1"), "devices": {}});
            fake.exchange(("a", backend), PREPARE, &body, &json!({"vote": vote}));
        }
        if is_synced {
            fake.syncs("a");
        }
        fake.sees("alice/1", "m1");
        fake.judged(Delivery::M1, judge).finding
    }

    #[test]
    fn a_sight_after_every_yes_and_the_decision_is_in_time() {
        assert_eq!(after_votes_of(&[("b", "yes"), ("c", "yes")], true), None);
    }

    #[test]
    fn a_sight_before_a_vote_or_the_decision_is_early() {
        let sentence = |finding: Option<Finding>| finding.expect("a violation").sentence;
        let missing = sentence(after_votes_of(&[("b", "yes")], true));
        assert_eq!(missing, "alice/1 saw m1 before c had told a that it keeps it");
        let refused = sentence(after_votes_of(&[("b", "no"), ("c", "yes")], true));
        assert_eq!(refused, "alice/1 saw m1 before b had told a that it keeps it");
        let undecided = sentence(after_votes_of(&[("b", "yes"), ("c", "yes")], false));
        assert_eq!(undecided, "alice/1 saw m1 before a had its decision on disk");
    }

    /// Lets alice see `m1` after `b`'s yes, without one from `c`; carol's notes come before the
    /// send and before the sight.
    fn without_c(before_send: &[Note], before_sight: &[Note], answered_first: bool) -> Judgment {
        let mut fake = Fake::ready();
        for note in before_send {
            fake.note(note);
        }
        fake.sends("alice/1", "m1");
        let body = json!({"event": pdu("m1"), "devices": {}});
        fake.exchange(("a", "b"), PREPARE, &body, &json!({"vote": "yes"}));
        fake.syncs("a");
        if answered_first {
            fake.ends("m1", OpOutcome::Ok);
        }
        for note in before_sight {
            fake.note(note);
        }
        fake.sees("alice/1", "m1");
        fake.judged(Delivery::M1, judge)
    }

    fn leaves(outcome: Option<OpOutcome>) -> Note {
        let (user, conversation) = ("carol".to_owned(), "team".to_owned());
        match outcome {
            None => Note::LeaveBegan { user, conversation },
            Some(outcome) => Note::LeaveEnded { user, conversation, outcome },
        }
    }

    fn joins(outcome: Option<OpOutcome>) -> Note {
        let (user, conversation) = ("carol".to_owned(), "team".to_owned());
        match outcome {
            None => Note::JoinBegan { user, conversation },
            Some(outcome) => Note::JoinEnded { user, conversation, outcome },
        }
    }

    #[test]
    fn nobody_asks_a_backend_whose_last_member_began_to_leave_before_the_decision() {
        assert_eq!(without_c(&[], &[leaves(None)], false).finding, None);
        assert!(without_c(&[], &[leaves(None)], true).finding.is_some());
        let refused = [leaves(None), leaves(Some(OpOutcome::Refused))];
        assert!(without_c(&[], &refused, false).finding.is_some());
    }

    #[test]
    fn who_certainly_came_back_before_the_send_is_asked_and_who_may_have_is_not() {
        let gone = [leaves(None), leaves(Some(OpOutcome::Ok)), joins(None)];
        let back = |outcome| [&gone[..], &[joins(Some(outcome))]].concat();
        assert!(without_c(&back(OpOutcome::Ok), &[], false).finding.is_some());
        assert_eq!(without_c(&back(OpOutcome::Indefinite), &[], false).finding, None);
        assert_eq!(without_c(&gone, &[joins(Some(OpOutcome::Ok))], false).finding, None);
    }

    #[test]
    fn an_owner_that_lost_a_join_with_its_disk_need_not_ask_that_backend() {
        let without_c = |taken: u64| {
            let mut scenario = restored("a", taken);
            for team in scenario.conversations.values_mut() {
                team.delivery = Delivery::M1;
                team.members.retain(|member| member == "bob");
            }
            let mut fake = Fake::ready();
            fake.waits(10);
            fake.note(&joins(None));
            fake.note(&joins(Some(OpOutcome::Ok)));
            fake.waits(1);
            fake.begins_fault(0);
            fake.waits(1);
            fake.sends("alice/1", "m1");
            let body = json!({"event": pdu("m1"), "devices": {}});
            fake.exchange(("a", "b"), PREPARE, &body, &json!({"vote": "yes"}));
            fake.syncs("a");
            fake.sees("alice/1", "m1");
            fake.judged_in(&scenario, judge).finding
        };
        assert_eq!(without_c(5), None);
        assert!(without_c(11).is_some());
    }
}
