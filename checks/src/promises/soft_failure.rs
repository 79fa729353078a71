//! `soft-failure`: what comes to a backend after the sender was removed there is shown to nobody,
//! although it was allowed where it stands (server-server API, "Soft failure").
//!
//! Judged is the backend of who removes, from when that one was told that it is done, and only where
//! nothing can undo it: the creator of an `eventual` conversation removes, nobody's power changes,
//! and who was removed does not try to come back. This check alone finds
//! `soft-failed-event-is-shown`.

use scenarios::scenario::{Delivery, OpKind};

use crate::{
    Finding, Judgment,
    history::{History, Message, Moment, Note},
    record::OpOutcome,
};

/// Somebody was removed for good, as the backend of the one who did it said.
struct Removal {
    user: String,
    conversation: String,
    backend: String,
    told: Moment,
}

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("late messages");
    for removal in removals(history) {
        let Removal { user, conversation, backend, told } = &removal;
        let of_them = |it: &&Message| it.sender() == user && it.conversation == *conversation;
        for message in history.messages.iter().filter(of_them) {
            if came_before(history, message, backend, *told) {
                continue;
            }
            judgment.judged += 1;
            let seen = history.sightings_of(&message.name);
            let mut seen = seen.filter(|it| history.backend_of(&it.device) == backend);
            if let Some(sighting) = seen.next() {
                let sentence = format!(
                    "{} saw {}, which came to {backend} after {user} was removed there",
                    sighting.device, message.name
                );
                judgment.found(Finding::about(history, message, sighting.at.at, sentence));
            }
        }
    }
    judgment
}

/// Returns the removals that nothing can undo, at honest backends whose disks were not set back.
fn removals(history: &History<'_>) -> Vec<Removal> {
    let ends =
        history.notes("removal-ended").filter_map(|(told, _, body)| {
            match Note::from_parts("removal-ended", body)? {
                Note::RemovalEnded { user, by, conversation, outcome: OpOutcome::Ok } => {
                    let backend = history.backend_of(&by).to_owned();
                    Some((by, Removal { user, conversation, backend, told }))
                }
                _ => None,
            }
        });
    let is_final = |(by, removal): &(String, Removal)| {
        let Removal { user, conversation, backend, .. } = removal;
        let known = history.scenario.conversations.get(conversation);
        let is_owners =
            known.is_some_and(|known| known.creator == *by && known.delivery == Delivery::Eventual);
        let mut ops = history.scenario.ops.iter();
        let comes_back = history.joins.iter().any(|join| {
            join.user == *user
                && join.conversation == *conversation
                && join.ended.is_none_or(|ended| ended > began(history, removal))
        });
        is_owners
            && !comes_back
            && !ops.any(|op| is_power(&op.kind, conversation))
            && history.backend_of(user) != backend
            && history.is_honest(backend)
            && history.has_honest_backend(user)
            && history.keeps_its_disk(backend)
    };
    ends.filter(is_final).map(|(_, removal)| removal).collect()
}

/// Returns when the first removal of that user from that conversation began.
fn began(history: &History<'_>, removal: &Removal) -> u64 {
    let stays = history
        .memberships
        .iter()
        .filter(|stay| stay.user == removal.user && stay.conversation == removal.conversation);
    stays.filter_map(|stay| stay.removed_from).min().unwrap_or_default()
}

fn is_power(kind: &OpKind, conversation: &str) -> bool {
    matches!(kind, OpKind::Power { conversation: of, .. } if of == conversation)
}

/// Returns whether anything that carried a message came to the backend before that moment.
fn came_before(history: &History<'_>, message: &Message, backend: &str, moment: Moment) -> bool {
    let mut came = history.carriers_of(&message.name).filter_map(|it| it.came_to(backend));
    came.any(|came| came < moment)
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::{Delivery, Op, OpKind};
    use serde_json::json;

    use super::judge;
    use crate::{
        Judgment,
        history::{
            Note,
            fake::{Fake, scenario, transaction},
        },
        record::OpOutcome,
    };

    fn removes(fake: &mut Fake, by: &str) {
        let note = |ended: Option<OpOutcome>| {
            let (user, by) = ("bob".to_owned(), by.to_owned());
            let conversation = "team".to_owned();
            match ended {
                None => Note::RemovalBegan { user, by, conversation },
                Some(outcome) => Note::RemovalEnded { user, by, conversation, outcome },
            }
        };
        fake.note(&note(None));
        fake.note(&note(Some(OpOutcome::Ok)));
    }

    fn comes(fake: &mut Fake) {
        let what = "PUT /_matrix/federation/v1/send/1";
        fake.exchange(("b", "a"), what, &transaction("m1"), &json!({}));
    }

    fn judged(happens: impl FnOnce(&mut Fake)) -> Judgment {
        let mut fake = Fake::ready();
        fake.sent_ok("bob/1", "m1");
        happens(&mut fake);
        fake.sees("alice/1", "m1");
        fake.judged(Delivery::Eventual, judge)
    }

    #[test]
    fn what_comes_after_the_removal_of_its_sender_is_not_shown() {
        let late = judged(|fake| {
            removes(fake, "alice");
            comes(fake);
        });
        let expected = "alice/1 saw m1, which came to a after bob was removed there";
        assert_eq!(late.finding.expect("a violation").sentence, expected);
        let early = judged(|fake| {
            comes(fake);
            removes(fake, "alice");
        });
        assert_eq!((early.judged, early.finding), (0, None));
    }

    #[test]
    fn a_removal_that_may_be_undone_is_not_judged() {
        let by_carol = judged(|fake| {
            removes(fake, "carol");
            comes(fake);
        });
        assert_eq!(by_carol.judged, 0);
        let back = judged(|fake| {
            removes(fake, "alice");
            let (user, conversation) = ("bob".to_owned(), "team".to_owned());
            fake.note(&Note::JoinBegan { user, conversation });
            comes(fake);
        });
        assert_eq!(back.judged, 0);
    }

    #[test]
    fn where_power_changes_nothing_is_judged() {
        let mut powers = scenario(Delivery::Eventual);
        let (user, by) = ("carol".to_owned(), "alice".to_owned());
        let kind = OpKind::Power { user, level: 50, by, conversation: "team".to_owned() };
        powers.ops.push(Op::once(std::time::Duration::from_secs(1), kind));
        let mut fake = Fake::ready();
        fake.sent_ok("bob/1", "m1");
        removes(&mut fake, "alice");
        comes(&mut fake);
        assert_eq!(fake.judged_in(&powers, judge).judged, 0);
    }
}
