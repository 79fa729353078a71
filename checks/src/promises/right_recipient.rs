//! `right-recipient`: a message is seen only by devices of its conversation's members, and in its
//! own room; nobody else is told that somebody types there, and nobody is told that of who does not;
//! nobody is answered in a session that is over; and nobody gets another server's mail from a relay.

use crate::{
    Finding, Judgment,
    history::{Exchange, History, Message, Sighting, pdu::local_part, user_of},
};

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("sightings");
    for sighting in &history.sightings {
        let message = sighting.message.as_deref().and_then(|name| history.message(name));
        let Some(message) = message else { continue };
        judgment.judged += 1;
        if let Some(sentence) = misled(history, message, sighting) {
            judgment.found(Finding::about(history, message, sighting.at.at, sentence));
        }
    }
    judge_typing(history, &mut judgment);
    judge_sessions(history, &mut judgment);
    for (at, trespass) in &history.trespasses {
        judgment.judged += 1;
        if trespass.status == Some(200) {
            let sentence =
                format!("{} gave a stranger the mail of {}", trespass.relay, trespass.victim);
            judgment.found(Finding::new(at.at, sentence, vec![at.n]));
        }
    }
    judgment
}

/// Judges that only members of a conversation are told who types there, and only of who does.
fn judge_typing(history: &History<'_>, judgment: &mut Judgment) {
    for (at, seen) in &history.typing_seen {
        if !history.has_honest_backend(&seen.device) {
            continue;
        }
        judgment.judged += 1;
        let room = history.rooms.iter().find(|(_, room)| **room == seen.room);
        let name = local_part(&seen.user);
        let (device, user) = (&seen.device, &seen.user);
        let sentence = match room {
            Some((conversation, _)) => {
                let begun = history.typing.iter().find(|(began, typing)| {
                    began.n < at.n && typing.user == name && typing.conversation == *conversation
                });
                let is_member =
                    |began: u64| history.may_be_member(user_of(device), conversation, began, at.n);
                match begun {
                    None => format!(
                        "{device} was told that {user} types in {conversation}, who does not"
                    ),
                    Some((began, _)) if !is_member(began.n) => {
                        format!(
                            "{device} was told who types in {conversation} and is no member of it"
                        )
                    }
                    Some(_) => continue,
                }
            }
            None => format!("{device} was told who types in a room that nobody made"),
        };
        judgment.found(Finding::new(at.at, sentence, vec![at.n]));
    }
}

/// Judges that a device that was told to have logged out is answered nothing in its session any more.
/// A backend that was set back to a time before may not know.
fn judge_sessions(history: &History<'_>, judgment: &mut Judgment) {
    for (device, (_, ended)) in &history.logouts {
        let backend = history.backend_of(device);
        let Some(ended) = ended else { continue };
        if !history.is_honest(backend) || !history.keeps_its_disk(backend) {
            continue;
        }
        let later = |it: &&Exchange<'_>| it.from == *device && it.sent.n > ended.n;
        for exchange in history.exchanges.iter().filter(later) {
            judgment.judged += 1;
            if exchange.is_accepted() {
                let sentence = format!("{backend} answered {device}, which had logged out");
                let finding = Finding::new(exchange.sent.at, sentence, exchange.evidence());
                judgment.found(finding);
            }
        }
    }
}

fn misled(history: &History<'_>, message: &Message, sighting: &Sighting) -> Option<String> {
    let conversation = &message.conversation;
    let (device, name) = (&sighting.device, &message.name);
    let (sent, seen) = (message.began.n, sighting.at.n);
    if !history.may_be_member(user_of(device), conversation, sent, seen) {
        return Some(format!("{device} saw {name} of {conversation} and is no member of it"));
    }
    let room = history.rooms.get(conversation)?;
    (*room != sighting.room)
        .then(|| format!("{device} saw {name} elsewhere than in {conversation}"))
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::Delivery;
    use serde_json::json;

    use super::judge;
    use crate::{
        history::{
            Note,
            fake::{Fake, scenario},
        },
        record::OpOutcome,
    };

    fn sentence(fake: Fake) -> Option<String> {
        let mut scenario = scenario(Delivery::Eventual);
        scenario.users.insert("dave".to_owned(), scenario.users["bob"].clone());
        fake.judged_in(&scenario, judge).finding.map(|finding| finding.sentence)
    }

    fn seen_by(device: &str, room: &str) -> Option<String> {
        let mut fake = Fake::ready();
        fake.sent_ok("alice/1", "m1");
        fake.sees_event(device, "m1", "$m1", room);
        sentence(fake)
    }

    #[test]
    fn only_members_see_it_and_only_in_its_room() {
        assert_eq!(seen_by("bob/1", "!team"), None);
        let stranger = "dave/1 saw m1 of team and is no member of it";
        assert_eq!(seen_by("dave/1", "!team").as_deref(), Some(stranger));
        let room = "bob/1 saw m1 elsewhere than in team";
        assert_eq!(seen_by("bob/1", "!other").as_deref(), Some(room));
    }

    #[test]
    fn who_has_logged_out_is_answered_nothing() {
        let answered = |status: u16| {
            let mut fake = Fake::ready();
            fake.note(&Note::LogoutBegan { device: "bob/1".to_owned() });
            let (device, outcome) = ("bob/1".to_owned(), OpOutcome::Ok);
            fake.note(&Note::LogoutEnded { device, outcome });
            let request = fake.request("bob/1", "b", "GET /notifications", &json!({}));
            fake.answer(request, status, &json!({}));
            sentence(fake)
        };
        assert_eq!(answered(401), None);
        let broken = "b answered bob/1, which had logged out";
        assert_eq!(answered(200).as_deref(), Some(broken));
    }

    #[test]
    fn who_types_is_told_to_members_and_of_who_does() {
        let told = |device: &str, user: &str| {
            let mut fake = Fake::ready();
            let (typing, conversation) = ("alice".to_owned(), "team".to_owned());
            fake.note(&Note::TypingBegan { user: typing, conversation });
            let (device, user, room) = (device.to_owned(), user.to_owned(), "!team".to_owned());
            fake.note(&Note::TypingSeen { device, user, room });
            sentence(fake)
        };
        assert_eq!(told("bob/1", "@alice:a"), None);
        assert!(told("dave/1", "@alice:a").is_some_and(|it| it.contains("no member")));
        assert!(told("bob/1", "@carol:c").is_some_and(|it| it.contains("who does not")));
    }

    #[test]
    fn who_left_before_it_was_sent_does_not_see_it() {
        let bob_leaves = |outcome| {
            let (user, conversation) = ("bob".to_owned(), "team".to_owned());
            let mut fake = Fake::ready();
            fake.note(&Note::LeaveBegan { user: user.clone(), conversation: conversation.clone() });
            fake.note(&Note::LeaveEnded { user, conversation, outcome });
            fake.sent_ok("alice/1", "m1");
            fake.sees("bob/1", "m1");
            sentence(fake)
        };
        assert!(bob_leaves(OpOutcome::Ok).is_some());
        assert_eq!(bob_leaves(OpOutcome::Indefinite), None);
    }

    #[test]
    fn a_stranger_is_given_nothing() {
        let answered = |status| {
            let (relay, victim) = ("r1".to_owned(), "b".to_owned());
            let mut fake = Fake::ready();
            fake.note(&Note::Trespassed { relay, victim, entry_id: 0, status: Some(status) });
            sentence(fake)
        };
        assert_eq!(answered(403), None);
        assert_eq!(answered(200).as_deref(), Some("r1 gave a stranger the mail of b"));
    }
}
