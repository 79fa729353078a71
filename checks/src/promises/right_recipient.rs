//! `right-recipient`: a message is seen only by devices of its conversation's members, and in its
//! own room; and nobody gets another server's mail from a relay.

use crate::{
    Finding, Judgment,
    history::{History, Message, Sighting, user_of},
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
