//! `client-state`: in the end, a device that has synced all the time was shown every event of the
//! state that its backend has of a conversation: as state, or among the events that it was sent. What
//! a sync leaves out of a room's events is told as state, also to who fetches it page by page.
//!
//! Which of two events counts where a room has forked, a client cannot tell by what it is sent
//! (Matrix, client-server API, "Syncing"); so what it was never shown is judged, and not what it
//! makes of it. Also a backend that took in a state as a whole, or whose disk was set back to a backup,
//! tells what it has. Left out are those whose disks were wiped: they know no device any more. This
//! check alone finds `limited-sync-omits-state`.

use std::collections::{BTreeMap, BTreeSet};

use memchr::memmem;
use scenarios::scenario::{FaultKind, NodeFault, Reads};

use crate::{
    Judgment,
    history::{Exchange, History, Membership, Moment},
};

pub(super) fn judge(history: &History<'_>) -> Judgment {
    let mut judgment = Judgment::new("devices");
    if !history.finals.complete {
        return judgment;
    }
    let shown = shown(history);
    for (conversation, states) in &history.finals.states {
        let judged = states.iter().filter(|(backend, _)| is_judged(history, backend));
        for (backend, state) in judged {
            for device in devices(history, conversation, backend) {
                let Some(shown) = shown.get(device.as_str()) else { continue };
                judgment.judged += 1;
                let unseen = state.iter().find(|(_, event)| !shown.has(event));
                let Some((key, event)) = unseen else { continue };
                let what = super::same_state::in_words(key);
                let how = if shown.pages.contains_key(event.as_str()) { " as state" } else { "" };
                let sentence = format!(
                    "{device} was never shown{how} the {what} that {backend} has of {conversation}"
                );
                judgment.found(super::queues_drained::at_the_end(history, sentence));
            }
        }
    }
    judgment
}

fn is_judged(history: &History<'_>, backend: &str) -> bool {
    let mut faults = history.scenario.faults.iter();
    let is_wiped = faults.any(
        |fault| matches!(&fault.kind, FaultKind::Node(NodeFault::Wipe { node }) if node == backend),
    );
    history.is_honest(backend) && !is_wiped
}

/// Returns the devices at a backend that sync, and whose users were in the conversation all the
/// time.
fn devices(history: &History<'_>, conversation: &str, backend: &str) -> Vec<String> {
    let is_lasting = |known: &&Membership| {
        let user = history.scenario.users.get(&known.user);
        known.conversation == conversation
            && known.certain_from == Some(0)
            && known.certain_until.is_none()
            && user.is_some_and(|user| user.backend == backend && user.reads == Reads::Sync)
    };
    let lasting = history.memberships.iter().filter(is_lasting);
    lasting.flat_map(|known| history.lasting_devices_of(&known.user)).collect()
}

/// What a device was sent.
#[derive(Default)]
struct Shown<'h> {
    /// The ids of the events in its syncs.
    synced: BTreeSet<&'h str>,
    /// Those in the pages of what syncs left out, and when the device first asked for them.
    pages: BTreeMap<&'h str, Moment>,
    /// When a sync last told it of any state.
    state_told: Moment,
}

impl Shown<'_> {
    /// Returns whether the device was shown the event as it should have been. If it was told of other
    /// state since it fetched the event, that one may have counted only from then on.
    fn has(&self, event: &str) -> bool {
        let is_settled = |asked: &Moment| self.state_told < *asked;
        self.synced.contains(event) || self.pages.get(event).is_some_and(|asked| !is_settled(asked))
    }
}

/// Returns what each device was sent by syncs, and by the pages of what these left out.
fn shown<'h>(history: &'h History<'_>) -> BTreeMap<&'h str, Shown<'h>> {
    let mut shown: BTreeMap<&str, Shown<'_>> = BTreeMap::new();
    for exchange in &history.exchanges {
        let answer = exchange.answer.filter(|_| exchange.answer_arrived.is_some());
        let Some(answer) = answer else { continue };
        if exchange.endpoint == "sync" {
            let shown = shown.entry(exchange.from).or_default();
            shown.synced.extend(events_in(answer.body));
            if memmem::find(answer.body, b"\"state_key\":").is_some() {
                shown.state_told = shown.state_told.max(answer.sent);
            }
        } else if is_page(exchange) {
            let pages = &mut shown.entry(exchange.from).or_default().pages;
            for event in events_in(answer.body) {
                pages.entry(event).or_insert(exchange.sent);
            }
        }
    }
    shown
}

fn is_page(exchange: &Exchange<'_>) -> bool {
    let target = &exchange.request.target;
    target.contains("/messages?") && target.contains("&to=")
}

/// Returns the ids of the events in a JSON body without spaces.
fn events_in(body: &[u8]) -> impl Iterator<Item = &str> {
    const OPENING: &[u8] = b"\"event_id\":\"";
    memmem::find_iter(body, OPENING).filter_map(|at| {
        let rest = &body[at + OPENING.len()..];
        let end = memchr::memchr(b'"', rest)?;
        std::str::from_utf8(&rest[..end]).ok()
    })
}

#[cfg(test)]
mod tests {
    use scenarios::scenario::Delivery;
    use serde_json::json;

    use super::judge;
    use crate::{
        Judgment,
        history::{Note, fake::Fake},
    };

    /// Lets bob's device be sent an event, and `b` have another one as its state in the end.
    fn synced(sent: &str, happens: impl FnOnce(&mut Fake)) -> Judgment {
        let mut fake = Fake::ready();
        let answer = json!({"rooms": {"join": {"!team": {"state": {"events": [
            {"type": "m.room.create", "state_key": "", "event_id": sent}]}}}}});
        fake.exchange(("bob/1", "b"), "GET /_matrix/client/v3/sync?timeout=1", &json!({}), &answer);
        happens(&mut fake);
        fake.state_at_end("b", "$create");
        fake.note(&Note::Finished {});
        fake.judged(Delivery::Eventual, judge)
    }

    #[test]
    fn every_event_of_the_state_was_shown() {
        let good = synced("$create", |_| {});
        assert_eq!((good.judged, good.finding), (1, None));
        let bad = synced("$other", |_| {}).finding.expect("a violation");
        let expected = "bob/1 was never shown the m.room.create that b has of team";
        assert_eq!(bad.sentence, expected);
    }

    fn fetches(fake: &mut Fake) {
        let what = "GET /_matrix/client/v3/rooms/!team/messages?dir=b&from=1&to=2";
        fake.exchange(("bob/1", "b"), what, &json!({}), &json!({"event_id": "$create"}));
    }

    #[test]
    fn what_a_sync_left_out_of_the_events_is_told_as_state() {
        let only_fetched = synced("$other", fetches).finding.expect("a violation");
        let expected = "bob/1 was never shown as state the m.room.create that b has of team";
        assert_eq!(only_fetched.sentence, expected);
    }

    #[test]
    fn what_was_fetched_may_count_only_once_other_state_comes() {
        let resolved = synced("$other", |fake| {
            fetches(fake);
            let what = "GET /_matrix/client/v3/sync?timeout=1";
            let answer = json!({"state_key": "", "event_id": "$later"});
            fake.exchange(("bob/1", "b"), what, &json!({}), &answer);
        });
        assert_eq!(resolved.finding, None);
    }

    #[test]
    fn a_backend_that_took_in_a_whole_state_tells_its_devices() {
        let at_once = synced("$other", |fake| {
            let what = "GET /_matrix/federation/v1/state_ids/!team";
            fake.exchange(("b", "a"), what, &json!({}), &json!({}));
        });
        assert!(at_once.finding.is_some());
    }
}
