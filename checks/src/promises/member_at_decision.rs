//! `member-at-decision`: once everything has settled, a message of an `m1` conversation that was
//! decided for was seen by everybody who joined while the votes were collected, and stayed. Whoever
//! could not have it all the same, as by a backend that forgot the join, is excused.
//!
//! The journal does not show the decision itself. It lies behind the last vote, and before anything
//! follows from it; so whoever has certainly joined when the last vote arrives is a member at the
//! decision. `all-or-nothing` asks for those who were members when the message was sent. This check
//! alone finds `m1-newcomer-is-left-out`.

use scenarios::scenario::Delivery;

use crate::{
    Finding, Judgment,
    history::{History, Message},
    judgment::{expected_devices_since, is_final},
    reachability::excuse,
    record::OpOutcome,
};

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("newcomers");
    let promised = |message: &&Message| {
        history.delivery(&message.conversation) == Delivery::M1
            && history.is_honest(history.owner_of(&message.conversation))
    };
    for message in history.messages.iter().filter(promised) {
        let Some(decision) = last_vote(history, message) else { continue };
        let before = expected_devices_since(history, message, message.began.n);
        let mut newcomers = expected_devices_since(history, message, decision);
        newcomers.retain(|device| !before.contains(device));
        judgment.judged += newcomers.len() as u64;
        newcomers.retain(|device| history.first_sight(&message.name, device).is_none());
        judgment.excuse(&mut newcomers, |device| excuse(history, message, device));
        let Some(missing) = newcomers.first() else { continue };
        let sentence = format!(
            "{missing} had joined before {} decided for {}, and never saw it",
            history.owner_of(&message.conversation),
            message.name
        );
        if is_final(history) {
            let at = message.ended.as_ref().map_or(message.began, |ended| ended.at);
            judgment.found(Finding::about(history, message, at.at, sentence));
        } else {
            judgment.cannot_tell(format!("{sentence}, but the world had not settled"));
        }
    }
    judgment
}

/// Returns the entry at which the last vote arrived before anything followed from the decision for
/// the message; none if nobody was asked, or if it was not decided for.
fn last_vote(history: &History<'_>, message: &Message) -> Option<u64> {
    let owner = history.owner_of(&message.conversation);
    let is_commit = |body: &serde_json::Value| body["decision"] == "commit";
    let told = history.carriers_of(&message.name).filter(|it| {
        it.endpoint == "decision" && it.from == owner && it.request_json().is_some_and(is_commit)
    });
    let told = told.map(|it| it.sent.n).min();
    let seen = history.sightings_of(&message.name).map(|sighting| sighting.at.n).min();
    let ended = message.ended.as_ref().filter(|ended| ended.outcome == OpOutcome::Ok);
    let ended = ended.map(|ended| ended.at.n);
    let followed = [told, seen, ended].into_iter().flatten().min()?;
    let votes = history.carriers_of(&message.name).filter(|it| it.endpoint == "prepare");
    let arrived = votes.filter_map(|vote| Some(vote.answer_arrived?.n));
    arrived.filter(|n| *n < followed).max()
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::{Delivery, User};
    use serde_json::json;

    use super::judge;
    use crate::{
        Judgment,
        history::{
            Note,
            fake::{Fake, pdu, scenario},
        },
        record::OpOutcome,
    };

    const PREPARE: &str = "PUT /_matrix/federation/unstable/org.fedsim.m1/prepare/!team/$m1";

    /// Lets dora at `d` join while `m1` is voted on, before or after the last vote.
    fn joining(before_last_vote: bool, outcome: OpOutcome, seen_by: &[&str]) -> Judgment {
        let mut scenario = scenario(Delivery::M1);
        let dora = User { backend: "d".to_owned(), ..scenario.users["bob"].clone() };
        scenario.users.insert("dora".to_owned(), dora);
        let mut fake = Fake::ready();
        fake.sends("alice/1", "m1");
        for is_now in [before_last_vote, !before_last_vote] {
            if is_now {
                let (user, conversation) = ("dora".to_owned(), "team".to_owned());
                let (who, place) = (user.clone(), conversation.clone());
                fake.note(&Note::JoinBegan { user: who, conversation: place });
                fake.note(&Note::JoinEnded { user, conversation, outcome });
            } else {
                let body = json!({"event": pdu("m1"), "devices": {}});
                fake.exchange(("a", "b"), PREPARE, &body, &json!({"vote": "yes"}));
            }
        }
        fake.ends("m1", OpOutcome::Ok);
        for device in seen_by {
            fake.sees(device, "m1");
        }
        fake.note(&Note::Settled { pending: Vec::new() });
        fake.note(&Note::Finished {});
        fake.judged_in(&scenario, judge)
    }

    #[test]
    fn who_joined_before_the_last_vote_sees_the_message() {
        let good = joining(true, OpOutcome::Ok, &["bob/1", "dora/1"]);
        assert_eq!((good.judged, good.finding), (1, None));
        let bad = joining(true, OpOutcome::Ok, &["bob/1"]).finding.expect("a violation");
        assert_eq!(bad.sentence, "dora/1 had joined before a decided for m1, and never saw it");
    }

    #[test]
    fn who_joined_after_it_or_perhaps_not_at_all_is_promised_nothing() {
        assert_eq!(joining(false, OpOutcome::Ok, &[]).judged, 0);
        assert_eq!(joining(true, OpOutcome::Indefinite, &[]).judged, 0);
        assert_eq!(joining(true, OpOutcome::Refused, &[]).judged, 0);
    }
}
