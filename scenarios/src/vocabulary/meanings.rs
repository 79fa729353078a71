//! What each check asks, in a line.

/// Returns what the check called `check` asks, or for a situation what came about, without a period;
/// empty for a check that is not one of ours.
pub fn meaning(check: &str) -> &'static str {
    match check {
        "all-or-nothing" => "an m1 message is seen by all devices of its members, or by none",
        "member-at-decision" => {
            "who joined while an m1 message was voted on sees it, if it was sent"
        }
        "no-early-sight" => {
            "no m1 message is seen before every member backend keeps it and its owner decided"
        }
        "honest-answer" => {
            "a send that was ok reached everybody whom the answer does not name as left out"
        }
        "exactly-once" => "no device sees a message twice",
        "no-zombie" => "what was refused is never seen by anybody",
        "sender-order" => {
            "any two messages of a device are seen in the order in which it sent them"
        }
        "right-recipient" => "only members of its conversation see a message, and only there",
        "no-forgery" => "no honest server accepts or shows what a dishonest one made up",
        "acknowledged-survives" => "what a homeserver acknowledged is still there in the end",
        "soft-failure" => "what comes to a backend after its sender was removed there is not shown",
        "no-wrong-refusal" => "no server refuses for good what an honest one may send it",
        "durable-vote" => "a backend votes yes only when the message is on its own disk",
        "durable-answer" => {
            "what a server says that it has taken is on its own disk before it says so"
        }
        "relay-keeps" => {
            "a relay hands out what it accepted until that is acknowledged, and never again"
        }
        "relay-once" => "a relay keeps what it accepted once, and what it refused not at all",
        "relay-order" => "a relay hands out what waits for a destination oldest first",
        "relay-forwards" => "a relay that forwards sends on at once what nothing keeps it from",
        "queue-order" => {
            "a server sends a destination everything, in the order in which it was said"
        }
        "forward-extremities" => "a message builds on all that its server had accepted by then",
        "one-in-flight" => {
            "a server has one transaction or question for mail under way to each other, at most"
        }
        "idempotent-transactions" => "a transaction that comes again is answered as before",
        "within-limits" => "no transaction, event or body is larger than servers take",
        "same-state" => "in the end, backends agree on the state of each conversation",
        "client-state" => {
            "in the end, devices that sync were shown the state that their backend has"
        }
        "delivered-in-time" => "an eventual message comes within a bound over any way that is open",
        "delivered" => {
            "in the end, everybody sees what was sent, unless it certainly could not come"
        }
        "relays-drained" => "in the end, no relay keeps anything",
        "queues-drained" => "in the end, no homeserver has anything left to send or is in doubt",
        "send-refused" => "a send was refused",
        "send-indefinite" => "nobody knew how a send ended",
        "relayed" => "a relay accepted a transaction",
        "retrieved-from-relay" => "a destination got an entry from its relay",
        "in-doubt-asked" => "a backend that had voted asked what was decided",
        "missing-events-fetched" => "a server asked another for events that it lacked",
        "answer-lost" => "an answer never arrived",
        "machine-restarted" => "a machine booted again",
        "caught-up-by-notifications" => "a device found something new in its notifications",
        "trespass-refused" => "a relay refused a stranger another server's mail",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::{super::CHECKS, meaning};

    #[test]
    fn every_check_has_a_meaning_of_its_own() {
        let mut known = Vec::new();
        for check in CHECKS {
            let meaning = meaning(check.name);
            assert!(!meaning.is_empty() && !known.contains(&meaning), "{}", check.name);
            known.push(meaning);
        }
    }
}
