//! `membership-holds`: in the end, a user's own backend counts the user as a member of a conversation
//! if that was what it said last, and not if it said last that the user is out.
//!
//! A join or a leave that was answered is a promise. Two branches of a room may each have another
//! membership of one user, and state resolution then takes one of them; but what the same user did one
//! after the other, each time with an answer, is in order. So whoever may have been removed by somebody
//! else is left out, and whoever may be in as well as out because an answer was lost. Which of two
//! memberships counts goes by their dates (Matrix, rooms of version 2 and later), so that nobody is
//! judged where a clock is wrong; and a disk that was lost may have lost either.
//!
//! As long as nobody says anything afterwards, nobody sees a message that is not for him, or misses one.
//! So this check alone finds `leave-is-answered-before-it-is-stored` there.

use std::collections::BTreeSet;

use scenarios::scenario::OpKind;

use super::queues_drained::at_the_end;
use crate::{
    Judgment,
    history::{History, has_its_power_changed},
};

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("memberships");
    let Some((settled, _)) = history.settled.as_ref().filter(|_| can_be_judged(history)) else {
        return judgment;
    };
    let known: BTreeSet<(&String, &String)> =
        history.memberships.iter().map(|stay| (&stay.conversation, &stay.user)).collect();
    for (conversation, user) in known {
        let backend = history.backend_of(user);
        let owner = history.owner_of(conversation);
        let is_honest = history.is_honest(backend) && history.is_honest(owner);
        if !is_honest || is_decided_otherwise(history, conversation) {
            continue;
        }
        let is_in = history.lasting_members(conversation, settled.n).contains(&user.as_str());
        let may_be_in = history.may_be_member(user, conversation, settled.n, u64::MAX);
        let place = (backend.to_owned(), conversation.clone());
        let counts = history.finals.members.get(&place).is_some_and(|it| it.contains(user));
        judgment.judged += u64::from(is_in || !may_be_in);
        let wrong = match (is_in, may_be_in, counts) {
            (true, _, false) => "joined, and is no member of",
            (_, false, true) => "left, and is a member of",
            _ => continue,
        };
        let sentence =
            format!("{backend} said that {user} {wrong} {conversation} there in the end");
        judgment.found(at_the_end(history, sentence));
    }
    judgment
}

/// Returns whether everything was read, by clocks that are right, from disks that are whole.
fn can_be_judged(history: &History<'_>) -> bool {
    let is_read = history.finals.complete && history.finals.unread.is_empty();
    let is_right = history.scenario.backends.keys().all(|backend| history.keeps_time(backend));
    is_read && is_right && history.losses.is_empty()
}

/// Returns whether somebody changes what decides about who may be in a conversation: the power of its
/// creator, who invites everybody, or that state itself.
fn is_decided_otherwise(history: &History<'_>, conversation: &str) -> bool {
    let scenario = history.scenario;
    let creator = scenario.conversations.get(conversation).map(|known| &known.creator);
    let mut ops = scenario.ops.iter().map(|op| &op.kind);
    creator.is_some_and(|creator| has_its_power_changed(scenario, conversation, creator))
        || ops.any(|op| {
            let decides = |kind: &str| DECIDING.contains(&kind);
            op.conversation() == Some(conversation)
                && matches!(op, OpKind::State { kind, .. } if decides(kind))
        })
}

/// The types of state that decide about who may be in a room (Matrix, "Authorization rules").
const DECIDING: [&str; 3] = ["m.room.member", "m.room.join_rules", "m.room.power_levels"];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use scenarios::scenario::{Delivery, Op, OpKind};

    use super::judge;
    use crate::{
        history::{
            Note,
            fake::{Fake, restored, scenario},
        },
        record::OpOutcome,
    };

    /// Lets bob leave, and come back if he `returns`; `b` counts these as members in the end.
    fn ending(returns: Option<OpOutcome>, members: &[&str]) -> Fake {
        let (user, conversation) = ("bob".to_owned(), "team".to_owned());
        let who = || (user.clone(), conversation.clone());
        let mut fake = Fake::ready();
        let ((user, conversation), outcome) = (who(), OpOutcome::Ok);
        fake.note(&Note::LeaveBegan { user: user.clone(), conversation: conversation.clone() });
        fake.note(&Note::LeaveEnded { user, conversation, outcome });
        if let Some(outcome) = returns {
            let (user, conversation) = who();
            fake.note(&Note::JoinBegan { user: user.clone(), conversation: conversation.clone() });
            fake.note(&Note::JoinEnded { user, conversation, outcome });
        }
        fake.note(&Note::Settled { pending: Vec::new() });
        fake.members_at_end("b", members);
        for (backend, user) in [("a", "alice"), ("c", "carol")] {
            fake.members_at_end(backend, &[user]);
        }
        fake.note(&Note::Finished {});
        fake
    }

    fn sentence(returns: Option<OpOutcome>, members: &[&str]) -> Option<String> {
        let judged = ending(returns, members).judged(Delivery::Eventual, judge);
        judged.finding.map(|finding| finding.sentence)
    }

    #[test]
    fn who_comes_back_with_an_answer_is_a_member_in_the_end() {
        let back = Some(OpOutcome::Ok);
        assert_eq!(sentence(back, &["bob"]), None);
        let lost = "b said that bob joined, and is no member of team there in the end";
        assert_eq!(sentence(back, &[]).as_deref(), Some(lost));
    }

    #[test]
    fn who_left_with_an_answer_is_none() {
        assert_eq!(sentence(None, &[]), None);
        let kept = "b said that bob left, and is a member of team there in the end";
        assert_eq!(sentence(None, &["bob"]).as_deref(), Some(kept));
    }

    /// Lets alice remove bob, with the power of `whose` changed, and `b` count him as a member.
    fn removed_and_in(whose: &str) -> bool {
        let mut powers = scenario(Delivery::Eventual);
        let (user, by, conversation) = (whose.to_owned(), "alice".to_owned(), "team".to_owned());
        let kind = OpKind::Power { user, level: 100, by: by.clone(), conversation };
        powers.ops.push(Op::once(Duration::from_secs(1), kind));
        let (user, conversation) = ("bob".to_owned(), "team".to_owned());
        let mut fake = Fake::ready();
        fake.note(&Note::RemovalBegan {
            user: user.clone(),
            by: by.clone(),
            conversation: conversation.clone(),
        });
        fake.note(&Note::RemovalEnded { user, by, conversation, outcome: OpOutcome::Ok });
        fake.note(&Note::RemovalSeen { user: "bob".to_owned(), room: "!team".to_owned() });
        fake.note(&Note::Settled { pending: Vec::new() });
        fake.members_at_end("a", &["alice"]);
        fake.members_at_end("b", &["bob"]);
        fake.members_at_end("c", &["carol"]);
        fake.note(&Note::Finished {});
        fake.judged_in(&powers, judge).finding.is_some()
    }

    #[test]
    fn who_is_removed_and_is_given_power_may_be_either() {
        assert!(removed_and_in("carol") && !removed_and_in("bob"));
    }

    #[test]
    fn who_was_not_answered_may_be_either() {
        let unknown = Some(OpOutcome::Indefinite);
        assert_eq!((sentence(unknown, &["bob"]), sentence(unknown, &[])), (None, None));
    }

    #[test]
    fn a_disk_that_was_lost_may_have_lost_either() {
        let finding = |scenario| {
            let mut fake = ending(Some(OpOutcome::Ok), &[]);
            fake.begins_fault(0);
            fake.judged_in(&scenario, judge).finding
        };
        assert_eq!(finding(restored("b", 0)), None);
        assert!(finding(scenario(Delivery::Eventual)).is_some());
    }
}
