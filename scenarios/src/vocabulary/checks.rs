//! The checks of homeservers and relays by name; the crate `checks` has their judges.

use super::{CheckKind, CheckName};

/// The checks of homeservers and relays, the most serious first.
pub const CHECKS: &[CheckName] = &[
    always("all-or-nothing", "an m1 message is seen by all devices of its members, or by none"),
    always(
        "member-at-decision",
        "who joined while an m1 message was voted on sees it, if it was sent",
    ),
    always(
        "no-early-sight",
        "no m1 message is seen before every member backend keeps it and its owner decided",
    ),
    always(
        "honest-answer",
        "a send that was ok reached everybody whom the answer does not name as left out",
    ),
    always("exactly-once", "no device sees a message twice"),
    always("no-zombie", "what was refused is never seen by anybody"),
    always(
        "sender-order",
        "any two messages of a device are seen in the order in which it sent them",
    ),
    always("right-recipient", "only members of its conversation see a message, and only there"),
    always("no-forgery", "no honest server accepts or shows what a dishonest one made up"),
    always("acknowledged-survives", "what a homeserver acknowledged is still there in the end"),
    always(
        "soft-failure",
        "what comes to a backend after its sender was removed there is not shown",
    ),
    always("no-wrong-refusal", "no server refuses for good what an honest one may send it"),
    always("durable-vote", "a backend votes yes only when the message is on its own disk"),
    always(
        "durable-answer",
        "what a server says that it has taken is on its own disk before it says so",
    ),
    always(
        "relay-keeps",
        "a relay hands out what it accepted until that is acknowledged, and never again",
    ),
    always("relay-once", "a relay keeps what it accepted once, and what it refused not at all"),
    always("relay-order", "a relay hands out what waits for a destination oldest first"),
    always("relay-forwards", "a relay that forwards sends on at once what nothing keeps it from"),
    always(
        "queue-order",
        "a server sends a destination everything, in the order in which it was said",
    ),
    always("forward-extremities", "a message builds on all that its server had accepted by then"),
    always(
        "one-in-flight",
        "a server has one transaction or question for mail under way to each other, at most",
    ),
    always("idempotent-transactions", "a transaction that comes again is answered as before"),
    always("within-limits", "no transaction, event or body is larger than servers take"),
    always("same-state", "in the end, backends agree on the state of each conversation"),
    always(
        "client-state",
        "in the end, devices that sync were shown the state that their backend has",
    ),
    always("membership-holds", "who was told to have joined or left has, in the end"),
    always(
        "delivered-in-time",
        "an eventual message comes within a bound over any way that is open",
    ),
    eventually(
        "delivered",
        "in the end, everybody sees what was sent, unless it certainly could not come",
    ),
    eventually(
        "redactions-hold",
        "in the end, nobody is shown what a message said that was taken away",
    ),
    eventually("relays-drained", "in the end, no relay keeps anything"),
    eventually(
        "queues-drained",
        "in the end, no homeserver has anything left to send or is in doubt",
    ),
    sometimes("send-refused", "a send was refused"),
    sometimes("send-indefinite", "nobody knew how a send ended"),
    sometimes("relayed", "a relay accepted a transaction"),
    sometimes("retrieved-from-relay", "a destination got an entry from its relay"),
    sometimes("in-doubt-asked", "a backend that had voted asked what was decided"),
    sometimes("missing-events-fetched", "a server asked another for events that it lacked"),
    sometimes("answer-lost", "an answer never arrived"),
    sometimes("machine-restarted", "a machine booted again"),
    sometimes("caught-up-by-notifications", "a device found something new in its notifications"),
    sometimes("trespass-refused", "a relay refused a stranger another server's mail"),
    sometimes("typing-seen", "a device was told that somebody else types"),
];

const fn always(name: &'static str, means: &'static str) -> CheckName {
    CheckName { name, kind: CheckKind::Always, means }
}

const fn eventually(name: &'static str, means: &'static str) -> CheckName {
    CheckName { name, kind: CheckKind::Eventually, means }
}

const fn sometimes(name: &'static str, means: &'static str) -> CheckName {
    CheckName { name, kind: CheckKind::Sometimes, means }
}

/// Returns what the check of [`CHECKS`] called `check` asks.
///
/// # Panics
/// There is none of that name, which ends the compilation where this is a constant.
pub const fn meaning(check: &str) -> &'static str {
    let mut at = 0;
    while at < CHECKS.len() {
        if is_same(CHECKS[at].name.as_bytes(), check.as_bytes()) {
            return CHECKS[at].means;
        }
        at += 1;
    }
    panic!("there is no such check")
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

#[cfg(test)]
mod tests {
    use super::CHECKS;

    #[test]
    fn every_check_has_a_meaning_of_its_own() {
        let mut known = Vec::new();
        for check in CHECKS {
            assert!(!check.means.is_empty() && !known.contains(&check.means), "{}", check.name);
            known.push(check.means);
        }
    }
}
