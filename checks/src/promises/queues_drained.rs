//! `queues-drained`: in the end, no homeserver has anything left to send, is in doubt, or has a join that
//! is neither done nor withdrawn.
//!
//! Whoever voted for an `m1` message whose owner has lost its disk, and its decision with it, is in
//! doubt for ever; and an owner has a commit for ever for a member that has lost its disk, and its vote
//! with it, or what it was told before anybody heard that, as long as that counts as a member. Nor can a
//! join be taken back through who has lost its disk since. All are excused, for as many as there can be.

use crate::{Finding, Judgment, history::History, reachability::never_done};

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("homeservers");
    let tells = |it: &&String| history.is_honest(it) && !history.finals.untold.contains(*it);
    for backend in history.scenario.backends.keys().filter(tells) {
        let Some(pending) = history.finals.queues.get(backend) else {
            judgment.cannot_tell(format!("the queues of {backend} could not be read"));
            continue;
        };
        judgment.judged += 1;
        for (what, count) in pending {
            if let Some(excuse) = never_done(history, backend, (what, *count)) {
                judgment.excused.push(excuse);
                continue;
            }
            let sentence = format!("{backend} still has {count} pending: {what}");
            judgment.found(at_the_end(history, sentence));
            break;
        }
    }
    judgment
}

/// Returns a finding about how things were when the time to settle was over.
pub(super) fn at_the_end(history: &History<'_>, sentence: String) -> Finding {
    let end = history.settled.as_ref().map(|(at, _)| *at);
    let at = end.map_or(std::time::Duration::ZERO, |end| end.at);
    Finding::new(at, sentence, end.map(|end| end.n).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::Delivery;
    use serde_json::json;

    use super::judge;
    use crate::history::{
        Note,
        fake::{Fake, pdu, restored},
    };

    #[test]
    fn a_homeserver_has_nothing_to_send_in_the_end() {
        let left = |entries: &[(&str, u64)]| {
            let mut fake = Fake::ready();
            for backend in ["a", "b", "c"] {
                let of_a = entries.iter().filter(|_| backend == "a");
                let pending = of_a.map(|&(to, n)| (to.to_owned(), n)).collect();
                fake.note(&Note::FinalQueues {
                    backend: backend.to_owned(),
                    pending: Some(pending),
                });
            }
            fake.judged(Delivery::Eventual, judge)
        };
        assert_eq!((left(&[]).judged, left(&[]).finding), (3, None));
        let finding = left(&[("b", 3)]).finding.expect("a violation");
        assert_eq!(finding.sentence, "a still has 3 pending: b");
    }

    #[test]
    fn a_homeserver_that_tells_nobody_is_not_asked() {
        let mut fake = Fake::ready();
        for backend in ["a", "b", "c"] {
            fake.note(&Note::Untold { backend: backend.to_owned() });
        }
        let judgment = fake.judged(Delivery::Eventual, judge);
        assert_eq!((judgment.judged, judgment.unknown), (0, None));
    }

    #[test]
    fn who_is_in_doubt_about_an_owner_that_lost_its_disk_is_excused_for_what_it_voted_on() {
        let left = |node: &str, doubts: u64, is_told: bool| {
            let path = "/_matrix/federation/unstable/org.fedsim.m1";
            let mut fake = Fake::ready();
            fake.waits(10);
            let (vote, body) = (json!({"vote": "yes"}), json!({"event": pdu("m1"), "devices": {}}));
            fake.exchange(("a", "b"), &format!("PUT {path}/prepare/!team/$m1"), &body, &vote);
            if is_told {
                let commit = json!({"decision": "commit"});
                let what = format!("PUT {path}/decision/!team/$m1");
                fake.exchange(("a", "b"), &what, &commit, &json!({}));
            }
            fake.begins_fault(0);
            for backend in ["a", "b", "c"] {
                let of_b = (backend == "b").then(|| ("in doubt about a".to_owned(), doubts));
                let pending = Some(of_b.into_iter().collect());
                fake.note(&Note::FinalQueues { backend: backend.to_owned(), pending });
            }
            fake.judged_in(&restored(node, 5), judge)
        };
        let excused = left("a", 1, false);
        assert_eq!(excused.finding, None);
        assert_eq!(excused.excused, ["b stays in doubt about a, which lost its disk at 10.005s"]);
        assert!(left("a", 2, false).finding.is_some());
        assert!(left("a", 1, true).finding.is_some());
        assert!(left("c", 1, false).finding.is_some());
    }

    #[test]
    fn who_forgot_with_its_disk_what_it_was_told_is_excused_unless_somebody_heard_that() {
        let left = |is_heard: bool| {
            let path = "/_matrix/federation/unstable/org.fedsim.m1";
            let mut fake = Fake::ready();
            fake.waits(10);
            let (vote, body) = (json!({"vote": "yes"}), json!({"event": pdu("m1"), "devices": {}}));
            fake.exchange(("a", "b"), &format!("PUT {path}/prepare/!team/$m1"), &body, &vote);
            let commit = json!({"decision": "commit"});
            let told = fake.request("a", "b", &format!("PUT {path}/decision/!team/$m1"), &commit);
            let answer = fake.answer(told, 200, &json!({}));
            if is_heard {
                fake.arrive(told, answer);
            }
            fake.begins_fault(0);
            for backend in ["a", "b", "c"] {
                let of_a = (backend == "a").then(|| ("commits for b".to_owned(), 1));
                let pending = Some(of_a.into_iter().collect());
                fake.note(&Note::FinalQueues { backend: backend.to_owned(), pending });
            }
            fake.judged_in(&restored("b", 5), judge)
        };
        let excused = left(false);
        assert_eq!(excused.finding, None);
        assert_eq!(excused.excused, ["a keeps commits for b, which lost its disk at 10.008s"]);
        assert!(left(true).finding.is_some(), "a has nothing to keep");
    }

    #[test]
    fn a_join_through_who_lost_its_disk_since_cannot_be_taken_back() {
        let left = |node: &str| {
            let mut fake = Fake::ready();
            fake.waits(10);
            let join = "PUT /_matrix/federation/v2/send_join/!team/$join";
            fake.request("a", "b", join, &json!({}));
            fake.begins_fault(0);
            for backend in ["a", "b", "c"] {
                let of_a = (backend == "a").then(|| ("joins through b".to_owned(), 1));
                let pending = Some(of_a.into_iter().collect());
                fake.note(&Note::FinalQueues { backend: backend.to_owned(), pending });
            }
            fake.judged_in(&restored(node, 5), judge)
        };
        let excused = left("b");
        assert_eq!(excused.finding, None);
        assert_eq!(excused.excused, ["a keeps joins through b, which lost its disk at 10.002s"]);
        assert!(left("c").finding.is_some());
    }
}
