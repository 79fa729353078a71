//! `acknowledged-survives`: an event that a homeserver acknowledged, to a client, to another server
//! or to its relay, is still there in the end.
//!
//! A homeserver may accept an event from another server and yet not keep it in the room: its sender
//! may have been leaving, or state resolution may have put something else in its place. So messages
//! are judged only if their senders stay members, and other events only if they are part of the
//! state that their own sender's backend has in the end, and nobody changes the power that allows
//! them, and not where a removal of their sender came first. What is acknowledged while the end is read
//! may come after the reading, and is not judged; nor is what a backend acknowledged whose disk was
//! lost after that, if nobody led it back who still has it. Nor is an `m1` message that its sender's
//! backend has on the word of an owner that lost its decision, with its disk, before it told the
//! members; nor one that comes by itself, through a relay, which may be refused without a word.

use scenarios::scenario::Delivery;

use crate::{
    Finding, Judgment,
    history::{Exchange, History, Moment, PduFacts, mail::Mail},
    reachability::{is_disputed, is_forgotten, soft_failed, untold_decision},
    record::OpOutcome,
};

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("acknowledged events");
    judge_sends(history, &mut judgment);
    for exchange in &history.exchanges {
        match exchange.endpoint {
            "send" if exchange.is_accepted() => {
                judge_transaction(history, &mut judgment, exchange);
            }
            "decision" | "on_message_sent" if exchange.is_accepted() => {
                judge_message(history, &mut judgment, exchange);
            }
            _ => {}
        }
    }
    judge_retrievals(history, &mut judgment);
    judgment
}

/// Judges that what a client was told is sent is at its backend.
fn judge_sends(history: &History<'_>, judgment: &mut Judgment) {
    for (message, ended) in history.ended(OpOutcome::Ok) {
        let Some(event) = &ended.event else { continue };
        let backend = history.backend_of(&message.device);
        if let Some(excuse) = untold_decision(history, message, backend) {
            judgment.excused.push(excuse);
            continue;
        }
        let at = (backend, message.conversation.as_str());
        let what = format!("acknowledged {}", message.name);
        judge_event(history, judgment, at, event, (ended.at, &what));
    }
}

/// Judges that the PDUs of an answered transaction are there, except those that the answer has an
/// error for.
fn judge_transaction(history: &History<'_>, judgment: &mut Judgment, exchange: &Exchange<'_>) {
    for pdu in exchange.pdus().iter().filter(|pdu| !exchange.refuses(&pdu.event)) {
        judge_pdu(history, judgment, exchange, pdu);
    }
}

fn judge_pdu(
    history: &History<'_>,
    judgment: &mut Judgment,
    exchange: &Exchange<'_>,
    pdu: &PduFacts,
) {
    let room = history.rooms.iter().find(|(_, room)| **room == pdu.room);
    let (Some((conversation, _)), Some(answer)) = (room, exchange.answer) else { return };
    if is_to_stay(history, conversation, pdu) {
        let what = format!("acknowledged {} to {}", pdu.what, exchange.from);
        let at = (exchange.to, conversation.as_str());
        judge_event(history, judgment, at, &pdu.event, (answer.sent, &what));
    }
}

/// Returns whether the server that accepted an event from another one must keep it. What a
/// dishonest server sends may build on what nobody accepts.
fn is_to_stay(history: &History<'_>, conversation: &str, pdu: &PduFacts) -> bool {
    if !history.is_honest(&pdu.origin) {
        return false;
    }
    if let Some(name) = &pdu.message {
        return history.message(name).is_some_and(|message| {
            history.lasting_members(conversation, message.began.n).contains(&message.sender())
        });
    }
    !is_disputed(history, conversation, pdu)
        && is_state_of(history, conversation, &pdu.origin, &pdu.event)
}

/// Returns whether an event is part of the state that a backend has in the end.
fn is_state_of(history: &History<'_>, conversation: &str, backend: &str, event: &str) -> bool {
    let states = history.finals.states.get(conversation);
    let state = states.and_then(|states| states.get(backend));
    state.is_some_and(|state| state.values().any(|known| known == event))
}

/// Judges that a message that a backend was told to show, and said that it shows, is there.
fn judge_message(history: &History<'_>, judgment: &mut Judgment, exchange: &Exchange<'_>) {
    let is_abort = exchange.request_json().is_some_and(|body| body["decision"] == "abort");
    let [room, event]: [String; 2] = match exchange.arguments().try_into() {
        Ok(arguments) if !is_abort => arguments,
        _ => return,
    };
    let room = history.rooms.iter().find(|(_, known)| **known == room);
    let (Some((conversation, _)), Some(answer)) = (room, exchange.answer) else { return };
    let name = history.name_of(&event).unwrap_or(&event);
    let what = format!("acknowledged {name} to {}", exchange.from);
    judge_event(history, judgment, (exchange.to, conversation), &event, (answer.sent, &what));
}

/// Judges that what a homeserver told its relay to forget is there.
fn judge_retrievals(history: &History<'_>, judgment: &mut Judgment) {
    let mail = Mail::read(history);
    for handout in &mail.handouts {
        let Some(acknowledgment) = mail.acknowledgments_of(handout).next() else { continue };
        for pdu in handout.pdus() {
            let room = history.rooms.iter().find(|(_, room)| **room == pdu.room);
            let Some((conversation, _)) = room else { continue };
            // An `m1` message is shown on its owner's word alone. Whoever refuses one that comes by
            // itself tells a sender so, and has nobody to tell when it was left at a relay.
            let is_m1 = history.delivery(conversation) != Delivery::Eventual;
            if (is_m1 && pdu.message.is_some()) || !is_to_stay(history, conversation, pdu) {
                continue;
            }
            let what = format!("let {} forget {}", acknowledgment.relay, pdu.what);
            let at = (handout.destination, conversation.as_str());
            judge_event(history, judgment, at, &pdu.event, (acknowledgment.exchange.sent, &what));
        }
    }
}

/// Judges one acknowledged event, if its conversation could be read at the end.
fn judge_event(
    history: &History<'_>,
    judgment: &mut Judgment,
    (backend, conversation): (&str, &str),
    event: &str,
    (at, what): (Moment, &str),
) {
    let place = (backend.to_owned(), conversation.to_owned());
    let timeline = history.finals.timelines.get(&place);
    let is_read_after = history.settled.as_ref().is_none_or(|(settled, _)| at < *settled);
    let is_judged = is_read_after && history.is_honest(backend);
    let Some(timeline) = timeline.filter(|_| is_judged) else { return };
    judgment.judged += 1;
    let known = Some((at.at, event));
    // What was soft-failed is not shown, and may be part of the state later all the same.
    if timeline.contains(event)
        || is_state_of(history, conversation, backend, event)
        || is_forgotten(history, (backend, conversation), known)
        || soft_failed(history, (backend, conversation), event).is_some()
    {
        return;
    }
    let sentence = format!("{backend} {what}, and does not have it in the end");
    let message = history.name_of(event).and_then(|name| history.message(name));
    judgment.found(match message {
        Some(message) => Finding::about(history, message, at.at, sentence),
        None => Finding::new(at.at, sentence, vec![at.n]),
    });
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::Delivery;
    use serde_json::json;

    use super::judge;
    use crate::{
        Judgment,
        history::{
            Note, PduFacts,
            fake::{Fake, pdu, restored, transaction},
        },
        record::OpOutcome,
    };

    fn judged(fake: Fake) -> Judgment {
        fake.judged(Delivery::Eventual, judge)
    }

    #[test]
    fn an_ok_send_is_at_its_backend_in_the_end() {
        let kept = |events: &[&str]| {
            let mut fake = Fake::ready();
            fake.sent_ok("alice/1", "m1");
            fake.holds_at_end("a", events);
            judged(fake)
        };
        assert_eq!((kept(&["$m1"]).judged, kept(&["$m1"]).finding), (1, None));
        let lost = kept(&[]).finding.expect("a violation");
        assert_eq!(lost.sentence, "a acknowledged m1, and does not have it in the end");
    }

    #[test]
    fn what_an_owner_forgot_before_it_told_the_senders_backend_need_not_be_there() {
        let lost = |node: &str, is_told: bool| {
            let mut scenario = restored(node, 5);
            for team in scenario.conversations.values_mut() {
                team.delivery = Delivery::M1;
            }
            let path = "/_matrix/federation/unstable/org.fedsim.m1";
            let mut fake = Fake::ready();
            fake.waits(10);
            fake.sends("bob/1", "m1");
            let prepare = format!("PUT {path}/prepare/!team/$m1");
            let body = json!({"event": pdu("m1"), "devices": {}});
            fake.exchange(("a", "b"), &prepare, &body, &json!({"vote": "yes"}));
            fake.ends("m1", OpOutcome::Ok);
            if is_told {
                let commit = json!({"decision": "commit"});
                let decision = format!("PUT {path}/decision/!team/$m1");
                fake.exchange(("a", "b"), &decision, &commit, &json!({}));
            }
            fake.waits(1);
            fake.begins_fault(0);
            fake.holds_at_end("b", &[]);
            fake.judged_in(&scenario, judge).finding
        };
        assert_eq!(lost("a", false), None);
        assert!(lost("a", true).is_some() && lost("c", false).is_some());
    }

    #[test]
    fn an_accepted_pdu_is_there_in_the_end_and_a_rejected_one_need_not_be() {
        let event = PduFacts::of(&pdu("m1")).expect("a PDU").event;
        let kept = |answer: &serde_json::Value, events: &[&str]| {
            let mut fake = Fake::ready();
            fake.sends("alice/1", "m1");
            let what = "PUT /_matrix/federation/v1/send/1";
            fake.exchange(("a", "b"), what, &transaction("m1"), answer);
            fake.holds_at_end("b", events);
            judged(fake)
        };
        let accepted = json!({"pdus": {event.clone(): {}}});
        assert_eq!(kept(&accepted, &[&event]).finding, None);
        assert!(kept(&accepted, &[]).finding.is_some());
        let rejected = json!({"pdus": {event: {"error": "not allowed"}}});
        assert_eq!(kept(&rejected, &[]).judged, 0);
    }

    #[test]
    fn what_is_acknowledged_while_the_end_is_read_is_not_judged() {
        let mut fake = Fake::ready();
        fake.note(&Note::Settled { pending: vec!["a has 1 pending".to_owned()] });
        fake.sent_ok("alice/1", "m1");
        fake.holds_at_end("a", &[]);
        let late = judged(fake);
        assert_eq!((late.judged, late.finding), (0, None));
    }

    #[test]
    fn what_a_relay_was_told_to_forget_is_at_its_destination() {
        let event = PduFacts::of(&pdu("m1")).expect("a PDU").event;
        let kept = |delivery: Delivery, events: &[&str]| {
            let mut fake = Fake::ready();
            fake.sends("alice/1", "m1");
            let what = "GET /_matrix/federation/v1/relay_txn/@user:b";
            let entry = json!({"transaction": transaction("m1"), "entry_id": 7,
                               "entries_queued": true});
            fake.exchange(("b", "r1"), what, &json!({"entry_id": 0}), &entry);
            fake.exchange(("b", "r1"), what, &json!({"entry_id": 7}), &json!({}));
            fake.holds_at_end("b", events);
            fake.judged(delivery, judge)
        };
        assert_eq!(kept(Delivery::Eventual, &[&event]).finding, None);
        let lost = kept(Delivery::Eventual, &[]).finding.expect("a violation");
        assert_eq!(lost.sentence, "b let r1 forget m1, and does not have it in the end");
        assert_eq!(kept(Delivery::M1, &[]).finding, None, "its owner alone says that it is shown");
    }

    /// Lets `b` accept an event of `a`'s and not have it in the end.
    fn dropped(body: &serde_json::Value, before: impl Fn(&mut Fake)) -> Judgment {
        let event = PduFacts::of(body).expect("a PDU").event;
        let mut fake = Fake::ready();
        before(&mut fake);
        let what = "PUT /_matrix/federation/v1/send/1";
        let answer = json!({"pdus": {event: {}}});
        fake.exchange(("a", "b"), what, &json!({"origin": "a", "pdus": [body]}), &answer);
        fake.holds_at_end("b", &[]);
        judged(fake)
    }

    #[test]
    fn a_state_event_is_only_lost_if_its_own_sender_still_has_it_and_the_other_has_not() {
        let invite = json!({"type": "m.room.member", "state_key": "@dave:b", "depth": 1,
                            "content": {"membership": "invite"}, "room_id": "!team",
                            "sender": "@alice:a"});
        assert_eq!(dropped(&invite, |_| {}).judged, 0);
        let event = PduFacts::of(&invite).expect("a PDU").event;
        let lost = dropped(&invite, |fake| fake.state_at_end("a", &event));
        let sentence = "b acknowledged the invite of dave to a, and does not have it in the end";
        assert_eq!(lost.finding.expect("a violation").sentence, sentence);
        let kept = dropped(&invite, |fake| {
            fake.state_at_end("a", &event);
            fake.state_at_end("b", &event);
        });
        assert_eq!((kept.judged, kept.finding), (1, None));
    }

    #[test]
    fn a_message_whose_sender_leaves_may_come_too_late_to_be_taken() {
        let (user, conversation) = ("alice".to_owned(), "team".to_owned());
        let leave = Note::LeaveBegan { user, conversation };
        let leaving = |fake: &mut Fake| {
            fake.sends("alice/1", "m1");
            fake.note(&leave);
        };
        assert_eq!(dropped(&pdu("m1"), leaving).judged, 0);
        let staying = |fake: &mut Fake| {
            fake.sends("alice/1", "m1");
        };
        assert!(dropped(&pdu("m1"), staying).finding.is_some());
    }

    #[test]
    fn a_join_that_comes_after_a_removal_beside_it_need_not_be_taken() {
        let member = |sender: &str, membership: &str| {
            json!({"type": "m.room.member", "state_key": "@alice:a", "depth": 2, "sender": sender,
                   "content": {"membership": membership}, "room_id": "!team",
                   "prev_events": ["$invite"]})
        };
        let event = |pdu: &serde_json::Value| PduFacts::of(pdu).expect("a PDU").event;
        let (removal, join) = (member("@carol:c", "leave"), member("@alice:a", "join"));
        let dropped = |is_told: bool| {
            let mut fake = Fake::ready();
            let what = "PUT /_matrix/federation/v1/send/1";
            if is_told {
                fake.exchange(("c", "b"), what, &json!({"pdus": [removal]}), &json!({}));
            }
            fake.exchange(("a", "b"), what, &json!({"pdus": [join]}), &json!({}));
            fake.holds_at_end("b", &[&event(&removal)]);
            fake.state_at_end("a", &event(&join));
            judged(fake).finding
        };
        assert_eq!(dropped(true), None);
        assert!(dropped(false).is_some(), "nobody told b of the removal before");
    }
}
